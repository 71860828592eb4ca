"""Numbers that a file holds for every shot, wherever facilities keep them.

Beside the shots, in the groups around them up to the root, and below the groups in `HOMES`; of
shape (N,) or (N, 1), or a table (N,) with a field for each. Of two with one name the nearer counts.
"""

from __future__ import annotations

from collections.abc import Iterator

import h5py
import numpy as np

from model.errors import InputError
from model.shots.hdf5 import dataset_at, datasets, node_at
from model.shots.layouts.base import Scalars

HOMES = ("LCLS", "photon_diagnostics", "event_info", "digitizer", "photon_source", "INDEX")
"""Groups where SLAC and FERMI keep what belongs to all detectors."""
NOT_NUMBERS = frozenset({"labelled"})


def numbers_of(file: h5py.File, group: str, n: int) -> Scalars:
    """(n,) numbers by name, from the group of the shots outwards."""
    found: Scalars = {}
    for where in _outwards(group):
        node = node_at(file, where) if where else file
        if not isinstance(node, h5py.Group):
            continue
        for name in node:
            try:
                dataset = dataset_at(file, f"{where}/{name}" if where else name)
            except InputError:  # a link that is dead is no number
                continue
            if dataset is not None and name not in NOT_NUMBERS:
                _take(found, name, dataset, n)
    for where in _homes(file, group):
        for name, dataset in datasets(file, where):
            _take(found, name.rpartition("/")[2], dataset, n, name)
    return found


def _outwards(group: str) -> Iterator[str]:
    while group:
        yield group
        group = group.rpartition("/")[0]
    yield ""


def _homes(file: h5py.File, group: str) -> Iterator[str]:
    for where in _outwards(group):
        for home in HOMES:
            name = f"{where}/{home}" if where else home
            if isinstance(node_at(file, name), h5py.Group):
                yield name


def _take(found: Scalars, name: str, dataset: h5py.Dataset, n: int, whole: str = "") -> None:
    """Add a dataset's numbers under its name, or under all of its path where that is taken."""
    if dataset.shape not in ((n,), (n, 1)):
        return
    if dataset.dtype.names:
        table = dataset[()].reshape(n)
        for field in dataset.dtype.names:
            if table[field].dtype.kind in "biuf" and table[field].ndim == 1:
                found.setdefault(field.lower(), np.asarray(table[field], np.float64))
    elif dataset.dtype.kind in "biuf":
        values = np.asarray(dataset[()], np.float64).reshape(n)
        key = name.lower()
        if key in found and whole:
            key = whole.lower().replace("/", ".")
        found.setdefault(key, values)
