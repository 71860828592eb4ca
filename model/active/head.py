"""The instant head: multi-label logistic regression on embeddings, fitted afresh after every label.

A log-linear model over the legal label sets: the probability of a set goes with exp(sum of the
logits of its classes), and logits are affine in the embedding (the same idea as
`model.taxonomy.decoding`, which turns them into marginals and sets). The weights are found by
maximum a posteriori, L-BFGS, in the leading principal components of the embeddings. Where the
network that made the embeddings has a head of its own, that is the prior: few labels bend it, many
replace it. numpy and scipy only; it never imports torch and reads no shots.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any
from zlib import crc32

import numpy as np
import numpy.typing as npt

from model.active.prior import FEWEST, Prior
from model.metrics.thresholds import fit_temperature
from model.processes import one_blas_thread
from model.taxonomy import decoding
from model.taxonomy.taxonomy import Taxonomy

Floats = npt.NDArray[np.float32]
Labels = npt.NDArray[np.bool_]
FEWEST_LABELS = 20
"""Of a class that is decided on fewer shots nothing is said: too few to learn from."""
COMPONENTS = 64
"""Principal components of the embeddings that the head sees."""
MOST_SETS = 1024
"""More legal sets than these are not enumerated: then classes are judged one by one."""
PENALTIES = (10.0, 30.0, 100.0)
"""Inverse prior variances of a weight that cross-validation weighs against each other."""
_TRUST, _LEVEL, _EXPECTED = 30.0, 0.1, 5.0
"""Inverse prior variances of the trust in the network's own head, and of a bias where no one
knows how frequent classes are, and where the prior's odds say it."""
_FOLDS, _CHECKED = 3, 360
_HELD = 1000
"""Labelled shots that are read by a head which did not learn their labels."""
_ENOUGH = 20
"""Labels below which the penalty is not chosen but taken from the middle."""
_KEPT, _BLOCK = 2000, 512
AT_ONCE = 65_536
"""Shots whose embeddings are taken to full precision at one time."""


@dataclass(frozen=True)
class Space:
    """Centred, scaled principal components: x -> (x - mean) @ basis, (D,) and (D, K)."""

    mean: Floats
    basis: Floats
    some: Floats
    """(m, D) up to 2,000 of the embeddings that it was made from."""
    shots: int
    """How many there were."""

    def of(self, embeddings: Floats) -> Floats:
        """(N, K) components of embeddings (N, D)."""
        return np.asarray((embeddings - self.mean) @ self.basis, np.float32)


@dataclass(frozen=True)
class Head:
    """A fitted head: logits = embeddings @ weight + bias, (D, C) and (C,), already calibrated."""

    taxonomy: Taxonomy
    weight: Floats
    bias: Floats
    space: Space
    inner: npt.NDArray[np.float64]
    """(K + 2, C) parameters in the components: weights, trust in the prior, bias."""
    thresholds: Floats
    worth: Floats
    """(C,) both see `decoding.best_for_f1`."""
    penalty: float
    temperature: float
    shots: int
    """How many labels it was fitted on."""
    held: npt.NDArray[np.intp]
    """(m,) which of the shots given, 1,000 at most, were read out of fold too; below 20 none."""
    held_logits: Floats
    """(m, C) what heads that did not learn their labels say of these, calibrated."""
    learnt: Labels
    """(C,) False for classes that too few labels are decided on: nothing is said of them."""
    odds: Floats | None = None
    """(L,) log-odds of each legal set beside the sum of its logits, see `Prior`."""

    def logits(self, embeddings: npt.ArrayLike) -> Floats:
        """(N, D) embeddings to (N, C) calibrated logits."""
        every = np.asarray(embeddings)
        parts = [every[i : i + AT_ONCE] for i in range(0, max(len(every), 1), AT_ONCE)]
        return np.concatenate([np.asarray(p, np.float32) @ self.weight for p in parts]) + self.bias

    def probabilities(self, embeddings: npt.ArrayLike) -> Floats:
        """(N, C) probability of every class: marginals over the legal label sets; 0 of a class that
        is not learnt."""
        logits, legal = self.logits(embeddings), legal_sets(self.taxonomy)
        return decoding.probabilities(logits, legal, self.raised) * self.learnt

    @property
    def raised(self) -> decoding.Raised:
        """(L,) or 0: the negative of `odds`, as in `decoding`."""
        return 0.0 if self.odds is None else -self.odds.astype(np.float64)

    def decide(self, embeddings: npt.ArrayLike) -> Labels:
        """(N, C) the answer: the legal label set that is best for macro F1, see `decided`."""
        return self.decided(self.probabilities(embeddings))

    def decided(self, probabilities: Floats) -> Labels:
        """(N, C) the answer to probabilities (N, C), see `decoding.answers`: what a legal set says
        of the learnt classes. Empty where only a class that is not learnt would make it legal."""
        found = self._answers(probabilities)
        return found & ~self._is_nothing(found)[:, None]

    def judged(self, logits: Floats) -> tuple[Floats, Labels, Floats]:
        """Logits (n, C) to probabilities (n, C), answers (n, C) and the chance (n,) that each is
        right, whatever holds of the classes that are not learnt; 0 where nothing is answered."""
        legal = legal_sets(self.taxonomy)
        if legal is None:
            p = decoding.sigmoid(logits) * self.learnt
            found = self._answers(p)
            sure = np.where(found, p, 1 - p).prod(1)
        else:
            chances = decoding.set_probabilities(logits, legal, self.raised)
            p = np.clip(chances @ legal.astype(np.float32), 0, 1) * self.learnt
            found = self._answers(p)
            same = self.taxonomy.pack(legal & self.learnt) == self.taxonomy.pack(found)[:, None]
            sure = (chances * same).sum(1)
        nothing = self._is_nothing(found)
        return p, found & ~nothing[:, None], np.where(nothing, 0, sure)

    def _answers(self, probabilities: Floats) -> Labels:
        legal = legal_sets(self.taxonomy)
        if legal is not None:
            legal = self.taxonomy.unpack(np.unique(self.taxonomy.pack(legal & self.learnt)))
        found = decoding.answers(probabilities, self.thresholds, self.worth, legal)
        return found if legal is not None else _without_contradictions(
            found, (probabilities - self.thresholds) * self.worth, self.taxonomy
        )  # fmt: skip

    def _is_nothing(self, answers: Labels) -> npt.NDArray[np.bool_]:
        """(n,) True where answers (n, C) break a hard rule, also with what they imply."""
        bits, which = np.unique(self.taxonomy.pack(answers), return_inverse=True)
        sets = self.taxonomy.unpack(bits)
        whole = self.taxonomy.contradictions(self.taxonomy.complete(sets))
        return np.asarray((self.taxonomy.contradictions(sets) & whole)[which])


@dataclass(frozen=True)
class Held:
    """What a head says of labelled shots whose labels it did not learn: rows (m,), answers (m, C)
    and the chance (m,) that each is right."""

    rows: npt.NDArray[np.int64]
    decided: npt.NDArray[np.bool_]
    sure: npt.NDArray[np.float32]


def legal_sets(taxonomy: Taxonomy) -> Labels | None:
    """(L, C) legal label sets; None where no hard rule binds the classes, or they are too many."""
    return taxonomy.listed_sets(MOST_SETS)


def space_of(embeddings: npt.ArrayLike) -> Space:
    """The space of all shots (N, D), labelled or not; from at most 2,000 of them."""
    with one_blas_thread():
        return _space_of(np.asarray(embeddings))


def _space_of(every: npt.NDArray[Any]) -> Space:
    some = every[:: max(1, -(-len(every) // _KEPT))].astype(np.float32)
    some = some[np.isfinite(some).all(1)]
    if not len(some):
        width = every.shape[1]
        return Space(np.zeros(width, np.float32), np.zeros((width, 0), np.float32), some, 0)
    mean = some.mean(0)
    centred = some - mean
    count, width = centred.shape
    tall = count >= width
    gram = centred.T @ centred if tall else centred @ centred.T
    values, vectors = np.linalg.eigh(gram.astype(np.float64) / count)
    kept = min(COMPONENTS, count - 1, width)
    order = np.argsort(values)[::-1][:kept]
    values, vectors = np.maximum(values[order], 0), vectors[:, order]
    keep = values > 1e-6 * max(float(values.sum()), 1e-30)
    values, vectors = values[keep], vectors[:, keep]
    if not tall:
        vectors = centred.T @ vectors / np.sqrt(values * count)
    # half-way to white: leading components say more, but must not drown the rest
    scale = values**-0.25 * (values.sum() / np.sqrt(values).sum()) ** -0.5 if len(values) else 1.0
    return Space(mean, (vectors * scale).astype(np.float32), some, len(every))


def fit(
    embeddings: npt.ArrayLike,
    labels: npt.ArrayLike,
    taxonomy: Taxonomy,
    *,
    prior: Prior | None = None,
    space: Space | None = None,
    known: npt.ArrayLike | None = None,
) -> Head:
    """The head for labelled shots: embeddings (n, D) and label sets (n, C). It follows from these
    alone: no earlier head is begun from, so that every way to the same labels ends with it.

    known (n, C): the labels that someone decided on, None for all; the others say nothing.
    prior: the network's own head. space: that of all shots (`space_of`), so that unlabelled ones
    help too.
    Label sets that break a hard rule are left out, and shots without an embedding (NaN).
    """
    x, y = np.asarray(embeddings, np.float32), np.asarray(labels, bool)
    said = np.ones_like(y) if known is None else np.asarray(known, bool)
    with one_blas_thread():
        return _fitted(x, y & said, said, taxonomy, prior, space)


def _fitted(
    x: Floats,
    y: Labels,
    said: Labels,
    taxonomy: Taxonomy,
    prior: Prior | None,
    space: Space | None,
) -> Head:
    kept = ~taxonomy.contradictions(y, said) & np.isfinite(x).all(1)
    x, y, said = x[kept], y[kept], said[kept]
    space = space_of(x) if space is None else space
    problem = _Problem.of(space.of(x), y, taxonomy, prior, x, said)
    penalty, temperature, near = PENALTIES[1], 1.0, None
    held, held_logits = np.zeros(0, np.intp), np.zeros(y.shape, np.float32)
    if len(x) >= _ENOUGH:
        drawn = np.array([crc32(row) for row in np.ascontiguousarray(x)])
        held = np.sort(np.argsort(drawn, kind="stable")[:_HELD])
        penalty, temperature, apart = _chosen(problem, drawn)
        near, fold = apart[0], drawn[held] % _FOLDS
        for k, each in enumerate(apart):
            held_logits[held[fold == k]] = problem.part(held[fold == k]).logits(each)
    learnt = said.sum(0) >= min(FEWEST_LABELS, len(x))
    if prior is not None:
        learnt |= prior.known
    inner = problem.solve(penalty, near)
    weight, bias = _folded(inner, space, prior)
    made = Head(
        taxonomy=taxonomy,
        weight=(weight / temperature).astype(np.float32),
        bias=(bias / temperature).astype(np.float32),
        space=space,
        inner=inner,
        thresholds=np.full(len(taxonomy), 0.5, np.float32),
        worth=np.ones(len(taxonomy), np.float32),
        penalty=penalty,
        temperature=temperature,
        shots=len(x),
        held=np.flatnonzero(kept)[held],
        held_logits=held_logits[held] / np.float32(temperature),
        learnt=learnt,
        odds=problem.odds,
    )
    frequent = space.some if len(space.some) >= FEWEST else space.some[:0]  # too few to tell
    thresholds, worth = decoding.best_for_f1(made.probabilities(frequent))
    return replace(made, thresholds=thresholds, worth=worth)


@dataclass(frozen=True)
class _Problem:
    """Components x (n, K), label sets y (n, C), prior logits z (n, C), all single precision.

    `said` (n, C): the labels that someone decided on.
    """

    x: Floats
    y: Floats
    said: Labels
    z: Floats
    legal: Floats | None
    centre: npt.NDArray[np.float64]
    """(K + 2, C) the mode of the prior."""
    odds: Floats | None = None
    """(L,) of the legal sets, see `Prior`."""

    @classmethod
    def of(
        cls,
        x: Floats,
        y: Labels,
        taxonomy: Taxonomy,
        prior: Prior | None,
        embeddings: Floats,
        said: Labels | None = None,
    ) -> _Problem:
        said = np.ones_like(y) if said is None else said
        legal = legal_sets(taxonomy)
        centre = np.zeros((x.shape[1] + 2, y.shape[1]))
        decided = np.where(y.any(0), said.sum(0), len(y))  # of what was never seen: rare
        share = (y.sum(0) + 0.5) / (decided + 2.0)
        centre[-1] = np.log(share / (1 - share))
        z = np.zeros(y.shape, np.float32)
        if prior is not None:
            z = prior.logits(embeddings)
            centre[-2:, prior.known] = [[1.0], [0.0]]
        sets = None if legal is None else legal.astype(np.float32)
        odds = None if prior is None or sets is None else prior.odds
        return cls(x, y.astype(np.float32), said, z, sets, centre, odds)

    @property
    def shape(self) -> tuple[int, ...]:
        """That of the parameters."""
        return self.centre.shape

    def part(self, rows: npt.NDArray[np.intp]) -> _Problem:
        """The same problem on some of the shots."""
        return replace(self, x=self.x[rows], y=self.y[rows], said=self.said[rows], z=self.z[rows])

    @cached_property
    def partly(self) -> npt.NDArray[np.intp]:
        """Shots with an undecided class."""
        return np.flatnonzero(~self.said.all(1))

    @cached_property
    def agreeing(self) -> Labels:
        """(shots with an undecided class, L) the legal sets that each of them may have."""
        assert self.legal is not None
        return decoding.agreeing(self.y[self.partly] > 0, self.said[self.partly], self.legal)

    def logits(self, inner: npt.NDArray[np.float64]) -> Floats:
        """(n, C)."""
        p = inner.astype(np.float32)
        return self.x @ p[:-2] + self.z * p[-2] + p[-1]

    def solve(
        self, penalty: float, warm: npt.NDArray[np.float64] | None = None, exact: float = 3e-6
    ) -> npt.NDArray[np.float64]:
        """(K + 2, C) parameters of the largest posterior, its logarithm to `exact` of itself."""
        rates = np.full(self.shape, penalty)
        rates[-2], rates[-1] = _TRUST, _LEVEL if self.odds is None else _EXPECTED
        start = self.centre if warm is None else warm

        def cost(flat: npt.NDArray[np.float64]) -> tuple[float, npt.NDArray[np.float64]]:
            inner = flat.reshape(self.shape)
            off = inner - self.centre
            surprise, residual = self._surprise(self.logits(inner))
            slope = rates * off
            slope[:-2] += self.x.T @ residual
            slope[-2] += (self.z * residual).sum(0)
            slope[-1] += residual.sum(0)
            return surprise + 0.5 * float((rates * off * off).sum()), slope.ravel()

        from scipy.optimize import minimize  # here: the window knows this module, not scipy

        options = {"maxiter": 60, "maxcor": 40, "ftol": exact, "gtol": 0.05}
        found = minimize(cost, start.ravel(), jac=True, method="L-BFGS-B", options=options)
        return found.x.reshape(self.shape)

    def _surprise(self, logits: Floats) -> tuple[float, Floats]:
        """Negative log-likelihood of the labels, and probability minus label (n, C)."""
        if self.legal is None:
            right = (np.logaddexp(0, logits, dtype=np.float32) - logits * self.y) * self.said
            residual = (decoding.sigmoid(logits) - self.y) * self.said
            return float(right.sum(dtype=np.float64)), residual
        # relative to the label's own set; a ratio of exp(80) is beyond any use
        own = np.einsum("ij,ij->i", logits, self.y)[:, None]
        y = self.y
        if len(self.partly):  # to all sets that it may be, and to what is expected of these
            own, y = own.copy(), y.copy()
            own[self.partly, 0], y[self.partly] = self._possible(logits[self.partly])
        sums = np.empty((len(logits), logits.shape[1] + 1), np.float32)
        counted = np.concatenate([self.legal, np.ones((len(self.legal), 1), np.float32)], 1)
        for i in range(0, len(logits), _BLOCK):
            at = slice(i, i + _BLOCK)
            odds = logits[at] @ self.legal.T
            odds -= own[at]
            if self.odds is not None:  # of the label's own set too: a constant, left out
                odds += self.odds
            np.minimum(odds, 80, out=odds)
            np.matmul(np.exp(odds, out=odds), counted, out=sums[at])
        surprise = float(np.log(sums[:, -1]).sum(dtype=np.float64))
        residual = np.asarray(sums[:, :-1] / sums[:, -1:] - y, np.float32)
        return surprise, residual

    def _possible(self, logits: Floats) -> tuple[Floats, Floats]:
        """Of the shots with an undecided class: (m,) logarithm of the sum over the sets that each
        may have, and (m, C) the classes that are expected of these."""
        assert self.legal is not None
        sums, expected = np.empty(len(logits), np.float32), np.empty_like(logits)
        for i in range(0, len(logits), _BLOCK):
            at = slice(i, i + _BLOCK)
            scores = logits[at] @ self.legal.T
            if self.odds is not None:
                scores += self.odds
            scores[~self.agreeing[at]] = -np.inf
            top = scores.max(1, keepdims=True)
            weights = np.exp(scores - top)
            whole = weights.sum(1, keepdims=True)
            sums[at] = (top + np.log(whole))[:, 0]
            expected[at] = weights @ self.legal / whole
        return sums, expected


def _chosen(
    problem: _Problem, drawn: npt.NDArray[np.int64]
) -> tuple[float, float, list[npt.NDArray[np.float64]]]:
    """Penalty and temperature by cross-validation on at most 360 shots; and for each fold the
    parameters fitted without its shots.

    One more label shall move little: what is `drawn` (n,) of its embedding says whether a shot is
    among them and in which fold, and the penalty is the geometric mean of all, each as likely as it
    makes the shots that are held out.
    """
    rows = np.sort(np.argsort(drawn, kind="stable")[:_CHECKED])
    part, fold = problem.part(rows), drawn[rows] % _FOLDS
    surprises, outs, apart = [], [], []
    warm: list[npt.NDArray[np.float64] | None] = [None] * _FOLDS
    for penalty in PENALTIES[::-1]:
        out = np.zeros_like(part.y)
        for k in range(_FOLDS):
            found = part.part(np.flatnonzero(fold != k)).solve(penalty, warm[k], 1e-4)
            held = np.flatnonzero(fold == k)
            out[held], warm[k] = part.part(held).logits(found), found
        surprises.append(part._surprise(out)[0])
        outs.append(out)
        apart.append([found for found in warm if found is not None])
    likely = np.exp(min(surprises) - np.array(surprises))
    likely /= likely.sum()
    chosen = float(np.exp(likely @ np.log(PENALTIES[::-1])))
    logits = np.tensordot(likely, outs, 1).astype(np.float32)
    means = [np.tensordot(likely, found, 1) for found in zip(*apart, strict=True)]
    legal = None if part.legal is None else part.legal.astype(bool)
    raised = 0.0 if part.odds is None else -part.odds.astype(np.float64)
    known = part.said if len(part.partly) else None
    return chosen, fit_temperature(logits, part.y.astype(bool), legal, raised, known), means


def _folded(
    inner: npt.NDArray[np.float64], space: Space, prior: Prior | None
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """Parameters in the components as one affine map of the embedding: (D, C) and (C,)."""
    weight = space.basis.astype(np.float64) @ inner[:-2]
    bias = inner[-1] - space.mean @ weight
    if prior is not None:
        weight = weight + prior.weight.T * inner[-2]
        bias = bias + prior.bias * inner[-2]
    return weight, bias


def _without_contradictions(decided: Labels, gain: Floats, taxonomy: Taxonomy) -> Labels:
    """Label sets (N, C) less the classes of least gain until no hard rule is broken; what is done
    where the legal sets are too many to list."""
    decided = decided.copy()
    for _ in range(len(taxonomy)):
        bad = np.flatnonzero(taxonomy.contradictions(decided))
        if not len(bad):
            break
        least = np.where(decided[bad], gain[bad], np.inf).argmin(1)
        decided[bad, least] = False
    return decided
