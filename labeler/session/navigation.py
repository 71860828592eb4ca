"""Going from shot to shot through the queue: the part of the session that knows where one is.

Knows no widgets and decides nothing.
"""

from __future__ import annotations

import time
from typing import Any

from PyQt6.QtCore import pyqtSignal

from labeler.session.queue import Choosing
from labeler.shots.prefetch import ahead


class Going(Choosing):
    """The shot on screen."""

    shot_changed = pyqtSignal(int)
    painted = pyqtSignal(int)
    """Row that the pattern view has just painted: the end of key-to-screen timings."""

    row: int
    said: str
    _shown_at: float

    def __init__(self, parent: Any = None) -> None:
        super().__init__(parent)
        self.unseen = False
        """The shot on screen has not been painted yet."""
        self._direction = 1
        self.painted.connect(self._was_painted)

    def show(self, row: int) -> None:
        """Put a shot on screen."""
        if self.feed is None or not 0 <= row < self.n_shots:
            return
        self.row = row
        self.said = ""
        self.unseen = True
        self._shown_at = time.monotonic()
        self.feed.want(row, self.walk.around(row, ahead(self._direction)))
        self._still.start()
        self.shot_changed.emit(row)

    def _was_painted(self, row: int) -> None:
        self.unseen = self.unseen and row != self.row

    def step(self, by: int) -> None:
        """Go some places further in the queue, held at its ends."""
        self._direction = 1 if by > 0 else -1
        row = self.walk.step(self.row, by)
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
        row = self.walk.next_open(self.row)
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
