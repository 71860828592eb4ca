"""When each shot was decided last: a question to the history."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from sqlalchemy import func, select

from labeler.project.store.connection import Database
from labeler.project.store.facts import table_of
from labeler.project.store.schema import EventRow, GestureRow

GESTURES, EVENTS = table_of(GestureRow), table_of(EventRow)


def decided_when(database: Database, annotator_id: int, n: int) -> npt.NDArray[np.float64]:
    """(n,) seconds since the epoch of the annotator's last gesture on each shot, NaN without."""
    find = (
        select(EVENTS.c.row, func.max(GESTURES.c.time_us))
        .join_from(GESTURES, EVENTS, GESTURES.c.id == EVENTS.c.gesture_id)
        .where(GESTURES.c.annotator_id == annotator_id)
        .group_by(EVENTS.c.row)
    )
    with database.translated():
        pairs = [(row, when) for row, when in database.connection.execute(find) if row < n]
    found = np.full(n, np.nan)
    table = np.array(pairs, np.int64).reshape(-1, 2)
    found[table[:, 0]] = table[:, 1] / 1e6
    return found
