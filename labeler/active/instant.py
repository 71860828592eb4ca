"""Instant learning seen from the window: asks the child, and what came back as a reading.

A warm child process (`labeler.active.instant_child`) keeps the embeddings and refits a head after
every label. Requests of a kind replace each other, so that fast labelling never piles up work.
Qt-free: answers come by a callback from a thread. Nothing is fitted in the window's process.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from multiprocessing.connection import Connection
from typing import Any

import numpy as np
import numpy.typing as npt

from labeler.active.messages import Answer, Ground, Learnt, Lesson
from labeler.runs.reading import Reading
from model.errors import InputError
from model.processes import Child, Lost
from model.taxonomy.taxonomy import Taxonomy

KINDS = ("ground", "like", "layout", "learn")
"""Requests, the most urgent first."""
DEATHS = 3
"""After so many in a row the child is not started again for the same ground."""

log = logging.getLogger(__name__)


class InstantReading(Reading):
    """What the child learnt, as the window asks it; `why` says of asked rows why each is asked."""

    def __init__(self, taxonomy: Taxonomy, learnt: Learnt, why: dict[int, str]) -> None:
        self.taxonomy = taxonomy
        self.learnt = learnt
        self.probabilities, self.decided = learnt.probabilities, learnt.decided
        self.readable = learnt.readable
        self.thresholds = learnt.thresholds
        every = np.ones(len(taxonomy), bool)
        self.known = every if learnt.known is None else learnt.known
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
        self._child = Child(_serve, name="instant learning")
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
        self._child.forbid()
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
            if request[0] == "ground":
                self._ground, deaths = request[1], 0
            answer = self._child.ask(request)
            while answer is Lost.DEAD and not self._closing and deaths < DEATHS:
                deaths += 1
                log.error("the process that learns died; it is started again")
                self._start()
                if request[0] != "ground" and self._ground is not None:
                    self._child.ask(("ground", self._ground))
                answer = self._child.ask(request)
            if answer is not Lost.DEAD:
                deaths = 0
            self._report(answer)
        self._child.end()

    def _start(self) -> None:
        self._child.start()
        self._child.receive()

    def _next(self) -> tuple[str, Any] | None:
        with self._changed:
            while not self._closing:
                for kind in KINDS:
                    if kind in self._waiting:
                        return kind, self._waiting.pop(kind)
                self._changed.wait()
        return None

    def _report(self, answer: Answer | Lost | None) -> None:
        if self._closing or answer is None:
            return
        died = InputError("the process that learns ended", mend="Suggestions come from the run.")
        try:
            self._on_answer(died if isinstance(answer, Lost) else answer)
        except Exception:  # the listener's defect must not stop the learning
            log.exception("a listener failed")


def _serve(connection: Connection) -> None:
    """Run in the child: only there is loaded what learning needs."""
    from labeler.active.instant_child import serve

    serve(connection)
