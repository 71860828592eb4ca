"""Instant learning seen from the window: asks the child, and holds what came back as predictions.

A warm child process (`labeler.active.instant_child`) keeps the embeddings and fits a head after
every label. Requests of a kind replace each other, so that fast labelling never piles up work.
Qt-free: answers come by a callback from a thread. Nothing is fitted in the window's process.
"""

from __future__ import annotations

from collections.abc import Callable
from multiprocessing.connection import Connection

import numpy as np
import numpy.typing as npt

from labeler.active.messages import (
    Answer,
    EmbeddingSource,
    FitRequest,
    FitResult,
    LayoutRequest,
    NeighbourRequest,
)
from labeler.project.store.records import Flags, Rows
from labeler.runs.predictions_base import Predictions
from model.active.head import Held
from model.errors import InputError, counted
from model.processes import Worker
from model.taxonomy.taxonomy import Taxonomy

URGENCY = {NeighbourRequest: 2, LayoutRequest: 1, FitRequest: 0}
"""What a user waits for comes first."""


class InstantPredictions(Predictions):
    """What the child learnt, as the window asks it; `why` says of asked rows why each is asked."""

    def __init__(self, taxonomy: Taxonomy, fit: FitResult, why: dict[int, str]) -> None:
        self.taxonomy = taxonomy
        self.fit = fit
        self.probabilities, self.decided = fit.probabilities, fit.decided
        self.readable = fit.readable
        self.thresholds = fit.thresholds
        every = np.ones(len(taxonomy), bool)
        self.known = every if fit.known is None else fit.known
        self.name = f"instant model, {counted(fit.labels, 'label')}"
        self.run = "instant"
        self.why = {**why, **dict(zip(fit.rows.tolist(), fit.reasons, strict=True))}

    def sureness(self) -> npt.NDArray[np.float32]:
        """(N,) chance that the answer is right, under the rules; 0 where there is none."""
        return self.fit.sure

    def says_something(self, rows: Rows) -> Flags:
        """(n,) as for all `Predictions`; not where only a class that it has not learnt fits."""
        return self.readable[rows] & (self.fit.sure[rows] > 0)

    def held(self) -> Held:
        """What is said out of fold of labelled shots."""
        none = Held(self.fit.rows[:0], self.decided[:0], self.fit.sure[:0])
        return self.fit.held or none


InstantRequest = FitRequest | NeighbourRequest | LayoutRequest


class Instant(Worker[EmbeddingSource, InstantRequest, Answer]):
    """The window's side of instant learning; `on_answer` is called from a thread of its own."""

    def __init__(self, on_answer: Callable[[Answer], None]) -> None:
        super().__init__(_serve, on_answer, self._on_lost, name="instant learning")

    def learn(self, request: FitRequest) -> None:
        """Refit on the labels so far; the answer is a FitResult."""
        self._ask(request)

    def like(self, row: int, k: int) -> None:
        """Look for the k shots most like one; the answer is a Neighbours."""
        self._ask(NeighbourRequest(row, k))

    def layout(self) -> None:
        """Lay all shots out on a plane; the answer is a Layout."""
        self._ask(LayoutRequest())

    def _ask(self, request: InstantRequest) -> None:
        self._add(request, type(request), len(URGENCY))

    def urgency(self, request: InstantRequest) -> float:
        return URGENCY[type(request)]

    def _on_lost(self, request: object) -> InputError:
        return InputError("the process that learns ended", mend="Suggestions come from the run.")


def _serve(connection: Connection) -> None:
    """Run in the child: only there is loaded what learning needs."""
    from labeler.active.instant_child import serve

    serve(connection)
