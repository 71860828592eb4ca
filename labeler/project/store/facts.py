"""The standing facts of a project in its database: values, annotators, classes, sources, roles."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from sqlalchemy import Connection, func, insert, select, update

from labeler.project.store.classing import put_value
from labeler.project.store.connection import Database, damaged
from labeler.project.store.dialects import upsert
from labeler.project.store.records import Annotator, Rows, StoredSource
from labeler.project.store.schema import ANNOTATORS, CLASSES, EVENTS, META, ROLES, SOURCES
from labeler.project.store.schema import table_of as table_of
from model.errors import InputError
from model.shots.fingerprints import FileMark
from model.shots.layouts import Geometry
from model.shots.sources import SourceInfo

SECOND, SHOTS = "sources.row.", "sources.shots"
"""Named values: with its number, a source's row a second time; and the shots of all together.
Without the list of its files nothing of a project can be used, and it lies on one page."""
log = logging.getLogger(__name__)


class Facts:
    """What seldom changes; the base of the Store."""

    def __init__(self, database: Database) -> None:
        self.database = database

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
                found = connection.execute(find).scalar()
        assert found is not None
        return int(found)

    def annotators(self) -> list[Annotator]:
        """Everybody who may have decided anything, oldest first."""
        find = select(ANNOTATORS.c.id, ANNOTATORS.c.name, ANNOTATORS.c.kind)
        with self.database.translated():
            rows = self.database.connection.execute(find.order_by(ANNOTATORS.c.id))
            return [Annotator(int(i), str(name), str(kind)) for i, name, kind in rows]

    # -- classes -------------------------------------------------------------------------------

    def class_names(self) -> list[str]:
        """Class names in the order of their bits."""
        with self.database.translated():
            rows = self.database.connection.execute(select(CLASSES.c.name).order_by(CLASSES.c.bit))
            return [str(name) for (name,) in rows]

    def add_classes(self, names: list[str]) -> None:
        """Give the next free bits to further classes."""
        first = len(self.class_names())
        rows = [{"bit": first + k, "name": name} for k, name in enumerate(names)]
        if rows:
            with self.database.write() as connection:
                connection.execute(insert(CLASSES), rows)

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
            except _NONSENSE as error:
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

    def mend_sources(self) -> int:
        """Take sources that are gone from their second copy; returns how many."""
        with self.database.translated():
            gone, _ = _apart(self.database.connection)
        if self.database.read_only or not gone:
            return 0
        with self.database.write() as connection:
            return mend_sources(connection)

    def keep_sources_twice(self) -> None:
        """Keep the second copy that older programs did not keep."""
        with self.database.translated():
            _, single = _apart(self.database.connection)
        if self.database.read_only or not single:
            return
        try:
            with self.database.write() as connection:
                for number in single:
                    _keep_twice(connection, number)
        except InputError as error:  # no room, or someone else writes: another time
            log.warning("the list of files is not kept twice yet: %s", error)

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
            _keep_twice(connection, int(made[0]))
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
            _keep_twice(connection, source_id)

    def move_source(self, source_id: int, path: Path, relative: str) -> None:
        """Keep where a file lies now."""
        values = {"path": _as_text(path), "relative": _as_text(relative)}
        statement = update(SOURCES).where(SOURCES.c.id == source_id)
        with self.database.write() as connection:
            connection.execute(statement.values(**values))
            _keep_twice(connection, source_id)

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


_NONSENSE = (KeyError, TypeError, IndexError, ValueError, AttributeError)
"""What is raised over a row that is not as this program writes it."""


def _apart(connection: Connection) -> tuple[set[int], set[int]]:
    """Numbers of sources of which only the second copy is there, and of those without one."""
    rows = {int(i) for (i,) in connection.execute(select(SOURCES.c.id))}
    keys = connection.execute(select(META.c.key).where(META.c.key.startswith(SECOND)))
    numbers = (key.removeprefix(SECOND) for (key,) in keys)
    copies = {int(number) for number in numbers if number.isdecimal()}
    return copies - rows, rows - copies


def mend_sources(connection: Connection) -> int:
    """`Facts.mend_sources` within a transaction."""
    gone, _ = _apart(connection)
    mended = 0
    for number in sorted(gone):
        find = select(META.c.value).where(META.c.key == f"{SECOND}{number}")
        row = connection.execute(find).scalar()
        try:
            if _source(row).id != number:
                continue
        except _NONSENSE:  # then it stays missing, which whoever reads the list is told
            log.warning("the second copy of source %d makes no sense", number)
            continue
        connection.execute(insert(SOURCES), row)
        mended += 1
    return mended


def _keep_twice(connection: Connection, source_id: int) -> None:
    row = connection.execute(select(SOURCES).where(SOURCES.c.id == source_id)).one()
    put_value(connection, f"{SECOND}{source_id}", dict(row._mapping))
    n = connection.execute(select(func.coalesce(func.sum(SOURCES.c.n_shots), 0))).scalar_one()
    put_value(connection, SHOTS, int(n))


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
    )
    return StoredSource(int(row["id"]), info, int(row["first_row"]), row["relative"])


def _as_text(path: Path | str) -> str:
    """A path as the database can hold it: bytes of a name that are no text become their numbers."""
    return str(path).encode("utf-8", "backslashreplace").decode("utf-8")
