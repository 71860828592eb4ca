"""What the window needs of a freshly opened project: who labels here, and what is decided."""

from __future__ import annotations

import getpass
from typing import Any

import numpy as np

from labeler.decisions import LABELLED, Decisions


def annotator_of(project: Any) -> int:
    """The id of the person who labels: the project's first human, else one made of the login."""
    for annotator in project.store.annotators():
        if annotator.kind == "human":
            return int(annotator.id)
    return int(project.store.annotator(person(), kind="human"))


def person() -> str:
    """The login name, or a plain word where the system has none."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return "annotator"


def decisions_of(project: Any, annotator: int) -> Decisions:
    """The person's decisions over those of every annotator that came with a file."""
    n = project.n_shots
    decided = Decisions.none(n)
    for other in project.store.annotators():
        if other.kind == "human":
            continue
        state = project.store.load_state(other.id)
        theirs = (state.status & LABELLED) > 0
        decided.file_present[theirs] = state.present[theirs]
        decided.file_status[theirs] |= np.uint8(LABELLED)
    own = project.store.load_state(annotator)
    decided.put(np.arange(n), own.present, own.status)
    return decided
