"""Which embeddings a project's instant learning, map and neighbours stand on.

Those of the run in use; before the first run, those of the shipped network in the project's cache.
It computes nothing and loads no network.
"""

from __future__ import annotations

import logging
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from labeler.active.messages import EmbeddingSource
from labeler.project.folder import CACHE
from model.errors import InputError, counted
from model.prediction import embedding_file as embedding_parts
from model.prediction.before_labels import Halves, seen_by
from model.prediction.embedding_file import Part
from model.runs.folder import EXPECTED
from model.runs.prediction_file import open_predictions
from model.runs.recipes import shipped_network

if TYPE_CHECKING:
    from labeler.project.project import Project
    from labeler.runs.predictions import RunPredictions
    from model.shots.table import ShotTable

log = logging.getLogger(__name__)


def source_on(
    run: RunPredictions | None, project: Project, table: ShotTable, number: int = 0
) -> EmbeddingSource:
    """Those beside the predictions of a run; `of_cache` where there is none."""
    if run is None:
        return of_cache(project, table, number)
    return EmbeddingSource(number, project.taxonomy, project.n_shots, run.path.parent, run.path)


def of_cache(project: Project, table: ShotTable, number: int = 0) -> EmbeddingSource:
    """What the shipped network has read so far of the shots as the project prepares them: all of
    it, some parts, or nothing."""
    parts = tuple(parts_of(project, table))
    return EmbeddingSource(number, project.taxonomy, len(table), shipped_network(), parts=parts)


def source_of(project: Project, table: ShotTable, *, unseen: bool = False) -> EmbeddingSource:
    """`source_on` the run in use.

    `unseen`: the other way round where the shipped network has read all shots, for it saw none of
    the labels.
    """
    from labeler.runs.predictions import predictions_of  # the child needs no project

    if unseen:
        cache = of_cache(project, table)
        if share_there(cache.parts) == 1:
            return cache
    run, trouble = predictions_of(project)
    if trouble:
        log.warning("%s", trouble)
    return source_on(run, project, table)


def parts_of(project: Project, table: ShotTable) -> list[Part]:
    """Where the shipped network's embeddings of a project's shots lie, or will lie."""
    from labeler.project.preparation import preparation_of  # the child needs no database

    cache, steps = project.folder / CACHE, preparation_of(project)
    return embedding_parts.parts_of(table, shipped_network(), cache, preparation=steps)


def of_shipped(run: Path, project: Project, *, whole: bool = False) -> Halves | None:
    """(n, D) of a project's shots, NaN where one has none, if the run is the shipped network, or a
    copy of it, and has read any of them, or as `whole` all of them."""
    if not (run / EXPECTED).is_file():
        return None
    if (found := seen_by(run)) is not None or run.resolve() != shipped_network().resolve():
        return found
    table = project.shot_table()
    parts = parts_of(project, table)
    if whole and share_there(tuple(parts)) < 1:
        return None
    return embedding_parts.read(parts, len(table))


def share_there(parts: tuple[Part, ...]) -> float:
    """How much of the parts is on disk, in [0, 1]."""
    total = sum(p.stop - p.first for p in parts)
    return sum(p.stop - p.first for p in parts if p.is_there) / max(total, 1)


def embeddings(source: EmbeddingSource) -> npt.NDArray[np.float16]:
    """(N, D), NaN where a shot has none; InputError where there are none at all."""
    if source.predictions is None:
        found = embedding_parts.read(list(source.parts), source.n)
        if found is None:
            raise InputError("no shots have been read by a network yet")
        return found
    with open_predictions(source.predictions) as file:
        n = len(file["embeddings"])
        if n != source.n:
            what = f"holds embeddings of {counted(n, 'shot')}, and the project has {source.n:,}"
            mend = "Let the run read all shots again: airylabel predict PROJECT --run NUMBER."
            raise InputError(what, file=source.predictions, mend=mend)
        values = np.asarray(file["embeddings"][()], np.float16)
        values[~np.asarray(file["readable"][()], bool)] = np.nan
    return values
