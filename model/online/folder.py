"""A folder that fills with files of shots: the newest file first, each shot once.

A file that is still being written is tried again until it is whole; one that stays unreadable is
named and left alone. A run folder of European XFEL is read train by train. Never writes there.
"""

from __future__ import annotations

import os
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from model.errors import InputError
from model.online.growing import BACKLOG, GrowingFile, progress
from model.online.sources import AT_ONCE, DAMAGED, ENDINGS, Arriving, Notice, Wanted, read_part
from model.shots.layouts.formats.exdf import Exdf

PATIENCE_S = 5.0
"""A file that cannot be read, and does not change for this long, is given up."""
SETTLED_S, RARELY_S = 60.0, 5.0
"""A file that has not grown for this long is only looked at this rarely."""
RECENT_S = 3600.0
"""A file that changed within this long may still be written when the watch begins."""
LISTING_S = 0.25


@dataclass
class _Known:
    """A file of the folder: shots read so far, its size and time, and since when it is so."""

    done: int = 0
    state: tuple[int, int] = (-1, -1)
    since: float = 0.0
    unread: bool = True
    given_up: bool = False
    first: int | None = None
    """A checksum of its first shot: another one is another file of that name."""

    def changed(self, found: os.stat_result) -> bool:
        """Whether it is another than at the last look; remembers this one."""
        state = (found.st_size, found.st_mtime_ns)
        if state == self.state:
            return False
        self.state, self.since, self.unread = state, time.monotonic(), True
        self.given_up = False
        return True

    @property
    def age(self) -> float:
        """Seconds since it last changed."""
        return time.monotonic() - self.since


def arriving(folder: Path, wanted: Wanted) -> Arriving:
    """New shots of all files that appear in the folder; see `model.online.sources`."""
    known: dict[str, _Known] = {}
    if wanted.new_only:
        known = {name: _Known(given_up=True) for name in _names(folder)}
        for name, entry in known.items():
            entry.changed((folder / name).stat())
            entry.unread = False
            _pass_over(folder / name, entry, wanted)
    gone, looked, looked_at_all = False, 0.0, time.monotonic()
    while True:
        if time.monotonic() - looked > LISTING_S or not looked:
            looked = time.monotonic()
            try:
                rarely = looked - looked_at_all > RARELY_S
                looked_at_all = looked if rarely else looked_at_all
                waiting = _waiting(folder, known, rarely)
                gone = False
            except OSError as error:
                waiting = []
                if not gone:
                    yield Notice(f"{folder}: cannot be listed ({error.strerror}). Tried further.")
                gone = True
        read_any = False
        for path in waiting[:1]:
            for item in _of_file(path, known[path.name], wanted):
                read_any = True
                yield item
        waiting = waiting[1:]
        if not read_any:
            yield None


def _names(folder: Path) -> list[str]:
    with os.scandir(folder) as entries:
        return [
            e.name
            for e in entries
            if Path(e.name).suffix.lower() in ENDINGS and not e.name.startswith(".")
        ]


def _pass_over(path: Path, entry: _Known, wanted: Wanted) -> None:
    """Count the shots of a file that may still be written, so that only later ones are new."""
    if time.time() - entry.state[1] / 1e9 > RECENT_S:
        return
    file = GrowingFile(path, wanted.dataset)
    entry.done = file.look() or 0
    entry.first = file.checksum() if entry.done else None
    file.close()


def _waiting(folder: Path, known: dict[str, _Known], settled_too: bool) -> list[Path]:
    """Files with something new, the newest first."""
    found = []
    names = _names(folder)
    for gone in known.keys() - set(names):
        del known[gone]
    for name in names:
        entry = known.setdefault(name, _Known())
        settled = entry.state[0] >= 0 and not entry.unread and entry.age > SETTLED_S
        if settled and not settled_too:
            continue
        try:
            state = (folder / name).stat()
        except FileNotFoundError:  # moved away between the listing and now
            continue
        if (entry.changed(state) or entry.unread) and not entry.given_up:
            found.append((entry.state[1], name))
    return [folder / name for _, name in sorted(found, reverse=True)]


def _of_file(path: Path, entry: _Known, wanted: Wanted) -> Arriving:
    """What is new in one file; marks it read, or given up with a notice."""
    file = GrowingFile(path, wanted.dataset)
    try:
        file.first = entry.first
        count = file.look()
        if count is not None:
            entry.done = 0 if file.restarted or count < entry.done else entry.done
            for found in file.read(entry.done, count, waited=entry.age > PATIENCE_S):
                entry.done += progress(found)
                yield found
            entry.first = file.first
            entry.unread = entry.done < count
        if entry.unread and entry.age > PATIENCE_S:
            entry.given_up = True
            yield Notice(f"{_reason(file, path)} It is left out.", unreadable=1)
    finally:
        file.close()


def _reason(file: GrowingFile, path: Path) -> str:
    error = file.error
    return str(error) if isinstance(error, InputError) else f"{path}: cannot be read ({error})."


# -- a run folder of European XFEL that is being written -------------------------------------------

LOOK_S = 0.5
"""A run is opened again no more often."""


def of_run(folder: Path, wanted: Wanted) -> Arriving:
    """New trains of a run folder, in order, once all its modules have them; after `PATIENCE_S` also
    those of which a module is missing.

    Opened by extra-data (`model.shots.layouts.formats.exdf`), again whenever its files changed.
    """
    files: set[tuple[str, int, int]] = set()
    looked, changed, said = 0.0, time.monotonic(), ""
    pending: float | None = None
    """Since when there are trains that not all modules have."""
    last, passing_over = -1, wanted.new_only
    while True:
        if time.monotonic() - looked < LOOK_S:
            yield None
            continue
        looked = time.monotonic()
        now = {(p.name, p.stat().st_size, p.stat().st_mtime_ns) for p in folder.glob("*.h5")}
        waited = pending is not None and looked - pending > PATIENCE_S
        if now == files and not waited:
            yield None
            continue
        changed = looked if now != files else changed
        try:
            run = Exdf(folder, wanted.dataset)
        except (InputError, *DAMAGED) as error:
            if looked - changed > PATIENCE_S:
                files, pending = now, None
                if str(error) != said:
                    said = str(error)
                    yield Notice(f"{said} It is tried again when its files change.")
            yield None
            continue
        files = now
        try:
            ready, newest = run.recorded_until(waited), run.recorded_until(waited=True)
            pending = (pending or looked) if newest > max(ready, last) else None
            fresh = np.flatnonzero((run.train > last) & (run.train <= ready))
            if passing_over:
                fresh, passing_over = fresh[:0], False
            skipped = max(0, len(fresh) - BACKLOG)
            yield from _read_run(run, fresh[skipped:], folder.name, skipped)
            last = max(last, ready)
        finally:
            run.close()
        yield None


def _read_run(run: Exdf, shots: npt.NDArray[np.int64], origin: str, skipped: int) -> Arriving:
    for part in np.split(shots, range(AT_ONCE, len(shots), AT_ONCE)):
        if not len(part):
            continue
        try:
            yield read_part(run, int(part[0]), int(part[-1]) + 1, origin, skipped)
        except DAMAGED as error:
            text = f"{origin}: {len(part)} shots cannot be read ({error}) and are left out."
            yield Notice(text, unreadable=len(part) + skipped)
        skipped = 0
