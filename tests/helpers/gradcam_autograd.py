"""Grad-CAM++ through heads that have no closed form (VGG): first derivatives by autograd.

Exact where the head is piecewise linear in the feature maps, as every head in `networks` is
(convolution, leaky ReLU, pooling, batch norm and dropout in evaluation); see `explain`.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt
import torch

from model.heatmaps.gradcam import LEAK, Form, Heatmaps, from_gradients

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
