"""The anchoring guard: whether people follow the model because they see it, and by how much.

On a random part of the shots what the model says is hidden until the person has decided. How often
the final labels agree with what the model said, seen and unseen, is compared. Pure numpy.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from math import sqrt
from typing import Any

import numpy as np
import numpy.typing as npt

from labeler.project.store.records import LABELLED
from model.metrics.agreement import share_interval

ENOUGH = 20
"""Hidden shots below which no shift is told."""


def is_hidden(rows: npt.ArrayLike, share: float, seed: int = 0) -> npt.NDArray[np.bool_]:
    """Of which rows the predictions are hidden: a fixed random part, the same in every session."""
    rows = np.asarray(rows, np.uint64)
    # splitmix64, in whole arrays: those wrap around without a word
    x = rows.reshape(-1) + np.uint64((seed + 1) * 0x9E3779B97F4A7C15 % 2**64)
    for shift, factor in ((30, 0xBF58476D1CE4E5B9), (27, 0x94D049BB133111EB)):
        x = (x ^ (x >> np.uint64(shift))) * np.uint64(factor)
    x ^= x >> np.uint64(31)
    return np.asarray((x >> np.uint64(11)) * 2.0**-53 < share).reshape(rows.shape)


@dataclass(frozen=True)
class Shift:
    """Shots decided with the predictions seen and hidden, on how many the labels agree with it.

    `shift` is the difference of the two shares, `low` and `high` its 95 % interval (Newcombe 1998,
    from Wilson's intervals); all NaN where either kind of shot is missing.
    """

    seen: int
    seen_agreed: int
    hidden: int
    hidden_agreed: int
    shift: float
    low: float
    high: float

    def text(self) -> str:
        """In words, for the person."""
        if self.hidden < ENOUGH or not self.seen:
            return (
                f"Suggestions were hidden (blind check) on {self.hidden} of "
                f"{self.seen + self.hidden:,} shots so far; from {ENOUGH} on, this line tells "
                "whether seeing them sways the labels."
            )
        seen, hidden = self.seen_agreed / self.seen, self.hidden_agreed / self.hidden
        verdict = "no sway shown" if self.low <= 0 <= self.high else (
            "seeing them sways the labels" if self.low > 0 else "people go against what they see"
        )  # fmt: skip
        return (
            f"Labels agree with the suggestions on {100 * seen:.0f} % of {self.seen:,} shots where "
            f"they were seen and on {100 * hidden:.0f} % of {self.hidden:,} where they were "
            f"hidden: shift {100 * self.shift:+.0f} points ({100 * self.low:+.0f} to "
            f"{100 * self.high:+.0f}), {verdict}."
        )


def measure(
    firsts: Iterable[tuple[int, dict[str, Any]]],
    present: npt.NDArray[np.int64],
    status: npt.NDArray[np.uint8],
    known: npt.NDArray[np.int64],
) -> Shift:
    """The shift from the first decision on each shot, (row, what was shown), and the final labels.

    Only shots on which the model suggested something count, and which are still decided; of
    them only the classes that there were at that time, and that are decided (bits `known`).
    """
    seen: list[bool] = []
    hidden: list[bool] = []
    for row, shown in firsts:
        said = shown.get("suggested")
        if said is None or not status[row] & LABELLED:
            continue
        there_were = (1 << len(shown.get("probabilities", ()))) - 1
        unlike = (int(said) ^ int(present[row])) & int(known[row]) & there_were
        (hidden if shown.get("hidden") else seen).append(not unlike)
    return shift_of(len(seen), sum(seen), len(hidden), sum(hidden))


def shift_of(seen: int, seen_agreed: int, hidden: int, hidden_agreed: int) -> Shift:
    """The shift between two shares, with its interval."""
    counts = (seen, seen_agreed, hidden, hidden_agreed)
    if not seen or not hidden:
        return Shift(*counts, float("nan"), float("nan"), float("nan"))
    p, q = seen_agreed / seen, hidden_agreed / hidden
    lows, highs = share_interval([seen_agreed, hidden_agreed], [seen, hidden])
    (p_low, q_low), (p_high, q_high) = lows.tolist(), highs.tolist()
    low = p - q - sqrt((p - p_low) ** 2 + (q_high - q) ** 2)
    high = p - q + sqrt((p_high - p) ** 2 + (q - q_low) ** 2)
    return Shift(*counts, p - q, low, high)
