"""Times contenders in turns, so that what else the machine does falls on all of them alike."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Mapping


def seconds_in_turns(
    contenders: Mapping[str, Callable[[], object]], rounds: int, warmups: int = 1
) -> dict[str, list[float]]:
    """Seconds of every contender in each of the rounds, after `warmups` calls of each."""
    for _ in range(warmups):
        for work in contenders.values():
            work()
    taken: dict[str, list[float]] = {name: [] for name in contenders}
    for _ in range(rounds):
        for name, work in contenders.items():
            start = time.perf_counter()
            work()
            taken[name].append(time.perf_counter() - start)
    return taken


def ratio(numerator: list[float], denominator: list[float]) -> float:
    """Median over the rounds of the one's seconds through the other's."""
    return statistics.median(a / b for a, b in zip(numerator, denominator, strict=True))


def median(values: list[float]) -> float:
    """Of the rounds."""
    return statistics.median(values)
