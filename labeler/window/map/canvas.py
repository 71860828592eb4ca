"""The map itself: a dot for every shot, to be moved, zoomed, hovered, clicked and lassoed.

It shows places and colours that it is given, and tells what the mouse did; it decides nothing.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from PyQt6.QtCore import QPointF, QRectF, Qt, QTimer, pyqtSignal
from PyQt6.QtGui import (
    QColor,
    QFocusEvent,
    QImage,
    QKeyEvent,
    QMouseEvent,
    QPainter,
    QPainterPath,
    QPaintEvent,
    QPen,
    QPolygonF,
    QWheelEvent,
)
from PyQt6.QtWidgets import QWidget

from labeler.active.map import ShotMap, plain
from labeler.window.map import dots as map_dots
from labeler.window.map.colours import QUIET, Colouring
from labeler.window.widgets import theme
from labeler.window.widgets.focus import paint_ring
from labeler.window.widgets.parts import image_of

NEAR = 12
"""The cursor points to the nearest dot within this many pixels."""
STILL_MS = 70
"""After a move or zoom the dots are drawn sharp again once it is still for this long."""
MARGIN = 0.93
ZOOM = 1.25
WAYS = {
    Qt.Key.Key_Left: (-1, 0),
    Qt.Key.Key_Right: (1, 0),
    Qt.Key.Key_Up: (0, -1),
    Qt.Key.Key_Down: (0, 1),
}
"""Right and down of the arrow keys."""


class MapCanvas(QWidget):
    """Drag: lasso; Shift-drag: rectangle; Ctrl adds; middle or right drag moves; wheel zooms.

    Arrows go to the nearest dot that way, Space selects it or no longer, Return clicks it.
    """

    hovered = pyqtSignal(int)
    """Row under the cursor of the mouse or of the keyboard, -1 for none."""
    clicked = pyqtSignal(int)
    selection_changed = pyqtSignal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setMouseTracking(True)
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.setAccessibleName("Map of all shots")
        self.shot_map: ShotMap = plain(np.zeros((0, 2), np.float32))
        self.selected = np.zeros(0, bool)
        self.current = -1
        """Row of the session's shot."""
        self.rings_shown = True
        self.lit: int | None = None
        """Only this code of the colouring is bright; -1: the points that else stay quiet."""
        self._colouring = Colouring(np.zeros(0, np.int16), ())
        self._zoom, self._middle = 1.0, QPointF(0, 0)
        self.under = -1
        """Row that the mouse or the keys point to."""
        self._pressed: QPointF | None = None
        self._dragged: QPointF | None = None
        self._lasso: list[QPointF] = []
        self._image: QImage | None = None
        self._drawn: tuple[float, QPointF] = (1.0, QPointF(0, 0))
        self._still = QTimer(self)
        self._still.setSingleShot(True)
        self._still.setInterval(STILL_MS)
        self._still.timeout.connect(self.redraw)

    # -- what is shown ---------------------------------------------------------------------------

    def show_map(self, shot_map: ShotMap) -> None:
        """Show other places; the selection stays where it is the same number of shots."""
        if len(shot_map.places) != len(self.shot_map.places):
            self.selected = np.zeros(len(shot_map.places), bool)
            self._zoom, self._middle = 1.0, QPointF(0, 0)
        self.shot_map = shot_map
        self.redraw()

    def show_colours(self, colouring: Colouring) -> None:
        """Colour the dots in another way."""
        self._colouring = colouring
        self.redraw()

    def light(self, code: int | None) -> None:
        """Make one colour bright and the others quiet; None shows all."""
        self.lit = code
        self.redraw()

    def select(self, rows: npt.ArrayLike, add: bool = False) -> None:
        """Select shots, instead of or besides those that are."""
        if not add:
            self.selected[:] = False
        self.selected[np.asarray(rows, np.int64)] = True
        self.redraw()
        self.selection_changed.emit()

    @property
    def rows(self) -> npt.NDArray[np.int64]:
        """Selected rows, in file order."""
        return np.flatnonzero(self.selected).astype(np.int64)

    def fit(self) -> None:
        """The whole map."""
        self._zoom, self._middle = 1.0, QPointF(0, 0)
        self.redraw()

    def redraw(self) -> None:
        """Draw all dots again."""
        self._image = None
        self.update()

    def _scale(self) -> float:
        """Pixels of the widget for one unit of the map."""
        return self._zoom * MARGIN * min(self.width(), self.height()) / 2

    def spots(self) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.float32]]:
        """(N,), (N,) where the dots are in the widget; NaN for shots without a place."""
        scale, places = self._scale(), self.shot_map.places
        x = (places[:, 0] - self._middle.x()) * scale + self.width() / 2
        y = (self._middle.y() - places[:, 1]) * scale + self.height() / 2
        return x, y

    # -- painting --------------------------------------------------------------------------------

    def paintEvent(self, event: QPaintEvent | None) -> None:
        painter = QPainter(self)
        painter.fillRect(self.rect(), theme.colour("stage"))
        if self._image is None and not self._still.isActive():
            self._image = self._dots()
            self._drawn = (self._scale(), QPointF(self._middle))
        if self._image is not None:
            painter.setRenderHint(QPainter.RenderHint.SmoothPixmapTransform)
            painter.drawImage(self._where_drawn(), self._image)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        if self.rings_shown:
            self._paint_rings(painter)
        for row, width in ((self.current, 2.0), (self.under, 1.4)):
            self._paint_mark(painter, row, width)
        if self._lasso:
            painter.setPen(QPen(theme.colour("accent"), 1.4, Qt.PenStyle.DashLine))
            painter.setBrush(theme.colour("accent", 0.10))
            painter.drawPolygon(QPolygonF(self._lasso))
        if self.hasFocus():
            paint_ring(painter, self)
        painter.end()

    def _where_drawn(self) -> QRectF:
        """Where the picture lies now that the map may have been moved since it was drawn."""
        scale, middle = self._drawn
        ratio = self._scale() / scale
        x = self.width() / 2 + (middle.x() - self._middle.x()) * self._scale()
        y = self.height() / 2 - (middle.y() - self._middle.y()) * self._scale()
        w, h = self.width() * ratio, self.height() * ratio
        return QRectF(x - w / 2, y - h / 2, w, h)

    def _dots(self) -> QImage:
        ratio = self.devicePixelRatioF()
        width, height = max(1, round(self.width() * ratio)), max(1, round(self.height() * ratio))
        background = theme.colour("stage")
        pixels = map_dots.blank(width, height, background)
        x, y = self.spots()
        order, ink = self._inks(background)
        order = order[np.isfinite(x[order])]
        at_x, at_y = x[order] * ratio, y[order] * ratio
        side = min(self.width(), self.height())
        size = map_dots.radius(len(x), 0.6 * side * side, self._zoom) * ratio
        chosen = self.selected[order]
        map_dots.draw(pixels, at_x[~chosen], at_y[~chosen], ink[order][~chosen], size)
        if chosen.any():
            strong = np.full(int(chosen.sum()), theme.colour("strong").rgb(), np.uint32)
            map_dots.draw(pixels, at_x[chosen], at_y[chosen], strong, size + 1.2 * ratio)
            map_dots.draw(pixels, at_x[chosen], at_y[chosen], ink[order][chosen], size)
        made = image_of(pixels)
        made.setDevicePixelRatio(ratio)
        return made

    def _inks(self, background: QColor) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.uint32]]:
        """Rows in the order of drawing, and the colour (N,) of each."""
        legend = [entry for entry in self._colouring.legend if entry.colour != QUIET]
        n = len(self.shot_map.places)
        codes = self._colouring.codes if len(self._colouring.codes) == n else np.full(n, -1)
        quiet = quiet_colour(background)
        inks = [QColor(entry.colour) for entry in legend]
        if self.lit is not None:
            inks = [c if k == self.lit else quiet for k, c in enumerate(inks)]
        quiet = theme.colour("text") if self.lit == -1 else quiet
        palette = np.array([c.rgb() for c in (*inks, quiet)], np.uint32)
        ink = palette[codes]
        if self.selected.any():
            dim = np.array([map_dots.mixed(c, background, 0.55).rgb() for c in (*inks, quiet)],
                           np.uint32)  # fmt: skip
            ink = np.where(self.selected, ink, dim[codes])
        counts = np.array([*(e.count for e in legend), 1 << 40])
        rank = counts[codes].astype(np.int64)  # the rarer a colour, the later and higher it lies
        if self.lit is not None:
            rank = np.where(codes == self.lit, 0, rank)
        return np.argsort(-rank, kind="stable"), ink

    def _paint_rings(self, painter: QPainter) -> None:
        scale = self._scale()
        numbered: set[int] = set()
        for number, ring in self.shot_map.rings:
            x = (ring[:, 0] - self._middle.x()) * scale + self.width() / 2
            y = (self._middle.y() - ring[:, 1]) * scale + self.height() / 2
            path = QPolygonF([QPointF(a, b) for a, b in zip(x.tolist(), y.tolist(), strict=True)])
            painter.setPen(QPen(theme.colour("muted", 0.75), 1.1))
            painter.setBrush(Qt.BrushStyle.NoBrush)
            painter.drawPolyline(path)
            if number not in numbered:
                numbered.add(number)
                top = int(np.argmin(y))
                self._paint_number(painter, QPointF(float(x[top]), float(y[top])), number)

    def _paint_number(self, painter: QPainter, at: QPointF, number: int) -> None:
        painter.setFont(theme.numbers(self.font().pointSizeF() * 0.85))
        text = str(number + 1)
        width = painter.fontMetrics().horizontalAdvance(text) + 9
        box = QRectF(at.x() - width / 2, at.y() - 8, width, 16)
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(theme.colour("panel", 0.92))
        painter.drawRoundedRect(box, 8, 8)
        painter.setPen(theme.colour("text"))
        painter.drawText(box, Qt.AlignmentFlag.AlignCenter, text)

    def _paint_mark(self, painter: QPainter, row: int, width: float) -> None:
        at = self.spot(row)
        if at is not None:
            painter.setPen(QPen(theme.colour("strong"), width))
            painter.setBrush(Qt.BrushStyle.NoBrush)
            painter.drawEllipse(at, 8, 8)

    def spot(self, row: int) -> QPointF | None:
        """Where a shot's dot is; None for one without a place."""
        if not 0 <= row < len(self.shot_map.places):
            return None
        x, y = (float(v[row]) for v in self.spots())
        return QPointF(x, y) if np.isfinite(x) else None

    # -- mouse and keys --------------------------------------------------------------------------

    def row_at(self, at: QPointF) -> int:
        """The row whose dot is nearest, -1 where none is near."""
        if not len(self.shot_map.places):
            return -1
        x, y = self.spots()
        distance = (x - at.x()) ** 2 + (y - at.y()) ** 2
        distance[~np.isfinite(distance)] = np.inf
        nearest = int(distance.argmin())
        return nearest if distance[nearest] <= NEAR * NEAR else -1

    def mousePressEvent(self, event: QMouseEvent | None) -> None:
        if event is None:
            return
        if event.button() == Qt.MouseButton.LeftButton:
            self._pressed = event.position()
            self._lasso = []
        else:
            self._dragged = event.position()

    def mouseMoveEvent(self, event: QMouseEvent | None) -> None:
        if event is None:
            return
        at = event.position()
        if self._dragged is not None:
            moved, self._dragged = at - self._dragged, at
            self._middle -= QPointF(moved.x(), -moved.y()) / self._scale()
            self._moved()
        elif self._pressed is not None:
            self._pull(at, bool(event.modifiers() & Qt.KeyboardModifier.ShiftModifier))
        else:
            self._point(self.row_at(at))

    def _point(self, row: int) -> None:
        if row != self.under:
            self.under = row
            self.hovered.emit(row)
            self.update()

    def _pull(self, at: QPointF, rectangle: bool) -> None:
        start = self._pressed
        if start is None or ((at - start).manhattanLength() < 5 and not self._lasso):
            return
        if rectangle:
            corners = (start, QPointF(at.x(), start.y()), at, QPointF(start.x(), at.y()))
            self._lasso = list(corners)
        else:
            self._lasso = [*(self._lasso or [start]), at]
        self.update()

    def mouseReleaseEvent(self, event: QMouseEvent | None) -> None:
        if event is None:
            return
        if event.button() != Qt.MouseButton.LeftButton:
            self._dragged = None
            return
        lasso, pressed = self._lasso, self._pressed
        self._lasso, self._pressed = [], None
        add = bool(event.modifiers() & Qt.KeyboardModifier.ControlModifier)
        if lasso:
            self.select(self.inside(lasso), add)
        elif pressed is not None:
            row = self.row_at(event.position())
            if row < 0:
                self.select([], add)
            elif add:
                self._flip(row)
            else:
                self.clicked.emit(row)
        self.update()

    def inside(self, ring: list[QPointF]) -> npt.NDArray[np.int64]:
        """Rows whose dots lie in a ring of the widget's points, to the pixel."""
        mask = QImage(self.size(), QImage.Format.Format_Grayscale8)
        mask.fill(0)
        path = QPainterPath()
        path.addPolygon(QPolygonF(ring))
        painter = QPainter(mask)
        painter.fillPath(path, QColor("white"))
        painter.end()
        bits = mask.constBits()
        assert bits is not None
        stride, height = mask.bytesPerLine(), mask.height()
        filled = np.frombuffer(bits.asstring(stride * height), np.uint8).reshape(height, stride)
        x, y = self.spots()
        seen = (x >= 0) & (x < self.width()) & (y >= 0) & (y < self.height())
        rows = np.flatnonzero(seen)
        hit = filled[y[rows].astype(int), x[rows].astype(int)] > 127
        return np.asarray(rows[hit], np.int64)

    def wheelEvent(self, event: QWheelEvent | None) -> None:
        if event is not None:
            self.zoom(1.0015 ** event.angleDelta().y(), event.position())

    def zoom(self, factor: float, at: QPointF | None = None) -> None:
        """Zoom about a point of the widget, by default its middle."""
        at = QPointF(self.width() / 2, self.height() / 2) if at is None else at
        off = QPointF(at.x() - self.width() / 2, self.height() / 2 - at.y())
        before = self._scale()
        self._zoom = min(max(self._zoom * factor, 0.7), 60.0)
        self._middle += off / before - off / self._scale()
        self._moved()

    def _moved(self) -> None:
        self._still.start()
        self.update()

    def _flip(self, row: int) -> None:
        self.selected[row] = ~self.selected[row]
        self.redraw()
        self.selection_changed.emit()

    def leaveEvent(self, event: object) -> None:
        self._point(-1)

    def focusOutEvent(self, event: QFocusEvent | None) -> None:
        self._point(-1)
        super().focusOutEvent(event)

    def resizeEvent(self, event: object) -> None:
        self._image = None

    def keyPressEvent(self, event: QKeyEvent | None) -> None:
        if event is None or not self._key(Qt.Key(event.key())):
            super().keyPressEvent(event)

    def _key(self, key: Qt.Key) -> bool:
        keys = Qt.Key
        zooms = {keys.Key_Plus: ZOOM, keys.Key_Equal: ZOOM, keys.Key_Minus: 1 / ZOOM}
        if key in WAYS:
            self._step(*WAYS[key])
        elif key in zooms:
            self.zoom(zooms[key])
        elif key == keys.Key_Backspace:
            self.fit()
        elif key == keys.Key_Escape:
            self.select([])
        elif self.under >= 0 and key == keys.Key_Space:
            self._flip(self.under)
        elif self.under >= 0 and key in (keys.Key_Return, keys.Key_Enter):
            self.clicked.emit(self.under)
        else:
            return False
        return True

    def _step(self, right: int, down: int) -> None:
        """Point to the nearest dot that way; first to that of the session's shot."""
        at = self.spot(self.under)
        if at is None:
            row = self.current if self.spot(self.current) is not None else self._nearest_middle()
        else:
            row = self._beside(at, right, down)
        spot = self.spot(row)
        if spot is None:
            return
        if not self.rect().contains(spot.toPoint()):
            x, y = self.shot_map.places[row].tolist()
            self._middle = QPointF(x, y)
            self._moved()
        self._point(row)

    def _nearest_middle(self) -> int:
        x, y = self.spots()
        distance = np.hypot(x - self.width() / 2, y - self.height() / 2)
        return int(np.nanargmin(distance)) if np.isfinite(distance).any() else -1

    def _beside(self, at: QPointF, right: int, down: int) -> int:
        """The row of the nearest dot within 45° of a direction, -1 where there is none."""
        x, y = self.spots()
        x, y = x - at.x(), y - at.y()
        along, across = x * right + y * down, np.abs(x * down - y * right)
        that_way = (along > 0) & (across <= along)
        distance = np.where(that_way, np.hypot(x, y), np.inf)
        return int(distance.argmin()) if that_way.any() else -1


def quiet_colour(background: QColor) -> QColor:
    """Of dots on a background that have no colour of their own."""
    return map_dots.mixed(theme.colour("disabled"), background, 0.45)
