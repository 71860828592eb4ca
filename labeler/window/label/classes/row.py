"""One row of the class panel: key, state, schematic, name, the model's probability, and its eye.

Paints what it is told; decides nothing. Its four marks differ in shape, never in colour alone.
"""

from __future__ import annotations

from dataclasses import dataclass

from PyQt6.QtCore import QPointF, QRectF, QSize, Qt, pyqtSignal
from PyQt6.QtGui import QColor, QEnterEvent, QPainter, QPaintEvent, QPen, QPolygonF
from PyQt6.QtWidgets import QAbstractButton, QSizePolicy, QToolButton, QWidget

from labeler.window.widgets import theme
from labeler.window.widgets.parts import show_checked
from model.taxonomy.taxonomy import Class

HEIGHT, BESIDE_NAME = (36, 50), 21
"""Points: the smallest and the largest height of a row; of it what the name leaves to the bar."""
MARKS = ("undecided", "absent", "present", "implied")

ROOMY = 272
"""Width in pixels from which a row has room for its schematic beside the longest name."""


@dataclass(frozen=True)
class RowState:
    """What a row shows: its mark, whether the model suggests it, the probability or None."""

    mark: str = "undecided"
    suggested: bool = False
    probability: float | None = None
    heat: bool = False
    has_heat: bool = True
    """Whether there is a heatmap of the class on this shot."""


class ClassRow(QAbstractButton):
    """A click, Space or the class's key toggles; hovering tells, the eye shows the heatmap."""

    hovered = pyqtSignal(object)
    """The class under the cursor, or None."""
    eye_clicked = pyqtSignal()

    def __init__(self, kind: Class, indent: bool, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.kind = kind
        self.row_height = self._least()
        self.indent = 12 if indent else 0
        self.standing = RowState()
        self.key = kind.key
        self.setCheckable(True)  # so that a screen reader says pressed or not
        self.toggled.connect(lambda on: self.clicked.emit())  # which presses in this way alone
        self.setFocusPolicy(Qt.FocusPolicy.TabFocus)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        self.setAttribute(Qt.WidgetAttribute.WA_Hover)
        self.eye = QToolButton(self)
        self.eye.setAutoRaise(True)
        self.eye.setCheckable(True)
        self.eye.setFocusPolicy(Qt.FocusPolicy.TabFocus)
        self.eye.setAccessibleName(f"Heatmap of {kind.name}")
        self.eye.setToolTip(f"Heatmap of {kind.name} on the pattern")
        self.eye.setStyleSheet("padding: 0; min-height: 0;")
        self.eye.toggled.connect(lambda on: self.eye_clicked.emit())  # however it is pressed
        self.eye.hide()
        self._show()

    def _least(self) -> int:
        return max(HEIGHT[0], self.fontMetrics().height() + BESIDE_NAME)

    def set_height(self, points: int) -> None:
        """Use the room that there is."""
        self.row_height = min(max(points, self._least()), theme.grown(HEIGHT[1]))
        self.updateGeometry()

    def apply_theme(self) -> None:
        """Take the colours of the theme in use."""
        self.eye.setIcon(theme.icon("eye", "accent" if self.standing.heat else "muted"))
        self.update()

    def stand(self, standing: RowState) -> None:
        """Show another standing; a row that stays as it is is not painted again."""
        changed = standing != self.standing
        self.standing = standing
        show_checked(self.eye, standing.heat)  # also back to what it was: pressed, to no effect
        show_checked(self, self._is_on())
        if changed:
            self._show()

    def _show(self) -> None:
        standing = self.standing
        self.eye.setVisible(standing.probability is not None and standing.has_heat)
        self.apply_theme()
        said = standing.mark + ", suggested" * standing.suggested
        if standing.probability is not None:
            said += f", model {standing.probability:.2f}"
        self.setAccessibleName(f"{self.kind.name}: {said}")
        self.setAccessibleDescription(self.kind.help)

    def nextCheckState(self) -> None:
        """A click changes nothing here: whoever decides calls `stand`."""

    def sizeHint(self) -> QSize:
        return QSize(250, self.row_height)

    def resizeEvent(self, event: object) -> None:
        self.eye.setGeometry(self.width() - 31, (self.height() - 22) // 2, 24, 22)

    def enterEvent(self, event: QEnterEvent | None) -> None:
        self.hovered.emit(self.kind)

    def leaveEvent(self, event: object) -> None:
        self.hovered.emit(None)

    # -- painting ------------------------------------------------------------------------------

    def paintEvent(self, event: QPaintEvent | None) -> None:
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        self._paint_background(painter)
        middle = self.height() / 2
        x = 11.0 + self.indent
        cap = theme.grown(18)
        self._paint_key(painter, QRectF(x, middle - cap / 2, cap, cap))
        x += cap + 6
        self._paint_mark(painter, QPointF(x + 8, middle))
        x += 22
        side = float(min(self.height() - 14, 32))
        shape = QRectF(x, middle - side / 2, side, side)
        if self.kind.schematic and self.width() >= ROOMY:  # else names would be cut
            ink = "text" if self._is_on() else "muted"
            path = f"schematics/{self.kind.schematic}"
            theme.draw(painter, path, shape, getattr(theme.current(), ink))
            x += side + 6
        self._paint_name(painter, x)
        painter.end()

    def _is_on(self) -> bool:
        return self.standing.mark in ("present", "implied")

    def _paint_background(self, painter: QPainter) -> None:
        background = QRectF(self.rect()).adjusted(4, 1, -4, -1)
        painter.setPen(Qt.PenStyle.NoPen)
        if self.isDown():
            painter.setBrush(theme.colour("press"))
        elif self._is_on():
            painter.setBrush(theme.colour("select"))
        elif self.underMouse():
            painter.setBrush(theme.colour("hover"))
        else:
            painter.setBrush(Qt.BrushStyle.NoBrush)
        if self.hasFocus():
            painter.setPen(QPen(theme.colour("accent"), 1.5))
        painter.drawRoundedRect(background, 6, 6)
        if self._is_on():
            strip = QRectF(background.left(), background.top() + 6, 3, background.height() - 12)
            painter.setPen(Qt.PenStyle.NoPen)
            painter.setBrush(QColor(self.kind.colour))
            painter.drawRoundedRect(strip, 1.5, 1.5)

    def _paint_key(self, painter: QPainter, cap: QRectF) -> None:
        if not self.key:
            return
        painter.setPen(QPen(theme.colour("edge"), 1))
        painter.setBrush(theme.colour("button"))
        painter.drawRoundedRect(cap, 4, 4)
        painter.setPen(theme.colour("text"))
        painter.setFont(theme.numbers(self.font().pointSizeF() * 0.88))
        painter.drawText(cap, Qt.AlignmentFlag.AlignCenter, self.key[:2])

    def _paint_mark(self, painter: QPainter, at: QPointF) -> None:
        paint_mark(painter, at, 7.5, self.standing.mark, self.standing.suggested)

    def _paint_name(self, painter: QPainter, left: float) -> None:
        probability = self.standing.probability
        number = theme.grown(34)
        right = self.width() - (36 + number if probability is not None else 12)
        height = self.height()
        size = self.font().pointSizeF()
        painter.setFont(theme.font(size, bold=self._is_on()))
        painter.setPen(theme.colour("strong" if self._is_on() else "text"))
        if self.standing.mark == "absent":
            painter.setPen(theme.colour("muted"))
        top = max(1, height / 2 + 5 - theme.grown(22)) if probability is not None else 0
        bottom = height / 2 + 5 if probability is not None else height
        box = QRectF(left, top, right - left, bottom - top)
        name = painter.fontMetrics().elidedText(
            self.kind.name, Qt.TextElideMode.ElideMiddle, int(box.width())
        )
        painter.drawText(box, Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignVCenter, name)
        if probability is None:
            return
        bar = QRectF(left, height / 2 + 8, right - left - 4, 4)
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(theme.colour("press"))
        painter.drawRoundedRect(bar, 2, 2)
        bar.setWidth(max(bar.width() * min(max(probability, 0.0), 1.0), 2.0))
        painter.setBrush(theme.colour("accent" if probability >= 0.5 else "muted"))
        painter.drawRoundedRect(bar, 2, 2)
        painter.setFont(theme.numbers(size * 0.92))
        painter.setPen(theme.colour("text" if probability >= 0.5 else "muted"))
        box = QRectF(right, 0, number, height)
        text = f"{probability:.2f}".replace("0.", ".", 1)
        painter.drawText(box, Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter, text)


def paint_mark(
    painter: QPainter, at: QPointF, radius: float, mark: str, suggested: bool = False
) -> None:
    """One of the four marks: a filled disc with a tick, a ring with a disc, a dash, dots."""
    strong, faint, accent = (theme.colour(n) for n in ("strong", "faint", "accent"))
    painter.setBrush(Qt.BrushStyle.NoBrush)
    if suggested:
        pen = QPen(accent, 1.6)
        pen.setDashPattern([2.2, 1.8])
        painter.setPen(pen)
        painter.drawEllipse(at, radius - 0.5, radius - 0.5)
        _tick(painter, at, radius, accent, 1.5)
    elif mark == "present":
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(accent)
        painter.drawEllipse(at, radius, radius)
        _tick(painter, at, radius, theme.colour("on_accent"), 1.9)
    elif mark == "implied":
        painter.setPen(QPen(accent, 1.7))
        painter.drawEllipse(at, radius - 0.6, radius - 0.6)
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(accent)
        painter.drawEllipse(at, radius * 0.42, radius * 0.42)
    elif mark == "absent":
        painter.setPen(QPen(theme.colour("muted"), 1.7, cap=Qt.PenCapStyle.RoundCap))
        painter.drawLine(at - QPointF(radius * 0.55, 0), at + QPointF(radius * 0.55, 0))
    else:
        pen = QPen(faint if theme.current().name == "dark" else strong.lighter(250), 1.3)
        pen.setDashPattern([1.2, 2.2])
        painter.setPen(pen)
        painter.drawEllipse(at, radius - 0.8, radius - 0.8)


def _tick(painter: QPainter, at: QPointF, radius: float, ink: QColor, width: float) -> None:
    painter.setPen(QPen(ink, width, cap=Qt.PenCapStyle.RoundCap, join=Qt.PenJoinStyle.RoundJoin))
    corners = ((-0.42, 0.04), (-0.1, 0.36), (0.46, -0.3))
    painter.drawPolyline(QPolygonF([at + QPointF(radius * x, radius * y) for x, y in corners]))
