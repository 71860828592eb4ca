"""What one annotator did, in the order of time: a question over the whole history, nothing else."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from sqlalchemy import select

from labeler.store.connection import Database
from labeler.store.facts import table_of
from labeler.store.schema import EventRow, GestureRow

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
