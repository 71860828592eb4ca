"""From logits to probabilities and from these to the answer, under the rules or without them.

Plain output: independent sigmoids. Rule-aware output: a softmax over the legal label sets of the
sums of their logits; the probability of a class is then the sum over the sets that hold it.
The answer is one and the same everywhere (`answers`): the label set with the best expected macro
F1, which under rules is a legal one by construction.
A training that weighs shots of rare classes more raises the odds of their sets: `raised` (L,), the
logarithm of that, is taken off again.
Works on numpy arrays here; the loss that trains it (torch) lives in `model.training.losses`.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float32]
Labels = npt.NDArray[np.bool_]
Raised = npt.NDArray[np.float64] | float
LOWEST = 0.1
"""No class counts as present below this probability."""
CERTAIN = 50.0
"""Log-odds of what is in every legal set, or in none."""
_CHUNK = 4096
_CELLS = _CHUNK * 1024
"""Shots that are decoded at a time, and shots times legal sets: memory does not grow with these."""


def sigmoid(logits: npt.ArrayLike) -> Floats:
    """Eq. 3 for any shape, without overflow."""
    x = np.asarray(logits, np.float64)
    small = np.exp(-np.abs(x))
    return np.where(x >= 0, 1 / (1 + small), small / (1 + small)).astype(np.float32)


def raised_by(weights: npt.ArrayLike, legal: npt.ArrayLike) -> npt.NDArray[np.float64]:
    """(L,) log-odds that each set gains where a shot weighs as its heaviest class, `weights` (C,),
    and at least 1: see `losses.LegalSetLikelihood`."""
    logs = np.log(np.asarray(weights, np.float64))
    return np.where(np.asarray(legal, bool), logs, 0.0).max(1, initial=0.0)


def set_probabilities(logits: npt.ArrayLike, legal: npt.ArrayLike, raised: Raised = 0.0) -> Floats:
    """Logits (N, C) and legal label sets (L, C) to the probability of every set (N, L)."""
    scores = np.asarray(logits, np.float64) @ np.asarray(legal, np.float64).T
    scores -= raised
    scores -= scores.max(1, keepdims=True)
    weights = np.exp(scores)
    return (weights / weights.sum(1, keepdims=True)).astype(np.float32)


def agreeing(labels: npt.ArrayLike, known: npt.ArrayLike, legal: npt.ArrayLike) -> Labels:
    """(N, L) which legal sets (L, C) have what labels (N, C) say of the known classes (N, C); all
    where none has, for such labels say nothing."""
    L, K = np.asarray(labels, bool), np.asarray(known, bool)
    sets = np.asarray(legal, np.float32).T
    against = (L & K).astype(np.float32) @ (1 - sets) + (~L & K).astype(np.float32) @ sets
    found = against < 0.5
    return np.asarray(found | ~found.any(1, keepdims=True))


def log_normaliser(
    logits: npt.ArrayLike, legal: npt.ArrayLike, raised: Raised = 0.0, of: Labels | None = None
) -> npt.NDArray[np.float64]:
    """(N,) logarithm of the sum over legal sets (L, C) of exp(their logits - raised), of logits
    (N, C); of those sets alone that `of` (N, L) says."""
    x, weights = np.asarray(logits, np.float64), np.asarray(legal, np.float64).T
    step = _at_once(weights.shape[1])
    found = np.empty(len(x))
    for i in range(0, len(x), step):
        scores = x[i : i + step] @ weights - raised
        if of is not None:
            scores[~of[i : i + step]] = -np.inf
        top = scores.max(1)
        found[i : i + step] = top + np.log(np.exp(scores - top[:, None]).sum(1))
    return found


def marginals(logits: npt.ArrayLike, legal: npt.ArrayLike, raised: Raised = 0.0) -> Floats:
    """(N, C) probability of each class under the softmax over legal sets (L, C)."""
    logits, sets = np.asarray(logits), np.asarray(legal, np.float32)
    step = _at_once(len(sets))
    parts = [
        set_probabilities(logits[i : i + step], sets, raised) @ sets
        for i in range(0, len(logits), step)
    ]
    joined = np.concatenate(parts) if parts else np.zeros((0, sets.shape[1]), np.float32)
    return np.clip(joined, 0.0, 1.0)


def most_likely_sets(logits: npt.ArrayLike, legal: npt.ArrayLike) -> Labels:
    """(N, C) booleans: the legal set with the largest sum of logits, for every shot.

    The same for both kinds of output: independent sigmoids restricted to the legal sets give each
    set a probability in proportion to exp(sum of its logits).
    """
    logits, sets = np.asarray(logits, np.float32), np.asarray(legal, bool)
    weights, step = sets.T.astype(np.float32), _at_once(len(sets))
    parts = [sets[(logits[i : i + step] @ weights).argmax(1)] for i in range(0, len(logits), step)]
    return np.concatenate(parts) if parts else np.zeros((0, sets.shape[1]), bool)


def _at_once(sets: int) -> int:
    """How many shots are decoded together under this many legal sets."""
    return max(1, min(_CHUNK, _CELLS // max(1, sets)))


def probabilities(
    logits: npt.ArrayLike, legal: npt.ArrayLike | None = None, raised: Raised = 0.0
) -> Floats:
    """(N, C) probabilities: marginals over the legal sets where given, else sigmoids."""
    return sigmoid(logits) if legal is None else marginals(logits, legal, raised)


def log_odds(
    logits: npt.ArrayLike, legal: npt.ArrayLike | None = None, raised: Raised = 0.0
) -> Floats:
    """(N, C) log-odds of `probabilities`, also where these round to 0 or 1; at most `CERTAIN`."""
    if legal is None:
        return np.asarray(logits, np.float32)
    member = np.asarray(legal, np.float64)
    scores = np.asarray(logits, np.float64) @ member.T - raised
    weights = np.exp(scores - scores.max(1, keepdims=True))
    with np.errstate(divide="ignore"):
        odds = np.log(weights @ member) - np.log(weights @ (1 - member))
    return np.clip(odds, -CERTAIN, CERTAIN).astype(np.float32)


def answers(
    probabilities: Floats,
    thresholds: npt.ArrayLike,
    worth: npt.ArrayLike = 1.0,
    legal: npt.ArrayLike | None = None,
) -> Labels:
    """(N, C) probabilities to label sets: to name a class gains (p - threshold)·worth, (C,) each,
    see `best_for_f1`; the classes that gain, or the legal set (L, C) that gains most."""
    gain = (probabilities - np.asarray(thresholds, np.float32)) * np.asarray(worth, np.float32)
    return np.asarray(gain >= 0) if legal is None else most_likely_sets(gain, legal)


def best_for_f1(probabilities: Floats) -> tuple[Floats, Floats]:
    """(C,) thresholds between 0.1 and 0.5 with the largest expected F1, from (N, C) alone; and
    what naming a class once more is worth to macro F1, with mean 1.

    With calibrated probabilities p, naming the k likeliest shots has F1 of about
    2 sum of their p / (k + sum of all p); at its maximum the threshold is half of it, and one more
    changes F1 by (p - threshold) · 2 / (k + sum of all p).
    Zhao, Edakunni, Pocock and Brown (2013).
    """
    classes = probabilities.shape[1]
    if not len(probabilities):
        return np.full(classes, 0.5, np.float32), np.ones(classes, np.float32)
    p = -np.sort(-probabilities.astype(np.float64), 0)
    size = np.arange(1, len(p) + 1)[:, None] + p.sum(0)
    f1 = 2 * p.cumsum(0) / size
    best = f1.argmax(0), np.arange(classes)
    worth = 1 / size[best]
    thresholds = np.clip(f1[best] / 2, LOWEST, 0.5)
    return thresholds.astype(np.float32), (worth / worth.mean()).astype(np.float32)
