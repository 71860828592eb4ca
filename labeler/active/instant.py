"""Instant learning seen from the window: asks the child, and what came back as a reading.

A warm child process (`labeler.active.instant_child`) keeps the embeddings and refits a head after
every label. Requests of a kind replace each other, so that fast labelling never piles up work.
Qt-free: answers come by a callback from a thread. Nothing is fitted in the window's process.
"""

from __future__ import annotations

import logging
import multiprocessing
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from labeler.runs.reading import Reading
from model.errors import InputError
from model.prediction.embedding_file import Part
from model.taxonomy.taxonomy import Taxonomy

KINDS = ("ground", "like", "layout", "learn")
"""Requests, the most urgent first."""
DEATHS = 3
"""After so many in a row the child is not started again for the same ground."""

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Ground:
    """What is learnt on: embeddings of n shots, from a run's predictions or in parts.

    `network` is the folder whose own head is the prior; `number` tells one ground from another.
    """

    number: int
    taxonomy: Taxonomy
    n: int
    network: Path
    predictions: Path | None = None
    parts: tuple[Part, ...] = ()


@dataclass(frozen=True)
class Lesson:
    """Labels so far: rows (n,) with the bits of their classes; rows that shall not be asked for.

    Then how many to ask for, by which strategy, with which share of random checks.
    """

    ground: int
    rows: npt.NDArray[np.int64]
    present: npt.NDArray[np.int64]
    leave: npt.NDArray[np.int64]
    asked: int = 10
    strategy: str = "asked"
    audit: float = 0.1
    seed: int = 0


@dataclass(frozen=True)
class Learnt:
    """What is suggested after a lesson of `labels` labels.

    probabilities (N, C); decided (N, C) likeliest legal sets; sure (N,) the chance that the whole
    set is right, 0 where `readable` (N,) is False. rows (n,) to ask next with their reasons;
    checks: the next shots of the random audit. seconds: what it took.
    """

    ground: int
    labels: int
    probabilities: npt.NDArray[np.float32]
    decided: npt.NDArray[np.bool_]
    sure: npt.NDArray[np.float32]
    readable: npt.NDArray[np.bool_]
    rows: npt.NDArray[np.int64]
    reasons: tuple[str, ...]
    checks: npt.NDArray[np.int64]
    seconds: float


@dataclass(frozen=True)
class Alike:
    """The shots most like `row`, the likest first."""

    row: int
    rows: npt.NDArray[np.int64]


@dataclass(frozen=True)
class Layout:
    """(N, 2) places of all shots on the map, NaN for those without an embedding."""

    ground: int
    places: npt.NDArray[np.float32] = field(repr=False)


Answer = Learnt | Alike | Layout | InputError


class InstantReading(Reading):
    """What the child learnt, as the window asks it; `why` says of asked rows why each is asked."""

    def __init__(self, taxonomy: Taxonomy, learnt: Learnt, why: dict[int, str]) -> None:
        c = len(taxonomy)
        self.taxonomy = taxonomy
        self.learnt = learnt
        self.probabilities, self.decided = learnt.probabilities, learnt.decided
        self.readable = learnt.readable
        self.thresholds = np.full(c, 0.5, np.float32)
        self.known = np.ones(c, bool)
        n = learnt.labels
        self.name = f"instant, {n:,} label{'' if n == 1 else 's'}"
        self.run = "instant"
        self.why = {**why, **dict(zip(learnt.rows.tolist(), learnt.reasons, strict=True))}

    def sureness(self) -> npt.NDArray[np.float32]:
        """(N,) chance that the whole label set is right, under the rules."""
        return self.learnt.sure


class Instant:
    """The child and the thread that talks to it. `on_answer` is called from that thread."""

    def __init__(self, on_answer: Callable[[Answer], None]) -> None:
        self._on_answer = on_answer
        self._waiting: dict[str, Any] = {}
        self._ground: Ground | None = None
        self._closing = False
        self._changed = threading.Condition()
        self._lock = threading.Lock()
        self._process: Any = None
        self._connection: Connection | None = None
        self._thread = threading.Thread(target=self._work, name="instant learning", daemon=True)
        self._thread.start()

    def stand_on(self, ground: Ground) -> None:
        """Learn on other embeddings from now on; what was asked about the old ones is dropped."""
        with self._changed:
            self._waiting.clear()
        self._ask("ground", ground)

    def learn(self, lesson: Lesson) -> None:
        """Refit on the labels so far; the answer is a Learnt."""
        self._ask("learn", lesson)

    def like(self, row: int, k: int) -> None:
        """Look for the k shots most like one; the answer is an Alike."""
        self._ask("like", (row, k))

    def layout(self) -> None:
        """Lay all shots out on a plane; the answer is a Layout."""
        self._ask("layout", None)

    def close(self) -> None:
        """Stop at once; leaves no thread and no process."""
        with self._changed:
            self._closing = True
            self._changed.notify_all()
        with self._lock:
            if self._process is not None:
                self._process.kill()
        self._thread.join()

    def _ask(self, kind: str, argument: Any) -> None:
        with self._changed:
            self._waiting[kind] = argument
            self._changed.notify_all()

    # -- in the thread -----------------------------------------------------------------------------

    def _work(self) -> None:
        self._start()
        deaths = 0
        while (request := self._next()) is not None:
            kind, argument = request
            if kind == "ground":
                self._ground, deaths = argument, 0
            answer = self._exchange(kind, argument)
            while answer is None and not self._closing and deaths < DEATHS:
                deaths += 1
                log.error("the process that learns died; it is started again")
                self._end()
                self._start()
                if kind != "ground" and self._ground is not None:
                    self._exchange("ground", self._ground)
                answer = self._exchange(kind, argument)
            if answer is not None:
                deaths = 0
            self._tell(answer)
        self._end()

    def _next(self) -> tuple[str, Any] | None:
        with self._changed:
            while not self._closing:
                for kind in KINDS:
                    if kind in self._waiting:
                        return kind, self._waiting.pop(kind)
                self._changed.wait()
        return None

    def _tell(self, answer: tuple[Any] | None) -> None:
        if self._closing or (answer is not None and answer[0] is None):
            return
        died = InputError("the process that learns ended", mend="Suggestions come from the run.")
        try:
            self._on_answer(died if answer is None else answer[0])
        except Exception:  # the listener's defect must not stop the learning
            log.exception("a listener failed")

    def _start(self) -> None:
        context = multiprocessing.get_context("spawn")
        with self._lock:
            if self._closing:
                return
            self._connection, theirs = context.Pipe()
            self._process = context.Process(
                target=_serve, args=(theirs,), name="instant learning", daemon=True
            )
            self._process.start()
            theirs.close()
        self._hear()

    def _exchange(self, kind: str, argument: Any) -> tuple[Any] | None:
        """(answer,), or None where the child died over it."""
        try:
            if self._connection is None:
                return None
            self._connection.send((kind, argument))
        except OSError:
            return None
        return self._hear()

    def _hear(self) -> tuple[Any] | None:
        try:
            return None if self._connection is None else (self._connection.recv()[1],)
        except (EOFError, OSError):
            return None

    def _end(self) -> None:
        with self._lock:
            if self._process is not None and self._connection is not None:
                self._process.kill()
                self._process.join()
                self._process.close()
                self._connection.close()
            self._process = self._connection = None


def _serve(connection: Connection) -> None:
    """Run in the child: only there is loaded what learning needs."""
    from labeler.active.instant_child import serve

    serve(connection)
