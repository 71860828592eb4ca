"""Where live shots come from: a growing file, a folder that fills, a Karabo bridge.

Each source is a generator that never waits longer than a moment: it yields an `Arrival` of new
shots, a `Notice` for people, or None where there is nothing new yet. It never writes to anything
and never judges a shot.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from model.shots.counts.invalid import invalid
from model.shots.layouts import Geometry
from model.shots.layouts.base import Layout
from model.shots.layouts.formats import Foreign
from model.shots.layouts.stack import Stack

AT_ONCE = 32
"""Shots that one arrival holds at most."""
ENDINGS = frozenset({".h5", ".hdf5", ".cxi", ".nxs"})
IDS = ("train_id", "trainId", "pulse_id", "bunch_id")
STAMPS = ("timestamp", "time_stamp")
"""Names of numbers beside the shots that tell which one it is, and when it was taken."""
DAMAGED = (OSError, RuntimeError, KeyError, ValueError, TypeError, IndexError)
"""What h5py raises on content that is half written or damaged."""


@dataclass(frozen=True)
class Arrival:
    """Shots that came together: `counts` (n, y, x), `ids` (n,), and when each was taken.

    `stamps` (n,) are seconds since the epoch, NaN where the source does not tell; `seen` is when
    they came to us. `mask` is (y, x) or (n, y, x), True = good.
    """

    counts: npt.NDArray[np.generic]
    ids: npt.NDArray[np.int64]
    stamps: npt.NDArray[np.float64]
    origin: str
    mask: npt.NDArray[np.bool_] | None = None
    geometry: Geometry = field(default_factory=Geometry)
    skipped: int = 0
    """Shots before these that were never read, because we were too far behind."""
    seen: float = field(default_factory=time.time)

    def __len__(self) -> int:
        return len(self.counts)

    def mask_of(self, i: int) -> npt.NDArray[np.bool_] | None:
        """(y, x) of one shot, True = good; None where all pixels are."""
        return self.mask[i] if self.mask is not None and self.mask.ndim == 3 else self.mask


@dataclass(frozen=True)
class Notice:
    """Something that a person should be told once."""

    text: str
    level: str = "warning"
    unreadable: int = 0
    """Messages or files that were given up, by this notice."""


Arriving = Iterator["Arrival | Notice | None"]


@dataclass(frozen=True)
class Wanted:
    """What to read of a source. `dataset` in files; `detector` and `key` in a bridge's message;
    `new_only`: pass over what is there already."""

    dataset: str | None = None
    detector: str | None = None
    key: str | None = None
    new_only: bool = False


def read_part(layout: Layout, start: int, stop: int, origin: str, skipped: int = 0) -> Arrival:
    """Shots start … stop - 1 of an open file, with mask, numbers and geometry beside them."""
    for i in range(start, stop):
        why = layout.trouble(i)
        if why:
            raise OSError(f"shot {i + 1} {why}")
    counts = layout.read_slice(start, stop)
    return Arrival(
        counts,
        _ids(layout, start, stop),
        _numbers(layout, STAMPS, start, stop),
        origin,
        _masks(layout, start, counts),
        layout.geometry(),
        skipped,
    )


def _ids(layout: Layout, start: int, stop: int) -> npt.NDArray[np.int64]:
    found = _numbers(layout, IDS, start, stop)
    if np.isfinite(found).all():
        return found.astype(np.int64)
    return np.arange(start, stop, dtype=np.int64)


def _numbers(
    layout: Layout, names: tuple[str, ...], start: int, stop: int
) -> npt.NDArray[np.float64]:
    """(stop - start,) of the first of these numbers that the file has; NaN without."""
    missing = np.full(stop - start, np.nan)
    if isinstance(layout, Foreign):
        known = layout.scalars()
        return next((known[name][start:stop] for name in names if name in known), missing)
    if not isinstance(layout, Stack):
        return missing
    for name in names:
        found = layout.beside(name)
        if found is None or found.ndim != 1 or found.dtype.kind not in "iuf":
            continue
        found.id.refresh()
        values = np.asarray(found[start:stop], np.float64)
        if len(values) == stop - start:
            return values
    return missing


def _masks(
    layout: Layout, start: int, counts: npt.NDArray[np.generic]
) -> npt.NDArray[np.bool_] | None:
    """(y, x) or (n, y, x), True = good; None where all pixels of all shots are."""
    found = []
    for i, shot in enumerate(counts, start):
        mask = layout.mask(i)
        markers = invalid(shot) if layout.has_markers else None
        if markers is not None:
            mask = ~markers if mask is None else mask & ~markers
        found.append(mask)
    known: list[Any] = [m for m in found if m is not None]
    if not known:
        return None
    if len(known) == len(found) and all(m is known[0] for m in known):
        return known[0]
    whole = np.ones(counts.shape[1:], bool)
    return np.stack([whole if m is None else m for m in found])
