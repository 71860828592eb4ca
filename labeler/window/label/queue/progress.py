"""How far the labelling is: decided of all, shots per hour, and when it would be done."""

from __future__ import annotations

from datetime import datetime, timedelta

from PyQt6.QtCore import Qt, QTimer
from PyQt6.QtWidgets import QFrame, QLabel, QProgressBar, QVBoxLayout, QWidget

from labeler.session.session import Session

EVERY_MS = 30_000
"""The rate and the end are reckoned again this often."""


class ProgressFoot(QFrame):
    """Two lines and a thin bar."""

    def __init__(self, session: Session, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.session = session
        self.setObjectName("foot")
        self.setAccessibleName("Progress")
        self.count = QLabel()
        self.bar = QProgressBar()
        self.bar.setTextVisible(False)
        self.bar.setAccessibleName("Share of decided shots")
        self.rate = QLabel()
        self.rate.setProperty("role", "muted")
        layout = QVBoxLayout(self)
        layout.setContentsMargins(12, 9, 12, 9)
        layout.setSpacing(5)
        for widget in (self.count, self.bar, self.rate):
            layout.addWidget(widget)
        self._timer = QTimer(self)
        self._timer.setInterval(EVERY_MS)
        self._timer.timeout.connect(self.refresh)
        self._timer.start()
        session.project_changed.connect(self.refresh)
        session.labels.labels_changed.connect(lambda rows: self.refresh())
        self.refresh()

    def refresh(self) -> None:
        """Show where things stand."""
        n = self.session.labels.n_shots
        done = self.session.labels.decided.tally.labelled
        self.count.setText(f"{done:,} of {n:,} labelled")
        self.bar.setMaximum(max(n, 1))
        self.bar.setValue(done)
        rate = self.session.labelling.pace.per_hour()
        if n and done >= n:
            self.rate.setText("every shot is decided")
        elif rate is None:
            self.rate.setText("labels/h: –")
        else:
            end = datetime.now() + timedelta(hours=(n - done) / rate)
            self.rate.setText(f"{rate:,.0f}/h · {in_words(end, datetime.now())}")
            self.rate.setToolTip(f"At this pace, done on {end:%A %d %B %Y at %H:%M}")
        self.rate.setAlignment(Qt.AlignmentFlag.AlignLeft)


def in_words(end: datetime, now: datetime) -> str:
    """A moment, short: the time today, the weekday this week, else the date."""
    days = (end.date() - now.date()).days
    if days == 0:
        return f"done {end:%H:%M}"
    return f"done {end:%a %H:%M}" if days < 7 else f"done {end:%d %b}"
