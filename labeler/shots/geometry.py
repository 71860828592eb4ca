"""What is known of detector and beam for one shot: its file's geometry, its own wavelength."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import replace

import numpy as np
import numpy.typing as npt

from model.shots.layouts import Geometry

EV_METRES = 1.239841984e-6
"""Planck's constant times the speed of light, in electronvolts times metres."""
WAYS: dict[str, Callable[[float], float]] = {
    "wavelength_m": lambda metres: metres,
    "wavelength_nm": lambda nanometres: 1e-9 * nanometres,
    "photon_energy_ev": lambda energy: EV_METRES / energy,
    "energy_ev": lambda energy: EV_METRES / energy,
}
"""Numbers of a shot that tell its wavelength in metres, by name."""


def of_shot(
    geometry: Geometry, numbers: Mapping[str, npt.NDArray[np.float64]], row: int
) -> Geometry:
    """The file's geometry with the wavelength of the shot in a row, where its numbers tell it."""
    for name, metres in WAYS.items():
        value = float(numbers[name][row]) if name in numbers else math.nan
        if math.isfinite(value) and value > 0:
            return replace(geometry, wavelength_m=metres(value))
    return geometry


def lacks_wavelength(geometry: Geometry) -> bool:
    """Whether the wavelength alone is missing for lengths in nanometres."""
    there = geometry.distance_m is not None and geometry.pixel_m is not None
    return there and geometry.wavelength_m is None
