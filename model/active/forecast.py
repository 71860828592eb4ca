"""What the next labels would buy: learning curves per class, their power law, and when to stop.

The labels so far are split again and again; the instant head learns from nested parts of one side
and is judged on the other. 1 - F1 falls as a power of the number of labels; the exponent of a
class is drawn towards that of all classes together, as far as it has few shots. Intervals come
from a bootstrap over shots. Where labels were hand-picked the judged shots are harder than all
shots, so the level is careful. It trains no network and asks no one.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from model.active import head
from model.active.prior import Prior
from model.errors import InputError, counted
from model.metrics.metrics import constant_prediction, f1_scores
from model.taxonomy.taxonomy import Taxonomy

Doubles = npt.NDArray[np.float64]
Labels = npt.NDArray[np.bool_]
FEWEST = 40
"""Labels below which nothing is forecast."""
FEWEST_OF_CLASS = 5
"""Shots of a class below which it has no curve of its own."""
LITTLE = 0.005
"""A gain in macro F1 by the next labels that is not worth asking for."""
PARTS = (0.2, 0.3, 0.45, 0.67)
"""Shares of the labels that the head learns from; the last third judges."""
_DRAWS = 200
_STEEPEST = 1.0
_PULL = 0.3


@dataclass(frozen=True)
class Reached:
    """A value with its 90 % interval."""

    value: float
    low: float
    high: float


@dataclass(frozen=True)
class ClassForecast:
    """One class: labelled shots that show it, F1 now and after the next labels, and the gain.

    The three are None where there are too few shots of it to say.
    """

    name: str
    shots: int
    now: Reached | None
    then: Reached | None
    gain: Reached | None


@dataclass(frozen=True)
class Forecast:
    """What `more` labels on top of `labels` would buy.

    curve: (labels, macro F1) as measured and as forecast, for a figure. `look_for`: the class
    whose next shots would gain most. `enough_at`: labels from which on the next `more` gain less
    than 0.005 in macro F1; `stop` where that is now and every class has a curve; macro F1 is
    that of the classes that have one. `text` says it all in words.
    """

    labels: int
    more: int
    now: Reached
    then: Reached
    gain: Reached
    classes: tuple[ClassForecast, ...]
    measured: tuple[tuple[int, float], ...]
    curve: tuple[tuple[int, Reached], ...]
    look_for: str | None
    enough_at: int | None
    stop: bool
    text: str
    constant: float = 0.0
    """Macro F1, over the same classes, of one constant answer for every shot."""


def forecast(
    embeddings: npt.ArrayLike,
    labels: npt.ArrayLike,
    taxonomy: Taxonomy,
    *,
    prior: Prior | None = None,
    space: head.Space | None = None,
    more: int = 100,
    seed: int = 0,
    known: npt.ArrayLike | None = None,
) -> Forecast:
    """Learning curves of the labels so far: embeddings (n, D) and label sets (n, C).

    known (n, C): the labels that someone decided on, None for all. Raises InputError below
    40 labels, and for `more` below 1.
    """
    if more < 1:
        raise InputError(f"{more} more labels cannot be forecast", mend="Give at least 1.")
    x, y = np.asarray(embeddings, np.float32), np.asarray(labels, bool)
    said = np.ones_like(y) if known is None else np.asarray(known, bool)
    kept = ~taxonomy.contradictions(y, said)
    x, y, said = x[kept], (y & said)[kept], said[kept]
    if len(x) < FEWEST:
        mend = f"Label at least {FEWEST} shots first."
        raise InputError(f"{len(x)} labels are too few to forecast anything", mend=mend)
    space = head.space_of(x) if space is None else space
    sizes, right, total = _judged(x, y, said, taxonomy, prior, space, seed)
    law = _Law.of(sizes, right, total, y.sum(0) >= FEWEST_OF_CLASS, seed)
    return _forecast(law, y, said, taxonomy, sizes, more)


def _judged(
    x: npt.NDArray[np.float32],
    y: Labels,
    said: Labels,
    taxonomy: Taxonomy,
    prior: Prior | None,
    space: head.Space,
    seed: int,
) -> tuple[Doubles, Doubles, Doubles]:
    """Sizes (S,), and per shot 2·(both say so) and (either, both counted) for F1: (n, S, C)."""
    n = len(x)
    sizes = np.unique(np.round(np.array(PARTS) * n).astype(int))
    right, total = np.zeros((2, n, len(sizes), y.shape[1]))
    random = np.random.default_rng(seed)
    for _ in range(int(np.clip(8000 // n, 2, 10))):
        order = random.permutation(n)
        judge = order[sizes[-1] :]
        for s, size in enumerate(sizes):
            rows = order[:size]
            made = head.fit(x[rows], y[rows], taxonomy, prior=prior, space=space, known=said[rows])
            made = replace(made, learnt=np.ones_like(made.learnt))  # what it is about to learn, too
            decided = made.decide(x[judge]) & said[judge]
            right[judge, s] += 2.0 * (decided & y[judge])
            total[judge, s] += decided.astype(float) + y[judge]
    return sizes.astype(float), right, total


@dataclass(frozen=True)
class _Law:
    """log(1 - F1) = level - slope·log(labels), for every draw of the bootstrap and class.

    level, slope: (B, K), the first row for the shots as they are; classes: (K,) which ones.
    """

    level: Doubles
    slope: Doubles
    classes: npt.NDArray[np.intp]
    measured: Doubles
    """(S,) macro F1 over these classes."""

    @classmethod
    def of(cls, sizes: Doubles, right: Doubles, total: Doubles, enough: Labels, seed: int) -> _Law:
        classes = np.flatnonzero(enough)
        right, total = right[..., classes], total[..., classes]
        n = len(right)
        random = np.random.default_rng([seed, 1])
        weights = random.multinomial(n, np.full(n, 1 / n), size=_DRAWS).astype(float)
        weights = np.concatenate([np.ones((1, n)), weights])
        found, of = (np.tensordot(weights, part, 1) for part in (right, total))
        f1 = np.divide(found, of, out=np.zeros_like(found), where=of > 0)  # (B, S, K)
        miss = np.log(np.clip(1 - f1, 0.5 / np.maximum(of, 1), 1.0))
        steps = np.log(sizes) - np.log(sizes).mean()
        wide = float((steps**2).sum())
        own = -np.tensordot(miss, steps, (1, 0)) / wide  # (B, K)
        # a class of few shots says little about its own slope: drawn towards the common one
        trust = 1 / (1 + _PULL * 100 / np.maximum(total.sum((0, 1)) / len(sizes), 1))
        slope = trust * own + (1 - trust) * own.mean(1, keepdims=True)
        slope = np.clip(slope, 0, _STEEPEST)
        level = miss.mean(1) + slope * np.log(sizes).mean()
        return cls(level, slope, classes, f1[0].mean(-1))

    def f1(self, labels: float) -> Doubles:
        """(B, K)."""
        return 1 - np.exp(np.minimum(self.level - self.slope * np.log(labels), 0))

    def macro(self, labels: float) -> Doubles:
        """(B,)."""
        return self.f1(labels).mean(1) if len(self.classes) else np.zeros(len(self.level))


def _forecast(
    law: _Law, y: Labels, said: Labels, taxonomy: Taxonomy, sizes: Doubles, more: int
) -> Forecast:
    n, counts = len(y), y.sum(0)
    place = {int(c): k for k, c in enumerate(law.classes)}
    before, after = law.f1(n), law.f1(n + more)
    rows = []
    for c, name in enumerate(taxonomy.names):
        k = place.get(c)
        parts: tuple[Any, ...] = (None,) * 3
        if k is not None:
            parts = tuple(_reached(v[:, k]) for v in (before, after, after - before))
        rows.append(ClassForecast(name, int(counts[c]), *parts))
    gain = _reached(law.macro(n + more) - law.macro(n))
    enough = _enough(law, n, more)
    seen = np.unique(np.geomspace(sizes[0], max(4 * n, n + 4 * more), 40).astype(int))
    look = _look_for(rows)
    stop = gain.value < LITTLE and len(law.classes) == len(taxonomy)
    made = Forecast(
        labels=n, more=more, now=_reached(law.macro(n)), then=_reached(law.macro(n + more)),
        gain=gain, classes=tuple(rows),
        measured=tuple((int(s), float(v)) for s, v in zip(sizes, law.measured, strict=True)),
        curve=tuple((int(s), _reached(law.macro(s))) for s in seen),
        look_for=look, enough_at=enough, stop=stop, text="", constant=_constant(law, y, said),
    )  # fmt: skip
    return replace(made, text=_words(made))


def _constant(law: _Law, y: Labels, said: Labels) -> float:
    always = constant_prediction(y, said) & said
    f1 = f1_scores(always, y)[law.classes]
    return float(f1.mean()) if f1.size else 0.0


def _reached(values: Doubles) -> Reached:
    low, high = np.quantile(values, [0.05, 0.95])
    first = float(values[0])
    return Reached(first, min(float(low), first), max(float(high), first))


def _look_for(classes: list[ClassForecast]) -> str | None:
    """A class too rare to have a curve, if any was seen; else the one with the largest gain."""
    few = [c for c in classes if c.gain is None and c.shots]
    if few:
        return min(few, key=lambda c: c.shots).name
    known = [c for c in classes if c.gain is not None]
    if not known:
        return None
    return max(known, key=lambda c: c.gain.value if c.gain else 0.0).name


def _enough(law: _Law, n: int, more: int) -> int | None:
    """Labels from which on the next `more` gain less than LITTLE; None beyond a million."""
    for labels in np.geomspace(n, 1e6, 60):
        if law.macro(labels + more)[0] - law.macro(labels)[0] < LITTLE:
            return int(np.ceil(labels / 10) * 10) if labels > n else n
    return None


def _words(made: Forecast) -> str:
    gain = made.gain
    unseen = [c.name for c in made.classes if c.gain is None]
    if gain.value < LITTLE:
        said = (
            f"{made.more} more labels would change little for the instant model, a head on a "
            f"frozen network{_of(unseen, made)}: about {gain.value:+.3f} on its macro F1 of "
            f"{made.now.value:.2f} (at most {gain.high:+.3f}; constant answer {made.constant:.2f})."
        )
    else:
        said = (
            f"The next {made.more} labels would bring the instant model, a head on a frozen "
            f"network, about {gain.value:+.3f} on its macro F1 of {made.now.value:.2f}"
            f"{_of(unseen, made)} ({gain.low:+.3f} to {gain.high:+.3f}; constant answer"
            f" {made.constant:.2f})."
        )
    if unseen:
        said += f" Too few shots to say: {', '.join(unseen)}."
    if made.look_for:
        which = next(c for c in made.classes if c.name == made.look_for)
        shots = f"{counted(which.shots, 'labelled shot')} so far"
        said += f" Look for {which.name} ({shots})."
    if made.enough_at and made.enough_at > made.labels and not unseen:
        said += f" That head gains little from about {made.enough_at:,} labels on."
    return f"{said} A retrained network may gain more."


def _of(unseen: list[str], made: Forecast) -> str:
    """Which classes a sentence is about, where it is not about all of them."""
    known = len(made.classes) - len(unseen)
    return f" for {known} of {len(made.classes)} classes" if unseen else ""
