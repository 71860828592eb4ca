"""Shots that are kept beside the pattern for comparison: drawn as it is, with its levels and zoom.

Typical shots of the classes, or one that the shot on screen is held against.
"""

from __future__ import annotations

import numpy as np
from PyQt6.QtCore import QRectF, Qt
from PyQt6.QtGui import QImage, QPainter, QPaintEvent, QPen
from PyQt6.QtWidgets import (
    QAbstractButton,
    QFrame,
    QHBoxLayout,
    QScrollArea,
    QSizePolicy,
    QToolButton,
    QVBoxLayout,
    QWidget,
)

from labeler.project.store.records import LABELLED
from labeler.session.session import Session
from labeler.window.label.pattern.pattern import CLEAR_PIXELS, PatternView, placed
from labeler.window.widgets import theme
from labeler.window.widgets.parts import Elided, empty, image_of

SIDE = 200


class PinnedShot(QAbstractButton):
    """One shot; a click puts it on screen."""

    def __init__(self, session: Session, pattern: PatternView, row: int) -> None:
        super().__init__()
        self.session, self.pattern, self.row = session, pattern, row
        self._image = QImage()
        self.setAccessibleName(f"Pinned shot {row + 1:,}")
        self.setToolTip(f"Shot {row + 1:,}: a click shows it")
        self.setFocusPolicy(Qt.FocusPolicy.TabFocus)
        self.setSizePolicy(QSizePolicy.Policy.Fixed, QSizePolicy.Policy.Fixed)
        self.setFixedSize(SIDE, SIDE)
        self.clicked.connect(lambda: session.cursor.show(row))
        self.refresh()

    def refresh(self) -> None:
        """Draw it as shots are drawn now; ask for it where it is not read yet."""
        counts, mask = self.session.shots.counts(self.row), self.session.shots.mask(self.row)
        if counts is None:
            self.session.shots.want(self.row)
        if isinstance(counts, np.ndarray):
            picture = self.session.display.screen_for(counts, mask).picture(counts, mask)
            self._pixels = np.ascontiguousarray(picture)
            self._image = image_of(self._pixels, borrowed=True)
        self.update()

    def paintEvent(self, event: QPaintEvent | None) -> None:
        painter = QPainter(self)
        painter.fillRect(self.rect(), theme.colour("stage"))
        if not self._image.isNull():
            zoom, middle = self.pattern.looked_at
            target = placed(self._image.size(), self.size(), zoom, middle)
            clear = target.width() / self._image.width() >= CLEAR_PIXELS
            painter.setRenderHint(QPainter.RenderHint.SmoothPixmapTransform, not clear)
            painter.drawImage(target, self._image)
        if self.hasFocus() or self.underMouse():
            painter.setPen(QPen(theme.colour("accent"), 2))
            painter.drawRect(QRectF(self.rect()).adjusted(1, 1, -1, -1))
        painter.end()


class PinnedShots(QScrollArea):
    """The pinned shots one below the other; hidden while there are none."""

    def __init__(self, session: Session, pattern: PatternView) -> None:
        super().__init__()
        self.session, self.pattern = session, pattern
        self.shots: list[PinnedShot] = []
        self._names: list[Elided] = []
        self.setAccessibleName("Pinned shots")
        self.setFrameShape(QFrame.Shape.NoFrame)
        self.setWidgetResizable(True)
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        self.setFixedWidth(SIDE + 24)
        inner = QWidget()
        self._column = QVBoxLayout(inner)
        self._column.setContentsMargins(8, 8, 8, 8)
        self._column.setSpacing(4)
        self.setWidget(inner)
        session.display.display_changed.connect(self.refresh)
        session.project_changed.connect(self.refresh)
        session.shots.counts_ready.connect(self._arrived)
        session.labels.labels_changed.connect(lambda rows: self._name())
        pattern.looked.connect(self._follow)
        self.refresh()

    def refresh(self) -> None:
        """Show the shots that are pinned now, drawn as shots are drawn now."""
        rows = self.session.display.pinned
        if rows != [shot.row for shot in self.shots]:
            self._build(rows)
        for shot in self.shots:
            shot.refresh()
        self.setVisible(bool(rows))

    def _build(self, rows: list[int]) -> None:
        empty(self._column)
        self.shots = [PinnedShot(self.session, self.pattern, row) for row in rows]
        self._names = [Elided() for _ in rows]
        for shot, name in zip(self.shots, self._names, strict=True):
            head = QWidget()
            line = QHBoxLayout(head)
            line.setContentsMargins(0, 0, 0, 0)
            line.addWidget(name, 1)
            away = QToolButton()
            away.setIcon(theme.icon("close", "muted"))
            away.setAccessibleName(f"Take shot {shot.row + 1:,} away")
            away.setToolTip("Take it away from beside the pattern")
            away.setFocusPolicy(Qt.FocusPolicy.TabFocus)
            away.clicked.connect(lambda _, row=shot.row: self.session.display.pin(row))
            line.addWidget(away)
            self._column.addWidget(head)
            self._column.addWidget(shot)
        self._column.addStretch(1)
        self._name()

    def _name(self) -> None:
        """Number and classes of each; while a shot is read a second time only the number."""
        session = self.session
        for shot, name in zip(self.shots, self._names, strict=True):
            labels, taxonomy = session.labelling.shown_labels(shot.row), session.labels.taxonomy
            own = taxonomy.in_words(labels & ~taxonomy.implied(labels))
            known = session.labels.status[shot.row] & LABELLED
            hidden = session.repeats.hides(shot.row) or not known
            said = "" if hidden else f" · {own}"
            name.show_text(f"{shot.row + 1:,}{said}")

    def _arrived(self, row: int) -> None:
        for shot in self.shots:
            if shot.row == row:
                shot.refresh()

    def _follow(self) -> None:
        for shot in self.shots:
            shot.update()
