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
    FEWEST_LABELS,
    Alike,
    Answer,
    Ground,
    Layout,
    Learnt,
    Lesson,
    LikeWish,
    Request,
)
from model.active import audit, embedding_map, neighbours, selection
from model.active.head import Head, fit, legal_sets, space_of
from model.errors import InputError
from model.processes import give_way, one_blas_thread
from model.runs.prior import prior_of
from model.taxonomy import decoding

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
    """One ground at a time and the head that was fitted on it last."""

    def __init__(self) -> None:
        self.ground: Ground | None = None
        self._head: Head | None = None

    def answer(self, request: Request) -> Answer | None:
        """To a Ground None, to a Lesson a Learnt, to wishes an Alike or a Layout; else why not."""
        try:
            with one_blas_thread():
                if isinstance(request, Ground):
                    self._stand_on(request)
                    return None
                if self.ground is None:
                    return InputError("no shots have been read by a network yet")
                if isinstance(request, Lesson):
                    return self._learn(request)
                if isinstance(request, LikeWish):
                    row, k = request.row, request.k
                    return Alike(row, neighbours.like(self.embeddings, row, k, self._lengths))
                return Layout(self.ground.number, self._layout())
        except InputError as error:
            return error
        except CARELESS as error:
            mend = "Close the project and open it again."
            return InputError(f"instant learning stopped ({error})", mend=mend)

    def _stand_on(self, ground: Ground) -> None:
        self.ground = self._head = None
        found = embeddings(ground)
        self.readable = np.asarray(np.isfinite(found).all(1))
        wide = found.astype(np.float32) if len(found) <= SINGLE else found
        wide[~self.readable] = 0
        self.embeddings = wide
        self._lengths = neighbours.lengths(wide)
        readable = wide if self.readable.all() else wide[self.readable]
        self._prior = prior_of(ground.network, ground.taxonomy, readable)
        self._space = space_of(readable)
        self.ground = ground

    def _learn(self, lesson: Lesson) -> Learnt:
        assert self.ground is not None
        started, taxonomy = time.perf_counter(), self.ground.taxonomy
        readable = self.readable[lesson.rows]
        rows = lesson.rows[readable]
        labels = taxonomy.unpack(lesson.present[readable])
        said = np.ones_like(labels)
        if lesson.known is not None:
            said = taxonomy.unpack(lesson.known[readable]) | labels
        x = self.embeddings[rows].astype(np.float32)
        self._head = fit(
            x, labels, taxonomy,
            start=self._head, prior=self._prior, space=self._space, known=said,
        )  # fmt: skip
        known = said.sum(0) >= min(FEWEST_LABELS, len(rows))
        if self._prior is not None:
            known |= self._prior.known
        probabilities, decided, sure = self._read(self._head)
        probabilities[:, ~known], decided[:, ~known] = 0, False
        askable = probabilities.copy()
        askable[~self.readable] = np.nan
        askable[lesson.leave] = np.nan
        done = np.zeros(self.ground.n, bool)
        done[rows] = True
        every = np.zeros((self.ground.n, len(taxonomy)), bool)
        every[rows] = labels
        asked = selection.ask(
            lesson.strategy, askable, self.embeddings, done, every, taxonomy, lesson.asked,
            audit=lesson.audit, seed=lesson.seed,
        )  # fmt: skip
        left = np.asarray(np.isfinite(askable).all(1))
        checks = audit.upcoming(done, left, lesson.seed, max(50, self.ground.n // 50))
        return Learnt(
            self.ground.number, len(lesson.rows), probabilities, decided, self._head.thresholds,
            sure, self.readable,
            asked.rows.astype(np.int64), asked.reasons, checks.astype(np.int64),
            time.perf_counter() - started, known,
        )  # fmt: skip

    def _read(self, head: Head) -> tuple[Floats, npt.NDArray[np.bool_], Floats]:
        """Probabilities (N, C), answers (N, C) and their chances (N,)."""
        assert self.ground is not None
        n, c = self.ground.n, len(head.taxonomy)
        p, decided = np.zeros((n, c), np.float32), np.zeros((n, c), bool)
        sure = np.zeros(n, np.float32)
        legal = legal_sets(head.taxonomy)
        for first in range(0, n, CHUNK):
            part = slice(first, first + CHUNK)
            logits = head.logits(self.embeddings[part])
            if legal is None:
                p[part] = decoding.sigmoid(logits)
                decided[part] = head.decided(p[part])
                sure[part] = np.where(decided[part], p[part], 1 - p[part]).prod(1)
            else:
                chances = decoding.set_probabilities(logits, legal, head.raised)
                p[part] = np.clip(chances @ legal.astype(np.float32), 0, 1)
                decided[part] = head.decided(p[part])
                bits = head.taxonomy.pack(legal)
                order = np.argsort(bits)
                at = order[np.searchsorted(bits, head.taxonomy.pack(decided[part]), sorter=order)]
                sure[part] = chances[np.arange(len(chances)), at]
        for values in (p, decided, sure):
            values[~self.readable] = 0
        return p, decided, sure

    def _layout(self) -> Floats:
        places = np.full((len(self.embeddings), 2), np.nan, np.float32)
        places[self.readable] = embedding_map.pca(self.embeddings[self.readable])
        return places
