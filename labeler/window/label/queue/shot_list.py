"""The queue of shots: thumbnails, marks and filters, and how far the labelling is.

Virtual, so that a million rows cost nothing: a model over the session's queue and a delegate that
paints; it holds no labels and no pictures.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import cast

import numpy as np
import numpy.typing as npt
from PyQt6.QtCore import (
    QAbstractListModel,
    QItemSelectionModel,
    QModelIndex,
    QPointF,
    QRect,
    QRectF,
    QSize,
    Qt,
    QTimer,
)
from PyQt6.QtGui import QColor, QImage, QPainter, QPen
from PyQt6.QtWidgets import (
    QAbstractItemView,
    QFrame,
    QHeaderView,
    QLabel,
    QProgressBar,
    QStyle,
    QStyledItemDelegate,
    QStyleOptionViewItem,
    QTableView,
    QVBoxLayout,
    QWidget,
)

from labeler.project.store.records import FLAGGED, LABELLED, SKIPPED
from labeler.session.session import Session
from labeler.window.label.queue.head import QueueHead
from labeler.window.widgets import theme
from labeler.window.widgets.parts import class_sign
from model.errors import InputError
from model.taxonomy.taxonomy import Taxonomy

THUMBNAIL = 60
ROW_HEIGHT = 68
ROW = Qt.ItemDataRole.UserRole
CHIP, CHIP_STEP = 18, 22
"""Side of a chip, and from one to the next."""
FEW = 32
"""Up to this many changed rows are painted one by one."""
REDRAW_MS = 30
"""Thumbnails that arrive together are painted together."""


class QueueModel(QAbstractListModel):
    """Rows of the session's queue, in its order."""

    def __init__(self, session: Session) -> None:
        super().__init__(session)
        self.session = session
        self._queue = session.queue.rows
        session.queue.queue_changed.connect(self._reset)
        session.project_changed.connect(self._reset)

    def rowCount(self, parent: QModelIndex | None = None) -> int:
        return 0 if parent is not None and parent.isValid() else len(self._queue)

    def data(self, index: QModelIndex, role: int = Qt.ItemDataRole.DisplayRole) -> object:
        if not index.isValid():
            return None
        row = int(self._queue[index.row()])
        if role == ROW:
            return row
        if role == Qt.ItemDataRole.AccessibleTextRole:
            return spoken(self.session, row)
        return str(row + 1) if role == Qt.ItemDataRole.DisplayRole else None

    def _reset(self) -> None:
        self.beginResetModel()
        self._queue = self.session.queue.rows
        self.endResetModel()


def _column(model: QueueModel, delegate: QStyledItemDelegate) -> QTableView:
    """A table of one column: unlike a list it does not visit a million rows to lay them out."""
    view = QTableView()
    view.setAccessibleName("Queue of shots")
    view.setModel(model)
    view.setItemDelegate(delegate)
    view.setShowGrid(False)
    rows, columns = view.verticalHeader(), view.horizontalHeader()
    assert rows is not None
    assert columns is not None
    rows.hide()
    columns.hide()
    rows.setSectionResizeMode(QHeaderView.ResizeMode.Fixed)
    rows.setMinimumSectionSize(theme.grown(ROW_HEIGHT))
    rows.setDefaultSectionSize(theme.grown(ROW_HEIGHT))
    columns.setSectionResizeMode(QHeaderView.ResizeMode.Stretch)
    view.setFrameShape(QFrame.Shape.NoFrame)
    view.setVerticalScrollMode(QAbstractItemView.ScrollMode.ScrollPerPixel)
    view.setSelectionMode(QAbstractItemView.SelectionMode.SingleSelection)
    view.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
    view.setMouseTracking(True)
    view.setFocusPolicy(Qt.FocusPolicy.TabFocus)
    view.setTabKeyNavigation(False)
    port = view.viewport()
    assert port is not None
    # then a step scrolls what is drawn instead of drawing it again
    port.setAutoFillBackground(True)
    return view


def spoken(session: Session, row: int) -> str:
    """A shot for a screen reader."""
    names = session.labels.taxonomy.named(session.labelling.shown_labels(row))
    status = session.labelling.shown(row)[1]
    words = [word for bit, word in ((FLAGGED, "flagged"), (SKIPPED, "skipped")) if status & bit]
    state = ", ".join(names) or ("no class" if status & LABELLED else "undecided")
    return ", ".join([f"shot {row + 1}", state, *words])


def said(session: Session, row: int, selected: bool, many: int) -> str:
    """The same where shots are selected: whether it is one of them, and how many they are."""
    return f"{spoken(session, row)}{', selected' if selected else ''}; {many:,} selected"


class ShotDelegate(QStyledItemDelegate):
    """Paints one shot: thumbnail, number, the keys of its classes, warning, flag, skip."""

    def __init__(self, session: Session, parent: QWidget) -> None:
        super().__init__(parent)
        self.session = session
        self.keys: Mapping[str, str] = {}
        """The keys in use, by command."""
        self._judged_by: Taxonomy | None = None
        self._wrong: dict[tuple[int, int], bool] = {}

    def sizeHint(self, option: QStyleOptionViewItem, index: QModelIndex) -> QSize:
        return QSize(160, theme.grown(ROW_HEIGHT))

    def paint(
        self, painter: QPainter | None, option: QStyleOptionViewItem, index: QModelIndex
    ) -> None:
        if painter is None:
            return
        row = index.data(ROW)
        painter.save()
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setRenderHint(QPainter.RenderHint.SmoothPixmapTransform)
        box = option.rect
        if row == self.session.cursor.row:
            painter.fillRect(box, theme.colour("select"))
            painter.fillRect(QRect(box.left(), box.top(), 3, box.height()), theme.colour("accent"))
        elif option.state & QStyle.StateFlag.State_MouseOver:
            painter.fillRect(box, theme.colour("hover"))
        side = theme.grown(THUMBNAIL)
        picture = QRectF(box.left() + 8, box.top() + 4, side, side)
        self._paint_thumbnail(painter, picture, row)
        self._paint_words(painter, QRectF(box).adjusted(side + 17, 8, -8, -8), row)
        painter.restore()

    def _paint_thumbnail(self, painter: QPainter, where: QRectF, row: int) -> None:
        painter.fillRect(where, QColor("#0c0c0d"))
        feed = self.session.shots.feed
        picture = None if feed is None else feed.thumbnail(row)
        if isinstance(picture, InputError):
            spot = QRectF(where.center().x() - 11, where.center().y() - 11, 22, 22)
            theme.draw(painter, "icons/error.svg", spot, theme.current().error)
        elif picture is not None:
            gray = np.ascontiguousarray(picture)
            height, width = gray.shape
            image = QImage(
                cast(bytes, gray.data), width, height, width, QImage.Format.Format_Grayscale8
            )
            share = min(where.width() / width, where.height() / height)
            size = (width * share, height * share)
            target = QRectF(
                where.center().x() - size[0] / 2, where.center().y() - size[1] / 2, *size
            )
            painter.drawImage(target, image)

    def _paint_words(self, painter: QPainter, where: QRectF, row: int) -> None:
        session = self.session
        status = session.labelling.shown(row)[1]
        decided = bool(status & LABELLED)
        size = self.parent().font().pointSizeF()  # type: ignore[union-attr]
        painter.setFont(theme.numbers(size))
        painter.setPen(theme.colour("strong" if row == session.cursor.row else "text"))
        painter.drawText(where, Qt.AlignmentFlag.AlignLeft, f"{row + 1:,}")
        right = where.right()
        signs = (
            (decided and self._is_wrong(row), "error", "error"),
            (status & FLAGGED, "flag", "warning"),
            (status & SKIPPED, "skip", "muted"),
        )
        for shown, name, ink in signs:
            if shown:
                sign = theme.grown(16)
                spot = QRectF(right - sign + 1, where.top() - 1, sign, sign)
                theme.draw(painter, f"icons/{name}.svg", spot, getattr(theme.current(), ink))
                right -= sign + 4
        high = theme.grown(20)
        below = QRectF(where.left(), where.bottom() - high - 1, where.width(), high)
        if decided and session.labelling.shown_labels(row).any():
            self._paint_classes(painter, below, row)
        else:
            painter.setPen(theme.colour("faint"))
            painter.setFont(theme.font(size * 0.9))
            flags = Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignVCenter
            word = "skipped" if status & SKIPPED else "undecided"
            word = "no class" if decided else word
            end = Qt.TextElideMode.ElideRight
            word = painter.fontMetrics().elidedText(word, end, int(below.width()))
            painter.drawText(below, flags, word)

    def _is_wrong(self, row: int) -> bool:
        """Looked up by label set: many shots carry the same one."""
        taxonomy, labelling = self.session.labels.taxonomy, self.session.labelling
        packed = labelling.shown(row)[0], int(taxonomy.pack(labelling.known(row)))
        if self._judged_by is not taxonomy:
            self._judged_by, self._wrong = taxonomy, {}
        if packed not in self._wrong:
            self._wrong[packed] = bool(taxonomy.contradictions(*map(taxonomy.unpack, packed)))
        return self._wrong[packed]

    def _paint_classes(self, painter: QPainter, where: QRectF, row: int) -> None:
        """A chip for each present class that no other one implies: its key over its colour.

        Where not all have room, the last place says how many more there are.
        """
        labels, taxonomy = self.session.labelling.shown_labels(row), self.session.labels.taxonomy
        shown = taxonomy.present(labels & ~taxonomy.implied(labels))
        side, step = theme.grown(CHIP), theme.grown(CHIP_STEP)
        room = max(int((where.width() + step - side) // step), 1)
        painted = shown if len(shown) <= room else shown[: room - 1]
        size = self.parent().font().pointSizeF()  # type: ignore[union-attr]
        painter.setFont(theme.numbers(size * 0.86))
        left = where.left()
        mine = not self.session.labelling.from_file(row)
        for c in painted:
            kind = taxonomy.classes[c]
            chip = QRectF(left, where.top() + 1, side, side)
            painter.setPen(QPen(theme.colour("edge"), 1))
            painter.setBrush(theme.colour("button") if mine else Qt.BrushStyle.NoBrush)
            painter.drawRoundedRect(chip, 4, 4)
            painter.setPen(Qt.PenStyle.NoPen)
            painter.setBrush(QColor(kind.colour))
            line = QRectF(chip.left() + 3, chip.bottom() - 3.4, side - 6, 2.4)
            painter.drawRoundedRect(line, 1.2, 1.2)
            painter.setPen(theme.colour("text" if mine else "muted"))
            text, place = class_sign(kind, self.keys), chip.translated(QPointF(0, -1.2))
            painter.drawText(place, Qt.AlignmentFlag.AlignCenter, text)
            left += step
        if len(painted) < len(shown):
            painter.setPen(theme.colour("muted"))
            rest = QRectF(left, where.top(), where.right() - left + 6, side)
            flags = Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignVCenter
            painter.drawText(rest, flags, f"+{len(shown) - len(painted)}")


class ShotList(QWidget):
    """Head with filter and order, the list itself, and the progress of the week at its foot."""

    def __init__(self, session: Session, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.session = session
        self.setObjectName("side")
        self.setAttribute(Qt.WidgetAttribute.WA_StyledBackground)
        self.model = QueueModel(session)
        self.delegate = ShotDelegate(session, self)
        self.view = _column(self.model, self.delegate)
        self.head = QueueHead(session)
        self.foot = ProgressFoot(session)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(0)
        layout.addWidget(self.head)
        layout.addWidget(self.view, 1)
        layout.addWidget(self.foot)
        self._redraw = QTimer(self)
        self._redraw.setSingleShot(True)
        self._redraw.setInterval(REDRAW_MS)
        self._redraw.timeout.connect(self._show_arrived)
        self._arrived: set[int] = set()
        selection = self.view.selectionModel()
        assert selection is not None
        selection.currentChanged.connect(self._chosen)
        session.cursor.shot_changed.connect(self.follow)
        session.queue.queue_changed.connect(lambda: self.follow(session.cursor.row))
        session.project_changed.connect(lambda: self.follow(session.cursor.row))
        session.labels.labels_changed.connect(self._touch)
        session.shots.thumbnail_ready.connect(self._take_thumbnail)
        session.shots.preparation_changed.connect(self._repaint)
        self.follow(session.cursor.row)

    def show_keys(self, keys: Mapping[str, str]) -> None:
        """Write the keys in use on the chips of classes."""
        self.delegate.keys = keys
        self._repaint()

    def follow(self, row: int) -> None:
        """Bring the shot on screen into sight."""
        place = self.session.queue.place_of(row)
        selection = self.view.selectionModel()
        if place is None or selection is None:
            self._repaint()
            return
        index = self.model.index(place)
        selection.setCurrentIndex(index, QItemSelectionModel.SelectionFlag.ClearAndSelect)
        self.view.scrollTo(index, QAbstractItemView.ScrollHint.EnsureVisible)

    def _touch(self, rows: npt.NDArray[np.int64]) -> None:
        """Paint again what was decided: the rows themselves, or all that is in sight."""
        if len(rows) > FEW:
            self._repaint()
            return
        for row in rows:
            place = self.session.queue.place_of(int(row))
            if place is not None:
                self.view.update(self.model.index(place))

    def _take_thumbnail(self, row: int) -> None:
        self._arrived.add(row)
        if not self._redraw.isActive():
            self._redraw.start()

    def _show_arrived(self) -> None:
        rows, self._arrived = self._arrived, set()
        self._touch(np.fromiter(rows, np.int64, len(rows)))

    def _chosen(self, current: QModelIndex, before: QModelIndex) -> None:
        row = current.data(ROW)
        if row is not None and row != self.session.cursor.row:
            self.session.cursor.show(row)

    def _repaint(self) -> None:
        viewport = self.view.viewport()
        if viewport is not None:
            viewport.update()


EVERY_MS = 30_000
"""The rate and the end are reckoned again this often."""
SIDES = 12
"""Pixels left and right of the progress."""


class ProgressFoot(QFrame):
    """Two lines and a thin bar."""

    def __init__(self, session: Session) -> None:
        super().__init__()
        self.session = session
        self.setObjectName("foot")
        self.setAccessibleName("Progress")
        self.count, self._done = QLabel(), ""
        self.count.setMinimumWidth(1)  # it takes what room there is
        self.bar = QProgressBar()
        self.bar.setTextVisible(False)
        self.bar.setAccessibleName("Share of decided shots")
        self.rate = QLabel()
        self.rate.setProperty("role", "muted")
        layout = QVBoxLayout(self)
        layout.setContentsMargins(SIDES, 9, SIDES, 9)
        layout.setSpacing(5)
        for widget in (self.count, self.bar, self.rate):
            layout.addWidget(widget)
        self._timer = QTimer(self)
        self._timer.setInterval(EVERY_MS)
        self._timer.timeout.connect(self.refresh)
        self._timer.start()
        session.project_changed.connect(self.refresh)
        session.labels.labels_changed.connect(lambda rows: self.refresh())
        self.refresh()

    def refresh(self) -> None:
        """Show where things stand."""
        n = self.session.labels.n_shots
        done = self.session.labels.decided.tally.labelled
        self._done = f"{done:,} of {n:,}"
        self._fit()
        self.bar.setMaximum(max(n, 1))
        self.bar.setValue(done)
        rate = self.session.labelling.pace.per_hour()
        if n and done >= n:
            self.rate.setText("every shot is decided")
        elif rate is None:
            self.rate.setText("labels/h: –")
        else:
            end = datetime.now() + timedelta(hours=(n - done) / rate)
            self.rate.setText(f"{rate:,.0f}/h · {in_words(end, datetime.now())}")
            self.rate.setToolTip(f"At this pace, done on {end:%A %d %B %Y at %H:%M}")
        self.rate.setAlignment(Qt.AlignmentFlag.AlignLeft)

    def _fit(self) -> None:
        """Numbers of very many shots leave the word no room."""
        text = f"{self._done} labelled"
        needed = self.count.fontMetrics().horizontalAdvance(text) + 2 * SIDES
        self.count.setText(text if needed <= self.width() else self._done)
        self.count.setAccessibleName(text)

    def resizeEvent(self, event: object) -> None:
        """Say it as long as there is room for."""
        self._fit()


def in_words(end: datetime, now: datetime) -> str:
    """A moment, short: the time today, the weekday this week, else the date."""
    days = (end.date() - now.date()).days
    if days == 0:
        return f"done {end:%H:%M}"
    return f"done {end:%a %H:%M}" if days < 7 else f"done {end:%d %b}"
