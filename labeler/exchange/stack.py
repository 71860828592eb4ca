"""One stack of shots in a new file: copied or linked, with labels, masks and numbers beside it.

Where the file is put, and which shots go in, is not decided here.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import h5py
import numpy as np
import numpy.typing as npt

from labeler.exchange.as_cxi import (
    DETECTOR,
    describe,
    is_linkable,
    linked_name,
    mark_stack,
    write_tags,
)
from labeler.exchange.as_hdf5 import TEXT
from labeler.project.decisions import Decisions
from labeler.project.store.records import Rows
from model.errors import InputError
from model.shots.layouts.base import JOULES_PER_EV
from model.shots.table import ShotTable, SourceInfo, open_source

INVALID = 1
"""CXI's mask bit of a pixel that says nothing."""
SOURCE = "instrument_1/source_1"
ENERGY = "photon_energy_ev"
TAKEN = {
    "data",
    "mask",
    "tags",
    "labels",
    "labelled",
    "known",
    "shot",
    "file",
    "index",
    "images",
    "status",
}
"""Names beside the data that a file's own numbers do not get."""


@dataclass(frozen=True)
class Part:
    """Shots of one size and geometry, which make one stack: rows in the order of their files."""

    rows: Rows
    infos: tuple[SourceInfo, ...]

    @property
    def info(self) -> SourceInfo:
        return self.infos[0]

    @property
    def dtype(self) -> np.dtype[Any]:
        return np.result_type(*(np.dtype(i.dtype) for i in self.infos))

    @property
    def has_mask(self) -> bool:
        return any(i.has_mask for i in self.infos)


def parts_of(table: ShotTable, rows: Rows) -> Iterator[Part]:
    """The rows by size and geometry, each part in the order of files."""
    rows = np.unique(rows)
    alike: dict[Any, list[int]] = {}
    for number in np.unique(table.source_of[rows]).tolist():
        info = table.sources[number]
        alike.setdefault((info.shape, info.geometry), []).append(number)
    for sources in alike.values():
        mine = rows[np.isin(table.source_of[rows], sources)]
        yield Part(mine, tuple(table.sources[s] for s in sources))


class Stack:
    """One part in the file: its data, then all that is known about its shots."""

    def __init__(
        self, file: h5py.File, table: ShotTable, part: Part, entry: int | None, compress: bool
    ) -> None:
        self.table, self.part, self.rows = table, part, part.rows
        self.entry = file if entry is None else file.create_group(f"entry_{entry}")
        self.group = file if entry is None else self.entry.create_group(DETECTOR)
        self.name = "images" if entry is None else "data"
        self.plain = entry is None
        self.packed = {"compression": "gzip", "compression_opts": 1, "shuffle": True}
        self.options = self.packed if compress else {}

    def _make(self, name: str, dtype: npt.DTypeLike, options: dict[str, Any]) -> h5py.Dataset:
        y, x = self.part.info.shape
        n = len(self.part.rows)
        return self.group.create_dataset(
            name, (n, y, x), dtype, chunks=(1, y, x), maxshape=(None, y, x), **options
        )

    def copy(self) -> Iterator[int]:
        """Stream the shots in; yields how many there are so far."""
        data = self._make(self.name, self.part.dtype, self.options)
        masks = self._make("mask", np.uint16, self.packed) if self.part.has_mask else None
        read: list[int] = []
        for row, counts, mask in self.table.iter_shots(
            self.part.rows, on_error=lambda row, error: None
        ):
            data[len(read)] = counts
            if masks is not None and mask is not None and not mask.all():
                masks[len(read)] = np.where(mask, 0, INVALID)
            read.append(row)
            yield len(read)
        self.rows = np.array(read, np.int64)
        for dataset in (data, masks):
            if dataset is not None:
                dataset.resize(len(read), axis=0)

    def link(self) -> Iterator[int]:
        """A virtual stack, one piece for each unbroken run of shots; masks are copied."""
        layout = h5py.VirtualLayout((len(self.rows), *self.part.info.shape), self.part.dtype)
        masks = self._make("mask", np.uint16, self.packed) if self.part.has_mask else None
        at = 0
        for info, index in self._by_source():
            breaks = [0, *(np.flatnonzero(np.diff(index) != 1) + 1).tolist(), len(index)]
            if not is_linkable(info):
                mend = "Leave out --virtual: copy the shots."
                raise InputError("its shots cannot be linked", file=info.path, mend=mend)
            whole = (info.n_shots, *info.shape)
            for start, stop in pairwise(breaks):
                first, n = int(index[start]), stop - start
                place = linked_name(info.path)
                if info.shot_names is None:
                    piece = h5py.VirtualSource(place, info.dataset, shape=whole)
                    layout[at : at + n] = piece[first : first + n]
                else:
                    for k in range(n):
                        name = f"{info.shot_names[first + k]}/{info.dataset}"
                        layout[at + k] = h5py.VirtualSource(place, name, shape=info.shape)
                at += n
                yield at
            if masks is not None and info.has_mask:
                self._copy_masks(masks, info, index, at - len(index))
        self.group.create_virtual_dataset(self.name, layout)

    def _copy_masks(self, masks: h5py.Dataset, info: SourceInfo, index: Rows, at: int) -> None:
        with open_source(info.path, known=info) as source:
            for k, i in enumerate(index.tolist()):
                mask = source.mask(i)
                if mask is not None and not mask.all():
                    masks[at + k] = np.where(mask, 0, INVALID)

    def _by_source(self) -> Iterator[tuple[SourceInfo, Rows]]:
        """(source, indices in it) of the shots, in order."""
        of = self.table.source_of[self.rows]
        for number in np.unique(of).tolist():
            yield self.table.sources[number], self.table.index_of[self.rows[of == number]]

    def describe(self, state: Decisions) -> None:
        """Labels, where the shots come from, and the numbers that their files have for them."""
        labels, labelled = self.table.labels[self.rows], state.labelled[self.rows]
        if self.plain:
            self.group["labels"] = labels
            self.group["labels"].attrs.create(
                "class_names", list(self.table.class_names), dtype=TEXT
            )
            self._describe_plainly()
        else:
            write_tags(self.group, self.table.class_names, labels)
            mark_stack(self.group[self.name])
            describe(self.entry, self.group, self.part.info)
            self.entry["data_1/data"] = h5py.SoftLink(self.group[self.name].name)
        self.group["labelled"] = labelled.astype(np.uint8)
        if self.table.known is not None:
            self.group["known"] = self.table.known[self.rows].astype(np.uint8)
        self.group["shot"] = self.rows + 1
        self.group["index"] = self.table.index_of[self.rows]
        files = [str(i.path) for i in self.table.sources]
        names = [files[s] for s in self.table.source_of[self.rows].tolist()]
        self.group.create_dataset("file", data=names, dtype=TEXT)
        for name, values in self._scalars().items():
            if name == ENERGY and not self.plain:
                energy = f"{SOURCE}/energy"
                if energy in self.entry:
                    del self.entry[energy]
                self.entry[energy] = values * JOULES_PER_EV
            else:
                self.group[name] = values

    def _describe_plainly(self) -> None:
        geometry = self.part.info.geometry
        for name in ("wavelength_m", "distance_m", "pixel_m", "centre"):
            value = getattr(geometry, name)
            if value is not None:
                self.group.attrs[name] = value

    def _scalars(self) -> dict[str, npt.NDArray[np.float64]]:
        """Numbers that every file of this part has for each shot."""
        pieces: dict[str, list[npt.NDArray[np.float64]]] = {}
        sources = list(self._by_source())
        for info, index in sources:
            with open_source(info.path, known=info) as source:
                for name, values in source.scalars().items():
                    pieces.setdefault(name, []).append(values[index])
        whole = {n: p for n, p in pieces.items() if len(p) == len(sources) and n not in TAKEN}
        return {name: np.concatenate(values) for name, values in whole.items() if values}
