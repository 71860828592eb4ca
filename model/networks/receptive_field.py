"""Where on the input the cells of the last feature maps lie.

A 7×7 map laid over a 224 px input as if its cells tiled it is half a cell off for a ResNet: with
padded 3×3 convolutions of stride 2, cell i looks at pixel 32·i, not at the middle of the i-th
seventh. Knows layers only; nothing of classes or shots.
"""

from __future__ import annotations

from collections.abc import Iterator

from torch import nn

from model.networks.architectures import Network

Box = tuple[float, float, float, float]


def cell_box(network: Network, size: int, grid: tuple[int, int]) -> Box:
    """y0, x0, y1, x1 of what the cells (h, w) tile, as fractions of a size × size input.

    The centre of every tile is the centre of its cell's receptive field; so the box may begin
    before 0 and end before 1. Follows the main path; a shortcut of a block has the same centres.
    """
    centre, step = 0.5, 1.0
    for side, stride, padding in _main_path(network):
        centre += ((side - 1) / 2 - padding) * step
        step *= stride
    start = (centre - step / 2) / size
    y1, x1 = (start + n * step / size for n in grid)
    return start, start, y1, x1


def seen_by_a_cell(network: Network, size: int) -> float:
    """The width of what a cell of the last maps can see, as a share of a size × size input; 1
    where that is all of it."""
    seen, step = 1.0, 1.0
    for side, stride, _ in _main_path(network):
        seen += (side - 1) * step
        step *= stride
    return min(seen / size, 1.0)


def _main_path(network: Network) -> Iterator[tuple[float, float, float]]:
    """Side, stride and padding of each layer that looks at neighbours, without shortcuts."""
    for name, layer in network.body.named_modules():
        if "shortcut" in name or not isinstance(layer, nn.Conv2d | nn.MaxPool2d | nn.AvgPool2d):
            continue
        yield _one(layer.kernel_size), _one(layer.stride), _one(layer.padding)


def _one(value: object) -> float:
    """The setting of the first axis: networks here are square."""
    first = value[0] if isinstance(value, tuple) else value
    assert isinstance(first, int)
    return float(first)
