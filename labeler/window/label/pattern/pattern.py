"""The pattern: one shot as large as the window allows, its mask, and a class's heatmap on top.

A plain widget that paints 32-bit pixels, since that is several times faster than a scene. It only
shows what the session has; an unreadable shot is told in words and labelling goes on.
"""

from __future__ import annotations

from typing import cast

import contourpy
import numpy as np
import numpy.typing as npt
from PyQt6.QtCore import QPointF, QRectF, QSize, Qt, QTimer, pyqtSignal
from PyQt6.QtGui import (
    QColor,
    QFocusEvent,
    QFont,
    QImage,
    QMouseEvent,
    QPainter,
    QPainterPath,
    QPaintEvent,
    QPen,
    QResizeEvent,
    QWheelEvent,
)
from PyQt6.QtWidgets import QSizePolicy, QWidget

from labeler.session.session import Session
from labeler.window.widgets import theme
from labeler.window.widgets.focus import paint_ring
from labeler.window.widgets.parts import image_of
from model.errors import InputError
from model.heatmaps.geometry import detector
from model.physics.circle import Circle
from model.shots.thumbnail import area_means

CONTOURS = (0.2, 0.4, 0.6, 0.8)
"""Heatmap levels that are drawn, in shares of the largest value."""
MASK_CELLS = 56
"""To this many cells along a side contours keep off what is masked; single bad pixels cut none."""
CLEAR_PIXELS = 8.0
"""From this magnification on, detector pixels are drawn as squares, not smoothed."""
LARGEST_ZOOM = 60.0
PATIENCE_MS = 150
"""A shot that takes longer to arrive is announced in words."""


class PatternView(QWidget):
    """Shows the session's shot. Wheel zooms at the cursor, drag pans, double-click resets."""

    pointed = pyqtSignal(object)
    """(y, x) of the detector pixel under the cursor, or None."""
    picked = pyqtSignal()
    """A point was added to `points`, or the last one taken away."""
    looked = pyqtSignal()
    """The part of the shot that is shown, `looked_at`, changed."""

    def __init__(self, session: Session, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.session = session
        self._said = ""
        self.setMouseTracking(True)
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self._ringed = False
        """Tab brought the keys here: no ring for who clicks, and none while one labels."""
        self.setAttribute(Qt.WidgetAttribute.WA_OpaquePaintEvent)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Expanding)
        self.setMinimumSize(240, 240)
        self.centre_shown = False
        self.points: list[tuple[float, float]] = []
        """(y, x) in pixels that a person clicked, see `pick`."""
        self._circle: Circle | None = None
        self._picking = False
        self.trouble = ""
        self.waiting = False
        self._pixels: npt.NDArray[np.uint32] | None = None
        self._image = QImage()
        self._contours: list[tuple[float, QPainterPath]] = []
        self._ink = QColor()
        """Of the contours: kept with them, as a project that closes takes its classes along."""
        self._zoom = 1.0
        self._middle = QPointF(0.5, 0.5)
        self._grabbed: QPointF | None = None
        self._patience = QTimer(self)
        self._patience.setSingleShot(True)
        self._patience.setInterval(PATIENCE_MS)
        self._patience.timeout.connect(self._announce)
        session.cursor.shot_changed.connect(lambda row: self.refresh())
        session.project_changed.connect(self.refresh)
        session.shots.counts_ready.connect(self._arrived)
        session.display.display_changed.connect(self.refresh)
        session.heat.heat_changed.connect(self.refresh)
        session.predictions.run_changed.connect(self.refresh)
        self.refresh()

    # -- what to draw --------------------------------------------------------------------------

    def refresh(self) -> None:
        """Draw the session's shot again, at once where its counts are there."""
        counts = self.session.cursor.counts()
        self.trouble, self.waiting = "", False
        self._contours = []
        self._pixels = None
        if isinstance(counts, InputError):
            self.trouble = str(counts)
        elif counts is None:
            self._patience.start()
        else:
            self._take(counts)
        self.speak(self._said)
        self.update()

    def speak(self, said: str) -> None:
        """Be called by what holds for the shot; a screen reader says it as soon as it changes."""
        self._said = said
        name = ". ".join(filter(None, (said, self.trouble))) or "Pattern"
        if name != self.accessibleName():
            self.setAccessibleName(name)

    def _take(self, counts: npt.NDArray[np.generic]) -> None:
        mask = self.session.cursor.mask()
        picture = self.session.display.screen_for(counts, mask).picture(counts, mask)
        heat = self.session.heat.on_pattern(counts.shape)
        if heat is not None:
            display, fine = self.session.display, self.session.heat.is_fine
            picture = display.overlay.shade(
                picture, heat, fine=fine, shown_in=display.screen.colormap
            )
            if display.overlay.contours:
                self._contours = contours_of(heat, detector(counts, mask))
                kind = self.session.heat.class_index or 0
                self._ink = QColor(self.session.labels.taxonomy.classes[kind].colour)
        self._pixels = np.ascontiguousarray(picture)
        self._image = image_of(self._pixels, borrowed=True)

    def _arrived(self, row: int) -> None:
        if row == self.session.cursor.row and self._pixels is None:
            self.refresh()

    def _announce(self) -> None:
        self.waiting = self._pixels is None and not self.trouble and self.session.cursor.row >= 0
        self.update()

    # -- where it lies -------------------------------------------------------------------------

    def sizeHint(self) -> QSize:
        return QSize(740, 740)

    def _scale(self) -> float:
        """Screen points for each detector pixel."""
        fit = min(self.width() / self._image.width(), self.height() / self._image.height())
        return max(fit, 1e-3) * self._zoom

    def target(self) -> QRectF:
        """Where the whole shot lies on the widget."""
        if self._pixels is None:
            side = min(self.width(), self.height())
            return QRectF((self.width() - side) / 2, (self.height() - side) / 2, side, side)
        return placed(self._image.size(), self.size(), self._zoom, self._middle)

    @property
    def looked_at(self) -> tuple[float, QPointF]:
        """How many times it is enlarged, and which place of it (shares of its sides) is in the
        middle."""
        return self._zoom, self._middle

    def pixel_at(self, point: QPointF) -> tuple[int, int] | None:
        """(y, x) of the detector pixel at a point of the widget, or None beside the shot."""
        target = self.target()
        if self._pixels is None or not target.contains(point):
            return None
        height, width = self._pixels.shape
        x = int((point.x() - target.left()) / target.width() * width)
        y = int((point.y() - target.top()) / target.height() * height)
        return (min(y, height - 1), min(x, width - 1))

    def zoom(self, factor: float | None, at: QPointF | None = None) -> None:
        """Zoom about a point, by default the middle; None shows the whole shot again."""
        if factor is None:
            self._zoom, self._middle = 1.0, QPointF(0.5, 0.5)
            self.update()
            self.looked.emit()
            return
        at = QPointF(self.width() / 2, self.height() / 2) if at is None else at
        before = self.target()
        share = QPointF(
            (at.x() - before.left()) / before.width(), (at.y() - before.top()) / before.height()
        )
        self._zoom = min(max(self._zoom * factor, 1.0), LARGEST_ZOOM)
        after = self.target()
        self._middle = QPointF(
            share.x() + (self.width() / 2 - at.x()) / after.width(),
            share.y() + (self.height() / 2 - at.y()) / after.height(),
        )
        self._hold()

    def _hold(self) -> None:
        """Keep the shot on the widget: never further out than its own edge in the middle."""
        if self._zoom == 1.0:
            self._middle = QPointF(0.5, 0.5)
        x, y = (min(max(v, 0.0), 1.0) for v in (self._middle.x(), self._middle.y()))
        self._middle = QPointF(x, y)
        self.update()
        self.looked.emit()

    @property
    def image(self) -> QImage:
        """The shot as it is shown, one pixel for each of its own; a null image without one."""
        return self._image.copy() if self._pixels is not None else QImage()

    # -- mouse and focus -----------------------------------------------------------------------

    def wheelEvent(self, event: QWheelEvent | None) -> None:
        if event is None:
            return
        turn = event.angleDelta().y()
        if turn and self._pixels is not None:
            self.zoom(1.0015**turn, event.position())
        event.accept()

    def mousePressEvent(self, event: QMouseEvent | None) -> None:
        if event is None:
            return
        if self._picking:
            self._pick(event)
        elif event.button() == Qt.MouseButton.LeftButton:
            self._grabbed = event.position()

    def mouseReleaseEvent(self, event: QMouseEvent | None) -> None:
        self._grabbed = None
        self._set_cursor()

    def mouseDoubleClickEvent(self, event: QMouseEvent | None) -> None:
        if not self._picking:
            self.zoom(None)
        elif event is not None:
            self._pick(event)

    def _set_cursor(self) -> None:
        cross, arrow = Qt.CursorShape.CrossCursor, Qt.CursorShape.ArrowCursor
        self.setCursor(cross if self._picking else arrow)

    # -- picking points --------------------------------------------------------------------------

    def pick(self, on: bool) -> None:
        """From now on clicks add to `points`, a right click takes the last one away; or no more."""
        self._picking = on
        menu = Qt.ContextMenuPolicy
        self.setContextMenuPolicy(menu.PreventContextMenu if on else menu.DefaultContextMenu)
        self._set_cursor()

    def show_circle(self, circle: Circle | None) -> None:
        """Draw the points, and a circle through them where there is one."""
        self._circle = circle
        self.update()

    def _pick(self, event: QMouseEvent) -> None:
        if event.button() == Qt.MouseButton.RightButton and self.points:
            self.points.pop()
        elif event.button() == Qt.MouseButton.LeftButton and self.pixel_at(event.position()):
            target, at = self.target(), event.position()
            scale = target.width() / self._image.width()
            y, x = (at.y() - target.top()) / scale - 0.5, (at.x() - target.left()) / scale - 0.5
            self.points.append((y, x))
        self.picked.emit()

    def _on_widget(self, y: float, x: float) -> QPointF:
        target = self.target()
        scale = target.width() / self._image.width()
        return QPointF(target.left() + (x + 0.5) * scale, target.top() + (y + 0.5) * scale)

    def _paint_points(self, painter: QPainter) -> None:
        painter.setBrush(Qt.BrushStyle.NoBrush)
        scale = self.target().width() / self._image.width()
        for pen in (QPen(QColor(0, 0, 0, 150), 3), QPen(theme.colour("accent"), 1.3)):
            painter.setPen(pen)
            for point in self.points:
                painter.drawEllipse(self._on_widget(*point), 4, 4)
            if self._circle is not None:
                middle = self._on_widget(*self._circle.centre)
                painter.drawEllipse(
                    middle, self._circle.radius * scale, self._circle.radius * scale
                )
                painter.drawLine(middle - QPointF(9, 0), middle + QPointF(9, 0))
                painter.drawLine(middle - QPointF(0, 9), middle + QPointF(0, 9))

    def mouseMoveEvent(self, event: QMouseEvent | None) -> None:
        if event is None:
            return
        if self._grabbed is not None and self._zoom > 1.0:
            target, moved = self.target(), event.position() - self._grabbed
            self._grabbed = event.position()
            self._middle -= QPointF(moved.x() / target.width(), moved.y() / target.height())
            self.setCursor(Qt.CursorShape.ClosedHandCursor)
            self._hold()
        self.pointed.emit(self.pixel_at(event.position()))

    def leaveEvent(self, event: object) -> None:
        self.pointed.emit(None)

    def resizeEvent(self, event: QResizeEvent | None) -> None:
        self.update()

    def focusInEvent(self, event: QFocusEvent | None) -> None:
        reasons = Qt.FocusReason
        by_tab = (reasons.TabFocusReason, reasons.BacktabFocusReason)
        self._ringed = event is not None and event.reason() in by_tab
        self.update()

    def focusOutEvent(self, event: QFocusEvent | None) -> None:
        self._ringed = False
        self.update()

    # -- painting ------------------------------------------------------------------------------

    def paintEvent(self, event: QPaintEvent | None) -> None:
        painter = QPainter(self)
        painter.fillRect(self.rect(), theme.colour("stage"))
        if self._pixels is not None:
            self._paint_shot(painter)
        elif self.trouble:
            wait = self.session.sources.is_comparing
            self._say(painter, *self._what_stops(), "muted" if wait else "error")
        elif self.waiting:
            self._say(painter, "Reading…", "", "muted")
        if self._ringed:
            paint_ring(painter, self)
        painter.end()
        if self._pixels is not None or self.trouble:
            self.session.cursor.painted.emit(self.session.cursor.row)

    def _what_stops(self) -> tuple[str, str]:
        if self.session.sources.is_comparing:
            more = "The disk may take its time. Until then no label is taken."
            return "Comparing the file with the one that was labelled…", more
        held = self.session.labels.withheld
        if held is not None and held[self.session.cursor.row]:
            return "The file of this shot was replaced", self.trouble
        more = "\n\nYou can still label it, flag it or skip it."
        return "This shot cannot be read", self.trouble + more

    def _paint_shot(self, painter: QPainter) -> None:
        target = self.target()
        smooth = self._scale() < CLEAR_PIXELS
        painter.setRenderHint(QPainter.RenderHint.SmoothPixmapTransform, smooth)
        painter.drawImage(target, self._image)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        if self._contours:
            self._paint_contours(painter, target)
        if self.centre_shown:
            self._paint_centre(painter)
        if self.points:
            self._paint_points(painter)
        if self._caption():
            self._paint_caption(painter, target)

    def _paint_contours(self, painter: QPainter, target: QRectF) -> None:
        painter.save()
        painter.translate(target.topLeft())
        painter.scale(target.width(), target.height())
        for level, path in self._contours:
            width = 1.2 + 0.8 * level
            halo = QPen(QColor(0, 0, 0, 130), width + 1.6)
            line = QPen(self._ink.lighter(115), width, Qt.PenStyle.CustomDashLine)
            line.setDashPattern([5, 3.5])
            for pen in (halo, line):
                pen.setCosmetic(True)
                painter.strokePath(path, pen)
        painter.restore()

    def _paint_centre(self, painter: QPainter) -> None:
        at, _ = self.beam()
        for pen in (QPen(QColor(0, 0, 0, 150), 3), QPen(theme.colour("accent"), 1.2)):
            painter.setPen(pen)
            painter.drawLine(at - QPointF(9, 0), at + QPointF(9, 0))
            painter.drawLine(at - QPointF(0, 9), at + QPointF(0, 9))

    def centre(self) -> tuple[float, float]:
        """(y, x) of the beam in pixels: the file's own, else the middle of the detector."""
        geometry = self.session.cursor.geometry()
        if geometry is not None and geometry.centre is not None:
            return geometry.centre
        return ((self._image.height() - 1) / 2, (self._image.width() - 1) / 2)

    def beam(self) -> tuple[QPointF, float]:
        """Where the beam's centre lies on the widget, and screen points for each pixel."""
        target = self.target()
        if self._pixels is None:
            return target.center(), target.width()
        return self._on_widget(*self.centre()), target.width() / self._image.width()

    def _caption(self) -> str:
        """What lies on the shot, or was done to it; '' where it is as in its file."""
        steps = self.session.shots.steps
        parts = [f"Preprocessed: {steps}"] if steps else []
        if heat := self.session.heat.caption():
            parts.append(heat)
        return " · ".join(parts)

    def _paint_caption(self, painter: QPainter, target: QRectF) -> None:
        text = self._caption()
        painter.setFont(theme.font(self.font().pointSizeF()))
        box = QRectF(painter.fontMetrics().boundingRect(text)).adjusted(-9, -4, 9, 4)
        box.moveTopLeft(QPointF(max(target.left(), 0) + 12, max(target.top(), 0) + 12))
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(QColor(0, 0, 0, 165))
        painter.drawRoundedRect(box, 5, 5)
        painter.setPen(QColor("#f0f0f0"))
        painter.drawText(box, Qt.AlignmentFlag.AlignCenter, text)

    def _say(self, painter: QPainter, title: str, text: str, ink: str) -> None:
        box = QRectF(self.rect()).adjusted(60, 60, -60, -60)
        size = self.font().pointSizeF()
        if ink == "error":
            spot = QRectF(box.center().x() - 20, box.center().y() - 92, 40, 40)
            theme.draw(painter, "icons/error.svg", spot, theme.current().error)
        flags = Qt.AlignmentFlag.AlignHCenter | Qt.AlignmentFlag.AlignTop | Qt.TextFlag.TextWordWrap
        box.setTop(box.center().y() - 37)
        painter.setFont(theme.font(size + 3, bold=True))
        painter.setPen(theme.colour("text" if ink == "error" else ink))
        title_box = painter.boundingRect(box, int(flags), title)
        painter.drawText(box, int(flags), title)
        box.setTop(title_box.bottom() + 9)
        painter.setFont(QFont(self.font()))
        painter.setPen(theme.colour("muted"))
        painter.drawText(box, int(flags), text)


def placed(image: QSize, room: QSize, zoom: float, middle: QPointF) -> QRectF:
    """Where an image lies in a room: fitted, then enlarged about a place given in shares."""
    fit = min(room.width() / image.width(), room.height() / image.height())
    scale = max(fit, 1e-3) * zoom
    width, height = image.width() * scale, image.height() * scale
    left, top = room.width() / 2 - middle.x() * width, room.height() / 2 - middle.y() * height
    return QRectF(left, top, width, height)


def contours_of(
    heat: npt.NDArray[np.float32], good: npt.NDArray[np.bool_] | None = None
) -> list[tuple[float, QPainterPath]]:
    """(level, path) of each drawn level; paths in shares of the shot's width and height.

    None is drawn where most pixels round about are not `good` (y, x of any resolution).
    """
    step = max(1, min(heat.shape) // 112)  # no map has finer detail
    coarse = np.nan_to_num(heat[::step, ::step])
    if min(coarse.shape) < 2 or coarse.max() <= 0:
        return []
    if good is not None and not good.all():
        seen = area_means(good, None, MASK_CELLS)
        down, right = (np.arange(n) * m // n for n, m in zip(coarse.shape, seen.shape, strict=True))
        coarse = np.ma.masked_array(coarse, seen[np.ix_(down, right)] <= 0.5)
    y, x = ((np.arange(0, n, step) + 0.5) / n for n in heat.shape)
    generator = contourpy.contour_generator(x, y, coarse)
    found = []
    for level in CONTOURS:
        path = QPainterPath()
        for line in cast(list[npt.NDArray[np.float64]], generator.lines(level)):
            path.moveTo(float(line[0][0]), float(line[0][1]))
            for right, down in line[1:]:
                path.lineTo(float(right), float(down))
        if not path.isEmpty():
            found.append((level, path))
    return found
