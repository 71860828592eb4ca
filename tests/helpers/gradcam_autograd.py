"""Grad-CAM++ through heads that have no closed form (VGG): first derivatives by autograd.

Exact where the head is piecewise linear in the feature maps, as every head in `networks` is
(convolution, leaky ReLU, pooling, batch norm and dropout in evaluation); see `gradcam`.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt
import torch

from model.heatmaps.gradcam import LEAK, Form, Heatmaps, _coefficient, _maps, rectify

Head = Callable[[torch.Tensor], torch.Tensor]


def logits_and_gradients(
    head: Head, features: torch.Tensor
) -> tuple[npt.NDArray[np.floating], npt.NDArray[np.floating]]:
    """(n, C) logits S and (n, C, K, h, w) gradients ∂S_c/∂A of a head at the features (n, K, h, w).

    One backward pass through the head alone for each class, shared by all shots of the batch.
    """
    with torch.enable_grad():
        A = features.detach().clone().requires_grad_(True)
        logits = head(A)
        gradients = torch.empty((len(A), logits.shape[1], *A.shape[1:]), dtype=A.dtype)
        for c in range(logits.shape[1]):
            last = c == logits.shape[1] - 1
            (g,) = torch.autograd.grad(logits[:, c].sum(), A, retain_graph=not last)
            gradients[:, c] = g
    return logits.detach().cpu().numpy(), gradients.numpy()


def through_head(
    head: Head,
    features: torch.Tensor,
    form: Form = "paper",
    *,
    leak: float = LEAK,
    epsilon: float = 0.0,
) -> Heatmaps:
    """Maps of all classes for any head from feature maps (n, K, h, w) to logits (n, C)."""
    logits, gradients = logits_and_gradients(head, features)
    A = features.detach().cpu().numpy()
    return from_gradients(A, gradients, logits, form, leak=leak, epsilon=epsilon)


def from_gradients(
    features: npt.NDArray[np.floating],
    gradients: npt.NDArray[np.floating],
    logits: npt.NDArray[np.floating],
    form: Form = "paper",
    *,
    leak: float = LEAK,
    epsilon: float = 0.0,
) -> Heatmaps:
    """Maps for any head that is piecewise linear in its input, from its gradients.

    features: (n, K, h, w); gradients ∂S_c/∂A: (n, C, K, h, w); logits: (n, C).
    """
    n, channels, h, w = features.shape
    flat = features.reshape(n, channels, h * w)
    g = gradients.reshape(n, -1, channels, h * w).astype(np.float64)
    contribution = flat.sum(-1, dtype=np.float64)[:, None, :, None] * g  # T g, (n, C, K, Z)
    a = _coefficient(contribution, g, logits[..., None, None], form, epsilon)
    channel_weights = (a * rectify(g, form, leak)).sum(-1)
    return _maps(flat, channel_weights, logits, form, leak, (h, w))


def as_computed(maps: Heatmaps) -> npt.NDArray[np.float64]:
    """(n, C, h, w): the maps of the formula; zero where Y′(S) is below 1e-308."""
    return np.asarray(maps.values * np.exp(maps.log_factor)[..., None, None], np.float64)
