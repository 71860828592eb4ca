"""One line on whether seeing predictions sways the labels; see `labeler.active.anchoring`."""

from __future__ import annotations

from PyQt6.QtCore import Qt
from PyQt6.QtWidgets import QLabel

from labeler.active import anchoring
from labeler.session.session import Session
from labeler.window.widgets.parts import set_role
from model.errors import InputError


class AnchorLine(QLabel):
    """Asks the history when it comes into sight; hidden while nothing was ever suggested."""

    def __init__(self, session: Session) -> None:
        super().__init__()
        self.session = session
        self.setWordWrap(True)
        self.setTextFormat(Qt.TextFormat.PlainText)
        set_role(self, "muted")
        session.project_changed.connect(self.refresh)

    def showEvent(self, event: object) -> None:
        self.refresh()

    def refresh(self) -> None:
        """Measure again."""
        session = self.session
        if session.opened is None:
            self.setText("")
            return
        from labeler.project.store.timeline import first_shown

        try:
            firsts = first_shown(
                session.require().project.store.database, session.require().annotator
            )
        except (InputError, OSError) as error:
            self.setText(str(error))
            return
        decided = session.labels.decided
        shift = anchoring.measure(firsts, decided.present, decided.status, decided.known)
        self.setText(shift.text() if shift.seen + shift.hidden else "")
