"""Formats that are no HDF5 file of shots, one module each, and which of them a path is of.

Each is read through the package that its community keeps, imported where it is needed.
"""

from __future__ import annotations

from pathlib import Path

import h5py

from model.shots.layouts.formats.base import Foreign
from model.shots.layouts.formats.emc import Emc
from model.shots.layouts.formats.exdf import Exdf
from model.shots.layouts.formats.pictures import Pictures
from model.shots.layouts.formats.tiled_array import TiledArray
from model.shots.layouts.formats.zarr_store import ZarrStore

__all__ = ["Foreign", "format_of", "format_of_hdf5"]

FORMATS: tuple[type[Foreign], ...] = (ZarrStore, Emc, Exdf, TiledArray, Pictures)
"""In the order in which they are asked whether a path is theirs."""


def format_of(path: Path) -> type[Foreign] | None:
    """The format that a file or folder is of; None for HDF5, and for what is not there."""
    return next((kind for kind in FORMATS if kind.fits(path)), None)


def format_of_hdf5(file: h5py.File) -> type[Foreign] | None:
    """The same for an open HDF5 file, which a format may keep its shots in."""
    return next((kind for kind in FORMATS if kind.fits_hdf5(file)), None)
