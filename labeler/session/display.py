"""How shots are drawn, and which heatmap lies on them. The same for all shots until changed."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt
from PyQt6.QtCore import pyqtSignal

from labeler.session.cursor import Cursor
from labeler.session.opened import SessionPart
from labeler.session.predictions import ModelReadings
from labeler.session.suggestions import Suggestions
from model.preprocessing.display import Overlay, Screen, auto_levels


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
        self.levels_known = False
        """Whether someone, or an earlier session, chose the levels of this project."""
        cursor.shots.preparation_changed.connect(self.display_changed)

    def end(self) -> None:
        """Levels belong to one project."""
        super().end()
        self.levels_known = False

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


class Heat(SessionPart):
    """The heatmap on the shot on screen: of which class, and whether it is shown."""

    heat_changed = pyqtSignal()

    def __init__(
        self,
        cursor: Cursor,
        predictions: ModelReadings,
        suggestions: Suggestions,
        display: Display,
    ) -> None:
        super().__init__()
        self.cursor, self.predictions = cursor, predictions
        self.suggestions, self.display = suggestions, display
        self.class_index: int | None = None
        self.on = False

    def end(self) -> None:
        """Classes belong to one project."""
        super().end()
        self.class_index, self.on = None, False

    def show(self, class_index: int | None) -> None:
        """Put a class's heatmap on the pattern; the class already shown, or None, takes it off."""
        same = self.on and class_index == self.class_index
        self.on = class_index is not None and not same
        self.class_index = self.class_index if class_index is None else class_index
        self._announce()

    def toggle(self) -> None:
        """Heatmap on or off; the class is the last chosen one, else the model's likeliest."""
        run = self.predictions.run
        if run is None:
            self.noted.emit("info", "No heatmaps yet: press Retrain to make a first run.")
            return
        if self.class_index is None and self.cursor.row >= 0:
            self.class_index = int(np.argmax(run.probabilities[self.cursor.row]))
        self.on = not self.on
        self._announce()

    def _announce(self) -> None:
        """Bring the map's pane where the heat lies there."""
        if self.on and self.reads_maps and not self.display.panes.correlation:
            self.display.change(correlation=True)
        self.heat_changed.emit()

    @property
    def reads_maps(self) -> bool:
        """Whether the run in use reads correlation maps, not patterns."""
        run = self.predictions.run
        return run is not None and run.input == "correlation"

    def on_pattern(self, shape: tuple[int, int]) -> npt.NDArray[np.float32] | None:
        """(y, x) in [0, 1] of the chosen class on the shot on screen; None where it is off.

        None too where the network reads correlation maps: its heat lies there (`on_map`).
        """
        return None if self.reads_maps else self._values(shape)

    def on_map(self, shape: tuple[int, int]) -> npt.NDArray[np.float32] | None:
        """(q_i, q_j) in [0, 1] of the chosen class on the shot's correlation map; else None."""
        return self._values(shape) if self.reads_maps else None

    def _values(self, shape: tuple[int, int]) -> npt.NDArray[np.float32] | None:
        """None also while the reading of the shot is hidden."""
        run, row = self.predictions.run, self.cursor.row
        if not self.on or self.class_index is None or run is None or row < 0:
            return None
        if self.suggestions.is_hidden():
            return None
        return run.heatmap(row, self.class_index, shape, self.display.overlay.form)
