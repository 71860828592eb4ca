"""A Source: one file or folder of shots, open for reading, never written to and never locked."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path

import h5py
import numpy as np
import numpy.typing as npt

from model.errors import InputError, counted, on_one_line
from model.shots.counts.check import Glance, doubts_of, glance_at, unusable
from model.shots.counts.invalid import invalid
from model.shots.counts.invalid import said as markers_said
from model.shots.fingerprints import FileMark, fingerprint, hash_of, marks_of
from model.shots.layouts import Closable, Geometry, Layout, open_layout
from model.shots.layouts.base import Counts, FileLabels, Scalars
from model.shots.layouts.formats import Foreign


@dataclass(frozen=True)
class SourceInfo:
    """What is known about a file of shots without opening it again.

    `dataset` names the shots inside the file (inside every entry, in layout "cxidb94");
    `layout` is the name of one of `model.shots.layouts`; `shape` is (y, x); `class_names` is ()
    where the file carries no labels; `shot_names` is None where shots only have a number.
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
    files: tuple[FileMark, ...] = ()
    """The file itself and those that its shots lie in, as they were."""
    samples: tuple[tuple[int, int], ...] = ()
    """(shot, hash of its counts) of a few shots: whether a file that changed has the same ones."""
    notes: tuple[str, ...] = ()
    """What was decided about the file that a person should know."""
    doubts: tuple[str, ...] = ()
    """Why its numbers may be no counts, see `counts.check`."""

    @property
    def name(self) -> str:
        """The file's name, as it is shown."""
        return on_one_line(self.path.name)

    def shot_name(self, i: int) -> str:
        """The file's own name of a shot, or its number from 1."""
        return self.shot_names[i] if self.shot_names else f"shot {i + 1}"

    @property
    def is_hdf5(self) -> bool:
        """Whether it is one HDF5 file, which other programs can be pointed to."""
        return self.path.is_file() and h5py.is_hdf5(self.path)


class Source:
    """An open file of shots; a context manager. Made by `open_source`."""

    def __init__(self, file: Closable, layout: Layout, info: SourceInfo) -> None:
        self._file = file
        self._layout = layout
        self.info = info

    def read(self, i: int) -> Counts:
        """Counts (y, x) of shot i in the file's own type; InputError where it cannot be read."""
        self._check(i, i + 1)
        try:
            why = self._layout.trouble(i)
            if why:
                raise self._unreadable(i, why)
            counts = self._layout.read(i)
            if counts.shape != self.info.shape:
                raise self._unreadable(i, f"its shape is {counts.shape}, not {self.info.shape}")
            if not counts.any() and self._layout.is_unwritten(i):
                raise self._unreadable(i, "it was never written")
        except _TROUBLE as error:
            raise self._unreadable(i, error) from error
        if counts.dtype.kind == "f" and not _has_number(counts):
            raise self._unreadable(i, "none of its pixels is a finite number")
        return counts

    def read_slice(self, start: int, stop: int) -> Counts:
        """Counts (n, y, x) of shots start … stop - 1."""
        self._check(start, stop)
        if start == stop:
            return np.empty((0, *self.info.shape), np.dtype(self.info.dtype))
        return np.stack([self.read(i) for i in range(start, stop)])

    def shot(self, i: int) -> tuple[Counts, npt.NDArray[np.bool_] | None]:
        """Counts (y, x) and which of them count: the file's mask without the detector's markers.

        The mask is True at good pixels, None where all are. InputError where nothing is left.
        """
        counts = self.read(i)
        mask, markers = self.mask(i), invalid(counts) if self._layout.has_markers else None
        if markers is not None:
            mask = ~markers if mask is None else mask & ~markers
        if mask is not None and not mask.any():
            raise self._unreadable(i, "its mask leaves no pixel")
        return counts, mask

    def mask(self, i: int) -> npt.NDArray[np.bool_] | None:
        """(y, x), True at good pixels; None where the file has no mask."""
        self._check(i, i + 1)
        try:
            return self._layout.mask(i)
        except _TROUBLE as error:
            raise self._unreadable(i, error) from error

    def parts(self) -> tuple[Path, ...]:
        """Other files that shots of this one lie in."""
        return self._layout.parts()

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
            found = self._layout.scalars()
        except _TROUBLE as error:
            what = f"its numbers per shot cannot be read ({error})"
            mend = "Copy the file again from its origin."
            raise InputError(what, file=self.info.path, mend=mend) from error
        return {on_one_line(name): values for name, values in found.items()}

    def inside(self) -> tuple[tuple[str, tuple[int, ...], str], ...]:
        """(dataset, shape, type) of what can be named in a file that is no HDF5."""
        return self._layout.inside() if isinstance(self._layout, Foreign) else ()

    def close(self) -> None:
        """Let go of the file."""
        self._file.close()

    def __enter__(self) -> Source:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def _check(self, start: int, stop: int) -> None:
        if not 0 <= start <= stop <= self.info.n_shots:
            raise IndexError(f"shots {start}…{stop} of {self.info.n_shots}")

    def _unreadable(self, i: int, why: object) -> InputError:
        return InputError(
            f"the shot cannot be read ({why})",
            file=self.info.path,
            place=self.info.shot_name(i),
            mend="The file may be damaged there: copy it again, or skip this shot.",
        )


_TROUBLE = (OSError, RuntimeError, KeyError, ValueError, TypeError, IndexError, MemoryError)
"""What h5py raises on damaged or unexpected content."""
SAMPLES = 8
"""Shots whose counts are remembered by a hash."""


def open_source(
    path: Path | str, dataset: str | None = None, *, known: SourceInfo | None = None
) -> Source:
    """Open a file of shots in any supported layout; InputError says what is wrong with it.

    `known`, from an earlier visit, spares finding everything out again; a file that has grown
    since is read as far as it is known.
    """
    path = Path(path)
    damaged = "Copy the file again from its origin."
    try:
        if known is None:
            file, layout = open_layout(path, dataset)
        else:
            file, layout = open_layout(path, known.dataset, known.shot_names, known.layout)
    except _TROUBLE as error:
        raise InputError(f"is damaged ({error})", file=path, mend=damaged) from error
    try:
        info = _describe(path, layout) if known is None else known
        if layout.shape != info.shape or layout.n_shots < info.n_shots:
            raise InputError(
                f"holds {counted(layout.n_shots, 'shot')} of {layout.shape}, not {info.n_shots} of "
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
        raise InputError(f"is damaged ({error})", file=path, mend=damaged) from error


def _has_number(counts: Counts) -> bool:
    few = counts.ravel()[::97]
    return bool(np.isfinite(few).any() or np.isfinite(counts).any())


def _describe(path: Path, layout: Layout) -> SourceInfo:
    full, parts = (layout.n_shots, *layout.shape), layout.parts()
    has_mask = layout.has_mask()
    return SourceInfo(
        path=path.resolve(),
        dataset=layout.dataset,
        layout=layout.name,
        n_shots=layout.n_shots,
        shape=layout.shape,
        dtype=str(layout.dtype),
        fingerprint=fingerprint(path, layout.dataset, full, parts),
        shot_names=layout.shot_names,
        class_names=layout.class_names(),
        has_mask=has_mask,
        geometry=layout.geometry(),
        notes=layout.notes(),
    )


def examined(source: Source) -> SourceInfo:
    """What is known of a file after some of its shots were read, and marks of all its files.

    InputError where none of these shots can be read: the reason of the first.
    """
    info, layout = source.info, source._layout
    refused: InputError | None = None
    samples: list[tuple[int, int]] = []
    glances: list[Glance] = []
    doubts: list[str] = []
    said = ""
    for i in sampled(info.n_shots):
        try:
            counts, mask = source.shot(i)
        except InputError as error:
            refused = refused or error
            continue
        if not samples and layout.has_markers:
            said = markers_said(counts.dtype, counts)
        samples.append((i, hash_of(counts)))
        why = unusable(counts, mask)
        if not why:
            glances.append(glance_at(counts, mask))
        elif not doubts:
            doubts.append(f"a network passes over such shots as {info.shot_name(i)}: {why}")
    if not samples and refused is not None:
        raise refused
    if layout.has_markers:  # else they are no counts of a detector, as in a correlation map
        doubts += doubts_of(glances)
    notes = [*info.notes, *filter(None, [said])]
    if refused is not None:
        notes.append(f"not every shot can be read ({refused.what})")
    marks = marks_of(info.path, source.parts())
    return replace(
        info, files=marks, samples=tuple(samples), notes=tuple(notes), doubts=tuple(doubts)
    )


def sampled(n: int) -> list[int]:
    """The first, the last and some shots between."""
    return sorted({round(k * (n - 1) / (SAMPLES - 1)) for k in range(SAMPLES)})
