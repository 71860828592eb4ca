"""What every layout of a file must answer, and how geometry travels. No layout is known here."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Protocol

import numpy as np
import numpy.typing as npt

JOULES_PER_EV = 1.602176634e-19
HAS_SIGNAL = 0x1000
"""The one bit of a CXI mask that marks no defect (CXI 1.6, table of pixel mask bits)."""

Counts = npt.NDArray[np.generic]
Scalars = dict[str, npt.NDArray[np.float64]]


@dataclass(frozen=True)
class Geometry:
    """Where the detector stood, as far as a file says; None where it does not.

    `centre` is (y, x) of the beam in pixels.
    """

    wavelength_m: float | None = None
    distance_m: float | None = None
    pixel_m: float | None = None
    centre: tuple[float, float] | None = None


@dataclass(frozen=True)
class FileLabels:
    """Labels that a file carries: `labels` (N, C) of 0 and 1, `labelled` (N,) where decided."""

    names: tuple[str, ...]
    labels: npt.NDArray[np.uint8]
    labelled: npt.NDArray[np.bool_]


class Layout(Protocol):
    """One open file, read the way its layout asks. May raise anything h5py raises."""

    name: ClassVar[str]
    dataset: str
    n_shots: int
    shape: tuple[int, int]
    dtype: np.dtype[np.generic]
    shot_names: tuple[str, ...] | None

    def read(self, i: int) -> Counts:
        """Counts (y, x) of shot i."""

    def read_slice(self, start: int, stop: int) -> Counts:
        """Counts (n, y, x) of shots start … stop - 1."""

    def has_mask(self) -> bool:
        """Whether `mask` has anything to say."""

    def mask(self, i: int) -> npt.NDArray[np.bool_] | None:
        """(y, x), True at good pixels; None without a mask."""

    def class_names(self) -> tuple[str, ...]:
        """Names of the label columns; () without labels."""

    def labels(self) -> FileLabels | None:
        """All labels of the file; None without."""

    def scalars(self) -> Scalars:
        """Numbers for every shot, by name, each (N,)."""

    def geometry(self) -> Geometry:
        """What the file says about the detector."""


def good(mask: npt.ArrayLike) -> npt.NDArray[np.bool_]:
    """A CXI bit field to True at good pixels: 0 is good, and so is mere signal."""
    field = np.asarray(mask)
    if field.dtype.kind == "b":
        return ~field
    return np.asarray((field.astype(np.int64) & ~HAS_SIGNAL) == 0)
