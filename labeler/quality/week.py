"""How the labelling goes: decisions by day and hour, time worked, classes still rare.

Pure arithmetic over times and states; questions to the store, no Qt.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import numpy as np
import numpy.typing as npt

from labeler.project.project import Project
from labeler.project.store.timeline import NOT_BY_HAND, Firsts, first_decisions
from labeler.quality.pace import PAUSE
from model.taxonomy.taxonomy import Taxonomy

ENOUGH_OF_A_CLASS = 50
"""Below this many labels a class is rare: a network learns little of it, its score is chance."""
DAYS = 7

Times = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Span:
    """Decisions within some time: how many shots, seconds worked, pauses left out."""

    shots: int
    worked_s: float

    @property
    def per_hour(self) -> float:
        """Shots in an hour of work; NaN where there is too little to tell."""
        return 3600 * self.shots / self.worked_s if self.worked_s > 60 else np.nan


def span(times: Times) -> Span:
    """A stretch of decisions; gaps longer than PAUSE are no work."""
    gaps = np.diff(times)
    return Span(len(times), float(gaps[gaps <= PAUSE].sum()))


@dataclass(frozen=True)
class Week:
    """What a person decided: today, in the last days, by day, and by clock hour today."""

    today: Span
    week: Span
    all: Span
    bulk: int
    """Shots decided many at once or taken in from a file; not counted above."""
    days: tuple[tuple[datetime, Span], ...]
    hours: tuple[tuple[datetime, int], ...]
    """Clock hours of the last day with any decision, from its first to its last."""


def week_of(project: Project, annotator: int, now: datetime | None = None) -> Week:
    """How the labelling of a person goes."""
    firsts = first_decisions(project.store.database, annotator)
    return week_from(firsts, datetime.now() if now is None else now)


def week_from(firsts: Firsts, now: datetime) -> Week:
    """The same from first decisions; days begin at midnight of this machine's clock."""
    by_hand = ~np.isin(firsts.origins, NOT_BY_HAND)
    times = firsts.times[by_hand]
    midnight = now.replace(hour=0, minute=0, second=0, microsecond=0)
    starts = [midnight - timedelta(days=d) for d in range(DAYS - 1, -1, -1)]
    days = [(start, span(_within(times, start, timedelta(days=1)))) for start in starts]
    last = datetime.fromtimestamp(times[-1]) if len(times) else now
    return Week(
        today=days[-1][1],
        week=Span(sum(s.shots for _, s in days), sum(s.worked_s for _, s in days)),
        all=span(times),
        bulk=int((~by_hand).sum()),
        days=tuple(days),
        hours=tuple(_hours(times, last)),
    )


def _within(times: Times, start: datetime, length: timedelta) -> Times:
    edges = np.searchsorted(times, [start.timestamp(), (start + length).timestamp()])
    return times[edges[0] : edges[1]]


def _hours(times: Times, day: datetime) -> list[tuple[datetime, int]]:
    start = day.replace(hour=0, minute=0, second=0, microsecond=0)
    hour = timedelta(hours=1)
    counts = [(start + k * hour, len(_within(times, start + k * hour, hour))) for k in range(24)]
    busy = [k for k, (_, n) in enumerate(counts) if n]
    return counts[busy[0] : busy[-1] + 1] if busy else []


def rare_classes(counts: Sequence[int], taxonomy: Taxonomy) -> list[tuple[str, int]]:
    """Classes with fewer than ENOUGH_OF_A_CLASS labels, the rarest first."""
    few = [(n, c) for n, c in zip(taxonomy.names, counts, strict=True) if c < ENOUGH_OF_A_CLASS]
    return sorted(few, key=lambda pair: pair[1])
