"""Plain HDF5: one dataset of shots, found or named, with what lies beside it.

Its axes are (shot, y, x), or with detector modules (shot, module, y, x), or (train, pulse, module,
y, x): modules are stacked one above the other, as given. One picture (y, x) is a file of one shot.
A name that ends in `:yxn` says that the shots are counted by the last axis.

Beside it, in the same group: `labels` (N, C) with their `class_names`, `labelled` (N,), `mask`,
and any numbers of length N.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable
from pathlib import Path
from typing import ClassVar

import h5py
import numpy as np
import numpy.typing as npt

from model.errors import InputError
from model.shots.hdf5 import (
    Inside,
    check_images,
    dataset_at,
    linked,
    number,
    once,
    stacks,
    survey,
    texts,
    with_chunk_cache,
)
from model.shots.layouts.base import Counts, FileLabels, Geometry, Mask, Scalars, read_each
from model.shots.layouts.nexus import geometry_of
from model.shots.layouts.numbers import numbers_of
from model.shots.parts import OPEN_AT_ONCE, Parts

_METRES = {"_m": 1.0, "_mm": 1e-3, "_um": 1e-6, "_nm": 1e-9}
LAST, FIRST = ":yxn", ":nyx"
"""Behind a dataset's name: the axis that counts the shots."""
MOST_CLASSES = 1000
"""A matrix with more columns is no labels."""
STRIP = 4.0
"""Shots longer than this times their width are no shots where another order gives squares."""
SMALLEST_PICTURE = 16
"""A 2-D dataset with a side below this is a table, not one shot."""
NO_SHOTS = frozenset({"mask", "gain", "pixel_mask", "cellId", "error", "errors", "std", "sigma"})
"""Last parts of names beside shots, of their size, that are none."""


def find(file: h5py.File, inside: Iterable[Inside] | None = None) -> str:
    """Name of the largest stack; else of modules; else of the only picture. What links lead to is
    looked at where the file holds nothing itself.

    inside: what `survey` found. InputError where there is none, or where two are alike.
    """
    found = _largest(file, survey(file) if inside is None else inside)
    if found is None:
        others, dead = linked(file)
        found = _largest(file, itertools.starmap(Inside.of, others))
        if found is None and dead is not None:
            raise dead
    if found is None:
        raise InputError(
            "has no 3-D dataset (shot, y, x) of numbers",
            file=file.filename,
            mend="Choose a file of shots, or name the dataset with --dataset.",
        )
    return found


def _largest(file: h5py.File, among: Iterable[Inside]) -> str | None:
    shapes = {one.name: one.shape for one in once(among) if _last(one.name) not in NO_SHOTS}
    for axes in ((3,), (4, 5), (2,)):
        sizes = {n: int(np.prod(s)) for n, s in shapes.items() if _may_be_shots(s, axes)}
        pictures = {n: s for n, s in sizes.items() if min(shapes[n][-2:]) > 1} or sizes
        if not pictures:
            continue
        largest = max(pictures.values())
        best = [n for n, s in pictures.items() if s == largest]
        if len(best) > 1:
            raise InputError(
                f"has several datasets that may hold the shots: {', '.join(best[:20])}",
                file=file.filename,
                mend=f"Name one: --dataset {best[0]}.",
            )
        return best[0]
    return None


def _last(name: str) -> str:
    return name.rpartition("/")[2]


def _may_be_shots(shape: tuple[int, ...], axes: tuple[int, ...]) -> bool:
    if len(shape) not in axes:
        return False
    if axes == (2,):
        return min(shape) >= SMALLEST_PICTURE
    return axes == (3,) or shape[-1] > 4


class Stack:
    """The layout of a plain stack; see `model.shots.layouts.base.Layout`."""

    name: ClassVar[str] = "stack"

    def __init__(self, file: h5py.File, dataset: str | None = None) -> None:
        self.file = file
        self.dataset = (dataset or find(file)).strip("/")
        self.path = self.dataset.removesuffix(LAST).removesuffix(FIRST)
        """Of the dataset in the file."""
        self._last = self.dataset.endswith(LAST)
        found = dataset_at(file, self.path)
        if found is None:
            have = ", ".join(stacks(file)) or "none"
            raise InputError(
                "there is no such dataset",
                file=file.filename,
                place=self.dataset,
                mend=f"Datasets of the file that may hold shots: {have}.",
            )
        check_images(found)
        if self._last and found.ndim != 3:
            mend = f"Leave out {LAST}."
            raise InputError("has not three axes", file=file.filename, place=self.path, mend=mend)
        if self.dataset == self.path:
            _refuse_strips(found)
        del found
        self._open()
        self._take_size()
        self.dtype = self._data.dtype
        self.has_markers = "full_scale" not in self._data.attrs
        self.shot_names: tuple[str, ...] | None = None
        self.group = self.path.rpartition("/")[0]
        self._seen_mask: Mask | None = None

    def _open(self) -> None:
        self._data = with_chunk_cache(self.file, self.path)
        self._parts = Parts(self._data)

    def _take_size(self) -> None:
        shape = self._data.shape
        if self._last:
            shape = (shape[2], shape[0], shape[1])
        self._counted = () if len(shape) == 2 else shape[: max(1, len(shape) - 3)]
        self.n_shots = int(np.prod(self._counted, dtype=np.int64))
        frame = shape[len(self._counted) :]
        self.modules = (int(frame[0]), int(frame[1]), int(frame[2])) if len(frame) == 3 else None
        self.shape = (int(np.prod(frame[:-1])), int(frame[-1]))

    def refresh(self) -> None:
        """Look again how many shots there are, in a file that is open under SWMR and grows."""
        self._data.id.refresh()
        self._take_size()
        mask = self.beside("mask")
        if mask is not None and mask.ndim == 3:
            mask.id.refresh()
            self.n_shots = min(self.n_shots, int(mask.shape[0]))

    def beside(self, name: str) -> h5py.Dataset | None:
        """A dataset in the same group as the shots."""
        return dataset_at(self.file, f"{self.group}/{name}" if self.group else name)

    def read(self, i: int) -> Counts:
        if self._last:
            return np.ascontiguousarray(self._data[:, :, i])
        return np.asarray(self._data[self._at(i)]).reshape(self.shape)

    def are_written(self, start: int, stop: int) -> bool:
        """Whether shots start … stop - 1 have a place in the file: until then they would be read as
        fill values. Always of a stack that is not in chunks of an axis of shots."""
        data = self._data
        if self._last or len(self._counted) != 1 or not data.chunks or data.is_virtual:
            return True
        firsts = range(start - start % data.chunks[0], stop, data.chunks[0])
        rest = (0,) * (data.ndim - 1)
        places = (data.id.get_chunk_info_by_coord((first, *rest)) for first in firsts)
        return all(place.byte_offset is not None for place in places)

    def _at(self, i: int) -> tuple[int, ...]:
        return tuple(int(k) for k in np.unravel_index(i, self._counted)) if self._counted else ()

    def read_slice(self, start: int, stop: int) -> Counts:
        if len(self._counted) == 1 and not self._last:
            return np.asarray(self._data[start:stop]).reshape(-1, *self.shape)
        return read_each(self, start, stop)

    def trouble(self, i: int) -> str:
        if self._last or not self._counted:
            return self._parts.trouble(0)
        if len(self._parts.touched) >= OPEN_AT_ONCE:
            del self._data, self._parts  # HDF5 closes the parts with the last of these
            self._open()
        return self._parts.trouble(self._at(i)[0])

    def is_unwritten(self, i: int) -> bool:
        """Whether a shot that reads as nothing but zeros was never written."""
        if self._last or not self._counted:
            return False
        return self._parts.unwritten(self._at(i)[0])

    def parts(self) -> tuple[Path, ...]:
        own = Path(self._data.file.filename)  # another one where a link led here
        here = [] if own.resolve() == Path(self.file.filename).resolve() else [own]
        return (*here, *self._parts.files())

    def notes(self) -> tuple[str, ...]:
        found = []
        modules = self._data.shape[len(self._counted) : -2]
        if modules and int(np.prod(modules)) > 1:
            found.append(f"{int(np.prod(modules))} detector modules, one above the other")
        if self._last:
            found.append("shots are counted by the last axis")
        mask = self._mask()
        if mask is not None and self._seen_mask is not None:
            found.append(self._seen_mask.note)
        return tuple(found)

    # -- mask ----------------------------------------------------------------------------------

    def _mask(self) -> h5py.Dataset | None:
        found = self.beside("mask")
        if found is None or found.dtype.kind not in "biu" or self._last:
            return None
        if (
            found.shape[len(found.shape) - len(self._data.shape[len(self._counted) :]) :]
            != (self._data.shape[len(self._counted) :])
        ):
            return None
        per_shot = found.ndim == self._data.ndim and bool(self._counted)
        if per_shot and found.shape[0] < self._data.shape[0]:
            return None
        if found.ndim not in (self._data.ndim, self._data.ndim - len(self._counted)):
            return None
        if self._seen_mask is None:
            self._seen_mask = Mask(found[self._at(0)] if per_shot else found[()])
        return found

    def has_mask(self) -> bool:
        return self._mask() is not None

    def mask(self, i: int) -> npt.NDArray[np.bool_] | None:
        found = self._mask()
        if found is None or self._seen_mask is None:
            return None
        per_shot = found.ndim == self._data.ndim and bool(self._counted)
        field = found[self._at(i)] if per_shot else found[()]
        return self._seen_mask.good(field).reshape(self.shape)

    # -- labels --------------------------------------------------------------------------------

    def class_names(self) -> tuple[str, ...]:
        found = self.beside("labels")
        if found is None or found.ndim != 2 or found.shape[0] != self.n_shots:
            return ()
        if found.shape[1] > MOST_CLASSES:
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
        return FileLabels(names, (values > 0).astype(np.uint8), labelled, self.known(len(names)))

    def known(self, classes: int) -> npt.NDArray[np.bool_] | None:
        """(N, C) which classes are decided, where the file says it."""
        found = self.beside("known")
        if found is None or found.shape != (self.n_shots, classes):
            return None
        return np.asarray(found[()]) != 0

    # -- numbers -------------------------------------------------------------------------------

    def scalars(self) -> Scalars:
        return numbers_of(self.file, self.group, self.n_shots)

    def geometry(self) -> Geometry:
        """By attributes of the dataset, its group and the file; else as NeXus keeps it."""
        centre = self._attribute("centre", "center")
        pair = None if centre is None else np.asarray(centre, float).ravel()
        stated = geometry_of(self.file, self.path.split("/")[0]) if "/" in self.path else Geometry()
        whole = pair is not None and pair.size == 2 and bool(np.isfinite(pair).all())
        return Geometry(
            wavelength_m=self._length("wavelength") or stated.wavelength_m,
            distance_m=self._length("distance") or stated.distance_m,
            pixel_m=self._length("pixel") or self._length("pixel_size") or stated.pixel_m,
            centre=(float(pair[0]), float(pair[1]))
            if whole and pair is not None
            else stated.centre,
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


def _refuse_strips(dataset: h5py.Dataset) -> None:
    """InputError for (y, x, shot), which would be opened as strips of one row of every shot."""
    if dataset.ndim != 3:
        return
    a, b, c = dataset.shape
    strips = max(b, c) / max(1, min(b, c)) > STRIP
    squares = max(a, b) / max(1, min(a, b)) <= STRIP / 2 and min(a, b) >= 2 * c
    exact = a == b != c and a >= SMALLEST_PICTURE
    if (strips and squares and min(a, b) > 1) or exact:
        name = str(dataset.name).strip("/")
        raise InputError(
            f"has shape {dataset.shape}, which looks like (y, x, shot)",
            file=dataset.file.filename,
            place=name,
            mend=f"Say so with --dataset {name}{LAST}, or that it is (shot, y, x) with "
            f"--dataset {name}{FIRST}.",
        )
