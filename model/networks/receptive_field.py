"""Where on the input the cells of the last feature maps lie.

A 7×7 map laid over a 224 px input as if its cells tiled it is half a cell off for a ResNet: with
padded 3×3 convolutions of stride 2, cell i looks at pixel 32·i, not at the middle of the i-th
seventh. Knows layers only; nothing of classes or shots.
"""

from __future__ import annotations

from torch import nn

from model.networks.architectures import Network

Box = tuple[float, float, float, float]


def cell_box(network: Network, size: int, grid: tuple[int, int], layers: int | None = None) -> Box:
    """y0, x0, y1, x1 of what the cells (h, w) tile, as fractions of a size × size input.

    The centre of every tile is the centre of its cell's receptive field; so the box may begin
    before 0 and end before 1. Follows the main path; a shortcut of a block has the same centres.
    layers: of the maps after this many children of the body; the last ones where None.
    """
    centre, step = 0.5, 1.0
    for name, layer in network.body[:layers].named_modules():
        if "shortcut" in name or not isinstance(layer, nn.Conv2d | nn.MaxPool2d | nn.AvgPool2d):
            continue
        side, stride, padding = (_one(v) for v in (layer.kernel_size, layer.stride, layer.padding))
        centre += ((side - 1) / 2 - padding) * step
        step *= stride
    start = (centre - step / 2) / size
    y1, x1 = (start + n * step / size for n in grid)
    return start, start, y1, x1


def _one(value: object) -> float:
    """The setting of the first axis: networks here are square."""
    first = value[0] if isinstance(value, tuple) else value
    assert isinstance(first, int)
    return float(first)
