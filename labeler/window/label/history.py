"""The history of the shot on screen, beside the pattern: who decided what, when and how.

Shows and never changes. Of other people nothing is shown where the project is blind.
"""

from __future__ import annotations

from dataclasses import replace

from PyQt6.QtCore import QEvent, QObject, Qt
from PyQt6.QtGui import QKeyEvent
from PyQt6.QtWidgets import QFrame, QHBoxLayout, QScrollArea, QVBoxLayout, QWidget

from labeler.project import people
from labeler.project.history import HistoryLine, in_lines
from labeler.session.session import Session
from labeler.window.widgets import theme
from labeler.window.widgets.fields import tool
from labeler.window.widgets.parts import empty, exactly, label, minutes, when
from model.errors import InputError

WIDTH, MARGIN = 320, 12
MOST = 200
"""This many events are shown; a shot that was decided more often says how many more there are."""


class HistoryPane(QFrame):
    """Lies over the right edge of its host and follows the session while it is open."""

    def __init__(self, session: Session, host: QWidget) -> None:
        super().__init__(host)
        self.session = session
        self.lines: list[HistoryLine] = []
        self.setObjectName("popup")
        self.setAttribute(Qt.WidgetAttribute.WA_StyledBackground)
        self.setAccessibleName("History of the shot")
        self.title = label(role="heading")
        self.empty = label(role="muted", wrap=True)
        head = QHBoxLayout()
        head.addWidget(self.title, 1)
        head.addWidget(tool("close", "Close the history", self.leave))
        inner = QWidget()
        self._list = QVBoxLayout(inner)
        self._list.setContentsMargins(0, 0, 8, 0)
        self._list.setSpacing(10)
        area = QScrollArea()
        area.setAccessibleName("What happened to the shot")
        area.setWidget(inner)
        area.setWidgetResizable(True)
        area.setFrameShape(QFrame.Shape.NoFrame)
        area.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        area.setStyleSheet(
            "QScrollArea, QScrollArea > QWidget > QWidget { background: transparent; }"
        )
        area.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(14, 8, 6, 10)
        layout.setSpacing(8)
        layout.addLayout(head)
        layout.addWidget(self.empty)
        layout.addWidget(area, 1)
        session.cursor.shot_changed.connect(lambda row: self.refresh())
        session.labels.labels_changed.connect(lambda rows: self.refresh())
        session.other_windows.others_changed.connect(lambda who, rows: self.refresh())
        session.project_changed.connect(self.refresh)
        minutes().passed.connect(self.refresh)
        for watched in (host, host.window()):
            if watched is not None:
                watched.installEventFilter(self)
        self._place()

    def leave(self) -> None:
        """Close, and hand the keys that it had to the pattern."""
        focus, host = self.focusWidget(), self.parentWidget()
        if host is not None and focus is not None and focus.hasFocus():
            host.setFocus()
        self.hide()

    def refresh(self) -> None:
        """Show the shot on screen, where the pane is open."""
        session = self.session
        if self.isHidden():
            return
        if session.opened is None or session.cursor.row < 0:
            self.hide()
            return
        store = session.require().project.store
        try:
            shown = [a.name for a in people.shown_to(store, session.require().annotator)]
            history = [] if session.repeats.is_blind else store.history(session.cursor.row)
            self.lines = in_lines(history, session.labels.taxonomy, shown)
            if session.suggestions.is_hidden():  # nor what the model said earlier
                self.lines = [replace(line, model="") for line in self.lines]
        except (InputError, OSError) as error:
            session.noted.emit("error", str(error))
            return
        self.title.setText(f"History of shot {session.cursor.row + 1:,}")
        blind = "Hidden while you read this shot a second time."
        nothing = "No one has decided anything on this shot."
        self.empty.setText(blind if session.repeats.is_blind else nothing)
        self.empty.setVisible(not self.lines)
        self._fill()

    def _fill(self) -> None:
        empty(self._list)
        for line in self.lines[:MOST]:
            self._list.addWidget(_entry(line))
        if len(self.lines) > MOST:
            self._list.addWidget(label(f"and {len(self.lines) - MOST:,} earlier ones", "muted"))
        self._list.addStretch(1)

    def _place(self) -> None:
        host = self.parentWidget()
        assert host is not None
        width = min(theme.grown(WIDTH), host.width() - 2 * MARGIN)
        height = max(host.height() - 2 * MARGIN, 120)
        self.setGeometry(host.width() - width - MARGIN, MARGIN, width, height)

    def eventFilter(self, watched: QObject | None, event: QEvent | None) -> bool:
        """Stay in place; close by an Esc that no one else had a use for."""
        if event is not None and event.type() == QEvent.Type.Resize:
            self._place()
        if not isinstance(event, QKeyEvent) or event.type() != QEvent.Type.KeyPress:
            return False
        ours = event.key() == Qt.Key.Key_Escape and self.isVisible()
        if ours:
            self.leave()
        return ours


def _entry(line: HistoryLine) -> QWidget:
    box = QWidget()
    column = QVBoxLayout(box)
    column.setContentsMargins(0, 0, 0, 0)
    column.setSpacing(1)
    column.addWidget(label(line.what, wrap=True))
    who_and_when = label(f"{line.who} · {when(line.time.timestamp())}", "muted", wrap=True)
    who_and_when.setToolTip(exactly(line.time.timestamp()))
    column.addWidget(who_and_when)
    for text in (line.how, line.model, f"“{line.note}”" if line.note else ""):
        if text:
            column.addWidget(label(text, "muted", wrap=True))
    return box


def pane_of(host: QWidget) -> HistoryPane | None:
    """The pane over a widget, where it was ever opened."""
    return host.findChild(HistoryPane)


def is_shown(host: QWidget) -> bool:
    """Whether the history is on screen."""
    pane = pane_of(host)
    return pane is not None and not pane.isHidden()


def flip(session: Session, host: QWidget) -> None:
    """Show the history over a widget, the pattern, or not."""
    pane = pane_of(host)
    if pane is None:
        pane = HistoryPane(session, host)
        pane.hide()
    pane.setVisible(pane.isHidden())
    pane.raise_()
    pane.refresh()
