"""A training of a project, from its labelled shots to a run that may take the place of the old one.

What is in use changes here only, as `model.runs.promotion` finds on the shots that judge: to the
first run of a project, which brings heat, unless too few shots judge, or it is significantly worse
than the instant model that suggested labels until then, or below a constant answer; to a later one,
where that was asked for, if it scores no lower than the run in use. Never to one that was
cancelled. Else a person is told, and chooses.
"""

from __future__ import annotations

import os
from collections.abc import Generator, Iterator
from dataclasses import dataclass, replace
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from labeler.project.folder import CACHE
from labeler.project.preparation import preparation_of
from labeler.project.project import Project
from labeler.runs.before_first_run import answers_before
from labeler.runs.judging_shots import checks_for
from labeler.runs.predictions import RunPredictions
from model.active import suspicious
from model.errors import InputError
from model.events import Event, Stop, event, never, to_line
from model.output_files import append_line
from model.prediction import embedding_file
from model.prediction.predict import predict
from model.preprocessing.preparation import Preparation
from model.processes import is_helper
from model.runs.folder import EVENTS, PREDICTIONS, RESUME
from model.runs.judges import judges_of
from model.runs.prior import prior_of
from model.runs.promotion import Answers, Verdict, compare_files, only
from model.runs.recipes import Recipe, shipped_network
from model.shots.table import ShotTable
from model.training.roles import marks_of, with_roles
from model.training.train import Options, train

DOUBTED = 2000
"""Labelled shots that are looked at for doubtful labels before a training: seconds."""
_FOLDER = "AIRYLABEL_RUN_FOLDER"
"""Environment variable by which the first of several training processes tells the others."""


@dataclass(frozen=True)
class TrainingRequest:
    """What is asked of a training besides its recipe.

    `out` is the run folder, else the next of the project, or with `resume` that of the last
    training that was interrupted; `warm_start` a run by its number or folder; `promote`: use the
    new run if it is no worse than the one in use.
    """

    seed: int = 0
    devices: str | None = None
    resume: bool = False
    warm_start: Path | None = None
    out: Path | None = None
    promote: bool = False


def train_project(
    folder: Path, recipe: Recipe, request: TrainingRequest, stop: Stop
) -> Iterator[Event]:
    """Train, predict all shots, and put the new run to use where it may be; see `train`."""
    with Project.open(folder) as project:
        project.refuse_changed()
        before = replace(project.shot_table(), together=project.labelled_together()).offered()
        status, readable = project.merged_state().status, _readable(project, len(before))
        checks = checks_for(marks_of(before), status, readable)
        table = with_roles(before, request.seed, checks=checks)
        decided = np.flatnonzero(table.role != before.role)
        project.store.set_roles(decided, table.role[decided])
        out = request.out or _run_folder(project, request.resume)
        warm = project.run_given(request.warm_start) if request.warm_start else None
        cache, preparation = project.folder / CACHE, preparation_of(project)
    options = Options(
        request.seed, request.devices, request.resume, warm, cache, checks, preparation
    )
    trained: Event = {}
    yield from _doubts(table, cache, preparation)
    for item in train(table, recipe, out, stop=stop, options=options):
        if item["event"] in ("finished", "cancelled") and item.get("run"):
            trained = item
        else:
            yield item
    if not trained:
        return
    stop = stop if trained["event"] == "finished" else never
    yield from _predicted(table, out, stop)
    made = dict(trained)
    if (out / PREDICTIONS).is_file():
        made |= {"predictions": str(out / PREDICTIONS)}
        cancelled = trained["event"] == "cancelled"
        made |= yield from _put_to_use(folder, table, out, request.promote, stop, cancelled)
    last = event(made.pop("event"), **{k: v for k, v in made.items() if k != "time"})
    append_line(out / EVENTS, to_line(last))
    yield last


def _doubts(table: ShotTable, cache: Path, preparation: Preparation) -> Iterator[Event]:
    """A note where labels of a class are often doubted, where the shipped network, which never saw
    them, has read all shots already."""
    network = shipped_network()
    parts = embedding_file.parts_of(table, network, cache, preparation=preparation)
    if is_helper() or find_spec("cleanlab") is None or not all(p.is_there for p in parts):
        return
    x = embedding_file.read(parts, len(table))
    if x is None:  # a damaged part is one that is not there
        return
    assert table.taxonomy is not None  # a project has one
    fine = np.flatnonzero(table.labelled & np.isfinite(x).all(1))
    rows = np.random.default_rng(0).permutation(fine)[:DOUBTED]
    if len(rows) < suspicious.FEWEST:
        return
    labels, known = table.labels[rows].astype(bool), table.decided[rows]
    prior = prior_of(network, table.taxonomy, x[np.isfinite(x).all(1)])
    found = suspicious.find(x[rows], labels, table.taxonomy, known=known, prior=prior)
    often = suspicious.often_doubted(found, labels & known, surely=True)
    if text := suspicious.in_words(often, table.class_names):
        text += " They train as they are; look at them: Quality, Suspicious."
        yield event("note", level="warning", text=text)


def _readable(project: Project, n: int) -> npt.NDArray[np.bool_] | None:
    """(n,) shots that the network in use could read; None where there is none, or it read none."""
    run = project.current_run
    if run is None:
        return None
    try:
        path = project.run_folder(run) / PREDICTIONS
        return RunPredictions.open(path, project.taxonomy, n).readable
    except InputError:
        return None


def _predicted(table: ShotTable, out: Path, stop: Stop) -> Iterator[Event]:
    """Predict all shots; a training that was cancelled still becomes a usable run, unless the
    parent of this process is gone, which then ends it."""
    for item in predict(table, out, out / PREDICTIONS, stop=stop, classes=table.classes):
        if item["event"] == "failed":
            text = f"The network is trained, but reading the shots failed: {item['text']}"
            yield event("note", level="warning", text=text)
        elif item["event"] not in ("finished", "cancelled"):
            yield item


def _put_to_use(
    folder: Path,
    table: ShotTable,
    out: Path,
    promote: bool,
    stop: Stop,
    cancelled: bool = False,
) -> Generator[Event, None, dict[str, Any]]:
    """Make the run the current one where it may be, see above."""
    if not out.name.isdecimal():
        return {}
    number = int(out.name)
    with Project.open(folder) as project:
        current = project.current_run
        used = None if current is None else project.run_folder(current) / PREDICTIONS
        cache, preparation = project.folder / CACHE, preparation_of(project)
    if current == number:  # it went on after an interruption
        return {"current": True, "comparison": None}
    judges = judges_of(out, table.role, table.together)
    rows = judges.rows[table.labelled[judges.rows]]
    old: Path | Answers | None
    if used is not None and used.is_file():
        name, old = f"run {current}", used
    else:
        name, old = yield from answers_before(table, rows, cache, preparation, stop)
    assert table.taxonomy is not None  # a project has one
    verdict = None if old is None else compare_files(
        old, out / PREDICTIONS, table.labels.astype(bool), rows, table.taxonomy, table.decided,
        judges.words,
    )  # fmt: skip
    if old is None:
        against = f"the comparison with {name} was stopped"
    elif verdict is None:
        against = only(0)
    else:
        against = verdict.against_first if current is None else verdict.against
    use = not (against or cancelled) and (promote or current is None)
    if cancelled:
        against = "its training was cancelled"
    if use:
        with Project.open(folder) as project:
            project.current_run = number
    return {
        "current": use,
        "comparison": None if verdict is None else verdict.to_dict(),
        "decision": _in_words(number, use, name, verdict, against),
    }


def _in_words(number: int, use: bool, before: str, verdict: Verdict | None, against: str) -> str:
    """What became of a run, with both figures, and why where it is not in use."""
    said = f"Run {number} is in use" if use else f"Run {number} is not in use"
    said += f", because {against}" if against and not use else ""
    if verdict is not None:
        scores = f"macro F1 {verdict.new:.2f}, {before} {verdict.old:.2f}"
        said += f": {scores} ({verdict.judges})"
    return f"{said}."


def _run_folder(project: Project, resume: bool) -> Path:
    """A new run folder, or that of the last training that was interrupted."""
    if is_helper():
        return Path(os.environ[_FOLDER])
    folder = _interrupted(project) if resume else project.new_run_folder()
    os.environ[_FOLDER] = str(folder)
    return folder


def _interrupted(project: Project) -> Path:
    for run in reversed(project.runs()):
        if (run.folder / RESUME).is_file():
            return run.folder
    raise InputError(
        "no training of this project was interrupted",
        file=project.folder,
        mend="Leave out --resume to train again.",
    )
