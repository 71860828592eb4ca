"""What a long run says while it works: one JSON object a line, and nothing else on that stream.

An event is a plain dict with at least `event` (its kind) and `time` (seconds since the epoch).
Kinds, and the fields that the window relies on:

- started: recipe, network, shots, training, evaluation, excluded, classes, epochs, seconds_left
- step: step, epoch, loss
- epoch: epoch, epochs, loss, metrics (name -> number), best (bool), seconds_left
- evaluated: step, epoch (a fraction), metrics, best; only between the epochs
- progress: what (in words), done, total
- note: level ("info" | "warning"), text
- finished: metrics, and what the work made (paths as text)
- cancelled: text
- failed: text (the message for the person)
"""

from __future__ import annotations

import json
import math
import time
from collections.abc import Callable, Iterable, Iterator
from typing import Any

Event = dict[str, Any]
Stop = Callable[[], bool]
"""Asked between steps; True: end here, with `cancelled`."""
MOST = 1e11
"""No count and no time (in seconds) of an event is larger."""
_SAY_EVERY = 0.2
"""Seconds."""


def never() -> bool:
    """The `Stop` of someone who never stops."""
    return False


def event(kind: str, **fields: Any) -> Event:
    """An event of the given kind, stamped with the time now."""
    return {"event": kind, "time": time.time(), **fields}


def now_and_then(counts: Iterable[tuple[int, int]]) -> Iterator[tuple[int, int]]:
    """Of pairs (done, total), five a second and the last: as many as a person can follow."""
    said = 0.0
    for done, total in counts:
        if done >= total or time.monotonic() - said >= _SAY_EVERY:
            said = time.monotonic()
            yield done, total


def to_line(item: Event) -> str:
    """One line of JSON without its line end; NaN and infinity become null."""
    return json.dumps(_finite(item), ensure_ascii=False, separators=(",", ":"))


def from_line(line: str) -> Event | None:
    """The event on a line, or None where the line is no event (a stray print of a library)."""
    try:
        item = json.loads(line)
    except (ValueError, RecursionError):
        return None
    return item if isinstance(item, dict) and isinstance(item.get("event"), str) else None


def number_of(item: Event | None, name: str) -> float:
    """A field of an event as a number; 0 where it has none that a count or a time can be."""
    value = (item or {}).get(name)
    if isinstance(value, bool) or not isinstance(value, int | float) or not abs(value) < MOST:
        return 0.0
    return float(value)


def _finite(value: Any) -> Any:
    if isinstance(value, dict):
        return {str(k): _finite(v) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(v) for v in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value.item() if hasattr(value, "item") else value
