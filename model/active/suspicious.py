"""Labels that are probably wrong: confident learning out of fold, and what the likest shots say.

A head (`model.active.head`) is fitted on the labels of four fifths of the shots and read on the
rest, so that no shot is judged by its own label; cleanlab's confident learning decides which labels
are suspicious. The k nearest shots by embedding are asked as well. Knows no files and no networks,
and changes no label: it only says where to look again, and why.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from model.active import head, neighbours
from model.active.prior import Prior
from model.errors import InputError, install
from model.metrics.agreement import share_interval
from model.taxonomy.taxonomy import Taxonomy

Floats = npt.NDArray[np.float32]
Labels = npt.NDArray[np.bool_]
Rows = npt.NDArray[np.int64]
FOLDS, NEAREST = 5, 8
FEWEST = 60
"""Labelled shots below which no one can tell an error from a rarity."""
OFTEN, SOME = 0.2, 5
"""Share of a class's labels from which on they are doubted as a class, and the fewest of them."""


@dataclass(frozen=True)
class Suspects:
    """Shots to look at again, the most suspicious first.

    rows (m,) of the arrays given; quality (m,) in [0, 1], of the worst of a shot's labels, 0 being
    surely wrong; kind (m,) the class of that label; suggested (m, C) the label set that the head
    would give; reasons (m) in words.
    """

    rows: Rows
    quality: Floats
    kind: Rows
    suggested: Labels
    reasons: tuple[str, ...]


def find(
    embeddings: npt.ArrayLike,
    labels: npt.ArrayLike,
    taxonomy: Taxonomy,
    *,
    folds: int = FOLDS,
    nearest: int = NEAREST,
    seed: int = 0,
    on_fold: Callable[[int, int], None] = lambda done, total: None,
    known: npt.ArrayLike | None = None,
    prior: Prior | None = None,
) -> Suspects:
    """Suspicious label sets (n, C) of labelled shots with embeddings (n, D).

    known (n, C): the labels that someone decided on, None for all; no other is doubted. prior: what
    the network that made the embeddings says, so that few labels need not teach everything. The
    embeddings should come from a network that did not learn these labels by heart.
    Raises InputError for too few shots, or where cleanlab is not installed.
    """
    x, y = np.asarray(embeddings, np.float32), np.asarray(labels, bool)
    check(y)
    said = np.ones_like(y) if known is None else np.asarray(known, bool)
    y = y & said
    probabilities, likely = out_of_fold(x, y, taxonomy, folds, seed, on_fold, said, prior)
    around, _ = neighbours.nearest(x, min(nearest, len(x) - 1))
    of = said[around].sum(1, dtype=np.float32)
    share = np.where(of > 0, y[around].sum(1) / np.maximum(of, 1), probabilities)
    doubted = _doubted(probabilities, np.where(said, y, probabilities >= 0.5))
    quality = np.where(said, _quality(probabilities, share.astype(np.float32), y), np.float32(1))
    telling = np.array([bool(kind.parent) for kind in taxonomy.classes])
    worst = (quality - 0.1 * (y & telling) - 0.05 * telling).argmin(1)
    least = quality.min(1)
    rows = np.flatnonzero(doubted & (least < 0.5))
    rows = rows[np.argsort(least[rows], kind="stable")]
    reasons = tuple(
        _in_words(
            y[i],
            int(worst[i]),
            likely[i],
            probabilities[i],
            np.ma.array(y[around[i]], mask=~said[around[i]]),
            taxonomy,
        )
        for i in rows
    )
    return Suspects(rows, least[rows], worst[rows].astype(np.int64), likely[rows], reasons)


def check(labels: Labels, file: Path | None = None, planting: bool = False) -> None:
    """InputError where wrong ones cannot be told among these labels (n, C), or be planted there."""
    if len(labels) < FEWEST:
        what = f"{len(labels)} labelled shots are too few to find wrong labels among them"
        raise InputError(what, file=file, mend=f"Label at least {FEWEST}.")
    if planting and (labels == labels[0]).all():
        what = f"all {len(labels)} labelled shots have the same classes: none can be exchanged"
        raise InputError(what, file=file, mend="Plant errors where some shots have others.")


def often_doubted(
    found: Suspects, labels: npt.ArrayLike, surely: bool = False
) -> tuple[tuple[int, int, int], ...]:
    """(class, doubted, of) of classes whose labels (n, C) are often doubted, the most first: not
    slips of one shot, but a key or a habit. They count where they are given and where they lack, of
    all that are given or seem to lack. `surely`: only where even the lower end of the share's 95 %
    interval is that large, which is to be said unasked."""
    y = np.asarray(labels, bool)
    lacks = ~y[found.rows, found.kind]
    doubted = np.bincount(found.kind, minlength=y.shape[1])
    given = y.sum(0) + np.bincount(found.kind[lacks], minlength=y.shape[1])
    least, _ = share_interval(doubted, given)  # of few labels much may be chance
    share = least if surely else doubted / np.maximum(given, 1)
    often = [c for c in range(y.shape[1]) if doubted[c] >= SOME and share[c] >= OFTEN]
    often.sort(key=lambda c: -least[c])
    return tuple((c, int(doubted[c]), int(given[c])) for c in often)


def in_words(often: tuple[tuple[int, int, int], ...], names: tuple[str, ...]) -> str:
    """What `often_doubted` found, as a sentence; '' where it is nothing."""
    each = ", ".join(f"{names[c]} ({some:,} of {of:,})" for c, some, of in often[:3])
    return f"Doubted in many of their labels: {each}." if each else ""


def out_of_fold(
    x: Floats,
    y: Labels,
    taxonomy: Taxonomy,
    folds: int = FOLDS,
    seed: int = 0,
    on_fold: Callable[[int, int], None] = lambda done, total: None,
    known: Labels | None = None,
    prior: Prior | None = None,
) -> tuple[Floats, Labels]:
    """(n, C) probabilities and answers of every shot by a head that never saw its label."""
    fold = np.random.default_rng(seed).permutation(len(x)) % folds
    space = head.space_of(x)
    probabilities = np.zeros(y.shape, np.float32)
    likely = np.zeros(y.shape, bool)
    for k in range(folds):
        on_fold(k, folds)
        rest = fold != k
        said = None if known is None else known[rest]
        made = head.fit(x[rest], y[rest], taxonomy, space=space, known=said, prior=prior)
        probabilities[fold == k] = made.probabilities(x[fold == k])
        likely[fold == k] = made.decide(x[fold == k])
    on_fold(folds, folds)
    return probabilities, likely


def _doubted(probabilities: Floats, y: Labels) -> Labels:
    """(n,) shots of which confident learning doubts any label; each class is judged by itself."""
    package = _cleanlab()
    varies = y.any(0) & ~y.all(0)  # of a class that all have, or none, there is nothing to learn
    if not varies.any():
        return np.zeros(len(y), bool)
    known = np.flatnonzero(varies | ~y.any(0))
    lists = [np.flatnonzero(row).tolist() for row in y[:, known]]
    some = probabilities[:, known].astype(np.float64)
    found = package.find_label_issues(lists, some, filter_by="confident_learning", n_jobs=1)
    return np.asarray(found, bool)


def _quality(probabilities: Floats, share: Floats, y: Labels) -> Floats:
    """(n, C) how well each label stands: mean of what the head and the nearest shots say of it."""
    agreed = (probabilities + share) / 2
    return np.where(y, agreed, 1 - agreed).astype(np.float32)


def _in_words(
    given: Labels,
    kind: int,
    suggested: Labels,
    probability: Floats,
    around: np.ma.MaskedArray[Any, Any],
    taxonomy: Taxonomy,
) -> str:
    """Why a shot is suspected: its worst label, and what stands against it."""
    name = taxonomy.names[kind]
    said = {c: f"{probability[c]:.2f}".removeprefix("0") for c in range(len(given))}
    if not given[kind]:
        return f"lacks {name}: {_nearest_are(around, kind, name)}; cross-validated p = {said[kind]}"
    instead = np.flatnonzero(suggested & ~given)
    if not len(instead):
        return (
            f"labelled {name}: {_nearest_are(around, kind, name)}; cross-validated p = {said[kind]}"
        )
    special = [c for c in instead if taxonomy.classes[c].parent]
    other = int(special[0] if special else instead[0])
    seen = _nearest_are(around, other, taxonomy.names[other])
    return f"labelled {name}: {seen}; cross-validated p = {said[kind]}, of that {said[other]}"


def _nearest_are(around: np.ma.MaskedArray[Any, Any], kind: int, name: str) -> str:
    have, k = int(around[:, kind].filled(False).sum()), int(around[:, kind].count())
    if not k:
        return f"none of its nearest is decided on {name}"
    if have == k:
        return f"its {k} nearest are all {name}"
    return f"{have} of its {k} nearest are {name}" if have else f"none of its {k} nearest is {name}"


def _cleanlab() -> Any:
    try:
        return importlib.import_module("cleanlab.multilabel_classification.filter")
    except ImportError as error:
        raise InputError("suspicious labels need cleanlab", mend=install("cleanlab")) from error


# -- how good the flags are ------------------------------------------------------------------------


def plant(
    y: Labels, taxonomy: Taxonomy, share: float, seed: int, known: Labels | None = None
) -> tuple[Labels, Rows]:
    """Labels with errors as people make them, and the rows (sorted) where they are.

    By turns a slip (one class toggled by mistake, as its key would) and the labels of another shot;
    a slip too where all shots agree with this one. All of it on classes that are `known` there.
    """
    random = np.random.default_rng(seed)
    said = np.ones_like(y) if known is None else known
    some = np.flatnonzero(said.any(1))
    rows = np.sort(random.choice(some, max(1, round(share * len(some))), replace=False))
    wrong = y.copy()
    for turn, row in enumerate(rows):
        alike = not ((y != y[row]) & said[row]).any()
        while (wrong[row] == y[row])[said[row]].all():
            slip = taxonomy.toggle(y[row], int(random.integers(y.shape[1])))
            wrong[row] = slip if turn % 2 == 0 or alike else y[random.integers(len(y))]
    return wrong, rows


def measure(
    embeddings: npt.ArrayLike,
    labels: npt.ArrayLike,
    taxonomy: Taxonomy,
    share: float,
    seed: int,
    known: Labels | None = None,
    prior: Prior | None = None,
) -> dict[str, Any]:
    """How many of the first flags are real where a `share` of right labels was made wrong.

    `precision`: among the first flags that cover half of the planted errors (`flags_for_half`);
    None where they are never covered. `flags`, `flags_precision`, `found`: of all flags. Raises
    InputError as `find`, and where all labels are the same.
    """
    y = np.asarray(labels, bool)
    check(y, planting=True)
    wrong, rows = plant(y, taxonomy, share, seed, known)
    suspects = find(embeddings, wrong, taxonomy, seed=seed, known=known, prior=prior)
    real = np.isin(suspects.rows, rows)
    half = -(-len(rows) // 2)
    reached = np.flatnonzero(np.cumsum(real) >= half)
    first = int(reached[0]) + 1 if len(reached) else None
    return {
        "shots": len(y),
        "planted": len(rows),
        "seed": seed,
        "precision": None if first is None else half / first,
        "flags_for_half": first,
        "flags": len(real),
        "flags_precision": float(real.mean()) if len(real) else None,
        "found": float(real.sum() / len(rows)),
    }
