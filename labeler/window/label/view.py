"""The view Label: queue at the left, the pattern in the middle, classes at the right."""

from __future__ import annotations

from collections.abc import Mapping

from PyQt6.QtCore import Qt
from PyQt6.QtWidgets import QHBoxLayout, QSplitter, QVBoxLayout, QWidget

from labeler.session.session import Session
from labeler.window.label.classes.panel import ClassPanel
from labeler.window.label.pattern.pattern import PatternView
from labeler.window.label.pattern.pinned import PinnedShots
from labeler.window.label.physics.view import PhysicsPanes
from labeler.window.label.queue.shot_list import ShotList
from labeler.window.widgets import theme
from labeler.window.widgets.tab import Tab

LIST_WIDTH, PANEL_WIDTH = (194, 250), (284, 380)
"""Widths of the side panes in the smallest window and in a wide one."""
LEAST_LIST, LEAST_PANEL = 150, 240
"""The sides give way, down to these, only where the drawn square would else become smaller."""
OWNED = 0.555
"""Of the window is the pattern's, as far as names and labels at its sides stay whole."""
WHOLE_LIST, WHOLE_PANEL = 168, 260
SMALL, WIDE = 1280, 2200


class LabelView(Tab):
    """Places its three panes; the levels pane is made when it is first wanted."""

    def __init__(self, session: Session, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.session = session
        self.shots = ShotList(session)
        self.pattern = PatternView(session)
        self.classes = ClassPanel(session)
        self.classes.spoken.connect(self.pattern.speak)
        self.levels: QWidget | None = None
        middle = QWidget()
        self.physics = PhysicsPanes(session, self.pattern)
        self._row = QHBoxLayout()
        self._row.setContentsMargins(0, 0, 0, 0)
        self._row.setSpacing(0)
        self._row.addWidget(self.pattern, 1)
        self._row.addWidget(PinnedShots(session, self.pattern))
        self._column = QVBoxLayout(middle)
        self._column.setContentsMargins(0, 0, 0, 0)
        self._column.setSpacing(0)
        self._column.addLayout(self._row, 1)
        self.splitter = QSplitter(Qt.Orientation.Horizontal)
        self.splitter.setHandleWidth(1)
        self.splitter.splitterMoved.connect(lambda place, handle: self._keep())
        for pane in (self.shots, middle, self.classes):
            self.splitter.addWidget(pane)
            self.splitter.setCollapsible(self.splitter.indexOf(pane), False)
        self.splitter.setStretchFactor(1, 1)
        self.shots.setMinimumWidth(theme.grown(LEAST_LIST))
        self.classes.setMinimumWidth(theme.grown(LEAST_PANEL))
        self._sized = False
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self.splitter)
        session.display.display_changed.connect(self._place_physics)
        self._place_physics()

    @property
    def stage(self) -> QWidget:
        return self.pattern

    def resizeEvent(self, event: object) -> None:
        """Share the width out again, unless someone has moved the edges of the panes."""
        self._place_physics()

    def _place_physics(self) -> None:
        """Put the panes of physics where they are wanted, and share out what is left."""
        home = self._row if self.session.display.panes.beside else self._column
        if home.indexOf(self.physics) < 0:
            home.addWidget(self.physics)
        window = self.window() or self
        self.physics.fit(window.width(), window.height())
        self._share_width(window.width() * window.height())

    def _share_width(self, window: int) -> None:
        if self._sized or self.width() <= 0:
            return
        share = min(max((self.width() - SMALL) / (WIDE - SMALL), 0.0), 1.0)
        left, right = (theme.grown(a + share * (b - a)) for a, b in (LIST_WIDTH, PANEL_WIDTH))
        panes = self.session.display.panes
        if not panes.beside:
            side = self.height() - (self.physics.height() if panes.any else 0)
            owned = -(-round(OWNED * window) // max(side, 1))
            for wanted, least in ((owned, (WHOLE_LIST, WHOLE_PANEL)),
                                  (side, (LEAST_LIST, LEAST_PANEL))):  # fmt: skip
                lacking = max(0, wanted - (self.width() - left - right - 2))
                narrower = min(lacking, max(0, right - theme.grown(least[1])))
                right -= narrower
                left -= min(lacking - narrower, max(0, left - theme.grown(least[0])))
        self.splitter.setSizes([left, self.width() - left - right - 2, right])

    def _keep(self) -> None:
        self._sized = True

    def show_keys(self, keys: Mapping[str, str]) -> None:
        self.classes.show_keys(keys)
        self.shots.show_keys(keys)

    def panes(self) -> list[int]:
        """Widths chosen by hand; [] where the window may choose."""
        return self.splitter.sizes() if self._sized else []

    def set_panes(self, sizes: list[int]) -> None:
        """The widths of an earlier session."""
        self._sized = True
        self.splitter.setSizes(sizes)

    def show_levels(self, shown: bool) -> None:
        """Histogram at the right edge of the pattern, or not."""
        if shown and self.levels is None:
            from labeler.window.label.pattern.levels import LevelsPane

            self.levels = LevelsPane(self.session)
            self._row.addWidget(self.levels)
        if self.levels is not None:
            self.levels.setVisible(shown)
