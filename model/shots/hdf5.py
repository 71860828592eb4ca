"""Opening foreign HDF5 files: read-only, never locked; what is wrong with one is said in words.

It never writes and never guesses what a dataset means: the layouts do that.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Container, Iterable, Iterator
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple

import h5py
import hdf5plugin  # noqa: F401  (registers bitshuffle, LZ4, Zstandard … with HDF5)
import numpy as np

from model.errors import InputError, counted

KNOWN = "Choose an HDF5 or CXI file, a picture (TIFF, EDF, CBF, NPY, PNG), or a folder of them."
CHUNK_CACHE_MAX = 512 * 2**20
"""Bytes of decompressed chunks that one open dataset may keep."""
SMALLEST_SIDE = 2
"""A shot with a side below this is no picture."""
LARGEST_SHOT, MOST_SHOTS = 2**28, 2**31
MOST_AXES = 5
"""(train, pulse, module, y, x)"""
MOST_OBJECTS, DEEPEST_GROUP = 50_000, 64
"""A file with more in it is not searched."""
_LINKS_IN_A_ROW = 8
MOST_LINKS = 64
"""So many links are followed where a file holds no shots itself."""


def open_file(path: Path | str) -> h5py.File:
    """Open for reading, without a lock; InputError says what is wrong and what to do.

    A file that someone writes under SWMR, or was writing when the power failed, is opened so.
    """
    path = Path(path)
    if not path.exists():
        raise InputError("there is no such file", file=path, mend="Check the path.")
    if path.is_dir():
        mend = "Choose a file, or a folder of pictures, a run or a store."
        raise InputError("is a folder in which nothing is known", file=path, mend=mend)
    if not path.is_file():
        raise InputError("is not a file", file=path, mend=KNOWN)
    try:
        if path.stat().st_size == 0:
            raise InputError("the file is empty", file=path, mend="Copy it again from its origin.")
        if not h5py.is_hdf5(path):
            path.open("rb").close()
            raise InputError("is not an HDF5 file, or its head is damaged", file=path, mend=KNOWN)
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

    Raises InputError where a link leads to a file that is missing, or to what is no file.
    """
    found = node_at(file, name)
    return found if isinstance(found, h5py.Dataset) else None


def node_at(file: h5py.File, name: str) -> h5py.Dataset | h5py.Group | None:
    """The same for a group or a dataset."""
    at: Any = file
    for step in filter(None, name.split("/")):
        if not isinstance(at, h5py.Group):
            return None
        _refuse_dead_link(at, step)
        at = at.get(step)
    return at


def _refuse_dead_link(group: h5py.Group, name: str) -> None:
    link, at = group.get(name, getlink=True), group
    for _ in range(_LINKS_IN_A_ROW):
        if not isinstance(link, h5py.SoftLink):
            break
        at = at.file if link.path.startswith("/") else at
        link = at.get(link.path, getlink=True)
    if not isinstance(link, h5py.ExternalLink):
        return
    where = Path(group.file.filename)
    places = [where.parent / link.filename, Path(link.filename)]
    places.append(where.parent / Path(link.filename).name)
    what = f"is a link to {link.path} in {link.filename}, which is "
    mend = "Bring that file back to its place."
    place = f"{group.name}/{name}".strip("/")
    there = next((p for p in places if p.exists()), None)
    if there is None:
        raise InputError(what + "not there", file=where, place=place, mend=mend)
    if not there.is_file():
        raise InputError(what + "not a file", file=where, place=place, mend=mend)


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


def datasets(
    file: h5py.File, within: str = "", axes: Container[int] = range(33)
) -> Iterator[tuple[str, h5py.Dataset]]:
    """(name, dataset) of all datasets of numbers with this many axes; links are not followed.

    InputError for a file that holds more objects, or deeper ones, than any file of shots does.
    """
    for name, found in _members(file, within):
        if found is not None and found.rank in axes:
            dataset = h5py.Dataset(found)
            if dataset.dtype.kind in "biuf":
                yield name, dataset


class Inside(NamedTuple):
    """A dataset of numbers in a file; `mark` is the same for all names of one dataset."""

    name: str
    shape: tuple[int, ...]
    mark: tuple[int, int]

    @classmethod
    def of(cls, name: str, dataset: h5py.Dataset) -> Inside:
        """A dataset under a name."""
        info = h5py.h5o.get_info(dataset.id)
        return cls(name, dataset.shape, (info.fileno, info.addr))


def survey(file: h5py.File) -> list[Inside]:
    """All datasets of numbers; where a file has thousands of groups, looking through it once is
    most of the time that opening it takes. Raises InputError like `datasets`."""
    return [Inside.of(name, dataset) for name, dataset in datasets(file)]


def linked(file: h5py.File) -> tuple[list[tuple[str, h5py.Dataset]], InputError | None]:
    """(name, dataset) of datasets of numbers that a file's first links lead to, or that lie in the
    group that one leads to; and what is wrong with the first link that leads nowhere."""
    found: list[tuple[str, h5py.Dataset]] = []
    dead: InputError | None = None
    links = (name for name, member in _members(file) if member is None)
    for name in islice(links, MOST_LINKS):
        try:
            node = node_at(file, name)
            if node is None:
                mend = "Choose the file that has the shots, or name the dataset with --dataset."
                raise InputError("is a link to nothing", file=file.filename, place=name, mend=mend)
        except InputError as error:
            dead = dead or error
            continue
        if isinstance(node, h5py.Dataset) and node.dtype.kind in "biuf":
            found.append((name, node))
        elif isinstance(node, h5py.Group) and node.file.filename != file.filename:
            found += [(f"{name}/{inner}", d) for inner, d in datasets(node)]
    return found, dead


def _members(group: h5py.Group, within: str = "") -> Iterator[tuple[str, Any]]:
    """(name, open dataset) of all datasets in a group and below, (name, None) of all links."""
    top = group[within] if within else group
    seen: set[Any] = set()
    left = deque([(within, top, 0)])
    looked = 0
    while left:
        name, at, depth = left.popleft()
        looked += len(at)
        if looked > MOST_OBJECTS or depth > DEEPEST_GROUP:
            many = f"more than {MOST_OBJECTS:,} objects" if depth <= DEEPEST_GROUP else "groups"
            what = f"holds {many} {'inside each other without end' * (depth > DEEPEST_GROUP)}"
            mend = "Name the dataset of the shots: --dataset GROUP/NAME."
            raise InputError(what.strip(), file=group.file.filename, mend=mend)
        for member in at:
            as_bytes = member.encode("utf-8", "surrogateescape")
            path = f"{name}/{member}" if name else member
            if at.id.links.get_info(as_bytes).type != h5py.h5l.TYPE_HARD:
                yield path, None
                continue
            found = h5py.h5o.open(at.id, as_bytes)
            if isinstance(found, h5py.h5g.GroupID):
                mark = h5py.h5o.get_info(found)
                if (mark.fileno, mark.addr) not in seen:
                    seen.add((mark.fileno, mark.addr))
                    left.append((path, h5py.Group(found), depth + 1))
            elif isinstance(found, h5py.h5d.DatasetID):
                yield path, found


def stacks(file: h5py.File) -> Iterator[str]:
    """Names of all datasets of numbers that may be stacks of shots or of modules: 3 to 5 axes."""
    found = (Inside.of(n, d) for n, d in datasets(file, axes=range(3, MOST_AXES + 1)))
    return (one.name for one in once(found))


def once(found: Iterable[Inside]) -> Iterator[Inside]:
    """Each dataset by the first of its names."""
    seen: set[tuple[int, int]] = set()
    for one in found:
        if one.mark not in seen:
            seen.add(one.mark)
            yield one


def check_images(dataset: h5py.Dataset) -> None:
    """Refuse what holds no pictures: wrong number of axes, no numbers, no shots, no pixels."""
    file, place = dataset.file.filename, str(dataset.name).strip("/")

    def refuse(what: str, mend: str) -> None:
        raise InputError(what, file=file, place=place, mend=mend)

    if dataset.dtype.kind == "c":
        refuse("holds complex numbers", "Name a dataset of counts or intensities.")
    if dataset.dtype.kind not in "biuf":
        refuse(f"holds no numbers but {dataset.dtype}", "Name a dataset of counts.")
    if not 2 <= dataset.ndim <= MOST_AXES:
        refuse(f"has shape {dataset.shape}, not (shot, y, x)", "Name another dataset.")
    if 0 in dataset.shape[:-2]:
        refuse("holds no shots", "The run may be empty: choose another file.")
    y, x = dataset.shape[-2:]
    if min(y, x) < SMALLEST_SIDE:
        mend = "Name the dataset of two-dimensional shots."
        refuse(f"its shots have only {y} × {x} pixels", mend)
    if y * x > LARGEST_SHOT:
        refuse(f"its shots have {y:,} × {x:,} pixels", "No more than 2^28 of them can be shown.")
    if dataset.size // (y * x) > MOST_SHOTS:
        refuse(
            f"claims {counted(dataset.size // (y * x), 'shot')}",
            "Is it damaged? Name another dataset.",
        )


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
