"""How many shots carry which labels, kept up while decisions change, so that nobody counts anew.

Pure numpy; it follows `labeler.project.decisions` and never changes a label.
"""

from __future__ import annotations

from collections import Counter

import numpy as np
import numpy.typing as npt

from labeler.project.store.records import FLAGGED, LABELLED, SKIPPED, Present, Status
from model.taxonomy.taxonomy import Taxonomy

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
