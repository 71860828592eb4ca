"""The head of the queue: which shots, in which order, how many; and what no longer matches."""

from __future__ import annotations

from PyQt6.QtCore import Qt
from PyQt6.QtWidgets import QHBoxLayout, QLabel, QToolButton, QVBoxLayout, QWidget

from labeler.session.session import Session
from labeler.window.label.queue.fields import Chips, FilterField, OrderField
from labeler.window.widgets.parts import set_role
from model.errors import counted


class QueueHead(QWidget):
    """Two quiet fields with menus, the conditions, and the number of shots."""

    def __init__(self, session: Session, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.filter, self.order = FilterField(session), OrderField(session)
        self.chips = Chips(session, upright=True)
        self.number = NumberOfShots(session)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(8, 8, 8, 4)
        layout.setSpacing(4)
        for widget in (self.filter, self.chips, self.order, self.number):
            layout.addWidget(widget)


class NumberOfShots(QWidget):
    """How many shots the queue has, and a way to let those go that no longer match."""

    def __init__(self, session: Session) -> None:
        super().__init__()
        self.session = session
        self.number = QLabel()
        set_role(self.number, "muted")
        self.stale = QToolButton()
        set_role(self.stale, "link")
        self.stale.setToolTip("Refresh queue")
        self.stale.setFocusPolicy(Qt.FocusPolicy.TabFocus)
        self.stale.clicked.connect(lambda: session.queue.choose())
        line = QHBoxLayout(self)
        line.setContentsMargins(3, 0, 0, 0)
        line.addWidget(self.number, 1)
        line.addWidget(self.stale)
        for signal in (
            session.queue.queue_changed,
            session.project_changed,
            session.predictions.run_changed,
        ):
            signal.connect(self.refresh)
        session.labels.labels_changed.connect(lambda rows: self.refresh())
        self.refresh()

    def refresh(self) -> None:
        """Count again, which costs nothing."""
        n, gone = len(self.session.queue.rows), self.session.queue.gone
        self.number.setText(counted(n, "shot"))
        self.stale.setText(f"{gone:,} done · refresh")
        self.stale.setVisible(gone > 0)
