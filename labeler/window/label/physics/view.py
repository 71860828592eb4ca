"""The physics of the shot on screen, in panes below the pattern or beside it, with one cursor.

Computes only after the pattern is painted, one pane at a time so that keys come between, and not
at all while someone rushes through shots. It holds no choice: which panes are shown is the
session's.
"""

from __future__ import annotations

import time
from typing import Any

import numpy as np
from PyQt6.QtCore import QTimer
from PyQt6.QtWidgets import QBoxLayout, QWidget

from labeler.session.session import Session
from labeler.window.label.pattern.pattern import PatternView
from labeler.window.label.physics.cursor import PatternMarks, PhysicsPointer
from labeler.window.label.physics.pane import LEAST, Pane, Shown
from labeler.window.label.physics.pictures import CorrelationPane, SymmetryPane, UnwrapPane
from labeler.window.label.physics.profile import ProfilePane
from labeler.window.widgets import theme
from model.errors import InputError
from model.physics import profiles
from model.shots.layouts import Geometry

KINDS: tuple[type[Pane], ...] = (ProfilePane, UnwrapPane, SymmetryPane, CorrelationPane)
HEIGHT_SHARE, WIDTH_SHARE = 0.1125, 0.2
"""Of the window: the strip below the pattern, and the column beside it."""
LOWEST, HIGHEST, NARROWEST, WIDEST = 72, 170, 220, 420
CURVE_LESS = 28
"""Pixels of height that the strip can spare where it shows the profile alone."""
RUSH_S, PAUSE_MS = 0.15, 90
"""Shots that follow each other faster than this are gone through: panes wait until that ends."""


class PhysicsPanes(QWidget):
    """Shows the panes that the session's look asks for; hidden where it asks for none."""

    def __init__(self, session: Session, pattern: PatternView) -> None:
        super().__init__()
        self.session = session
        self.setAccessibleName("Physics of the shot")
        self.pointer = PhysicsPointer(self)
        self.marks = PatternMarks(pattern, self.pointer)
        self.panes = {kind.name: kind(self.pointer) for kind in KINDS}
        self._layout = QBoxLayout(QBoxLayout.Direction.LeftToRight, self)
        self._layout.setContentsMargins(0, 1, 0, 0)
        self._layout.setSpacing(1)
        for pane in self.panes.values():
            self._layout.addWidget(pane)
        self._due: list[Pane] = []
        self._for: tuple[Any, ...] = ()
        self._shown: Shown | None = None
        self._trouble = ""
        self._painted_at = 0.0
        self._timer = QTimer(self)
        self._timer.setSingleShot(True)
        self._timer.timeout.connect(self._compute_one)
        session.cursor.painted.connect(self._painted)
        session.display.display_changed.connect(self.arrange)
        session.project_changed.connect(self._forget)
        session.queue.numbers_changed.connect(self.apply_theme)
        self.arrange()

    # -- which panes, and where ------------------------------------------------------------------

    def flip(self, name: str) -> None:
        """Show a pane or hide it; `beside` moves them all."""
        self.session.display.change(**{name: not getattr(self.session.display.panes, name)})

    def arrange(self) -> None:
        """Show the panes that are asked for, in a row below the pattern or a column beside it."""
        chosen = self.session.display.panes
        way = QBoxLayout.Direction
        self._layout.setDirection(way.TopToBottom if chosen.beside else way.LeftToRight)
        for name, pane in self.panes.items():
            pane.setVisible(getattr(chosen, name))
            self._layout.setStretchFactor(pane, pane.tall if chosen.beside else pane.stretch)
        self.setVisible(chosen.any)

    def fit(self, width: int, height: int) -> None:
        """Take a share of a window of this size."""
        if self.session.display.panes.beside:
            self.setMaximumHeight(16_777_215)
            self.setFixedWidth(
                min(max(round(WIDTH_SHARE * width), theme.grown(NARROWEST)), theme.grown(WIDEST))
            )
            for pane in self.panes.values():
                pane.setMinimumWidth(LEAST)
        else:
            self.setMinimumWidth(0)
            self.setMaximumWidth(16_777_215)
            strip = self._strip_height(height)
            self.setFixedHeight(strip)
            for pane in self.panes.values():
                pane.setMinimumWidth(pane.least_width(strip))

    def _strip_height(self, height: int) -> int:
        """Of the strip below the pattern in a window of this height."""
        chosen = self.session.display.panes
        whole = min(max(round(HEIGHT_SHARE * height), theme.grown(LOWEST)), theme.grown(HIGHEST))
        pictures = any(getattr(chosen, name) for name in self.panes if name != ProfilePane.name)
        return whole if pictures else max(whole - CURVE_LESS, theme.grown(LOWEST) - CURVE_LESS)

    # -- following the shot ----------------------------------------------------------------------

    def _painted(self, row: int) -> None:
        """The pattern is on screen: now there is time for its physics."""
        if not self.session.display.panes.any or self._is_known(row):
            return
        now = time.monotonic()
        rushing = now - self._painted_at < RUSH_S
        self._painted_at = now
        self._for = self._about(row)
        self._shown, self._trouble = None, ""
        self._due = [
            pane for name, pane in self.panes.items() if getattr(self.session.display.panes, name)
        ]
        self._timer.start(PAUSE_MS if rushing else 0)

    def _about(self, row: int) -> tuple[Any, ...]:
        """What decides the drawings; the counts themselves, since a project may be read again."""
        session = self.session
        heat = (session.heat.on, session.heat.class_index, session.predictions.run)
        return (
            row,
            id(session.shots.counts(row)),
            session.display.screen,
            session.display.overlay,
            session.display.panes,
            heat,
        )

    def _is_known(self, row: int) -> bool:
        return bool(self._for) and self._about(row) == self._for

    def _forget(self) -> None:
        """Another project, or none: nothing to show until its first pattern is painted."""
        self._timer.stop()
        self._due, self._for, self._shown = [], (), None
        for pane in self.panes.values():
            pane.take(None)

    def _compute_one(self) -> None:
        """Bring the next pane up to date, then let whatever waits go first."""
        if not self._due:
            return
        if self._shown is None and not self._trouble:
            self._shown, self._trouble = self._look_at()
        pane = self._due.pop(0)
        pane.take(self._shown, self._trouble)
        if self._due:
            self._timer.start(0)

    def _look_at(self) -> tuple[Shown | None, str]:
        """The shot on screen for the panes, or why it has no physics."""
        session = self.session
        counts = session.cursor.counts()
        if not isinstance(counts, np.ndarray):
            comparing = session.sources.is_comparing
            return None, "Comparing…" if comparing else "This shot cannot be read"
        mask, geometry = session.cursor.mask(), session.cursor.geometry() or Geometry()
        try:
            small = profiles.reduced(counts, mask, geometry.centre)
        except InputError as error:
            return None, str(error)
        screen = session.display.screen_for(counts, mask)
        heat = session.heat.on_map((profiles.PANE.radii, profiles.PANE.radii))
        return Shown(small, geometry, screen, session.display.overlay, heat), ""

    def settle(self) -> None:
        """Bring all panes up to date at once, for who cannot wait: pictures and measurements."""
        self._timer.stop()
        while self._due:
            self._compute_one()
        self._timer.stop()

    def apply_theme(self) -> None:
        """Draw everything again: in another theme, or since more is known of the shots."""
        self._for = ()
        if self.session.cursor.row >= 0:
            self._painted(self.session.cursor.row)
