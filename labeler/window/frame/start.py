"""The first page: open a file of shots, open a project, try the demo; and recent projects."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

from PyQt6.QtCore import QRectF, QSize, Qt
from PyQt6.QtGui import QPainter, QPaintEvent, QPen
from PyQt6.QtWidgets import (
    QAbstractButton,
    QHBoxLayout,
    QScrollArea,
    QSizePolicy,
    QVBoxLayout,
    QWidget,
)

from labeler.window.dialogs.project_files import ProjectFiles
from labeler.window.settings import RECENT, Settings
from labeler.window.widgets import theme
from labeler.window.widgets.parts import empty, label
from model.errors import on_one_line

WIDTH = 760
HIGH = 60
"""Pixels of the drawing on a button, which does not grow with letters."""


class StartButton(QAbstractButton):
    """A large button: drawing, what it does, and one line about it."""

    def __init__(self, icon: str, title: str, text: str, press: Callable[[], object]) -> None:
        super().__init__()
        self.icon_name, self.title, self.line = icon, title, text
        self.setAccessibleName(title)
        self.setAccessibleDescription(text)
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.setCursor(Qt.CursorShape.PointingHandCursor)
        self.setAttribute(Qt.WidgetAttribute.WA_Hover)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        self.setFixedHeight(HIGH + theme.grown(86))
        self.clicked.connect(lambda: press())

    def sizeHint(self) -> QSize:
        return QSize(theme.grown(230), HIGH + theme.grown(86))

    def paintEvent(self, event: QPaintEvent | None) -> None:
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        box = QRectF(self.rect()).adjusted(0.5, 0.5, -0.5, -0.5)
        lively = self.underMouse() or self.hasFocus()
        painter.setPen(QPen(theme.colour("accent" if lively else "line"), 1.3 if lively else 1))
        painter.setBrush(theme.colour("hover" if self.underMouse() else "card"))
        painter.drawRoundedRect(box, 9, 9)
        spot = QRectF(box.left() + 18, box.top() + 18, 30, 30)
        theme.draw(painter, f"icons/{self.icon_name}.svg", spot, theme.current().accent)
        size = self.font().pointSizeF()
        painter.setFont(theme.font(size + 1.5, bold=True))
        painter.setPen(theme.colour("strong"))
        words = box.adjusted(18, 60, -14, -6)
        painter.drawText(words, Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignTop, self.title)
        painter.setFont(theme.font(size))
        painter.setPen(theme.colour("muted"))
        flags = Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignTop | Qt.TextFlag.TextWordWrap
        painter.drawText(words.adjusted(0, theme.grown(25), 0, 0), int(flags), self.line)
        painter.end()


class Recent(QAbstractButton):
    """One recent project: name, folder, how far it is."""

    def __init__(self, folder: Path, progress: str, press: Callable[[Path], object]) -> None:
        super().__init__()
        self.folder, self.progress = folder, progress
        self.name, whole = on_one_line(folder.name), on_one_line(str(folder))
        self.place = on_one_line(str(folder.parent))
        self.setAccessibleName(f"Open {self.name}, {progress or whole}")
        self.setToolTip(whole)
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.setCursor(Qt.CursorShape.PointingHandCursor)
        self.setAttribute(Qt.WidgetAttribute.WA_Hover)
        self.setFixedHeight(theme.grown(38))
        self.clicked.connect(lambda: press(folder))

    def paintEvent(self, event: QPaintEvent | None) -> None:
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        box = QRectF(self.rect())
        painter.setPen(QPen(theme.colour("accent"), 1.3) if self.hasFocus() else Qt.PenStyle.NoPen)
        painter.setBrush(theme.colour("hover") if self.underMouse() else Qt.BrushStyle.NoBrush)
        painter.drawRoundedRect(box.adjusted(1, 1, -1, -1), 6, 6)
        middle = Qt.AlignmentFlag.AlignVCenter
        words = box.adjusted(12, 0, -12, 0)
        painter.setPen(theme.colour("text"))
        name = painter.fontMetrics().elidedText(
            self.name, Qt.TextElideMode.ElideRight, theme.grown(220)
        )
        painter.drawText(words, int(Qt.AlignmentFlag.AlignLeft | middle), name)
        painter.setPen(theme.colour("muted"))
        painter.drawText(words, int(Qt.AlignmentFlag.AlignRight | middle), self.progress)
        where = painter.fontMetrics().elidedText(
            self.place,
            Qt.TextElideMode.ElideMiddle,
            int(box.width()) - theme.grown(460),
        )
        painter.setPen(theme.colour("faint"))
        painter.drawText(
            words.adjusted(theme.grown(236), 0, 0, 0),
            int(Qt.AlignmentFlag.AlignLeft | middle),
            where,
        )
        painter.end()


class StartPage(QWidget):
    """Centred, quiet; opens nothing itself: the verbs are those of `files`."""

    def __init__(self, files: ProjectFiles, settings: Settings) -> None:
        super().__init__()
        self.settings = settings
        self.files = files
        self.setObjectName("page")
        self.setAttribute(Qt.WidgetAttribute.WA_StyledBackground)
        self._column = QVBoxLayout()
        self._column.setSpacing(0)
        page = QWidget()
        page.setLayout(self._column)
        page.setMaximumWidth(theme.grown(WIDTH))
        page.setMinimumWidth(560)
        line = QHBoxLayout()
        line.addStretch(1)
        line.addWidget(page, 100)
        line.addStretch(1)
        held = QWidget()
        inside = QVBoxLayout(held)
        inside.addStretch(2)
        inside.addLayout(line)
        inside.addStretch(3)
        area = QScrollArea()
        area.setAccessibleName("First page")
        area.setWidget(held)
        area.setWidgetResizable(True)
        area.setFrameShape(QScrollArea.Shape.NoFrame)
        area.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(area)
        self.choices: list[StartButton] = []
        self.recent: list[Recent] = []
        self.refresh()

    def refresh(self) -> None:
        """Build the page again: the recent projects may have changed."""
        empty(self._column)
        title = label("Label diffraction patterns", "title")
        self._column.addWidget(title)
        self._column.addSpacing(4)
        self._column.addWidget(
            label("Tag shots by keyboard, retrain with one click, see why.", "muted")
        )
        self._column.addSpacing(26)
        self.choices = [
            StartButton("new", "Open a file of shots", "Or the folder of a run; never changed.",
                   self.files.new_project),
            StartButton("open", "Open a project", "Go on where you left off.",
                   self.files.choose_project),
            StartButton("demo", "Try the demo", "Simulated helium droplets, in a minute.",
                   self.files.try_demo),
        ]  # fmt: skip
        row = QHBoxLayout()
        row.setSpacing(14)
        for choice in self.choices:
            row.addWidget(choice)
        self._column.addLayout(row)
        self._column.addSpacing(28)
        recent = self.settings["recent"][:RECENT]
        folders = [Path(p) for p in recent if os.path.isdir(p)]  # noqa: PTH112 - raises never
        self._column.addWidget(label("Recent projects" if folders else "", "muted"))
        self._column.addSpacing(4)
        progress = self.settings["progress"]
        self.recent = []
        for folder in folders:
            entry = Recent(folder, progress.get(str(folder), ""), self.files.open_folder)
            self.recent.append(entry)
            self._column.addWidget(entry)
        self._column.addSpacing(18)
        self._column.addWidget(
            label("Files and project folders can also be dropped anywhere here.", "faint")
        )
