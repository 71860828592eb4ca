"""A share over time with its interval and band; how large the droplets are."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
import pyqtgraph as pg
from PyQt6.QtCore import Qt
from PyQt6.QtGui import QPen
from PyQt6.QtWidgets import QHBoxLayout, QVBoxLayout, QWidget

from labeler.window.widgets import theme
from labeler.window.widgets.parts import label
from labeler.window.widgets.quiet_plot import QuietPlot, WholeNumbers
from model.online.bands import Band, Share

LEAST_HEIGHT = 90
LEAST = 0.1
"""The axis spans at least so much."""


class SharePlot(QWidget):
    """One curve over the last quarter of an hour, in percent, by minutes."""

    def __init__(self, title: str) -> None:
        super().__init__()
        self.title = label(title, "heading")
        self.plot = QuietPlot(title, {"left": "%", "bottom": "min"}, lines=False)
        self.plot.setMinimumHeight(LEAST_HEIGHT)
        self.low, self.high = pg.PlotCurveItem(), pg.PlotCurveItem()
        self.fill = pg.FillBetweenItem(self.low, self.high)
        self.curve = pg.PlotCurveItem()
        self.limits = [pg.InfiniteLine(angle=0) for _ in range(2)]
        for item in (self.low, self.high, self.fill, self.curve, *self.limits):
            self.plot.addItem(item)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(4)
        self.top = QHBoxLayout()
        self.top.addWidget(self.title, 1)
        layout.addLayout(self.top)
        layout.addWidget(self.plot, 1)
        self.apply_theme()

    def show_history(
        self, history: Iterable[tuple[float, dict[str, Share]]], name: str, band: Band | None
    ) -> None:
        """Draw one share of all seconds; `band` as two dashed lines."""
        points = [(t / 60, *shares[name]) for t, shares in history if name in shares]
        table = np.array(points or [(0.0, np.nan, np.nan, np.nan)])
        table = table[np.isfinite(table).all(1)]
        minutes, value, low, high = table.T if len(table) else np.zeros((4, 0))
        self.curve.setData(minutes, 100 * value)
        self.low.setData(minutes, 100 * low)
        self.high.setData(minutes, 100 * high)
        for line, limit in zip(self.limits, (band.low, band.high) if band else (), strict=False):
            line.setPos(100 * limit)
        for line in self.limits:
            line.setVisible(band is not None)
        top = max([*value, *([band.high] if band and band.high < 1 else [])], default=LEAST)
        self.plot.setYRange(0, 100 * min(1.0, max(LEAST, 1.25 * float(top))), padding=0.02)
        last = float(minutes[-1]) if len(minutes) else 1.0
        first = float(minutes[0]) if len(minutes) else 0.0
        self.plot.setXRange(first, max(last, first + 0.5), padding=0)
        self.setAccessibleName(f"{self.title.text()} over time")

    def apply_theme(self) -> None:
        """Take the colours of the theme in use."""
        self.curve.setPen(_pen("accent", 1.8))
        none = QPen(Qt.PenStyle.NoPen)
        self.low.setPen(none)
        self.high.setPen(none)
        self.fill.setBrush(theme.colour("accent", 0.18))
        for line in self.limits:
            line.setPen(_pen("warning", 1.2, dashed=True))


class SizePlot(QWidget):
    """How large the droplets of the last minute are; hidden where no radius is known."""

    def __init__(self) -> None:
        super().__init__()
        self.said = label("", "heading")
        units, axes = {"left": "droplets", "bottom": "nm"}, {"left": WholeNumbers("left")}
        self.plot = QuietPlot("Droplet radius", units, axes, lines=False)
        self.plot.setMinimumHeight(LEAST_HEIGHT)
        self.bars = pg.BarGraphItem(x=[], height=[], width=1)
        self.plot.addItem(self.bars)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(4)
        layout.addWidget(self.said)
        layout.addWidget(self.plot, 1)
        self.hide()

    def show_sizes(self, found: Mapping[str, Any]) -> None:
        """Draw the `sizes` of a `watched` event."""
        self.setVisible(bool(found.get("n")))
        if not found.get("n"):
            return
        median, low, high = found["median_nm"]
        error, n = found["error_nm"], found["n"]
        self.said.setText(f"Droplet radius {median:.0f} nm ({low:.0f} … {high:.0f})")
        self.said.setToolTip(
            f"Median of {n:,} droplets with clear rings in the last minute, with 95 % interval.\n"
            f"The fit of one droplet is uncertain by {error:.1f} nm (jackknife over sectors)."
        )
        self.setAccessibleName(f"{self.said.text()}, {n:,} droplets, fit ± {error:.1f} nm")
        edges = np.array(found["edges_nm"])
        self.bars.setOpts(
            x0=edges[:-1], x1=edges[1:], x=None, width=None, height=np.array(found["counts"]),
            brush=theme.colour("accent", 0.55), pen=QPen(Qt.PenStyle.NoPen),
        )  # fmt: skip
        self.plot.setYRange(0, max(found["counts"]), padding=0.05)
        self.plot.setXRange(edges[0], edges[-1], padding=0)


def _pen(ink: str, width: float, dashed: bool = False) -> QPen:
    pen = QPen(theme.colour(ink), width)
    pen.setCosmetic(True)
    if dashed:
        pen.setStyle(Qt.PenStyle.DashLine)
    return pen
