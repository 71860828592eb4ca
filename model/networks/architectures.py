"""The networks of the paper: pre-activated ResNet-18/50/101 and VGG D/E, by name.

Every network has two parts, so that embeddings and heatmaps need no second pass:
`features(x)` gives the last convolutional feature maps (B, K, h, w), exactly what is pooled, and
`head(features)` gives the logits (B, classes) by a global average and one linear layer.
This file knows nothing of training, files or labels.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from itertools import product
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from model.errors import InputError
from model.networks.activation import Logarithmic
from model.networks.table import NetworkKind, kind_of

Activation = Literal["log", "leaky_relu"]
Weights = Literal["he", "unit", "any"]
SMALLEST = 64
"""Smallest side of the input in pixels: five halvings leave a 2×2 map."""


class ClassifierHead(nn.Module):
    """Global average pool, then one linear layer: (B, K, h, w) -> (B, classes)."""

    def __init__(self, width: int, classes: int, dropout: float = 0.0) -> None:
        super().__init__()
        self.pool = nn.AdaptiveAvgPool2d(1)
        self.dropout = nn.Dropout(dropout)
        self.linear = nn.Linear(width, classes)

    def forward(self, features: Tensor) -> Tensor:
        logits: Tensor = self.linear(self.dropout(self.pool(features).flatten(1)))
        return logits


class Network(nn.Module):
    """A body that ends in feature maps, and a head; `width` is K, the length of an embedding."""

    def __init__(self, name: str, body: nn.Sequential, head: ClassifierHead) -> None:
        super().__init__()
        self.name = name
        self.body = body
        self.head = head
        self.width = head.linear.in_features

    def features(self, x: Tensor) -> Tensor:
        """(B, channels, H, W) input to (B, K, h, w): the feature maps that the head pools."""
        maps: Tensor = self.body(x)
        return maps

    def forward(self, x: Tensor) -> Tensor:
        """(B, channels, H, W) to logits (B, classes); sigmoids are applied by the caller."""
        logits: Tensor = self.head(self.features(x))
        return logits


def _convolution(inputs: int, outputs: int, side: int, stride: int = 1) -> nn.Conv2d:
    """A convolution without bias (Eq. 2), padded so that only the stride shrinks the map."""
    return nn.Conv2d(inputs, outputs, side, stride, padding=side // 2, bias=False)


def _first_convolution(
    inputs: int, outputs: int, side: int, stride: int = 1, *, half_turn: bool
) -> nn.Module:
    if half_turn:
        return nn.Sequential(HalfTurn(), _convolution(2 * inputs, outputs, side, stride))
    return _convolution(inputs, outputs, side, stride)


def _first_activation(kind: Activation, alpha: float, leak: float) -> nn.Module:
    if kind == "log":
        return Logarithmic(alpha)
    if kind == "leaky_relu":
        return nn.LeakyReLU(leak)
    raise InputError(f"no activation called {kind!r}", mend="There are: log, leaky_relu.")


class _Normalised(nn.Sequential):
    """Batch normalisation, then LeakyReLU: the pre-activation of every layer."""

    def __init__(self, width: int, leak: float) -> None:
        super().__init__(nn.BatchNorm2d(width), nn.LeakyReLU(leak, inplace=True))


class HalfTurn(nn.Module):
    """(B, C, H, W) -> (B, 2 C, H, W): the input, and how much it exceeds its own half turn where
    both were seen.

    The pattern of a flat object is its own half turn about the beam (Friedel). What is tilted, bent
    or lopsided breaks that symmetry, by arms a few degrees off; here it is seen at the place. The
    beam is taken to be where the input is most alike its half turn, up to REACH steps from the
    middle along both axes, a step being a 112th of the side.
    """

    REACH = 3
    STEPS = 56
    """Pixels a side of the picture that is compared: its half turn moves by one of them where the
    beam moves by a step."""
    STRENGTH = 4.0
    """Brings the differences to about the size of the input."""

    moves: Tensor

    def __init__(self) -> None:
        super().__init__()
        reach = range(-self.REACH, self.REACH + 1)
        self._moves = sorted(product(reach, reach), key=lambda move: math.hypot(*move))
        self.register_buffer("moves", torch.tensor(self._moves), persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        turned = self._turned(x)
        seen = (x != 0) & (turned != 0)
        return torch.cat([x, (x - turned) * seen * self.STRENGTH], 1)

    def _turned(self, x: Tensor) -> Tensor:
        height, width = x.shape[2:]
        pixel = max(1, min(height, width) // self.STEPS)
        sides = (height // pixel, width // pixel)  # where they do not fit, alike at both ends
        small = F.adaptive_avg_pool2d(x.detach().mean(1, keepdim=True), sides)
        other = small.flip(2, 3)
        apart = [(small - other.roll(m, (2, 3))).abs().mean((1, 2, 3)) for m in self._moves]
        down, right = (self.moves[torch.stack(apart).argmin(0)] * pixel).unbind(1)
        rows = (torch.arange(height, device=x.device) - down[:, None]) % height
        columns = (torch.arange(width, device=x.device) - right[:, None]) % width
        turned = x.flip(2, 3)
        turned = turned.gather(2, rows[:, None, :, None].expand(turned.shape))
        return turned.gather(3, columns[:, None, None, :].expand(turned.shape))


class _Block(nn.Module):
    """Pre-activated residual block (He et al. 2016, Table 8): classic or bottleneck.

    The first block of a stage projects its shortcut by a 1×1 convolution of the pre-activated
    input and carries the stride; the others pass their input on unchanged.
    """

    def __init__(
        self, inputs: int, width: int, stride: int, leak: float, *, bottleneck: bool, first: bool
    ) -> None:
        super().__init__()
        outputs = 4 * width if bottleneck else width
        self.normalised = _Normalised(inputs, leak)
        self.shortcut = _convolution(inputs, outputs, 1, stride) if first else None
        if bottleneck:
            self.residual = nn.Sequential(
                _convolution(inputs, width, 1),
                _Normalised(width, leak),
                _convolution(width, width, 3, stride),
                _Normalised(width, leak),
                _convolution(width, outputs, 1),
            )
        else:
            self.residual = nn.Sequential(
                _convolution(inputs, width, 3, stride),
                _Normalised(width, leak),
                _convolution(width, width, 3),
            )

    def forward(self, x: Tensor) -> Tensor:
        ready = self.normalised(x)
        passed = x if self.shortcut is None else self.shortcut(ready)
        sum_: Tensor = self.residual(ready) + passed
        return sum_


def _resnet(
    name: str,
    kind: NetworkKind,
    channels: int,
    classes: int,
    first: nn.Module,
    leak: float,
    last_stride: int = 2,
    half_turn: bool = False,
) -> Network:
    """Table 8 with width factor 1: 7×7/2 stem, max-pool 3/2, four stages, BN-LeakyReLU.

    The first activation stands after the max-pool: both are monotone, so their order changes no
    value, and the logarithm is taken of a quarter of the pixels. With `last_stride` 1 the fourth
    stage keeps the size of its maps, which then are twice as fine; the weights keep their shapes.
    """
    layers = [_first_convolution(channels, kind.width, 7, 2, half_turn=half_turn)]
    layers += [nn.MaxPool2d(3, 2, 1), first]
    inputs = kind.width
    for stage, count in enumerate(kind.layers):
        width = kind.width * 2**stage
        for n in range(count):
            stride = last_stride if stage == len(kind.layers) - 1 else 2
            stride = stride if stage > 0 and n == 0 else 1
            block = _Block(inputs, width, stride, leak, bottleneck=kind.bottleneck, first=n == 0)
            layers.append(block)
            inputs = 4 * width if kind.bottleneck else width
    layers.append(_Normalised(inputs, leak))
    return Network(name, nn.Sequential(*layers), ClassifierHead(inputs, classes))


def _vgg(
    name: str,
    kind: NetworkKind,
    channels: int,
    classes: int,
    first: nn.Module,
    leak: float,
    last_stride: int = 2,
    half_turn: bool = False,
) -> Network:
    """Table 7, fully convolutional, without batch normalisation.

    The two layers of 4096 are a padded 7×7 and a 1×1 convolution, as in the authors' code (a
    second 7×7 would alone hold 822 million weights); a global average follows, then the 1×1
    convolution to the classes, which after the average is a linear layer. Dropout 0.5 as there.
    """
    layers: list[nn.Module] = []
    inputs = channels
    last = len(kind.layers) - 1
    for group, count in enumerate(kind.layers):
        width = min(64 * 2**group, 512)
        for n in range(count):
            own = half_turn and group == n == 0
            layers.append(_first_convolution(inputs, width, 3, half_turn=own))
            layers.append(first if group == n == 0 else nn.LeakyReLU(leak, inplace=True))
            inputs = width
        if group != last or last_stride == 2:
            layers.append(nn.MaxPool2d(2, 2))
    layers += [_convolution(512, 4096, 7), nn.LeakyReLU(leak, inplace=True), nn.Dropout(0.5)]
    layers += [_convolution(4096, 4096, 1), nn.LeakyReLU(leak, inplace=True)]
    return Network(name, nn.Sequential(*layers), ClassifierHead(4096, classes, dropout=0.5))


_FAMILIES: dict[str, Callable[..., Network]] = {"resnet": _resnet, "vgg": _vgg}


def create(
    name: str,
    channels: int = 1,
    classes: int = 11,
    activation: Activation = "log",
    alpha: float = 0.2,
    leak: float = 0.2,
    batchnorm_momentum: float = 0.1,
    weights: Weights = "he",
    fine_maps: bool = False,
    half_turn: bool = False,
) -> Network:
    """A network with fresh weights, see `initialise`; `any` leaves them to be loaded.

    `activation` follows the first convolution; `alpha` is its scale (Eq. 11), `leak` the slope of
    every LeakyReLU (Eq. 4); `fine_maps` leaves out the last halving, so that the maps are twice as
    fine; `half_turn` puts a `HalfTurn` first. Raises InputError for an unknown network or
    activation.
    """
    kind = kind_of(name)
    first = _first_activation(activation, alpha, leak)
    last_stride = 1 if fine_maps else 2
    network = _FAMILIES[kind.family](
        name, kind, channels, classes, first, leak, last_stride=last_stride, half_turn=half_turn
    )
    if weights != "any":
        initialise(network, leak, weights)
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.momentum = batchnorm_momentum
    return network


def with_half_turn(plain: Network, fresh: Network) -> Network:
    """`fresh`, made with `half_turn`, with what `plain`, made without, has learnt: both say the
    same of whatever is its own half turn."""
    ready, looks = plain.state_dict(), fresh.state_dict()["body.0.1.weight"]
    first = ready.pop("body.0.weight")
    ready["body.0.1.weight"] = torch.cat([first, looks[:, first.shape[1] :]], 1)
    fresh.load_state_dict(ready)
    return fresh


def initialise(network: nn.Module, leak: float = 0.2, form: Weights = "he") -> None:
    """Fresh weights in place: normal with variance gain/fan-in, cut at two deviations.

    `he` takes the gain 2/(1 + leak²), which keeps the signal's size through LeakyReLUs;
    `unit` takes the gain 1, as the authors' code does. The head starts small.
    """
    gain = 2.0 / (1.0 + leak**2) if form == "he" else 1.0
    for module in network.modules():
        if isinstance(module, nn.Conv2d):
            fan_in = module.weight[0].numel()
            deviation = math.sqrt(gain / fan_in) / 0.87962566103423978  # of the cut normal
            bound = 2 * deviation
            nn.init.trunc_normal_(module.weight, 0.0, deviation, -bound, bound)
        elif isinstance(module, nn.Linear):
            nn.init.normal_(module.weight, 0.0, 0.01)
            nn.init.zeros_(module.bias)


def count_parameters(network: nn.Module) -> int:
    """Number of trainable weights."""
    return sum(p.numel() for p in network.parameters() if p.requires_grad)


def parameters_of(name: str, channels: int = 1, classes: int = 11) -> int:
    """Number of trainable weights of a network, without making room for them."""
    with torch.device("meta"):
        return count_parameters(create(name, channels, classes, weights="any"))
