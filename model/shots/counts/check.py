"""Are the numbers of a file counts of light? What holds of every detector tells, from a few shots.

Light is added to a background: it stands above it. Where there is more light there is more noise,
by the statistics of photons, or as much of it. A detector knows no largest number but the one at
which it saturates, and no two shots have the same sum or deviation. And where photons are so dense
that many neighbours hold one, some pixels hold two. Numbers that break one of these were changed
after the detector: their sign was turned, something was subtracted until they wrapped round, a
logarithm was taken, every shot was scaled by itself, or cut at a threshold. Noise alone, empty,
dim and saturated shots, single photons, gaps and any pedestal, gain or unit break none.
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
FEWEST_SHOTS = 3
"""Shots from which on a number that is the same in all of them is no chance."""
EXACT = 1e-6
"""Numbers of shots that differ by less than this share are the same but for rounding."""
ALONE = 4
"""Pixels near the largest number from which on it is not that of a stray particle."""
FAR, OVER = 7 / 8, 5e-4
"""Share of the range of its type by which a number jumps where it wraps round, and the share of the
pixels beside such a jump that no gap and no stray particle makes."""
PAIRS, DENSE = 40, 0.5
"""Pixels of a shot with their neighbour at the higher of two numbers, and the share of those at it
that have such a neighbour, from which on others would hold more than a photon."""
ALIKE = 0.05
"""Numbers of pixels that differ by less than this share are the same, but for pixels that happen to
be alike; those of detectors that saturate differ by their light."""
FEW = 1000
"""Photons of a shot below which a network reads little: the macro F1 of the shipped one is 0.54
there, and 0.34 at 300 and 0.12 at 50."""
_SINGLE = np.finfo(np.float32)
NUMBER = "{number}"
"""Stands in a doubt for the number of the file, see `in_words`."""


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
    """The largest of all its good pixels, at how many of them, and where; that of its type, where a
    pixel reaches it, also where it is a marker."""
    at_most: int
    at_top: npt.NDArray[np.bool_]
    """(p,) which of the pixels looked at are among them."""
    where: int
    at_half: int
    """How many of them lie above the middle between the median and the largest."""
    mean: float
    deviation: float
    pixels: int
    """Of all its good pixels, and how many these are."""
    over: int
    """How many of the pixels looked at lie just below the largest number of the type between a like
    one and one just above the smallest."""
    ones: int
    """Where they hold two numbers, of the pixels looked at those with the higher one; else 0."""
    pairs: int
    """How many of these have a neighbour in the row that holds it, too."""

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
    kept = counts if seen.all() else counts[seen]
    if not kept.size:
        kept = np.zeros(1, counts.dtype)
    least, most = kept.min(), kept.max()
    reached = kind in "ui" and int(counts.max()) == np.iinfo(counts.dtype).max  # also as a marker
    top = counts.max() if reached else most
    at_top = counts == top if reached else np.where(seen, counts, least) == most
    at_most = np.where(seen, counts, least) == most
    two = most > least and int((kept == least).sum() + (kept == most).sum()) == kept.size
    high = at_most[y, x] & two
    wide = kept.astype(np.float64)
    middle = float(np.median(values[good])) if good.any() else 0.0
    return Glance(
        values=np.where(good, values, np.nan),
        rough=np.where(beside & np.isfinite(rough), rough, np.nan),
        ceiling=float(np.iinfo(counts.dtype).max) if kind in "ui" else np.inf,
        unsigned=kind == "u",
        most=float(top),
        at_most=int(at_top.sum()),
        at_top=at_top[y, x],
        where=int(at_top.argmax()),
        at_half=int((wide > (middle + float(most)) / 2).sum()),
        mean=float(wide.mean()),
        deviation=float(wide.std()),
        pixels=kept.size,
        over=_over(counts.dtype, float(most), before[beside], values[beside], after[beside]),
        ones=int(high.sum()),
        pairs=int((high & at_most[y, x + 1]).sum()),
    )


def _over(
    kind: np.dtype[Any], most: float, before: Numbers, values: Numbers, after: Numbers
) -> int:
    """See `Glance.over`; pixels at the largest number `most` of a shot may be saturated."""
    if kind.kind not in "ui":
        return 0
    span = 2.0 ** (8 * kind.itemsize)
    low, high = np.minimum(before, after), np.maximum(before, after)
    jump, like = values - low > FAR * span, np.abs(values - high) < (1 - FAR) * span
    return int((jump & like & (values < most) & (high < most)).sum())


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
    """Why the numbers of these shots of one file, in its order, may be no counts, or too few, a
    clause each; [] where they may be, and of no shots.

    `backgrounds`: of each shot with its noise, after what is done to it first; None: as it is.
    """
    seen = [glance for glance in glances if len(glance.good) >= FEWEST_PIXELS]
    if not seen:
        return []
    wrapped = _share(map(_wraps, seen)) >= SOME
    found = (
        (wrapped, WRAPPED),
        (not wrapped and _is_turned(seen), TURNED_SIGN),
        (not wrapped and _share(map(_runs_over, seen)) >= SOME, RAN_OVER),
        (_noise_falls(seen) or _are_pictures(seen), NO_COUNTS),
        (_each_by_itself(seen), BY_ITSELF),
        (_each_stretched(seen), STRETCHED),
        (_each_normalised(seen), NORMALISED),
        (_cut_at_a_threshold(seen), THRESHOLD),
        (_hold_few_photons(seen), FEW_PHOTONS),
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
RAN_OVER = (
    "bright pixels jump from almost the largest number of their type to almost the smallest, as"
    " where they ran over it: store the counts in a type of more bytes"
)
NO_COUNTS = (
    "there is less noise where there is light, as in logarithms and in grey values of pictures:"
    " give the counts themselves"
)
BY_ITSELF = (
    "the largest number is the same in every shot, as where each was scaled by itself: give the"
    " counts from before that"
)
STRETCHED = (
    "the same share of the pixels of every shot holds the largest number, as where each was"
    " stretched between percentiles: give the counts from before that"
)
NORMALISED = (
    "the mean or the deviation is the same in every shot, as where each was divided by its own:"
    " give the counts from before that"
)
THRESHOLD = (
    "each pixel holds one of two numbers, also where neighbours hold the higher one and some would"
    " hold more photons, as where shots were cut at a threshold: give the counts from before that"
)
FEW_PHOTONS = (
    f"none of the shots that were looked at holds {FEW:,} photons, and of so few a network reads"
    " little: look at its predictions before you use them"
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
    several = several and (values[near] == 1).mean() < 0.5  # nor saturated
    return bool(few > 1e-3 and between < 0.1 * few and several)


def _runs_over(glance: Glance) -> bool:
    """Whether it happens at more pixels than chance brings about."""
    return glance.over > max(8, OVER * len(glance.good))


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
    shots do not reach it and bright ones do in many pixels; nor in the same, broken pixel, nor in
    one that a stray particle hit."""
    most = np.array([glance.most for glance in glances])
    if _are_photons(glances) or not _mostly_same(most, 1e-6):
        return False
    alone = [g.where for g in glances if g.at_most == 1 and g.at_half > ALONE]
    return len(alone) > len(glances) / 4 and len(set(alone)) > 2


def _each_stretched(glances: Sequence[Glance]) -> bool:
    """Whether as many pixels of most shots are at the same largest number, and not always the same
    ones, as where they are hot, markers of gaps, or lie where the beam goes through."""
    most = np.array([glance.most for glance in glances])
    if len(glances) < STEPS_SEEN or _are_photons(glances) or not _mostly_same(most, EXACT):
        return False
    at_top = np.stack([glance.at_top for glance in glances])
    each = at_top.mean(0)
    moving = (at_top & (each < 0.5)).sum(1)
    always = float((each > MOST).mean())
    share = np.array([g.at_most / g.pixels for g in glances]) - always
    middle = float(np.median(share))
    alike = np.abs(share - middle) <= ALIKE * middle
    return bool(middle > 0 and np.median(moving) > ALONE and alike.mean() > 0.5)


def _each_normalised(glances: Sequence[Glance]) -> bool:
    """Whether mean, deviation or root mean square of all shots is the same, and closer than noise
    leaves it."""
    if len(glances) < FEWEST_SHOTS or _are_photons(glances):
        return False
    mean, deviation = np.array([(glance.mean, glance.deviation) for glance in glances]).T
    noise = np.median([_background_of(glance)[1] for glance in glances])
    chance = float(noise / np.sqrt(np.median([glance.pixels for glance in glances])))
    numbers = (mean, deviation, np.hypot(mean, deviation))
    return any(
        EXACT * abs(float(np.median(x))) < 0.1 * chance and _mostly_same(x, EXACT) for x in numbers
    )


def _cut_at_a_threshold(glances: Sequence[Glance]) -> bool:
    """Whether all shots hold two numbers, and some the higher one too densely for photons."""
    lit = [glance for glance in glances if glance.deviation > 0]
    dense = [glance.pairs > max(PAIRS, DENSE * glance.ones) for glance in lit]
    return bool(lit) and all(glance.ones for glance in lit) and _share(dense) >= SOME


def _are_photons(glances: Sequence[Glance]) -> bool:
    """Whether numbers are whole and small: few shots have many photons in a pixel."""
    most = float(np.median([glance.good.max() for glance in glances]))
    return most < 100 and not any((glance.good % 1).any() for glance in glances)


def _hold_few_photons(glances: Sequence[Glance]) -> bool:
    """Whether the brightest of many shots does, in files that count single photons: most pixels
    hold none, most others one, and more of them two than where photons fall anywhere alike."""
    if len(glances) < ENOUGH or max(g.mean * g.pixels for g in glances) >= FEW:
        return False
    values = np.concatenate([glance.good for glance in glances])
    some = values[values != 0]
    if not len(some) or some.min() != 1 or np.median(some) != 1 or (some % 1).any():
        return False
    by_chance = float(values.sum()) ** 2 / (2 * len(values))
    return 2 * len(some) < len(values) and int((some > 1).sum()) > 5 + 3 * by_chance


def _mostly_same(values: Numbers, share: float) -> bool:
    """Whether the numbers of most shots (n,) differ by less than this share, and not from 0."""
    middle = float(np.median(values))
    return bool((np.isclose(values, middle, rtol=share, atol=0) & (values != 0)).mean() > MOST)


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
    """(name of a file, its doubts) of all files in order to a message a doubt, in which files of
    the same are one; NUMBER in it becomes their numbers, from 1 on: "2", "1,3-5"."""
    names: list[str] = []
    files: dict[str, list[int]] = {}
    for place, (name, texts) in enumerate(doubts):
        names.append(name)
        for text in texts:
            files.setdefault(text, []).append(place)
    return [
        f"{names[places[0]]}{f' and {len(places) - 1:,} more' * (len(places) > 1)}:"
        f" {text.replace(NUMBER, _numbers(places))}."
        for text, places in files.items()
    ]


def _numbers(places: Sequence[int]) -> str:
    """Places in rising order as numbers from 1 on."""
    starts = [k for k, p in enumerate(places) if not k or places[k - 1] != p - 1]
    ends = [*(k - 1 for k in starts[1:]), len(places) - 1]
    each = ((places[a] + 1, places[b] + 1) for a, b in zip(starts, ends, strict=True))
    return ",".join(f"{a}-{b}" if b > a else f"{a}" for a, b in each)
