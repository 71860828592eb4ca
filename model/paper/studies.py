"""What studies of many trainings share: who trains and who judges, a smaller budget, averages.

A study never changes a recipe beyond what it says, and keeps what is done in JSON that is replaced
whole, so that it can be stopped at any time and gone on with.
"""

from __future__ import annotations

import json
import statistics
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from model.errors import InputError
from model.events import to_line
from model.output_files import write_text
from model.runs.recipes import NEVER, Recipe
from model.shots.table import EVALUATION, TRAINING, UNDECIDED, ShotTable
from model.training.roles import in_hard_error
from model.training.split import stratified_choice


def with_split(table: ShotTable, training: int, seed: int, judging: int = 0) -> ShotTable:
    """The table with `training` of its usable shots, each class in proportion, to train on and
    `judging` of the others (0: all of them) to judge by; as it is for `training` 0.

    InputError where there are too few. Shots that do neither count as not labelled.
    """
    if not training:
        return table
    usable = np.flatnonzero(table.labelled & ~in_hard_error(table))
    if training < 0:
        raise InputError(f"{training} training shots cannot be", mend="Give a number from 1 up.")
    if training + max(judging, 1) > len(usable):
        left = f"{judging} of {len(usable)}" if judging else f"any of {len(usable)}"
        what = f"{training} training shots do not leave {left} to judge by"
        file = table.sources[0].path if table.sources else None
        raise InputError(what, file=file, mend="Ask for fewer, or give more labelled shots.")
    role = np.full(len(table), UNDECIDED, np.uint8)
    chosen = stratified_choice(table.labels[usable], training, seed)
    others = np.delete(usable, chosen)
    judges = stratified_choice(table.labels[others], judging or len(others), seed)
    role[usable[chosen]], role[others[judges]] = TRAINING, EVALUATION
    return replace(table, role=role, labelled=table.labelled & (role != UNDECIDED))


def thinned(table: ShotTable, share: float, seed: int) -> ShotTable:
    """The table with a share of its training shots, drawn uniformly (paper, section 5.2).

    The evaluation shots stay the same; of the same seed a smaller share lies within a larger one.
    """
    rows = np.flatnonzero(table.labelled & (table.role == TRAINING))
    keep = round(share * len(rows))
    if keep < 1:
        raise InputError(f"{share:g} of {len(rows)} training shots is none", mend="Use more shots.")
    dropped = np.random.default_rng([seed, 5]).permutation(rows)[keep:]
    labelled, role = table.labelled.copy(), table.role.copy()
    labelled[dropped], role[dropped] = False, UNDECIDED
    return replace(table, labelled=labelled, role=role)


def at_budget(recipe: Recipe, epochs: int, size: int) -> Recipe:
    """The recipe for another number of epochs at another size.

    Milestones move along with the number of epochs, so that a schedule keeps its shape; a crop at
    another size than the recipe's is left out.
    """
    share = epochs / recipe.epochs
    return replace(
        recipe,
        epochs=epochs,
        size=size,
        small=min(recipe.small, size),
        first=0,
        crop=0,
        steps=0,
        patience=0,
        milestones=tuple(max(1, round(m * share)) for m in recipe.milestones),
    )


def judged_once(recipe: Recipe) -> Recipe:
    """The recipe where the shots that judge a study must not choose its epoch: one that keeps no
    shots aside for that looks at none before its end."""
    return recipe if recipe.tuning else replace(recipe, evaluate_every=NEVER)


def mean_and_spread(values: Iterable[float | None]) -> tuple[float, float] | None:
    """Mean and standard deviation (0 of a single one) of the values that are there."""
    known = [v for v in values if v is not None]
    if not known:
        return None
    return statistics.mean(known), statistics.stdev(known) if len(known) > 1 else 0.0


def read_json(path: Path) -> dict[str, Any]:
    """What `write_json` kept; {} where there is nothing yet. InputError where it is damaged."""
    if not path.is_file():
        return {}
    try:
        found: dict[str, Any] = json.loads(path.read_text("utf-8"))
    except ValueError as error:
        mend = "Delete it: what it held is made again."
        raise InputError(f"is damaged ({error})", file=path, mend=mend) from error
    return found


def write_json(path: Path, value: dict[str, Any]) -> None:
    """Replace the file by this value, whole or not at all."""
    write_text(path, json.dumps(json.loads(to_line(value)), indent=1))
