"""A part of the labelled shots with every class in proportion: iterative stratification.

A role once given is kept, so that the runs of a project are judged on the same shots.
"""

from __future__ import annotations

import warnings

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
    may_judge: npt.NDArray[np.bool_] | None = None,
) -> npt.NDArray[np.uint8]:
    """Roles (N,) in which every labelled shot has one; those already given are kept.

    Of the shots without a role, as many become evaluation shots as bring their share of all
    labelled shots to `fraction`, with every class in proportion (labels (N, C)).
    may_judge (N,): the shots that may become such, None: all; others do not count as such either.
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
    may = labelled if may_judge is None else labelled & may_judge
    have = int((may & (roles == EVALUATION)).sum())
    eligible = open_rows[may[open_rows]]
    wanted = min(still_wanted(total, have, fraction), len(eligible))
    chosen = stratified_choice(labels[eligible], wanted, seed)
    roles[open_rows] = TRAINING
    roles[eligible[chosen]] = EVALUATION
    if not (labelled & (roles == TRAINING)).any():
        raise InputError(
            "every labelled shot is an evaluation shot, none is left to train on",
            mend="Label more shots.",
        )
    return roles


def still_wanted(total: int, have: int, fraction: float) -> int:
    """How many of `total` labelled shots shall become evaluation shots beside those there are."""
    return max(round(fraction * total) - have, 0)


def stratified_choice(labels: npt.NDArray[np.uint8], count: int, seed: int) -> npt.NDArray[np.intp]:
    """Sorted positions of `count` of the rows of labels (N, C), each class in proportion.

    Iterative stratification (Sechidis et al. 2011) of the shuffled rows.
    """
    n = len(labels)
    if count <= 0 or n == 0:
        return np.zeros(0, np.intp)
    if count >= n:
        return np.arange(n)
    with warnings.catch_warnings():  # the package asks for an old alias of scikit-learn's
        warnings.simplefilter("ignore")
        from iterstrat.ml_stratifiers import MultilabelStratifiedShuffleSplit
    shuffled = np.random.default_rng(seed).permutation(n)
    kept = np.asarray(labels, np.uint8)[shuffled]
    # a column of ones keeps the count of the split exact; a class of one value says nothing
    columns = np.concatenate([np.ones((n, 1), np.uint8), kept], 1)
    splitter = MultilabelStratifiedShuffleSplit(1, test_size=count / n, random_state=seed)
    _, chosen = next(splitter.split(np.zeros(n), columns))
    return _exactly(np.sort(shuffled[chosen]), count, n, seed)


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
