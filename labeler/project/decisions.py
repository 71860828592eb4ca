"""Who decided what, as arrays: a person's own labels over those that came with the files.

Pure numpy mirror of the store's current state, kept so that every view answers from memory. It
never talks to the store: the session records first and calls `put` afterwards.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from labeler.project.store.records import (
    FLAGGED,
    LABELLED,
    SKIPPED,
    Present,
    Rows,
    Status,
    known_now,
)
from model.taxonomy.taxonomy import Labels, Taxonomy

FEW_BITS = 1 << 16
"""Label sets below this are counted by a table of all of them instead of by sorting."""
STATES = 8
"""Combinations of the three status bits."""


class Tally:
    """Label sets of the decided shots and combinations of status bits, each with its number."""

    def __init__(self, present: Present, status: Status) -> None:
        self.sets: Counter[int] = Counter()
        """Label set of decided shots -> how many of them; sets that no shot has are left out."""
        self._states = np.zeros(STATES, np.int64)
        self._add(present, status, 1)

    @property
    def labelled(self) -> int:
        """Decided shots."""
        return self._having(LABELLED)

    @property
    def flagged(self) -> int:
        """Flagged shots."""
        return self._having(FLAGGED)

    @property
    def skipped(self) -> int:
        """Skipped shots."""
        return self._having(SKIPPED)

    def classes(self, taxonomy: Taxonomy) -> npt.NDArray[np.int64]:
        """(C,) decided shots that have each class."""
        sets, counts = self._arrays()
        return np.asarray(counts @ taxonomy.unpack(sets), np.int64)

    def rules(self, taxonomy: Taxonomy) -> npt.NDArray[np.int64]:
        """(R,) decided shots that break each rule."""
        sets, counts = self._arrays()
        return np.asarray(counts @ taxonomy.violations(taxonomy.unpack(sets)), np.int64)

    def in_error(self, taxonomy: Taxonomy) -> int:
        """Decided shots that break any hard rule."""
        sets, counts = self._arrays()
        return int(counts @ taxonomy.contradictions(taxonomy.unpack(sets)))

    def usable(self, taxonomy: Taxonomy) -> tuple[int, npt.NDArray[np.bool_]]:
        """(decided shots that break no hard rule, (C,) which classes occur among them)."""
        sets, counts = self._arrays()
        labels = taxonomy.unpack(sets)
        legal = ~taxonomy.contradictions(labels)
        return int(counts[legal].sum()), np.asarray(labels[legal].any(0))

    def move(self, before: tuple[Present, Status], after: tuple[Present, Status]) -> None:
        """Some shots went from one (present, status) to another; each shot once."""
        self._add(*before, -1)
        self._add(*after, 1)

    def _having(self, bit: int) -> int:
        return int(self._states[(np.arange(STATES) & bit) > 0].sum())

    def _arrays(self) -> tuple[Present, npt.NDArray[np.int64]]:
        return (
            np.fromiter(self.sets.keys(), np.int64, len(self.sets)),
            np.fromiter(self.sets.values(), np.int64, len(self.sets)),
        )

    def _add(self, present: Present, status: Status, sign: int) -> None:
        self._states += sign * np.bincount(status & (STATES - 1), minlength=STATES)
        held = present[(status & LABELLED) > 0]
        for found, n in zip(*_sets_of(held), strict=True):
            self.sets[int(found)] += sign * int(n)
            if not self.sets[int(found)]:
                del self.sets[int(found)]


def _sets_of(present: Present) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Different label sets and how often each occurs."""
    if len(present) > FEW_BITS and int(present.max()) < FEW_BITS:
        counts = np.bincount(present)
        found = np.flatnonzero(counts)
        return found.astype(np.int64), counts[found].astype(np.int64)
    return np.unique(present, return_counts=True)


@dataclass
class Decisions:
    """Present classes as bits (N,) and status bits (N,) of a person and of the files' labels.

    `present` and `status` are what holds for each shot: the person's decision where there is one,
    else the one that came with the file. Flags and skips are always the person's.
    """

    own_present: Present
    own_status: Status
    file_present: Present
    file_status: Status
    own_known: Present | None = None
    file_known: Present | None = None
    """Bits of the classes that were decided; without them all that there are."""
    every: int = -1
    """The bits of all classes that there are."""

    def __post_init__(self) -> None:
        if self.own_known is None:
            self.own_known = _all_known(self.own_status, self.every)
        if self.file_known is None:
            self.file_known = _all_known(self.file_status, self.every)
        self.present, self.status = self._merged(slice(None))
        self.known = self._merged_known(slice(None))
        """Bits of the classes that are decided; one that was added later is not."""
        self.tally = Tally(self.present, self.status)
        """Numbers of label sets and states, always up to date."""

    @classmethod
    def none(cls, n: int) -> Decisions:
        """Nothing decided on n shots."""
        bits, status = np.zeros((2, n), np.int64), np.zeros((2, n), np.uint8)
        return cls(bits[0], status[0], bits[1], status[1])

    def put(
        self,
        rows: npt.ArrayLike,
        present: npt.ArrayLike,
        status: npt.ArrayLike,
        known: npt.ArrayLike | None = None,
        said: npt.ArrayLike = 0,
    ) -> Rows:
        """Take over the person's new decision on some shots; returns their rows.

        `known` where the store told it, else it follows as the store has it, with `said`.
        """
        where = np.atleast_1d(np.asarray(rows, np.int64))
        assert self.own_known is not None
        if known is None:
            was = self.own_present[where], self.own_status[where], self.own_known[where]
            bits = np.asarray(present, np.int64), np.asarray(status, np.uint8)
            known = known_now(was, *bits, self.every, np.asarray(said, np.int64))
        self.own_known[where] = known
        self.own_present[where] = present
        self.own_status[where] = status
        each = where if len(where) == 1 else np.unique(where)
        before = self.present[each], self.status[each]
        after = self._merged(each)
        self.present[each], self.status[each] = after
        self.known[each] = self._merged_known(each)
        self.tally.move(before, after)
        return where

    def from_file(self, row: int) -> bool:
        """True where the labels shown are the file's, not yet the person's own."""
        return bool(self.file_status[row] & LABELLED and not self.own_status[row] & LABELLED)

    def undecided(self, row: int) -> int:
        """Bits of the classes that a decided shot says nothing of: they came later."""
        labelled = int(self.status[row]) & LABELLED
        return self.every & ~int(self.known[row]) if labelled and self.every >= 0 else 0

    def _merged_known(self, rows: Rows | slice) -> Present:
        assert self.own_known is not None
        assert self.file_known is not None
        own = (self.own_status[rows] & LABELLED) > 0
        return np.where(own, self.own_known[rows], self.file_known[rows])

    def _merged(self, rows: Rows | slice) -> tuple[Present, Status]:
        """What holds for some shots: the person's decision over the file's."""
        own = (self.own_status[rows] & LABELLED) > 0
        present = np.where(own, self.own_present[rows], self.file_present[rows])
        status = self.own_status[rows] | (self.file_status[rows] & LABELLED)
        return present, np.asarray(status, np.uint8)


def _all_known(status: Status, every: int) -> Present:
    return np.where((status & LABELLED) > 0, np.int64(every), np.int64(0))


def in_words(taxonomy: Taxonomy, before: Labels, after: Labels, class_index: int) -> str:
    """What a toggle brought and dropped besides the class itself; '' where nothing."""
    names = np.array(taxonomy.names, object)
    asked = np.arange(len(names)) == class_index
    parts = [
        f"{verb} {', '.join(names[changed])}"
        for verb, changed in (
            ("added", after & ~before & ~asked),
            ("dropped", before & ~after & ~asked),
        )
        if changed.any()
    ]
    return f"{names[class_index]} {' and '.join(parts)}" if parts else ""
