"""Inspect: where the network looks. All classes of one shot, or many shots of one class.

Heatmaps are those of the run in use; nothing is computed here that needs a network.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from PyQt6.QtCore import QSignalBlocker, Qt, pyqtSignal
from PyQt6.QtGui import QResizeEvent, QShowEvent
from PyQt6.QtWidgets import (
    QButtonGroup,
    QCheckBox,
    QHBoxLayout,
    QLabel,
    QSlider,
    QStackedWidget,
    QToolButton,
    QVBoxLayout,
    QWidget,
)

from labeler.retraining import Retraining
from labeler.views.inspect_gallery import Gallery
from labeler.views.parts import EmptyState, label, set_role
from labeler.views.retrain import progress_in_words
from labeler.views.tiles import CAPTION, GAP, PLAIN, Tile, TileList

SMALLEST, LARGEST = 110, 340


class InspectView(QWidget):
    """Two pages: this shot, all classes; and a gallery of shots for one class."""

    label_requested = pyqtSignal()
    """A shot was chosen and is now the session's: show it in the Label view."""

    def __init__(self, session: Any, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("page")
        self.session = session
        self.retraining = Retraining.of(session)
        self.empty = EmptyState()
        self.shot, self.gallery = ShotPage(session), Gallery(session)
        self.pages = QStackedWidget()
        self.pages.addWidget(self.shot)
        self.pages.addWidget(self.gallery)
        self._build()
        self.shot.tiles.chosen.connect(self._show_class)
        self.gallery.tiles.chosen.connect(self._show_shot)
        for signal in (session.run_changed, session.project_changed, session.look_changed):
            signal.connect(self.refresh)
        session.shot_changed.connect(self._shot_changed)
        session.labels_changed.connect(self._labels_changed)
        self.retraining.changed.connect(self._say_empty)

    def _build(self) -> None:
        self.tabs = QButtonGroup(self)
        head = QHBoxLayout()
        head.setSpacing(4)
        for i, text in enumerate(("All classes of this shot", "Shots of a class")):
            button = QToolButton()
            button.setText(text)
            button.setCheckable(True)
            button.setChecked(i == 0)
            self.tabs.addButton(button, i)
            head.addWidget(button)
        self.tabs.idClicked.connect(self._turn)
        head.addStretch(1)
        self.contours = QCheckBox("Contours")
        self.contours.toggled.connect(lambda on: self.session.look(contours=on))
        self.strength = QSlider(Qt.Orientation.Horizontal)
        self.strength.setRange(0, 100)
        self.strength.setFixedWidth(110)
        self.strength.setAccessibleName("How much cold places are dimmed")
        self.strength.setToolTip("How much cold places are dimmed")
        self.strength.valueChanged.connect(self._dim)
        head.addWidget(self.contours)
        head.addSpacing(14)
        head.addWidget(label("Dim", "muted"))
        head.addWidget(self.strength)
        self.note = label("", "muted")
        full = QWidget()
        layout = QVBoxLayout(full)
        layout.setContentsMargins(20, 12, 20, 10)
        layout.setSpacing(10)
        layout.addLayout(head)
        layout.addWidget(self.pages, 1)
        layout.addWidget(self.note)
        self.whole = QStackedWidget()
        self.whole.addWidget(self.empty)
        self.whole.addWidget(full)
        outer = QVBoxLayout(self)
        outer.setContentsMargins(0, 0, 0, 0)
        outer.addWidget(self.whole)

    # -- showing ---------------------------------------------------------------------------------

    def showEvent(self, event: QShowEvent | None) -> None:
        super().showEvent(event)
        self.refresh()

    def refresh(self) -> None:
        """Show what the run in use says, if anybody looks."""
        if not self.isVisible():
            return
        readings = self.session.predictions
        self.whole.setCurrentIndex(0 if readings is None else 1)
        if readings is None:
            self._say_empty()
            return
        overlay = self.session.overlay
        with QSignalBlocker(self.contours), QSignalBlocker(self.strength):
            self.contours.setChecked(overlay.contours)
            self.strength.setValue(round(100 * overlay.strength))
        rows, columns = readings.grid
        self.note.setText(
            f"Grad-CAM++ of run {self.session.project.current_run}. A heatmap has only "
            f"{rows} × {columns} cells: it tells the region, not the ring. "
            "Its strength cannot be compared between shots."
        )
        self._page().refresh()

    def show_shot_page(self) -> None:
        """All classes of the shot on screen."""
        self._turn(0)

    def show_gallery(self, class_index: int | None = None) -> None:
        """Shots of a class, by default of the one shown last."""
        if class_index is not None:
            self.gallery.choose(class_index)
        self._turn(1)

    def _turn(self, page: int) -> None:
        button = self.tabs.button(page)
        if button is not None:
            button.setChecked(True)
        self.pages.setCurrentIndex(page)
        self.refresh()

    def _page(self) -> ShotPage | Gallery:
        return self.gallery if self.pages.currentIndex() else self.shot

    def _shot_changed(self, row: int) -> None:
        if self.isVisible() and self.session.predictions is not None:
            self.shot.refresh()

    def _labels_changed(self, rows: object) -> None:
        if self.isVisible() and self.session.predictions is not None:
            self._page().refresh()

    def _dim(self, value: int) -> None:
        self.session.look(strength=value / 100, transparency=True)

    def _say_empty(self) -> None:
        if self.session.predictions is not None or not self.isVisible():
            return
        title, now = "No heatmaps yet", self.retraining
        text = (
            "For every shot and every class, a heatmap shows where the network looked. "
            "They come with each training."
        )
        if now.is_running:
            text += f"\n\nRun {now.number} is on its way: {progress_in_words(now)}."
            self.empty.say(title, text)
        elif needed := now.lacking():
            self.empty.say(title, f"{text}\n\n{needed}.")
        else:
            self.empty.say(title, text, "Train a network", now.start)

    # -- choosing --------------------------------------------------------------------------------

    def _show_class(self, tile: Tile) -> None:
        session = self.session
        already = session.heat_on and session.heat_class == tile.kind
        if tile.kind == PLAIN:
            if session.heat_on:
                session.flip_heat()
        elif not already:
            session.show_heat(tile.kind)
        self.label_requested.emit()

    def _show_shot(self, tile: Tile) -> None:
        session = self.session
        if not (session.heat_on and session.heat_class == tile.kind):
            session.show_heat(tile.kind)
        session.show(tile.row)
        self.label_requested.emit()


class ShotPage(QWidget):
    """The session's shot once without and once with the heatmap of every class."""

    def __init__(self, session: Any) -> None:
        super().__init__()
        self.session = session
        self.title = QLabel()
        set_role(self.title, "heading")
        self.tiles = TileList(session, by_class=True)
        self.tiles.setAccessibleName("Heatmaps of all classes")
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(6)
        layout.addWidget(self.title)
        layout.addWidget(self.tiles, 1)

    def refresh(self) -> None:
        """Show the shot that is on screen."""
        session = self.session
        if session.row < 0 or session.predictions is None:
            return
        names = [session.taxonomy.names[c] for c in np.flatnonzero(session.labels())]
        said = ", ".join(names) or "no class"
        state = f"labelled {said}" if session.is_decided() else "undecided"
        if not session.predictions.readable[session.row]:
            state += " · the network could not read it"
        self.title.setText(f"Shot {session.row + 1:,} · {state}")
        kinds = [PLAIN, *range(len(session.taxonomy))]
        self.tiles.show_tiles([Tile(session.row, k) for k in kinds], self._side(len(kinds)))

    def _side(self, count: int) -> int:
        """The largest side with which all tiles fit without scrolling."""
        room = self.tiles.room()
        best = SMALLEST
        for columns in range(1, count + 1):
            rows = -(-count // columns)
            side = min(room.width() // columns - GAP, room.height() // rows - GAP - CAPTION)
            best = max(best, side)
        return min(best, LARGEST)

    def resizeEvent(self, event: QResizeEvent | None) -> None:
        super().resizeEvent(event)
        self.refresh()
