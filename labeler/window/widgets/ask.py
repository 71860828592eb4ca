"""One short question over the pattern, answered on the spot: a shot's number, a note on a flag."""

from __future__ import annotations

from collections.abc import Callable

from PyQt6.QtCore import QEvent, QObject, Qt
from PyQt6.QtGui import QKeyEvent
from PyQt6.QtWidgets import QFrame, QHBoxLayout, QLineEdit, QWidget

from labeler.window.widgets import theme
from labeler.window.widgets.parts import focused, label, leave

WIDTH = 440


class Ask(QFrame):
    """Enter hands the text to `answer`, which may refuse it in words; Escape ends it."""

    def __init__(
        self, host: QWidget, question: str, answer: Callable[[str], str], text: str = ""
    ) -> None:
        super().__init__(host)
        self.setObjectName("popup")
        self.setAttribute(Qt.WidgetAttribute.WA_StyledBackground)
        self._answer = answer
        self._before = focused(host)
        self.field = QLineEdit(text)
        self.field.setAccessibleName(question)
        self.field.setMaxLength(500)
        self.refusal = label(role="error")
        self.refusal.hide()
        layout = QHBoxLayout(self)
        layout.setContentsMargins(14, 9, 9, 9)
        layout.addWidget(label(question, "muted"))
        layout.addWidget(self.field, 1)
        layout.addWidget(self.refusal)
        width = min(theme.grown(WIDTH), host.width() - 24)
        self.setFixedWidth(width)
        self.adjustSize()
        self.move((host.width() - width) // 2, host.height() - self.height() - 18)
        self.field.installEventFilter(self)
        self.show()
        self.raise_()
        self.field.selectAll()
        self.field.setFocus()

    def eventFilter(self, watched: QObject | None, event: QEvent | None) -> bool:
        if isinstance(event, QKeyEvent) and event.type() == QEvent.Type.KeyPress:
            if event.key() == Qt.Key.Key_Escape:
                self.finish()
                return True
            if event.key() in (Qt.Key.Key_Return, Qt.Key.Key_Enter):
                self._try()
                return True
        if event is not None and event.type() == QEvent.Type.FocusOut and self.isVisible():
            self.finish()
        return False

    def _try(self) -> None:
        refusal = self._answer(self.field.text())
        if refusal:
            self.refusal.setText(refusal)
            self.refusal.show()
            self.field.selectAll()
        else:
            self.finish()

    def finish(self) -> None:
        """Go away."""
        self.field.removeEventFilter(self)
        leave(self, self._before)
