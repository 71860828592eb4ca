"""The shots of the open project: counts, masks and thumbnails from the reader, raw or prepared."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt
from PyQt6.QtCore import pyqtSignal

from labeler.session.opened import Opened, SessionPart, steps_of
from labeler.shots.prefetch import Reader, ShotFeed
from labeler.shots.reader import Place, ShotReader
from model.errors import InputError
from model.shots.fingerprints import FileState


class Shots(SessionPart):
    """What the reader child has read. Nothing here waits for a file."""

    counts_ready = pyqtSignal(int)
    """Row whose counts (or whose error) arrived from the reader."""
    thumbnail_ready = pyqtSignal(int)
    preparation_changed = pyqtSignal()
    """Shots are prepared otherwise now, or may be read again: those on screen have to be asked for
    again, and thumbnails too."""

    def __init__(self, make_reader: Callable[..., Reader] | None = None) -> None:
        super().__init__()
        self._make_reader = make_reader or ShotReader
        self._reader: Reader | None = None
        self.prepared = False
        """Whether shots are wanted as the project prepares them, not as they are in their files."""
        self.feed: ShotFeed | None = None
        self.is_doubted: Callable[[int], bool] = lambda row: False
        """Whether a shot may have been read from another file than the one that is labelled."""

    def start_reader(self) -> Reader:
        """Start the child that reads, before a project is opened: it takes half a second."""
        if self._reader is None:
            self._reader = self._make_reader(self._counts_read, self._thumbnail_made)
        return self._reader

    def begin(self, opened: Opened) -> None:
        """Read the shots of a project."""
        super().begin(opened)
        self.feed = ShotFeed(opened.table, self.start_reader(), self.counts_ready.emit)
        self.feed.keep_thumbnails(opened.folder / "thumbnails")
        if trouble := self._take_steps():
            self.noted.emit("info", trouble)

    def end(self) -> None:
        """End the reader."""
        super().end()
        if self._reader is not None:
            self._reader.close()
        if self.feed is not None:
            self.feed.close()
        self._reader = self.feed = None

    def _counts_read(self, row: int, counts: object, mask: object) -> None:
        self.counts_ready.emit(row)

    def _thumbnail_made(self, row: int, picture: npt.NDArray[np.uint8] | InputError) -> None:
        if self.feed is not None and not self.is_doubted(row):
            self.feed.keep(row, picture)
        self.thumbnail_ready.emit(row)

    def counts(self, row: int) -> npt.NDArray[Any] | InputError | None:
        """(y, x) counts; the InputError of an unreadable shot; None while it is being read."""
        return None if self.feed is None or row < 0 else self.feed.counts(row)

    def mask(self, row: int) -> npt.NDArray[np.bool_] | None:
        """(y, x) True for good pixels; None where the file has no mask or while it is read."""
        return None if self.feed is None or row < 0 else self.feed.reader.mask(row)

    def states(self) -> dict[Place, set[FileState]]:
        """How the files were, by source, from which shots and thumbnails were read."""
        return {} if self.feed is None else self.feed.reader.states()

    def want(self, row: int, around: npt.ArrayLike = ()) -> None:
        """Ask for a shot and, after it, for those around it."""
        if self.feed is not None and row >= 0:
            self.feed.want(row, around)

    def withhold(self, sources: dict[int, InputError], *, is_comparing: bool = False) -> None:
        """Show the reason instead of the shots of these sources, by their place in the table."""
        if self.feed is None:
            return
        before, now = ({k: str(why) for k, why in each.items()}
                       for each in (self.feed.withheld, sources))  # fmt: skip
        if now != before:
            self.feed.withhold(sources, is_comparing=is_comparing)
            self.preparation_changed.emit()

    def read_again(self) -> None:
        """Forget what was read: the files are other ones since."""
        if self.feed is not None:
            self.feed.reader.clear()
            self.preparation_changed.emit()

    def show_prepared(self, on: bool) -> None:
        """Show shots as the project prepares them for its networks, or raw as in their files."""
        self.prepared = on
        if trouble := self.prepare_again():
            self.noted.emit("info", trouble)

    def prepare_again(self) -> str:
        """Take the steps that the project has now; returns why there are none, or ''."""
        trouble = self._take_steps()
        self.preparation_changed.emit()
        return trouble

    @property
    def steps(self) -> str:
        """What was done to the shots on screen, in words; '' where they are raw."""
        return "" if self.feed is None or self.feed.steps is None else self.feed.steps.words()

    def _take_steps(self) -> str:
        steps, trouble = None, ""
        if self.prepared and self.opened is not None:
            steps, trouble = steps_of(self.opened.project)
        if self.feed is not None and steps is not self.feed.steps:
            self.feed.prepare(steps)
        return trouble
