"""Going through a queue: where each shot is in it, and which of its shots are still open.

Every question is answered in a time that does not grow with the number of shots. Pure numpy; it
knows nothing of filters, files or windows.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from labeler.project.store.records import LABELLED, SKIPPED, Rows, Status

BLOCK = 1024
"""Open shots are counted in blocks of this many places, so that a search can leap over the rest."""
NOWHERE = -1


class Walk:
    """A queue of rows out of n shots, in its order. `status` (n,) tells which of them are open.

    A shot that stands in the queue twice has the place where it stands first.
    """

    def __init__(self, rows: npt.ArrayLike, n: int, status: Status) -> None:
        self.rows: Rows = np.asarray(rows, np.int64).reshape(-1)
        self._place = np.full(n, NOWHERE, np.int32)
        self._place[self.rows[::-1]] = np.arange(len(self.rows), dtype=np.int32)[::-1]
        self._open = _is_open(status[self.rows])
        starts = np.arange(0, len(self.rows), BLOCK)
        self._left = np.add.reduceat(self._open, starts, dtype=np.int64) if len(starts) else starts

    def __len__(self) -> int:
        return len(self.rows)

    @property
    def left(self) -> int:
        """How many shots of the queue no one decided or skipped."""
        return int(self._left.sum())

    def place_of(self, row: int) -> int | None:
        """Where in the queue a shot is; None where it is not."""
        place = int(self._place[row]) if 0 <= row < len(self._place) else NOWHERE
        return None if place == NOWHERE else place

    def places_of(self, rows: npt.ArrayLike) -> npt.NDArray[np.int64]:
        """Places of those of the given shots that are in the queue."""
        found = self._place[np.asarray(rows, np.int64)]
        return np.asarray(found[found != NOWHERE], np.int64)

    def follow(self, rows: npt.ArrayLike, status: Status) -> None:
        """Some shots were decided, skipped, or opened again; `status` (n,) is the new one."""
        places = np.unique(self.places_of(rows))
        new = _is_open(status[self.rows[places]])
        change = new.astype(np.int64) - self._open[places]
        self._open[places] = new
        np.add.at(self._left, places // BLOCK, change)

    def step(self, row: int, by: int) -> int | None:
        """The row `by` places further, held at the ends; None where the queue is empty.

        From a shot that is not in the queue, the way goes to its neighbours in file order.
        """
        if not len(self.rows):
            return None
        place = self.place_of(row)
        if place is not None:
            return int(self.rows[min(max(place + by, 0), len(self.rows) - 1)])
        beyond = self.rows[self.rows > row] if by > 0 else self.rows[self.rows < row]
        if not len(beyond):
            return int(self.rows[-1 if by > 0 else 0])
        return int(beyond.min() if by > 0 else beyond.max())

    def around(self, row: int, steps: tuple[int, ...]) -> Rows:
        """The shots this many places further or back, those beyond the ends left out."""
        place = self.place_of(row)
        if place is None:
            return self.rows[:0]
        return self.rows[[p for k in steps if 0 <= (p := place + k) < len(self.rows)]]

    def next_open(self, row: int) -> int | None:
        """The first open shot after `row`, going round once; None where no other is left."""
        place = self.place_of(row)
        start = int(np.searchsorted(self.rows, row)) if place is None else place + 1
        end = start if place is None else place
        found = self._first(start, len(self.rows))
        found = self._first(0, end) if found is None else found
        return None if found is None else int(self.rows[found])

    def _first(self, start: int, end: int) -> int | None:
        """The first open place in start … end - 1."""
        if start >= end:
            return None
        edge = min((start // BLOCK + 1) * BLOCK, end)
        if self._open[start:edge].any():
            return start + int(self._open[start:edge].argmax())
        block = start // BLOCK + 1
        ahead = self._left[block:] > 0
        if not ahead.any():
            return None
        block += int(ahead.argmax())
        place = block * BLOCK + int(self._open[block * BLOCK : (block + 1) * BLOCK].argmax())
        return place if place < end else None


def _is_open(status: Status) -> npt.NDArray[np.uint8]:
    return np.asarray((status & (LABELLED | SKIPPED)) == 0, np.uint8)
