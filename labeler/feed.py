"""Counts and thumbnails of shots for the window: asks the reader child ahead of need.

Never opens a data file itself and never waits: what is not there yet arrives through the
callbacks, called from the reader's thread with the row.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from labeler.store.records import Rows
from model.errors import InputError
from model.shots import ShotTable

AROUND = (1, 2, -1, 3, -2)
"""Places in the queue that are read before they are asked for, the likeliest first."""


class Reader(Protocol):
    """What the feed asks of `labeler.reader.ShotReader`."""

    def request(self, key: int, path: Path, dataset: str | None, index: int) -> None: ...
    def request_thumbnail(self, key: int, path: Path, dataset: str | None, index: int) -> None: ...
    def counts(self, key: int) -> npt.NDArray[Any] | InputError | None: ...
    def mask(self, key: int) -> npt.NDArray[np.bool_] | None: ...
    def thumbnail(self, key: int) -> npt.NDArray[np.uint8] | InputError | None: ...
    def clear(self) -> None: ...
    def close(self) -> None: ...


class ShotFeed:
    """Rows of one project's shot table -> counts, masks and thumbnails."""

    def __init__(
        self,
        table: ShotTable,
        make_reader: Callable[..., Reader],
        on_counts: Callable[[int], None],
        on_thumbnail: Callable[[int], None],
    ) -> None:
        self.table = table
        self.reader = make_reader(
            lambda key, counts, mask: on_counts(key), lambda key, picture: on_thumbnail(key)
        )

    def place(self, row: int) -> tuple[Path, str | None, int]:
        """(file, dataset, position in it) of a row."""
        source = self.table.sources[self.table.source_of[row]]
        return source.path, source.dataset, int(self.table.index_of[row])

    def want(self, row: int, around: npt.ArrayLike = ()) -> None:
        """Ask for a shot and, after it, for its neighbours; what is there is not asked again."""
        # The reader serves the newest request first: the shot on screen is asked for last.
        for other in [*reversed(np.asarray(around, int).tolist()), row]:
            if self.reader.counts(other) is None:
                self.reader.request(other, *self.place(other))

    def thumbnail(self, row: int) -> npt.NDArray[np.uint8] | InputError | None:
        """The thumbnail or why there is none; None while it is being made, which this starts."""
        picture = self.reader.thumbnail(row)
        if picture is None:
            self.reader.request_thumbnail(row, *self.place(row))
        return picture

    def close(self) -> None:
        """End the reader child."""
        self.reader.close()


def around(queue: Rows, row: int) -> Rows:
    """The next three and the previous two of a row in the queue, nearest first."""
    at = np.flatnonzero(queue == row)
    if not len(at):
        return queue[:0]
    places = [int(at[0]) + k for k in AROUND]
    return queue[[p for p in places if 0 <= p < len(queue)]]
