"""Going from shot to shot through a queue: the part of the session that knows where one is.

Knows no widgets and decides nothing.
"""

from __future__ import annotations

import time

import numpy as np
import numpy.typing as npt
from PyQt6.QtCore import pyqtSignal

from labeler import queue as queues
from labeler.decisions import Decisions
from labeler.feed import ShotFeed, around
from labeler.look import Look
from labeler.store.records import Rows
from model.taxonomy import Taxonomy


class Going(Look):
    """The queue and the shot on screen; opening fills them."""

    shot_changed = pyqtSignal(int)
    queue_changed = pyqtSignal()

    row: int
    decided: Decisions
    taxonomy: Taxonomy
    feed: ShotFeed | None
    queue: Rows
    choice: queues.Choice
    said: str
    _shown_at: float

    @property
    def n_shots(self) -> int:
        return len(self.decided.status)

    def show(self, row: int) -> None:
        """Put a shot on screen."""
        if self.feed is None or not 0 <= row < self.n_shots:
            return
        self.row = row
        self.said = ""
        self._shown_at = time.monotonic()
        self.feed.want(row, around(self.queue, row))
        self.shot_changed.emit(row)

    def step(self, by: int) -> None:
        """Go some places further in the queue, held at its ends."""
        row = queues.step(self.queue, self.row, by)
        if row is not None and row != self.row:
            self.show(row)

    def next(self) -> None:
        self.step(1)

    def previous(self) -> None:
        self.step(-1)

    def first(self) -> None:
        if len(self.queue):
            self.show(int(self.queue[0]))

    def last(self) -> None:
        if len(self.queue):
            self.show(int(self.queue[-1]))

    def next_unlabelled(self) -> None:
        """The next shot of the queue that nobody decided or skipped."""
        row = queues.next_undecided(self.queue, self.row, self.decided)
        if row is None:
            self.noted.emit("info", "Nothing undecided is left in this queue.")
        else:
            self.show(row)

    def jump(self, text: str) -> bool:
        """Show a shot by its number (from 1, as on screen); False where there is none."""
        digits = text.strip().lstrip("#").replace(",", "")
        if not digits.isdecimal() or not 1 <= int(digits) <= self.n_shots:
            return False
        self.show(int(digits) - 1)
        return True

    def set_queue(self, filter: str | None = None, order: str | None = None) -> None:
        """Choose which shots, in which order; without arguments, build the same queue anew.

        A queue stays as it was built while its shots are labelled, so that nothing moves away
        under the person's hands.
        """
        self.choice = queues.Choice(filter or self.choice.filter, order or self.choice.order)
        self.queue = self._built(self.choice)
        self.queue_changed.emit()
        if len(self.queue) and self.row not in self.queue:
            self.show(int(self.queue[0]))

    def show_rows(self, rows: npt.ArrayLike, title: str) -> None:
        """Make a queue of given shots, in their order, under a title such as "Like shot 412"."""
        self.choice = queues.Choice(title=title)
        self.queue = np.asarray(rows, np.int64).reshape(-1)
        self.queue_changed.emit()
        if len(self.queue) and self.row not in self.queue:
            self.show(int(self.queue[0]))

    def _built(self, choice: queues.Choice) -> Rows:
        return queues.build(choice, self.decided, self.taxonomy, self.predictions)
