"""Polar resampling of a shot about its beam centre: I(y, x) to P[i, m] = I(q_i, φ_m).

A geometry is turned into one sparse matrix of pixels and weights, once; each shot then costs one
product. Nothing here knows what the resampled shot is for.

Open choices of the paper, as made here:
- Radii are the middles of R equal steps from 0 to `r_max`; without one, that is half the shorter
  side, whatever the centre, so that all shots of a file share their radii. Angles are N equal steps
  of a whole turn, from +x towards +y (downwards on the screen).
- A sample is interpolated between its four pixels. Where a radial step is longer than a pixel and
  a half, the pixels are first averaged in squares of about that step, or fine fringes would alias.
- A sample is valid where at least half of its weight lies on good pixels inside the shot; masked,
  NaN and infinite pixels are not good.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt

from model.errors import InputError

Floats = npt.NDArray[np.float32]
Flags = npt.NDArray[np.bool_]

ENOUGH = 0.5
"""Share of a sample's weight that must lie on good pixels."""
LARGEST = 8192
"""More radii or angles than this are a slip of the finger."""


@dataclass(frozen=True)
class PolarGrid:
    """Where the samples of a polar shot lie; made by `polar_grid`, which checks and caches."""

    shape: tuple[int, int]
    centre: tuple[float, float]
    """(y, x) in pixels; the middle of the first pixel is (0, 0)."""
    radii: int
    angles: int
    r_max: float
    """Outer edge of the last ring, in pixels."""

    @property
    def radius(self) -> npt.NDArray[np.float64]:
        """(R,) radii of the rings in pixels."""
        return np.asarray((np.arange(self.radii) + 0.5) * (self.r_max / self.radii))

    @property
    def angle(self) -> npt.NDArray[np.float64]:
        """(N,) angles in radians."""
        return np.asarray(np.arange(self.angles) * (2 * np.pi / self.angles))

    def unwrap(
        self, counts: npt.ArrayLike, mask: npt.ArrayLike | None = None
    ) -> tuple[Floats, Flags]:
        """Counts (y, x), mask (y, x) True = good, to samples (R, N) and which are valid (R, N).

        Samples that are not valid are 0. InputError where the shot does not have the grid's shape.
        """
        values = np.asarray(counts)
        if values.shape != self.shape:
            what = f"the shot has shape {values.shape}, its polar grid was made for {self.shape}"
            raise InputError(what, mend="Use a grid for shots of this shape.")
        good = _good(values, mask)
        flat = np.asarray(values, np.float32).ravel()
        if good is None:
            return self._shaped(self._whole @ flat), self._inside
        good = good.ravel()
        share = self._shaped(self._weights @ good.astype(np.float32))
        total = self._shaped(self._weights @ np.where(good, flat, np.float32(0)))
        valid = share >= ENOUGH
        return np.divide(total, share, out=np.zeros_like(total), where=valid), valid

    def sample(self, counts: npt.ArrayLike, mask: npt.ArrayLike | None = None) -> Floats:
        """As `unwrap`, with every sample that is not valid replaced by its ring's mean (`fill`)."""
        values, valid = self.unwrap(counts, mask)
        return values if valid is self._inside and self._all_inside else fill(values, valid)

    def _shaped(self, samples: Any) -> Floats:
        return np.asarray(samples, np.float32).reshape(self.radii, self.angles)

    @cached_property
    def _weights(self) -> Any:
        """(R·N, pixels) CSR matrix of weights; a row's sum is its share inside the shot."""
        from scipy import sparse  # only where something is resampled: it takes 0.1 s to load

        side = max(1, round(self.r_max / self.radii))
        coarse = tuple(-(-n // side) for n in self.shape)
        middle = (side - 1) / 2
        radius, angle = self.radius[:, None], self.angle[None, :]
        y = ((self.centre[0] + radius * np.sin(angle)).ravel() - middle) / side
        x = ((self.centre[1] + radius * np.cos(angle)).ravel() - middle) / side
        rows, columns, weights = _bilinear(y, x, (coarse[0], coarse[1]))
        size = (len(y), coarse[0] * coarse[1])
        matrix = sparse.csr_matrix((weights, (rows, columns)), shape=size, dtype=np.float32)
        return matrix if side == 1 else (matrix @ _averages(self.shape, side)).tocsr()

    @cached_property
    def _inside(self) -> Flags:
        share = np.asarray(self._weights.sum(1)).ravel()
        return np.asarray((share >= ENOUGH).reshape(self.radii, self.angles))

    @cached_property
    def _all_inside(self) -> bool:
        return bool(self._inside.all())

    @cached_property
    def _whole(self) -> Any:
        """`_weights` for a shot without a bad pixel: rows that sum to 1, or to 0 if not valid."""
        from scipy import sparse

        share = np.asarray(self._weights.sum(1), np.float64).ravel()
        factor = np.divide(1.0, share, out=np.zeros_like(share), where=share >= ENOUGH)
        return (sparse.diags(factor.astype(np.float32)) @ self._weights).tocsr()


@lru_cache(maxsize=4)
def _made(
    shape: tuple[int, int], centre: tuple[float, float], radii: int, angles: int, r_max: float
) -> PolarGrid:
    return PolarGrid(shape, centre, radii, angles, r_max)


def polar_grid(
    shape: tuple[int, ...],
    centre: tuple[float, float] | None = None,
    radii: int = 224,
    angles: int = 512,
    r_max: float | None = None,
) -> PolarGrid:
    """The grid for shots of this shape; without a centre the beam is taken to hit the middle.

    Raises InputError for a centre outside the shot and for sizes that mean nothing. The last few
    grids are kept, so that asking again costs nothing.
    """
    height, width = int(shape[0]), int(shape[1])
    y, x = ((height - 1) / 2, (width - 1) / 2) if centre is None else map(float, centre)
    if not (-0.5 <= y <= height - 0.5 and -0.5 <= x <= width - 0.5):
        raise InputError(
            f"the beam centre ({y:g}, {x:g}) lies outside the shot of {height} × {width} pixels",
            mend="Give the centre as row, column in pixels of the shot.",
        )
    for name, count, least in (("radii", radii, 2), ("angles", angles, 4)):
        if not least <= count <= LARGEST:
            what = f"{count} {name} are not possible"
            raise InputError(what, mend=f"Choose {least} to {LARGEST}.")
    reach = min(height, width) / 2 if r_max is None else float(r_max)
    if not 0 < reach <= float(np.hypot(height, width)):
        what = f"a largest radius of {reach:g} pixels is not possible"
        raise InputError(what, mend=f"Choose one up to {min(height, width) / 2:g}.")
    return _made((height, width), (y, x), int(radii), int(angles), reach)


def fill(values: Floats, valid: Flags) -> Floats:
    """Samples (R, N) with those that are not valid replaced by the mean of their ring.

    A ring without any valid sample is interpolated between the means of the next rings that have
    some (beyond the first and last of them, it takes theirs); without any at all, all is 0.
    """
    if valid.all():
        return values
    count = valid.sum(1)
    known = count > 0
    if not known.any():
        return np.zeros_like(values)
    mean = np.where(valid, values, 0).sum(1, dtype=np.float64) / np.maximum(count, 1)
    ring = np.arange(len(values))
    mean = np.interp(ring, ring[known], mean[known])
    return np.asarray(np.where(valid, values, mean[:, None]), np.float32)


def _good(values: npt.NDArray[Any], mask: npt.ArrayLike | None) -> Flags | None:
    """(y, x) True at usable pixels, or None where all are."""
    good = None if mask is None else np.asarray(mask, bool)
    if good is not None and good.shape != values.shape:
        what = f"the mask has shape {good.shape}, the shot {values.shape}"
        raise InputError(what, mend="Use the mask of this detector.")
    if values.dtype.kind == "f":
        finite = np.isfinite(values)
        good = finite if good is None else good & finite
    return None if good is None or good.all() else good


def _bilinear(
    y: npt.NDArray[np.float64], x: npt.NDArray[np.float64], shape: tuple[int, int]
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64], npt.NDArray[np.float64]]:
    """Sample, pixel and weight of every neighbour (up to four each) that lies inside the shape."""
    top, left = np.floor(y).astype(np.int64), np.floor(x).astype(np.int64)
    parts = []
    for down in (0, 1):
        for right in (0, 1):
            row, column = top + down, left + right
            weight = np.abs(1 - down - (y - top)) * np.abs(1 - right - (x - left))
            inside = (row >= 0) & (row < shape[0]) & (column >= 0) & (column < shape[1])
            inside &= weight > 0
            where = np.flatnonzero(inside)
            parts.append((where, (row * shape[1] + column)[where], weight[where]))
    samples, pixels, weights = (np.concatenate(p) for p in zip(*parts, strict=True))
    return samples, pixels, weights


def _averages(shape: tuple[int, int], side: int) -> Any:
    """CSR matrix from pixels to squares of side × side pixels; cut squares weigh less."""
    from scipy import sparse

    coarse = tuple(-(-n // side) for n in shape)
    row, column = np.divmod(np.arange(shape[0] * shape[1]), shape[1])
    square = (row // side) * coarse[1] + column // side
    weight = np.full(len(square), 1 / side**2, np.float32)
    size = (coarse[0] * coarse[1], len(square))
    return sparse.csr_matrix((weight, (square, np.arange(len(square)))), shape=size)
