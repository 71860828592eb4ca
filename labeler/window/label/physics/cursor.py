"""One cursor for the pattern and all panes of physics: a place about the beam, and its marks.

Knows where the cursor is and draws it on the pattern; what lies under it is each pane's matter.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from PyQt6.QtCore import QEvent, QObject, QPointF, QRectF, Qt, pyqtSignal
from PyQt6.QtGui import QColor, QPainter, QPaintEvent, QPen
from PyQt6.QtWidgets import QWidget

from labeler.window.label.pattern.pattern import PatternView
from labeler.window.widgets import theme


@dataclass(frozen=True)
class Spot:
    """Rings about the beam by their radii in pixels of the shot, and the angle where it is known.

    Angles run from +x towards +y, which is down on the screen. Two rings: a pair of the map.
    """

    radii: tuple[float, ...]
    angle: float | None = None

    @classmethod
    def at(cls, y: float, x: float) -> Spot:
        """The place (y, x) pixels from the beam."""
        return cls((math.hypot(y, x),), math.atan2(y, x) % (2 * math.pi))

    def place(self) -> tuple[float, float] | None:
        """(y, x) pixels from the beam; None where only a ring is known."""
        if self.angle is None:
            return None
        return self.radii[0] * math.sin(self.angle), self.radii[0] * math.cos(self.angle)


class PhysicsPointer(QObject):
    """Where the cursor is, for everybody; `moved` says so, with None where it is nowhere."""

    moved = pyqtSignal(object)

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self.spot: Spot | None = None
        self.owner: QObject | None = None

    def put(self, spot: Spot | None, owner: QObject) -> None:
        """The pointer of `owner` is at another place, or has left it."""
        if spot is None and self.owner is not owner:
            return
        if spot != self.spot or owner is not self.owner:
            self.spot, self.owner = spot, owner
            self.moved.emit(spot)


class PatternMarks(QWidget):
    """Lies over the pattern, lets every click through and draws what a pane points at."""

    def __init__(self, pattern: PatternView, cursor: PhysicsPointer) -> None:
        super().__init__(pattern)
        self._pattern, self._cursor = pattern, cursor
        self._shown = False
        self.setAttribute(Qt.WidgetAttribute.WA_TransparentForMouseEvents)
        self.setAttribute(Qt.WidgetAttribute.WA_NoSystemBackground)
        self.setAccessibleName("Place that a pane points at")
        pattern.installEventFilter(self)
        pattern.pointed.connect(self._pointed)
        cursor.moved.connect(self._moved)
        self.setGeometry(pattern.rect())

    def eventFilter(self, watched: QObject | None, event: QEvent | None) -> bool:
        """Stay as large as the pattern."""
        if event is not None and event.type() == QEvent.Type.Resize:
            self.setGeometry(self._pattern.rect())
        return False

    def _pointed(self, pixel: tuple[int, int] | None) -> None:
        if pixel is None:
            self._cursor.put(None, self._pattern)
            return
        y, x = self._pattern.centre()
        self._cursor.put(Spot.at(pixel[0] - y, pixel[1] - x), self._pattern)

    def _moved(self, spot: Spot | None) -> None:
        shown = spot is not None and self._cursor.owner is not self._pattern
        if shown or self._shown:
            self._shown = shown
            self.update()

    def paintEvent(self, event: QPaintEvent | None) -> None:
        spot = self._cursor.spot
        if spot is None or not self._shown:
            return
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        middle, scale = self._pattern.beam()
        for pen in (QPen(QColor(0, 0, 0, 140), 3.0), QPen(theme.colour("accent"), 1.3)):
            painter.setPen(pen)
            painter.setBrush(Qt.BrushStyle.NoBrush)
            for radius in spot.radii:
                painter.drawEllipse(middle, radius * scale, radius * scale)
            at = spot.place()
            if at is not None:
                y, x = (v * scale for v in at)
                painter.drawEllipse(QRectF(middle.x() + x - 4, middle.y() + y - 4, 8, 8))
                painter.drawLine(middle, middle + QPointF(x, y) * 0.985)
        painter.end()
