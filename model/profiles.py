"""The physics of one shot at a glance: radial profile, ring spacing, unwrap, symmetry, map.

Made for panes that follow the shot on screen: a few milliseconds each at 224 px, numpy, no state
but the last grids. Numbers with units come only where the geometry is known; None else.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt

from model.correlation import MapRecipe, correlation_map
from model.errors import InputError
from model.layouts import Geometry
from model.polar import Floats, polar_grid

Doubles = npt.NDArray[np.float64]
Pair = tuple[float, float]

PANE = MapRecipe(radii=112, angles=360)
"""The grid of the panes."""
FEWEST_RINGS = 2.5
"""With fewer rings in sight, their spacing cannot be told from the slope."""
CLEAR = 4.0
"""A spacing counts where its peak in the spectrum stands this far above the other waves."""
_DEGREE, _PADDED = 3, 4096


@dataclass(frozen=True)
class Profile:
    """Mean counts around the beam. `radius` (R,) in pixels, `mean` (R,) NaN where no good pixel."""

    radius: Doubles
    mean: Doubles


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
    """Distance of neighbouring rings, in units of q, or None where none is clear.

    The logarithm of the profile, from its peak outwards, less a smooth trend, is a wave in q: its
    wavelength is the peak of its Fourier spectrum.
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
    spectrum = np.abs(np.fft.rfft(wave * np.hanning(len(wave)), _PADDED))
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
    return float((even[1] - even[0]) / cycles)


def droplet_radius(profile: Profile, geometry: Geometry) -> float | None:
    """Radius in metres of the sphere whose rings lie as far apart: R = π / Δq.

    That is the distance of the minima of a sphere's form factor beyond the first. None where the
    geometry is not known or no ring spacing is clear.
    """
    q = transfer(profile.radius, geometry)
    spacing = None if q is None else ring_spacing(q, profile.mean)
    return None if spacing is None else float(np.pi / spacing)


def unwrap(
    counts: npt.ArrayLike, mask: npt.ArrayLike | None = None, centre: Pair | None = None
) -> Floats:
    """(R, N) the shot over radius and angle; NaN where it has no good pixel."""
    grid = polar_grid(np.shape(counts), centre, PANE.radii, PANE.angles)
    values, valid = grid.unwrap(counts, mask)
    return np.where(valid, values, np.float32(np.nan))


def symmetry_residual(
    counts: npt.ArrayLike, mask: npt.ArrayLike | None = None, centre: Pair | None = None
) -> Floats:
    """(y, x) (I − I′) / (I + I′) in [−1, 1], I′ being the pixel opposite the beam centre.

    0 where a pattern obeys Friedel's law; NaN where either pixel is masked, NaN or outside. The
    centre counts to the nearest half pixel.
    """
    values = np.maximum(np.asarray(counts, np.float32), 0)
    good = np.isfinite(values)
    if mask is not None:
        good &= np.asarray(mask, bool)
    values = np.where(good, values, np.float32(np.nan))
    middle = centre_of(values.shape, centre)
    spans = [_mirror(n, c) for n, c in zip(values.shape, middle, strict=True)]
    where = (spans[0], spans[1])
    residual = np.full(values.shape, np.nan, np.float32)
    here = values[where]
    there = here[::-1, ::-1]
    total = here + there
    residual[where] = np.divide(
        here - there, total, out=np.where(np.isnan(total), total, 0), where=total > 0
    )
    return residual


def map_of_shot(
    counts: npt.ArrayLike, mask: npt.ArrayLike | None = None, centre: Pair | None = None
) -> Floats:
    """(R, R) in [0, 1]: the correlation map on the panes' grid (`model.correlation`)."""
    grid = PANE.grid(np.shape(counts), centre)
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
