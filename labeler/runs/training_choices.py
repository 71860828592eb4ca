"""What a person may choose for a training, in words, and how long it will take.

Knows no Qt and never loads torch; what the choices mean is decided in `model.runs.recipes` and
`model.networks.table`.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from labeler.project.decisions import Decisions, Tally, judged
from labeler.project.store.records import LABELLED
from labeler.runs.run_report import RunReport
from model.errors import counted
from model.networks.table import NETWORKS
from model.runs import recipes
from model.taxonomy.taxonomy import Taxonomy
from model.training.split import FEWEST

QUICK = "quick"
"""The recipe behind the Retrain button."""
FEWEST_CLASSES = 2
"""This many classes must occur, or there is nothing to tell apart."""


WORDS = {
    "quick": "Quick · a usable network in minutes",
    "best": "Best · full detail, takes much longer",
    "paper": "As the paper · Zimmermann et al. 2019",
    "airynet": "As the authors' code · airynet",
}

SECONDS_PER_SHOT = 0.115
"""One training step for one shot: ResNet-18, 224 pixels, two CPU cores."""
SECONDS_PER_PREDICTION = 0.045
"""Predicting one shot with all its heatmaps, the same network and machine."""


@dataclass(frozen=True)
class TrainingOrder:
    """What to train: a recipe, and where it is not the recipe's own, the network and epochs.

    `warm_start` is the number of the run whose network is the first one; 0: as the recipe says.
    """

    recipe: str = QUICK
    network: str = ""
    epochs: int = 0
    warm_start: int = 0

    @property
    def arguments(self) -> list[str]:
        """For the command line of `airylabel train`."""
        words = ["--recipe", self.recipe]
        words += ["--network", self.network] if self.network else []
        words += ["--epochs", str(self.epochs)] if self.epochs else []
        return words + (["--warm-start", str(self.warm_start)] if self.warm_start else [])

    def comes_to(self, shots: int) -> tuple[str, int]:
        """The network and the number of epochs of a training on this many shots."""
        recipe = recipes.named(self.recipe)
        return self.network or recipe.network, self.epochs or recipe.epochs_for(shots)


def own_start(order: TrainingOrder) -> str:
    """Where a training begins if no run is chosen, in words."""
    recipe = recipes.named(order.recipe)
    if recipe.backbone and (order.network or recipe.network) == recipe.network:
        return "Pre-trained"
    return "Chance"


def possible_starts(order: TrainingOrder, runs: Iterable[RunReport]) -> list[RunReport]:
    """Runs whose network is of the kind that the order asks for, the newest first."""
    recipe = recipes.named(order.recipe)
    kind = order.network or recipe.network, recipe.activation
    return [run for run in runs if run.has_network and (run.network, run.activation) == kind]


def more_labels(fewest: int, labelled: int, shots: int, what: str) -> str:
    """What to do where something takes more labels: label more of the shots of the project, or, if
    it has not so many, add some."""
    if shots < fewest:
        return f"Add a file of shots: {fewest} are needed {what}"
    return f"Label {counted(fewest - labelled, 'more shot')} {what}"


def lacking(taxonomy: Taxonomy, tally: Tally, shots: int) -> str:
    """What is still needed before a training makes sense in a project of so many shots, in words;
    '' where nothing is."""
    usable, occurring = tally.usable(taxonomy)
    if usable < FEWEST:
        return more_labels(FEWEST, usable, shots, "to train a network")
    if occurring.sum() < FEWEST_CLASSES:
        return f"Label shots of {FEWEST_CLASSES} different classes to train a network"
    return ""


def usable_shots(taxonomy: Taxonomy, labels: Decisions) -> npt.NDArray[np.intp]:
    """Rows that a training would use: decided and breaking no hard rule."""
    decided = np.flatnonzero(labels.status & LABELLED)
    sets = labels.present[decided], labels.known[decided]
    return decided[~judged(taxonomy.contradictions, taxonomy, *sets)]


def expected_seconds(
    order: TrainingOrder, labelled: int, shots: int, runs: Iterable[RunReport]
) -> float:
    """How long training and predicting will take: from the newest run alike, else an estimate."""
    network, epochs = order.comes_to(labelled)
    cost = NETWORKS[network].cost if network in NETWORKS else 1.0
    cost *= (recipes.named(order.recipe).size / 224) ** 2 * 2 / max(os.cpu_count() or 2, 2)
    each = cost * SECONDS_PER_SHOT
    for run in runs:
        alike = (run.recipe, run.network, run.state) == (order.recipe, network, "finished")
        if alike and run.seconds and run.shots and run.epochs:
            each = run.seconds / (run.shots * run.epochs)
            break
    return each * labelled * epochs + cost * SECONDS_PER_PREDICTION * shots


def duration(seconds: float) -> str:
    """A duration as people say it: '40 s', '3 min', '1 h 20 min', '2 days'."""
    if seconds < 59.5:
        return f"{max(1, round(seconds))} s"
    minutes = round(seconds / 60)
    if minutes < 60:
        return f"{minutes} min"
    if minutes < 48 * 60:
        hours, rest = divmod(minutes, 60)
        return f"{hours} h {rest} min" if rest and hours < 10 else f"{round(minutes / 60)} h"
    return f"{round(minutes / 1440)} days"
