"""Files of pictures: TIFF, EDF, CBF, NPY, PNG; one alone, a folder of them, or a list of them.

Shots follow the natural order of the names (img_2 before img_10), those of a list its own. A file
may hold several shots. A folder or list may hold HDF5 files too, each opened as it would be alone.
As `dataset` a folder takes a pattern of names, as `*.tif`, and behind // a dataset inside HDF5
files, as `*.h5//entry/data/data`. A list has a name a line, and behind // the number, from 0, of
one shot of that file, as CrystFEL writes it.
"""

from __future__ import annotations

import re
from collections import Counter, OrderedDict
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from fnmatch import fnmatch
from pathlib import Path
from typing import ClassVar, Protocol

import numpy as np

from model.errors import InputError, counted
from model.shots.layouts.base import Counts
from model.shots.layouts.formats.base import Foreign, as_os_error, optional, spread

LISTS = (".lst", ".txt")
HDF5 = (".h5", ".hdf5", ".cxi", ".nxs")
OPEN_AT_ONCE = 16
HEADS = 5000
"""Of this many files of a source the size is looked at before any is read; of more, of these."""


class Picture(Protocol):
    """One open file of n shots of a shape (y, x)."""

    n: int
    shape: tuple[int, int]
    dtype: np.dtype[np.generic]

    def read(self, k: int) -> Counts: ...

    def close(self) -> None: ...


class _Tiff:
    def __init__(self, path: Path, dataset: str | None) -> None:
        with optional(path, "TIFF files", "tifffile", "imagecodecs"):
            import tifffile
        with ExitStack() as opened:
            stream = opened.enter_context(path.open("rb"))
            series = tifffile.TiffFile(stream).series[0]
            self.n, self.shape = _axes(series.shape, path, coloured=series.axes.endswith("S"))
            self._close = opened.pop_all().close
        self.dtype = series.dtype
        self._by_page = len(series.pages) == self.n
        self._series = series
        self._whole: Counts | None = None

    def read(self, k: int) -> Counts:
        if self._by_page:
            return np.asarray(self._series.pages[k].asarray())
        if self._whole is None:
            self._whole = self._series.asarray().reshape(self.n, *self.shape)
        return np.asarray(self._whole[k])

    def close(self) -> None:
        self._close()


class _Fabio:
    def __init__(self, path: Path, dataset: str | None) -> None:
        with optional(path, "EDF and CBF files", "fabio"):
            import fabio
        self._file = fabio.open(path)
        self.n = int(self._file.nframes)
        self.shape = _axes(self._file.shape, path)[1]
        self.dtype = np.dtype(self._file.dtype)

    def read(self, k: int) -> Counts:
        return np.asarray(self._file.data if self.n == 1 else self._file.getframe(k).data)

    def close(self) -> None:
        self._file.close()


class _Npy:
    def __init__(self, path: Path, dataset: str | None) -> None:
        self._data = np.load(path, mmap_mode="r", allow_pickle=False)
        self.n, self.shape = _axes(self._data.shape, path)
        self.dtype = self._data.dtype

    def read(self, k: int) -> Counts:
        return np.array(self._data.reshape(self.n, *self.shape)[k])

    def close(self) -> None:
        del self._data


class _Png:
    def __init__(self, path: Path, dataset: str | None) -> None:
        from PIL import Image

        with ExitStack() as opened:
            self._file = Image.open(opened.enter_context(path.open("rb")))
            if self._file.mode not in ("L", "I", "I;16", "I;16B", "F", "1"):
                raise _coloured(path)
            self._close = opened.pop_all().close
        width, height = self._file.size
        self.n, self.shape = 1, (height, width)
        self.dtype = np.dtype(
            {"L": "u1", "1": "?", "I": "i4", "F": "f4"}.get(self._file.mode, "u2")
        )

    def read(self, k: int) -> Counts:
        return np.asarray(self._file).astype(self.dtype, copy=False)

    def close(self) -> None:
        self._close()


class _Hdf5:
    def __init__(self, path: Path, dataset: str | None) -> None:
        from model.shots.hdf5 import open_file
        from model.shots.layouts.recognition import recognise

        with ExitStack() as opened:
            self._layout = recognise(opened.enter_context(open_file(path)), dataset)
            self._close = opened.pop_all().close
        self.n, self.shape = self._layout.n_shots, self._layout.shape
        self.dtype = self._layout.dtype

    def read(self, k: int) -> Counts:
        why = self._layout.trouble(k)
        if why:
            raise OSError(why)
        return self._layout.read(k)

    def close(self) -> None:
        self._close()


OPENERS: dict[str, Callable[[Path, str | None], Picture]] = {
    ".tif": _Tiff, ".tiff": _Tiff, ".edf": _Fabio, ".cbf": _Fabio, ".npy": _Npy, ".png": _Png,
    **dict.fromkeys(HDF5, _Hdf5),
}  # fmt: skip


def _axes(
    shape: Sequence[int], path: Path, *, coloured: bool = False
) -> tuple[int, tuple[int, int]]:
    """(n, (y, x)) of an array of pictures."""
    if coloured or len(shape) > 3:
        raise _coloured(path)
    if len(shape) < 2:
        mend = "Choose a file of pictures (y, x)."
        raise InputError(f"has shape {tuple(shape)}, which is no picture", file=path, mend=mend)
    return (int(shape[0]) if len(shape) == 3 else 1), (int(shape[-2]), int(shape[-1]))


def _coloured(path: Path) -> InputError:
    mend = "Choose pictures of counts, with one number a pixel."
    return InputError("holds colours or more than three axes", file=path, mend=mend)


def natural(path: Path) -> list[str | int]:
    """Sorts img_2 before img_10."""
    pieces = re.split(r"(\d+)", path.name)
    return [int(p) if k % 2 else p.casefold() for k, p in enumerate(pieces)]


@dataclass(frozen=True)
class _Entry:
    """Shots of one file: all, or the one that a list names."""

    path: Path
    frame: int | None = None


class Pictures(Foreign):
    """The layout of files of pictures."""

    name: ClassVar[str] = "pictures"

    @classmethod
    def fits(cls, path: Path) -> bool:
        if path.is_dir():
            return any(p.suffix.lower() in OPENERS for p in path.iterdir())
        suffix = path.suffix.lower()
        if suffix in LISTS:
            return path.is_file()
        return suffix in OPENERS and suffix not in HDF5 and path.is_file()

    def __init__(
        self, path: Path, dataset: str | None = None, shot_names: Sequence[str] | None = None
    ) -> None:
        self.path = path
        self._inner: str | None = None
        self._open: OrderedDict[Path, Picture] = OrderedDict()
        self._why: dict[Path, str] = {}
        self.dataset, self._entries = self._find(dataset)
        if shot_names:
            home = path if path.is_dir() else path.parent
            self._entries = [_Entry(home / name) for name in shot_names]
        self._look(known=bool(shot_names))

    def _find(self, dataset: str | None) -> tuple[str, list[_Entry]]:
        if self.path.is_dir():
            return self._in_folder(dataset)
        if self.path.suffix.lower() in LISTS:
            self._inner = dataset or None
            return dataset or "", list(_listed(self.path))
        if dataset:
            mend = "Leave out --dataset."
            raise InputError("holds pictures only", file=self.path, place=dataset, mend=mend)
        return "", [_Entry(self.path)]

    def _in_folder(self, dataset: str | None) -> tuple[str, list[_Entry]]:
        pattern, _, inner = (dataset or "").partition("//")
        if pattern and not any(c in pattern for c in "*?["):
            pattern, inner = "", pattern
        files = [
            p for p in self.path.iterdir()
            if p.suffix.lower() in OPENERS and not p.name.startswith(".") and p.is_file()
            and (not pattern or fnmatch(p.name, pattern))
        ]  # fmt: skip
        kinds = Counter(p.suffix for p in files)
        if not files:
            mend = f"There are: {', '.join(sorted(p.name for p in self.path.iterdir())[:5])} …"
            raise InputError("fits no picture here", file=self.path, place=pattern, mend=mend)
        if len(kinds) > 1 and not pattern:
            have = ", ".join(f"{n:,} {kind}" for kind, n in kinds.most_common())
            mend = f"Name one: --dataset '*{kinds.most_common()[0][0]}'."
            raise InputError(f"holds several kinds of files: {have}", file=self.path, mend=mend)
        self._inner = inner or None
        pattern = pattern or f"*{files[0].suffix}"
        found = [_Entry(p) for p in sorted(files, key=natural)]
        return f"{pattern}//{inner}" if inner else pattern, found

    def _look(self, *, known: bool) -> None:
        """How many shots each file holds, and that all are of one size."""
        counts = np.ones(len(self._entries), np.int64)
        sizes: dict[tuple[int, int], Path] = {}
        usual: Picture | None = None
        refused: Exception | None = None
        held: dict[Path, int] = {}
        step = max(1, -(-len(self._entries) // HEADS))
        looked = range(0, len(self._entries), step)
        for k in looked:
            entry = self._entries[k]
            if known and usual is not None:
                break
            try:
                picture = self._picture(entry.path)
            except (OSError, InputError) as error:
                self._why[entry.path] = str(error)
                refused = refused or error
                continue
            held[entry.path] = picture.n
            sizes.setdefault(picture.shape, entry.path)
            usual = usual or picture
            if entry.frame is None:
                counts[k] = picture.n
        if usual is None:
            if isinstance(refused, InputError):
                raise refused
            mend = "Copy it again from its origin."
            why = refused or "it names no file"
            raise InputError(f"no picture can be read ({why})", file=self.path, mend=mend)
        if len(sizes) > 1:
            have = ", ".join(f"{p.name} {y} × {x}" for (y, x), p in list(sizes.items())[:4])
            what = f"holds pictures of different size: {have}"
            mend = "Put one size into a folder, or choose by name: --dataset 'run7_*.tif'."
            raise InputError(what, file=self.path, mend=mend)
        typical = Counter(held.values()).most_common(1)[0][0]
        for k, entry in enumerate(self._entries):
            if entry.frame is None and entry.path not in held and not known:
                counts[k] = typical
        self.shape, self.dtype = usual.shape, usual.dtype
        self._starts = np.concatenate([[0], np.cumsum(counts)])
        self.n_shots = int(self._starts[-1])
        if len(self._entries) > 1 and (counts == 1).all():
            listed = all(entry.frame is None for entry in self._entries)
            self.shot_names = tuple(map(self._name, self._entries)) if listed else None

    def _name(self, entry: _Entry) -> str:
        home = self.path if self.path.is_dir() else self.path.parent
        inside = entry.path.is_relative_to(home)
        return entry.path.relative_to(home).as_posix() if inside else str(entry.path)

    def _picture(self, path: Path) -> Picture:
        """The open file; OSError where it cannot be opened."""
        if path not in self._open:
            opener = OPENERS.get(path.suffix.lower())
            if opener is None:
                raise OSError(f"{path.name} is of no kind that is read: {', '.join(OPENERS)}")
            with as_os_error(path):
                found = opener(path, self._inner)
            while len(self._open) >= OPEN_AT_ONCE:
                self._open.popitem(last=False)[1].close()
            self._open[path] = found
        self._open.move_to_end(path)
        return self._open[path]

    def _place(self, i: int) -> tuple[Path, int]:
        number = int(np.searchsorted(self._starts, i, "right")) - 1
        entry = self._entries[number]
        return entry.path, i - int(self._starts[number]) if entry.frame is None else entry.frame

    def trouble(self, i: int) -> str:
        path, k = self._place(i)
        if path in self._why:
            return self._why[path]
        try:
            held = self._picture(path).n
        except InputError as error:
            return str(error)
        return "" if k < held else f"{path.name} holds only {counted(held, 'shot')}"

    def read(self, i: int) -> Counts:
        path, k = self._place(i)
        with as_os_error(path):
            return self._picture(path).read(k)

    def parts(self) -> tuple[Path, ...]:
        files = list(dict.fromkeys(entry.path for entry in self._entries))
        return spread(files) if files != [self.path] else ()

    def notes(self) -> tuple[str, ...]:
        said = []
        files = len({entry.path for entry in self._entries})
        if files > 1:
            said.append(f"{files:,} files in the order of their names")
            if self.path.is_file():
                said[-1] = f"{files:,} files in the order of the list"
        if self._why:
            said.append(f"{len(self._why):,} of them cannot be read")
        return tuple(said)

    def close(self) -> None:
        while self._open:
            self._open.popitem()[1].close()


def _listed(path: Path) -> Iterator[_Entry]:
    lines = path.read_text(encoding="utf-8", errors="replace").splitlines()
    for number, line in enumerate(lines, 1):
        name, _, event = line.strip().partition(" //")
        if not name or name.startswith("#"):
            continue
        if not (path.parent / name).is_file() or (event and not event.strip().isdecimal()):
            mend = "Write a file name a line, with its number of a shot as in: run.h5 //12"
            place = f"line {number}"
            raise InputError(f"{line.strip()!r} is no file here", file=path, place=place, mend=mend)
        yield _Entry(path.parent / name, int(event) if event else None)
