"""What lies on a thumbnail: chips of its classes, signs of error, flag and skip; drawn once each.

Many shots carry the same labels, so a badge is a picture that is kept and used again.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass

from PyQt6.QtCore import QPointF, QRectF, Qt
from PyQt6.QtGui import QColor, QImage, QPainter, QPen, QPolygonF

from labeler.project.store.records import FLAGGED, LABELLED, SKIPPED
from labeler.window.widgets import theme
from labeler.window.widgets.parts import class_sign
from model.taxonomy.taxonomy import Taxonomy

KEPT = 2_000
PART = 4
"""At most this part of a thumbnail is the height of what lies on it."""
NO_CLASS = ("–", "#8a8a90")
"""Letter and colour of the chip of a shot on which it was decided that it has no class."""
CHIPS_FROM, SIGNS_FROM = 52, 44
"""Sides from which on there is room for chips with keys, and for signs."""


@dataclass(frozen=True)
class BadgeState:
    """What a badge tells: label set, status, whether the labels are the file's or a suggestion."""

    present: int
    status: int
    from_file: bool = False
    suggested: bool = False
    known: int = -1
    """Bits of the classes that are decided."""


class Badges:
    """Badges of one taxonomy at one size of thumbnails."""

    def __init__(self, taxonomy: Taxonomy, keys: Mapping[str, str] | None = None) -> None:
        self.taxonomy = taxonomy
        self._letters = [class_sign(kind, keys) for kind in taxonomy.classes]
        self._kept: OrderedDict[tuple[BadgeState, int, float, str], QImage | None] = OrderedDict()

    def of(self, standing: BadgeState, side: int, ratio: float) -> QImage | None:
        """A picture as large as the thumbnail, clear where nothing is; None where all is clear."""
        if not standing.present and not standing.status:
            return None
        key = (standing, side, ratio, theme.current().name)
        if key not in self._kept:
            self._kept[key] = self._draw(standing, side, ratio)
            while len(self._kept) > KEPT:
                self._kept.popitem(last=False)
        self._kept.move_to_end(key)
        return self._kept[key]

    def _draw(self, standing: BadgeState, side: int, ratio: float) -> QImage:
        pixels = max(1, round(side * ratio))
        image = QImage(pixels, pixels, QImage.Format.Format_ARGB32_Premultiplied)
        image.setDevicePixelRatio(ratio)
        image.fill(Qt.GlobalColor.transparent)
        painter = QPainter(image)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        labels = self.taxonomy.unpack(standing.present)
        shown = self.taxonomy.present(labels & ~self.taxonomy.implied(labels))
        decided = not standing.suggested and bool(standing.status & LABELLED)
        chips = [(self._letters[c], self.taxonomy.classes[c].colour) for c in shown]
        if decided and not chips:
            chips = [NO_CLASS]
        if side >= CHIPS_FROM:
            self._chips(painter, chips, side, standing)
        else:
            self._bars(painter, chips, side, standing.suggested)
        known = self.taxonomy.unpack(standing.known)
        wrong = decided and bool(self.taxonomy.contradictions(labels, known))
        self._signs(painter, side, standing.status, wrong)
        painter.end()
        return image

    def _chips(
        self, painter: QPainter, chips: list[tuple[str, str]], side: int, standing: BadgeState
    ) -> None:
        width = grown(17 if side >= 84 else 14, side)
        left, top = 3.0, side - width - 3.0
        painter.setFont(theme.numbers_in(width))
        for letter, colour in chips[: max(1, (side - 4) // (width + 2))]:
            chip = QRectF(left, top, width, width)
            quiet = standing.suggested or standing.from_file
            pen = QPen(QColor(255, 255, 255, 110), 1)
            if standing.suggested:
                pen.setStyle(Qt.PenStyle.DotLine)
            painter.setPen(pen)
            painter.setBrush(QColor(0, 0, 0, 130 if quiet else 215))
            painter.drawRoundedRect(chip.adjusted(0.5, 0.5, -0.5, -0.5), 3, 3)
            painter.setPen(Qt.PenStyle.NoPen)
            painter.setBrush(QColor(colour))
            painter.drawRect(QRectF(left + 2.5, top + width - 4, width - 5, 2))
            painter.setPen(QColor("#b9b9be" if quiet else "#f6f6f8"))
            place = chip.adjusted(0, -2.5, 0, -0.5)
            painter.drawText(place, Qt.AlignmentFlag.AlignCenter, letter)
            left += width + 2

    def _bars(
        self, painter: QPainter, chips: list[tuple[str, str]], side: int, suggested: bool
    ) -> None:
        painter.setPen(Qt.PenStyle.NoPen)
        width = side / max(len(chips), 1)
        for i, (_, colour) in enumerate(chips):
            ink = QColor(colour)
            ink.setAlphaF(0.5 if suggested else 1.0)
            painter.setBrush(ink)
            painter.drawRect(QRectF(i * width, side - 3.0, width - 0.5, 3.0))

    def _signs(self, painter: QPainter, side: int, status: int, wrong: bool) -> None:
        now = theme.DARK  # thumbnails are dark in both themes
        signs = ((wrong, "error", now.error), (status & FLAGGED, "flag", now.warning))
        right = float(side)
        for on, name, ink in (*signs, (status & SKIPPED, "skip", now.text)):
            if not on:
                continue
            if side >= SIGNS_FROM:
                size = grown(16, side)
                spot = QRectF(right - size - 2, 2, size, size)
                painter.setPen(Qt.PenStyle.NoPen)
                painter.setBrush(QColor(0, 0, 0, 150))
                painter.drawRoundedRect(spot, 3, 3)
                theme.draw(painter, f"icons/{name}.svg", spot.adjusted(1.5, 1.5, -1.5, -1.5), ink)
                right -= size + 2
            else:
                painter.setPen(Qt.PenStyle.NoPen)
                painter.setBrush(QColor(ink))
                corner = [QPointF(right - 9, 0), QPointF(right, 0), QPointF(right, 9)]
                painter.drawPolygon(QPolygonF(corner))
                right -= 9


def grown(pixels: int, side: int) -> int:
    """Pixels on a thumbnail for the letters in use, as far as it has room; never fewer."""
    return max(pixels, min(theme.grown(pixels), side // PART))
