"""Plain tables of text: the lists of dialogs, and tables whose numbers stand at the right."""

from __future__ import annotations

from collections.abc import Container, Mapping, Sequence
from typing import Any

from PyQt6.QtCore import QAbstractTableModel, QModelIndex, Qt, pyqtSignal
from PyQt6.QtGui import QResizeEvent
from PyQt6.QtWidgets import QAbstractItemView, QHeaderView, QTableView, QTreeWidget, QWidget

from labeler.window.widgets import theme


def text_table(name: str, heads: tuple[str, ...], wide: int = 0) -> QTreeWidget:
    """An empty table; the column `wide` takes the room that is left."""
    table = QTreeWidget()
    table.setAccessibleName(name)
    table.setHeaderLabels(heads)
    table.setRootIsDecorated(False)
    table.setUniformRowHeights(True)
    table.setStyleSheet("QTreeView::item { padding: 4px 6px; }")
    head = table.header()
    assert head is not None
    head.setStretchLastSection(False)
    head.setSectionResizeMode(QHeaderView.ResizeMode.ResizeToContents)
    head.setSectionResizeMode(wide, QHeaderView.ResizeMode.Stretch)
    return table


class TableModel(QAbstractTableModel):
    """Heads and cells of text; columns under the heads `texts` stand at the left, others, which
    are numbers, at the right. `tips`: head -> its tooltip."""

    def __init__(
        self, parent: QWidget, texts: Container[str], tips: Mapping[str, str] | None = None
    ) -> None:
        super().__init__(parent)
        self.heads: tuple[str, ...] = ()
        self._texts, self._tips = texts, tips or {}

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
            return self._tips.get(self.heads[section])
        return self._side(section) if role == Qt.ItemDataRole.TextAlignmentRole else None

    def _side(self, column: int) -> Qt.AlignmentFlag:
        left = self.heads[column] in self._texts
        across = Qt.AlignmentFlag.AlignLeft if left else Qt.AlignmentFlag.AlignRight
        return across | Qt.AlignmentFlag.AlignVCenter

    def data(self, index: QModelIndex, role: int = Qt.ItemDataRole.DisplayRole) -> Any:
        if role == Qt.ItemDataRole.TextAlignmentRole:
            return self._side(index.column())
        return self.cell(index.row(), index.column(), role)

    def cell(self, row: int, column: int, role: int) -> Any:
        """What a cell shows in a role."""
        raise NotImplementedError


def apply_look(view: QTableView, padding: int = 8) -> None:
    """Rows without a grid, in figures of equal width, columns as wide as their text."""
    view.setShowGrid(False)
    view.setWordWrap(False)
    view.setSelectionBehavior(QAbstractItemView.SelectionBehavior.SelectRows)
    view.setEditTriggers(QAbstractItemView.EditTrigger.NoEditTriggers)
    view.setFont(theme.numbers(view.font().pointSizeF()))
    view.setTabKeyNavigation(False)
    view.setStyleSheet(f"QTableView::item {{ padding: 0 {padding}px; }}")
    across, down = view.horizontalHeader(), view.verticalHeader()
    assert across is not None
    assert down is not None
    across.setSectionResizeMode(QHeaderView.ResizeMode.ResizeToContents)
    across.setHighlightSections(False)
    down.hide()
    down.setDefaultSectionSize(view.fontMetrics().height() + 9)


def needed_width(view: QTableView) -> int:
    """Pixels in which every column shows all of its text and of its head."""
    across, model = view.horizontalHeader(), view.model()
    if across is None or model is None:
        return 0
    columns = range(model.columnCount())
    return sum(max(view.sizeHintForColumn(c), across.sectionSizeHint(c)) for c in columns)


class _Lines(TableModel):
    def __init__(self, parent: QWidget, heads: Sequence[str], numbers: Sequence[str]) -> None:
        super().__init__(parent, set(heads) - set(numbers))
        self.heads = tuple(heads)
        self.lines: list[Sequence[str]] = []

    def show_lines(self, lines: Sequence[Sequence[str]]) -> None:
        self.beginResetModel()
        self.lines = list(lines)
        self.endResetModel()

    def rowCount(self, parent: QModelIndex | None = None) -> int:
        return len(self.lines)

    def cell(self, row: int, column: int, role: int) -> Any:
        shown = role in (Qt.ItemDataRole.DisplayRole, Qt.ItemDataRole.ToolTipRole)
        return self.lines[row][column] if shown else None


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
        self.lines = _Lines(self, heads, numbers)
        self.setModel(self.lines)
        self.setAccessibleName(what)
        self.setSelectionMode(QAbstractItemView.SelectionMode.SingleSelection)
        apply_look(self)
        self._most = most
        across = self.horizontalHeader()
        if wide and across is not None:
            across.setSectionResizeMode(tuple(heads).index(wide), QHeaderView.ResizeMode.Stretch)
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
