"""Two-point cross-correlation maps of one shot (paper, Eq. 13–15) and the picture made of them.

With P[i, m] = I(q_i, φ_m) the polar shot (`model.physics.polar`), N angles and I_i^n = FFT_φ(P)[n]
/ N:

- full map at Δ = 0 (Eq. 13): C = P·Pᵀ / N, which is Σ_n conj(I_i^n)·I_j^n (Parseval);
- map of order n (Eq. 14): |conj(I_i^n)·I_j^n| = |I_i^n|·|I_j^n|.

Open choices of the paper, as made here:
- Modulus: the absolute value. The order map is then an outer product, and symmetric.
- Picture: the lower triangle with the diagonal shows the full map, the upper one order 8; q grows
  downwards and to the right. Each triangle is log1p of counts², then scaled to [0, 1] by its own
  least and greatest value. A triangle without contrast (relative 1e-5, below which only rounding
  speaks) is 0: the map of a constant or dark shot.
- Negative counts, which a subtracted background can leave, count as 0. Masked samples take their
  ring's mean; `model.physics.polar.fill` says what happens to rings that are masked all round.

One thread, one shot, arrays in and out; whole files are `model.physics.correlation_file`'s matter.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from functools import lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt

from model.errors import InputError
from model.physics.polar import Flags, Floats, PolarGrid, polar_grid

ORDER = 8
"""Of the upper triangle, in the paper."""
FULL_SCALE = 65535
"""A stored map keeps its [0, 1] as 16-bit numbers, which `Preprocessing`'s `unit` maps back."""
CONTRAST = 1e-5
LARGEST = 1e15
"""Greater counts count as this: their products would leave single precision."""


@dataclass(frozen=True)
class MapRecipe:
    """Everything that decides a map, apart from the shot."""

    order: int = ORDER
    radii: int = 224
    angles: int = 512
    r_max: float | None = None
    """In pixels; None: half the shorter side."""
    centre: tuple[float, float] | None = None
    """(y, x) in pixels; None: what the file says, else the middle."""

    def grid(self, shape: tuple[int, ...], centre: tuple[float, float] | None = None) -> PolarGrid:
        """The polar grid for shots of a shape; `centre` counts where the recipe has none."""
        if not 1 <= self.order <= self.angles // 2:
            what = f"order {self.order} cannot be told with {self.angles} angles"
            raise InputError(what, mend=f"Choose an order from 1 to {self.angles // 2}.")
        return polar_grid(shape, self.centre or centre, self.radii, self.angles, self.r_max)

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return asdict(self)


def correlation_map(
    counts: npt.ArrayLike,
    mask: npt.ArrayLike | None = None,
    *,
    recipe: MapRecipe | None = None,
    grid: PolarGrid | None = None,
) -> Floats:
    """Counts (y, x) of any real type, mask (y, x) True = good, to the picture (R, R) in [0, 1]."""
    recipe = recipe or MapRecipe()
    grid = grid or recipe.grid(np.shape(counts))
    return pictures([grid.sample(_countable(np.asarray(counts)), mask)], recipe.order, 1)[0]


def correlation_maps(
    shots: Sequence[tuple[npt.NDArray[Any], Flags | None]], recipe: MapRecipe, grid: PolarGrid
) -> Floats:
    """(counts, mask or None) of each shot to the pictures (n, R, R): faster than one by one."""
    if not shots:
        return np.empty((0, grid.radii, grid.radii), np.float32)
    polars = (grid.sample(_countable(counts), mask) for counts, mask in shots)
    return pictures(polars, recipe.order, len(shots))


def _countable(counts: npt.NDArray[Any]) -> npt.NDArray[Any]:
    if counts.dtype.kind == "u":
        return counts
    return np.clip(counts, 0, LARGEST if counts.dtype.kind == "f" else None)


def amplitudes(polar: Floats, order: int) -> Floats:
    """(R, N) to (R,): |I_i^n| of Eq. 15, by two projections instead of a whole FFT."""
    parts = polar @ _waves(polar.shape[1], order, polar.dtype.str)
    return np.asarray(np.hypot(parts[:, 0], parts[:, 1]))


def order_map(polar: Floats, order: int) -> Floats:
    """(R, N) to (R, R): |conj(I_i^n)·I_j^n| of Eq. 14."""
    a = amplitudes(polar, order)
    return np.multiply.outer(a, a)


def picture(polar: Floats, order: int = ORDER) -> Floats:
    """(R, N) without negative values to the picture (R, R) in [0, 1] that the network sees."""
    return pictures([polar], order, 1)[0]


def pictures(polars: Iterable[Floats], order: int, count: int) -> Floats:
    """`picture` of each of `count` polar shots, (n, R, R); each is used once."""
    from scipy.linalg import get_blas_funcs  # only where maps are made: it takes 0.1 s to load

    made, parts = np.empty((0, 0, 0), np.float32), np.empty((0, 0, 2), np.float32)
    for k, polar in enumerate(polars):
        if not k:
            rings, angles = polar.shape
            made = np.full((count, rings, rings), np.inf, polar.dtype)
            parts = np.empty((count, rings, 2), polar.dtype)
            waves = _waves(angles, order, polar.dtype.str)
            syrk = get_blas_funcs("syrk", (polar,))
        # the triangle with the diagonal alone: BLAS calls it upper, as its matrices are transposed
        syrk(1 / angles, polar.T, trans=1, c=made[k].T, overwrite_c=1)
        np.matmul(polar, waves, out=parts[k])
    # no product exceeds the greatest square (Cauchy–Schwarz); the extremes of an outer product
    # without its diagonal are the products of its two least and its two greatest factors
    a = np.hypot(parts[..., 0], parts[..., 1])
    ordered = np.sort(a, axis=1)
    least, greatest = made.min((1, 2)), np.diagonal(made, axis1=1, axis2=2).max(1)
    full = _scale(least, greatest, greatest)
    above = _scale(ordered[:, 0] * ordered[:, 1], ordered[:, -1] * ordered[:, -2], greatest)
    upper, is_upper = _upper(made.shape[1])
    room = np.empty_like(is_upper, made.dtype)
    for k, one in enumerate(made):
        np.copyto(one, np.multiply(a[k][:, None], a[k], out=room), where=upper)
        np.log1p(one, out=one)
        for (below, over), change in zip(zip(full, above, strict=True), (np.subtract, np.multiply),
                                         strict=True):  # fmt: skip
            np.multiply(is_upper, over[k] - below[k], out=room)
            np.add(room, below[k], out=room)
            change(one, room, out=one)
        np.clip(one, 0, 1, out=one)
    return made


def to_stored(picture: Floats) -> npt.NDArray[np.uint16]:
    """[0, 1] to 0…65535, rounded."""
    return np.asarray(picture * np.float32(FULL_SCALE) + np.float32(0.5), np.uint16)


def _scale(least: Floats, greatest: Floats, signal: Floats) -> tuple[Floats, Floats]:
    """Of n triangles: what to take from log1p, and to multiply it by then, for 0 to 1.

    The factor is 0 where a triangle is flat. `signal` is the greatest of the full map, against
    which contrast is judged.
    """
    contrast = greatest - least > CONTRAST**2 * signal
    contrast &= greatest * (1 - CONTRAST) > least
    low, high = np.log1p(least), np.log1p(greatest)
    span = np.where(contrast & (high > low), high - low, np.inf)
    return low, np.asarray(1 / span, low.dtype)


@lru_cache(maxsize=8)
def _upper(size: int) -> tuple[Flags, Floats]:
    """(R, R) where the upper triangle without the diagonal is, and the same as 0 and 1."""
    upper = ~np.tri(size, dtype=bool)
    return upper, upper.astype(np.float32)


@lru_cache(maxsize=8)
def _waves(angles: int, order: int, dtype: str) -> npt.NDArray[Any]:
    """(N, 2): cosine and sine of order n, divided by N."""
    phase = 2 * np.pi * ((order * np.arange(angles)) % angles) / angles
    return np.asarray(np.stack([np.cos(phase), -np.sin(phase)], 1) / angles, np.dtype(dtype))
