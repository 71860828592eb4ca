"""How shots are drawn and which heatmap lies on them: the half of the session that decides nothing.

The same for all shots until somebody changes it. Knows no widgets.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt
from PyQt6.QtCore import QObject, pyqtSignal

from model.errors import InputError
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


class Look(QObject):
    """Screen, overlay and heatmap; the session adds shots, labels and predictions."""

    look_changed = pyqtSignal()
    """The screen (norm, levels, colours), the overlay or the choice of panes changed."""
    heat_changed = pyqtSignal()
    noted = pyqtSignal(str, str)
    """Level ("info", "warning", "error") and text, for the note area and the log."""

    row: int
    predictions: Any

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self.prepared = False
        """Whether shots are wanted as the project prepares them, not as they are in their files."""
        self.levels_follow = False
        """Each shot at its own levels, for who prefers shape over brightness."""
        self.screen = Screen()
        self.overlay = Overlay()
        self.panes = Panes()
        self.forget_look()

    def forget_look(self) -> None:
        """What belongs to one project only."""
        self.heat_class: int | None = None
        self.heat_on = False
        self.instant: Any = None
        """What was learnt from the labels so far, beyond the run: a Reading, or None."""
        self.levels_known = False
        """Whether somebody, or an earlier sitting, chose the levels of this project."""

    @property
    def reading(self) -> Any:
        """The model's reading that is on screen: the instant one, else the run's, else None."""
        return self.predictions if self.instant is None else self.instant

    def counts(self, row: int | None = None) -> npt.NDArray[Any] | InputError | None:
        """(y, x) counts of a shot, by default the one on screen."""
        raise NotImplementedError

    def mask(self, row: int | None = None) -> npt.NDArray[np.bool_] | None:
        """(y, x) True for good pixels."""
        raise NotImplementedError

    def look(self, **changes: Any) -> None:
        """Change how shots are drawn: fields of `Screen`, `Overlay` or `Panes` by name, for all."""
        unknown = dict(changes)
        for part in ("overlay", "panes", "screen"):
            now = getattr(self, part)
            mine = {k: unknown.pop(k) for k in changes if k in now.__dataclass_fields__}
            setattr(self, part, replace(now, **mine))
        if unknown:
            raise TypeError(f"a look has no {', '.join(unknown)}")
        self.levels_known = self.levels_known or "low" in changes
        self.look_changed.emit()

    def screen_for(self, counts: npt.NDArray[Any], mask: npt.NDArray[np.bool_] | None) -> Screen:
        """How a shot is drawn: the levels kept for all, or its own where the person wants that."""
        if not self.levels_follow:
            return self.screen
        low, high = auto_levels(counts, mask)
        return replace(self.screen, low=low, high=high)

    def follow_levels(self, on: bool) -> None:
        """Each shot at its own levels, or all at the same."""
        self.levels_follow = on
        self.look_changed.emit()

    def auto_levels(self) -> None:
        """Levels that suit the shot on screen, kept for all shots."""
        counts = self.counts()
        if isinstance(counts, np.ndarray):
            low, high = auto_levels(counts, self.mask())
            self.look(low=low, high=high)

    def show_heat(self, class_index: int | None) -> None:
        """Put a class's heatmap on the pattern; the class already shown, or None, takes it off."""
        same = self.heat_on and class_index == self.heat_class
        self.heat_on = class_index is not None and not same
        self.heat_class = self.heat_class if class_index is None else class_index
        self._tell_heat()

    def flip_heat(self) -> None:
        """Heatmap on or off; the class is the last chosen one, else the model's likeliest."""
        if self.predictions is None:
            self.noted.emit("info", "No heatmaps yet: press Retrain to make a first run.")
            return
        if self.heat_class is None and self.row >= 0:
            self.heat_class = int(np.argmax(self.predictions.probabilities[self.row]))
        self.heat_on = not self.heat_on
        self._tell_heat()

    def _tell_heat(self) -> None:
        """Bring the map's pane where the heat lies there."""
        if self.heat_on and self.reads_maps and not self.panes.correlation:
            self.look(correlation=True)
        self.heat_changed.emit()

    def heatmap(self, shape: tuple[int, int]) -> npt.NDArray[np.float32] | None:
        """(y, x) in [0, 1] of the chosen class on the shot on screen; None where it is off.

        None too where the network reads correlation maps: its heat lies there (`map_heat`).
        """
        return None if self.reads_maps else self._heat(shape)

    def map_heat(self, shape: tuple[int, int]) -> npt.NDArray[np.float32] | None:
        """(q_i, q_j) in [0, 1] of the chosen class on the shot's correlation map; else None."""
        return self._heat(shape) if self.reads_maps else None

    @property
    def reads_maps(self) -> bool:
        """Whether the run in use reads correlation maps, not patterns."""
        return getattr(self.predictions, "input", "pattern") == "correlation"

    def _heat(self, shape: tuple[int, int]) -> npt.NDArray[np.float32] | None:
        if not self.heat_on or self.heat_class is None or self.predictions is None or self.row < 0:
            return None
        heat: npt.NDArray[np.float32] = self.predictions.heatmap(
            self.row, self.heat_class, shape, self.overlay.form
        )
        return heat
