"""What a project's labels say about the labels to come: the next shots to ask for, the forecast.

Joins the project's labels and the embeddings that it stands on with `model.active.selection` and
`model.active.forecast`. Qt-free; changes nothing in the project.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from labeler.active import embeddings
from labeler.active.messages import EmbeddingSource
from labeler.project.project import Project
from labeler.project.store.records import passed_over
from model.active import head, selection
from model.active.audit import DRAW, Fraction, fractions
from model.active.forecast import Forecast, forecast
from model.active.prior import Prior
from model.errors import InputError
from model.runs.prior import prior_of
from model.shots.table import ShotTable

SEEN = (
    "It is too hopeful: the network that reads the shots was trained on these labels, and the "
    "shipped one has not read them (airylabel embed)."
)


@dataclass(frozen=True)
class Evidence:
    """Embeddings (N, D), NaN where a shot has none; labels (N, C) where labelled (N,); prior.

    `decided` (N, C): which of the labels someone decided on. `passed_over` (N,): skipped, so not to
    be asked for. `seen`: the network was trained on such labels.
    """

    embeddings: npt.NDArray[np.float16]
    labels: npt.NDArray[np.bool_]
    labelled: npt.NDArray[np.bool_]
    decided: npt.NDArray[np.bool_]
    passed_over: npt.NDArray[np.bool_]
    prior: Prior | None
    space: head.Space
    seen: bool


def known(project: Project, unseen: bool = False) -> Evidence:
    """Everything the instant head of a project learns from.

    `unseen`: rather from a network that saw none of the labels. Raises InputError where no network
    has read its shots yet.
    """
    merged = project.merged_state()
    table = project.shot_table(merged)
    source = _source(project, table, unseen)
    found = embeddings.embeddings(source)
    readable = np.isfinite(found.sum(1, dtype=np.float32))
    every = found if readable.all() else found[readable]
    prior = prior_of(source.network, project.taxonomy, every)
    space = head.space_of(every)
    seen = source.predictions is not None
    labels, decided = table.labels.astype(bool), table.decided
    labelled, skipped = table.labelled & readable, passed_over(merged.status)
    return Evidence(
        embeddings=found,
        labels=labels,
        labelled=labelled,
        decided=decided,
        passed_over=skipped,
        prior=prior,
        space=space,
        seen=seen,
    )


def _source(project: Project, table: ShotTable, unseen: bool = False) -> EmbeddingSource:
    """See `embeddings.source_of`; InputError where no network has read the shots."""
    source = embeddings.source_of(project, table, unseen=unseen)
    if source.predictions is None and not embeddings.share_there(source.parts):
        raise InputError(
            "no network has read these shots yet",
            file=project.folder,
            mend=f"First: airylabel embed {project.name}",
        )
    return source


def next_shots(
    project: Project, strategy: str, n: int, *, audit: float = 0.1, seed: int = 0
) -> selection.Asked:
    """Which shots to label next and why, by the head fitted on the labels so far.

    `seed` is that of the strategy; a project has one random draw, whose checks count.
    """
    has = known(project)
    made = head.fit(
        has.embeddings[has.labelled], has.labels[has.labelled], project.taxonomy,
        prior=has.prior, space=has.space, known=has.decided[has.labelled],
    )  # fmt: skip
    askable = made.probabilities(has.embeddings)
    askable[has.passed_over] = np.nan
    return selection.ask(
        strategy, askable, has.embeddings, has.labelled, has.labels,
        project.taxonomy, n, audit=audit, seed=seed, draw=DRAW,
    )  # fmt: skip


def forecast_for(project: Project, more: int = 100) -> Forecast:
    """What `more` labels on top of those so far would buy; InputError below 40 labels.

    By the shipped network where it has read all shots, for a run has seen the labels that judge it;
    otherwise by the run in use, and the text says so.
    """
    has = known(project, unseen=True)
    rows = has.labelled
    made = forecast(
        has.embeddings[rows], has.labels[rows], project.taxonomy,
        prior=has.prior, space=has.space, more=more, known=has.decided[rows],
    )  # fmt: skip
    return replace(made, stop=False, text=f"{made.text} {SEEN}") if has.seen else made


def class_fractions(project: Project) -> tuple[Fraction, ...]:
    """The share of all shots that shows each class, from the random checks alone.

    Shots that no network could read are left out of "all", and those that the person skipped: the
    checks pass over them too. Suggestions accepted together count, and it is said how many.
    """
    merged = project.merged_state()
    table = project.shot_table(merged)
    try:
        found = np.isfinite(embeddings.embeddings(_source(project, table)))
        askable = np.asarray(found.all(1), bool)
    except InputError:  # no one has read them: then all count
        askable = np.ones(len(table), bool)
    askable &= ~passed_over(merged.status)
    return fractions(
        table.labels.astype(bool), table.labelled, table.class_names, DRAW,
        askable=askable, known=table.decided, file_of=table.source_of,
        came=table.came, together=project.labelled_together(),
    )  # fmt: skip
