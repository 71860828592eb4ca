"""The head of the grid: which shots, in which order and groups, what to select, how large."""

from __future__ import annotations

import numpy as np
from PyQt6.QtCore import Qt, QTimer, pyqtSignal
from PyQt6.QtGui import QAction
from PyQt6.QtWidgets import QFrame, QHBoxLayout, QProgressBar, QSlider, QWidget

from labeler.queue.groups import GROUPS
from labeler.session.session import Session
from labeler.window.grid.canvas import SIDES
from labeler.window.label.queue.fields import Chips, FilterField, OrderField, fill_conditions
from labeler.window.label.queue.head import NumberOfShots
from labeler.window.widgets import theme
from labeler.window.widgets.fields import MenuField
from labeler.window.widgets.parts import Elided, label, set_role

HEIGHT, LEAST = 44, 90
ROOMY = 1060
"""Points of width in which fields, number, thumbnails and slider are all shown whole."""


class GridHead(QFrame):
    """Fields like those of the list, and the grid's own."""

    group_chosen = pyqtSignal(str)
    side_chosen = pyqtSignal(int)
    select_requested = pyqtSignal(str)
    """A condition, or one of "select:all", "select:none", "select:others"."""

    def __init__(self, session: Session) -> None:
        super().__init__()
        self.session = session
        self.setObjectName("bar")
        self.setFixedHeight(theme.grown(HEIGHT))
        self.filter, self.order = FilterField(session), OrderField(session)
        self.chips = Chips(session, upright=False)
        self.group = MenuField("How shots are put together")
        self.group.list.aboutToShow.connect(self._fill_groups)
        self.select = MenuField("Select shots that match")
        self.select.setText("Select")
        self.select.list.aboutToShow.connect(self._fill_select)
        self.number = NumberOfShots(session)
        self.said = Elided()
        set_role(self.said, "muted")
        self.filler = Filler(session)
        self.slider = QSlider(Qt.Orientation.Horizontal)
        self.slider.setRange(0, len(SIDES) - 1)
        self.slider.setFixedWidth(104)
        self.slider.setFocusPolicy(Qt.FocusPolicy.TabFocus)
        self.slider.setAccessibleName("Size of the thumbnails")
        self.slider.setToolTip("Size of the thumbnails (+ and −, Ctrl and wheel)")
        self.slider.valueChanged.connect(lambda at: self.side_chosen.emit(SIDES[at]))
        row = QHBoxLayout(self)
        row.setContentsMargins(10, 0, 12, 0)
        row.setSpacing(6)
        for field, width in ((self.filter, 168), (self.order, 158), (self.group, 138)):
            field.setMinimumWidth(LEAST)  # gives way where letters are large and the window small
            field.setMaximumWidth(theme.grown(width))
        self.select.setMaximumWidth(theme.grown(84))
        for widget in (self.filter, self.chips, self.order, self.group, self.select):
            row.addWidget(widget, 0 if widget is self.chips else 3)
        row.addSpacing(6)
        row.addWidget(self.number)
        row.addSpacing(10)
        row.addWidget(self.said, 1)
        row.addWidget(self.filler)
        row.addSpacing(8)
        row.addWidget(self.slider)

    def resizeEvent(self, event: object) -> None:
        """Where letters are large and the window small, only the bar tells of thumbnails."""
        self.filler.text.setVisible(self.width() >= theme.grown(ROOMY))

    def show_group(self, name: str) -> None:
        """Name the grouping in use."""
        self.group.setText(GROUPS[name].text)
        self._group = name

    _group = "none"

    def _fill_groups(self) -> None:
        self.session.learning.look_for_clusters()
        menu, known = self.group.list, self.session.queue.known
        menu.clear()
        for name, group in GROUPS.items():
            lacking = known.lacking(group.needs)
            action = QAction(f"{group.text}\t{lacking}" if lacking else group.text, menu)
            action.setCheckable(True)
            action.setChecked(name == self._group)
            action.setEnabled(not lacking)
            action.triggered.connect(lambda _, name=name: self.group_chosen.emit(name))
            menu.addAction(action)

    def _fill_select(self) -> None:
        menu = self.select.list
        menu.clear()
        for what, text in (
            ("select:all", "All shown"),
            ("select:none", "None\tEsc"),
            ("select:others", "Invert selection"),
        ):
            action = QAction(text, menu)
            action.triggered.connect(lambda _, what=what: self.select_requested.emit(what))
            menu.addAction(action)
        menu.addSection("Shown shots that are")
        fill_conditions(menu, self.session, self.select_requested.emit)

    def apply_theme(self) -> None:
        """Take the colours of the theme in use."""
        for field in (self.filter, self.order, self.group, self.select):
            field.apply_theme()


AT_ONCE = 48
"""This many are asked for ahead; what is in sight always comes first."""
TICK_MS = 120


class Filler(QWidget):
    """A thin bar with its number; hidden once everything is there."""

    def __init__(self, session: Session) -> None:
        super().__init__()
        self.session = session
        self.text = label(role="muted")
        self.bar = QProgressBar()
        self.bar.setTextVisible(False)
        self.bar.setFixedWidth(70)
        self.bar.setAccessibleName("Thumbnails made")
        row = QHBoxLayout(self)
        row.setContentsMargins(0, 0, 0, 0)
        row.setSpacing(7)
        row.addWidget(self.text)
        row.addWidget(self.bar)
        self._timer = QTimer(self)
        self._timer.setInterval(TICK_MS)
        self._timer.timeout.connect(self._tick)
        self._left = np.zeros(0, np.int64)
        self._waiting: set[int] = set()
        self._done = 0
        session.shots.thumbnail_ready.connect(self._made)
        session.project_changed.connect(self.stop)
        self.hide()

    def start(self) -> None:
        """Go on with what is missing."""
        feed = self.session.shots.feed
        if feed is None:
            return
        self._left = feed.without_thumbnail()
        self._done = self.session.labels.n_shots - len(self._left)
        self._waiting.clear()
        self.setVisible(bool(len(self._left)))
        if len(self._left):
            self._timer.start()
            self._tick()

    def stop(self) -> None:
        """Leave the rest for another time."""
        self._timer.stop()
        self._left = self._left[:0]
        self._waiting.clear()
        self.hide()

    def _made(self, row: int) -> None:
        self._waiting.discard(row)

    def _tick(self) -> None:
        feed = self.session.shots.feed
        if feed is None or (feed.kept is not None and feed.kept.trouble):
            self.stop()
            return
        some = self._left[: AT_ONCE - len(self._waiting)]
        self._left = self._left[len(some) :]
        self._waiting.update(some.tolist())
        self._done += len(some)
        dropped = [row for row in self._waiting if not feed.reader.is_making_thumbnail(row)]
        for row in sorted(dropped, reverse=True):  # new ones, and those that gave way to others
            if feed.thumbnail(row) is not None:
                self._waiting.discard(row)
        n = self.session.labels.n_shots
        self.text.setText(f"thumbnails {self._done - len(self._waiting):,} of {n:,}")
        self.bar.setToolTip(self.text.text())
        self.bar.setMaximum(n)
        self.bar.setValue(self._done)
        if not len(self._left) and not self._waiting:
            self.stop()
