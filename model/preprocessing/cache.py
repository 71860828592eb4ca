"""Reduced shots on disk, each made once: memory-mapped, so that memory stays flat.

A cache folder holds, for one preprocessing, a data file of squares one behind the other and an
index that says which shot lies where. New labels add the shots that are missing; nothing is ever
rewritten. What was interrupted while writing is cut off at the next start.
The cache may be deleted at any time; it is never the only copy of anything.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

import numpy as np
import numpy.typing as npt

from model.errors import InputError
from model.output_files import open_to_append, write_text
from model.preprocessing.count_scale import FileScale, pixels_of
from model.preprocessing.file_pixels import FilePixels
from model.preprocessing.network_input import Preprocessing
from model.shots.fingerprints import hash_of
from model.shots.hashes import Hashes, hashes_of
from model.shots.table import ShotTable

VERSION = 1
_HALF_MAX = 65504.0
_CHUNK = 256
"""Shots between two updates of the index."""

Key = tuple[str, int]


@dataclass
class ShotCache:
    """The reduced counts of shots for one preprocessing."""

    folder: Path
    preprocessing: Preprocessing
    half: bool
    """Half precision: for detectors of up to 16 bits, whose counts fit it to 0.05 %."""
    _pixels: dict[str, FilePixels] = field(default_factory=dict)
    """Of a source, by its fingerprint: those that are spoilt."""
    _index: dict[Key, int] = field(default_factory=dict)
    _hashes: dict[Key, int] = field(default_factory=dict)

    @classmethod
    def open(
        cls,
        folder: Path,
        preprocessing: Preprocessing,
        table: ShotTable,
        scales: Sequence[FileScale | None] | None = None,
    ) -> ShotCache:
        """The cache for these shots in `folder`, made if there is none.

        scales: of each source, told from the table where it is not given.
        """
        half = all(np.dtype(s.dtype).kind in "uib" and np.dtype(s.dtype).itemsize <= 2
                   for s in table.sources)  # fmt: skip
        p = preprocessing
        each = zip(table.sources, scales or p.scales_of(table), strict=True)
        pixels = {source.fingerprint: pixels_of(scale) for source, scale in each}
        estimated = any(found.are_full for found in pixels.values())
        half = half and not p.preparation.any and not estimated
        made_of = json.dumps([VERSION, *p.decides_cache, half])
        name = hashlib.blake2b(made_of.encode(), digest_size=6).hexdigest()
        cache = cls(Path(folder) / f"{p.size}px-{name}", preprocessing, half, pixels)
        cache._read_index()
        return cache

    @property
    def dtype(self) -> np.dtype[np.generic]:
        """Of the values on disk."""
        return np.dtype(np.float16 if self.half else np.float32)

    @property
    def _bytes_per_shot(self) -> int:
        return self.preprocessing.size**2 * self.dtype.itemsize

    def fill(
        self,
        table: ShotTable,
        rows: npt.NDArray[np.int64],
        on_error: Callable[[int, InputError], None] | None = None,
    ) -> Iterator[int]:
        """Reduce the shots that are missing; yields how many of `rows` are done, now and then.

        Raises InputError for a full disk and, without `on_error`, for a shot that cannot be read.
        """
        missing = np.asarray(rows, np.int64)[~self.holds(table, rows)]
        done = len(rows) - len(missing)
        if len(missing) == 0:
            return
        names = self._names(table)
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            with open_to_append(self._data_path) as file:
                file.truncate(len(self._index) * self._bytes_per_shot)
                for row, counts, mask in table.iter_usable(missing, on_error):
                    source = table.source_of[row]
                    pixels = self._pixels[table.sources[source].fingerprint]
                    small = self.preprocessing.reduce(counts, mask, table.geometry(row), pixels)
                    key = names[source], int(table.index_of[row])
                    self._append(file, key, small)
                    self._hashes[key] = hash_of(counts)
                    done += 1
                    if done % _CHUNK == 0:
                        self._commit(file)
                    yield done
                self._commit(file)
        except OSError as error:
            raise InputError(
                f"cannot be written ({error.strerror})",
                file=self.folder,
                mend="Free some space or choose another folder.",
            ) from error

    def read(self, table: ShotTable, rows: npt.NDArray[np.int64]) -> npt.NDArray[np.generic]:
        """Memory-mapped view of the whole file, indexed: (n, size, size) of the given rows."""
        return np.asarray(self.mapped()[self.positions(table, rows)])

    def positions(self, table: ShotTable, rows: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
        """Where the given rows lie in `mapped()`."""
        return np.array([self._index[key] for key in self._keys(table, rows)], np.int64)

    def holds(self, table: ShotTable, rows: npt.NDArray[np.int64]) -> npt.NDArray[np.bool_]:
        """(n,) whether each row is in the cache."""
        return np.array([key in self._index for key in self._keys(table, rows)], bool)

    def hashes(self, table: ShotTable, rows: npt.NDArray[np.int64]) -> Hashes:
        """`hash_of` the counts of rows that are in the cache, (n,)."""
        keys = dict(zip(np.asarray(rows).tolist(), self._keys(table, rows), strict=True))
        unknown = np.array([r for r, key in keys.items() if key not in self._hashes], np.int64)
        for row, found in hashes_of(table, unknown).items():  # of a cache without them
            self._hashes[keys[row]] = found
        known = (self._hashes.get(keys[r]) for r in np.asarray(rows).tolist())
        return np.array([found for found in known if found is not None], np.uint64)

    def mapped(self) -> npt.NDArray[np.generic]:
        """(shots, size, size) all squares, read-only, memory-mapped."""
        side = self.preprocessing.size
        shape = (len(self._index), side, side)
        if not self._index:
            return np.zeros(shape, self.dtype)
        return np.memmap(self._data_path, self.dtype, "r", shape=shape)

    def _keys(self, table: ShotTable, rows: npt.NDArray[np.int64]) -> list[Key]:
        """Of shots, see `_names`."""
        names = self._names(table)
        return [(names[table.source_of[r]], int(table.index_of[r])) for r in rows]

    def _names(self, table: ShotTable) -> list[str]:
        """Of each source, from all that decides what is made of its shots: its file, what its
        geometry decides, and its spoilt pixels."""
        names = []
        for source in table.sources:
            pixels = self._pixels[source.fingerprint]
            by_geometry = self.preprocessing.decided_by(source.shape, source.geometry, pixels)
            decides = [*by_geometry, *pixels.words]
            names.append(f"{source.fingerprint} {json.dumps(decides)}")
        return names

    @property
    def _data_path(self) -> Path:
        return self.folder / "shots.bin"

    @property
    def _index_path(self) -> Path:
        return self.folder / "index.json"

    def _append(
        self,
        file: BinaryIO,
        key: Key,
        small: npt.NDArray[np.float32],
    ) -> None:
        if self.half:
            small = np.minimum(small, _HALF_MAX)
        file.write(small.astype(self.dtype).tobytes())
        self._index[key] = len(self._index)

    def _commit(self, file: BinaryIO) -> None:
        """Data first, then the index, so that the index never promises what is not there."""
        file.flush()
        if os.fstat(file.fileno()).st_size != len(self._index) * self._bytes_per_shot:
            what, mend = "another training writes here at the same time", "Wait for it to end."
            raise InputError(what, file=self.folder, mend=mend)
        os.fsync(file.fileno())
        by_source: dict[str, list[list[int | None]]] = {}
        for (source, index), position in self._index.items():
            found = self._hashes.get((source, index))
            by_source.setdefault(source, []).append([index, position, found])
        write_text(self._index_path, json.dumps(by_source))

    def _read_index(self) -> None:
        try:
            by_source = json.loads(self._index_path.read_text(encoding="utf-8"))
            size = self._data_path.stat().st_size
            each = [((s, i), p, *more) for s, shots in by_source.items() for i, p, *more in shots]
            index = {key: position for key, position, *_ in each}
            hashes = {key: int(more[0]) for key, _, *more in each if more and more[0]}
            whole = sorted(index.values()) == list(range(len(each)))
        except (OSError, ValueError, TypeError, AttributeError):
            return  # none yet, or damaged: it is made again
        if whole and size >= len(each) * self._bytes_per_shot:
            self._index, self._hashes = index, hashes
