"""Retrain, always in the same place: one click, then progress and Cancel, then what came of it.

It shows and steers the one Training of the session and keeps no state of its own.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from PyQt6.QtCore import QSize, Qt, QTimer
from PyQt6.QtWidgets import (
    QHBoxLayout,
    QLabel,
    QProgressBar,
    QPushButton,
    QSizePolicy,
    QStackedWidget,
    QWidget,
)

from labeler.runs.run_report import MACRO, in_words, read_report, read_reports
from labeler.runs.training_choices import TrainingOrder, duration, expected_seconds
from labeler.session.background.training import Outcome, Training
from labeler.session.session import Session
from labeler.window.widgets import theme
from labeler.window.widgets.parts import Elided, Sparkline, set_role, share
from model.runs.promotion import only

HEIGHT = 34
PAUSE_MS = 400
"""Shots and minutes of a training are reckoned again when no key came for this long."""


class RetrainBar(QStackedWidget):
    """Retrain button, progress of the training, and the note at its end; one row high.

    `key` is the key of the Retrain command, for the tooltip; `show_tab` brings a view to the
    front, by name.
    """

    def __init__(
        self,
        session: Session,
        parent: QWidget | None = None,
        *,
        key: str = "",
        show_tab: Callable[[str], object] | None = None,
    ) -> None:
        super().__init__(parent)
        self.show_tab = show_tab
        self.session = session
        self.key = key
        self.retraining = session.training
        self._idle, self._running = _Idle(self), _Running(self)
        self._outcome = _OutcomeNote(self)
        for page in (self._idle, self._running, self._outcome):
            self.addWidget(page)
        self.setFixedHeight(theme.grown(HEIGHT))
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        self.setAccessibleName("Training")
        self.retraining.changed.connect(self.refresh)
        self._soon = QTimer(self)
        self._soon.setSingleShot(True)
        self._soon.setInterval(PAUSE_MS)
        self._soon.timeout.connect(self.refresh)
        for signal in (session.project_changed, session.predictions.run_changed):
            signal.connect(self.refresh)
        session.labels.labels_changed.connect(lambda rows: self._labels_changed())
        self.refresh()

    @property
    def is_running(self) -> bool:
        """Whether a training or prediction is under way: closing the window should ask."""
        return self.retraining.is_running

    def show_key(self, key: str) -> None:
        """Say which key retrains."""
        if key != self.key:
            self.key = key
            self.refresh()

    def start(self) -> None:
        """Retrain with the quick recipe, as the button does."""
        self.retraining.start()

    def cancel(self) -> None:
        """End the training soon and keep the network so far."""
        self.retraining.cancel()

    def stop(self) -> None:
        """End the child now; it is gone when this returns."""
        self.retraining.stop()

    def _labels_changed(self) -> None:
        """Reckon again in the next pause; at once where the button may just have come in reach."""
        if self.retraining.lacking() or not self._idle.button.isVisibleTo(self):
            self.refresh()
        else:
            self._soon.start()

    def sizeHint(self) -> QSize:
        """Of what is shown, and not of all that may be."""
        page = self.currentWidget()
        return super().sizeHint() if page is None else page.sizeHint()

    def minimumSizeHint(self) -> QSize:
        """Of what is shown."""
        page = self.currentWidget()
        return super().minimumSizeHint() if page is None else page.minimumSizeHint()

    def refresh(self, *_: object) -> None:
        """Show what is going on."""
        self.setVisible(self.session.opened is not None)
        if self.session.opened is None:
            return
        page: _Idle | _Running | _OutcomeNote
        if self.retraining.is_running:
            page = self._running
        elif self.retraining.outcome is not None:
            page = self._outcome
        else:
            page = self._idle
        page.refresh()
        self.setCurrentWidget(page)
        self.updateGeometry()


def what_it_will_do(session: Session, order: TrainingOrder) -> tuple[int, str]:
    """Number of shots that a training would use, and the expected time in words."""
    used, _ = session.labels.decided.tally.usable(session.labels.taxonomy)
    seconds = expected_seconds(
        order, used, session.labels.n_shots, read_reports(session.require().project)
    )
    return used, f"about {duration(seconds)}"


class _Page(QWidget):
    def __init__(self, bar: RetrainBar) -> None:
        super().__init__(bar)
        self.bar = bar
        self.row = QHBoxLayout(self)
        self.row.setContentsMargins(8, 0, 8, 0)
        self.row.setSpacing(10)


class _Idle(_Page):
    def __init__(self, bar: RetrainBar) -> None:
        super().__init__(bar)
        self.button = QPushButton("Retrain")
        self.button.setAccessibleName("Retrain")
        self.button.setFocusPolicy(Qt.FocusPolicy.TabFocus)
        self.button.clicked.connect(bar.start)
        self.needed = QLabel()
        self.about = Elided()
        self.about.keep_together()
        self.row.addWidget(self.button)
        self.row.addWidget(self.needed)
        self.row.addWidget(self.about)
        self.row.addStretch(1)

    def refresh(self) -> None:
        needed = self.bar.retraining.lacking()
        self.button.setVisible(not needed)
        self.needed.setVisible(bool(needed))
        self.needed.setText(needed)
        if needed:
            self.about.show_text("")
            return
        session, order = self.bar.session, TrainingOrder()
        shots, time = what_it_will_do(session, order)
        key = f"  [{self.bar.key}]" if self.bar.key else ""
        self.button.setToolTip(
            f"Train a new network{key}\nRecipe {order.recipe} · {shots:,} labelled shots · {time}\n"
            "You can go on labelling meanwhile."
        )
        self.about.show_text(self._in_use(shots))

    def _in_use(self, shots: int) -> str:
        project = self.bar.session.require().project
        number = project.current_run
        if number is None:  # none was trained, or a restored backup is older than the first one
            made = [run.number for run in read_reports(project) if run.has_network]
            return f"No run in use · run {made[0]} is there (Learn)" if made else "No network yet"
        run = read_report(number, project.run_folder(number))
        parts = [f"run {number}"]
        if MACRO in run.metrics:
            parts.append(scored(run.metrics[MACRO], run.constant.get(MACRO)))
        if run.shots and shots > run.shots:
            parts.append(f"{shots - run.shots:,} more labelled shots since")
        return " · ".join(parts)


class _Running(_Page):
    def __init__(self, bar: RetrainBar) -> None:
        super().__init__(bar)
        self.what = QLabel()
        self.progress = QProgressBar()
        self.progress.setTextVisible(False)
        self.progress.setRange(0, 1000)
        self.progress.setFixedWidth(theme.grown(120))
        self.progress.setAccessibleName("Progress of the training")
        self.detail = Elided()
        self.detail.keep_together()
        self.sparkline = Sparkline()
        self.score = QLabel()
        self.score.setFont(theme.numbers(self.font().pointSizeF()))
        self.button = QPushButton("Cancel")
        self.button.setToolTip("End the training soon and keep the network so far")
        self.button.setFocusPolicy(Qt.FocusPolicy.TabFocus)
        self.button.clicked.connect(bar.cancel)
        self.row.addWidget(self.what)
        self.row.addWidget(self.progress)
        self.row.addWidget(self.detail)
        self.row.addWidget(self.sparkline)
        self.row.addWidget(self.score)
        self.row.addWidget(self.button)
        self.row.addStretch(1)

    def refresh(self) -> None:
        now = self.bar.retraining
        self.what.setText(f"Run {now.number}")
        self.progress.setValue(round(1000 * now.share_done()))
        self.detail.show_text(progress_in_words(now))
        line = [v for v in now.curves.metrics.get(MACRO, []) if np.isfinite(v)]
        self.sparkline.show_values(line)
        self.sparkline.setVisible(len(line) > 1)
        self.score.setText(f"F1 {share(line[-1])}{self._beside()}" if line else "")
        self.button.setEnabled(not now.is_stopping)

    def _beside(self) -> str:
        always = self.bar.retraining.constant.get(MACRO)
        return "" if always is None else f" (constant {share(always)})"


def progress_in_words(now: Training) -> str:
    """What the job is doing and how long it will still take."""
    if now.is_stopping:
        return "ending, keeping the network so far" if now.has_network else "ending"
    parts = [now.stage]
    if now.stage == "training":
        parts = [f"epoch {now.epoch} of {now.epochs}" if now.epoch else "first epoch"]
    left = now.seconds_left()
    if left is not None:
        parts.append(f"{duration(left)} left")
    return " · ".join(parts)


class _OutcomeNote(_Page):
    def __init__(self, bar: RetrainBar) -> None:
        super().__init__(bar)
        self.text = Elided()
        self.text.keep_together()
        self.see = QPushButton("What changed")
        self.see.setToolTip("Both runs side by side in Learn, and the shots that they decide apart")
        self.see.clicked.connect(self._see)
        self.use = QPushButton("Use it")
        self.use.clicked.connect(self._use)
        self.keep = QPushButton()
        self.keep.clicked.connect(bar.retraining.keep_old)
        for button in (self.see, self.use, self.keep):
            button.setFocusPolicy(Qt.FocusPolicy.TabFocus)
        self.row.addWidget(self.text)
        self.row.addWidget(self.see)
        self.row.addWidget(self.use)
        self.row.addWidget(self.keep)
        self.row.addStretch(1)

    def refresh(self) -> None:
        outcome = self.bar.retraining.outcome
        if outcome is None:
            return
        offered, old = outcome.offered, outcome.old
        verdict = None if outcome.change is None else outcome.change.verdict
        recommended = verdict is not None and verdict.promote
        self.see.setVisible(offered and old is not None and self.bar.show_tab is not None)
        self.use.setVisible(offered)
        self.use.setText("Use it" if recommended else "Use it anyway")
        self.use.setToolTip(f"Show the predictions of run {outcome.run.number} from now on")
        set_role(self.use, "main" if recommended else "")
        kept = "instant model" if old is None else f"run {old.number}"
        self.keep.setText(f"Keep {kept}" if offered else "Close")
        self.keep.setToolTip(
            "The new run stays in the table of runs (Learn)" if offered else "Close this note"
        )
        set_role(self.text, "" if outcome.ok else "error")
        self.text.show_text(outcome_in_words(outcome))

    def _see(self) -> None:
        outcome = self.bar.retraining.outcome
        if outcome is not None and outcome.old is not None and self.bar.show_tab is not None:
            self.bar.show_tab("Learn")
            self.bar.retraining.comparison_requested.emit(outcome.old.number, outcome.run.number)

    def _use(self) -> None:
        self.bar.retraining.use_offered()


def scored(macro: float | None, constant: float | None, before: float | None = None) -> str:
    """A macro F1 (and the one before) with that of one constant answer, what it must beat."""
    old = "" if before is None else f"{share(before)} → "
    beside = "" if constant is None else f" (constant answer {share(constant)})"
    return f"macro F1 {old}{share(macro)}{beside}"


def outcome_in_words(outcome: Outcome) -> str:
    """The quiet note at the end of a job."""
    name = f"Run {outcome.run.number}"
    if not outcome.ok:
        return f"{name} failed: {outcome.message}"
    change = outcome.change
    if outcome.decision:
        return " ".join(part for part in (outcome.message, outcome.decision) if part)
    if outcome.old is None or change is None:
        used = "is in use" if outcome.run.is_usable else "is kept, but has not predicted all shots"
        used = "is not in use" if outcome.offered else used
        run = outcome.run
        score = scored(run.metrics.get(MACRO), run.constant.get(MACRO))
        return " · ".join(part for part in (f"{name} {used}", score, outcome.message) if part)
    parts = [name]
    if change.macro is not None:
        old, new = change.macro
        always = None if change.verdict is None else change.verdict.constant
        parts.append(scored(new, always, before=old))
    if change.verdict is not None:
        parts.append(change.verdict.finding)
    against = only(0) if change.verdict is None else change.verdict.against
    if against:
        parts.append(f"{against}: you decide")
    return " · ".join((*parts, in_words(change)))
