"""The view Label: queue at the left, the pattern in the middle, classes at the right."""

from __future__ import annotations

from PyQt6.QtCore import Qt
from PyQt6.QtWidgets import QHBoxLayout, QSplitter, QVBoxLayout, QWidget

from labeler.session import Session
from labeler.views.banner import MissingFiles
from labeler.views.class_panel import ClassPanel
from labeler.views.pattern import PatternView
from labeler.views.shot_list import ShotList

LIST_WIDTH, PANEL_WIDTH = 198, 276


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
        for pane in (self.shots, middle, self.classes):
            self.splitter.addWidget(pane)
            self.splitter.setCollapsible(self.splitter.indexOf(pane), False)
        self.splitter.setStretchFactor(1, 1)
        self.shots.setMinimumWidth(150)
        self.classes.setMinimumWidth(240)
        self.splitter.setSizes([LIST_WIDTH, 2000, PANEL_WIDTH])
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self.splitter)

    def show_levels(self, shown: bool) -> None:
        """Histogram at the right edge of the pattern, or not."""
        if shown and self.levels is None:
            from labeler.views.levels import LevelsPane

            self.levels = LevelsPane(self.session)
            self._row.addWidget(self.levels)
        if self.levels is not None:
            self.levels.setVisible(shown)
