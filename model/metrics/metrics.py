"""How good predictions are: the paper's three numbers, and those that show the rare classes.

Arrays in, plain numbers out. scikit-learn computes average precision; the rest is numpy.
Thresholds and temperature are chosen in `model.metrics.thresholds`.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from model.taxonomy.same_classes import places_among
from model.taxonomy.taxonomy import Taxonomy

Floats = npt.NDArray[np.float32]
Labels = npt.NDArray[np.bool_]
RARE = 0.05
"""A class is rare where fewer than this share of all labelled shots show it; see `rare`."""
RARE_SEVEN = (
    "Elliptical", "Newton Rings", "Bent", "Asymmetric", "Streak", "Double Rings", "Layered",
)  # fmt: skip
"""The paper's: over these seven the mean F1 of its Table 10 is .629."""
SURE = 0.75
"""An answer counts as confident above this."""
_BINS = 15
MOST_SETS = 512
"""Label sets that are tried as the constant answer where some classes are undecided."""


def evaluate(
    probabilities: Floats,
    labels: Labels,
    decided: Labels,
    *,
    rare: Labels | None = None,
    taxonomy: Taxonomy | None = None,
    known: Labels | None = None,
) -> dict[str, Any]:
    """All numbers for probabilities, true labels and decided labels, each (N, C).

    `known` (N, C), here and below: the labels that someone decided on, all where None; a shot is
    left out for a class that is undecided on it.
    accuracy, precision, recall: micro, as section 3.2; macro_f1, macro_ap: mean over the classes
    that occur in `labels`; rare_f1: over those of them that are `rare` (C,), None without any;
    exact_match: shots with every label right; ece, loss (Eq. 6), brier: over all label cells;
    contradiction_rate: shots whose decided set breaks a hard rule.
    """
    said = np.ones_like(labels) if known is None else known
    truth = labels & said
    occurs = truth.any(0)
    f1 = f1_scores(decided & said, truth)
    ap = average_precisions(probabilities, labels, known)
    numbers = micro(decided, labels, known) | {
        "macro_f1": _mean(f1[occurs]),
        "macro_ap": _mean(ap[occurs]),
        "rare_f1": None if rare is None else _mean(f1[occurs & rare]),
        "exact_match": _mean(((decided == labels) | ~said).all(1)),
        "ece": calibration_error(probabilities, labels, known),
        "loss": cross_entropy(probabilities, labels, known),
        "brier": _mean(((probabilities - labels) ** 2)[said]),
    }
    if taxonomy is not None and taxonomy.rules:
        numbers["contradiction_rate"] = float(taxonomy.contradictions(decided).mean())
    return numbers


def rare(classes: Taxonomy, labels: Labels, known: Labels | None = None) -> Labels:
    """(C,) the paper's seven rare classes where all of them exist, by whatever names, so that
    scores can be compared; else those that some, but fewer than 5 % of the shots (N, C) show."""
    places = places_among(classes, Taxonomy.of_names(RARE_SEVEN))
    if (places >= 0).sum() == len(RARE_SEVEN):
        return np.asarray(places >= 0)
    said = np.ones_like(labels) if known is None else known
    shares = (labels & said).sum(0) / np.maximum(said.sum(0), 1)
    return np.asarray((shares < RARE) & (shares > 0))


def micro(decided: Labels, labels: Labels, known: Labels | None = None) -> dict[str, float | None]:
    """Accuracy, precision and recall over all label cells (section 3.2); None for 0/0."""
    if known is not None:
        decided, labels = decided[known], labels[known]
    right = int((decided & labels).sum())
    return {
        "accuracy": _mean(decided == labels),
        "precision": _ratio(right, int(decided.sum())),
        "recall": _ratio(right, int(labels.sum())),
    }


def per_class(
    probabilities: Floats,
    labels: Labels,
    decided: Labels,
    names: tuple[str, ...],
    known: Labels | None = None,
) -> dict[str, dict[str, float | int | None]]:
    """Table 10 with F1 and average precision: class name -> numbers."""
    said = np.ones_like(labels) if known is None else known
    f1 = f1_scores(decided & said, labels & said)
    ap = average_precisions(probabilities, labels, known)
    table: dict[str, dict[str, float | int | None]] = {}
    for c, name in enumerate(names):
        mine, true = decided[said[:, c], c], labels[said[:, c], c]
        some = bool(true.any())
        table[name] = micro(mine, true) | {
            "f1": float(f1[c]) if some else None,
            "average_precision": float(ap[c]) if some else None,
            "shots": int(true.sum()),
        }
    return table


def confident(
    probabilities: Floats, labels: Labels, exclusive: bool, known: Labels | None = None
) -> dict[str, float | None]:
    """coverage: share of the answers surer than `SURE`; confident_accuracy: how many are right.

    An answer is a label cell, as sure as max(p, 1 - p); where classes are `exclusive` it is a shot,
    as sure as its likeliest class. Bobkov et al. 2015 judge their classifier so.
    """
    if exclusive:
        sure = probabilities.max(1) > SURE
        right = probabilities.argmax(1) == labels.argmax(1)
    else:
        sure = np.maximum(probabilities, 1 - probabilities) > SURE
        right = (probabilities >= 0.5) == labels
        if known is not None:
            sure, right = sure[known], right[known]
    return {
        "coverage": float(sure.mean()) if sure.size else None,
        "confident_accuracy": float(right[sure].mean()) if sure.any() else None,
    }


def broken_rules(decided: Labels, taxonomy: Taxonomy) -> dict[str, float]:
    """Share of shots whose decided labels break each rule, by the rule's text."""
    shares = taxonomy.violations(decided).mean(0) if len(decided) else np.zeros(0)
    return {rule.text: float(s) for rule, s in zip(taxonomy.rules, shares, strict=False)}


def f1_scores(decided: Labels, labels: Labels) -> npt.NDArray[np.float64]:
    """(C,) F1 of each class; 0 where a class is neither there nor found."""
    right = (decided & labels).sum(0)
    total = decided.sum(0) + labels.sum(0)
    return np.divide(2.0 * right, total, out=np.zeros(len(right)), where=total > 0)


def average_precisions(
    probabilities: Floats, labels: Labels, known: Labels | None = None
) -> npt.NDArray[np.float64]:
    """(C,) average precision of each class; NaN where no shot shows it."""
    from sklearn.metrics import average_precision_score

    some = np.ones_like(labels) if known is None else known
    found = np.full(labels.shape[1], np.nan)
    for c in np.flatnonzero((labels & some).any(0)):
        at = some[:, c]
        found[c] = average_precision_score(labels[at, c], probabilities[at, c])
    return found


def calibration_error(
    probabilities: Floats, labels: Labels, known: Labels | None = None
) -> float | None:
    """Expected calibration error over all label cells, equal bins of probability."""
    some = slice(None) if known is None else known
    p, y = np.ravel(probabilities[some]).astype(np.float64), np.ravel(labels[some])
    if p.size == 0:
        return None
    which = np.minimum((p * _BINS).astype(int), _BINS - 1)
    count = np.bincount(which, minlength=_BINS)
    gap = np.abs(np.bincount(which, p, _BINS) - np.bincount(which, y, _BINS))
    return float(gap[count > 0].sum() / p.size)


def area_under_roc(scores: npt.NDArray[Any], positive: Labels) -> float:
    """The chance that one of the `positive` (n,) has a greater score than one of the others, ties
    counting half; there must be some of either."""
    from scipy.stats import rankdata

    n, m = int(positive.sum()), int((~positive).sum())
    return float((rankdata(scores)[positive].sum() - n * (n + 1) / 2) / (n * m))


def cross_entropy(
    probabilities: Floats, labels: Labels, known: Labels | None = None
) -> float | None:
    """Eq. 6 as a mean over shots and classes; None without shots."""
    right = np.where(labels, probabilities, 1 - probabilities).astype(np.float64)
    return _mean(-np.log(np.maximum(right if known is None else right[known], 1e-12)))


def constant_prediction(labels: Labels, known: Labels | None = None) -> Labels:
    """(C,) the label set that is most frequent in labels (N, C): what a blind guess would say.

    known (N, C): the labels that are decided, None: all. Then it is the set that agrees with most
    shots in what is decided on them, of the MOST_SETS that are most frequent.
    """
    if known is None or known.all():
        sets, counts = np.unique(labels, axis=0, return_counts=True)
        return np.asarray(sets[counts.argmax()], bool)
    both = np.concatenate([labels & known, known], 1)
    kinds, counts = np.unique(both, axis=0, return_counts=True)
    present, said = np.split(kinds.astype(np.float32), 2, 1)
    common = np.argsort(-counts, kind="stable")[:MOST_SETS]
    wrong = present[common] @ (said - present).T + (1 - present[common]) @ present.T
    return np.asarray(present[common[((wrong == 0) * counts).sum(1).argmax()]], bool)


def constant_answer(labels: Labels, known: Labels, judging: npt.NDArray[np.int64]) -> Labels:
    """(C,) the constant answer that a run has to beat on the rows `judging`: the most frequent
    label set of the other shots, of these where there are no others.

    labels (N, C) mean something where `known` (N, C); a shot without any takes no part.
    """
    learns = np.asarray(known.any(1))
    learns[judging] = False
    rows = np.flatnonzero(learns) if learns.any() else judging
    return constant_prediction(labels[rows], known[rows])


def _ratio(part: int, whole: int) -> float | None:
    return part / whole if whole else None


def _mean(values: npt.NDArray[Any]) -> float | None:
    return float(values.mean()) if values.size else None
