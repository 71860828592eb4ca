"""Which shots of a project: conditions as a person states them on the command line."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from labeler.project.project import Project
from labeler.project.store import FLAGGED
from labeler.project.store.records import Rows
from labeler.project.store.timeline import decided_when
from labeler.queue import queue as queues
from labeler.queue.facts import ShotFacts
from labeler.queue.filters import fits, meant
from labeler.runs.predictions import predictions_of
from labeler.shots.numbers import Numbers
from model.errors import InputError


@dataclass(frozen=True)
class Selection:
    """Which shots: all given conditions together. `rows` are numbers as on screen: '1-100,205'.

    `queue` is the name of a saved queue, or one condition as the window has it ("flagged").
    """

    having: tuple[str, ...] = ()
    lacking: tuple[str, ...] = ()
    rows: str = ""
    labelled: bool = False
    flagged: bool = False
    queue: str = ""

    def of(self, project: Project, annotator: int | None = None) -> Rows:
        """The rows that fit; InputError for an unknown class, and where none fits."""
        state = project.merged_state(annotator)
        chosen = np.ones(project.n_shots, bool)
        if self.rows:
            chosen[:] = False
            chosen[numbers(self.rows, project.n_shots)] = True
        for names, wanted in ((self.having, True), (self.lacking, False)):
            for column in project.taxonomy.columns(names):
                has = (state.present >> int(column)) & 1 > 0
                decided = state.labelled & ((state.known >> int(column)) & 1 > 0)
                chosen &= has & state.labelled if wanted else decided & ~has
        if self.labelled:
            chosen &= state.labelled
        if self.flagged:
            chosen &= (state.status & FLAGGED) != 0
        if self.queue:
            in_queue = np.zeros(project.n_shots, bool)
            in_queue[rows_of_queue(project, self.queue, annotator)] = True
            chosen &= in_queue
        found = np.flatnonzero(chosen)
        if not len(found):
            raise InputError("no shot fits", mend="Ask for less, or label some first.")
        return found


def numbers(text: str, n: int) -> Rows:
    """'1-3,7' as rows 0, 1, 2, 6; InputError where that is no list of shots of the project."""
    found: list[npt.NDArray[np.int64]] = []
    for part in text.replace(" ", "").split(","):
        first, dash, last = part.partition("-")
        ends = (first, last if dash else first)
        if not all(e.isdecimal() for e in ends) or not 1 <= int(ends[0]) <= int(ends[1]) <= n:
            mend = f"Write numbers from 1 to {n}, such as 1-100,205."
            raise InputError(f"{part!r} is no shot of this project", mend=mend)
        found.append(np.arange(int(ends[0]) - 1, int(ends[1])))
    return np.unique(np.concatenate(found))


def rows_of_queue(project: Project, name: str, annotator: int | None = None) -> Rows:
    """The shots of a saved queue, or of one condition; InputError where there is none such."""
    store = project.store
    who = project.annotator if annotator is None else annotator
    decided = project.merged_state(who)
    table = project.shot_table(decided)
    states = {a.name: a.id for a in store.annotators()}
    known = ShotFacts(
        decided=decided,
        taxonomy=project.taxonomy,
        predictions=predictions_of(project)[0],
        files=tuple(info.name for info in project.sources),
        source_of=table.source_of,
        numbers=Numbers(project.folder, project.sources),
        annotators=lambda: tuple(states),
        others=lambda other: store.load_state(states[other]),
        times=lambda: decided_when(store.database, who, project.n_shots),
    )
    saved = store.get_meta(queues.SAVED)
    saved = saved if isinstance(saved, dict) else {}
    if name in saved:
        return queues.build(queues.saved_one(saved, name, known), known)
    name = meant(name, known)
    if not fits(name, known):
        have = ", ".join(sorted(map(str, saved))) or "none yet"
        mend = f"Saved queues: {have}. Queues are saved in the window."
        raise InputError(f"there is no queue called {name!r}", mend=mend)
    return queues.build(queues.Choice((name,)), known)
