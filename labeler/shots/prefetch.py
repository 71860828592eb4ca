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

from labeler.shots.reader import COUNTS_MB, LEAST, Place
from labeler.shots.reader_child import Geometries
from labeler.shots.thumbnail_cache import Thumbnails
from model.errors import InputError
from model.preprocessing.preparation import Preparation
from model.shots.fingerprints import FileState
from model.shots.table import ShotTable

FORWARD = (1, 2, -1, 3, 4, -2, 5, 6)
"""Places in the queue that are read before they are asked for, the likeliest first."""


class Reader(Protocol):
    """What the feed asks of `labeler.shots.reader.ShotReader`."""

    def request(self, key: int, path: Path, dataset: str | None, index: int) -> None: ...
    def request_thumbnail(self, key: int, path: Path, dataset: str | None, index: int) -> None: ...
    def counts(self, key: int) -> npt.NDArray[Any] | InputError | None: ...
    def mask(self, key: int) -> npt.NDArray[np.bool_] | None: ...
    def thumbnail(self, key: int) -> npt.NDArray[np.uint8] | InputError | None: ...
    def is_making_thumbnail(self, key: int) -> bool: ...
    def states(self) -> dict[Place, set[FileState]]: ...
    def prepare(self, steps: Preparation | None, geometries: Geometries) -> None: ...
    def clear(self) -> None: ...
    def close(self) -> None: ...


class ShotFeed:
    """Rows of one project's shot table -> counts, masks and thumbnails."""

    def __init__(
        self,
        table: ShotTable,
        reader: Reader,
        on_counts: Callable[[int], None],
    ) -> None:
        self.table, self.reader = table, reader
        self.kept: Thumbnails | None = None
        """Thumbnails of earlier sessions."""
        self.steps: Preparation | None = None
        """What is done to counts before they are shown; None: nothing."""
        self.withheld: dict[int, InputError] = {}
        """Why the shots of a source are not shown, by its place in the table."""
        self.is_comparing = False
        """Whether that is only for a moment: a thumbnail is then still to come, and no error."""
        self._on_counts = on_counts

    def keep_thumbnails(self, folder: Path) -> None:
        """Keep thumbnails in a folder from now on, and use those that are there."""
        self.kept = Thumbnails(folder, self.table.sources)

    def prepare(self, steps: Preparation | None) -> None:
        """Give counts after these steps from now on, or raw ones; all have to be wanted again."""
        self.steps = steps
        self.reader.prepare(steps, {(s.path, s.dataset): s.geometry for s in self.table.sources})

    def withhold(self, sources: dict[int, InputError], *, is_comparing: bool = False) -> None:
        """Hand out the reason instead of the shots of these sources, by place in the table."""
        self.withheld, self.is_comparing = dict(sources), is_comparing
        self.reader.clear()

    def counts(self, row: int) -> npt.NDArray[Any] | InputError | None:
        """(y, x) counts; why there are none; None while they are read."""
        return self._withheld(row) or self.reader.counts(row)

    def _withheld(self, row: int) -> InputError | None:
        return self.withheld.get(int(self.table.source_of[row])) if self.withheld else None

    def place(self, row: int) -> tuple[Path, str | None, int]:
        """(file, dataset, position in it) of a row."""
        source = self.table.sources[self.table.source_of[row]]
        return source.path, source.dataset, int(self.table.index_of[row])

    def want(self, row: int, around: npt.ArrayLike = ()) -> None:
        """Ask for a shot and, after it, for its neighbours; what is there is not asked again."""
        nearest = np.asarray(around, int).tolist()[: self._room(row)]
        # The reader serves the newest request first: the shot on screen is asked for last.
        for other in [*reversed(nearest), row]:
            if self._withheld(other) is not None:
                self._on_counts(other)
                continue
            known = self.reader.counts(other)
            if known is None or isinstance(known, InputError):  # what failed may be over
                self.reader.request(other, *self.place(other))

    def _room(self, row: int) -> int:
        """This many neighbours of a shot can be kept beside it."""
        info = self.table.sources[self.table.source_of[row]]
        size = info.shape[0] * info.shape[1] * np.dtype(info.dtype).itemsize
        return max(LEAST - 2, int(COUNTS_MB * 1e6 // size) - 2)

    def thumbnail(self, row: int, *, ask: bool = True) -> npt.NDArray[np.uint8] | InputError | None:
        """The thumbnail or why there is none; None while it is being made, which this starts.

        Without `ask`, nothing is started.
        """
        picture = self.reader.thumbnail(row)
        if picture is None and self.kept is not None:
            picture = self.kept.get(*self._in_source(row))
        withheld = self._withheld(row)
        if picture is None and withheld is not None:
            return None if self.is_comparing else withheld
        if picture is None and ask:
            self.reader.request_thumbnail(row, *self.place(row))
        return picture

    def without_thumbnail(self) -> npt.NDArray[np.int64]:
        """Rows whose thumbnails are not kept yet, in file order; none where nothing is kept."""
        if self.kept is None or self.kept.trouble:
            return np.zeros(0, np.int64)
        made = [self.kept.made(source) for source in range(len(self.table.sources))]
        return np.flatnonzero(~np.concatenate(made)).astype(np.int64)

    def keep(self, row: int, picture: npt.NDArray[np.uint8] | InputError) -> None:
        """Keep a thumbnail that the reader made, beyond this session."""
        if self.kept is not None and isinstance(picture, np.ndarray):
            self.kept.put(*self._in_source(row), picture)

    def _in_source(self, row: int) -> tuple[int, int]:
        return int(self.table.source_of[row]), int(self.table.index_of[row])

    def close(self) -> None:
        """Let go of the file of thumbnails."""
        if self.kept is not None:
            self.kept.close()


def ahead(direction: int) -> tuple[int, ...]:
    """Places to read before they are asked for, for who goes forward (1) or back (-1)."""
    return tuple(direction * step for step in FORWARD)
