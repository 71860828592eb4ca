"""Dragonfly's photon files, `.emc`: sparse counts of detector pixels, binary or HDF5.

Where the pixels lie says a detector file, named with --dataset or found beside the shots by its
number of pixels: each line has qx, qy, qz, a correction and the pixel's kind (2 is bad), and before
all the number of pixels, the detector's distance in pixels and the radius of the Ewald sphere
(Ayyer et al., J. Appl. Cryst. 49, 1320 (2016)). Without one, --dataset 185x194 says the shape of
pixels that fill a rectangle.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import h5py
import numpy as np
import numpy.typing as npt

from model.errors import InputError
from model.shots.layouts.base import Counts, Geometry
from model.shots.layouts.formats.base import Foreign

HEAD = 1024
"""Bytes before the counts of a binary file."""
BAD = 2
LARGEST_SIDE = 2**14
DETECTORS = ("*.dat", "det*.h5")


@dataclass(frozen=True)
class PixelPlaces:
    """Rows and columns (P,) of the pixels in the picture, and which of them are good."""

    rows: npt.NDArray[np.int64]
    columns: npt.NDArray[np.int64]
    good: npt.NDArray[np.bool_]
    centre: tuple[float, float] | None = None


class Emc(Foreign):
    """The layout of Dragonfly's photon files."""

    name: ClassVar[str] = "emc"
    has_markers = False

    @classmethod
    def fits(cls, path: Path) -> bool:
        return path.suffix.lower() == ".emc" and path.is_file()

    @classmethod
    def fits_hdf5(cls, file: h5py.File) -> bool:
        return {"place_ones", "place_multi", "count_multi", "num_pix"} <= set(file)

    def __init__(
        self, path: Path, dataset: str | None = None, shot_names: Sequence[str] | None = None
    ) -> None:
        self.path = path
        self._photons: _Hdf5Photons | _BinaryPhotons = (
            _Hdf5Photons(path) if h5py.is_hdf5(path) else _BinaryPhotons(path)
        )
        self._pixels, self.n_shots = self._photons.n_pixels, self._photons.n_shots
        self._file: Path | None = None
        detector = self._detector(dataset)
        self.shape = (int(detector.rows.max()) + 1, int(detector.columns.max()) + 1)
        self.dtype = np.dtype(np.int32)
        self._places = detector.rows * self.shape[1] + detector.columns
        good = np.zeros(self.shape, bool)
        good.reshape(-1)[self._places[detector.good]] = True
        self._good = None if good.all() else good
        self._centre = detector.centre

    def _detector(self, dataset: str | None) -> PixelPlaces:
        self.dataset = dataset or ""
        given = re.fullmatch(r"(\d+)x(\d+)", self.dataset)
        if given:
            y, x = int(given[1]), int(given[2])
            if y * x != self._pixels:
                mend = "Give the rows and columns of this detector."
                what = f"shots have {self._pixels:,} pixels, not {y} × {x}"
                raise InputError(what, file=self.path, mend=mend)
            rows, columns = np.divmod(np.arange(y * x), x)
            return PixelPlaces(rows, columns, np.ones(y * x, bool))
        if dataset:
            self._file = self.path.parent / dataset
            return read_detector(self._file, self._pixels)
        beside = sorted(f for kind in DETECTORS for f in self.path.parent.glob(kind))
        fits = [f for f in beside if f.is_file() and pixels_of(f) == self._pixels]
        if len(fits) == 1:
            self._file, self.dataset = fits[0], fits[0].name
            return read_detector(fits[0], self._pixels)
        what = f"the detector file of its {self._pixels:,} pixels is not beside it"
        if fits:
            what = f"several detector files fit: {', '.join(f.name for f in fits)}"
        mend = "Name it: --dataset DETECTOR.dat; or the rows and columns: --dataset 185x194."
        raise InputError(what, file=self.path, mend=mend)

    def read(self, i: int) -> Counts:
        ones, multi, counts = self._photons.of(i)
        picture = np.zeros(self.shape, np.int32)
        flat = picture.reshape(-1)
        for places in (ones, multi):
            if len(places) and not 0 <= places.min() <= places.max() < self._pixels:
                raise OSError(f"photons outside the {self._pixels:,} pixels")
        flat[self._places[ones]] = 1
        flat[self._places[multi]] = counts
        return picture

    def has_mask(self) -> bool:
        return self._good is not None

    def mask(self, i: int) -> npt.NDArray[np.bool_] | None:
        return self._good

    def parts(self) -> tuple[Path, ...]:
        return () if self._file is None else (self._file,)

    def geometry(self) -> Geometry:
        return Geometry(centre=self._centre)

    def notes(self) -> tuple[str, ...]:
        return () if self._file is None else (f"pixels lie as in {self._file.name}",)

    def close(self) -> None:
        self._photons.close()


class _BinaryPhotons:
    """num_data, num_pix; at 1024 the numbers of ones and multis, then places and counts."""

    def __init__(self, path: Path) -> None:
        numbers = np.fromfile(path, "<i4", 2)
        size = path.stat().st_size
        if len(numbers) < 2 or numbers.min() <= 0 or size < HEAD + 8 * int(numbers[0]):
            mend = "Copy it again from its origin."
            raise InputError("is no photon file of Dragonfly", file=path, mend=mend)
        self.n_shots, self.n_pixels = map(int, numbers)
        self._data = np.memmap(path, "<i4", "r", HEAD, ((size - HEAD) // 4,))
        n = self.n_shots
        ones, multi = self._data[:n].astype(np.int64), self._data[n : 2 * n].astype(np.int64)
        total = 2 * n + int(ones.sum()) + 2 * int(multi.sum())
        if min(ones.min(), multi.min()) < 0 or total > len(self._data):
            mend = "Copy it again from its origin, or wait until it is completely written."
            raise InputError("the file is cut short", file=path, mend=mend)
        self._ones = 2 * n + np.concatenate([[0], np.cumsum(ones)])
        self._multi = self._ones[-1] + np.concatenate([[0], np.cumsum(multi)])
        self._n_multi = int(multi.sum())

    def of(self, i: int) -> tuple[Counts, Counts, Counts]:
        a, b = self._multi[i], self._multi[i + 1]
        return (
            np.array(self._data[self._ones[i] : self._ones[i + 1]]),
            np.array(self._data[a:b]),
            np.array(self._data[a + self._n_multi : b + self._n_multi]),
        )

    def close(self) -> None:
        del self._data


class _Hdf5Photons:
    """The same as arrays of different length."""

    def __init__(self, path: Path) -> None:
        self._file = h5py.File(path, "r", locking=False)
        self.n_pixels = int(np.ravel(self._file["num_pix"][()])[0])
        self.n_shots = len(self._file["place_ones"])

    def of(self, i: int) -> tuple[Counts, Counts, Counts]:
        ones, multi, counts = (
            np.asarray(self._file[name][i]) for name in ("place_ones", "place_multi", "count_multi")
        )
        return ones, multi, counts

    def close(self) -> None:
        self._file.close()


def pixels_of(path: Path) -> int | None:
    """How many pixels a detector file has; None for any other file."""
    if h5py.is_hdf5(path):
        with h5py.File(path, "r", locking=False) as file:
            return int(file["qx"].size) if "qx" in file and "qz" in file else None
    with path.open("rb") as stream:
        first = stream.readline(200).split()
    return int(first[0]) if first and first[0].isdigit() and len(first) in (1, 3) else None


def read_detector(path: Path, pixels: int) -> PixelPlaces:
    """A detector file; InputError where it is none, or one of another detector."""
    mend = "Name the detector file of these shots: --dataset DETECTOR.dat."
    again = "Make it again with Dragonfly's utilities."
    if not path.is_file():
        raise InputError("there is no such detector file", file=path, mend=mend)
    found = pixels_of(path)
    if found != pixels:
        have = "is no detector file" if found is None else f"is of a detector of {found:,} pixels"
        raise InputError(f"{have}; the shots have {pixels:,}", file=path, mend=mend)
    try:
        if h5py.is_hdf5(path):
            with h5py.File(path, "r", locking=False) as file:
                q = np.stack([np.ravel(file[name][()]) for name in ("qx", "qy", "qz")])
                kind = np.ravel(file["mask"][()])
                distance, radius = (float(np.ravel(file[n][()])[0]) for n in ("detd", "ewald_rad"))
        else:
            with path.open(encoding="utf-8") as stream:
                head = stream.readline().split()
                table = np.loadtxt(stream, ndmin=2)
            distance, radius = map(float, head[1:3])
            q, kind = table[:, :3].T, table[:, 4]
    except (ValueError, IndexError, KeyError, OSError) as error:
        what = f"does not say where each pixel lies ({error})"
        raise InputError(what, file=path, mend=again) from error
    scale = distance / (q[2] + radius)
    down, right = q[0] * scale, q[1] * scale
    rows, columns = (np.rint(v - v.min()).astype(np.int64) for v in (down, right))
    shapes = len(rows), len(kind)
    if shapes != (pixels, pixels) or max(rows.max(), columns.max()) >= LARGEST_SIDE:
        what = f"does not say where each of the {pixels:,} pixels lies"
        raise InputError(what, file=path, mend=again)
    return PixelPlaces(rows, columns, kind != BAD, (-float(down.min()), -float(right.min())))
