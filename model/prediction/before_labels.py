"""What a shipped network says of an experiment's shots before any of them is labelled.

It learnt simulated shots; once all shots are read, its head is adapted to them (`active.prior`) and
answers as the instant head does without a label, so that files say what the window shows.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import numpy.typing as npt

from model.active import head
from model.active.prior import FEWEST
from model.errors import InputError
from model.runs.folder import PREDICTIONS
from model.runs.prediction_file import open_predictions
from model.runs.prior import expected_of, prior_of
from model.shots.table import ShotTable
from model.taxonomy import decoding
from model.taxonomy.same_classes import are_same
from model.taxonomy.taxonomy import Taxonomy
from model.taxonomy.toml import load, shipped

Halves = npt.NDArray[np.float16]
MOST = 40_000
"""Shots whose embeddings are looked at."""
_AT_ONCE = 16_384


def answer_again(file: h5py.File, run: Path, table: ShotTable, theirs: Taxonomy) -> str | None:
    """Replace logits, probabilities, decided and thresholds of a whole predictions file by those of
    the adapted head; what was done in words, None for a network that is not shipped.

    Stored heatmaps stay those of the network's own head.
    """
    if expected_of(run, theirs.names) is None:
        return None
    readable = np.asarray(file["readable"][()], bool)
    seen = _seen_in(file)
    made = adapted_head(run, table.taxonomy, theirs, seen) if len(seen) else None
    if made is None:
        return None
    for first in range(0, len(readable), _AT_ONCE):
        part = slice(first, first + _AT_ONCE)
        for name, values in answers(made, file["embeddings"][part], readable[part]).items():
            file[name][part] = values
    file.attrs.modify("thresholds", made.thresholds)
    if len(seen) < FEWEST:
        return (
            f"{len(seen)} of the {FEWEST} shots that it takes to fit the shipped network to an"
            " experiment: each was read by itself, as if it were a simulated one."
        )
    return "The shipped network, which learnt simulated shots, was fitted to these without labels."


def seen_by(run: Path) -> Halves | None:
    """(n, D) the embeddings to which the predictions of a run folder are adapted, see
    `answer_again`; None where it has no predictions. InputError for damaged ones."""
    path = Path(run) / PREDICTIONS
    if not path.is_file():
        return None
    try:
        with open_predictions(path) as file:
            return _seen_in(file)
    except (OSError, KeyError, ValueError) as error:
        mend = "Predict again with this run, or use another one."
        raise InputError(f"damaged predictions ({error})", file=path, mend=mend) from error


def _seen_in(file: h5py.File) -> Halves:
    """At most MOST of its embeddings, evenly spread, of readable shots."""
    readable = np.asarray(file["readable"][()], bool)
    step = max(1, -(-len(readable) // MOST))
    return np.asarray(file["embeddings"][::step][readable[::step]], np.float16)


def adapted_head(
    run: Path,
    given: Taxonomy | None,
    theirs: Taxonomy,
    seen: Halves,
) -> head.Head | None:
    """The head of a shipped network of `theirs`, adapted to the embeddings (n, D) of the shots at
    hand.

    By the rules of the `given` taxonomy where it has the classes of the network, otherwise by the
    shipped ones; None where neither has them.
    """
    known = (given, load(shipped("helium")))
    fits = (t for t in known if t is not None and are_same(t, theirs))
    taxonomy = next(fits, None)
    if taxonomy is None:
        return None
    return head.fit(
        seen[:0], np.zeros((0, len(taxonomy)), bool), taxonomy,
        prior=prior_of(run, taxonomy, seen), space=head.space_of(seen.astype(np.float32)),
    )  # fmt: skip


def answers(
    made: head.Head, embeddings: Halves, readable: npt.NDArray[np.bool_]
) -> dict[str, npt.NDArray[Any]]:
    """logits, probabilities and decided (n, C) of a head, by dataset name; without a number and
    without a class where a shot is not readable."""
    probabilities, fine = made.probabilities(embeddings), readable[:, None]
    return {
        "logits": np.where(fine, made.logits(embeddings), np.nan),
        "probabilities": np.where(fine, probabilities, np.nan),
        "decided": made.decided(probabilities) & fine,
    }


@dataclass(frozen=True)
class AdaptedAnswers:
    """What an adapted head makes of its logits (n, C), by the methods that a `Checkpoint` has for
    those of the network."""

    head: head.Head

    def probabilities(self, logits: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
        """(n, C)."""
        return self.head.judged(logits)[0]

    def decide(self, logits: npt.NDArray[np.float32]) -> npt.NDArray[np.bool_]:
        """(n, C) the answer."""
        return self.head.judged(logits)[1]

    def log_odds(self, logits: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
        """(n, C) of `probabilities`."""
        return decoding.log_odds(logits, head.legal_sets(self.head.taxonomy), self.head.raised)
