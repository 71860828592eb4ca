"""A plot to look at: it cannot be dragged about and takes the colours of the theme in use."""

from __future__ import annotations

from collections.abc import Mapping

import pyqtgraph as pg
from PyQt6.QtCore import QEvent, Qt

from labeler.window.widgets import theme

LEFT_WIDTH = 44
"""Of the numbers at the left where there is no unit beside them: plots under each other line up."""


class QuietPlot(pg.PlotWidget):
    """`what` it shows, for a screen reader; `units`: side ("left", "bottom") -> what is counted
    there; `axes`: side -> an axis of another kind; `lines`: faint ones across."""

    _made = False

    def __init__(
        self,
        what: str,
        units: Mapping[str, str] | None = None,
        axes: Mapping[str, pg.AxisItem] | None = None,
        *,
        lines: bool = True,
    ) -> None:
        super().__init__(axisItems=dict(axes or {}))
        self._units, self._lines = units or {}, lines
        self._made = True
        self.setAccessibleName(what)
        self.setMenuEnabled(False)
        self.setMouseEnabled(x=False, y=False)
        self.hideButtons()
        self.setBackground(None)
        self.setFrameShape(self.Shape.NoFrame)
        keep_out_of_keys(self)
        self.apply_theme()

    def apply_theme(self) -> None:
        """Take the colours of the theme in use."""
        for side in ("left", "bottom"):
            axis = self.getAxis(side)
            axis.setPen(theme.colour("edge"))
            axis.setTextPen(theme.colour("muted"))
            axis.setTickFont(theme.numbers(self.font().pointSizeF() * 0.9))
            axis.setStyle(tickLength=-4)
            axis.enableAutoSIPrefix(False)
            if side in self._units:
                axis.setLabel(self._units[side], color=theme.current().muted)
        self.resetCachedContent()  # its background keeps the old theme otherwise
        if "left" not in self._units:
            self.getAxis("left").setWidth(LEFT_WIDTH)
        self.showGrid(x=False, y=self._lines, alpha=0.12)

    def changeEvent(self, event: QEvent | None) -> None:
        super().changeEvent(event)
        changed = event is not None and event.type() == QEvent.Type.PaletteChange
        if changed and self._made:  # the first one comes before there are axes
            self.apply_theme()


class WholeNumbers(pg.AxisItem):
    """An axis of what is counted one by one: there is nothing between two numbers."""

    def tickSpacing(self, low: float, high: float, size: float) -> list[tuple[float, float]]:
        found = super().tickSpacing(low, high, size)
        return [(step, start) for step, start in found if step >= 1] or [(1.0, 0.0)]


def keep_out_of_keys(plot: pg.PlotWidget) -> None:
    """Take a plot out of the order of Tab, and what it paints on too, which pyqtgraph puts in."""
    for widget in (plot, plot.viewport()):
        widget.setFocusPolicy(Qt.FocusPolicy.NoFocus)
