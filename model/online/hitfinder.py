"""Hits told from empty shots by a score that costs next to nothing, before any network looks.

The score is taken on every few pixels of a shot; its threshold is fitted on labelled shots to miss
no more hits than wished, and judged on others. It never decides on a class.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from model.metrics.agreement import share_interval
from model.metrics.metrics import area_under_roc

Floats = npt.NDArray[np.float32]
Kind = Literal["lit", "brightness"]
SAMPLES = 56
"""About this many pixels of a side are looked at."""
DARK = 0.995
"""A pixel is lit above the level that this share of the pixels of Empty shots stays below."""
FEWEST = 8
"""Labelled shots of either kind without which nothing is fitted."""
MISS = 0.01
"""Share of hits that may be missed, unless a person asks for other."""


@dataclass(frozen=True)
class HitFinder:
    """A threshold on one score; `HitFinder()` lets every shot pass.

    `kind`: lit, the share of sampled pixels above `level` counts; brightness, the mean of
    log1p(counts) over them. The rates are those on shots that the fit did not see, with Wilson's
    95 % intervals, NaN where nothing was fitted.
    """

    kind: Kind = "brightness"
    level: float = 0.0
    threshold: float = -math.inf
    missed: float = math.nan
    missed_interval: tuple[float, float] = (0.0, 1.0)
    false: float = math.nan
    false_interval: tuple[float, float] = (0.0, 1.0)
    fitted_on: int = 0
    shape: tuple[int, int] | None = None

    @property
    def is_fitted(self) -> bool:
        """Whether it leaves any shot out."""
        return self.fitted_on > 0

    def scores(self, counts: npt.NDArray[Any], mask: npt.NDArray[np.bool_] | None = None) -> Floats:
        """(n, y, x) counts, mask (y, x) or (n, y, x) True = good, to (n,) scores."""
        return _score(*_sampled(counts, mask), self.kind, self.level)

    def hits(
        self, counts: npt.NDArray[Any], mask: npt.NDArray[np.bool_] | None = None
    ) -> npt.NDArray[np.bool_]:
        """(n,) True where a shot is taken for a hit."""
        if not self.is_fitted:
            return np.ones(len(counts), bool)
        return np.asarray(self.scores(counts, mask) >= self.threshold)

    def words(self) -> str:
        """What it does and how well, for people."""
        if not self.is_fitted:
            return (
                "Every shot goes to the network: to fit a hit finder takes "
                f"{2 * FEWEST} shots labelled Empty and as many others."
            )
        what = "lit pixels" if self.kind == "lit" else "brightness"
        m, f = self.missed_interval, self.false_interval
        return (
            f"Hit finder by {what}, fitted on {self.fitted_on} labelled shots: on others it misses "
            f"{100 * self.missed:.1f} % of the hits ({100 * m[0]:.1f} … {100 * m[1]:.1f} %) and "
            f"lets {100 * self.false:.1f} % of the Empty pass "
            f"({100 * f[0]:.1f} … {100 * f[1]:.1f} %)."
        )


Labelled = tuple[npt.NDArray[Any], "npt.NDArray[np.bool_] | None", bool]
"""Counts (y, x), mask or None, and whether the shot is Empty."""


def fit(shots: Iterable[Labelled], miss: float = MISS, seed: int = 0) -> HitFinder:
    """The better of both scores, its threshold at the quantile `miss` of the hits' scores.

    Half of the shots, drawn at random within each kind, fit it; the other half gives the rates.
    With fewer than 2·`FEWEST` shots of a kind every shot passes.
    """
    samples, empty, shape = [], [], None
    for counts, mask, is_empty in shots:
        values, good = _sampled(counts[None], mask)
        samples.append(np.where(good, values, np.nan)[0].ravel())
        empty.append(is_empty)
        shape = (counts.shape[0], counts.shape[1])
    labels = np.array(empty, bool)
    if min(labels.sum(), (~labels).sum()) < 2 * FEWEST:
        return HitFinder()
    fitting = _half(labels, seed)
    dark = np.concatenate([samples[i] for i in np.flatnonzero(fitting & labels)])
    level = float(np.nanquantile(dark, DARK))
    kinds: tuple[Kind, ...] = ("lit", "brightness")
    scores = {k: np.array([_of_sample(s, k, level) for s in samples]) for k in kinds}
    best = max(kinds, key=lambda k: area_under_roc(scores[k][fitting], ~labels[fitting]))
    score = scores[best]
    threshold = float(np.quantile(score[fitting & ~labels], miss, method="lower"))
    missed = score[~fitting & ~labels] < threshold
    false = score[~fitting & labels] >= threshold
    return HitFinder(
        kind=best,
        level=level,
        threshold=threshold,
        missed=float(missed.mean()),
        missed_interval=_interval(missed),
        false=float(false.mean()),
        false_interval=_interval(false),
        fitted_on=int(fitting.sum()),
        shape=shape,
    )


def _sampled(
    counts: npt.NDArray[Any], mask: npt.NDArray[np.bool_] | None
) -> tuple[Floats, npt.NDArray[np.bool_]]:
    """Every few pixels (n, h, w) of shots (n, y, x), and which of them are good."""
    step = max(1, min(counts.shape[-2:]) // SAMPLES)
    start = step // 2
    picked = (..., slice(start, None, step), slice(start, None, step))
    values = counts[picked].astype(np.float32)
    good = np.isfinite(values)
    if mask is not None:
        good &= mask[picked]
    return values, good


def _score(values: Floats, good: npt.NDArray[np.bool_], kind: Kind, level: float) -> Floats:
    axes = (-2, -1)
    if kind == "lit":
        found = (values > level).sum(axes) if good.all() else ((values > level) & good).sum(axes)
    elif good.all():
        found = np.log1p(np.maximum(values, 0, out=values), out=values).sum(axes)
    else:
        found = np.where(good, np.log1p(np.maximum(np.where(good, values, 0), 0)), 0).sum(axes)
    return np.asarray(found / np.maximum(good.sum(axes), 1), np.float32)


def _of_sample(sample: Floats, kind: Kind, level: float) -> float:
    values = sample[None, None].copy()
    return float(_score(values, np.isfinite(values), kind, level)[0])


def _half(labels: npt.NDArray[np.bool_], seed: int) -> npt.NDArray[np.bool_]:
    """True for a random half of each kind."""
    rng = np.random.default_rng(seed)
    chosen = np.zeros(len(labels), bool)
    for kind in (labels, ~labels):
        rows = rng.permutation(np.flatnonzero(kind))
        chosen[rows[: (len(rows) + 1) // 2]] = True
    return chosen


def _interval(outcomes: npt.NDArray[np.bool_]) -> tuple[float, float]:
    low, high = share_interval(outcomes.sum(), len(outcomes))
    return float(low), float(high)
