"""Are the numbers of a file counts of light? What holds of every detector tells, from a few shots.

Light is added to a background: it stands above it. Where there is more light there is more noise,
by the statistics of photons, or as much of it. And a detector knows no largest number but the one
at which it saturates. Numbers that break one of these were changed after the detector: their sign
was turned, something was subtracted until they wrapped round, a logarithm was taken, or every shot
was scaled by itself. Noise alone, empty, dim and saturated shots, gaps and any pedestal, gain or
unit break none.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt

Numbers = npt.NDArray[np.float64]

PIXELS, FEWEST_PIXELS = 16_384, 100
"""Pixels of a shot that are looked at, the same in all shots; with fewer good ones it tells
nothing."""
CLEAR = 10.0
"""Light is what differs from the median by this many deviations of the noise."""
TURNED, LESS_NOISE = 4.0, 0.8
"""Light lies below the background where the tail there is this many times the other one; noise
falls where light has less than this share of the noise of the background."""
SOME, MOST = 0.1, 0.9
"""Shares of the shots that show a sign of something, which others may be too dark to show."""
ENOUGH = 16
"""Shots from which on each pixel is also compared with itself in the other shots."""
STEPS_SEEN = 8
"""Shots from which on a step in the background is told from chance."""
_SINGLE = np.finfo(np.float32)


def unusable(counts: npt.NDArray[Any], mask: npt.NDArray[np.bool_] | None = None) -> str:
    """Why nothing can be seen in a shot (y, x), mask True = good, in words; '' where it can.

    A shot of zeros is one without a photon, which can be.
    """
    values = counts.ravel() if mask is None else counts[mask]
    if not values.size:
        return ""
    if values[0] != 0 and (values[::97] == values[0]).all() and (values == values[0]).all():
        return f"each of its pixels holds {values[0]:g}, so that there is no light in it"
    if values.dtype == np.float64:
        largest = float(np.abs(values[np.isfinite(values)]).max(initial=0.0))
        least, most = (float(limit) for limit in (_SINGLE.tiny, _SINGLE.max))
        if largest > most or 0 < largest < least:
            return f"its numbers reach {largest:g}, which single precision cannot hold"
    return ""


@dataclass(frozen=True)
class Glance:
    """A few numbers of one shot: `values` (p,) of some pixels, NaN where not good, and how much
    each differs from its two neighbours in the row, `rough` (p,)."""

    values: Numbers
    rough: Numbers
    ceiling: float
    """The largest number of its type, where that is one of whole numbers."""
    unsigned: bool
    most: float
    """The largest of all its good pixels, at how many of them, and where."""
    at_most: int
    where: int

    @property
    def good(self) -> Numbers:
        """The values of good pixels."""
        return self.values[np.isfinite(self.values)]


def glance_at(counts: npt.NDArray[Any], mask: npt.NDArray[np.bool_] | None) -> Glance:
    """What is kept of a shot (y, x) as the file holds it, mask True = good."""
    y, x = _places((counts.shape[0], counts.shape[1]))
    before, values, after = (counts[y, x + step].astype(np.float64) for step in (-1, 0, 1))
    good = np.isfinite(values) if mask is None else mask[y, x] & np.isfinite(values)
    beside = good if mask is None else good & mask[y, x - 1] & mask[y, x + 1]
    with np.errstate(invalid="ignore", over="ignore"):
        rough = np.abs(2 * values - before - after)
    kind = counts.dtype.kind
    seen = np.isfinite(counts) if kind == "f" else np.ones(counts.shape, bool)
    seen = seen if mask is None else seen & mask
    least = counts[seen].min() if seen.any() else counts.dtype.type(0)
    whole = np.where(seen, counts, least)
    most = whole.max()
    return Glance(
        np.where(good, values, np.nan),
        np.where(beside & np.isfinite(rough), rough, np.nan),
        float(np.iinfo(counts.dtype).max) if kind in "ui" else np.inf,
        kind == "u",
        float(most),
        int((whole == most).sum()),
        int(whole.argmax()),
    )


@lru_cache(maxsize=4)
def _places(shape: tuple[int, int]) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    height, inside = shape[0], max(shape[1] - 2, 0)
    n = height * inside
    chosen = np.arange(n)
    if n > PIXELS:
        chosen = np.unique(np.random.default_rng(0).integers(n, size=PIXELS))
    y, x = np.divmod(chosen, max(inside, 1))
    return y, x + 1


def doubts_of(
    glances: Sequence[Glance], backgrounds: Sequence[tuple[float, float]] | None = None
) -> list[str]:
    """Why the numbers of these shots of one file, in its order, may be no counts, a clause each;
    [] where they may be, and of no shots.

    `backgrounds`: of each shot with its noise, after what is done to it first; None: as it is.
    """
    seen = [glance for glance in glances if len(glance.good) >= FEWEST_PIXELS]
    if not seen:
        return []
    wrapped = _share(map(_wraps, seen)) >= SOME
    found = (
        (wrapped, WRAPPED),
        (not wrapped and _is_turned(seen), TURNED_SIGN),
        (_noise_falls(seen) or _are_pictures(seen), NO_COUNTS),
        (_each_by_itself(seen), BY_ITSELF),
    )
    step = _step_in([_background_of(g) for g in seen] if backgrounds is None else backgrounds)
    return [text for true, text in found if true] + [step] * bool(step)


TURNED_SIGN = (
    "light lies below the background and not above it: turn the sign of its numbers in a copy of"
    " the file"
)
WRAPPED = (
    "dark pixels hold almost the largest number of their type and none lies between, as where a"
    " subtraction wrapped round: subtract in signed numbers"
)
NO_COUNTS = (
    "there is less noise where there is light, as in logarithms and in grey values of pictures:"
    " give the counts themselves"
)
BY_ITSELF = (
    "the largest number is the same in every shot, as where each was scaled by itself: give the"
    " counts from before that"
)


def _share(said: Iterable[bool]) -> float:
    return float(np.mean(list(said)))


def _is_turned(glances: Sequence[Glance]) -> bool:
    """Light is a long tail of pixels on one side of the median, and of shots in each pixel."""
    below, above = 0, 0
    for glance in glances:
        values = glance.good
        low, middle, high = np.quantile(values, (0.005, 0.5, 0.995))
        if middle == values.max():  # saturated in most places
            continue
        others = values[values > values.min()]  # dark gaps hold one number
        down, up = middle - max(low, np.quantile(others, 0.005)), high - middle
        below += down > max(CLEAR * values[values >= middle].std(), TURNED * up)
        above += up > CLEAR * values[values <= middle].std()
    if below <= above:
        return False
    if len(glances) < ENOUGH:
        return True
    each = np.stack([glance.values[: PIXELS // 8] for glance in glances])
    each = each[:, np.isfinite(each).all(0)]
    if not each.size:
        return True
    low, high = np.quantile(each - np.median(each, 0), (0.001, 0.999))
    return bool(-low > high)


def _wraps(glance: Glance) -> bool:
    """Whether many pixels lie just below the largest number of the type, and none half-way."""
    if not glance.unsigned:
        return False
    values = glance.good / glance.ceiling
    near, small = values > 15 / 16, values <= 0.25
    few = min(near.mean(), small.mean())
    between = 1 - near.mean() - small.mean()
    several = len(np.unique(values[near])) > 2  # no marker, and no hot pixel
    return bool(few > 1e-3 and between < 0.1 * few and several)


def _noise_falls(glances: Sequence[Glance], to: float = LESS_NOISE, rounded: float = 0) -> bool:
    """Whether pixels half-way up to the brightest have less than this part of the noise of dark
    ones, but for what rounding adds."""
    said = []
    for glance in glances:
        kept = np.isfinite(glance.rough)
        values, rough = glance.values[kept], glance.rough[kept]
        if len(values) < FEWEST_PIXELS:
            continue
        middle, top = np.quantile(values, (0.5, 0.999))
        dark = values <= middle
        if not top - middle > CLEAR * values[dark].std():
            continue
        height = (values - middle) / (top - middle)
        half = (height > 0.25) & (height < 0.75)
        enough = half.sum() > FEWEST_PIXELS / 4
        said.append(enough and np.median(rough[half]) < to * np.median(rough[dark]) + rounded)
    return bool(said) and _share(said) >= SOME


def _are_pictures(glances: Sequence[Glance]) -> bool:
    """Whether noise does not grow, in one-byte numbers that stand on an eighth of their range."""
    standing = (
        g.ceiling <= 255 and g.most > 128 and 8 * float(np.median(g.good)) > g.most
        for g in glances
    )  # fmt: skip
    return _share(standing) > 0.5 and _noise_falls(glances, 1.0, 1.5)


def _each_by_itself(glances: Sequence[Glance]) -> bool:
    """Whether all shots reach the same number, and not where a detector saturates: there empty
    shots do not reach it and bright ones do in many pixels; nor in the same, broken pixel."""
    most = np.array([glance.most for glance in glances])
    same = np.isclose(most, np.median(most), rtol=1e-6, atol=0)
    alone = [g.where for g in glances if g.at_most == 1 and g.most < g.ceiling]
    photons = np.median(most) < 100 and not any((glance.good % 1).any() for glance in glances)
    each = same.mean() > MOST and len(alone) > len(glances) / 4 and len(set(alone)) > 2
    return bool(each and not photons)  # of which few shots have many in a pixel


def _step_in(backgrounds: Sequence[tuple[float, float]]) -> str:
    """What is to be said of a step in them; '' where there is none."""
    if len(backgrounds) < STEPS_SEEN:
        return ""
    level, noises = np.array(backgrounds, float).T
    rising = np.sort(level)
    side = max(2, round(SOME * len(level)))
    gaps = np.diff(rising)[side - 1 : len(level) - side]
    k = side + int(gaps.argmax())
    gap = float(rising[k] - rising[k - 1])
    spread = max(float(np.ptp(np.quantile(part, (0.1, 0.9)))) for part in (rising[:k], rising[k:]))
    times = int((np.diff((level >= rising[k]).astype(int)) != 0).sum())
    if gap <= max(5 * spread, CLEAR * float(np.median(noises))) or times > len(level) / 8:
        return ""
    jump = float(np.median(rising[k:]) - np.median(rising[:k]))
    return (
        f"the background jumps by {jump:.3g} between its shots, and one is taken for all: make a"
        " file of each part, or subtract it from every shot (Preprocessing)"
    )


def _background_of(glance: Glance) -> tuple[float, float]:
    low, middle = np.quantile(glance.good, (0.05, 0.5))
    return float(low), float(glance.good[glance.good <= middle].std())


def in_words(doubts: Iterable[tuple[str, Sequence[str]]]) -> list[str]:
    """(name of a file, its doubts) to a message a doubt, in which files of the same are one."""
    files: dict[str, list[str]] = {}
    for name, texts in doubts:
        for text in texts:
            files.setdefault(text, []).append(name)
    return [
        f"{names[0]}{f' and {len(names) - 1:,} more' * (len(names) > 1)}: {text}."
        for text, names in files.items()
    ]
