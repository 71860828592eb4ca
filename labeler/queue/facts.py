"""What is known about every shot of a project, as arrays: what filters, orders and groups may ask.

Nothing is read or worked out before someone asks for it. Pure numpy.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np
import numpy.typing as npt

from labeler.project.decisions import Decisions, Judge, judged
from labeler.project.store.records import LABELLED, Flags, Rows, State
from model.taxonomy.taxonomy import Labels, Taxonomy

Some = Rows | slice
"""Rows that are asked about; `ALL` of them without copying anything."""
ALL = slice(None)
Numbers = Mapping[str, npt.NDArray[np.floating]]
MODEL = "model"
"""What a filter or an order needs that looks at a run's predictions."""
CLUSTER = "cluster"
"""The number that says in which proposed cluster of the map a shot is, from 1; NaN in none."""


class PredictionFacts(Protocol):
    """What is asked of a run's predictions; every answer has shape (N,), or (N, C)."""

    def likely(self) -> Labels: ...
    def uncertainty(self) -> npt.NDArray[np.floating]: ...
    def contradictions(self) -> npt.NDArray[np.generic]: ...
    def disagreement(
        self, present: npt.ArrayLike, status: npt.ArrayLike, rows: Some = ALL
    ) -> npt.NDArray[np.generic]: ...


def _no_annotator(name: str) -> State:
    raise KeyError(name)


@dataclass(frozen=True)
class ShotFacts:
    """Decisions, predictions, files and numbers of N shots.

    `numbers` holds (N,) arrays by name: those of the files, and whatever else was given;
    `others` is the state of another annotator by name; `times` (N,) seconds since the epoch of
    the last decision on each shot, NaN where there is none.
    """

    decided: Decisions
    taxonomy: Taxonomy
    predictions: PredictionFacts | None = None
    files: tuple[str, ...] = ()
    source_of: npt.NDArray[np.int32] | None = None
    numbers: Numbers = field(default_factory=dict)
    annotators: Callable[[], tuple[str, ...]] = tuple
    others: Callable[[str], State] = _no_annotator
    times: Callable[[], npt.NDArray[np.floating]] | None = None

    @property
    def n(self) -> int:
        return len(self.decided.status)

    def lacking(self, need: str) -> str:
        """Why a filter, an order or a group is not to be had; "" where what it needs is there.

        A need is "", "model" or the name of a number.
        """
        there = self.predictions is not None if need == MODEL else not need or need in self.numbers
        if there:
            return ""
        return {MODEL: "no run in use", CLUSTER: "no map yet"}.get(need, f"no number {need}")

    def labelled(self, rows: Some = ALL) -> Flags:
        """Where someone decided."""
        return (self.decided.status[rows] & LABELLED) > 0

    def holding(self, class_index: int, rows: Some = ALL) -> Flags:
        """Where a class is present."""
        return (self.decided.present[rows] & (np.int64(1) << class_index)) > 0

    def decided_on(self, class_index: int, rows: Some = ALL) -> Flags:
        """Where someone decided on a class; one that was added later is undecided before."""
        bit = np.int64(1) << class_index
        return self.labelled(rows) & ((self.decided.known[rows] & bit) != 0)

    def judged(self, judge: Judge, rows: Some = ALL) -> Flags:
        """What `judge` says of the labels of decided shots; False for all others."""
        present, known = self.decided.present[rows], self.decided.known[rows]
        found = self.labelled(rows)
        found[found] = judged(judge, self.taxonomy, present[found], known[found])
        return found
