"""What is known of detector and beam for one shot: its file's geometry, its own wavelength."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

import numpy as np
import numpy.typing as npt

from model.errors import InputError
from model.shots.layouts import Geometry
from model.shots.layouts.base import EV_METRES

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


def entered(
    old: Geometry | None,
    *,
    distance_mm: float | None = None,
    pixel_um: float | None = None,
    energy_ev: float | None = None,
    wavelength_nm: float | None = None,
    centre: Sequence[float] | None = None,
) -> Geometry:
    """A geometry with what a person says of it; the rest stays. InputError for what cannot be."""
    given = {
        "distance": distance_mm,
        "pixel size": pixel_um,
        "energy": energy_ev,
        "wavelength": wavelength_nm,
    }
    for name, value in given.items():
        if value is not None and not (math.isfinite(value) and value > 0):
            raise InputError(f"a {name} of {value} cannot be", mend="Give a number above 0.")
    if energy_ev is not None and wavelength_nm is not None:
        mend = "Leave out one of the two."
        raise InputError("both energy and wavelength are given", mend=mend)
    if centre is not None and not all(map(math.isfinite, centre)):
        raise InputError("the centre is no pair of numbers", mend="Give y and x in pixels.")
    found = old or Geometry()
    if distance_mm is not None:
        found = replace(found, distance_m=distance_mm * 1e-3)
    if pixel_um is not None:
        found = replace(found, pixel_m=pixel_um * 1e-6)
    if energy_ev is not None:
        found = replace(found, wavelength_m=EV_METRES / energy_ev)
    if wavelength_nm is not None:
        found = replace(found, wavelength_m=wavelength_nm * 1e-9)
    if centre is not None:
        found = replace(found, centre=(float(centre[0]), float(centre[1])))
    return found


def in_words(geometry: Geometry) -> str:
    """What is known of detector and beam; '' where nothing is."""
    said = []
    if geometry.distance_m is not None:
        said.append(f"distance {geometry.distance_m * 1e3:.4g} mm")
    if geometry.pixel_m is not None:
        said.append(f"pixel {geometry.pixel_m * 1e6:.4g} µm")
    if geometry.wavelength_m is not None:
        energy = EV_METRES / geometry.wavelength_m
        said.append(f"{energy:.4g} eV ({geometry.wavelength_m * 1e9:.4g} nm)")
    if geometry.centre is not None:
        said.append(f"centre y {geometry.centre[0]:.5g}, x {geometry.centre[1]:.5g}")
    return ", ".join(said)
