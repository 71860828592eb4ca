"""Files of shots side by side: hit rate, classes, size, broken rules, and what drifts between them.

What a shift leader asks of the acquisition runs of a beamtime. Numpy over decisions; no file is
read here.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from model.metrics.agreement import median_interval, share_interval
from model.taxonomy.taxonomy import Labels, Taxonomy

DRIFT_LEVEL = 0.05
"""Chance that a class is flagged anywhere in the table though nothing differs (Holm 1979)."""
Share = tuple[float, float, float]
"""Share, and its 95 % interval by Wilson; NaN, 0, 1 where there is nothing to share."""


@dataclass(frozen=True)
class Side:
    """One file: shots, those judged, hits among these; shares of the classes among the hits.

    `size_nm` is the median radius of its droplets with the 95 % interval of that median, NaN where
    none is known; `broken` the judged shots that break a rule, by rule; `drifts` what differs from
    all the other files together more than chance does: class names, "hit rate".
    """

    name: str
    shots: int
    judged: int
    hits: int
    hit_rate: Share
    fractions: dict[str, Share]
    size_nm: Share
    sizes: int
    broken: dict[str, int]
    drifts: tuple[str, ...]

    def flat(self) -> dict[str, Any]:
        """One line of a table: column -> value; every share with its bounds."""
        line: dict[str, Any] = {
            "source": self.name, "shots": self.shots, "judged": self.judged, "hits": self.hits,
        }  # fmt: skip
        for name, share in {"hit rate": self.hit_rate, **self.fractions}.items():
            line |= dict(zip((name, f"{name} low", f"{name} high"), share, strict=True))
        names = ("radius_nm", "radius_nm low", "radius_nm high")
        line |= dict(zip(names, self.size_nm, strict=True))
        line["radius of"] = self.sizes
        line["broken rules"] = sum(self.broken.values())
        line["drifts"] = "; ".join(self.drifts)
        return line


def hits_of(labels: Labels, taxonomy: Taxonomy) -> npt.NDArray[np.bool_]:
    """(N,) False for label sets (N, C) with a class that stands alone, such as Empty."""
    alone = [name for rule in taxonomy.rules if rule.kind == "alone" for name in rule.left]
    return np.asarray(~labels[:, taxonomy.mask(alone)].any(1))


def side_by_side(
    names: Sequence[str],
    source_of: npt.NDArray[np.int32],
    labels: Labels,
    judged: npt.NDArray[np.bool_],
    taxonomy: Taxonomy,
    radius_nm: npt.NDArray[np.float64] | None = None,
    known: Labels | None = None,
) -> list[Side]:
    """A Side for each source, in their order.

    source_of (N,), labels (N, C) of those `judged` (N,), radius_nm (N,) NaN where not known. A shot
    is left out for a class that is undecided on it, of which `known` (N, C) is False.
    """
    said = np.ones_like(labels) if known is None else known
    hits = hits_of(labels, taxonomy) & judged
    broken = taxonomy.violations(labels, said) & judged[:, None]

    def count(rows: npt.NDArray[np.bool_]) -> npt.NDArray[np.int64]:
        return np.bincount(source_of[rows], minlength=len(names))

    shots, seen, hit = count(np.ones(len(judged), bool)), count(judged), count(hits)
    of_class, asked = (
        np.stack([count(hits & column) for column in cells.T], 1).reshape(len(names), -1)
        for cells in (labels & said, said)
    )
    events = np.column_stack([hit, of_class])
    trials = np.column_stack([seen, asked])
    flagged = _drifting(events, trials)
    measures = np.array(["hit rate", *taxonomy.names], object)
    made = []
    for s, name in enumerate(names):
        mine = source_of == s
        shares = [_share(int(k), int(n)) for k, n in zip(events[s], trials[s], strict=True)]
        sizes = np.zeros(0) if radius_nm is None else radius_nm[mine & hits]
        sizes = sizes[np.isfinite(sizes)]
        wrong = broken[mine].sum(0)
        made.append(
            Side(
                name=name,
                shots=int(shots[s]),
                judged=int(seen[s]),
                hits=int(hit[s]),
                hit_rate=shares[0],
                fractions=dict(zip(taxonomy.names, shares[1:], strict=True)),
                size_nm=median_interval(sizes),
                sizes=len(sizes),
                broken={r.text: int(k) for r, k in zip(taxonomy.rules, wrong, strict=True) if k},
                drifts=tuple(measures[flagged[s]]),
            )
        )
    return made


def _share(k: int, n: int) -> Share:
    low, high = share_interval(k, n)
    return (k / n if n else math.nan, float(low), float(high))


def _drifting(
    events: npt.NDArray[np.int64], trials: npt.NDArray[np.int64]
) -> npt.NDArray[np.bool_]:
    """(S, M) which share differs from that of all other sources, corrected for all S·M questions.

    Two shares are compared by the pooled z test; one with no trial on either side never differs.
    """
    others, rest = events.sum(0) - events, trials.sum(0) - trials
    asked = (trials > 0) & (rest > 0)
    n, m = np.maximum(trials, 1), np.maximum(rest, 1)
    pooled = (events + others) / (n + m)
    spread = np.sqrt(pooled * (1 - pooled) * (1 / n + 1 / m))
    difference = np.abs(events / n - others / m)
    z = np.divide(difference, spread, out=np.zeros_like(spread), where=(spread > 0) & asked)
    chance = np.array([math.erfc(v / math.sqrt(2)) for v in z.ravel()])
    order = np.argsort(chance, kind="stable")
    questions = int(asked.sum())
    allowed = DRIFT_LEVEL / np.maximum(questions - np.arange(len(order)), 1)
    passed = np.cumprod(chance[order] <= allowed).astype(bool)
    found = np.zeros(z.size, bool)
    found[order] = passed
    return np.asarray(found.reshape(z.shape) & asked)
