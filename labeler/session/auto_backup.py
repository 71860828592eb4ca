"""Backups while a project is open in the window: made beside the labelling, never before it.

A thread with a connection of its own does the work, in a moment when nobody presses keys.
"""

from __future__ import annotations

import threading
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from PyQt6.QtCore import QObject, QTimer, pyqtSignal

from labeler.project import backups
from model.errors import InputError

LOOK_MS, AGAIN_MS = 60_000, 2_000
QUIET_S, PATIENCE_S = 2.0, 180.0
"""A backup waits for so long a pause in labelling, and for no longer than that."""


class Keeper(QObject):
    """Makes the backups of a session's project. `made` names the new file."""

    made = pyqtSignal(str)
    failed = pyqtSignal(str)
    _ended = pyqtSignal(str, str)

    def __init__(self, session: Any) -> None:
        super().__init__(session)
        self.session = session
        self._thread: threading.Thread | None = None
        self._under_way = 0
        self._heard = self._due_since = 0.0
        self._said = ""
        self._timer = QTimer(self)
        self._timer.timeout.connect(self.look)
        session.project_changed.connect(self._follow)
        session.labels_changed.connect(self._hear)
        self._ended.connect(self._end)
        self.failed.connect(self._say)

    def look(self) -> None:
        """Begin a backup where one is due and nobody is labelling right now."""
        project = self.session.project
        if project is None or self.is_busy or not project.keeps_backups:
            return
        gesture, now = project.store.newest_gesture(), time.monotonic()
        if not backups.is_due(project.folder, gesture, datetime.now(UTC)):
            self._due_since = 0.0
            self._timer.setInterval(LOOK_MS)
            return
        self._due_since = self._due_since or now
        if now - self._heard < QUIET_S and now - self._due_since < PATIENCE_S:
            self._timer.setInterval(AGAIN_MS)
            return
        self._timer.setInterval(LOOK_MS)
        self.begin("auto")

    @property
    def is_busy(self) -> bool:
        """Whether a backup is being made."""
        return self._under_way > 0

    def begin(self, reason: str) -> None:
        """Make a backup in a thread: now, or once the one under way is done."""
        self._under_way += 1
        task = Path(self.session.project.folder), reason, self._thread
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

    def _hear(self, rows: object) -> None:
        self._heard = time.monotonic()

    def _follow(self) -> None:
        self._due_since, self._said = 0.0, ""
        if self.session.project is None:
            self._timer.stop()
        else:
            self._timer.start(AGAIN_MS)

    def _say(self, text: str) -> None:
        if text != self._said:
            self._said = text
            self.session.noted.emit("error", f"No backup was made: {text}")
