"""Where the cursor is and what is there, in one line; what is not known is not shown."""

from __future__ import annotations

import math

import numpy as np
from PyQt6.QtCore import QSize, Qt
from PyQt6.QtGui import QFont, QFontMetrics, QPainter, QPaintEvent
from PyQt6.QtWidgets import QSizePolicy, QWidget

from labeler.session.session import Session
from labeler.window.widgets import theme
from model.errors import on_one_line
from model.shots.layouts import Geometry

GAP = "  ·  "
MARGIN = 12


class StatusLine(QWidget):
    """Right-aligned text in figures of equal width. Where room is short the name of the shot gives
    way, in its middle, before what is under the cursor does."""

    def __init__(self, session: Session) -> None:
        super().__init__()
        self.session = session
        self.text = self._name = ""
        """All of it, and the part of it that gives way first."""
        self._widest = 0
        """Pixels that a text of this shot needed so far: moving the mouse moves nothing else."""
        self._pixel: tuple[int, int] | None = None
        self.setAccessibleName("Shot and cursor")
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        session.cursor.shot_changed.connect(lambda _: self._begin())
        session.labels.labels_changed.connect(lambda _: self.refresh())
        session.shots.counts_ready.connect(self._arrived)
        for signal in (session.project_changed, session.queue.queue_changed):
            signal.connect(self.refresh)
        self.refresh()

    def point(self, pixel: tuple[int, int] | None) -> None:
        """The cursor is on another pixel of the shot, or beside it."""
        self._pixel = pixel
        self.refresh()

    def _begin(self) -> None:
        self._widest = 0
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
            needed = QFontMetrics(self._font()).horizontalAdvance(text) + 2 * MARGIN
            self._widest = max(self._widest, needed)
            self.updateGeometry()
            self.update()

    def sizeHint(self) -> QSize:
        return QSize(self._widest, 26)

    def _font(self) -> QFont:
        return theme.numbers(self.font().pointSizeF() * 0.94)

    def shown(self, room: int) -> str:
        """The text in so many pixels."""
        metrics, middle = QFontMetrics(self._font()), Qt.TextElideMode.ElideMiddle
        name, rest = self._name, self.text[len(self._name) :]
        left = max(room - metrics.horizontalAdvance(rest), metrics.horizontalAdvance("…"))
        text = metrics.elidedText(name, middle, left) + rest
        return metrics.elidedText(text, middle, max(room, 0))

    def paintEvent(self, event: QPaintEvent | None) -> None:
        painter = QPainter(self)
        painter.setFont(self._font())
        painter.setPen(theme.colour("muted"))
        room = self.rect().adjusted(0, 0, -MARGIN, 0)
        flags = Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter
        painter.drawText(room, int(flags), self.shown(room.width()))
        painter.end()

    def _parts(self) -> list[str]:
        session = self.session
        row = session.cursor.row
        if session.opened is None or row < 0:
            self._name = ""
            return []
        table = session.opened.table
        info, index = table.sources[table.source_of[row]], int(table.index_of[row])
        name = on_one_line(info.shot_names[index]) if info.shot_names else f"#{index + 1}"
        at = session.queue.place_of(row)
        place = "not in this queue" if at is None else f"{at + 1:,} of {len(session.queue.rows):,}"
        self._name = f"{info.name} {name}"
        return [f"{self._name} ({place})", *self._under_cursor()]

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
        said = f"{value:,.5g}" if value.dtype.kind == "f" else f"{value:,}"
        parts = [f"x {round(x)}  y {round(y)}", f"{said} counts"]
        parts = [part.replace("-", "−") for part in parts]
        if mask is not None and not mask[pixel]:
            parts.append("masked")
        return [*parts, *angle(geometry, math.hypot(x, y))]


def angle(geometry: Geometry | None, pixels: float) -> list[str]:
    """Scattering angle and momentum transfer at a distance from the centre, where known."""
    if geometry is None or not geometry.distance_m or not geometry.pixel_m:
        return []
    theta = math.atan2(pixels * geometry.pixel_m, geometry.distance_m)
    found = [f"{significant(math.degrees(theta), 1)}°"]
    if geometry.wavelength_m:
        q = 4 * math.pi / (geometry.wavelength_m * 1e9) * math.sin(theta / 2)
        found.append(f"q {significant(q, 3)} nm⁻¹")
    return found


def significant(value: float, decimals: int) -> str:
    """A number that is not negative with so many decimals, or more where fewer than two of its
    digits would count: "12.3", "0.0046", "0"."""
    if value <= 0:
        return "0"
    return f"{value:.{max(decimals, 1 - math.floor(math.log10(value)))}f}"
