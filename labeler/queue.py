"""Which shots to go through and in which order: filters and orders over arrays.

Pure numpy; a queue is an array of rows. It knows nothing of files, windows or the store.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np
import numpy.typing as npt

from labeler.decisions import Decisions
from labeler.store.records import FLAGGED, LABELLED, SKIPPED, Rows
from model.taxonomy import Taxonomy

FILTERS = {
    "all": "All shots",
    "unlabelled": "Unlabelled",
    "error": "In error",
    "disagree": "Disagreeing with the model",
    "flagged": "Flagged",
    "skipped": "Skipped",
}
"""Name of a filter -> its text on screen; `class:NAME` selects the shots of one class."""

ORDERS = {
    "file": "File order",
    "uncertainty": "Least sure first",
    "contradiction": "Most contradictory first",
}
NEEDS_MODEL = ("disagree", "uncertainty", "contradiction")
"""Filters and orders that say nothing before a run has predicted."""


class Readings(Protocol):
    """What the queue asks of a run's predictions; every answer has shape (N,)."""

    def uncertainty(self) -> npt.NDArray[np.floating]: ...
    def contradictions(self) -> npt.NDArray[np.generic]: ...
    def disagreement(
        self, present: npt.ArrayLike, status: npt.ArrayLike
    ) -> npt.NDArray[np.generic]: ...


@dataclass(frozen=True)
class Choice:
    """One filter and one order; or, with a title, shots that somebody chose by hand or by look."""

    filter: str = "all"
    order: str = "file"
    title: str = ""


def text_of(name: str) -> str:
    """A filter in words."""
    return name.removeprefix("class:") if name.startswith("class:") else FILTERS[name]


def matching(
    name: str, decided: Decisions, taxonomy: Taxonomy, readings: Readings | None
) -> npt.NDArray[np.bool_]:
    """(N,) True where a shot passes the filter; KeyError for an unknown one."""
    if name.startswith("class:"):
        bit = np.int64(1) << taxonomy.index(name.removeprefix("class:"))
        return (decided.present & bit) > 0
    labelled = (decided.status & LABELLED) > 0
    if name == "all":
        return np.ones(len(labelled), bool)
    if name == "unlabelled":
        return ~labelled
    if name == "error":
        return in_error(decided, taxonomy)
    if name == "disagree":
        if readings is None:
            return np.zeros(len(labelled), bool)
        return np.asarray(readings.disagreement(decided.present, decided.status)) > 0
    return (decided.status & {"flagged": FLAGGED, "skipped": SKIPPED}[name]) > 0


def in_error(decided: Decisions, taxonomy: Taxonomy) -> npt.NDArray[np.bool_]:
    """(N,) True where the labels of a decided shot break a hard rule; one look per label set."""
    sets, which = np.unique(decided.present, return_inverse=True)
    broken = taxonomy.contradictions(taxonomy.unpack(sets))[which]
    return broken & ((decided.status & LABELLED) > 0)


def build(
    choice: Choice, decided: Decisions, taxonomy: Taxonomy, readings: Readings | None
) -> Rows:
    """Rows of the queue, in its order; ties stay in file order."""
    rows = np.flatnonzero(matching(choice.filter, decided, taxonomy, readings)).astype(np.int64)
    if choice.order == "file" or readings is None:
        return rows
    key = readings.uncertainty() if choice.order == "uncertainty" else readings.contradictions()
    return rows[np.argsort(-np.asarray(key, float)[rows], kind="stable")]


def step(queue: Rows, row: int, by: int) -> int | None:
    """The row `by` places further in the queue, held at its ends; None where the queue is empty.

    From a row that is not in the queue, the way goes to its neighbours in file order.
    """
    if not len(queue):
        return None
    at = np.flatnonzero(queue == row)
    if len(at):
        return int(queue[np.clip(at[0] + by, 0, len(queue) - 1)])
    beyond = queue[queue > row] if by > 0 else queue[queue < row]
    if not len(beyond):
        return int(queue[-1] if by > 0 else queue[0])
    return int(beyond.min() if by > 0 else beyond.max())


def next_undecided(queue: Rows, row: int, decided: Decisions) -> int | None:
    """The first undecided, not skipped shot after `row` in the queue, going round once."""
    at = np.flatnonzero(queue == row)
    start = int(at[0]) + 1 if len(at) else int(np.searchsorted(queue, row))
    turned = np.roll(queue, -start)
    open_ones = turned[(decided.status[turned] & (LABELLED | SKIPPED)) == 0]
    open_ones = open_ones[open_ones != row]
    return int(open_ones[0]) if len(open_ones) else None
