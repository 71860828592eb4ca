"""One line over the classes: whose predictions are on screen, or how far they are.

It shows what the session and its `background.instant_learning` know, and changes nothing.
"""

from __future__ import annotations

from PyQt6.QtCore import QRectF, QSize, Qt
from PyQt6.QtGui import QPainter, QPaintEvent
from PyQt6.QtWidgets import QSizePolicy, QWidget

from labeler.session.session import Session
from labeler.window.widgets import theme

HEIGHT = 26


class PredictionLine(QWidget):
    """Right-aligned over the probabilities that it tells about."""

    def __init__(self, session: Session) -> None:
        super().__init__()
        self.session = session
        self.learning = session.learning
        self.text, self.share = "", 1.0
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        self.setAccessibleName("Predictions on screen")
        for signal in (
            session.predictions.run_changed,
            session.predictions.instant_changed,
            session.project_changed,
        ):
            signal.connect(self.refresh)
        self.learning.changed.connect(self.refresh)
        session.cursor.shot_changed.connect(lambda row: self.refresh())
        session.labels.labels_changed.connect(lambda rows: self.refresh())
        self.refresh()

    def refresh(self) -> None:
        """Say it again."""
        session, doing = self.session, self.learning
        run, instant = session.predictions.run, session.predictions.instant
        self.share = 1.0
        if session.opened is None:
            text, tip = "", ""
        elif session.suggestions.is_hidden():
            text = "suggestions hidden (blind check)"
            tip = "On a few shots what the model says is hidden until you decide: it shows whether"
            tip += " seeing it sways the labels."
        elif session.predictions.now is not None:
            text = session.predictions.now.name
            tip = "What this run says of the shot."
            if instant is not None:  # beside the switch "Suggestions"
                start = "from" if run is None else f"{run.name} +"
                text = text.replace("instant model,", start)
                tip = "Learnt from your labels so far, on what the network sees; after each again."
                if run is not None:
                    tip = f"What {run.name} says with all your labels, fitted to them after each."
                    tip += f" Inspect, Learn and reports show {run.name} by itself."
            names = [c.name for c in session.labels.taxonomy.classes]
            new = [n for n, k in zip(names, session.predictions.now.known, strict=True) if not k]
            tip += f" It has not learnt {', '.join(new)} and says nothing of that." if new else ""
        elif doing.is_predicting:
            self.share = doing.done / max(doing.total, 1)
            text = f"predicting {100 * self.share:.0f} %"
            tip = "The shipped network looks at every shot once; then suggestions begin."
        else:
            text, tip = "no predictions yet", doing.trouble
        if text and doing.is_predicting and session.predictions.now is not None:
            self.share = doing.done / max(doing.total, 1)
            text += f" · predicting {100 * self.share:.0f} %"
        self.text = text
        self.setToolTip(tip)
        self.setAccessibleDescription(f"{text}. {tip}" if tip else text)
        self.setVisible(bool(text))
        self.update()

    def sizeHint(self) -> QSize:
        return QSize(240, theme.grown(HEIGHT))

    def paintEvent(self, event: QPaintEvent | None) -> None:
        painter = QPainter(self)
        painter.setFont(theme.numbers(self.font().pointSizeF() * 0.9))
        painter.setPen(theme.colour("muted"))
        room = self.rect().adjusted(12, 0, -12, 0)
        flags = Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter
        elide = Qt.TextElideMode.ElideRight
        text = painter.fontMetrics().elidedText(self.text, elide, room.width())
        painter.drawText(room, int(flags), text)
        if self.share < 1:
            bar = QRectF(12, self.height() - 2, self.width() - 24, 2)
            painter.fillRect(bar, theme.colour("line"))
            bar.setWidth(bar.width() * self.share)
            painter.fillRect(bar, theme.colour("accent"))
        painter.end()
