"""Where the cursor is and what is there, in one line; what is not known is not shown."""

from __future__ import annotations

import math

import numpy as np
from PyQt6.QtCore import QSize, Qt
from PyQt6.QtGui import QPainter, QPaintEvent
from PyQt6.QtWidgets import QSizePolicy, QWidget

from labeler.session.session import Session
from labeler.window.widgets import theme
from model.errors import on_one_line
from model.shots.layouts import Geometry

GAP = "  ·  "


class StatusLine(QWidget):
    """Right-aligned text in figures of equal width, shortened in its middle where it must be."""

    def __init__(self, session: Session) -> None:
        super().__init__()
        self.session = session
        self.text = ""
        self._pixel: tuple[int, int] | None = None
        self.setAccessibleName("Shot and cursor")
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        for signal in (session.cursor.shot_changed, session.labels.labels_changed):
            signal.connect(lambda _: self.refresh())
        session.shots.counts_ready.connect(self._arrived)
        for signal in (session.project_changed, session.queue.queue_changed):
            signal.connect(self.refresh)
        self.refresh()

    def point(self, pixel: tuple[int, int] | None) -> None:
        """The cursor is on another pixel of the shot, or beside it."""
        self._pixel = pixel
        self.refresh()

    def _arrived(self, row: int) -> None:
        if row == self.session.cursor.row:
            self.refresh()

    def refresh(self) -> None:
        """Say it again."""
        text = GAP.join(self._parts())
        if text != self.text:
            self.text = text
            self.setAccessibleDescription(text)
            self.update()

    def sizeHint(self) -> QSize:
        return QSize(320, 26)

    def paintEvent(self, event: QPaintEvent | None) -> None:
        painter = QPainter(self)
        painter.setFont(theme.numbers(self.font().pointSizeF() * 0.94))
        painter.setPen(theme.colour("muted"))
        room = self.rect().adjusted(0, 0, -12, 0)
        middle = Qt.TextElideMode.ElideMiddle
        text = painter.fontMetrics().elidedText(self.text, middle, max(room.width(), 0))
        flags = Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter
        painter.drawText(room, int(flags), text)
        painter.end()

    def _parts(self) -> list[str]:
        session = self.session
        row = session.cursor.row
        if session.opened is None or row < 0:
            return []
        table = session.opened.table
        info, index = table.sources[table.source_of[row]], int(table.index_of[row])
        name = on_one_line(info.shot_names[index]) if info.shot_names else f"#{index + 1}"
        at = session.queue.place_of(row)
        place = "not in this queue" if at is None else f"{at + 1:,} of {len(session.queue.rows):,}"
        return [f"{info.name} {name} ({place})", *self._under_cursor()]

    def _under_cursor(self) -> list[str]:
        counts, mask = self.session.cursor.counts(), self.session.cursor.mask()
        pixel = self._pixel
        if pixel is None or not isinstance(counts, np.ndarray):
            return []
        if pixel[0] >= counts.shape[0] or pixel[1] >= counts.shape[1]:
            return []
        geometry = self.session.cursor.geometry()
        middle = ((counts.shape[0] - 1) / 2, (counts.shape[1] - 1) / 2)
        centre = geometry.centre if geometry is not None and geometry.centre else middle
        x, y = pixel[1] - centre[1], centre[0] - pixel[0]
        value = counts[pixel]
        parts = [f"x {x:.0f}  y {y:.0f}", f"{value:,.5g} counts" if value.dtype.kind == "f"
                 else f"{value:,} counts"]  # fmt: skip
        if mask is not None and not mask[pixel]:
            parts.append("masked")
        return [*parts, *angle(geometry, math.hypot(x, y))]


def angle(geometry: Geometry | None, pixels: float) -> list[str]:
    """Scattering angle and momentum transfer at a distance from the centre, where known."""
    if geometry is None or not geometry.distance_m or not geometry.pixel_m:
        return []
    theta = math.atan2(pixels * geometry.pixel_m, geometry.distance_m)
    found = [f"{math.degrees(theta):.1f}°"]
    if geometry.wavelength_m:
        q = 4 * math.pi / (geometry.wavelength_m * 1e9) * math.sin(theta / 2)
        found.append(f"q {q:.3f} nm⁻¹")
    return found
