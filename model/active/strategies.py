"""Strategies: which of the unlabelled shots a person should look at next, each with its reason.

A strategy looks at a `Pool` and gives rows and reasons, best first. It never looks at the truth,
never changes anything, and gives the same answer for the same pool.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import assert_never

import numpy as np
import numpy.typing as npt

from model.active.head import AT_ONCE, legal_sets
from model.taxonomy.taxonomy import Taxonomy

Floats = npt.NDArray[np.float32]
Labels = npt.NDArray[np.bool_]
Rows = npt.NDArray[np.int64]
Picks = tuple[Rows, tuple[str, ...]]
SHORTLIST = 4000
"""How many of the open shots the slower measures look at: those with the least sure classes."""
FEW = 30
"""A class with fewer labelled shots is still looked for."""
GREEDY = 256
"""Shots that are chosen one after the other, each unlike those before."""
BORDER = 0.3
"""Probability at which the answer for F1 turns for a class of middling difficulty."""
UNLIKELY = 0.15
"""Below this probability a shot is asked because it may show a class, not for doubt."""
_COMPONENTS, _RANKED = 48, 1000


@dataclass(frozen=True)
class Pool:
    """What is known when shots are asked for.

    open: rows (M,) that may be asked for; probabilities (M, C) are theirs. embeddings (N, D): of
    all shots, which may be many: see `embeddings_of`. labels (L, C) and seen (L, D): of the shots
    labelled so far. random: for ties and draws.
    """

    open: Rows
    probabilities: Floats
    embeddings: npt.NDArray[np.floating]
    labels: Labels
    seen: Floats
    taxonomy: Taxonomy
    random: np.random.Generator

    def embeddings_of(self, at: Rows | slice) -> Floats:
        """(n, D) of the open shots at these positions; take some at a time."""
        return np.asarray(self.embeddings[self.open[at]], np.float32)

    @cached_property
    def spread(self) -> Floats:
        """(M, C) p(1 - p)."""
        return self.probabilities * (1 - self.probabilities)

    def few(self) -> npt.NDArray[np.intp]:
        """Classes with too few labelled shots, fewest first; without any, the rarest one."""
        counts = self.labels.sum(0)
        order = np.argsort(counts, kind="stable")
        found = order[counts[order] < FEW]
        return found if len(found) else order[:1]


@dataclass(frozen=True)
class Strategy:
    """A way to choose: what it does, in words, and the function that does it."""

    text: str
    function: Callable[[Pool, int], Picks]


def _best(pool: Pool, score: Floats, n: int) -> Rows:
    """Positions of the n highest scores; ties in random order."""
    n = min(n, len(score))
    noise = pool.random.random(len(score)) * 1e-9 * (1 + float(np.abs(score).max(initial=0)))
    noisy = score.astype(np.float64) + noise
    if n < len(score) // 4:
        top = np.argpartition(-noisy, n)[:n]
        return top[np.argsort(-noisy[top])]
    return np.argsort(-noisy)[:n]


def _unsure(pool: Pool, at: Rows) -> tuple[str, ...]:
    worst = pool.spread[at].argmax(1)
    return tuple(f"least sure of {pool.taxonomy.names[c]}" for c in worst)


def draw(pool: Pool, n: int) -> Picks:
    """Any shot as likely as any other."""
    at = pool.random.permutation(len(pool.open))[:n]
    return pool.open[at], ("random",) * len(at)


def least_margin(pool: Pool, n: int) -> Picks:
    """The class nearest to one half decides."""
    at = _best(pool, -np.abs(pool.probabilities - 0.5).min(1), n)
    return pool.open[at], _unsure(pool, at)


def set_entropy(pool: Pool, n: int) -> Picks:
    """Entropy over the legal label sets (over the classes where there are no rules)."""
    p = np.clip(pool.probabilities, 1e-6, 1 - 1e-6)
    cheap = -(p * np.log(p) + (1 - p) * np.log1p(-p)).sum(1)
    legal = legal_sets(pool.taxonomy)
    if legal is None:
        at = _best(pool, cheap, n)
        return pool.open[at], _unsure(pool, at)
    first = _best(pool, cheap, SHORTLIST)
    chance, scores = _set_chances(p[first], legal)
    order = _best(pool, -(chance * np.log(np.maximum(chance, 1e-12))).sum(1), min(n, SHORTLIST))
    two = np.argsort(-scores[order], 1)[:, :2]
    said = [_either(pool.taxonomy, legal[a], legal[b]) for a, b in two]
    at = first[order]
    if n > len(at):
        cheap[at] = -1
        at = np.concatenate([at, _best(pool, cheap, min(n, len(cheap)) - len(at))])
        said += _unsure(pool, at[len(said) :])
    return pool.open[at], tuple(said)


def _set_chances(p: Floats, legal: Labels) -> tuple[Floats, Floats]:
    """(m, L) probability of each legal set if classes were independent otherwise; its log-odds."""
    scores = np.log(p / (1 - p)) @ legal.T.astype(np.float32)
    chance = np.exp(scores - scores.max(1, keepdims=True))
    return chance / chance.sum(1, keepdims=True), scores


def _either(taxonomy: Taxonomy, one: Labels, other: Labels) -> str:
    """What tells the two likeliest sets apart, by the classes lowest in the hierarchy."""
    parts = []
    for mine, theirs in ((one, other), (other, one)):
        only = mine & ~theirs
        names = taxonomy.named(only)
        parents = {taxonomy.classes[taxonomy.index(name)].parent for name in names}
        parts.append([name for name in names if name not in parents])
    if parts[0] and parts[1]:
        return f"{' + '.join(parts[0])} or {' + '.join(parts[1])}?"
    return f"{' + '.join(parts[0] or parts[1])} or not?"


def contradiction(pool: Pool, n: int) -> Picks:
    """How likely independent answers would break a hard rule."""
    rules = np.flatnonzero(pool.taxonomy.hard)
    if not len(rules):
        return least_margin(pool, n)
    chance = np.stack([_broken(pool, int(r)) for r in rules], 1)
    at = _best(pool, 1 - np.prod(1 - chance, 1), n)
    worst = rules[chance[at].argmax(1)]
    return pool.open[at], tuple(f"may break: {pool.taxonomy.rules[r].text}" for r in worst)


def _broken(pool: Pool, number: int) -> Floats:
    """(M,) chance that independent classes break one rule."""
    rule, p = pool.taxonomy.rules[number], pool.probabilities
    left = p[:, pool.taxonomy.mask(rule.left)]
    right = p[:, pool.taxonomy.mask(rule.right)]
    none_left = (1 - left).prod(1)
    rest = [np.delete(left, i, 1) for i in range(left.shape[1])]
    one_left = sum(one * (1 - others).prod(1) for one, others in zip(left.T, rest, strict=True))
    if rule.kind == "one_of":
        return np.clip(1 - none_left - one_left, 0, 1)
    if rule.kind == "never":
        return (1 - none_left) * (1 - (1 - right).prod(1))
    if rule.kind == "implies":
        return (1 - none_left) * (1 - right).prod(1)
    if rule.kind == "alone":
        others = p[:, ~pool.taxonomy.mask(rule.left)]
        return np.clip(1 - none_left - one_left * (1 - others).prod(1), 0, 1)
    if rule.kind == "some":
        return none_left
    assert_never(rule.kind)


def rare(pool: Pool, n: int) -> Picks:
    """The likeliest shots of the classes with the fewest labels, class after class."""
    few = pool.few()
    rank = np.argsort(np.argsort(-pool.probabilities[:, few], 0, kind="stable"), 0)
    score = -(rank * len(few) + np.arange(len(few)))
    at = _best(pool, score.max(1), n)
    said = [pool.taxonomy.names[few[c]] for c in score[at].argmax(1)]
    return pool.open[at], tuple(f"may show {name}, of which there are few" for name in said)


def diverse(pool: Pool, n: int) -> Picks:
    """Core-set: each time the shot farthest from all labelled and chosen ones."""
    at = _farthest(pool, np.ones(len(pool.open), np.float32), n)
    return pool.open[at], ("unlike any labelled shot",) * len(at)


def _reduced(open_ones: Floats, seen: Floats) -> tuple[Floats, Floats]:
    """Both sets of embeddings in the leading components of the first, each of length one."""
    every = np.asarray(open_ones, np.float32)
    some = every[:: max(1, len(every) // 1000)]
    mean = some.mean(0) if len(some) else 0.0
    from scipy.linalg import eigh  # here: the window knows this module, not scipy

    gram = (some - mean).T @ (some - mean)
    leading = [max(0, len(gram) - _COMPONENTS), len(gram) - 1]
    _, vectors = eigh(gram, subset_by_index=leading)
    basis = vectors[:, ::-1].astype(np.float32)
    parts = [(np.asarray(part, np.float32) - mean) @ basis for part in (every, seen)]
    unit = [p / np.maximum(np.linalg.norm(p, axis=1, keepdims=True), 1e-6) for p in parts]
    return unit[0], unit[1]


def _nearest(x: Floats, seen: Floats) -> Floats:
    """(M,) squared distance of unit vectors to the nearest of the labelled ones (2 without any)."""
    near = np.full(len(x), 2.0, np.float32)
    seen = seen[:: max(1, -(-len(seen) // 1500))]
    for first in range(0, len(seen), 256):
        np.minimum(near, 2 - 2 * (x @ seen[first : first + 256].T).max(1), out=near)
    return np.maximum(near, 0)


def _farthest(pool: Pool, score: Floats, n: int) -> Rows:
    """Positions, greedily the largest score times squared distance to what is labelled or chosen.

    The first 256 come from a shortlist, the best by score; what follows is ordered by score.
    """
    first = _best(pool, score, SHORTLIST)
    x, seen = _reduced(pool.embeddings_of(first), pool.seen)
    near, merit = _nearest(x, seen), score[first]
    chosen: list[int] = []
    for _ in range(min(n, GREEDY, len(first))):
        best = int((near * merit).argmax())
        chosen.append(best)
        np.minimum(near, np.maximum(2 - 2 * (x @ x[best]), 0), out=near)
        near[chosen] = -1
    at = first[np.array(chosen, np.intp)]
    if n > len(at):
        rest = score.copy()
        rest[at] = -1
        at = np.concatenate([at, _best(pool, rest, min(n, len(rest)) - len(at))])
    return at


def badge(pool: Pool, n: int) -> Picks:
    """Shots whose gradients at the head are large and point apart (k-means++ on them)."""
    at = _farthest(pool, pool.spread.sum(1), n)
    return pool.open[at], _unsure(pool, at)


def change(pool: Pool, n: int) -> Picks:
    """Expected change of the head: its gradient's mean square over the answers."""
    at = _best(pool, pool.spread.sum(1) * _eccentricity(pool), n)
    worst = pool.spread[at].argmax(1)
    names = pool.taxonomy.names
    return pool.open[at], tuple(f"would teach most, about {names[c]}" for c in worst)


def _eccentricity(pool: Pool) -> Floats:
    """(M,) squared distance of every open embedding to their mean."""
    parts = [slice(i, i + AT_ONCE) for i in range(0, len(pool.open), AT_ONCE)]
    total = sum(pool.embeddings_of(part).sum(0, dtype=np.float64) for part in parts)
    mean = np.asarray(total / max(len(pool.open), 1), np.float32)
    found = [np.square(pool.embeddings_of(part) - mean).sum(1) for part in parts]
    return np.concatenate(found) if found else np.zeros(0, np.float32)


def asked(pool: Pool, n: int) -> Picks:
    """For every class alike the shots on its border, none like another.

    The border lies where the answer that is best for F1 turns, near a probability of 0.3. Shots
    are ranked by their distance to it class by class; a class that is nowhere probable so gets
    its likeliest shots asked.
    """
    p = np.clip(pool.probabilities, 1e-4, 1 - 1e-4)
    distance = np.abs(np.log(p / (1 - p)) - np.log(BORDER / (1 - BORDER)))
    merit = np.stack([_by_rank(column) for column in distance.T], 1)
    at = _farthest(pool, merit.max(1), n)
    return pool.open[at], tuple(_doubt(pool, i, int(merit[i].argmax())) for i in at)


def _by_rank(distance: Floats) -> Floats:
    """(M,) 1, 1/2, 1/3 ... for the nearest, then less and less by distance."""
    ranked = min(_RANKED, len(distance))
    merit = (1 / (1 + ranked + distance)).astype(np.float32)
    if ranked:
        near = np.argpartition(distance, ranked - 1)[:ranked]
        order = near[np.argsort(distance[near], kind="stable")]
        merit[order] = 1 / np.arange(1, ranked + 1, dtype=np.float32)
    return merit


def _doubt(pool: Pool, at: int, c: int) -> str:
    chance, name = pool.probabilities[at, c], pool.taxonomy.names[c]
    if chance < UNLIKELY:
        return f"may show {name}"
    return f"least sure of {name}" if chance < 1 - UNLIKELY else f"shows {name}?"


STRATEGIES = {
    "asked": Strategy("the border of every class alike, no two shots alike", asked),
    "random": Strategy("any shot as likely as any other", draw),
    "margin": Strategy("the class it is least sure of", least_margin),
    "entropy": Strategy("the most undecided between legal label sets", set_entropy),
    "contradiction": Strategy("answers that come near to breaking a hard rule", contradiction),
    "rare": Strategy("the likeliest shots of the classes with the fewest labels", rare),
    "diverse": Strategy("unlike any labelled shot", diverse),
    "badge": Strategy("what teaches most, no two alike", badge),
    "change": Strategy("what would change the head most", change),
}
"""Name -> strategy; the first is the default."""
