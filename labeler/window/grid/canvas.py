"""The canvas of the grid: lays out the shots, scrolls, paints what is in sight.

Selection and geometry are arrays, so that a million shots scroll like a hundred. It decides
nothing about a shot.
"""

from __future__ import annotations

import time
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
from PyQt6.QtCore import QRect, QRectF, Qt, QTimer
from PyQt6.QtGui import (
    QColor,
    QPainter,
    QPaintEvent,
    QPen,
    QResizeEvent,
)
from PyQt6.QtWidgets import QFrame

from labeler.project.store.records import Rows
from labeler.queue.groups import Section
from labeler.session.session import Session
from labeler.window.grid.choice import Chosen
from labeler.window.grid.mouse_and_keys import GridInput
from labeler.window.grid.plan import GridPlan, GridRow, Heading
from labeler.window.grid.strips import Strips
from labeler.window.widgets import theme
from labeler.window.widgets.focus import paint_ring

SIDES = (28, 36, 48, 64, 80, 96, 128, 168, 224, 320)
"""Sides of a thumbnail, from all in sight to one that can be judged."""
FRAME_S = 0.007
"""Drawing new tiles may take so much of a frame; the rest comes with the next ones."""
ASKED_AT_ONCE = 128
REDRAW_MS = 30
WHEEL_LINES = 1.2


class GridCanvas(GridInput):
    """Thumbnails in sections. `chosen` is the selection; signals are requests and facts."""

    def __init__(self, session: Session) -> None:
        super().__init__(session)
        self.setFrameShape(QFrame.Shape.NoFrame)
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.setVerticalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOn)
        self.setAccessibleName("Grid of shots")
        self.port.setMouseTracking(True)
        self.sections: Sequence[Section] = ()
        self.strips = Strips(session)
        self.side = 96
        self._redraw = self._timer(REDRAW_MS)
        self._more = self._timer(0)

    def _timer(self, ms: int) -> QTimer:
        timer = QTimer(self)
        timer.setSingleShot(True)
        timer.setInterval(ms)
        timer.timeout.connect(self.port.update)
        return timer

    def forget(self) -> None:
        """Another project: nothing is selected."""
        self.chosen = Chosen(np.zeros(0, np.int64), 0)

    # -- what is shown -----------------------------------------------------------------------------

    def show_shots(self, rows: Rows, sections: Sequence[Section]) -> None:
        """Other shots, or in another order; what was selected stays so where it is still there."""
        before = self.chosen
        current = before.current_row
        self.sections = sections
        self.chosen = Chosen(rows, self.session.labels.n_shots)
        self.chosen.take_rows(before.rows)
        self.strips.forget()
        self.arrange()
        place = self.chosen.place_of(self.session.cursor.row if current is None else current)
        began = None if place is None or current is None else before.anchor_row
        self.chosen.go_to(
            place if place is not None else 0 if len(rows) else None,
            None if began is None else self.chosen.place_of(began),
        )
        if not np.array_equal(rows[: len(before.shown)], before.shown) and len(rows):
            self.reveal(self.chosen.current or 0)  # not where other shots were
        self.selection_changed.emit()

    def set_side(self, side: int) -> None:
        """Another size of thumbnails; what is in the middle stays there."""
        anchor = self.chosen.current
        if anchor is None or not self._in_sight(anchor):
            anchor = self.plan.at(self.port.width() // 2, self.top + self.port.height() // 2)
        offset = 0 if anchor is None else self.plan.corner(anchor)[1] - self.top
        self.side = side
        self.arrange()
        if anchor is not None and anchor < len(self.plan):
            self.bar.setValue(self.plan.corner(anchor)[1] - offset)

    def arrange(self) -> None:
        """Work out again where everything lies."""
        gap = 2 if self.side < 48 else 4
        headed = any(s.title for s in self.sections)
        counts = [s.count for s in self.sections]
        self.plan = GridPlan(counts, self.port.width(), self.side + gap, headed=headed)
        strips = self.strips
        now = (self.side, self.side + gap, self.devicePixelRatioF())
        if now != (strips.side, strips.pitch, strips.ratio) or self._columns != self.plan.columns:
            strips.side, strips.pitch, strips.ratio = now
            strips.forget()
        self._columns = self.plan.columns
        bar = self.bar
        bar.setRange(0, max(0, self.plan.height - self.port.height()))
        bar.setPageStep(self.port.height())
        bar.setSingleStep(max(20, round(self.plan.pitch * WHEEL_LINES)))
        self.port.update()

    _columns = 0

    def refresh(self) -> None:
        """Draw everything again: other colours, other predictions."""
        self.strips.forget()
        self.port.update()

    def rows_changed(self, rows: npt.ArrayLike) -> None:
        """The labels or the pictures of some shots changed: draw those in sight again."""
        self._say()
        places = self.chosen.places_of(np.asarray(rows, np.int64))
        if len(places) > 5_000:
            self.strips.forget()
        else:
            for place in places.tolist():
                start = self.plan.line_start(place)
                self.strips.touch(start, place - start)
        self._redraw.start()

    def _in_sight(self, place: int) -> bool:
        return place < len(self.plan) and (
            0 <= self.plan.corner(place)[1] - self.top < self.port.height()
        )

    # -- painting ----------------------------------------------------------------------------------

    def scrollContentsBy(self, dx: int, dy: int) -> None:
        self.port.update()

    def resizeEvent(self, event: QResizeEvent | None) -> None:
        self.arrange()

    def paintEvent(self, event: QPaintEvent | None) -> None:
        until = time.perf_counter() + FRAME_S
        painter = QPainter(self.port)
        painter.fillRect(self.port.rect(), theme.colour("stage"))
        missing: list[int] = []
        late = False
        for band in self.plan.between(self.top, self.top + self.port.height()):
            if isinstance(band, Heading):
                self._paint_heading(painter, band)
                continue
            rows = self.chosen.shown[band.first : band.first + band.count]
            strip = self.strips.of(band.first, rows, until)
            painter.drawImage(self.plan.left, band.y - self.top, strip.image)
            late = late or bool(strip.due)
            missing.extend(strip.rows[c] for c in strip.missing)
            self._paint_selection(painter, band)
        if self._band is not None:
            painter.setPen(QPen(theme.colour("accent"), 1))
            painter.setBrush(theme.colour("accent", 0.15))
            painter.drawRect(self._band.translated(0, -self.top))
        if self.hasFocus():
            paint_ring(painter, self.port)
        painter.end()
        self._ask(missing)
        if late:
            self._more.start()

    def _paint_heading(self, painter: QPainter, band: Heading) -> None:
        section = self.sections[band.section]
        box = QRectF(self.plan.left + 2, band.y - self.top, self.port.width(), self.plan.heading)
        size = self.font().pointSizeF()
        flags = int(Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignVCenter)
        painter.setFont(theme.font(size, bold=True))
        painter.setPen(theme.colour("text"))
        painter.drawText(box, flags, section.title)
        left = painter.fontMetrics().horizontalAdvance(section.title) + 12
        painter.setFont(theme.numbers(size))
        painter.setPen(theme.colour("muted"))
        painter.drawText(box.adjusted(left, 0, 0, 0), flags, f"{section.count:,}")

    def _paint_selection(self, painter: QPainter, line: GridRow) -> None:
        marked = self.chosen.selected[line.first : line.first + line.count]
        y, side = line.y - self.top, self.side
        boxes = [
            QRect(self.plan.left + int(c) * self.plan.pitch, y, side, side)
            for c in np.flatnonzero(marked)
        ]
        if boxes:
            thick = 3 if side >= 48 else 2
            painter.setPen(QPen(theme.colour("accent"), thick))
            painter.setBrush(theme.colour("accent", 0.22))
            inset = thick // 2
            painter.drawRects(*(b.adjusted(inset, inset, -inset - 1, -inset - 1) for b in boxes))
        current = self.chosen.current
        if current is not None and line.first <= current < line.first + line.count:
            box = QRect(
                self.plan.left + (current - line.first) * self.plan.pitch, y, side - 1, side - 1
            )
            painter.setBrush(Qt.BrushStyle.NoBrush)
            painter.setPen(QPen(QColor("#f4f4f5"), 1, Qt.PenStyle.DashLine))
            painter.drawRect(box)

    def _ask(self, missing: list[int]) -> None:
        """Ask for thumbnails in sight, the uppermost last since the newest is made first."""
        feed = self.session.shots.feed
        if feed is None:
            return
        for row in reversed(missing[:ASKED_AT_ONCE]):
            feed.thumbnail(int(row))
            if self.strips.sharp:
                feed.want(int(row))
