"""Thresholds and temperature: what is fitted after training, on shots that did not train.

numpy only. Neither may ever be fitted on the evaluation shots.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from model.metrics.metrics import f1_scores
from model.taxonomy import decoding

Floats = npt.NDArray[np.float32]
Labels = npt.NDArray[np.bool_]
FEWEST = 10
"""Positives that a class needs for a threshold of its own; rarer classes share one."""
FEWEST_SHOTS = 100
"""Shots below which nothing is fitted."""
_GRID = np.linspace(0.05, 0.95, 37).astype(np.float32)


def choose_thresholds(
    probabilities: Floats, labels: Labels, otherwise: Floats, known: Labels | None = None
) -> Floats:
    """(C,) thresholds with the best F1 on (N, C); `otherwise` (C,) where there is too little.

    `known` (N, C): the labels that someone decided on, all where None.

    Classes of few positives share one threshold, chosen by their F1 all together. Among equally
    good ones the nearest to 0.5 is taken, so that luck does not move it far.
    """
    thresholds = np.array(otherwise, np.float32, copy=True)
    if len(labels) < FEWEST_SHOTS:
        return thresholds
    said = np.ones_like(labels) if known is None else known
    positives = (labels & said).sum(0)
    for c in np.flatnonzero(positives >= FEWEST):
        thresholds[c] = _best(probabilities[said[:, c], c], labels[said[:, c], c])
    few = np.flatnonzero((positives < FEWEST) & (positives > 0))
    if len(few) and positives[few].sum() >= FEWEST:
        thresholds[positives < FEWEST] = _best(
            probabilities[:, few][said[:, few]], labels[:, few][said[:, few]]
        )
    return thresholds


def _best(probabilities: Floats, labels: Labels) -> float:
    """The threshold with the best F1 of all these cells together."""
    flat, true = probabilities.reshape(-1, 1), labels.reshape(-1, 1)
    scores = np.array([f1_scores(flat >= t, true)[0] for t in _GRID])
    good = _GRID[scores >= scores.max() - 0.005]
    return float(good[np.abs(good - 0.5).argmin()])


def fit_temperature(
    logits: Floats,
    labels: Labels,
    legal: Labels | None = None,
    raised: decoding.Raised = 0.0,
    known: Labels | None = None,
) -> float:
    """The number between 0.25 and 4 to divide logits (N, C) by so that their likelihood is best.

    Guo et al. (2017), by golden-section search; 1 where there are too few shots. `raised` (L,) as
    in `decoding`, `known` (N, C) as above.
    """
    if len(labels) < FEWEST_SHOTS:
        return 1.0
    low, high = np.log(0.25), np.log(4.0)
    ratio = (np.sqrt(5) - 1) / 2
    for _ in range(30):
        a, b = high - ratio * (high - low), low + ratio * (high - low)
        if _surprise(logits / np.exp(a), labels, legal, raised, known) < _surprise(
            logits / np.exp(b), labels, legal, raised, known
        ):
            high = b
        else:
            low = a
    return float(np.exp((low + high) / 2))


def _surprise(
    logits: Floats,
    labels: Labels,
    legal: Labels | None,
    raised: decoding.Raised,
    known: Labels | None,
) -> float:
    """Mean negative log-likelihood of the labels, but for what does not depend on the logits."""
    x = np.asarray(logits, np.float64)
    if legal is None:
        cells = np.logaddexp(0, x) - x * labels
        return float((cells if known is None else cells[known]).mean())
    right = (x * labels).sum(1)
    if known is not None and (partly := np.flatnonzero(~known.all(1))).size:
        agree = decoding.agreeing(labels[partly], known[partly], legal)
        right[partly] = decoding.log_normaliser(x[partly], legal, raised, agree)
    return float((decoding.log_normaliser(x, legal, raised) - right).mean())


def probabilities_at(
    logits: Floats, temperature: float, legal: Labels | None, raised: decoding.Raised = 0.0
) -> Floats:
    """(N, C) probabilities of logits divided by a temperature."""
    return decoding.probabilities(np.asarray(logits) / temperature, legal, raised)
