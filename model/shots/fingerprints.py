"""Is a file of shots still the one that was labelled? Its bytes, and those of its parts, sampled.

A `FileMark` is kept for the file itself and for every file that its shots are put together from.
Size, times and inode are a hint: where they are as before nothing is read. Else a digest of the
whole of a small file, or of blocks spread over a large one, decides.
"""

from __future__ import annotations

import hashlib
import os
import stat
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

_BLOCK = 64 * 1024
_SAMPLED_BLOCKS = 8
_SMALL_BLOCK = 32 * 1024
BUDGET = 64 * 2**20
"""Bytes that are read at most for the digests of one source, all its parts together."""


@dataclass(frozen=True)
class FileMark:
    """One file as it was: `name` is relative to the source's folder, or absolute elsewhere."""

    name: str
    size: int
    mtime_ns: int
    ctime_ns: int
    inode: int
    digest: str

    def place(self, folder: Path) -> Path:
        """Where the file lies, for a source in a folder."""
        return folder / self.name


class FileState(NamedTuple):
    """How a file is in the directory: another one as soon as it is written to or replaced.

    Without its inode, which some network file systems make up again and again.
    """

    name: str
    """Where it really lies; '' of the file of a source itself, which may be a link."""
    size: int
    mtime_ns: int
    ctime_ns: int


def states_of(path: Path, parts: Iterable[Path] = ()) -> frozenset[FileState]:
    """Of the file of a source and of its parts, as far as they are there; folders have none."""
    found = set()
    for name, file in (("", path), *((str(part), part) for part in parts)):
        try:
            now = file.stat()
        except (OSError, ValueError):
            continue
        if not stat.S_ISDIR(now.st_mode):
            found.add(FileState(name, now.st_size, now.st_mtime_ns, now.st_ctime_ns))
    return frozenset(found)


def marks_of(path: Path, parts: Iterable[Path] = ()) -> tuple[FileMark, ...]:
    """Of the file of a source, and of its parts that are there."""
    files = [path, *(p for p in dict.fromkeys(parts) if p.is_file())]
    return tuple(mark_of(file, path.parent, BUDGET // len(files)) for file in files)


def mark_of(file: Path, folder: Path, budget: int = BUDGET) -> FileMark:
    """How a file is now."""
    found = file.stat()
    place = file.resolve()
    home = folder.resolve()
    name = place.relative_to(home).as_posix() if place.is_relative_to(home) else str(place)
    times = (found.st_mtime_ns, found.st_ctime_ns, found.st_ino)
    size = 0 if file.is_dir() else found.st_size
    return FileMark(name, size, *times, digest_of(file, budget))


def digest_of(path: Path, budget: int = BUDGET) -> str:
    """Of the whole file, or of blocks spread over it, of `budget` bytes together.

    Of a folder, of the names in it.
    """
    if path.is_dir():
        names = b"\n".join(sorted(os.fsencode(p.name) for p in path.iterdir()))
        return hashlib.blake2b(names, digest_size=16).hexdigest()
    size = path.stat().st_size
    digest = hashlib.blake2b(f"{size} {budget}".encode(), digest_size=16)
    with path.open("rb", buffering=0) as stream:
        if size <= budget:
            while block := stream.read(2**20):
                digest.update(block)
            return digest.hexdigest()
        count = max(2, budget // _SMALL_BLOCK)
        for k in range(count):
            stream.seek((size - _SMALL_BLOCK) * k // (count - 1))
            digest.update(stream.read(_SMALL_BLOCK))
    return digest.hexdigest()


def is_same(mark: FileMark, folder: Path, n_files: int, place: Path | None = None) -> bool:
    """Whether a file of a source in `folder` still has the content that was marked.

    `place`: where it lies now, where that is not as marked. OSError where it is gone.
    """
    place = place or mark.place(folder)
    now = place.stat()
    size = 0 if place.is_dir() else now.st_size
    before = (mark.size, mark.mtime_ns, mark.ctime_ns, mark.inode)
    if before == (size, now.st_mtime_ns, now.st_ctime_ns, now.st_ino):
        return True
    return size == mark.size and digest_of(place, BUDGET // n_files) == mark.digest


def fingerprint(
    path: Path | str, dataset: str, shape: tuple[int, ...], parts: Sequence[Path] = ()
) -> str:
    """What tells the shots of this file from those of another, in a few reads even of 50 GB.

    A hash of the size, of the first, the last and some blocks between, of the dataset's name and
    shape, and of the same of all `parts`. Times are no part of it: a copy is the same file.
    """
    path = Path(path)
    size = 0 if path.is_dir() else path.stat().st_size
    digest = hashlib.blake2b(f"{size} {dataset} {shape}".encode(), digest_size=16)
    _sample(path, digest, _SAMPLED_BLOCKS)
    for part in sorted(parts):
        if part.is_file():
            digest.update(f"{part.name} {part.stat().st_size}".encode())
            _sample(part, digest, _SAMPLED_BLOCKS if len(parts) < 16 else 1)
    return digest.hexdigest()


def _sample(path: Path, digest: hashlib.blake2b, count: int) -> None:
    if path.is_dir():  # its files are parts
        return
    size = path.stat().st_size
    offsets = {0, max(0, size - _BLOCK)}
    offsets.update(size * k // (count + 1) for k in range(1, count + 1))
    with path.open("rb", buffering=0) as stream:
        for offset in sorted(offsets):
            stream.seek(offset)
            digest.update(stream.read(_BLOCK))


def hash_of(counts: npt.NDArray[Any]) -> int:
    """What tells the counts (y, x) of a shot from those of another, as a 64-bit number."""
    digest = hashlib.blake2b(f"{counts.shape} {counts.dtype}".encode(), digest_size=8)
    digest.update(np.ascontiguousarray(counts).view(np.uint8).data)
    return int.from_bytes(digest.digest(), "little")
