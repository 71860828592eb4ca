"""The standing facts of a project in its database: values, annotators, classes, sources, roles.

The small tables without which no label means anything are kept a second time as named values: in
which files the shots are, which bit is which class, whose the labels are. Each lies on a page or
two, so that one damaged block would take the meaning of all labels with it.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from sqlalchemy import Connection, Table, delete, func, insert, select, update

from labeler.project.store.connection import Database, damaged
from labeler.project.store.dialects import upsert
from labeler.project.store.records import Annotator, Rows, StoredSource
from labeler.project.store.schema import ANNOTATORS, CLASSES, EVENTS, META, ROLES, SOURCES
from labeler.project.store.schema import table_of as table_of
from model.errors import InputError
from model.shots.fingerprints import FileMark
from model.shots.layouts import Geometry
from model.shots.sources import SourceInfo

TWICE = (ANNOTATORS, CLASSES, SOURCES)
_WORDS = {
    "annotators": ("annotator", "annotators"),
    "classes": ("class", "classes"),
    "sources": ("file of shots", "files of shots"),
}
SHOTS = "sources.shots"
"""The named value that says how many shots all sources hold together."""
Places = dict[str, set[int]]
"""Numbers of rows, by table."""
log = logging.getLogger(__name__)


class Facts:
    """What seldom changes; the base of the Store."""

    def __init__(self, database: Database) -> None:
        self.database = database

    # -- kept twice ----------------------------------------------------------------------------

    def mend_from_copies(self) -> dict[str, int]:
        """Make rows of small tables again that are gone, see `TWICE`; how many of each table."""
        with self.database.translated():
            gone, _ = apart(self.database.connection)
        if self.database.read_only or not gone:
            return {}
        with self.database.write() as connection:
            return mend_twice(connection)

    def keep_copies(self) -> None:
        """Keep the second copies that older programs did not keep."""
        with self.database.translated():
            _, single = apart(self.database.connection)
        if self.database.read_only or not single:
            return
        try:
            with self.database.write() as connection:
                for table in TWICE:
                    if table.name in single:
                        keep_twice(connection, table, single[table.name])
        except InputError as error:  # no room, or someone else writes: another time
            log.warning("small tables are not kept twice yet: %s", error)

    # -- values --------------------------------------------------------------------------------

    def get_meta(self, key: str, default: Any = None) -> Any:
        """A named value, or the default."""
        with self.database.translated():
            row = self.database.connection.execute(select(META.c.value).where(META.c.key == key))
            found = row.first()
        return default if found is None else found[0]

    def set_meta(self, key: str, value: Any) -> None:
        """Keep a value that JSON can hold."""
        statement = upsert(self.database.dialect, META).values(key=key, value=value)
        keep = statement.on_conflict_do_update(index_elements=["key"], set_={"value": value})
        with self.database.write() as connection:
            connection.execute(keep)

    # -- annotators ----------------------------------------------------------------------------

    def annotator(self, name: str, kind: str = "human") -> int:
        """The number of an annotator, who is entered where there is none of that name and kind."""
        mine = (ANNOTATORS.c.name == name) & (ANNOTATORS.c.kind == kind)
        find = select(ANNOTATORS.c.id).where(mine)
        with self.database.translated():
            found = self.database.connection.execute(find).scalar()
        if found is None:
            with self.database.write() as connection:
                add = upsert(self.database.dialect, ANNOTATORS).values(name=name, kind=kind)
                connection.execute(add.on_conflict_do_nothing())
                found = connection.execute(find).scalar_one()
                keep_twice(connection, ANNOTATORS, [found])
        assert found is not None
        return int(found)

    def annotators(self) -> list[Annotator]:
        """Everybody who may have decided anything, oldest first."""
        find = select(ANNOTATORS.c.id, ANNOTATORS.c.name, ANNOTATORS.c.kind)
        with self.database.translated():
            rows = self.database.connection.execute(find.order_by(ANNOTATORS.c.id))
            return [Annotator(int(i), str(name), str(kind)) for i, name, kind in rows]

    def name_of(self, annotator_id: int) -> str:
        """The name of an annotator; '' where there is none of that number."""
        return next((a.name for a in self.annotators() if a.id == annotator_id), "")

    # -- classes -------------------------------------------------------------------------------

    def class_names(self) -> list[str]:
        """Class names in the order of their bits; InputError where one between is missing."""
        find = select(CLASSES.c.bit, CLASSES.c.name).order_by(CLASSES.c.bit)
        with self.database.translated():
            names = {int(bit): str(name) for bit, name in self.database.connection.execute(find)}
        if list(names) != list(range(len(names))):
            what = "which class some of its labels speak of is lost"
            raise damaged(self.database.path, what)
        return list(names.values())

    def add_classes(self, names: list[str]) -> None:
        """Give the next free bits to further classes."""
        first = len(self.class_names())
        rows = [{"bit": first + k, "name": name} for k, name in enumerate(names)]
        if rows:
            with self.database.write() as connection:
                connection.execute(insert(CLASSES), rows)
                keep_twice(connection, CLASSES, range(first, first + len(rows)))

    # -- sources -------------------------------------------------------------------------------

    def sources(self) -> list[StoredSource]:
        """The files of shots, in the order of their rows.

        InputError where one is missing: labels would lie on other shots than before.
        """
        run = self.database.connection.execute
        with self.database.translated():
            rows = run(select(SOURCES).order_by(SOURCES.c.first_row))
            try:
                found = [_source(row._mapping) for row in rows]
            except (KeyError, TypeError, IndexError, ValueError, AttributeError) as error:
                raise damaged(self.database.path, repr(error)) from error
            last = run(select(func.max(EVENTS.c.row))).scalar()
        n = 0
        for source in found:
            if source.first_row != n:
                break
            n += source.info.n_shots
        else:
            if n == self.get_meta(SHOTS, n) and (last is None or last < n):
                return found
        raise damaged(self.database.path, f"which file holds shot {n + 1} is lost")

    def n_shots(self) -> int:
        """How many shots all sources hold together."""
        find = select(func.coalesce(func.sum(SOURCES.c.n_shots), 0))
        with self.database.translated():
            return int(self.database.connection.execute(find).scalar_one())

    def add_source(self, info: SourceInfo, relative: str) -> StoredSource:
        """Append a file; its shots get the rows after all others.

        InputError for a name that no database can hold, as it is not text.
        """
        if _as_text(relative) != relative:
            mend = "Rename the file or its folder."
            raise InputError("has a name that is no text in UTF-8", file=info.path, mend=mend)
        with self.database.write() as connection:
            first = self.n_shots()
            statement = insert(SOURCES).values(
                path=_as_text(info.path),
                relative=relative,
                first_row=first,
                n_shots=info.n_shots,
                fingerprint=info.fingerprint,
                details=_details(info),
            )
            made = connection.execute(statement).inserted_primary_key
            assert made is not None
            keep_twice(connection, SOURCES, [int(made[0])])
        return StoredSource(int(made[0]), info, first, relative)

    def rewrite_source(self, source_id: int, info: SourceInfo) -> None:
        """Keep what is known of a file now; only the last one may have more shots than before."""
        values = {
            "n_shots": info.n_shots,
            "fingerprint": info.fingerprint,
            "details": _details(info),
        }
        with self.database.write() as connection:
            statement = update(SOURCES).where(SOURCES.c.id == source_id).values(**values)
            connection.execute(statement)
            keep_twice(connection, SOURCES, [source_id])

    def move_source(self, source_id: int, path: Path, relative: str) -> None:
        """Keep where a file lies now."""
        values = {"path": _as_text(path), "relative": _as_text(relative)}
        statement = update(SOURCES).where(SOURCES.c.id == source_id)
        with self.database.write() as connection:
            connection.execute(statement.values(**values))
            keep_twice(connection, SOURCES, [source_id])

    # -- roles ---------------------------------------------------------------------------------

    def roles(self) -> npt.NDArray[np.uint8]:
        """(N,) 0 undecided, 1 training, 2 evaluation."""
        found = np.zeros(self.n_shots(), np.uint8)
        with self.database.translated():
            rows = self.database.rows("SELECT row, role FROM roles")
            pairs = self._table(rows, np.dtype([("row", "i8"), ("role", "u1")]), len(found))
        found[pairs["row"]] = pairs["role"]
        return found

    def _table(self, rows: Iterable[Any], kind: np.dtype[Any], n: int) -> npt.NDArray[Any]:
        """Rows as a structured array whose field `row` is within 0 … n - 1."""
        try:
            found = np.fromiter(rows, kind)
        except (TypeError, ValueError, OverflowError) as error:
            raise damaged(self.database.path, error) from error
        if len(found) and not (found["row"].min() >= 0 and found["row"].max() < n):
            raise damaged(self.database.path, "labels of shots that there are not")
        return found

    def set_roles(self, rows: npt.ArrayLike, role: npt.ArrayLike) -> None:
        """Fix the role of shots: one for all, or one each."""
        where: Rows = np.atleast_1d(np.asarray(rows, np.int64))
        values = np.broadcast_to(np.asarray(role, np.uint8), where.shape)
        items = [
            {"row": r, "role": v} for r, v in zip(where.tolist(), values.tolist(), strict=True)
        ]
        if not items:
            return
        statement = upsert(self.database.dialect, ROLES)
        role_now = {"role": statement.excluded.role}
        keep = statement.on_conflict_do_update(index_elements=["row"], set_=role_now)
        with self.database.write() as connection:
            connection.execute(keep, items)


# -- the second copies ------------------------------------------------------------------------


def put_value(connection: Connection, key: str, value: Any) -> None:
    """Make a named value what is given, within a transaction."""
    connection.execute(delete(META).where(META.c.key == key))
    connection.execute(insert(META), {"key": key, "value": value})


def keep_twice(connection: Connection, table: Table, numbers: Iterable[int]) -> None:
    """Keep rows of a table a second time as they are now, within a transaction."""
    (number,) = table.primary_key.columns
    for wanted in numbers:
        row = connection.execute(select(table).where(number == wanted)).first()
        if row is None:
            connection.execute(delete(META).where(META.c.key == _key(table, wanted)))
        else:
            put_value(connection, _key(table, wanted), dict(row._mapping))
    if table is SOURCES:
        n = connection.execute(select(func.coalesce(func.sum(SOURCES.c.n_shots), 0))).scalar_one()
        put_value(connection, SHOTS, int(n))


def apart(connection: Connection) -> tuple[Places, Places]:
    """Rows of which only the second copy is there, and those without one."""
    gone: Places = {}
    single: Places = {}
    for table in TWICE:
        (number,) = table.primary_key.columns
        rows = {int(i) for (i,) in connection.execute(select(number))}
        start = _key(table, "")
        keys = connection.execute(select(META.c.key).where(META.c.key.startswith(start)))
        found = (key.removeprefix(start) for (key,) in keys)
        copies = {int(text) for text in found if text.isdecimal()}
        if copies - rows:
            gone[table.name] = copies - rows
        if rows - copies:
            single[table.name] = rows - copies
    return gone, single


def mend_twice(connection: Connection) -> dict[str, int]:
    """Make rows again of which only the second copy is there, within a transaction: how many of
    each table. A copy that makes no sense is passed over."""
    gone, _ = apart(connection)
    mended: dict[str, int] = {}
    for table in TWICE:
        for number in sorted(gone.get(table.name, ())):
            find = select(META.c.value).where(META.c.key == _key(table, number))
            row = connection.execute(find).scalar()
            if not _fits(table, row, number):
                log.warning("the second copy of %s %d makes no sense", table.name, number)
                continue
            add = upsert(connection.dialect.name, table).values(row).on_conflict_do_nothing()
            if connection.execute(add).rowcount:
                mended[table.name] = mended.get(table.name, 0) + 1
    return mended


def mended_in_words(mended: Mapping[str, int]) -> list[str]:
    """What was made again, for people."""
    each = [f"{n:,} {_WORDS[name][n != 1]}" for name, n in mended.items()]
    if not each:
        return []
    return [f"{', '.join(each)} had gone from the database, and came again from a second copy."]


def _key(table: Table, number: object) -> str:
    return f"{table.name}.row.{number}"


def _fits(table: Table, row: object, number: int) -> bool:
    if not isinstance(row, dict) or set(row) != {c.name for c in table.columns}:
        return False
    (own,) = table.primary_key.columns
    kinds = ((c.type.python_type, row[c.name]) for c in table.columns)
    return row[own.name] == number and all(isinstance(value, kind) for kind, value in kinds)


# -- a source as a row -------------------------------------------------------------------------


def _details(info: SourceInfo) -> dict[str, Any]:
    details = asdict(info)
    for other in ("path", "n_shots", "fingerprint"):
        del details[other]
    return details


def _source(row: Any) -> StoredSource:
    details = row["details"]
    geometry = details["geometry"]
    if geometry["centre"] is not None:
        geometry["centre"] = tuple(geometry["centre"])
    names = details["shot_names"]
    info = SourceInfo(
        path=Path(row["path"]),
        dataset=details["dataset"],
        layout=details["layout"],
        n_shots=int(row["n_shots"]),
        shape=(details["shape"][0], details["shape"][1]),
        dtype=details["dtype"],
        fingerprint=row["fingerprint"],
        shot_names=None if names is None else tuple(names),
        class_names=tuple(details["class_names"]),
        has_mask=details["has_mask"],
        geometry=Geometry(**geometry),
        files=tuple(FileMark(**mark) for mark in details.get("files", ())),
        samples=tuple((int(i), int(mark)) for i, mark in details.get("samples", ())),
        notes=tuple(details.get("notes", ())),
        doubts=tuple(details.get("doubts", ())),
    )
    return StoredSource(int(row["id"]), info, int(row["first_row"]), row["relative"])


def _as_text(path: Path | str) -> str:
    """A path as the database can hold it: bytes of a name that are no text become their numbers."""
    return str(path).encode("utf-8", "backslashreplace").decode("utf-8")
