"""The networks to choose from: what each is called, what it costs and of what it is built.

A network is one entry here; one of a new family brings a builder to `architectures`. Never loads
torch.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from model.errors import InputError


@dataclass(frozen=True)
class NetworkKind:
    """A network in words. `cost` is the time of a training step in those of the ResNet-18, measured
    on two CPU cores with 8 shots of 224 pixels.

    `layers` are the residual blocks of each stage (resnet), or the convolutions of each group
    (vgg); `bottleneck` blocks have three convolutions instead of two. `width` is the number of maps
    in the first stage of a resnet; each further one has twice as many.
    """

    title: str
    about: str
    cost: float
    family: Literal["resnet", "vgg"]
    layers: tuple[int, ...]
    bottleneck: bool = False
    width: int = 64


NETWORKS = {
    "resnet18": NetworkKind(
        "ResNet-18", "11 M weights, the usual choice", 1.0, "resnet", (2, 2, 2, 2)
    ),
    "resnet50": NetworkKind("ResNet-50", "24 M weights", 2.4, "resnet", (3, 4, 6, 3), True),
    "resnet101": NetworkKind(
        "ResNet-101", "43 M weights, slow without a GPU", 4.5, "resnet", (3, 4, 23, 3), True
    ),
    "vgg16": NetworkKind(
        "VGG-16", "134 M weights, slow without a GPU", 14.0, "vgg", (2, 2, 3, 3, 3)
    ),
    "vgg19": NetworkKind(
        "VGG-19", "140 M weights, slow without a GPU", 16.0, "vgg", (2, 2, 4, 4, 4)
    ),
}
"""Every network by name; vgg16 is version D of Table 7, vgg19 version E."""
NAMES = tuple(NETWORKS)


def kind_of(name: str, file: Path | None = None) -> NetworkKind:
    """A network by its name, which may stand in a file; InputError where there is none."""
    if name not in NETWORKS:
        mend = f"There are: {', '.join(NETWORKS)}."
        raise InputError(f"no network called {name!r}", file=file, mend=mend)
    return NETWORKS[name]
