"""CXI stacks (1.6): all shots of a file in one 3-D dataset below `entry_1`, its detector beside.

The mask is a bit field, labels are the detector's `tags` (tags x images) under `headings`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import ClassVar

import h5py
import numpy as np

from model.errors import InputError
from model.shots.hdf5 import dataset_at, number, texts
from model.shots.layouts.base import (
    JOULES_PER_EV,
    PLANCK_TIMES_LIGHT,
    FileLabels,
    Geometry,
    Scalars,
)
from model.shots.layouts.nexus import geometry_of
from model.shots.layouts.numbers import numbers_of
from model.shots.layouts.stack import FIRST, LAST, Stack

MOST_ENTRIES = 16
"""Stacks are looked for in this many entries; in a file with one group a shot there is none."""
IDENTIFIERS = ("experiment_identifier", "experimental_identifier")
"""The specification has the first spelling, CXIDB entry 94 the second."""


def numbered(group: h5py.Group, stem: str) -> list[str]:
    """Members called stem_1, stem_2 … in the order of their numbers."""
    found = [(m, n) for n in group if (m := re.fullmatch(rf"{stem}_(\d+)", n))]
    return [n for m, n in sorted(found, key=lambda pair: int(pair[0][1]))]


def image_groups(file: h5py.File, entry: str) -> Iterator[str]:
    """Groups of one entry that may hold `data`: data_k, image_k, and every detector."""
    if not isinstance(file.get(entry), h5py.Group):
        return
    for stem in ("data", "image"):
        for name in numbered(file[entry], stem):
            yield f"{entry}/{name}"
    for instrument in numbered(file[entry], "instrument"):
        for detector in numbered(file[f"{entry}/{instrument}"], "detector"):
            yield f"{entry}/{instrument}/{detector}"


def find(file: h5py.File) -> list[str]:
    """Names of the stacks where CXI keeps shots; a link and its target count once.

    Modules, of four or five axes, only where there is no stack of whole shots.
    """
    whole = _find(file, (3,))
    return whole or _find(file, (4, 5))


def _find(file: h5py.File, axes: tuple[int, ...]) -> list[str]:
    found: list[str] = []
    for entry in numbered(file, "entry")[:MOST_ENTRIES]:
        for group in image_groups(file, entry):
            dataset = dataset_at(file, f"{group}/data")
            if dataset is None or dataset.ndim not in axes or dataset.dtype.kind not in "biuf":
                continue
            if not any(file[name] == dataset for name in found):
                found.append(f"{group}/data")
    return found


class CxiStack(Stack):
    """The layout of a CXI stack; see `model.shots.layouts.base.Layout`."""

    name: ClassVar[str] = "cxi"

    @classmethod
    def fits(cls, file: h5py.File, dataset: str | None) -> bool:
        """Whether the file, or the dataset named in it, follows this layout."""
        if dataset is not None:
            plain = dataset.endswith((LAST, FIRST))
            return not plain and re.match(r"/?entry_\d+/", dataset) is not None
        return bool(find(file))

    def __init__(self, file: h5py.File, dataset: str | None = None) -> None:
        if dataset is None:
            have = find(file)
            if len(have) > 1:
                raise InputError(
                    f"has several datasets that may hold the shots: {', '.join(have)}",
                    file=file.filename,
                    mend=f"Name one: --dataset {have[0]}.",
                )
            dataset = have[0]
        super().__init__(file, dataset)
        self.entry = self.dataset.split("/")[0]
        same = [
            group
            for group in image_groups(file, self.entry)
            if dataset_at(file, f"{group}/data") == self._data
        ]
        self._groups = dict.fromkeys((self.group, *same))

    def beside(self, name: str) -> h5py.Dataset | None:
        for group in self._groups:
            found = dataset_at(self.file, f"{group}/{name}")
            if found is not None:
                return found
        return None

    # -- labels --------------------------------------------------------------------------------

    def _tags(self) -> h5py.Dataset | None:
        found = self.beside("tags")
        if found is None or found.ndim != 2 or found.shape[1] != self.n_shots:
            return None
        return found if "headings" in found.attrs else None

    def class_names(self) -> tuple[str, ...]:
        tags = self._tags()
        if tags is None:
            return super().class_names()
        names = texts(tags.attrs["headings"])
        return names if len(names) == tags.shape[0] else ()

    def labels(self) -> FileLabels | None:
        """Tags as labels. A shot without any tag is undecided, unless `labelled` says more."""
        names, tags = self.class_names(), self._tags()
        if tags is None or not names:
            return super().labels()
        labels = (np.asarray(tags[()]).T > 0).astype(np.uint8)
        labelled = np.asarray(labels.any(1))
        decided = self.beside("labelled")
        if decided is not None and decided.shape == (self.n_shots,):
            labelled = np.asarray(decided[()]) != 0
        return FileLabels(names, labels, labelled, self.known(len(names)))

    # -- numbers -------------------------------------------------------------------------------

    def scalars(self) -> Scalars:
        found: Scalars = {}
        for group in self._groups:
            found = numbers_of(self.file, group, self.n_shots) | found
        energy = self._energy()
        if energy is not None and self._per_shot(energy):
            found["photon_energy_ev"] = np.asarray(energy[()], np.float64) / JOULES_PER_EV
        for name in IDENTIFIERS:
            bunch = dataset_at(self.file, f"{self.entry}/{name}")
            if bunch is not None and self._per_shot(bunch):
                found.pop(name, None)
                found["bunch_id"] = np.asarray(bunch[()], np.float64)
        return found

    def _per_shot(self, dataset: h5py.Dataset) -> bool:
        return dataset.shape == (self.n_shots,) and dataset.dtype.kind in "biuf"

    def _energy(self) -> h5py.Dataset | None:
        return dataset_at(self.file, f"{self.entry}/instrument_1/source_1/energy")

    def geometry(self) -> Geometry:
        energy = self._energy()
        joules = None if energy is None or energy.size != 1 else number(energy[()])
        centre = self._vector("image_center")
        stated = geometry_of(self.file, self.entry)
        return Geometry(
            wavelength_m=PLANCK_TIMES_LIGHT / joules
            if joules and joules > 0
            else stated.wavelength_m,
            distance_m=self._scalar("distance") or stated.distance_m,
            pixel_m=self._scalar("x_pixel_size") or stated.pixel_m,
            centre=stated.centre if centre is None else (centre[1], centre[0]),
        )

    def _scalar(self, name: str) -> float | None:
        found = self.beside(name)
        value = None if found is None or found.size != 1 else number(found[()])
        return value if value is not None and value > 0 else None

    def _vector(self, name: str) -> tuple[float, ...] | None:
        """The first two numbers of a vector that all shots share; CXI writes x before y."""
        found = self.beside(name)
        if found is None or found.ndim != 1 or not 2 <= found.size <= 3:
            return None
        return tuple(float(v) for v in found[:2])
