"""Who decided what, as arrays: a person's own labels over those that came with the files.

Pure numpy mirror of the store's current state, kept so that every view answers from memory. It
never talks to the store: the session records first and calls `put` afterwards.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from labeler.project.store.records import (
    FLAGGED,
    LABELLED,
    SKIPPED,
    Flags,
    Present,
    Rows,
    Status,
    known_now,
)
from model.taxonomy.taxonomy import Labels, Taxonomy

Judge = Callable[[Labels, Labels], Flags]
"""Label sets (S, C) of which the classes (C,) are decided -> (S,), such as
`Taxonomy.contradictions`."""
FEW_BITS = 1 << 16
"""Label sets below this are counted by a table of all of them instead of by sorting."""
STATES = 8
"""Combinations of the three status bits."""


def by_known(known: Present) -> Iterator[tuple[int, Rows | slice]]:
    """The different masks of decided classes, of which there are few, and where each stands."""
    if not len(known):
        return
    if (known == known[0]).all():
        yield int(known[0]), slice(None)
        return
    masks, which = np.unique(known, return_inverse=True)
    for k, mask in enumerate(masks.tolist()):
        yield mask, np.flatnonzero(which == k)


def judged(judge: Judge, taxonomy: Taxonomy, present: Present, known: Present) -> Flags:
    """(n,) what `judge` says of shots with the classes `present` (n,), of which `known` (n,) are
    decided; it is asked once for each different pair of them."""
    found = np.zeros(len(present), bool)
    for mask, at in by_known(known):
        sets, which = _different(present[at])
        found[at] = judge(taxonomy.unpack(sets), taxonomy.unpack(mask))[which]
    return found


class Tally:
    """Label sets of the decided shots and combinations of status bits, each with its number."""

    def __init__(self, present: Present, status: Status, known: Present | None = None) -> None:
        self.sets: Counter[tuple[int, int]] = Counter()
        """(label set, classes that are decided) of decided shots -> how many of them; those that
        no shot has are left out."""
        self._states = np.zeros(STATES, np.int64)
        self._add(present, status, known, 1)

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
        sets, _, counts = self.arrays()
        return np.asarray(counts @ taxonomy.unpack(sets), np.int64)

    def decided_on(self, taxonomy: Taxonomy) -> npt.NDArray[np.int64]:
        """(C,) decided shots of which each class is decided; one that came later is not on all."""
        _, known, counts = self.arrays()
        return np.asarray(counts @ taxonomy.unpack(known), np.int64)

    def rules(self, taxonomy: Taxonomy) -> npt.NDArray[np.int64]:
        """(R,) decided shots that break each rule."""
        sets, known, counts = self.arrays()
        broken = taxonomy.violations(taxonomy.unpack(sets), taxonomy.unpack(known))
        return np.asarray(counts @ broken, np.int64)

    def in_error(self, taxonomy: Taxonomy) -> int:
        """Decided shots that break any hard rule."""
        sets, known, counts = self.arrays()
        return int(counts @ taxonomy.contradictions(taxonomy.unpack(sets), taxonomy.unpack(known)))

    def usable(self, taxonomy: Taxonomy) -> tuple[int, npt.NDArray[np.bool_]]:
        """(decided shots that break no hard rule, (C,) which classes occur among them)."""
        sets, known, counts = self.arrays()
        labels = taxonomy.unpack(sets)
        legal = ~taxonomy.contradictions(labels, taxonomy.unpack(known))
        return int(counts[legal].sum()), np.asarray(labels[legal].any(0))

    def move(
        self, before: tuple[Present, Status, Present], after: tuple[Present, Status, Present]
    ) -> None:
        """Some shots went from one (present, status, known) to another; each shot once."""
        self._add(*before, -1)
        self._add(*after, 1)

    def _having(self, bit: int) -> int:
        return int(self._states[(np.arange(STATES) & bit) > 0].sum())

    def arrays(self) -> tuple[Present, Present, npt.NDArray[np.int64]]:
        """Label sets, the classes that are decided, and how many shots have both."""
        keys = np.array(list(self.sets), np.int64).reshape(-1, 2)
        return keys[:, 0], keys[:, 1], np.fromiter(self.sets.values(), np.int64, len(keys))

    def _add(self, present: Present, status: Status, known: Present | None, sign: int) -> None:
        self._states += sign * np.bincount(status & (STATES - 1), minlength=STATES)
        decided = (status & LABELLED) > 0
        held = present if decided.all() else present[decided]
        masks = [(-1, slice(None))] if known is None else by_known(known[decided])
        for mask, at in masks:
            for labels, n in zip(*(part.tolist() for part in _sets_of(held[at])), strict=True):
                key = labels, mask
                self.sets[key] += sign * n
                if not self.sets[key]:
                    del self.sets[key]


def _sets_of(present: Present) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Different label sets and how often each occurs."""
    if len(present) > FEW_BITS and int(present.max()) < FEW_BITS:
        counts = np.bincount(present)
        found = np.flatnonzero(counts)
        return found.astype(np.int64), counts[found].astype(np.int64)
    return np.unique(present, return_counts=True)


def _different(present: Present) -> tuple[Present, npt.NDArray[np.intp]]:
    """Different label sets, and which of them each shot has."""
    if len(present) > FEW_BITS and int(present.max()) < FEW_BITS:
        sets, _ = _sets_of(present)
        place = np.zeros(int(sets[-1]) + 1, np.intp)
        place[sets] = np.arange(len(sets))
        return sets, place[present]
    return np.unique(present, return_inverse=True)


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
        self.tally = Tally(self.present, self.status, self.known)
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
        unsaid: npt.ArrayLike = 0,
    ) -> Rows:
        """Take over the person's new decision on some shots; returns their rows.

        `known` where the store told it, else it follows as the store has it, with `said` and
        `unsaid`.
        """
        where = np.atleast_1d(np.asarray(rows, np.int64))
        assert self.own_known is not None
        if known is None:
            was = self.own_present[where], self.own_status[where], self.own_known[where]
            bits = np.asarray(present, np.int64), np.asarray(status, np.uint8)
            more = np.asarray(said, np.int64), np.asarray(unsaid, np.int64)
            known = known_now(was, *bits, self.every, *more)
        self.own_known[where] = known
        self.own_present[where] = present
        self.own_status[where] = status
        each = where if len(where) == 1 else np.unique(where)
        before = self.present[each], self.status[each], self.known[each]
        after = *self._merged(each), self._merged_known(each)
        self.present[each], self.status[each], self.known[each] = after
        self.tally.move(before, after)
        return where

    @property
    def labelled(self) -> Flags:
        """(N,) True where anybody decided."""
        return (self.status & LABELLED) > 0

    def shown_classes(self, taxonomy: Taxonomy) -> tuple[int, ...]:
        """The classes that lists and menus show, in their order: all but the retired ones that no
        shot carries."""
        if not taxonomy.retired.any():
            return taxonomy.order
        carried = taxonomy.unpack(np.bitwise_or.reduce(self.present, initial=0))
        shown = carried | ~taxonomy.retired
        return tuple(c for c in taxonomy.order if shown[c])

    @property
    def imported(self) -> Flags:
        """(N,) True where the label is the file's, not yet the person's own."""
        return (self.file_status & ~self.own_status & LABELLED) > 0

    def from_file(self, row: int) -> bool:
        """`imported` of one shot."""
        return bool(self.file_status[row] & LABELLED and not self.own_status[row] & LABELLED)

    def undecided(self, row: int) -> int:
        """Bits of the classes that a decided shot says nothing of: they came later."""
        return int(self.open_classes(np.array([row]))[0])

    def open_classes(self, rows: Rows) -> Present:
        """(n,) the same for many shots."""
        if self.every < 0:
            return np.zeros(len(rows), np.int64)
        labelled = (self.status[rows] & LABELLED) > 0
        return np.where(labelled, self.every & ~self.known[rows], 0)

    def status_on(self, class_index: int) -> Status:
        """(N,) `status`, with the shots alone as labelled on which one class is decided."""
        silent = (self.known >> class_index & 1) == 0
        return np.where(silent, self.status & ~np.uint8(LABELLED), self.status)

    def filled(self, bits: Callable[[], Present]) -> Present:
        """(N,) `present`, where classes that are undecided on a decided shot are those of `bits`:
        what says of them cannot be against a label."""
        silent = ((self.status & LABELLED) > 0) & ((self.known & self.every) != self.every)
        if not silent.any():
            return self.present
        return np.where(silent, self.present & self.known | bits() & ~self.known, self.present)

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
    asked = np.arange(len(taxonomy)) == class_index
    parts = [
        f"{verb} {', '.join(taxonomy.named(changed))}"
        for verb, changed in (
            ("added", after & ~before & ~asked),
            ("dropped", before & ~after & ~asked),
        )
        if changed.any()
    ]
    return f"{taxonomy.names[class_index]} {' and '.join(parts)}" if parts else ""
