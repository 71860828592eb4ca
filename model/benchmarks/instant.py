"""`bench instant`: how long the head takes to learn, to suggest and to ask, against scikit-learn.

Embeddings and labels are drawn with the real frequencies of label sets; no network is loaded.
"""

from __future__ import annotations

import time
import tomllib
import warnings
from collections.abc import Callable
from functools import partial
from importlib import resources
from statistics import median
from typing import Any

import numpy as np

from model.active import head, selection
from model.active.head import Floats
from model.active.strategies import STRATEGIES
from model.processes import one_blas_thread
from model.taxonomy.taxonomy import Labels
from model.taxonomy.toml import load, shipped

WIDTH = 512
_OPEN = 38_000


def measure(labels: int = 7264, shots: int = 7264, rounds: int = 5) -> dict[str, Any]:
    """Milliseconds of one core (CPU time, so that other work does not count), medians of rounds.

    fit_ms: on all labels, as after every one; suggest_ms: probabilities of all shots; ask_ms: the
    slowest strategy orders 38,000 shots; sklearn_ratio: scikit-learn's logistic regression, one
    class after another on the same components, over ours.
    """
    taxonomy = load(shipped("helium"))
    random = np.random.default_rng(0)
    text = (resources.files("resources") / "labelsets.toml").read_text(encoding="utf-8")
    sets = tomllib.loads(text)["set"]
    share = np.array([s["count"] for s in sets], float)
    rows = np.array([taxonomy.mask(s["classes"]) for s in sets])
    rows = rows[random.choice(len(sets), max(labels + 1, shots), p=share / share.sum())]
    rows = rows[~taxonomy.contradictions(rows)]
    clean = rows @ random.normal(size=(len(taxonomy), WIDTH)) * 0.25
    x = (clean + random.normal(size=clean.shape)).astype(np.float32)
    labels = min(labels, len(rows) - 1)
    space = head.space_of(x)
    made = head.fit(x[:labels], rows[:labels], taxonomy, space=space)
    found = {
        "fit_ms": _ms(rounds, lambda: head.fit(x[:labels], rows[:labels], taxonomy, space=space)),
        "suggest_ms": _ms(rounds, lambda: made.probabilities(x[:shots])),
    }
    found |= _asking(x, rows, made, random, rounds)
    found["sklearn_ratio"] = _peer(made, x[:labels], rows[:labels]) / found["fit_ms"]
    return found


def _asking(
    x: Floats, rows: Labels, made: head.Head, random: np.random.Generator, rounds: int
) -> dict[str, float]:
    at = random.integers(0, len(x), _OPEN)
    many = (x[at] + 0.3 * random.normal(size=(_OPEN, WIDTH))).astype(np.float16)
    p, labels = made.probabilities(many), rows[at]
    known = random.random(_OPEN) < 0.02

    def ask(name: str) -> None:
        selection.ask(name, p, many, known, labels, made.taxonomy, _OPEN)

    taken = {name: _ms(rounds, partial(ask, name)) for name in STRATEGIES}
    return {"ask_ms": max(taken.values())} | {f"ask_{n}_ms": v for n, v in taken.items()}


def _peer(made: head.Head, x: Floats, rows: Labels) -> float:
    """CPU milliseconds of scikit-learn on the same components and penalty, without rules."""
    from sklearn.linear_model import LogisticRegression

    inner = made.space.of(x)
    began = time.process_time()
    with one_blas_thread(), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for c in np.flatnonzero(rows.any(0) & ~rows.all(0)):
            LogisticRegression(C=1 / made.penalty).fit(inner, rows[:, c])
    return 1e3 * (time.process_time() - began)


def _ms(rounds: int, work: Callable[[], object]) -> float:
    taken = []
    for _ in range(rounds):
        began = time.process_time()
        work()
        taken.append(1e3 * (time.process_time() - began))
    return median(taken)
