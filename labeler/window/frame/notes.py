"""Notes at the bottom left: never modal, clicked away, and readable afterwards in a log."""

from __future__ import annotations

from datetime import datetime

from PyQt6 import sip
from PyQt6.QtCore import QEvent, QObject, Qt, QTimer, pyqtSignal
from PyQt6.QtGui import QKeyEvent
from PyQt6.QtWidgets import (
    QApplication,
    QDialog,
    QFrame,
    QHBoxLayout,
    QLabel,
    QPlainTextEdit,
    QToolButton,
    QWidget,
)

from labeler.window.widgets import theme
from labeler.window.widgets.manual import about_message, open_manual
from labeler.window.widgets.parts import foot, page

STAY_MS = {"info": 6_000, "warning": 15_000}
"""Notes of these levels leave by themselves; errors stay until they are clicked away."""
AT_ONCE = 3
"""Older notes make room; the log keeps them."""
KEPT = 2_000
WIDTH = 380


class Note(QFrame):
    """One note; a click anywhere on it dismisses it."""

    dismissed = pyqtSignal()

    def __init__(self, level: str, text: str, parent: QWidget) -> None:
        super().__init__(parent)
        self.level, self.text = level, text
        self.setObjectName("note")
        self.setProperty("level", level)
        self.setAttribute(Qt.WidgetAttribute.WA_StyledBackground)
        self.setAccessibleName(f"{level}: {text}")
        sign = QLabel()
        ink = level if level in ("warning", "error") else "accent"
        sign.setPixmap(theme.icon(level, ink).pixmap(18))
        words = QLabel(text)
        words.setTextFormat(Qt.TextFormat.PlainText)
        words.setWordWrap(True)
        close = QToolButton()
        close.setIcon(theme.icon("close", "muted"))
        close.setAccessibleName("Dismiss this note")
        close.setToolTip("Dismiss")
        close.setFocusPolicy(Qt.FocusPolicy.TabFocus)
        close.clicked.connect(self.dismissed)
        layout = QHBoxLayout(self)
        layout.setContentsMargins(11, 8, 6, 8)
        layout.setSpacing(9)
        layout.addWidget(sign, 0, Qt.AlignmentFlag.AlignTop)
        layout.addWidget(words, 1)
        if level in ("warning", "error"):
            self.help = QToolButton()
            self.help.setText("?")
            self.help.setAccessibleName("Manual about this message")
            self.help.setToolTip("What this means and what to do")
            self.help.setFocusPolicy(Qt.FocusPolicy.TabFocus)
            self.help.clicked.connect(lambda: open_manual(parent, about_message(text)))
            layout.addWidget(self.help, 0, Qt.AlignmentFlag.AlignTop)
        layout.addWidget(close, 0, Qt.AlignmentFlag.AlignTop)
        self.setFixedWidth(theme.grown(WIDTH))

    def mouseReleaseEvent(self, event: object) -> None:
        self.dismissed.emit()

    def keyPressEvent(self, event: QKeyEvent | None) -> None:
        """Esc on one of its buttons."""
        if event is not None and event.key() == Qt.Key.Key_Escape:
            self.dismissed.emit()
        else:
            super().keyPressEvent(event)


class NoteArea(QObject):
    """Stacks notes over the bottom left corner of a widget and keeps the log."""

    def __init__(self, host: QWidget) -> None:
        super().__init__(host)
        self.host = host
        self.log: list[tuple[datetime, str, str]] = []
        self.notes: list[Note] = []
        self._described: tuple[QWidget, str] | None = None
        """The widget that a note describes now, and its own description."""
        host.installEventFilter(self)

    def add(self, level: str, text: str) -> None:
        """Show a note; the same text again replaces the earlier one."""
        self.log.append((datetime.now(), level, text))
        del self.log[:-KEPT]
        for same in [n for n in self.notes if n.text == text]:
            self._remove(same)
        note = Note(level, text, self.host)
        note.dismissed.connect(lambda: self._remove(note))
        self.notes.append(note)
        while len(self.notes) > AT_ONCE:
            self._remove(self.notes[0])
        if level in STAY_MS:
            leave = QTimer(note)
            leave.setSingleShot(True)
            leave.setInterval(STAY_MS[level])
            leave.timeout.connect(note.dismissed)
            leave.start()
        note.show()
        self._describe(note.accessibleName())
        self._place()

    def _describe(self, said: str) -> None:
        """Let a note describe the widget that has the keys; '' gives back its own description.

        A screen reader says a description that changes. PyQt6 has no QAccessible, whose
        announcements would be meant for this.
        """
        if self._described is not None and not sip.isdeleted(self._described[0]):
            self._described[0].setAccessibleDescription(self._described[1])
        self._described, speaker = None, QApplication.focusWidget()
        if said and speaker is not None:
            self._described = speaker, speaker.accessibleDescription()
            speaker.setAccessibleDescription(said)

    def clear(self) -> None:
        """Dismiss all notes; the log keeps them."""
        for note in list(self.notes):
            self._remove(note)

    def _remove(self, note: Note) -> None:
        if note in self.notes:
            self.notes.remove(note)
            note.hide()
            note.deleteLater()
            if not self.notes:
                self._describe("")
            self._place()

    def _place(self) -> None:
        bottom = self.host.height() - 46
        for note in reversed(self.notes):
            note.setFixedHeight(max(note.heightForWidth(note.width()), 38))  # with its border
            bottom -= note.height()
            note.move(12, bottom)
            note.raise_()
            bottom -= 8

    def eventFilter(self, watched: QObject | None, event: QEvent | None) -> bool:
        if event is not None and event.type() == QEvent.Type.Resize:
            self._place()
        return False


class LogDialog(QDialog):
    """Every note since the start, newest last."""

    def __init__(self, log: list[tuple[datetime, str, str]], parent: QWidget) -> None:
        super().__init__(parent)
        self.setWindowTitle("Messages")
        self.resize(680, 420)
        text = QPlainTextEdit()
        text.setReadOnly(True)
        text.setAccessibleName("Messages")
        text.setPlainText(
            "\n".join(f"{when:%H:%M:%S}  {level:<8}{words}" for when, level, words in log)
            or "Nothing has been noted yet."
        )
        page(self, "Messages", text, foot(self), wide=text)
