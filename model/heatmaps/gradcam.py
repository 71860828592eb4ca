"""Grad-CAM++: where in a shot the network found a class, from its last feature maps. Numpy only.

Two forms, both named. With feature maps A (K of them, Z = h·w cells each), S the logit of a class
and g = ∂S/∂A:

- ``paper``: App. D, Eq. 19-20 of Zimmermann et al. (2019). There "Y is the predicted probability",
  so Y = σ(S), the sigmoid output (of a plain logit the second derivatives would vanish):
  a = ∂²Y / (2 ∂²Y + Σ_ab A_ab ∂³Y),  w_k = Σ_ij a_ij · LeakyReLU(∂Y/∂A_ij),
  map = LeakyReLU(Σ_k w_k A_k), leak 0.2 as in the paper's networks.
- ``chattopadhay``: Chattopadhay et al. (2017): Y = exp(S) and ReLU in place of LeakyReLU.

Where S is piecewise linear in A (a pooled linear head, or one made of convolutions, leaky ReLU and
max pooling), ∂ⁿY/∂Aⁿ = Y⁽ⁿ⁾(S)·gⁿ exactly. Then a = Y″ / (2 Y″ + Y‴ · T g) with T = Σ_ab A_ab, and
the first derivative Y′(S) > 0 stands before the whole map as a factor. It is kept apart, as its
logarithm, so that a saturated output (Y′ of 1e-30) still gives a map in full precision.

Never imports torch.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

Form = Literal["paper", "chattopadhay"]
FORMS: tuple[Form, ...] = ("paper", "chattopadhay")
Floats = npt.NDArray[np.floating[Any]]

LEAK = 0.2
"""Slope of the LeakyReLU of Eq. 19-20 below zero, that of the paper's hidden layers."""
SMALLEST_SCALE, LARGEST_SCALE = 1e-30, 3e38
"""Bounds of a stored scale, within float32 also times the smallest float16."""
POLE = 1e-9
"""A channel whose denominator in `a` cancels to less than this share of its terms is left out."""


@dataclass(frozen=True)
class Heatmaps:
    """Maps of every class: the map as the formula gives it is `values · exp(log_factor)`.

    values: (n, C, h, w); log_factor: (n, C) float64, the logarithm of Y′(S).
    """

    values: Floats
    log_factor: npt.NDArray[np.float64]

    def stored(self) -> tuple[npt.NDArray[np.float16], npt.NDArray[np.float32]]:
        """(n, C, h, w) float16 with max |·| = 1 per map, and (n, C) the factor to the map computed.

        A map that is zero everywhere stays zero with the factor 0. Other factors are clipped to
        1e-30 … 3e38, so that a map of a saturated output keeps its shape also times its factor.
        """
        peak = np.abs(self.values).max((-2, -1), initial=0).astype(np.float64)
        some = (peak > 0) & np.isfinite(peak)
        shape = self.values / np.where(some, peak, 1)[..., None, None]
        log_scale = np.log(np.where(some, peak, 1)) + self.log_factor
        scale = np.exp(np.clip(log_scale, np.log(SMALLEST_SCALE), np.log(LARGEST_SCALE)))
        return shape.astype(np.float16), np.where(some, scale, 0).astype(np.float32)


def through_pooled_linear_head(
    features: Floats,
    weight: Floats,
    logits: Floats,
    form: Form = "paper",
    *,
    leak: float = LEAK,
    epsilon: float = 0.0,
) -> Heatmaps:
    """Maps of all classes at once for the head S = W · mean(A) + b, whose gradient is W / Z.

    features: (n, K, h, w), the maps that are pooled; weight: (C, K); logits: (n, C).
    epsilon: added to the denominator of Chattopadhay's `a`; 0 is the formula, 1e-6 what the
    package pytorch-grad-cam does (it matters where gradients are about 1e-3, as Z = 49 makes them).
    """
    n, channels, h, w = features.shape
    cells = h * w
    flat = features.reshape(n, channels, cells)
    weight64 = weight.astype(np.float64)
    contribution = weight64[None] * flat.mean(-1, dtype=np.float64)[:, None]  # T g, (n, C, K)
    gradient = weight64 / cells
    a = _coefficient(contribution, gradient[None], logits[..., None], form, epsilon)
    channel_weights = cells * a * rectify(gradient, form, leak)
    return _maps(flat, channel_weights, logits, form, leak, (h, w))


def rectify(x: Floats, form: Form, leak: float = LEAK) -> Floats:
    """LeakyReLU for the paper's form, ReLU for Chattopadhay's."""
    return np.maximum(x, x * (leak if form == "paper" else 0))


def _coefficient(
    contribution: Floats, gradient: Floats, logits: Floats, form: Form, epsilon: float
) -> Floats:
    """a = Y″ / (2 Y″ + Y‴ · T g), Eq. 19, with the common factors of Y″ and Y‴ cancelled.

    For σ: Y″ = σ′·(1 - 2σ) and Y‴ = σ′·(1 - 6σ′); for exp all derivatives are equal.
    Where g = 0 the fraction is 0/0: the value is 0, without effect as LeakyReLU(∂Y) is 0 there.
    At S = 0 exactly, Y″ = 0 and so is every `a`: the paper's form has no map at probability 0.5.
    Near a zero of the denominator the formula has a pole; there the channel is left out (POLE).
    """
    if form == "paper":
        s = logits.astype(np.float64)
        second = -np.tanh(s / 2)
        third = 1 - 6 * np.exp(_log_sigmoid_slope(s))
    else:
        second = third = np.ones_like(logits, np.float64)
    twice, curved = 2 * second, third * contribution
    with np.errstate(divide="ignore"):
        extra = epsilon / np.square(gradient) if epsilon else 0.0
    denominator = twice + curved + extra
    usable = np.abs(denominator) > POLE * (np.abs(twice) + np.abs(curved))
    usable &= gradient != 0
    return np.divide(second, denominator, where=usable, out=np.zeros(usable.shape))


def _maps(
    flat: Floats,
    channel_weights: Floats,
    logits: Floats,
    form: Form,
    leak: float,
    shape: tuple[int, int],
) -> Heatmaps:
    """Eq. 20 for (n, K, Z) features and (n, C, K) weights."""
    summed = np.matmul(channel_weights.astype(flat.dtype), flat)
    values = rectify(summed, form, leak).reshape(*summed.shape[:2], *shape)
    s = logits.astype(np.float64)
    return Heatmaps(values, _log_sigmoid_slope(s) if form == "paper" else s)


def _log_sigmoid_slope(s: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """log σ′(s) = log(σ(s)·σ(-s)), without overflow."""
    return -np.abs(s) - 2 * np.log1p(np.exp(-np.abs(s)))
