"""What a network already knew: its own linear head, as the prior of the instant head.

A network that was trained on simulated shots meets an experiment with two surprises, and both are
told from unlabelled shots: its embeddings lie elsewhere, and classes are as frequent as in nature
and not as in its training. `Prior.adapted` takes them out: correlation alignment of the embeddings
(Sun, Feng and Saenko 2016; as far as classes seem to be as frequent as expected: elsewhere it would
turn one class into another), and the odds of label sets (Saerens, Latinne and Decaestecker 2002;
the frequencies are those of the experiment, since estimating them too runs away on foreign shots).
numpy only.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from model.taxonomy import decoding
from model.taxonomy.same_classes import places_among
from model.taxonomy.taxonomy import Taxonomy

Floats = npt.NDArray[np.float32]
COOLED = 2.0
"""By how much logits on foreign shots are divided: they are surer there than they are right."""
BELIEVED = 0.75
"""Of the log-odds of a label set in the experiment over training: experiments differ."""
UNSEEN = -3.0
"""Log-odds of a legal label set that the experiment never showed."""
FEWEST, TRUSTED = 32, 50
"""Shots below which nothing is adapted; as many shots weighs what was expected of them."""
ALIKE = 0.5
"""Likeness to the experiment from which on a network is adapted to shots; see `likeness`."""
ALIGNED = 0.9
"""From there on embeddings are aligned, the more the nearer to 1: alignment takes classes to be as
frequent as in the experiment."""
_STEPS = 100
MOST = 4000
"""Shots that are looked at."""
FLOOR = 0.1
"""Of the mean variance of an embedding, below which no direction of it is stretched."""


@dataclass(frozen=True)
class Expected:
    """What shots of an experiment are like to a network, before any of them is labelled.

    mean (D,) and covariance (D, D) of the embeddings; sets (S, C) of labels of the classes
    `class_names` that occur, their shares in the experiment and among balanced shots (S,);
    `balanced`: the part of the network's training that was balanced, the rest being as frequent as
    in the experiment.
    """

    class_names: tuple[str, ...]
    mean: Floats
    covariance: Floats
    sets: npt.NDArray[np.bool_]
    share: Floats
    even: Floats
    balanced: float = 1.0

    def among(self, taxonomy: Taxonomy) -> _Sets:
        """The label sets by the classes that the taxonomy knows too."""
        places = places_among(taxonomy, Taxonomy.of_names(self.class_names))
        columns = np.flatnonzero(places >= 0).tolist()
        sets, which = np.unique(self.sets[:, places[columns]], axis=0, return_inverse=True)
        sums = np.zeros((2, len(sets)))
        np.add.at(sums.T, which, np.stack([self.share, self.even], 1))
        return _Sets(columns, sets, sums[0], sums[1], self.balanced)


@dataclass(frozen=True)
class _Sets:
    """Label sets (S, c) of some columns of a taxonomy, and their shares as in `Expected`."""

    columns: list[int]
    sets: npt.NDArray[np.bool_]
    share: npt.NDArray[np.float64]
    even: npt.NDArray[np.float64]
    balanced: float

    def odds(self, legal: npt.NDArray[np.bool_]) -> Floats:
        """(L,) log-odds of every legal set (L, C) in the experiment over balanced shots."""
        return self._of_each(legal, BELIEVED * np.log(self.share / self.even), UNSEEN)

    def odds_if_mixed(self, legal: npt.NDArray[np.bool_], part: float) -> Floats:
        """(L,) log-odds of every legal set where `part` of the shots is as in the experiment and
        the rest is balanced, over the training; sets that neither showed stay as they are."""
        here = part * self.share + (1 - part) * self.even
        learnt = (1 - self.balanced) * self.share + self.balanced * self.even
        return self._of_each(legal, np.log(here / learnt), 0.0)

    def _of_each(
        self, legal: npt.NDArray[np.bool_], logs: npt.NDArray[np.float64], otherwise: float
    ) -> Floats:
        found = {row.tobytes(): float(v) for row, v in zip(self.sets, logs, strict=True)}
        rows = np.ascontiguousarray(legal[:, self.columns])
        return np.array([found.get(row.tobytes(), otherwise) for row in rows], np.float32)

    def likeness(self, logits: Floats) -> float:
        """How much more like the experiment than like balanced ones shots are, by their logits
        (n, C): the part, in [0, 1], of a mixture of the two that explains them best."""
        chances = decoding.set_probabilities(logits[:, self.columns], self.sets)
        ratio = chances.astype(np.float64) @ (self.share / self.even)
        part = 0.5
        for _ in range(_STEPS):
            part = float((part * ratio / (part * ratio + 1 - part)).mean())
        return part


@dataclass(frozen=True)
class Prior:
    """The linear head of the network that made the embeddings: weight (C, D), bias (C,).

    Classes that the network does not know have rows of zeros. `odds` (L,): log-odds of each legal
    label set beside the sum of its logits; None: none.
    """

    weight: Floats
    bias: Floats
    known: npt.NDArray[np.bool_]
    odds: Floats | None = None

    def logits(self, embeddings: npt.ArrayLike) -> Floats:
        """(N, D) embeddings to (N, C)."""
        return np.asarray(embeddings, np.float32) @ self.weight.T + self.bias

    def adapted(
        self,
        expected: Expected,
        embeddings: npt.ArrayLike,
        taxonomy: Taxonomy,
        legal: npt.NDArray[np.bool_] | None,
    ) -> Prior:
        """The same for an experiment, from the embeddings (N, D) of its shots, labelled or not.

        Where classes are rather balanced, its weights stay as they are, and the odds say how
        frequent label sets seem to be. Where the legal sets (L, C) are not listed, there are no
        odds.
        """
        every = np.asarray(embeddings)
        some = every[:: max(1, -(-len(every) // MOST))].astype(np.float32)
        some = some[np.isfinite(some).all(1)]
        sets = expected.among(taxonomy)
        if len(some) < FEWEST:
            return self
        alike = sets.likeness(self.logits(some))
        if alike < ALIKE:
            mixed = None if legal is None else sets.odds_if_mixed(legal, alike)
            return replace(self, odds=mixed)
        turn, shift = np.eye(some.shape[1]), np.zeros(some.shape[1])
        if (part := (alike - ALIGNED) / (1 - ALIGNED)) > 0:
            whole, whole_shift = _alignment(expected, some)
            turn, shift = part * whole + (1 - part) * turn, part * whole_shift
        weight = self.weight.astype(np.float64) / COOLED
        bias = self.bias / COOLED + weight @ shift
        odds = None if legal is None else sets.odds(legal)
        return replace(
            self,
            weight=(weight @ turn.T).astype(np.float32),
            bias=np.where(self.known, bias, 0).astype(np.float32),
            odds=odds,
        )


def _alignment(
    expected: Expected, embeddings: Floats
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """turn (D, D) and shift (D,): embeddings @ turn + shift have what was expected."""
    mean, covariance = expected.mean.astype(np.float64), expected.covariance.astype(np.float64)
    width = len(mean)
    some, n = embeddings.astype(np.float64), len(embeddings)
    found = (n * np.cov(some.T, bias=True) + TRUSTED * covariance) / (n + TRUSTED)
    middle = (n * some.mean(0) + TRUSTED * mean) / (n + TRUSTED)
    floor = FLOOR * np.eye(width)
    scale = np.trace(covariance) / width
    whiten = _power(found + floor * np.trace(found) / width, -0.5)
    turn = whiten @ _power(covariance + floor * scale, 0.5)
    return turn, mean - middle @ turn


def _power(matrix: npt.NDArray[np.float64], power: float) -> npt.NDArray[np.float64]:
    values, vectors = np.linalg.eigh(matrix)
    made: npt.NDArray[np.float64] = (vectors * np.maximum(values, 1e-12) ** power) @ vectors.T
    return made
