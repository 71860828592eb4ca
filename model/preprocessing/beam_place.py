"""Does a file whose geometry is not known show its beam far from where networks look for it?

Counts of a half turn about the beam are alike, and so is what is sharp in them; stray light from
one side is smooth and leaves the sharp part where it was.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from model.physics.profiles import centre_of
from model.preprocessing import preparation
from model.preprocessing.preparation import ALIKE, Reference, least_half_turn, logs_of
from model.shots.counts.check import NUMBER

Doubles = npt.NDArray[np.float64]
Point = tuple[float, float]
FAR = preparation.REACH
"""Of the shorter side, in one direction: from there on a beam is far off the middle, and not found
by the step that looks for it near there."""
REACH, COMMON = 0.375, 0.15
"""A beam is looked for within this share of each side, where a half turn about it leaves at least
this share of the pixels upon others."""
BLOCKS = 128
"""Side of the square of as many blocks as a shot is averaged to."""
FEWEST_BLOCKS = 16
"""Along its shorter side."""
SHARP = 1 / 24
"""Of the longer side: what is smooth on this scale may be stray light."""
SEEN, NEAR = 0.2, 1 / 16
"""Correlation of what is sharp with its half turn, and how far, in shares of the shorter side, that
may be about another point."""


def beam_far_off(seen: Reference) -> Point | None:
    """The (y, x) of the beam, by the mean of shots, where that shows it far off the middle."""
    alive = seen.good_pixels & (seen.deviation > 0)
    values, block = block_means(seen.mean, alive), block_side(seen.mean.shape)
    middle = centre_of(values.shape, None)
    weight, logs = logs_of(values, None)
    if weight.mean() < COMMON:
        return None
    reach = REACH * values.shape[0], REACH * values.shape[1]
    found = least_half_turn(logs, weight, reach, COMMON)
    off = max(abs(a - b) for a, b in zip(found.place, middle, strict=True))
    if off <= FAR * min(values.shape) or not found.inside or found.change > 1 - ALIKE:
        return None
    sharp = least_half_turn(_sharp(logs, weight), weight, reach, COMMON)
    if sharp.change > 1 - SEEN or math.dist(sharp.place, found.place) > NEAR * min(values.shape):
        return None
    y, x = (float(c) * block + (block - 1) / 2 for c in found.place)
    return y, x


def where_it_is(seen: Reference, matters: Callable[[Point], bool]) -> str:
    """What to say of a beam far off the middle of shots of which no one says where it is; '' where
    networks would read them as they do now if someone did."""
    beam = beam_far_off(seen)
    if beam is None or not matters(beam):
        return ""
    off = math.dist(beam, centre_of(seen.mean.shape, None))
    place = f"{beam[0]:.0f} {beam[1]:.0f}"
    return (
        f"the beam seems to be near y x = {place}, {off:.0f} pixels off the middle, about which"
        " networks read shots while no one gives it, and they may seem empty: give it in Project →"
        f" Geometry… (airylabel sources PROJECT --geometry {NUMBER} --centre {place})"
    )


def block_side(shape: tuple[int, ...]) -> int:
    """Pixels of a block's side, in shots (y, x) of this shape."""
    block = math.ceil(math.sqrt(math.prod(shape)) / BLOCKS)
    return max(1, min(block, min(shape) // FEWEST_BLOCKS))


def block_means(values: npt.NDArray[np.float32], good: npt.NDArray[np.bool_]) -> Doubles:
    """Averages (y, x) over blocks, NaN where none of their pixels is good."""
    block = block_side(values.shape)
    height, width = (n // block for n in values.shape)

    def sums(part: npt.NDArray[np.float32]) -> Doubles:
        kept = part[: height * block, : width * block].astype(np.float64)
        return np.asarray(kept.reshape(height, block, width, block).sum((1, 3)))

    share, total = sums(good.astype(np.float32)), sums(np.where(good, values, np.float32(0)))
    return np.divide(total, share, out=np.full(total.shape, np.nan), where=share > 0)


def _sharp(logs: Doubles, weight: npt.NDArray[np.bool_]) -> Doubles:
    """(y, x) without what is smooth."""
    from scipy import ndimage

    width = SHARP * max(logs.shape)
    smooth = ndimage.gaussian_filter(logs * weight, width, mode="constant")
    share = ndimage.gaussian_filter(weight.astype(np.float64), width, mode="constant")
    return np.where(weight, logs - smooth / np.maximum(share, 1e-6), 0)
