"""What training minimises: cross-entropy of Eq. 6, or the likelihood over legal label sets.

Both are means over the batch in units of one label cell, so a learning rate means the same for
either. A label that is NaN is undecided: its cell counts neither for nor against. The elastic net
of Eq. 10 is not here but in `model.training.penalty`.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn


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


def positive_weights(labels: Tensor, power: float, most: float = 20.0) -> Tensor:
    """(C,) weights (negatives/positives)^power of labels (N, C), between 1 and `most`; NaN counts
    as neither.

    A class without a positive label weighs 1.
    """
    positives = labels.float().nansum(0)
    odds = ((~labels.isnan()).sum(0) - positives) / positives.clamp(min=1)
    weights = odds.pow(power).clamp(1.0, most)
    return torch.where(positives > 0, weights, torch.ones_like(weights))
