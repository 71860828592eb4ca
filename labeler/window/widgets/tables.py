"""Plain tables of text with a head, as the dialogs of a project use them."""

from __future__ import annotations

from PyQt6.QtWidgets import QHeaderView, QTreeWidget


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
