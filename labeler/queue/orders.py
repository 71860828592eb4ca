"""Orders: in which order the shots of the queue come. A table that anybody may add a line to."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from labeler.project.store.records import Rows
from labeler.queue.facts import MODEL, ShotFacts

FILE = "file"
NUMBER, DOWN = "number:", ":down"


@dataclass(frozen=True)
class Order:
    """One line of the table: `key(known)` is (N,), the largest comes first.

    `needs` is "model", or the name of the number that the key looks at (see `ShotFacts.lacking`).
    """

    text: str
    key: Callable[[ShotFacts], npt.NDArray[np.generic]]
    needs: str = ""


def _uncertainty(known: ShotFacts) -> npt.NDArray[np.generic]:
    assert known.predictions is not None
    return known.predictions.uncertainty()


def _contradiction(known: ShotFacts) -> npt.NDArray[np.generic]:
    assert known.predictions is not None
    return known.predictions.contradictions()


def _newest(known: ShotFacts) -> npt.NDArray[np.generic]:
    return np.zeros(known.n) if known.times is None else known.times()


ORDERS: dict[str, Order] = {
    FILE: Order("File order", lambda known: -np.arange(known.n)),
    "asked": Order("Most informative", _uncertainty, MODEL),
    "uncertainty": Order("Least sure first", _uncertainty, MODEL),
    "contradiction": Order("Most contradictory first", _contradiction, MODEL),
    "newest": Order("Labelled last, first", _newest),
}
"""Name -> order; besides these, "number:NAME" and "number:NAME:down" for every number."""


def order_of(name: str) -> Order:
    """An order by name; KeyError where there is none."""
    if not name.startswith(NUMBER):
        return ORDERS[name]
    number, down = name.removeprefix(NUMBER), name.endswith(DOWN)
    number = number.removesuffix(DOWN) if down else number
    sign = 1 if down else -1
    words = "highest" if down else "lowest"
    return Order(f"{number}, {words} first", lambda known: sign * known.numbers[number], number)


def sort(rows: Rows, name: str, known: ShotFacts) -> Rows:
    """The rows in an order; ties, and shots about which nothing is known, in file order last."""
    order = order_of(name)
    if name == FILE or known.lacking(order.needs):
        return rows
    key = np.asarray(order.key(known), float)[rows]
    return rows[np.argsort(-key, kind="stable")]
