"""What is open: project, shot, labels, queue, predictions; every change goes through here.

The only owner of the window's state. A decision is recorded in the store first and shown after:
when the store refuses, nothing changes on screen. Knows nothing of widgets and never loads torch.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from PyQt6.QtCore import QObject, pyqtSignal

from labeler.project import people
from labeler.project.decisions import Decisions
from labeler.quality.pace import Pace
from labeler.session import opening
from labeler.session.auto_backup import Keeper
from labeler.session.blind_repeats import Repeating
from labeler.session.other_windows import Following
from labeler.shots.geometry import of_shot
from labeler.shots.prefetch import ShotFeed
from model.errors import InputError
from model.shots.layouts import Geometry
from model.taxonomy.taxonomy import Taxonomy


class Session(Repeating):
    """State of the window and the verbs that change it. Signals are facts, in the past tense."""

    project_changed = pyqtSignal()
    """Opened, closed, or opened anew because something in it changed."""
    project_left = pyqtSignal()
    """Closed for good or for another one: what was under way for it ends."""
    run_changed = pyqtSignal()
    counts_ready = pyqtSignal(int)
    """Row whose counts (or whose error) arrived from the reader."""
    thumbnail_ready = pyqtSignal(int)

    def __init__(
        self, parent: QObject | None = None, make_reader: Callable[..., Any] | None = None
    ) -> None:
        super().__init__(parent)
        self._make_reader = make_reader
        self.auto_advance = False
        self._clear()
        self.keeper = Keeper(self)
        self.following = Following(self)

    def _clear(self) -> None:
        self.project: Any = None
        self.taxonomy = Taxonomy("", (), ())
        self.decided = Decisions.none(0)
        self.row = -1
        self.predictions: Any = None
        self.forget_look()
        self.said = ""
        self.pace = Pace()
        self.table: Any = None
        self.feed: ShotFeed | None = None
        self.annotator = 0
        self._shown_at = 0.0
        self.forget_queue()

    # -- opening -------------------------------------------------------------------------------

    def open(self, folder: Path) -> None:
        """Open a project; on InputError the one that was open stays."""
        self._remember()
        opened = opening.open_project(folder)
        other = self.project is not None and self.project.folder != opened.project.folder
        self._let_go()
        if other:
            self.project_left.emit()
        self.project, self.table = opened.project, opened.table
        self.taxonomy, self.annotator = opened.project.taxonomy, opened.annotator
        self.decided = opened.decided
        if opened.levels is not None:
            self.look(low=opened.levels[0], high=opened.levels[1])
        self.feed = ShotFeed(
            self.table, self._reader(), self.counts_ready.emit, self.thumbnail_ready.emit
        )
        trouble = self._take_steps()
        self._load_predictions()
        self.begin_queue()
        self.project_changed.emit()
        self.show(self.place_left(opened.row))
        for text in [*self.project.notes, *filter(None, [trouble])]:
            self.noted.emit("info", text)

    def label_as(self, name: str) -> None:
        """Label under another name, from the place where that person was; InputError for none."""
        if self.project is not None and not self.project.store.read_only:
            people.label_as(self.project.store, name)
            self.open(Path(self.project.folder))
            self.noted.emit("info", f"You label as {people.name_of(self.project)} now.")

    def change_classes(self, change: Callable[..., str], *words: Any, **fields: str) -> None:
        """Change the classes by a verb of `labeler.project.classes`, and show the project as it is
        now."""
        if self.project is None:
            return
        text = change(self.project, *words, **fields)
        self.open(Path(self.project.folder))
        self.noted.emit("info", f"{text[:1].upper()}{text[1:]}.")

    # -- raw or prepared -----------------------------------------------------------------------

    def show_prepared(self, on: bool) -> None:
        """Show shots as the project prepares them for its networks, or raw as in their files."""
        self.prepared = on
        trouble = self.preparation_changed()
        if trouble:
            self.noted.emit("info", trouble)

    def preparation_changed(self) -> str:
        """Show the steps that the project has now; returns why there are none, or ''."""
        trouble = self._take_steps()
        if self.feed is not None and self.row >= 0:
            self.feed.want(self.row)
        self.look_changed.emit()
        return trouble

    def _take_steps(self) -> str:
        steps, trouble = None, ""
        if self.prepared and self.project is not None:
            steps, trouble = opening.steps_of(self.project)
        if self.feed is not None and steps is not self.feed.steps:
            self.feed.prepare(steps)
        return trouble

    @property
    def shown_steps(self) -> str:
        """What was done to the shots on screen, in words; '' where they are raw."""
        return "" if self.feed is None or self.feed.steps is None else self.feed.steps.words()

    def _reader(self) -> Callable[..., Any]:
        if self._make_reader is None:
            from labeler.shots.reader import ShotReader

            self._make_reader = ShotReader
        return self._make_reader

    def close(self) -> None:
        """Close the project, remembering the shot."""
        if self.project is not None:
            self._remember()
            self._let_go()
            self.project_left.emit()

    def _let_go(self) -> None:
        if self.project is None:
            return
        project, feed = self.project, self.feed
        self.keeper.wait()
        self._clear()
        if feed is not None:
            feed.close()
        project.close()
        self.project_changed.emit()

    def _remember(self) -> None:
        if self.project is not None and self.row >= 0:
            levels = (self.screen.low, self.screen.high) if self.levels_known else None
            opening.remember(self.project, self.annotator, self.row, levels)
            self.keep_place()

    def sources_changed(self) -> None:
        """Read everything anew after a file was found again or added."""
        if self.project is not None:
            self.open(Path(self.project.folder))

    # -- what is there -------------------------------------------------------------------------

    def counts(self, row: int | None = None) -> npt.NDArray[Any] | InputError | None:
        """(y, x) counts; the InputError of an unreadable shot; None while it is being read."""
        row = self.row if row is None else row
        return None if self.feed is None or row < 0 else self.feed.reader.counts(row)

    def offers(self, class_index: int) -> bool:
        """Whether a class is shown: all but the retired ones that no shot carries."""
        bit = np.int64(1) << class_index
        retired = self.taxonomy.classes[class_index].retired
        return not retired or bool((self.present & bit).any())

    def mask(self, row: int | None = None) -> npt.NDArray[np.bool_] | None:
        """(y, x) True for good pixels; None where the file has no mask or while it is read."""
        row = self.row if row is None else row
        return None if self.feed is None or row < 0 else self.feed.reader.mask(row)

    def geometry(self) -> Geometry | None:
        """What the file says of detector and beam, with the wavelength of the shot on screen."""
        if self.table is None or self.row < 0:
            return None
        return of_shot(self.table.geometry(self.row), self.numbers, self.row)

    # -- the model's reading -------------------------------------------------------------------

    def use_run(self, number: int | None) -> None:
        """Make a run the project's current one and show what it predicts."""
        if self.project is None:
            return
        self.project.current_run = number
        self._load_predictions()
        self.run_changed.emit()

    def _load_predictions(self) -> None:
        from labeler.runs.predictions import predictions_of

        self.predictions, trouble = predictions_of(self.project)
        if trouble:
            self.noted.emit("warning", trouble)
