"""What the model suggests and asks: ghost labels, the asked queue, and what may be accepted.

The half of deciding that changes no label. It fits nothing: readings come from
`labeler.session.instant_learning` or from a run. Knows no widgets.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from PyQt6.QtCore import pyqtSignal

from labeler.active.anchoring import is_hidden
from labeler.project.store.records import LABELLED, SKIPPED, Rows
from labeler.queue import queue as queues
from labeler.session.navigation import Going
from model.taxonomy.taxonomy import Labels

ASKED = "asked"
"""The order in which the shots come that teach most."""


@dataclass(frozen=True)
class Sure:
    """Suggestions above a threshold: rows, the bits of their classes, how many are expected wrong.

    `wrong` is what the model itself expects, from its calibrated chances.
    """

    rows: Rows
    present: npt.NDArray[np.int64]
    wrong: float

    def text(self) -> str:
        """ "312 shots: about 9 wrong", for the person."""
        n = len(self.rows)
        if not n:
            return "no undecided shot is that sure"
        about = "fewer than 1" if self.wrong < 1 else f"about {self.wrong:.0f}"
        return f"{n:,} shot{'' if n == 1 else 's'}: {about} wrong"


class Suggested(Going):
    """Ghosts of undecided shots and the queue of asked ones."""

    suggestions_changed = pyqtSignal()
    """The instant reading is another one, or there is none any more."""

    def __init__(self, parent: Any = None) -> None:
        super().__init__(parent)
        self.hidden_share = 0.0
        """On this part of the shots the reading is hidden until they are decided."""
        self._cleared = -1
        """The row whose labels the person took away just now: its ghosts are gone for a while."""

    @property
    def is_blind(self) -> bool:
        """True while the shot on screen is read a second time; the reading learnt the first."""
        return False

    def is_hidden(self, row: int | None = None) -> bool:
        """True for an undecided shot whose reading is kept from the person, as a check."""
        row = self.row if row is None else row
        if row < 0 or self.decided.status[row] & LABELLED:
            return False
        return bool(self._kept_back(np.array([row]))[0])

    def _kept_back(self, rows: Rows) -> npt.NDArray[np.bool_]:
        """True for shots whose reading the person shall not see before deciding."""
        kept: npt.NDArray[np.bool_] = (rows == self.row) & self.is_blind
        return kept | is_hidden(rows, self.hidden_share) if self.hidden_share else kept

    def suggestion(self, row: int | None = None) -> Labels | None:
        """(C,) what the model would say of an undecided shot; None where it says nothing."""
        row = self.row if row is None else row
        if self.decided.status[row] & LABELLED or self.is_hidden(row) or row == self._cleared:
            return None
        return self._said_of(row)

    def suggestions(self, rows: npt.ArrayLike) -> npt.NDArray[np.int64]:
        """Bits of the suggested classes of shots; 0 where one is decided, hidden or not read."""
        where = np.asarray(rows, np.int64)
        if self.reading is None or not len(where):
            return np.zeros(len(where), np.int64)
        closed = (self.decided.status[where] & LABELLED) > 0
        closed |= self._kept_back(where)
        sets, which = np.unique(
            self.taxonomy.pack(self.reading.likely()[where]), return_inverse=True
        )
        full = self.taxonomy.pack(self.taxonomy.complete(self.taxonomy.unpack(sets)))
        return np.asarray(np.where(closed, 0, full[which]), np.int64)

    def _said_of(self, row: int) -> Labels | None:
        reading = self.reading
        if reading is None or not getattr(reading, "readable", np.ones(row + 1))[row]:
            return None
        return self.taxonomy.complete(reading.likely()[row])

    def _heat(self, shape: tuple[int, int]) -> npt.NDArray[np.float32] | None:
        """See `Look`; a hidden reading shows no heat either."""
        return None if self.is_hidden() else super()._heat(shape)

    # -- asking ----------------------------------------------------------------------------------

    @property
    def is_asking(self) -> bool:
        """Whether the queue is that of the shots that teach most, chosen as one labels."""
        return self.choice.order == ASKED and not self.choice.title and self.instant is not None

    def because(self, row: int | None = None) -> str:
        """Why a shot is asked, in words: "least sure of Bent"; '' where it is not."""
        row = self.row if row is None else row
        if self.choice.title or self.reading is None or row < 0:
            return ""
        if self.choice.order == ASKED and self.instant is not None:
            return str(self.instant.why.get(row, ""))
        if self.choice.order in (ASKED, "uncertainty"):
            c = int(self.reading.margins(row).argmin())
            return f"least sure of {self.taxonomy.names[c]}"
        return ""

    def sharpen(self, reading: Any) -> None:
        """Take over what was learnt from the labels so far; None where nothing is."""
        first, self.instant = self.instant is None, reading
        if first and self.is_asking:  # begin to ask, without taking the shot on screen away
            here = [self.row] if self.row >= 0 and not self.decided.status[self.row] else []
            asked = self._to_ask(self.choice.filters)
            self.queue = np.concatenate([here, asked[~np.isin(asked, here)]]).astype(np.int64)
            self.queue_changed.emit()
        self.suggestions_changed.emit()

    def step(self, by: int) -> None:
        """See `Going`; at the end of the asked shots, the next ones are asked."""
        if by > 0 and self.is_asking and self.place_of(self.row) in (None, len(self.queue) - 1):
            self._ask_more()
        super().step(by)

    def next_unlabelled(self) -> None:
        """See `Going`; where no asked shot is open, the next ones are asked."""
        if self.is_asking and self.walk.next_open(self.row) is None:
            self._ask_more()
        super().next_unlabelled()

    def _to_ask(self, filters: tuple[str, ...]) -> Rows:
        rows: Rows = self.instant.learnt.rows
        rows = rows[(self.decided.status[rows] & (LABELLED | SKIPPED)) == 0]
        return rows[queues.matching(filters, self.known, rows)]

    def _ask_more(self) -> None:
        asked = self._to_ask(self.choice.filters)
        new = asked[~np.isin(asked, self.queue)]
        if len(new):
            self.queue = np.concatenate([self.queue, new])
            self.queue_changed.emit()

    def _built(self, choice: queues.Choice) -> Rows:
        if choice.order == ASKED and not choice.title and self.instant is not None:
            return self._to_ask(choice.filters)
        return super()._built(choice)

    # -- many at once ----------------------------------------------------------------------------

    def sure(self, threshold: float, rows: npt.ArrayLike | None = None) -> Sure:
        """Undecided shots, of `rows` or of all, whose whole suggestion is surer than a threshold.

        The shots of the random audit that come next, and those whose reading is hidden, are left
        to the person: accepted in bulk they would prove nothing.
        """
        reading = self.reading
        where = np.arange(self.n_shots) if rows is None else np.asarray(rows, np.int64)
        if reading is None:
            return Sure(where[:0], where[:0], 0.0)
        chance = reading.sureness()
        open_ones = (self.decided.status[where] & (LABELLED | SKIPPED)) == 0
        where = where[open_ones & (chance[where] >= threshold)]
        where = where[~self._kept_back(where)]
        if self.instant is not None:
            where = where[~np.isin(where, self.instant.learnt.checks)]
        present = self.taxonomy.pack(self.taxonomy.complete(reading.likely()[where]))
        said = present > 0
        where, present = where[said], np.asarray(present[said], np.int64)
        return Sure(where, present, float((1 - chance[where]).sum()))
