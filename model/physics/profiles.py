"""The physics of one shot at a glance: radial profile, ring spacing, unwrap, symmetry, map.

Made for panes that follow the shot on screen: a few milliseconds each at 224 px, numpy, no state
but the last grids. Numbers with units come only where the geometry is known; None else.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt

from model.errors import InputError
from model.physics.correlation import MapRecipe, correlation_map
from model.physics.polar import Floats, polar_grid
from model.processes import one_blas_thread
from model.shots.layouts import Geometry

Doubles = npt.NDArray[np.float64]
Pair = tuple[float, float]

PANE = MapRecipe(radii=112, angles=360)
"""The grid of the panes."""
PANE_SIDE = 256
"""Larger shots are averaged down to no less than this for the panes."""
SMOOTH = 8
"""Counting noise of single pixels is no asymmetry; that of squares this large hardly shows."""
FEWEST_RINGS = 3.0
"""With fewer rings in sight, their spacing cannot be told from the slope."""
FLAT = 1e-6
"""Of the logarithm: a smaller wave is rounding."""
SECTORS = 8
"""Of the detector, each left out once for the error of a radius."""
CLEAR = 4.0
"""A spacing counts where its peak in the spectrum stands this far above the other waves."""
_DEGREE, _PADDED = 3, 4096


@dataclass(frozen=True)
class Profile:
    """Mean counts around the beam. `radius` (R,) in pixels, `mean` (R,) NaN where no good pixel."""

    radius: Doubles
    mean: Doubles


@dataclass(frozen=True)
class Rings:
    """Bright rings at `first`, `first + spacing` …, in units of the q (or radius) they lie over."""

    spacing: float
    first: float


@dataclass(frozen=True)
class Small:
    """A shot reduced for the panes: `factor` source pixels to one; `centre` (y, x) in its own."""

    counts: npt.NDArray[Any]
    mask: npt.NDArray[np.bool_] | None
    centre: Pair
    factor: int


def reduced(
    counts: npt.ArrayLike, mask: npt.ArrayLike | None = None, centre: Pair | None = None
) -> Small:
    """The shot (y, x), averaged over squares where it is so large that panes would be slow.

    Squares are averaged over their good pixels and masked where they have none; what is left over
    at the far edges is cut. A shot below twice `PANE_SIDE` pixels stays as it is.
    """
    values = np.asarray(counts)
    middle = centre_of(values.shape, centre)
    good = None if mask is None else np.asarray(mask, bool)
    factor = min(values.shape) // PANE_SIDE
    if factor < 2:
        return Small(values, good, middle, 1)
    if values.dtype.kind == "f":
        finite = np.isfinite(values)
        good = finite if good is None else good & finite
    if good is not None and not good.all():
        values, good = _means(values, good, factor)
    else:
        values, good = _sums(values, factor) / np.float32(factor**2), None
    y, x = ((c - (factor - 1) / 2) / factor for c in middle)
    limit = (values.shape[0] - 0.5, values.shape[1] - 0.5)
    return Small(values, good, (min(y, limit[0]), min(x, limit[1])), factor)


def radial_profile(
    counts: npt.ArrayLike, mask: npt.ArrayLike | None = None, centre: Pair | None = None
) -> Profile:
    """Counts (y, x), mask True = good, to their means in rings one pixel wide.

    Rings reach as far as the shorter half of the shot. Masked, NaN and infinite pixels take no
    part. InputError for a centre outside the shot.
    """
    values = np.asarray(counts, np.float64)
    middle = centre_of(values.shape, centre)
    ring = _rings((values.shape[0], values.shape[1]), middle)
    good = np.isfinite(values)
    if mask is not None:
        good &= np.asarray(mask, bool)
    size = min(values.shape) // 2
    weights = np.where(good, values, 0).ravel()
    total = np.bincount(ring, weights, size + 1)[:size]
    count = np.bincount(ring, good.ravel(), size + 1)[:size]
    mean = np.divide(total, count, out=np.full(size, np.nan), where=count > 0)
    return Profile(np.arange(size) + 0.5, mean)


def transfer(radius: Doubles, geometry: Geometry) -> Doubles | None:
    """q = 4π/λ · sin(θ/2) in 1/m at radii in pixels on a flat detector; None if not known."""
    if geometry.wavelength_m is None or geometry.distance_m is None or geometry.pixel_m is None:
        return None
    angle = np.arctan2(radius * geometry.pixel_m, geometry.distance_m)
    return np.asarray(4 * np.pi / geometry.wavelength_m * np.sin(angle / 2))


def ring_spacing(q: Doubles, mean: Doubles) -> float | None:
    """Distance of neighbouring rings, in units of q, or None where none is clear (`rings`)."""
    found = rings(q, mean)
    return None if found is None else found.spacing


def rings(q: Doubles, mean: Doubles) -> Rings | None:
    """Where evenly spaced rings lie, in units of q, or None where none are clear.

    The logarithm of the profile, from its peak outwards, less a smooth trend, is a wave in q: its
    wavelength is the peak of its Fourier spectrum, and its phase there says where the rings are.
    """
    known = np.isfinite(mean)
    if known.sum() < 16 or not mean[known].max() > 0:
        return None
    q, mean = q[known], mean[known]
    start = int(np.argmax(mean))
    q, mean = q[start:], mean[start:]
    if len(q) < 16:
        return None
    floor = max(float(np.percentile(mean, 5)), 1e-3 * float(np.median(mean)), 1e-12)
    even = np.linspace(q[0], q[-1], len(q))
    wave = np.interp(even, q, np.log(np.maximum(mean, floor)))
    place = np.linspace(-1, 1, len(wave))
    wave = wave - np.polynomial.polynomial.polyval(
        place, np.polynomial.polynomial.polyfit(place, wave, _DEGREE)
    )
    if not np.ptp(wave) > FLAT:
        return None
    wave = wave * np.hanning(len(wave))
    spectrum = np.abs(np.fft.rfft(wave, _PADDED))
    first = int(np.ceil(FEWEST_RINGS * _PADDED / len(wave)))
    last = _PADDED // 3  # a ring of three bins is the finest that can be trusted
    inner = spectrum[first:last]
    peak = first + int(np.argmax(inner))
    is_peak = spectrum[peak] > spectrum[peak - 1]  # else it is the flank of the trend
    if not (is_peak and spectrum[peak] > CLEAR * np.median(inner) > 0):
        return None
    low, top, high = np.log(spectrum[peak - 1 : peak + 2] + 1e-300)
    bend = low - 2 * top + high
    cycles = (peak + (0.5 * (low - high) / bend if bend < 0 else 0.0)) / _PADDED
    step = float(even[1] - even[0])
    turn = np.angle(np.sum(wave * np.exp(-2j * np.pi * cycles * np.arange(len(wave)))))
    ahead = float((-turn / (2 * np.pi)) % 1.0 / cycles)
    return Rings(step / cycles, float(even[0]) + ahead * step)


def relative_transfer(radius: Doubles, geometry: Geometry) -> Doubles | None:
    """q·λ = 4π · sin(θ/2), which needs no wavelength; None if the detector's place is not known."""
    return transfer(radius, replace(geometry, wavelength_m=1.0))


def droplet_radius(profile: Profile, geometry: Geometry) -> float | None:
    """Radius in metres of the sphere whose rings lie as far apart: R = π / Δq.

    That is the distance of the minima of a sphere's form factor beyond the first. None where the
    geometry is not known or no ring spacing is clear.
    """
    q = transfer(profile.radius, geometry)
    spacing = None if q is None else ring_spacing(q, profile.mean)
    return None if spacing is None else float(np.pi / spacing)


def radius_with_error(
    counts: npt.ArrayLike, mask: npt.ArrayLike | None, geometry: Geometry
) -> Pair | None:
    """Radius of the droplet on a shot (y, x) and the standard error of its fit, in metres.

    The error is the jackknife's over `SECTORS` sectors of the detector (Efron and Stein 1981): it
    takes noise, and what differs from one side to the other, for what they are. None where
    `droplet_radius` finds none, with any sector left out.
    """
    small = reduced(counts, mask, geometry.centre)
    pixel = None if geometry.pixel_m is None else geometry.pixel_m * small.factor
    values = np.asarray(small.counts, np.float64)
    size, placed = min(values.shape) // 2, replace(geometry, pixel_m=pixel)
    q = transfer(np.arange(size) + 0.5, placed)
    if q is None:
        return None
    good = np.isfinite(values) if small.mask is None else np.isfinite(values) & small.mask
    place = _rings((values.shape[0], values.shape[1]), small.centre)
    place = place + (size + 1) * _sectors((values.shape[0], values.shape[1]), small.centre)
    bins = SECTORS * (size + 1)
    total, count = (
        np.bincount(place, weights, bins).reshape(SECTORS, size + 1)[:, :size]
        for weights in (np.where(good, values, 0).ravel(), good.ravel())
    )
    found: list[float] = []
    for left_out in range(-1, SECTORS):
        kept = np.arange(SECTORS) != left_out
        n = count[kept].sum(0)
        mean = np.divide(total[kept].sum(0), n, out=np.full(size, np.nan), where=n > 0)
        spacing = ring_spacing(q, mean)
        if spacing is None:
            return None
        found.append(float(np.pi / spacing))
    others = np.array(found[1:])
    error = np.sqrt((SECTORS - 1) / SECTORS * ((others - others.mean()) ** 2).sum())
    return found[0], float(error)


def unwrap(
    counts: npt.ArrayLike, mask: npt.ArrayLike | None = None, centre: Pair | None = None
) -> Floats:
    """(R, N) the shot over radius and angle; NaN where it has no good pixel."""
    grid = polar_grid(np.shape(counts), centre, PANE.radii, PANE.angles)
    values, valid = grid.unwrap(counts, mask)
    return np.where(valid, values, np.float32(np.nan))


def asymmetry(
    counts: npt.ArrayLike, mask: npt.ArrayLike | None = None, centre: Pair | None = None
) -> float | None:
    """Σ|I − I′| / Σ(I + I′) over squares of `SMOOTH` pixels: 0 symmetric, 1 one-sided.

    None for a dark shot and for one without pairs of good pixels.
    """
    here, there = _opposites(counts, mask, centre)
    pair = np.isfinite(here) & np.isfinite(there)
    size = min(SMOOTH, *here.shape)
    a, b = (_sums(np.where(pair, half, 0), size) for half in (here, there))
    total = float((a + b).sum())
    return float(np.abs(a - b).sum()) / total if total > 0 else None


def symmetry_residual(
    counts: npt.ArrayLike, mask: npt.ArrayLike | None = None, centre: Pair | None = None
) -> Floats:
    """(y, x) (I − I′) / (I + I′) in [−1, 1], I′ being the pixel opposite the beam centre.

    0 where a pattern obeys Friedel's law; NaN where either pixel is masked, NaN or outside. The
    centre counts to the nearest half pixel.
    """
    here, there = _opposites(counts, mask, centre)
    residual = np.full(np.shape(counts), np.nan, np.float32)
    total = here + there
    residual[_paired(np.shape(counts), centre)] = np.divide(
        here - there, total, out=np.where(np.isnan(total), total, 0), where=total > 0
    )
    return residual


def map_of_shot(
    counts: npt.ArrayLike, mask: npt.ArrayLike | None = None, centre: Pair | None = None
) -> Floats:
    """(R, R) in [0, 1]: the correlation map on the panes' grid (`model.physics.correlation`)."""
    grid = PANE.grid(np.shape(counts), centre)
    with one_blas_thread():
        return correlation_map(counts, mask, recipe=PANE, grid=grid)


def centre_of(shape: tuple[int, ...], centre: Pair | None) -> Pair:
    """The beam centre (y, x), the middle where none is given; InputError outside the shot."""
    if len(shape) != 2:
        raise InputError(f"a shot must be a 2-D array, not one of shape {shape}")
    middle = ((shape[0] - 1) / 2, (shape[1] - 1) / 2) if centre is None else centre
    for place, size in zip(middle, shape, strict=True):
        if not -0.5 <= place <= size - 0.5:
            raise InputError(
                f"the beam centre ({middle[0]:g}, {middle[1]:g}) lies outside the shot",
                mend="Give the centre as row, column in pixels of the shot.",
            )
    return float(middle[0]), float(middle[1])


def _opposites(
    counts: npt.ArrayLike, mask: npt.ArrayLike | None, centre: Pair | None
) -> tuple[Floats, Floats]:
    """Pixels that have a partner opposite the centre, and those partners; NaN where not good."""
    values = np.maximum(np.asarray(counts, np.float32), 0)
    good = np.isfinite(values)
    if mask is not None:
        good &= np.asarray(mask, bool)
    here = np.where(good, values, np.float32(np.nan))[_paired(values.shape, centre)]
    return here, here[::-1, ::-1]


def _paired(shape: tuple[int, ...], centre: Pair | None) -> tuple[slice, slice]:
    middle = centre_of(shape, centre)
    return _mirror(shape[0], middle[0]), _mirror(shape[1], middle[1])


def _means(
    values: npt.NDArray[Any], good: npt.NDArray[np.bool_], factor: int
) -> tuple[Floats, npt.NDArray[np.bool_]]:
    """Means of the good pixels of squares, 0 without any, and where there are some."""
    if values.dtype.kind == "f":  # infinities of both signs have no sum
        values = np.where(good, values, 0)
    share = _sums(good, factor)
    total = _sums(values, factor)  # of all pixels; right where all are good
    total[share == 0] = 0
    cut = (share > 0) & (share < factor**2)
    y, x = (factor * places[:, None, None] for places in np.nonzero(cut))
    y, x = y + np.arange(factor)[:, None], x + np.arange(factor)
    total[cut] = np.where(good[y, x], values[y, x], 0).sum((1, 2), dtype=np.float32)
    return np.divide(total, np.maximum(share, np.float32(1)), dtype=np.float32), share > 0


def _sums(values: npt.NDArray[Any], factor: int) -> Floats:
    """Sums over squares of `factor` pixels a side, float32; cut squares are left out."""
    height, width = (n // factor * factor for n in values.shape)
    few = values.dtype == bool and factor < 256  # counted in bytes, which is far quicker
    rows = np.zeros((height // factor, width), np.uint8 if few else np.float32)
    values = values.view(np.uint8) if few else values
    for i in range(factor):
        rows += values[i:height:factor, :width]
    made = np.zeros((height // factor, width // factor), np.float32)
    for i in range(factor):
        made += rows[:, i::factor]
    return made


def _mirror(size: int, centre: float) -> slice:
    """The pixels of an axis that have a partner opposite the centre."""
    last = round(2 * centre)
    return slice(max(0, last - size + 1), min(size - 1, last) + 1)


@lru_cache(maxsize=8)
def _rings(shape: tuple[int, int], centre: Pair) -> npt.NDArray[Any]:
    """(y·x,) the ring of every pixel; those beyond the last ring share the number after it."""
    y, x = np.ogrid[: shape[0], : shape[1]]
    ring = np.hypot(y - centre[0], x - centre[1]).astype(np.int64).ravel()
    return np.asarray(np.minimum(ring, min(shape) // 2))


@lru_cache(maxsize=8)
def _sectors(shape: tuple[int, int], centre: Pair) -> npt.NDArray[Any]:
    """(y·x,) the sector of every pixel, from 0."""
    y, x = np.ogrid[: shape[0], : shape[1]]
    turn = (np.arctan2(y - centre[0], x - centre[1]) / (2 * np.pi)) % 1.0
    return np.minimum((turn * SECTORS).astype(np.int64), SECTORS - 1).ravel()
