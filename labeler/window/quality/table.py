"""A small table of text with one row a thing: columns, a row that can be opened, nothing else."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from PyQt6.QtCore import QAbstractTableModel, QModelIndex, Qt, pyqtSignal
from PyQt6.QtGui import QResizeEvent
from PyQt6.QtWidgets import QAbstractItemView, QHeaderView, QTableView, QWidget

from labeler.window.widgets import theme


class _Model(QAbstractTableModel):
    def __init__(self, heads: Sequence[str], numbers: Sequence[str], parent: QWidget) -> None:
        super().__init__(parent)
        self.heads, self.numbers = tuple(heads), set(numbers)
        self.lines: list[Sequence[str]] = []

    def show_lines(self, lines: Sequence[Sequence[str]]) -> None:
        self.beginResetModel()
        self.lines = list(lines)
        self.endResetModel()

    def rowCount(self, parent: QModelIndex | None = None) -> int:
        return len(self.lines)

    def columnCount(self, parent: QModelIndex | None = None) -> int:
        return len(self.heads)

    def _side(self, column: int) -> Qt.AlignmentFlag:
        right = self.heads[column] in self.numbers
        across = Qt.AlignmentFlag.AlignRight if right else Qt.AlignmentFlag.AlignLeft
        return across | Qt.AlignmentFlag.AlignVCenter

    def headerData(
        self, section: int, orientation: Qt.Orientation, role: int = Qt.ItemDataRole.DisplayRole
    ) -> Any:
        if orientation == Qt.Orientation.Vertical:
            return None
        if role == Qt.ItemDataRole.DisplayRole:
            return self.heads[section]
        return self._side(section) if role == Qt.ItemDataRole.TextAlignmentRole else None

    def data(self, index: QModelIndex, role: int = Qt.ItemDataRole.DisplayRole) -> Any:
        if role in (Qt.ItemDataRole.DisplayRole, Qt.ItemDataRole.ToolTipRole):
            return self.lines[index.row()][index.column()]
        return self._side(index.column()) if role == Qt.ItemDataRole.TextAlignmentRole else None


class TextTable(QTableView):
    """`opened` tells the row that was double-clicked, or chosen by Enter.

    The column `wide` takes what room is left; none of the others more than `most` of the width,
    the rest of its text being in its tooltip.
    """

    opened = pyqtSignal(int)

    def __init__(
        self,
        what: str,
        heads: Sequence[str],
        numbers: Sequence[str] = (),
        wide: str = "",
        most: float = 1.0,
    ) -> None:
        super().__init__()
        self.lines = _Model(heads, numbers, self)
        self.setModel(self.lines)
        self.setAccessibleName(what)
        self.setShowGrid(False)
        self.setWordWrap(False)
        self.setSelectionBehavior(QAbstractItemView.SelectionBehavior.SelectRows)
        self.setSelectionMode(QAbstractItemView.SelectionMode.SingleSelection)
        self.setEditTriggers(QAbstractItemView.EditTrigger.NoEditTriggers)
        self.setFont(theme.numbers(self.font().pointSizeF()))
        self.setTabKeyNavigation(False)
        self.setStyleSheet("QTableView::item { padding: 0 8px; }")
        across, down = self.horizontalHeader(), self.verticalHeader()
        assert across is not None
        assert down is not None
        across.setSectionResizeMode(QHeaderView.ResizeMode.ResizeToContents)
        across.setHighlightSections(False)
        self._most = most
        if wide:
            across.setSectionResizeMode(tuple(heads).index(wide), QHeaderView.ResizeMode.Stretch)
        down.hide()
        down.setDefaultSectionSize(self.fontMetrics().height() + 9)
        self.activated.connect(lambda index: self.opened.emit(index.row()))

    def resizeEvent(self, event: QResizeEvent | None) -> None:
        """Leave the wide column its room."""
        across = self.horizontalHeader()
        if across is not None:
            across.setMaximumSectionSize(max(round(self._most * self.width()), 1))
        super().resizeEvent(event)

    def show_lines(self, lines: Sequence[Sequence[str]]) -> None:
        """Show other lines, a text for each column."""
        self.lines.show_lines(lines)
