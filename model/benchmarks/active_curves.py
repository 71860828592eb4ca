"""Simulated labelling: a strategy asks, the true labels answer, the head learns, again and again.

Works on embeddings of all shots; the evaluation shots are never asked for. Trains no network.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from model.active import head, selection
from model.active.prior import Prior
from model.events import Stop, never
from model.metrics.metrics import constant_prediction, f1_scores, micro, rare
from model.taxonomy.taxonomy import Taxonomy
from model.training.split import stratified_choice

Floats = npt.NDArray[np.float32]
Labels = npt.NDArray[np.bool_]
Rows = npt.NDArray[np.int64]
Point = dict[str, float]
METRICS = ("accuracy", "macro_f1", "rare_f1")


@dataclass(frozen=True)
class World:
    """Embeddings (N, D) and true labels (N, C) of all shots, and what their network knows."""

    embeddings: Floats
    labels: Labels
    taxonomy: Taxonomy
    prior: Prior | None
    space: head.Space

    @classmethod
    def of(
        cls, embeddings: Floats, labels: Labels, taxonomy: Taxonomy, prior: Prior | None
    ) -> World:
        """The world with the space of all its shots."""
        return cls(embeddings, labels, taxonomy, prior, head.space_of(embeddings))

    def split(self, share: float, seed: int) -> tuple[Rows, Rows]:
        """Rows that may be asked for, and evaluation rows, classes in proportion."""
        judge = stratified_choice(self.labels.astype(np.uint8), round(share * len(self)), seed)
        return np.setdiff1d(np.arange(len(self)), judge), judge

    def __len__(self) -> int:
        return len(self.labels)

    def judged(self, made: head.Head, rows: Rows) -> Point:
        """The three metrics of the head's answers on some rows."""
        return self._scored(made.decide(self.embeddings[rows]), rows)

    def constant(self, pool: Rows, judge: Rows) -> Point:
        """The same where the label set most frequent in the pool is answered to every shot."""
        blind = constant_prediction(self.labels[pool])
        return self._scored(np.broadcast_to(blind, self.labels[judge].shape), judge)

    def _scored(self, decided: Labels, rows: Rows) -> Point:
        truth = self.labels[rows]
        f1, occurs = f1_scores(decided, truth), truth.any(0)
        seldom = occurs & rare(self.taxonomy, self.labels)
        return {
            "accuracy": float(micro(decided, truth)["accuracy"] or 0.0),
            "macro_f1": float(f1[occurs].mean()),
            "rare_f1": float(f1[seldom].mean()) if seldom.any() else float("nan"),
        }


def counts_up_to(most: int) -> tuple[int, ...]:
    """How many labels there are each time the head is judged: 20, 40, ... then in larger steps."""
    steps = [20, 40, 60, 80, 100, 125, 150, 175, *range(200, 600, 50), *range(600, 1000, 100)]
    steps += range(1000, max(most, 1000) + 1, 250)
    return (*(s for s in steps if s < most), most)


def labelling(
    world: World,
    pool: Rows,
    strategy: str,
    seed: int,
    counts: Sequence[int],
    *,
    audit: float = 0.1,
    stop: Stop = never,
) -> Iterator[tuple[Rows, head.Head]]:
    """Rows of the pool labelled so far and the head that learned from them, from no label on."""
    x, y = world.embeddings[pool], world.labels[pool]
    labelled = np.zeros(len(pool), bool)
    made = head.fit(x[:0], y[:0], world.taxonomy, prior=world.prior, space=world.space)
    yield pool[:0], made
    for count in counts:
        if stop():
            return
        asked = selection.ask(
            strategy, made.probabilities(x), x, labelled, y, world.taxonomy,
            count - int(labelled.sum()), audit=0.0 if strategy == "random" else audit, seed=seed,
        )  # fmt: skip
        labelled[asked.rows] = True
        made = head.fit(
            x[labelled], y[labelled], world.taxonomy, prior=world.prior, space=world.space
        )
        yield pool[labelled], made


def curve(
    world: World,
    strategy: str,
    seed: int,
    counts: Sequence[int],
    *,
    share: float = 0.3,
    stop: Stop = never,
) -> Iterator[Point]:
    """One point for every number of labels in `counts`, from none on."""
    pool, judge = world.split(share, seed)
    for rows, made in labelling(world, pool, strategy, seed, counts, stop=stop):
        yield {"labels": float(len(rows))} | world.judged(made, judge)


def label_saving(
    labels: npt.ArrayLike,
    reached: npt.ArrayLike,
    random_labels: npt.ArrayLike,
    random_reached: npt.ArrayLike,
    first: float,
    last: float,
) -> dict[str, float] | None:
    """Labels that a strategy needs, as a share of those that random order needs for the same.

    Curves are (labels, macro F1), averaged over seeds and made monotone (isotonic regression).
    The levels are those that random order reaches with `first` up to `last` labels, 25 of them,
    evenly spaced; the share is the geometric mean over the levels. A level that the strategy never
    reaches counts with the whole curve. None where random order gains nothing over the range.
    """
    ours, theirs = _monotone(reached), _monotone(random_reached)
    n, m = np.asarray(labels, float), np.asarray(random_labels, float)
    low, high = np.interp([first, last], m, theirs)
    if high - low < 1e-3:
        return None
    levels = np.linspace(low, high, 25)
    shares = [_needed(n, ours, v) / max(_needed(m, theirs, v), 1) for v in levels]
    return {
        "share": float(np.exp(np.mean(np.log(np.maximum(shares, 1e-3))))),
        "from_macro_f1": float(low),
        "to_macro_f1": float(high),
        "from_labels": float(first),
        "to_labels": float(last),
    }


def _monotone(values: npt.ArrayLike) -> npt.NDArray[np.float64]:
    from scipy.optimize import isotonic_regression

    return np.asarray(isotonic_regression(np.asarray(values, float)).x)


def _needed(
    labels: npt.NDArray[np.float64], reached: npt.NDArray[np.float64], level: float
) -> float:
    """The smallest number of labels with which a monotone curve reaches a level."""
    at = int(np.searchsorted(reached, level - 1e-9))
    if at >= len(labels):
        return float(labels[-1])
    if at == 0 or reached[at] == reached[at - 1]:
        return float(labels[at])
    part = (level - reached[at - 1]) / (reached[at] - reached[at - 1])
    return float(labels[at - 1] + max(part, 0.0) * (labels[at] - labels[at - 1]))
