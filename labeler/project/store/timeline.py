"""What one annotator did, in the order of time: questions over the whole history, nothing else."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from sqlalchemy import func, select

from labeler.project.store.classing import RELABELS
from labeler.project.store.connection import Database
from labeler.project.store.records import LABELLED, Rows
from labeler.project.store.schema import EVENTS, GESTURES


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
    g, e = GESTURES.c, EVENTS.c
    find = (
        select(g.id, g.kind, g.origin, g.time_us, e.row, e.present_after, e.status_after, g.shown)
        .join_from(EVENTS, GESTURES, g.id == e.gesture_id)
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
    g, e = GESTURES.c, EVENTS.c
    find = (
        select(e.row, g.time_us, g.origin, g.changed, g.id)
        .join_from(EVENTS, GESTURES, g.id == e.gesture_id)
        .where(g.annotator_id == annotator_id, g.kind == "do")
        .where(e.status_after.bitwise_and(LABELLED) != 0)
        .where(e.status_before.bitwise_and(LABELLED) == 0)
        .order_by(g.id)
    )
    with database.translated():
        back = _taken_back(database, annotator_id)
        found = [
            (row, time_us, _origin(origin, changed))
            for row, time_us, origin, changed, gesture in database.connection.execute(find)
            if gesture not in back
        ]
    rows = np.array([row for row, _, _ in found], np.int64)
    times = np.array([time_us for _, time_us, _ in found], np.float64) / 1e6
    origins = np.array([origin for _, _, origin in found], np.str_)
    _, first = np.unique(rows, return_index=True)
    first = np.sort(first)
    return Firsts(rows[first], times[first], origins[first])


def _taken_back(database: Database, annotator_id: int) -> set[int]:
    """Gestures of an annotator that were undone last, and not done again since."""
    g = GESTURES.c
    moved = select(g.target_id, g.kind).where(
        g.annotator_id == annotator_id, g.kind.in_(("undo", "redo"))
    )
    last = {row[0]: row[1] for row in database.connection.execute(moved.order_by(g.id))}
    return {gesture for gesture, kind in last.items() if kind == "undo"}


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


ONE_BY_ONE = ("key", "accepted")
"""Origins of decisions that a person took looking at the shot."""
NOT_BY_HAND = ("import", "grid", "bulk", "sure", "consensus", "adjudicated", "salvaged")
"""Origins of decisions that were not taken shot by shot, or may not have been."""
_TOGETHER = ("accepted", "fix")
"""Origins of decisions on one shot or, in Grid, on many."""
_NO_DECISION = ("flag", "skip", *RELABELS)
"""Origins of what leaves a decision whose it was."""


def _origin(origin: str, changed: int) -> str:
    """The origin: "bulk" where what may be done on one shot was done on many at once, "key" where
    what may be done on many was done on one."""
    if changed > 1:
        return "bulk" if origin in _TOGETHER else origin
    return "key" if origin in ("grid", "bulk") else origin


def origins(database: Database, annotator_id: int, rows: Rows | None = None) -> dict[int, str]:
    """Where the annotator's decision on each shot came from, of all or of some rows; shots without
    one are left out. "bulk" where it was taken on many at once. A fix of many shots, or accepting
    that undecided classes are absent, leaves a label of the annotator's where it came from."""
    g, e = GESTURES.c, EVENTS.c
    find = (
        select(e.row, g.origin, g.changed, g.id, e.status_before)
        .join_from(EVENTS, GESTURES, e.gesture_id == g.id)
        .where(g.annotator_id == annotator_id, g.kind.in_(("do", "salvage")))
        .where(g.origin.not_in(_NO_DECISION), e.status_after.bitwise_and(LABELLED) != 0)
        .order_by(g.id)
    )
    if rows is not None:
        find = find.where(e.row.in_(rows.tolist()))
    origin_of: dict[int, str] = {}
    with database.translated():
        back = _taken_back(database, annotator_id)
        for row, origin, changed, gesture, before in database.connection.execute(find):
            if gesture in back:
                continue
            own = changed > 1 and origin in _TOGETHER and before & LABELLED
            if not (own and row in origin_of):
                origin_of[row] = _origin(origin, changed)
    return origin_of


def decided_alone(database: Database, annotator_id: int, rows: Rows) -> npt.NDArray[np.bool_]:
    """(n,) False for shots whose label came to the annotator together with others, as by
    accepting many suggestions, or by importing what may have been accepted so."""
    found = origins(database, annotator_id, rows)
    return np.array([found.get(row) not in NOT_BY_HAND for row in rows.tolist()], bool)


def given_together(database: Database, annotator_id: int, n: int) -> npt.NDArray[np.bool_]:
    """(n,) True for shots whose label may be a suggestion that the annotator accepted together with
    others: no one need have looked at each. A class typed for several shots of Grid is no
    suggestion; "bulk" of earlier versions may be either."""
    found = origins(database, annotator_id)
    together = np.zeros(n, bool)
    together[[row for row, how in found.items() if how in ("bulk", "sure") and row < n]] = True
    return together


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
