"""What a network in training is worth: its logits on chosen shots, and the report of a run."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import nn

from model.metrics import bootstrap, metrics
from model.metrics.thresholds import choose_thresholds, fit_temperature, probabilities_at
from model.networks.architectures import Network
from model.runs.recipes import Recipe
from model.taxonomy import decoding
from model.training.data import TrainingData
from model.training.engine import Engine
from model.training.roles import Rows

Floats = npt.NDArray[np.float32]
Labels = npt.NDArray[np.bool_]
_SAMPLE = 512
MOST_DECODED = 14
"""Classes up to which the most likely legal set is reported beside plain output."""


def logits_of(
    network: nn.Module,
    data: TrainingData,
    rows: Rows,
    recipe: Recipe,
    engine: Engine,
    side: int = 0,
    exact: bool = False,
) -> Floats:
    """(n, C) logits of the rows, unchanged shots of `side` pixels, network in evaluation mode.

    exact: in single precision, as a prediction reads them, not in the training's number format.
    """
    wide = len(data.table.class_names)
    return _answers(network, network, wide, data, rows, recipe, engine, side, exact)


def embeddings_of(
    network: Network, data: TrainingData, rows: Rows, recipe: Recipe, engine: Engine, side: int = 0
) -> Floats:
    """(n, D) what the last layer of a network in evaluation mode is given, of unchanged shots."""

    def pooled(x: torch.Tensor) -> torch.Tensor:
        return network.features(x).mean((-2, -1))

    return _answers(network, pooled, network.width, data, rows, recipe, engine, side)


@torch.no_grad()
def _answers(
    network: nn.Module, ask: Callable[[torch.Tensor], torch.Tensor], wide: int,
    data: TrainingData, rows: Rows, recipe: Recipe, engine: Engine, side: int,
    exact: bool = False,
) -> Floats:  # fmt: skip
    """(n, `wide`) of the rows, batch by batch, the network in evaluation mode meanwhile."""
    was_training = network.training
    network.eval()
    parts = [np.zeros((0, wide), np.float32)]
    for i in range(0, len(rows), recipe.batch):
        x = data.inputs(rows[i : i + recipe.batch], engine.device, recipe, None, side)
        with nullcontext() if exact else engine.number_context():
            parts.append(ask(x).float().cpu().numpy())
    network.train(was_training)
    return np.concatenate(parts)


def unexplained(network: nn.Module, data: TrainingData, recipe: Recipe, engine: Engine) -> float:
    """How little a network knows of the training shots before it has learnt from them, in [0, 1].

    Its cross-entropy (Eq. 6) over that of the mere frequencies of the classes, on up to 512 shots:
    1 where it knows nothing more than those.
    """
    rows = np.random.default_rng(0).permutation(data.training)[:_SAMPLE]
    true, known = data.labels[rows], data.known[rows]
    logits = logits_of(network, data, rows, recipe, engine, recipe.side_at(0))
    probabilities = [decoding.sigmoid(logits)]
    if recipe.rule_aware:  # it may have learnt either way
        probabilities.append(decoding.marginals(logits, data.taxonomy.legal_sets))
    losses = [metrics.cross_entropy(p, true, known) or 0.0 for p in probabilities]
    shares = np.broadcast_to(np.nan_to_num(frequencies(data, rows)), true.shape)
    blind = metrics.cross_entropy(shares.astype(np.float32), true, known) or 0.0
    return min(1.0, min(losses) / max(blind, 1e-6))


def frequencies(data: TrainingData, rows: Rows) -> Floats:
    """(C,) share of the rows decided on a class that show it; NaN where none is."""
    decided = data.known[rows]
    shown, of = (data.labels[rows] & decided).sum(0), decided.sum(0)
    return np.where(of > 0, shown / np.maximum(of, 1), np.nan).astype(np.float32)


def untuned_thresholds(weights: Floats) -> Floats:
    """(C,) probabilities from which a class counts as present, given the weights of its positives.

    Positives that weigh w times as much raise the odds w times; once the odds are divided by w
    again, which makes them honest, the decision at even odds lies at 1 / (1 + w).
    """
    return np.asarray(1.0 / (1.0 + np.asarray(weights)), np.float32)


@dataclass(frozen=True)
class Judge:
    """Turns logits into numbers for one training's classes and rules."""

    data: TrainingData
    rule_aware: bool
    limits: Floats
    """(C,) thresholds where none are tuned; see `untuned_thresholds`."""
    weights: Floats | None = None
    """(C,) of the classes in a rule-aware training, see `decoding.raised_by`; None: all 1."""
    legal_answers: bool = False
    """Whether an answer is a legal set also without `rule_aware`; otherwise thresholds decide."""

    @property
    def legal(self) -> Labels | None:
        """(L, C) legal sets of rule-aware output, else None."""
        return self.data.taxonomy.legal_sets if self.rule_aware else None

    @property
    def answer_sets(self) -> Labels | None:
        """(L, C) legal sets, one of which is the answer; None: each class by its threshold."""
        legal = self.rule_aware or self.legal_answers
        return self.data.taxonomy.legal_sets if legal else None

    @cached_property
    def raised(self) -> decoding.Raised:
        """(L,) by what the odds of the legal sets were raised in training."""
        if self.legal is None or self.weights is None:
            return 0.0
        return decoding.raised_by(self.weights, self.legal)

    @property
    def rare(self) -> Labels:
        """(C,) see `metrics.rare`; of all shots of this training."""
        used, data = self.data.used, self.data
        return metrics.rare(data.table.classes, data.labels[used], data.known[used])

    def quick(self, logits: Floats, rows: Rows) -> dict[str, Any]:
        """The numbers without tuning: for curves and for the choice of the best epoch."""
        probabilities = decoding.probabilities(logits, self.legal, self.raised)
        decided = self.decide(probabilities, self.limits)
        return self.numbers(probabilities, rows, decided)

    def counts(self, logits: Floats, rows: Rows) -> list[list[int]]:
        """Of each class: shots that rightly got it, that got it, that have it; untuned."""
        known = self.data.known[rows]
        true = self.data.labels[rows] & known
        probabilities = decoding.probabilities(logits, self.legal, self.raised)
        decided = self.decide(probabilities, self.limits) & known
        each = ((decided & true).sum(0), decided.sum(0), true.sum(0))
        return [[int(n) for n in of_class] for of_class in zip(*each, strict=True)]

    def score(self, numbers: dict[str, Any]) -> float:
        """What the best epoch is best in: the mean of macro F1 and macro average precision."""
        return float((numbers["macro_f1"] or 0.0) + (numbers["macro_ap"] or 0.0)) / 2

    def decide(
        self, probabilities: Floats, thresholds: Floats, worth: Floats | None = None
    ) -> Labels:
        """The answers, see `decoding.answers`; of a rule-aware network without a worth, best for
        these."""
        if self.rule_aware and worth is None:
            thresholds, worth = decoding.best_for_f1(probabilities)
        return decoding.answers(
            probabilities, thresholds, 1.0 if worth is None else worth, self.answer_sets
        )

    def fit(self, logits: Floats, others: Floats) -> tuple[float, Floats, Floats | None]:
        """Temperature, thresholds and, where answers are legal sets, the worth of a class, from
        logits of the tuning shots; for the worth, and for all thresholds of a rule-aware network,
        also from those of other shots, (n, C), whose labels are not looked at.
        """
        true, known = self.data.labels[self.data.tuning], self.data.known[self.data.tuning]
        temperature = fit_temperature(logits, true, self.legal, self.raised, known)
        probabilities = probabilities_at(logits, temperature, self.legal, self.raised)
        rest = probabilities_at(others, temperature, self.legal, self.raised)
        best, worth = decoding.best_for_f1(np.concatenate([probabilities, rest]))
        if self.rule_aware:
            return temperature, best, worth
        odds = np.log(self.limits / (1 - self.limits)) / temperature
        untuned = decoding.sigmoid(odds)
        limits = choose_thresholds(probabilities, true, untuned, known)
        return temperature, limits, worth if self.legal_answers else None

    def constant(self) -> tuple[dict[str, Any], list[str]]:
        """(numbers, classes) of the same answer for every evaluation shot, which a network must
        beat: see `metrics.constant_answer`."""
        data, rows = self.data, self.data.evaluation
        blind = metrics.constant_answer(data.labels, data.known, rows)
        guess = np.broadcast_to(blind, data.labels[rows].shape)
        names = [n for n, c in zip(data.table.class_names, blind, strict=True) if c]
        return self.numbers(guess.astype(np.float32), rows, guess), names

    def report(
        self, logits: Floats, temperature: float, thresholds: Floats, worth: Floats | None
    ) -> dict[str, Any]:
        """Everything about the evaluation shots, given their logits before the temperature."""
        rows, data = self.data.evaluation, self.data
        true, known = data.labels[rows], data.known[rows]
        probabilities = probabilities_at(logits, temperature, self.legal, self.raised)
        decided = self.decide(probabilities, thresholds, worth)
        before = probabilities_at(logits, 1.0, self.legal, self.raised)
        constant, always = self.constant()
        macro, each = bootstrap.intervals_of(decided, true, known)
        per_class = metrics.per_class(probabilities, true, decided, data.table.class_names, known)
        for values, (low, high) in zip(per_class.values(), each, strict=True):
            if values["f1"] is not None:
                values |= {"f1_low": low, "f1_high": high}
        report = {
            "evaluation": self.numbers(probabilities, rows, decided),
            "intervals": {"macro_f1": macro},
            "at_half": self.numbers(probabilities, rows, probabilities >= 0.5),
            "per_class": per_class,
            "constant": constant,
            "constant_labels": always,
            "ece_before_temperature": metrics.calibration_error(before, true, known),
            "rare_classes": [
                n for n, r in zip(data.table.class_names, self.rare, strict=True) if r
            ],
        }
        if data.taxonomy.rules and len(data.taxonomy) <= MOST_DECODED:
            sets = decoding.most_likely_sets(logits, data.taxonomy.legal_sets)
            report["decoded"] = self.numbers(probabilities, rows, sets)
            report["per_rule"] = metrics.broken_rules(decided, data.taxonomy)
        return report

    def numbers(self, probabilities: Floats, rows: Rows, decided: Labels) -> dict[str, Any]:
        """`metrics.evaluate` of the rows; the same for networks and for what is no network."""
        return metrics.evaluate(
            probabilities, self.data.labels[rows], decided,
            rare=self.rare, taxonomy=self.data.taxonomy, known=self.data.known[rows],
        )  # fmt: skip
