"""Tiles: a shot with the heatmap of one class on it, as in the paper's Fig. 5, many at a time.

A list model of (row, class) pairs, a delegate that paints them, and a list that is scrolled and
used by keyboard. Pictures are drawn as the session's screen and overlay say.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from PyQt6.QtCore import (
    QAbstractListModel,
    QModelIndex,
    QPoint,
    QPointF,
    QRectF,
    QSize,
    Qt,
    pyqtSignal,
)
from PyQt6.QtGui import (
    QColor,
    QFontMetrics,
    QImage,
    QKeyEvent,
    QPainter,
    QPainterPath,
    QPaintEvent,
    QPen,
)
from PyQt6.QtWidgets import (
    QAbstractItemView,
    QListView,
    QStyle,
    QStyledItemDelegate,
    QStyleOptionViewItem,
    QWidget,
)

from labeler.project.store.records import LABELLED
from labeler.session.heat import ON_ITS_WAY, Asked
from labeler.session.session import Session
from labeler.window.label.pattern.pattern import contours_of
from labeler.window.label.physics.pictures import map_picture
from labeler.window.widgets import theme
from labeler.window.widgets.parts import image_of, share
from model.errors import InputError
from model.heatmaps.forms import HEAT_FORMS
from model.heatmaps.geometry import ALARM, detector, enlarge, lost_share
from model.shots.thumbnail import area_means

TILE = Qt.ItemDataRole.UserRole
Drawn = tuple[QImage, list[tuple[float, QPainterPath]], float]
"""A picture, its contours by level, and the share of the heat that lies off the detector."""
CAPTION = 44
"""Height of the two lines below a tile."""
LINE = 17
"""Height of a third one, where the second would be cut."""
PART = " · "
WORDS = 340
"""Width that the words below a tile need at most."""
GAP = 10
KEPT = 400
"""This many drawn tiles are kept."""
ELIDE = Qt.TextElideMode.ElideRight
PLAIN = -1
"""The class of a tile that shows the shot without any heatmap."""


@dataclass(frozen=True)
class Tile:
    """A shot, and the class whose heatmap lies on it (PLAIN for none).

    With `covered`, occlusion's map in its place; `form` and `against` as `Asked` says.
    """

    row: int
    kind: int
    covered: bool = False
    form: str = ""
    against: int | None = None


class TileModel(QAbstractListModel):
    """Any number of tiles; what they show is worked out when they are painted."""

    def __init__(self, session: Session, parent: QWidget) -> None:
        super().__init__(parent)
        self.session = session
        self.tiles: Sequence[Tile] = ()
        self._places: dict[int, list[int]] = {}

    def show_tiles(self, tiles: Sequence[Tile]) -> None:
        """Show other tiles."""
        self.beginResetModel()
        self.tiles = tiles
        self._places = {}
        for place, tile in enumerate(tiles):
            self._places.setdefault(tile.row, []).append(place)
        self.endResetModel()

    def rowCount(self, parent: QModelIndex | None = None) -> int:
        return 0 if parent is not None and parent.isValid() else len(self.tiles)

    def data(self, index: QModelIndex, role: int = Qt.ItemDataRole.DisplayRole) -> Any:
        if not index.isValid():
            return None
        tile = self.tiles[index.row()]
        if role == TILE:
            return tile
        if role in (Qt.ItemDataRole.DisplayRole, Qt.ItemDataRole.AccessibleTextRole):
            return spoken(self.session, tile)
        if role == Qt.ItemDataRole.ToolTipRole:
            return explained(self.session, tile)
        return None

    def arrived(self, row: int) -> None:
        """The counts of a shot are there: paint its tiles."""
        for place in self._places.get(row, ()):
            self.dataChanged.emit(self.index(place), self.index(place))


def standing(session: Session, row: int, kind: int) -> str:
    """What the labels say of a class on a shot: 'labelled', 'absent' or 'undecided'."""
    open_ones = session.labels.decided.undecided(row)
    if not session.labels.status[row] & LABELLED or open_ones >> kind & 1:
        return "undecided"
    return "labelled" if session.labels.present[row] >> kind & 1 else "absent"


def spoken(session: Session, tile: Tile) -> str:
    """A tile for a screen reader."""
    if tile.kind == PLAIN:
        return f"shot {tile.row + 1}"
    name, likely = session.labels.taxonomy.names[tile.kind], ""
    run = session.predictions.run
    if run is not None and tile.row < len(run) and run.known[tile.kind]:
        likely = f", model {share(float(run.probabilities[tile.row, tile.kind]))}"
    return f"shot {tile.row + 1}, {name}{likely}, {standing(session, tile.row, tile.kind)}"


def asked(session: Session, tile: Tile) -> Asked:
    """Which heat a tile shows."""
    return Asked(tile.row, tile.kind, tile.form or session.display.overlay.form, tile.against)


def explained(session: Session, tile: Tile) -> str:
    """What the heat of a tile asks and how well its form does, or why there is none."""
    if tile.kind == PLAIN or tile.covered or session.predictions.run is None:
        return ""
    request = asked(session, tile)
    if (why := session.heat.why_none(request)) and why != ON_ITS_WAY:
        return why
    return session.heat.about(request)


def below(needed: int, width: int) -> int:
    """Height of the words below a tile of that width."""
    return theme.grown(CAPTION + LINE * (needed > width))


def _width(metrics: QFontMetrics, parts: Sequence[str]) -> int:
    return metrics.horizontalAdvance(PART.join(parts))


class TileDelegate(QStyledItemDelegate):
    """Paints one tile. `by_class` writes class names below, else shot numbers."""

    def __init__(self, session: Session, parent: QWidget, by_class: bool) -> None:
        super().__init__(parent)
        self.session = session
        self.by_class = by_class
        self.side, self.wide, self.needed = 180, 0, 0
        """Pixels: of the picture, of the words below it where they have more room, and of what they
        may need."""
        self._drawn: OrderedDict[tuple[Tile, int], Drawn] = OrderedDict()
        self.covered: dict[tuple[int, int], npt.NDArray[np.float32]] = {}
        """(row, class) -> (h, w) map by occlusion, where someone asked for it."""

    def forget(self) -> None:
        """What was drawn is out of date."""
        self._drawn.clear()

    def forget_shot(self, row: int) -> None:
        """Heat of one shot came."""
        for key in [key for key in self._drawn if key[0].row == row]:
            del self._drawn[key]

    def sizeHint(self, option: QStyleOptionViewItem, index: QModelIndex) -> QSize:
        width = max(self.side, self.wide)
        return QSize(width + GAP, self.side + below(self.needed, width) + GAP)

    def paint(
        self, painter: QPainter | None, option: QStyleOptionViewItem, index: QModelIndex
    ) -> None:
        tile = index.data(TILE)
        if painter is None or tile is None:
            return
        painter.save()
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setRenderHint(QPainter.RenderHint.SmoothPixmapTransform)
        box = QRectF(option.rect).adjusted(GAP / 2, GAP / 2, -GAP / 2, -GAP / 2)
        where = QRectF(box.left(), box.top(), self.side, self.side)
        self._paint_picture(painter, where, tile)
        state = option.state
        if state & QStyle.StateFlag.State_HasFocus or state & QStyle.StateFlag.State_MouseOver:
            ink = "accent" if state & QStyle.StateFlag.State_HasFocus else "muted"
            painter.setPen(QPen(theme.colour(ink), 2))
            painter.setBrush(Qt.BrushStyle.NoBrush)
            painter.drawRect(where)
        self._paint_caption(painter, box.adjusted(1, self.side + 4, -1, 0), tile, option)
        painter.restore()

    # -- the picture -----------------------------------------------------------------------------

    def _paint_picture(self, painter: QPainter, where: QRectF, tile: Tile) -> None:
        painter.fillRect(where, theme.colour("stage"))
        kept = self._kept(painter, tile)
        counts = None if kept is not None else self.session.shots.counts(tile.row)
        if isinstance(counts, InputError):
            spot = QRectF(where.center().x() - 12, where.center().y() - 12, 24, 24)
            theme.draw(painter, "icons/error.svg", spot, theme.current().error)
            return
        if kept is None and counts is None:
            self.session.shots.want(tile.row)
            return
        image, contours, _ = kept or self._picture(painter, tile, counts)
        size = image.size().toSizeF()
        size.scale(where.size(), Qt.AspectRatioMode.KeepAspectRatio)
        inside = QRectF(0, 0, size.width(), size.height())
        inside.moveCenter(where.center())
        painter.drawImage(inside, image)
        if contours:
            painter.save()
            painter.translate(inside.topLeft())
            painter.scale(inside.width(), inside.height())
            self._stroke(painter, contours, tile.kind)
            painter.restore()

    def _key(self, painter: QPainter, tile: Tile) -> tuple[Tile, int]:
        device = painter.device()
        ratio = device.devicePixelRatioF() if device is not None else 1.0
        return tile, round(self.side * ratio)

    def _kept(self, painter: QPainter, tile: Tile) -> Drawn | None:
        """What was drawn earlier, though the counts may have made room for others meanwhile."""
        key = self._key(painter, tile)
        if key in self._drawn:
            self._drawn.move_to_end(key)
        return self._drawn.get(key)

    def _picture(self, painter: QPainter, tile: Tile, counts: Any) -> Drawn:
        key = self._key(painter, tile)
        self._drawn[key] = self._draw(tile, counts, key[1])
        while len(self._drawn) > KEPT:
            self._drawn.popitem(last=False)
        return self._drawn[key]

    def _draw(self, tile: Tile, counts: Any, pixels: int) -> Drawn:
        session, lost = self.session, 0.0
        small = area_means(counts, session.shots.mask(tile.row), pixels)
        picture = session.display.screen.picture(small)
        contours: list[tuple[float, QPainterPath]] = []
        if tile.kind != PLAIN and session.predictions.run is not None:
            if session.heat.reads_maps:  # its heat lies over q and q
                picture = map_picture(
                    counts, session.shots.mask(tile.row), session.display.screen.colormap
                )
            heat = self.heat(tile, picture.shape)
            mask = session.shots.mask(tile.row)
            good = None if session.heat.reads_maps else detector(counts, mask)
            chosen = session.heat.form_of(asked(session, tile))
            fine = not tile.covered and not HEAT_FORMS[chosen].stored
            if heat is not None:
                whole = None if good is None or tile.covered else self.heat(tile, good.shape)
                if good is not None and whole is not None:
                    lost = lost_share(whole, good)
                picture = session.display.overlay.shade(
                    picture, heat, fine=fine, shown_in=session.display.screen.colormap
                )
                contours = contours_of(heat, good) if session.display.overlay.contours else []
        return image_of(picture), contours, lost

    def heat(self, tile: Tile, shape: tuple[int, int]) -> npt.NDArray[np.float32] | None:
        """(y, x) of a tile in its form, or by occlusion; None where there is none, or not yet."""
        if tile.covered:
            run = self.session.predictions.of_run
            return enlarge(self.covered[tile.row, tile.kind], shape, run.field_of(tile.row))
        return self.session.heat.of(asked(self.session, tile), shape)

    def lost(self, tile: Tile) -> float:
        """Share of the heat of a drawn tile on masked pixels and outside the detector."""
        return max((d[2] for key, d in self._drawn.items() if key[0] == tile), default=0.0)

    def _stroke(
        self, painter: QPainter, contours: list[tuple[float, QPainterPath]], kind: int
    ) -> None:
        """Dashed contours in the class's colour, as the pattern view draws them."""
        ink = QColor(self.session.labels.taxonomy.classes[kind].colour).lighter(115)
        for level, path in contours:
            width = 0.8 + 0.7 * level
            line = QPen(ink, width, Qt.PenStyle.CustomDashLine)
            line.setDashPattern([4, 2.5])
            for pen in (QPen(QColor(0, 0, 0, 130), width + 1.4), line):
                pen.setCosmetic(True)
                painter.strokePath(path, pen)

    # -- the words -------------------------------------------------------------------------------

    def _paint_caption(
        self, painter: QPainter, box: QRectF, tile: Tile, option: QStyleOptionViewItem
    ) -> None:
        session, points = self.session, option.font.pointSizeF()
        line = QRectF(box.left(), box.top(), self.side - 2, theme.grown(19))
        top = line.top() + theme.grown(18)
        second = QRectF(box.left(), top, box.width(), box.bottom() - top)
        middle, right = Qt.AlignmentFlag.AlignVCenter, Qt.AlignmentFlag.AlignRight
        if tile.kind == PLAIN:
            painter.setPen(theme.colour("text"))
            painter.setFont(theme.font(points))
            painter.drawText(line, int(middle), f"Shot {tile.row + 1:,}")
            painter.setPen(theme.colour("muted"))
            words = painter.fontMetrics().elidedText("no heatmap", ELIDE, int(second.width()))
            painter.drawText(second.topLeft() + QPointF(0, theme.grown(13)), words)
            return
        predictions = session.predictions.of_run
        said = float(predictions.probabilities[tile.row, tile.kind])
        likely = bool(predictions.likely()[tile.row, tile.kind])
        painter.setFont(theme.font(points, bold=likely))
        painter.setPen(theme.colour("strong" if likely else "text"))
        left = line
        if self.by_class:
            kind = session.labels.taxonomy.classes[tile.kind]
            mark = QRectF(line.left(), line.center().y() - 4, 8, 8)
            painter.fillRect(mark, QColor(kind.colour))
            left = line.adjusted(14, 0, -theme.grown(34), 0)
            name = kind.name
            if tile.against is not None:
                name += f", not {session.labels.taxonomy.names[tile.against]}"
            text = painter.fontMetrics().elidedText(
                name, Qt.TextElideMode.ElideRight, int(left.width())
            )
        else:
            text = f"#{tile.row + 1:,}"
        painter.drawText(left, int(middle), text)
        painter.setFont(theme.numbers(points))
        painter.setPen(theme.colour("strong" if likely else "muted"))
        number = share(said) if predictions.known[tile.kind] else "–"
        painter.drawText(line, int(middle | right), number)
        painter.setFont(theme.font(points * 0.92))
        self._paint_standing(painter, second, tile, likely)

    def _paint_standing(self, painter: QPainter, box: QRectF, tile: Tile, likely: bool) -> None:
        """In the box below the first line: the second one, and a third one where that is cut."""
        metrics, middle = painter.fontMetrics(), Qt.AlignmentFlag.AlignVCenter
        line = QRectF(box.left(), box.top(), box.width(), theme.grown(19))
        lost, taken = self.lost(tile) if likely else 0.0, 0
        if lost > ALARM:
            painter.setPen(theme.colour("warning"))
            warning = f"⚠ {100 * lost:.0f} % off"
            painter.drawText(line, int(middle | Qt.AlignmentFlag.AlignRight), warning)
            taken = metrics.horizontalAdvance(f"{warning}  ")
        text, wrong = self.words(tile)
        painter.setPen(theme.colour("warning" if wrong else "muted"))
        for words in self._lines(text, metrics, line.width() - taken, line.width()):
            painter.drawText(line.adjusted(0, 0, -taken, 0), int(middle), words)
            line, taken = line.translated(0, theme.grown(LINE)), 0

    def _lines(self, text: str, metrics: QFontMetrics, first: float, other: float) -> list[str]:
        """The words in one line where they fit into that width, or there is no room for two."""
        if self.needed <= max(self.side, self.wide) or metrics.horizontalAdvance(text) <= first:
            return [metrics.elidedText(text, ELIDE, int(first))]
        parts = text.split(PART)
        fits = [n for n in range(len(parts)) if _width(metrics, parts[:n]) <= first]
        upper, lower = PART.join(parts[: fits[-1]]), PART.join(parts[fits[-1] :])
        return [upper, metrics.elidedText(lower, ELIDE, int(other))]

    def words(self, tile: Tile) -> tuple[str, bool]:
        """What stands below a heatmap, and whether the run is wrong there."""
        if tile.covered:
            return "by occlusion", False
        heat, request = self.session.heat, asked(self.session, tile)
        likely = bool(self.session.predictions.of_run.likely()[tile.row, tile.kind])
        word = standing(self.session, tile.row, tile.kind)
        known = not heat.never_learnt(tile.kind)
        wrong = known and (word == "labelled") != likely and word != "undecided"
        if not known:
            return f"{word}{PART}never learnt", False
        if wrong:
            word = "missed" if word == "labelled" else "false alarm"
        if why := heat.why_none(request):
            return "computing …" if why == ON_ITS_WAY else f"{word}{PART}no heat", wrong
        words = [word]
        if tile.form or tile.against is not None:
            form = HEAT_FORMS[heat.form_of(request)].short
            words = [word, form] if wrong else [form]
        if not (likely or wrong):  # its heat looks like that of a class that is sure
            words.insert(0, "not predicted")
        return PART.join(filter(None, [*words, heat.no_more(request)])), wrong


class TileList(QListView):
    """Tiles in rows. Emits `chosen` with the tile that was clicked or entered by key."""

    chosen = pyqtSignal(object)

    def __init__(self, session: Session, *, by_class: bool) -> None:
        super().__init__()
        self.session = session
        self.tiles = TileModel(session, self)
        self.delegate = TileDelegate(session, self, by_class)
        self.setModel(self.tiles)
        self.setItemDelegate(self.delegate)
        self.setViewMode(QListView.ViewMode.IconMode)
        self.setMovement(QListView.Movement.Static)
        self.setResizeMode(QListView.ResizeMode.Adjust)
        self.setUniformItemSizes(True)
        self.setSelectionMode(QAbstractItemView.SelectionMode.NoSelection)
        self.setVerticalScrollMode(QAbstractItemView.ScrollMode.ScrollPerPixel)
        self.setMouseTracking(True)
        self.setFrameShape(QListView.Shape.NoFrame)
        self.setStyleSheet("background: transparent;")
        self.clicked.connect(self._choose)
        session.shots.counts_ready.connect(self._arrived)
        session.heat.heat_ready.connect(self._heat_ready)
        for signal in (
            session.display.display_changed,
            session.predictions.run_changed,
            session.project_changed,
        ):
            signal.connect(self._forget)
        session.labels.labels_changed.connect(self._repaint)

    def room(self) -> QSize:
        """What tiles may fill, a scroll bar set aside."""
        return self.contentsRect().size() - QSize(12, 0)

    def needed(self, tiles: Sequence[Tile]) -> int:
        """Pixels that the second line below any of these tiles may need in full."""
        metrics = QFontMetrics(theme.font(self.font().pointSizeF() * 0.92))
        kinds = {(tile.kind, tile.form, tile.against) for tile in tiles if not tile.covered}
        said = (words for kind in kinds if kind[0] != PLAIN for words in self._most(*kind))
        return max((_width(metrics, words) + 4 for words in said), default=0)

    def _most(self, kind: int, form: str, against: int | None) -> Iterator[list[str]]:
        """The longest words below a tile, see `TileDelegate.words`."""
        heat = self.session.heat
        more = [words for words in [heat.no_more(Asked(-1, kind, form, against))] if words]
        if form or against is not None:
            forms = [form] if form else [f for f in heat.offered if not HEAT_FORMS[f].stored]
            for short in (HEAT_FORMS[f].short for f in forms):
                yield ["not predicted", short, *more]
        else:
            yield ["not predicted", "undecided", *more]

    def show_tiles(self, tiles: Sequence[Tile], side: int) -> None:
        """Show tiles of that side in pixels; the same ones are only painted again."""
        needed = self.needed(tiles)
        if (side, needed) != (self.delegate.side, self.delegate.needed):
            self.delegate.forget()
            self.delegate.side, self.delegate.needed = side, needed
            self.scheduleDelayedItemsLayout()
        if list(tiles) != list(self.tiles.tiles):
            self.tiles.show_tiles(tiles)
            self.scrollToTop()
        self._repaint()

    @staticmethod
    def width_of_words(wide: int) -> int:
        """Pixels that words take of a column of that width."""
        return min(wide, theme.grown(WORDS))

    def across(self, columns: int) -> None:
        """Let no more than so many columns stand side by side, with room for their words; 0 for as
        many columns as there is room."""
        room = self.room().width()
        wide = self.width_of_words(room // columns - GAP) if columns else 0
        if wide != self.delegate.wide:
            self.delegate.wide = wide
            self.scheduleDelayedItemsLayout()
        taken = columns * (max(self.delegate.side, wide) + GAP)
        self.setViewportMargins(0, 0, max(room - taken, 0) if columns else 0, 0)

    def paintEvent(self, event: QPaintEvent | None) -> None:
        """Heat of the newest request is computed first: the first tiles in sight ask last."""
        super().paintEvent(event)
        if self.session.predictions.run is None:
            return
        for tile in [self.tiles.tiles[place] for place in reversed(self._in_sight())]:
            if tile.kind != PLAIN and not tile.covered:
                self.session.heat.why_none(asked(self.session, tile))

    def _in_sight(self) -> range:
        """Places of the tiles that are in sight, by their tops."""
        port, first = self.viewport(), max(self.indexAt(QPoint(1, 1)).row(), 0)
        last, height = first, 0 if port is None else port.height()
        while last < len(self.tiles.tiles):
            if self.visualRect(self.tiles.index(last)).top() >= height:
                break
            last += 1
        return range(first, last)

    def keyPressEvent(self, event: QKeyEvent | None) -> None:
        if event is not None and event.key() in (Qt.Key.Key_Return, Qt.Key.Key_Enter):
            self._choose(self.currentIndex())
        else:
            super().keyPressEvent(event)

    def _choose(self, index: QModelIndex) -> None:
        tile = index.data(TILE)
        if tile is not None:
            self.chosen.emit(tile)

    def _arrived(self, row: int) -> None:
        if self.isVisible():
            self.tiles.arrived(row)

    def _heat_ready(self, row: int) -> None:
        self.delegate.forget_shot(row)
        self._arrived(row)

    def _forget(self) -> None:
        self.delegate.forget()
        self._repaint()

    def _repaint(self, *_: object) -> None:
        port = self.viewport()
        if port is not None:
            port.update()
