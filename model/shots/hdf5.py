"""Opening foreign HDF5 files: read-only, never locked; what is wrong with one is said in words.

It never writes and never guesses what a dataset means: the layouts do that.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import h5py
import hdf5plugin  # noqa: F401  (registers bitshuffle, LZ4, Zstandard … with HDF5)
import numpy as np

from model.errors import InputError

CHUNK_CACHE_MAX = 512 * 2**20
"""Bytes of decompressed chunks that one open dataset may keep."""
SMALLEST_SIDE = 2
"""A shot with a side below this is no picture."""
_BLOCK = 64 * 1024
_SAMPLED_BLOCKS = 8


def open_file(path: Path | str) -> h5py.File:
    """Open for reading, without a lock; InputError says what is wrong and what to do.

    A file that somebody writes under SWMR, or was writing when the power failed, is opened so.
    """
    path = Path(path)
    if not path.exists():
        raise InputError("there is no such file", file=path, mend="Check the path.")
    if not path.is_file():
        raise InputError("is not a file", file=path, mend="Choose an HDF5 file (.h5, .hdf5, .cxi).")
    try:
        if path.stat().st_size == 0:
            raise InputError("the file is empty", file=path, mend="Copy it again from its origin.")
        if not h5py.is_hdf5(path):
            path.open("rb").close()
            mend = "Choose an HDF5 file (.h5, .hdf5, .cxi)."
            raise InputError("is not an HDF5 file, or its head is damaged", file=path, mend=mend)
        return h5py.File(path, "r", locking=False, swmr=is_under_swmr(path))
    except PermissionError as error:
        mend = "Ask its owner for the right to read it."
        raise InputError("may not be read by you", file=path, mend=mend) from error
    except OSError as error:
        if "truncated" in str(error):
            mend = "Copy it again from its origin, or wait until it is completely written."
            raise InputError("the file is cut short", file=path, mend=mend) from error
        mend = "The file may be damaged or still being written: copy it again from its origin."
        raise InputError(f"cannot be opened ({error})", file=path, mend=mend) from error


def is_under_swmr(path: Path) -> bool:
    """Whether the head of a file says that a writer has it open for single write, many read.

    Byte 8 is the version of the superblock, byte 11 its flags: 0x04 is such a writer's (HDF5 file
    format specification 3.0, II.A).
    """
    with path.open("rb") as stream:
        head = stream.read(12)
    return len(head) == 12 and head[8] >= 3 and bool(head[11] & 0x04)


def dataset_at(file: h5py.File, name: str) -> h5py.Dataset | None:
    """The dataset at a name, through links; None where there is none.

    Raises InputError where a link, or a part of a virtual dataset, is in a file that is missing.
    """
    found = file.get(name)
    if found is None:
        link = file.get(name, getlink=True)
        if isinstance(link, h5py.SoftLink):
            link = file.get(link.path, getlink=True)
        if isinstance(link, h5py.ExternalLink):
            raise InputError(
                f"is a link to {link.path} in {link.filename}, which is not there",
                file=file.filename,
                place=name,
                mend="Bring that file back to its place.",
            )
    if not isinstance(found, h5py.Dataset):
        return None
    check_parts(found)
    return found


def check_parts(dataset: h5py.Dataset) -> None:
    """InputError where a file is missing that a virtual dataset is put together from.

    HDF5 itself would give zeros for its shots, without a word.
    """
    if not dataset.is_virtual:
        return
    file = Path(dataset.file.filename)
    for name in dict.fromkeys(part.file_name for part in dataset.virtual_sources()):
        if name == "." or "%" in name:  # in this file; or a pattern, whose files may come later
            continue
        if not any(place.exists() for place in (file.parent / name, Path(name))):
            what = f"is put together from other files, of which {name} is not there"
            mend = "Bring that file back to its place."
            raise InputError(what, file=file, place=dataset.name.strip("/"), mend=mend)


def with_chunk_cache(file: h5py.File, name: str) -> h5py.Dataset:
    """The dataset, with a cache that holds two of its chunks, so that none is decompressed twice.

    The default cache of 1 MB throws a big chunk away after every single shot.
    """
    dataset = file[name]
    if not dataset.chunks:
        return dataset
    chunk = int(np.prod(dataset.chunks)) * dataset.dtype.itemsize
    del dataset
    access = h5py.h5p.create(h5py.h5p.DATASET_ACCESS)
    access.set_chunk_cache(521, int(min(max(2 * chunk, 2**20), CHUNK_CACHE_MAX)), 0.75)
    return h5py.Dataset(h5py.h5d.open(file.id, name.encode(), access))


def stacks(file: h5py.File) -> Iterator[str]:
    """Names of all 3-D numeric datasets, each object once."""
    names: list[str] = []

    def visit(name: str, found: Any) -> None:
        if isinstance(found, h5py.Dataset) and found.ndim == 3 and found.dtype.kind in "biuf":
            names.append(name)

    file.visititems(visit)
    yield from names


def check_images(dataset: h5py.Dataset, ndim: int) -> None:
    """Refuse what holds no pictures: wrong number of axes, no numbers, no shots, no pixels."""
    file, place = dataset.file.filename, str(dataset.name).strip("/")

    def refuse(what: str, mend: str) -> None:
        raise InputError(what, file=file, place=place, mend=mend)

    if dataset.dtype.kind == "c":
        refuse("holds complex numbers", "Name a dataset of counts or intensities.")
    if dataset.dtype.kind not in "biuf":
        refuse(f"holds no numbers but {dataset.dtype}", "Name a dataset of counts.")
    if dataset.ndim != ndim:
        axes = "(shot, y, x)" if ndim == 3 else "(y, x)"
        refuse(f"has shape {dataset.shape}, not {axes}", "Name another dataset.")
    if dataset.shape[0] == 0 and ndim == 3:
        refuse("holds no shots", "The run may be empty: choose another file.")
    if min(dataset.shape[-2:]) < SMALLEST_SIDE:
        y, x = dataset.shape[-2:]
        refuse(
            f"its shots have only {y} × {x} pixels", "Name the dataset of two-dimensional shots."
        )


def fingerprint(path: Path | str, dataset: str, shape: tuple[int, ...]) -> str:
    """What tells this file from another, in a few reads even of 50 GB.

    A hash of the size, of the first, the last and some blocks between, and of the dataset's name
    and shape. The time of change is no part of it: a copy is the same file.
    """
    path = Path(path)
    size = path.stat().st_size
    digest = hashlib.blake2b(f"{size} {dataset} {shape}".encode(), digest_size=16)
    offsets = {0, max(0, size - _BLOCK)}
    offsets.update(size * k // (_SAMPLED_BLOCKS + 1) for k in range(1, _SAMPLED_BLOCKS + 1))
    with path.open("rb", buffering=0) as stream:
        for offset in sorted(offsets):
            stream.seek(offset)
            digest.update(stream.read(_BLOCK))
    return digest.hexdigest()


def texts(value: Any) -> tuple[str, ...]:
    """Strings of an attribute or dataset, whether bytes, str, fixed or variable length."""
    flat = np.atleast_1d(np.asarray(value, object)).ravel()
    return tuple(v.decode("utf-8", "replace") if isinstance(v, bytes) else str(v) for v in flat)


def number(value: Any) -> float | None:
    """A scalar as float, or None where it is none or not finite."""
    try:
        found = float(np.asarray(value).reshape(-1)[0])
    except (TypeError, ValueError, IndexError):
        return None
    return found if np.isfinite(found) else None
