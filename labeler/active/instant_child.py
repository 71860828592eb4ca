"""The child process that learns while a person labels: it keeps the embeddings and fits the head.

It imports numpy, scipy and the model's arithmetic, neither torch nor Qt.
It decides nothing: answers are suggestions.
"""

from __future__ import annotations

import time
from multiprocessing.connection import Connection

import numpy as np
import numpy.typing as npt

from labeler.active.embeddings import embeddings
from labeler.active.messages import (
    Answer,
    EmbeddingSource,
    FitRequest,
    FitResult,
    Layout,
    NeighbourRequest,
    Neighbours,
    Request,
)
from model.active import audit, embedding_map, neighbours, selection
from model.active.head import Head, Held, fit, space_of
from model.errors import InputError
from model.processes import give_way, one_blas_thread
from model.runs.prior import prior_of

CARELESS = (OSError, ValueError, KeyError, RuntimeError, MemoryError, np.linalg.LinAlgError)
"""What damaged files and degenerate numbers raise."""
SINGLE = 200_000
"""Up to this many shots are kept in single precision, which is four times as fast."""
CHUNK = 8192
Floats = npt.NDArray[np.float32]


def serve(connection: Connection) -> None:
    """Answer requests until the other end closes; see `InstantServer`."""
    give_way()
    server = InstantServer()
    while True:
        connection.send(server.answer(connection.recv()))


class InstantServer:
    """One source at a time. What it says of it follows from the labels alone, not from what it said
    before."""

    def __init__(self) -> None:
        self.source: EmbeddingSource | None = None

    def answer(self, request: Request) -> Answer | None:
        """The answer to a request, or why there is none; to an EmbeddingSource None."""
        try:
            with one_blas_thread():
                if isinstance(request, EmbeddingSource):
                    self._use(request)
                    return None
                if self.source is None:
                    return InputError("no shots have been read by a network yet")
                if isinstance(request, FitRequest):
                    return self._learn(request)
                if isinstance(request, NeighbourRequest):
                    row, k = request.row, request.k
                    return Neighbours(row, neighbours.like(self.embeddings, row, k, self._lengths))
                return Layout(self.source.number, self._layout())
        except InputError as error:
            return error
        except CARELESS as error:
            mend = "Close the project and open it again."
            return InputError(f"instant learning stopped ({error})", mend=mend)

    def _use(self, source: EmbeddingSource) -> None:
        self.source = None
        found = embeddings(source)
        self.readable = np.asarray(np.isfinite(found).all(1))
        wide = found.astype(np.float32) if len(found) <= SINGLE else found
        wide[~self.readable] = 0
        self.embeddings = wide
        self._lengths = neighbours.lengths(wide)
        readable = wide if self.readable.all() else wide[self.readable]
        self._prior = prior_of(source.network, source.taxonomy, readable)
        self._space = space_of(readable)
        self.source = source

    def _learn(self, request: FitRequest) -> FitResult:
        assert self.source is not None
        started, taxonomy = time.perf_counter(), self.source.taxonomy
        readable = self.readable[request.rows]
        rows = request.rows[readable]
        labels = taxonomy.unpack(request.present[readable])
        said = np.ones_like(labels)
        if request.known is not None:
            said = taxonomy.unpack(request.known[readable]) | labels
        x = self.embeddings[rows].astype(np.float32)
        head = fit(x, labels, taxonomy, prior=self._prior, space=self._space, known=said)
        probabilities, decided, sure = self._read(head)
        _, apart, held_sure = head.judged(head.held_logits)
        askable = probabilities.copy()
        askable[~self.readable] = np.nan
        askable[request.leave] = np.nan
        done = np.zeros(self.source.n, bool)
        done[rows] = True
        every = np.zeros((self.source.n, len(taxonomy)), bool)
        every[rows] = labels
        asked = selection.ask(
            request.strategy, askable, self.embeddings, done, every, taxonomy, request.asked,
            audit=request.audit, seed=request.seed,
        )  # fmt: skip
        left = np.asarray(np.isfinite(askable).all(1))
        most = max(50, min(self.source.n // 10, 500), self.source.n // 50)
        checks = audit.upcoming(done, left, request.seed, most)
        return FitResult(
            source=self.source.number,
            labels=len(request.rows),
            probabilities=probabilities,
            decided=decided,
            thresholds=head.thresholds,
            sure=sure,
            readable=self.readable,
            rows=asked.rows.astype(np.int64),
            reasons=asked.reasons,
            checks=checks.astype(np.int64),
            seconds=time.perf_counter() - started,
            known=head.learnt,
            held=Held(rows[head.held], apart, held_sure),
        )

    def _read(self, head: Head) -> tuple[Floats, npt.NDArray[np.bool_], Floats]:
        """Probabilities (N, C), answers (N, C) and their chances (N,)."""
        assert self.source is not None
        n, c = self.source.n, len(head.taxonomy)
        p, decided = np.zeros((n, c), np.float32), np.zeros((n, c), bool)
        sure = np.zeros(n, np.float32)
        for first in range(0, n, CHUNK):
            part = slice(first, first + CHUNK)
            p[part], decided[part], sure[part] = head.judged(head.logits(self.embeddings[part]))
        for values in (p, decided, sure):
            values[~self.readable] = 0
        return p, decided, sure

    def _layout(self) -> Floats:
        places = np.full((len(self.embeddings), 2), np.nan, np.float32)
        places[self.readable] = embedding_map.pca(self.embeddings[self.readable])
        return places
