"""The one place of the tests that looks at a clock: waits for states, and what work costs.

A test waits until something is so, however long a busy machine takes for it.
"""

from __future__ import annotations

import time
from collections.abc import Callable

from PyQt6.QtCore import QCoreApplication
from PyQt6.QtTest import QTest

PATIENCE_S = 240.0
"""After this a state will never come."""


def until(state: Callable[[], object], what: str = "") -> None:
    """Wait until `state` says something true, while Qt's events are served where Qt runs.

    AssertionError with `what` after PATIENCE_S.
    """
    end = time.monotonic() + PATIENCE_S
    while not state():
        assert time.monotonic() < end, what or "what was waited for never came"
        if QCoreApplication.instance() is None:
            time.sleep(0.005)
        else:
            QTest.qWait(3)


def serve_events() -> None:
    """Serve Qt's events that stand in line now: resized widgets are laid out and painted."""
    QTest.qWait(1)


def processor_s(work: Callable[[], object], times: int = 3) -> float:
    """The least processor time of this thread that `work` takes, in s, of so many times.

    Other processes on the machine cost it nothing, nor does waiting for the disk.
    """
    took = []
    for _ in range(times):
        begin = time.thread_time()
        work()
        took.append(time.thread_time() - begin)
    return min(took)


def quickest_s(work: Callable[[], object], times: int = 20) -> float:
    """The shortest time in s that `work` takes, of so many times: what several processes do."""
    took = []
    for _ in range(times):
        begin = time.perf_counter()
        work()
        took.append(time.perf_counter() - begin)
    return min(took)


class Clock:
    """Stands for `time` in a module of ours: a clock that can be put ahead."""

    ahead = 0.0

    def monotonic(self) -> float:
        """As `time.monotonic`."""
        return time.monotonic() + self.ahead

    def time(self) -> float:
        """As `time.time`."""
        return time.time() + self.ahead
