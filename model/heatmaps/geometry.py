"""Geometry of heatmaps: from the network's coarse grid onto the pattern.

Pure numpy, for the window too; how heat is computed from a network is `model.heatmaps.gradcam`'s
matter.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt

Heat = npt.NDArray[np.float32]

Box = tuple[float, float, float, float]
Span = tuple[float, float]

ALARM = 0.25
"""Share of the heat on masked pixels and outside the detector from which on it is said aloud."""
ZONES = ((0.88, 0.96), (1.03, 1.15), (1.15, 1.5))
"""Radii within and beyond the edge of a disc that fills the picture: 1 is its edge."""
SEEN, FEWEST = 5000, 50
"""Pixels of a zone that are compared, at most and at least."""
EDGE, ALIKE = 6.0, 3.5
"""Standard deviations from which on pixels differ, and up to which they are alike."""
FULL_FIELD: Box = (0.0, 0.0, 1.0, 1.0)
"""y0, x0, y1, x1 of the part of a shot that the network saw, as fractions of its sides."""


def enlarge(
    cells: npt.ArrayLike,
    shape: tuple[int, int],
    field: Box = FULL_FIELD,
    cells_box: Box | None = None,
) -> Heat:
    """(h, w) heat of one class onto a pattern of `shape` (y, x): float32 in [0, 1].

    Bicubic between the centres of the cells, which tile `cells_box` (where it is not `field`:
    the cells of a strided network begin before the border of what it saw); 0 outside `field`.
    Negative heat counts as none; the hottest cell is 1 unless there is no heat at all.
    """
    box = field if cells_box is None else cells_box
    heat = np.clip(np.nan_to_num(np.asarray(cells, np.float32)), 0, None)
    hottest = heat.max(initial=0)
    if hottest > 0:
        heat = heat / hottest
    h, w = heat.shape
    down = _weights(shape[0], h, (field[0], field[2]), (box[0], box[2]))
    across = _weights(shape[1], w, (field[1], field[3]), (box[1], box[3]))
    return np.clip(down @ heat @ across.T, 0, 1)


def within(field: Box, box: Box) -> Box:
    """A box given in fractions of the field, in fractions of what the field is a part of."""
    y0, x0, y1, x1 = field
    height, width = y1 - y0, x1 - x0
    return y0 + box[0] * height, x0 + box[1] * width, y0 + box[2] * height, x0 + box[3] * width


def detector(
    counts: npt.NDArray[Any], mask: npt.NDArray[np.bool_] | None
) -> npt.NDArray[np.bool_] | None:
    """(y, x) True where a shot saw anything: its mask; without one, the disc in the picture where
    nothing lies beyond it but what is the same everywhere, else None: everywhere.

    Beyond a round detector lie zeros, or the offset and noise of a camera. Pixels on both sides of
    the edge of the disc then differ, in level or in spread, and those farther out do not.
    """
    if mask is not None:
        return mask
    y, x = (np.linspace(-1, 1, n) for n in counts.shape)
    radius = np.hypot(y[:, None], x)
    disc = radius <= 1
    if not counts[~disc].any():
        return disc
    zones = [counts[(radius > low) & (radius <= high)] for low, high in ZONES]
    thinned = [np.asarray(zone[:: len(zone) // SEEN + 1], np.float64) for zone in zones]
    if min(map(len, thinned)) < FEWEST:
        return None
    within, near, far = (np.stack([each, np.abs(each - np.median(thinned[2]))]) for each in thinned)
    ends = max(map(_differ, within, near)) > EDGE
    return disc if ends and max(map(_differ, near, far)) < ALIKE else None


def _differ(one: npt.NDArray[np.float64], other: npt.NDArray[np.float64]) -> float:
    """Standard deviations by which the ranks of two samples differ (Mann and Whitney, ties)."""
    n, m = len(one), len(other)
    _, place, count = np.unique(
        np.concatenate([one, other]), return_inverse=True, return_counts=True
    )
    ranks = (np.cumsum(count) - (count - 1) / 2)[place]
    excess = ranks[:n].sum() - n * (n + 1) / 2 - n * m / 2
    ties = (count.astype(float) ** 3 - count).sum() / ((n + m) * (n + m - 1))
    return float(abs(excess) / max(n * m / 12 * (n + m + 1 - ties), 1e-9) ** 0.5)


def lost_share(heat: Heat, good: npt.NDArray[np.bool_]) -> float:
    """Share of the heat (y, x) that lies on pixels that are not `good` (y, x); 0 without heat.

    Masked pixels and what lies outside the detector tell nothing of a shot. On a round detector in
    a square picture, heat that is the same everywhere has a share of 1 - pi/4 = .21 there.
    """
    whole = float(heat.sum())
    return float(heat[~good].sum()) / whole if whole > 0 else 0.0


def outside(good: npt.NDArray[np.bool_]) -> npt.NDArray[np.bool_]:
    """(y, x) True for pixels that are not `good` and hang together with a border of the picture.

    They lie beyond the detector; other bad pixels are its holes and defects.
    """
    from scipy.ndimage import label

    parts, _ = label(~good)
    edge = np.concatenate([parts[0], parts[-1], parts[:, 0], parts[:, -1]])
    return np.asarray(np.isin(parts, np.unique(edge[edge > 0])))


@lru_cache(maxsize=64)
def _weights(pixels: int, cells: int, seen: Span, tiled: Span) -> Heat:
    """(pixels, cells): how much each cell tells at each pixel centre, along one axis.

    Keys' cubic convolution with a = -1/2; the outermost cells go on to the border of what the
    network saw.
    """
    centre = (np.arange(pixels) + 0.5) / pixels
    place = (centre - tiled[0]) / (tiled[1] - tiled[0]) * cells - 0.5
    place = np.clip(place, -0.5, cells - 0.5)
    inside = (centre >= seen[0]) & (centre <= seen[1])
    first = np.floor(place).astype(int)
    table = np.zeros((pixels, cells), np.float32)
    rows = np.flatnonzero(inside)
    for tap in range(-1, 3):
        at = np.clip(first + tap, 0, cells - 1)
        np.add.at(table, (rows, at[rows]), _cubic(np.abs(place - first - tap))[rows])
    table.setflags(write=False)  # it is shared by everybody
    return table


def _cubic(x: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    near = 1.5 * x**3 - 2.5 * x**2 + 1
    far = -0.5 * x**3 + 2.5 * x**2 - 4 * x + 2
    return np.where(x <= 1, near, np.where(x < 2, far, 0))
