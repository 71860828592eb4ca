"""The view Label: queue at the left, the pattern in the middle, classes at the right."""

from __future__ import annotations

from PyQt6.QtCore import Qt
from PyQt6.QtWidgets import QHBoxLayout, QSplitter, QVBoxLayout, QWidget

from labeler.session import Session
from labeler.views.banner import MissingFiles
from labeler.views.class_panel import ClassPanel
from labeler.views.pattern import PatternView
from labeler.views.shot_list import ShotList

LIST_WIDTH, PANEL_WIDTH = (194, 250), (284, 380)
"""Widths of the side panes in the smallest window and in a wide one."""
SMALL, WIDE = 1280, 2200


class LabelView(QWidget):
    """Places its three panes; the levels pane is made when it is first wanted."""

    def __init__(self, session: Session, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.session = session
        self.shots = ShotList(session)
        self.pattern = PatternView(session)
        self.classes = ClassPanel(session)
        self.levels: QWidget | None = None
        self.missing = MissingFiles(session)
        middle = QWidget()
        self._row = QHBoxLayout()
        self._row.setContentsMargins(0, 0, 0, 0)
        self._row.setSpacing(0)
        self._row.addWidget(self.pattern, 1)
        column = QVBoxLayout(middle)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(0)
        column.addWidget(self.missing)
        column.addLayout(self._row, 1)
        self.splitter = QSplitter(Qt.Orientation.Horizontal)
        self.splitter.setHandleWidth(1)
        self.splitter.splitterMoved.connect(lambda place, handle: self._keep())
        for pane in (self.shots, middle, self.classes):
            self.splitter.addWidget(pane)
            self.splitter.setCollapsible(self.splitter.indexOf(pane), False)
        self.splitter.setStretchFactor(1, 1)
        self.shots.setMinimumWidth(150)
        self.classes.setMinimumWidth(240)
        self._sized = False
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self.splitter)

    def resizeEvent(self, event: object) -> None:
        """Give the side panes their share once the window's width is known, then never again."""
        if not self._sized and self.width() > 0:
            share = min(max((self.width() - SMALL) / (WIDE - SMALL), 0.0), 1.0)
            left, right = (round(a + share * (b - a)) for a, b in (LIST_WIDTH, PANEL_WIDTH))
            self.splitter.setSizes([left, self.width() - left - right - 2, right])

    def _keep(self) -> None:
        self._sized = True

    def panes(self) -> list[int]:
        """Widths chosen by hand; [] where the window may choose."""
        return self.splitter.sizes() if self._sized else []

    def set_panes(self, sizes: list[int]) -> None:
        """The widths of an earlier sitting."""
        self._sized = True
        self.splitter.setSizes(sizes)

    def show_levels(self, shown: bool) -> None:
        """Histogram at the right edge of the pattern, or not."""
        if shown and self.levels is None:
            from labeler.views.levels import LevelsPane

            self.levels = LevelsPane(self.session)
            self._row.addWidget(self.levels)
        if self.levels is not None:
            self.levels.setVisible(shown)
