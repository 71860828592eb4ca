"""Which labelled shots train and which judge, before anything is reduced or learnt; no torch here.

A shot whose label was given together with those of others may train, and never judges: it may be
the model's own suggestion, accepted unseen.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from model.active import audit
from model.errors import InputError
from model.shots.table import EVALUATION, TRAINING, UNDECIDED, ShotTable
from model.training.split import still_wanted, stratified_roles

Rows = npt.NDArray[np.int64]
Flags = npt.NDArray[np.bool_]
Roles = npt.NDArray[np.uint8]
NO_ROWS: Rows = np.zeros(0, np.int64)
EVALUATION_SHARE = 0.15
"""Of the labelled shots, as in the paper."""


def in_hard_error(table: ShotTable) -> Flags:
    """(N,) labelled shots whose labels break a hard rule: they take no part in training."""
    if table.taxonomy is None or not table.taxonomy.rules:
        return np.zeros(len(table), bool)
    broken = table.taxonomy.contradictions(table.labels.astype(bool), table.known)
    return np.asarray(table.labelled & broken)


@dataclass(frozen=True)
class Marks:
    """What decides on roles, of N shots: labelled, of those that may be used, those labelled
    together with others, the roles given before, the number of the file of each, and those whose
    label came with their file; None: none."""

    labelled: Flags
    usable: Flags
    together: Flags
    role: Roles
    file_of: npt.NDArray[np.integer]
    came: Flags | None = None

    @property
    def may_judge(self) -> Flags:
        """(N,) usable shots that were labelled one by one."""
        return self.usable & ~self.together


def marks_of(table: ShotTable) -> Marks:
    """Those of a table; shots in hard error may not be used."""
    together = np.zeros(len(table), bool) if table.together is None else table.together
    usable = np.asarray(table.labelled & ~in_hard_error(table))
    return Marks(table.labelled, usable, together, table.role, table.source_of, table.came)


@dataclass(frozen=True)
class Checks:
    """Of a random draw of all shots: rows that never train, those of them that judge, those that
    do neither because they were labelled together with others; how many were drawn.

    `among`: where the draw does not cover all files yet, of which it is one.
    """

    kept: Rows
    judging: Rows
    idle: Rows
    drawn: int
    among: str = ""


def checks_of(marks: Marks, rows: Rows) -> Checks:
    """What a random draw is good for: rows in its order, labelled or not, see `audit.reserved`.

    It reaches as far as all of it is labelled, see `audit.draw`; what is labelled beyond waits
    until it does. Shots labelled together with others are passed over: they neither judge nor stop
    it. None judge where they are too few. Where more than half of the usable shots are of the draw,
    too few would be left to train: then a fixed half of it is kept.
    """
    apart = rows
    if 2 * marks.usable[rows].sum() > marks.usable.sum():
        apart = rows[audit.fixed_half(rows)]
    apart = apart[marks.role[apart] != TRAINING]
    kept = apart[marks.may_judge[apart]]
    idle = apart[(marks.usable & marks.together)[apart]]
    others = rows[~marks.together[rows]]
    reached = audit.draw(others, marks.labelled, marks.file_of, marks.came)
    drawn = reached.rows[marks.usable[reached.rows]]
    judging = drawn[np.isin(drawn, kept)]
    if len(judging) < audit.FEWEST_CHECKS:
        return Checks(kept, NO_ROWS, idle, 0)
    return Checks(kept, judging, idle, len(drawn), reached.among)


def random_checks(marks: Marks, askable: Flags) -> Rows:
    """Rows of the random draw that judge as soon as they are labelled, in its order; askable (N,):
    the others, skipped or unreadable, are passed over. None where all labels are a random draw
    themselves: then a stratified part of them is as fair and more even."""
    drawn = audit.audited(marks.labelled, audit.DRAW, askable, marks.file_of, marks.came).rows
    if len(drawn) == marks.labelled.sum() and not marks.together.any():
        return NO_ROWS
    rows = audit.reserved(len(askable), audit.DRAW)
    return np.asarray(rows[askable[rows]], np.int64)


def with_roles(
    table: ShotTable, seed: int = 0, seen: Flags | None = None, checks: Rows = NO_ROWS
) -> ShotTable:
    """The table with a role for every usable labelled shot, 15 % of them for evaluation.

    seen: (N,) shots on which a network was trained already; as long as enough others are there,
    they train again and do not judge. checks: rows of a random draw of all shots, in its order,
    labelled or not (`model.active.audit.reserved`). Those that are labelled and never trained are
    evaluation shots; once enough of them judge, of the others no more become such. Shots labelled
    together with others become none; those of them that are of the draw have no role.
    Raises InputError where too few shots are labelled, or none of them may judge.
    """
    marks = marks_of(table)
    found = checks_of(marks, checks)
    usable, given = marks.usable.copy(), table.role.copy()
    usable[found.idle] = False
    given[found.kept] = EVALUATION
    if len(found.judging):
        role = np.where(usable & (given == UNDECIDED), TRAINING, given)
        return replace(table, role=role.astype(np.uint8))
    may = marks.may_judge
    if seen is not None:
        known = usable & seen & (given == UNDECIDED)
        role = _split(table, usable, np.where(known, TRAINING, given), may, seed)
        if enough(may & (role == EVALUATION) & ~seen, usable):
            return replace(table, role=role)
    role = _split(table, usable, given, may, seed)
    if not (may & (role == EVALUATION)).any():
        raise InputError(
            "no shot is left that could judge a network: suggestions accepted on many shots at once"
            " may be the model's own",
            mend="Label some shots yourself, better 50.",
        )
    return replace(table, role=role)


def number_judging(marks: Marks, checks: Rows) -> int:
    """How many shots judge after `with_roles`, without choosing which."""
    found = checks_of(marks, checks)
    if len(found.judging):
        return len(found.judging)
    given = marks.role.copy()
    given[found.kept] = EVALUATION
    have = int((marks.may_judge & (given == EVALUATION)).sum())
    open_ones = int((marks.may_judge & (given == UNDECIDED)).sum())
    total = int(marks.usable.sum()) - len(found.idle)
    return have + min(still_wanted(total, have, EVALUATION_SHARE), open_ones)


def _split(table: ShotTable, usable: Flags, role: Roles, may: Flags, seed: int) -> Roles:
    return stratified_roles(table.labels, usable, role, EVALUATION_SHARE, seed, may)


def enough(judging: Flags, usable: Flags) -> bool:
    """Whether these shots (N,) can judge: half as many as usual, of the usable ones."""
    return bool(judging.any() and 2 * judging.sum() >= round(EVALUATION_SHARE * usable.sum()))
