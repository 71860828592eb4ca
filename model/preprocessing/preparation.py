"""Preparation of shots as in the paper: named steps that a project switches on, in a fixed order.

1. bad pixels: those that many shots show to be hot or dead are masked;
2. stray light: the mean of background shots, or a smooth surface fitted to the shot, is subtracted;
3. flat detector: counts per pixel become counts per solid angle, in units of the central pixel;
4. centre: the beam centre is found from the point symmetry of the shot.

Works on linear counts (y, x), float32, negative results being 0; what is masked stays as it is and
is told by the mask. It draws nothing and knows nothing of networks.
"""

from __future__ import annotations

import hashlib
import itertools
import zipfile
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field, replace
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any, Literal, NamedTuple, get_args

import numpy as np
import numpy.typing as npt

from model.errors import InputError
from model.output_files import write_arrays
from model.physics.profiles import centre_of
from model.shots.layouts import Geometry

Floats = npt.NDArray[np.float32]
Flags = npt.NDArray[np.bool_]
StrayLight = Literal["none", "shots", "smooth"]

BLOCKS = 16
"""The smooth surface is fitted to the medians of this many blocks a side."""
ROUNDS, BELOW = 25, 0.2
"""Times that the fit is repeated, and the share of blocks that the surface leaves below itself."""
SIGMAS, SURE = 8.0, 4.0
"""A pixel is hot beyond this many robust deviations from its neighbourhood, and this many standard
errors of its own mean: a photon in one of a few shots makes none."""
MISSED = 5.0
"""A pixel is dead that never changes, this many standard errors off its neighbours."""
AROUND, STEP = 11, 4
"""How much neighbours differ is told by squares of AROUND pixels a side, at every STEP-th row and
column."""
REACH = 1 / 8
"""A centre is looked for within this share of the shorter side."""
FAR, ALIKE, BETTER = 0.25, 0.75, 2.0
"""Where nothing is known of a beam: how far from the middle it is looked for, from which
correlation of a shot with its half turn on it is found, and how many times less than a half turn
about the middle one about the beam has to change the shot."""


@dataclass(frozen=True)
class Prepared:
    """A shot after its preparation: counts (y, x), mask True = good, beam centre (y, x)."""

    counts: Floats
    mask: Flags
    centre: tuple[float, float]
    shift: tuple[int, int] = (0, 0)
    """Pixels (down, right) by which the shot was moved to bring the beam to the middle."""

    def in_the_middle(self) -> Prepared:
        """Moved by whole pixels so that the beam is in the middle; what comes in is masked."""
        shape = self.counts.shape
        down, right = (round((n - 1) / 2 - c) for n, c in zip(shape, self.centre, strict=True))
        rows, columns = _overlap(shape[0], down), _overlap(shape[1], right)
        counts, mask = np.zeros_like(self.counts), np.zeros_like(self.mask)
        for moved, here in ((counts, self.counts), (mask, self.mask)):
            moved[rows[0], columns[0]] = here[rows[1], columns[1]]
        beam = (self.centre[0] + down, self.centre[1] + right)
        return Prepared(counts, mask, beam, (down, right))


@dataclass(frozen=True)
class Reference:
    """What many shots say about the detector: mean and standard deviation (y, x) of each pixel."""

    mean: Floats
    deviation: Floats
    shots: int

    @cached_property
    def digest(self) -> str:
        """Tells it from any other."""
        data = (self.mean.tobytes(), self.deviation.tobytes(), str(self.shots).encode())
        return hashlib.blake2b(b"".join(data), digest_size=8).hexdigest()

    def save(self, path: Path) -> None:
        """Write it to `path` (.npz), whole or not at all."""
        write_arrays(path, mean=self.mean, deviation=self.deviation, shots=self.shots)

    @classmethod
    def load(cls, path: Path) -> Reference:
        """Read it again; InputError where it is missing or damaged."""
        try:
            with path.open("rb") as opened, np.load(opened, allow_pickle=False) as file:
                return cls(file["mean"], file["deviation"], int(file["shots"]))
        except (OSError, ValueError, KeyError, zipfile.BadZipFile) as error:
            mend = "Set the preprocessing again: airylabel prepare PROJECT."
            raise InputError(f"is damaged ({error})", file=path, mend=mend) from error

    @cached_property
    def bad_pixels(self) -> Flags:
        """(y, x) True where a pixel is hot (far above its neighbours' median) or dead.

        A hot pixel stands alone: it is above the third greatest of the nine around it too, which
        the pixels of a steep ring in the mean of few shots are not.
        """
        from scipy import ndimage

        beside = ndimage.median_filter(self.mean, 5, mode="nearest")
        excess = self.mean - beside
        noise = 1.4826 * _medians_around(np.abs(excess))
        much = SIGMAS * np.maximum(noise, 1e-6 + 1e-3 * np.abs(beside))
        much = np.maximum(much, SURE * self.deviation / np.sqrt(self.shots))
        alone = self.mean - _third_greatest(self.mean) > much / 2
        hot = (excess > much) & alone
        dead = (self.deviation == 0) if self.shots > 1 else np.zeros_like(hot)
        if dead.any():  # and not where photons are so few that a pixel may have met none
            around = ndimage.median_filter(self.deviation, 5, mode="nearest")
            dead &= (around > 0) & (self.shots * excess**2 > (MISSED * around) ** 2)
        return np.asarray(hot | dead)

    @cached_property
    def good_pixels(self) -> Flags:
        """(y, x) True where a pixel is not bad."""
        return ~self.bad_pixels


class LeastTurn(NamedTuple):
    """The half turn that changes a shot least: about which (y, x), and by how much."""

    place: tuple[float, float]
    change: float
    """1 minus a correlation; infinite where too few pixels can be compared."""
    inside: bool
    """Whether it is not at the end of where it was looked for."""
    at_middle: float
    """How much the half turn about the middle changes the shot."""


@dataclass(frozen=True)
class Preparation:
    """Which steps are on; travels with every run."""

    bad_pixels: bool = False
    stray_light: StrayLight = "none"
    degree: int = 1
    """Of the smooth surface: 0 a constant, 1 a slope, 2 a curved one."""
    flat_detector: bool = False
    centre: bool = False
    """Find the beam centre of every shot and bring it to the middle of the network's input."""
    reference: Reference | None = field(default=None, compare=False, repr=False)
    """What `bad_pixels` and the stray light of `shots` need."""

    @property
    def any(self) -> bool:
        """Whether a step is on."""
        return self.bad_pixels or self.stray_light != "none" or self.flat_detector or self.centre

    @property
    def needs_reference(self) -> bool:
        """Whether a step that is on needs shots to refer to."""
        return self.bad_pixels or self.stray_light == "shots"

    def words(self) -> str:
        """What is on, for people."""
        stray = {"none": "", "shots": "background shots", "smooth": "smooth background"}
        steps = (
            "bad pixels masked" if self.bad_pixels else "",
            f"{stray[self.stray_light]} subtracted" if stray[self.stray_light] else "",
            "flat detector" if self.flat_detector else "",
            "beam centred" if self.centre else "",
        )
        return ", ".join(s for s in steps if s) or "none"

    def apply(
        self,
        counts: npt.ArrayLike,
        mask: npt.ArrayLike | None = None,
        geometry: Geometry | None = None,
        reference: Reference | None = None,
    ) -> Prepared:
        """All steps that are on; `reference` counts where the preparation has none of its own.

        InputError where a step lacks its geometry or reference.
        """
        reference = self.reference or reference
        values = np.array(counts, np.float32)  # a copy: every step works in place
        geometry = geometry or Geometry()
        middle = centre_of(values.shape, geometry.centre)
        whole = np.asarray(counts).dtype.kind in "biu"
        good = np.ones(values.shape, bool) if whole else np.isfinite(values)
        if mask is not None:
            good &= np.asarray(mask, bool)
        if self.bad_pixels:
            good &= _needed(reference, values.shape).good_pixels
        if self.stray_light != "none":
            stray = (
                smooth_background(values, good, self.degree)
                if self.stray_light == "smooth"
                else _needed(reference, values.shape).mean
            )
            np.maximum(values, stray, out=values)  # four times as fast as against a number
            values -= stray
        if self.flat_detector:
            values *= _brightened((values.shape[0], values.shape[1]), middle, _slope(geometry))
        if self.centre:
            middle = find_centre(values, good, middle)
        return Prepared(values, good, middle)

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON; the reference is told by its digest."""
        values = asdict(replace(self, reference=None))
        return values | {"reference": self.reference and self.reference.digest}

    @classmethod
    def from_dict(cls, values: dict[str, Any], reference: Reference | None = None) -> Preparation:
        """The inverse of `to_dict`; InputError for values that mean nothing here."""
        known = {k: v for k, v in values.items() if k != "reference"}
        try:
            made = cls(**known, reference=reference)
        except TypeError as error:
            raise InputError(f"unknown preprocessing: {error}") from error
        if made.stray_light not in get_args(StrayLight) or made.degree not in (0, 1, 2):
            raise InputError(f"unknown preprocessing {values!r}")
        wanted = values.get("reference")
        if reference is not None and wanted not in (None, reference.digest):
            what = "the background shots are not those that the preprocessing was made with"
            raise InputError(what, mend="Set the preprocessing again: airylabel prepare PROJECT.")
        return made


@dataclass
class PixelStatistics:
    """Mean and deviation of each pixel over shots that come one by one (Welford)."""

    shots: int = 0
    _mean: npt.NDArray[np.float64] = field(default_factory=lambda: np.zeros(()))
    _square: npt.NDArray[np.float64] = field(default_factory=lambda: np.zeros(()))

    def add(self, shot: npt.NDArray[Any]) -> None:
        """The next shot (y, x); NaN and infinity count as 0. Another shape begins anew."""
        values = np.nan_to_num(np.asarray(shot, np.float64), nan=0.0, posinf=0.0, neginf=0.0)
        if values.shape != self._mean.shape:
            self.shots, self._mean, self._square = 0, np.zeros(values.shape), np.zeros(values.shape)
        self.shots += 1
        away = values - self._mean
        self._mean += away / self.shots
        self._square += away * (values - self._mean)

    def reference(self) -> Reference:
        """What they say so far. InputError without any shot."""
        if not self.shots:
            raise InputError("there are no background shots", mend="Name at least one.")
        deviation = np.sqrt(self._square / self.shots)
        return Reference(self._mean.astype(np.float32), deviation.astype(np.float32), self.shots)


def reference_of(shots: Iterable[npt.NDArray[Any]]) -> Reference:
    """Mean and deviation over shots (y, x), one at a time.

    Of background shots it is what to subtract; of any shots it shows the bad pixels. InputError
    without any shot.
    """
    seen = PixelStatistics()
    for shot in shots:
        seen.add(shot)
    return seen.reference()


def _medians_around(values: Floats) -> Floats:
    """(y, x) the median of the AROUND x AROUND pixels around each, or around one near it: told at
    every STEP-th."""
    height, width = values.shape
    edge = AROUND // 2
    padded = np.pad(values, [(edge, edge + STEP - 1 + (-n) % STEP) for n in values.shape], "edge")
    moved = padded[STEP // 2 :, STEP // 2 :]  # the place that stands for a square is its middle
    windows = np.lib.stride_tricks.sliding_window_view(moved, (AROUND, AROUND))[::STEP, ::STEP]
    medians = np.median(windows.reshape(*windows.shape[:2], -1), -1)
    return np.repeat(np.repeat(medians, STEP, 0), STEP, 1)[:height, :width]


def _third_greatest(values: Floats) -> Floats:
    """(y, x) of the nine pixels around and including each."""
    height, width = values.shape
    padded = np.pad(values, 1, mode="edge")
    near = [padded[y : y + height, x : x + width] for y in range(3) for x in range(3)]
    first, second, third = near[0], np.full_like(values, -np.inf), np.full_like(values, -np.inf)
    for more in near[1:]:
        third = np.maximum(third, np.minimum(second, more))
        second = np.maximum(second, np.minimum(first, more))
        first = np.maximum(first, more)
    return third


def smooth_background(counts: Floats, good: Flags, degree: int = 1) -> Floats:
    """(y, x) a polynomial surface through what is darkest: stray light with a gradient.

    Quantile regression on the medians of blocks: a fifth of them lies below the surface, about the
    middle of those that the droplet hardly reaches, and how far the others lie above is of no
    matter. 0 for a shot without a good pixel.
    """
    height, width = counts.shape
    rows = np.linspace(0, height, min(BLOCKS, height) + 1).astype(int)
    columns = np.linspace(0, width, min(BLOCKS, width) + 1).astype(int)
    places, medians = [], []
    holes = not good.all()
    for top, bottom in itertools.pairwise(rows):
        for left, right in itertools.pairwise(columns):
            block = counts[top:bottom, left:right]
            block = block[good[top:bottom, left:right]] if holes else block.ravel()
            if block.size:
                places.append(((top + bottom - 1) / 2, (left + right - 1) / 2))
                medians.append(np.partition(block, block.size // 2)[block.size // 2])
    if not places:
        return np.zeros_like(counts)
    at = np.asarray(places) / (height, width) - 0.5
    terms, values = _terms(at[:, 0], at[:, 1], degree), np.asarray(medians, np.float64)
    weight = np.ones(len(values))
    least = 1e-3 * float(np.std(values)) + 1e-6
    for _ in range(ROUNDS):  # least squares that are weighted to sum up absolute distances
        root = np.sqrt(weight)
        solution = np.linalg.lstsq(terms * root[:, None], values * root, rcond=None)[0]
        above = values - terms @ solution
        weight = np.where(above > 0, BELOW, 1 - BELOW) / np.maximum(np.abs(above), least)
    surface = _surface(height, width, degree) @ solution.astype(np.float32)
    return np.asarray(surface.reshape(height, width), np.float32)


def flat_factor(shape: tuple[int, int], centre: tuple[float, float], geometry: Geometry) -> Floats:
    """(y, x) solid angle of each pixel of a flat detector over that of the central one: cos³θ."""
    return _cosines(shape, centre, _slope(geometry))


def find_centre(
    counts: npt.ArrayLike,
    good: npt.ArrayLike | None = None,
    guess: tuple[float, float] | None = None,
    reach: float = REACH,
) -> tuple[float, float]:
    """The (y, x) about which a half turn changes the shot least, near `guess` (the middle).

    `reach`: how far from it, in shares of the shorter side.

    Least mean squared difference of log1p counts over the pixels that both have, by FFT, refined
    by a parabola to parts of a pixel; in single precision where counts are. The guess itself for
    a shot without any structure.
    """
    from scipy import fft

    values = np.asarray(counts)
    values = values.astype(np.float32 if values.dtype == np.float32 else np.float64, copy=False)
    weight, logs = logs_of(values, good)
    middle = centre_of(values.shape, guess)
    size = [fft.next_fast_len(2 * n - 1, True) for n in values.shape]
    w, a, b = (fft.rfft2(part, size) for part in (weight, logs * weight, logs**2 * weight))
    pairs = fft.irfft2(w * w, size)
    apart = fft.irfft2(2 * b * w - 2 * a * a, size)
    far = reach * min(values.shape)
    y0, x0, box = _around(middle, (far, far))
    enough = pairs[box] > 0.25 * weight.sum()
    cost = np.where(enough, apart[box] / np.maximum(pairs[box], 1), np.inf)
    if not enough.any() or not np.ptp(cost[enough]) > 1e-9:
        return middle
    return _lowest(cost, y0, x0)


def sure_centre(
    counts: npt.ArrayLike, good: npt.ArrayLike | None = None
) -> tuple[tuple[float, float], bool]:
    """The (y, x) of a beam of which nothing is known, and whether the shot itself shows it there.

    Where the log counts correlate most with their half turn: unlike the mean difference of
    `find_centre`, that does not fall where two faint corners lie upon each other, so it may be
    looked for far off. The middle where no point is clear, and where one is hardly better.
    """
    values = np.asarray(counts, np.float64)
    weight, logs = logs_of(values, good)
    reach = FAR * min(values.shape)
    found = least_half_turn(logs, weight, (reach, reach), 0.25)
    clear = found.inside and found.change <= 1 - ALIKE
    if clear and found.at_middle >= BETTER * found.change:
        return found.place, True
    return centre_of(values.shape, None), found.at_middle <= 1 - ALIKE


def least_half_turn(
    logs: npt.NDArray[np.float64], weight: Flags, reach: tuple[float, float], common: float
) -> LeastTurn:
    """The half turn about a point within `reach` (y, x) pixels of the middle that changes a shot
    least; logs, weight: of `logs_of`; common: share of the pixels that must lie upon others."""
    from scipy import fft

    logs = (logs - logs[weight].mean()) * weight if weight.any() else logs
    size = [fft.next_fast_len(2 * n - 1, True) for n in logs.shape]
    w, a, b = (fft.rfft2(part, size) for part in (weight, logs, logs**2))
    middle = centre_of(logs.shape, None)
    y0, x0, box = _around(middle, reach)
    pairs, total, squares, products = (
        fft.irfft2(part, size)[box] for part in (w * w, a * w, b * w, a * a)
    )
    shared = total**2 / np.maximum(pairs, 1)
    alike = (products - shared) / np.maximum(squares - shared, 1e-6)
    apart = np.where(pairs > common * weight.sum(), 1 - alike, np.inf)
    y, x = np.unravel_index(int(np.argmin(apart)), apart.shape)
    beside = apart[max(y - 1, 0) : y + 2, max(x - 1, 0) : x + 2]
    inside = beside.size == 9 and bool(np.isfinite(beside).all())
    here = float(apart[round(2 * middle[0]) - y0, round(2 * middle[1]) - x0])
    return LeastTurn(_lowest(apart, y0, x0), float(apart.min()), inside, here)


def logs_of(values: npt.NDArray[Any], good: npt.ArrayLike | None) -> tuple[Flags, npt.NDArray[Any]]:
    """(y, x) which pixels can be compared, and the logarithms of their counts, 0 elsewhere."""
    weight = np.isfinite(values)
    if good is not None:
        weight &= np.asarray(good, bool)
    return weight, np.log1p(np.maximum(np.where(weight, values, 0), 0))


def _around(
    middle: tuple[float, float], reach: tuple[float, float]
) -> tuple[int, int, tuple[slice, slice]]:
    """First row and column, in half pixels, and the box of the half turns about points within
    `reach` (y, x) pixels of the middle."""
    steps = [max(1, round(2 * r)) for r in reach]
    first = [max(0, round(2 * c) - n) for c, n in zip(middle, steps, strict=True)]
    last = [round(2 * c) + n + 1 for c, n in zip(middle, steps, strict=True)]
    return first[0], first[1], (slice(first[0], last[0]), slice(first[1], last[1]))


def _lowest(cost: npt.NDArray[Any], y0: int, x0: int) -> tuple[float, float]:
    """The (y, x) of the least cost, which stands for every half pixel from (y0, x0) on."""
    y, x = np.unravel_index(int(np.argmin(cost)), cost.shape)
    return ((y0 + y + _bottom(cost[:, x], int(y))) / 2, (x0 + x + _bottom(cost[y], int(x))) / 2)


def _overlap(size: int, shift: int) -> tuple[slice, slice]:
    """Along an axis: where moved pixels go, and where they come from."""
    kept = max(size - abs(shift), 0)
    return slice(max(shift, 0), max(shift, 0) + kept), slice(max(-shift, 0), max(-shift, 0) + kept)


def _bottom(cost: npt.NDArray[np.float64], i: int) -> float:
    """How far beside its least place i the parabola through it and its neighbours is lowest."""
    if not 0 < i < len(cost) - 1:
        return 0.0
    before, least, after = cost[i - 1 : i + 2]
    bend = before - 2 * least + after
    return float(0.5 * (before - after) / bend) if np.isfinite(bend) and bend > 0 else 0.0


def _needed(reference: Reference | None, shape: tuple[int, ...]) -> Reference:
    if reference is None:
        raise InputError(
            "this step needs background shots", mend="Name some, or switch the step off."
        )
    if reference.mean.shape != shape:
        what = f"background shots have shape {reference.mean.shape}, this shot {shape}"
        raise InputError(what, mend="Name background shots of this detector.")
    return reference


def _terms(y: npt.NDArray[Any], x: npt.NDArray[Any], degree: int) -> npt.NDArray[np.float64]:
    powers = [(i, j) for i in range(degree + 1) for j in range(degree + 1 - i)]
    return np.stack([y**i * x**j for i, j in powers], -1)


@lru_cache(maxsize=4)
def _surface(height: int, width: int, degree: int) -> Floats:
    y, x = np.mgrid[:height, :width]
    at = (y.ravel() / height - 0.5, x.ravel() / width - 0.5)
    return _terms(*at, degree).astype(np.float32)


def _slope(geometry: Geometry) -> float:
    """Of a ray one pixel beside the beam."""
    if geometry.distance_m is None or geometry.pixel_m is None:
        raise InputError(
            "the flat-detector step needs the detector's distance and pixel size",
            mend="Give them in the project's geometry, or switch the step off.",
        )
    return geometry.pixel_m / geometry.distance_m


@lru_cache(maxsize=4)
def _brightened(shape: tuple[int, int], centre: tuple[float, float], slope: float) -> Floats:
    """(y, x) what counts of a flat detector are multiplied by: a product is the faster way."""
    return np.float32(1) / _cosines(shape, centre, slope)


@lru_cache(maxsize=4)
def _cosines(shape: tuple[int, int], centre: tuple[float, float], slope: float) -> Floats:
    y, x = np.ogrid[: shape[0], : shape[1]]
    square = slope**2 * ((y - centre[0]) ** 2 + (x - centre[1]) ** 2)
    return np.asarray((1 + square) ** -1.5, np.float32)
