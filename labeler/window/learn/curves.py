"""Learning curves: losses on the left, scores on the right, of one run or of several together."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pyqtgraph as pg
from PyQt6.QtCore import QEvent, QSize, Qt
from PyQt6.QtGui import QPainter, QPaintEvent, QPen
from PyQt6.QtWidgets import QHBoxLayout, QVBoxLayout, QWidget

from labeler.runs.run_report import BROKEN, MACRO, MICRO, RARE, Curves
from labeler.window.widgets import theme
from labeler.window.widgets.fields import ListField
from labeler.window.widgets.parts import label
from labeler.window.widgets.quiet_plot import QuietPlot, WholeNumbers


@dataclass(frozen=True)
class Curve:
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
    Curve("training", "training shots", "accent"),
    Curve("evaluation", "evaluation shots", "warning", (4, 2.5)),
)
SCORES = (
    Curve(MACRO, "macro F1", "accent"),
    Curve(RARE, "rare F1", "warning", (4, 2.5)),
    Curve(MICRO, "accuracy", "muted", (1.5, 2)),
)


RUNS: tuple[tuple[str, tuple[float, ...]], ...] = (
    ("accent", ()),
    ("warning", (4, 2.5)),
    ("good", (1.5, 2)),
    ("error", (7, 2, 1.5, 2)),
    ("text", (10, 3)),
)
"""Ink and dashes of runs that are drawn over each other."""
CHOICES = {MACRO: "macro F1", RARE: "rare F1", "macro_ap": "average precision", MICRO: "accuracy",
           BROKEN: "broken rules"}  # fmt: skip
"""Scores of which one is drawn for several runs."""
TITLE_HEIGHT = 28
"""Both titles are as high as the choice of the score, so that the plots stay level."""
MARGIN = 12
"""At the right of a plot, for the half of the last epoch's number that lies beyond the axis."""
Drawn = tuple[Curve, list[float], list[float]]
"""A curve with its epochs and values."""


class CurvesView(QWidget):
    """Both plots, with a key above each; the curves of one run, or of several over each other."""

    def __init__(self) -> None:
        super().__init__()
        self.losses = _Plot("Loss")
        self.scores = _Plot("Scores on the evaluation shots", (0.0, 1.0))
        self.score = ListField("Score to compare")
        for name, text in CHOICES.items():
            self.score.addItem(text, name)
        self.score.currentIndexChanged.connect(self._draw)
        self.scores.top.addWidget(self.score)
        self._runs: list[tuple[str, Curves]] = []
        layout = QHBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(18)
        layout.addWidget(self.losses, 1)
        layout.addWidget(self.scores, 1)
        self._draw()

    def show_runs(
        self,
        runs: Sequence[tuple[str, Curves]],
        constant: float | None = None,
        nothing: str = "",
    ) -> None:
        """Draw the curves of runs, each with its name; none clears the plots.

        `constant`: macro F1 of one constant answer, as a line across. `nothing`: why there are no
        curves.

        One run shows all its losses and scores; several show the loss of the training shots and
        one score each, at most five of them.
        """
        self._runs = list(runs)[: len(RUNS)]
        self.scores.show_constant(constant)
        for plot in (self.losses, self.scores):
            plot.nothing.setText(nothing)
        self._draw()

    def _draw(self) -> None:
        several = len(self._runs) > 1
        self.score.setVisible(several)
        self.scores.title.setText(
            "Evaluation shots" if several else "Scores on the evaluation shots"
        )
        if not several:
            _, curves = self._runs[0] if self._runs else ("", Curves())
            self.losses.show_lines(_of(curves, LOSSES, curves.losses))
            self.scores.show_lines(_of(curves, SCORES, curves.metrics))
            return
        name = self.score.currentData()
        losses: list[Drawn] = []
        scores: list[Drawn] = []
        for (text, curves), (ink, dashes) in zip(self._runs, RUNS, strict=False):
            line = Curve("", text, ink, dashes)
            losses.append((line, curves.epochs, curves.losses.get("training", [])))
            scores.append((line, curves.epochs, curves.metrics.get(name, [])))
        self.losses.show_lines(losses)
        self.scores.show_lines(scores)


def _of(curves: Curves, lines: Sequence[Curve], table: dict[str, list[float]]) -> list[Drawn]:
    return [(line, curves.epochs, table.get(line.name, [])) for line in lines]


class _Epochs(WholeNumbers):
    """An axis of epochs, of which the `last` has its tick."""

    last = 2

    def tickValues(self, low: float, high: float, size: float) -> list[tuple[float, list[float]]]:
        levels = [
            (step, [v for v in values if self.last - v >= step / 2])
            for step, values in super().tickValues(low, high, size)
        ]
        levels[0][1].append(float(self.last))
        return levels


class _Plot(QWidget):
    def __init__(self, title: str, bounds: tuple[float, float] | None = None) -> None:
        super().__init__()
        self.lines: list[Curve] = []
        self.setAccessibleName(title)
        self.axis = _Epochs("bottom")
        self.axis.setStyle(hideOverlappingLabels=MARGIN)
        self.plot = QuietPlot(title, {"bottom": "epoch"}, {"bottom": self.axis})
        self.plot.getPlotItem().layout.setContentsMargins(1, 1, MARGIN, 1)
        if bounds is not None:
            self.plot.setLimits(yMin=bounds[0] - 0.02, yMax=bounds[1] + 0.02)
        self.constant = pg.InfiniteLine(
            0.0, 0, label="macro F1, constant answer",
            labelOpts={"position": 0.98, "anchors": [(1, 1)] * 2},
        )  # fmt: skip
        self.constant.hide()
        self.plot.addItem(self.constant)
        self.curves = [self.plot.plot() for _ in RUNS]
        self.keys = [_Key() for _ in RUNS]
        self.top = QHBoxLayout()
        self.title = label(title, "heading")
        self.top.addWidget(self.title, 1)
        self.top.addStrut(TITLE_HEIGHT)
        head = QHBoxLayout()
        head.setSpacing(14)
        self.nothing = label("", "muted")
        for part in (*self.keys, self.nothing):
            head.addWidget(part)
        head.addStretch(1)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(4)
        layout.addLayout(self.top)
        layout.addLayout(head)
        layout.addWidget(self.plot, 1)
        self._apply_theme()

    def show_lines(self, drawn: Sequence[Drawn]) -> None:
        self.lines = [line for line, _, _ in drawn]
        first, last = [1.0], [2.0]
        for i, (curve, key) in enumerate(zip(self.curves, self.keys, strict=True)):
            line, epochs, table = drawn[i] if i < len(drawn) else (None, [], [])
            values = np.array(table, float)
            known = np.isfinite(values)
            key.show_line(line if known.any() else None)
            # a single point would be no line at all
            symbol = "o" if known.sum() == 1 else None
            curve.setData(
                np.array(epochs, float)[: len(values)][known], values[known], symbol=symbol
            )
            first += epochs[:1]
            last += epochs[-1:]
        self.axis.last = int(max(last))
        self.plot.setXRange(min(first), max(last), padding=0.02)
        self._apply_theme_to_lines()

    def show_constant(self, value: float | None) -> None:
        """A line across at what a constant answer reaches; None for none."""
        self.constant.setVisible(value is not None)
        if value is not None:
            self.constant.setValue(value)

    def _apply_theme(self) -> None:
        ink = theme.colour("muted")
        self.constant.setPen(pg.mkPen(ink, style=Qt.PenStyle.DotLine))
        self.constant.label.setColor(ink)
        self._apply_theme_to_lines()

    def _apply_theme_to_lines(self) -> None:
        for line, curve in zip(self.lines, self.curves, strict=False):
            curve.setPen(line.pen())
            curve.setSymbolBrush(theme.colour(line.ink))
            curve.setSymbolPen(None)
            curve.setSymbolSize(6)

    def changeEvent(self, event: QEvent | None) -> None:
        super().changeEvent(event)
        if event is not None and event.type() == QEvent.Type.PaletteChange:
            self._apply_theme()


class _Key(QWidget):
    """A sample of a line with its name; hidden without a line."""

    def __init__(self) -> None:
        super().__init__()
        self.line: Curve | None = None
        self.hide()

    def show_line(self, line: Curve | None) -> None:
        """Stand for another line, or for none."""
        self.line = line
        self.setVisible(line is not None)
        if line is not None:
            self.setAccessibleName(line.text)
            self.updateGeometry()
            self.update()

    def sizeHint(self) -> QSize:
        text = self.line.text if self.line else ""
        width = self.fontMetrics().horizontalAdvance(text)
        return QSize(width + 30, self.fontMetrics().height() + 2)

    def minimumSizeHint(self) -> QSize:
        return self.sizeHint()

    def paintEvent(self, event: QPaintEvent | None) -> None:
        if self.line is None:
            return
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setPen(self.line.pen())
        middle = self.height() // 2
        painter.drawLine(0, middle, 22, middle)
        painter.setPen(theme.colour("muted"))
        area = self.rect().adjusted(28, 0, 0, 0)
        painter.drawText(area, int(Qt.AlignmentFlag.AlignVCenter), self.line.text)
        painter.end()
