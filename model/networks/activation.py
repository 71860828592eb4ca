"""The logarithmic activation of the paper, safe for every float and right in its gradient.

It stands after the first convolution only. This file never holds another activation: the hidden
layers use torch's own LeakyReLU.
"""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor, nn
from torch.jit import is_scripting, is_tracing  # type: ignore[attr-defined]


def logarithmic(x: Tensor, alpha: float) -> Tensor:
    """h(x) = sign(x)·α·(log(|x| + 1/e) + 1), Eq. 11; any shape, any floating type.

    Written as log1p(e·|x|), which keeps every digit near zero; where e·|x| could overflow, 1/e is
    far below the last digit of |x| and is left out. h(±0) = ±0 and h(±inf) = ±inf.
    """
    size = x.abs()
    near = torch.log1p(size * math.e)
    far = torch.log(size) + 1.0
    return torch.copysign(torch.where(size < 1e4, near, far), x) * alpha


class _Logarithmic(torch.autograd.Function):
    """Eq. 11 with Eq. 12 as its gradient: autograd through abs() would give 0 at x = 0."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, alpha: float) -> Tensor:
        ctx.save_for_backward(x)
        ctx.alpha = alpha
        return logarithmic(x, alpha)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None]:
        (x,) = ctx.saved_tensors
        return gradient * (ctx.alpha / (x.abs() + 1.0 / math.e)), None


class Logarithmic(nn.Module):
    """Eq. 11 as a module; it can be scripted, traced and exported."""

    def __init__(self, alpha: float = 0.2) -> None:
        super().__init__()
        self.alpha = alpha

    def forward(self, x: Tensor) -> Tensor:
        if is_scripting() or is_tracing():  # type: ignore[no-untyped-call]
            return logarithmic(x, self.alpha)
        return self._eager(x)

    @torch.jit.unused
    def _eager(self, x: Tensor) -> Tensor:
        if x.requires_grad and torch.is_grad_enabled() and not torch.compiler.is_compiling():
            return _Logarithmic.apply(x, self.alpha)  # type: ignore[no-untyped-call]
        return logarithmic(x, self.alpha)

    def extra_repr(self) -> str:
        return f"alpha={self.alpha}"
