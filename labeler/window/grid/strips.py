"""Lines of the grid as pictures: thumbnails with their badges, drawn once and kept for scrolling.

Draws no longer than it is told to, so that no frame is late; what is not drawn yet is dark.
"""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Mapping
from typing import cast

import numpy as np
import numpy.typing as npt
from PyQt6.QtCore import QRectF, Qt
from PyQt6.QtGui import QColor, QImage, QPainter

from labeler.project.store.records import LABELLED
from labeler.session.session import Session
from labeler.window.grid.badges import Badges, BadgeState, grown
from labeler.window.widgets import theme
from labeler.window.widgets.parts import image_of
from model.errors import InputError
from model.shots.thumbnail import SIDE, area_means

KEPT_MB = 40
BACKGROUND = QColor("#0c0c0d")
SHARP_FROM = 1.5 * SIDE
"""From this side on, tiles are drawn from the counts, as the pattern is."""
NUMBER_FROM = 84


class Strip:
    """One line: its picture, and the columns that are still to be drawn."""

    def __init__(self, image: QImage, rows: npt.NDArray[np.int64]) -> None:
        self.image = image
        self.rows = rows
        self.due = list(range(len(rows)))
        self.missing: set[int] = set()
        """Columns whose thumbnails are not there yet."""


class Strips:
    """Draws and keeps the lines of one plan; `forget` when anything but a few tiles changed."""

    def __init__(self, session: Session) -> None:
        self.session = session
        self.side, self.pitch, self.ratio = 96, 100, 1.0
        self.keys: Mapping[str, str] = {}
        """The keys in use, for the badges."""
        self.badges = Badges(session.labels.taxonomy)
        self._kept: OrderedDict[int, Strip] = OrderedDict()
        self._size = 0

    @property
    def sharp(self) -> bool:
        """Whether tiles are so large that they are drawn from the counts."""
        return self.side * self.ratio >= SHARP_FROM

    def forget(self) -> None:
        """Other shots, another size, other colours: nothing drawn is of use."""
        self._kept.clear()
        self._size = 0
        if self.badges.taxonomy is not self.session.labels.taxonomy:
            self.show_keys(self.keys)

    def show_keys(self, keys: Mapping[str, str]) -> None:
        """Write these keys on the badges from now on."""
        self.keys, self.badges = keys, Badges(self.session.labels.taxonomy, keys)

    def of(self, first: int, rows: npt.NDArray[np.int64], until: float) -> Strip:
        """The line that begins at a place, drawn as far as time (perf_counter) allows."""
        strip = self._kept.get(first)
        if strip is None:
            strip = self._kept[first] = self._empty(rows)
            self._size += strip.image.sizeInBytes()
            while self._size > KEPT_MB * 1e6 and len(self._kept) > 1:
                self._size -= self._kept.popitem(last=False)[1].image.sizeInBytes()
        self._kept.move_to_end(first)
        if strip.due and time.perf_counter() < until:
            self._draw(strip, until)
        return strip

    def touch(self, first: int, column: int) -> None:
        """A tile changed: draw it again when its line is shown next."""
        strip = self._kept.get(first)
        if strip is not None and column < len(strip.rows) and column not in strip.due:
            strip.due.append(column)

    def _empty(self, rows: npt.NDArray[np.int64]) -> Strip:
        width = round(self.pitch * len(rows) * self.ratio)
        image = QImage(width, round(self.side * self.ratio), QImage.Format.Format_RGB32)
        image.setDevicePixelRatio(self.ratio)
        image.fill(theme.colour("stage"))
        return Strip(image, rows)

    def _draw(self, strip: Strip, until: float) -> None:
        painter = QPainter(strip.image)
        painter.setRenderHint(QPainter.RenderHint.SmoothPixmapTransform)
        painter.setFont(theme.numbers_in(grown(15, self.side)))
        standings = self._standings(strip.rows)
        while strip.due and time.perf_counter() < until:
            column = strip.due.pop(0)
            where = QRectF(column * self.pitch, 0, self.side, self.side)
            row = int(strip.rows[column])
            there = self._paint_shot(painter, where, row)
            (strip.missing.discard if there else strip.missing.add)(column)
            badge = self.badges.of(standings[column], self.side, self.ratio)
            if badge is not None:
                painter.drawImage(where.topLeft(), badge)
        painter.end()

    def _standings(self, rows: npt.NDArray[np.int64]) -> list[BadgeState]:
        """What each badge of a line tells; suggestions where no one decided."""
        session = self.session
        present, status = session.labels.present[rows], session.labels.status[rows]
        decided = (status & LABELLED) > 0
        own = (session.labels.decided.own_status[rows] & LABELLED) > 0
        suggested = session.suggestions.bits(rows)
        columns = zip(
            np.where(decided, present, suggested).tolist(),
            status.tolist(),
            (decided & ~own).tolist(),
            (~decided & (suggested != 0)).tolist(),
            np.where(decided, session.labels.decided.known[rows], -1).tolist(),
            strict=True,
        )
        return [BadgeState(*values) for values in columns]

    def _paint_shot(self, painter: QPainter, where: QRectF, row: int) -> bool:
        """Whether the thumbnail was there."""
        painter.fillRect(where, BACKGROUND)
        feed = self.session.shots.feed
        image = self._sharp(row) if self.sharp else None
        there = image is not None or not self.sharp
        if image is None:
            picture = None if feed is None else feed.thumbnail(row, ask=False)
            if isinstance(picture, InputError):
                size = min(24.0, self.side * 0.5)
                spot = QRectF(0, 0, size, size)
                spot.moveCenter(where.center())
                theme.draw(painter, "icons/error.svg", spot, theme.DARK.error)
                return True
            if picture is None:
                return False
            gray = np.ascontiguousarray(picture)
            height, width = gray.shape
            form = QImage.Format.Format_Grayscale8
            image = QImage(cast(bytes, gray.data), width, height, width, form)
        share = min(where.width() / image.width(), where.height() / image.height())
        target = QRectF(0, 0, image.width() * share, image.height() * share)
        target.moveCenter(where.center())
        painter.drawImage(target, image)
        if self.side >= NUMBER_FROM:
            text, high = f"{row + 1:,}", grown(15, self.side)
            wide = 7 + painter.fontMetrics().horizontalAdvance(text)
            spot = QRectF(where.left(), where.top(), wide, high)
            painter.fillRect(spot, QColor(0, 0, 0, 120))
            painter.setPen(QColor(255, 255, 255, 175))
            painter.drawText(spot, int(Qt.AlignmentFlag.AlignCenter), text)
        return there

    def _sharp(self, row: int) -> QImage | None:
        """A large tile from the counts themselves, as the pattern would show them."""
        counts, mask = self.session.shots.counts(row), self.session.shots.mask(row)
        if not isinstance(counts, np.ndarray):
            return None
        small = area_means(counts, mask, round(self.side * self.ratio))
        picture = self.session.display.screen_for(counts, mask).picture(small)
        return image_of(picture)
