"""One connection to a project's database: how it is opened, written, checked and backed up.

Every trouble that a person can mend becomes an InputError here; nothing is half written.
"""

from __future__ import annotations

import json
import os
import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psutil
from sqlalchemy import Connection, create_engine
from sqlalchemy.exc import DBAPIError
from sqlalchemy.pool import StaticPool

from model.errors import InputError

BUSY_MS = 10_000


class Database:
    """A connection that commits durably: WAL and full sync, or a rollback journal on a network.

    For one thread. `read_only` where the place does not allow writing; `notes` says so once.
    """

    dialect = "sqlite"
    _seen: tuple[tuple[int, int] | None, ...] | None = None
    """The traces of writing at the time of opening, where SQLite does not look for any itself."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.read_only = not is_writable(path)
        self.network = is_network(path.parent)
        self.notes: list[str] = []
        self._engine = create_engine(
            "sqlite://", creator=self._connect, poolclass=StaticPool, json_serializer=to_json
        )
        with self.translated():
            self._open()
            self._prepare()

    def _connect(self) -> sqlite3.Connection:
        uri = self.path.resolve().as_uri()
        if not self.read_only:
            return self._opened(uri)
        self._seen = None
        found = self._opened(uri + "?mode=ro")
        if not _follows(found):  # SQLite may not make what it needs to follow a writer
            found.close()
            self._seen = self._traces()
            return self._opened(uri + "?mode=ro&immutable=1")
        return found

    @staticmethod
    def _opened(uri: str) -> sqlite3.Connection:
        return sqlite3.connect(uri, uri=True, isolation_level=None, check_same_thread=False)

    def _traces(self) -> tuple[tuple[int, int] | None, ...]:
        """By what one sees from outside that somebody wrote."""
        found: list[tuple[int, int] | None] = []
        for path in (self.path, self.path.with_name(self.path.name + "-wal")):
            try:
                about = path.stat()
                found.append((about.st_size, about.st_mtime_ns))
            except OSError:
                found.append(None)
        return tuple(found)

    def look_again(self) -> None:
        """Where SQLite takes the file for one that never changes: open it anew if it did."""
        if self._seen is None or self._seen == self._traces():
            return
        with self.translated():
            self.connection.close()
            self._engine.dispose()
            self._open()

    def _open(self) -> None:
        self.connection: Connection = self._engine.connect().execution_options(
            isolation_level="AUTOCOMMIT"
        )
        for pragma in (f"busy_timeout={BUSY_MS}", "foreign_keys=ON", "cache_size=-65536"):
            self.connection.exec_driver_sql(f"PRAGMA {pragma}")

    def _prepare(self) -> None:
        run = self.connection.exec_driver_sql
        if self.read_only:
            self.notes.append(
                "This project can only be looked at: its folder may not be written to by you. "
                "Copy the folder to a place of your own to label."
            )
            return
        if self.network:
            run("PRAGMA journal_mode=DELETE")
            self.notes.append(
                "This project lies on a network file system: every label is still stored at once, "
                "only some milliseconds more slowly."
            )
        else:
            run("PRAGMA journal_mode=WAL")
        run("PRAGMA synchronous=FULL")

    @contextmanager
    def write(self) -> Iterator[Connection]:
        """One transaction: all of it is on the disk at the end, or nothing of it."""
        if self.read_only:
            raise InputError(
                "this project can only be looked at",
                file=self.path.parent,
                mend="Copy its folder to a place where you may write.",
            )
        with self.translated():
            self.connection.exec_driver_sql("BEGIN IMMEDIATE")
            try:
                yield self.connection
                self.connection.exec_driver_sql("COMMIT")
            except BaseException:
                if self.driver.in_transaction:
                    self.connection.exec_driver_sql("ROLLBACK")
                raise

    @property
    def driver(self) -> sqlite3.Connection:
        """The driver's own connection, for what needs its speed."""
        found = self.connection.connection.driver_connection
        assert isinstance(found, sqlite3.Connection)
        return found

    def rows(self, sql: str, *values: Any) -> Iterable[Any]:
        """The answer to a plain question, as fast as the driver gives it; `?` for each value."""
        return self.driver.execute(sql, values)

    @contextmanager
    def translated(self) -> Iterator[None]:
        """Troubles of the disk become InputErrors; a mistake of ours stays what it is."""
        with translated(self.path):
            yield

    def quick_check(self) -> None:
        """InputError where the database file is damaged."""
        with self.translated():
            found = self.connection.exec_driver_sql("PRAGMA quick_check(1)").scalar()
        if found != "ok":
            found = " ".join(str(found).split())
            raise InputError(f"the database is damaged ({found})", file=self.path, mend=_RESTORE)

    def close(self) -> None:
        """Let go of the file."""
        self.connection.close()
        self._engine.dispose()


@contextmanager
def translated(path: Path) -> Iterator[None]:
    """Troubles of the database file become InputErrors that name it."""
    try:
        yield
    except DBAPIError as error:
        raise _in_words(str(error.orig), path) or error from error
    except sqlite3.Error as error:
        raise _in_words(str(error), path) or error from error
    except (UnicodeDecodeError, json.JSONDecodeError) as error:
        raise damaged(path, error) from error


def damaged(path: Path, reason: object) -> InputError:
    """What to say of a database whose content makes no sense."""
    return InputError(f"the database is damaged ({reason})", file=path, mend=_RESTORE)


def _in_words(text: str, path: Path) -> InputError | None:
    for part, what, mend in _TROUBLES:
        if part in text:
            return InputError(f"{what} ({text})", file=path, mend=mend)
    return None


def to_json(value: Any) -> str:
    """JSON of values that may hold numbers and arrays of numpy."""
    return json.dumps(value, ensure_ascii=False, default=lambda v: v.tolist())


_RESTORE = (
    "Run `airylabel check --repair` on the project: it saves what can be read"
    " and takes the rest from its folder `backups`."
)
_TROUBLES = (
    (
        "is full",
        "the disk is full, so this was not stored; everything before is",
        "Free some space and try again.",
    ),
    (
        "readonly database",
        "the project may not be written to",
        "Copy its folder to a place where you may write.",
    ),
    (
        "is locked",
        "another program holds the project",
        "Close it there, or wait, and try again.",
    ),
    (
        "disk I/O error",
        "the disk reports an error, so this was not stored",
        "Check the disk and the connection to it, then try again.",
    ),
    (
        "unable to open",
        "the project cannot be opened",
        "Check that the folder is there and may be read.",
    ),
    ("Could not decode", "the database is damaged", _RESTORE),
    ("malformed", "the database is damaged", _RESTORE),
    ("not a database", "the database is damaged", _RESTORE),
    ("no such column", "the database is damaged: a column is missing", _RESTORE),
    ("constraint failed: classes", "the database is damaged: its classes", _RESTORE),
    ("no such table", "the database is damaged: a table is missing", _RESTORE),
)


def _follows(connection: sqlite3.Connection) -> bool:
    """Whether a read-only connection can be used."""
    try:
        connection.execute("SELECT 1 FROM sqlite_master").fetchone()
    except sqlite3.OperationalError:
        return False
    return True


# -- what kind of place a project lies in ----------------------------------------------------------

NETWORK = (
    "nfs",
    "cifs",
    "smb",
    "afp",
    "lustre",
    "gpfs",
    "beegfs",
    "afs",
    "ceph",
    "9p",
    "ncpfs",
    "fuse.sshfs",
    "fuse.gvfs",
    "fuse.glusterfs",
    "glusterfs",
    "davfs",
    "panfs",
)
"""File systems, by the start of their names, on which SQLite's shared memory does not work."""


def is_network(folder: Path) -> bool:
    """Whether a folder lies on a network file system; False where nobody can tell."""
    text = str(folder.resolve())
    if text.startswith("\\\\"):
        return True
    best, remote = "", False
    for part in psutil.disk_partitions(all=True):
        mount = part.mountpoint
        inside = text == mount or text.startswith(mount.rstrip("/\\") + os.sep)
        if inside and len(mount) >= len(best):
            drive = "remote" in part.opts.split(",")  # as Windows says it
            best, remote = mount, drive or part.fstype.lower().startswith(NETWORK)
    return remote


def is_writable(file: Path) -> bool:
    """Whether a database may be written: the file itself, and its folder for the journal."""
    return os.access(file.parent, os.W_OK) and (not file.exists() or os.access(file, os.W_OK))
