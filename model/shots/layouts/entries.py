"""The layout of CXIDB entry 94: one group per shot, `entry_1` … `entry_7264`, in numeric order.

In each: the image (y, x), its labels `note_1/data`, photon energy in joules, bunch identifier.
Only names are listed at opening; a shot's group is opened when the shot is read.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import ClassVar

import h5py
import numpy as np
import numpy.typing as npt

from model.errors import InputError
from model.shots.hdf5 import check_images, dataset_at, number, texts
from model.shots.layouts.base import JOULES_PER_EV, Counts, FileLabels, Geometry, Scalars, good
from model.shots.layouts.cxi import IDENTIFIERS, numbered

PUBLISHED_CLASSES = (
    "Spherical/Oblate",
    "Round",
    "Elliptical",
    "Prolate",
    "Streak",
    "Bent",
    "Asymmetric",
    "Newton Rings",
    "Double Rings",
    "Layered",
    "Empty",
)
"""Columns of the label matrix of CXIDB entry 94 (and of airynet), which names none of them."""
IMAGES = ("instrument_1/detector_1/data", "data_1/data", "image_1/data")
LABELS = "note_1/data"


def _within(dataset: str | None) -> str | None:
    """A dataset as named inside every entry: without the entry that a person may have put first."""
    return None if dataset is None else re.sub(r"^/?(entry_\d+/)?", "", dataset)


class Entries:
    """The layout of one group per shot; see `model.shots.layouts.base.Layout`."""

    name: ClassVar[str] = "cxidb94"

    @classmethod
    def fits(cls, file: h5py.File, dataset: str | None) -> bool:
        """Whether the first entry holds a two-dimensional image."""
        first = next(iter(numbered(file, "entry")), None)
        return first is not None and cls._image(file, first, _within(dataset)) is not None

    @staticmethod
    def _image(file: h5py.File, entry: str, named: str | None) -> str | None:
        for name in (named,) if named else IMAGES:
            found = dataset_at(file, f"{entry}/{name}")
            if found is not None and found.ndim == 2:
                return name
        return None

    def __init__(
        self, file: h5py.File, dataset: str | None = None, shot_names: Sequence[str] | None = None
    ) -> None:
        self.file = file
        self.shot_names: tuple[str, ...] | None = tuple(shot_names or numbered(file, "entry"))
        self.entries = self.shot_names
        self.dataset = self._image(file, self.entries[0], _within(dataset)) or ""
        first = file[f"{self.entries[0]}/{self.dataset}"]
        check_images(first, 2)
        self.n_shots = len(self.entries)
        self.shape = (int(first.shape[0]), int(first.shape[1]))
        self.dtype = first.dtype
        self.group = self.dataset.rpartition("/")[0]

    def _at(self, i: int, name: str) -> h5py.Dataset | None:
        return dataset_at(self.file, f"{self.entries[i]}/{name}")

    def read(self, i: int) -> Counts:
        found = self._at(i, self.dataset)
        if found is None:
            raise KeyError(f"{self.dataset} is missing")
        return np.asarray(found[()])

    def read_slice(self, start: int, stop: int) -> Counts:
        if stop == start:
            return np.empty((0, *self.shape), self.dtype)
        return np.stack([self.read(i) for i in range(start, stop)])

    def has_mask(self) -> bool:
        return self.mask(0) is not None

    def mask(self, i: int) -> npt.NDArray[np.bool_] | None:
        found = self._at(i, f"{self.group}/mask")
        if found is None or found.shape != self.shape or found.dtype.kind not in "biu":
            return None
        return good(found[()])

    # -- labels --------------------------------------------------------------------------------

    def class_names(self) -> tuple[str, ...]:
        for i in range(self.n_shots):
            found = self._at(i, LABELS)
            if found is not None:
                return self._names(found)
        return ()

    @staticmethod
    def _names(found: h5py.Dataset) -> tuple[str, ...]:
        """Names that the labels carry; the published ones where there are eleven without names."""
        carried = next((k for k in ("class_names", "headings") if k in found.attrs), None)
        names = texts(found.attrs[carried]) if carried else PUBLISHED_CLASSES
        whole = found.ndim == 1 and found.dtype.kind in "biuf" and found.size == len(names)
        return names if whole else ()

    def labels(self) -> FileLabels | None:
        names = self.class_names()
        if not names:
            return None
        labels = np.zeros((self.n_shots, len(names)), np.uint8)
        labelled = np.zeros(self.n_shots, bool)
        for i in range(self.n_shots):
            found = self._at(i, LABELS)
            if found is None:
                continue
            if found.shape != (len(names),):
                raise InputError(
                    f"holds {found.shape} labels where other shots have {len(names)}",
                    file=self.file.filename,
                    place=f"{self.entries[i]}/{LABELS}",
                    mend="Mend or remove the labels of that shot.",
                )
            labels[i], labelled[i] = np.asarray(found[()]) > 0, True
        return FileLabels(names, labels, labelled)

    # -- numbers -------------------------------------------------------------------------------

    def scalars(self) -> Scalars:
        energy = np.full(self.n_shots, np.nan)
        bunch = np.full(self.n_shots, np.nan)
        for i in range(self.n_shots):
            energy[i] = self._number(i, "instrument_1/source_1/energy") / JOULES_PER_EV
            values = [self._number(i, name) for name in IDENTIFIERS]
            bunch[i] = next((v for v in values if np.isfinite(v)), np.nan)
        found = {"photon_energy_ev": energy, "bunch_id": bunch}
        return {name: values for name, values in found.items() if np.isfinite(values).any()}

    def _number(self, i: int, name: str) -> float:
        found = self._at(i, name)
        value = None if found is None or found.size != 1 else number(found[()])
        return np.nan if value is None else value

    def geometry(self) -> Geometry:
        """As in the first entry. The wavelength differs from shot to shot: see `scalars`."""

        def first(name: str) -> float | None:
            value = self._number(0, f"instrument_1/detector_1/{name}")
            return value if value > 0 else None

        return Geometry(distance_m=first("distance"), pixel_m=first("x_pixel_size"))
