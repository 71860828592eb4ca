"""One short Job that a view sends for, one at a time, with what it says on the way.

It paints nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from PyQt6.QtCore import QObject

from labeler.jobs.job import JobFollower
from labeler.project.folder import CACHE
from labeler.session.session import Session
from model.events import Event


class ShortJob(JobFollower):
    """Runs `airylabel <arguments> --events`.

    `said` is what it does now, in words; `progress` how much of how much is done (0 of 0: not
    known); `answer` how the last one ended, where it has to say something. It ends as soon as
    something in the project changes that makes it open again; one that `outlasts` this, only with
    the project.
    """

    patience_s = 1.0

    def __init__(self, session: Session, parent: QObject, outlasts: bool = False) -> None:
        super().__init__(parent)
        self.session = session
        self.said = self.answer = ""
        self.progress = (0, 0)
        self._done: Callable[[Event], object] = lambda item: None
        self.event_received.connect(self._take)
        self.ended.connect(self._conclude)
        (session.project_left if outlasts else session.project_changed).connect(self.stop)

    def start(self, arguments: Sequence[str], said: str, done: Callable[[Event], object]) -> bool:
        """Send for something; `done` gets the last event where it went well. False if busy."""
        if self.job is not None or self.session.opened is None:
            return False
        self.said, self.answer, self.progress, self._done = said, "", (0, 0), done
        folder = self.session.opened.folder / CACHE
        return self.follow(arguments, folder / "short-job-stderr.log")

    def _take(self, item: Event) -> None:
        if item["event"] == "progress":
            total, done = item.get("total") or 0, item.get("done") or 0
            self.progress = (done, total)
            self.said = f"{item.get('what', '')} · {done:,} of {total:,}"
            self.said = str(item.get("what", "")) if total <= 1 else self.said
            self.changed.emit()
        elif item["event"] == "note" and item.get("level") == "warning":
            self.session.noted.emit("warning", str(item.get("text", "")))

    def _conclude(self, ok: bool, message: str, last: Event) -> None:
        self.answer = message
        if ok and last.get("event") == "finished":
            self._done(last)
        elif not ok:
            self.session.noted.emit("error", message)
