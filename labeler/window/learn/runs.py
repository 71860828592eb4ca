"""Tables of runs: all of them, and two of them side by side, class by class."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from PyQt6.QtCore import QModelIndex, Qt, pyqtSignal
from PyQt6.QtGui import QResizeEvent
from PyQt6.QtWidgets import QAbstractItemView, QHeaderView, QTableView, QWidget

from labeler.project.folder import STATES
from labeler.runs.run_report import (
    BROKEN,
    MACRO,
    METRICS,
    MICRO,
    NOTICEABLE,
    RARE,
    Moved,
    RunComparison,
    RunReport,
)
from labeler.runs.training_choices import WORDS, duration
from labeler.window.widgets import theme
from labeler.window.widgets.parts import exactly, minutes, share, when
from labeler.window.widgets.tables import TableModel, apply_look, needed_width
from model.errors import counted
from model.metrics import bootstrap
from model.networks.table import NETWORKS
from model.runs.promotion import BETTER, OPEN, WORSE

NETWORK_WORDS = {name: kind.title for name, kind in NETWORKS.items()}
PADDINGS = (8, 5, 3)
"""Pixels beside a text of the table of runs, tried in this order."""
Cell = tuple[str, str]
"""Text and tooltip."""


def _metric(name: str) -> Callable[[RunReport], Cell]:
    def cell(run: RunReport) -> Cell:
        always = run.constant.get(name)
        beside = "" if always is None else f"; a constant answer has {share(always)}"
        return share(run.metrics.get(name)), f"{METRICS[name]}{beside}"

    return cell


def _macro(run: RunReport) -> Cell:
    text = share(run.metrics.get(MACRO))
    if run.interval is None:
        return text, METRICS[MACRO]
    low, high = run.interval
    if not high > low:  # of a run of an earlier version, from a single shot
        return text, "Macro F1, from too few evaluation shots to say how sure"
    exact = bootstrap.in_words("Macro F1", run.metrics.get(MACRO, np.nan), run.interval, run.judged)
    return f"{text} ± {share((high - low) / 2)}", exact


def _constant(run: RunReport) -> Cell:
    return share(run.constant.get(MACRO)), TOOLTIPS["Constant"]


def _took(run: RunReport) -> Cell:
    return duration(run.seconds) if run.seconds else "–", "How long training took"


def _status(run: RunReport) -> Cell:
    return STATES[run.state], run.message or "How the training ended"


def _when(run: RunReport) -> Cell:
    return when(run.started), exactly(run.started)


COLUMNS: tuple[tuple[str, Callable[[RunReport], Cell]], ...] = (
    ("Run", lambda run: (str(run.number), "")),
    ("When", _when),
    ("Recipe", lambda run: (WORDS.get(run.recipe, run.recipe).split(" · ")[0], run.recipe)),
    ("Network", lambda run: (NETWORK_WORDS.get(run.network, run.network), run.network)),
    ("Labels", lambda run: (f"{run.shots:,}" if run.shots else "–", "Labelled shots used")),
    ("Macro F1", _macro),
    ("Constant", _constant),
    ("Rare F1", _metric(RARE)),
    ("Accuracy", _metric(MICRO)),
    ("Broken rules", _metric(BROKEN)),
    ("Time", _took),
    ("Status", _status),
)
TEXT_COLUMNS = {"When", "Recipe", "Network", "Status", "Class"}
TOOLTIPS = {
    "Macro F1": "Mean F1 over the classes: every class counts alike",
    "Constant": "Macro F1 of the same answer for every shot: what a network must beat",
    "Rare F1": "Mean F1 over the rare classes",
    "Accuracy": "Micro accuracy over all labels; it hides the rare classes",
    "Prec.": "Precision: of the shots that are predicted, how many are labelled",
    "Rec.": "Recall: of the shots that are labelled, how many are predicted",
    "Shots": "Evaluation shots that are labelled with the class",
    "±": "Half of the interval that holds the F1 with 95 % confidence",
    "95 %": "The difference lies within, with 95 % confidence; coloured where 0 does not",
    "Broken rules": "Share of shots whose prediction breaks a hard rule",
}


class RunsModel(TableModel):
    """All runs, the newest first; the one in use is marked."""

    def __init__(self, parent: QWidget) -> None:
        super().__init__(parent, TEXT_COLUMNS, TOOLTIPS)
        self.heads = ("", *(head for head, _ in COLUMNS))
        self.runs: list[RunReport] = []
        self.current: int | None = None

    def show_runs(self, runs: list[RunReport], current: int | None) -> None:
        """Show other runs."""
        self.beginResetModel()
        self.runs, self.current = runs, current
        self.endResetModel()

    def rowCount(self, parent: QModelIndex | None = None) -> int:
        return len(self.runs)

    def cell(self, row: int, column: int, role: int) -> Any:
        run = self.runs[row]
        if column == 0:
            text, tip = ("●", "In use") if run.number == self.current else ("", "")
        else:
            text, tip = COLUMNS[column - 1][1](run)
        if role == Qt.ItemDataRole.DisplayRole:
            return text
        if role == Qt.ItemDataRole.ToolTipRole:
            return tip or None
        if role == Qt.ItemDataRole.AccessibleTextRole:
            return text if column else "in use" if text else "not in use"
        if role == Qt.ItemDataRole.ForegroundRole:
            if column == 0:
                return theme.colour("accent")
            if run.state == "failed":
                return theme.colour("muted")
        return None


class RunsTable(QTableView):
    """Choose one run, or two to compare. Emits `chosen_changed`."""

    chosen_changed = pyqtSignal()

    def __init__(self) -> None:
        super().__init__()
        self.runs = RunsModel(self)
        self.setModel(self.runs)
        self.setAccessibleName("Runs")
        self.setSelectionMode(QAbstractItemView.SelectionMode.ExtendedSelection)
        _apply_look(self)
        self.setMinimumHeight(120)
        self._padding = PADDINGS[0]
        self.runs.modelReset.connect(self._fit)
        selection = self.selectionModel()
        assert selection is not None
        self._selection = selection
        selection.selectionChanged.connect(lambda *_: self.chosen_changed.emit())
        minutes().passed.connect(self._say_times)

    def resizeEvent(self, event: QResizeEvent | None) -> None:
        super().resizeEvent(event)
        self._fit()

    def _fit(self) -> None:
        """As much air between the columns as there is room for; without any, they are scrolled."""
        viewport = self.viewport()
        room = 0 if viewport is None else viewport.width()
        for padding in PADDINGS:
            if padding != self._padding:
                self._padding = padding
                _apply_look(self, padding)
            if needed_width(self) <= room:
                _stretch(self, self.runs.heads.index("Network"))
                return

    def _say_times(self) -> None:
        """Times in words are of the moment at which they are painted."""
        viewport = self.viewport()
        if viewport is not None:
            viewport.update()

    def show_runs(self, runs: list[RunReport], current: int | None) -> None:
        """Show other runs; those that were chosen stay so."""
        before = {run.number for run in self.chosen()}
        self.runs.show_runs(runs, current)
        wanted = before or {current if current is not None else runs[0].number if runs else -1}
        for row, run in enumerate(runs):
            if run.number in wanted:
                flags = self._selection.SelectionFlag
                self._selection.select(self.runs.index(row, 0), flags.Select | flags.Rows)

    def choose(self, *numbers: int) -> None:
        """Select runs by number."""
        self.clearSelection()
        flags = self._selection.SelectionFlag
        for row, run in enumerate(self.runs.runs):
            if run.number in numbers:
                self._selection.select(self.runs.index(row, 0), flags.Select | flags.Rows)

    def chosen(self) -> list[RunReport]:
        """The selected runs, the newest first."""
        rows = sorted(index.row() for index in self._selection.selectedRows())
        return [self.runs.runs[row] for row in rows if row < len(self.runs.runs)]


@dataclass(frozen=True)
class _Line:
    """A row of the table of classes; `moved` is 1 better, -1 worse, 0 neither."""

    cells: tuple[str, ...]
    tip: str = ""
    moved: int = 0


class ClassesModel(TableModel):
    """F1 of each class in one run, or in two with the difference."""

    def __init__(self, parent: QWidget) -> None:
        super().__init__(parent, TEXT_COLUMNS, TOOLTIPS)
        self._lines: list[_Line] = []

    def show_one(self, run: RunReport, place: Callable[[str], int]) -> None:
        """F1 and how sure it is, precision, recall and evaluation shots of each class of a run,
        ordered by the `place` of its name."""
        self.beginResetModel()
        self.heads = ("Class", "F1", "±", "Prec.", "Rec.", "Shots")
        names = sorted(run.classes, key=place)
        self._lines = [_of_one(name, run.classes[name]) for name in names]
        self._lines += _of_all(run)
        self.endResetModel()

    def show_two(
        self, old: int, new: int, change: RunComparison | None, place: Callable[[str], int]
    ) -> None:
        """F1 of each class before and after, and the 95 % interval of the difference; in order of
        the `place` of a class's name."""
        self.beginResetModel()
        self.heads = ("Class", f"Run {old}", f"Run {new}", "Change", "95 %")
        classes = sorted(change.classes if change else (), key=lambda moved: place(moved.name))
        self._lines = [_of_two(moved) for moved in classes]
        verdict = None if change is None else change.verdict
        if verdict is not None:
            always = share(verdict.constant)
            tip = "Macro F1 of the same answer for every shot, what both must beat"
            self._lines.append(_Line(("Constant answer", always, always, "", ""), tip))
        self.endResetModel()

    def rowCount(self, parent: QModelIndex | None = None) -> int:
        return len(self._lines)

    def cell(self, row: int, column: int, role: int) -> Any:
        line = self._lines[row]
        if role == Qt.ItemDataRole.DisplayRole:
            return line.cells[column]
        if role == Qt.ItemDataRole.ToolTipRole:
            return line.tip or None
        if role == Qt.ItemDataRole.ForegroundRole:
            if self.heads[column] == "Change" and line.moved:
                return theme.colour("good" if line.moved > 0 else "error")
            if self.heads[column] in ("95 %", "±"):
                return theme.colour("muted")
        return None


def _of_one(name: str, values: dict[str, float]) -> _Line:
    low, high = (values.get(k, np.nan) for k in ("f1_low", "f1_high"))
    shots = values.get("shots", np.nan)
    count = f"{int(shots):,}" if np.isfinite(shots) else "–"
    numbers = (share(values.get(k)) for k in ("precision", "recall"))
    known = high > low
    half = share((high - low) / 2) if known else "–"
    tip = bootstrap.in_words(f"{name}: F1", values.get("f1", np.nan), (low, high), 0)
    cells = (name, share(values.get("f1")), half, *numbers, count)
    return _Line(cells, f"{tip}, {counted(int(shots), 'shot')}" if known else "")


def _of_all(run: RunReport) -> list[_Line]:
    """Mean of the classes of a run, and of one constant answer, what it must beat."""
    low, high = run.interval or (np.nan, np.nan)
    both = (("Mean", run.metrics, low, high),
            ("Constant answer", run.constant, np.nan, np.nan))  # fmt: skip
    return [
        _of_one(name, {"f1": of[MACRO], "f1_low": least, "f1_high": most, "shots": run.judged})
        for name, of, least, most in both
        if MACRO in of
    ]


def _of_two(moved: Moved) -> _Line:
    words = {1: BETTER, -1: WORSE, 0: OPEN}
    known = np.isfinite(moved.low)
    interval = between(moved.low, moved.high) if known else "–"
    edges = f"the difference is {interval} with 95 % confidence" if known else "too few shots of it"
    if moved.low == moved.high:
        edges = "no evaluation shot tells them apart"
    tip = f"{moved.name}: {words[moved.clearly]}; {edges}"
    change = signed(moved.new - moved.old)
    return _Line(
        (moved.name, share(moved.old), share(moved.new), change, interval), tip, moved.clearly
    )


def between(low: float, high: float, to: str = "…") -> str:
    """An interval of a difference of shares: '−.02…+.05'; one number where both edges are it."""
    return to.join(dict.fromkeys((plus(low), plus(high))))


def plus(value: float) -> str:
    """A difference of shares with its sign: '+.05', '−.12', '.00'."""
    if not np.isfinite(value):
        return "–"
    text = share(abs(value))
    return text if text == ".00" else f"{'+' if value > 0 else '−'}{text}"


def signed(value: float) -> str:
    """A change of a share, with its direction: '▲ .05', '▼ .12', or '–' where it is small."""
    if not np.isfinite(value) or abs(value) < NOTICEABLE:
        return "–"
    return f"{'▲' if value > 0 else '▼'} {share(abs(value))}"


class ClassesTable(QTableView):
    """Class by class, for looking only."""

    def __init__(self) -> None:
        super().__init__()
        self.classes = ClassesModel(self)
        self.setModel(self.classes)
        self.setAccessibleName("Classes")
        self.setSelectionMode(QAbstractItemView.SelectionMode.NoSelection)
        self.setFocusPolicy(Qt.FocusPolicy.TabFocus)
        _apply_look(self, padding=4)
        self.classes.modelReset.connect(lambda: _stretch(self, 0))


def _stretch(view: QTableView, column: int) -> None:
    """Let one column take the room that is left."""
    header = view.horizontalHeader()
    if header is not None and column < header.count():
        header.setSectionResizeMode(QHeaderView.ResizeMode.ResizeToContents)
        header.setSectionResizeMode(column, QHeaderView.ResizeMode.Stretch)


def _apply_look(view: QTableView, padding: int = 8) -> None:
    apply_look(view, padding)
    head = f"QHeaderView::section {{ padding: 5px {padding + 3}px; }}"
    view.setStyleSheet(view.styleSheet() + head)
