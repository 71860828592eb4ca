"""The grid: thousands of shots at a glance, and one key for all that are selected.

Shows the session's queue; what a key does to the selection is `labeler.session.selection`'s.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from PyQt6.QtCore import Qt
from PyQt6.QtWidgets import QMessageBox, QStackedLayout, QVBoxLayout, QWidget

from labeler.project.store.records import Rows
from labeler.queue.facts import CLUSTER
from labeler.queue.filters import passes
from labeler.queue.groups import GROUPS, grouped
from labeler.session.selection import SelectedShots
from labeler.session.session import Session
from labeler.window.grid.canvas import SIDES, GridCanvas
from labeler.window.grid.head import GridHead
from labeler.window.grid.tags import TagBar
from labeler.window.widgets.parts import EmptyState
from labeler.window.widgets.tab import Tab

LOOK = "window.grid"
"""Where a project keeps size and grouping."""


class GridView(Tab):
    """Head, canvas, and the classes of the selected shots."""

    selection: SelectedShots

    def __init__(self, session: Session, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.session = session
        self.head = GridHead(session)
        self.canvas = GridCanvas(session)
        self.selection = SelectedShots(session, self._chosen, self._ask, self.select)
        self.tags = TagBar(session, self.selection)
        self.empty = EmptyState()
        self.group = "none"
        self._stale = True
        middle = QWidget()
        self._stack = QStackedLayout(middle)
        self._stack.addWidget(self.canvas)
        self._stack.addWidget(self.empty)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(0)
        layout.addWidget(self.head)
        layout.addWidget(middle, 1)
        layout.addWidget(self.tags)
        self._connect()
        self._begin()

    def _connect(self) -> None:
        session, canvas = self.session, self.canvas
        session.project_changed.connect(self._begin)
        session.queue.queue_changed.connect(self.rebuild)
        session.labels.labels_changed.connect(canvas.rows_changed)
        session.shots.thumbnail_ready.connect(lambda row: self._arrived(row))
        session.shots.counts_ready.connect(self._sharper)
        session.shots.preparation_changed.connect(canvas.refresh)
        session.predictions.run_changed.connect(self._another_run)
        session.predictions.instant_changed.connect(canvas.refresh)
        session.display.display_changed.connect(self._look_changed)
        session.cursor.shot_changed.connect(self._follow)
        canvas.selection_changed.connect(self.selection.changed)
        canvas.selection_changed.connect(lambda: self.head.said.show_text(""))
        self.selection.reported.connect(self.head.said.show_text)
        session.labels.labels_changed.connect(lambda rows: self._say_what_changed())
        canvas.opened.connect(self.open_in_label)
        canvas.zoom_requested.connect(self.zoom)
        self.head.group_chosen.connect(self.set_group)
        self.head.side_chosen.connect(self._set_side)
        self.head.select_requested.connect(self.select)

    # -- what is shown -----------------------------------------------------------------------------

    def _begin(self) -> None:
        """Another project: its own size and grouping."""
        opened = self.session.opened
        kept = None if opened is None else opened.project.store.get_meta(LOOK)
        kept = kept if isinstance(kept, dict) else {}
        side, group = kept.get("side"), kept.get("group")
        self.group = group if group in GROUPS else "none"
        self.head.show_group(self.group)
        self.head.slider.setValue(SIDES.index(side if side in SIDES else 96))
        self.canvas.side = SIDES[self.head.slider.value()]
        self.canvas.forget()
        self.rebuild()

    def rebuild(self) -> None:
        """Show the session's queue, put together as chosen; later where no one looks."""
        if not self.isVisible():
            self._stale = True
            return
        self._stale = False
        if GROUPS[self.group].needs == CLUSTER:
            self.session.learning.look_for_clusters()
        rows, sections = grouped(self.group, self.session.queue.rows, self.session.queue.known)
        self.canvas.show_shots(rows, sections)
        if len(rows):
            self._stack.setCurrentWidget(self.canvas)
            return
        everything = self.session.queue.choice.filters or self.session.queue.choice.title
        if everything:
            text = "No shot matches the conditions chosen above."
            act = lambda: self.session.queue.choose(filter="all")  # noqa: E731
            self.empty.say("Nothing here", text, "Show all shots", act)
        else:
            self.empty.say("No shots", "Add a file of shots to the project to see them here.")
        self._stack.setCurrentWidget(self.empty)

    def _another_run(self) -> None:
        """It has another map, with clusters of its own."""
        if CLUSTER in self.session.queue.numbers:
            self.session.queue.give_numbers(CLUSTER, None)
        self.rebuild()

    def set_group(self, name: str) -> None:
        """Put shots together in another way."""
        self.group = name
        self.head.show_group(name)
        self.session.queue.known_now()  # the queue may be older than the labels that group it
        self.rebuild()

    def _say_what_changed(self) -> None:
        """What an undo or a redo did here, in the place of what was said before."""
        self.head.said.show_text(self.session.labels.reported if self.isVisible() else "")

    def zoom(self, steps: int) -> None:
        """Larger or smaller thumbnails."""
        self.head.slider.setValue(self.head.slider.value() + steps)

    def _set_side(self, side: int) -> None:
        self.canvas.set_side(side)

    def _arrived(self, row: int) -> None:
        if self.isVisible():
            self.canvas.rows_changed([row])

    def _sharper(self, row: int) -> None:
        if self.isVisible() and self.canvas.strips.sharp:
            self.canvas.rows_changed([row])

    def _look_changed(self) -> None:
        if self.canvas.strips.sharp:
            self.canvas.refresh()

    def _follow(self, row: int) -> None:
        """The session went to a shot, by an undo or from another view: show where it is."""
        place = self.canvas.chosen.place_of(row)
        if place is not None and place != self.canvas.chosen.current:
            self.canvas.chosen.go_to(place)
            self.canvas.reveal(place)
            self.canvas.port.update()

    def showEvent(self, event: object) -> None:
        if self._stale:
            self.rebuild()
        self.head.filler.start()
        self.canvas.setFocus(Qt.FocusReason.OtherFocusReason)

    def hideEvent(self, event: object) -> None:
        self.head.filler.stop()
        self._keep_look()

    def _keep_look(self) -> None:
        if self.session.opened is None:
            return
        store = self.session.opened.project.store
        look = {"side": self.canvas.side, "group": self.group}
        if store.read_only or store.get_meta(LOOK) == look:
            return
        store.set_meta(LOOK, look)

    def _chosen(self) -> Rows:
        """The selected rows; none while a project closes and the canvas still shows it."""
        chosen = self.canvas.chosen
        return chosen.rows if chosen.n == self.session.labels.n_shots else chosen.shown[:0]

    # -- hands -------------------------------------------------------------------------------------

    def select(self, what: str) -> None:
        """Select all, none, the others, or the shown shots that fulfil a condition."""
        chosen = self.canvas.chosen
        if what == "select:all":
            chosen.all()
        elif what == "select:none":
            chosen.clear()
        elif what == "select:others":
            chosen.invert()
        else:
            fits = passes(what, self.session.queue.known_now(), chosen.shown)
            chosen.choose(np.flatnonzero(fits), add=False)
            if fits.any():
                self.canvas.reveal(int(fits.argmax()))
        self.canvas.port.update()
        self.canvas.selection_changed.emit()

    def _ask(self, what: str) -> bool:
        """One question before a gesture on very many shots."""
        buttons = QMessageBox.StandardButton
        answer = QMessageBox.question(
            self,
            "Many shots at once",
            f"{what}\nUndo takes it back.",
            buttons.Yes | buttons.Cancel,
        )
        return answer == buttons.Yes

    def show_keys(self, keys: Mapping[str, str]) -> None:
        self.tags.show_keys(keys)
        self.canvas.strips.show_keys(keys)
        self.canvas.refresh()

    def apply_theme(self) -> None:
        """Take the colours of the theme in use."""
        self.canvas.refresh()
