"""May a new run take the place of what is in use? By itself, only if it is no worse.

Both are judged on the same fixed evaluation shots by the labels of today: the new run may have no
lower macro F1 and must not be significantly worse. The difference gets an interval by drawing the
shots again and again with return; where they are too few for one, a person decides.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from model.errors import InputError, counted
from model.metrics import bootstrap
from model.metrics.metrics import constant_answer, constant_prediction, f1_scores
from model.runs.prediction_file import classes_of, open_predictions
from model.taxonomy.same_classes import places_among
from model.taxonomy.taxonomy import Taxonomy

Labels = npt.NDArray[np.bool_]
Rows = npt.NDArray[np.int64]
FEWEST_SHOTS = 6
"""On fewer evaluation shots no difference is significant: 2 · 0.5^5 > 0.05 (sign test)."""
LOWER = "it scores lower"
"""Why a run does not come into use by itself, where enough shots judge."""
BETTER, WORSE, OPEN = "significantly better", "significantly worse", "difference not significant"


@dataclass(frozen=True)
class ClassChange:
    """F1 of a class (by its index) in both runs, and the 95 % interval of the difference.

    The interval is NaN where fewer than FEWEST_SHOTS shots show it or were said to show it.
    """

    index: int
    old: float
    new: float
    low: float
    high: float


@dataclass(frozen=True)
class Verdict:
    """What the comparison found: macro F1 of both, their difference with its 95 % interval.

    The interval is NaN where there are too few evaluation shots for one.
    """

    promote: bool
    """Whether the new run may come into use without a person's word."""
    old: float
    new: float
    low: float
    high: float
    better: list[int]
    """Rows of evaluation shots that only the new run has right in every class."""
    worse: list[int]
    """Rows that only the old run has right."""
    classes: tuple[ClassChange, ...] = ()
    """Of every class that occurs on the evaluation shots."""
    shots: int = 0
    """Evaluation shots that both were judged on."""
    constant: float = math.nan
    """Macro F1 of the same answer for all of them, see `metrics.constant_answer`."""
    judged_on: str = ""
    """What these shots are, in the words of `model.runs.judges`."""

    @property
    def finding(self) -> str:
        """BETTER, WORSE or OPEN."""
        return BETTER if self.low > 0 else WORSE if self.high < 0 else OPEN

    @property
    def against(self) -> str:
        """Why a person has to decide; '' where it may come into use by itself."""
        return "" if self.promote else self.few or LOWER

    @property
    def against_first(self) -> str:
        """Why a first run, which brings heat, may not come into use by itself; '' where it may."""
        if self.few or self.finding == WORSE:
            return self.few or LOWER
        return "it scores lower than a constant answer" if self.new < self.constant else ""

    @property
    def few(self) -> str:
        """That too few shots judge for an interval; '' where enough do."""
        return "" if math.isfinite(self.high) else only(self.shots)

    @property
    def judges(self) -> str:
        """How many shots judged, and which."""
        shots = counted(self.shots, "evaluation shot")
        return f"{shots}, {self.judged_on}" if self.judged_on else shots

    @property
    def text(self) -> str:
        """For the person: both scores, what that means, and on how many shots."""
        known = math.isfinite(self.low)
        edges = f", 95 %: {self.low:+.2f} to {self.high:+.2f}" if known else ", too few to tell"
        return (
            f"Macro F1 {self.old:.2f} → {self.new:.2f} (constant answer {self.constant:.2f}): "
            f"{self.finding} ({self.judges}{edges}); "
            f"{len(self.better):,} more right, {len(self.worse):,} no longer right."
        )

    def to_dict(self) -> dict[str, Any]:
        """For events and JSON; rows count from 0."""
        return {
            "promote": self.promote,
            "macro_f1_old": self.old,
            "macro_f1_new": self.new,
            "macro_f1_constant": self.constant if math.isfinite(self.constant) else None,
            "difference_low": self.low if math.isfinite(self.low) else None,
            "difference_high": self.high if math.isfinite(self.high) else None,
            "finding": self.finding,
            "evaluation_shots": self.shots,
            "judged_on": self.judged_on,
            "flipped_right": self.better,
            "flipped_wrong": self.worse,
            "text": self.text,
        }


def only(shots: int) -> str:
    """What is said where too few shots judge."""
    return f"only {counted(shots, 'shot')} judged"


class Answers(NamedTuple):
    """What is in use, or may be, says of all shots: decided labels (N, C), and of which (N,)."""

    decided: Labels
    readable: Labels


def compare(
    old: Labels,
    new: Labels,
    labels: Labels,
    rows: Rows,
    seed: int = 0,
    judged_on: str = "",
    constant: Labels | None = None,
) -> Verdict:
    """Decided labels of two runs and the true ones, each (n, C), of the shots `rows` (n,).

    The new run is promoted if its macro F1 is no lower and the interval of the difference does not
    lie below zero. Below FEWEST_SHOTS there is no interval, and no run is promoted. `judged_on`:
    what the shots are, for the text. constant (n, C): the constant answer to beat; None: the most
    frequent one of these shots.
    """
    occurs = np.flatnonzero(labels.any(0))
    scores = [f1_scores(decided, labels)[occurs] for decided in (old, new)]
    draws = bootstrap.f1_draws((old[:, occurs], new[:, occurs]), labels[:, occurs], seed=seed)
    if len(rows) < FEWEST_SHOTS:
        draws = tuple(np.full_like(d, np.nan) for d in draws)
    low, high = _interval_of_macros(draws)
    gaps = (draws[1] - draws[0]).T
    gaps[(old | new | labels)[:, occurs].sum(0) < FEWEST_SHOTS] = np.nan
    classes = tuple(
        ClassChange(int(c), float(before), float(after), *bootstrap.interval(gap))
        for c, before, after, gap in zip(occurs, *scores, gaps, strict=True)
    )
    old_macro, new_macro = (float(s.mean()) if s.size else 0.0 for s in scores)
    always = labels if constant is None else constant
    if constant is None and len(rows):
        always = np.broadcast_to(constant_prediction(labels), labels.shape)
    blind = f1_scores(always, labels)[occurs]
    right_old, right_new = ((d == labels).all(1) for d in (old, new))
    return Verdict(
        promote=new_macro >= old_macro and high >= 0,  # never where there is no interval
        old=old_macro,
        new=new_macro,
        low=low,
        high=high,
        better=rows[right_new & ~right_old].tolist(),
        worse=rows[right_old & ~right_new].tolist(),
        classes=classes,
        shots=len(rows),
        constant=float(blind.mean()) if blind.size else 0.0,
        judged_on=judged_on,
    )


def _interval_of_macros(draws: tuple[npt.NDArray[np.float64], ...]) -> bootstrap.Interval:
    macros = [np.where(np.isfinite(d).any(1), bootstrap.macro(d), np.nan) for d in draws]
    return bootstrap.interval(macros[1] - macros[0])


def compare_files(
    old: Path | Answers,
    new: Path,
    labels: Labels,
    rows: Rows,
    taxonomy: Taxonomy,
    known: Labels | None = None,
    judged_on: str = "",
) -> Verdict | None:
    """The same from two `predictions.h5`, or one and the answers of what has none; None where there
    is no shot that both can read.

    labels (N, C) are those of all shots, their classes those of the taxonomy; `rows` the evaluation
    shots among them. A class that a run never learnt is one that it never claims; one that the
    taxonomy has no more does not count, nor does one that is undecided, of which `known` (N, C) is
    False. Raises InputError where a file cannot be used.
    """
    first, second = (
        what if isinstance(what, Answers) else _decided(what, taxonomy, len(labels))
        for what in (old, new)
    )
    rows = rows[first.readable[rows] & second.readable[rows]]
    if len(rows) == 0:
        return None
    every = np.ones_like(labels) if known is None else known
    said, always = every[rows], constant_answer(labels, every, rows)
    decided = (first.decided[rows] & said, second.decided[rows] & said)
    return compare(
        *decided, labels[rows] & said, rows, judged_on=judged_on, constant=always & said
    )  # fmt: skip


def _decided(path: Path, taxonomy: Taxonomy, n: int) -> Answers:
    """Decided labels (n, C) in the taxonomy's order, and which shots were readable (n,)."""
    try:
        with open_predictions(path) as file:
            theirs = classes_of(file)
            names = theirs.names
            shape = file["probabilities"].shape
            if shape[1:] != (len(names),) or len(file["probabilities"]) > n:
                what = f"holds predictions of {shape} labels for {len(names)} classes, {n} shots"
                raise InputError(what, file=path, mend="Predict again with that run.")
            probabilities = file["probabilities"][:]
            readable = file["readable"][:].astype(bool)
            if "decided" in file:
                decided = file["decided"][:].astype(bool)
            else:
                decided = probabilities >= np.asarray(file.attrs["thresholds"])
    except (OSError, KeyError) as error:
        what = f"is not a file of predictions ({error})"
        raise InputError(what, file=path, mend="Predict again with that run.") from error
    found, places = np.zeros((n, len(taxonomy)), bool), places_among(taxonomy, theirs)
    ours = np.flatnonzero(places >= 0)
    found[: len(decided), ours] = decided[:, places[ours]]
    # shots that were added since have no prediction
    return Answers(found, np.pad(readable, (0, n - len(decided))))
