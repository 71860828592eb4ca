"""Zarr stores, of format 2 or 3: a folder with an array (shot, y, x), alone or in groups.

With detector modules (shot, module, y, x) or (train, pulse, module, y, x), stacked one above the
other. In the same group: `mask`, and any numbers of length N.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from model.errors import InputError
from model.shots.layouts.base import Counts, Mask, Scalars
from model.shots.layouts.formats.base import Blocks, Foreign, as_os_error, optional
from model.shots.layouts.stack import NO_SHOTS

METADATA = ("zarr.json", ".zarray", ".zgroup")
BLOCKS = 2
"""This many chunks of shots are kept decompressed."""
CHUNKS_MARKED = 64
"""Of this many chunks it is remembered how they were."""


class ZarrStore(Foreign):
    """The layout of a Zarr store."""

    name: ClassVar[str] = "zarr"

    @classmethod
    def fits(cls, path: Path) -> bool:
        return path.is_dir() and any((path / name).is_file() for name in METADATA)

    def __init__(
        self, path: Path, dataset: str | None = None, shot_names: Sequence[str] | None = None
    ) -> None:
        with optional(path, "Zarr stores", "zarr"):
            import zarr
        self.path = path
        with as_os_error(path):
            store = zarr.open(path, mode="r")
            self._arrays = dict(_arrays(store))
        self.dataset = self._chosen(dataset)
        self._data = self._arrays[self.dataset]
        shape = self._data.shape
        self._blocks = Blocks(self._data, int(self._data.chunks[0]), BLOCKS)
        self.n_shots, self.shape = self._blocks.n_shots, self._blocks.shape
        self.dtype = self._blocks.dtype
        self._mask_read: npt.NDArray[np.generic] | None = None
        beside = self._beside("mask")
        if beside is not None and beside.shape in (shape, shape[len(self._blocks.counted) :]):
            self._per_shot = beside.shape == shape
            first = np.asarray(beside[0] if self._per_shot else beside[...])
            self._mask_rule: Mask | None = Mask(first)
            self._mask_data = beside
        else:
            self._mask_rule = None

    def _chosen(self, dataset: str | None) -> str:
        if dataset is not None:
            name = dataset.strip("/")
            if name not in self._arrays or not 3 <= len(self._arrays[name].shape) <= 5:
                mend = f"There are: {', '.join(self._stacks()) or 'none'}."
                raise InputError("no such array of shots", file=self.path, place=name, mend=mend)
            return name
        sizes = {n: int(np.prod(self._arrays[n].shape)) for n in self._stacks()}
        best = [n for n, size in sizes.items() if size == max(sizes.values())]
        if not best:
            mend = "Choose a store of shots."
            raise InputError("has no array (shot, y, x) of numbers", file=self.path, mend=mend)
        if len(best) > 1:
            what = f"has several arrays that may hold the shots: {', '.join(best)}"
            raise InputError(what, file=self.path, mend=f"Name one: --dataset {best[0]}.")
        return best[0]

    def _stacks(self) -> list[str]:
        return [
            name for name, a in self._arrays.items()
            if 3 <= len(a.shape) <= 5 and a.dtype.kind in "biuf"
            and a.shape[0] and min(a.shape[-2:]) > 1 and name.split("/")[-1] not in NO_SHOTS
        ]  # fmt: skip

    def _beside(self, name: str) -> Any:
        group = self.dataset.rpartition("/")[0]
        return self._arrays.get(f"{group}/{name}" if group else name)

    def read(self, i: int) -> Counts:
        with as_os_error(self.path):
            return self._blocks.read(i)

    def has_mask(self) -> bool:
        return self._mask_rule is not None

    def mask(self, i: int) -> npt.NDArray[np.bool_] | None:
        if self._mask_rule is None:
            return None
        if self._per_shot:
            one = self._mask_data[self._blocks.place(i)]
            return self._mask_rule.good(one).reshape(self.shape)
        if self._mask_read is None:
            self._mask_read = np.asarray(self._mask_data[...])
        return self._mask_rule.good(self._mask_read).reshape(self.shape)

    def scalars(self) -> Scalars:
        found: Scalars = {}
        for name, array in self._arrays.items():
            key = name.split("/")[-1].lower()
            if array.shape == (self.n_shots,) and array.dtype.kind in "biuf":
                found.setdefault(key, np.asarray(array[...], np.float64))
        return found

    def parts(self) -> tuple[Path, ...]:
        """Metadata and some chunks; a chunk of nothing but the fill value has no file."""
        home = self.path / self._data.path if self._data.path else self.path
        longest = int(self._data.chunks[0])
        rest = (0,) * (len(self._data.shape) - 1)
        rows = range(0, -(-self._data.shape[0] // longest))
        keys = [
            self._data.metadata.encode_chunk_key((k, *rest))
            for k in rows[:: max(1, len(rows) // CHUNKS_MARKED)]
        ]
        return tuple(p for n in (*METADATA, *keys) if (p := home / n).is_file())

    def notes(self) -> tuple[str, ...]:
        modules = int(np.prod(self._data.shape[len(self._blocks.counted) : -2], dtype=np.int64))
        said = [f"{modules} detector modules, one above the other"] if modules > 1 else []
        return (*said, *([self._mask_rule.note] if self._mask_rule is not None else []))

    def inside(self) -> tuple[tuple[str, tuple[int, ...], str], ...]:
        return tuple((n, a.shape, str(a.dtype)) for n, a in self._arrays.items() if a.ndim > 1)


def _arrays(node: Any, within: str = "") -> Iterator[tuple[str, Any]]:
    """(name, array) of all arrays below a group; one alone has no name."""
    if hasattr(node, "shape"):
        yield within, node
        return
    for name, array in node.arrays():
        yield f"{within}/{name}" if within else name, array
    for name, group in node.groups():
        yield from _arrays(group, f"{within}/{name}" if within else name)
