"""A master file: one group whose members data_000001, data_000002 … are stacks in other files.

Dectris' FileWriter makes these (Eiger); the members are external links, one run together. Pixel
mask and geometry lie in `instrument/detector` of the same entry.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import ClassVar

import h5py
import numpy as np
import numpy.typing as npt

from model.errors import InputError, counted
from model.shots.hdf5 import check_images, dataset_at, node_at, with_chunk_cache
from model.shots.layouts.base import Counts, FileLabels, Geometry, Mask, Scalars, read_each
from model.shots.layouts.nexus import geometry_of
from model.shots.layouts.numbers import numbers_of

MEMBER = re.compile(r"data_\d{3,}")
GROUPS = ("entry/data", "entry")
PIXEL_MASKS = (
    "instrument/detector/pixel_mask",
    "instrument/detector/detectorSpecific/pixel_mask",
)
OPEN_AT_ONCE = 16


class Master:
    """The layout of a master file; see `model.shots.layouts.base.Layout`."""

    name: ClassVar[str] = "master"
    has_markers = True

    @classmethod
    def fits(cls, file: h5py.File, dataset: str | None) -> bool:
        """Whether the named group, or the usual one, has such members."""
        return cls._group(file, dataset) is not None

    @classmethod
    def _group(cls, file: h5py.File, dataset: str | None) -> str | None:
        for name in (dataset.strip("/"),) if dataset else GROUPS:
            try:
                group = node_at(file, name)
            except InputError:
                continue
            if isinstance(group, h5py.Group) and any(MEMBER.fullmatch(m) for m in group):
                return name
        return None

    def __init__(self, file: h5py.File, dataset: str | None = None) -> None:
        self.file = file
        self.dataset = self._group(file, dataset) or ""
        group = file[self.dataset]
        self._members = sorted(m for m in group if MEMBER.fullmatch(m))
        self._why: dict[str, str] = {}
        self._open: dict[str, h5py.Dataset] = {}
        counts: list[int | None] = []
        first: h5py.Dataset | None = None
        for member in self._members:
            found = self._dataset(member)
            if found is None:
                counts.append(None)
                continue
            if first is None:
                check_images(found)
                first = found
                self.shape = (int(found.shape[-2]), int(found.shape[-1]))
                self.dtype = found.dtype
            if found.ndim != 3 or found.shape[1:] != self.shape:
                self._why[member] = f"{member} has shape {found.shape}, unlike the others"
            counts.append(int(found.shape[0]) if found.ndim == 3 else 1)
        if first is None:
            why = next(iter(self._why.values()))
            mend = "Bring the files with the data to their place beside it."
            raise InputError(why, file=file.filename, place=self.dataset, mend=mend)
        usual = next(n for n in counts if n is not None)
        known = [usual if n is None else n for n in counts]  # a part that is gone had as many
        self._starts = np.concatenate([[0], np.cumsum(known)])
        self.n_shots = int(self._starts[-1])
        self.shot_names: tuple[str, ...] | None = None
        self._mask_read: npt.NDArray[np.bool_] | None = None
        self._mask_note = ""
        self._read_mask()

    def _dataset(self, member: str) -> h5py.Dataset | None:
        """A member's stack; None, and the reason kept, where it cannot be opened."""
        if member in self._open:
            return self._open[member]
        try:
            found = dataset_at(self.file, f"{self.dataset}/{member}")
            if found is None:
                raise InputError(f"{member} leads to no dataset")
            if found.chunks:
                found = with_chunk_cache(found.file, str(found.name))
        except InputError as error:
            self._why[member] = error.what
            return None
        while len(self._open) >= OPEN_AT_ONCE:
            del self._open[next(iter(self._open))]
        self._open[member] = found
        return found

    def _place(self, i: int) -> tuple[str, int]:
        number = int(np.searchsorted(self._starts, i, "right")) - 1
        return self._members[number], i - int(self._starts[number])

    def read(self, i: int) -> Counts:
        member, at = self._place(i)
        found = self._dataset(member)
        if found is None:
            raise KeyError(self._why[member])
        return np.asarray(found[at])

    read_slice = read_each

    def trouble(self, i: int) -> str:
        member, at = self._place(i)
        found = self._dataset(member)
        if found is None or self._why.get(member):
            return self._why[member]
        return (
            "" if at < found.shape[0] else f"{member} holds only {counted(found.shape[0], 'shot')}"
        )

    def is_unwritten(self, i: int) -> bool:
        return False

    def parts(self) -> tuple[Path, ...]:
        found = [self._dataset(m) for m in self._members]
        return tuple(Path(d.file.filename) for d in found if d is not None)

    def notes(self) -> tuple[str, ...]:
        return (f"{len(self._members)} files of data", *filter(None, [self._mask_note]))

    def _read_mask(self) -> None:
        entry = self.dataset.split("/")[0]
        for name in PIXEL_MASKS:
            found = dataset_at(self.file, f"{entry}/{name}")
            if found is not None and found.shape == self.shape and found.dtype.kind in "biu":
                mask = Mask(found[()])
                self._mask_read, self._mask_note = mask.good(found[()]), mask.note
                return

    def has_mask(self) -> bool:
        return self._mask_read is not None

    def mask(self, i: int) -> npt.NDArray[np.bool_] | None:
        return self._mask_read

    def class_names(self) -> tuple[str, ...]:
        return ()

    def labels(self) -> FileLabels | None:
        return None

    def scalars(self) -> Scalars:
        return numbers_of(self.file, self.dataset, self.n_shots)

    def geometry(self) -> Geometry:
        return geometry_of(self.file, self.dataset.split("/")[0])
