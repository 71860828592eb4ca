"""How sure a score is: its 95 % interval, by drawing the judged shots again and again with return.

Where all draws are alike (one shot, or every shot right) they say nothing; there the interval is
Wilson's of the share TP / (TP + FP + FN), of which F1 is a monotone function.

numpy only, so that the window can use it too. It knows labels and decisions, no files and no runs.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import numpy.typing as npt

from model.errors import counted
from model.metrics.agreement import dice_interval

Labels = npt.NDArray[np.bool_]
Doubles = npt.NDArray[np.float64]
Interval = tuple[float, float]
DRAWS = 1000
CONFIDENCE = 0.95
_CELLS = 4_000_000
"""Of the table of draws that is in memory at a time."""


def f1_draws(
    decided: tuple[Labels, ...], labels: Labels, draws: int = DRAWS, seed: int = 0
) -> tuple[Doubles, ...]:
    """(draws, C) F1 of each class in every draw, for each of the decisions (n, C) on labels (n, C).

    All decisions are judged on the same draws. NaN where a draw neither shows nor finds the class.
    """
    truth = labels.astype(np.float32)
    found = [d.astype(np.float32) for d in decided]
    parts: list[list[Doubles]] = [[] for _ in decided]
    for times in _times_drawn(len(labels), draws, seed):
        for d, into in zip(found, parts, strict=True):
            into.append(_f1(times @ (d * truth), times @ (d + truth)))
    none = np.zeros((0, labels.shape[1]))
    return tuple(np.concatenate(p) if p else none for p in parts)


def macro(f1: Doubles) -> Doubles:
    """(draws,) mean over the classes of f1 (draws, C), without those that a draw does not show."""
    known = np.isfinite(f1)
    total = np.where(known, f1, 0.0).sum(1)
    return np.asarray(total / np.maximum(known.sum(1), 1))


def interval(values: Doubles) -> Interval:
    """95 % of the values (draws,) lie within; NaN where there are none."""
    known = values[np.isfinite(values)]
    if not len(known):
        return float("nan"), float("nan")
    edge = (1 - CONFIDENCE) / 2
    low, high = np.quantile(known, [edge, 1 - edge])
    return float(low), float(high)


def interval_of_mean(values: Sequence[float] | Doubles, seed: int = 0) -> Interval:
    """95 % of the mean of values (n,), one at least."""
    each = np.asarray(values, np.float64)
    drawn = np.random.default_rng(seed).integers(0, len(each), (DRAWS, len(each)))
    return interval(each[drawn].mean(1))


def intervals_of(
    decided: Labels, labels: Labels, known: Labels | None = None
) -> tuple[Interval, list[Interval]]:
    """Of the macro F1 and of the F1 of each class: decided and true labels (n, C), as far as they
    are known, (n, C)."""
    if known is not None:
        decided, labels = decided & known, labels & known
    (f1,) = f1_draws((decided,), labels)
    occurs = labels.any(0)
    right, of = (decided & labels).sum(0), (decided | labels).sum(0)
    wilson = [_f1_wilson(int(right[c]), int(of[c])) for c in range(labels.shape[1])]
    each = [_of_some_width(interval(f1[:, c]), edges) for c, edges in enumerate(wilson)]
    if not occurs.any():
        return (float("nan"), float("nan")), each
    low, high = np.mean([wilson[c] for c in np.flatnonzero(occurs)], 0)
    return _of_some_width(interval(macro(f1[:, occurs])), (float(low), float(high))), each


def in_words(name: str, value: float, edges: Interval | None, shots: int) -> str:
    """A score with its number of shots and its interval: 'F1 0.54, 30 shots, 95 %: 0.41–0.66'."""
    parts = [f"{name} {value:.2f}" if np.isfinite(value) else f"{name} –"]
    if shots:
        parts.append(counted(shots, "shot"))
    if edges is not None and np.isfinite(edges).all():
        parts.append(f"95 %: {edges[0]:.2f}–{edges[1]:.2f}")
    return ", ".join(parts)


def _of_some_width(drawn: Interval, wilson: Interval) -> Interval:
    return wilson if drawn[0] == drawn[1] else drawn


def _f1_wilson(right: int, of: int) -> Interval:
    """Wilson's interval of a share, right of this many, as F1 = 2 share / (1 + share)."""
    if not of:
        return float("nan"), float("nan")
    low, high = map(float, dice_interval(right, of))
    return low, high


def _times_drawn(n: int, draws: int, seed: int) -> Iterator[npt.NDArray[np.float32]]:
    """(some, n) how often each of n shots is in a draw, until there were this many draws."""
    random = np.random.default_rng(seed)
    at_once = max(1, _CELLS // max(n, 1))
    for first in range(0, draws if n else 0, at_once):
        count = min(at_once, draws - first)
        chosen = random.integers(0, n, (count, n)) + np.arange(count)[:, None] * n
        yield np.bincount(chosen.ravel(), minlength=count * n).reshape(count, n).astype(np.float32)


def _f1(right: npt.NDArray[np.float32], total: npt.NDArray[np.float32]) -> Doubles:
    nothing = np.full(right.shape, np.nan)
    return np.divide(2.0 * right, total, out=nothing, where=total > 0)
