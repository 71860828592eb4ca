"""A file that grows while we read it: under SWMR where its writer has that, else opened again.

Never locks the file. Opened again, a file that cannot be read yet is tried again, and said once.
"""

from __future__ import annotations

import time
import zlib
from collections.abc import Iterator
from pathlib import Path

import h5py

from model.errors import InputError
from model.online.sources import AT_ONCE, DAMAGED, Arrival, Arriving, Notice, Wanted, read_part
from model.shots.hdf5 import open_file
from model.shots.layouts import Layout, recognise
from model.shots.layouts.stack import Stack

PATIENCE_S = 5.0
"""A file that cannot be read for this long while nothing in it changes is named."""
BACKLOG = 4096
"""Further behind than this many shots, we jump ahead; what is passed over is counted."""

State = tuple[int, int, int]
"""Which file it is, its size, its time of change."""


def arriving(path: Path, wanted: Wanted) -> Arriving:
    """New shots of a growing file, at most `BACKLOG` behind it; see `model.online.sources`."""
    file = GrowingFile(path, wanted.dataset)
    done: int | None = None if wanted.new_only and path.exists() else 0
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
            if count < done or file.restarted:
                file.restarted = False
                yield Notice(f"{path}: was begun again; watching goes on at its first shot.")
                done = 0
            if file.first is None and done:
                file.first = file.checksum()
            skipped = max(0, count - done - BACKLOG)
            for found in file.read(done + skipped, count, skipped):
                done += progress(found)
                yield found
            if count == done or file.is_stuck:
                yield None
    finally:
        file.close()


def progress(found: Arrival | Notice) -> int:
    """How many shots of a file are done with by this."""
    return found.unreadable if isinstance(found, Notice) else len(found) + found.skipped


class GrowingFile:
    """One file that someone else writes; `look` says how many whole shots it has by now.

    `trouble` is why it cannot be read, once, when that lasts; `restarted` is set where its first
    shot is another than before, until someone resets it.
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
        self.restarted = False
        self.is_stuck = False
        """Whether the last reading ended at a shot that could not be read."""
        self.first: int | None = None
        """The checksum of its first shot, once that was read or passed over."""

    def look(self) -> int | None:
        """Shots that can be read; None where the file cannot be read now."""
        try:
            return self._count()
        except (InputError, *DAMAGED) as error:
            self.close()
            self._remember(error)
            return None

    def read(
        self, start: int, stop: int, skipped: int = 0, waited: bool = False
    ) -> Iterator[Arrival | Notice]:
        """Shots start … stop - 1, some at a time; ends early where one cannot be read yet.

        After `PATIENCE_S`, or where the caller `waited` as long, damaged shots with readable ones
        behind them are left out, with a notice.
        """
        for first in range(start, stop, AT_ONCE):
            last = min(first + AT_ONCE, stop)
            try:
                found = self._part(first, last, skipped)
            except DAMAGED as error:
                self.close()
                self._remember(error)
                waited |= self.is_stuck and time.monotonic() - self._since > PATIENCE_S
                self.is_stuck = True
                if waited:
                    yield from self._one_by_one(first, last, stop, skipped)
                return
            self.is_stuck = False
            self._since, self._said = time.monotonic(), False
            if first == 0:
                self.first = zlib.crc32(found.counts[:1].tobytes())
            yield found
            skipped = 0

    def _part(self, start: int, stop: int, skipped: int = 0) -> Arrival:
        if self._layout is None:
            self._open()
        assert self._layout is not None
        stack = self._layout if isinstance(self._layout, Stack) and not self._swmr else None
        if stack is not None and not stack.are_written(start, stop):
            raise OSError(f"shots {start + 1} to {stop} are not written yet")
        return read_part(self._layout, start, stop, self.path.name, skipped)

    def _one_by_one(
        self, start: int, stop: int, end: int, skipped: int
    ) -> Iterator[Arrival | Notice]:
        """Those of the shots that can be read; nothing where none can, up to the file's end."""
        found: list[tuple[int, Arrival]] = []
        bad: list[int] = []
        for i in [*range(start, stop), *([end - 1] if end > stop else [])]:
            try:
                found.append((i, self._part(i, i + 1, 0 if found else skipped)))
            except (InputError, *DAMAGED):
                self.close()
                bad.append(i)
        if not found:
            return
        self.is_stuck = False
        yield from (part for i, part in found if i < stop)
        bad = [i for i in bad if i < stop]
        which = ", ".join(str(i + 1) for i in bad[:5]) + (" …" if len(bad) > 5 else "")
        text = f"{self.path}: {len(bad)} shots cannot be read and are left out: {which}."
        left = skipped if found[0][0] >= stop else 0  # no one else counts them
        yield Notice(text, unreadable=len(bad) + left)

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
        if not self.is_stuck:
            self._since, self._said = time.monotonic(), False
        return self._layout.n_shots

    def checksum(self) -> int | None:
        """Of the counts of its first shot; None where that cannot be read."""
        try:
            return zlib.crc32(self._part(0, 1).counts.tobytes())
        except (InputError, *DAMAGED):
            return None

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
        if self.first is not None and self._layout.n_shots:
            now = self.checksum()
            self.restarted |= now not in (None, self.first)
            self.first = self.first if now is None else now

    def _stat(self) -> State:
        found = self.path.stat()
        return found.st_ino, found.st_size, found.st_mtime_ns

    def _remember(self, error: Exception) -> None:
        self.error = error
        if not self._said and time.monotonic() - self._since > PATIENCE_S:
            self._said = True
            text = str(error) if isinstance(error, InputError) else f"{self.path}: {error}."
            self.trouble = f"{text} It is tried further."
