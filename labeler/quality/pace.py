"""How fast the labelling goes, pauses left out, and when a pause would do good."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable
from itertools import pairwise

WINDOW = 3600.0
"""Seconds that count."""
PAUSE = 180.0
"""A longer gap between two decisions is a pause and is not counted as work."""
ENOUGH = 5
"""Decisions before a rate means anything."""
LEAST_WORK = 10.0
"""Seconds of work before it does."""


class Pace:
    """Times of the decisions of this session."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._times: deque[float] = deque()

    def count(self) -> None:
        """One shot has been decided now."""
        self._times.append(self._clock())

    def per_hour(self) -> float | None:
        """Shots decided per hour of work; None before there are enough."""
        now = self._clock()
        while self._times and self._times[0] < now - WINDOW:
            self._times.popleft()
        times = list(self._times)
        if len(times) < ENOUGH:
            return None
        gaps = [b - a for a, b in pairwise(times) if b - a <= PAUSE]
        worked = sum(gaps)
        return len(gaps) / worked * 3600 if worked >= LEAST_WORK else None


LONG_S = 50 * 60.0
"""So much work without a break is long."""
BREAK_S = 5 * 60.0
"""A gap between two decisions that counts as a break."""
AGAIN_S = 30 * 60.0
"""Before a reminder that was not followed comes again."""


class Breaks:
    """Fed with every decision; says when it has been long enough."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._last: float | None = None
        self._since = 0.0
        self._said: float | None = None

    @property
    def worked_s(self) -> float:
        """Seconds since the last break, up to the last decision."""
        return 0.0 if self._last is None else self._last - self._since

    def count(self) -> bool:
        """One decision was made now; True where it is time to say so, once in a while."""
        now = self._clock()
        if self._last is None or now - self._last > BREAK_S:
            self._since, self._said = now, None
        self._last = now
        due = self.worked_s >= LONG_S and (self._said is None or now - self._said >= AGAIN_S)
        if due:
            self._said = now
        return due
