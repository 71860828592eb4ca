"""The shot on screen, and going from one to the next."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from PyQt6.QtCore import pyqtSignal

from labeler.project.store.records import Rows
from labeler.session.labels import ProjectLabels
from labeler.session.opened import SessionPart
from labeler.session.queue import Queue
from labeler.session.shots import Shots
from labeler.shots.geometry import lacks_wavelength, of_shot
from labeler.shots.prefetch import ahead
from model.errors import InputError
from model.shots.layouts import Geometry


@dataclass(frozen=True)
class Step:
    """A request to go on: from which shot, how many places, and whether to an undecided one."""

    origin: int
    by: int
    undecided: bool = False


Policy = Callable[[Step], int | None]
"""Says which shot comes next; None leaves it to the policy after it."""


class Cursor(SessionPart):
    """Shows shots. `policies` are asked in turn which one comes next; the queue's is the last."""

    shot_changed = pyqtSignal(int)
    leaving = pyqtSignal(int)
    """A shot (its row is given) is shown next; the one before is still on screen."""
    painted = pyqtSignal(int)
    """Row that the pattern view has just painted: the end of key-to-screen timings."""

    def __init__(self, shots: Shots, labels: ProjectLabels, queue: Queue) -> None:
        super().__init__()
        self.shots, self.labels, self.queue = shots, labels, queue
        self.policies: list[Policy] = [self._in_queue]
        self._direction = 1
        self._clear()
        self.painted.connect(self._was_painted)
        queue.replaced.connect(self._enter_queue)
        labels.went_back.connect(self._go_to)
        shots.preparation_changed.connect(lambda: shots.want(self.row))

    def _clear(self) -> None:
        self.row = -1
        """The shot on screen; -1 for none."""
        self.origin: int | None = None
        """Steps are counted from this shot where another was shown in between."""
        self.unseen = False
        """The shot on screen has not been painted yet."""
        self.shown_at = 0.0
        """By the monotonic clock."""

    def end(self) -> None:
        """No shot."""
        super().end()
        self._clear()

    # -- the shot on screen ----------------------------------------------------------------------

    def show(self, row: int) -> None:
        """Put a shot on screen."""
        if self.opened is None or not 0 <= row < self.labels.n_shots:
            return
        self.origin = None
        self.leaving.emit(row)
        self.row = row
        self.labels.reported = ""
        self.unseen = True
        self.shown_at = time.monotonic()
        self.shots.want(row, self.queue.walk.around(row, ahead(self._direction)))
        self.shot_changed.emit(row)

    def counts(self) -> npt.NDArray[Any] | InputError | None:
        """(y, x) of the shot on screen, see `Shots.counts`."""
        return self.shots.counts(self.row)

    def mask(self) -> npt.NDArray[np.bool_] | None:
        """(y, x) True for good pixels of the shot on screen, see `Shots.mask`."""
        return self.shots.mask(self.row)

    def geometry(self) -> Geometry | None:
        """What the file says of detector and beam, with the wavelength of the shot on screen."""
        if self.opened is None or self.row < 0:
            return None
        found = of_shot(self.opened.table.geometry(self.row), self.queue.numbers, self.row)
        if lacks_wavelength(found):  # the numbers of the shots may know it
            self.queue.want_numbers()
        return found

    def _was_painted(self, row: int) -> None:
        self.unseen = self.unseen and row != self.row

    # -- going on --------------------------------------------------------------------------------

    def step(self, by: int) -> None:
        """Go some places further in the queue, held at its ends."""
        self._direction = 1 if by > 0 else -1
        self._go_on(by)

    def next(self) -> None:
        self.step(1)

    def previous(self) -> None:
        self.step(-1)

    def first(self) -> None:
        if len(self.queue.rows):
            self.show(int(self.queue.rows[0]))

    def last(self) -> None:
        if len(self.queue.rows):
            self.show(int(self.queue.rows[-1]))

    def next_undecided(self) -> None:
        """The next shot of the queue that no one decided or skipped."""
        self._go_on(1, undecided=True)

    def jump(self, text: str) -> bool:
        """Show a shot by its number (from 1, as on screen); False where there is none."""
        digits = text.strip().lstrip("#").replace(",", "")
        if not digits.isdecimal() or not 1 <= int(digits) <= self.labels.n_shots:
            return False
        self.show(int(digits) - 1)
        return True

    def _go_on(self, by: int, undecided: bool = False) -> None:
        step = Step(self.row if self.origin is None else self.origin, by, undecided)
        for policy in self.policies:
            row = policy(step)
            if row is not None:
                if row != self.row:
                    self.show(row)
                return

    def _in_queue(self, step: Step) -> int | None:
        """The place in the queue; where nothing is further, back to where the steps began."""
        walk = self.queue.walk
        row = walk.next_open(step.origin) if step.undecided else walk.step(step.origin, step.by)
        if row is None and step.undecided:
            self.noted.emit("info", "Nothing undecided is left in this queue.")
        return step.origin if row is None else row

    def _enter_queue(self) -> None:
        """The first shot of another queue, unless the one on screen is in it too."""
        if len(self.queue.rows) and self.queue.place_of(self.row) is None:
            self.first()

    def _go_to(self, rows: Rows) -> None:
        if len(rows) and self.row not in rows:
            self.show(int(rows[0]))
