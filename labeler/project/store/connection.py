"""One connection to a project's database: how it is opened, written, checked and backed up.

Every trouble that a person can mend becomes an InputError here; nothing is half written.
"""

from __future__ import annotations

import json
import os
import shutil
import sqlite3
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import psutil
from sqlalchemy import Connection, create_engine
from sqlalchemy.exc import DBAPIError, SQLAlchemyError
from sqlalchemy.pool import StaticPool

from labeler.project.store.dialects import only_grows
from model.errors import InputError, on_one_line
from model.output_files import written_whole

BUSY_MS = 10_000
"""This long a command waits for another process that holds the database."""
SLICE_MS, PATIENCE_S, SOON_S = 50, 60.0, 30.0
"""A window waits in slices, between which it lives, for at most this long; and soon after that wait
was in vain, only a moment."""


SENSELESS = (
    ValueError, TypeError, KeyError, IndexError, AttributeError, OverflowError, RecursionError,
    SQLAlchemyError,
)  # fmt: skip
"""What is raised over a database that opens, and holds values that this program never wrote."""


def senseless(database: Path, error: Exception) -> InputError:
    """The words for such a database."""
    why = f"{type(error).__name__}: {str(error).splitlines()[0][:80] if str(error) else ''}"
    mend = "Restore a backup: airylabel restore. Where another person sent the project, ask them."
    return InputError(f"holds values that cannot be of a project ({why})", file=database, mend=mend)


class DisplacedError(InputError):
    """The files that were opened are not the project's any more: nothing more is stored in them.

    What was stored before is still held by the open connection, see `Database.copy_to`.
    """


class Database:
    """A connection that commits durably: WAL and full sync, or a rollback journal on a network.

    For one thread. `read_only` where the place does not allow writing; `notes` says so once.
    """

    dialect = "sqlite"
    while_waiting: Callable[[float], None] | None = None
    """Called again and again, with the seconds so far, while another process holds the database."""
    waiting = False
    """Whether a change waits for another process; everything else is refused meanwhile."""
    _seen: tuple[tuple[int, int] | None, ...] | None = None
    """The traces of writing at the time of opening, where SQLite does not look for any itself."""
    _files: tuple[tuple[int, int] | None, ...] = ()
    """Which files were opened: the database, its journal and the index of that."""
    _in_vain = -SOON_S
    _aside: tempfile.TemporaryDirectory[str] | None = None
    _copy: Path | None = None
    full = False
    """Whether it can only be looked at because its disk is full."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.read_only = not is_writable(path)
        self.network = is_network(path.parent)
        self.notes: list[str] = []
        self._engine = create_engine(
            "sqlite://", creator=self._connect, poolclass=StaticPool, json_serializer=to_json
        )
        try:
            self._begin()
        except InputError:
            if self.read_only or not path.is_file() or not is_full(path.parent):
                raise
            self.read_only = self.full = True
            self._engine.dispose()
            self._begin()

    def _begin(self) -> None:
        with self.translated():
            self._open()
            self._prepare()

    def _connect(self) -> sqlite3.Connection:
        if self._copy is not None:
            return self._opened(self._copy.resolve().as_uri())
        uri = self.path.resolve().as_uri()
        if not self.read_only:
            return self._opened(uri)
        self._seen = None
        found = self._opened(uri + "?mode=ro")
        if not _follows(found):  # SQLite may not make what it needs to follow a writer
            found.close()
            self._seen = self._traces()
            return self._not_following()
        return found

    def _not_following(self) -> sqlite3.Connection:
        """The database as it is now; with a journal beside it, a copy of both where one may write.

        In the journal are the newest labels, and SQLite looks into it only where it may write.
        """
        journal = self.path.with_name(self.path.name + "-wal")
        if not (journal.is_file() and journal.stat().st_size):
            return self._opened(self.path.resolve().as_uri() + "?mode=ro&immutable=1")
        for part in (self.path, journal):
            shutil.copyfile(part, self._place_aside() / part.name)
        return self._opened((self._place_aside() / self.path.name).resolve().as_uri())

    def _place_aside(self) -> Path:
        if self._aside is None:
            self._aside = tempfile.TemporaryDirectory(prefix="airylabel-")
        return Path(self._aside.name)

    def work_on_copy(self) -> None:
        """Go on with a copy elsewhere, where the project itself may not be brought up to date."""
        copy = self._place_aside() / f"copy of {self.path.name}"
        self.copy_to(copy)
        self._copy, self._seen, self._files = copy, None, ()
        self.connection.close()
        self._engine.dispose()
        self._open()

    @staticmethod
    def _opened(uri: str) -> sqlite3.Connection:
        return sqlite3.connect(uri, uri=True, isolation_level=None, check_same_thread=False)

    def _traces(self) -> tuple[tuple[int, int] | None, ...]:
        """By what one sees from outside that someone wrote."""
        found: list[tuple[int, int] | None] = []
        for path in (self.path, self.path.with_name(self.path.name + "-wal")):
            try:
                about = path.stat()
                found.append((about.st_size, about.st_mtime_ns))
            except OSError:
                found.append(None)
        return tuple(found)

    def look_again(self) -> None:
        """Where SQLite takes the file for one that never changes: open it again if it did."""
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
        driver = self.connection.connection.driver_connection
        assert isinstance(driver, sqlite3.Connection)
        self.driver = driver
        """The driver's own connection, for what needs its speed."""
        patience = BUSY_MS if self.while_waiting is None else SLICE_MS
        for pragma in (f"busy_timeout={patience}", "foreign_keys=ON", "cache_size=-65536"):
            self.connection.exec_driver_sql(f"PRAGMA {pragma}")
        refuse_acting(driver, self.path)

    def _prepare(self) -> None:
        run = self.connection.exec_driver_sql
        if self.read_only:
            self.notes.append(
                "The disk is full: this project can only be looked at and exported to another one. "
                "Free some space and open it again to label."
                if self.full
                else "This project can only be looked at: its folder may not be written to by you. "
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
        run("SELECT count(*) FROM sqlite_master").scalar()  # now its files are all there
        ends = ("",) if self.network else ("", "-wal", "-shm")
        self._paths = [f"{self.path}{end}" for end in ends]
        self._files = self._identities()

    def turn_read_only(self) -> None:
        """From now on it is only looked at: its disk is full."""
        self.read_only = self.full = True
        self._prepare()

    @contextmanager
    def writable(self) -> Iterator[None]:
        """For the time of a change to a copy."""
        self.read_only = False
        try:
            yield
        finally:
            self.read_only = True

    def live_while_waiting(self, live: Callable[[float], None]) -> None:
        """Call `live` with the seconds so far while another process holds the database."""
        self.while_waiting = live
        with self.translated():
            self.connection.exec_driver_sql(f"PRAGMA busy_timeout={SLICE_MS}")

    def refuse_read_only(self) -> None:
        """InputError where nothing may be written here."""
        if self.read_only:
            raise InputError(
                "this project can only be looked at",
                file=self.path.parent,
                mend="Free some space on its disk, then open it again."
                if self.full
                else "Copy its folder to a place where you may write.",
            )

    @contextmanager
    def write(self) -> Iterator[Connection]:
        """One transaction: all of it is on the disk at the end, or nothing of it.

        Raises DisplacedError where the files are not the project's any more.
        """
        self.refuse_read_only()
        with self.translated():
            self.look_for_files()
            self._patiently("BEGIN IMMEDIATE")
            try:
                yield self.connection
                self._patiently("COMMIT")
            except BaseException:
                if not self.connection.closed and self.driver.in_transaction:
                    self.driver.execute("ROLLBACK")
                raise
            self.look_for_files()

    def _patiently(self, statement: str) -> None:
        begin = time.monotonic()
        limit = 1.0 if begin - self._in_vain < SOON_S else PATIENCE_S
        while True:
            try:
                self.driver.execute(statement)
                return
            except sqlite3.OperationalError as error:
                waited = time.monotonic() - begin
                if "is locked" not in str(error) or self.while_waiting is None:
                    raise
                if waited > limit:
                    self._in_vain = time.monotonic()
                    raise
                self._live(waited)

    def _live(self, waited: float) -> None:
        """Let the window live for a moment, in which no one else may use this connection."""
        assert self.while_waiting is not None
        self.waiting = True
        try:
            self.while_waiting(waited)
        finally:
            self.waiting = False
        if self.connection.closed:
            what = "the project was closed while a change waited, which was not saved"
            raise InputError(what, file=self.path.parent, mend="Open it and do that again.")

    # -- are the files still the project's? ----------------------------------------------------

    def _identities(self) -> tuple[tuple[int, int] | None, ...]:
        """What tells each file from every other one; None where there is none."""
        found: list[tuple[int, int] | None] = []
        for path in self._paths:
            try:
                about = os.stat(path)  # noqa: PTH116 - before and after every label
                found.append((0, 0) if self.network else (about.st_dev, about.st_ino))
            except OSError:
                found.append(None)
        return tuple(found)

    def look_for_files(self) -> None:
        """Refuse to go on where the files are others than those that were opened.

        Whoever moves, deletes or replaces the folder, repairs it or lets a synchronising tool copy
        over it leaves an open connection to files that no one will ever read. A journal alone that
        was taken away is made again, when all that was stored is in the database.

        Raises DisplacedError.
        """
        if not self._files or self.waiting:
            return
        now = self._identities()
        if now == self._files:
            return
        if now[0] is None:
            what = "the project is not where it was: moved or deleted while it is open"
            mend = "Bring it back there, or save what this window holds and open the project again."
            raise DisplacedError(what, file=self.path.parent, mend=mend)
        if now[0] != self._files[0]:
            what = "another file took its place while it is open (a repair, or a tool that copies)"
            mend = "Save what this window holds, then open the project again and compare."
            raise DisplacedError(what, file=self.path, mend=mend)
        self._reopen_journal()

    def _reopen_journal(self) -> None:
        newest = "SELECT coalesce(max(id), 0) FROM gestures"
        (before,) = self.driver.execute(newest).fetchone()
        kept = self.path.with_name(f"{self.path.stem}-held-{os.getpid()}.sqlite")
        self.copy_to(kept)
        self._files = ()
        self.connection.close()
        self._engine.dispose()
        self._open()
        self._prepare()
        (after,) = self.driver.execute(newest).fetchone()
        if after < before:
            self._files = ((0, 0),)  # like no file: nothing is stored from now on
            what = f"its journal was taken away; what was stored before is in {kept.name}"
            mend = f"Close the project, then: airylabel restore PROJECT {kept.name}"
            raise DisplacedError(what, file=self.path, mend=mend)
        kept.unlink()

    def copy_to(self, target: Path) -> None:
        """Save everything that this connection holds as a database of its own, whole or not at all.

        It works where the project's own files are gone: the system keeps them while they are open.
        """
        with (
            self.translated(),
            written_whole(target) as part,
            closing(sqlite3.connect(part, isolation_level=None)) as copy,
        ):
            self.driver.backup(copy)
            copy.execute("PRAGMA journal_mode=DELETE")

    def rows(self, sql: str, *values: Any) -> Iterable[Any]:
        """The answer to a plain question, as fast as the driver gives it; `?` for each value."""
        return self.driver.execute(sql, values)

    @contextmanager
    def translated(self) -> Iterator[None]:
        """Troubles of the disk become InputErrors; a mistake of ours stays what it is."""
        if self.waiting:
            what = "a change waits for another program that holds the project"
            raise InputError(what, file=self.path, mend="Wait for it, or close that program.")
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
        if self._aside is not None:
            self._aside.cleanup()


@contextmanager
def translated(path: Path) -> Iterator[None]:
    """Troubles of the database file become InputErrors that name it."""
    try:
        yield
    except DBAPIError as error:
        raise _in_words(str(error.orig), path) or error from error
    except sqlite3.Error as error:
        raise _in_words(str(error), path) or error from error
    except UnicodeEncodeError as error:  # half of a pair, which a field for text lets through
        raise no_text(error) from error
    except (UnicodeDecodeError, json.JSONDecodeError) as error:
        raise damaged(path, error) from error


_OURS = {
    only_grows(table, verb) for table in ("gestures", "events") for verb in ("UPDATE", "DELETE")
}
_ACTING = """
SELECT type, name, sql FROM sqlite_master
WHERE type IN ('view', 'trigger') OR sql LIKE 'CREATE VIRTUAL%'
"""


def refuse_acting(database: sqlite3.Connection, path: Path) -> None:
    """InputError for a database that does something by itself, which no project's does: reading a
    view of a stranger may never end, and a trigger may take away what is stored."""
    for kind, name, sql in database.execute(_ACTING):
        if sql not in _OURS:
            what = f"holds a {kind} that no project has ({on_one_line(str(name)[:40])})"
            mend = "Ask whoever gave it to you, or restore a backup of your own."
            raise InputError(what, file=path, mend=mend)


def no_text(error: UnicodeEncodeError) -> InputError:
    """What to say of a text that no database takes."""
    what = f"the text has a character in it that is none ({error.object[error.start]!a})"
    return InputError(what, mend="Type it again without that one.")


def damaged(path: Path, reason: object) -> InputError:
    """What to say of a database whose content makes no sense."""
    return InputError(f"the database is damaged ({reason})", file=path, mend=_RESTORE)


LONGEST_PATH = 500
"""SQLite opens files by paths of up to 512 bytes, those beside the database too."""


def _in_words(text: str, path: Path) -> InputError | None:
    if "unable to open" in text and len(os.fsencode(path)) > LONGEST_PATH:
        what = f"the path is longer than the {LONGEST_PATH} bytes that a database can have"
        return InputError(what, file=path, mend="Choose a folder with a shorter path.")
    for part, what, mend in _TROUBLES:
        if part in text:
            return InputError(f"{what} ({text})", file=path, mend=mend)
    return None


def to_json(value: Any) -> str:
    """JSON of values that may hold numbers and arrays of numpy; what is no number becomes null."""
    try:
        return _as_json(value)
    except ValueError:  # NaN, which a server does not take
        return _as_json(json.loads(json.dumps(value, default=_plain), parse_constant=_nothing))


def _as_json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, allow_nan=False, default=_plain)


def _plain(value: Any) -> Any:
    return value.tolist()


def _nothing(text: str) -> None:
    return None


_RESTORE = (
    "Run `airylabel check --repair` on the project: it saves what can be read"
    " and takes the rest from its folder `backups`."
)
_TROUBLES = (
    (
        "is full",
        "the disk is full, so this was not saved; everything before is",
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
        "the disk reports an error, so this was not saved",
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
    """Whether a folder lies on a network file system; False where no one can tell."""
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


def is_full(folder: Path) -> bool:
    """Whether a disk has no room for what SQLite needs to open a database for writing."""
    return shutil.disk_usage(folder).free < _NEEDED


_NEEDED = 512 * 1024


def is_writable(file: Path) -> bool:
    """Whether a database may be written: the file itself, and its folder for the journal."""
    return os.access(file.parent, os.W_OK) and (not file.exists() or os.access(file, os.W_OK))
