"""Live shots and a project: what the project knows goes into a watch, what was kept comes back.

The hit finder is fitted on the project's labels; a record joins it as a source of shots, with the
predictions that were made live. No Qt here.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from labeler.project.project import Project
from labeler.project.store import StoredSource
from model.errors import InputError
from model.online.hitfinder import FEWEST, HitFinder, Labelled, fit
from model.runs.folder import PREDICTIONS
from model.shots.layouts import Geometry
from model.shots.table import ShotTable
from model.taxonomy.same_classes import place_among
from model.taxonomy.taxonomy import EMPTY

FOLDER = "live"
MOST = 1000
"""Labelled shots of either kind that the hit finder is fitted on."""


@dataclass(frozen=True)
class WatchSetup:
    """What a watch takes from labelled shots: their hit finder and geometry."""

    finder: HitFinder
    geometry: Geometry


def known_from(table: ShotTable, miss: float) -> WatchSetup:
    """Everything from a table of labelled shots, of which at most 2·`MOST` are read."""
    shots = _labelled(table)
    geometry = table.sources[0].geometry if table.sources else Geometry()
    return WatchSetup(fit(shots, miss), geometry)


def _labelled(table: ShotTable) -> Iterator[Labelled]:
    """Labelled shots with whether each is Empty; none where the classes have no Empty."""
    column = place_among(table.classes, EMPTY)
    if column < 0:
        return
    rng = np.random.default_rng(0)
    decided = table.decided[:, column]
    empty = decided & (table.labels[:, column] > 0)
    hits = decided & (table.labels.sum(1) > 0) & ~empty
    if min(empty.sum(), hits.sum()) < 2 * FEWEST:
        return
    rows = [rng.permutation(np.flatnonzero(kind))[:MOST] for kind in (empty, hits)]
    for row, counts, mask in table.iter_shots(np.concatenate(rows), on_error=lambda r, e: None):
        yield counts, mask, bool(empty[row])


@dataclass(frozen=True)
class Joined:
    """A record that became a source of a project."""

    source: StoredSource
    predicted: bool
    """Whether the run's predictions of the project cover its shots as well now."""

    @property
    def text(self) -> str:
        """For people."""
        read = ", with the predictions made live" if self.predicted else ""
        return f"{self.source.info.n_shots:,} live shots were added to the project{read}."


def join(project: Project, record: Path, run: Path | None = None) -> Joined:
    """Add a record as a source of shots; InputError where it is none, or is one already.

    With the folder of a run of the project whose predictions cover all shots so far, they are
    extended by those of the record, where the record was made by that run.
    """
    from model.online.record import mend

    if not mend(record):
        raise InputError("holds no shots", file=record, mend="Nothing to add.")
    before = project.shot_table()
    added = project.add_source(record, labels=False)
    place = None if run is None else run / PREDICTIONS
    if place is None or not place.is_file():
        return Joined(added, False)
    from model.online.joining import extend_predictions

    after = project.shot_table().fingerprint
    return Joined(added, extend_predictions(place, record, before.fingerprint, after))
