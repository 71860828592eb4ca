"""How weights are changed: optimiser, learning rate at a step, averaged weights."""

from __future__ import annotations

import copy
import math
from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor, nn

from model.networks.architectures import Network
from model.runs.recipes import Recipe


def make_optimiser(
    recipe: Recipe, network: Network, body_share: float = 1.0
) -> torch.optim.Optimizer:
    """The recipe's optimiser over all weights; weight decay spares biases and normalisations.

    Every group of weights carries its `share` of the learning rate, see `set_rate`: `body_share`
    for the body, all of it for the head.
    """
    parts = ((network.body, body_share), (network.head, 1.0))
    groups: list[dict[str, Any]] = []
    for part, share in parts:
        for keep, decay in ((_is_matrix, recipe.weight_decay), (_is_vector, 0.0)):
            params = [p for p in part.parameters() if keep(p)]
            groups.append({"params": params, "weight_decay": decay, "share": share})
    if recipe.optimiser == "adamw":
        return torch.optim.AdamW(groups, lr=recipe.rate, fused=True)
    for group in groups:
        group["weight_decay"] = 0.0  # the elastic net is theirs
    momentum = recipe.momentum if recipe.optimiser == "nesterov" else 0.0
    return torch.optim.SGD(
        groups, lr=recipe.rate, momentum=momentum, nesterov=momentum > 0, fused=True
    )


def set_rate(optimiser: torch.optim.Optimizer, rate: float) -> None:
    """The learning rate of the coming step, for every group of weights by its share."""
    for group in optimiser.param_groups:
        group["lr"] = rate * group["share"]


def _is_matrix(weight: Tensor) -> bool:
    return weight.ndim > 1


def _is_vector(weight: Tensor) -> bool:
    return weight.ndim <= 1


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
