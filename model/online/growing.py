"""A file that grows while we read it: under SWMR where its writer has that, else opened anew.

Never locks the file. Opened anew, a file that cannot be read yet is tried again, and said once.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import h5py

from model.errors import InputError
from model.hdf5 import open_file
from model.layouts import Layout, recognise
from model.layouts.stack import Stack
from model.online.sources import AT_ONCE, READING, Arrival, Arriving, Notice, Wanted, read_part

PATIENCE_S = 5.0
"""A file that cannot be read for so long while nothing in it changes is named."""
BACKLOG = 4096
"""Further behind than this many shots, we jump ahead; what is passed over is counted."""

State = tuple[int, int, int]
"""Which file it is, its size, its time of change."""


def arriving(path: Path, wanted: Wanted) -> Arriving:
    """New shots of a growing file, at most `BACKLOG` behind it; see `model.online.sources`."""
    file = GrowingFile(path, wanted.dataset)
    done: int | None = None if wanted.new_only else 0
    try:
        while True:
            count = file.look()
            if file.trouble:
                yield Notice(file.trouble)
                file.trouble = ""
            if count is None:
                yield None
                continue
            done = count if done is None else done
            if count < done:
                yield Notice(f"{path}: was begun anew; watching goes on at its first shot.")
                done = 0
            skipped = max(0, count - done - BACKLOG)
            if count == done:
                yield None
            for found in file.read(done + skipped, count, skipped):
                done += len(found) + found.skipped
                yield found
    finally:
        file.close()


class GrowingFile:
    """One file that somebody else writes; `look` says how many whole shots it has by now.

    `trouble` is why it cannot be read, once, when that lasts.
    """

    def __init__(self, path: Path, dataset: str | None = None) -> None:
        self.path, self.trouble = path, ""
        self.error: Exception | None = None
        self._dataset = dataset
        self._file: h5py.File | None = None
        self._layout: Layout | None = None
        self._swmr = False
        self._state: State | None = None
        self._since = time.monotonic()
        self._said = False

    def look(self) -> int | None:
        """Shots that can be read; None where the file cannot be read now."""
        try:
            return self._count()
        except (InputError, *READING) as error:
            self.close()
            self._remember(error)
            return None

    def read(self, start: int, stop: int, skipped: int = 0) -> Iterator[Arrival]:
        """Shots start … stop - 1, some at a time; ends early where one cannot be read yet."""
        for first in range(start, stop, AT_ONCE):
            assert self._layout is not None
            try:
                found = read_part(
                    self._layout, first, min(first + AT_ONCE, stop), self.path.name, skipped
                )
            except READING as error:
                self.close()
                self._remember(error)
                return
            yield found
            skipped = 0

    def close(self) -> None:
        """Let go of the file."""
        if self._file is not None:
            self._file.close()
        self._file = self._layout = self._state = None

    def _count(self) -> int:
        if self._file is not None and self._is_stale(self._stat()):
            self.close()
        if self._file is None:
            self._open()
        assert self._layout is not None
        if self._swmr and isinstance(self._layout, Stack):
            self._layout.refresh()
        self._since, self._said = time.monotonic(), False
        return self._layout.n_shots

    def _is_stale(self, now: State) -> bool:
        """Without SWMR only a fresh look shows what has come; with it, only another file does."""
        assert self._state is not None
        if self._swmr:
            return now[0] != self._state[0]
        return now != self._state

    def _open(self) -> None:
        state = self._stat() if self.path.exists() else None
        self._file = open_file(self.path)
        self._layout = recognise(self._file, self._dataset)
        self._swmr = bool(self._file.swmr_mode) and isinstance(self._layout, Stack)
        self._state = state or self._stat()

    def _stat(self) -> State:
        found = self.path.stat()
        return found.st_ino, found.st_size, found.st_mtime_ns

    def _remember(self, error: Exception) -> None:
        self.error = error
        if not self._said and time.monotonic() - self._since > PATIENCE_S:
            self._said = True
            text = str(error) if isinstance(error, InputError) else f"{self.path}: {error}."
            self.trouble = f"{text} It is tried further."
