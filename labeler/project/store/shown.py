"""What the model showed when each shot was decided first: a question to the history."""

from __future__ import annotations

from typing import Any

from sqlalchemy import select

from labeler.project.store.connection import Database
from labeler.project.store.facts import table_of
from labeler.project.store.records import LABELLED
from labeler.project.store.schema import EventRow, GestureRow

GESTURES, EVENTS = table_of(GestureRow), table_of(EventRow)
ONE_BY_ONE = ("key", "accepted")
"""Origins of decisions that a person took looking at the shot."""


def first_shown(database: Database, annotator_id: int) -> list[tuple[int, dict[str, Any]]]:
    """(row, what was shown) of the annotator's first decision on each shot, oldest first.

    Only decisions taken shot by shot while a model had something to say.
    """
    find = (
        select(EVENTS.c.row, GESTURES.c.shown)
        .join_from(GESTURES, EVENTS, GESTURES.c.id == EVENTS.c.gesture_id)
        .where(
            GESTURES.c.annotator_id == annotator_id,
            GESTURES.c.kind == "do",
            GESTURES.c.origin.in_(ONE_BY_ONE),
            GESTURES.c.shown.is_not(None),
            EVENTS.c.status_before.op("&")(LABELLED) == 0,
            EVENTS.c.status_after.op("&")(LABELLED) > 0,
        )
        .order_by(GESTURES.c.id)
    )
    found: dict[int, dict[str, Any]] = {}
    with database.translated():
        for row, shown in database.connection.execute(find):
            if isinstance(shown, dict):
                found.setdefault(int(row), shown)
    return list(found.items())
