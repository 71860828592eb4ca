"""Saves what can be read of a damaged database, and fills the rest from a backup.

Reads the damaged file and never writes it; the result is a new database with a whole history.
"""

from __future__ import annotations

import json
import os
import shutil
import sqlite3
import tempfile
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from labeler.project.store import copies, migrating
from labeler.project.store.classing import fill_known
from labeler.project.store.connection import Database, refuse_acting
from labeler.project.store.dialects import only_grows
from labeler.project.store.facts import SHOTS, mend_twice

Row = tuple[Any, ...]
TABLES = {
    "meta": 2,
    "annotators": 3,
    "classes": 2,
    "sources": 7,
    "gestures": 9,
    "events": 10,
    "current": 6,
    "roles": 2,
}
"""Tables in the order in which they can be filled, and how many columns each has."""
_KEYS = {"events": ("gesture_id", "row"), "current": ("annotator_id", "row")}
"""Tables without row numbers, and their keys."""
_NUMBERS = {
    "annotators": (0,),
    "classes": (0,),
    "sources": (0, 3, 4),
    "gestures": (0, 1, 2, 6),
    "events": (0, 1, 2, 3, 5, 6, 8, 9),
    "current": (0, 1, 2, 3, 5),
    "roles": (0, 1),
}
"""Columns that hold a whole number, never below 0."""
_ONE_BY_ONE, _LAST_KEY = 1000, 2**62
"""This many keys are tried singly beyond a damaged page, then at ever wider steps to the last."""
_LONGEST = 2**40
"""No database is longer: a size beyond it is damage."""
_REPLAYED = """
SELECT g.annotator_id, e.row, e.present_after, e.status_after, e.note_after, e.known_after
FROM events e JOIN gestures g ON g.id = e.gesture_id
WHERE e.gesture_id = (
    SELECT max(x.gesture_id) FROM events x JOIN gestures y ON y.id = x.gesture_id
    WHERE x.row = e.row AND y.annotator_id = g.annotator_id)
"""


_BROKEN = """
SELECT * FROM (
    SELECT g.annotator_id, e.row, e.gesture_id, g.time_us,
        lag(e.gesture_id, 1, 0) OVER shot,
        lag(e.present_after, 1, 0) OVER shot AS p0, lag(e.status_after, 1, 0) OVER shot AS s0,
        lag(e.note_after) OVER shot AS n0,
        e.present_before AS p1, e.status_before AS s1, e.note_before AS n1,
        lag(e.known_after, 1, 0) OVER shot AS k0, e.known_before AS k1
    FROM events e JOIN gestures g ON g.id = e.gesture_id
    WINDOW shot AS (PARTITION BY g.annotator_id, e.row ORDER BY e.gesture_id))
WHERE p0 IS NOT p1 OR s0 IS NOT s1 OR n0 IS NOT n1 ORDER BY 3
"""
_SHORT = """
SELECT g.id, g.annotator_id FROM gestures g
WHERE changed > (SELECT count(*) FROM events WHERE gesture_id = g.id)
"""
_SHOTS = "SELECT coalesce(sum(n_shots), 0) FROM sources"
_SHOTS_SAID = f"SELECT CAST(value AS INTEGER) FROM meta WHERE key = '{SHOTS}'"
_COVERED = f"""
SELECT coalesce((SELECT max(row) FROM events), -1) < ({_SHOTS}) AND NOT EXISTS (
    SELECT * FROM (SELECT first_row, sum(n_shots) OVER (ORDER BY first_row) - n_shots AS before
        FROM sources) WHERE first_row <> before)
    AND ({_SHOTS}) = coalesce(({_SHOTS_SAID}), ({_SHOTS}))
"""
"""Whether every shot that was labelled lies in a known file."""
_NAMED = """
SELECT NOT EXISTS (SELECT * FROM gestures WHERE annotator_id NOT IN (SELECT id FROM annotators))
    AND (SELECT count(*) = coalesce(max(bit), -1) + 1 FROM classes)
"""
"""Whether it is known whose every label is, and of which classes it may speak."""
_UNSAID = "SELECT row FROM events WHERE (status_after & 1) > 0 AND known_after = 0 LIMIT 1"
_ADD_EVENT = "INSERT INTO events VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
_FIRST_FORM = {"events": 2, "current": 1}
"""How many columns fewer there were in the first form: no decision said of which classes."""


@dataclass
class Saved:
    """What came of it: rows of each table by where they came from, and what is gone."""

    read: dict[str, int] = field(default_factory=dict)
    from_backup: dict[str, int] = field(default_factory=dict)
    lost: list[int] = field(default_factory=list)
    """Numbers of gestures that are nowhere."""
    bridged: int = 0
    """Steps of lost gestures that follow from the events before and after."""
    by_state: int = 0
    """Decisions whose gesture is lost, but whose result is not."""
    covered: bool = True
    """Whether it is known in which files the labelled shots are."""
    again: dict[str, int] = field(default_factory=dict)
    """Rows of small tables that are known from their second copy alone, see `facts.TWICE`."""
    nameless: int = 0
    """Annotators whose names are lost: they are called by their number."""


def is_damaged(database: Path) -> bool:
    """Whether the file is damaged or no database at all; it looks at every page.

    So it is where no one knows any more in which file a labelled shot is.
    """
    try:
        with closing(sqlite3.connect(database)) as found:
            found.execute("PRAGMA query_only=ON")
            refuse_acting(found, database)
            for table in (*TABLES, "alembic_version"):
                found.execute(f"SELECT 1 FROM {table} LIMIT 1").fetchone()
            if found.execute("PRAGMA integrity_check(1)").fetchone() != ("ok",):
                return True
            return not all(found.execute(q).fetchone()[0] for q in (_COVERED, _NAMED))
    except sqlite3.OperationalError as error:
        return "no such table" in str(error)
    except sqlite3.DatabaseError:
        return True


def agree(damaged: Path, backup: Path) -> bool:
    """Whether all gestures that both files hold are the same: one history, not two."""
    known: list[dict[int, tuple[Any, ...]]] = []
    for path in (damaged, backup):
        with closing(sqlite3.connect(path)) as found:
            rows = list(_rows(found, "gestures"))
        known.append({row[0]: row[1:3] for row in rows if _fits("gestures", row)})
    return all(known[0][i] == known[1][i] for i in known[0].keys() & known[1].keys())


def rebuild_current(database: Database) -> None:
    """Make the table of current states again from the history."""
    with database.write() as connection:
        connection.exec_driver_sql("DELETE FROM current")
        connection.exec_driver_sql(f"INSERT INTO current {_REPLAYED}")


def salvage(damaged: Path, backup: Path | None, fresh: Path) -> Saved:
    """Make a new database `fresh` of all that `damaged` and `backup` still hold."""
    saved = Saved()
    new = Database(fresh)
    try:
        migrating.bring_up(new)
        with new.write() as connection:
            connection.exec_driver_sql("PRAGMA defer_foreign_keys=ON")
            driver = new.driver
            driver.execute("DELETE FROM meta")
            with _at_full_length(damaged) as readable:
                _fill(driver, readable)
            saved.again = mend_twice(connection)
            seen = driver.execute("SELECT * FROM current").fetchall()
            saved.read = {table: _count(driver, table) for table in TABLES}
            if backup is not None:
                with _of_present_form(backup) as present:
                    said = driver.execute(_SHOTS_SAID).fetchone()
                    saved.from_backup = _fill(driver, present)
                if said is None:  # there may be more since
                    driver.execute("DELETE FROM meta WHERE key = ?", (SHOTS,))
                mend_twice(connection)
            saved.nameless = _name_annotators(driver)
            _make_whole(driver, saved, seen)
            saved.covered = bool(driver.execute(_COVERED).fetchone()[0])
            if driver.execute(_UNSAID).fetchone():
                fill_known(connection)
    finally:
        new.close()
    return saved


def _is_of_first_form(path: Path) -> bool:
    """Whether decisions do not say of which classes they spoke; False where no one can tell."""
    with closing(sqlite3.connect(path)) as found:
        try:
            return bool(
                found.execute("SELECT version_num FROM alembic_version").fetchone() == ("0001",)
            )
        except sqlite3.DatabaseError:
            return False


@contextmanager
def _of_present_form(backup: Path) -> Iterator[Path]:
    """A backup, or where it is of an older form, a copy that was brought up."""
    if not _is_of_first_form(backup):
        yield backup
        return
    with tempfile.TemporaryDirectory(prefix="airylabel-") as place:
        copy = Path(shutil.copyfile(backup, Path(place) / backup.name))
        database = Database(copy)
        try:
            migrating.bring_up(database)
        finally:
            database.close()
        yield copy


@contextmanager
def _at_full_length(damaged: Path) -> Iterator[Path]:
    """The file, or where its end was cut off, a copy with empty pages there: SQLite wants all."""
    with damaged.open("rb") as file:
        head = file.read(32)
    page = int.from_bytes(head[16:18], "big")
    whole = (65536 if page == 1 else page) * int.from_bytes(head[28:32], "big")
    if damaged.stat().st_size >= whole or whole > _LONGEST:
        yield damaged
        return
    with tempfile.TemporaryDirectory(prefix="airylabel-") as place:
        copy = Path(place) / damaged.name
        for end in ("", "-wal"):
            if (part := damaged.with_name(damaged.name + end)).is_file():
                shutil.copyfile(part, copy.with_name(copy.name + end))
        os.truncate(copy, whole)
        yield copy


def _fill(driver: sqlite3.Connection, path: Path) -> dict[str, int]:
    """Copy every readable row of a database; rows that are there stay. How many were new."""
    before = {table: _count(driver, table) for table in TABLES}
    for table in TABLES:
        with closing(sqlite3.connect(path)) as old:
            for row in _rows(old, table):
                _put(driver, table, row)
    return {table: _count(driver, table) - before[table] for table in TABLES}


def _count(driver: sqlite3.Connection, table: str) -> int:
    return int(driver.execute(f"SELECT count(*) FROM {table}").fetchone()[0])


def _put(driver: sqlite3.Connection, table: str, row: Row) -> None:
    if len(row) == TABLES[table] - _FIRST_FORM.get(table, 0):
        row = (*row, *[0] * (TABLES[table] - len(row)))
    if _fits(table, row):
        marks = ", ".join("?" * len(row))
        driver.execute(f"INSERT OR IGNORE INTO {table} VALUES ({marks})", row)


def _rows(old: sqlite3.Connection, table: str) -> Iterator[Row]:
    """Every row that SQLite can still reach."""
    if table != "current":
        yield from _reachable(old, table, _KEYS.get(table, ("rowid",))[0], "TRUE")
        return
    for annotator in {row[0] for row in _rows(old, "annotators") if _fits("annotators", row)}:
        yield from _reachable(old, table, "row", f"annotator_id = {annotator}")


def _reachable(old: sqlite3.Connection, table: str, key: str, where: str) -> Iterator[Row]:
    """Rows in the order of a key; past a damaged page, from the next key that is found again."""
    find = f"SELECT {key}, * FROM {table} WHERE {where} AND {key} >= ? ORDER BY {key}"
    at, failed = 0, 0
    while at < _LAST_KEY:
        try:
            for number, *row in old.execute(find, (at,)):
                yield tuple(row)
                at, failed = max(at, int(number)), 0
            return
        except (sqlite3.DatabaseError, UnicodeDecodeError, TypeError, ValueError):
            failed += 1
            at += max(1, 2 ** (failed - _ONE_BY_ONE))


def _fits(table: str, row: Row) -> bool:
    """Whether a row can be what it says: damage may read as nonsense."""
    if len(row) != TABLES[table]:
        return False
    if table == "meta":
        return isinstance(row[0], str) and _is_json(row[1]) and row[0] != copies.KEY
    if table == "sources" and not _is_json(row[6]):
        return False
    numbers = [row[i] for i in _NUMBERS[table]]
    return all(isinstance(v, int) and v >= 0 for v in numbers)


def _is_json(text: object) -> bool:
    """SQLite keeps JSON of a number as a number."""
    if isinstance(text, int | float):
        return True
    if not isinstance(text, str):
        return False
    try:
        json.loads(text)
    except (ValueError, RecursionError):
        return False
    return True


def _make_whole(driver: sqlite3.Connection, saved: Saved, seen: list[Row]) -> None:
    """Drop what hangs in the air, bridge what is lost, keep the states that were still there."""
    run = driver.execute
    for trigger in ("gestures_no_delete", "gestures_no_update", "events_no_delete"):
        run(f"DROP TRIGGER {trigger}")
    stray = _drop_strays(driver)
    run("DELETE FROM gestures WHERE annotator_id NOT IN (SELECT id FROM annotators)")
    (newest,) = run(
        "SELECT max(coalesce((SELECT max(id) FROM gestures), 0),"
        " coalesce((SELECT max(gesture_id) FROM events), 0))"
    ).fetchone()
    known = {i for (i,) in run("SELECT id FROM gestures")}
    saved.lost = [i for i in range(1, int(newest) + 1) if i not in known]
    run("DELETE FROM events WHERE gesture_id NOT IN (SELECT id FROM gestures)")
    run("UPDATE gestures SET target_id = NULL WHERE target_id NOT IN (SELECT id FROM gestures)")
    saved.bridged = _bridge(driver, saved.lost)
    saved.lost = sorted({*saved.lost, *(stray & dict(run(_SHORT).fetchall()).keys())})
    run("DELETE FROM current")
    run(f"INSERT INTO current {_REPLAYED}")
    saved.by_state = _keep_states(driver, seen)
    for table, verb in (("gestures", "DELETE"), ("gestures", "UPDATE"), ("events", "DELETE")):
        run(only_grows(table, verb))


def _name_annotators(driver: sqlite3.Connection) -> int:
    """Enter whoever decided something and is no one: one such gesture alone may be damage."""
    known = "SELECT id FROM annotators"
    unknown = driver.execute(
        f"SELECT annotator_id FROM gestures WHERE annotator_id NOT IN ({known})"
        f" GROUP BY 1 HAVING count(*) > 1 OR NOT EXISTS ({known})"
    ).fetchall()
    for (number,) in unknown:
        values = (number, f"unknown {number}", "human")
        driver.execute("INSERT INTO annotators VALUES (?, ?, ?)", values)
    return len(unknown)


def _drop_strays(driver: sqlite3.Connection) -> set[int]:
    """Drop what is said of shots that there are not; returns of which gestures it was.

    Where the list of files is not known to be whole, such a shot may be of a file that is missing.
    """
    if driver.execute(_SHOTS_SAID).fetchone() != driver.execute(_SHOTS).fetchone():
        return set()
    beyond = f"row >= ({_SHOTS})"
    stray = {i for (i,) in driver.execute(f"SELECT gesture_id FROM events WHERE {beyond}")}
    for table in ("events", "roles"):
        driver.execute(f"DELETE FROM {table} WHERE {beyond}")
    return stray


def _bridge(driver: sqlite3.Connection, lost: list[int]) -> int:
    """Where a step of a shot is missing, it follows from the states before and after it."""
    broken = driver.execute(_BROKEN).fetchall()
    short = dict(driver.execute(_SHORT).fetchall())
    owner: dict[int, int] = {}
    bridged = 0
    for who, row, then, time_us, before, *state in broken:
        free = [i for i in short if before < i < then and short[i] == who]
        free = free or [i for i in lost if before < i < then and owner.get(i, who) == who]
        if not free:
            continue
        gesture = free[-1]
        if gesture not in short and gesture not in owner:
            owner[gesture] = who
            _add_gesture(driver, gesture, time_us, who)
        driver.execute(_ADD_EVENT, (gesture, row, *state))
        bridged += 1
    return bridged


def _keep_states(driver: sqlite3.Connection, seen: list[Row]) -> int:
    """One more gesture of everybody, before which nothing can be undone.

    It holds the states that the damaged file still had and that no event explains.
    """
    now = {(a, r): tuple(rest) for a, r, *rest in driver.execute("SELECT * FROM current")}
    (shots,) = driver.execute(_SHOTS).fetchone()
    kept = 0
    for (who,) in driver.execute("SELECT id FROM annotators").fetchall():
        (newest, time_us) = driver.execute(
            "SELECT coalesce(max(id), 0), coalesce(max(time_us), 0) FROM gestures"
        ).fetchone()
        _add_gesture(driver, newest + 1, time_us, who)
        for row, *state in (rest for a, *rest in seen if a == who and rest[0] < shots):
            before = now.get((who, row), (0, 0, None, 0))
            if before != tuple(state):
                *was, k0 = before
                *new, k1 = state
                driver.execute(_ADD_EVENT, (newest + 1, row, *was, *new, k0, k1))
                put = "INSERT OR REPLACE INTO current VALUES (?, ?, ?, ?, ?, ?)"
                driver.execute(put, (who, row, *state))
                kept += 1
    return kept


def _add_gesture(driver: sqlite3.Connection, id: int, time_us: int, who: int) -> None:
    """A gesture that stands for lost ones."""
    values = (id, time_us, who, "salvage", None, "salvaged", 0, None, None)
    driver.execute("INSERT INTO gestures VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)", values)
