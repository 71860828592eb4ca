"""What one annotator did, in the order of time: questions over the whole history, nothing else."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from sqlalchemy import select

from labeler.project.store.connection import Database
from labeler.project.store.facts import table_of
from labeler.project.store.records import LABELLED, Rows
from labeler.project.store.schema import EventRow, GestureRow

_GESTURES, _EVENTS = table_of(GestureRow), table_of(EventRow)


@dataclass(frozen=True)
class Moment:
    """One event of one shot; `time` in seconds since the epoch."""

    gesture: int
    kind: str
    origin: str
    time: float
    row: int
    present: int
    status: int
    shown: dict[str, Any] | None


def timeline(database: Database, annotator_id: int) -> Iterator[Moment]:
    """Every event of an annotator, oldest first."""
    g, e = _GESTURES.c, _EVENTS.c
    find = (
        select(g.id, g.kind, g.origin, g.time_us, e.row, e.present_after, e.status_after, g.shown)
        .join_from(_EVENTS, _GESTURES, g.id == e.gesture_id)
        .where(g.annotator_id == annotator_id)
        .order_by(g.id, e.row)
    )
    with database.translated():
        for gesture, kind, origin, time_us, *rest in database.connection.execute(find).all():
            yield Moment(gesture, kind, origin, time_us / 1e6, *rest)


@dataclass(frozen=True)
class Firsts:
    """When an annotator first decided on each shot, in that order: (n,) rows, times, origins."""

    rows: Rows
    times: npt.NDArray[np.float64]
    origins: npt.NDArray[np.str_]

    def __len__(self) -> int:
        return len(self.rows)


def first_decisions(database: Database, annotator_id: int) -> Firsts:
    """The first decision on every shot that an annotator decided and did not take back."""
    g, e = _GESTURES.c, _EVENTS.c
    find = (
        select(e.row, g.time_us, g.origin, g.id)
        .join_from(_EVENTS, _GESTURES, g.id == e.gesture_id)
        .where(g.annotator_id == annotator_id, g.kind == "do")
        .where(e.status_after.bitwise_and(LABELLED) != 0)
        .where(e.status_before.bitwise_and(LABELLED) == 0)
        .order_by(g.id)
    )
    moved = select(g.target_id, g.kind).where(
        g.annotator_id == annotator_id, g.kind.in_(("undo", "redo"))
    )
    with database.translated():
        last = {row[0]: row[1] for row in database.connection.execute(moved.order_by(g.id))}
        found = [
            (row, time_us, origin)
            for row, time_us, origin, gesture in database.connection.execute(find)
            if last.get(gesture) != "undo"
        ]
    rows = np.array([row for row, _, _ in found], np.int64)
    times = np.array([time_us for _, time_us, _ in found], np.float64) / 1e6
    origins = np.array([origin for _, _, origin in found], np.str_)
    _, first = np.unique(rows, return_index=True)
    first = np.sort(first)
    return Firsts(rows[first], times[first], origins[first])
