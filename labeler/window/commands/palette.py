"""The command palette: type a few letters of any command and press Enter."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from PyQt6.QtCore import QEvent, QObject, QRectF, QSize, Qt
from PyQt6.QtGui import QKeyEvent, QPainter
from PyQt6.QtWidgets import (
    QFrame,
    QLineEdit,
    QListWidget,
    QListWidgetItem,
    QStyle,
    QStyledItemDelegate,
    QStyleOptionViewItem,
    QVBoxLayout,
    QWidget,
)

from labeler.window.commands import Command
from labeler.window.widgets import theme
from labeler.window.widgets.parts import focused, label, leave

WIDTH, HEIGHT = 560, 400
KEYS = Qt.ItemDataRole.UserRole + 1


class _Line(QStyledItemDelegate):
    """A command at the left, its menu faint behind it, its key at the right."""

    def sizeHint(self, option: QStyleOptionViewItem, index: object) -> QSize:
        return QSize(100, theme.grown(30))

    def paint(self, painter: QPainter | None, option: QStyleOptionViewItem, index: object) -> None:
        if painter is None:
            return
        painter.save()
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        box = QRectF(option.rect)
        if option.state & QStyle.StateFlag.State_Selected:
            painter.setPen(Qt.PenStyle.NoPen)
            painter.setBrush(theme.colour("select"))
            painter.drawRoundedRect(box.adjusted(4, 1, -4, -1), 5, 5)
        middle = Qt.AlignmentFlag.AlignVCenter
        painter.setPen(theme.colour("text"))
        words = box.adjusted(16, 0, -theme.grown(130), 0)
        painter.drawText(words, Qt.AlignmentFlag.AlignLeft | middle, index.data())  # type: ignore[attr-defined]
        painter.setPen(theme.colour("muted"))
        keys = index.data(KEYS)  # type: ignore[attr-defined]
        painter.drawText(box.adjusted(0, 0, -16, 0), Qt.AlignmentFlag.AlignRight | middle, keys)
        painter.restore()


class Palette(QFrame):
    """A field over a list in the upper middle; Escape or a click beside it ends it."""

    def __init__(
        self,
        host: QWidget,
        commands: Sequence[tuple[Command, str]],
        run: Callable[[str], None],
    ) -> None:
        super().__init__(host)
        self.setObjectName("popup")
        self.setAttribute(Qt.WidgetAttribute.WA_StyledBackground)
        self.setAccessibleName("All commands")
        self._before = focused(host)
        self._commands = commands
        self._run = run
        self.field = QLineEdit()
        self.field.setProperty("role", "bare")
        self.field.setPlaceholderText("Type a command…")
        self.field.setAccessibleName("Command")
        self.list = QListWidget()
        self.list.setItemDelegate(_Line(self.list))
        self.list.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        self.list.setAccessibleName("Matching commands")
        layout = QVBoxLayout(self)
        layout.setContentsMargins(1, 1, 1, 7)
        layout.setSpacing(0)
        layout.addWidget(self.field)
        self.none = label("No command has all of these words.", "muted")
        self.none.setContentsMargins(16, 8, 16, 8)
        layout.addWidget(self.none, 0, Qt.AlignmentFlag.AlignTop)
        layout.addWidget(self.list, 1)
        self.field.textChanged.connect(self._match)
        self.field.installEventFilter(self)
        self.list.itemClicked.connect(self._choose)
        self._match("")
        width = min(theme.grown(WIDTH), host.width() - 40)
        height = min(theme.grown(HEIGHT), host.height() - 120)
        self.setGeometry((host.width() - width) // 2, 70, width, height)
        self.show()
        self.raise_()
        self.field.setFocus()

    def _match(self, text: str) -> None:
        """Commands with all the words; those that begin as it was typed come first."""
        self.list.clear()
        words = text.casefold().split()

        def begins_so(found: tuple[Command, str]) -> bool:
            return found[0].text.casefold().startswith(" ".join(words))

        for command, keys in sorted(self._commands, key=begins_so, reverse=True):
            searched = f"{command.menu} {command.text}".casefold()
            if all(w in searched for w in words):
                item = QListWidgetItem(command.text.rstrip("…"))
                item.setData(Qt.ItemDataRole.UserRole, command.id)
                item.setData(KEYS, keys)
                self.list.addItem(item)
        self.list.setCurrentRow(0)
        self.none.setVisible(not self.list.count())
        self.list.setVisible(self.list.count() > 0)

    def _choose(self, item: QListWidgetItem | None) -> None:
        if item is not None:
            self.finish()
            self._run(str(item.data(Qt.ItemDataRole.UserRole)))

    def finish(self) -> None:
        """Go away."""
        self.field.removeEventFilter(self)
        leave(self, self._before)

    def eventFilter(self, watched: QObject | None, event: QEvent | None) -> bool:
        if isinstance(event, QKeyEvent) and event.type() == QEvent.Type.KeyPress:
            return self._pressed(event.key())
        if event is not None and event.type() == QEvent.Type.FocusOut:
            self.finish()
        return False

    def _pressed(self, key: int) -> bool:
        steps = {Qt.Key.Key_Down: 1, Qt.Key.Key_Up: -1, Qt.Key.Key_PageDown: 8}
        steps[Qt.Key.Key_PageUp] = -8
        if key == Qt.Key.Key_Escape:
            self.finish()
        elif key in (Qt.Key.Key_Return, Qt.Key.Key_Enter):
            self._choose(self.list.currentItem())
        elif key in steps:
            row = self.list.currentRow() + steps[Qt.Key(key)]
            self.list.setCurrentRow(min(max(row, 0), self.list.count() - 1))
        else:
            return False
        return True
