"""The latest shot of each class as a small picture, with how sure the run is; painted by hand."""

from __future__ import annotations

import base64
from typing import Any

from PyQt6.QtCore import QRectF, QSize, Qt
from PyQt6.QtGui import QImage, QPainter, QPaintEvent, QPen
from PyQt6.QtWidgets import QSizePolicy, QWidget

from labeler.window.widgets import theme
from labeler.window.widgets.parts import share

GAP, WORDS = 10, 36
"""Space between two pictures, and height of what stands below each, in pixels."""
SIDES, ROOMY = (72, 112), 900
"""Side of a picture in windows lower than `ROOMY`, and in others."""


class Examples(QWidget):
    """One picture a class in a row, the newest classes first where space is short."""

    def __init__(self) -> None:
        super().__init__()
        self.setAccessibleName("Latest example of each class")
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        self.side = SIDES[0]
        self.shown: dict[str, tuple[QImage, dict[str, Any]]] = {}

    def sizeHint(self) -> QSize:
        return QSize(400, self.side + WORDS)

    def show_examples(self, examples: dict[str, dict[str, Any]]) -> None:
        """Show these; each with `picture` (8 bits, base64), `height`, `width`, `probability`."""
        self.shown = {
            name: (_image(one), one)
            if name not in self.shown or self.shown[name][1] is not one
            else self.shown[name]
            for name, one in examples.items()
        }
        said = (f"{name} {share(one['probability'])}" for name, (_, one) in self.shown.items())
        self.setAccessibleDescription(", ".join(said))
        window = self.window()
        self.side = SIDES[window is not None and window.height() >= ROOMY]
        self.setFixedHeight(self.side + WORDS)
        self.update()

    def paintEvent(self, event: QPaintEvent | None) -> None:
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.SmoothPixmapTransform)
        if not self.shown:
            painter.setPen(theme.colour("faint"))
            painter.drawText(self.rect(), int(Qt.AlignmentFlag.AlignVCenter), "None yet.")
        columns = max(1, (self.width() + GAP) // (self.side + GAP))
        newest = sorted(self.shown, key=lambda name: -float(self.shown[name][1]["since"]))[:columns]
        for k, name in enumerate(n for n in self.shown if n in newest):
            self._paint(painter, k * (self.side + GAP), name)
        painter.end()

    def _paint(self, painter: QPainter, x: int, name: str) -> None:
        image, one = self.shown[name]
        place = QRectF(x, 0, self.side, self.side)
        painter.fillRect(place, theme.colour("stage"))
        size = image.size().scaled(self.side, self.side, Qt.AspectRatioMode.KeepAspectRatio)
        inside = QRectF(
            x + (self.side - size.width()) / 2,
            (self.side - size.height()) / 2,
            size.width(),
            size.height(),
        )
        painter.drawImage(inside, image)
        painter.setPen(QPen(theme.colour("line"), 1))
        painter.drawRect(place.adjusted(0.5, 0.5, -0.5, -0.5))
        font = self.font()
        font.setPointSizeF(font.pointSizeF() * 0.88)
        painter.setFont(font)
        painter.setPen(theme.colour("text"))
        words = painter.fontMetrics().elidedText(name, Qt.TextElideMode.ElideRight, self.side)
        left = int(Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignVCenter)
        painter.drawText(QRectF(x, self.side + 2, self.side, 17), left, words)
        painter.setPen(theme.colour("muted"))
        text = f"{share(one['probability'])} · {one['id']}"
        painter.drawText(
            QRectF(x, self.side + 18, self.side, 17), left,
            painter.fontMetrics().elidedText(text, Qt.TextElideMode.ElideRight, self.side),
        )  # fmt: skip


def _image(one: dict[str, Any]) -> QImage:
    data = base64.b64decode(one["picture"])
    height, width = int(one["height"]), int(one["width"])
    return QImage(data, width, height, width, QImage.Format.Format_Grayscale8).copy()
