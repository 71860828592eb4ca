"""Simulated readers for the demo's pictures of agreement and drift. Never for a real project.

They say so in their names. What they decide are the labels of the project with mistakes drawn from
a seed: a neighbouring class in place of the right one, or a class overlooked.
"""

from __future__ import annotations

import time

import numpy as np

from labeler.project.project import Project
from labeler.project.store import LABELLED
from labeler.quality import repeats
from model.taxonomy.taxonomy import Labels

READERS = {"first reader (simulated)": 0.04, "second reader (simulated)": 0.12}
"""Name -> share of class decisions that are taken otherwise."""
SECOND_READINGS = 0.4
SEED = 7


def add(project: Project, annotator: int) -> None:
    """Readers beside `annotator`, who also reads some shots twice; labels of all three."""
    rng = np.random.default_rng(SEED)
    merged = project.merged_state(annotator)
    rows = np.flatnonzero(merged.labelled)
    right = project.taxonomy.unpack(merged.present[rows])
    own = project.taxonomy.pack(right)
    status = np.full(len(rows), LABELLED, np.uint8)
    project.store.record(annotator, rows, own, status, origin="accepted")
    for name, slips in READERS.items():
        reader = project.store.annotator(name)
        said = project.taxonomy.pack(_with_slips(project, right, slips, rng))
        project.store.record(reader, rows, said, status, origin="key")
    again = repeats.repeat_annotator(project, annotator)
    chosen = np.flatnonzero(rng.random(len(rows)) < SECOND_READINGS)
    second = project.taxonomy.pack(_with_slips(project, right[chosen], 0.08, rng))
    for k, bits in zip(chosen.tolist(), second.tolist(), strict=True):
        about = {repeats.KIND: {"at": time.time(), "first": int(own[k])}}
        shot, held = np.array([rows[k]]), np.array([bits], np.int64)
        project.store.record(again, shot, held, status[:1], origin=repeats.KIND, shown=about)


def _with_slips(project: Project, right: Labels, slips: float, rng: np.random.Generator) -> Labels:
    """(n, C) label sets where some shots got a class more or less, completed by the rules."""
    said = right.copy()
    for k in np.flatnonzero(rng.random(len(right)) < slips * 4):
        said[k] = project.taxonomy.toggle(said[k], int(rng.integers(right.shape[1])))
    return said
