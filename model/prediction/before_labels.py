"""What a shipped network says of an experiment's shots before any of them is labelled.

It learnt simulated shots; once all shots are read, its head is adapted to them (`active.prior`) and
answers as the instant head does without a label, so that files say what the window shows.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import h5py
import numpy as np
import numpy.typing as npt

from model.active import head
from model.active.prior import FEWEST
from model.runs.prior import expected_of, prior_of
from model.shots.table import ShotTable
from model.taxonomy.same_classes import are_same
from model.taxonomy.taxonomy import Taxonomy
from model.taxonomy.toml import load, shipped

MOST = 40_000
"""Shots whose embeddings are looked at."""
_AT_ONCE = 16_384


def answer_again(file: h5py.File, run: Path, table: ShotTable, theirs: Taxonomy) -> str | None:
    """Replace logits, probabilities, decided and thresholds of a whole predictions file by those of
    the adapted head; what was done in words, None for a network that is not shipped.

    Heatmaps stay those of the network's own head.
    """
    if expected_of(run, theirs.names) is None:
        return None
    readable = np.asarray(file["readable"][()], bool)
    step = max(1, -(-len(readable) // MOST))
    seen = file["embeddings"][::step][readable[::step]]
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


def adapted_head(
    run: Path,
    given: Taxonomy | None,
    theirs: Taxonomy,
    seen: npt.NDArray[np.float16],
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
    made: head.Head, embeddings: npt.NDArray[np.float16], readable: npt.NDArray[np.bool_]
) -> dict[str, npt.NDArray[Any]]:
    """logits, probabilities and decided (n, C) of a head, by dataset name; without a number and
    without a class where a shot is not readable."""
    probabilities, fine = made.probabilities(embeddings), readable[:, None]
    return {
        "logits": np.where(fine, made.logits(embeddings), np.nan),
        "probabilities": np.where(fine, probabilities, np.nan),
        "decided": made.decided(probabilities) & fine,
    }
