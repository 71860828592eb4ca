"""How fast the labelling goes: labels per hour over the last hour, pauses left out."""

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
