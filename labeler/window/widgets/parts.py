"""Small widgets that several views share, and how numbers and times are written on screen."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from datetime import datetime
from functools import cache
from typing import Any, cast

import numpy as np
import numpy.typing as npt
from PyQt6 import sip
from PyQt6.QtCore import QEvent, QObject, QPointF, QSignalBlocker, QSize, Qt, QTimer, pyqtSignal
from PyQt6.QtGui import QImage, QKeySequence, QPainter, QPaintEvent, QPen, QPolygonF, QShortcut
from PyQt6.QtWidgets import (
    QAbstractButton,
    QApplication,
    QBoxLayout,
    QDialog,
    QFormLayout,
    QFrame,
    QHBoxLayout,
    QLabel,
    QLayout,
    QPushButton,
    QScrollArea,
    QSizePolicy,
    QVBoxLayout,
    QWidget,
)

from labeler.window.widgets import theme
from labeler.window.widgets.manual import question_mark
from model.errors import on_one_line
from model.taxonomy.taxonomy import Class

FRESH_MS = 20_000
"""Times in words are written again this often."""


def image_of(pixels: npt.NDArray[np.uint32], *, borrowed: bool = False) -> QImage:
    """(y, x) 0xffRRGGBB as a picture; it has a copy unless `borrowed` from who keeps the pixels,
    which are contiguous then."""
    pixels = pixels if borrowed else np.ascontiguousarray(pixels, np.uint32)
    height, width = pixels.shape
    data = cast(bytes, pixels.data)
    made = QImage(data, width, height, 4 * width, QImage.Format.Format_RGB32)
    return made if borrowed else made.copy()


def empty(layout: QLayout, but: QWidget | None = None) -> None:
    """Take everything out of a layout; its widgets go at once, all `but` one."""
    while (item := layout.takeAt(0)) is not None:
        if (inner := item.layout()) is not None:
            empty(inner, but)
        widget = item.widget()
        if widget is not None and widget is not but:
            widget.hide()
            widget.deleteLater()


def share(value: float | None) -> str:
    """A share of one as people of the field write it: '.71', or '–' where there is none."""
    if value is None or not np.isfinite(value):
        return "–"
    return f"{value:.2f}".removeprefix("0")


def when(stamp: float, now: float | None = None) -> str:
    """A time as people say it: relative where it is near, else the day and the hour."""
    if not stamp:
        return "–"
    gone = (time.time() if now is None else now) - stamp
    if gone < -60:  # the clock was set back since
        return dated(stamp)
    if gone < 60:
        return "just now"
    if gone < 3600:
        return f"{int(gone // 60)} min ago"
    there, today = datetime.fromtimestamp(stamp), datetime.fromtimestamp(stamp + gone)
    days = (today.date() - there.date()).days
    if days == 0:
        return f"today {there:%H:%M}"
    if days < 7:
        return f"yesterday {there:%H:%M}" if days == 1 else f"{there:%a %H:%M}"
    return f"{there.day} {there:%b %Y}"


def dated(stamp: float) -> str:
    """A time that cannot grow old, for tables that are kept."""
    return f"{datetime.fromtimestamp(stamp):%d %b %Y %H:%M}" if stamp else "–"


def exactly(stamp: float) -> str:
    """The same time to the second, for whoever rests the mouse on it."""
    return f"{datetime.fromtimestamp(stamp):%A %d %B %Y %H:%M:%S}" if stamp else ""


class Minutes(QObject):
    """Says every while that times in words may have grown old."""

    passed = pyqtSignal()

    def __init__(self) -> None:
        super().__init__(QApplication.instance())  # and goes with it
        self._timer = QTimer(self)
        self._timer.setInterval(FRESH_MS)
        self._timer.timeout.connect(self.passed)
        self._timer.start()


@cache
def minutes() -> Minutes:
    """The one of the program. Connect methods of widgets, which are forgotten with them."""
    return Minutes()


def set_role(widget: QWidget, role: str) -> None:
    """Dress a widget by its role in the style sheet."""
    if widget.property("role") == role:
        return
    widget.setProperty("role", role)
    style = widget.style()
    if style is not None:
        style.unpolish(widget)
        style.polish(widget)


def show_checked(button: QAbstractButton, on: bool) -> None:
    """Show a state that came about elsewhere: whoever hears `toggled` only hears people press.

    `toggled` and not `clicked`, for a screen reader presses what can be checked without a click.
    """
    with QSignalBlocker(button):
        button.setChecked(on)


def label(text: str = "", role: str = "", wrap: bool = False) -> QLabel:
    """A plain label with a role of the style sheet."""
    made = QLabel(text)
    made.setTextFormat(Qt.TextFormat.PlainText)
    made.setWordWrap(wrap)
    set_role(made, role)
    return made


def beside(*widgets: QWidget) -> QWidget:
    """A row of a form: the first widget takes what room there is."""
    made = QWidget()
    row = QHBoxLayout(made)
    row.setContentsMargins(0, 0, 0, 0)
    row.setSpacing(8)
    for number, widget in enumerate(widgets):
        row.addWidget(widget, 1 - number)
    return made


def press_by_enter(button: QPushButton) -> None:
    """Enter presses this button of a dialog where it has the focus, nowhere else; held, once."""
    button.setAutoDefault(False)
    for key in (Qt.Key.Key_Return, Qt.Key.Key_Enter):
        pressed = QShortcut(QKeySequence(key), button)
        pressed.setContext(Qt.ShortcutContext.WidgetShortcut)
        pressed.setAutoRepeat(False)
        pressed.activated.connect(button.click)


def foot(
    dialog: QDialog,
    main: QPushButton | None = None,
    close: str = "Close",
    beside: QWidget | None = None,
) -> QHBoxLayout:
    """The last row of a dialog: "?" and `beside` at the left; closing and the main button, which
    is what Enter in a field presses, or nothing while it is off."""
    away = QPushButton(close)
    away.clicked.connect(dialog.reject)
    row = QHBoxLayout()
    row.addWidget(question_mark())
    if beside is not None:
        row.addWidget(beside)
    row.addStretch(1)
    row.addWidget(away)
    if main is not None:
        set_role(main, "main")
        main.setDefault(True)
        row.addWidget(main)
    return row


def page(
    dialog: QDialog, title: str, *parts: QWidget | QLayout, wide: QWidget | None = None
) -> None:
    """Lay a dialog out: its title, then the parts below each other; `wide` takes what height is
    left."""
    layout = QVBoxLayout(dialog)
    layout.setContentsMargins(22, 20, 22, 18)
    layout.setSpacing(13)
    layout.addWidget(label(title, "title"))
    for part in parts:
        if isinstance(part, QWidget):
            layout.addWidget(part, int(part is wide))
        else:
            layout.addLayout(part)
    dialog.installEventFilter(_Grown(dialog))


def fit_width(dialog: QDialog, area: QScrollArea, columns: QBoxLayout, size: QSize) -> None:
    """Make a dialog at least of a size, and as wide as the columns in its scroll area need; they
    stand below each other where the screen has no room for them."""
    inner, outer, bar = area.widget(), dialog.layout(), area.verticalScrollBar()
    assert inner is not None
    assert outer is not None
    assert bar is not None
    for widget in inner.findChildren(QWidget):
        widget.ensurePolished()
    margins, screen = outer.contentsMargins(), dialog.screen()
    beside = margins.left() + margins.right() + bar.sizeHint().width()
    room = 0 if screen is None else screen.availableGeometry().width()
    if inner.minimumSizeHint().width() + beside > room:
        columns.setDirection(QBoxLayout.Direction.TopToBottom)
    dialog.resize(max(size.width(), inner.minimumSizeHint().width() + beside), size.height())


class _Grown(QObject):
    """Lets a dialog grow where a text in it has come to need more lines."""

    def eventFilter(self, watched: QObject | None, event: QEvent | None) -> bool:
        if event is not None and event.type() == QEvent.Type.LayoutRequest:
            assert isinstance(watched, QDialog)
            layout, screen = watched.layout(), watched.screen()
            least = 0 if layout is None else layout.minimumHeightForWidth(watched.width())
            most = least if screen is None else screen.availableGeometry().height()
            if watched.height() < min(least, most):
                watched.resize(watched.width(), min(least, most))
        return False


def form(*rows: tuple[str, QWidget]) -> QFormLayout:
    """Fields below each other, names at the left; a nameless one takes no room while hidden."""
    made = QFormLayout()
    made.setHorizontalSpacing(16)
    made.setVerticalSpacing(10)
    for name, field in rows:
        if name:
            made.addRow(label(name, "muted"), field)
        else:
            made.addRow("", field)
    return made


class FoldingRow(QWidget):
    """Two groups of controls in one line, or below each other where there is no room for that."""

    def __init__(self, left: QLayout, right: QLayout) -> None:
        super().__init__()
        self._parts = left, right
        self._box = QBoxLayout(QBoxLayout.Direction.LeftToRight, self)
        self._box.setContentsMargins(0, 0, 0, 0)
        self._box.addLayout(left, 1)
        self._box.addLayout(right)

    def event(self, event: QEvent | None) -> bool:
        if event is not None and event.type() in (QEvent.Type.Resize, QEvent.Type.LayoutRequest):
            wanted = sum(part.sizeHint().width() for part in self._parts) + self._box.spacing()
            ways = QBoxLayout.Direction
            self._box.setDirection(ways.TopToBottom if wanted > self.width() else ways.LeftToRight)
        return super().event(event)


def scrolled(widget: QWidget, name: str) -> QScrollArea:
    """A widget that is scrolled where letters are large and the window small, and only there."""
    area = QScrollArea()
    area.setAccessibleName(name)
    area.setWidget(widget)
    area.setWidgetResizable(True)
    area.setFrameShape(QFrame.Shape.NoFrame)
    area.setFocusPolicy(Qt.FocusPolicy.NoFocus)
    return area


def with_key(text: str, key: str) -> str:
    """A text with the key that does the same, where there is one."""
    return f"{text} ({key})" if key else text


def class_sign(kind: Class, keys: Mapping[str, str] | None) -> str:
    """A class in one or two letters: its key in use, else how its name begins. `keys` by command;
    empty or None: those of the taxonomy."""
    key = (keys or {}).get(f"class.{kind.name}", "" if keys else kind.key)
    return key[:2] or kind.name[:1]


def focused(widget: QWidget) -> QWidget | None:
    """What has the keys in a widget's window, whether that window is in front or not."""
    window = widget.window()
    return None if window is None else window.focusWidget()


def leave(popup: QWidget, before: QWidget | None) -> None:
    """Take a popup away for good; the keys go back to the widget that had them when it opened."""
    focus = focused(popup)
    if focus is not None and popup.isAncestorOf(focus):
        if before is not None and not sip.isdeleted(before) and before.isVisible():
            before.setFocus()
        else:
            focus.clearFocus()
    popup.hide()
    popup.deleteLater()


class EmptyState(QWidget):
    """What will be here, and the one thing to do to get it."""

    def __init__(self) -> None:
        super().__init__()
        self.title, self.text = label(role="title"), label(role="muted", wrap=True)
        self.button = QPushButton()
        set_role(self.button, "main")
        centre = Qt.AlignmentFlag.AlignHCenter
        column = QWidget()
        column.setFixedWidth(theme.grown(460))
        inside = QVBoxLayout(column)
        inside.setSpacing(14)
        inside.addWidget(self.title)
        inside.addWidget(self.text)
        inside.addWidget(self.button, 0, centre)
        row = QHBoxLayout()  # and not an alignment, which knows no height for a width
        row.addStretch()
        row.addWidget(column)
        row.addStretch()
        layout = QVBoxLayout(self)
        layout.addStretch(2)
        layout.addLayout(row)
        layout.addStretch(3)
        self.title.setAlignment(centre)
        self.text.setAlignment(centre)
        self._inside = inside
        self._act: Callable[[], object] | None = None
        self.button.clicked.connect(self._clicked)

    def add(self, widget: QWidget) -> None:
        """One more thing to choose, above the button."""
        at = self._inside.indexOf(self.button)
        self._inside.insertWidget(at, widget, 0, Qt.AlignmentFlag.AlignHCenter)

    def say(
        self, title: str, text: str, button: str = "", act: Callable[[], object] | None = None
    ) -> None:
        """Show a message, and a button where there is something to press."""
        self.title.setText(title)
        self.text.setText(text)
        self.text.setVisible(bool(text))
        self.button.setText(button)
        self.button.setVisible(bool(button))
        self._act = act

    def _clicked(self) -> None:
        if self._act is not None:
            self._act()


class Sparkline(QWidget):
    """A curve without axes, as wide as a word."""

    def __init__(self) -> None:
        super().__init__()
        self._values: list[float] = []
        self.setFixedSize(QSize(72, 18))
        self.setAccessibleName("Macro F1 by epoch")

    def show_values(self, values: list[float]) -> None:
        """The values from left to right, scaled to the height."""
        self._values = values
        self.update()

    def paintEvent(self, event: QPaintEvent | None) -> None:
        if len(self._values) < 2:
            return
        low, high = min(self._values), max(self._values)
        width, height = self.width() - 4.0, self.height() - 4.0
        points = [
            QPointF(
                2 + width * i / (len(self._values) - 1),
                2 + height * (1 - (v - low) / (high - low) if high > low else 0.5),
            )
            for i, v in enumerate(self._values)
        ]
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setPen(QPen(theme.colour("accent"), 1.5))
        painter.drawPolyline(QPolygonF(points))
        painter.setBrush(theme.colour("accent"))
        painter.drawEllipse(points[-1], 1.5, 1.5)
        painter.end()


class Elided(QLabel):
    """A label that gives way when space is short; the whole text is in its tooltip."""

    def __init__(self, where: Qt.TextElideMode = Qt.TextElideMode.ElideRight) -> None:
        super().__init__()
        self.whole, self._about, self._where = "", "", where
        self.setMinimumWidth(theme.grown(40))
        self.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Preferred)

    def show_text(self, text: str, about: str = "") -> None:
        """Show a text; `about` is its tooltip where it is not shortened, and below it where it
        is."""
        self.whole, self._about = on_one_line(text), on_one_line(about)
        self.updateGeometry()
        self._fit()

    def sizeHint(self) -> QSize:
        """Room for the whole text, for those layouts that ask (see `keep_together`)."""
        return QSize(
            self.fontMetrics().horizontalAdvance(self.whole) + 4, super().sizeHint().height()
        )

    def keep_together(self) -> None:
        """Take no more room than the text needs, so that what follows stands right beside it."""
        self.setSizePolicy(QSizePolicy.Policy.Maximum, QSizePolicy.Policy.Preferred)

    def resizeEvent(self, event: Any) -> None:
        super().resizeEvent(event)
        self._fit()

    def changeEvent(self, event: QEvent | None) -> None:
        super().changeEvent(event)
        if event is not None and event.type() == QEvent.Type.FontChange:
            self.updateGeometry()
            self._fit()

    def _fit(self) -> None:
        room = max(self.width() - 2, 0)
        shown = self.fontMetrics().elidedText(self.whole, self._where, room)
        self.setText(shown)
        whole = self.whole if shown != self.whole else ""
        self.setToolTip("\n".join(filter(None, (whole, self._about))))
