"""Who said what on the shot on screen, over the pattern, while differing shots are gone through.

One click makes what somebody said the consensus label; nobody's own label changes.
"""

from __future__ import annotations

from typing import Any

from PyQt6.QtCore import Qt
from PyQt6.QtWidgets import QFrame, QGridLayout, QPushButton, QVBoxLayout, QWidget

from labeler.project.store.records import LABELLED
from labeler.quality import adjudication
from labeler.quality.agreement import Readers
from labeler.window.widgets.parts import label, set_role
from model.errors import InputError

TITLE = "Where people differ"
CONSENSUS = "Consensus"
MINE = "You, as it stands"
WIDTH = 360


class VotesCard(QFrame):
    """Lives as long as the queue of differing shots."""

    def __init__(self, session: Any, readers: Readers, host: QWidget) -> None:
        super().__init__(host)
        self.session, self.readers = session, readers
        self.settled: dict[int, int] = {}
        self.setObjectName("popup")
        self.setAttribute(Qt.WidgetAttribute.WA_StyledBackground)
        self.setAccessibleName("Who said what")
        self.setFixedWidth(WIDTH)
        self.grid = QGridLayout()
        self.grid.setHorizontalSpacing(10)
        self.grid.setVerticalSpacing(5)
        self.grid.setColumnStretch(1, 1)
        self.state = label("", "muted", wrap=True)
        column = QVBoxLayout(self)
        column.setContentsMargins(14, 11, 12, 11)
        column.setSpacing(7)
        column.addWidget(label("Who said what", "heading"))
        column.addLayout(self.grid)
        column.addWidget(self.state)
        session.shot_changed.connect(self.follow)
        session.labels_changed.connect(self._relabelled)
        session.queue_changed.connect(self._queue_changed)
        session.project_changed.connect(self.finish)
        self.follow()
        self.show()
        self.raise_()

    def follow(self, *_: object) -> None:
        """Show the votes on the shot on screen."""
        self._clear()
        session = self.session
        if session.project is None or session.row < 0:
            return
        said = adjudication.votes(self.readers, session.row)
        known = [v.present for v in said if v.present is not None]
        for k, vote in enumerate(said):
            words = "not read" if vote.present is None else self._words(vote.present, known)
            self._line(k, vote.name, words, vote.present)
        if session.status[session.row] & LABELLED:
            own = int(session.present[session.row])
            if own not in known:
                self._line(len(said), MINE, self._words(own, known), own)
        settled = self.settled.get(session.row)
        text = "Take what is right, or label it anew with the keys first."
        if settled is not None:
            text = f"Settled: {self._words(settled, [])}."
        self.state.setText(text)
        set_role(self.state, "muted")
        self.adjustSize()
        self.move(14, 14)

    def _words(self, present: int, others: list[int]) -> str:
        """Classes of a label set; those that not everybody gives are marked with a point."""
        taxonomy = self.session.taxonomy
        names = []
        for c in range(len(taxonomy)):
            if present >> c & 1:
                alike = all(o >> c & 1 for o in others)
                name = taxonomy.names[c].replace(" ", "\u00a0")
                names.append(name if alike else f"•\u00a0{name}")
        return ", ".join(names) or "no class"

    def _line(self, k: int, name: str, words: str, present: int | None) -> None:
        who, what = label(name, "muted"), label(words, wrap=True)
        who.setMaximumWidth(110)
        who.setToolTip(name)
        self.grid.addWidget(who, k, 0)
        self.grid.addWidget(what, k, 1)
        if present is not None:
            take = QPushButton("Take")
            take.setAccessibleName(f"Take what {name} said")
            take.setFocusPolicy(Qt.FocusPolicy.TabFocus)
            take.clicked.connect(lambda: self.take(present))
            self.grid.addWidget(take, k, 2)

    def take(self, present: int) -> None:
        """Make this the consensus label of the shot, and go on."""
        session = self.session
        try:
            adjudication.settle(session.project, session.row, present)
        except (InputError, OSError) as error:
            session.noted.emit("error", f"Not saved, nothing was changed: {error}")
            return
        self.settled[session.row] = present
        row = session.row
        session.next()
        if session.row == row:
            self.follow()
            session.noted.emit("info", "That was the last of the shots on which people differ.")

    def _relabelled(self, rows: Any) -> None:
        if self.session.row in rows:
            self.follow()

    def _queue_changed(self) -> None:
        if self.session.choice.title != TITLE:
            self.finish()

    def _clear(self) -> None:
        while self.grid.count():
            item = self.grid.takeAt(0)
            widget = None if item is None else item.widget()
            if widget is not None:
                widget.hide()
                widget.deleteLater()

    def finish(self) -> None:
        """Go away."""
        for signal, slot in (
            (self.session.shot_changed, self.follow),
            (self.session.labels_changed, self._relabelled),
            (self.session.queue_changed, self._queue_changed),
            (self.session.project_changed, self.finish),
        ):
            try:
                signal.disconnect(slot)
            except TypeError:  # gone already
                return
        self.hide()
        self.deleteLater()
