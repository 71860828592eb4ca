"""The elastic net of Eq. 10, added to the gradients in a few passes and never through autograd.

Its subgradient is known: l1·sign(w) + l2·w/‖w‖, where ‖w‖ is the unsquared norm over all
trainable weights together, as Eq. 10 prints it.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn


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
