"""The preparation of a project's shots: which steps are on, and the shots they refer to.

The steps are kept in the project's store, what they refer to in `preparation.npz` beside it. The
next training takes both along; runs made before keep their own. No Qt and no SQL here.
"""

from __future__ import annotations

from collections.abc import Generator, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from labeler.project.project import Project
from model.errors import InputError
from model.events import Event, Stop, event, never
from model.preprocessing.preparation import Preparation, Reference, flat_factor, reference_of
from model.runs.folder import is_shipped
from model.shots.layouts import Geometry
from model.shots.table import open_source

META, FILE = "preparation", "preparation.npz"
MOST = 512
"""Shots that a reference is made of; more would tell no more of a detector."""

Counts = npt.NDArray[Any]


def preparation_of(project: Project) -> Preparation:
    """What the project does to its shots; nothing where no one switched anything on.

    InputError where what it refers to is missing or damaged.
    """
    kept = project.store.get_meta(META)
    if not isinstance(kept, dict):
        return Preparation()
    made = Preparation.from_dict(kept)
    if not made.needs_reference:
        return made
    return Preparation.from_dict(kept, Reference.load(project.folder / FILE))


def preparation_for(project: Project, run: Path) -> Preparation | None:
    """What a network is to see of the project's shots: a shipped one, which learnt without any
    preparation, the shots as the project prepares them; None for a run, which keeps its own."""
    return preparation_of(project) if is_shipped(run) else None


def prepare_project(
    project: Project,
    steps: Preparation,
    background: Path | str | None = None,
    *,
    stop: Stop = never,
) -> Iterator[Event]:
    """Switch these steps on and all others off; ends in `finished` or `cancelled`.

    background: a file of background shots, or the name of a class whose labelled shots are such;
    without one, bad pixels are told from the project's own shots. Raises InputError where a step
    lacks what it needs; the project then stays as it was.
    """
    if steps.stray_light == "shots" and background is None:
        mend = "Name a file of them, or a class such as Empty."
        raise InputError("subtracting background shots needs background shots", mend=mend)
    if steps.flat_detector:
        for info in project.sources:
            _check_geometry(info.path, info.shape, info.geometry)
    if steps.needs_reference:
        reference = yield from _reference(project, background, stop)
        if reference is None:
            yield event("cancelled", text="Stopped; the preprocessing stays as it was.")
            return
        _check_shapes(project, reference)
        reference.save(project.folder / FILE)
        steps = replace(steps, reference=reference)
    project.store.set_meta(META, steps.to_dict())
    text = f"Preprocessing: {steps.words()}. The next training uses it."
    yield event("finished", metrics={}, text=text, steps=steps.to_dict())


def _check_geometry(path: Path, shape: tuple[int, int], geometry: Geometry) -> None:
    try:
        flat_factor(shape, ((shape[0] - 1) / 2, (shape[1] - 1) / 2), geometry)
    except InputError as error:
        mend = "Add distance_m and pixel_m to the file's attributes, or leave the step off."
        raise InputError(error.what, file=path, mend=mend) from error


def _check_shapes(project: Project, reference: Reference) -> None:
    for info in project.sources:
        if info.shape != reference.mean.shape:
            what = f"its shots have shape {info.shape}, those referred to {reference.mean.shape}"
            raise InputError(what, file=info.path, mend="Name background shots of this detector.")


def _reference(
    project: Project, background: Path | str | None, stop: Stop
) -> Generator[Event, None, Reference | None]:
    """Progress events; returns the reference, or None where it was stopped."""
    shots, total = _background(project, background)
    stopped = False

    def until_stopped() -> Iterator[Counts]:
        nonlocal stopped
        for shot in shots:
            if stopped := stop():
                return
            yield shot

    yield event("progress", what="reading background shots", done=0, total=total)
    made = reference_of(until_stopped()) if not stop() else None
    yield event("progress", what="reading background shots", done=total, total=total)
    return None if stopped else made


def _background(project: Project, background: Path | str | None) -> tuple[Iterator[Counts], int]:
    """The shots to refer to, and how many."""
    if background is None:
        rows = np.arange(project.n_shots)
    elif str(background) in project.taxonomy.names:
        rows = _labelled(project, str(background))
    else:
        return _of_file(Path(background))
    if len(rows) > MOST:
        rows = np.sort(np.random.default_rng(0).choice(rows, MOST, replace=False))
    shots = project.shot_table().iter_shots(rows, lambda row, error: None)
    return (counts for _, counts, _ in shots), len(rows)


def _labelled(project: Project, name: str) -> npt.NDArray[np.int64]:
    table = project.shot_table()
    column = table.class_names.index(name)
    rows = np.flatnonzero(table.labelled & (table.labels[:, column] > 0))
    if not len(rows):
        what = f"no shot is labelled {name}, so there are no background shots of that class"
        raise InputError(what, mend="Label some, or name a file of background shots.")
    return rows


def _of_file(path: Path) -> tuple[Iterator[Counts], int]:
    with open_source(path) as source:
        total = min(source.info.n_shots, MOST)

    def read() -> Iterator[Counts]:
        with open_source(path) as source:
            for i in range(total):
                yield np.asarray(source.read(i))

    return read(), total
