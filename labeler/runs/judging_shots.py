"""Which shots will judge the next training: the same for a training and for what is said before it.

Imports no torch.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from labeler.project.decisions import Decisions
from labeler.project.project import Project
from labeler.project.store.records import LABELLED, Flags, Status, passed_over
from labeler.runs.training_choices import usable_shots
from model.training.roles import Marks, number_judging, random_checks


def checks_for(marks: Marks, status: Status, readable: Flags | None) -> npt.NDArray[np.int64]:
    """The shots of a random draw that judge as soon as they are labelled, in its order; skipped
    ones, of the status (N,), and those that the network in use could not read (N,) are passed over.
    None where all labels are a random draw."""
    askable = ~passed_over(status)
    if readable is not None:
        askable &= marks.labelled | readable
    return random_checks(marks, askable)


def number_to_judge(project: Project, labels: Decisions, readable: Flags | None) -> int:
    """How many shots a training would be judged on that begins now, by these labels.

    readable (N,): shots that the network in use could read; None where there is none.
    """
    n = len(labels.status)
    usable = np.zeros(n, bool)
    usable[usable_shots(project.taxonomy, labels)] = True
    counts = [info.n_shots for info in project.sources]
    file_of = np.repeat(np.arange(len(counts)), counts)
    labelled, together = (labels.status & LABELLED) > 0, project.labelled_together()
    came = labelled & ((labels.own_status & LABELLED) == 0)
    marks = Marks(labelled, usable, together, project.store.roles(), file_of, came)
    return number_judging(marks, checks_for(marks, labels.status, readable))
