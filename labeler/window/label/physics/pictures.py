"""Panes that are pictures: the shot over radius and angle, its point symmetry, its map."""

from __future__ import annotations

import math
from functools import cache
from typing import Any

import numpy as np
import numpy.typing as npt
from PyQt6.QtCore import QPointF, QRectF
from PyQt6.QtGui import QColor, QPainter, QPainterPath, QPen

from labeler.window.label.pattern.pattern import contours_of
from labeler.window.label.physics.cursor import PhysicsPointer, Spot
from labeler.window.label.physics.pane import Pane, Pixels, Shown
from labeler.window.widgets import theme
from model.physics import profiles
from model.preprocessing.display import colormap
from model.preprocessing.preparation import find_centre

NEAR = 0.05
"""A beam that jitters is looked for within this share of the side, or all would look one-sided."""
LESS, MORE = (0x2F, 0x8F, 0xD9), (0xE6, 0x7A, 0x1E)
"""Blue and orange, which colour-blind eyes tell apart: darker and brighter than opposite."""


class UnwrapPane(Pane):
    """The shot over radius and angle, in the colours and levels of the pattern."""

    name = "unwrap"
    title = "Polar unwrap"
    about = "The shot over radius (downwards) and angle (to the right)"
    narrowest, stretch, tall = 96, 3, 2
    square = False

    def picture(self, shown: Shown) -> Pixels:
        small = shown.small
        samples = profiles.unwrap(small.counts, small.mask, small.centre)
        picture = shown.screen.picture(samples)
        picture[np.isnan(samples)] = _background()
        return picture

    def spot_at(self, point: QPointF) -> Spot | None:
        at = self.shares(point)
        if at is None or self.shown is None:
            return None
        return Spot((at[0] * self.shown.reach,), at[1] * 2 * math.pi)

    def mark(self, painter: QPainter, target: QRectF, spot: Spot) -> None:
        assert self.shown is not None
        for radius in spot.radii:
            y = target.top() + radius / self.shown.reach * target.height()
            painter.drawLine(QPointF(target.left(), y), QPointF(target.right(), y))
            if spot.angle is not None:
                x = target.left() + spot.angle / (2 * math.pi) * target.width()
                painter.drawLine(QPointF(x, target.top()), QPointF(x, target.bottom()))


class SymmetryPane(Pane):
    """(I − I′) / (I + I′), I′ being opposite: 0 where Friedel's law holds."""

    name = "symmetry"
    title = "Point symmetry"
    about = (
        "Against the opposite pixel, about the centre that suits best:"
        " orange brighter, blue darker, grey the same"
    )
    stretch, tall = 2, 4

    def __init__(self, cursor: PhysicsPointer) -> None:
        super().__init__(cursor)
        self._asymmetry: float | None = None
        self._about = (0.0, 0.0)

    def picture(self, shown: Shown) -> Pixels:
        small = shown.small
        half = _halved(small.counts.astype(np.float32, copy=False), small.mask)
        guess = [
            min(max((c - 0.5) / 2, -0.5), n - 0.5)
            for c, n in zip(small.centre, half.shape, strict=True)
        ]
        y, x = find_centre(half, guess=(guess[0], guess[1]), reach=NEAR)
        self._about = (2 * y + 0.5, 2 * x + 0.5)
        self._asymmetry = profiles.asymmetry(small.counts, small.mask, self._about)
        fine = profiles.symmetry_residual(small.counts, small.mask, self._about)
        residual = _halved(fine, None)
        table = _diverging(theme.current().name)
        places = np.nan_to_num(residual * 127.5 + 127.5, nan=127.5).astype(np.uint8)
        picture: Pixels = table[places]
        picture[np.isnan(residual)] = _background()
        return picture

    def words(self) -> str:
        return "" if self._asymmetry is None else f"Asymmetry {self._asymmetry:.2f}"

    def _beam(self, target: QRectF) -> tuple[QPointF, float]:
        """Where the beam lies on the widget, and points for each pixel of the shot."""
        assert self.shown is not None
        small = self.shown.small
        scale = target.width() / (2 * self._image.width())
        y, x = small.centre
        at = QPointF(target.left() + (x + 0.5) * scale, target.top() + (y + 0.5) * scale)
        return at, scale / small.factor

    def spot_at(self, point: QPointF) -> Spot | None:
        if self.shown is None or self.shares(point) is None:
            return None
        beam, scale = self._beam(self.target(self.area()))
        return Spot.at((point.y() - beam.y()) / scale, (point.x() - beam.x()) / scale)

    def mark(self, painter: QPainter, target: QRectF, spot: Spot) -> None:
        assert self.shown is not None
        beam, scale = self._beam(target)
        at = spot.place()
        if at is None:
            for radius in spot.radii:
                painter.drawEllipse(beam, radius * scale, radius * scale)
            return
        small, here = self.shown.small, beam + QPointF(at[1], at[0]) * scale
        off = [2 * (a - c) for a, c in zip(self._about, small.centre, strict=True)]
        turn = beam + QPointF(off[1], off[0]) * scale * small.factor  # twice the middle
        there = turn + beam - here
        painter.drawEllipse(here, 4, 4)
        painter.drawEllipse(there, 2, 2)
        painter.drawLine(here + (there - here) * 0.05, there)


class CorrelationPane(Pane):
    """The correlation map (paper, Eq. 13-15), with the heatmap of a network that reads maps."""

    name = "correlation"
    title = "Correlation map"
    about = "Correlation of every two rings: all orders below the diagonal, order 8 above it"
    stretch, tall = 2, 4

    def __init__(self, cursor: PhysicsPointer) -> None:
        super().__init__(cursor)
        self._contours: list[tuple[float, QPainterPath]] = []

    def picture(self, shown: Shown) -> Pixels:
        small = shown.small
        picture = map_picture(small.counts, small.mask, shown.screen.colormap, small.centre)
        self._contours = []
        if shown.heat is not None:
            picture = shown.overlay.shade(picture, shown.heat, shown_in=shown.screen.colormap)
            self._contours = contours_of(shown.heat) if shown.overlay.contours else []
        return picture

    def over(self, painter: QPainter, target: QRectF) -> None:
        painter.save()
        painter.translate(target.topLeft())
        painter.scale(target.width(), target.height())
        for level, path in self._contours:
            for pen in (QPen(QColor(0, 0, 0, 130), 2.4), QPen(theme.colour("accent"), 0.8 + level)):
                pen.setCosmetic(True)
                painter.strokePath(path, pen)
        painter.restore()

    def spot_at(self, point: QPointF) -> Spot | None:
        at = self.shares(point)
        if at is None or self.shown is None:
            return None
        return Spot((at[0] * self.shown.reach, at[1] * self.shown.reach))

    def mark(self, painter: QPainter, target: QRectF, spot: Spot) -> None:
        assert self.shown is not None
        down, across = spot.radii[0], spot.radii[-1]
        x = target.left() + across / self.shown.reach * target.width()
        y = target.top() + down / self.shown.reach * target.height()
        painter.drawLine(QPointF(target.left(), y), QPointF(target.right(), y))
        painter.drawLine(QPointF(x, target.top()), QPointF(x, target.bottom()))


def map_picture(
    counts: npt.NDArray[Any],
    mask: npt.NDArray[np.bool_] | None,
    colours: str,
    centre: tuple[float, float] | None = None,
) -> Pixels:
    """The correlation map of a shot as (R, R) 0xffRRGGBB."""
    found = profiles.map_of_shot(counts, mask, centre)
    return np.asarray(colormap(colours)[(found * 255).astype(np.uint8)])


def _halved(
    counts: npt.NDArray[np.float32], mask: npt.NDArray[np.bool_] | None
) -> npt.NDArray[np.float32]:
    """Averages over 2 × 2 pixels, which show less counting noise; NaN where one is not good."""
    values = counts if mask is None else np.where(mask, counts, np.float32(np.nan))
    height, width = (n // 2 * 2 for n in values.shape)
    rows = values[0:height:2, :width] + values[1:height:2, :width]
    return np.asarray((rows[:, 0::2] + rows[:, 1::2]) / np.float32(4))


@cache
def _diverging(name: str) -> Pixels:
    """(256,) colours from blue over the theme's neutral to orange."""
    neutral = theme.THEMES[name].card
    middle = [int(neutral[i : i + 2], 16) for i in (1, 3, 5)]
    place = np.linspace(-1, 1, 256)[:, None]
    ends = np.where(place < 0, LESS, MORE)
    weight = np.abs(place) ** 0.8
    red, green, blue = np.round(ends * weight + np.array(middle) * (1 - weight)).T.astype(np.uint32)
    return np.asarray(np.uint32(0xFF000000) | red << 16 | green << 8 | blue, np.uint32)


def _background() -> int:
    """The colour where there is nothing to show."""
    return 0xFF000000 | int(theme.current().panel[1:], 16)
