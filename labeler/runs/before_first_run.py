"""What the first run of a project has to beat: the instant model on the shipped network.

Before there is a run, that is what suggests labels. Here it learns from the labelled shots that do
not judge and says what it would of the others, by the embeddings in the project's cache, or where
not all shots have been read yet, by those of the labelled shots, which are then computed.
"""

from __future__ import annotations

from collections.abc import Generator
from pathlib import Path

import numpy as np
import numpy.typing as npt

from labeler.project.store.records import Rows
from model.active import head
from model.errors import InputError
from model.events import Event, Stop, event
from model.metrics.metrics import constant_answer
from model.prediction import embedding_file as embedding_parts
from model.prediction.embedding import embed
from model.preprocessing.preparation import Preparation
from model.runs.prior import prior_of
from model.runs.promotion import Answers
from model.runs.recipes import shipped_network
from model.shots.table import ShotTable

INSTANT, CONSTANT = "the instant model", "a constant answer"


def answers_before(
    table: ShotTable, judging: Rows, cache: Path, preparation: Preparation, stop: Stop
) -> Generator[Event, None, tuple[str, Answers | None]]:
    """What a run is compared with, INSTANT or CONSTANT, and its answers to all shots of the table.

    `judging` (n,): rows of labelled shots that it must not learn from. CONSTANT is the most
    frequent label set of the others, for shots that the shipped network cannot read, such as
    correlation maps; why is said in a note. Yields what reading the shots says; None for answers
    where that was stopped.
    """
    assert table.taxonomy is not None  # a project has one
    try:
        found = yield from _embeddings(table, cache, preparation, stop)
        if found is None:
            return INSTANT, None
        readable = np.asarray(np.isfinite(found).all(1))
        if not readable.any():
            return INSTANT, Answers(np.zeros(table.labels.shape, bool), readable)
        every = found if readable.all() else found[readable]
        prior = prior_of(shipped_network(), table.taxonomy, every)
    except InputError as error:
        text = f"The run is compared with {CONSTANT}, for {INSTANT} cannot be asked: {error}"
        yield event("note", level="warning", text=text)
        always = constant_answer(table.labels.astype(bool), table.decided, judging)
        same = np.broadcast_to(always, table.labels.shape)
        return CONSTANT, Answers(same, np.ones(len(table), bool))
    learns = table.labelled & readable
    learns[judging] = False
    made = head.fit(
        found[learns], table.labels[learns], table.taxonomy,
        prior=prior, space=head.space_of(every), known=table.decided[learns],
    )  # fmt: skip
    decided = np.zeros(table.labels.shape, bool)
    asked = judging[readable[judging]]
    decided[asked] = made.decide(found[asked])
    return INSTANT, Answers(decided, readable)


def _embeddings(
    table: ShotTable, cache: Path, preparation: Preparation, stop: Stop
) -> Generator[Event, None, npt.NDArray[np.float16] | None]:
    """(N, D), NaN where there are none: of all shots where they are known, else of labelled ones;
    None where reading them was stopped.

    InputError where the shipped network cannot read the shots.
    """
    network, rows = shipped_network(), np.arange(len(table))
    parts = embedding_parts.parts_of(table, network, cache, preparation=preparation)
    if not all(part.is_there for part in parts):
        rows = np.flatnonzero(table.labelled)
        some = table.some(rows)
        for item in embed(some, network, cache, stop=stop, preparation=preparation):
            if item["event"] == "failed":
                raise InputError(item["text"])
            if item["event"] == "cancelled":
                return None
            if item["event"] == "progress":
                yield item | {"what": "predicting labelled shots by the shipped network"}
        parts = embedding_parts.parts_of(some, network, cache, preparation=preparation)
    read = embedding_parts.read(parts, len(rows))
    found = np.full((len(table), 1 if read is None else read.shape[1]), np.nan, np.float16)
    if read is not None:
        found[rows] = read
    return found
