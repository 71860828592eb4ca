"""Layouts of files that users have, one module each, and which of them a file follows."""

from __future__ import annotations

from collections.abc import Sequence

import h5py

from model.shots.layouts.base import FileLabels, Geometry, Layout, good
from model.shots.layouts.cxi import CxiStack
from model.shots.layouts.entries import Entries
from model.shots.layouts.stack import Stack

__all__ = ["FileLabels", "Geometry", "Layout", "good", "recognise"]


def recognise(
    file: h5py.File, dataset: str | None = None, shot_names: Sequence[str] | None = None
) -> Layout:
    """The layout that an open file follows.

    `shot_names`, where known from an earlier visit, spare the listing of one group per shot.
    Raises InputError where nothing in the file can be shots.
    """
    if shot_names or Entries.fits(file, dataset):
        return Entries(file, dataset, shot_names)
    if CxiStack.fits(file, dataset):
        return CxiStack(file, dataset)
    return Stack(file, dataset)
