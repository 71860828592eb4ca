"""The head of the grid: which shots, in which order and groups, what to select, how large."""

from __future__ import annotations

from PyQt6.QtCore import Qt, pyqtSignal
from PyQt6.QtGui import QAction
from PyQt6.QtWidgets import QFrame, QHBoxLayout, QSlider

from labeler.queue.groups import GROUPS
from labeler.session.session import Session
from labeler.window.grid.canvas import SIDES
from labeler.window.grid.filler import Filler
from labeler.window.label.queue.fields import Chips, FilterField, OrderField, fill_conditions
from labeler.window.label.queue.head import NumberOfShots
from labeler.window.widgets import theme
from labeler.window.widgets.fields import MenuField
from labeler.window.widgets.parts import Elided, set_role

HEIGHT, LEAST = 44, 90


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

    def show_group(self, name: str) -> None:
        """Name the grouping in use."""
        self.group.setText(GROUPS[name].text)
        self._group = name

    _group = "none"

    def _fill_groups(self) -> None:
        self.session.queue.look_for_clusters()
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
            ("select:all", "All shown\tCtrl+A"),
            ("select:none", "None\tEsc"),
            ("select:others", "Invert selection\tCtrl+I"),
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
