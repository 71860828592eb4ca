"""Where the bytes of shots lie in a file, to copy it with other shots in their places.

Only for shots that are stored plainly: contiguous, uncompressed, in the file itself. What else the
file holds is copied byte by byte. It knows nothing of what is done to the shots.
"""

from __future__ import annotations

import itertools
import os
import threading
from collections.abc import Callable, Generator, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import h5py
import numpy as np
import numpy.typing as npt

from model.shots.sources import SourceInfo

Counts = npt.NDArray[Any]
BLOCK_BYTES = 2 * 2**20
"""About this much is read, changed and written at a time by each thread: it stays in the cache."""
GAP_BYTES = 8 * 2**20


@dataclass(frozen=True)
class RawShots:
    """Shots of one shape and type at `offsets` (N,) in bytes of the file `path`."""

    path: Path
    shape: tuple[int, int]
    dtype: np.dtype[Any]
    offsets: npt.NDArray[np.int64]

    @property
    def nbytes(self) -> int:
        """Of one shot."""
        return int(np.prod(self.shape)) * self.dtype.itemsize

    def blocks(self) -> list[tuple[int, int]]:
        """Runs of shots that lie one behind the other, of about `BLOCK_BYTES`."""
        step = max(1, BLOCK_BYTES // self.nbytes)
        ends = np.flatnonzero(np.diff(self.offsets) != self.nbytes) + 1
        runs = np.concatenate([[0], ends, [len(self.offsets)]])
        return [
            (int(a), int(min(a + step, last)))
            for first, last in itertools.pairwise(runs)
            for a in range(first, last, step)
        ]

    def each(self, work: Callable[[int, Counts], Any]) -> Iterator[tuple[int, Any]]:
        """(shots done, work(first shot, shots (n, y, x))) block by block, by all cores."""

        def do(block: tuple[int, int]) -> Any:
            shots = hand.shots(block)
            return work(block[0], shots)

        with _Hands(self) as hand, ThreadPoolExecutor(os.cpu_count()) as threads:
            blocks = self.blocks()
            for block, answer in zip(blocks, threads.map(do, blocks), strict=True):
                yield block[1], answer

    def copy_changed(self, out: Path, change: Callable[[int, Counts], None]) -> Generator[int]:
        """Copy the file to `out`, every block of shots changed in place by `change(first, shots)`.

        Yields how many shots are done. OSError where it cannot be written.
        """
        with out.open("wb") as file:
            file.truncate(self.path.stat().st_size)
        self._copy_gaps(out)

        def do(block: tuple[int, int]) -> None:
            shots = hand.shots(block)
            change(block[0], shots)
            hand.write(block, shots)

        with _Hands(self, out) as hand, ThreadPoolExecutor(os.cpu_count()) as threads:
            blocks = self.blocks()
            for block, _ in zip(blocks, threads.map(do, blocks), strict=True):
                yield block[1]

    def put(self, out: Path, first: int, shots: Counts) -> None:
        """Write shots (n, y, x) of one run of `blocks` to their place in a copy of the file."""
        with out.open("r+b", buffering=0) as file:
            file.seek(int(self.offsets[first]))
            left = memoryview(np.ascontiguousarray(shots).tobytes())
            while left:
                left = left[file.write(left) :]

    def _copy_gaps(self, out: Path) -> None:
        """Copy everything that is no shot."""
        ends = [0, *(int(self.offsets[b - 1]) + self.nbytes for _, b in self.blocks())]
        starts = [*(int(self.offsets[a]) for a, _ in self.blocks()), self.path.stat().st_size]
        with self.path.open("rb") as here, out.open("r+b") as there:
            for end, start in zip(ends, starts, strict=True):
                here.seek(end)
                there.seek(end)
                for at in range(end, start, GAP_BYTES):
                    there.write(here.read(min(GAP_BYTES, start - at)))


class _Hands:
    """Open files and a buffer for each thread."""

    def __init__(self, raw: RawShots, out: Path | None = None) -> None:
        self._raw, self._out = raw, out
        self._mine = threading.local()
        self._opened: list[Any] = []

    def __enter__(self) -> _Hands:
        return self

    def __exit__(self, *error: object) -> None:
        for file in self._opened:
            file.close()

    def _open(self) -> Any:
        mine = self._mine
        if not hasattr(mine, "here"):
            raw = self._raw
            mine.here = raw.path.open("rb", buffering=0)
            mine.there = None if self._out is None else self._out.open("r+b", buffering=0)
            most = max(b - a for a, b in raw.blocks())
            mine.buffer = np.empty((most, *raw.shape), raw.dtype)
            self._opened += [f for f in (mine.here, mine.there) if f is not None]
        return mine

    def shots(self, block: tuple[int, int]) -> Counts:
        """(n, y, x) of a block, in this thread's buffer until its next one."""
        mine = self._open()
        shots: Counts = mine.buffer[: block[1] - block[0]]
        mine.here.seek(int(self._raw.offsets[block[0]]))
        into = memoryview(cast(bytes, shots.reshape(-1).view(np.uint8)))
        while into:
            read = mine.here.readinto(into)
            if not read:
                raise OSError("the file has become shorter")
            into = into[read:]
        return shots

    def write(self, block: tuple[int, int], shots: Counts) -> None:
        """Put the shots to their place in the copy."""
        mine = self._open()
        mine.there.seek(int(self._raw.offsets[block[0]]))
        left = memoryview(cast(bytes, shots.reshape(-1).view(np.uint8)))
        while left:
            left = left[mine.there.write(left) :]


def raw_shots(info: SourceInfo) -> RawShots | None:
    """Where the shots of a source lie; None where compressed, chunked or in no HDF5 file."""
    dtype = np.dtype(info.dtype)
    if not info.is_hdf5:
        return None
    with h5py.File(info.path, "r", locking=False) as file:
        if info.layout == "cxidb94":
            names = [f"{entry}/{info.dataset}" for entry in info.shot_names or ()]
            offsets = [_offset(file, name, info.shape, dtype) for name in names]
        else:
            first = _offset(file, info.dataset, (info.n_shots, *info.shape), dtype)
            size = int(np.prod(info.shape)) * dtype.itemsize
            offsets = [None if first is None else first + i * size for i in range(info.n_shots)]
    known = [o for o in offsets if o is not None]
    if len(known) < info.n_shots or not info.n_shots:
        return None
    places = np.array(known, np.int64)
    if (np.diff(places) < int(np.prod(info.shape)) * dtype.itemsize).any():
        return None  # not in the order of the file: the general way is as good
    return RawShots(info.path, info.shape, dtype, places)


def _offset(file: h5py.File, name: str, shape: tuple[int, ...], dtype: np.dtype[Any]) -> int | None:
    """Of a dataset's first byte; None where it is not plainly there."""
    found = file.get(name)
    if not isinstance(found, h5py.Dataset) or found.shape != shape or found.dtype != dtype:
        return None
    elsewhere = Path(found.file.filename).resolve() != Path(file.filename).resolve()
    if elsewhere or found.is_virtual or found.external or found.chunks is not None:
        return None
    if file.userblock_size:
        return None
    offset = found.id.get_offset()
    return None if offset is None else int(offset)
