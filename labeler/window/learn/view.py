"""Learn: order a training, watch it, and compare what the runs came to."""

from __future__ import annotations

from PyQt6.QtCore import Qt
from PyQt6.QtGui import QShowEvent
from PyQt6.QtWidgets import (
    QHBoxLayout,
    QLabel,
    QPushButton,
    QSplitter,
    QStackedWidget,
    QVBoxLayout,
    QWidget,
)

from labeler.active import anchoring
from labeler.project.folder import STATES
from labeler.runs.run_report import MACRO, Curves, RunReport, read_events, read_reports
from labeler.session.session import Session
from labeler.window.frame.retrain import progress_in_words
from labeler.window.learn.changes import ChangesPane
from labeler.window.learn.curves import CurvesView
from labeler.window.learn.order import OrderForm
from labeler.window.learn.runs import RunsTable
from labeler.window.widgets import theme
from labeler.window.widgets.parts import EmptyState, label, scrolled, set_role
from labeler.window.widgets.tab import Tab
from model.errors import InputError, counted

FORM_WIDTH, LEAST = 260, 388
"""Widths of the form and, at least, of the table of classes."""
MARGINS = ((20, 14, 18, 8), (20, 10, 18, 12))
"""Around curves and runs."""


class LearnView(Tab):
    """The form of the next training, learning curves, all runs, and two of them side by side."""

    def __init__(self, session: Session, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("page")
        self.session = session
        self.retraining = session.training
        self.runs: list[RunReport] = []
        self._stale = True
        self.form = OrderForm(session)
        self.form.setObjectName("side")
        self.form.setAttribute(Qt.WidgetAttribute.WA_StyledBackground)
        self.form.setFixedWidth(theme.grown(FORM_WIDTH))
        self.beside = scrolled(self.form, "Next training")
        self.beside.setFixedWidth(theme.grown(FORM_WIDTH))
        self.beside.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.empty = EmptyState()
        self.curves = CurvesView()
        self.table, self.changes = RunsTable(), ChangesPane(session)
        self._followed: int | None = None
        self._by_hand = False
        self._build()
        self.form.train_requested.connect(self.retraining.start)
        self.table.chosen_changed.connect(self._show_chosen)
        self.changes.label_requested.connect(self.label_requested)
        self.retraining.comparison_requested.connect(self.compare)
        self.retraining.changed.connect(self._show_progress)
        self.retraining.curves_changed.connect(self._show_curves)
        self.retraining.runs_changed.connect(self.refresh)
        for signal in (session.project_changed, session.predictions.run_changed):
            signal.connect(self.refresh)
        session.labels.labels_changed.connect(self._refresh_form)

    # -- layout ----------------------------------------------------------------------------------

    def _build(self) -> None:
        self.right = QStackedWidget()
        self.right.addWidget(self.empty)
        self.right.addWidget(self._build_runs())
        layout = QHBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(0)
        layout.addWidget(self.beside)
        layout.addWidget(scrolled(self.right, "Runs and curves"), 1)

    def _build_runs(self) -> QWidget:
        self.title, self.detail = label("", "title"), label("", "muted")
        self.cancel = QPushButton("Cancel")
        self.cancel.setToolTip("End the training soon and keep the network so far")
        self.cancel.clicked.connect(self.retraining.cancel)
        self.back = QPushButton()
        self.back.clicked.connect(self.retraining.go_back)
        self.use = QPushButton("Use this run")
        self.use.clicked.connect(self._use)
        head = QHBoxLayout()
        head.setSpacing(12)
        head.addWidget(self.title)
        head.addWidget(self.detail, 1)
        head.addWidget(self.cancel)
        curves, runs = (_Column(*margins) for margins in MARGINS)
        curves.box.addLayout(head)
        curves.box.addWidget(self.curves, 1)
        self.changes.setMinimumWidth(theme.grown(LEAST))
        head = QHBoxLayout()
        head.addWidget(label("Runs", "heading"))
        head.addWidget(label("Choose several (Ctrl or Shift) to compare them.", "muted"), 1)
        head.addWidget(self.back)
        head.addWidget(self.use)
        runs.box.addLayout(head)
        runs.box.addWidget(self.table, 1)
        runs.box.addWidget(AnchorLine(self.session))
        self.top = _split(Qt.Orientation.Horizontal, curves, self.changes, sizes=(660, 392))
        self.top.splitterMoved.connect(self._keep)
        return _split(Qt.Orientation.Vertical, self.top, runs, sizes=(430, 250))

    def _keep(self) -> None:
        self._by_hand = True

    def resizeEvent(self, event: object) -> None:
        self._share_width()

    def _share_width(self) -> None:
        """The table of classes takes what its texts need, up to half, unless someone chose."""
        whole = self.top.width() - self.top.handleWidth()
        if not self._by_hand and whole > 0:
            wanted = min(max(self.changes.needed_width(), theme.grown(LEAST)), whole // 2)
            self.top.setSizes([whole - wanted, wanted])

    # -- showing ---------------------------------------------------------------------------------

    def showEvent(self, event: QShowEvent | None) -> None:
        super().showEvent(event)
        if self._stale:
            self.refresh()

    def refresh(self) -> None:
        """Read the runs again, if anybody looks."""
        self._stale = not self.isVisible()
        if self._stale:
            return
        opened = self.session.opened
        self.runs = [] if opened is None else read_reports(opened.project)
        if self.retraining.is_running:
            for run in self.runs:
                if run.number == self.retraining.number and run.state == "unfinished":
                    run.state = "training"
        self._refresh_form()
        self.right.setCurrentIndex(1 if self.runs else 0)
        self._say_empty()
        if opened is not None and self.runs:
            self.table.show_runs(self.runs, opened.project.current_run)
        self._follow_training()
        self._show_chosen()
        self._show_progress()

    def _follow_training(self) -> None:
        """A training that begins is the run to look at; from then on one may choose others."""
        under_way = self.retraining.number if self.retraining.is_running else None
        if under_way is not None and under_way != self._followed:
            self.table.choose(under_way)
        self._followed = under_way

    def _refresh_form(self, *_: object) -> None:
        self._stale = self._stale or not self.isVisible()  # labels that came while no one looked
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
        current = (
            None if self.session.opened is None else self.session.require().project.current_run
        )
        other = len(chosen) == 1 and chosen[0].number != current
        self.use.setEnabled(other and not self.retraining.is_running and chosen[0].has_network)
        self.use.setText(f"Use run {chosen[0].number}" if other else "Use this run")
        self.use.setToolTip(
            "Its predictions and heatmaps are shown from then on; you can go back at any time"
        )
        self._show_back()
        self.changes.show_runs(chosen)
        self._share_width()
        self._show_curves()
        self._show_progress()

    def _show_back(self) -> None:
        before = self.retraining.run_before()
        self.back.setVisible(before is not None)
        self.back.setEnabled(not self.retraining.is_running)
        self.back.setText(f"Back to run {before}")
        self.back.setToolTip("The run that was in use before")

    def compare(self, old: int, new: int) -> None:
        """Show two runs side by side."""
        self.refresh()
        self.table.choose(old, new)

    def _shows_live(self) -> bool:
        chosen = self.table.chosen()
        return self.retraining.is_running and (
            not chosen or self.retraining.number in (chosen[0].number, 0)
        )

    def _show_curves(self) -> None:
        now, chosen = self.retraining, self.table.chosen()
        runs = []
        for run in reversed(chosen):
            live = now.is_running and now.curves.epochs and run.number == now.number
            runs.append((f"run {run.number}", now.curves if live else _curves_of(run)))
        if not chosen and now.is_running:
            runs = [(f"run {now.number}", now.curves)]
        constant = chosen[0].constant if len(chosen) == 1 else {}
        if now.is_running and (not chosen or chosen[0].number == now.number):
            constant = now.constant or constant
        none = bool(chosen) and not self._shows_live() and not any(c.epochs for _, c in runs)
        self.curves.show_runs(runs, constant.get(MACRO), "No epoch was finished" if none else "")

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
            numbers = [str(run.number) for run in reversed(chosen)]
            plural = "s" if len(numbers) > 1 else ""
            self.title.setText(f"Run{plural} {_listed(numbers)}")
            self.detail.setText("" if plural else _about(chosen[0]))

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


def _listed(words: list[str]) -> str:
    """'1', '1 and 2', '1, 2 and 3'."""
    return " and ".join(part for part in (", ".join(words[:-1]), words[-1]) if part)


def _curves_of(run: RunReport) -> Curves:
    return Curves.of(read_events(run.folder))


def _about(run: RunReport) -> str:
    """One line about a run that ended."""
    if run.state == "failed":
        return f"failed: {run.message}"
    parts = [counted(run.epochs, "epoch")] if run.epochs or not run.message else []
    if run.message:
        parts.append(run.message)
    elif run.state != "finished":
        parts.append(STATES[run.state])
    return " · ".join(parts)


class AnchorLine(QLabel):
    """Asks the history when it comes into sight; hidden while nothing was ever suggested."""

    def __init__(self, session: Session) -> None:
        super().__init__()
        self.session = session
        self.setWordWrap(True)
        self.setTextFormat(Qt.TextFormat.PlainText)
        set_role(self, "muted")
        session.project_changed.connect(self.refresh)

    def showEvent(self, event: object) -> None:
        self.refresh()

    def refresh(self) -> None:
        """Measure again."""
        session = self.session
        if session.opened is None:
            self.setText("")
            return
        from labeler.project.store.timeline import first_shown

        try:
            firsts = first_shown(
                session.require().project.store.database, session.require().annotator
            )
        except (InputError, OSError) as error:
            self.setText(str(error))
            return
        decided = session.labels.decided
        shift = anchoring.measure(firsts, decided.present, decided.status, decided.known)
        self.setText(shift.text() if shift.seen + shift.hidden else "")
