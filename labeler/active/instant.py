"""Instant learning seen from the window: asks the child, and what came back as a reading.

A warm child process (`labeler.active.instant_child`) keeps the embeddings and fits a head after
every label. Requests of a kind replace each other, so that fast labelling never piles up work.
Qt-free: answers come by a callback from a thread. Nothing is fitted in the window's process.
"""

from __future__ import annotations

from collections.abc import Callable
from multiprocessing.connection import Connection

import numpy as np
import numpy.typing as npt

from labeler.active.messages import Answer, Ground, LayoutWish, Learnt, Lesson, LikeWish
from labeler.runs.reading import Reading
from model.active.head import Held
from model.errors import InputError, counted
from model.processes import Worker
from model.taxonomy.taxonomy import Taxonomy

URGENCY = {LikeWish: 2, LayoutWish: 1, Lesson: 0}
"""What a user waits for comes first."""


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
        self.name = f"instant model, {counted(n, 'label')}"
        self.run = "instant"
        self.why = {**why, **dict(zip(learnt.rows.tolist(), learnt.reasons, strict=True))}

    def sureness(self) -> npt.NDArray[np.float32]:
        """(N,) chance that the whole label set is right, under the rules."""
        return self.learnt.sure

    def held(self) -> Held:
        """What is said out of fold of labelled shots."""
        none = Held(self.learnt.rows[:0], self.decided[:0], self.learnt.sure[:0])
        return self.learnt.held or none


Wish = Lesson | LikeWish | LayoutWish


class Instant(Worker[Ground, Wish, Answer]):
    """The window's side of instant learning; `on_answer` is called from a thread of its own."""

    def __init__(self, on_answer: Callable[[Answer], None]) -> None:
        super().__init__(_serve, on_answer, self._epitaph, name="instant learning")

    def learn(self, lesson: Lesson) -> None:
        """Refit on the labels so far; the answer is a Learnt."""
        self._ask(lesson)

    def like(self, row: int, k: int) -> None:
        """Look for the k shots most like one; the answer is an Alike."""
        self._ask(LikeWish(row, k))

    def layout(self) -> None:
        """Lay all shots out on a plane; the answer is a Layout."""
        self._ask(LayoutWish())

    def _ask(self, request: Wish) -> None:
        self._add(request, type(request), len(URGENCY))

    def urgency(self, request: Wish) -> float:
        return URGENCY[type(request)]

    def _epitaph(self, request: object) -> InputError:
        return InputError("the process that learns ended", mend="Suggestions come from the run.")


def _serve(connection: Connection) -> None:
    """Run in the child: only there is loaded what learning needs."""
    from labeler.active.instant_child import serve

    serve(connection)
