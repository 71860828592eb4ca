"""Histogram of the shot with levels to drag, to type, or by percentiles; made on first need.

Levels, norm and colours stay for all shots until someone changes them; a project that has none yet
gets them once, from shots spread over it.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import pyqtgraph as pg
from PyQt6.QtCore import QObject, Qt
from PyQt6.QtWidgets import QLineEdit, QSizePolicy, QToolButton, QVBoxLayout, QWidget

from labeler.session.session import Session
from labeler.window.widgets import theme
from labeler.window.widgets.fields import ChoiceField
from labeler.window.widgets.quiet_plot import keep_out_of_keys
from model.preprocessing.display import auto_levels, histogram, levels_between

WIDTH = 112
PERCENTILES = {
    "0 – 100 %": (0.0, 100.0),
    "0.1 – 99.9 %": (0.1, 99.9),
    "1 – 99 %": (1.0, 99.0),
    "5 – 95 %": (5.0, 95.0),
}


class CountsAxis(pg.AxisItem):
    """Counts in plain figures, also where the axis runs in decades."""

    decades = True

    def tickStrings(self, values: Sequence[float], scale: float, spacing: float) -> list[str]:
        return [short(10.0**v if self.decades else v) for v in values]


def short(counts: float) -> str:
    """A number of counts in at most five characters."""
    for size, letter in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if abs(counts) >= size:
            return f"{counts / size:.3g}{letter}"
    return f"{counts:.2g}" if abs(counts) < 10 else f"{counts:.0f}"


class LevelsPane(QWidget):
    """The histogram with its two levels, Auto below."""

    def __init__(self, session: Session, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.session = session
        self.setObjectName("side")
        self.setAttribute(Qt.WidgetAttribute.WA_StyledBackground)
        self.setAccessibleName("Histogram and levels")
        self.setFixedWidth(theme.grown(WIDTH))
        self.auto = QToolButton()
        self.auto.setProperty("role", "field")
        self.auto.setText("Auto")
        self.auto.setToolTip("Levels from this shot")
        self.auto.setFocusPolicy(Qt.FocusPolicy.TabFocus)
        self.auto.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        self.auto.clicked.connect(session.display.auto_levels)
        self.high_field, self.low_field = self._number("Upper level"), self._number("Lower level")
        self.percentiles = ChoiceField("Levels by percentiles", list(PERCENTILES), self._by_share)
        self.percentiles.setText("Percentiles")
        self.axis = CountsAxis("left")
        self.plot = pg.PlotWidget(axisItems={"left": self.axis})
        self.plot.setMenuEnabled(False)
        self.plot.setMouseEnabled(x=False, y=False)
        self.plot.hideButtons()
        self.plot.hideAxis("bottom")
        self.plot.setAccessibleName("Histogram of the shot")
        keep_out_of_keys(self.plot)
        self.curve = self.plot.plot([], [])
        self.region = pg.LinearRegionItem(orientation="horizontal", swapMode="block")
        self.plot.addItem(self.region)
        self.region.sigRegionChanged.connect(self._dragged)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(6, 8, 6, 8)
        layout.setSpacing(5)
        layout.addWidget(self.high_field)
        layout.addWidget(self.plot, 1)
        for widget in (self.low_field, self.percentiles, self.auto):
            layout.addWidget(widget)
        session.cursor.shot_changed.connect(lambda row: self.refresh())
        session.shots.counts_ready.connect(
            lambda row: self.refresh() if row == session.cursor.row else None
        )
        session.display.display_changed.connect(self.refresh)
        self.apply_theme()
        self.refresh()

    def refresh(self) -> None:
        """Draw the histogram of the shot on screen, and the levels."""
        screen = self.session.display.screen
        if not self.isVisible():
            return
        counts = self.session.cursor.counts()
        self.axis.decades = screen.norm == "log"
        if isinstance(counts, np.ndarray):
            edges, pixels = histogram(counts, self.session.cursor.mask(), screen.norm)
            self.curve.setData(np.log10(pixels + 1), self._places((edges[1:] + edges[:-1]) / 2))
            ends = self._places(np.array([edges[0], edges[-1], screen.low, screen.high]))
            room = (ends.max() - ends.min()) * 0.04 + 1e-9
            self.plot.setYRange(ends.min() - room, ends.max() + room, padding=0)
            self.plot.setXRange(0, float(np.log10(pixels.max() + 1)) + 0.1, padding=0.02)
        self.region.blockSignals(True)
        self.region.setRegion(self._places(np.array([screen.low, screen.high])).tolist())
        self.region.blockSignals(False)
        for field, value in ((self.high_field, screen.high), (self.low_field, screen.low)):
            if not field.hasFocus():
                field.setText(f"{value:.6g}")

    def _number(self, what: str) -> QLineEdit:
        field = QLineEdit()
        field.setAccessibleName(what)
        field.setToolTip(f"{what} in counts; Enter takes it")
        field.setAlignment(Qt.AlignmentFlag.AlignRight)
        field.editingFinished.connect(self._typed)
        return field

    def _typed(self) -> None:
        """Take the levels as they were typed; what is no pair of levels goes back."""
        screen = self.session.display.screen
        try:
            low, high = (
                float(f.text().replace(",", ".")) for f in (self.low_field, self.high_field)
            )
        except ValueError:
            low, high = screen.low, screen.high
        shown = (f"{screen.low:.6g}", f"{screen.high:.6g}") == (
            self.low_field.text(),
            self.high_field.text(),
        )
        if math.isfinite(low) and math.isfinite(high) and low < high and not shown:
            self.session.display.change(low=low, high=high)
        for field, value in ((self.high_field, self.session.display.screen.high),
                             (self.low_field, self.session.display.screen.low)):  # fmt: skip
            field.setText(f"{value:.6g}")

    def _by_share(self, name: str) -> None:
        """Levels between which this many of the shot's good pixels lie."""
        counts = self.session.cursor.counts()
        if isinstance(counts, np.ndarray):
            low, high = levels_between(counts, self.session.cursor.mask(), *PERCENTILES[name])
            self.session.display.change(low=low, high=high)

    def showEvent(self, event: object) -> None:
        self.refresh()

    def _places(self, counts: np.ndarray) -> np.ndarray:
        """Counts to places on the axis."""
        return np.log10(np.maximum(counts, 1e-12)) if self.axis.decades else counts

    def _dragged(self) -> None:
        low, high = self.region.getRegion()
        if self.axis.decades:
            low, high = 10.0**low, 10.0**high
        self.session.display.change(low=float(low), high=float(high))

    def apply_theme(self) -> None:
        """Take the colours of the theme in use."""
        current = theme.current()
        self.plot.setBackground(current.panel)
        self.axis.setPen(pg.mkPen(current.line))
        self.axis.setTextPen(pg.mkPen(current.muted))
        self.axis.setStyle(tickFont=theme.numbers(self.font().pointSizeF() * 0.8), tickLength=-3)
        self.axis.setWidth(34)
        self.curve.setPen(pg.mkPen(current.muted, width=1))
        self.curve.setFillLevel(None)
        accent = theme.colour("accent")
        for line in self.region.lines:
            line.setPen(pg.mkPen(accent, width=2))
            line.setHoverPen(pg.mkPen(theme.colour("accent_hover"), width=4))
        self.region.setBrush(pg.mkBrush(theme.colour("accent", 0.13)))
        self.region.setHoverBrush(pg.mkBrush(theme.colour("accent", 0.2)))


SPREAD = 9
"""This many shots are looked at."""


class FirstLevels(QObject):
    """The shot on screen sets levels at once; a few others correct them a moment later."""

    def __init__(self, session: Session) -> None:
        super().__init__(session)
        self.session = session
        self._wanted: set[int] = set()
        self._found: dict[int, tuple[float, float]] = {}
        session.project_changed.connect(self._begin)
        session.shots.counts_ready.connect(self._look_at)
        self._begin()

    def _begin(self) -> None:
        session = self.session
        self._found = {}
        self._wanted = set()
        if session.shots.feed is None or session.display.levels_known or not session.labels.n_shots:
            return
        rows = np.linspace(0, session.labels.n_shots - 1, SPREAD).astype(int)
        self._wanted = set(rows.tolist())
        for row in sorted(self._wanted):
            session.shots.feed.want(row)

    def _look_at(self, row: int) -> None:
        session = self.session
        if session.display.levels_known or (row not in self._wanted and row != session.cursor.row):
            return
        counts = session.shots.counts(row)
        if counts is None:
            return
        self._wanted.discard(row)
        if isinstance(counts, np.ndarray):
            self._found[row] = auto_levels(counts, session.shots.mask(row))
        if self._found and (not self._wanted or row == session.cursor.row):
            self._set()

    def _set(self) -> None:
        lows, highs = np.array(list(self._found.values())).T
        high = float(np.percentile(highs, 75))
        low = float(min(np.median(lows), high / 2))
        self.session.display.change(low=low, high=high)
        self.session.display.levels_known = not self._wanted
