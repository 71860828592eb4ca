"""The radial profile of the shot, its rings, and the droplet's radius from their spacing."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt
from PyQt6.QtCore import QPointF, QRectF, Qt
from PyQt6.QtGui import QPainter, QPen, QPolygonF

from labeler.window.label.pattern.levels import short
from labeler.window.label.physics.cursor import PhysicsPointer, Spot
from labeler.window.label.physics.pane import Pane, Shown
from labeler.window.label.status_line import GAP, significant
from labeler.window.widgets import theme
from model.physics import profiles

LEFT, BOTTOM, TOP = 34, 15, 17
"""Points for the figures of the axes, and for the line of numbers above."""
LOW = 64
"""Points of height below which the numbers stand in the plot, at the right, where it is dark."""
DECADES = 5
"""No more than this below the brightest ring are shown."""


class ProfilePane(Pane):
    """log I over radius, or over scattering angle where the detector's geometry is known."""

    name = "profile"
    title = "Radial profile"
    about = "Mean counts of each ring about the beam; thin lines where its rings repeat"
    narrowest, stretch, tall = 240, 5, 3
    square = False

    def __init__(self, cursor: PhysicsPointer) -> None:
        super().__init__(cursor)
        self._radius = np.zeros(0)
        self._logs = np.zeros(0)
        self._low, self._high = 0.0, 1.0
        self._marks = np.zeros(0)
        self._words = ""

    # -- what to draw --------------------------------------------------------------------------

    def compute(self, shown: Shown) -> None:
        small, factor = shown.small, shown.small.factor
        profile = profiles.radial_profile(small.counts, small.mask, small.centre)
        self._radius, mean = profile.radius * factor, profile.mean
        self._find_rings(mean, shown)
        with np.errstate(divide="ignore", invalid="ignore"):
            self._logs = np.where(mean > 0, np.log10(mean), np.nan)
        known = self._logs[np.isfinite(self._logs)]
        if len(known):
            self._high = math.floor(float(known.max())) + 1.0
            self._low = max(math.floor(float(known.min())), self._high - DECADES)

    def _find_rings(self, mean: npt.NDArray[np.float64], shown: Shown) -> None:
        """Where rings repeat, evenly in q where that is known up to the wavelength."""
        q = profiles.relative_transfer(self._radius, shown.geometry)
        over = self._radius if q is None else q
        rings = profiles.rings(over, mean)
        if rings is None:
            self._marks, self._words = np.zeros(0), "No ring spacing found"
            return
        places = np.arange(rings.first, over[-1], rings.spacing)
        self._marks = np.interp(places, over, self._radius)
        apart = float(np.median(np.diff(self._marks))) if len(places) > 1 else rings.spacing
        self._words = f"Ring spacing {apart:.1f} px"
        if q is not None:
            size = np.pi / rings.spacing  # R = π / Δq, here in wavelengths
            wavelength = shown.geometry.wavelength_m
            size_text = (
                f"{size:.1f} λ" if wavelength is None else f"{1e9 * size * wavelength:.0f} nm"
            )
            self._words += f"{GAP}radius {size_text}"

    def words(self) -> str:
        return self._words

    # -- where it lies -------------------------------------------------------------------------

    def _plot(self, area: QRectF) -> QRectF:
        return area.adjusted(
            theme.grown(LEFT),
            3 if area.height() < LOW else theme.grown(TOP),
            -3,
            -theme.grown(BOTTOM),
        )

    def _x(self, radius: float, plot: QRectF) -> float:
        assert self.shown is not None
        return plot.left() + radius / self.shown.reach * plot.width()

    def _y(self, log: float, plot: QRectF) -> float:
        return plot.bottom() - (log - self._low) / (self._high - self._low) * plot.height()

    def spot_at(self, point: QPointF) -> Spot | None:
        plot = self._plot(self.area())
        if self.shown is None or not plot.left() <= point.x() <= plot.right():
            return None
        return Spot(((point.x() - plot.left()) / plot.width() * self.shown.reach,))

    # -- painting ------------------------------------------------------------------------------

    def draw(self, painter: QPainter, area: QRectF) -> None:
        plot = self._plot(area)
        painter.setFont(self.small_font())
        self._draw_axes(painter, area, plot)
        self._draw_rings(painter, plot)
        self._draw_curve(painter, plot)
        spot = self.pointer.spot
        if spot is not None:
            self._draw_cursor(painter, plot, spot)
        self._draw_head(painter, area, plot, spot)

    def _draw_axes(self, painter: QPainter, area: QRectF, plot: QRectF) -> None:
        right = int(Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter)
        step = max(1, math.ceil((self._high - self._low) / max(1.0, plot.height() / 17)))
        for decade in range(math.ceil(self._low), math.floor(self._high) + 1, step):
            y = self._y(decade, plot)
            painter.setPen(QPen(theme.colour("line"), 1))
            painter.drawLine(QPointF(plot.left(), y), QPointF(plot.right(), y))
            painter.setPen(theme.colour("muted"))
            box = QRectF(area.left(), y - theme.grown(7), theme.grown(LEFT) - 5, theme.grown(14))
            painter.drawText(box, right, short(10.0**decade))
        centre = int(Qt.AlignmentFlag.AlignHCenter | Qt.AlignmentFlag.AlignTop)
        for radius, text in self._ticks(plot):
            x = self._x(radius, plot)
            painter.setPen(QPen(theme.colour("edge"), 1))
            painter.drawLine(QPointF(x, plot.bottom()), QPointF(x, plot.bottom() + 3))
            painter.setPen(theme.colour("muted"))
            box = QRectF(
                min(x, plot.right() - 12) - theme.grown(30),
                plot.bottom() + 2,
                theme.grown(60),
                theme.grown(BOTTOM),
            )
            painter.drawText(box, centre, text)

    def _ticks(self, plot: QRectF) -> list[tuple[float, str]]:
        """(radius in pixels, text): scattering angles where the geometry is known, else pixels."""
        assert self.shown is not None
        reach, geometry = self.shown.reach, self.shown.geometry
        fits = max(2, int(plot.width() / 55))
        if not geometry.distance_m or not geometry.pixel_m:
            return [(r, f"{r:g} px" if r == 0 else f"{r:g}") for r in _round_steps(reach, fits)]
        far = geometry.distance_m / geometry.pixel_m
        degrees = math.degrees(math.atan(reach / far))
        steps = _round_steps(degrees, fits)
        return [(far * math.tan(math.radians(d)), f"{d:g}°") for d in steps]

    def _draw_rings(self, painter: QPainter, plot: QRectF) -> None:
        painter.setPen(QPen(theme.colour("accent", 0.38), 1))
        for radius in self._marks:
            x = self._x(float(radius), plot)
            painter.drawLine(QPointF(x, plot.top()), QPointF(x, plot.bottom()))

    def _draw_curve(self, painter: QPainter, plot: QRectF) -> None:
        painter.save()
        painter.setClipRect(plot)
        painter.setPen(QPen(theme.colour("strong"), 1.4))
        known = np.isfinite(self._logs)
        edges = np.flatnonzero(np.diff(np.concatenate([[False], known, [False]]).astype(np.int8)))
        for start, stop in zip(edges[::2], edges[1::2], strict=True):  # runs without a gap
            points = [
                QPointF(self._x(r, plot), self._y(v, plot))
                for r, v in zip(self._radius[start:stop], self._logs[start:stop], strict=True)
            ]
            if len(points) == 1:
                painter.drawPoint(points[0])
            painter.drawPolyline(QPolygonF(points))
        painter.restore()

    def _draw_cursor(self, painter: QPainter, plot: QRectF, spot: Spot) -> None:
        painter.setPen(QPen(theme.colour("accent"), 1.2))
        for radius in spot.radii:
            x = self._x(radius, plot)
            if not plot.left() <= x <= plot.right():
                continue
            painter.drawLine(QPointF(x, plot.top()), QPointF(x, plot.bottom()))
            log = self._at(radius)
            if log is not None and log >= self._low:
                painter.setBrush(theme.colour("accent"))
                painter.drawEllipse(QPointF(x, self._y(log, plot)), 2.6, 2.6)

    def _at(self, radius: float) -> float | None:
        """log10 of the mean counts of the ring at a radius; None where it has none."""
        i = int(np.searchsorted(self._radius, radius))
        near = [k for k in (i - 1, i) if 0 <= k < len(self._radius)]
        if not near:
            return None
        k = min(near, key=lambda k: abs(self._radius[k] - radius))
        far = abs(self._radius[k] - radius) > max(1.0, 2 * float(self._radius[0]))
        return None if far or not np.isfinite(self._logs[k]) else float(self._logs[k])

    def _draw_head(self, painter: QPainter, area: QRectF, plot: QRectF, spot: Spot | None) -> None:
        """The shot's own numbers at the left, those under the cursor at the right or instead.

        In a low strip both at the right.
        """
        head = QRectF(plot.left(), area.top() - 2, plot.width(), theme.grown(TOP))
        middle = Qt.AlignmentFlag.AlignVCenter
        under = "" if spot is None else GAP.join(self._under(spot.radii[-1]))
        width = painter.fontMetrics().horizontalAdvance(self._words + GAP + under)
        own, side = head, Qt.AlignmentFlag.AlignLeft
        if area.height() < LOW:
            beside = painter.fontMetrics().horizontalAdvance(GAP + under) if under else 0
            own, side = head.adjusted(0, 0, -beside, 0), Qt.AlignmentFlag.AlignRight
        if not under or width <= head.width():
            painter.setPen(theme.colour("text" if len(self._marks) else "muted"))
            painter.drawText(own, int(side | middle), self._words)
        painter.setPen(theme.colour("accent_text"))
        painter.drawText(head, int(Qt.AlignmentFlag.AlignRight | middle), under)

    def _under(self, radius: float) -> list[str]:
        assert self.shown is not None
        parts = [f"{radius:.0f} px"]
        geometry = self.shown.geometry
        if geometry.distance_m and geometry.pixel_m:
            angle = math.degrees(math.atan(radius * geometry.pixel_m / geometry.distance_m))
            parts.append(f"{angle:.1f}°")
        q = profiles.transfer(np.array([radius]), geometry)
        if q is not None:
            parts.append(f"q {significant(1e-9 * q[0], 3)} nm⁻¹")
        log = self._at(radius)
        return parts if log is None else [*parts, f"{10.0**log:,.3g} counts"]


def _round_steps(end: float, most: int) -> list[float]:
    """0, step, 2·step … up to `end`, at most `most` steps of 1, 2 or 5 times a power of ten."""
    least = max(end, 1e-9) / most
    power = 10.0 ** math.floor(math.log10(least))
    step = next(k * power for k in (1, 2, 5, 10) if k * power >= least)
    return [round(i * step, 9) for i in range(int(end / step) + 1)]
