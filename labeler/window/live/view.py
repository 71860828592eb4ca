"""Live: shots read while they come in, during the beamtime. It places the form and the board."""

from __future__ import annotations

from PyQt6.QtCore import Qt
from PyQt6.QtGui import QHideEvent, QShowEvent
from PyQt6.QtWidgets import QHBoxLayout, QStackedWidget, QWidget

from labeler.session.session import Session
from labeler.window.live.board import LiveBoard
from labeler.window.live.form import LiveForm
from labeler.window.widgets import theme
from labeler.window.widgets.parts import EmptyState
from labeler.window.widgets.tab import Tab

FORM_WIDTH = 260
ABOUT = (
    "Point a trained network at the shots of a running experiment: a file that grows, a folder "
    "that fills, or the Karabo bridge of European XFEL.\n\n"
    "A hit finder, fitted on your Empty labels, drops the empty shots; the network reads the "
    "newest hits. Here you see how many hit, what they are, and get an alarm when a share leaves "
    "the band you set. Hits are kept, and can join this project to be labelled."
)


class LiveView(Tab):
    """Choose a source and a run at the left; what comes in at the right."""

    def __init__(self, session: Session, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("page")
        self.session = session
        self.watch = session.live
        self.form = LiveForm(session, self.watch)
        self.form.setObjectName("side")
        self.form.setAttribute(Qt.WidgetAttribute.WA_StyledBackground)
        self.form.setFixedWidth(theme.grown(FORM_WIDTH))
        self.empty, self.board = EmptyState(), LiveBoard(session, self.watch)
        self.right = QStackedWidget()
        self.right.addWidget(self.empty)
        self.right.addWidget(self.board)
        layout = QHBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(0)
        layout.addWidget(self.form)
        layout.addWidget(self.right, 1)
        self.watch.changed.connect(self.refresh)
        self.watch.bands_changed.connect(self.refresh)
        session.project_changed.connect(self.refresh)
        session.predictions.run_changed.connect(self.refresh)

    def showEvent(self, event: QShowEvent | None) -> None:
        super().showEvent(event)
        self.watch.looked_at = True
        self.form.read_runs()
        self.refresh()

    def hideEvent(self, event: QHideEvent | None) -> None:
        super().hideEvent(event)
        self.watch.looked_at = False

    def refresh(self) -> None:
        """Show what there is now, if anybody looks."""
        if not self.isVisible():
            return
        self.form.refresh()
        begun = bool(self.watch.seen.history) or self.watch.is_running
        self.right.setCurrentWidget(self.board if begun else self.empty)
        if begun:
            self.board.refresh()
        else:
            self._say_empty()

    def _say_empty(self) -> None:
        if self.watch.trouble:
            self.empty.say("The watch could not begin", self.watch.trouble)
        elif not self.form.has_runs:
            self.empty.say("Watch shots as they come", f"{ABOUT}\n\nIt needs a trained run first.")
        else:
            self.empty.say("Watch shots as they come", ABOUT, "Choose a source", self.form.ask)
