"""The queue in two quiet fields with menus, and a chip for each condition; for list and grid.

Every menu is made from the tables of `labeler.queue.filters` and `labeler.queue.orders`.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from PyQt6.QtCore import Qt
from PyQt6.QtGui import QAction
from PyQt6.QtWidgets import (
    QHBoxLayout,
    QMenu,
    QSizePolicy,
    QToolButton,
    QVBoxLayout,
    QWidget,
)

from labeler.queue import queue as queues
from labeler.queue.filters import BETWEEN, passes
from labeler.queue.orders import DOWN, NUMBER
from labeler.session.session import Session
from labeler.window.widgets import theme
from labeler.window.widgets.ask import Ask
from labeler.window.widgets.fields import MenuField
from labeler.window.widgets.parts import empty
from model.errors import InputError

CHIP_WIDTH = 150
CONDITION_WIDTH = 360
EXCLUDES = {"unlabelled": "labelled", "labelled": "unlabelled"}
"""Choosing one of these takes the other away."""


class FilterField(MenuField):
    """Which shots: a condition more with every choice, all shots again with the first line."""

    def __init__(self, session: Session) -> None:
        super().__init__("Which shots are in the queue")
        self.session = session
        self.list.aboutToShow.connect(self.fill)
        _follow(session, self.refresh)

    def refresh(self) -> None:
        """Show the choice in a few words."""
        choice = self.session.queue.choice
        many = len(choice.filters) > 1
        text = f"{len(choice.filters)} conditions" if many else choice.text()
        self.setText(self.fontMetrics().elidedText(text, Qt.TextElideMode.ElideRight, 210))
        self.setToolTip(f"Which shots are in the queue\n{choice.text()}")

    def fill(self) -> None:
        """Offer every condition, and the queues that were saved."""
        session, menu = self.session, self.list
        session.queue.want_numbers()
        menu.clear()
        fill_conditions(menu, session, self._choose)
        menu.addSeparator()
        for name, choice in session.queue.saved().items():
            action = QAction(theme.shown(f"{name}\t{choice.text()}"[:80]), menu)
            action.triggered.connect(lambda _, name=name: session.queue.use_saved(name))
            menu.addAction(action)
        save = QAction("Save this queue…", menu)
        save.setEnabled(not session.queue.choice.title and session.opened is not None)
        save.triggered.connect(self._save)
        menu.addAction(save)
        saved = session.queue.saved()
        if saved:
            forget = menu.addMenu("Delete saved queue")
            assert forget is not None
            for name in saved:
                action = QAction(theme.shown(name), forget)
                action.triggered.connect(lambda _, name=name: session.queue.delete_saved(name))
                forget.addAction(action)

    def _choose(self, condition: str) -> None:
        session = self.session
        if condition == "all" or session.queue.choice.title:
            session.queue.choose(filter=condition)
        elif condition in session.queue.choice.filters:
            session.queue.widen(condition)
        elif EXCLUDES.get(condition, "") in session.queue.choice.filters:
            kept = [f for f in session.queue.choice.filters if f != EXCLUDES[condition]]
            session.queue.set_filters((*kept, condition))
        else:
            session.queue.narrow(condition)

    def _save(self) -> None:
        def answer(text: str) -> str:
            if not text.strip():
                return "a name, please"
            self.session.queue.save(text.strip())
            return ""

        window = self.window()
        assert window is not None
        Ask(window, "Name of this queue", answer, self.session.queue.choice.text())


class OrderField(MenuField):
    """In which order the shots come; a number once more turns round."""

    def __init__(self, session: Session) -> None:
        super().__init__("In which order they come")
        self.session = session
        self.list.aboutToShow.connect(self.fill)
        _follow(session, self.refresh)

    def refresh(self) -> None:
        """Show the order in words."""
        choice = self.session.queue.choice
        self.setText("As chosen" if choice.title else queues.order_of(choice.order).text)

    def fill(self) -> None:
        """Offer every order; those that need something that is not there are greyed."""
        session, menu = self.session, self.list
        session.queue.want_numbers()
        menu.clear()
        known = session.queue.known
        for name, order in queues.ORDERS.items():
            self._offer(menu, name, order.text, known.lacking(order.needs))
        numbers = [n for n in session.queue.numbers if n not in queues.ORDERS]
        if numbers:
            menu.addSeparator()
        for number in numbers:
            name = NUMBER + number
            down = session.queue.choice.order == name
            self._offer(menu, name + DOWN * down, number, "", session.queue.choice.order)

    def _offer(
        self, menu: QMenu, name: str, text: str, lacking: str, chosen: str | None = None
    ) -> None:
        session = self.session
        action = QAction(theme.shown(f"{text}\t{lacking}" if lacking else text), menu)
        action.setCheckable(True)
        now = session.queue.choice.order
        action.setChecked(now == name or (chosen is not None and now.startswith(NUMBER + text)))
        action.setEnabled(not lacking)
        action.triggered.connect(lambda: session.queue.choose(order=name))
        menu.addAction(action)


class Chips(QWidget):
    """One small button for each condition where there are several; a click takes it away."""

    def __init__(self, session: Session, *, upright: bool) -> None:
        super().__init__()
        self.session = session
        self._across = QSizePolicy.Policy.Expanding if upright else QSizePolicy.Policy.Fixed
        self._layout = QVBoxLayout(self) if upright else QHBoxLayout(self)
        self._layout.setContentsMargins(0, 0, 0, 0)
        self._layout.setSpacing(4)
        _follow(session, self.refresh)

    def refresh(self) -> None:
        """Show the conditions in use."""
        empty(self._layout)
        filters = self.session.queue.choice.filters
        for condition in filters if len(filters) > 1 else ():
            self._layout.addWidget(self._chip(condition))
        self.setVisible(len(filters) > 1)

    def _chip(self, condition: str) -> QToolButton:
        text = queues.text_of(condition)
        chip = QToolButton()
        chip.setProperty("role", "field")
        chip.setIcon(theme.icon("close", "muted"))
        chip.setToolButtonStyle(Qt.ToolButtonStyle.ToolButtonTextBesideIcon)
        chip.setLayoutDirection(Qt.LayoutDirection.RightToLeft)
        chip.setFocusPolicy(Qt.FocusPolicy.TabFocus)
        chip.setSizePolicy(self._across, QSizePolicy.Policy.Fixed)
        metrics = chip.fontMetrics()
        shown = metrics.elidedText(text, Qt.TextElideMode.ElideRight, theme.grown(CHIP_WIDTH))
        chip.setText(theme.shown(shown))
        chip.setToolTip(f"{text}\nA click takes this condition away")
        chip.setAccessibleName(f"Condition {text}, take away")
        chip.clicked.connect(lambda: self.session.queue.widen(condition))
        return chip

    def apply_theme(self) -> None:
        """Take the colours of the theme in use."""
        self.refresh()


def _follow(session: Session, refresh: Callable[[], None]) -> None:
    """Refresh now, and whenever the queue or the project is another."""
    for signal in (session.queue.queue_changed, session.project_changed):
        signal.connect(refresh)
    refresh()


def fill_conditions(menu: QMenu, session: Session, choose: Callable[[str], None]) -> None:
    """All conditions of the table with their numbers of shots; `choose` gets the chosen one."""
    known = session.queue.known_now()
    for name, line in queues.FILTERS.items():
        if line.choices is None:
            _offer(menu, session, name, line.text, known.lacking(line.needs), choose)
    menu.addSeparator()
    for name, line in queues.FILTERS.items():
        if line.choices is None or known.lacking(line.needs) or not line.choices(known):
            continue
        inner = menu.addMenu(line.menu)
        assert inner is not None
        inner.aboutToShow.connect(
            lambda inner=inner, name=name: _fill_arguments(inner, session, name, choose)
        )


def _fill_arguments(
    menu: QMenu, session: Session, name: str, choose: Callable[[str], None]
) -> None:
    menu.clear()
    line = queues.FILTERS[name]
    assert line.choices is not None
    for argument in line.choices(session.queue.known):
        if line.typed:
            action = QAction(theme.shown(f"{argument}…"), menu)
            action.triggered.connect(lambda _, a=argument: _ask_range(menu, session, a, choose))
            menu.addAction(action)
        else:
            _offer(menu, session, f"{name}:{argument}", argument, "", choose)


def _offer(
    menu: QMenu,
    session: Session,
    condition: str,
    text: str,
    lacking: str,
    choose: Callable[[str], None],
) -> None:
    n = 0
    if session.opened is not None and not lacking:
        n = int(np.count_nonzero(passes(condition, session.queue.known)))
    short = menu.fontMetrics().elidedText(text, Qt.TextElideMode.ElideMiddle, CONDITION_WIDTH)
    action = QAction(theme.shown(f"{short}\t{lacking or format(n, ',')}"), menu)
    if short != text:
        action.setToolTip(text)
        menu.setToolTipsVisible(True)
    action.setCheckable(True)
    chosen = session.queue.choice.filters or ("all",)
    action.setChecked(condition in chosen and not session.queue.choice.title)
    action.setEnabled(not lacking)
    action.triggered.connect(lambda: choose(condition))
    menu.addAction(action)


def _ask_range(menu: QMenu, session: Session, number: str, choose: Callable[[str], None]) -> None:
    """Ask for the range of a number, with its ends over all shots in sight."""
    values = session.queue.numbers[number]
    known = values[np.isfinite(values)]
    ends = f"{known.min():g}{BETWEEN}{known.max():g}" if len(known) else ""

    def answer(text: str) -> str:
        condition = f"number:{number}:{text.strip()}"
        try:
            queues.text_of(condition)
        except InputError:
            return f"low{BETWEEN}high"
        choose(condition)
        return ""

    Ask(_host_of(menu), f"{number} between", answer, ends)


def _host_of(menu: QMenu) -> QWidget:
    """The window that a menu, or a menu within one, was opened in."""
    found: QWidget = menu
    while isinstance(found, QMenu) and found.parentWidget() is not None:
        parent = found.parentWidget()
        assert parent is not None
        found = parent
    window = found.window()
    assert window is not None
    return window
