"""Small quiet controls that several views share: fields with a menu or a list of choices."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence

from PyQt6.QtCore import QEvent, QModelIndex, QRect, QSize, Qt
from PyQt6.QtGui import QAction, QActionGroup, QFont, QFontMetrics, QPainter
from PyQt6.QtWidgets import (
    QComboBox,
    QLabel,
    QListWidget,
    QListWidgetItem,
    QMenu,
    QSizePolicy,
    QStyle,
    QStyledItemDelegate,
    QStyleOptionViewItem,
    QToolButton,
)

from labeler.window.widgets import theme

DETAIL = Qt.ItemDataRole.AccessibleDescriptionRole
"""What an item of a field is about, for eyes and screen readers."""
DETAIL_WIDTH, DETAIL_SIZE = 460, 0.92
"""Width in pixels, and size of the letters as a share of those of the item."""


def offer(field: QComboBox, choices: Mapping[str, str], chosen: str) -> None:
    """Let a field have these values, with their texts, and one of them chosen, else the first."""
    if [field.itemData(i) for i in range(field.count())] != list(choices):
        field.clear()
        for value, text in choices.items():
            field.addItem(text, value)
    field.setCurrentIndex(max(field.findData(chosen), 0))


def tick_list(title: str, names: Iterable[str], ticked: Collection[str] = ()) -> QListWidget:
    """A list of names with a box at each; `ticks` says which are ticked."""
    box = QListWidget()
    box.setObjectName("ticks")
    box.ensurePolished()  # else its lines are laid out as low as without the style sheet
    box.setAccessibleName(title)
    box.setTextElideMode(Qt.TextElideMode.ElideMiddle)
    box.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
    for name in names:
        item = QListWidgetItem(name)
        item.setToolTip(name)
        item.setData(Qt.ItemDataRole.UserRole, name)
        item.setCheckState(Qt.CheckState.Checked if name in ticked else Qt.CheckState.Unchecked)
        box.addItem(item)
    return box


def ticks(box: QListWidget) -> tuple[str, ...]:
    """The names that are ticked, in the order of the list."""
    items = [box.item(i) for i in range(box.count())]
    return tuple(
        str(item.data(Qt.ItemDataRole.UserRole))
        for item in items
        if item is not None and item.checkState() == Qt.CheckState.Checked
    )


class _Explained(QStyledItemDelegate):
    """An item, and below it what its DETAIL says, muted, in lines of DETAIL_WIDTH."""

    def _detail(self, font: QFont, index: QModelIndex) -> QRect:
        """The room that its DETAIL takes."""
        small = QFontMetrics(theme.font(DETAIL_SIZE * font.pointSizeF()))
        room = QRect(0, 0, theme.grown(DETAIL_WIDTH), 10_000)
        detail = index.data(DETAIL) or ""
        return small.boundingRect(room, Qt.TextFlag.TextWordWrap, detail) if detail else QRect()

    def sizeHint(self, option: QStyleOptionViewItem, index: QModelIndex) -> QSize:
        room = self._detail(option.font, index)
        high = option.fontMetrics.height() + room.height() + theme.grown(10)
        return QSize(theme.grown(DETAIL_WIDTH + 24), high)

    def paint(
        self, painter: QPainter | None, option: QStyleOptionViewItem, index: QModelIndex
    ) -> None:
        if painter is None:
            return
        painter.save()
        if option.state & QStyle.StateFlag.State_Selected:
            painter.fillRect(option.rect, theme.colour("select"))
        box = option.rect.adjusted(theme.grown(10), theme.grown(4), -theme.grown(10), 0)
        painter.setFont(option.font)
        painter.setPen(theme.colour("text"))
        painter.drawText(box, Qt.AlignmentFlag.AlignTop, index.data())
        painter.setFont(theme.font(DETAIL_SIZE * option.font.pointSizeF()))
        painter.setPen(theme.colour("muted"))
        box = box.adjusted(0, option.fontMetrics.height(), 0, 0)
        box.setWidth(theme.grown(DETAIL_WIDTH))
        painter.drawText(box, Qt.TextFlag.TextWordWrap, index.data(DETAIL) or "")
        painter.restore()


def explain_items(field: QComboBox) -> None:
    """Let the list of a field show the DETAIL of each item below its name."""
    field.setItemDelegate(_Explained(field))
    field.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToContents)  # of the names alone
    view = field.view()
    assert view is not None
    view.setMinimumWidth(theme.grown(DETAIL_WIDTH + 24))


class ListField(QComboBox):
    """A combo box whose name is spoken on Linux too.

    There Qt takes the value for the name, and what it is called from a label beside it of which it
    is the buddy: this one has such a label, which is never shown.
    """

    def __init__(self, what: str = "") -> None:
        self._spoken: QLabel | None = None
        super().__init__()
        self._spoken = QLabel()
        self._spoken.setTextFormat(Qt.TextFormat.PlainText)
        self._spoken.setBuddy(self)
        self._spoken.hide()
        self.destroyed.connect(self._spoken.deleteLater)
        self.setAccessibleName(what)

    def setAccessibleName(self, name: str | None) -> None:
        super().setAccessibleName(name)
        if self._spoken is not None:
            self._spoken.setText(name)

    def event(self, event: QEvent | None) -> bool:
        """Take the label along to another parent."""
        done = super().event(event)
        moved = event is not None and event.type() == QEvent.Type.ParentChange
        if moved and self._spoken is not None:
            self._spoken.setParent(self.parentWidget())
            self._spoken.hide()
        return done


class MenuField(QToolButton):
    """Looks like a field, shows its value, opens a menu: a combo box without the noise.

    A screen reader says its name `what`, then its value.
    """

    def __init__(self, what: str) -> None:
        super().__init__()
        self.what = what
        self.setProperty("role", "field")
        self.setAccessibleName(what)
        self.setToolTip(what)
        self.setToolButtonStyle(Qt.ToolButtonStyle.ToolButtonTextBesideIcon)
        self.setLayoutDirection(Qt.LayoutDirection.RightToLeft)
        self.setFocusPolicy(Qt.FocusPolicy.TabFocus)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        self.setIconSize(QSize(12, 12))
        self.setPopupMode(QToolButton.ToolButtonPopupMode.InstantPopup)
        self.list = QMenu(self)
        self.list.setLayoutDirection(Qt.LayoutDirection.LeftToRight)
        self.setMenu(self.list)
        self.apply_theme()

    def setText(self, text: str | None) -> None:
        text = text or ""
        super().setText(theme.shown(text))
        said = text.casefold() in self.what.casefold()
        self.setAccessibleName(self.what if said else f"{self.what}: {text}")

    def apply_theme(self) -> None:
        """Take the colours of the theme in use."""
        self.setIcon(theme.icon("down", "muted"))


class ChoiceField(MenuField):
    """One of a few names; `choose(name)` is called with the chosen one."""

    def __init__(
        self,
        what: str,
        names: Sequence[str],
        choose: Callable[[str], object],
        marks: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(what)
        self._group = QActionGroup(self.list)
        for name in names:
            mark = (marks or {}).get(name)
            shown = theme.shown(name)
            action = QAction(f"{shown}\t{mark}" if mark else shown, self.list)
            action.setCheckable(True)
            action.setData(name)
            action.triggered.connect(lambda _, name=name: choose(name))
            self._group.addAction(action)
            self.list.addAction(action)
        self.list.aboutToShow.connect(self._tick)

    def _tick(self) -> None:
        for action in self._group.actions():
            action.setChecked(theme.shown(action.data()) == self.text())


def tool(icon: str, what: str, press: Callable[[], object]) -> QToolButton:
    """A button with an icon only; its name is said and shown on hover."""
    button = QToolButton()
    button.setAccessibleName(what)
    button.setToolTip(what)
    button.setFocusPolicy(Qt.FocusPolicy.TabFocus)
    button.setProperty("drawing", icon)
    button.setIcon(theme.icon(icon, "muted"))
    button.setIconSize(QSize(18, 18))
    button.clicked.connect(lambda: press())
    return button
