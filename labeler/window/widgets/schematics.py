"""Schematics of classes as arrays, for pictures that are drawn without a window."""

from __future__ import annotations

import sys
from importlib import resources

import numpy as np
import numpy.typing as npt

from labeler.window.process.screen import paint_unseen

_alive: list[object] = []


def need_application() -> None:
    """Qt's application, which must outlive every picture; without a screen where there is no window
    yet."""
    from PyQt6.QtWidgets import QApplication

    if QApplication.instance() is None:
        paint_unseen()
        _alive.append(QApplication(sys.argv[:1]))


def render(name: str, side: int) -> npt.NDArray[np.uint8]:
    """A drawing of `resources/schematics` as RGBA (side, side, 4); KeyError without it."""
    from PyQt6.QtCore import QByteArray, QRectF, Qt
    from PyQt6.QtGui import QImage, QPainter
    from PyQt6.QtSvg import QSvgRenderer

    need_application()
    file = resources.files("resources") / "schematics" / name
    if not file.is_file():
        raise KeyError(name)
    image = QImage(side, side, QImage.Format.Format_RGBA8888)
    image.fill(Qt.GlobalColor.transparent)
    painter = QPainter(image)
    QSvgRenderer(QByteArray(file.read_bytes())).render(painter, QRectF(0, 0, side, side))
    painter.end()
    bits = image.constBits()
    assert bits is not None
    flat = np.frombuffer(bits.asstring(image.sizeInBytes()), np.uint8)
    return flat.reshape(side, image.bytesPerLine() // 4, 4)[:, :side].copy()
