"""Levels for a project that has none yet: from shots spread over it, once; then they stay."""

from __future__ import annotations

import numpy as np
from PyQt6.QtCore import QObject

from labeler.session.session import Session
from model.preprocessing.display import auto_levels

SPREAD = 9
"""So many shots are looked at."""


class FirstLevels(QObject):
    """The shot on screen sets levels at once; a few others correct them a moment later."""

    def __init__(self, session: Session) -> None:
        super().__init__(session)
        self.session = session
        self._wanted: set[int] = set()
        self._found: dict[int, tuple[float, float]] = {}
        session.project_changed.connect(self._begin)
        session.shots.counts_ready.connect(self._look_at)
        self._begin()

    def _begin(self) -> None:
        session = self.session
        self._found = {}
        self._wanted = set()
        if session.shots.feed is None or session.display.levels_known or not session.labels.n_shots:
            return
        rows = np.linspace(0, session.labels.n_shots - 1, SPREAD).astype(int)
        self._wanted = set(rows.tolist())
        for row in sorted(self._wanted):
            session.shots.feed.want(row)

    def _look_at(self, row: int) -> None:
        session = self.session
        if session.display.levels_known or (row not in self._wanted and row != session.cursor.row):
            return
        counts = session.shots.counts(row)
        if counts is None:
            return
        self._wanted.discard(row)
        if isinstance(counts, np.ndarray):
            self._found[row] = auto_levels(counts, session.shots.mask(row))
        if self._found and (not self._wanted or row == session.cursor.row):
            self._set()

    def _set(self) -> None:
        lows, highs = np.array(list(self._found.values())).T
        high = float(np.percentile(highs, 75))
        low = float(min(np.median(lows), high / 2))
        self.session.display.change(low=low, high=high)
        self.session.display.levels_known = not self._wanted
