"""Blind repeats: which shots to show a person again, what came of it, and what drifts.

A blind repeat belongs to an annotator of kind "repeat" beside the person, so that the first
label stays as it is. Pure numpy and questions to the store; showing is the session's.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from labeler.project.project import Project
from labeler.project.store import LABELLED
from labeler.project.store.classing import RELABELS
from labeler.project.store.records import Present, Rows, Status
from labeler.project.store.timeline import Moment, timeline
from model.metrics.agreement import dice_interval, positive_agreement
from model.taxonomy.taxonomy import Labels, Taxonomy

Merges = Sequence[tuple[int, int, int]]
KIND = "repeat"
ENOUGH = 30
"""Own labels before any shot is shown again."""
ROUND = 24
"""Shots of a calibration round."""
FIRST = 200
"""A calibration round asks for shots among this many first labels."""
FEW = 5
"""Repeats of a class before anything is said about it."""


def repeat_annotator(project: Project, person: int) -> int:
    """The number under which a person's blind repeats are kept."""
    return project.store.annotator(_name(project, person), kind=KIND)


def _name(project: Project, person: int) -> str:
    """A name of its own, or it would be taken for the person wherever people go by name."""
    return f"{project.store.name_of(person)}, second reading"


# -- choosing ----------------------------------------------------------------------------------

NO_CLASS = -1


def choose(
    present: Present,
    status: Status,
    taxonomy: Taxonomy,
    barred: Iterable[int],
    rng: np.random.Generator,
    n: int = 1,
) -> Rows:
    """Up to n different rows of a person's own labels, every class with the same chance.

    Rare classes are asked as often as frequent ones, or nothing would be known of them by the end
    of the week. `barred` rows are not asked: repeated already, or only just labelled.
    """
    fits = (status & LABELLED) != 0
    fits[list(barred)] = False
    rows = np.flatnonzero(fits)
    if not len(rows):
        return rows
    held = present[rows]
    kinds = np.flatnonzero(taxonomy.unpack(np.bitwise_or.reduce(held))).tolist()
    kinds += [NO_CLASS] * bool((held == 0).any())
    groups: dict[int, Rows] = {}  # only of classes that are drawn: there may be a million labels
    found: list[int] = []
    while len(found) < min(n, len(rows)):
        c = kinds[int(rng.integers(len(kinds)))]
        if c not in groups:
            groups[c] = rows[held == 0] if c == NO_CLASS else rows[(held >> c & 1) > 0]
        left = np.setdiff1d(groups[c], found) if found else groups[c]
        if len(left):
            found.append(int(rng.choice(left)))
    return np.array(found, np.int64)


# -- what came of it ---------------------------------------------------------------------------


@dataclass(frozen=True)
class RepeatedShots:
    """Shots that were read twice: (n,) rows, bits of both times, time of the second."""

    rows: Rows
    first: Present
    second: Present
    times: npt.NDArray[np.float64]

    def __len__(self) -> int:
        return len(self.rows)

    @classmethod
    def none(cls) -> RepeatedShots:
        """No blind repeat at all."""
        nothing = np.zeros(0, np.int64)
        return cls(nothing, nothing, nothing, np.zeros(0))

    @property
    def differing(self) -> npt.NDArray[np.bool_]:
        """(n,) True where the two label sets differ."""
        return np.asarray(self.first != self.second)


def repeats_of(project: Project, person: int) -> RepeatedShots:
    """Every blind repeat that stands, in the order of time."""
    name = _name(project, person)
    known = [a.id for a in project.store.annotators() if (a.name, a.kind) == (name, KIND)]
    if not known:
        return RepeatedShots.none()
    return _standing(timeline(project.store.database, known[0]), project.store.merges())


def _standing(moments: Iterable[Moment], merges: Merges) -> RepeatedShots:
    """One repeat for each time that a shot was shown: its last state that was not taken back.

    Classes that were merged since count as one in both.
    """
    shown: dict[tuple[int, float], Moment] = {}
    asked: dict[int, tuple[float, int, int]] = {}
    first: dict[tuple[int, float], int] = {}
    for moment in moments:
        if moment.origin in RELABELS:
            continue
        about = (moment.shown or {}).get(KIND)
        if about is not None:
            asked[moment.row] = float(about["at"]), int(about["first"]), int(about.get("open", 0))
        if moment.row not in asked:
            continue
        key = (moment.row, asked[moment.row][0])
        shown[key] = replace(moment, present=_merged(moment.present, moment.gesture, merges))
        _, before, silent = asked[moment.row]
        before = before & ~silent | moment.present & silent  # what was undecided cannot differ
        first[key] = _merged(before, moment.gesture, merges)
    kept = [key for key, m in shown.items() if m.status & LABELLED]
    return RepeatedShots(
        rows=np.array([row for row, _ in kept], np.int64),
        first=np.array([first[key] for key in kept], np.int64),
        second=np.array([shown[key].present for key in kept], np.int64),
        times=np.array([shown[key].time for key in kept], np.float64),
    )


def _merged(present: int, gesture: int, merges: Merges) -> int:
    """Bits of a time as the merges after it left them."""
    for merge, gone, into in merges:
        if merge > gesture and present & gone:
            present = present & ~gone | into
    return present


@dataclass(frozen=True)
class ClassDrift:
    """One class over all blind repeats: `both`, only in the `first`, only in the `second`.

    `confirmed` is the share of its labels that the other of the two confirms, with an interval.
    """

    name: str
    both: int
    first: int
    second: int
    confirmed: float
    low: float
    high: float

    @property
    def shots(self) -> int:
        """Shots in which it occurs at all, the first time or the second."""
        return self.both + self.first + self.second


def drift(repeated: RepeatedShots, taxonomy: Taxonomy) -> list[ClassDrift]:
    """Self-agreement of each class, in the taxonomy's order."""
    a, b = taxonomy.unpack(repeated.first), taxonomy.unpack(repeated.second)
    both, first, second = (a & b).sum(0), (a & ~b).sum(0), (~a & b).sum(0)
    confirmed = positive_agreement(a, b) if len(repeated) else np.full(len(taxonomy), np.nan)
    shots = both + first + second
    low, high = dice_interval(both, shots)
    return [
        ClassDrift(
            name,
            int(both[c]),
            int(first[c]),
            int(second[c]),
            float(confirmed[c]),
            float(low[c]),
            float(high[c]),
        )
        for c, name in enumerate(taxonomy.names)
    ]


def worst(found: Sequence[ClassDrift], among: Sequence[int] | None = None) -> int | None:
    """The class to read again, of all or `among` some: the least confirmed one with enough
    repeats; None where all hold.

    Where even the upper end of a class's interval is below the others' share, it goes first.
    """
    asked = range(len(found)) if among is None else among
    known = [c for c in asked if found[c].shots >= FEW and found[c].first + found[c].second > 0]
    return min(known, key=lambda c: (found[c].high, found[c].confirmed), default=None)


@dataclass(frozen=True)
class Day:
    """One day of blind repeats: begin in seconds since the epoch, and (C,) counts."""

    begins: float
    both: npt.NDArray[np.int64]
    either: npt.NDArray[np.int64]


def by_day(repeated: RepeatedShots, taxonomy: Taxonomy, begins: Sequence[float]) -> list[Day]:
    """Confirmed and all occurrences of each class in every day; `begins` are the days' starts."""
    a, b = taxonomy.unpack(repeated.first), taxonomy.unpack(repeated.second)
    edges = np.array([*begins, np.inf])
    which = np.searchsorted(edges, repeated.times, side="right") - 1
    return [
        Day(float(start), (a & b)[which == k].sum(0), (a | b)[which == k].sum(0))
        for k, start in enumerate(begins)
    ]


def to_reread(
    class_index: int,
    repeated: RepeatedShots,
    present: Present,
    labelled: Labels,
    taxonomy: Taxonomy,
) -> Rows:
    """Shots to read again for a class: those read in two ways, then all others it is mixed up in.

    The others carry the class, or the class that took its place most often in a blind repeat.
    """
    bit = np.int64(1) << class_index
    unlike = (repeated.first ^ repeated.second) & bit != 0
    begin = repeated.rows[unlike]
    swapped = taxonomy.unpack((repeated.first ^ repeated.second)[unlike]).sum(0)
    swapped[class_index] = 0
    wanted = bit
    if swapped.any():
        wanted = wanted | (np.int64(1) << int(swapped.argmax()))
    rest = np.flatnonzero(labelled & ((present & wanted) != 0))
    every = np.concatenate([begin, rest])
    _, at = np.unique(every, return_index=True)
    return every[np.sort(at)]
