"""A small picture of a shot for lists and grids: area averaging, then brightness by logarithm.

It is for finding one's way, never for judging or measuring: scales differ from shot to shot.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from model.shots.table import ShotTable

SIDE = 96
"""Longest side of a thumbnail in pixels."""
DECADES = 3.0
"""Brightness spans at most this many decades below the brightest counts."""
FAINT = 30
"""Whole counts that span less than this stay dim: noise is not stretched to white."""


def thumbnail(
    counts: npt.NDArray[np.generic], mask: npt.NDArray[np.bool_] | None = None, side: int = SIDE
) -> npt.NDArray[np.uint8]:
    """(y, x) counts to a uint8 picture whose longest side is at most `side`; never enlarged.

    Pixels that are masked out (`mask` False), not finite or negative do not take part; where
    nothing is left the picture is black. A constant shot is black everywhere.
    """
    small = area_means(counts, mask, side)
    known = small[np.isfinite(small)]
    if not known.size:
        return np.zeros(small.shape, np.uint8)
    low, high = np.percentile(known, (2, 99.8))
    if not high > low:
        return np.zeros(small.shape, np.uint8)
    steep = 10.0**DECADES
    if np.issubdtype(counts.dtype, np.integer):  # below one count there is nothing to see
        high = max(high, low + FAINT)
        steep = min(steep, high - low)
    part = np.clip((np.nan_to_num(small, nan=low) - low) / (high - low), 0, 1)
    return np.asarray(np.log1p(steep * part) * (255 / np.log1p(steep)) + 0.5, np.uint8)


def area_means(
    counts: npt.NDArray[np.generic], mask: npt.NDArray[np.bool_] | None, side: int
) -> npt.NDArray[np.float32]:
    """(y, x) counts to means over blocks, at most `side` of them along either side.

    Bad pixels (`mask` False, not finite, negative) do not count; NaN where nothing else is.
    """
    values = np.asarray(counts, np.float32)
    good = np.isfinite(values) & (values >= 0)
    if mask is not None:
        good &= mask
    ratio = max(1.0, max(values.shape) / side)
    rows, columns = (_edges(n, max(1, round(n / ratio))) for n in values.shape)
    if good.all():
        return np.asarray(
            _sums(values, rows, columns) / _areas(values.shape, rows, columns), np.float32
        )
    total = _sums(np.where(good, values, np.float32(0)), rows, columns)
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.asarray(total / _sums(good.astype(np.float32), rows, columns), np.float32)


def _edges(n: int, parts: int) -> npt.NDArray[np.intp]:
    return np.asarray(np.arange(parts) * n // parts, np.intp)


def _sums(
    values: npt.NDArray[np.float32], rows: npt.NDArray[np.intp], columns: npt.NDArray[np.intp]
) -> npt.NDArray[np.float32]:
    return np.add.reduceat(np.add.reduceat(values, rows, axis=0), columns, axis=1)


def _areas(
    shape: tuple[int, ...], rows: npt.NDArray[np.intp], columns: npt.NDArray[np.intp]
) -> npt.NDArray[np.intp]:
    heights, widths = np.diff(rows, append=shape[0]), np.diff(columns, append=shape[1])
    return heights[:, None] * widths


def prepare_thumbnails(
    table: ShotTable,
) -> Callable[[tuple[int, int]], list[npt.NDArray[np.uint8] | None]]:
    """For `bulk`: the returned function makes the thumbnails of a range of rows of the table; None
    where a shot cannot be read."""

    def make(block: tuple[int, int]) -> list[npt.NDArray[np.uint8] | None]:
        found: dict[int, npt.NDArray[np.uint8]] = {}
        for row, counts, mask in table.iter_shots(np.arange(*block), lambda row, error: None):
            found[row] = thumbnail(counts, mask)
        return [found.get(row) for row in range(*block)]

    return make
