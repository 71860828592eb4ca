"""The sheet of all keys, and the place to change them; a clash is refused and named."""

from __future__ import annotations

from collections.abc import Iterable

from PyQt6.QtCore import QEvent, QObject, QSize, Qt
from PyQt6.QtGui import QKeyEvent, QKeySequence
from PyQt6.QtWidgets import (
    QDialog,
    QGridLayout,
    QHBoxLayout,
    QLabel,
    QPushButton,
    QScrollArea,
    QVBoxLayout,
    QWidget,
)

from labeler.window.commands import MENUS, Command, Keymap
from labeler.window.widgets.manual import question_mark
from labeler.window.widgets.parts import fit_width, press_by_enter
from model.errors import InputError

COLUMNS = (("Classes", "Label"), ("Go", "Project", "Help"), ("View",))
MODIFIERS = (Qt.Key.Key_Shift, Qt.Key.Key_Control, Qt.Key.Key_Alt, Qt.Key.Key_Meta)


class KeySheet(QDialog):
    """All commands in columns with their keys. Press a key's button, then the new key."""

    def __init__(self, keymap: Keymap, parent: QWidget) -> None:
        super().__init__(parent)
        self.keymap = keymap
        self.changed = False
        self.setWindowTitle("Keys")
        self.buttons: dict[str, QPushButton] = {}
        self._waiting: str | None = None
        self._word = QLabel("Click a key to change it.")
        self._word.setProperty("role", "muted")
        self._word.setWordWrap(True)
        self.defaults = QPushButton("Reset to defaults")
        press_by_enter(self.defaults)
        self.defaults.clicked.connect(self._reset)
        page = QWidget()
        columns = QHBoxLayout(page)
        columns.setSpacing(34)
        columns.setContentsMargins(4, 4, 14, 4)
        for names in COLUMNS:
            column = QVBoxLayout()
            column.setSpacing(2)
            for name in names:
                self._section(column, name)
            column.addStretch(1)
            columns.addLayout(column)
        area = QScrollArea()
        area.setAccessibleName("All keys")
        area.setWidget(page)
        area.setWidgetResizable(True)
        area.setFrameShape(QScrollArea.Shape.NoFrame)
        close = QPushButton("Close")
        close.clicked.connect(self.accept)
        foot = QHBoxLayout()
        foot.addWidget(question_mark())
        foot.addWidget(self._word, 1)
        foot.addWidget(self.defaults)
        foot.addWidget(close)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(20, 16, 20, 14)
        layout.addWidget(area, 1)
        layout.addLayout(foot)
        fit_width(self, area, columns, QSize(1120, 640))

    def _section(self, column: QVBoxLayout, name: str) -> None:
        commands = [c for c in self.keymap.commands.values() if _section_of(c) == name]
        if not commands:
            return
        heading = QLabel(name)
        heading.setProperty("role", "heading")
        column.addSpacing(8)
        column.addWidget(heading)
        grid = QGridLayout()
        grid.setHorizontalSpacing(14)
        grid.setVerticalSpacing(1)
        grid.setColumnStretch(1, 1)
        grid.setColumnMinimumWidth(0, 96)
        for n, command in enumerate(commands):
            button = QPushButton()
            press_by_enter(button)
            button.setStyleSheet("padding: 1px 6px;")
            button.setAccessibleName(f"Key of {command.text}")
            button.clicked.connect(lambda _, id=command.id: self._ask(id))
            button.installEventFilter(self)
            self.buttons[command.id] = button
            grid.addWidget(button, n, 0)
            grid.addWidget(QLabel(command.text.rstrip("…")), n, 1)
            self._write(command.id)
        column.addLayout(grid)

    def _write(self, id: str) -> None:
        keys = self.keymap.keys(id)
        self.buttons[id].setText(all_spoken(keys) or "—")
        self.defaults.setEnabled(bool(self.keymap.own()))

    def _reset(self) -> None:
        self._waiting = None
        self.changed = self.changed or bool(self.keymap.own())
        self.keymap.reset()
        for id in self.buttons:
            self._write(id)
        self._word.setText("All keys are the shipped ones again.")

    def _ask(self, id: str) -> None:
        if self._waiting is not None:
            self._write(self._waiting)
        self._waiting = id
        self.buttons[id].setText("press a key")
        self._word.setText("Press the new key. Escape leaves it, Delete takes it away.")

    def eventFilter(self, watched: QObject | None, event: QEvent | None) -> bool:
        if self._waiting is None or not isinstance(event, QKeyEvent):
            return False
        if event.type() == QEvent.Type.ShortcutOverride:
            event.accept()
            return True
        if event.type() != QEvent.Type.KeyPress or event.key() in MODIFIERS:
            return False
        id, self._waiting = self._waiting, None
        self._take(id, event)
        return True

    def _take(self, id: str, event: QKeyEvent) -> None:
        text = self.keymap.commands[id].text
        self._word.setText("Click a key to change it.")
        if event.key() != Qt.Key.Key_Escape:
            gone = event.key() == Qt.Key.Key_Delete
            pressed = QKeySequence(event.keyCombination()).toString()
            try:
                self.keymap.rebind(id, [] if gone else [pressed])
                self.changed = True
                now = all_spoken(self.keymap.keys(id)) or "no key"
                self._word.setText(f"“{text}” has {now} now.")
            except InputError as error:
                self._word.setText(str(error)[:1].upper() + str(error)[1:])
        self._write(id)


def spoken(key: str) -> str:
    """A key as it is written on the keyboard."""
    signs = {"Left": "←", "Right": "→", "Up": "↑", "Down": "↓", "Pgdown": "PgDn", "Pgup": "PgUp"}
    held, plus, last = key.rpartition("+")
    return f"{held}{plus}{signs.get(last, last)}"


def all_spoken(keys: Iterable[str]) -> str:
    """Keys side by side, each once."""
    return "  ".join(dict.fromkeys(spoken(k) for k in keys))


def _section_of(command: Command) -> str:
    if command.id.startswith("class."):
        return "Classes"
    return command.menu if command.menu in MENUS else "View"
