"""Formats that are no HDF5 file of shots, one module each, and which of them a path is of.

Each is read through the package that its community keeps, imported where it is needed.
"""

from __future__ import annotations

from pathlib import Path

from model.shots.layouts.formats.base import Foreign
from model.shots.layouts.formats.pictures import Pictures

__all__ = ["Foreign", "format_of"]

FORMATS: tuple[type[Foreign], ...] = (Pictures,)
"""In the order in which they are asked whether a path is theirs."""


def format_of(path: Path) -> type[Foreign] | None:
    """The format that a file or folder is of; None for HDF5, and for what is not there."""
    return next((kind for kind in FORMATS if kind.fits(path)), None)
