"""From the source to the network without ever holding up the source: newest hits first.

A thread reads the source, tells hits from empties, and puts hits into a bounded queue whose oldest
are dropped and counted where the network is slower. No network and no file is known here.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from model.errors import InputError
from model.online import bridge, folder, growing
from model.online.hitfinder import HitFinder
from model.online.sources import ENDINGS, Arrival, Arriving, Notice, Wanted
from model.shots.layouts import Geometry
from model.shots.layouts.formats.exdf import Exdf

QUEUED = 64
"""Hits that wait for the network at most."""
QUEUED_BYTES = 256 * 2**20
CLOSING_S = 10.0
PAUSE_S = 0.01
"""Between two looks at a source that has nothing new."""
CLOCK_S = 60.0
"""A time stamp further from now tells of another clock or another day, not of the way here."""


def open_stream(where: str, wanted: Wanted | None = None) -> Arriving:
    """The generator for a place: `tcp://…`, a folder, or a file, which need not be there yet.

    InputError for a place that can be none of them.
    """
    wanted = wanted or Wanted()
    if "://" in where:
        return bridge.arriving(where, wanted)
    path = Path(where)
    if path.is_dir():
        is_run = Exdf.fits(path)
        return folder.of_run(path, wanted) if is_run else folder.arriving(path, wanted)
    if path.suffix.lower() not in ENDINGS and not path.is_file():
        raise InputError(
            "is neither a folder, nor an HDF5 file, nor an address",
            file=path,
            mend="Name a file (.h5, .cxi), a folder that fills, or tcp://HOST:PORT.",
        )
    return growing.arriving(path, wanted)


@dataclass(frozen=True)
class Hit:
    """One shot for the network. `since`: when it was taken, or else seen, on our clock."""

    counts: npt.NDArray[Any]
    mask: npt.NDArray[np.bool_] | None
    geometry: Geometry
    id: int
    stamp: float
    since: float
    score: float
    origin: str
    is_hit: bool = True
    """False for one of the misses that are kept to judge the hit finder by."""


@dataclass
class Counted:
    """What came and what became of it; whole numbers only."""

    seen: int = 0
    hits: int = 0
    dropped: int = 0
    skipped: int = 0
    unreadable: int = 0
    bytes: int = 0


@dataclass
class Stream:
    """Reads `source` in a thread from `start` to `close`; `take` gives the newest hits.

    Among them is a random share `misses` of what the hit finder leaves out, drawn by `seed`.
    """

    source: Arriving
    finder: HitFinder
    misses: float = 0.0
    seed: int = 0
    count: Counted = field(default_factory=Counted)
    last_arrival: float = field(default_factory=time.monotonic)
    error: BaseException | None = None
    """What ended the reading, where something did; raised again by `take`."""

    def __post_init__(self) -> None:
        self._queue: deque[Hit] = deque()
        self._lock = threading.Condition()
        self._notices: list[str] = []
        self._random = np.random.default_rng(self.seed)
        self._closing = threading.Event()
        self._shape: tuple[int, ...] | None = self.finder.shape
        self._thread = threading.Thread(target=self._read, name="live source", daemon=True)

    def start(self) -> None:
        """Begin to read."""
        self._thread.start()

    def close(self) -> None:
        """End the reading; hits that still wait count as dropped.

        A source that hangs, on a dead network say, is left behind in its thread.
        """
        self._closing.set()
        self._thread.join(CLOSING_S)
        with self._lock:
            self.count.dropped += len(self._queue)
            self._queue.clear()

    def take(self, most: int, patience: float) -> list[Hit]:
        """Up to `most` of the newest hits, waiting at most `patience` seconds for the first."""
        with self._lock:
            if not self._queue and self.error is None:
                self._lock.wait(patience)
            if self.error is not None and not self._queue:
                raise self.error
            return [self._queue.pop() for _ in range(min(most, len(self._queue)))]

    def notices(self) -> list[str]:
        """What people should be told since the last call."""
        with self._lock:
            said, self._notices = self._notices, []
        return said

    @property
    def waiting(self) -> int:
        """Hits in the queue."""
        return len(self._queue)

    def counted(self) -> Counted:
        """All counts of one moment."""
        with self._lock:
            return Counted(**vars(self.count))

    # -- the thread ----------------------------------------------------------------------------

    def _read(self) -> None:
        try:
            for item in self.source:
                if self._closing.is_set():
                    break
                if item is None:
                    self._closing.wait(PAUSE_S)
                elif isinstance(item, Notice):
                    self._note(item)
                else:
                    self._sort(item)
        except BaseException as error:  # noqa: BLE001  (handed to the caller of `take`)
            with self._lock:
                self.error = error
                self._lock.notify_all()
        finally:
            close: Callable[[], None] | None = getattr(self.source, "close", None)
            if close is not None:
                close()

    def _note(self, notice: Notice) -> None:
        with self._lock:
            self.count.unreadable += notice.unreadable
            if notice.text:
                self._notices.append(notice.text)

    def _sort(self, found: Arrival) -> None:
        scores = self.finder.scores(found.counts, found.mask)
        passed = scores >= self.finder.threshold
        taken = passed | (self._random.random(len(passed)) < self.misses)
        hits = [
            self._hit(found, int(i), float(scores[i]), bool(passed[i]))
            for i in np.flatnonzero(taken)
        ]
        self._report_shape(found.counts.shape[1:])
        with self._lock:
            self.last_arrival = time.monotonic()
            self.count.seen += len(found)
            self.count.skipped += found.skipped
            self.count.hits += int(passed.sum())
            for hit in hits:
                self._queue.append(hit)
                self.count.bytes = hit.counts.nbytes
                while len(self._queue) > max(1, min(QUEUED, QUEUED_BYTES // hit.counts.nbytes)):
                    self._queue.popleft()
                    self.count.dropped += 1
            self._lock.notify_all()

    def _hit(self, found: Arrival, i: int, score: float, is_hit: bool) -> Hit:
        stamp = float(found.stamps[i])
        plausible = 0 <= found.seen - stamp < CLOCK_S  # False for NaN
        return Hit(
            counts=found.counts[i].copy(),
            mask=found.mask_of(i),
            geometry=found.geometry,
            id=int(found.ids[i]),
            stamp=stamp,
            since=stamp if plausible else found.seen,
            score=score,
            origin=found.origin,
            is_hit=is_hit,
        )

    def _report_shape(self, shape: tuple[int, ...]) -> None:
        before, self._shape = self._shape, shape
        if before is None or before == shape:
            return
        was, now = (" × ".join(map(str, s)) for s in (before, shape))
        if self.count.seen:
            text = f"The shots are of {now} pixels now; they were of {was}."
        elif self.finder.is_fitted:
            text = f"The hit finder was fitted on shots of {was} pixels; these are of {now}."
        else:
            return
        self._note(Notice(text))
