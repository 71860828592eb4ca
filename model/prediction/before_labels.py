"""What a shipped network says of an experiment's shots before any of them is labelled.

It learnt simulated shots; once all shots are read, its head is adapted to them (`active.prior`) and
answers as the instant head does without a label, so that files say what the window shows.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import h5py
import numpy as np

from model.active import head
from model.active.prior import FEWEST
from model.runs.checkpoint import same_classes
from model.runs.prior import expected_of, prior_of
from model.shots.table import ShotTable
from model.taxonomy.taxonomy import Taxonomy
from model.taxonomy.toml import load, shipped

MOST = 40_000
"""Shots whose embeddings are looked at."""
_AT_ONCE = 16_384


def answer_again(
    file: h5py.File, run: Path, table: ShotTable, class_names: Sequence[str]
) -> str | None:
    """Replace logits, probabilities, decided and thresholds of a whole predictions file by those of
    the adapted head; what was done in words, None for a network that is not shipped.

    Heatmaps stay those of the network's own head.
    """
    if expected_of(run, tuple(class_names)) is None:
        return None
    taxonomy = _taxonomy(table, class_names)
    readable = np.asarray(file["readable"][()], bool)
    step = max(1, -(-len(readable) // MOST))
    seen = file["embeddings"][::step][readable[::step]]
    if taxonomy is None or not len(seen):
        return None
    none = np.zeros((0, len(taxonomy)), bool)
    made = head.fit(
        seen[:0], none, taxonomy,
        prior=prior_of(run, taxonomy, seen), space=head.space_of(seen.astype(np.float32)),
    )  # fmt: skip
    for first in range(0, len(readable), _AT_ONCE):
        part = slice(first, first + _AT_ONCE)
        x, fine = file["embeddings"][part], readable[part][:, None]
        probabilities = made.probabilities(x)
        file["logits"][part] = np.where(fine, made.logits(x), np.nan)
        file["probabilities"][part] = np.where(fine, probabilities, np.nan)
        file["decided"][part] = made.decided(probabilities) & fine
    file.attrs.modify("thresholds", made.thresholds)
    if len(seen) < FEWEST:
        return (
            f"{len(seen)} of the {FEWEST} shots that it takes to fit the shipped network to an"
            " experiment: each was read by itself, as if it were a simulated one."
        )
    return "The shipped network, which learnt simulated shots, was fitted to these without labels."


def _taxonomy(table: ShotTable, class_names: Sequence[str]) -> Taxonomy | None:
    for found in (table.taxonomy, load(shipped("helium"))):
        if found is not None and same_classes(found.names, class_names):
            return found
    return None
