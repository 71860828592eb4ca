"""The queue: which shots to go through and in which order.

A queue is an array of rows. Its filters are in `labeler.filters`, its orders in `labeler.orders`;
going through it is `labeler.walk`. Pure numpy; it knows nothing of files, windows or the store.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from labeler.filters import ALL_SHOTS, FILTERS, Filter, fits, passes, text_of
from labeler.known import ALL, Flags, Known, Some
from labeler.orders import FILE, ORDERS, Order, order_of, sort
from labeler.store.records import Rows

__all__ = [
    "FILTERS",
    "ORDERS",
    "Choice",
    "Filter",
    "Known",
    "Order",
    "build",
    "from_json",
    "matching",
    "order_of",
    "text_of",
    "to_json",
]

SAVED = "queues"
"""Where a project keeps queues by name."""


@dataclass(frozen=True)
class Choice:
    """Conditions that all hold, and one order; or, with a title, shots that somebody chose."""

    filters: tuple[str, ...] = ()
    order: str = FILE
    title: str = ""

    @property
    def filter(self) -> str:
        """The first condition, "all" where there is none."""
        return self.filters[0] if self.filters else "all"

    def text(self) -> str:
        """The queue in a few words."""
        return self.title or " · ".join(map(text_of, self.filters)) or ALL_SHOTS


def matching(filters: tuple[str, ...], known: Known, rows: Some = ALL) -> Flags:
    """True where a shot fulfils all conditions; KeyError for an unknown one."""
    found = np.ones(known.n, bool)[rows]
    for condition in filters:
        found &= passes(condition, known, rows)
    return found


def build(choice: Choice, known: Known) -> Rows:
    """Rows of the queue, in its order; ties stay in file order."""
    rows = np.flatnonzero(matching(choice.filters, known)).astype(np.int64)
    return sort(rows, choice.order, known)


def to_json(choice: Choice) -> dict[str, Any]:
    """A choice as plain values."""
    return {**asdict(choice), "filters": list(choice.filters)}


def from_json(kept: Any, known: Known) -> Choice:
    """A choice of an earlier sitting; what means nothing any more is left out."""
    kept = kept if isinstance(kept, dict) else {}
    filters = kept.get("filters") if isinstance(kept.get("filters"), list) else []
    title, order = kept.get("title"), kept.get("order")
    try:
        order_of(str(order))
    except KeyError:
        order = FILE
    held = tuple(str(f) for f in filters if fits(str(f), known))
    return Choice(held, str(order), title if isinstance(title, str) else "")
