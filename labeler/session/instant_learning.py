"""Keeps the suggestions of the open project fresh: reads all shots once, learns after each label.

Follows the session and hands it readings; all work is done in a child process and in a Job. Without
`begin` it does nothing by itself.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from PyQt6.QtCore import QObject, QTimer, pyqtSignal

from labeler.active import embeddings as grounds
from labeler.active.instant import Instant, InstantReading
from labeler.active.messages import Alike, Ground, Layout, Learnt, Lesson
from labeler.jobs.job import Job
from labeler.project.folder import CACHE
from labeler.project.store.records import LABELLED, SKIPPED
from model.errors import InputError
from model.events import Event

BATCH = 10
"""So many shots are asked for at a time."""
LIKE = 60
"""So many similar shots are shown."""
NOT_YET = "The shots are still being read by the network; try again in a moment."


class Choices(Protocol):
    """Settings by name."""

    def __getitem__(self, id: str, /) -> Any: ...


class Suggesting(QObject):
    """The instant learning of a session. Use `Suggesting.of(session)`."""

    changed = pyqtSignal()
    """What it is doing, or how far it is, changed."""
    laid_out = pyqtSignal(object)
    """(N, 2) places of all shots by PCA, see `want_layout`."""
    _answered = pyqtSignal(object)

    def __init__(self, session: Any) -> None:
        super().__init__(session)
        self.session = session
        self.make_job: Callable[..., Job] = Job
        self.strategy, self.audit = "asked", 0.1
        self.job: Job | None = None
        self.done, self.total = 0, 0
        """How many shots the network has read, while it reads them."""
        self.ground: Ground | None = None
        self.trouble = ""
        """Why there are no suggestions, in words; '' where nothing is wrong."""
        self._on = False
        self._instant: Instant | None = None
        self._numbers = 0
        self._share = 0.0
        self._soon = QTimer(self)
        self._soon.setSingleShot(True)
        self._soon.setInterval(0)
        self._soon.timeout.connect(self._learn)
        self._answered.connect(self._take)  # from another thread: Qt queues it
        session.project_changed.connect(self._follow)
        session.run_changed.connect(self._follow)
        session.labels_changed.connect(lambda rows: self._soon.start())

    @classmethod
    def of(cls, session: Any) -> Suggesting:
        """The one of this session."""
        return session.findChild(cls) or cls(session)

    def begin(self, settings: Choices) -> None:
        """From now on, every project that is opened gets suggestions, as the settings say.

        Asked: "instant" (whether at all), "ask_strategy", "audit_share", "hidden_share".
        """
        self._on = bool(settings["instant"])
        self.strategy, self.audit = settings["ask_strategy"], settings["audit_share"]
        self.session.hidden_share = settings["hidden_share"]
        self._follow()

    @property
    def is_reading(self) -> bool:
        """Whether the network is reading the shots just now."""
        return self.job is not None

    def similar(self, row: int, k: int = LIKE) -> None:
        """Make a queue of the shots most like one."""
        if self._instant is None or self.ground is None:
            self.session.noted.emit("info", self.trouble or NOT_YET)
        else:
            self._instant.like(row, k)

    def want_layout(self) -> bool:
        """Ask for the places of all shots on the map; False where that is not possible yet."""
        if self._instant is None or self.ground is None:
            return False
        self._instant.layout()
        return True

    def stop(self) -> None:
        """End the child and the job; nothing is left running."""
        self._soon.stop()
        if self.job is not None:
            job, self.job = self.job, None
            job.event_received.disconnect(self._hear)
            job.finished.disconnect(self._end)
            job.stop()
            job.deleteLater()
        if self._instant is not None:
            self._instant.close()
        self._instant = self.ground = None
        self._share, self.trouble = 0.0, ""

    # -- following the session -------------------------------------------------------------------

    def _follow(self) -> None:
        """Another project or run: learn on its embeddings."""
        session = self.session
        if session.project is None or not self._on:
            self.stop()
            self.changed.emit()
            return
        if session.instant is not None:
            session.sharpen(None)
        self.stop()
        try:
            self._begin_project()
        except InputError as error:
            self.trouble = str(error)
        self.changed.emit()

    def _begin_project(self) -> None:
        session = self.session
        if session.predictions is not None:
            run = grounds.of_run(self._next(), session.taxonomy, session.n_shots,
                                 Path(session.predictions.path))  # fmt: skip
            self._stand_on(run)
            return
        if not self._stand_on_cache() and not session.project.store.read_only:
            self._read_all()

    def _next(self) -> int:
        self._numbers += 1
        return self._numbers

    def _stand_on_cache(self) -> bool:
        """Learn on what the shipped network has read so far; True where that is everything."""
        session = self.session
        ground = grounds.of_cache(
            self._next(), session.taxonomy, session.table, Path(session.project.folder)
        )
        share = grounds.share_there(ground.parts)
        if share > self._share:
            self._share = share
            self._stand_on(ground)
        return share >= 1

    def _stand_on(self, ground: Ground) -> None:
        if self._instant is None:
            self._instant = Instant(self._answered.emit)
        self.ground = ground
        self._instant.stand_on(ground)
        self._learn()

    def _read_all(self) -> None:
        folder = Path(self.session.project.folder)
        self.done, self.total = 0, self.session.n_shots
        self.job = self.make_job(["embed", str(folder)], folder / CACHE / "embed.log", self)
        self.job.event_received.connect(self._hear)
        self.job.finished.connect(self._end)
        self.job.start()

    def _hear(self, item: Event) -> None:
        if item["event"] == "progress":
            self.done, self.total = int(item["done"]), int(item["total"])
            self.changed.emit()
        elif item["event"] == "part" and int(item["stop"]) >= 2 * self._share * self.total:
            self._stand_on_cache()  # when the first part is there, then at each doubling

    def _end(self, ok: bool, message: str) -> None:
        job, self.job = self.job, None
        if job is not None:
            job.deleteLater()
        if not ok:
            self.trouble = f"No suggestions before the first run: {message}"
            self.session.noted.emit("warning", self.trouble)
        elif self.session.project is not None and self._share < 1:
            self._stand_on_cache()
        self.changed.emit()

    # -- learning --------------------------------------------------------------------------------

    def _learn(self) -> None:
        session = self.session
        if self._instant is None or self.ground is None or session.project is None:
            return
        status = session.status
        rows = np.flatnonzero(status & LABELLED)
        leave = np.flatnonzero((status & SKIPPED > 0) & (status & LABELLED == 0))
        self._instant.learn(
            Lesson(
                self.ground.number,
                rows,
                session.present[rows],
                leave,
                BATCH,
                self.strategy,
                self.audit,
            )
        )

    def _take(self, answer: Any) -> None:
        session = self.session
        if session.project is None or self._instant is None:
            return
        if isinstance(answer, InputError):
            if self.ground is not None:
                self.trouble = str(answer)
                session.noted.emit("warning", self.trouble)
                self.changed.emit()
        elif isinstance(answer, Alike):
            session.show_rows(np.concatenate([[answer.row], answer.rows]),
                              f"Like shot {answer.row + 1:,}")  # fmt: skip
        elif self.ground is None or answer.ground != self.ground.number:
            return
        elif isinstance(answer, Layout):
            self.laid_out.emit(answer.places)
        elif isinstance(answer, Learnt):
            self._show(answer)

    def _show(self, learnt: Learnt) -> None:
        session = self.session
        before = session.instant
        why = {} if before is None else before.why
        session.sharpen(InstantReading(session.taxonomy, learnt, why))
        if before is None:
            self.changed.emit()
