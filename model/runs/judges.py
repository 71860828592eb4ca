"""The shots that judge a run, and how they were come by: what is said beside every score of it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from model.events import number_of
from model.runs import learned_shots
from model.runs.folder import metrics_of
from model.shots.table import EVALUATION

RANDOM_CHECKS, KEPT_ASIDE = "random checks", "kept aside"


@dataclass(frozen=True)
class Judges:
    """Rows (n,) of the shots that judge a run, sorted, and in words what they are."""

    rows: npt.NDArray[np.int64]
    words: str = KEPT_ASIDE


def judges_of(
    run: Path, role: npt.NDArray[np.uint8], together: npt.NDArray[np.bool_] | None = None
) -> Judges:
    """The shots by which the report of a run was made, of those with the roles (N,).

    Of a run of an earlier version, which did not keep them, all evaluation shots. Those that were
    labelled `together` (N,) with others are left out, and it is said how many.
    """
    rows = learned_shots.judging(run)
    if rows is None:
        rows, words = np.flatnonzero(role == EVALUATION), KEPT_ASIDE
    else:
        rows, words = rows[(rows >= 0) & (rows < len(role))], judged_on(metrics_of(run))
    if together is not None and (many := int(together[rows].sum())):
        rows, words = rows[~together[rows]], f"{words}, {many:,} labelled together left out"
    return Judges(rows, words)


def judged_on(report: dict[str, Any]) -> str:
    """RANDOM_CHECKS or KEPT_ASIDE, as the metrics of a run say; of which files the random draw is
    one, and how many shots of it were left out because networks were trained on them."""
    if report.get("judged_on") != RANDOM_CHECKS:
        return KEPT_ASIDE
    among = report.get("checks_among")
    words = f"{RANDOM_CHECKS} of {among}" if isinstance(among, str) and among else RANDOM_CHECKS
    left_out = int(number_of(report, "checks_left_out"))
    if not left_out:
        return words
    return f"{words}, {left_out:,} of the draw left out because they trained"
