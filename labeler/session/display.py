"""How shots are drawn, the same for all until changed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt
from PyQt6.QtCore import pyqtSignal

from labeler.session.cursor import Cursor
from labeler.session.opened import Opened, SessionPart
from model.errors import InputError
from model.preprocessing.display import COLORMAPS, NORMS, Overlay, Screen, auto_levels


@dataclass(frozen=True)
class Panes:
    """Which physics of the shot is shown, and where: below the pattern, or beside it."""

    profile: bool = True
    unwrap: bool = False
    symmetry: bool = False
    correlation: bool = False
    beside: bool = False

    @property
    def any(self) -> bool:
        """Whether there is anything to show."""
        return self.profile or self.unwrap or self.symmetry or self.correlation


PINNED = "window.pinned."
"""Under which a project remembers the shots that an annotator keeps beside the pattern."""
PANES = tuple(Panes.__dataclass_fields__)


class Display(SessionPart):
    """Screen (norm, levels, colours), overlay and panes."""

    display_changed = pyqtSignal()

    def __init__(self, cursor: Cursor) -> None:
        super().__init__()
        self.cursor = cursor
        self.levels_follow = False
        """Each shot at its own levels, for who prefers shape over brightness."""
        self.screen = Screen()
        self.overlay = Overlay()
        self.panes = Panes()
        self.pinned: list[int] = []
        """Rows of the shots that are kept beside the pattern, the oldest first."""
        self.levels_known = False
        """Whether someone, or an earlier session, chose the levels of this project."""
        cursor.shots.preparation_changed.connect(self.display_changed)

    def begin(self, opened: Opened) -> None:
        """The shots that the annotator pinned earlier."""
        super().begin(opened)
        kept = opened.project.store.get_meta(f"{PINNED}{opened.annotator}")
        rows = kept if isinstance(kept, list) else []
        self.pinned = [r for r in rows if isinstance(r, int) and 0 <= r < len(opened.table)]

    def end(self) -> None:
        """Levels and pinned shots belong to one project."""
        super().end()
        self.levels_known, self.pinned = False, []

    def pin(self, row: int) -> None:
        """Keep a shot beside the pattern to compare others with it; once more lets it go."""
        opened = self.opened
        if opened is None or row < 0:
            return
        kept = [r for r in self.pinned if r != row]
        self.pinned = kept if row in self.pinned else [*kept, row]
        if not opened.project.store.read_only:
            try:
                opened.project.store.set_meta(f"{PINNED}{opened.annotator}", self.pinned)
            except (InputError, OSError) as error:
                self.noted.emit("warning", f"Pinned for now, but not stored: {error}")
        self.display_changed.emit()

    def change(self, **changes: Any) -> None:
        """Change how shots are drawn: fields of `Screen`, `Overlay` or `Panes` by name, for all."""
        unknown = dict(changes)
        for part in ("overlay", "panes", "screen"):
            now = getattr(self, part)
            mine = {k: unknown.pop(k) for k in changes if k in now.__dataclass_fields__}
            setattr(self, part, replace(now, **mine))
        if unknown:
            raise TypeError(f"a display has no {', '.join(unknown)}")
        self.levels_known = self.levels_known or "low" in changes
        self.display_changed.emit()

    def next_norm(self) -> None:
        """The next of the norms."""
        self.change(norm=_after(self.screen.norm, NORMS))

    def next_colormap(self) -> None:
        """The next of the colormaps."""
        self.change(colormap=_after(self.screen.colormap, COLORMAPS))

    def change_strength(self, by: float) -> None:
        """The heatmap stronger or weaker."""
        self.change(strength=round(min(max(self.overlay.strength + by, 0.0), 1.0), 2))

    @property
    def levels(self) -> tuple[float, float] | None:
        """The levels that someone chose for this project, or None."""
        return (self.screen.low, self.screen.high) if self.levels_known else None

    def screen_for(self, counts: npt.NDArray[Any], mask: npt.NDArray[np.bool_] | None) -> Screen:
        """How a shot is drawn: the levels kept for all, or its own where the person wants that."""
        if not self.levels_follow:
            return self.screen
        low, high = auto_levels(counts, mask)
        return replace(self.screen, low=low, high=high)

    def follow_levels(self, on: bool) -> None:
        """Each shot at its own levels, or all at the same."""
        self.levels_follow = on
        self.display_changed.emit()

    def auto_levels(self) -> None:
        """Levels that suit the shot on screen, kept for all shots."""
        counts = self.cursor.counts()
        if isinstance(counts, np.ndarray):
            low, high = auto_levels(counts, self.cursor.mask())
            self.change(low=low, high=high)


def _after(chosen: str, of: Sequence[str]) -> str:
    return of[(of.index(chosen) + 1) % len(of)]
