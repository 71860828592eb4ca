"""What a model says about every shot, and the questions that are asked of it.

The saved predictions of a run are one kind (`labeler.runs.predictions`), the instant learning
another (`labeler.active.instant`). Pure numpy: it reads no file and fits nothing.
"""

from __future__ import annotations

from typing import Literal

import numpy as np
import numpy.typing as npt

from labeler.project.store.records import LABELLED, Flags, Rows
from model.active.head import Held
from model.taxonomy.taxonomy import Taxonomy

AT_ONCE = 16_384
"""Shots whose margins are looked at together: what a processor keeps near."""
Choice = Literal["hits", "false", "missed", "certain", "unsure", "labelled"]


class Predictions:
    """One model's predictions of N shots, in the order of the project's rows and of its classes.

    `probabilities` (N, C) float32; `decided` (N, C) the label sets it decides on; `thresholds`
    (C,); `known` (C,) False for classes that it never learnt; `readable` (N,) False for shots that
    it could not read; `name` is what the person calls it: "run 3", "instant model, 87 labels".
    """

    taxonomy: Taxonomy
    probabilities: npt.NDArray[np.float32]
    decided: Flags
    thresholds: npt.NDArray[np.float32]
    known: Flags
    readable: Flags
    name: str

    def likely(self) -> Flags:
        """(N, C) what the model decides: by its thresholds, or by the likeliest legal label set."""
        return self.decided

    def says_something(self, rows: Rows) -> Flags:
        """(n,) True for shots, of those rows, of which it says something."""
        return self.readable[rows]

    def sureness(self) -> npt.NDArray[np.float32]:
        """(N,) chance that the whole label set it decides on is right; 0 where it cannot read.

        As if the classes were independent; a model that knows better says so.
        """
        right = np.where(self.decided, self.probabilities, 1 - self.probabilities)
        return np.where(self.readable, right[:, self.known].prod(1, dtype=np.float32), 0)

    def held(self) -> Held:
        """What is said of shots whose labels, if they have any, it did not learn."""
        return Held(np.arange(len(self.readable)), self.likely(), self.sureness())

    def margins(self, rows: Rows | slice | int = slice(None)) -> npt.NDArray[np.float32]:
        """(n, C) distance from the threshold, 0 on it and 1 at probability 0 or 1.

        Of those rows, by default of all; (C,) of one.
        """
        p, t = self.probabilities[rows], np.clip(self.thresholds, 1e-6, 1 - 1e-6)
        return np.where(p >= t, (p - t) / (1 - t), (t - p) / t)

    def uncertainty(self) -> npt.NDArray[np.float32]:
        """(N,) in [0, 1]: one minus the least margin over the classes; 0 for unreadable shots.

        A shot is as unsure as its least sure class.
        """
        unsure = np.zeros(len(self.readable), np.float32)
        for first in range(0, len(unsure), AT_ONCE):
            part = slice(first, first + AT_ONCE)
            unsure[part] = 1 - self.margins(part)[:, self.known].min(1, initial=1)
        return np.where(self.readable, unsure, 0)

    def contradictions(self) -> Flags:
        """(N,) True where what is likely breaks a hard rule of the taxonomy."""
        sets, which = np.unique(self.taxonomy.pack(self.likely()), return_inverse=True)
        broken = self.taxonomy.contradictions(self.taxonomy.unpack(sets), self.known)
        return broken[which] & self.readable

    def disagreement(
        self, present: npt.ArrayLike, status: npt.ArrayLike, rows: Rows | slice = slice(None)
    ) -> npt.NDArray[np.int64]:
        """(n,) in how many classes the run contradicts the labels of those rows, by default of all.

        0 where no one decided.
        """
        decided = (np.asarray(status) & LABELLED).astype(bool) & self.readable[rows]
        different = self.likely()[rows] != self.taxonomy.unpack(np.asarray(present, np.int64))
        return np.asarray((different & self.known).sum(1) * decided, np.int64)

    def gallery(
        self, class_index: int, choice: Choice, present: npt.ArrayLike, status: npt.ArrayLike
    ) -> Rows:
        """Rows that show how a class was learnt, the most telling first.

        hits: labelled and predicted, highest probability first; certain: predicted, highest
        first; unsure: nearest to the threshold first; missed: labelled but not predicted, lowest
        first; false: predicted, though decided to be absent, highest first; labelled: labelled,
        highest first.
        """
        p = self.probabilities[:, class_index]
        likely = self.decided[:, class_index]
        decided = (np.asarray(status) & LABELLED).astype(bool)
        labelled = decided & ((np.asarray(present, np.int64) >> class_index) & 1).astype(bool)
        which, key = {
            "hits": (labelled & likely, -p),
            "certain": (likely, -p),
            "unsure": (np.ones(len(p), bool), self.margins()[:, class_index]),
            "missed": (labelled & ~likely, p),
            "false": (likely & decided & ~labelled, -p),
            "labelled": (labelled, -p),
        }[choice]
        rows = np.flatnonzero(which & self.readable)
        return rows[np.argsort(key[rows], kind="stable")]
