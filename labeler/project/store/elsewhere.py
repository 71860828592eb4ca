"""What other windows and other people do to the same project, seen from here. Questions only."""

from __future__ import annotations

import numpy as np
from sqlalchemy import bindparam, func, select

from labeler.project.store.copies import RESTORED
from labeler.project.store.dialects import states, these
from labeler.project.store.facts import Facts
from labeler.project.store.records import Changes, Pulse
from labeler.project.store.tables import EVENTS, GESTURES, META, SOURCES

_NEWEST = select(func.max(GESTURES.c.id))
_PULSE = select(
    _NEWEST.scalar_subquery(),
    select(func.sum(SOURCES.c.n_shots)).scalar_subquery(),
    select(META.c.value).where(META.c.key == RESTORED).scalar_subquery(),
)
_SINCE = (
    select(GESTURES.c.id, GESTURES.c.annotator_id, GESTURES.c.kind)
    .where(GESTURES.c.id > bindparam("gesture"))
    .order_by(GESTURES.c.id)
)
_ROWS = select(EVENTS.c.row).where(EVENTS.c.gesture_id == bindparam("gesture"))


class Elsewhere(Facts):
    """The part of the Store that looks for the work of others."""

    written: set[int]
    """Gestures that this object recorded itself."""

    def newest_gesture(self) -> int:
        """The number of the newest gesture of anybody, 0 before the first."""
        with self.database.translated():
            found = self.database.connection.execute(_NEWEST).scalar()
        return int(found or 0)

    def pulse(self) -> Pulse:
        """What differs as soon as anything was decided, added or restored."""
        self.database.look_again()
        with self.database.translated():
            found = self.database.connection.execute(_PULSE).one()
        return Pulse(int(found[0] or 0), int(found[1] or 0), str(found[2] or ""))

    def changes_since(self, gesture: int) -> Changes:
        """What others than this object did after a gesture, as the states that hold now."""
        rows: dict[int, set[int]] = {}
        classes, dialect = False, self.database.dialect
        run = self.database.connection.execute
        with self.database.translated():
            for id, who, kind in run(_SINCE, {"gesture": gesture}).all():
                if id not in self.written:
                    classes |= kind == "classes"
                    found = run(_ROWS, {"gesture": id})
                    rows.setdefault(int(who), set()).update(int(r) for (r,) in found)
            of = {}
            for who, which in rows.items():
                if which:
                    asked = {"annotator": who, "rows": these(dialect, sorted(which))}
                    found = run(states(dialect), asked)
                    table = np.array([tuple(r[:3]) for r in found], np.int64)
                    table = table.reshape(-1, 3)
                    of[who] = (table[:, 0], table[:, 1], table[:, 2].astype(np.uint8))
        return Changes(of, classes)
