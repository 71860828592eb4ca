"""Light that all shots of a file share, as of scatter in air, of slits and of the beam's halo.

What droplets scatter is another in every shot, over orders of magnitude, so the dimmest shots show
what is there without them. In each place counts are taken as log-normal above a threshold, which
three quantiles tell whatever is added to all shots: the threshold is the light. Of shots all as
bright as another it is uncertain, and only what nearly all draws of shots from the sample leave is
taken for shared.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import numpy.typing as npt

from model.preprocessing.beam_place import block_means, block_side

Floats = npt.NDArray[np.float32]
Doubles = npt.NDArray[np.float64]
Flags = npt.NDArray[np.bool_]
FEWEST_SHOTS = 30
"""Of a sample that tells."""
WIDE, DIM = (0.05, 0.206, 0.5), (0.02, 0.1, 0.303)
"""Quantiles over shots, as far from each other in deviations of a normal distribution: those that
tell whether there is shared light, and, nearer to it, how much."""
DRAWS, SURE, LIKELY = 100, 0.1, 0.5
"""Of shots with replacement; the share of them that may find less light where it is told whether
there is some, and where it is told how much."""
BESIDE = 5
"""Side of the square of blocks whose median is taken; steps between panels stay."""
FAINTEST = 0.05
"""Share of the blocks that tell what is there without shared light."""
MUCH, CLEAR, PART = 0.05, 4.0, 0.15
"""Light is shared that is more than this share of the mean light of the shots, and than so many
times what noise makes of the darker half, over this part of the picture: where all shots are of one
particle, or about equally bright, their bright middle looks shared."""
WORDS = (
    "all of its shots share light that is not of the droplets, as of scatter in air, of slits or of"
    " the beam's halo, and most of it is subtracted: to take out all of it, give background shots"
    " in Project → Preprocessing…"
)
"""What is said of a file whose shots share light."""


def shared_light(shots: list[Floats], bad: Flags, full: float = math.inf) -> Floats | None:
    """Counts (y, x) to take from each shot, of which these are the blocks, NaN where none of their
    pixels is seen; None where shots share no light, or are too few to tell. Nothing is told by
    blocks with `bad` pixels (y, x), and where most shots have `full` counts or more."""
    if len(shots) < FEWEST_SHOTS:
        return None
    blocks = np.stack(shots).astype(np.float64)  # the square of a large unit is beyond single ones
    spoilt = block_means(bad.astype(np.float32), np.ones_like(bad)) > 0
    alive: Flags = np.isfinite(blocks).all(0) & ~spoilt
    alive[alive] = (np.ptp(blocks[:, alive], 0) > 0) & (np.median(blocks[:, alive], 0) < full)
    if not alive.any():
        return None
    nearest = _nearest(alive)
    seen = np.sort(blocks[:, alive], 0)
    low, middle, median = seen[_ranks(WIDE, len(seen))]
    if (low + median - 2 * middle).sum() <= 0:  # light makes a few shots brighter, never darker
        return None
    dark = median <= np.median(median)
    noise = float(np.median((middle - low)[dark]))

    def beside(values: Doubles) -> Doubles:
        placed = np.zeros(alive.shape)
        placed[alive] = values
        return _median_beside(placed[nearest])

    typical = beside(_threshold(low, middle, median))
    without = float(np.quantile(typical[alive][dark], FAINTEST))

    def stands_out(least: Doubles) -> bool:
        light = np.maximum(least[alive] - without, 0)
        level = float(seen.mean() - without - light.mean())
        return bool((light > max(MUCH * level, CLEAR * noise)).mean() >= PART)

    if not (stands_out(typical) and stands_out(beside(_least(seen, WIDE, SURE)))):
        return None
    smooth = np.sort([_median_beside(shot[nearest])[alive] for shot in blocks], 0)
    found = _least(smooth, DIM, LIKELY)
    without = float(np.quantile(found[dark], FAINTEST))
    return _spread(np.maximum(beside(found) - without, 0), bad.shape)


def blocks_of(counts: npt.NDArray[Any], mask: Flags | None) -> Floats:
    """Means of the good pixels of a shot (y, x) in blocks; mask: True = good."""
    good = np.isfinite(counts) if mask is None else mask & np.isfinite(counts)
    return block_means(np.where(good, counts, 0).astype(np.float32), good).astype(np.float32)


def _ranks(quantiles: tuple[float, ...], n: int) -> list[int]:
    return [round(q * (n - 1)) for q in quantiles]


def _least(seen: Doubles, quantiles: tuple[float, ...], share: float) -> Doubles:
    """(P,) thresholds of which this share of draws of shots finds less; `seen` (N, P) in order."""
    n = len(seen)
    drawn = np.sort(np.random.default_rng(0).integers(0, n, (DRAWS, n)), 1)
    each = [_threshold(*seen[draw]) for draw in drawn[:, _ranks(quantiles, n)]]
    return np.asarray(np.quantile(each, share, axis=0))


def _threshold(low: Doubles, middle: Doubles, high: Doubles) -> Doubles:
    """Of log-normal numbers, by three quantiles; no farther below the lowest than that is below the
    next, as in noise, which has none."""
    bent = low + high - 2 * middle
    found = np.divide(low * high - middle**2, bent, out=low.copy(), where=bent > 0)
    return np.asarray(np.clip(found, 2 * low - middle, low))


def _nearest(alive: Flags) -> tuple[npt.NDArray[np.int32], ...]:
    """Where the nearest place that is alive lies, for each (y, x)."""
    from scipy import ndimage

    found = ndimage.distance_transform_edt(~alive, return_distances=False, return_indices=True)
    return tuple(found)


def _median_beside(values: Doubles) -> Doubles:
    """(y, x) medians around each place."""
    from scipy import ndimage

    return np.asarray(ndimage.median_filter(values, BESIDE, mode="nearest"))


def _spread(light: Doubles, shape: tuple[int, ...]) -> Floats:
    """Of blocks, to a picture (y, x) of `shape`, linear between their middles."""
    from scipy import ndimage

    places = [(np.arange(n) + 0.5) / block_side(shape) - 0.5 for n in shape]
    grid = np.meshgrid(*places, indexing="ij")
    spread = ndimage.map_coordinates(light, grid, np.float32, order=1, mode="nearest")
    return np.asarray(spread)
