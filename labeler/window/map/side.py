"""Beside the map: how dots are coloured and what the colours mean, the shot under the cursor, and
the proposed clusters with their most typical shots. It paints what it is told.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from PyQt6.QtCore import QRectF, QSize, Qt, pyqtSignal
from PyQt6.QtGui import QColor, QImage, QPainter, QPaintEvent
from PyQt6.QtWidgets import QAbstractButton, QFrame, QScrollArea, QSizePolicy, QVBoxLayout, QWidget

from labeler.session.session import Session
from labeler.window.map.canvas import quiet_colour
from labeler.window.map.colours import QUIET, Entry
from labeler.window.widgets import theme
from labeler.window.widgets.focus import paint_ring
from labeler.window.widgets.parts import label, show_checked
from model.errors import counted

LINE, PICTURE, SHOWN = 22, 44, 4
PREVIEW = 132


def picture_of(session: Session, row: int) -> QImage | None:
    """The thumbnail of a shot; None while it is being made, and where there can be none."""
    if session.shots.feed is None or row < 0:
        return None
    found = session.shots.feed.thumbnail(row)
    if not isinstance(found, np.ndarray):
        return None
    height, width = found.shape
    data = np.ascontiguousarray(found).tobytes()
    return QImage(data, width, height, width, QImage.Format.Format_Grayscale8).copy()


class _Line(QAbstractButton):
    """A line of the legend; pressed down, its colour alone is bright."""

    def __init__(self, entry: Entry) -> None:
        super().__init__()
        self.entry = entry
        self.setCheckable(True)
        self.setFixedHeight(theme.grown(LINE))
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        self.setAttribute(Qt.WidgetAttribute.WA_Hover)
        said = f"{entry.text}: {counted(entry.count, 'shot')}"
        said += f" in this colour; {entry.about}" if entry.about else ""
        self.setAccessibleName(said)
        self.setToolTip(f"{said}. Click: only these bright")

    def paintEvent(self, event: QPaintEvent | None) -> None:
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setPen(Qt.PenStyle.NoPen)
        if self.isChecked() or self.underMouse():
            painter.setBrush(theme.colour("select" if self.isChecked() else "hover"))
            painter.drawRoundedRect(QRectF(self.rect()).adjusted(0, 1, 0, -1), 4, 4)
        quiet = self.entry.colour == QUIET
        ink = quiet_colour(theme.colour("stage")) if quiet else QColor(self.entry.colour)
        painter.setBrush(ink)
        painter.drawEllipse(QRectF(8, theme.grown(LINE) / 2 - 4.5, 9, 9))
        words = self.rect().adjusted(26, 0, -64, 0)
        number = self.rect().adjusted(0, 0, -8, 0)
        middle = Qt.AlignmentFlag.AlignVCenter
        painter.setPen(theme.colour("text" if self.entry.count else "faint"))
        elide = Qt.TextElideMode.ElideRight
        text = painter.fontMetrics().elidedText(self.entry.text, elide, words.width())
        painter.drawText(words, int(middle), text)
        painter.setFont(theme.numbers(self.font().pointSizeF()))
        painter.setPen(theme.colour("muted" if self.entry.count else "faint"))
        painter.drawText(number, int(middle | Qt.AlignmentFlag.AlignRight), f"{self.entry.count:,}")
        if self.hasFocus():
            paint_ring(painter, self)
        painter.end()


class Legend(QWidget):
    """What the colours mean. `lit` with the code that shall be bright alone, or None."""

    lit = pyqtSignal(object)

    def __init__(self) -> None:
        super().__init__()
        self.chosen: int | None = None
        self._lines: list[_Line] = []
        self._entries: tuple[Entry, ...] = ()
        self._box = QVBoxLayout(self)
        self._box.setContentsMargins(0, 0, 0, 0)
        self._box.setSpacing(0)

    def show_entries(self, entries: tuple[Entry, ...]) -> None:
        """Show a legend; the same texts keep the choice."""
        if entries == self._entries:
            return
        same = [e.text for e in entries] == [e.text for e in self._entries]
        if not same and self.chosen is not None:
            self.chosen = None
            self.lit.emit(None)
        self._entries = entries
        for line in self._lines:
            line.hide()
            line.deleteLater()
        self._lines = [_Line(entry) for entry in entries]
        for line, code in self._coded():
            line.setChecked(code == self.chosen)
            line.toggled.connect(lambda on, code=code: self._choose(code if on else None))
            self._box.addWidget(line)

    def _coded(self) -> list[tuple[_Line, int]]:
        """Each line with the code of its points: its place, -1 for that of the quiet ones."""
        return [
            (line, -1 if line.entry.colour == QUIET else k) for k, line in enumerate(self._lines)
        ]

    def _choose(self, code: int | None) -> None:
        self.chosen = code
        for line, its in self._coded():
            show_checked(line, its == code)
        self.lit.emit(code)


class ClusterCard(QAbstractButton):
    """A proposed cluster: its number, how many shots, what they are, its most typical shots."""

    def __init__(
        self, session: Session, number: int, count: int, about: str, typical: npt.NDArray[np.int64]
    ) -> None:
        super().__init__()
        self.session, self.number, self.count, self.about = session, number, count, about
        self.typical = [int(row) for row in typical[:SHOWN]]
        self.setFixedHeight(PICTURE + theme.grown(34))
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        self.setAttribute(Qt.WidgetAttribute.WA_Hover)
        text = f"Cluster {number + 1}: {counted(count, 'shot')}{', ' + about if about else ''}"
        self.setAccessibleName(text)
        self.setToolTip(f"{text}. Click to select them")

    def sizeHint(self) -> QSize:
        return QSize(220, PICTURE + theme.grown(34))

    def paintEvent(self, event: QPaintEvent | None) -> None:
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.SmoothPixmapTransform)
        if self.underMouse():
            painter.setPen(Qt.PenStyle.NoPen)
            painter.setBrush(theme.colour("hover"))
            painter.drawRoundedRect(QRectF(self.rect()), 5, 5)
        head = QRectF(8, 3, self.width() - 16, 22)
        middle = Qt.AlignmentFlag.AlignVCenter
        painter.setPen(theme.colour("text"))
        painter.setFont(theme.font(self.font().pointSizeF(), bold=True))
        painter.drawText(head, int(middle), str(self.number + 1))
        painter.setFont(theme.numbers(self.font().pointSizeF()))
        painter.drawText(head.adjusted(22, 0, 0, 0), int(middle), counted(self.count, "shot"))
        painter.setPen(theme.colour("muted"))
        painter.drawText(head, int(middle | Qt.AlignmentFlag.AlignRight), self.about)
        for k, row in enumerate(self.typical):
            where = QRectF(8 + k * (PICTURE + 6), 26, PICTURE, PICTURE)
            picture = picture_of(self.session, row)
            painter.fillRect(where, theme.colour("stage"))
            if picture is not None:
                painter.drawImage(where, picture)
        if self.hasFocus():
            paint_ring(painter, self)
        painter.end()


class ClusterList(QScrollArea):
    """All proposed clusters; `chosen` with the number of the one that was clicked."""

    chosen = pyqtSignal(int)

    def __init__(self, session: Session) -> None:
        super().__init__()
        self.session = session
        self.cards: list[ClusterCard] = []
        self._inner = QWidget()
        self._box = QVBoxLayout(self._inner)
        self._box.setContentsMargins(0, 0, 4, 0)
        self._box.setSpacing(4)
        self._box.addStretch(1)
        self.setWidget(self._inner)
        self.setWidgetResizable(True)
        self.setFrameShape(QFrame.Shape.NoFrame)
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        session.shots.thumbnail_ready.connect(self._arrived)
        session.shots.preparation_changed.connect(self._inner.update)

    def show_clusters(
        self, clusters: list[tuple[int, str, npt.NDArray[np.int64]]], shown: bool
    ) -> None:
        """(count, what they mostly are, typical rows) of each; the same ones only change words."""
        self.setVisible(shown and bool(clusters))
        if [len(c[2]) for c in clusters] == [len(c.typical) for c in self.cards]:
            for card, (count, about, _) in zip(self.cards, clusters, strict=True):
                card.count, card.about = count, about
                card.update()
            return
        for card in self.cards:
            card.hide()
            card.deleteLater()
        self.cards = []
        for number, (count, about, typical) in enumerate(clusters):
            card = ClusterCard(self.session, number, count, about, typical)
            card.clicked.connect(lambda _, number=number: self.chosen.emit(number))
            self._box.insertWidget(number, card)
            self.cards.append(card)
        self._inner.setMinimumHeight(len(self.cards) * (PICTURE + theme.grown(38)))

    def _arrived(self, row: int) -> None:
        for card in self.cards:
            if row in card.typical:
                card.update()


class HoverCard(QFrame):
    """The shot under the cursor, beside its dot."""

    def __init__(self, session: Session, host: QWidget) -> None:
        super().__init__(host)
        self.session, self.row = session, -1
        self.setObjectName("popup")
        self.setAttribute(Qt.WidgetAttribute.WA_StyledBackground)
        self.setAttribute(Qt.WidgetAttribute.WA_TransparentForMouseEvents)
        self.title, self.text = label(role="heading"), label(role="muted", wrap=True)
        self.text.setFixedWidth(theme.grown(PREVIEW))
        layout = QVBoxLayout(self)
        layout.setContentsMargins(9, theme.grown(PREVIEW) + 16, 9, 9)
        layout.setSpacing(1)
        layout.addWidget(self.title)
        layout.addWidget(self.text)
        session.shots.thumbnail_ready.connect(
            lambda row: self.update() if row == self.row else None
        )
        self.hide()

    def show_shot(self, row: int, x: float, y: float, about: str) -> None:
        """Show a shot near a point of the host, or nothing for row -1."""
        self.row = row
        host = self.parentWidget()
        if row < 0 or host is None:
            self.hide()
            return
        self.title.setText(f"Shot {row + 1:,}")
        self.text.setText(about)
        self.adjustSize()
        left = x + 16 if x + 16 + self.width() < host.width() else x - 16 - self.width()
        top = min(max(y - self.height() / 2, 8), host.height() - self.height() - 8)
        self.move(round(left), round(top))
        self.show()
        self.update()

    def paintEvent(self, event: QPaintEvent | None) -> None:
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.SmoothPixmapTransform)
        where = QRectF(9, 9, theme.grown(PREVIEW), theme.grown(PREVIEW))
        painter.fillRect(where, theme.colour("stage"))
        picture = picture_of(self.session, self.row)
        if picture is not None:
            painter.drawImage(where, picture)
        painter.end()
