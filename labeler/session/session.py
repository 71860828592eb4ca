"""What is open in the window: opens and closes a project, and owns the parts that it is made of.

Each part has its own verbs and its own signal; `Session` forwards nothing. Knows nothing of widgets
and never loads torch.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

from PyQt6.QtCore import QObject, pyqtSignal

from labeler.project import classes, people
from labeler.project.place import LeftOff
from labeler.session.background.backup import AutoBackup
from labeler.session.background.instant_learning import Learning
from labeler.session.background.live import LiveWatch
from labeler.session.background.other_windows import OtherWindows
from labeler.session.background.place import PlaceKeeper
from labeler.session.background.sources import SourceWatch
from labeler.session.background.training import Training
from labeler.session.cursor import Cursor
from labeler.session.display import Display
from labeler.session.heat import Heat
from labeler.session.labelling import Labelling
from labeler.session.labels import Consensus, ProjectLabels
from labeler.session.opened import Opened, SessionPart, open_project
from labeler.session.predictions import CurrentPredictions
from labeler.session.queue import Queue
from labeler.session.repeats import Repeats
from labeler.session.shots import Shots
from labeler.session.suggestions import Suggestions
from labeler.shots.prefetch import Reader


class Session(QObject):
    """The parts of what is open. Signals are facts, in the past tense."""

    project_changed = pyqtSignal()
    """Opened, closed, or opened again because something in it changed."""
    project_left = pyqtSignal()
    """Closed for good or for another one: what was under way for it ends."""
    noted = pyqtSignal(str, str)
    """Level ("info", "warning", "error") and text of any part, for the note area and the log."""

    def __init__(
        self, parent: QObject | None = None, make_reader: Callable[..., Reader] | None = None
    ) -> None:
        super().__init__(parent)
        self.opened: Opened | None = None
        self.shots = Shots(make_reader)
        self.labels = ProjectLabels()
        self.predictions = CurrentPredictions()
        self.queue = Queue(self.labels, lambda: self.predictions.now)
        self.cursor = Cursor(self.shots, self.labels, self.queue)
        self.repeats = Repeats(self.labels, self.queue, self.cursor)
        self.suggestions = Suggestions(
            self.labels, self.predictions, self.queue, self.cursor, self.repeats
        )
        self.display = Display(self.cursor)
        self.place = PlaceKeeper(self.cursor, self.queue, self.display)
        self.heat = Heat(self.cursor, self.predictions, self.suggestions, self.display)
        self.consensus = Consensus(self.labels)
        self.labelling = Labelling(
            self.labels,
            self.cursor,
            self.repeats,
            self.predictions,
            self.suggestions,
            self.heat,
            self.consensus,
        )
        self.sources = SourceWatch(self.shots, self.labels, self.reopen)
        self.training = Training(self.labels, self.predictions, self.sources)
        self.learning = Learning(self.labels, self.queue, self.suggestions)
        self.live = LiveWatch(self.reopen)
        self.backup = AutoBackup(self.labels)
        self.other_windows = OtherWindows(self.labels, self.reopen)
        self.cursor.policies[:0] = [self.repeats.next, self.suggestions.next]
        self.predictions.run_changed.connect(self.queue.look_for_gone)
        self._parts: tuple[SessionPart, ...] = (
            self.shots, self.labels, self.sources, self.predictions, self.queue, self.cursor,
            self.repeats, self.suggestions, self.display, self.place, self.heat, self.consensus,
            self.labelling, self.training, self.learning, self.live, self.backup,
            self.other_windows,
        )  # fmt: skip
        for part in self._parts:
            part.setParent(self)
            part.noted.connect(self.noted)

    # -- opening -------------------------------------------------------------------------------

    def open(self, folder: Path, annotator: int | None = None) -> None:
        """Open a project; on InputError the one that was open stays.

        `annotator` is the number of who labels, by default who labelled last at this machine.
        """
        self._open(folder, annotator)

    def _open(self, folder: Path, annotator: int | None, place: LeftOff | None = None) -> None:
        self.place.keep()
        opened, decided = open_project(folder, annotator)
        opened = opened if place is None else replace(opened, place=place)
        before = self.opened
        self._let_go()
        if before is not None and before.folder != opened.folder:
            self._leave()
        self.opened = opened
        self.labels.decided = decided
        for part in self._parts:
            part.begin(opened)
        if opened.place.levels is not None:
            low, high = opened.place.levels
            self.display.change(low=low, high=high)
        self._announce()
        self.cursor.show(min(opened.place.row, self.labels.n_shots - 1))
        for text in opened.project.notes:
            self.noted.emit("info", text)

    def close(self) -> None:
        """Close the project, remembering the shot; nothing is left running."""
        if self.opened is not None:
            self.place.keep()
            self._let_go()
            self._leave()
        self.shots.end()

    def reopen(self) -> None:
        """Read everything again, after a file was found again or something else changed.

        Shot, queue and levels stay, also of a project that can only be looked at.
        """
        if self.opened is not None:
            place = self.place.now() if self.cursor.row >= 0 else None
            self._open(self.opened.folder, self.opened.annotator, place)

    def require(self) -> Opened:
        """What is open; only for what cannot be asked while nothing is."""
        if self.opened is None:
            raise RuntimeError("no project is open")
        return self.opened

    def label_as(self, name: str) -> None:
        """Label under another name, from the place where that person was; InputError for none."""
        if self.opened is not None and not self.opened.project.store.read_only:
            number = people.label_as(self.opened.project.store, name)
            self.open(self.opened.folder, number)
            self.noted.emit("info", f"You label as {self.opened.project.annotator_name} now.")

    def change_classes(self, change: Callable[..., str], *words: Any, **fields: str) -> None:
        """Change the classes by a verb of `labeler.project.classes`, and show the project as it is
        now."""
        if self.opened is None:
            return
        text = change(self.opened.project, *words, **fields)
        self.reopen()
        self.noted.emit("info", f"{classes.in_words(text)}.")

    def _let_go(self) -> None:
        opened, self.opened = self.opened, None
        if opened is None:
            return
        self.backup.wait()
        for part in self._parts:
            part.end()
        opened.project.close()
        self._announce()

    def _announce(self) -> None:
        """First the views, then what goes on beside them."""
        self.project_changed.emit()
        for part in self._parts:
            part.follow()

    def _leave(self) -> None:
        for part in self._parts:
            part.leave()
        self.project_left.emit()
