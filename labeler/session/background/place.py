"""Keeps where the person is, to go on there: shot, queue and levels."""

from __future__ import annotations

import logging
from dataclasses import replace

from PyQt6.QtCore import QTimer

from labeler.project.place import LeftOff, keep_place
from labeler.session.cursor import Cursor
from labeler.session.display import Display
from labeler.session.opened import SessionPart
from labeler.session.queue import Queue
from model.errors import InputError

QUIET_MS = 2_000
"""The place is stored when nothing moved for this long."""

log = logging.getLogger(__name__)


class PlaceKeeper(SessionPart):
    """Stores the place when nothing moves, and when it is told to."""

    def __init__(self, cursor: Cursor, queue: Queue, display: Display) -> None:
        super().__init__()
        self.cursor, self.queue, self.display = cursor, queue, display
        self._kept: LeftOff | None = None
        self._still = QTimer(self)
        self._still.setSingleShot(True)
        self._still.setInterval(QUIET_MS)
        self._still.timeout.connect(self._keep)
        for moved in (cursor.shot_changed, queue.replaced, display.display_changed):
            moved.connect(lambda *_: self._still.start())

    def end(self) -> None:
        """Nothing to keep."""
        super().end()
        self._still.stop()
        self._kept = None

    def now(self) -> LeftOff:
        """Shot, queue and levels as they are."""
        return replace(self.queue.kept(), row=self.cursor.row, levels=self.display.levels)

    def keep(self) -> None:
        """Store where the person is; failing is logged, not fatal.

        Also where that is as before: another window of the same person may have stored its own.
        """
        self._still.stop()
        self._kept = None
        self._keep()

    def _keep(self) -> None:
        opened = self.opened
        if opened is None or self.cursor.row < 0 or opened.project.store.read_only:
            return
        place = self.now()
        if place == self._kept:
            return
        try:
            keep_place(opened.project.store, opened.annotator, place)
            self._kept = place
        except (InputError, OSError) as error:
            log.warning("the place in the queue was not stored: %s", error)
