"""Live hits and their predictions in an HDF5 file that is whole at every moment.

Written under SWMR (single write, many read): whoever opens it meanwhile, and whoever opens what a
`kill -9` left, finds every shot that was flushed. The file is a plain stack of shots, which any
project takes as a source. Nothing is ever written to another file than the record's own.
"""

from __future__ import annotations

import errno
import itertools
import os
import shutil
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import filelock
import h5py
import hdf5plugin
import numpy as np
import numpy.typing as npt

from model.errors import InputError
from model.online.stream import Hit
from model.output_files import new_hdf5, written_whole
from model.runs.prediction_file import reason
from model.shots.hdf5 import is_under_swmr, open_file
from model.shots.layouts import Geometry

Found = dict[str, npt.NDArray[Any]]
"""What a network found of n shots, by dataset name, each (n, ...)."""
IMAGES, MASK = "images", "mask"
KEPT = frozenset({IMAGES, "train_id", "timestamp", "hit_score"})
"""What every record has, and no file of shots that others made: those are never written."""
FLUSH_S = 1.0
SLACK, STEP = 4 * 2**20, 8 * 2**20
"""Bytes that are reserved on the disk beyond the shots themselves, and at a time: HDF5 must never
meet a full disk, for it cannot even close a file there."""
_TROUBLE = (OSError, RuntimeError, ValueError)
"""What h5py raises where a file cannot be written."""
_KEPT_TYPES = {
    "heatmaps": np.float16,
    "embeddings": np.float16,
    "heatmaps_chattopadhay": np.float16,
}


@dataclass
class Record:
    """Hits in files `stem.h5` of a folder, a further file for each other shape of shots.

    `about` gives the attributes for shots like the first, `geometry_of` where its detector stood.
    Nothing is made before the first hit.
    """

    folder: Path
    about: Callable[[Hit], dict[str, Any]]
    geometry_of: Callable[[Hit], Geometry] = lambda hit: hit.geometry
    stem: str = field(default_factory=lambda: time.strftime("live-%Y%m%d-%H%M%S"))
    files: list[Path] = field(default_factory=list)
    kept: int = 0

    def __post_init__(self) -> None:
        self._file: h5py.File | None = None
        self._lock: filelock.BaseFileLock | None = None
        self._kind: tuple[Any, ...] | None = None
        self._flushed = 0.0
        self._used = 0

    def add(self, hits: Sequence[Hit], found: Found) -> None:
        """Keep n hits with what was found, each (n, ...); InputError where that cannot be written.

        What was flushed before stays readable then; close the record and go on without.
        """
        try:
            for kind, group in itertools.groupby(range(len(hits)), lambda i: _kind(hits[i])):
                rows = list(group)
                if self._kind != kind:
                    self._begin(hits[rows[0]], found)
                self._append([hits[i] for i in rows], {k: v[rows] for k, v in found.items()})
            if time.monotonic() - self._flushed > FLUSH_S:
                self.flush()
        except _TROUBLE as error:
            path = self.files[-1] if self.files else self.folder
            what = f"cannot be written ({reason(error)})"
            mend = "Free some space, and start again to keep hits."
            raise InputError(what, file=path, mend=mend) from error

    def flush(self) -> None:
        """Bring everything so far into the file."""
        if self._file is not None:
            self._file.flush()
        self._flushed = time.monotonic()

    def close(self) -> str:
        """Finish the file; what went wrong in words, or nothing. Safe to call twice."""
        file, self._file, self._kind = self._file, None, None
        if file is None:
            return ""
        try:
            file.close()
            _give_back(self.files[-1])
        except _TROUBLE as error:
            return f"{self.files[-1]}: its last shots could not be written ({reason(error)})."
        finally:
            _unlock(self._lock)
        return ""

    def _begin(self, hit: Hit, found: Found) -> None:
        trouble = self.close()
        if trouble:
            raise OSError(trouble)
        self.folder.mkdir(parents=True, exist_ok=True)
        number = f"-{len(self.files) + 1}" if self.files else ""
        path = self.folder / f"{self.stem}{number}.h5"
        if shutil.disk_usage(self.folder).free < SLACK + STEP:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        self._used = 0
        self._lock = _locked(path)
        file = h5py.File(path, "w-", libver="latest", locking=False)
        self.files.append(path)
        self._file = file
        for name, values in _rows([hit], {n: v[:1] for n, v in found.items()}).items():
            _growing(file, name, values.shape[1:], values.dtype)
        for name, value in self.about(hit).items():
            file.attrs[name] = value
        geometry = self.geometry_of(hit)
        for name in ("wavelength_m", "distance_m", "pixel_m", "centre"):
            if getattr(geometry, name) is not None:
                file[IMAGES].attrs[name] = getattr(geometry, name)
        file.attrs["origin"] = hit.origin
        file.swmr_mode = True
        self._kind = _kind(hit)

    def _append(self, hits: Sequence[Hit], found: Found) -> None:
        assert self._file is not None
        first = len(self._file[IMAGES])
        rows = _rows(hits, found)
        _reserve(self._file, self._used + sum(r.nbytes for r in rows.values()) + SLACK)
        for name in (*(k for k in rows if k != IMAGES), IMAGES):  # the shots themselves last
            data = self._file[name]
            data.resize(first + len(hits), axis=0)
            data[first:] = rows[name]
        last = (first + len(hits) - 1, 0, 0)
        chunk = self._file[IMAGES].id.get_chunk_info_by_coord(last)
        self._used = max(self._used, int(chunk.byte_offset or 0) + int(chunk.size))
        self.kept += len(hits)


def mend(path: Path) -> int:
    """Make a record that was cut off whole again, in place; returns its shots.

    Its datasets may differ by some last shots, and its head says that someone writes it: what all
    of them have is copied to a file beside, which then takes its place. A record that was closed
    is left alone. InputError for any other file, which stays as it is, where it cannot be read or
    written, and where a watch still writes it.
    """
    path = Path(path)
    with open_file(path):  # what is wrong with it in general is said here
        lock = _locked(path) if is_under_swmr(path) else None
    try:
        return _mended(path)
    finally:
        _unlock(lock)


def _locked(path: Path) -> filelock.BaseFileLock | None:
    """The right to write a record, which dies with its process; None where none can be had.

    Beside the record, as its own lock would keep readers out. InputError where someone has it.
    """
    lock = filelock.FileLock(path.with_name(f".{path.name}.lock"), thread_local=False)
    try:
        lock.acquire(timeout=0)
    except filelock.Timeout as error:
        mend = "Stop the watch first: what it keeps can be added then."
        raise InputError("is still being written", file=path, mend=mend) from error
    except (OSError, NotImplementedError):  # a file system without locks, or read-only
        return None
    return lock


def _unlock(lock: filelock.BaseFileLock | None) -> None:
    if lock is not None:
        Path(lock.lock_file).unlink(missing_ok=True)
        lock.release()


def _mended(path: Path) -> int:
    with open_file(path) as file:
        if "origin" not in file.attrs or not KEPT.issubset(file):
            what = "is no record of live shots"
            raise InputError(what, file=path, mend="Name a file that `watch` wrote.")
        counts = {name: len(data) for name, data in file.items() if isinstance(data, h5py.Dataset)}
        n = min(counts.values())
        if not is_under_swmr(path) and max(counts.values()) == n:
            return n
        try:
            with written_whole(path) as part, new_hdf5(part, locking=False) as made:
                _copy(file, made, n)
        except _TROUBLE as error:
            what = f"cannot be mended ({reason(error)})"
            raise InputError(what, file=path, mend="Free some space.") from error
    return n


def _copy(file: h5py.File, made: h5py.File, n: int) -> None:
    for name, value in file.attrs.items():
        made.attrs[name] = value
    for name, data in file.items():
        copied = _growing(made, name, data.shape[1:], data.dtype)
        copied.resize(n, axis=0)
        for first in range(0, n, 64):
            copied[first : min(first + 64, n)] = data[first : min(first + 64, n)]
        for key, value in data.attrs.items():
            copied.attrs[key] = value


def _reserve(file: h5py.File, size: int) -> None:
    """Have this many bytes for the file on the disk; OSError where there is no room."""
    handle = file.id.get_vfd_handle()
    there = os.fstat(handle).st_size
    if there >= size:
        return
    if hasattr(os, "posix_fallocate"):
        os.posix_fallocate(handle, there, size + STEP - there)
    elif shutil.disk_usage(Path(file.filename).parent).free < size + STEP - there:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def _give_back(path: Path) -> None:
    """Cut off what was reserved and not used: superblock version 3 says where the data end."""
    with path.open("rb") as stream:
        head = stream.read(36)
    if head[8] == 3 and head[9] == 8:
        os.truncate(path, int.from_bytes(head[28:36], "little"))


def _growing(
    file: h5py.File, name: str, shape: tuple[int, ...], dtype: np.dtype[Any]
) -> h5py.Dataset:
    """An empty dataset for values of this shape and type."""
    large = name in (IMAGES, MASK)
    chunk = 1 if large else max(1, 65536 // (dtype.itemsize * int(np.prod(shape))))
    return file.create_dataset(
        name, (0, *shape), dtype, maxshape=(None, *shape), chunks=(chunk, *shape),
        **(hdf5plugin.LZ4() if large else {}),
    )  # fmt: skip


def _rows(hits: Sequence[Hit], found: Found) -> dict[str, npt.NDArray[Any]]:
    """What is kept of n hits of one kind, by dataset name, each (n, ...)."""
    values: dict[str, npt.NDArray[Any]] = {IMAGES: np.stack([h.counts for h in hits])}
    if hits[0].mask is not None:  # as CXI has it: 0 is good
        values[MASK] = np.stack([np.asarray(~h.mask, np.uint8) for h in hits if h.mask is not None])
    stamps = [h.stamp if np.isfinite(h.stamp) else h.since for h in hits]
    values |= {
        "train_id": np.array([h.id for h in hits], np.int64),
        "timestamp": np.array(stamps, np.float64),
        "hit_score": np.array([h.score for h in hits], np.float32),
        "is_hit": np.array([h.is_hit for h in hits], np.uint8),
    }
    return values | {k: v.astype(_KEPT_TYPES.get(k, v.dtype)) for k, v in found.items()}


def _kind(hit: Hit) -> tuple[Any, ...]:
    return hit.counts.shape, hit.counts.dtype, hit.mask is None
