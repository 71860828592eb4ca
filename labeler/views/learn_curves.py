"""Learning curves: losses on the left, scores on the right, over the epochs of one run."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pyqtgraph as pg
from PyQt6.QtCore import QEvent, QSize, Qt
from PyQt6.QtGui import QPainter, QPaintEvent, QPen
from PyQt6.QtWidgets import QHBoxLayout, QVBoxLayout, QWidget

from labeler.reports import MACRO, MICRO, RARE, Curves
from labeler.views import theme
from labeler.views.parts import label


@dataclass(frozen=True)
class Line:
    """One curve: its name in the events, its text, its ink and dashes (never colour alone)."""

    name: str
    text: str
    ink: str
    dashes: tuple[float, ...] = ()

    def pen(self) -> QPen:
        """The pen that draws it, in the theme in use."""
        pen = QPen(theme.colour(self.ink), 1.8)
        pen.setCosmetic(True)
        if self.dashes:
            pen.setDashPattern(list(self.dashes))
        return pen


LOSSES = (
    Line("training", "training shots", "accent"),
    Line("evaluation", "evaluation shots", "warning", (4, 2.5)),
)
SCORES = (
    Line(MACRO, "macro F1", "accent"),
    Line(RARE, "rare F1", "warning", (4, 2.5)),
    Line(MICRO, "accuracy", "muted", (1.5, 2)),
)


class CurvesView(QWidget):
    """Both plots, with a key above each."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.losses = _Plot("Loss", LOSSES)
        self.scores = _Plot("Scores on the evaluation shots", SCORES, (0.0, 1.0))
        layout = QHBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(18)
        layout.addWidget(self.losses, 1)
        layout.addWidget(self.scores, 1)

    def show_curves(self, curves: Curves) -> None:
        """Draw the curves of a run; empty ones clear the plots."""
        self.losses.show_lines(curves.epochs, curves.losses)
        self.scores.show_lines(curves.epochs, curves.metrics)


class _Plot(QWidget):
    def __init__(
        self, title: str, lines: tuple[Line, ...], bounds: tuple[float, float] | None = None
    ) -> None:
        super().__init__()
        self.lines = lines
        self.setAccessibleName(title)
        self.plot = pg.PlotWidget()
        self.plot.setMenuEnabled(False)
        self.plot.setMouseEnabled(x=False, y=False)
        self.plot.hideButtons()
        self.plot.setBackground(None)
        self.plot.setFrameShape(self.plot.Shape.NoFrame)
        self.plot.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        if bounds is not None:
            self.plot.setLimits(yMin=bounds[0] - 0.02, yMax=bounds[1] + 0.02)
        self.curves = [self.plot.plot() for _ in lines]
        self.keys = [_Key(line) for line in lines]
        head = QHBoxLayout()
        head.setSpacing(14)
        for key in self.keys:
            head.addWidget(key)
        head.addStretch(1)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(4)
        layout.addWidget(label(title, "heading"))
        layout.addLayout(head)
        layout.addWidget(self.plot, 1)
        self._dress()

    def show_lines(self, epochs: list[float], table: dict[str, list[float]]) -> None:
        for line, curve, key in zip(self.lines, self.curves, self.keys, strict=True):
            values = np.array(table.get(line.name, ()), float)
            known = np.isfinite(values)
            key.setVisible(bool(known.any()))
            # a single point would be no line at all
            symbol = "o" if known.sum() == 1 else None
            curve.setData(np.array(epochs, float)[known], values[known], symbol=symbol)
        last = max(epochs, default=1.0)
        self.plot.setXRange(min(epochs, default=0.0), max(last, 2.0), padding=0.02)

    def _dress(self) -> None:
        for side in ("left", "bottom"):
            axis = self.plot.getAxis(side)
            axis.setPen(theme.colour("edge"))
            axis.setTextPen(theme.colour("muted"))
            axis.setTickFont(theme.numbers(self.font().pointSizeF() * 0.9))
            axis.setStyle(tickLength=-4)
        self.plot.getAxis("left").setWidth(38)
        self.plot.getAxis("bottom").enableAutoSIPrefix(False)
        self.plot.setLabel("bottom", "epoch", color=theme.current().muted)
        self.plot.showGrid(x=False, y=True, alpha=0.12)
        for line, curve in zip(self.lines, self.curves, strict=True):
            curve.setPen(line.pen())
            curve.setSymbolBrush(theme.colour(line.ink))
            curve.setSymbolPen(None)
            curve.setSymbolSize(6)

    def changeEvent(self, event: QEvent | None) -> None:
        super().changeEvent(event)
        if event is not None and event.type() == QEvent.Type.PaletteChange:
            self._dress()


class _Key(QWidget):
    """A sample of a line with its name."""

    def __init__(self, line: Line) -> None:
        super().__init__()
        self.line = line
        self.setAccessibleName(line.text)

    def sizeHint(self) -> QSize:
        width = self.fontMetrics().horizontalAdvance(self.line.text)
        return QSize(width + 30, self.fontMetrics().height() + 2)

    def minimumSizeHint(self) -> QSize:
        return self.sizeHint()

    def paintEvent(self, event: QPaintEvent | None) -> None:
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setPen(self.line.pen())
        middle = self.height() // 2
        painter.drawLine(0, middle, 22, middle)
        painter.setPen(theme.colour("muted"))
        area = self.rect().adjusted(28, 0, 0, 0)
        painter.drawText(area, int(Qt.AlignmentFlag.AlignVCenter), self.line.text)
        painter.end()
