"""Keeps the suggestions of the open project fresh: reads all shots once, learns after each label.

Follows the session and hands it predictions; all work is done in a child process and in a Job.
Without `turn_on` it does nothing by itself.
"""

from __future__ import annotations

import logging
from typing import Any, Protocol

import numpy as np
from PyQt6.QtCore import QTimer, pyqtSignal

from labeler.active import embeddings
from labeler.active import map as map_file
from labeler.active.instant import Instant, InstantPredictions
from labeler.active.messages import (
    Answer,
    EmbeddingSource,
    FitRequest,
    FitResult,
    Layout,
    Neighbours,
)
from labeler.jobs.job import JobFollower
from labeler.project.folder import CACHE
from labeler.project.store.records import LABELLED, passed_over
from labeler.queue.facts import CLUSTER
from labeler.session.labels import ProjectLabels
from labeler.session.opened import Opened, SessionPart
from labeler.session.queue import Queue
from labeler.session.suggestions import Suggestions
from model.errors import InputError
from model.events import Event

BATCH = 10
"""This many shots are asked for at a time."""
LIKE = 60
"""This many similar shots are shown."""
NOT_YET = "The shots are still being read by the network; try again in a moment."

log = logging.getLogger(__name__)


class Choices(Protocol):
    """Settings by name."""

    def __getitem__(self, id: str, /) -> Any: ...


class Learning(SessionPart):
    """The instant learning on the labels of the open project."""

    changed = pyqtSignal()
    """What it is doing, or how far it is, changed."""
    laid_out = pyqtSignal(object)
    """(N, 2) places of all shots by PCA, see `want_layout`."""
    _answered = pyqtSignal(object)

    def __init__(self, labels: ProjectLabels, queue: Queue, suggestions: Suggestions) -> None:
        super().__init__()
        self.labels, self.queue, self.suggestions = labels, queue, suggestions
        self.predictions = suggestions.predictions
        self.work = JobFollower(self)
        self.work.event_received.connect(self._receive)
        self.work.ended.connect(self._end)
        self.strategy, self.audit = "asked", 0.1
        self.done, self.total = 0, 0
        """How many shots the network has read, while it reads them."""
        self.source: EmbeddingSource | None = None
        self.trouble = ""
        """Why there are no suggestions, in words; '' where nothing is wrong."""
        self._offered = self._on = False
        self._instant: Instant | None = None
        self._numbers = 0
        self._share = 0.0
        self._soon = QTimer(self)
        self._soon.setSingleShot(True)
        self._soon.setInterval(0)
        self._soon.timeout.connect(self._learn)
        self._answered.connect(self._take)  # from another thread: Qt queues it
        self.predictions.run_changed.connect(self.follow)
        labels.labels_changed.connect(lambda rows: self._soon.start())

    def turn_on(self, settings: Choices) -> None:
        """From now on, every project that is opened gets suggestions, as the settings say.

        Asked: "instant" (whether at all), "ask_strategy", "audit_share", "hidden_share".
        """
        self._offered, self._on = True, bool(settings["instant"])
        self._take_settings(settings)
        self.follow()

    def change(self, settings: Choices) -> None:
        """Go on as the settings say now, where it was turned on before; see `turn_on`."""
        before = (self.strategy, self.audit, self.suggestions.hidden_share)
        if self._offered and self._on != settings["instant"]:
            self.turn_on(settings)
        elif before != self._take_settings(settings):
            self._soon.start()

    def _take_settings(self, settings: Choices) -> tuple[str, float, float]:
        self.strategy, self.audit = settings["ask_strategy"], settings["audit_share"]
        self.suggestions.hidden_share = settings["hidden_share"]
        return self.strategy, self.audit, self.suggestions.hidden_share

    @property
    def is_predicting(self) -> bool:
        """Whether the network is reading the shots just now."""
        return self.work.is_running

    def similar(self, row: int, k: int = LIKE) -> None:
        """Make a queue of the shots most like one."""
        if self._instant is None or self.source is None:
            self.noted.emit("info", self.trouble or NOT_YET)
        else:
            self._instant.like(row, k)

    def want_layout(self) -> bool:
        """Ask for the places of all shots on the map; False where that is not possible yet."""
        if self._instant is None or self.source is None:
            return False
        self._instant.layout()
        return True

    def stands_on(self) -> EmbeddingSource:
        """The embeddings of the open project, also where nothing is learnt on them."""
        opened = self.require()
        return self.source or embeddings.source_on(
            self.predictions.run, opened.project, opened.table
        )

    def look_for_clusters(self) -> None:
        """Let queue and grid know the clusters of a map, where they are not known yet and one was
        made on these embeddings."""
        if self.opened is None or CLUSTER in self.queue.numbers:
            return
        if not any((self.opened.folder / CACHE).glob("map-*.npz")):
            return
        try:
            path = map_file.path_of(self.opened.folder, self.stands_on())
        except (InputError, OSError) as error:
            log.warning("the clusters of the map are not known: %s", error)
            return
        self.queue.give_clusters(map_file.load(path, self.labels.n_shots))

    def stop(self) -> None:
        """End the child and the job; nothing is left running."""
        self._soon.stop()
        self.work.stop()
        if self._instant is not None:
            self._instant.close()
        self._instant = self.source = None
        self._share, self.trouble = 0.0, ""

    # -- following the session -------------------------------------------------------------------

    def follow(self) -> None:
        """Another project or run: learn on its embeddings."""
        opened = self.opened
        if opened is None or not self._on:
            self.stop()
            self.changed.emit()
            return
        if self.predictions.instant is not None:
            self.suggestions.take(None)
        self.stop()
        try:
            self._begin_project(opened)
        except InputError as error:
            self.trouble = str(error)
        self.changed.emit()

    def prepare_again(self) -> None:
        """The project prepares its shots in another way: before the first run, read them again."""
        if self.predictions.run is None:
            self.follow()

    def _begin_project(self, opened: Opened) -> None:
        run = self.predictions.run
        if run is not None:
            self._use(embeddings.source_on(run, opened.project, opened.table, self._next()))
            return
        if not self._use_cache(opened) and not opened.project.store.read_only:
            self._read_all(opened)

    def _next(self) -> int:
        self._numbers += 1
        return self._numbers

    def _use_cache(self, opened: Opened) -> bool:
        """Learn on what the shipped network has read so far; True where that is everything."""
        source = embeddings.of_cache(opened.project, opened.table, self._next())
        share = embeddings.share_there(source.parts)
        if share > self._share:
            self._share = share
            self._use(source)
        return share >= 1

    def _use(self, source: EmbeddingSource) -> None:
        if self._instant is None:
            self._instant = Instant(self._answered.emit)
        self.source = source
        self._instant.use(source)
        self._learn()

    def _read_all(self, opened: Opened) -> None:
        folder = opened.folder
        self.done, self.total = 0, self.labels.n_shots
        self.work.follow(["embed", str(folder)], folder / CACHE / "embed.log")

    def _receive(self, item: Event) -> None:
        """What the pass says; what it has read is used from its first part on, then again
        whenever twice as much is there."""
        if item["event"] == "progress":
            self.done, self.total = int(item["done"]), int(item["total"])
            self.changed.emit()
        elif item["event"] == "note" and item.get("level") == "warning":
            self.noted.emit("warning", str(item.get("text", "")))
        elif item["event"] == "part" and int(item["stop"]) >= 2 * self._share * self.total:
            self._use_cache(self.require())

    def _end(self, ok: bool, message: str, last: Event) -> None:
        if not ok:
            self.trouble = f"No suggestions before the first run: {message}"
            self.noted.emit("warning", self.trouble)
        elif self.opened is not None and self._share < 1:
            self._use_cache(self.opened)
        self.changed.emit()

    # -- learning --------------------------------------------------------------------------------

    def _learn(self) -> None:
        if self._instant is None or self.source is None or self.opened is None:
            return
        status = self.labels.status
        rows = np.flatnonzero(status & LABELLED)
        self._instant.learn(
            FitRequest(
                self.source.number,
                rows,
                self.labels.present[rows],
                np.flatnonzero(passed_over(status)),
                BATCH,
                self.strategy,
                self.audit,
                known=self.labels.decided.known[rows],
            )
        )

    def _take(self, answer: Answer) -> None:
        if self.opened is None or self._instant is None:
            return
        if isinstance(answer, InputError):
            if self.source is not None:
                self.trouble = str(answer)
                self.noted.emit("warning", self.trouble)
                self.changed.emit()
        elif isinstance(answer, Neighbours):
            rows = np.concatenate([[answer.row], answer.rows])
            self.queue.show_rows(rows, f"Like shot {answer.row + 1:,}")
        elif self.source is None or answer.source != self.source.number:
            return
        elif isinstance(answer, Layout):
            self.laid_out.emit(answer.places)
        elif isinstance(answer, FitResult):
            self._show(answer)

    def _show(self, fit: FitResult) -> None:
        before = self.predictions.instant
        why = {} if before is None else before.why
        self.suggestions.take(InstantPredictions(self.labels.taxonomy, fit, why))
        if before is None:
            self.changed.emit()
