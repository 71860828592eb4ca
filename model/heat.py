"""Geometry of heatmaps: from the network's coarse grid onto the pattern, and contour lines.

Pure numpy, for the window too; how heat is computed from a network is `model.explain`'s matter.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

import numpy as np
import numpy.typing as npt
from contourpy import contour_generator

Heat = npt.NDArray[np.float32]
Polyline = npt.NDArray[np.float64]

FULL_FIELD = (0.0, 0.0, 1.0, 1.0)
"""y0, x0, y1, x1 of the part of a shot that the network saw, as fractions of its sides."""
LEVELS = (0.25, 0.5, 0.75)
"""Contour levels that every view draws, as fractions of the hottest place."""


def enlarge(
    cells: npt.ArrayLike,
    shape: tuple[int, int],
    field: tuple[float, float, float, float] = FULL_FIELD,
) -> Heat:
    """(h, w) heat of one class onto a pattern of `shape` (y, x): float32 in [0, 1].

    Bicubic between the centres of the cells, which tile `field`; 0 outside it. Negative heat
    counts as none; the hottest cell is 1 unless there is no heat at all.
    """
    heat = np.clip(np.nan_to_num(np.asarray(cells, np.float32)), 0, None)
    hottest = heat.max(initial=0)
    if hottest > 0:
        heat = heat / hottest
    h, w = heat.shape
    down = _weights(shape[0], h, field[0], field[2])
    across = _weights(shape[1], w, field[1], field[3])
    return np.clip(down @ heat @ across.T, 0, 1)


@lru_cache(maxsize=64)
def _weights(pixels: int, cells: int, start: float, stop: float) -> Heat:
    """(pixels, cells): how much each cell tells at each pixel centre, along one axis.

    Keys' cubic convolution with a = -1/2; the outermost cells go on to the border of the field.
    """
    place = ((np.arange(pixels) + 0.5) / pixels - start) / (stop - start) * cells - 0.5
    inside = (place >= -0.5) & (place <= cells - 0.5)
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


def contours(heat: npt.ArrayLike, levels: Sequence[float] = LEVELS) -> list[Polyline]:
    """Contour lines of a map (y, x) at the levels, each (n, 2) of x, y in its pixels.

    The centre of pixel [y, x] lies at (x + 0.5, y + 0.5), as a painter sees it.
    """
    z = np.asarray(heat, np.float64)
    if min(z.shape) < 2:
        return []
    lines = contour_generator(z=z)
    return [np.asarray(line) + 0.5 for level in levels for line in lines.lines(level)]


def dimmed(
    picture: npt.NDArray[np.uint8], heat: Heat, strength: float = 1.0
) -> npt.NDArray[np.uint8]:
    """A picture (y, x) or (y, x, channels) with the heat (y, x) as its transparency on black.

    The paper's Fig. 5; `strength` 0 leaves the picture as it is, 1 shows only what is hot.
    """
    share = 1 - strength * (1 - heat)
    if picture.ndim == 3:
        share = share[:, :, None]
    return np.asarray(picture * share + 0.5, np.uint8)
