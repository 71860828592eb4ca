"""What a dataset is put together from, and for every shot why it cannot be delivered.

HDF5 gives zeros or a fill value, without a word, for a part of a virtual dataset that is missing,
cannot be opened, lacks its dataset or is too short, for raw files that end early, and for chunks
that were never written. Here these are found out before such a shot is taken for an empty one.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import h5py
import numpy as np

from model.errors import counted

OPEN_AT_ONCE = 64
"""HDF5 keeps every part open that it has read from; after this many the dataset is opened again."""
DEEPEST = 4
"""Virtual datasets of virtual datasets are followed so far."""

Identity = tuple[int, int, int]


@dataclass
class _Part:
    """One file and dataset that shots come from; `why` is '' where it can be read."""

    file: Path
    dataset: str
    identity: Identity | None = None
    why: str = ""
    shape: tuple[int, ...] = ()
    inner: Parts | None = None


@dataclass(frozen=True)
class _Piece:
    """Rows start, start + stride … of the whole come from rows of a part, from `there` on."""

    part: _Part
    start: int
    stride: int
    count: int
    block: int
    there: int

    def ordinal(self, row: int) -> int:
        """Which of the piece's rows this is, -1 for none."""
        turn, within = divmod(row - self.start, self.stride)
        return turn * self.block + within if 0 <= turn < self.count and within < self.block else -1


@dataclass
class Parts:
    """The parts of one open dataset."""

    dataset: h5py.Dataset
    depth: int = 0
    touched: set[Path] = field(default_factory=set)
    """Part files that were looked at since the dataset was opened."""

    def __post_init__(self) -> None:
        self._file = Path(self.dataset.file.filename)
        self._parts: dict[tuple[str, str], _Part] = {}
        self._pieces = list(self._virtual()) if self.dataset.is_virtual else []
        self._starts = np.array([p.start for p in self._pieces], np.int64)
        ends = [p.start + (p.count - 1) * p.stride + p.block for p in self._pieces]
        self._ends = np.array(ends, np.int64)

    def files(self) -> list[Path]:
        """Every other file that numbers of this dataset lie in, as far as they are there."""
        found = [p.file for p in self._parts.values() if p.file != self._file]
        found += [self._beside(name) for name, _, _ in self.dataset.external or ()]
        for part in self._parts.values():
            if part.file.is_file() and self.depth < DEEPEST and not self._why(part):
                found += [] if part.inner is None else part.inner.files()
        return list(dict.fromkeys(found))

    def trouble(self, row: int) -> str:
        """Why a row cannot be delivered; '' where it can."""
        if self._pieces:
            return self._virtual_trouble(row)
        return self._raw_trouble()

    def unwritten(self, row: int) -> bool:
        """Whether a row that reads as nothing but the fill value was never written at all."""
        if self.dataset.is_virtual or self.dataset.external:
            return False
        if self.dataset.chunks is None:
            return self.dataset.id.get_offset() is None and not self._is_compact()
        at = (row, *(0,) * (self.dataset.ndim - 1))
        corner = tuple(a // c * c for a, c in zip(at, self.dataset.chunks, strict=True))
        return bool(self.dataset.id.get_chunk_info_by_coord(corner).byte_offset is None)

    def _is_compact(self) -> bool:
        return bool(self.dataset.id.get_create_plist().get_layout() == h5py.h5d.COMPACT)

    # -- virtual datasets ------------------------------------------------------------------------

    def _virtual(self) -> list[_Piece]:
        plist = self.dataset.id.get_create_plist()
        pieces = []
        for k in range(plist.get_virtual_count()):
            name, dataset = plist.get_virtual_filename(k), plist.get_virtual_dsetname(k)
            if "%" in name.replace("%%", "") or "%" in dataset.replace("%%", ""):
                continue  # a pattern, whose files may come later
            key = (name, dataset)
            if key not in self._parts:
                file = self._file if name == "." else self._beside(name.replace("%%", "%"))
                self._parts[key] = _Part(file, dataset.replace("%%", "%"))
            here = _first_axis(plist.get_virtual_vspace(k), self.dataset.shape[0])
            there = _first_axis(plist.get_virtual_srcspace(k), 2**62)[0]
            pieces.append(_Piece(self._parts[key], *here, there))
        return pieces

    def _beside(self, name: str) -> Path:
        """Where HDF5 looks for another file: beside this one, then from where we stand."""
        here, asked = self._file.parent, Path(name)
        places = dict.fromkeys((here / asked, asked, here / asked.name))
        return next((place for place in places if place.exists()), here / asked)

    def _virtual_trouble(self, row: int) -> str:
        near = np.flatnonzero((self._starts <= row) & (row < self._ends))
        covered = False
        for piece in (self._pieces[k] for k in near):
            ordinal = piece.ordinal(row)
            if ordinal < 0:
                continue
            covered = True
            why = self._why(piece.part)
            if why:
                return why
            part, there = piece.part, piece.there + ordinal
            same_axes = len(part.shape) == self.dataset.ndim
            if same_axes and part.shape and there >= part.shape[0]:
                name = f"{part.file.name}, of which it is put together,"
                return f"{name} holds only {counted(part.shape[0], 'shot')}"
            if part.inner is not None and same_axes:
                deeper = part.inner.trouble(there)
                if deeper:
                    return deeper
        return "" if covered or len(self._pieces) < self._count() else "no part of it has this shot"

    def _count(self) -> int:
        return int(self.dataset.id.get_create_plist().get_virtual_count())

    def _why(self, part: _Part) -> str:
        """Whether a part can be read now; looked at once for each state of its file."""
        try:
            now = part.file.stat()
        except OSError:
            return f"is put together from other files, of which {part.file.name} is not there"
        identity = (now.st_ino, now.st_size, now.st_mtime_ns)
        self.touched.add(part.file)
        if identity != part.identity:
            part.identity = identity
            part.why = self._look(part)
        return part.why

    def _look(self, part: _Part) -> str:
        if not part.file.is_file():
            return f"{part.file.name}, of which it is put together, is not a file"
        if self.depth >= DEEPEST:
            return "is put together from itself, or from too many files in a row"
        own = part.file.resolve() == self._file.resolve()
        try:
            file = self.dataset.file if own else h5py.File(part.file, "r", locking=False)
            found = file.get(part.dataset)
            if not isinstance(found, h5py.Dataset):
                if not own:
                    file.close()
                return f"{part.file.name}, of which it is put together, has no {part.dataset}"
            part.shape = found.shape
            part.inner = Parts(found, self.depth + 1) if found.is_virtual else None
            if part.inner is None and not own:
                file.close()
        except (OSError, KeyError, RuntimeError, ValueError) as error:
            return f"{part.file.name}, of which it is put together, cannot be opened ({error})"
        return ""

    # -- raw files beside ------------------------------------------------------------------------

    def _raw_trouble(self) -> str:
        for name, offset, size in self.dataset.external or ():
            place = self._beside(name)
            inside = place.resolve().is_relative_to(self._file.resolve().parent)
            if not inside:
                return f"its numbers lie in {name}, outside its own folder: such a file is not read"
            if not place.is_file():
                return f"its numbers lie in {name}, which is not there"
            whole = offset + size if size < 2**62 else offset + self.dataset.nbytes
            if place.stat().st_size < whole:
                return f"its numbers lie in {name}, which is cut short"
        return ""


def _first_axis(space: h5py.h5s.SpaceID, n: int) -> tuple[int, int, int, int]:
    """(start, stride, count, block) of the rows that a selection takes."""
    kind = space.get_select_type()
    if kind == h5py.h5s.SEL_ALL:
        return 0, max(1, n), 1, n
    if kind == h5py.h5s.SEL_HYPERSLABS and space.is_regular_hyperslab():
        start, stride, count, block = (int(v[0]) for v in space.get_regular_hyperslab())
        if count >= 2**62 or block >= 2**62:  # without end
            return start, 1, 1, max(1, n - start)
        return start, block if count == 1 else max(1, stride), count, block
    low, high = space.get_select_bounds()
    return int(low[0]), 1, 1, int(high[0] - low[0] + 1)
