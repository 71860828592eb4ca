"""What models say of the shots: the run in use, and what was learnt at once from the labels."""

from __future__ import annotations

from pathlib import Path

from PyQt6.QtCore import pyqtSignal

from labeler.active.instant import InstantPredictions
from labeler.runs.predictions import RunPredictions, predictions_of
from labeler.session.opened import Opened, SessionPart
from model.runs.folder import PREDICTIONS


class CurrentPredictions(SessionPart):
    """Predictions of the project's current run and of the instant head, either or both."""

    run_changed = pyqtSignal()
    """Another run is in use, or none."""
    instant_changed = pyqtSignal()
    """The instant head says something else, or there is none any more."""

    def __init__(self) -> None:
        super().__init__()
        self.run: RunPredictions | None = None
        self.instant: InstantPredictions | None = None

    @property
    def now(self) -> RunPredictions | InstantPredictions | None:
        """What is shown and asked: the instant head, else the run, else nothing."""
        return self.run if self.instant is None else self.instant

    @property
    def of_run(self) -> RunPredictions:
        """The predictions of the run in use; only for what is not shown without one."""
        if self.run is None:
            raise RuntimeError("no run is in use")
        return self.run

    @property
    def run_folder(self) -> Path:
        """Of the project's current run; only for what is not shown without one."""
        project = self.require().project
        if project.current_run is None:
            raise RuntimeError("no run is in use")
        return project.run_folder(project.current_run)

    @property
    def unused_run(self) -> int | None:
        """The newest run that has predicted the shots, where none is in use; else None."""
        if self.opened is None or self.run is not None:
            return None
        project = self.opened.project
        if project.current_run is not None:
            return None
        made = [run.number for run in project.runs() if (run.folder / PREDICTIONS).is_file()]
        return max(made, default=None)

    def begin(self, opened: Opened) -> None:
        """Open the predictions of the run in use."""
        super().begin(opened)
        self._load(opened)

    def end(self) -> None:
        """Nothing is said."""
        super().end()
        self.run = self.instant = None

    def use_run(self, number: int | None) -> None:
        """Make a run the project's current one and show what it predicts."""
        if self.opened is not None:
            self.opened.project.current_run = number
            self._load(self.opened)
            self.run_changed.emit()

    def _load(self, opened: Opened) -> None:
        self.run, trouble = predictions_of(opened.project)
        if trouble:
            self.noted.emit("warning", trouble)
