"""All classes of the shot on screen, side by side; and one of them by occlusion beside its heat.

The occlusion is a Job; nothing is computed here that needs a network.
"""

from __future__ import annotations

import numpy as np
from PyQt6.QtGui import QResizeEvent
from PyQt6.QtWidgets import QComboBox, QHBoxLayout, QLabel, QPushButton, QVBoxLayout, QWidget

from labeler.session.session import Session
from labeler.window.label.queue.tiles import CAPTION, GAP, PLAIN, Tile, TileList
from labeler.window.process.short_job import ShortJob
from labeler.window.widgets.parts import set_role
from model.events import Event

SMALLEST, LARGEST = 110, 340


class ShotPage(QWidget):
    """The session's shot once without and once with the heatmap of every class.

    A class can be checked by occlusion; its map then stands beside the others.
    """

    def __init__(self, session: Session, short_job: ShortJob) -> None:
        super().__init__()
        self.session, self.short_job = session, short_job
        self.title = QLabel()
        set_role(self.title, "heading")
        self.tiles = TileList(session, by_class=True)
        self.tiles.setAccessibleName("Heatmaps of all classes")
        self._of = -1
        for signal in (session.predictions.run_changed, session.project_changed):
            signal.connect(self._forget)
        self.kinds = QComboBox()
        self.kinds.setAccessibleName("Class to check by occlusion")
        self.check = QPushButton("Check by occlusion")
        self.check.setToolTip(
            "Cover the shot part by part and see where the class suffers: a check that does not "
            "use the network's gradients. Half a minute, in the background."
        )
        self.check.clicked.connect(self._check)
        row = QHBoxLayout()
        row.addWidget(self.title, 1)
        row.addWidget(self.kinds)
        row.addWidget(self.check)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(6)
        layout.addLayout(row)
        layout.addWidget(self.tiles, 1)

    def refresh(self) -> None:
        """Show the shot that is on screen."""
        session = self.session
        if session.cursor.row < 0 or session.predictions.run is None:
            return
        names = [
            session.labels.taxonomy.names[c] for c in np.flatnonzero(session.labelling.labels())
        ]
        said = ", ".join(names) or "no class"
        state = f"labelled {said}" if session.labelling.is_decided() else "undecided"
        if not session.predictions.run.readable[session.cursor.row]:
            state += " · the network could not read it"
        self.title.setText(f"Shot {session.cursor.row + 1:,} · {state}")
        self._offer()
        kinds = [PLAIN, *range(len(session.labels.taxonomy))]
        tiles = [Tile(session.cursor.row, k) for k in kinds]
        covered = sorted(k for row, k in self.tiles.delegate.covered if row == session.cursor.row)
        tiles += [Tile(session.cursor.row, k, covered=True) for k in covered]
        self.tiles.show_tiles(tiles, self._side(len(tiles)))
        self.check.setEnabled(not self.short_job.is_running and not session.heat.reads_maps)

    def _offer(self) -> None:
        """The classes to check, the likeliest on this shot first chosen."""
        session = self.session
        if self.kinds.count() != len(session.labels.taxonomy):
            self.kinds.clear()
            self.kinds.addItems(session.labels.taxonomy.names)
            self._of = -1
        if self._of != session.cursor.row:
            self._of = session.cursor.row
            self.kinds.setCurrentIndex(
                int(session.predictions.of_run.probabilities[session.cursor.row].argmax())
            )

    def _check(self) -> None:
        session = self.session
        row, kind = session.cursor.row, self.kinds.currentIndex()
        run = str(session.predictions.run_folder)
        name = session.labels.taxonomy.names[kind]
        folder = str(session.require().folder)
        arguments = [
            "occlusion", run, folder, "--shot", str(row + 1), "--class", name,
        ]  # fmt: skip

        def show(item: Event) -> None:
            self.tiles.delegate.covered[row, kind] = np.array(item["cells"], np.float32)
            self.refresh()

        self.short_job.start(arguments, f"covering shot {row + 1:,} part by part for {name}", show)

    def _forget(self) -> None:
        self.tiles.delegate.covered.clear()

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
