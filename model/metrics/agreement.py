"""How far people agree on labels: Cohen's kappa, Krippendorff's alpha with intervals, majorities.

Pure statistics over arrays; it knows no project, no shots and no names. A class is a yes or no on
every shot; a reader may have left any shot out.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import combinations

import numpy as np
import numpy.typing as npt

Doubles = npt.NDArray[np.float64]
Flags = npt.NDArray[np.bool_]

RELIABLE, TENTATIVE = 0.8, 0.667
"""Krippendorff (2004): above the first conclusions stand, between the two they are tentative."""


def cohens_kappa(first: npt.ArrayLike, second: npt.ArrayLike) -> Doubles:
    """(N, C) yes and no of two readers to (C,) kappa = (p_o - p_e) / (1 - p_e), Cohen (1960).

    NaN where both only ever said the same one thing, for then chance explains everything, and
    where there is no shot.
    """
    a, b = np.asarray(first, bool), np.asarray(second, bool)
    with np.errstate(divide="ignore", invalid="ignore"):
        observed = (a == b).sum(0) / len(a)
        yes = a.sum(0) / len(a) * (b.sum(0) / len(a))
        no = (~a).sum(0) / len(a) * ((~b).sum(0) / len(a))
        expected = yes + no
        kappa = (observed - expected) / (1 - expected)
    return np.where(np.isclose(expected, 1), np.nan, kappa)


def positive_agreement(first: npt.ArrayLike, second: npt.ArrayLike) -> Doubles:
    """(N, C) yes and no, said twice of the same, to (C,) 2·both / (first's yes + second's yes).

    The share of a class's labels that the other answer confirms (Dice; Cicchetti and Feinstein
    1990). It does not depend on how many shots are without the class. NaN where none has it.
    """
    a, b = np.asarray(first, bool), np.asarray(second, bool)
    either = a.sum(0) + b.sum(0)
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(either > 0, 2 * (a & b).sum(0) / either, np.nan)


def krippendorff_alpha(values: npt.ArrayLike) -> float:
    """(readers, units) nominal values, NaN where a reader left a unit out, to alpha.

    alpha = 1 - D_o / D_e from the coincidences of values within units that two or more readers
    read: Krippendorff, *Computing Krippendorff's alpha-reliability* (2011), section C. NaN where
    only one value occurs.
    """
    found = np.asarray(values, float)
    read = ~np.isnan(found)
    m = read.sum(0)
    units = m >= 2
    found, read, m = found[:, units], read[:, units], m[units]
    unlike = np.zeros(len(m))
    for a, b in combinations(range(len(found)), 2):
        unlike += 2 * (read[a] & read[b] & (found[a] != found[b]))
    _, how_many = np.unique(found[read], return_counts=True)
    n = how_many.sum()
    chance = n**2 - (how_many**2).sum()
    return float(1 - (n - 1) * (unlike / (m - 1)).sum() / chance) if chance else np.nan


@dataclass(frozen=True)
class Alpha:
    """Alpha of one class with its interval, and how many units and differences it rests on."""

    value: float
    low: float
    high: float
    units: int
    differing: int


def alpha_of_classes(
    read: npt.ArrayLike, present: npt.ArrayLike, *, resamplings: int = 1000, seed: int = 0
) -> list[Alpha]:
    """Alpha of each of C classes, with its 95 % interval: a percentile bootstrap over units.

    `read` (A, N) True where a reader decided, or (A, N, C) where that differs from class to class;
    `present` (A, N, C) what they saw. Units that fewer than two read say nothing. Units with as
    many readers and as many yeses are alike, so one draw of how often each kind occurs is a whole
    resampling, however many units there are.
    """
    said = np.asarray(present, bool)
    who = _of_classes(read, said)
    rng = np.random.default_rng(seed)
    found = []
    for c in range(said.shape[2]):
        readers = who[..., c].sum(0)
        pairable = readers >= 2
        readers = readers[pairable]
        kinds, how_often = _kinds(readers, (said & who)[..., c].sum(0)[pairable])
        value = _alpha(kinds, how_often[None])[0]
        low, high = _interval(kinds, how_often, resamplings, rng)
        unlike = how_often[(kinds > 0).all(1)].sum()
        found.append(Alpha(float(value), low, high, len(readers), int(unlike)))
    return found


def _of_classes(read: npt.ArrayLike, present: Flags) -> Flags:
    """(A, N, C) who decided on which class of which unit."""
    who = np.asarray(read, bool)
    return np.broadcast_to(who if who.ndim == present.ndim else who[..., None], present.shape)


def _kinds(
    readers: npt.NDArray[np.int64], yes: npt.NDArray[np.int64]
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """(K, 2) different pairs (noes, yeses) of units, and (K,) how many units are so."""
    most = int(readers.max(initial=0)) + 1
    counts = np.bincount(readers * most + yes)
    there = np.flatnonzero(counts)
    return np.stack([there // most - there % most, there % most], 1), counts[there]


def _interval(
    kinds: npt.NDArray[np.int64],
    how_often: npt.NDArray[np.int64],
    resamplings: int,
    rng: np.random.Generator,
) -> tuple[float, float]:
    """95 %."""
    n = int(how_often.sum())
    if n < 2:
        return np.nan, np.nan
    drawn = rng.multinomial(n, how_often / n, resamplings)
    alphas = _alpha(kinds, drawn)
    alphas = alphas[np.isfinite(alphas)]
    if len(alphas) < resamplings / 2:  # mostly without a single yes: nothing to say
        return np.nan, np.nan
    low, high = np.quantile(alphas, [0.025, 0.975])
    return float(low), float(high)


def _alpha(units: npt.NDArray[np.int64], how_often: npt.NDArray[np.int64]) -> Doubles:
    """(K, V) counts of values in kinds of units, (B, K) how often each occurs, to (B,) alpha."""
    kinds, weights = units.astype(float), how_often.astype(float)
    m = kinds.sum(1)
    kinds, weights, m = kinds[m > 1], weights[:, m > 1], m[m > 1]
    # within one unit: ordered pairs of different values, each unit weighing 1 / (m - 1)
    unlike = (m**2 - (kinds**2).sum(1)) / (m - 1)
    per_value = weights @ kinds
    n = per_value.sum(1)
    observed = weights @ unlike
    chance = (n**2 - (per_value**2).sum(1)) / (n - 1) if len(m) else np.zeros(len(weights))
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(chance > 0, 1 - observed / chance, np.nan)


# -- what several readers say together ---------------------------------------------------------


def differing(read: npt.ArrayLike, present: npt.ArrayLike) -> Flags:
    """`read` (A, N) or (A, N, C), `present` (A, N, C) to (N, C): True where two who read it
    differ."""
    said = np.asarray(present, bool)
    who = _of_classes(read, said)
    yes = (said & who).any(0)
    no = (~said & who).any(0)
    return np.asarray(yes & no)


def majority(read: npt.ArrayLike, present: npt.ArrayLike) -> tuple[Flags, Flags]:
    """What most readers say: (N, C) label sets, and (N,) True where they are settled.

    A shot is settled where two or more read it and, for every class, more than half of them say
    the same; a class on which no one decided is left open.
    """
    said = np.asarray(present, bool)
    who = _of_classes(read, said)
    readers = who.sum(0)
    yes = (said & who).sum(0)
    most = 2 * yes > readers
    tied = (2 * yes == readers) & (readers > 0)
    return most, np.asarray((who.any(2).sum(0) >= 2) & ~tied.any(1))


def share_interval(hits: npt.ArrayLike, trials: npt.ArrayLike) -> tuple[Doubles, Doubles]:
    """Wilson's (1927) 95 % interval of a share, elementwise; (0, 1) where there was no trial."""
    z = 1.959964
    k, n = np.asarray(hits, float), np.asarray(trials, float)
    safe = np.maximum(n, 1)
    share = k / safe
    centre = share + z**2 / (2 * safe)
    spread = z * np.sqrt(share * (1 - share) / safe + z**2 / (4 * safe**2))
    low, high = (centre - spread) / (1 + z**2 / safe), (centre + spread) / (1 + z**2 / safe)
    return np.where(n > 0, np.maximum(low, 0), 0.0), np.where(n > 0, np.minimum(high, 1), 1.0)


def dice_interval(both: npt.ArrayLike, either: npt.ArrayLike) -> tuple[Doubles, Doubles]:
    """Wilson's interval of both / either, carried over to Dice's number, which F1 is too:
    2·both / (both + either) = 2·share / (1 + share)."""
    low, high = share_interval(both, either)
    return 2 * low / (1 + low), 2 * high / (1 + high)


def median_interval(values: npt.NDArray[np.float64]) -> tuple[float, float, float]:
    """The median and its 95 % interval by order statistics, for any distribution; NaN of none."""
    n = len(values)
    if not n:
        return math.nan, math.nan, math.nan
    ordered = np.sort(values)
    low = max(math.floor(n / 2 - 0.98 * math.sqrt(n)), 0)
    return float(np.median(ordered)), float(ordered[low]), float(ordered[n - 1 - low])
