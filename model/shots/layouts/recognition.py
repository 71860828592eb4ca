"""Which layout an open HDF5 file of shots follows."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import h5py

from model.errors import InputError
from model.shots.hdf5 import MOST_AXES, survey
from model.shots.layouts import nexus
from model.shots.layouts.base import Layout
from model.shots.layouts.cxi import CxiStack
from model.shots.layouts.entries import Entries, Groups, alike
from model.shots.layouts.geometry import Assembled, options_of
from model.shots.layouts.master import Master
from model.shots.layouts.stack import Stack, find


def recognise(
    file: h5py.File,
    dataset: str | None = None,
    shot_names: Sequence[str] | None = None,
    layout: str | None = None,
) -> Layout:
    """The layout that an open HDF5 file follows.

    `layout`, where known from an earlier visit, is its name; `shot_names` then spare the listing
    of one group per shot. Raises InputError where nothing in the file can be shots.
    """
    path = Path(file.filename)
    dataset, options = options_of(dataset, ("geometry",), path)
    if options:
        stack = _plain(file, dataset, None, layout)
        if not isinstance(stack, Stack) or stack.modules is None:
            what = "has no detector modules (shot, module, y, x) for a geometry"
            raise InputError(what, file=path, place=stack.dataset, mend="Leave out ?geometry=….")
        return Assembled(stack, stack.modules, options["geometry"], path)
    return _plain(file, dataset, shot_names, layout)


def _plain(
    file: h5py.File, dataset: str | None, shot_names: Sequence[str] | None, layout: str | None
) -> Layout:
    if shot_names:
        kind = Groups if layout == Groups.name else Entries
        return kind(file, dataset, shot_names)
    dataset = dataset or nexus.default(file)
    if Master.fits(file, dataset):
        return Master(file, dataset)
    if dataset is None:
        return _searched(file)
    if Entries.fits(file, dataset):
        return Entries(file, dataset)
    return CxiStack(file, dataset) if CxiStack.fits(file, dataset) else Stack(file, dataset)


def _searched(file: h5py.File) -> Layout:
    """A stack goes before one group a shot, which may be an average beside it."""
    if CxiStack.fits(file, None):
        return CxiStack(file)
    if Entries.fits(file, None):
        return Entries(file)
    inside = survey(file)
    no_stack = not any(3 <= len(one.shape) <= MOST_AXES for one in inside)
    groups = alike(inside) if no_stack else None
    return Stack(file, find(file, inside)) if groups is None else Groups(file, *groups)
