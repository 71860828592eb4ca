"""How weights are changed: optimiser, learning rate at a step, averaged weights."""

from __future__ import annotations

import copy
import math
from collections.abc import Iterable

import torch
from torch import Tensor, nn

from model.recipes import Recipe


def make_optimiser(recipe: Recipe, network: nn.Module) -> torch.optim.Optimizer:
    """The recipe's optimiser over all weights; weight decay spares biases and normalisations."""
    matrices = [p for p in network.parameters() if p.ndim > 1]
    vectors = [p for p in network.parameters() if p.ndim <= 1]
    if recipe.optimiser == "adamw":
        groups = [
            {"params": matrices, "weight_decay": recipe.weight_decay},
            {"params": vectors, "weight_decay": 0.0},
        ]
        return torch.optim.AdamW(groups, lr=recipe.rate, fused=True)
    momentum = recipe.momentum if recipe.optimiser == "nesterov" else 0.0
    return torch.optim.SGD(
        [*matrices, *vectors],
        lr=recipe.rate,
        momentum=momentum,
        nesterov=momentum > 0,
        fused=True,
    )


def rate_at(recipe: Recipe, step: int, steps_per_epoch: int) -> float:
    """Learning rate of a step, counted from 0 over the whole training.

    steps: times `decay` after each milestone. onecycle: up from 1/25 of the rate over the first
    quarter and down to nothing, both along a cosine (Smith 2018).
    """
    if recipe.schedule == "steps":
        passed = sum(step >= epoch * steps_per_epoch for epoch in recipe.milestones)
        return float(recipe.rate * recipe.decay**passed)
    total = max(1, recipe.epochs * steps_per_epoch)
    warm = max(1, round(0.25 * total))
    if step < warm:
        return _cosine(recipe.rate / 25, recipe.rate, step / warm)
    return _cosine(recipe.rate, recipe.rate * 1e-4, (step - warm) / max(1, total - warm))


def _cosine(begin: float, end: float, share: float) -> float:
    return end + (begin - end) * (1 + math.cos(math.pi * min(share, 1.0))) / 2


EVERY = 4
"""Steps between two updates of the averaged weights: for small inputs each costs a tenth of one."""


class Average:
    """Exponential average of weights and running statistics, kept in a network of its own."""

    def __init__(self, network: nn.Module, decay: float) -> None:
        self.network = copy.deepcopy(network).eval().requires_grad_(False)
        self.decay = decay
        self.steps = 0

    @torch.no_grad()
    def update(self, network: nn.Module) -> None:
        """Move towards the network's present weights, every fourth step for four of them; faster
        at the beginning, when the first weights still mean nothing."""
        self.steps += 1
        if self.steps % EVERY:
            return
        kept = min(self.decay, (1 + self.steps) / (10 + self.steps)) ** EVERY
        torch._foreach_lerp_(_floats(self.network), _floats(network), 1 - kept)


def _floats(network: nn.Module) -> list[Tensor]:
    tensors: Iterable[Tensor] = (*network.parameters(), *network.buffers())
    return [t.detach() for t in tensors if t.is_floating_point()]
