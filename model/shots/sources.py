"""A Source: one file of shots, open for reading. It never writes to the file and never locks it."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType

import numpy as np
import numpy.typing as npt

from model.errors import InputError
from model.shots.hdf5 import fingerprint, open_file
from model.shots.layouts import Geometry, Layout, recognise
from model.shots.layouts.base import Counts, FileLabels, Scalars


@dataclass(frozen=True)
class SourceInfo:
    """What is known about a file of shots without opening it again.

    `dataset` names the shots inside the file (inside every entry, in layout "cxidb94");
    `layout` is "stack", "cxi" or "cxidb94"; `shape` is (y, x); `class_names` is () where the file
    carries no labels; `shot_names` is None where shots only have a number.
    """

    path: Path
    dataset: str
    layout: str
    n_shots: int
    shape: tuple[int, int]
    dtype: str
    fingerprint: str
    shot_names: tuple[str, ...] | None = None
    class_names: tuple[str, ...] = ()
    has_mask: bool = False
    geometry: Geometry = field(default_factory=Geometry)


class Source:
    """An open file of shots; a context manager. Made by `open_source`."""

    def __init__(self, file: object, layout: Layout, info: SourceInfo) -> None:
        self._file = file
        self._layout = layout
        self.info = info

    def read(self, i: int) -> Counts:
        """Counts (y, x) of shot i in the file's own type; InputError where it cannot be read."""
        self._check(i, i + 1)
        try:
            counts = self._layout.read(i)
        except _TROUBLE as error:
            raise self._unreadable(i, error) from error
        if counts.shape != self.info.shape:
            raise self._unreadable(i, f"its shape is {counts.shape}, not {self.info.shape}")
        return counts

    def read_slice(self, start: int, stop: int) -> Counts:
        """Counts (n, y, x) of shots start … stop - 1."""
        self._check(start, stop)
        try:
            return self._layout.read_slice(start, stop)
        except _TROUBLE as error:
            raise self._unreadable(start, error) from error

    def mask(self, i: int) -> npt.NDArray[np.bool_] | None:
        """(y, x), True at good pixels; None where the file has no mask."""
        self._check(i, i + 1)
        try:
            return self._layout.mask(i)
        except _TROUBLE as error:
            raise self._unreadable(i, error) from error

    def labels(self) -> tuple[tuple[str, ...], npt.NDArray[np.uint8]] | None:
        """Class names and labels (N, C) that the file carries; None without."""
        found = self.file_labels()
        return None if found is None else (found.names, found.labels)

    def file_labels(self) -> FileLabels | None:
        """The labels, and for which shots anybody decided."""
        try:
            return self._layout.labels()
        except _TROUBLE as error:
            mend = "Choose another file, or leave its labels out."
            what = f"its labels cannot be read ({error})"
            raise InputError(what, file=self.info.path, mend=mend) from error

    def scalars(self) -> Scalars:
        """Numbers that the file has for every shot, each (N,): photon_energy_ev, bunch_id …"""
        try:
            return self._layout.scalars()
        except _TROUBLE as error:
            what = f"its numbers per shot cannot be read ({error})"
            mend = "Copy the file again from its origin."
            raise InputError(what, file=self.info.path, mend=mend) from error

    def close(self) -> None:
        """Let go of the file."""
        self._file.close()  # type: ignore[attr-defined]

    def __enter__(self) -> Source:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def _check(self, start: int, stop: int) -> None:
        if not 0 <= start <= stop <= self.info.n_shots:
            raise IndexError(f"shots {start}…{stop} of {self.info.n_shots}")

    def _unreadable(self, i: int, why: object) -> InputError:
        return InputError(
            f"the shot cannot be read ({why})",
            file=self.info.path,
            place=self.shot_name(i),
            mend="The file may be damaged there: copy it again, or skip this shot.",
        )

    def shot_name(self, i: int) -> str:
        """The file's own name of a shot, or its number from 1."""
        names = self.info.shot_names
        return names[i] if names else f"shot {i + 1}"


_TROUBLE = (OSError, RuntimeError, KeyError, ValueError, TypeError)
"""What h5py raises on damaged or unexpected content."""


def open_source(
    path: Path | str, dataset: str | None = None, *, known: SourceInfo | None = None
) -> Source:
    """Open a file of shots in any supported layout; InputError says what is wrong with it.

    `known`, from an earlier visit, spares finding everything out again.
    """
    path = Path(path)
    file = open_file(path)
    try:
        layout = recognise(
            file, known.dataset if known else dataset, known.shot_names if known else None
        )
        if known is None:
            _check_mask(path, layout)
        info = known or _describe(path, layout)
        if (layout.n_shots, layout.shape) != (info.n_shots, info.shape):
            raise InputError(
                f"holds {layout.n_shots} shots of {layout.shape}, not {info.n_shots} of "
                f"{info.shape} as before",
                file=path,
                mend="The file has changed: add it to a new project.",
            )
        return Source(file, layout, info)
    except InputError:
        file.close()
        raise
    except _TROUBLE as error:
        file.close()
        mend = "Copy the file again from its origin."
        raise InputError(f"is damaged ({error})", file=path, mend=mend) from error


def _check_mask(path: Path, layout: Layout) -> None:
    """InputError where nothing is left of the first shot: the network would see nothing at all."""
    first = layout.mask(0) if layout.n_shots else None
    if first is not None and not first.any():
        what = "its mask leaves no pixel of the first shot"
        mend = "In a mask 0 is good, as in CXI files: turn it round, or give it another name."
        raise InputError(what, file=path, place=layout.dataset, mend=mend)


def _describe(path: Path, layout: Layout) -> SourceInfo:
    full = (layout.n_shots, *layout.shape)
    return SourceInfo(
        path=path.resolve(),
        dataset=layout.dataset,
        layout=layout.name,
        n_shots=layout.n_shots,
        shape=layout.shape,
        dtype=str(layout.dtype),
        fingerprint=fingerprint(path, layout.dataset, full),
        shot_names=layout.shot_names,
        class_names=layout.class_names(),
        has_mask=layout.has_mask(),
        geometry=layout.geometry(),
    )
