"""The standing facts of a project in its database: values, annotators, classes, sources, roles."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from sqlalchemy import func, insert, select, update

from labeler.project.store.connection import Database, damaged
from labeler.project.store.dialects import upsert
from labeler.project.store.records import Annotator, Rows, StoredSource
from labeler.project.store.schema import ANNOTATORS, CLASSES, META, ROLES, SOURCES
from labeler.project.store.schema import table_of as table_of
from model.errors import InputError
from model.shots.fingerprints import FileMark
from model.shots.layouts import Geometry
from model.shots.sources import SourceInfo


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
        """The files of shots, in the order of their rows."""
        with self.database.translated():
            rows = self.database.connection.execute(select(SOURCES).order_by(SOURCES.c.first_row))
            try:
                return [_source(row._mapping) for row in rows]
            except (KeyError, TypeError, IndexError) as error:
                raise damaged(self.database.path, repr(error)) from error

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

    def move_source(self, source_id: int, path: Path, relative: str) -> None:
        """Keep where a file lies now."""
        values = {"path": _as_text(path), "relative": _as_text(relative)}
        statement = update(SOURCES).where(SOURCES.c.id == source_id)
        with self.database.write() as connection:
            connection.execute(statement.values(**values))

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
