"""From the counts of a shot to the input of a network: one recipe for training and prediction.

Two steps. `reduce` makes a small square of linear counts, which the cache keeps; `to_input` turns
counts into what the network is fed and is cheap. Nothing here is random.

What happens to unusable pixels: masked, NaN and infinite pixels take no part in the averages, nor
do those that a file's shots show to be hot or dead, where its counts are brought to a scale; and a
reduced pixel that has no good pixel at all is 0 in the input, whatever the scale of the counts
(until then NaN, where they are to be brought to a scale); negative counts become 0. What full
pixels missed is estimated, where counts are brought to a scale.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, fields, replace
from functools import lru_cache
from typing import Any, Literal, TypeVar, cast

import numpy as np
import numpy.typing as npt

from model.errors import InputError
from model.physics.correlation import MapRecipe, correlation_map
from model.physics.profiles import centre_of
from model.preprocessing.count_scale import (
    CountScale,
    FileScale,
    common_scale,
    pixels_of,
    scales_of,
)
from model.preprocessing.file_pixels import NO_PIXELS, FilePixels
from model.preprocessing.preparation import Preparation, Prepared, Reference
from model.processes import one_blas_thread
from model.shots.layouts import Geometry
from model.shots.sources import SourceInfo
from model.shots.table import ShotTable

Transform = Literal["raw", "unit", "log", "standardised"]
TRANSFORMS: tuple[Transform, ...] = ("raw", "unit", "log", "standardised")
Input = Literal["pattern", "correlation"]
INPUTS: tuple[Input, ...] = ("pattern", "correlation")
ANGLES = 360
"""Samples of each ring of a map; 112 rings of them are what the paper's maps need at this size."""
FULL_SCALE = 65535.0
"""The largest count of a 16-bit detector, which `unit` maps to 1."""
NOTHING = 1e-6
"""A pixel of which a smaller share was seen was not."""
LOG_SCALE = float(np.log1p(FULL_SCALE))

Floats = npt.NDArray[np.float32]
Flags = npt.NDArray[np.bool_]
Counts = TypeVar("Counts")


@dataclass(frozen=True)
class Preprocessing:
    """How a shot becomes the input of one network; travels with every checkpoint."""

    size: int = 224
    """Side of the square input in pixels."""
    first: int = 0
    """Reduce to this side before the crop; 0: crop the shot as it is."""
    crop: int = 0
    """Side of the centred square that is kept, in pixels after `first`; 0: all of it."""
    transform: Transform = "log"
    """raw: counts; unit: counts / 65535; log: log1p(counts) / log1p(65535), the same 0..1 range;
    standardised: (log1p(counts) - mean) / deviation with the two numbers below."""
    mean: float = 0.0
    deviation: float = 1.0
    input: Input = "pattern"
    """pattern: the shot itself; correlation: its map (`model.physics.correlation`), 0..1 as
    0..65535."""
    preparation: Preparation = field(default_factory=Preparation)
    """What is done to the counts before anything else."""
    scale: CountScale | None = None
    """The scale of counts that the network learnt, to which those of every file are brought; None:
    counts go in as they are."""

    def for_training(self, table: ShotTable, scale: CountScale | None = None) -> Preprocessing:
        """The same, bringing every file's counts to a scale: the given one, or the table's own."""
        if self.input != "pattern":
            return self
        unscaled = replace(self, scale=CountScale(0.0, 0.0))
        return replace(self, scale=scale or common_scale(table, unscaled.seen, self.asks_for_light))

    def scales_of(self, table: ShotTable) -> tuple[FileScale | None, ...]:
        """The scale of each source of a table, for `brought`; None each where counts stay."""
        if self.scale is None:
            return (None,) * len(table.sources)
        return scales_of(table, self.seen, self.asks_for_light)

    def seen(
        self,
        counts: npt.ArrayLike,
        mask: npt.ArrayLike | None,
        geometry: Geometry | None,
        pixels: FilePixels = NO_PIXELS,
    ) -> tuple[Floats, Flags]:
        """`reduced_with_mask` of a shot (y, x) as it was read."""
        return self.reduced_with_mask(self.prepare(counts, mask, geometry, pixels))

    def brought(self, squares: Counts, found: CountScale | None) -> Counts:
        """Reduced counts of a file of scale `found`, at the network's scale, never below 0; 0 where
        none was seen."""
        if self.scale is None:
            return squares
        given: Any = squares
        brought: Any = given.clip(min=0) if found is None else found.bring(squares, self.scale)
        seen: Any = (
            np.nan_to_num(brought, posinf=np.inf)
            if isinstance(brought, np.ndarray)
            else brought.nan_to_num(posinf=math.inf)
        )
        return cast(Counts, seen)

    def prepare(
        self,
        counts: npt.ArrayLike,
        mask: npt.ArrayLike | None = None,
        geometry: Geometry | None = None,
        pixels: FilePixels = NO_PIXELS,
    ) -> Prepared:
        """Counts (y, x) of any real type, mask (y, x) True = good, after the steps that are on;
        `pixels`: those of its file that are spoilt.
        """
        values = np.asarray(counts, np.float32)
        if values.ndim != 2 or 0 in values.shape:
            raise InputError(
                f"a shot must be a 2-D array, not one of shape {values.shape}",
                mend="Choose the dataset that holds one pattern per shot.",
            )
        mask = None if mask is None else np.asarray(mask, bool)
        if geometry is not None and not (self._uses_beam or _is_on(values.shape, geometry.centre)):
            geometry = replace(geometry, centre=None)
        beam = None if geometry is None else geometry.centre
        if self.scale is not None:
            mask = pixels.good(mask, values.shape)
            values = pixels.estimated(values, mask, centre_of(values.shape, beam))
            if self.asks_for_light:
                values = pixels.without_light(values)
        if self.preparation.any:
            made = self.preparation.apply(values, mask, geometry)
            return made.in_the_middle() if self.preparation.centre else made
        good = np.isfinite(values)
        if mask is not None:
            good &= mask
        return Prepared(values, good, centre_of(values.shape, beam))

    def reduce(
        self,
        counts: npt.ArrayLike,
        mask: npt.ArrayLike | None = None,
        geometry: Geometry | None = None,
        pixels: FilePixels = NO_PIXELS,
    ) -> Floats:
        """Counts (y, x) of any real type, mask (y, x) True = good, to (size, size) linear counts;
        for `brought`, NaN where no pixel is good. `pixels`: as in `prepare`.

        A shot that is not square is first cut to the square about its beam, as near as the plate
        allows; about its middle where no beam is told, or one off the shot, which maps, a flat
        detector and the search for the centre refuse. Averages over pixel areas where it shrinks
        (no aliasing), linear interpolation where it grows. With the input `correlation`, the map on
        `size` rings.
        """
        return self.reduce_prepared(self.prepare(counts, mask, geometry, pixels))

    def reduce_prepared(self, shot: Prepared) -> Floats:
        """What `prepare` returned, to (size, size) linear counts."""
        if self.input == "correlation":
            return self._map(shot)
        good = shot.mask
        values: Floats = np.where(good, shot.counts, np.float32(0))
        if self.scale is None:
            values = np.maximum(values, 0)
        y0, x0, side = self.square(values.shape, shot.centre)
        kept = (slice(y0, y0 + side), slice(x0, x0 + side))
        values, good = values[kept], good[kept]
        weight = None if good.all() else good.astype(np.float32)
        if self.first and self.crop:
            values, weight = _resize(values, weight, self.first)
            start = max(0, (self.first - self.crop) // 2)
            middle = slice(start, start + min(self.crop, self.first))
            values = values[middle, middle]
            weight = None if weight is None else weight[middle, middle]
        small, weight = _resize(values, weight, self.size)
        if self.scale is not None and weight is not None:
            small = np.where(weight > NOTHING, small, np.float32(np.nan))
        return np.ascontiguousarray(small, np.float32)

    def reduced_with_mask(self, shot: Prepared) -> tuple[Floats, Flags]:
        """(size, size) linear counts, and True where at least half of a pixel was seen."""
        if self.input == "correlation":
            return self.reduce_prepared(shot), np.ones((self.size, self.size), bool)
        seen = replace(shot, counts=shot.mask.astype(np.float32), mask=np.ones_like(shot.mask))
        return self.reduce_prepared(shot), self.reduce_prepared(seen) > 0.5

    def _map(self, shot: Prepared) -> Floats:
        recipe = MapRecipe(radii=self.size, angles=ANGLES, centre=shot.centre)
        with one_blas_thread():
            made = correlation_map(shot.counts, shot.mask, recipe=recipe)
        return made * np.float32(FULL_SCALE)

    def to_input(self, counts: Counts) -> Counts:
        """Linear counts of any shape, numpy array or torch tensor, to network input."""
        values: Any = counts
        if self.transform == "raw":
            return counts
        if self.transform == "unit":
            return values / FULL_SCALE
        logarithm = np.log1p if isinstance(values, np.ndarray) else type(values).log1p
        logs: Any = logarithm(values)
        if self.transform == "log":
            return logs / LOG_SCALE
        return (logs - self.mean) / self.deviation

    def apply(
        self,
        counts: npt.ArrayLike,
        mask: npt.ArrayLike | None = None,
        geometry: Geometry | None = None,
        found: FileScale | None = None,
    ) -> Floats:
        """A shot (y, x), of a file of scale `found`, to network input (1, size, size) float32."""
        return self.input_of(self.prepare(counts, mask, geometry, pixels_of(found)), found)

    def input_of(self, shot: Prepared, found: CountScale | None = None) -> Floats:
        """What `prepare` returned, to the network's input (1, size, size) float32."""
        squares = self.brought(self.reduce_prepared(shot), found)
        return self.to_input(squares).astype(np.float32)[None]

    def field(
        self, shape: tuple[int, int], beam: tuple[float, float] | None = None
    ) -> tuple[float, float, float, float]:
        """The part of a shot of this shape that the network sees: y0, x0, y1, x1 as fractions.

        beam: its (y, x) where it is told. Of a map all of it; of a shot that the preparation moves,
        after that.
        """
        if self.input == "correlation":
            return 0.0, 0.0, 1.0, 1.0
        y0, x0, side = self.square(shape, None if self.preparation.centre else beam)
        edge, kept = 0.0, float(side)
        if self.first and self.crop:
            edge = side * max(0, (self.first - self.crop) // 2) / self.first
            kept = side * min(self.crop, self.first) / self.first
        top, left = y0 + edge, x0 + edge
        height, width = shape
        return top / height, left / width, (top + kept) / height, (left + kept) / width

    def square(
        self, shape: tuple[int, ...], beam: tuple[float, float] | None
    ) -> tuple[int, int, int]:
        """First row, first column and side of the square that is cut out of a shot (y, x), about
        its beam (y, x) as far as the plate reaches; about its middle where none is on the shot."""
        height, width = shape
        side = min(height, width)
        if self.crop and not self.first:
            side = min(side, self.crop)
        centre = centre_of(shape, beam if _is_on(shape, beam) else None)
        y0, x0 = (
            min(max(math.floor(c - (side - 1) / 2), 0), n - side)
            for c, n in zip(centre, (height, width), strict=True)
        )
        return y0, x0, side

    def decided_by(
        self, shape: tuple[int, int], geometry: Geometry, pixels: FilePixels = NO_PIXELS
    ) -> list[Any]:
        """What a file's geometry decides of what `reduce` makes of its shots (y, x): the square, or
        the numbers themselves where a step, or the estimate of full pixels, uses them."""
        if self.preparation.flat_detector:
            return [geometry.centre, geometry.distance_m, geometry.pixel_m]
        if self._uses_beam or pixels.are_full:
            return [geometry.centre]
        return list(self.square(shape, geometry.centre))

    def decisions(
        self, sources: Sequence[SourceInfo], pixels: Sequence[FilePixels] | None = None
    ) -> npt.NDArray[np.uint64]:
        """(S,) a number for each of these files that stands for what its geometry decides;
        `pixels`: the spoilt ones of each, where they are known."""
        known = [NO_PIXELS] * len(sources) if pixels is None else pixels
        pairs = zip(sources, known, strict=True)
        each = (json.dumps(self.decided_by(s.shape, s.geometry, p)).encode() for s, p in pairs)
        digests = (hashlib.blake2b(decided, digest_size=8).digest() for decided in each)
        return np.array([int.from_bytes(digest, "little") for digest in digests], np.uint64)

    @property
    def asks_for_light(self) -> bool:
        """Whether light that all shots of a file share is subtracted: not where the preparation
        takes out stray light itself."""
        return self.preparation.stray_light == "none"

    @property
    def _uses_beam(self) -> bool:
        """Whether the beam is for more than to cut out a square about it."""
        steps = self.preparation
        return self.input == "correlation" or steps.flat_detector or steps.centre

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        plain = {f.name: getattr(self, f.name) for f in fields(self)}
        scale = {} if self.scale is None else {"scale": asdict(self.scale)}
        plain.pop("scale")
        return plain | {"preparation": self.preparation.to_dict()} | scale

    @property
    def decides_cache(self) -> list[Any]:
        """Everything that decides what `reduce` makes."""
        made: list[Any] = [self.size, self.first, self.crop]
        if self.scale is not None:  # below the pedestal, counts are kept as they are
            made.append("signed, NaN where nothing was seen, no bad pixels, full ones estimated")
        if self.input == "pattern" and not self.preparation.any:
            return made
        return [*made, self.input, self.preparation.to_dict()]

    @classmethod
    def from_dict(cls, values: dict[str, Any], reference: Reference | None = None) -> Preprocessing:
        """The inverse of `to_dict`; InputError for values that mean nothing here."""
        known = dict(values)
        steps = known.pop("preparation", None) or {}
        scale = known.pop("scale", None)
        try:
            known["scale"] = None if scale is None else CountScale(**scale)
            made = cls(**known, preparation=Preparation.from_dict(steps, reference))
        except TypeError as error:
            raise InputError(f"unknown preprocessing: {error}") from error
        if made.transform not in TRANSFORMS or made.input not in INPUTS or made.size < 1:
            raise InputError(f"unknown preprocessing {values!r}")
        return made


def _is_on(shape: tuple[int, ...], beam: tuple[float, float] | None) -> bool:
    """Whether a beam (y, x) is given and lies on a shot (y, x)."""
    return beam is not None and all(-0.5 <= c <= n - 0.5 for c, n in zip(beam, shape, strict=True))


def _resize(values: Floats, weight: Floats | None, side: int) -> tuple[Floats, Floats | None]:
    """Resize a square, counting each pixel by its weight; returns values and new weights."""
    if values.shape[0] == side and weight is None:
        return values, None
    matrix = _resampling(values.shape[0], side)
    if weight is None:
        return _both_ways(matrix, values), None
    share = _both_ways(matrix, weight)
    total = _both_ways(matrix, values * weight)
    return np.divide(total, share, out=np.zeros_like(total), where=share > NOTHING), share


def _both_ways(matrix: Floats, values: Floats) -> Floats:
    with one_blas_thread():
        return np.asarray(matrix @ values @ matrix.T, np.float32)


@lru_cache(maxsize=16)
def _resampling(before: int, after: int) -> Floats:
    """(after, before) matrix whose rows sum to 1: area averages when shrinking, else linear."""
    if after <= before:
        edges = np.arange(after + 1) * (before / after)
        pixel = np.arange(before)
        low = np.maximum(edges[:-1, None], pixel)
        high = np.minimum(edges[1:, None], pixel + 1)
        overlap = np.clip(high - low, 0, None)
        matrix = overlap / overlap.sum(1, keepdims=True)
    else:
        place = np.clip((np.arange(after) + 0.5) * (before / after) - 0.5, 0, before - 1)
        matrix = np.clip(1 - np.abs(place[:, None] - np.arange(before)), 0, None)
    small = matrix.astype(np.float32)
    small.setflags(write=False)
    return small
