"""What the shots of a file show of its pixels: hot, dead or full ones, and light that all share.

Hot and dead ones are left out, and shared light is subtracted. A full one counts no further, and
what it missed is estimated: from the edge of the full part inwards, light grows with the fourth
power of the distance to the beam, as the envelope of what a droplet scatters does (Porod's law),
until a third of the way to the beam.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from model.preprocessing.preparation import PixelStatistics, Reference
from model.preprocessing.shared_light import blocks_of, shared_light

Flags = npt.NDArray[np.bool_]
Floats = npt.NDArray[np.float32]
FEWEST_SHOTS = 16
"""Of a sample that tells."""
DARK = 0.05
"""Share of the pixels of a shot below its dark level."""
TELLING = 20000
"""Pixels that tell it."""
PLATEAU, BELOW = 0.02, 0.2
"""Shares of the range of a shot, from its top down, that hold a plateau, and what lies below."""
FEWEST_FULL = 9
"""Pixels of a plateau."""
SHOTS = 0.05
"""Share of the shots, two at least, that must end in the same plateau."""
POROD = 4.0
CORE = 1 / 3
"""From this share of the way to the beam on, light grows no more."""


@dataclass(frozen=True)
class FilePixels:
    """bad (y, x) True: hot or dead; None: none, or too few shots to tell. Pixels of `full` counts
    or more are full; `dark`: counts of a pixel without light. `light` (y, x): counts of light that
    all shots share; None: none, or too few shots to tell. All of it holds of shots of `shape`
    (y, x) alone; None: of any."""

    bad: Flags | None = None
    full: float = math.inf
    dark: float = 0.0
    shape: tuple[int, ...] | None = None
    light: Floats | None = None

    @property
    def are_full(self) -> bool:
        """Whether there are counts from which on pixels are full."""
        return self.full < math.inf

    @property
    def words(self) -> list[Any]:
        """What tells them from others, for names of what was made with them."""
        bad = None if self.bad is None else _digest(self.bad)
        full = [self.full, self.dark] if self.are_full else []
        light = [] if self.light is None else ["light", _digest(self.light)]
        return [bad, *full, *light]

    def good(self, mask: Flags | None, shape: tuple[int, ...]) -> Flags | None:
        """A mask (y, x), True = good, without the bad pixels."""
        if self.bad is None or self.bad.shape != shape:
            return mask
        return ~self.bad if mask is None else mask & ~self.bad

    def without_light(self, counts: Floats) -> Floats:
        """Counts (y, x) less the light that all shots share."""
        if self.light is None or self.light.shape != counts.shape:
            return counts
        return counts - self.light

    def estimated(self, counts: Floats, mask: Flags | None, beam: tuple[float, float]) -> Floats:
        """Counts (y, x) with an estimate where pixels are full and good, as far as others are seen
        around them; `beam` (y, x)."""
        if not self.are_full or self.shape not in (None, counts.shape):
            return counts
        good = np.isfinite(counts) if mask is None else mask & np.isfinite(counts)
        full = good & (counts >= self.full)
        if not full.any():
            return counts
        from scipy import ndimage

        y, x = (slice(max(0, n.min() - 1), n.max() + 2) for n in np.nonzero(full))
        unknown = full[y, x] | ~good[y, x]
        if unknown.all():
            return counts
        rows, columns = np.nonzero(full[y, x])
        beyond = ndimage.distance_transform_edt(unknown)[rows, columns]
        away = np.hypot(rows + y.start - beam[0], columns + x.start - beam[1])
        edge = away + beyond
        made = counts.copy()
        light = made[y, x][rows, columns] - self.dark
        gain = (edge / np.maximum(away, CORE * edge)) ** POROD
        made[y, x][rows, columns] = self.dark + light * gain
        return made


NO_PIXELS = FilePixels()


@dataclass(frozen=True)
class Top:
    """The brightest part of a shot: its counts, those at which it may begin as a plateau, those of
    the dark part, and whether it is a plateau."""

    counts: float
    begins: float
    dark: float
    flat: bool


def top_of(counts: npt.NDArray[Any], mask: Flags | None) -> Top | None:
    """That of a shot (y, x); None where nothing is good. Squares of four pixels count that are all
    that bright, so that single hot ones do not. Counts of few steps, as of single photons, have no
    plateau that tells."""
    good = np.ones(counts.shape, bool) if counts.dtype.kind in "biu" else np.isfinite(counts)
    if mask is not None:
        good &= mask
    if not good.any():
        return None
    seen = counts[good].astype(np.float32)
    values = seen.reshape(counts.shape) if good.all() else np.where(good, counts, seen.min())
    four = np.minimum(values[1:], values[:-1])
    four = np.minimum(four[:, 1:], four[:, :-1])
    some = seen[:: max(1, len(seen) // TELLING)]
    top, dark = float(four.max(initial=seen.min())), float(np.quantile(some, DARK))
    plateau, below = (top - share * (top - dark) for share in (PLATEAU, BELOW))
    steps = np.diff(np.unique(seen[(seen > (top + dark) / 2) & (seen <= top)]))
    fine = len(steps) > 0 and float(steps.min()) <= PLATEAU * (top - dark)
    many = int((four >= plateau).sum())
    flat = fine and many >= FEWEST_FULL and many > int(((seen >= below) & (seen < plateau)).sum())
    return Top(top, plateau, dark, flat)


def full_from(tops: Sequence[Top]) -> tuple[float, float]:
    """Counts from which on the pixels of a file are full, and those without light, by the brightest
    parts of a sample of its shots; infinity and 0 where they do not end alike."""
    if not tops:
        return math.inf, 0.0
    brightest = max(tops, key=lambda top: top.counts)
    alike = [top.begins for top in tops if top.flat and top.counts >= brightest.begins]
    if len(alike) < max(2, SHOTS * len(tops)):
        return math.inf, 0.0
    return float(np.median(alike)), float(np.median([top.dark for top in tops]))


@dataclass
class PixelSample:
    """Shots of one detector, added one by one, that show its spoilt pixels."""

    statistics: PixelStatistics = field(default_factory=PixelStatistics)
    tops: list[Top] = field(default_factory=list)
    blocks: list[Floats] = field(default_factory=list)

    def add(self, counts: npt.NDArray[Any], mask: Flags | None) -> None:
        """One more shot (y, x); mask: True = good. Another shape begins anew."""
        self.statistics.add(counts if mask is None else np.where(mask, counts, 0))
        if self.shots == 1:
            self.tops.clear()
            self.blocks.clear()
        top = top_of(counts, mask)
        if top is not None:
            self.tops.append(top)
        self.blocks.append(blocks_of(counts, mask))

    @property
    def shots(self) -> int:
        """How many there are."""
        return self.statistics.shots

    def pixels(self, seen: Reference | None = None, light: bool = True) -> FilePixels:
        """What they show; nothing where they are too few to tell. `seen`: their statistics, where
        they are there already; `light`: whether light that they share is asked for."""
        if self.shots < FEWEST_SHOTS:
            return NO_PIXELS
        bad = (seen or self.statistics.reference()).bad_pixels
        full, dark = full_from(self.tops)
        shared = shared_light(self.blocks, bad, full) if light else None
        return FilePixels(bad if bad.any() else None, full, dark, bad.shape, shared)


def _digest(values: npt.NDArray[Any]) -> str:
    return hashlib.blake2b(values.tobytes(), digest_size=8).hexdigest()
