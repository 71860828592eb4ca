"""One short Job that a view sends for, one at a time, with what it says on the way.

It paints nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from PyQt6.QtCore import QObject, pyqtSignal

from labeler.jobs.job import Job
from labeler.project.folder import CACHE
from model.events import Event

PATIENCE_S = 1.0
"""How long a short job may still work when its project is closed."""


class ShortJob(QObject):
    """Runs `airylabel <arguments> --events`.

    `said` is what it does now, in words; `progress` how much of how much is done (0 of 0: nobody
    knows); `answer` how the last one ended, where it has to say something. It ends as soon as
    something in the project changes that makes it open anew; one that `outlasts` this, only with
    the project.
    """

    changed = pyqtSignal()

    def __init__(self, session: Any, parent: QObject, outlasts: bool = False) -> None:
        super().__init__(parent)
        self.session = session
        self.make_job: Callable[..., Job] = Job
        self.job: Job | None = None
        self.said = self.answer = ""
        self.progress = (0, 0)
        self._done: Callable[[Event], object] = lambda item: None
        (session.project_left if outlasts else session.project_changed).connect(self.stop)

    @property
    def is_running(self) -> bool:
        """Whether it is under way."""
        return self.job is not None

    def start(self, arguments: Sequence[str], said: str, done: Callable[[Event], object]) -> bool:
        """Send for something; `done` gets the last event where it went well. False if busy."""
        if self.job is not None or self.session.project is None:
            return False
        stderr = Path(self.session.project.folder) / CACHE / "errand-stderr.log"
        self.said, self.answer, self.progress, self._done = said, "", (0, 0), done
        self.job = self.make_job(list(arguments), stderr, self)
        self.job.event_received.connect(self._hear)
        self.job.finished.connect(self._end)
        self.job.start()
        self.changed.emit()
        return True

    def cancel(self) -> None:
        """Ask it to end soon."""
        if self.job is not None:
            self.job.cancel()

    def stop(self) -> None:
        """End it now, whatever it takes; nobody waits for its answer any more."""
        if self.job is not None:
            job, self.job = self.job, None
            job.finished.disconnect(self._end)
            job.stop(PATIENCE_S)
            job.deleteLater()
            self.changed.emit()

    def _hear(self, item: Event) -> None:
        if item["event"] == "progress":
            total, done = item.get("total") or 0, item.get("done") or 0
            self.progress = (done, total)
            self.said = f"{item.get('what', '')} · {done:,} of {total:,}"
            self.said = str(item.get("what", "")) if total <= 1 else self.said
            self.changed.emit()
        elif item["event"] == "note" and item.get("level") == "warning":
            self.session.noted.emit("warning", str(item.get("text", "")))

    def _end(self, ok: bool, message: str) -> None:
        job, self.job = self.job, None
        if job is None:
            return
        last = dict(job.last_event)
        self.answer = message
        job.deleteLater()
        if ok and last.get("event") == "finished":
            self._done(last)
        elif not ok:
            self.session.noted.emit("error", message)
        self.changed.emit()
