"""What formats have in common: nothing beside the counts unless they say so; words for errors."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, ClassVar

import h5py
import numpy as np
import numpy.typing as npt

from model.errors import InputError, install
from model.shots.layouts.base import Counts, FileLabels, Geometry, Scalars, read_each

PARTS_MARKED = 1000
"""Of this many files of one source it is remembered how they were."""


class Foreign:
    """A `model.shots.layouts.base.Layout` with nothing beside the shots, which can be closed."""

    name: ClassVar[str] = ""
    dataset: str
    n_shots: int
    shape: tuple[int, int]
    dtype: np.dtype[np.generic]
    shot_names: tuple[str, ...] | None = None
    has_markers = True

    @classmethod
    def fits(cls, path: Path) -> bool:
        """Whether a path is of this format, by a look that costs nothing."""
        raise NotImplementedError

    @classmethod
    def fits_hdf5(cls, file: h5py.File) -> bool:
        """Whether an open HDF5 file is of this format."""
        return False

    def __init__(
        self, path: Path, dataset: str | None = None, shot_names: Sequence[str] | None = None
    ) -> None:
        """Open for reading; `shot_names` are those of an earlier visit. InputError, or OSError."""
        raise NotImplementedError

    def read(self, i: int) -> Counts:
        """Counts (y, x) of shot i; OSError where it cannot be read."""
        raise NotImplementedError

    read_slice = read_each

    def has_mask(self) -> bool:
        return False

    def mask(self, i: int) -> npt.NDArray[np.bool_] | None:
        return None

    def class_names(self) -> tuple[str, ...]:
        return ()

    def labels(self) -> FileLabels | None:
        return None

    def trouble(self, i: int) -> str:
        return ""

    def is_unwritten(self, i: int) -> bool:
        return False

    def parts(self) -> tuple[Path, ...]:
        return ()

    def notes(self) -> tuple[str, ...]:
        return ()

    def scalars(self) -> Scalars:
        return {}

    def geometry(self) -> Geometry:
        return Geometry()

    def inside(self) -> tuple[tuple[str, tuple[int, ...], str], ...]:
        """(dataset, shape, type) of what may be named with --dataset."""
        return ()

    def close(self) -> None:
        """Let go of what is open."""


class Blocks:
    """An array (shot, y, x), (shot, module, y, x) or (train, pulse, module, y, x), modules one
    above the other, read in blocks along its first axis, of which the last `kept` are kept."""

    def __init__(self, array: Any, block: int, kept: int) -> None:
        self._array, self._block, self._most = array, block, kept
        self.counted: tuple[int, ...] = tuple(array.shape[: max(1, len(array.shape) - 3)])
        """Shots along each of the first axes."""
        self.n_shots = int(np.prod(self.counted, dtype=np.int64))
        self.shape = int(np.prod(array.shape[len(self.counted) : -1])), int(array.shape[-1])
        self.dtype = np.dtype(array.dtype)
        self._blocks: OrderedDict[int, Counts] = OrderedDict()

    def place(self, i: int) -> tuple[int, ...]:
        """Where shot i lies along the first axes."""
        return tuple(map(int, np.unravel_index(i, self.counted)))

    def read(self, i: int) -> Counts:
        """Counts (y, x) of shot i."""
        first, *rest = self.place(i)
        start = first - first % self._block
        if start not in self._blocks:
            block = np.asarray(self._array[start : start + self._block])
            while len(self._blocks) >= self._most:
                self._blocks.popitem(last=False)
            self._blocks[start] = block
        self._blocks.move_to_end(start)
        return np.array(self._blocks[start][(first - start, *rest)]).reshape(self.shape)


@contextmanager
def optional(path: Path, what: str, *packages: str) -> Iterator[None]:
    """Around the import of optional packages; InputError that says how to install them."""
    try:
        yield
    except ImportError as error:
        mend = install(*packages)
        raise InputError(f"{what} need {error.name}", file=path, mend=mend) from error


@contextmanager
def as_os_error(file: Path) -> Iterator[None]:
    """Whatever a foreign library raises on damaged content becomes an OSError with the file."""
    try:
        yield
    except (InputError, OSError):
        raise
    except Exception as error:
        raise OSError(f"{file.name}: {str(error) or type(error).__name__}") from error


def spread(files: Sequence[Path]) -> tuple[Path, ...]:
    """At most `PARTS_MARKED` of the files, spread evenly."""
    step = max(1, -(-len(files) // PARTS_MARKED))
    return tuple(files[::step])
