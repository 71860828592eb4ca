"""Which labelled shots train and which judge: stratified over all classes, after shuffling.

A role once given is kept, so that the runs of a project are judged on the same shots.
"""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

from model.errors import InputError
from model.shots.table import EVALUATION, TRAINING, UNDECIDED

FEWEST = 10
"""Fewest labelled shots that can be split."""


def stratified_roles(
    labels: npt.NDArray[np.uint8],
    labelled: npt.NDArray[np.bool_],
    role: npt.NDArray[np.uint8],
    fraction: float = 0.15,
    seed: int = 0,
) -> npt.NDArray[np.uint8]:
    """Roles (N,) in which every labelled shot has one; those already given are kept.

    Of the shots without a role, as many become evaluation shots as bring their share of all
    labelled shots to `fraction`, with every class in proportion (labels (N, C)).
    Raises InputError where fewer than 10 shots are labelled.
    """
    labelled = np.asarray(labelled, bool)
    total = int(labelled.sum())
    if total < FEWEST:
        raise InputError(
            f"{total} labelled shots are too few to train and to judge a network",
            mend=f"Label at least {FEWEST}, better 100.",
        )
    roles = np.array(role, np.uint8, copy=True)
    open_rows = np.flatnonzero(labelled & (roles == UNDECIDED))
    have = int((labelled & (roles == EVALUATION)).sum())
    wanted = min(max(round(fraction * total) - have, 0), len(open_rows))
    chosen = stratified_choice(labels[open_rows], wanted, seed)
    roles[open_rows] = TRAINING
    roles[open_rows[chosen]] = EVALUATION
    if not (labelled & (roles == TRAINING)).any():
        raise InputError(
            "every labelled shot is an evaluation shot, none is left to train on",
            mend="Label more shots.",
        )
    return roles


def stratified_choice(labels: npt.NDArray[np.uint8], count: int, seed: int) -> npt.NDArray[np.intp]:
    """Sorted positions of `count` of the rows of labels (N, C), each class in proportion.

    Iterative stratification (Sechidis et al. 2011) of the shuffled rows, as by the package
    iterative-stratification, which takes two seconds to load.
    """
    n = len(labels)
    if count <= 0 or n == 0:
        return np.zeros(0, np.intp)
    if count >= n:
        return np.arange(n)
    shuffled = np.random.default_rng(seed).permutation(n)
    # a column of ones keeps the count of the split exact
    columns = np.concatenate([np.ones((n, 1), bool), np.asarray(labels, bool)[shuffled]], 1)
    random = np.random.RandomState(seed)
    again = random.permutation(n)
    taken = np.sort(again[_second_part(columns[again], math.ceil(count / n * n), random)])
    return _exactly(np.sort(shuffled[taken]), count, n, seed)


def _second_part(
    columns: npt.NDArray[np.bool_], count: int, random: np.random.RandomState
) -> npt.NDArray[np.bool_]:
    """(N,) about `count` rows of columns (N, C), none of them empty: the second of two parts.

    The rarest column first, each of its rows goes where most of this column are still wanted.
    """
    n = len(columns)
    shares = np.array([n - count, count]) / n
    wanted, of_column = shares * n, np.outer(shares, columns.sum(0))
    second, left = np.zeros(n, bool), np.ones(n, bool)

    def one_of(ties: npt.NDArray[np.intp]) -> int:
        return int(ties[0] if len(ties) == 1 else ties[random.choice(len(ties))])

    while left.any():
        counts = columns[left].sum(0)
        rarest = one_of(np.flatnonzero(counts == counts[counts > 0].min()))
        for row in np.flatnonzero(columns[:, rarest] & left):
            most = np.flatnonzero(of_column[:, rarest] == of_column[:, rarest].max())
            part = one_of(most[wanted[most] == wanted[most].max()])
            second[row], left[row] = part == 1, False
            of_column[part, columns[row]] -= 1
            wanted[part] -= 1
    return second


def _exactly(chosen: npt.NDArray[np.intp], count: int, n: int, seed: int) -> npt.NDArray[np.intp]:
    """Add or drop a few rows at random, where the stratification missed the count."""
    random = np.random.default_rng(seed + 1)
    if len(chosen) > count:
        chosen = random.choice(chosen, count, replace=False)
    elif len(chosen) < count:
        others = np.setdiff1d(np.arange(n), chosen)
        extra = random.choice(others, count - len(chosen), replace=False)
        chosen = np.concatenate([chosen, extra])
    return np.sort(chosen)
