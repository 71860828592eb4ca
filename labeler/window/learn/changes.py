"""One run by class, or two side by side: what got better, what worse, and on which shots.

The shots are one click away from Label. It computes nothing itself; see `labeler.runs.run_report`.
"""

from __future__ import annotations

import math

import numpy as np
from PyQt6.QtCore import pyqtSignal
from PyQt6.QtWidgets import QHBoxLayout, QPushButton, QVBoxLayout, QWidget

from labeler.project.store.records import Rows
from labeler.runs.predictions import RunPredictions
from labeler.runs.run_report import RunComparison, RunReport, compare
from labeler.session.session import Session
from labeler.window.learn.runs import ClassesTable, between
from labeler.window.widgets.parts import label, set_role, share
from labeler.window.widgets.tables import needed_width
from model.errors import InputError
from model.runs.judges import judges_of
from model.runs.promotion import WORSE, Verdict

MARGIN, BAR = 18, 14


class ChangesPane(QWidget):
    """Table of classes, the verdict in words, and a button for each kind of changed shots.

    Emits `label_requested` when shots were put into the queue: whoever holds the views then shows
    Label.
    """

    label_requested = pyqtSignal()

    def __init__(self, session: Session) -> None:
        super().__init__()
        self.session = session
        self.change: RunComparison | None = None
        self.title, self.note = label("", "heading"), label("", "muted", wrap=True)
        self.verdict = label("", wrap=True)
        self.table = ClassesTable()
        self.won, self.lost, self.flipped = (QPushButton() for _ in range(3))
        self.won.clicked.connect(lambda: self._show(self.won))
        self.lost.clicked.connect(lambda: self._show(self.lost))
        self.flipped.clicked.connect(lambda: self._show(self.flipped))
        self._rows: dict[QPushButton, tuple[Rows, str]] = {}
        buttons = QHBoxLayout()
        buttons.setSpacing(8)
        for button in (self.won, self.lost, self.flipped):
            set_role(button, "link")
            buttons.addWidget(button)
        buttons.addStretch(1)
        self.box = QVBoxLayout(self)
        self.box.setContentsMargins(MARGIN, 18, MARGIN, 10)
        self.box.setSpacing(10)
        self.box.addWidget(self.title)
        self.box.addWidget(self.table, 1)
        self.box.addWidget(self.verdict)
        self.box.addLayout(buttons)
        self.box.addWidget(self.note)
        self.show_runs([])

    def show_runs(self, runs: list[RunReport]) -> None:
        """Show one run, two of them side by side (the newest first), or of more the newest."""
        self.change = None
        if len(runs) == 2:
            self._compare(runs[1], runs[0])
        elif runs:
            self.title.setText(f"Run {runs[0].number} by class")
            self.table.classes.show_one(runs[0], self.session.labels.taxonomy.place)
            more = "Choose two runs to compare them class by class."
            self.note.setText(_judged(runs[0]) if len(runs) == 1 else more)
        self._say_verdict(runs)

    def needed_width(self) -> int:
        """Pixels in which the table shows every text whole, with room for a scroll bar."""
        return needed_width(self.table) + 2 * MARGIN + BAR

    def _compare(self, old: RunReport, new: RunReport) -> None:
        """Two runs by class, judged on the evaluation shots of the new one, by labels now."""
        self.title.setText(f"F1 by class: run {old.number} and run {new.number}")
        self.change = self._change_of(old, new)
        place = self.session.labels.taxonomy.place
        self.table.classes.show_two(old.number, new.number, self.change, place)
        if self.change is None:
            self.note.setText("They cannot be compared: one of them has not predicted all shots.")
            return
        shots = f"{self.change.shots:,} evaluation shots of run {new.number}"
        self.note.setText(f"On the {shots}, by the labels of today.")

    def _change_of(self, old: RunReport, new: RunReport) -> RunComparison | None:
        session = self.session
        try:
            both = [
                RunPredictions.open(
                    run.predictions, session.labels.taxonomy, session.labels.n_shots
                )
                for run in (old, new)
            ]
        except InputError:  # one has none, or of fewer shots: said in words by the caller
            return None
        project = session.require().project
        judges = judges_of(new.folder, project.store.roles(), project.labelled_together())
        labels = session.labels.decided
        return compare(both[0], both[1], labels.present, labels.status, judges, labels.known)

    def _say_verdict(self, runs: list[RunReport]) -> None:
        change, verdict = self.change, None if self.change is None else self.change.verdict
        self.verdict.setVisible(verdict is not None)
        self._rows = {}
        if verdict is not None and change is not None:
            self.verdict.setText(
                f"Run {runs[1].number} → run {runs[0].number}: {in_words(verdict)}"
            )
            set_role(self.verdict, "error" if verdict.finding == WORSE else "")
        if change is not None:
            self._offer(change, runs[1].number, runs[0].number)
        for button in (self.won, self.lost, self.flipped):
            button.setVisible(button in self._rows)

    def _offer(self, change: RunComparison, old: int, new: int) -> None:
        """A button for each kind of shots, with their number."""
        kinds = [(self.flipped, change.flipped, "differ", f"Run {old} and {new} differ")]
        tips = {self.flipped: "All shots that the two runs decide differently, most of all first"}
        if change.verdict is not None:
            better, worse = (np.array(r, np.int64) for r in
                             (change.verdict.better, change.verdict.worse))  # fmt: skip
            kinds += [
                (self.won, better, "won", f"Only run {new} is right"),
                (self.lost, worse, "lost", f"Only run {old} is right"),
            ]
            every = "has right in every class"
            tips[self.won] = f"Evaluation shots that only run {new} {every}"
            tips[self.lost] = f"Evaluation shots that only run {old} {every}"
        for button, rows, word, title in kinds:
            button.setText(f"{len(rows):,} {word}")
            button.setAccessibleName(f"{tips[button]}: {len(rows):,}")
            button.setToolTip(f"{tips[button]}.\nOpens them in Label.")
            button.setEnabled(len(rows) > 0)
            self._rows[button] = rows, title

    def _show(self, button: QPushButton) -> None:
        rows, title = self._rows[button]
        self.session.queue.show_rows(rows, title)
        self.label_requested.emit()


def in_words(verdict: Verdict) -> str:
    """What a comparison found, its numbers written as in the table above it."""
    edges = f"95 %: {between(verdict.low, verdict.high, ' to ')}"
    if not math.isfinite(verdict.low):
        edges = "too few to tell"
    return (
        f"Macro F1 {share(verdict.old)} → {share(verdict.new)} (constant answer "
        f"{share(verdict.constant)}): {verdict.finding} ({verdict.judges}, {edges}); "
        f"{len(verdict.better):,} more right, {len(verdict.worse):,} no longer right."
    )


def _judged(run: RunReport) -> str:
    """Where the numbers of a run come from."""
    shots = run.judged
    return f"On the {shots:,} evaluation shots of this run: {run.judged_on}." if shots else ""
