"""What NeXus says: which dataset is the one to look at, and where the detector stood.

`@default` of the file names an entry, that of the entry a group, `@signal` of the group a dataset
(NeXus manual, "Associating plottable data using attributes").
"""

from __future__ import annotations

import h5py
import numpy as np

from model.errors import InputError
from model.shots.hdf5 import dataset_at, node_at, number, texts
from model.shots.layouts.base import JOULES_PER_EV, PLANCK_TIMES_LIGHT, Geometry

METRES = {"m": 1.0, "mm": 1e-3, "um": 1e-6, "µm": 1e-6, "nm": 1e-9, "angstrom": 1e-10, "a": 1e-10}
INSTRUMENTS = ("instrument", "instrument_1")
DETECTORS = ("detector", "detector_1", "detector_0")
BEAMS = ("beam", "beam_1", "source_1", "source", "monochromator")


def default(file: h5py.File) -> str | None:
    """The dataset that the file itself says is to be looked at; None where it says nothing."""
    at: h5py.File | h5py.Group = file
    name = ""
    for _ in range(4):
        step = _attribute(at, "default")
        if not step:
            break
        name = f"{name}/{step.strip('/')}".strip("/")
        found = node_at(file, name)
        if not isinstance(found, h5py.Group):
            return name if isinstance(found, h5py.Dataset) else None
        at = found
    signal = _attribute(at, "signal")
    if not name or not signal:
        return None
    name = f"{name}/{signal}"
    try:
        dataset = dataset_at(file, name)
    except InputError:
        return name
    return name if dataset is not None and dataset.ndim >= 3 else None


def _attribute(node: h5py.Group, name: str) -> str:
    found = texts(node.attrs[name]) if name in node.attrs else ()
    return found[0] if found else ""


def geometry_of(file: h5py.File, entry: str) -> Geometry:
    """What an entry's instrument says about detector and beam."""
    found: dict[str, float] = {}
    for instrument in INSTRUMENTS:
        for name in DETECTORS:
            _take(found, file, f"{entry}/{instrument}/{name}")
            _take(found, file, f"{entry}/{instrument}/{name}/detectorSpecific")
        for name in BEAMS:
            _take(found, file, f"{entry}/{instrument}/{name}")
    for name in ("sample/beam", "beam"):
        _take(found, file, f"{entry}/{name}")
    wavelength = found.get("incident_wavelength") or found.get("wavelength")
    energy = found.get("incident_energy") or found.get("energy") or found.get("photon_energy")
    if wavelength is None and energy:
        wavelength = PLANCK_TIMES_LIGHT / energy
    y, x = found.get("beam_center_y"), found.get("beam_center_x")
    return Geometry(
        wavelength_m=wavelength,
        distance_m=found.get("detector_distance") or found.get("distance"),
        pixel_m=found.get("x_pixel_size"),
        centre=None if y is None or x is None else (y, x),
    )


LENGTHS = ("detector_distance", "distance", "x_pixel_size")
WAVELENGTHS = ("incident_wavelength", "wavelength")
ENERGIES = ("incident_energy", "energy", "photon_energy")
CENTRES = ("beam_center_x", "beam_center_y")


def _take(found: dict[str, float], file: h5py.File, group: str) -> None:
    node = node_at(file, group)
    if not isinstance(node, h5py.Group):
        return
    for name in (*LENGTHS, *WAVELENGTHS, *ENERGIES, *CENTRES):
        dataset = dataset_at(file, f"{group}/{name}") if name in node else None
        if dataset is None or dataset.size != 1 or name in found:
            continue
        value = number(np.asarray(dataset[()]))
        if value is None or (value <= 0 and name not in CENTRES):
            continue
        unit = _attribute(dataset, "units").casefold()
        if name in LENGTHS:
            value *= METRES.get(unit, 1.0)
        elif name in WAVELENGTHS:
            value *= METRES.get(unit, 1e-10 if value > 1e-6 else 1.0)
        elif name in ENERGIES:
            value *= {"ev": JOULES_PER_EV, "kev": 1e3 * JOULES_PER_EV, "j": 1.0}.get(
                unit, JOULES_PER_EV if value > 1e-6 else 1.0
            )
        found[name] = value
