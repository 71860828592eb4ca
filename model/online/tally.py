"""What the last minute of live shots was like: shares with intervals, latencies, broken rules.

Counts go into one bucket for each second, and buckets older than the window are let go, so that
memory stays the same however long the watch lasts.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from model.metrics.agreement import median_interval, share_interval
from model.online.bands import HITS, Share
from model.taxonomy.taxonomy import Taxonomy

WINDOW_S = 60
SIZE_BINS = 24
"""Of the histogram of droplet radii."""
Sizes = tuple[float, float] | None
"""Radius of a droplet and the error of its fit, in nm; None where no rings are clear."""
EDGES_MS = np.geomspace(1, 1e6, 1201)
"""Of the histogram of all latencies: 1.2 % apart."""


@dataclass
class _Second:
    classes: npt.NDArray[np.int64]
    rules: npt.NDArray[np.int64]
    seen: int = 0
    hits: int = 0
    read: int = 0
    latencies: list[float] = field(default_factory=list)
    sizes: list[tuple[float, float]] = field(default_factory=list)


class Tally:
    """Shares over the last `window` seconds; column c of decisions is `names[c]`.

    `taxonomy` gives the rules, also of classes that are none of `names`: not decided; None: no rule
    is looked at.
    """

    def __init__(
        self, names: tuple[str, ...], taxonomy: Taxonomy | None, window: int = WINDOW_S
    ) -> None:
        self.names, self.taxonomy = names, taxonomy
        self._columns = None if taxonomy is None else taxonomy.columns(names)
        self._rules = () if taxonomy is None else taxonomy.rules
        self._seconds: deque[_Second] = deque([self._second()], maxlen=window)
        self._all = np.zeros(len(EDGES_MS) + 1, np.int64)
        self.read = 0

    def _second(self) -> _Second:
        return _Second(np.zeros(len(self.names), np.int64), np.zeros(len(self._rules), np.int64))

    def came(self, seen: int, hits: int) -> None:
        """This many shots came, this many of them hits."""
        self._seconds[-1].seen += seen
        self._seconds[-1].hits += hits

    def add(self, decided: npt.NDArray[np.bool_], latencies_ms: list[float]) -> None:
        """Decisions (n, C) of the network, and how long after its arrival each was known."""
        now = self._seconds[-1]
        now.read += len(decided)
        now.classes += decided.sum(0)
        now.latencies += latencies_ms
        if self.taxonomy is not None and self._columns is not None:
            labels = np.zeros((len(decided), len(self.taxonomy)), bool)
            known = np.zeros_like(labels)
            labels[:, self._columns], known[:, self._columns] = decided, True
            now.rules += self.taxonomy.violations(labels, known).sum(0)
        self._all += np.bincount(np.digitize(latencies_ms, EDGES_MS), minlength=len(self._all))
        self.read += len(decided)

    def sized(self, sizes: Sequence[Sizes]) -> None:
        """Radii of droplets of this second."""
        self._seconds[-1].sizes += [size for size in sizes if size is not None]

    def next_second(self) -> None:
        """Begin a new bucket."""
        self._seconds.append(self._second())

    def shares(self) -> tuple[dict[str, Share], dict[str, int]]:
        """Of hits among shots, and of each class among hits that were read; and out of how many."""
        seen = sum(s.seen for s in self._seconds)
        read = sum(s.read for s in self._seconds)
        classes = sum(s.classes for s in self._seconds)
        found = {HITS: _share(sum(s.hits for s in self._seconds), seen)}
        found |= {n: _share(k, read) for n, k in zip(self.names, np.asarray(classes), strict=True)}
        return found, {HITS: seen} | dict.fromkeys(self.names, read)

    def summary(self) -> dict[str, Any]:
        """The fields of a `watched` event that the window of time decides."""
        shares, shots = self.shares()
        latencies = [x for s in self._seconds for x in s.latencies]
        broken = np.asarray(sum(s.rules for s in self._seconds))
        rules = {r.text: int(k) for r, k in zip(self._rules, broken, strict=True) if k}
        last = self._seconds[-1]
        return {
            "hit_rate": shares.pop(HITS),
            "fractions": shares,
            "shots_in_window": shots[HITS],
            "read_in_window": sum(s.read for s in self._seconds),
            "latency_ms": _percentiles(latencies),
            "sizes": _distribution([size for s in self._seconds for size in s.sizes]),
            "contradictions": rules,
            "rate_hz": last.seen,
            "read_hz": last.read,
        }

    def all_latencies(self) -> dict[str, float]:
        """Percentiles over everything, in ms, to 1.2 %."""
        total = int(self._all.sum())
        if not total:
            return {"p50": float("nan"), "p99": float("nan")}
        grown = np.cumsum(self._all)
        upper = np.append(EDGES_MS, EDGES_MS[-1])
        return {
            f"p{q}": float(upper[int(np.searchsorted(grown, q / 100 * total))]) for q in (50, 99)
        }


def _share(found: int, shots: int) -> Share:
    low, high = share_interval(found, shots)
    return (found / shots if shots else float("nan"), float(low), float(high))


def _percentiles(latencies: list[float]) -> dict[str, float]:
    if not latencies:
        return {"p50": float("nan"), "p99": float("nan")}
    p50, p99 = np.percentile(latencies, (50, 99))
    return {"p50": float(p50), "p99": float(p99)}


def _distribution(sizes: list[tuple[float, float]]) -> dict[str, Any]:
    """Droplets of the window: how many, median radius with its 95 % interval, histogram, and the
    median error of a fit; all in nm."""
    if not sizes:
        return {"n": 0}
    radii, errors = np.array(sizes).T
    low, high = np.percentile(radii, (1, 99))
    counts, edges = np.histogram(radii, SIZE_BINS, (0.9 * low, 1.1 * high))
    return {
        "n": len(radii),
        "median_nm": median_interval(radii),
        "error_nm": float(np.median(errors)),
        "edges_nm": edges.tolist(),
        "counts": counts.tolist(),
    }
