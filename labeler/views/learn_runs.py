"""Tables of runs: all of them, and two of them side by side, class by class."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Any

import numpy as np
from PyQt6.QtCore import QAbstractTableModel, QModelIndex, Qt, pyqtSignal
from PyQt6.QtWidgets import QAbstractItemView, QHeaderView, QTableView, QWidget

from labeler.offers import NETWORKS, WORDS, duration
from labeler.reports import BROKEN, MACRO, METRICS, MICRO, NOTICEABLE, RARE, Change, RunReport
from labeler.views import theme
from labeler.views.parts import share, when

NETWORK_WORDS = {offer.name: offer.text.split(" · ")[0] for offer in NETWORKS}
STATES = {
    "training": "training…",
    "finished": "",
    "cancelled": "cancelled",
    "failed": "failed",
    "unfinished": "not finished",
}
Cell = tuple[str, str]
"""Text and tooltip."""


def _metric(name: str) -> Callable[[RunReport], Cell]:
    return lambda run: (share(run.metrics.get(name)), METRICS[name])


def _took(run: RunReport) -> Cell:
    state = STATES.get(run.state, run.state)
    return (state or duration(run.seconds), run.message or "How long training took")


def _when(run: RunReport) -> Cell:
    exact = f"{datetime.fromtimestamp(run.started):%A %d %B %Y %H:%M}" if run.started else ""
    return when(run.started), exact


COLUMNS: tuple[tuple[str, Callable[[RunReport], Cell]], ...] = (
    ("Run", lambda run: (str(run.number), "")),
    ("When", _when),
    ("Recipe", lambda run: (WORDS.get(run.recipe, run.recipe).split(" · ")[0], run.recipe)),
    ("Network", lambda run: (NETWORK_WORDS.get(run.network, run.network), run.network)),
    ("Labels", lambda run: (f"{run.shots:,}" if run.shots else "–", "Labelled shots used")),
    ("Macro F1", _metric(MACRO)),
    ("Rare F1", _metric(RARE)),
    ("Accuracy", _metric(MICRO)),
    ("Broken rules", _metric(BROKEN)),
    ("Time", _took),
)
TEXT_COLUMNS = {"When", "Recipe", "Network", "Class"}
TOOLTIPS = {
    "Macro F1": "Mean F1 over the classes: every class counts alike",
    "Rare F1": "Mean F1 over the rare classes",
    "Accuracy": "Micro accuracy over all labels; it hides the rare classes",
    "Prec.": "Precision: of the shots that are predicted, how many are labelled",
    "Rec.": "Recall: of the shots that are labelled, how many are predicted",
    "Shots": "Evaluation shots that are labelled with the class",
    "Broken rules": "Share of shots whose prediction breaks a hard rule",
}


class _Table(QAbstractTableModel):
    """Cells of text; numbers to the right."""

    def __init__(self, parent: QWidget) -> None:
        super().__init__(parent)
        self.heads: tuple[str, ...] = ()

    def columnCount(self, parent: QModelIndex | None = None) -> int:
        return len(self.heads)

    def headerData(
        self, section: int, orientation: Qt.Orientation, role: int = Qt.ItemDataRole.DisplayRole
    ) -> Any:
        if orientation == Qt.Orientation.Vertical:
            return None
        if role == Qt.ItemDataRole.DisplayRole:
            return self.heads[section]
        if role == Qt.ItemDataRole.ToolTipRole:
            return TOOLTIPS.get(self.heads[section])
        return self._side(section) if role == Qt.ItemDataRole.TextAlignmentRole else None

    def _side(self, column: int) -> Qt.AlignmentFlag:
        left = self.heads[column] in TEXT_COLUMNS
        across = Qt.AlignmentFlag.AlignLeft if left else Qt.AlignmentFlag.AlignRight
        return across | Qt.AlignmentFlag.AlignVCenter

    def data(self, index: QModelIndex, role: int = Qt.ItemDataRole.DisplayRole) -> Any:
        if role == Qt.ItemDataRole.TextAlignmentRole:
            return self._side(index.column())
        return self.cell(index.row(), index.column(), role)

    def cell(self, row: int, column: int, role: int) -> Any:
        """What a cell shows in a role."""
        raise NotImplementedError


class RunsModel(_Table):
    """All runs, the newest first; the one in use is marked."""

    def __init__(self, parent: QWidget) -> None:
        super().__init__(parent)
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
            return "in use" if column == 0 and text else text
        if role == Qt.ItemDataRole.ForegroundRole:
            if column == 0:
                return theme.colour("accent")
            if run.state == "failed":
                return theme.colour("muted")
        return None


class RunsTable(QTableView):
    """Choose one run, or two to compare. Emits `chosen_changed`."""

    chosen_changed = pyqtSignal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.runs = RunsModel(self)
        self.setModel(self.runs)
        self.setAccessibleName("Runs")
        self.setSelectionMode(QAbstractItemView.SelectionMode.ExtendedSelection)
        _dress(self)
        self.setMinimumHeight(120)
        self.runs.modelReset.connect(lambda: _stretch(self, self.runs.heads.index("Network")))
        selection = self.selectionModel()
        assert selection is not None
        self._selection = selection
        selection.selectionChanged.connect(lambda *_: self.chosen_changed.emit())

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


class ClassesModel(_Table):
    """F1 of each class in one run, or in two with the difference."""

    def __init__(self, parent: QWidget) -> None:
        super().__init__(parent)
        self._lines: list[tuple[str, list[float]]] = []

    def show_one(self, run: RunReport) -> None:
        """F1, precision, recall and evaluation shots of each class of a run."""
        names = ("f1", "precision", "recall", "shots")
        self.beginResetModel()
        self.heads = ("Class", "F1", "Prec.", "Rec.", "Shots")
        self._lines = [
            (kind, [values.get(name, np.nan) for name in names])
            for kind, values in run.classes.items()
        ]
        self.endResetModel()

    def show_two(self, old: int, new: int, change: Change) -> None:
        """F1 of each class before and after."""
        self.beginResetModel()
        self.heads = ("Class", f"Run {old}", f"Run {new}", "Change")
        self._lines = [(name, [before, after]) for name, before, after in change.f1]
        self.endResetModel()

    def rowCount(self, parent: QModelIndex | None = None) -> int:
        return len(self._lines)

    def cell(self, row: int, column: int, role: int) -> Any:
        name, values = self._lines[row]
        moved = values[1] - values[0] if self.heads[-1] == "Change" else 0.0
        last = column == 3 and self.heads[-1] == "Change"
        if role == Qt.ItemDataRole.DisplayRole:
            if column == 0:
                return name
            if last:
                return signed(moved)
            value = values[column - 1]
            whole = self.heads[column] == "Shots" and np.isfinite(value)
            return f"{int(value):,}" if whole else share(value)
        if role == Qt.ItemDataRole.ForegroundRole and last and abs(moved) >= NOTICEABLE:
            return theme.colour("good" if moved > 0 else "error")
        return None


def signed(value: float) -> str:
    """A change of a share, with its direction: '▲ .05', '▼ .12', or '–' where it is small."""
    if abs(value) < NOTICEABLE:
        return "–"
    return f"{'▲' if value > 0 else '▼'} {share(abs(value))}"


class ClassesTable(QTableView):
    """Class by class, for looking only."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.classes = ClassesModel(self)
        self.setModel(self.classes)
        self.setAccessibleName("Classes")
        self.setSelectionMode(QAbstractItemView.SelectionMode.NoSelection)
        self.setFocusPolicy(Qt.FocusPolicy.TabFocus)
        _dress(self)
        self.classes.modelReset.connect(lambda: _stretch(self, 0))


def _stretch(view: QTableView, column: int) -> None:
    """Let one column take the room that is left."""
    header = view.horizontalHeader()
    if header is not None and column < header.count():
        header.setSectionResizeMode(QHeaderView.ResizeMode.ResizeToContents)
        header.setSectionResizeMode(column, QHeaderView.ResizeMode.Stretch)


def _dress(view: QTableView) -> None:
    view.setShowGrid(False)
    view.setWordWrap(False)
    view.setSelectionBehavior(QAbstractItemView.SelectionBehavior.SelectRows)
    view.setEditTriggers(QAbstractItemView.EditTrigger.NoEditTriggers)
    view.setFont(theme.numbers(view.font().pointSizeF()))
    view.setTabKeyNavigation(False)
    view.setStyleSheet("QTableView::item { padding: 0 8px; }")
    across, down = view.horizontalHeader(), view.verticalHeader()
    if across is not None and down is not None:
        across.setSectionResizeMode(QHeaderView.ResizeMode.ResizeToContents)
        across.setHighlightSections(False)
        down.hide()
        down.setDefaultSectionSize(view.fontMetrics().height() + 9)
