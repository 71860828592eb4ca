"""Pedestal, gain and spoilt pixels of a file: a network meets every detector as the one it learnt.

Detectors differ in offset, gain and unit of their counts, and so do files of one detector before
and after its correction. Both are told from a sample of the shots of a file, and taken out, and so
are pixels that the sample shows to be hot or dead, which no mask tells of. Pixels that are the same
in every shot of the sample, as in gaps between panels, tell nothing of pedestal and gain.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np
import numpy.typing as npt

from model.preprocessing.beam_place import where_it_is
from model.preprocessing.file_pixels import FEWEST_SHOTS, NO_PIXELS, FilePixels, PixelSample
from model.preprocessing.preparation import PixelStatistics, reference_of
from model.preprocessing.shared_light import WORDS as SHARED_LIGHT
from model.shots.counts.check import doubts_of, glance_at, in_words

if TYPE_CHECKING:
    from model.shots.layouts import Geometry
    from model.shots.table import ShotTable

SAMPLE = 64
"""Shots of a file that are looked at; one of fewer than FEWEST_SHOTS is judged with its likes."""
DARK = 0.05
"""Share of the pixels of a shot that tell its pedestal."""
KEPT = 256 * 2**20
"""Bytes of a sample up to which its shots are kept in memory and not read twice."""
LEAST_ALIVE = 0.1
"""Share of the pixels that must be alive for the others to be left out."""
SIGNAL = 5.0
"""A shot has signal where its mean is this many deviations of its dark half above the pedestal;
2.7 for white noise alone."""

Counts = TypeVar("Counts", bound=Any)
Flags = npt.NDArray[np.bool_]
Look = tuple[float, float, float]
Seen = tuple[npt.NDArray[np.float32], Flags]
Reduce = Callable[
    ["npt.NDArray[Any]", "Flags | None", "Geometry | None", "FilePixels"],
    "Seen",
]
"""(y, x) counts, mask, geometry, spoilt pixels -> (size, size) counts as a network sees them, and
what is good."""


@dataclass(frozen=True)
class CountScale:
    """What the counts of a set of shots have in common.

    `pedestal`: counts of a pixel without light, median over the shots; `level`: mean counts above
    it of a shot with signal, median over those; 0 where no shot has any.
    """

    pedestal: float
    level: float

    def bring(self, counts: Counts, to: CountScale) -> Counts:
        """Counts of any shape at this scale, numpy array or torch tensor, to another scale."""
        gain = to.level / self.level if self.level > 0 and to.level > 0 else 1.0
        brought: Counts = ((counts - self.pedestal) * gain + to.pedestal).clip(min=0)
        return brought


@dataclass(frozen=True)
class FileScale(CountScale):
    """The scale of the counts of a file, why they may be no counts (see `counts.check`), and which
    pixels its shots show to be spoilt."""

    doubts: tuple[str, ...] = ()
    pixels: FilePixels = field(default=NO_PIXELS, compare=False, repr=False)


def pixels_of(scale: FileScale | None) -> FilePixels:
    """Those of a file's scale, where it is told."""
    return NO_PIXELS if scale is None else scale.pixels


def look_at(counts: npt.NDArray[np.float32], good: npt.NDArray[np.bool_]) -> Look | None:
    """(pedestal, level above it, deviation of the dark half) of a shot (y, x)."""
    values = counts[good].astype(np.float64)  # the square of a large unit is beyond single ones
    if not len(values):
        return None
    pedestal, middle = np.quantile(values, (DARK, 0.5))
    dark = values[values <= middle]
    return float(pedestal), float(values.mean() - pedestal), float(dark.std())


def scale_of(looks: Sequence[Look]) -> CountScale:
    """The scale that shots have in common; those without signal tell of the pedestal only.

    How many of them there are must not matter, so the level is that of the brighter ones: those
    above the middle, in orders of magnitude, of what there is.
    """
    if not looks:
        return CountScale(0.0, 0.0)
    pedestal, level, dark = np.array(looks, float).T
    lit = level[level > SIGNAL * dark]
    if not len(lit):
        return CountScale(float(np.median(pedestal)), 0.0)
    low, high = np.quantile(lit, (0.05, 0.95))
    return CountScale(float(np.median(pedestal)), float(np.median(lit[lit >= np.sqrt(low * high)])))


def scales_of(table: ShotTable, reduce: Reduce, light: bool = True) -> tuple[FileScale, ...]:
    """The scale of each source of a table, told from at most SAMPLE of its shots, always the same;
    `light`: whether light that they share is asked for.

    Sources of few shots, as where each shot has a file of its own, are judged together with all
    such sources of the same shape. Shots that cannot be read tell nothing.
    """
    scales = [FileScale(0.0, 0.0)] * len(table.sources)
    for numbers in judged_together(table):
        rows = np.flatnonzero(np.isin(table.source_of, numbers))
        sample = np.random.default_rng(0).permutation(rows)[:SAMPLE]
        found, beam = _scale_in(table, sample, reduce, light)
        for number in numbers:
            given = table.sources[number].geometry.centre is not None
            doubts = (*found.doubts, *[beam] * bool(beam and not given))
            scales[number] = replace(found, doubts=doubts)
    return tuple(scales)


def judged_together(table: ShotTable) -> list[list[int]]:
    """Numbers of the sources of a table, in lists of those whose shots tell one scale."""
    shots = np.bincount(table.source_of, minlength=len(table.sources))
    groups: dict[tuple[int, ...], list[int]] = {}
    for number, info in enumerate(table.sources):
        own = (-1, number)
        key = own if shots[number] >= FEWEST_SHOTS else info.shape
        groups.setdefault(key, []).append(number)
    return list(groups.values())


def doubts_in_words(table: ShotTable, scales: Sequence[FileScale | None]) -> list[str]:
    """Why the counts of the sources of a table may be none, for people; None as the scale of a
    source: what was seen when it was looked at, of fewer shots."""
    files = zip(table.sources, scales, strict=True)
    return in_words((info.name, (info if scale is None else scale).doubts) for info, scale in files)


def common_scale(table: ShotTable, reduce: Reduce, light: bool = True) -> CountScale:
    """The scale at which a network is trained on these shots: that of the sources on average;
    `light` as in `scales_of`."""
    found = scales_of(table, reduce, light)
    count = np.bincount(table.source_of, minlength=len(found)).astype(float)
    lit = np.array([scale.level > 0 for scale in found])
    pedestal = float(np.average([scale.pedestal for scale in found], weights=count))
    if not (lit * count).any():
        return CountScale(pedestal, 0.0)
    levels = np.log([max(scale.level, 1e-30) for scale in found])
    return CountScale(pedestal, float(np.exp(np.average(levels, weights=count * lit))))


def _scale_in(
    table: ShotTable, rows: npt.NDArray[np.int64], reduce: Reduce, light: bool
) -> tuple[FileScale, str]:
    """The scale that these rows tell, and what to say of the beam of files that give none."""
    shown, glances = PixelSample(), []
    read = partial(table.iter_usable, rows, lambda row, error: None)
    each = [table.sources[n] for n in table.source_of[rows]]
    small = sum(math.prod(s.shape) * np.dtype(s.dtype).itemsize for s in each) <= KEPT
    kept = list(read()) if small else None
    for _, counts, mask in kept or read():
        shown.add(counts, mask)
        glances.append(glance_at(counts, mask))
    seen = shown.statistics.reference() if shown.shots >= FEWEST_SHOTS else None
    pixels = shown.pixels(seen, light)
    looks = looks_of(
        [reduce(counts, mask, table.geometry(row), pixels) for row, counts, mask in kept or read()]
    )
    scale = scale_of(looks)
    doubts = doubts_of(glances, [(pedestal, dark) for pedestal, _, dark in looks])
    doubts += [SHARED_LIGHT] * (pixels.light is not None)
    asked = [row for row in rows if table.geometry(row).centre is None]

    def matters(beam: tuple[float, float]) -> bool:
        row, counts, mask = next(shot for shot in kept or read() if shot[0] in asked)
        now = table.geometry(row)
        given = replace(now, centre=beam)
        one, other = (reduce(counts, mask, where, pixels)[0] for where in (now, given))
        return not np.array_equal(one, other, equal_nan=True)

    if len(asked) < len(rows):
        some = PixelStatistics()
        for row, counts, mask in kept or read():
            if row in asked:
                some.add(counts if mask is None else np.where(mask, counts, 0))
        seen = some.reference() if some.shots >= FEWEST_SHOTS else None
    where = "" if seen is None else where_it_is(seen, matters)
    return FileScale(scale.pedestal, scale.level, tuple(doubts), pixels), where


def looks_of(sample: Sequence[Seen]) -> list[Look]:
    """What a sample of shots of one detector tells, each (y, x) counts and what is good of them;
    where they are enough to see it, pixels that are hot or the same in all of them tell nothing."""
    alive = _alive([counts for counts, _ in sample])
    looks = (look_at(counts, good & alive) for counts, good in sample)
    return [look for look in looks if look is not None]


def _alive(sample: Sequence[npt.NDArray[np.float32]]) -> npt.NDArray[np.bool_] | np.bool_:
    """(y, x) True where a pixel is neither hot nor the same in all shots; everywhere where they are
    too few to tell, or next to nothing would be left."""
    if len(sample) < FEWEST_SHOTS:
        return np.True_
    seen = reference_of(sample)
    alive = seen.good_pixels & (seen.deviation > 0)
    return alive if alive.mean() > LEAST_ALIVE else np.True_
