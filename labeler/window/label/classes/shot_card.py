"""The card at the foot of the class panel: what was just said and who decided, or a class's help.

While the cursor comes to a class it shows that class's schematic and help instead, and the shot
again after a while or as soon as something happens to it: a resting mouse hides nothing.
"""

from __future__ import annotations

from PyQt6.QtCore import QRectF, Qt, QTimer
from PyQt6.QtGui import QPainter, QPaintEvent
from PyQt6.QtWidgets import QFrame, QHBoxLayout, QLabel, QVBoxLayout, QWidget

from labeler.project.store.records import FLAGGED, SKIPPED
from labeler.session.session import Session
from labeler.window.widgets import theme
from labeler.window.widgets.parts import exactly, minutes, scrolled, when
from model.shots.table import EVALUATION
from model.taxonomy.taxonomy import Class

HEIGHT, PART = 116, 5
"""Its height in points, and the part of a low panel that it may have."""
EXPLAINED_MS = 5_000
"""This long a class is explained."""


class Schematic(QWidget):
    """A class's drawing, or nothing."""

    def __init__(self, side: int) -> None:
        super().__init__()
        self.path = ""
        self.setFixedSize(side, side)

    def paintEvent(self, event: QPaintEvent | None) -> None:
        painter = QPainter(self)
        if self.path:
            theme.draw(painter, self.path, QRectF(self.rect()), theme.current().text)
        painter.end()


class ShotCard(QFrame):
    """Heading, a few lines, and a drawing while a class is explained; of one fixed height."""

    def __init__(self, session: Session) -> None:
        super().__init__()
        self.session = session
        self.setObjectName("foot")
        self.setAccessibleName("This shot")
        self.fit(self.height())
        self.accept_key = ""
        """The key in use for Accept; '' where it has none."""
        self.lines: list[str] = []
        """What it says of the shot below the heading."""
        self._class: Class | None = None
        self._back = QTimer(self)
        self._back.setSingleShot(True)
        self._back.setInterval(EXPLAINED_MS)
        self._back.timeout.connect(self._end_explaining)
        for signal in (session.cursor.shot_changed, session.labels.labels_changed):
            signal.connect(self._end_explaining)
        minutes().passed.connect(self.refresh)
        self._picture = Schematic(72)
        self._heading = QLabel()
        self._heading.setProperty("role", "heading")
        self._text = QLabel()
        self._text.setWordWrap(True)
        self._text.setTextFormat(Qt.TextFormat.PlainText)
        self._text.setAlignment(Qt.AlignmentFlag.AlignTop | Qt.AlignmentFlag.AlignLeft)
        self._said = QLabel()
        self._said.setWordWrap(True)
        inside = QWidget()
        words = QVBoxLayout(inside)
        words.setContentsMargins(0, 0, 0, 0)
        words.setSpacing(4)
        words.addWidget(self._heading)
        words.addWidget(self._said)
        words.addWidget(self._text, 1)
        layout = QHBoxLayout(self)
        layout.setContentsMargins(14, 10, 4, 10)
        layout.setSpacing(14)
        layout.addWidget(self._picture, 0, Qt.AlignmentFlag.AlignVCenter)
        area = scrolled(inside, "This shot")
        area.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        layout.addWidget(area, 1)

    def fit(self, panel: int) -> None:
        """Take a height that the panel, so many pixels high, can spare; more text is scrolled."""
        self.setFixedHeight(min(theme.grown(HEIGHT), max(panel // PART, HEIGHT)))

    def explain(self, kind: Class | None) -> None:
        """Show a class's drawing and help; None goes back to the shot."""
        self._class = kind
        if kind is not None:
            self._back.start()
        self.refresh()

    def _end_explaining(self, *_: object) -> None:
        """Another shot or label: the panel refreshes the card with itself."""
        if self._class is not None:
            self.explain(None)

    def refresh(self) -> None:
        """Show what holds now."""
        kind = self._class
        self._picture.setVisible(kind is not None and bool(kind.schematic))
        if kind is not None:
            self._picture.path = f"schematics/{kind.schematic}"
            self._picture.update()
            self._heading.setText(kind.name)
            self._said.hide()
            self._text.setText(kind.help)
            return
        session = self.session
        if session.cursor.row < 0:
            self._heading.setText("")
            self._text.setText("")
            return
        self._heading.setText(f"Shot {session.cursor.row + 1:,}")
        self._said.setText(session.labels.reported)
        self._said.setVisible(bool(session.labels.reported))
        self._text.setToolTip("")
        self.lines = self._lines()
        self._text.setText("\n".join(self.lines))

    def _decided_when(self) -> str:
        if self.session.repeats.is_blind:  # when it was decided first stays hidden with the label
            return "Decided just now"
        entries = self.session.require().project.store.history(
            self.session.cursor.row, self.session.require().annotator
        )
        if not entries:
            return "Decided"
        last = entries[-1]
        self._text.setToolTip(exactly(last.time.timestamp()))
        return f"Decided by {last.annotator}, {when(last.time.timestamp())}"

    def _lines(self) -> list[str]:
        session = self.session
        status, accept = session.labelling.shown()[1], self.accept_key or "Accept"
        lines = []
        if session.labelling.from_file():
            lines.append(f"Labels of the file · {accept} makes them yours")
        elif session.labelling.is_decided():
            lines.append(self._decided_when())
        elif session.suggestions.is_hidden():
            lines.append("Undecided · suggestions hidden (blind check)")
        elif session.suggestions.of() is not None:
            lines.append(f"Undecided · {accept} takes what the model suggests")
        else:
            lines.append("Undecided")
        if session.suggestions.because():
            lines.append(f"Why this shot: {session.suggestions.because()}")
        if session.require().table.role[session.cursor.row] == EVALUATION:
            lines.append("Evaluation shot: never trained on")
        if status & SKIPPED:
            lines.append("Skipped")
        if status & FLAGGED:
            note = session.labelling.note()
            lines.append(f"Flagged: {note}" if note else "Flagged")
        return lines
