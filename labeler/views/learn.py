"""Learn: order a training, watch it, and compare what the runs came to."""

from __future__ import annotations

from typing import Any

from PyQt6.QtCore import Qt
from PyQt6.QtGui import QShowEvent
from PyQt6.QtWidgets import (
    QHBoxLayout,
    QPushButton,
    QSplitter,
    QStackedWidget,
    QVBoxLayout,
    QWidget,
)

from labeler.predictions import Predictions
from labeler.reports import Change, Curves, RunReport, compare, read_events, read_reports
from labeler.retraining import Retraining
from labeler.views.learn_curves import CurvesView
from labeler.views.learn_order import OrderForm
from labeler.views.learn_runs import ClassesTable, RunsTable
from labeler.views.parts import EmptyState, label
from labeler.views.retrain import progress_in_words
from model.errors import InputError

FORM_WIDTH = 260
MARGINS = ((20, 14, 18, 8), (18, 18, 18, 10), (20, 10, 18, 12))
"""Around curves, classes and runs."""


class LearnView(QWidget):
    """The form of the next training, learning curves, all runs, and two of them side by side."""

    def __init__(self, session: Any, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("page")
        self.session = session
        self.retraining = Retraining.of(session)
        self.runs: list[RunReport] = []
        self._stale = True
        self.form = OrderForm(session)
        self.form.setObjectName("side")
        self.form.setAttribute(Qt.WidgetAttribute.WA_StyledBackground)
        self.form.setFixedWidth(FORM_WIDTH)
        self.empty = EmptyState()
        self.curves = CurvesView()
        self.table, self.classes = RunsTable(), ClassesTable()
        self._build()
        self.form.train_requested.connect(self.retraining.start)
        self.table.chosen_changed.connect(self._show_chosen)
        self.retraining.changed.connect(self._show_progress)
        self.retraining.curves_changed.connect(self._show_curves)
        self.retraining.runs_changed.connect(self.refresh)
        for signal in (session.project_changed, session.run_changed):
            signal.connect(self.refresh)
        session.labels_changed.connect(self._refresh_form)

    # -- layout ----------------------------------------------------------------------------------

    def _build(self) -> None:
        self.right = QStackedWidget()
        self.right.addWidget(self.empty)
        self.right.addWidget(self._build_runs())
        layout = QHBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(0)
        layout.addWidget(self.form)
        layout.addWidget(self.right, 1)

    def _build_runs(self) -> QWidget:
        self.title, self.detail = label("", "title"), label("", "muted")
        self.cancel = QPushButton("Cancel")
        self.cancel.setToolTip("End the training soon and keep the best network so far")
        self.cancel.clicked.connect(self.retraining.cancel)
        self.use = QPushButton("Use this run")
        self.use.clicked.connect(self._use)
        self.beside = label("", "heading")
        self.note = label("", "muted", wrap=True)
        head = QHBoxLayout()
        head.setSpacing(12)
        head.addWidget(self.title)
        head.addWidget(self.detail, 1)
        head.addWidget(self.cancel)
        curves, classes, runs = (_Column(*margins) for margins in MARGINS)
        curves.box.addLayout(head)
        curves.box.addWidget(self.curves, 1)
        classes.setMinimumWidth(355)
        classes.box.addWidget(self.beside)
        classes.box.addWidget(self.classes, 1)
        classes.box.addWidget(self.note)
        head = QHBoxLayout()
        head.addWidget(label("Runs", "heading"))
        head.addWidget(label("Choose two (Ctrl or Shift) to compare them.", "muted"), 1)
        head.addWidget(self.use)
        runs.box.addLayout(head)
        runs.box.addWidget(self.table, 1)
        top = _split(Qt.Orientation.Horizontal, curves, classes, sizes=(690, 330))
        return _split(Qt.Orientation.Vertical, top, runs, sizes=(430, 250))

    # -- showing ---------------------------------------------------------------------------------

    def showEvent(self, event: QShowEvent | None) -> None:
        super().showEvent(event)
        if self._stale:
            self.refresh()

    def refresh(self) -> None:
        """Read the runs anew, if anybody looks."""
        self._stale = not self.isVisible()
        if self._stale:
            return
        project = self.session.project
        self.runs = [] if project is None else read_reports(project)
        if self.retraining.is_running:
            for run in self.runs:
                if run.number == self.retraining.number and run.state == "unfinished":
                    run.state = "training"
        self._refresh_form()
        self.right.setCurrentIndex(1 if self.runs else 0)
        self._say_empty()
        if self.runs:
            self.table.show_runs(self.runs, project.current_run)
        self._show_chosen()
        self._show_progress()

    def _refresh_form(self, *_: object) -> None:
        if self.isVisible():
            running = self.retraining.is_running
            self.form.refresh(self.runs, self.retraining.lacking(), running)
            if not self.runs:
                self._say_empty()

    def _say_empty(self) -> None:
        needed = self.retraining.lacking()
        text = (
            "A run is one training of a network on your labels. Its learning curves, its scores "
            "for every class and what it changes will be here."
        )
        if needed:
            self.empty.say("No run yet", f"{text}\n\n{needed}.")
        else:
            self.empty.say("No run yet", text, "Train a first network", self.form.button.click)

    def _show_chosen(self) -> None:
        chosen = self.table.chosen()
        current = None if self.session.project is None else self.session.project.current_run
        other = len(chosen) == 1 and chosen[0].number != current
        self.use.setEnabled(other and not self.retraining.is_running and self._has_network())
        self.use.setText(f"Use run {chosen[0].number}" if other else "Use this run")
        self.use.setToolTip(
            "Its predictions and heatmaps are shown from then on; you can go back at any time"
        )
        if len(chosen) == 2:
            self._compare(chosen[1], chosen[0])
        elif chosen:
            self.beside.setText(f"Run {chosen[0].number} by class")
            self.classes.classes.show_one(chosen[0])
            self.note.setText(_judged(chosen[0]))
        self._show_curves()
        self._show_progress()

    def _has_network(self) -> bool:
        return (self.table.chosen()[0].folder / "model.json").is_file()

    def _compare(self, old: RunReport, new: RunReport) -> None:
        """Two runs by class, judged alike: on the evaluation shots and labels of today."""
        self.beside.setText(f"F1 by class: run {old.number} and run {new.number}")
        change = self._change(old, new)
        self.classes.classes.show_two(old.number, new.number, change or Change((), 0, 0))
        if change is None:
            self.note.setText("They cannot be compared: one of them has not read all shots.")
            return
        self.note.setText(
            f"On the {change.shots:,} evaluation shots, by the labels of today. "
            f"{change.flipped:,} of all shots are predicted differently."
        )

    def _change(self, old: RunReport, new: RunReport) -> Change | None:
        session = self.session
        try:
            both = [
                Predictions.open(run.predictions, session.taxonomy, session.n_shots)
                for run in (old, new)
            ]
        except InputError:  # one has none, or of fewer shots: said in words by the caller
            return None
        role = session.project.store.roles()
        return compare(both[0], both[1], session.present, session.status, role)

    def _shows_live(self) -> bool:
        chosen = self.table.chosen()
        live = self.retraining.number
        return self.retraining.is_running and (not chosen or chosen[0].number in (live, 0))

    def _show_curves(self) -> None:
        if self.retraining.is_running and self.retraining.curves.epochs and self._shows_live():
            self.curves.show_curves(self.retraining.curves)
            return
        chosen = self.table.chosen()
        self.curves.show_curves(Curves.of(read_events(chosen[0].folder)) if chosen else Curves())

    def _show_progress(self) -> None:
        if not self.isVisible():
            return
        running = self.retraining.is_running
        self.cancel.setVisible(running)
        self.cancel.setEnabled(not self.retraining.is_stopping)
        chosen = self.table.chosen()
        if running and self._shows_live():
            self.title.setText(f"Run {self.retraining.number}")
            self.detail.setText(progress_in_words(self.retraining))
        elif chosen:
            self.title.setText(f"Run {chosen[0].number}")
            self.detail.setText(_about(chosen[0]))

    def _use(self) -> None:
        chosen = self.table.chosen()
        if len(chosen) == 1:
            self.retraining.use(chosen[0].number)


class _Column(QWidget):
    """A widget whose `box` takes others from top to bottom."""

    def __init__(self, *margins: int) -> None:
        super().__init__()
        self.box = QVBoxLayout(self)
        self.box.setContentsMargins(*margins)
        self.box.setSpacing(10)


def _split(way: Qt.Orientation, *parts: QWidget, sizes: tuple[int, int]) -> QSplitter:
    made = QSplitter(way)
    for part in parts:
        made.addWidget(part)
    made.setSizes(sizes)
    made.setStretchFactor(0, 1)
    made.setHandleWidth(1)
    made.setChildrenCollapsible(False)
    return made


def _judged(run: RunReport) -> str:
    """Where the numbers of a run come from."""
    shots = run.judged
    return f"On the {shots:,} evaluation shots of this run." if shots else ""


def _about(run: RunReport) -> str:
    """One line about a run that ended."""
    if run.state == "failed":
        return f"failed: {run.message}"
    parts = [f"{run.epochs} epochs" if run.epochs != 1 else "1 epoch"]
    if run.state != "finished":
        parts.append({"unfinished": "not finished"}.get(run.state, run.state))
    if run.message:
        parts.append(run.message)
    return " · ".join(parts)
