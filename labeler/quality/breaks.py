"""When a pause would do good: how long someone has labelled without one. A clock and a sum."""

from __future__ import annotations

import time
from collections.abc import Callable

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
