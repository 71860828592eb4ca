"""Preparation of shots as in the paper: named steps that a project switches on, in a fixed order.

1. bad pixels: those that many shots show to be hot or dead are masked;
2. stray light: the mean of background shots, or a smooth surface fitted to the shot, is subtracted;
3. flat detector: counts per pixel become counts per solid angle, in units of the central pixel;
4. centre: the beam centre is found from the point symmetry of the shot.

Works on linear counts (y, x), float32, negative results being 0; what is masked stays as it is and
is told by the mask. It draws nothing and knows nothing of networks.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from functools import lru_cache
from typing import Any, Literal, get_args

import numpy as np
import numpy.typing as npt

from model.errors import InputError
from model.layouts import Geometry
from model.profiles import centre_of

Floats = npt.NDArray[np.float32]
Bools = npt.NDArray[np.bool_]
StrayLight = Literal["none", "shots", "smooth"]

BLOCKS = 16
"""The smooth surface is fitted to the medians of this many blocks a side."""
ROUNDS = 8
"""Times that blocks with signal are left out of the fit."""
SIGMAS = 8.0
"""A pixel is hot beyond so many robust deviations from its neighbourhood."""
REACH = 0.1
"""A centre is looked for within this share of the shorter side."""


@dataclass(frozen=True)
class Prepared:
    """A shot after its preparation: counts (y, x), mask True = good, beam centre (y, x)."""

    counts: Floats
    mask: Bools
    centre: tuple[float, float]


@dataclass(frozen=True)
class Reference:
    """What many shots say about the detector: mean and standard deviation (y, x) of each pixel."""

    mean: Floats
    deviation: Floats
    shots: int

    def bad_pixels(self) -> Bools:
        """(y, x) True where a pixel is hot (far above its neighbours' median) or never changes."""
        from scipy import ndimage

        beside = ndimage.median_filter(self.mean, 5, mode="nearest")
        excess = self.mean - beside
        noise = ndimage.median_filter(np.abs(excess), 11, mode="nearest") * 1.4826
        hot = excess > SIGMAS * np.maximum(noise, 1e-6 + 1e-3 * np.abs(beside))
        around = ndimage.median_filter(self.deviation, 5, mode="nearest")
        dead = (self.deviation == 0) & (around > 0) if self.shots > 1 else np.zeros_like(hot)
        return np.asarray(hot | dead)


@dataclass(frozen=True)
class Preparation:
    """Which steps are on; travels with every run."""

    bad_pixels: bool = False
    stray_light: StrayLight = "none"
    degree: int = 1
    """Of the smooth surface: 0 a constant, 1 a slope, 2 a curved one."""
    flat_detector: bool = False
    centre: bool = False

    def apply(
        self,
        counts: npt.ArrayLike,
        mask: npt.ArrayLike | None = None,
        geometry: Geometry | None = None,
        reference: Reference | None = None,
    ) -> Prepared:
        """All steps that are on. InputError where one lacks its geometry or reference."""
        values = np.asarray(counts, np.float32)
        geometry = geometry or Geometry()
        middle = centre_of(values.shape, geometry.centre)
        good = np.isfinite(values)
        if mask is not None:
            good &= np.asarray(mask, bool)
        if self.bad_pixels:
            good &= ~_needed(reference, values.shape).bad_pixels()
        if self.stray_light == "shots":
            values = np.maximum(values - _needed(reference, values.shape).mean, 0)
        elif self.stray_light == "smooth":
            values = np.maximum(values - smooth_background(values, good, self.degree), 0)
        if self.flat_detector:
            values = values / flat_factor((values.shape[0], values.shape[1]), middle, geometry)
        if self.centre:
            middle = find_centre(values, good, middle)
        return Prepared(np.asarray(values, np.float32), good, middle)

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return asdict(self)

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> Preparation:
        """The inverse of `to_dict`; InputError for values that mean nothing here."""
        try:
            made = cls(**values)
        except TypeError as error:
            raise InputError(f"unknown preparation: {error}") from error
        if made.stray_light not in get_args(StrayLight) or made.degree not in (0, 1, 2):
            raise InputError(f"unknown preparation {values!r}")
        return made


def reference_of(shots: Iterable[npt.NDArray[Any]]) -> Reference:
    """Mean and deviation over shots (y, x), one at a time (Welford), NaN and infinity as 0.

    Of background shots it is what to subtract; of any shots it shows the bad pixels. InputError
    without any shot.
    """
    mean = square = None
    count = 0
    for shot in shots:
        values = np.nan_to_num(np.asarray(shot, np.float64), nan=0.0, posinf=0.0, neginf=0.0)
        if mean is None or square is None:
            mean, square = np.zeros_like(values), np.zeros_like(values)
        count += 1
        away = values - mean
        mean += away / count
        square += away * (values - mean)
    if mean is None or square is None:
        raise InputError("there are no background shots", mend="Name at least one.")
    deviation = np.sqrt(square / count)
    return Reference(mean.astype(np.float32), deviation.astype(np.float32), count)


def smooth_background(counts: Floats, good: Bools, degree: int = 1) -> Floats:
    """(y, x) a polynomial surface through what is darkest: stray light with a gradient.

    Fitted to the medians of blocks; blocks above the fit, where the droplet scatters, are left out
    and the fit is repeated. 0 for a shot without a good pixel.
    """
    height, width = counts.shape
    rows = np.linspace(0, height, min(BLOCKS, height) + 1).astype(int)
    columns = np.linspace(0, width, min(BLOCKS, width) + 1).astype(int)
    places, medians = [], []
    holes = not good.all()
    for top, bottom in itertools.pairwise(rows):
        for left, right in itertools.pairwise(columns):
            block = counts[top:bottom, left:right]
            block = block[good[top:bottom, left:right]] if holes else block.ravel()
            if block.size:
                places.append(((top + bottom - 1) / 2, (left + right - 1) / 2))
                medians.append(np.partition(block, block.size // 2)[block.size // 2])
    if not places:
        return np.zeros_like(counts)
    at = np.asarray(places) / (height, width) - 0.5
    terms, values = _terms(at[:, 0], at[:, 1], degree), np.asarray(medians, np.float64)
    kept = values <= np.percentile(values, 60)
    for _ in range(ROUNDS):
        solution = np.linalg.lstsq(terms[kept], values[kept], rcond=None)[0]
        above = values - terms @ solution
        spread = 1.4826 * float(np.median(np.abs(above[kept]))) + 1e-9
        grown = above <= 2.5 * spread
        if (grown == kept).all() or grown.sum() < 3 * terms.shape[1]:
            break
        kept = grown
    surface = _surface(height, width, degree) @ solution.astype(np.float32)
    return np.asarray(surface.reshape(height, width), np.float32)


def flat_factor(shape: tuple[int, int], centre: tuple[float, float], geometry: Geometry) -> Floats:
    """(y, x) solid angle of each pixel of a flat detector over that of the central one: cos³θ."""
    if geometry.distance_m is None or geometry.pixel_m is None:
        raise InputError(
            "the flat-detector step needs the detector's distance and pixel size",
            mend="Give them in the project's geometry, or switch the step off.",
        )
    return _cosines(shape, centre, geometry.pixel_m / geometry.distance_m)


def find_centre(
    counts: npt.ArrayLike,
    good: npt.ArrayLike | None = None,
    guess: tuple[float, float] | None = None,
) -> tuple[float, float]:
    """The (y, x) about which a half turn changes the shot least, near `guess` (the middle).

    Least mean squared difference of log1p counts over the pixels that both have, by FFT, refined
    by a parabola to parts of a pixel. The guess itself for a shot without any structure.
    """
    from scipy import fft

    values = np.asarray(counts, np.float64)
    weight = np.isfinite(values)
    if good is not None:
        weight &= np.asarray(good, bool)
    middle = centre_of(values.shape, guess)
    logs = np.log1p(np.maximum(np.where(weight, values, 0), 0))
    size = [fft.next_fast_len(2 * n - 1, True) for n in values.shape]
    w, a, b = (fft.rfft2(part, size) for part in (weight, logs * weight, logs**2 * weight))
    pairs = fft.irfft2(w * w, size)
    apart = fft.irfft2(2 * b * w - 2 * a * a, size)
    reach = max(1, round(2 * REACH * min(values.shape)))
    y0, x0 = (max(0, round(2 * c) - reach) for c in middle)
    box = (slice(y0, round(2 * middle[0]) + reach + 1), slice(x0, round(2 * middle[1]) + reach + 1))
    enough = pairs[box] > 0.25 * weight.sum()
    cost = np.where(enough, apart[box] / np.maximum(pairs[box], 1), np.inf)
    if not enough.any() or not np.ptp(cost[enough]) > 1e-9:
        return middle
    y, x = np.unravel_index(int(np.argmin(cost)), cost.shape)
    return ((y0 + y + _bottom(cost[:, x], int(y))) / 2, (x0 + x + _bottom(cost[y], int(x))) / 2)


def _bottom(cost: npt.NDArray[np.float64], i: int) -> float:
    """How far beside its least place i the parabola through it and its neighbours is lowest."""
    if not 0 < i < len(cost) - 1:
        return 0.0
    before, least, after = cost[i - 1 : i + 2]
    bend = before - 2 * least + after
    return float(0.5 * (before - after) / bend) if np.isfinite(bend) and bend > 0 else 0.0


def _needed(reference: Reference | None, shape: tuple[int, ...]) -> Reference:
    if reference is None:
        raise InputError(
            "this step needs background shots", mend="Name some, or switch the step off."
        )
    if reference.mean.shape != shape:
        what = f"background shots have shape {reference.mean.shape}, this shot {shape}"
        raise InputError(what, mend="Name background shots of this detector.")
    return reference


def _terms(y: npt.NDArray[Any], x: npt.NDArray[Any], degree: int) -> npt.NDArray[np.float64]:
    powers = [(i, j) for i in range(degree + 1) for j in range(degree + 1 - i)]
    return np.stack([y**i * x**j for i, j in powers], -1)


@lru_cache(maxsize=4)
def _surface(height: int, width: int, degree: int) -> Floats:
    y, x = np.mgrid[:height, :width]
    at = (y.ravel() / height - 0.5, x.ravel() / width - 0.5)
    return _terms(*at, degree).astype(np.float32)


@lru_cache(maxsize=4)
def _cosines(shape: tuple[int, int], centre: tuple[float, float], slope: float) -> Floats:
    y, x = np.ogrid[: shape[0], : shape[1]]
    square = slope**2 * ((y - centre[0]) ** 2 + (x - centre[1]) ** 2)
    return np.asarray((1 + square) ** -1.5, np.float32)
