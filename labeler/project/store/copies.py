"""Whole copies of a database: made while others write, looked into, put back.

Every copy is complete under its name or is not there. Own connections only: whoever labels is
never kept waiting by a copy.
"""

from __future__ import annotations

import json
import re
import sqlite3
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from labeler.project.folder import BACKUPS
from labeler.project.store.connection import refuse_acting, translated
from labeler.project.store.schema import KNOWN
from model.errors import InputError
from model.output_files import sweep, written_whole

_NAME = re.compile(r"project-(\d{8}T\d{6}\.\d{6})Z-([\w-]+)(?:\.(\d+))?\.sqlite")
KEY = "backup"
"""The named value that a copy carries: when, why, and how much is in it."""
RESTORED = "restored"
"""The named value by which other windows see that the project went back in time."""
_LABELLED = """
SELECT count(DISTINCT row) FROM current WHERE status & 1
AND annotator_id IN (SELECT id FROM annotators WHERE kind IN ({}))
"""
_BY_PEOPLE, _WITH_FILES = _LABELLED.format("'human'"), _LABELLED.format("'human', 'import'")


@dataclass(frozen=True)
class Glance:
    """What a copy holds, without opening it for work."""

    shots: int
    labelled: int
    """Shots on which a person decided."""
    gesture: int
    """The newest gesture in it."""
    with_files: int | None = None
    """Shots on which a person decided or that came with a label; older copies do not tell."""

    @property
    def counted(self) -> str:
        """How many shots are labelled, in words."""
        known = self.with_files is not None and self.with_files != self.labelled
        more = f" ({self.with_files:,} with the files)" if known else ""
        return f"{self.labelled:,} of {self.shots:,} labelled by people{more}"


@dataclass(frozen=True, order=True)
class Place:
    """Where a copy lies among the others: copies are numbered as they are made.

    The clock of a machine may jump; the numbers do not. Copies of older programs have none.
    """

    number: int
    time: datetime
    reason: str
    path: Path


def all_copies(folder: Path) -> list[Place]:
    """The copies in a folder by their names, the newest first."""
    found = []
    for path in folder.glob("project-*.sqlite"):
        name = _NAME.fullmatch(path.name)
        if name is not None:
            time = datetime.strptime(name[1], "%Y%m%dT%H%M%S.%f").replace(tzinfo=UTC)
            found.append(Place(int(name[3] or 0), time, name[2], path))
    return sorted(found, reverse=True)


def next_place(folder: Path, reason: str) -> Path:
    """What the next copy in a folder is called; the folder is made where it is not there."""
    try:
        folder.mkdir(exist_ok=True)
        sweep(folder)
    except OSError as error:
        raise _unwritten(folder, error) from error
    number = max((place.number for place in all_copies(folder)), default=0) + 1
    now = datetime.now(UTC).strftime("%Y%m%dT%H%M%S.%fZ")
    return folder / f"project-{now}-{reason}.{number}.sqlite"


def back_up(database: Path, reason: str) -> Path:
    """A copy in `backups/` beside the database; InputError where it is damaged or has no room."""
    folder = database.parent / BACKUPS
    target = next_place(folder, reason)
    try:
        with written_whole(target) as part, translated(database), closing(_writing(part)) as copy:
            with closing(_read_only(database)) as source:
                source.backup(copy)
            copy.execute("PRAGMA journal_mode=DELETE")
            _refuse_damage(copy, database)
            kept = {**vars(_glance(copy)), "reason": reason}
            copy.execute("INSERT OR REPLACE INTO meta VALUES (?, ?)", (KEY, json.dumps(kept)))
    except InputError as error:
        if error.file == target:
            raise _unwritten(folder, error.what) from error
        raise
    return target


def _unwritten(folder: Path, why: object) -> InputError:
    mend = "Free some space, or ask for the right to write there."
    return InputError(f"no backup could be written ({why})", file=folder, mend=mend)


def look_into(copy: Path) -> Glance:
    """What a copy holds, in a moment; InputError where it is damaged or no project's."""
    with translated(copy), closing(_immutable(copy)) as database:
        kept = _value(database, KEY)
        if not isinstance(kept, dict):
            return _glance(database)
        return Glance(kept["shots"], kept["labelled"], kept["gesture"], kept.get("with_files"))


def value_in(copy: Path, key: str) -> Any:
    """A named value of a copy; None where it has none."""
    with translated(copy), closing(_immutable(copy)) as database:
        return _value(database, key)


def paths_of_sources(database: Path) -> list[Path]:
    """The files of shots that a database names; none where it cannot be read."""
    try:
        with closing(sqlite3.connect(database.resolve().as_uri() + "?mode=ro", uri=True)) as found:
            refuse_acting(found, database)
            rows = found.execute("SELECT path, relative FROM sources").fetchall()
    except (sqlite3.Error, InputError):
        return []
    return [p for path, way in rows for p in (Path(path), database.parent / way)]


def check(copy: Path) -> None:
    """InputError where a copy is damaged or no project's."""
    with translated(copy), closing(_immutable(copy)) as database:
        _refuse_damage(database, copy)
        _glance(database)
        (step,) = database.execute("SELECT version_num FROM alembic_version").fetchone()
    if step not in KNOWN:
        mend = "Install a newer airylabel to go back to it."
        raise InputError("was made by a newer program", file=copy, mend=mend)


def put_back(copy: Path, database: Path, keep: Callable[[], Path]) -> Path:
    """Make a database what the copy is, in one transaction; other windows see it as one change.

    `keep` makes a backup of the present state, and is called while no one else can write: no label
    falls between the two. Returns that backup. A database that is too damaged for all this is
    replaced as a file.
    """
    check(copy)
    kept: list[Path] = []

    def keep_first(status: int, left: int, pages: int) -> None:
        if not kept:
            kept.append(keep())

    with translated(database):
        try:
            with closing(sqlite3.connect(database, isolation_level=None)) as present:
                present.execute("PRAGMA busy_timeout=10000")
                present.execute("PRAGMA synchronous=FULL")
                with closing(_immutable(copy)) as source:
                    source.backup(present, pages=1, progress=keep_first)
                if _damage(present) is None:
                    stamp = json.dumps(datetime.now(UTC).isoformat())
                    put = "INSERT OR REPLACE INTO meta VALUES (?, ?)"
                    present.execute(put, (RESTORED, stamp))
                    return kept[0]
        except sqlite3.DatabaseError as error:
            if isinstance(error, sqlite3.OperationalError):
                raise
    kept = kept or [keep()]
    replace(copy, database)  # the old pages are in the way
    return kept[0]


def replace(copy: Path, database: Path) -> None:
    """Put a copy in the place of a database that no one can use; keep that one first.

    A window that has the old one open notices before its next label.
    """
    with written_whole(database) as half:
        with translated(database), closing(_writing(half)) as new:
            with closing(_immutable(copy)) as source:
                source.backup(new)
            _refuse_damage(new, copy)
        for rest in ("-wal", "-shm"):
            database.with_name(database.name + rest).unlink(missing_ok=True)


def _writing(path: Path) -> sqlite3.Connection:
    return sqlite3.connect(path, isolation_level=None)


def _read_only(path: Path) -> sqlite3.Connection:
    """A connection that cannot write; it may have to recover the journal of one that died."""
    found = sqlite3.connect(path.resolve().as_uri() + "?mode=rw", uri=True)
    found.execute("PRAGMA busy_timeout=10000")
    found.execute("PRAGMA query_only=ON")
    return _harmless(found, path)


def _immutable(path: Path) -> sqlite3.Connection:
    return _harmless(
        sqlite3.connect(path.resolve().as_uri() + "?mode=ro&immutable=1", uri=True), path
    )


def _harmless(found: sqlite3.Connection, path: Path) -> sqlite3.Connection:
    try:
        refuse_acting(found, path)
    except BaseException:
        found.close()
        raise
    return found


def _value(database: sqlite3.Connection, key: str) -> Any:
    found = database.execute("SELECT value FROM meta WHERE key = ?", (key,)).fetchone()
    return None if found is None else json.loads(found[0])


def _glance(database: sqlite3.Connection) -> Glance:
    (shots,) = database.execute("SELECT coalesce(sum(n_shots), 0) FROM sources").fetchone()
    (labelled,) = database.execute(_BY_PEOPLE).fetchone()
    (with_files,) = database.execute(_WITH_FILES).fetchone()
    (gesture,) = database.execute("SELECT coalesce(max(id), 0) FROM gestures").fetchone()
    return Glance(int(shots), int(labelled), int(gesture), int(with_files))


def _refuse_damage(database: sqlite3.Connection, path: Path) -> None:
    found = _damage(database)
    if found is not None:
        mend = "Run `airylabel check --repair` on the project."
        raise InputError(f"the database is damaged ({found})", file=path, mend=mend)


def _damage(database: sqlite3.Connection) -> str | None:
    """What is wrong with the pages of a database, None where nothing is."""
    (found,) = database.execute("PRAGMA quick_check(1)").fetchone()
    return None if found == "ok" else " ".join(str(found).split())
