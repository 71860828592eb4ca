"""Plain HDF5: one 3-D dataset of shots, found or named, with what lies beside it.

Beside it, in the same group: `labels` (N, C) with their `class_names`, `labelled` (N,), `mask`
(a CXI bit field: 0 is good), and any numbers of length N.
"""

from __future__ import annotations

from typing import ClassVar

import h5py
import numpy as np
import numpy.typing as npt

from model.errors import InputError
from model.shots.hdf5 import (
    check_images,
    check_parts,
    dataset_at,
    number,
    stacks,
    texts,
    with_chunk_cache,
)
from model.shots.layouts.base import Counts, FileLabels, Geometry, Scalars, good

_METRES = {"_m": 1.0, "_mm": 1e-3, "_um": 1e-6, "_nm": 1e-9}


def find(file: h5py.File) -> str:
    """Name of the largest 3-D dataset; InputError where there is none, or where two are alike."""
    sizes = {name: file[name].size for name in stacks(file) if name.split("/")[-1] != "mask"}
    pictures = {n: s for n, s in sizes.items() if min(file[n].shape) > 1} or sizes
    if not pictures:
        raise InputError(
            "has no 3-D dataset (shot, y, x) of numbers",
            file=file.filename,
            mend="Choose a file of shots, or name the dataset with --dataset.",
        )
    largest = max(pictures.values())
    best = [n for n, s in pictures.items() if s == largest]
    if len(best) > 1:
        raise InputError(
            f"has several datasets that may hold the shots: {', '.join(best)}",
            file=file.filename,
            mend=f"Name one: --dataset {best[0]}.",
        )
    return best[0]


class Stack:
    """The layout of a plain stack; see `model.shots.layouts.base.Layout`."""

    name: ClassVar[str] = "stack"

    def __init__(self, file: h5py.File, dataset: str | None = None) -> None:
        self.file = file
        self.dataset = (dataset or find(file)).strip("/")
        found = dataset_at(file, self.dataset)
        if found is None:
            have = ", ".join(stacks(file)) or "none"
            raise InputError(
                "there is no such dataset",
                file=file.filename,
                place=self.dataset,
                mend=f"3-D datasets of the file: {have}.",
            )
        check_images(found, 3)
        self._is_virtual = found.is_virtual
        del found
        self._data = with_chunk_cache(file, self.dataset)
        self.n_shots = int(self._data.shape[0])
        self.shape = (int(self._data.shape[1]), int(self._data.shape[2]))
        self.dtype = self._data.dtype
        self.shot_names: tuple[str, ...] | None = None
        self.group = self.dataset.rpartition("/")[0]

    def refresh(self) -> None:
        """Look again how many shots there are, in a file that is open under SWMR and grows."""
        self._data.id.refresh()
        self.n_shots = int(self._data.shape[0])
        mask = self.beside("mask")
        if mask is not None and mask.ndim == 3:
            mask.id.refresh()
            self.n_shots = min(self.n_shots, int(mask.shape[0]))

    def beside(self, name: str) -> h5py.Dataset | None:
        """A dataset in the same group as the shots."""
        return dataset_at(self.file, f"{self.group}/{name}" if self.group else name)

    def read(self, i: int) -> Counts:
        return self._whole(np.asarray(self._data[i]))

    def read_slice(self, start: int, stop: int) -> Counts:
        return self._whole(np.asarray(self._data[start:stop]))

    def _whole(self, counts: Counts) -> Counts:
        """The counts; InputError where they are zeros because a part of the file went away."""
        if self._is_virtual and not counts.any():
            check_parts(self._data)
        return counts

    # -- mask ----------------------------------------------------------------------------------

    def _mask(self) -> h5py.Dataset | None:
        found = self.beside("mask")
        if found is None or found.dtype.kind not in "biu":
            return None
        if found.ndim == 3 and found.shape[1:] == self.shape:
            return found if found.shape[0] >= self.n_shots else None  # it may grow ahead of them
        return found if found.shape == self.shape else None

    def has_mask(self) -> bool:
        return self._mask() is not None

    def mask(self, i: int) -> npt.NDArray[np.bool_] | None:
        found = self._mask()
        if found is None:
            return None
        return good(found[i] if found.ndim == 3 else found[()])

    # -- labels --------------------------------------------------------------------------------

    def class_names(self) -> tuple[str, ...]:
        found = self.beside("labels")
        if found is None or found.ndim != 2 or found.shape[0] != self.n_shots:
            return ()
        if "class_names" in found.attrs:
            names = texts(found.attrs["class_names"])
        elif "class_names" in self.file.attrs:
            names = texts(self.file.attrs["class_names"])
        else:
            listed = self.beside("class_names")
            names = () if listed is None else texts(listed[()])
        return names if len(names) == found.shape[1] else ()

    def labels(self) -> FileLabels | None:
        names = self.class_names()
        if not names:
            return None
        values = np.asarray(self.file[f"{self.group}/labels" if self.group else "labels"][()])
        decided = self.beside("labelled")
        labelled = np.ones(self.n_shots, bool)
        if decided is not None and decided.shape == (self.n_shots,):
            labelled = np.asarray(decided[()]) != 0
        return FileLabels(names, (values > 0).astype(np.uint8), labelled)

    # -- numbers -------------------------------------------------------------------------------

    def scalars(self) -> Scalars:
        group = self.file[self.group] if self.group else self.file
        found: Scalars = {}
        for name in group:
            dataset = dataset_at(self.file, f"{self.group}/{name}" if self.group else name)
            if dataset is None or dataset.shape != (self.n_shots,) or name == "labelled":
                continue
            if dataset.dtype.kind in "biuf":
                found[name.lower()] = np.asarray(dataset[()], np.float64)
            elif dataset.dtype.names:
                table = dataset[()]
                for field in dataset.dtype.names:
                    if table[field].dtype.kind in "biuf" and table[field].ndim == 1:
                        found[field.lower()] = np.asarray(table[field], np.float64)
        return found

    def geometry(self) -> Geometry:
        centre = self._attribute("centre", "center")
        pair = None if centre is None else np.asarray(centre, float).ravel()
        return Geometry(
            wavelength_m=self._length("wavelength"),
            distance_m=self._length("distance"),
            pixel_m=self._length("pixel") or self._length("pixel_size"),
            centre=(float(pair[0]), float(pair[1]))
            if pair is not None and pair.size == 2
            else None,
        )

    def _attribute(self, *names: str) -> object | None:
        for holder in (self._data, self.file[self.group or "/"], self.file):
            for name in names:
                if name in holder.attrs:
                    return holder.attrs[name]
        return None

    def _length(self, name: str) -> float | None:
        for unit, metres in _METRES.items():
            value = self._attribute(name + unit)
            size = None if value is None else number(value)
            if size is not None and size > 0:
                return size * metres
        return None
