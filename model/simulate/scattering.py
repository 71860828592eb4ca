"""Diffraction of one droplet: the multi-slice Fourier transform (MSFT) of the paper's Fig. 1.

From a `Body` and a photon energy to the complex far field over scattering directions. Detectors,
photons and labels are not known here. Lengths in nm, energies in eV.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import numpy.typing as npt

from model.errors import InputError
from model.shots.layouts.base import EV_METRES
from model.simulate.shapes import Body, filling

CELL = 0.5
"""Edge of a cell in wavelengths. One wavelength is the Nyquist limit for 30 degrees; at half of it
a sphere is within 4 % of the exact rings beyond 17 degrees and 0.3 % of the whole (tested)."""
COARSEST_CELL = 1.0
SIN_MAX = 0.53
"""The far field is computed up to this sine of the angle: 30 degrees and a margin."""
OVERSAMPLING = 3.0
"""Directions per Nyquist interval of the far field; cubic splines then err by less than 0.5 %."""
LARGEST_NM = 4000.0

_INDEX_EV = np.array([19.0, 20.0, 25.0, 30.0, 35.0])
_INDEX = np.array([1.085 + 0.006j, 1.10 + 0.010j, 0.989 + 0.078j, 0.985 + 0.040j, 0.983 + 0.026j])


def helium_index(energy_ev: float) -> complex:
    """Refractive index of liquid helium, rough: linear between the few known values."""
    return complex(
        np.interp(energy_ev, _INDEX_EV, _INDEX.real),
        np.interp(energy_ev, _INDEX_EV, _INDEX.imag),
    )


def wavelength_nm(energy_ev: float) -> float:
    """Photon energy in eV to wavelength in nm."""
    return 1e9 * EV_METRES / energy_ev


@dataclass(frozen=True)
class FarField:
    """Complex amplitude over directions (sinθ·sinφ, sinθ·cosφ), both axes equal to `sines`.

    Amplitudes are in nm² of forward-scattering aperture: |F| for q = 0 and weak phase is
    k₀·|n-1|·volume.
    """

    amplitude: npt.NDArray[np.complex64]
    sines: npt.NDArray[np.float64]
    wavelength: float


def far_field(
    body: Body,
    energy_ev: float,
    index: complex | None = None,
    cell: float = CELL,
    directions: int | None = None,
) -> FarField:
    """F = Σ_l exp(i K_z Δz (N-l)) · FT2[(exp(i(n-1)k₀Δz) - 1)·A_l] (SCIENCE §6), centred phases.

    The slices' transforms are evaluated as two matrix products at just the directions needed, so
    small droplets cost little. The edge softened over one cell is undone by its own transfer
    function, exact for surfaces seen along their normal.

    Raises InputError for a cell too coarse, or a droplet too large.
    """
    wavelength = wavelength_nm(energy_ev)
    _check(body, wavelength, cell)
    step = cell * wavelength
    k0 = 2 * np.pi / wavelength
    contrast = (helium_index(energy_ev) if index is None else index) - 1
    filled, z, y, x = filling(body, step)
    # A_l without the common phase of empty space: exp(i k0 Σ (n-1) Δz); each slice's source is
    # the step of that wave across the slice.
    phase = np.cumsum(filled, axis=0)
    phase *= np.complex64(1j * k0 * step * contrast)
    wave = np.exp(phase, out=phase)
    source = wave.copy()
    source[0] -= 1
    source[1:] -= wave[:-1]
    sines = _directions(body, wavelength) if directions is None else _sines(directions)
    amplitude = _sum_slices(source, (z, y, x), sines, k0)
    amplitude *= np.complex64(step * step) / _edge_transfer(sines.size, cell)
    return FarField(amplitude, sines, wavelength)


def _check(body: Body, wavelength: float, cell: float) -> None:
    if cell > COARSEST_CELL:
        raise InputError(
            f"sampling of {cell:g} wavelengths is too coarse for scattering up to 30 degrees",
            mend=f"The limit is {COARSEST_CELL:g} wavelength ({wavelength:.1f} nm) per cell.",
        )
    largest = float(body.half_extent().max())
    if largest > LARGEST_NM:
        raise InputError(
            f"a droplet reaching {largest:.0f} nm from its centre is too large to sample",
            mend=f"The limit is {LARGEST_NM:.0f} nm.",
        )


def _directions(body: Body, wavelength: float) -> npt.NDArray[np.float64]:
    """Enough directions for the wave behind the droplet, which spreads by tan 30° over it."""
    dz, dy, dx = body.half_extent()
    width = 2 * (max(dy, dx) + 0.6 * dz)
    needed = OVERSAMPLING * 2 * SIN_MAX * width / wavelength
    return _sines(int(np.clip(16 * np.ceil(needed / 16) + 1, 49, 513)))


def _sines(count: int) -> npt.NDArray[np.float64]:
    return np.linspace(-SIN_MAX, SIN_MAX, count)


def _sum_slices(
    source: npt.NDArray[np.complex64],
    grids: tuple[npt.NDArray[np.float32], ...],
    sines: npt.NDArray[np.float64],
    k0: float,
) -> npt.NDArray[np.complex64]:
    """Sum over slices by Horner's rule: one complex multiplication and addition a slice."""
    z, y, x = (g.astype(np.float64) for g in grids)
    across = np.exp(-1j * k0 * np.outer(x, sines)).astype(np.complex64)
    up = np.exp(-1j * k0 * np.outer(sines, y)).astype(np.complex64)
    step = z[1] - z[0]
    behind = _longitudinal(sines.size)
    turn = np.exp(1j * k0 * step * behind).astype(np.complex64)
    total = np.zeros((sines.size, sines.size), np.complex64)
    half = source.reshape(-1, x.size) @ across
    half = half.reshape(z.size, y.size, sines.size)
    for layer in half[::-1]:
        total *= turn
        total += up @ layer
    total *= np.exp(1j * k0 * z[0] * behind).astype(np.complex64)
    return total


@lru_cache(maxsize=32)
def _longitudinal(count: int) -> npt.NDArray[np.float64]:
    """(k₀ - K_z)/k₀ = 1 - cosθ over the grid of directions."""
    s = _sines(count)
    return np.asarray(1 - np.sqrt(1 - s[:, None] ** 2 - s[None, :] ** 2))


@lru_cache(maxsize=32)
def _edge_transfer(count: int, cell: float) -> npt.NDArray[np.float32]:
    """sinc of |q|·cell/2, with |q| = 2 k₀ sin(θ/2)."""
    q = np.sqrt(2 * _longitudinal(count))  # in units of k0: |q|² = 2(1 - cosθ)
    return np.sinc(q * cell).astype(np.float32)
