"""Makes the thumbnails that are still missing while the grid is open, and says how far it is."""

from __future__ import annotations

import numpy as np
from PyQt6.QtCore import QTimer
from PyQt6.QtWidgets import QHBoxLayout, QProgressBar, QWidget

from labeler.session.session import Session
from labeler.window.widgets.parts import label

AT_ONCE = 48
"""So many are asked for ahead; what is in sight always comes first."""
TICK_MS = 120


class Filler(QWidget):
    """A thin bar with its number; hidden once everything is there."""

    def __init__(self, session: Session) -> None:
        super().__init__()
        self.session = session
        self.text = label(role="muted")
        self.bar = QProgressBar()
        self.bar.setTextVisible(False)
        self.bar.setFixedWidth(70)
        self.bar.setAccessibleName("Thumbnails made")
        row = QHBoxLayout(self)
        row.setContentsMargins(0, 0, 0, 0)
        row.setSpacing(7)
        row.addWidget(self.text)
        row.addWidget(self.bar)
        self._timer = QTimer(self)
        self._timer.setInterval(TICK_MS)
        self._timer.timeout.connect(self._tick)
        self._left = np.zeros(0, np.int64)
        self._waiting: set[int] = set()
        self._done = 0
        session.shots.thumbnail_ready.connect(self._made)
        session.project_changed.connect(self.stop)
        self.hide()

    def start(self) -> None:
        """Go on with what is missing."""
        feed = self.session.shots.feed
        if feed is None:
            return
        self._left = feed.without_thumbnail()
        self._done = self.session.labels.n_shots - len(self._left)
        self._waiting.clear()
        self.setVisible(bool(len(self._left)))
        if len(self._left):
            self._timer.start()
            self._tick()

    def stop(self) -> None:
        """Leave the rest for another time."""
        self._timer.stop()
        self._left = self._left[:0]
        self._waiting.clear()
        self.hide()

    def _made(self, row: int) -> None:
        self._waiting.discard(row)

    def _tick(self) -> None:
        feed = self.session.shots.feed
        if feed is None or (feed.kept is not None and feed.kept.trouble):
            self.stop()
            return
        some = self._left[: AT_ONCE - len(self._waiting)]
        self._left = self._left[len(some) :]
        self._waiting.update(some.tolist())
        self._done += len(some)
        for row in some[::-1].tolist():
            if feed.thumbnail(row) is not None:
                self._waiting.discard(row)
        n = self.session.labels.n_shots
        self.text.setText(f"thumbnails {self._done - len(self._waiting):,} of {n:,}")
        self.bar.setMaximum(n)
        self.bar.setValue(self._done)
        if not len(self._left) and not self._waiting:
            self.stop()
