"""Cells are placed where their receptive fields are, found independently by autograd."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from model.heatmaps.geometry import within
from model.networks import architectures as networks
from model.networks.receptive_field import cell_box, seen_by_a_cell


def centres_by_autograd(body, size, cells):
    """Centre of mass, along x, of the squared gradient of random mixtures of each cell."""
    torch.manual_seed(0)
    x = torch.rand(1, 1, size, size, requires_grad=True)
    maps = body(x)
    found = []
    for cell in cells:
        power = torch.zeros(size)
        for _ in range(8):
            mixture = (maps[0, :, maps.shape[2] // 2, cell] * torch.randn(maps.shape[1])).sum()
            (g,) = torch.autograd.grad(mixture, x, retain_graph=True)
            power += (g[0, 0] ** 2).sum(0)
        found.append(float((power * (torch.arange(size) + 0.5)).sum() / power.sum()))
    return np.array(found)


def test_the_cells_of_a_resnet_lie_on_multiples_of_32_pixels():
    torch.manual_seed(0)
    net = networks.create("resnet18").eval()
    y0, x0, y1, x1 = cell_box(net, 224, (7, 7))
    assert (y0, y1) == (x0, x1)
    centres = 224 * (x0 + (np.arange(7) + 0.5) / 7 * (x1 - x0))
    np.testing.assert_allclose(centres, 32 * np.arange(7) + 0.5)
    # the outer cells' fields are cut by the border, so the middle ones are compared
    np.testing.assert_allclose(centres_by_autograd(net.body, 224, (2, 3, 4)), centres[2:5], atol=6)


@pytest.mark.parametrize("name", ["resnet50", "resnet101"])
def test_bottleneck_networks_have_the_same_places(name):
    with torch.device("meta"):  # their weights take a gigabyte and no part
        net = networks.create(name, weights="any")
    assert cell_box(net, 224, (7, 7)) == pytest.approx(
        (-15.5 / 224, -15.5 / 224, 208.5 / 224, 208.5 / 224)
    )


@pytest.mark.parametrize(
    ("name", "fine", "size", "seen"),
    [
        ("vgg16", False, 224, 1),
        ("vgg16", False, 512, 404 / 512),
        ("resnet18", False, 224, 1),
        ("resnet18", False, 512, 435 / 512),
        ("resnet18", True, 512, 339 / 512),
    ],
)
def test_a_cell_sees_as_far_as_the_layers_reach(name, fine, size, seen):
    with torch.device("meta"):
        net = networks.create(name, weights="any", fine_maps=fine)
    assert seen_by_a_cell(net, size) == pytest.approx(seen)


def test_what_a_cell_sees_is_what_changes_it():
    torch.manual_seed(0)
    net = networks.create("resnet18", fine_maps=True).eval()
    x = torch.rand(1, 1, 448, 448, requires_grad=True)
    maps = net.body(x)
    (grad,) = torch.autograd.grad(maps[0, :, 14, 14].sum(), x)
    wide = torch.nonzero(grad[0, 0].abs().sum(0))
    assert int(wide.max() - wide.min()) + 1 == round(448 * seen_by_a_cell(net, 448))


def test_the_cells_of_a_vgg_tile_the_input():
    with torch.device("meta"):
        net = networks.create("vgg16", weights="any")
    assert cell_box(net, 64, (2, 2)) == pytest.approx((0, 0, 1, 1))


def test_a_box_within_a_cropped_field():
    assert within((0.25, 0.0, 0.75, 1.0), (-0.1, 0.0, 0.9, 1.0)) == pytest.approx(
        (0.2, 0.0, 0.7, 1.0)
    )
