"""Groups: how the grid puts shots together. A table that anybody may add a line to. Pure numpy."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

import numpy as np
import numpy.typing as npt

from labeler.project.store.records import LABELLED, Rows
from labeler.queue.facts import CLUSTER, MODEL, ShotFacts

Codes = npt.NDArray[np.int64]
TIMES_APART_S = 1800.0
"""Shots that were decided with a longer pause between them are in different sessions."""


@dataclass(frozen=True)
class Group:
    """One line of the table.

    `split(known, rows)` gives a number for each row, and the title of each number; groups come in
    the order of their numbers. `needs` see `ShotFacts.lacking`.
    """

    text: str
    split: Callable[[ShotFacts, Rows], tuple[Codes, list[str]]]
    needs: str = ""


@dataclass(frozen=True)
class Section:
    """One group as shown: its title and how many shots."""

    title: str
    count: int


def _one(known: ShotFacts, rows: Rows) -> tuple[Codes, list[str]]:
    return np.zeros(len(rows), np.int64), [""]


def _label_sets(known: ShotFacts, rows: Rows) -> tuple[Codes, list[str]]:
    """Most frequent label set first; undecided shots last."""
    decided = (known.decided.status[rows] & LABELLED) > 0
    return _sets(known, np.where(decided, known.decided.present[rows], -1), "undecided")


def _predicted(known: ShotFacts, rows: Rows) -> tuple[Codes, list[str]]:
    assert known.predictions is not None
    return _sets(known, known.taxonomy.pack(known.predictions.likely()[rows]), "")


def _sets(known: ShotFacts, packed: Codes, last: str) -> tuple[Codes, list[str]]:
    sets, which, counts = np.unique(packed, return_inverse=True, return_counts=True)
    order = np.lexsort((-counts, sets < 0))
    place = np.empty(len(order), np.int64)
    place[order] = np.arange(len(order))
    titles = [_names(known, int(s)) if s >= 0 else last for s in sets[order]]
    return place[which], titles


def _names(known: ShotFacts, packed: int) -> str:
    """A label set in words; classes that another one implies are left out."""
    labels = known.taxonomy.unpack(packed)
    shown = labels & ~known.taxonomy.implied(labels)
    return " + ".join(known.taxonomy.named(shown)) or "no class"


def _files(known: ShotFacts, rows: Rows) -> tuple[Codes, list[str]]:
    assert known.source_of is not None
    return known.source_of[rows].astype(np.int64), list(known.files)


def _sessions(known: ShotFacts, rows: Rows) -> tuple[Codes, list[str]]:
    """Shots decided one after another, the latest session first; undecided ones last."""
    times = np.full(len(rows), np.nan) if known.times is None else known.times()[rows]
    known_ones = np.flatnonzero(np.isfinite(times))
    order = known_ones[np.argsort(-times[known_ones], kind="stable")]
    codes = np.zeros(len(rows), np.int64)
    breaks = np.diff(times[order], prepend=times[order[:1]]) < -TIMES_APART_S
    codes[order] = np.cumsum(breaks)
    starts = order[np.flatnonzero(np.concatenate([[True], breaks[1:]]))] if len(order) else order
    titles = [f"{datetime.fromtimestamp(times[s]):%a %d %b, until %H:%M}" for s in starts]
    codes[~np.isfinite(times)] = len(titles)
    return codes, [*titles, "not yet labelled"]


def _clusters(known: ShotFacts, rows: Rows) -> tuple[Codes, list[str]]:
    """The proposed clusters by their numbers, largest first; shots of none last."""
    found = np.asarray(known.numbers[CLUSTER], float)[rows]
    count = int(np.nanmax(found, initial=0))
    codes = np.where(np.isfinite(found), np.nan_to_num(found) - 1, count).astype(np.int64)
    return codes, [*(f"cluster {k}" for k in range(1, count + 1)), "in no cluster"]


GROUPS: dict[str, Group] = {
    "none": Group("Not grouped", _one),
    "labels": Group("By label set", _label_sets),
    "predicted": Group("By predicted set", _predicted, MODEL),
    "file": Group("By file", _files),
    "cluster": Group("By cluster", _clusters, CLUSTER),
    "time": Group("By session", _sessions),
}
"""Name -> group."""


def grouped(name: str, rows: Rows, known: ShotFacts) -> tuple[Rows, list[Section]]:
    """The rows with each group together, in the order they had within it; and the groups."""
    group = GROUPS[name]
    if known.lacking(group.needs) or not len(rows):
        group = GROUPS["none"]
    codes, titles = group.split(known, rows)
    order = np.argsort(codes, kind="stable")
    counts = np.bincount(codes, minlength=len(titles))
    sections = [Section(t, int(n)) for t, n in zip(titles, counts, strict=False) if n]
    return rows[order], sections
