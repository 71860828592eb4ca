"""Mouse, rubber band, wheel and keys on the grid: what they select and open."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from PyQt6.QtCore import QPoint, QRect, Qt, QTimer, pyqtSignal
from PyQt6.QtGui import QFocusEvent, QHelpEvent, QKeyEvent, QMouseEvent, QWheelEvent
from PyQt6.QtWidgets import QAbstractScrollArea, QApplication, QScrollBar, QToolTip, QWidget

from labeler.session.session import Session
from labeler.window.grid.choice import Chosen
from labeler.window.grid.plan import MARGIN, GridPlan
from labeler.window.label.queue.shot_list import said, spoken

SCROLL_MS = 30
"""While a band is pulled over an edge, the grid scrolls this often."""


class GridInput(QAbstractScrollArea):
    """Changes `chosen`; the canvas, which is one of these, paints it."""

    selection_changed = pyqtSignal()
    current_changed = pyqtSignal(int)
    """Row under the cursor of the keyboard."""
    opened = pyqtSignal(int)
    """Row that was double-clicked or entered."""
    zoom_requested = pyqtSignal(int)
    """Steps to a larger (1) or smaller (-1) thumbnail."""

    def __init__(self, session: Session, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.session = session
        self.chosen = Chosen(np.zeros(0, np.int64), 0)
        self.plan = GridPlan((), 100, 100, headed=False)
        self._pressed: QPoint | None = None
        self._band: QRect | None = None
        self._before: npt.NDArray[np.bool_] | None = None
        self._pull = QTimer(self)
        self._pull.setInterval(SCROLL_MS)
        self._pull.timeout.connect(self._pull_along)
        self.selection_changed.connect(self._say)

    @property
    def port(self) -> QWidget:
        """What is painted on."""
        found = self.viewport()
        assert found is not None
        return found

    @property
    def bar(self) -> QScrollBar:
        """The scroll bar at the right."""
        found = self.verticalScrollBar()
        assert found is not None
        return found

    @property
    def top(self) -> int:
        """How far it is scrolled."""
        return self.bar.value()

    def reveal(self, place: int) -> None:
        """Scroll just so far that a place is in sight."""
        y = self.plan.corner(place)[1]
        bar = self.bar
        if y < bar.value():
            bar.setValue(y - MARGIN)
        elif y + self.plan.pitch > bar.value() + self.port.height():
            bar.setValue(y + self.plan.pitch - self.port.height() + MARGIN)

    # -- mouse -----------------------------------------------------------------------------------

    def mousePressEvent(self, event: QMouseEvent | None) -> None:
        if event is not None and event.button() == Qt.MouseButton.RightButton:
            self._point_at(event.pos() + QPoint(0, self.top))
        if event is None or event.button() != Qt.MouseButton.LeftButton:
            return
        self._pressed = event.pos() + QPoint(0, self.top)
        keys = event.modifiers()
        add = bool(keys & Qt.KeyboardModifier.ControlModifier)
        stretch = bool(keys & Qt.KeyboardModifier.ShiftModifier)
        place = self.plan.at(self._pressed.x(), self._pressed.y())
        section = self.plan.heading_at(self._pressed.y()) if place is None else None
        if section is not None:
            first, last = self.plan.first[section : section + 2].tolist()
            self.chosen.choose(np.arange(first, last), add=add)
        elif place is None:
            if not add and not stretch:
                self.chosen.clear()
        elif stretch:
            self.chosen.stretch(place, add=add)
        elif add:
            self.chosen.flip(place)
        else:
            self.chosen.choose(np.array([place]), add=False)
        self._before = self.chosen.selected.copy() if add or stretch else None
        if place is not None:
            self._set_current(place)
        self._selected()

    def _point_at(self, spot: QPoint) -> None:
        """A menu is about to open: it is about the shot under the mouse, or the selection that it
        belongs to."""
        place = self.plan.at(spot.x(), spot.y())
        if place is not None and not self.chosen.selected[place]:
            self.chosen.choose(np.array([place]), add=False)
            self._set_current(place)
            self._selected()

    def mouseMoveEvent(self, event: QMouseEvent | None) -> None:
        if event is None or self._pressed is None:
            return
        here = event.pos() + QPoint(0, self.top)
        far = (here - self._pressed).manhattanLength() >= QApplication.startDragDistance()
        if self._band is None and not far:
            return
        self._stretch_band(here)
        outside = event.pos().y() < 0 or event.pos().y() > self.port.height()
        if outside and not self._pull.isActive():
            self._pull.start()
        elif not outside:
            self._pull.stop()

    def _stretch_band(self, here: QPoint) -> None:
        assert self._pressed is not None
        self._band = QRect(self._pressed, here).normalized()
        band = self._band
        inside = self.plan.within(band.left(), band.top(), band.right(), band.bottom())
        self.chosen.band(inside, self._before)
        self._selected()

    def _pull_along(self) -> None:
        """Scroll on while the band is pulled over an edge."""
        if self._band is None or self._pressed is None:
            self._pull.stop()
            return
        cursor = self.port.mapFromGlobal(self.cursor().pos())
        beyond = min(cursor.y(), 0) + max(cursor.y() - self.port.height(), 0)
        self.bar.setValue(self.top + beyond)
        self._stretch_band(cursor + QPoint(0, self.top))

    def mouseReleaseEvent(self, event: QMouseEvent | None) -> None:
        self._pull.stop()
        self._pressed = self._band = self._before = None
        self.port.update()

    def mouseDoubleClickEvent(self, event: QMouseEvent | None) -> None:
        place = None if event is None else self.plan.at(event.pos().x(), event.pos().y() + self.top)
        if place is not None:
            self.opened.emit(int(self.chosen.shown[place]))

    def wheelEvent(self, event: QWheelEvent | None) -> None:
        if event is not None and event.modifiers() & Qt.KeyboardModifier.ControlModifier:
            self.zoom_requested.emit(1 if event.angleDelta().y() > 0 else -1)
            event.accept()
        else:
            super().wheelEvent(event)

    def viewportEvent(self, event) -> bool:  # type: ignore[no-untyped-def]
        if isinstance(event, QHelpEvent):
            place = self.plan.at(event.pos().x(), event.pos().y() + self.top)
            text = "" if place is None else spoken(self.session, int(self.chosen.shown[place]))
            QToolTip.showText(event.globalPos(), text, self.port)
            return True
        return super().viewportEvent(event)

    # -- keys ------------------------------------------------------------------------------------

    def keyPressEvent(self, event: QKeyEvent | None) -> None:
        if event is None or not self._key(event):
            super().keyPressEvent(event)

    def _key(self, event: QKeyEvent) -> bool:
        keys, key = Qt.Key, Qt.Key(event.key())
        page = max(1, self.port.height() // self.plan.pitch - 1)
        steps = {
            keys.Key_Left: (-1, 0),
            keys.Key_Right: (1, 0),
            keys.Key_Up: (0, -1),
            keys.Key_Down: (0, 1),
            keys.Key_PageUp: (0, -page),
            keys.Key_PageDown: (0, page),
            keys.Key_Home: (-len(self.plan), 0),
            keys.Key_End: (len(self.plan), 0),
        }
        current = self.chosen.current
        if current is None:
            return False
        if key in steps:
            self._move(self.plan.beside(current, *steps[key]), event.modifiers())
        elif key == keys.Key_Space:
            self.chosen.flip(current)
            self._selected()
        elif key == keys.Key_Escape:
            self.chosen.clear()
            self._selected()
        elif key in (keys.Key_Return, keys.Key_Enter):
            self.opened.emit(int(self.chosen.shown[current]))
        elif key in (keys.Key_Plus, keys.Key_Equal, keys.Key_Minus):
            self.zoom_requested.emit(-1 if key == keys.Key_Minus else 1)
        else:
            return False
        return True

    def _move(self, place: int, held: Qt.KeyboardModifier) -> None:
        if held & Qt.KeyboardModifier.ShiftModifier:
            self.chosen.stretch(place, add=False)
        elif not held & Qt.KeyboardModifier.ControlModifier:
            self.chosen.choose(np.array([place]), add=False)
        self._set_current(place)
        self.reveal(place)
        self._selected()

    def _set_current(self, place: int) -> None:
        self.chosen.current = place
        self.current_changed.emit(int(self.chosen.shown[place]))

    def _say(self) -> None:
        """The shot under the cursor, whether it is selected, and how many are."""
        place, row = self.chosen.current, self.chosen.current_row
        if place is not None and row is not None:
            mine = bool(self.chosen.selected[place])
            self.setAccessibleDescription(said(self.session, row, mine, self.chosen.count))

    def focusInEvent(self, event: QFocusEvent | None) -> None:
        super().focusInEvent(event)
        self.port.update()

    def focusOutEvent(self, event: QFocusEvent | None) -> None:
        super().focusOutEvent(event)
        self.port.update()

    def _selected(self) -> None:
        self.port.update()
        self.selection_changed.emit()
