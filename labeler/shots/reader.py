"""Reads shots in a child process and keeps the recent ones; knows no Qt and never opens a file.

The newest request is read first. A shot whose reading kills or blocks the child is reported as
unreadable; the child starts again and the queue goes on.
"""

from __future__ import annotations

import logging
import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from labeler.shots.reader_child import Geometries, Opener, open_source, serve
from model.errors import InputError
from model.preprocessing.preparation import Preparation
from model.processes import Child, Lost
from model.shots.fingerprints import FileState

Counts = npt.NDArray[np.generic]
Mask = npt.NDArray[np.bool_]
CountsAndMask = tuple[Counts | InputError, Mask | None]
Thumbnail = npt.NDArray[np.uint8]
Place = tuple[Path, str | None]
"""A file, and the dataset in it."""

START_S = 60.0
"""A fresh child may take this long to import what it needs on a busy machine."""
OPENING_S = 30.0
"""Opening a file may mean listing thousands of groups over a network."""
SHOT_S = 5.0
"""A single shot that takes longer counts as unreadable."""
COUNTS_MB, THUMBNAILS_MB = 32, 12
"""Room for what was read; a file of thumbnails beside the project remembers the rest."""
AGAIN_S, FILE_AGAIN_S = 15.0, 60.0
"""A shot that could not be read is tried again after this; one whose file kills the child later."""
LEAST = 6
"""This many answers are kept whatever their size: the shot on screen and its neighbours."""
WAITING_COUNTS, WAITING_THUMBNAILS = 64, 192
"""Older requests than these are dropped: a person has long moved on. Ask again on need. The Grid
asks for 128 thumbnails in sight and 48 beyond at once."""

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class _Request:
    kind: str
    key: int
    path: Path
    dataset: str | None
    index: int
    steps: Preparation | None = None


class ShotReader:
    """Read shots by (key, file, dataset, position); a key is any number the caller likes (a row).

    `on_read(key, counts or InputError, mask or None)` and `on_thumbnail(key, picture or
    InputError)` are called from the reader's own thread, or at once from the caller's where the
    answer is in the cache.
    """

    def __init__(
        self,
        on_read: Callable[[int, Counts | InputError, Mask | None], None],
        on_thumbnail: Callable[[int, Thumbnail | InputError], None] | None = None,
        *,
        budget_mb: float = COUNTS_MB,
        opener: Opener = open_source,
        shot_s: float = SHOT_S,
        opening_s: float = OPENING_S,
    ) -> None:
        self._on_read = on_read
        self._on_thumbnail = on_thumbnail or (lambda key, picture: None)
        self._counts: _Cache = _Cache(budget_mb, LEAST)
        self._thumbnails: _Cache = _Cache(THUMBNAILS_MB)
        self._waiting: dict[str, OrderedDict[int, _Request]] = {
            "counts": OrderedDict(),
            "thumbnail": OrderedDict(),
        }
        self._current: _Request | None = None
        self._steps: Preparation | None = None
        self._bad_files: dict[Place, tuple[float, InputError]] = {}
        self._states: dict[Place, set[FileState]] = {}
        self._failed: dict[tuple[str, int], float] = {}
        """When a shot that is an error in the cache was tried."""
        self._closing = False
        self._changed = threading.Condition()
        self._child = _ReaderChild(opener, shot_s, opening_s)
        self._thread = threading.Thread(target=self._work, name="shot reader", daemon=True)
        self._thread.start()

    # -- asking --------------------------------------------------------------------------------

    def request(self, key: int, path: Path, dataset: str | None, index: int) -> None:
        """Read a shot before everything that was asked earlier; `on_read` gets it."""
        self._ask(_Request("counts", int(key), Path(path), dataset, int(index), self._steps))

    def request_thumbnail(self, key: int, path: Path, dataset: str | None, index: int) -> None:
        """Make a thumbnail once no shot is waiting; `on_thumbnail` gets it."""
        self._ask(_Request("thumbnail", int(key), Path(path), dataset, int(index)))

    def prepare(self, steps: Preparation | None, geometries: Geometries | None = None) -> None:
        """Hand out counts and masks after these steps from now on, or raw ones with None.

        `geometries`, by file and dataset, go before what the files say.

        What was read otherwise is forgotten: ask again. Thumbnails stay raw, and stay.
        """
        with self._changed:
            self._steps, self._child.geometries = steps, geometries or {}
            self._counts.clear()
            self._waiting["counts"].clear()
            if self._current is not None and self._current.kind == "counts":
                self._current = None

    def counts(self, key: int) -> Counts | InputError | None:
        """The counts in the cache, the reason why there are none, or None when not read yet."""
        return self._cached(key)[0]

    def mask(self, key: int) -> Mask | None:
        """The mask in the cache (True = good pixel), or None."""
        return self._cached(key)[1]

    def _cached(self, key: int) -> tuple[Counts | InputError | None, Mask | None]:
        with self._changed:
            found: CountsAndMask | None = self._counts.get(key)
        return found or (None, None)

    def thumbnail(self, key: int) -> Thumbnail | InputError | None:
        """The thumbnail in the cache, the reason why there is none, or None when not made yet."""
        with self._changed:
            if self._is_stale("thumbnail", key):
                return None
            found: Thumbnail | InputError | None = self._thumbnails.get(key)
        return found

    def is_making_thumbnail(self, key: int) -> bool:
        """Whether a thumbnail is still to come: asked for, and not dropped for newer ones."""
        with self._changed:
            current = self._current
            is_current = current is not None and (current.kind, current.key) == ("thumbnail", key)
            return is_current or key in self._waiting["thumbnail"]

    def states(self) -> dict[Place, set[FileState]]:
        """How the files were, by source, from which the answers since the last `clear` come."""
        with self._changed:
            return {place: set(states) for place, states in self._states.items()}

    def _is_stale(self, kind: str, key: int) -> bool:
        """Whether the answer in the cache is an error of so long ago that it may be over."""
        tried = self._failed.get((kind, key))
        return tried is not None and time.monotonic() - tried > AGAIN_S

    def clear(self) -> None:
        """Forget every request and every answer, bad ones too (another project, a moved file)."""
        with self._changed:
            self._counts.clear()
            self._thumbnails.clear()
            self._bad_files.clear()
            self._failed.clear()
            self._states.clear()
            self._current = None
            for waiting in self._waiting.values():
                waiting.clear()

    def close(self) -> None:
        """Stop at once; leaves no thread and no process."""
        with self._changed:
            self._closing = True
            self._changed.notify_all()
        self._child.child.forbid()
        self._thread.join()

    def _ask(self, request: _Request) -> None:
        with self._changed:
            counts = request.kind == "counts"
            answer = (self._counts if counts else self._thumbnails).get(request.key)
            if answer is None or self._is_stale(request.kind, request.key):
                if self._current == request or self._closing:
                    return
                waiting = self._waiting[request.kind]
                waiting[request.key] = request
                waiting.move_to_end(request.key)
                while len(waiting) > (WAITING_COUNTS if counts else WAITING_THUMBNAILS):
                    waiting.popitem(last=False)
                self._changed.notify_all()
                return
        self._deliver(request, answer)

    # -- working (the reader's thread) -----------------------------------------------------------

    def _work(self) -> None:
        self._child.start()
        while (request := self._next()) is not None:
            place = request.path, request.dataset
            tried, answer = self._bad_files.get(place, (0.0, None))
            if answer is None or time.monotonic() - tried > FILE_AGAIN_S:
                answer = self._child.read(request)
                self._bad_files.pop(place, None)
                if isinstance(answer, InputError) and self._child.failed_to_open:
                    self._bad_files[place] = time.monotonic(), answer
            with self._changed:
                wanted = self._current is request and not self._closing
                self._current = None
                if wanted:
                    self._states.setdefault(place, set()).update(self._child.states)
                    answer = self._keep(request, answer)
            if wanted:
                self._deliver(request, answer)
        self._child.child.end()

    def _next(self) -> _Request | None:
        with self._changed:
            while not self._closing:
                for waiting in self._waiting.values():  # shots before thumbnails
                    if waiting:
                        self._current = waiting.popitem(last=True)[1]
                        return self._current
                self._changed.wait()
        return None

    def _keep(self, request: _Request, answer: Any) -> Any:
        self._failed.pop((request.kind, request.key), None)
        if isinstance(answer, InputError):
            self._failed[request.kind, request.key] = time.monotonic()
        if request.kind == "thumbnail":
            self._thumbnails.put(request.key, answer, getattr(answer, "nbytes", 0))
            return answer
        counts, mask = (answer, None) if isinstance(answer, InputError) else answer
        self._counts.put(request.key, (counts, mask), getattr(counts, "nbytes", 0))
        return counts, mask

    def _deliver(self, request: _Request, answer: Any) -> None:
        try:
            if request.kind == "thumbnail":
                self._on_thumbnail(request.key, answer)
            else:
                self._on_read(request.key, *answer)
        except Exception:  # the listener's defect must not stop the pictures
            log.exception("a listener failed on shot %d", request.key)


class _Cache:
    """Keeps the most recently used answers within a budget of megabytes."""

    def __init__(self, budget_mb: float, least: int = 1) -> None:
        self._budget = budget_mb * 1e6
        self._least = least
        self._kept: OrderedDict[int, tuple[Any, int]] = OrderedDict()
        self._size = 0

    def get(self, key: int) -> Any:
        if key not in self._kept:
            return None
        self._kept.move_to_end(key)
        return self._kept[key][0]

    def put(self, key: int, value: Any, size: int) -> None:
        size += 200  # what an entry costs by itself
        self._size += size - self._kept.pop(key, (None, 0))[1]
        self._kept[key] = (value, size)
        while self._size > self._budget and len(self._kept) > self._least:
            self._size -= self._kept.popitem(last=False)[1][1]

    def clear(self) -> None:
        self._kept.clear()
        self._size = 0


class _ReaderChild:
    """The process at the other end, and what it was told; starts again after every death."""

    def __init__(self, opener: Opener, shot_s: float, opening_s: float) -> None:
        self.child = Child(serve, opener, name="shot reader")
        self._shot_s, self._opening_s = shot_s, opening_s
        self._last_mask: Mask | None = None
        self._steps: Preparation | None = None
        self.geometries: Geometries = {}
        self.states: frozenset[FileState] = frozenset()
        """How the files of the source were when the last answer was read; of an error, nothing."""
        self.failed_to_open = False
        """Whether opening the file killed or blocked the process: not to be tried again."""

    def start(self) -> None:
        """Start the process unless the reader is closing."""
        self.child.start()
        self._last_mask = self._steps = None
        if isinstance(self.child.receive(START_S), Lost) and not self.child.is_forbidden:
            log.error("the process that reads shots does not start")

    def read(self, request: _Request) -> Any:
        """(counts, mask), a thumbnail, or an InputError; never raises for a bad file."""
        if not self.child.is_alive:
            self.start()
        if request.kind == "counts" and request.steps is not self._steps:
            self._steps = request.steps
            self.child.say(("steps", request.steps, self.geometries))
        self.states = frozenset()
        self.child.say((request.kind, request.path, request.dataset, request.index))
        opening = False
        while True:
            answer = self.child.receive(self._opening_s if opening else self._shot_s)
            if isinstance(answer, Lost):
                break
            if answer[0] not in ("opening", "opened"):
                self.failed_to_open = False
                return self._unpacked(answer)
            opening = answer[0] == "opening"
        self.failed_to_open = opening
        self.start()
        return self._on_lost(request, silent=answer is Lost.SILENT)

    def _unpacked(self, answer: tuple[Any, ...]) -> Any:
        if answer[0] == "error":
            return answer[1]
        kind, self.states, *rest = answer
        if kind == "thumbnail":
            return rest[0]
        counts, mask, same = rest
        self._last_mask = self._last_mask if same or mask is None else mask
        return counts, (self._last_mask if same else mask)

    def _on_lost(self, request: _Request, silent: bool) -> InputError:
        if self.failed_to_open:
            what = "opening the file takes too long" if silent else "opening the file crashed"
            mend = "Check that the disk or network is there, and copy the file again if it is."
            return InputError(what, file=request.path, mend=mend)
        what = "the shot takes too long to read" if silent else "reading the shot crashed"
        mend = "The file is damaged here or its disk does not answer; the other shots still work."
        return InputError(what, file=request.path, place=f"shot {request.index}", mend=mend)
