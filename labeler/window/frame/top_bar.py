"""The bar at the top: menu, project, the views as tabs, how the pattern is drawn, search, theme."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from PyQt6.QtCore import QSize, Qt
from PyQt6.QtGui import QAction
from PyQt6.QtWidgets import QButtonGroup, QFrame, QHBoxLayout, QMenu, QToolButton, QWidget

from labeler.session.session import Session
from labeler.window.frame.picture_bar import PictureBar
from labeler.window.widgets import theme
from labeler.window.widgets.fields import tool
from labeler.window.widgets.parts import Elided, set_role, show_checked, with_key

HEIGHT = 40
NAME_WIDTH = 168


class TopBar(QFrame):
    """Made from the window's actions; it decides nothing."""

    def __init__(
        self, session: Session, actions: Mapping[str, QAction], tabs: Sequence[str]
    ) -> None:
        super().__init__()
        self.session, self._commands = session, actions
        self._shown = tabs[0]
        self.setObjectName("bar")
        self.setFixedHeight(theme.grown(HEIGHT))
        self.menu = QMenu(self)
        self.burger = tool("menu", "Menu", self.open_menu)
        self.name = Elided(Qt.TextElideMode.ElideMiddle)
        set_role(self.name, "heading")
        self.name.keep_together()
        self.name.setMaximumWidth(theme.grown(NAME_WIDTH))
        self.tabs: dict[str, QToolButton] = {}
        self._group = QButtonGroup(self)
        self.picture = PictureBar(session, actions["levels"])
        self.levels = _of(actions["levels"], "levels")
        for widget in (self.picture, self.levels):  # else tabs would jump from view to view
            policy = widget.sizePolicy()
            policy.setRetainSizeWhenHidden(True)
            widget.setSizePolicy(policy)
        self.search = tool("search", "All commands", actions["palette"].trigger)
        self.search.setProperty("role", "field")
        self.search.setToolButtonStyle(Qt.ToolButtonStyle.ToolButtonTextBesideIcon)
        self.search.setIconSize(QSize(15, 15))
        self.theme = _of(actions["theme"], "theme")
        self.manual = _of(actions["manual"], "info")
        layout = QHBoxLayout(self)
        layout.setContentsMargins(6, 0, 8, 0)
        layout.setSpacing(4)
        layout.addWidget(self.burger)
        layout.addWidget(self.name)
        layout.addSpacing(10)
        for tab in tabs:
            layout.addWidget(self._tab(tab, actions[f"view_{tab.lower()}"]))
        layout.addStretch(1)
        layout.addWidget(self.picture)
        layout.addWidget(self.levels)
        layout.addSpacing(8)
        layout.addWidget(self.search)
        layout.addWidget(self.theme)
        layout.addWidget(self.manual)
        session.project_changed.connect(self.refresh)
        self.apply_theme()
        self.refresh()

    def show_keys(self, keys: Mapping[str, str]) -> None:
        """Write the keys in use on the search and in the tips of the tabs."""
        self.search.setText(keys["palette"])
        self.burger.setToolTip(with_key("Menu", keys["menu"]))
        self.picture.show_keys(keys)
        for name, tab in self.tabs.items():
            tab.setToolTip(self._commands[f"view_{name.lower()}"].toolTip())

    def _tab(self, name: str, action: QAction) -> QWidget:
        tab = QToolButton()
        tab.setProperty("role", "tab")
        tab.setText(name)
        tab.setCheckable(True)
        tab.setFixedHeight(theme.grown(HEIGHT) - 1)
        tab.setFocusPolicy(Qt.FocusPolicy.TabFocus)
        tab.setAccessibleName(f"View {name}")
        tab.toggled.connect(lambda on: self._toggled(name, on))
        self._group.addButton(tab)
        self.tabs[name] = tab
        return tab

    def _toggled(self, name: str, on: bool) -> None:
        """A screen reader presses a tab in this way, without a click."""
        if on and name != self._shown:
            self._shown = name
            self._commands[f"view_{name.lower()}"].trigger()

    def open_menu(self) -> None:
        """Open the menu under its button."""
        self.menu.popup(self.burger.mapToGlobal(self.burger.rect().bottomLeft()))

    def choose(self, tab: str) -> None:
        """Mark a tab as the one on screen."""
        self._shown = tab
        self.tabs[tab].setChecked(True)
        for widget in (self.picture, self.levels):
            widget.setVisible(tab == "Label" and self.session.opened is not None)
        self._give_way()

    def resizeEvent(self, event: object) -> None:
        """What else a menu or a key does gives way where letters are large and the window small."""
        self._give_way()

    def _give_way(self) -> None:
        layout, opened = self.layout(), self.session.opened is not None
        assert layout is not None
        fields = (self.picture.colours, self.picture.norm, self.name, self.picture.overlay)
        for widget in fields:
            widget.setVisible(opened or widget is self.name)
        for widget in fields:
            layout.invalidate()
            self.picture.updateGeometry()
            if layout.minimumSize().width() <= self.width():
                return
            widget.hide()

    def refresh(self) -> None:
        """Show the project's name; without one, only what works without one."""
        opened = self.session.opened
        name = "airylabel" if opened is None else opened.project.name
        self.name.show_text(name, "" if opened is None else str(opened.folder))
        for tab in self.tabs.values():
            tab.setVisible(opened is not None)
        for widget in (self.picture, self.levels):
            widget.setVisible(opened is not None)

    def apply_theme(self) -> None:
        """Take the colours of the theme in use."""
        self.burger.setIcon(theme.icon("menu", "muted"))
        self.search.setIcon(theme.icon("search", "muted"))
        for button in (self.levels, self.theme, self.manual):
            button.setIcon(theme.icon(str(button.property("drawing")), "muted"))
        self.picture.apply_theme()


def _of(action: QAction, icon: str) -> QToolButton:
    """A button for a command that runs it however it is pressed.

    Not by `setDefaultAction`: a screen reader would tick the action and run nothing.
    """
    button = QToolButton()
    button.setProperty("drawing", icon)
    button.setIconSize(QSize(18, 18))
    button.setCheckable(action.isCheckable())
    button.setFocusPolicy(Qt.FocusPolicy.TabFocus)
    button.setAccessibleName(action.text())
    pressed = button.toggled if action.isCheckable() else button.clicked
    pressed.connect(lambda on: action.trigger())

    def follow() -> None:
        button.setToolTip(action.toolTip())
        button.setEnabled(action.isEnabled())
        show_checked(button, action.isChecked())

    action.changed.connect(follow)
    follow()
    return button
