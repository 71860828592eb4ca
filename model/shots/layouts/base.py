"""What every layout of a file must answer, and how geometry travels. No layout is known here."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Protocol

import numpy as np
import numpy.typing as npt

JOULES_PER_EV = 1.602176634e-19
PLANCK_TIMES_LIGHT = 6.62607015e-34 * 299792458.0
"""In J m. These are exact (SI, 2019), and here so that no one waits for scipy.constants."""
EV_METRES = PLANCK_TIMES_LIGHT / JOULES_PER_EV
"""Photon energy in eV times wavelength in m."""
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
    """Labels that a file carries: `labels` (N, C) of 0 and 1, `labelled` (N,) where decided.

    `known` (N, C) False where a labelled shot says nothing of a class; None: of no class.
    """

    names: tuple[str, ...]
    labels: npt.NDArray[np.uint8]
    labelled: npt.NDArray[np.bool_]
    known: npt.NDArray[np.bool_] | None = None


class Layout(Protocol):
    """One open file, read the way its layout asks. May raise anything h5py raises."""

    name: ClassVar[str]
    dataset: str
    n_shots: int
    shape: tuple[int, int]
    dtype: np.dtype[np.generic]
    shot_names: tuple[str, ...] | None
    has_markers: bool
    """Whether the rule of `model.shots.counts.invalid` holds for its numbers."""

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

    def trouble(self, i: int) -> str:
        """Why shot i cannot be delivered although the file would give numbers; '' where it can."""

    def is_unwritten(self, i: int) -> bool:
        """Whether shot i, which reads as nothing but zeros, was never written."""

    def parts(self) -> tuple[Path, ...]:
        """Other files that the shots lie in."""

    def notes(self) -> tuple[str, ...]:
        """What was decided about the file that a person should know."""

    def scalars(self) -> Scalars:
        """Numbers for every shot, by name, each (N,)."""

    def geometry(self) -> Geometry:
        """What the file says about the detector."""


def read_each(layout: Layout, start: int, stop: int) -> Counts:
    """`Layout.read_slice` of a file whose shots are read one by one."""
    if start == stop:
        return np.empty((0, *layout.shape), layout.dtype)
    return np.stack([layout.read(i) for i in range(start, stop)])


class Mask:
    """Which pixels a mask dataset calls good: its field of bits, or its ones.

    A CXI field of bits has 0 for good. A mask of nothing but 0 and 1 that would leave less than
    half of the pixels has 1 for good, as psana, pyFAI's opposite and many scripts write it.
    """

    def __init__(self, first: npt.ArrayLike) -> None:
        values = np.asarray(first)
        self.one_is_good = False
        if values.size and (values.dtype.kind == "b" or (values.max() <= 1 and values.min() >= 0)):
            self.one_is_good = float(np.mean(values != 0)) > 0.5

    def good(self, mask: npt.ArrayLike) -> npt.NDArray[np.bool_]:
        """True at good pixels; in a field of bits mere signal is no defect."""
        field = np.asarray(mask)
        if self.one_is_good:
            return np.asarray(field != 0)
        if field.dtype.kind == "b":
            return ~field
        return np.asarray((field.astype(np.int64) & ~HAS_SIGNAL) == 0)

    @property
    def note(self) -> str:
        """How it was understood."""
        good, bad = ("1", "0") if self.one_is_good else ("0", "anything else")
        return f"mask: {good} is a good pixel, {bad} a bad one"
