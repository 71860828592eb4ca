"""Which shots of the grid are selected: arrays and a few verbs, without a widget."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from labeler.project.store.records import Rows

Places = npt.NDArray[np.int64]


class Chosen:
    """A selection among the `shown` rows (M,) of n shots; `current` is the keyboard's place."""

    def __init__(self, shown: Rows, n: int) -> None:
        self.shown = shown
        self.n = n
        self.selected = np.zeros(len(shown), bool)
        self.current: int | None = None
        self._anchor = 0
        """Where a stretch begins."""
        self._place = np.full(n, -1, np.int32)
        self._place[shown] = np.arange(len(shown), dtype=np.int32)

    @property
    def rows(self) -> Rows:
        """The selected rows, as they are shown."""
        return self.shown[self.selected]

    @property
    def count(self) -> int:
        """How many are selected."""
        return int(np.count_nonzero(self.selected))

    @property
    def current_row(self) -> int | None:
        """The row at the keyboard's place."""
        return None if self.current is None else int(self.shown[self.current])

    def place_of(self, row: int) -> int | None:
        """Where a row is shown; None where it is not."""
        place = int(self._place[row]) if 0 <= row < len(self._place) else -1
        return None if place < 0 else place

    def places_of(self, rows: Rows) -> Places:
        """Places of those of the rows that are shown."""
        found = self._place[rows[rows < len(self._place)]]
        return found[found >= 0].astype(np.int64)

    @property
    def anchor_row(self) -> int | None:
        """The row where a stretch begins."""
        return int(self.shown[self._anchor]) if len(self.shown) else None

    def go_to(self, place: int | None, anchor: int | None = None) -> None:
        """Put the keyboard at a place; stretches begin there, or at `anchor`."""
        self.current = place
        self._anchor = (place if anchor is None else anchor) or 0

    def take_rows(self, rows: Rows) -> None:
        """Select those of the rows that are shown, and nothing else."""
        self.selected[:] = False
        self.selected[self.places_of(rows)] = True

    def choose(self, places: Places, *, add: bool) -> None:
        """Select places, beside the others or in their stead; later stretches begin there."""
        if not add:
            self.selected[:] = False
        self.selected[places] = True
        self._anchor = int(places[0]) if len(places) else self._anchor

    def flip(self, place: int) -> None:
        """Select one place, or no longer."""
        self.selected[place] = not self.selected[place]
        self._anchor = place

    def stretch(self, place: int, *, add: bool) -> None:
        """Select everything from where the last choice began to a place."""
        if not add:
            self.selected[:] = False
        first, last = sorted((self._anchor, place))
        self.selected[first : last + 1] = True

    def band(self, places: Places, before: npt.NDArray[np.bool_] | None) -> None:
        """Select what a rubber band touches, beside what was selected before it, if anything."""
        self.selected[:] = False if before is None else before
        self.selected[places] = True

    def all(self) -> None:
        """Select everything that is shown."""
        self.selected[:] = True

    def clear(self) -> None:
        """Select nothing."""
        self.selected[:] = False

    def invert(self) -> None:
        """Select the others."""
        self.selected ^= True
