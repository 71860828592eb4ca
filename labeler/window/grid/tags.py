"""The foot of the grid: every class with its key, and how many of the selected shots have it."""

from __future__ import annotations

from collections.abc import Mapping

from PyQt6.QtCore import QRectF, QSize, Qt
from PyQt6.QtGui import QColor, QFontMetrics, QPainter, QPaintEvent, QPen
from PyQt6.QtWidgets import QAbstractButton, QFrame, QHBoxLayout, QSizePolicy, QVBoxLayout

from labeler.project.decisions import Tally
from labeler.session.selection import SelectedShots
from labeler.session.session import Session
from labeler.window.widgets import theme
from labeler.window.widgets.parts import empty, label
from model.taxonomy.taxonomy import Class

LINE = 34
"""Points: height of a line of buttons."""
A_LINE, LEAST = 13, 78
"""Buttons beside each other at most, and the width that a part of a name needs with its key."""
NAME, NUMBER = 0.94, 0.9
"""Letters of names and numbers to those of the window."""


class TagButton(QAbstractButton):
    """A class: key, name, number; filled where all selected shots have it, half where some do."""

    def __init__(self, kind: Class, most: int) -> None:
        super().__init__()
        self.kind, self.key, self.most = kind, "", most
        self.have, self.of = 0, 0
        self.room = 0
        """Pixels that its line has for it at most, 0 for all that it needs."""
        self.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        self.setSizePolicy(QSizePolicy.Policy.Preferred, QSizePolicy.Policy.Fixed)
        self.setFixedHeight(theme.grown(LINE))
        self.setAttribute(Qt.WidgetAttribute.WA_Hover)
        self.setMinimumWidth(theme.grown(54))

    def sizeHint(self) -> QSize:
        needed = self.needed_width()
        return QSize(min(needed, self.room) if self.room else needed, theme.grown(LINE))

    def needed_width(self) -> int:
        """Pixels in which key, name and number are whole when the `most` shots with it are
        selected."""
        size = self.font().pointSizeF()
        name = QFontMetrics(theme.font(size * NAME, bold=True)).horizontalAdvance(self.kind.name)
        number = QFontMetrics(theme.numbers(size * NUMBER)).horizontalAdvance(f"{self.most:,}")
        return name + number + theme.grown(30)

    def set_counts(self, have: int, of: int) -> None:
        """How many of the selected shots have the class."""
        self.have, self.of, self.most = have, of, max(self.most, have)
        self.setEnabled(of > 0)
        what = f"{have:,} of {of:,} selected shots" if of else "select shots first"
        self.setAccessibleName(f"{self.kind.name}: {what}")
        act = "Take it from all" if of and have == of else "Give it to all"
        key = f" ({self.key})" if self.key else ""
        about = f"{self.kind.name}{key}\n{self.kind.help}".strip()
        self.setToolTip(f"{self.kind.name}: {what}\n{act}{key}" if of else about)
        self.update()

    def paintEvent(self, event: QPaintEvent | None) -> None:
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        box = QRectF(self.rect()).adjusted(1.5, 1.5, -1.5, -1.5)
        full, some = self.of > 0 and self.have == self.of, self.have > 0
        background = "select" if full else "hover" if self.underMouse() and self.of else "panel"
        painter.setPen(QPen(theme.colour("accent" if full else "edge" if some else "line"), 1))
        painter.setBrush(theme.colour("press" if self.isDown() else background))
        painter.drawRoundedRect(box, 5, 5)
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(QColor(self.kind.colour))
        painter.setOpacity(1.0 if self.of else 0.45)
        painter.drawRoundedRect(QRectF(box.left() + 6, box.bottom() - 5, box.width() - 12, 2), 1, 1)
        painter.setOpacity(1.0)
        size = self.font().pointSizeF()
        line = box.adjusted(5, 0, -5, -4)
        middle = int(Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignVCenter)
        painter.setFont(theme.numbers(size * NUMBER))
        painter.setPen(theme.colour("text" if self.of else "muted"))
        painter.drawText(line, middle, self.key[:2])
        line = line.adjusted(theme.grown(13) if self.key else 0, 0, 0, 0)
        number = f"{self.have:,}" if some else ""
        right = painter.fontMetrics().horizontalAdvance(number)
        painter.drawText(
            line, int(Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter), number
        )
        painter.setFont(theme.font(size * NAME, bold=full))
        room = int(line.width() - right - 3)
        end = Qt.TextElideMode.ElideMiddle  # long names often differ at their ends
        text = painter.fontMetrics().elidedText(self.kind.name, end, room)
        painter.drawText(line, middle, text)
        painter.end()


def most_of_each(widths: list[int], room: int) -> int:
    """How wide each may be at most, so that all together have room: only the widest are cut."""
    for n, width in enumerate(sorted(widths)):
        share = room // (len(widths) - n)
        if width > share:
            return share
        room -= width
    return max(widths)


class TagBar(QFrame):
    """One button for each class, in the order of the class panel; many in several lines."""

    def __init__(self, session: Session, selection: SelectedShots) -> None:
        super().__init__()
        self.session, self.selection = session, selection
        self.setObjectName("footer")
        self.setAccessibleName("Classes of the selected shots")
        self.count = label(role="muted")
        self.buttons: dict[int, TagButton] = {}
        self._keys: Mapping[str, str] = {}
        self._each = 0
        self._lines: list[list[TagButton]] = []
        self._layout = QHBoxLayout(self)
        self._layout.setContentsMargins(10, 5, 10, 5)
        self._layout.setSpacing(3)
        session.project_changed.connect(self.rebuild)
        session.labels.labels_changed.connect(lambda rows: self.refresh())
        selection.changed.connect(self.refresh)
        self.rebuild()

    def rebuild(self) -> None:
        """Make the buttons of the project's taxonomy."""
        empty(self._layout, but=self.count)
        self.count.setMinimumWidth(self.count.fontMetrics().horizontalAdvance("none selected"))
        self.buttons = {}
        taxonomy = self.session.labels.taxonomy
        labels = self.session.labels
        most = Tally(labels.present, labels.status).classes(taxonomy)
        for index in labels.shown_classes:
            button = TagButton(taxonomy.classes[index], int(most[index]))
            button.key = self._keys.get(f"class.{button.kind.name}", "")
            button.clicked.connect(lambda _, i=index: self.selection.toggle(i))
            self.buttons[index] = button
        self._place()
        self.refresh()

    def _place(self) -> None:
        buttons = list(self.buttons.values())
        self._each = each = self._fitting()
        self._layout.addWidget(self.count)
        column = QVBoxLayout()
        column.setSpacing(3)
        self._layout.addLayout(column, 1)
        self._lines = [buttons[k : k + each] for k in range(0, len(buttons), each)]
        for together in self._lines:
            line = QHBoxLayout()
            line.setSpacing(3)
            for button in together:
                line.addWidget(button)
            column.addLayout(line)
        self._share_room()
        self.setFixedHeight(-(-len(buttons) // each) * (theme.grown(LINE) + 3) + 9)

    def show_keys(self, keys: Mapping[str, str]) -> None:
        """Write the keys in use on the buttons."""
        if keys != self._keys:
            self._keys = keys
            self.rebuild()

    def _fitting(self) -> int:
        """How many buttons go beside each other, so that all lines are about as long; one line more
        where the names else had no room."""
        widths = [button.needed_width() + 3 for button in self.buttons.values()]
        room = self._room()
        lines = -(-len(widths) // min(A_LINE, max(1, room // theme.grown(LEAST))))
        tried = [max(1, -(-len(widths) // max(n, 1))) for n in (lines, lines + 1)]
        for each in tried:  # none while no project is open
            if all(sum(widths[k : k + each]) <= room for k in range(0, len(widths), each)):
                return each
        return tried[0]

    def _room(self) -> int:
        return (self.width() or 1280) - self.count.minimumWidth() - 30

    def _share_room(self) -> None:
        """Where a line is too long, its longest names give way, and the short ones stay whole."""
        for together in self._lines:
            most = most_of_each([b.needed_width() + 3 for b in together], self._room()) - 3
            for button in together:
                if button.room != most:
                    button.room = most
                    button.updateGeometry()

    def resizeEvent(self, event: object) -> None:
        """Other lines where other room wants them."""
        if self.buttons and self._fitting() != self._each:
            self.rebuild()
        else:
            self._share_room()

    def refresh(self) -> None:
        """Count the classes of what is selected."""
        if not self.isVisible() and self.buttons and self.session.opened is not None:
            return
        if tuple(self.buttons) != self.session.labels.shown_classes:  # a shot carries a retired one
            self.rebuild()
            return
        have, n = self.selection.counts()
        self.count.setText(f"{n:,} selected" if n else "none selected")
        for index, button in self.buttons.items():
            button.set_counts(int(have[index]), n)
        if self.buttons and self._fitting() != self._each:  # a number has more digits now
            self.rebuild()
        else:
            self._share_room()

    def showEvent(self, event: object) -> None:
        self.refresh()

    def apply_theme(self) -> None:
        """Take the colours of the theme in use."""
        for button in self.buttons.values():
            button.update()
