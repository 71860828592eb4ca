"""Working without a mouse: what has the keys is seen by a ring, and Tab goes as the eye does."""

from __future__ import annotations

from collections.abc import Iterator

from PyQt6.QtCore import QRectF, Qt
from PyQt6.QtGui import QPainter, QPen
from PyQt6.QtWidgets import QLayout, QSplitter, QWidget

from labeler.window.widgets import theme

RING = 2
"""Width of the ring, in pixels; the style sheet has the same for what it paints."""


def paint_ring(painter: QPainter, widget: QWidget) -> None:
    """A ring along the inner edge of a widget that paints itself."""
    painter.setBrush(Qt.BrushStyle.NoBrush)
    painter.setPen(QPen(theme.colour("accent"), RING))
    half = RING / 2
    painter.drawRect(QRectF(widget.rect()).adjusted(half, half, -half, -half))


def next_stop(window: QWidget, forward: bool) -> QWidget | None:
    """What Tab goes to from where the keys are, and round; None where nothing takes them.

    By where things lie. Qt goes by when they were made, and many rows and buttons come late.
    """
    everything, here = list(_inside(window)), window.focusWidget()
    at = everything.index(here) if here in everything else len(everything) - 1
    ring = [*everything[at + 1 :], *everything[: at + 1]]
    if not forward:
        ring = [*ring[-2::-1], ring[-1]]
    return next((widget for widget in ring if _is_stop(widget)), None)


def _is_stop(widget: QWidget) -> bool:
    takes = bool(widget.focusPolicy() & Qt.FocusPolicy.TabFocus)
    return takes and widget.isEnabled() and widget.focusProxy() is None


def _inside(widget: QWidget) -> Iterator[QWidget]:
    """All that is shown within a widget: as it is laid out, then what lies over that."""
    layout = widget.layout()
    if isinstance(widget, QSplitter):
        laid_out = [found for n in range(widget.count()) if (found := widget.widget(n)) is not None]
    else:
        laid_out = [] if layout is None else list(_laid_out(layout))
    direct = Qt.FindChildOption.FindDirectChildrenOnly
    over = [w for w in widget.findChildren(QWidget, options=direct) if w not in laid_out]
    for child in (*laid_out, *over):
        if not child.isHidden() and not child.isWindow():
            yield child
            yield from _inside(child)


def _laid_out(layout: QLayout) -> Iterator[QWidget]:
    for place in range(layout.count()):
        item = layout.itemAt(place)
        assert item is not None
        widget, inner = item.widget(), item.layout()
        if widget is not None:
            yield widget
        elif inner is not None:
            yield from _laid_out(inner)
