"""A chart of shares or coefficients with their intervals, one row a class; painted by hand."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from PyQt6.QtCore import QEvent, QPointF, QRect, QRectF, QSize, Qt, pyqtSignal
from PyQt6.QtGui import QKeyEvent, QMouseEvent, QPainter, QPaintEvent, QPen
from PyQt6.QtWidgets import QSizePolicy, QWidget

from labeler.window.widgets import theme
from labeler.window.widgets.parts import share

ROW = 27
"""Height of a row."""


@dataclass(frozen=True)
class Interval:
    """A share or a coefficient with its interval; `note` stands at the right, `tip` on hover.

    `text` is shown as its number, without it the share itself.
    """

    name: str
    value: float
    low: float
    high: float
    note: str = ""
    tip: str = ""
    text: str = ""


class IntervalChart(QWidget):
    """One row a class: name, a dot with its interval on a common axis, the number, a note.

    A row is chosen by mouse or by the arrow keys; `chosen` tells its number. `marks` are dashed
    lines; `whole` is what the axis writes at its end.
    """

    chosen = pyqtSignal(int)

    def __init__(self, what: str, marks: Sequence[float] = (), whole: float = 1.0) -> None:
        super().__init__()
        self.setAccessibleName(what)
        self.marks, self.whole = tuple(marks), whole
        self.rows: list[Interval] = []
        self.current = -1
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)

    def show_rows(self, rows: Sequence[Interval], current: int = -1) -> None:
        """Show other rows."""
        self.rows, self.current = list(rows), current
        self.setFixedHeight(self.sizeHint().height())
        said = (f"{r.name} {share(r.value)}, {r.note}" for r in rows)
        self.setAccessibleDescription("; ".join(said))
        self.update()

    def sizeHint(self) -> QSize:
        return QSize(420, theme.grown(ROW) * len(self.rows) + 24)

    def _axis(self) -> QRectF:
        """Where shares are drawn."""
        metrics = self.fontMetrics()
        names = max((metrics.horizontalAdvance(r.name) for r in self.rows), default=0)
        notes = max((metrics.horizontalAdvance(r.note) for r in self.rows), default=0)
        left, right = names + 24, notes + metrics.horizontalAdvance("0.00") + 40
        return QRectF(
            left, 0, max(self.width() - left - right, 60), theme.grown(ROW) * len(self.rows)
        )

    def _x(self, value: float) -> float:
        axis = self._axis()
        return axis.left() + axis.width() * min(max(value, 0.0), 1.0)

    def paintEvent(self, event: QPaintEvent | None) -> None:
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        axis = self._axis()
        self._paint_scale(painter, axis)
        for k, row in enumerate(self.rows):
            self._paint_row(painter, axis, k, row)
        painter.end()

    def _paint_scale(self, painter: QPainter, axis: QRectF) -> None:
        painter.setFont(theme.numbers(self.font().pointSizeF() * 0.9))
        for value in (0.0, 0.2, 0.4, 0.6, 0.8, 1.0):
            painter.setPen(QPen(theme.colour("line"), 1))
            x = round(self._x(value)) + 0.5
            painter.drawLine(QPointF(x, 0), QPointF(x, axis.bottom() + 3))
            painter.setPen(theme.colour("faint"))
            where = QRectF(x - 30, axis.bottom() + 5, 60, 18)
            painter.drawText(where, int(Qt.AlignmentFlag.AlignHCenter), f"{value * self.whole:.3g}")
        for value in self.marks:
            painter.setPen(QPen(theme.colour("muted"), 1, Qt.PenStyle.DashLine))
            x = round(self._x(value)) + 0.5
            painter.drawLine(QPointF(x, 0), QPointF(x, axis.bottom()))

    def _paint_row(self, painter: QPainter, axis: QRectF, k: int, row: Interval) -> None:
        area = QRect(0, theme.grown(ROW) * k, self.width(), theme.grown(ROW))
        if k == self.current:
            painter.setPen(Qt.PenStyle.NoPen)
            painter.setBrush(theme.colour("select"))
            painter.drawRoundedRect(QRectF(area).adjusted(0, 1, -1, -1), 4, 4)
        known = np.isfinite(row.value)
        painter.setFont(self.font())
        painter.setPen(theme.colour("text" if known else "faint"))
        middle = int(Qt.AlignmentFlag.AlignVCenter)
        painter.drawText(area.adjusted(10, 0, 0, 0), middle, row.name)
        right = area.adjusted(0, 0, -10, 0)
        painter.setPen(theme.colour("muted"))
        painter.drawText(right, middle | int(Qt.AlignmentFlag.AlignRight), row.note)
        if not known:
            return
        y = area.center().y() + 0.5
        ink = theme.colour("accent")
        if np.isfinite(row.low) and np.isfinite(row.high):
            painter.setPen(QPen(theme.colour("accent", 0.55), 3, cap=Qt.PenCapStyle.RoundCap))
            painter.drawLine(QPointF(self._x(row.low), y), QPointF(self._x(row.high), y))
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(ink)
        painter.drawEllipse(QPointF(self._x(row.value), y), 4.5, 4.5)
        painter.setFont(theme.numbers(self.font().pointSizeF()))
        painter.setPen(theme.colour("strong"))
        number = QRectF(axis.right() + 12, area.top(), 60, theme.grown(ROW))
        painter.drawText(number, middle, row.text or share(row.value))

    def choose(self, k: int) -> None:
        """Select a row."""
        if 0 <= k < len(self.rows):
            self.current = k
            self.update()
            self.chosen.emit(k)

    def mousePressEvent(self, event: QMouseEvent | None) -> None:
        if event is not None:
            self.choose(int(event.position().y()) // theme.grown(ROW))

    def keyPressEvent(self, event: QKeyEvent | None) -> None:
        by = {Qt.Key.Key_Down: 1, Qt.Key.Key_Up: -1}.get(Qt.Key(event.key())) if event else None
        if by is None:
            super().keyPressEvent(event)
        else:
            self.choose(min(max(self.current + by, 0), len(self.rows) - 1))

    def event(self, event: QEvent | None) -> bool:
        if event is not None and event.type() == QEvent.Type.ToolTip:
            k = int(event.pos().y()) // theme.grown(ROW)  # type: ignore[attr-defined]
            self.setToolTip(self.rows[k].tip if 0 <= k < len(self.rows) else "")
        return super().event(event)
