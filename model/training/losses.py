"""What training minimises: cross-entropy of Eq. 6, or the likelihood over legal label sets, and the
elastic net of Eq. 10.

The first two are means over the batch in units of one label cell, so a learning rate means the same
for either. A label that is NaN is undecided: its cell counts neither for nor against. The elastic
net is added to the gradients in a few passes and never through autograd: its subgradient is known,
l1·sign(w) + l2·w/‖w‖, where ‖w‖ is the unsquared norm over all trainable weights together, as
Eq. 10 prints it.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

HEAVIEST = 20.0
"""No class weighs more than this many times another one."""


class CrossEntropy(nn.Module):
    """Eq. 6: binary cross-entropy of sigmoids, mean over shots and classes.

    Eq. 6 sums over the batch; with its learning rate of 0.1 only the mean can be meant, which is
    also what the authors' code takes. `weights` (C,) multiply the positives of a class.
    """

    def __init__(self, weights: Tensor, smoothing: float = 0.0) -> None:
        super().__init__()
        self.register_buffer("weights", weights)
        self.smoothing = smoothing

    def forward(self, logits: Tensor, labels: Tensor) -> Tensor:
        """logits, labels (B, C) -> scalar."""
        known = ~labels.isnan()
        soft = labels.nan_to_num() * (1.0 - self.smoothing) + 0.5 * self.smoothing
        return F.binary_cross_entropy_with_logits(
            logits,
            soft,
            weight=known.to(logits.dtype),
            pos_weight=self.weights,  # type: ignore[arg-type]
        )


class LegalSetLikelihood(nn.Module):
    """Negative log-likelihood under a softmax over the legal label sets, per class.

    The score of a set is the sum of its classes' logits. `sets` (L, C) must hold every label row
    that is given. Of a row with undecided classes it is the likelihood of all sets that agree with
    the decided ones. Smoothing mixes in the uniform distribution over the legal sets. A shot weighs
    as the heaviest class that it shows, `weights` (C,).
    """

    def __init__(self, sets: Tensor, weights: Tensor, smoothing: float = 0.0) -> None:
        super().__init__()
        self.register_buffer("sets", sets.float())
        self.register_buffer("weights", weights)
        self.register_buffer("uniform", sets.float().mean(0))
        self.smoothing = smoothing

    def forward(self, logits: Tensor, labels: Tensor) -> Tensor:
        """logits, labels (B, C) -> scalar."""
        sets, weights, uniform = self.sets, self.weights, self.uniform
        assert isinstance(sets, Tensor)
        assert isinstance(weights, Tensor)
        assert isinstance(uniform, Tensor)
        logits = logits.float()
        scores, partly = logits @ sets.T, labels.isnan().any(1)
        right = (logits * labels.nan_to_num()).sum(1)
        if partly.any():
            y = labels[partly]
            missed, added = y.nan_to_num() @ (1 - sets).T, (1 - y).nan_to_num() @ sets.T
            apart = missed + added > 0.5
            apart &= ~apart.all(1, keepdim=True)  # what no legal set has says nothing
            agreeing = scores[partly].masked_fill(apart, -torch.inf)
            right = right.masked_scatter(partly, torch.logsumexp(agreeing, 1))
        soft = right * (1.0 - self.smoothing) + (logits * uniform).sum(1) * self.smoothing
        loss = torch.logsumexp(scores, 1) - soft
        heaviest = torch.where(labels > 0, weights, torch.ones_like(weights)).amax(1)
        return (loss * heaviest).mean() / labels.shape[1]


def positive_weights(labels: Tensor, power: float) -> Tensor:
    """(C,) weights (negatives/positives)^power of labels (N, C), between 1 and HEAVIEST; NaN counts
    as neither.

    A class without a positive label weighs 1.
    """
    positives = labels.float().nansum(0)
    odds = ((~labels.isnan()).sum(0) - positives) / positives.clamp(min=1)
    weights = odds.pow(power).clamp(1.0, HEAVIEST)
    return torch.where(positives > 0, weights, torch.ones_like(weights))


@dataclass(frozen=True)
class ElasticNet:
    """l1·‖w‖₁ + l2·‖w‖₂ over `weights` (Eq. 10).

    With `mean`, the form of the authors' code: l1·‖w‖₁ + l2·‖w‖²/2 of each tensor, averaged over
    the tensors.
    """

    weights: Sequence[nn.Parameter]
    l1: float
    l2: float
    mean: bool = False

    @classmethod
    def of(cls, network: nn.Module, l1: float, l2: float, mean: bool = False) -> ElasticNet:
        """Over all trainable weights; with `mean` over the convolutions only."""
        return cls(tuple(_convolutions(network) if mean else _trainable(network)), l1, l2, mean)

    @torch.no_grad()
    def add_gradient(self) -> None:
        """Add the subgradient to the gradient of every weight that has one."""
        weights: list[Tensor] = [w for w in self.weights if w.grad is not None]
        gradients = [w.grad for w in weights if w.grad is not None]
        if not weights:
            return
        share = 1.0 / len(self.weights) if self.mean else 1.0
        if self.l1:
            torch._foreach_add_(gradients, torch._foreach_sign(weights), alpha=self.l1 * share)
        if self.l2:
            if not self.mean:
                share = 1.0 / max(float(_norm(weights)), 1e-12)
            torch._foreach_add_(gradients, weights, alpha=self.l2 * share)

    @torch.no_grad()
    def value(self) -> float:
        """What is added to the loss, for reports."""
        if not self.weights or not (self.l1 or self.l2):
            return 0.0
        ones = float(torch.stack(_norms(self.weights, 1)).sum())
        twos = float(_norm(self.weights))
        if self.mean:
            return (self.l1 * ones + self.l2 * twos**2 / 2) / len(self.weights)
        return self.l1 * ones + self.l2 * twos


def _norm(weights: Sequence[Tensor]) -> Tensor:
    """Euclidean norm over all the tensors together."""
    return torch.stack(_norms(weights, 2)).norm()


def _norms(weights: Sequence[Tensor], order: int) -> tuple[Tensor, ...]:
    tensors: list[Tensor] = list(weights)
    return tuple(torch._foreach_norm(tensors, order))


def _trainable(network: nn.Module) -> Iterable[nn.Parameter]:
    return (p for p in network.parameters() if p.requires_grad)


def _convolutions(network: nn.Module) -> Iterable[nn.Parameter]:
    convolutions = (m for m in network.modules() if isinstance(m, nn.Conv2d))
    return (p for m in convolutions for p in m.parameters())
