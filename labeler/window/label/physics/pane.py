"""What every pane of physics has: a title, a picture unless it draws, a place under the pointer.

A pane takes a shot, keeps what it computed of it and paints that; it never asks for a shot.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import numpy.typing as npt
from PyQt6.QtCore import QEvent, QPointF, QRectF, Qt
from PyQt6.QtGui import QColor, QFont, QImage, QMouseEvent, QPainter, QPaintEvent, QPen
from PyQt6.QtWidgets import QSizePolicy, QWidget

from labeler.window.label.physics.cursor import PhysicsPointer, Spot
from labeler.window.widgets import theme
from labeler.window.widgets.parts import image_of
from model.physics import profiles
from model.preprocessing.display import Overlay, Screen
from model.shots.layouts import Geometry

Pixels = npt.NDArray[np.uint32]
TEXT_WIDTH = 60
"""Where so much is free beside a square, its title stands there and not on it."""
EDGE = 5
"""Points between the edge of a pane and its drawing."""

LEAST = 60
"""No pane is narrower or lower."""


@dataclass(frozen=True)
class Shown:
    """The shot on screen as the panes see it."""

    small: profiles.Small
    geometry: Geometry
    screen: Screen
    overlay: Overlay
    heat: npt.NDArray[np.float32] | None = None
    """(R, R) in [0, 1] of a class on the correlation map, where a run reads maps."""

    @property
    def reach(self) -> float:
        """Outer edge of the last ring, in pixels of the shot."""
        return float(min(self.small.counts.shape) / 2 * self.small.factor)


class Pane(QWidget):
    """A picture, or a drawing, with its title; the pointer on it moves the cursor of all.

    A pane makes a `picture` and a `mark` on it, or else its own `compute` and `draw`.
    """

    name: ClassVar[str]
    """As in `labeler.session.display.Panes`."""
    title: ClassVar[str]
    about: ClassVar[str]
    """What it shows, for the tooltip."""
    narrowest: ClassVar[int] = LEAST
    stretch: ClassVar[int] = 1
    """Share of the strip's width."""
    tall: ClassVar[int] = 1
    """Share of the column's height, beside the pattern."""
    square: ClassVar[bool] = True
    """Whether its axes are alike."""

    def __init__(self, cursor: PhysicsPointer, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.pointer = cursor
        self.shown: Shown | None = None
        self.trouble = ""
        self._pixels: Pixels = np.zeros((1, 1), np.uint32)
        self._image = QImage()
        self.setAccessibleName(self.title)
        self.setToolTip(self.about)
        self.setMouseTracking(True)
        self.setAttribute(Qt.WidgetAttribute.WA_OpaquePaintEvent)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Expanding)
        self.setMinimumSize(LEAST, LEAST)
        cursor.moved.connect(lambda spot: self.update())

    # -- what to draw --------------------------------------------------------------------------

    def take(self, shown: Shown | None, trouble: str = "") -> None:
        """Compute what this pane shows of a shot; without one, say why there is nothing."""
        self.shown, self.trouble = shown, trouble
        if shown is not None:
            self.compute(shown)
        self.setAccessibleDescription(trouble or self.words())
        self.update()

    def compute(self, shown: Shown) -> None:
        """Keep what `draw` needs of the shot."""
        self._pixels = np.ascontiguousarray(self.picture(shown))
        self._image = image_of(self._pixels, borrowed=True)

    def picture(self, shown: Shown) -> Pixels:
        """(y, x) 0xffRRGGBB."""
        raise NotImplementedError

    def draw(self, painter: QPainter, area: QRectF) -> None:
        """Paint it, and the cursor's mark on it."""
        target = self.target(area)
        painter.setRenderHint(QPainter.RenderHint.SmoothPixmapTransform)
        painter.drawImage(target, self._image)
        painter.save()
        painter.setClipRect(target)
        self.over(painter, target)
        spot = self.pointer.spot
        if spot is not None:
            for pen in mark_pens():
                painter.setPen(pen)
                self.mark(painter, target, spot)
        painter.restore()
        if target.left() - area.left() >= TEXT_WIDTH:
            self._write_beside(painter, area, target)
        else:
            self.tag(painter, target.topLeft() + QPointF(3, 3), self.title)
            self.tag(painter, target.topRight() + QPointF(-3, 3), self.words(), right=True)

    def over(self, painter: QPainter, target: QRectF) -> None:
        """What lies on the picture."""

    def mark(self, painter: QPainter, target: QRectF, spot: Spot) -> None:
        """Draw the cursor with the painter's pen."""
        raise NotImplementedError

    def spot_at(self, point: QPointF) -> Spot | None:
        """What lies under a point of the widget."""
        raise NotImplementedError

    def words(self) -> str:
        """The numbers of the shot, in words; '' where there are none."""
        return ""

    def least_width(self, height: int) -> int:
        """What it needs in a strip of this height: a square, and its title beside it."""
        return height + TEXT_WIDTH if self.square else self.narrowest

    def area(self) -> QRectF:
        """Where the drawing may go."""
        return QRectF(self.rect()).adjusted(EDGE, EDGE, -EDGE, -EDGE)

    def target(self, area: QRectF) -> QRectF:
        """Where the picture lies."""
        if not self.square:
            return area
        scale = min(area.width() / self._image.width(), area.height() / self._image.height())
        width, height = self._image.width() * scale, self._image.height() * scale
        spare = area.width() - width
        left = area.left() + (spare if spare >= TEXT_WIDTH else spare / 2)
        return QRectF(left, area.center().y() - height / 2, width, height)

    def shares(self, point: QPointF) -> tuple[float, float] | None:
        """(down, across) of a point in shares of the picture; None beside it."""
        target = self.target(self.area())
        if not target.contains(point) or target.isEmpty():
            return None
        x, y = point.x() - target.left(), point.y() - target.top()
        return y / target.height(), x / target.width()

    def _write_beside(self, painter: QPainter, area: QRectF, target: QRectF) -> None:
        """Title and numbers in the free room at the left of a small square."""
        room = QRectF(area.left() + 3, area.top() + 1, target.left() - area.left() - 9, 200)
        flags = int(Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignTop)
        flags |= int(Qt.TextFlag.TextWordWrap)
        painter.setFont(self.small_font())
        for text, ink in ((self.title, "text"), (self.words(), "muted")):
            painter.setPen(theme.colour(ink))
            used = painter.drawText(room, flags, text)
            room.setTop((used or room).bottom() + 3)

    # -- hands ---------------------------------------------------------------------------------

    def mouseMoveEvent(self, event: QMouseEvent | None) -> None:
        if event is not None:
            spot = None if self.shown is None else self.spot_at(event.position())
            self.pointer.put(spot, self)

    def leaveEvent(self, event: QEvent | None) -> None:
        self.pointer.put(None, self)

    # -- painting ------------------------------------------------------------------------------

    def paintEvent(self, event: QPaintEvent | None) -> None:
        painter = QPainter(self)
        painter.fillRect(self.rect(), theme.colour("panel"))
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        if self.shown is not None:
            self.draw(painter, self.area())
        else:
            painter.setPen(theme.colour("faint"))
            flags = int(Qt.AlignmentFlag.AlignCenter | Qt.TextFlag.TextWordWrap)
            painter.setFont(self.small_font())
            painter.drawText(self.area(), flags, self.trouble)
        painter.end()

    def small_font(self) -> QFont:
        """Figures of equal width, a size below the window's."""
        return theme.numbers(self.font().pointSizeF() * 0.82)

    def tag(self, painter: QPainter, corner: QPointF, text: str, right: bool = False) -> None:
        """Text on a dark background, readable on any picture, at its top left (or right) corner."""
        if not text:
            return
        painter.setFont(self.small_font())
        box = QRectF(painter.fontMetrics().boundingRect(text)).adjusted(-4, -1, 4, 1)
        if right:
            box.moveTopRight(corner)
        else:
            box.moveTopLeft(corner)
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(QColor(0, 0, 0, 150))
        painter.drawRoundedRect(box, 3, 3)
        painter.setPen(QColor("#ececec"))
        painter.drawText(box, Qt.AlignmentFlag.AlignCenter, text)


def mark_pens() -> tuple[QPen, QPen]:
    """A dark halo and the accent: lines that show on any picture."""
    return QPen(QColor(0, 0, 0, 140), 3.0), QPen(theme.colour("accent"), 1.3)
