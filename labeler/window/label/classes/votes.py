"""Who said what on the shot on screen, over the pattern, while differing shots are gone through.

One click makes what someone said the consensus label; no one's own label changes.
"""

from __future__ import annotations

from typing import Any

from PyQt6.QtCore import Qt
from PyQt6.QtWidgets import QFrame, QGridLayout, QPushButton, QVBoxLayout, QWidget

from labeler.project.store.records import LABELLED
from labeler.quality import adjudication
from labeler.quality.agreement import Readers
from labeler.session.session import Session
from labeler.window.widgets import theme
from labeler.window.widgets.parts import empty, focused, label, leave, set_role

TITLE = "Where people differ"
MINE = "You, as it stands"
WIDTH = 360


class VotesCard(QFrame):
    """Lives as long as the queue of differing shots."""

    def __init__(self, session: Session, readers: Readers, host: QWidget) -> None:
        super().__init__(host)
        self.session, self.readers, self.host = session, readers, host
        self.settled: dict[int, int] = {}
        self.setObjectName("popup")
        self.setAttribute(Qt.WidgetAttribute.WA_StyledBackground)
        self.setAccessibleName("Who said what")
        self.setFixedWidth(theme.grown(WIDTH))
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
        session.cursor.shot_changed.connect(self.follow)
        session.labels.labels_changed.connect(self._relabelled)
        session.queue.queue_changed.connect(self._queue_changed)
        session.consensus.changed.connect(self._settled)
        session.project_changed.connect(self.finish)
        self.follow()
        self.show()
        self.raise_()

    def follow(self, *_: object) -> None:
        """Show the votes on the shot on screen."""
        focus = focused(self)
        if focus is not None and self.isAncestorOf(focus):  # it goes, and the keys stay here
            self.host.setFocus()
        empty(self.grid)
        session = self.session
        if session.opened is None or session.cursor.row < 0:
            return
        said = adjudication.votes(self.readers, session.cursor.row)
        known = [(v.present, v.known) for v in said if v.present is not None]
        for k, vote in enumerate(said):
            words = "not read" if vote.present is None else self._words(vote.present, known)
            self._line(k, vote.name, words, vote.present, vote.known)
        own, status = session.labelling.shown()
        if status & LABELLED and own not in [present for present, _ in known]:
            decided = int(session.labels.taxonomy.pack(session.labelling.known()))
            self._line(len(said), MINE, self._words(own, known), own, decided)
        settled = self.settled.get(session.cursor.row, -1)
        text = "Use what is right, or label it again with the keys first."
        if settled >= 0:
            text = f"Settled: {self._words(settled, [])}."
        self.state.setText(text)
        set_role(self.state, "muted")
        self.adjustSize()
        self.move(14, 14)

    def _words(self, present: int, others: list[tuple[int, int]]) -> str:
        """Classes of a label set; those that not everybody gives are marked with a point."""
        taxonomy = self.session.labels.taxonomy
        names = []
        for c in taxonomy.present(taxonomy.unpack(present)):
            alike = all((o | ~decided) >> c & 1 for o, decided in others)
            name = taxonomy.names[c].replace(" ", "\u00a0")
            names.append(name if alike else f"•\u00a0{name}")
        return ", ".join(names) or "no class"

    def _line(self, k: int, name: str, words: str, present: int | None, known: int) -> None:
        who, what = label(name, "muted"), label(words, wrap=True)
        who.setMaximumWidth(110)
        who.setToolTip(name)
        parts: list[QWidget] = [who, what]
        if present is not None:
            take = QPushButton("Use this")
            take.setAccessibleName(f"Use what {name} said")
            take.setFocusPolicy(Qt.FocusPolicy.TabFocus)
            take.clicked.connect(lambda: self.take(present, known))
            parts.append(take)
        for column, part in enumerate(parts):
            self.grid.addWidget(part, k, column)
            part.show()  # at once: what is hidden yet gets no room

    def take(self, present: int, known: int = -1) -> None:
        """Make this the consensus label of the shot, and go on."""
        session, row = self.session, self.session.cursor.row
        if not session.consensus.settle(row, present, known):
            return
        session.cursor.next()
        if session.cursor.row == row:
            session.noted.emit("info", "That was the last of the shots on which people differ.")

    def _settled(self, bits: dict[int, int]) -> None:
        self.settled |= bits
        self.follow()

    def _relabelled(self, rows: Any) -> None:
        if self.session.cursor.row in rows:
            self.follow()

    def _queue_changed(self) -> None:
        if self.session.queue.choice.title != TITLE:
            self.finish()

    def finish(self) -> None:
        """Go away."""
        for signal, slot in (
            (self.session.cursor.shot_changed, self.follow),
            (self.session.labels.labels_changed, self._relabelled),
            (self.session.queue.queue_changed, self._queue_changed),
            (self.session.consensus.changed, self._settled),
            (self.session.project_changed, self.finish),
        ):
            try:
                signal.disconnect(slot)
            except TypeError:  # gone already
                return
        leave(self, self.host)
