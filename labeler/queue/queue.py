"""The queue: which shots to go through and in which order.

A queue is an array of rows. Its filters are in `labeler.queue.filters`, its orders in
`labeler.queue.orders`; going through it is `labeler.queue.position`. Pure numpy; it knows nothing
of files, windows or the store.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from labeler.project.store.records import Flags, Rows
from labeler.queue.facts import ALL, ShotFacts, Some
from labeler.queue.filters import ALL_SHOTS, FILTERS, Filter, fits, meant, passes, text_of
from labeler.queue.orders import FILE, ORDERS, Order, order_of, sort
from model.errors import InputError

__all__ = [
    "FILTERS",
    "ORDERS",
    "Choice",
    "Filter",
    "Order",
    "ShotFacts",
    "build",
    "from_json",
    "matching",
    "order_of",
    "saved_one",
    "text_of",
    "to_json",
]

SAVED = "queues"
"""Where a project keeps queues by name."""


@dataclass(frozen=True)
class Choice:
    """Conditions that all hold, and one order; or, with a title, shots that someone chose."""

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


def matching(filters: tuple[str, ...], known: ShotFacts, rows: Some = ALL) -> Flags:
    """True where a shot fulfils all conditions; KeyError for an unknown one."""
    found = np.ones(known.n, bool)[rows]
    for condition in filters:
        found &= passes(condition, known, rows)
    return found


def build(choice: Choice, known: ShotFacts) -> Rows:
    """Rows of the queue, in its order; ties stay in file order."""
    rows = np.flatnonzero(matching(choice.filters, known)).astype(np.int64)
    return sort(rows, choice.order, known)


def to_json(choice: Choice) -> dict[str, Any]:
    """A choice as plain values."""
    return {**asdict(choice), "filters": list(choice.filters)}


def from_json(kept: Any, known: ShotFacts, lost: list[str] | None = None) -> Choice:
    """A choice of an earlier session; conditions that mean nothing any more are left out.

    They are added to `lost`: without them the queue holds more shots than someone asked for.
    """
    kept = kept if isinstance(kept, dict) else {}
    found = kept.get("filters") if isinstance(kept.get("filters"), list) else []
    filters = [meant(str(f), known) for f in found or ()]
    title, order = kept.get("title"), kept.get("order")
    try:
        order_of(str(order))
    except KeyError:
        order = FILE
    held = tuple(f for f in filters if fits(f, known))
    if lost is not None:
        lost += [f for f in filters if f not in held]
    return Choice(held, str(order), title if isinstance(title, str) else "")


def saved_one(kept: Any, name: str, known: ShotFacts) -> Choice:
    """A saved queue; InputError where it asks for something that is not there any more."""
    lost: list[str] = []
    choice = from_json(kept[name], known, lost)
    if lost:
        what = f"the queue {name!r} asks for {', '.join(map(repr, lost))}, which is not there now"
        raise InputError(what, mend="Choose its conditions again and save it under the same name.")
    return choice
