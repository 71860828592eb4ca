"""Counts of shots for the window: asks the reader child ahead of need and answers from its cache.

Never opens a data file itself and never waits: what is not there yet arrives through `on_arrival`,
called from the reader's thread with the row.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from model.errors import InputError
from model.shots import ShotTable

AHEAD, BEHIND = 3, 2
"""Shots read before they are asked for, in the way of the queue."""

Reading = tuple["npt.NDArray[Any] | InputError", "npt.NDArray[np.bool_] | None"]


class Reader(Protocol):
    """What the feed asks of `labeler.reader.ShotReader`."""

    def request(self, key: int, path: Path, dataset: str | None, index: int) -> None: ...
    def cached(self, key: int) -> Reading | None: ...
    def close(self) -> None: ...


class ShotFeed:
    """Rows of one project's shot table -> counts and masks."""

    def __init__(
        self,
        table: ShotTable,
        on_arrival: Callable[[int], None],
        make_reader: Callable[..., Reader],
    ) -> None:
        self.table = table
        self._reader = make_reader(lambda key, counts, mask: on_arrival(key))

    def reading(self, row: int) -> Reading | None:
        """(counts or the error, mask or None) where it has been read, else None."""
        return self._reader.cached(row)

    def want(self, row: int, neighbours: npt.ArrayLike = ()) -> None:
        """Ask for a shot and, after it, for its neighbours; what is there is not asked again."""
        # The reader serves the newest request first: the shot on screen is asked for last.
        for other in [*reversed(np.asarray(neighbours, int).tolist()), row]:
            if self._reader.cached(other) is None:
                source = self.table.sources[self.table.source_of[other]]
                index = int(self.table.index_of[other])
                self._reader.request(other, source.path, source.dataset, index)

    def close(self) -> None:
        """End the reader child."""
        self._reader.close()


def neighbours(queue: npt.NDArray[np.int64], row: int) -> npt.NDArray[np.int64]:
    """The next three and the previous two of a row in the queue, nearest first."""
    at = np.flatnonzero(queue == row)
    if not len(at):
        return queue[:0]
    places = [at[0] + k for k in (1, 2, -1, 3, -2)]
    return queue[[p for p in places if 0 <= p < len(queue)]]
