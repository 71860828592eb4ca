"""Quality: are the labels good? A list of pages at the left, the chosen one beside it.

It only places pages; each asks the session for itself and refreshes when someone looks at it.
"""

from __future__ import annotations

from PyQt6.QtCore import Qt
from PyQt6.QtGui import QShowEvent
from PyQt6.QtWidgets import (
    QButtonGroup,
    QHBoxLayout,
    QPushButton,
    QStackedWidget,
    QVBoxLayout,
    QWidget,
)

from labeler.session.session import Session
from labeler.window.quality.agreement import AgreementPage
from labeler.window.quality.drift import DriftPage
from labeler.window.quality.forecast import ForecastPage
from labeler.window.quality.parts import Page
from labeler.window.quality.rules import RulesPage
from labeler.window.quality.side_by_side import SideBySidePage
from labeler.window.quality.suspicious import SuspiciousPage
from labeler.window.quality.week import WeekPage
from labeler.window.widgets import theme
from labeler.window.widgets.parts import label
from labeler.window.widgets.tab import Tab

PAGES = {
    "Rules": RulesPage,
    "Agreement": AgreementPage,
    "Drift": DriftPage,
    "Suspicious": SuspiciousPage,
    "Forecast": ForecastPage,
    "Side by side": SideBySidePage,
    "Week": WeekPage,
}
"""The pages, each made with the session when it is first wanted."""
HINTS = {
    "Rules": "Labels that contradict the rules",
    "Agreement": "Do people agree with each other?",
    "Drift": "Do you agree with yourself?",
    "Suspicious": "Labels that the network doubts",
    "Forecast": "Value of more labels",
    "Side by side": "Files of shots beside each other",
    "Week": "How the labelling goes",
}
SIDE = 194


class QualityView(Tab):
    """Emits `label_requested` where a page put shots into the queue."""

    def __init__(self, session: Session, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("page")
        self.session = session
        self.pages: dict[str, Page] = {}
        self.buttons: dict[str, QPushButton] = {}
        self.stack = QStackedWidget()
        self._group = QButtonGroup(self)
        side = QWidget()
        side.setObjectName("side")
        side.setAttribute(Qt.WidgetAttribute.WA_StyledBackground)
        side.setFixedWidth(theme.grown(SIDE))
        column = QVBoxLayout(side)
        column.setContentsMargins(10, 16, 10, 12)
        column.setSpacing(3)
        for name in PAGES:
            column.addWidget(self._button(name))
        column.addStretch(1)
        self.hint = label("", "faint", wrap=True)
        column.addWidget(self.hint)
        layout = QHBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(0)
        layout.addWidget(side)
        layout.addWidget(self.stack, 1)
        self.page = next(iter(self.buttons), "")
        self.apply_theme()

    @property
    def section(self) -> str:  # type: ignore[override]
        return self.page

    def _button(self, name: str) -> QPushButton:
        button = QPushButton(name)
        button.setCheckable(True)
        button.setToolTip(HINTS[name])
        button.setFocusPolicy(Qt.FocusPolicy.TabFocus)
        button.setAccessibleName(f"Page {name}")
        button.toggled.connect(lambda on: self._toggled(name, on))
        self._group.addButton(button)
        self.buttons[name] = button
        return button

    def apply_theme(self) -> None:
        """Take the colours of the theme in use."""
        ink = theme.current()
        sheet = (
            "QPushButton { text-align: left; padding: 6px 10px; background: transparent;"
            f" border: 1px solid transparent; color: {ink.muted}; }}"
            f"QPushButton:hover {{ background: {ink.hover}; }}"
            f"QPushButton:checked {{ background: {ink.select}; color: {ink.strong};"
            " font-weight: 600; }"
            f"QPushButton:focus {{ border: 1px solid {ink.accent}; }}"
        )
        for button in self.buttons.values():
            button.setStyleSheet(sheet)

    def _toggled(self, name: str, on: bool) -> None:
        """A screen reader presses a page's button in this way, without a click."""
        if on and name != self.page:
            self.show_page(name)

    def show_page(self, name: str) -> None:
        """Bring a page to the front, making it the first time."""
        if name not in self.pages:
            made = PAGES[name](self.session)
            made.label_requested.connect(self.label_requested)
            self.pages[name] = made
            self.stack.addWidget(made)
        self.page = name
        self.buttons[name].setChecked(True)
        if self.isVisible():
            self.buttons[name].setFocus()
        self.hint.setText(HINTS[name])
        self.stack.setCurrentWidget(self.pages[name])

    def showEvent(self, event: QShowEvent | None) -> None:
        super().showEvent(event)
        if self.page and self.page not in self.pages:
            self.show_page(self.page)
