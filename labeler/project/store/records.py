"""What the store hands out and takes in. No SQL here."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from model.shots.sources import SourceInfo

LABELLED, FLAGGED, SKIPPED = 1, 2, 4
"""Bits of a status. LABELLED: a person decided, every class that is not present is absent."""

Rows = npt.NDArray[np.int64]
"""Numbers of shots in a project, from 0."""
Present = npt.NDArray[np.int64]
"""Bits of classes, bit c for class c: those that are present, or those that are decided."""
Status = npt.NDArray[np.uint8]
Flags = npt.NDArray[np.bool_]
Bits = Any
"""One whole number of bits, or an array of them."""
GestureKind = Literal["do", "undo", "redo", "salvage", "classes"]


@dataclass(frozen=True)
class State:
    """One annotator's state of all N shots: bits of the present classes, bits of the status.

    `known` has the bits of the classes that were decided: one that was added later is undecided.
    """

    present: Present
    status: Status
    known: Present

    @classmethod
    def none(cls, n: int) -> State:
        """Nothing decided on n shots."""
        return cls(np.zeros(n, np.int64), np.zeros(n, np.uint8), np.zeros(n, np.int64))

    @property
    def labelled(self) -> Flags:
        """(N,) True where the annotator decided."""
        return (self.status & LABELLED) != 0


def passed_over(status: Status) -> Flags:
    """(N,) True where a person skipped and no one decided: such a shot is not asked for."""
    return (status & (LABELLED | SKIPPED)) == SKIPPED


def known_now(
    was: tuple[Bits, Bits, Bits],
    present: Bits,
    status: Bits,
    every: int,
    said: Bits = 0,
    unsaid: Bits = 0,
) -> Bits:
    """The classes that are decided after a change from (present, status, known): bits.

    A first decision speaks of every class that there is, but for absent ones that are left
    `unsaid`. A later one speaks of the classes that it changes, and of those that are `said`
    besides; the others stay what they were.
    """
    was_present, was_status, was_known = was
    later = (np.asarray(was_status) & LABELLED) > 0
    first = every & ~np.asarray(unsaid, np.int64) | present | said
    spoken = np.where(later, was_known | (np.asarray(was_present) ^ present) | said, first)
    return np.where((np.asarray(status) & LABELLED) > 0, spoken, 0)


@dataclass(frozen=True)
class Change:
    """What a gesture, an undo or a redo left behind: the new state of its rows."""

    rows: Rows
    present: Present
    status: Status
    gesture: int
    text: str
    known: Present


@dataclass(frozen=True)
class StoreState:
    """By what an open project sees that something changed elsewhere; cheap to ask for."""

    gesture: int
    n_shots: int
    restored: str


@dataclass(frozen=True)
class Changes:
    """What others did since a gesture: the new state of each annotator's rows."""

    of: dict[int, tuple[Rows, Present, Status]]
    classes: bool
    """Whether the classes changed too."""
    known: dict[int, Present]
    """Which classes are decided on those rows."""


@dataclass(frozen=True)
class Annotator:
    """Who decided: a person ("human") or the labels of a file ("import")."""

    id: int
    name: str
    kind: str


@dataclass(frozen=True)
class StoredSource:
    """A file of shots in this project; its shots are rows `first_row` … + n_shots - 1."""

    id: int
    info: SourceInfo
    first_row: int
    relative: str


@dataclass(frozen=True)
class HistoryEntry:
    """One event of one shot. `shown` is what the model showed at that moment, if anything."""

    time: datetime
    annotator: str
    gesture: int
    kind: GestureKind
    origin: str
    present_before: int
    status_before: int
    present: int
    status: int
    note: str | None
    shown: dict[str, Any] | None
    seconds: float | None
    known_before: int = 0
    known: int = 0
    """Bits of the classes that are decided."""
    shots: int = 1
    """How many the gesture changed."""


NO_CHANGE = "no change of labels"


def in_words(before: tuple[int, int], after: tuple[int, int], names: dict[int, str]) -> str:
    """The difference of two (present, status) in words: '+Round, −Prolate'."""
    parts = []
    for bit, name in names.items():
        had, has = before[0] >> bit & 1, after[0] >> bit & 1
        if had != has:
            parts.append(f"{'+' if has else '−'}{name}")
    words = {LABELLED: "labelled", FLAGGED: "flagged", SKIPPED: "skipped"}
    for flag, word in words.items():
        had, has = before[1] & flag, after[1] & flag
        if had != has and not (flag == LABELLED and parts):
            parts.append(word if has else f"not {word}")
    return ", ".join(parts) or NO_CHANGE


def moved(
    before: tuple[int, int], after: tuple[int, int], names: dict[int, str], *, back: bool
) -> str:
    """What an undo (`back`) or a redo did to a shot: 'restored Bent, removed Round, flagged'."""
    brought, taken = (
        [name for bit, name in names.items() if (a & ~b) >> bit & 1]
        for a, b in ((after[0], before[0]), (before[0], after[0]))
    )
    parts = [f"{'restored' if back else 'added'} {', '.join(brought)}"] if brought else []
    parts += [f"removed {', '.join(taken)}"] if taken else []
    marks = in_words((after[0], before[1]), after, names)
    if marks != NO_CHANGE and not (parts and marks in ("labelled", "not labelled")):
        parts.append(marks)
    return ", ".join(parts) or NO_CHANGE
