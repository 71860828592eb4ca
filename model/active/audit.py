"""The random audit: class fractions of all shots, unbiased though most labels are hand-picked.

One fixed random order of the shots belongs to a seed. Audit shots are asked along it, so that the
shots up to the last one asked are a simple random draw of all shots, whoever chose the labels that
some of them had before. Fractions and intervals come from that draw only. It asks no one itself.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.special import betaincinv

Labels = npt.NDArray[np.bool_]
Rows = npt.NDArray[np.intp]
SHARE = 0.1
"""Of all labels, that are random checks unless a person wants another share."""
FEWEST_CHECKS = 50
"""Random checks from which on they alone judge: labels that were asked for are harder than shots
are, and a score on them says little of all shots."""


@dataclass(frozen=True)
class Fraction:
    """Share of all shots that show a class: estimate and interval, from `shots` audited ones."""

    name: str
    share: float
    low: float
    high: float
    shots: int
    found: int


def order(count: int, seed: int) -> Rows:
    """(N,) the fixed random order in which shots are audited."""
    return np.random.default_rng([seed, 0xA0D17]).permutation(count)


def reserved(count: int, seed: int) -> Rows:
    """The first part of the order, whose shots judge networks and never train them.

    It is as long as the checks are many when all shots are labelled. Whoever labels such a shot,
    and why, it is kept: were those that were asked for as hard ones to train, the others would be
    no random draw. None where they can never be enough to judge.
    """
    most = round(SHARE * count)
    return order(count, seed)[: most if most >= FEWEST_CHECKS else 0]


def upcoming(labelled: Labels, askable: Labels, seed: int, n: int) -> Rows:
    """The next n shots of the audit that have no label yet."""
    rows = order(len(labelled), seed)
    return rows[(askable & ~labelled)[rows]][:n]


def due(labels: int, n: int, share: float) -> int:
    """How many of the next n labels are audits, so that overall `share` of all labels are."""
    return min(n, int(np.floor((labels + n) * share + 1e-9) - np.floor(labels * share + 1e-9)))


def audited(labelled: Labels, seed: int, askable: Labels | None = None) -> Rows:
    """The shots that count: the audit's order up to the first one without a label.

    Shots that cannot be asked for (unreadable) are passed over.
    """
    rows = order(len(labelled), seed)
    if askable is not None:
        rows = rows[askable[rows]]
    missing = np.flatnonzero(~labelled[rows])
    return rows[: missing[0]] if len(missing) else rows


def fractions(
    labels: Labels,
    labelled: Labels,
    names: tuple[str, ...],
    seed: int,
    *,
    confidence: float = 0.95,
    askable: Labels | None = None,
    known: Labels | None = None,
) -> tuple[Fraction, ...]:
    """The share of all shots that shows each class, with its interval; labels (N, C).

    known (N, C): the labels that someone decided on, None for all; of each class only those count.

    Clopper and Pearson's exact interval, the number of audited shots corrected for the size of
    the population (n (N - 1)/(N - n)), so that it closes when every shot is audited.
    """
    rows = audited(labelled, seed, askable)
    total = len(labelled) if askable is None else int(askable.sum())
    said = np.ones_like(labels[rows]) if known is None else known[rows]
    found = (labels[rows] & said).sum(0)
    made = []
    for name, k, drawn in zip(names, found.tolist(), said.sum(0).tolist(), strict=True):
        low, high = interval(k, drawn, total, confidence)
        made.append(Fraction(name, k / drawn if drawn else float("nan"), low, high, drawn, k))
    return tuple(made)


def interval(found: int, drawn: int, total: int, confidence: float = 0.95) -> tuple[float, float]:
    """Clopper and Pearson's interval for `found` of `drawn` out of a population of `total`."""
    if not drawn:
        return 0.0, 1.0
    share = found / drawn
    if drawn >= total:
        return share, share
    n = drawn * (total - 1) / (total - drawn)
    k, tail = share * n, (1 - confidence) / 2
    low = float(betaincinv(k, n - k + 1, tail)) if found else 0.0
    high = float(betaincinv(k + 1, n - k, 1 - tail)) if found < drawn else 1.0
    return low, high
