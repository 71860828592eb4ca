"""The head of the queue: which shots, in which order, how many; and what no longer matches."""

from __future__ import annotations

import numpy as np
from PyQt6.QtCore import Qt
from PyQt6.QtGui import QAction, QActionGroup
from PyQt6.QtWidgets import QHBoxLayout, QLabel, QMenu, QToolButton, QVBoxLayout, QWidget

from labeler import queue as queues
from labeler.session import Session
from labeler.views.fields import MenuField


class QueueHead(QWidget):
    """Two quiet fields with menus, and the number of shots."""

    def __init__(self, session: Session, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.session = session
        self.filter = MenuField("Which shots are in the queue")
        self.order = MenuField("In which order they come")
        self.number = QLabel()
        self.number.setProperty("role", "muted")
        self.stale = QToolButton()
        self.stale.setProperty("role", "link")
        self.stale.setToolTip("Build the queue anew (F5)")
        self.stale.setFocusPolicy(Qt.FocusPolicy.TabFocus)
        self.stale.clicked.connect(lambda: session.set_queue())
        line = QHBoxLayout()
        line.setContentsMargins(3, 0, 0, 0)
        line.addWidget(self.number, 1)
        line.addWidget(self.stale)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(8, 8, 8, 4)
        layout.setSpacing(4)
        layout.addWidget(self.filter)
        layout.addWidget(self.order)
        layout.addLayout(line)
        self.filter.list.aboutToShow.connect(self._fill_filters)
        self.order.list.aboutToShow.connect(self._fill_orders)
        for signal in (session.queue_changed, session.project_changed, session.run_changed):
            signal.connect(self.refresh)
        session.labels_changed.connect(lambda rows: self.refresh())
        self.refresh()

    def refresh(self) -> None:
        """Show the choice and its number of shots."""
        session, choice = self.session, self.session.choice
        self.filter.setText(choice.title or queues.text_of(choice.filter))
        self.order.setText("As chosen" if choice.title else queues.ORDERS[choice.order])
        n = len(session.queue)
        self.number.setText(f"{n:,} shot{'' if n == 1 else 's'}")
        gone = self._gone() if session.project is not None and choice.filter != "all" else 0
        self.stale.setText(f"{gone:,} done · refresh")
        self.stale.setVisible(gone > 0)

    def _gone(self) -> int:
        """How many shots of the queue do not match its filter any more."""
        session = self.session
        fits = queues.matching(
            session.choice.filter, session.decided, session.taxonomy, session.predictions
        )
        return int((~fits[session.queue]).sum())

    def _fill_filters(self) -> None:
        session = self.session
        menu = self.filter.list
        menu.clear()
        group = QActionGroup(menu)
        for name, text in queues.FILTERS.items():
            self._offer(menu, group, name, text, session.choice.filter == name)
        menu.addSeparator()
        for name in session.taxonomy.names:
            chosen = f"class:{name}"
            self._offer(menu, group, chosen, name, session.choice.filter == chosen)

    def _offer(self, menu: QMenu, group: QActionGroup, name: str, text: str, chosen: bool) -> None:
        session = self.session
        possible = name not in queues.NEEDS_MODEL or session.predictions is not None
        n = 0
        if session.project is not None and possible:
            fits = queues.matching(name, session.decided, session.taxonomy, session.predictions)
            n = int(np.count_nonzero(fits))
        action = QAction(f"{text}\t{n:,}" if possible else f"{text}\tno run yet", menu)
        action.setCheckable(True)
        action.setChecked(chosen)
        action.setEnabled(possible)
        action.triggered.connect(lambda: session.set_queue(filter=name))
        group.addAction(action)
        menu.addAction(action)

    def _fill_orders(self) -> None:
        session = self.session
        menu = self.order.list
        menu.clear()
        for name, text in queues.ORDERS.items():
            possible = name not in queues.NEEDS_MODEL or session.predictions is not None
            action = QAction(text if possible else f"{text}\tno run yet", menu)
            action.setCheckable(True)
            action.setChecked(session.choice.order == name)
            action.setEnabled(possible)
            action.triggered.connect(lambda _, name=name: session.set_queue(order=name))
            menu.addAction(action)
