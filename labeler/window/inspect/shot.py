"""All classes of the shot on screen, side by side; and one of them by occlusion beside its heat.

The occlusion is a Job; nothing is computed here that needs a network.
"""

from __future__ import annotations

import numpy as np
from PyQt6.QtCore import pyqtSignal
from PyQt6.QtGui import QResizeEvent
from PyQt6.QtWidgets import QHBoxLayout, QLabel, QPushButton, QVBoxLayout, QWidget

from labeler.session.heat import Asked
from labeler.session.session import Session
from labeler.window.inspect.tiles import GAP, PLAIN, Tile, TileList, below
from labeler.window.process.short_job import ShortJob
from labeler.window.widgets import theme
from labeler.window.widgets.fields import ListField
from labeler.window.widgets.parts import FoldingRow, set_role
from model.events import Event
from model.heatmaps.forms import BEST, UNSEEN

SMALLEST, LARGEST = 110, 340
PAIRS = 5
"""This many classes are shown in two forms."""


class ShotPage(QWidget):
    """The session's shot once without and once with the heatmap of every class.

    A class can be checked by occlusion, or held against another one ("why Bent and not Streak");
    these maps then stand beside the others. With a second form, the classes that the network
    sees stand in both, the likeliest first.
    """

    kind_changed = pyqtSignal()
    """Another class was chosen, or another one to hold it against."""

    def __init__(self, session: Session, short_job: ShortJob) -> None:
        super().__init__()
        self.session, self.short_job = session, short_job
        self.title = QLabel()
        set_role(self.title, "heading")
        self.tiles = TileList(session, by_class=True)
        self.tiles.setAccessibleName("Heatmaps of all classes")
        self.other = BEST
        """The second form; BEST for none."""
        self._of = -1
        for signal in (session.predictions.run_changed, session.project_changed):
            signal.connect(self._forget)
        self.kinds = ListField("Class to check by occlusion, or to hold against another one")
        self.rivals = ListField("Why this class and not …")
        self.rivals.setToolTip("What speaks for the class on the left and against this one?")
        self.rivals.activated.connect(lambda _: self._chosen())
        self.kinds.activated.connect(lambda _: self._chosen())
        self.check = QPushButton("Check by occlusion")
        self.check.setToolTip(
            "Cover the shot part by part and see where the class suffers: a check that does not "
            "use the network's gradients. Half a minute, in the background."
        )
        self.check.clicked.connect(self._check)
        head, row = QHBoxLayout(), QHBoxLayout()
        head.addWidget(self.title, 1)
        row.addWidget(self.kinds)
        row.addWidget(self.rivals)
        row.addWidget(self.check)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(6)
        layout.addWidget(FoldingRow(head, row))
        layout.addWidget(self.tiles, 1)

    def refresh(self) -> None:
        """Show the shot that is on screen."""
        session = self.session
        if session.cursor.row < 0 or session.predictions.run is None:
            return
        said = session.labels.taxonomy.in_words(session.labelling.shown_labels())
        state = f"labelled {said}" if session.labelling.is_decided() else "undecided"
        if not session.predictions.run.readable[session.cursor.row]:
            state += " · the network could not read it"
        self.title.setText(f"Shot {session.cursor.row + 1:,} · {state}")
        self._offer()
        tiles, paired = self._pairs() if self.other else (self._every(), False)
        if self.rival is not None:
            tiles.append(Tile(session.cursor.row, self.kind, against=self.rival))
        covered = sorted(k for row, k in self.tiles.delegate.covered if row == session.cursor.row)
        tiles += [Tile(session.cursor.row, k, covered=True) for k in covered]
        side, columns = self._side(tiles, 2 if paired else 1)
        self.tiles.show_tiles(tiles, side)
        self.tiles.across(columns if paired else 0)
        self.check.setEnabled(not self.short_job.is_running and not session.heat.reads_maps)

    @property
    def kind(self) -> int:
        """The class that is chosen; -1 for none."""
        kind = self.kinds.currentData()
        return -1 if kind is None else int(kind)

    @property
    def rival(self) -> int | None:
        """The class that it is held against; None for none, or itself."""
        rival = self.rivals.currentData()
        return None if rival is None or rival == self.kind else int(rival)

    def _every(self) -> list[Tile]:
        row = self.session.cursor.row
        return [Tile(row, k) for k in (PLAIN, *self.session.labels.shown_classes)]

    def _pairs(self) -> tuple[list[Tile], bool]:
        """The likeliest classes that the network sees, or that are labelled, in both forms; those
        that have one form only stand behind the pairs. And whether there are pairs."""
        session, row = self.session, self.session.cursor.row
        likely = session.predictions.of_run.probabilities[row]
        seen = [
            k
            for k in np.argsort(-likely)
            if likely[k] >= UNSEEN or session.labelling.shown_labels()[k]
        ]
        pairs: list[Tile] = []
        alone: list[Tile] = []
        for k in map(int, seen[:PAIRS]):
            first = session.heat.form_of(Asked(row, k, session.display.overlay.form))
            tiles = [Tile(row, k, form=form) for form in dict.fromkeys((first, self.other))]
            (pairs if len(tiles) > 1 else alone).extend(tiles)
        return [*pairs, *alone, Tile(row, PLAIN)], bool(pairs)

    def _chosen(self) -> None:
        self.refresh()
        self.kind_changed.emit()

    def _offer(self) -> None:
        """The classes to check, the likeliest on this shot first chosen."""
        session = self.session
        names, offered = session.labels.taxonomy.names, session.labels.shown_classes
        shown = [self.kinds.itemText(i) for i in range(self.kinds.count())]
        if shown != [names[kind] for kind in offered]:
            self.kinds.clear()
            self.rivals.clear()
            self.rivals.addItem("and not …")
            for kind in offered:
                self.kinds.addItem(names[kind], kind)
                self.rivals.addItem(f"not {names[kind]}", kind)
            self._of = -1
        if self._of != session.cursor.row:
            self._of = session.cursor.row
            likely = session.predictions.of_run.probabilities[session.cursor.row]
            self.kinds.setCurrentIndex(int(likely[list(offered)].argmax()))

    def _check(self) -> None:
        session = self.session
        row, kind = session.cursor.row, self.kind
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

    def _side(self, tiles: list[Tile], step: int) -> tuple[int, int]:
        """The largest side with which all tiles fit without scrolling, in a multiple of `step`
        columns, and how many."""
        room, needed, count = self.tiles.room(), self.tiles.needed(tiles), len(tiles)
        smallest = theme.grown(SMALLEST)  # its words are as large as other letters
        most = room.width() // (smallest + GAP) // step * step
        best, found = smallest, max(most, step)
        for columns in range(step, count + step, step):
            high, wide = room.height() // -(-count // columns) - GAP, room.width() // columns - GAP
            side = min(wide, high - below(0, wide))
            words = self.tiles.width_of_words(wide) if step > 1 else side
            if needed > words:
                side = min(wide, high - below(needed, words))
            if side > best:
                best, found = side, columns
        return min(best, LARGEST), found

    def resizeEvent(self, event: QResizeEvent | None) -> None:
        super().resizeEvent(event)
        self.refresh()
