"""Which shots of a project: conditions as a person states them on the command line."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from labeler.project import Project
from labeler.store import FLAGGED
from labeler.store.records import Rows
from model.errors import InputError


@dataclass(frozen=True)
class Selection:
    """Which shots: all given conditions together. `rows` are numbers as on screen: '1-100,205'."""

    having: tuple[str, ...] = ()
    lacking: tuple[str, ...] = ()
    rows: str = ""
    labelled: bool = False
    flagged: bool = False

    def of(self, project: Project, annotator: int | None = None) -> Rows:
        """The rows that fit; InputError for an unknown class, and where none fits."""
        state = project.merged_state(annotator)
        fits = np.ones(project.n_shots, bool)
        if self.rows:
            fits[:] = False
            fits[numbers(self.rows, project.n_shots)] = True
        for names, wanted in ((self.having, True), (self.lacking, False)):
            for column in project.taxonomy.columns(names):
                has = (state.present >> int(column)) & 1 > 0
                fits &= state.labelled & (has == wanted)
        if self.labelled:
            fits &= state.labelled
        if self.flagged:
            fits &= (state.status & FLAGGED) != 0
        found = np.flatnonzero(fits)
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
