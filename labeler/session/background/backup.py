"""Backups while a project is open in the window: made beside the labelling, never before it.

A thread with a connection of its own does the work, in a moment when no one presses keys.
"""

from __future__ import annotations

import threading
import time
from datetime import UTC, datetime
from pathlib import Path

from PyQt6.QtCore import QTimer, pyqtSignal

from labeler.project import backups
from labeler.session.labels import ProjectLabels
from labeler.session.opened import SessionPart
from model.errors import InputError

LOOK_MS, AGAIN_MS = 60_000, 2_000
QUIET_S, PATIENCE_S = 2.0, 180.0
"""A backup waits for a pause this long in labelling, and for no longer than that."""


class AutoBackup(SessionPart):
    """Makes the backups of the open project. `made` names the new file."""

    made = pyqtSignal(str)
    failed = pyqtSignal(str)
    _ended = pyqtSignal(str, str)

    def __init__(self, labels: ProjectLabels) -> None:
        super().__init__()
        self._thread: threading.Thread | None = None
        self._under_way = 0
        self._last_gesture = self._due_since = 0.0
        self._reported = ""
        self._timer = QTimer(self)
        self._timer.timeout.connect(self.look)
        labels.labels_changed.connect(self._note_gesture)
        self._ended.connect(self._end)
        self.failed.connect(self._report)

    def look(self) -> None:
        """Begin a backup where one is due and no one is labelling right now."""
        if self.opened is None or self.is_busy or self.is_held:
            return
        if not self.opened.project.keeps_backups:
            return
        project = self.opened.project
        gesture, now = project.store.newest_gesture(), time.monotonic()
        if not backups.is_due(project.folder, gesture, datetime.now(UTC)):
            self._due_since = 0.0
            self._timer.setInterval(LOOK_MS)
            return
        self._due_since = self._due_since or now
        if now - self._last_gesture < QUIET_S and now - self._due_since < PATIENCE_S:
            self._timer.setInterval(AGAIN_MS)
            return
        self._timer.setInterval(LOOK_MS)
        self.make("auto")

    @property
    def is_busy(self) -> bool:
        """Whether a backup is being made."""
        return self._under_way > 0

    def make(self, reason: str) -> None:
        """Make a backup in a thread: now, or once the one under way is done."""
        self._under_way += 1
        task = self.require().folder, reason, self._thread
        self._thread = threading.Thread(target=self._work, args=task, name="backup")
        self._thread.start()

    def wait(self) -> None:
        """Until the backup under way is done; called before the project is let go."""
        if self._thread is not None:
            self._thread.join()

    def _work(self, folder: Path, reason: str, before: threading.Thread | None) -> None:
        if before is not None:
            before.join()
        try:
            self._ended.emit(str(backups.back_up(folder, reason)), "")
        except (InputError, OSError) as error:
            self._ended.emit("", str(error))

    def _end(self, made: str, trouble: str) -> None:
        self._under_way -= 1
        if made:
            self.made.emit(made)
        else:
            self.failed.emit(trouble)

    def _note_gesture(self, rows: object) -> None:
        self._last_gesture = time.monotonic()

    def follow(self) -> None:
        """Look after the project that is open now."""
        self._due_since, self._reported = 0.0, ""
        if self.opened is None:
            self._timer.stop()
        else:
            self._timer.start(AGAIN_MS)

    def _report(self, text: str) -> None:
        if text != self._reported:
            self._reported = text
            self.noted.emit("error", f"No backup was made: {text}")
