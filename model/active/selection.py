"""What to ask a person next: a strategy's shots with a random audit mixed in, each with a reason.

The strategies are in `model.active.strategies`, the audit's arithmetic in `model.active.audit`. It
decides on nothing but the order; it sees no shot and no truth.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from model.active import audit as auditing
from model.active.strategies import STRATEGIES, Pool, Strategy
from model.errors import InputError
from model.processes import one_blas_thread
from model.taxonomy.taxonomy import Taxonomy

__all__ = ["AUDIT_REASON", "STRATEGIES", "Asked", "Strategy", "ask"]

AUDIT_REASON = "random check"


@dataclass(frozen=True)
class Asked:
    """Shots to label next, best first: rows (n,), why each, and which are of the audit (n,)."""

    rows: npt.NDArray[np.intp]
    reasons: tuple[str, ...]
    audit: npt.NDArray[np.bool_]


def ask(
    strategy: str,
    probabilities: npt.NDArray[np.float32],
    embeddings: npt.NDArray[np.floating],
    labelled: npt.NDArray[np.bool_],
    labels: npt.NDArray[np.bool_],
    taxonomy: Taxonomy,
    n: int,
    *,
    audit: float = auditing.SHARE,
    seed: int = 0,
    draw: int | None = None,
) -> Asked:
    """Up to n unlabelled shots: probabilities (N, C), embeddings (N, D), labels (N, C) where
    labelled (N,).

    The share `audit` of all labels so far and these is asked along the fixed random order of
    `draw`, or `seed` (keep it for a project). Shots without a finite probability are never asked
    for.
    Raises InputError for an unknown strategy, n below 1, and an `audit` outside of [0, 1].
    """
    if n < 1:
        raise InputError(f"{n} shots cannot be asked for", mend="Ask for at least one.")
    if not 0 <= audit <= 1:
        raise InputError(f"{audit} is no share of random checks", mend="Give 0.1 for 10 %.")
    if strategy not in STRATEGIES:
        mend = f"There are: {', '.join(STRATEGIES)}."
        raise InputError(f"no strategy called {strategy!r}", mend=mend)
    askable: npt.NDArray[np.bool_] = np.asarray(np.isfinite(probabilities).all(1))
    random = np.random.default_rng([seed, int(labelled.sum())])
    n = min(n, int((askable & ~labelled).sum()))
    order = seed if draw is None else draw
    checks = auditing.upcoming(
        labelled, askable, order, auditing.due(int(labelled.sum()), n, audit)
    )
    free = askable & ~labelled
    free[checks] = False
    left = np.flatnonzero(free)
    known = np.flatnonzero(labelled)
    pool = Pool(
        left, probabilities[left], embeddings,
        np.asarray(labels[known], bool), embeddings[known],
        taxonomy, random,
    )  # fmt: skip
    with one_blas_thread():
        rows, reasons = STRATEGIES[strategy].function(pool, n - len(checks))
    return _mixed(rows, reasons, checks, random)


def _mixed(
    rows: npt.NDArray[np.intp],
    reasons: tuple[str, ...],
    checks: npt.NDArray[np.intp],
    random: np.random.Generator,
) -> Asked:
    """Strategy's shots in their order, checks in theirs at random places between."""
    total = len(rows) + len(checks)
    is_check = np.zeros(total, bool)
    is_check[random.permutation(total)[: len(checks)]] = True
    mixed = np.empty(total, np.intp)
    mixed[is_check], mixed[~is_check] = checks, rows
    own = iter(reasons)
    said = tuple(AUDIT_REASON if check else next(own) for check in is_check)
    return Asked(mixed, said, is_check)
