"""The networks and their first activation, against the paper and independent formulas."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from model.errors import InputError
from model.networks import architectures as networks
from model.networks.activation import Logarithmic

PAPER = {"resnet18": 11_178_187, "resnet50": 23_516_619, "resnet101": 42_508_747}


@pytest.mark.parametrize("name", PAPER)
def test_a_resnet_has_exactly_the_weights_of_the_paper(name):
    assert networks.parameters_of(name) == PAPER[name]


@pytest.mark.parametrize(("name", "convolutions"), [("vgg16", 13), ("vgg19", 16)])
def test_a_vgg_has_the_layers_of_table_7(name, convolutions):
    with torch.device("meta"):
        network = networks.create(name, weights="any")
    sides = [m.kernel_size[0] for m in network.modules() if isinstance(m, torch.nn.Conv2d)]
    assert sides == [3] * convolutions + [7, 1]
    widths = {13: (2, 2, 3, 3, 3), 16: (2, 2, 4, 4, 4)}[convolutions]
    expected, inputs = 0, 1
    for group, count in zip((64, 128, 256, 512, 512), widths, strict=True):
        for _ in range(count):
            expected, inputs = expected + 9 * inputs * group, group
    expected += 49 * 512 * 4096 + 4096 * 4096 + 4096 * 11 + 11
    assert networks.parameters_of(name) == expected


@pytest.mark.parametrize("shape", [(64, 64), (224, 224), (65, 97)])
def test_the_two_parts_make_the_whole_at_any_size(shape):
    network = networks.create("resnet18", classes=5).eval()
    x = torch.rand(2, 1, *shape)
    with torch.no_grad():
        maps = network.features(x)
        assert maps.shape == (2, 512, *(math.ceil(side / 32) for side in shape))
        torch.testing.assert_close(network.head(maps), network(x))
        mean = maps.mean((2, 3)) @ network.head.linear.weight.T + network.head.linear.bias
        torch.testing.assert_close(network.head(maps), mean)


def test_feature_maps_have_passed_the_last_leaky_relu():
    network = networks.create("resnet18", leak=0.25, activation="leaky_relu")
    assert isinstance(network.body[-1][0], torch.nn.BatchNorm2d)
    assert network.body[-1][1].negative_slope == 0.25


def test_a_half_turn_shows_what_breaks_the_symmetry_and_nothing_of_what_was_not_seen():
    x = torch.rand(1, 1, 56, 56) + 1
    x = (x + x.flip(2, 3)) / 2
    assert torch.equal(networks.HalfTurn()(x), torch.cat([x, 0 * x], 1))
    x[0, 0, 30, 3] += 0.5
    x[0, 0, 0, :3] = 0  # a gap
    shown = networks.HalfTurn()(x)
    assert torch.equal(shown[:, :1], x)
    places = shown[0, 1].nonzero().tolist()
    assert places == [[25, 52], [30, 3]], "and nothing where the gap or its half turn lies"
    strength = 0.5 * networks.HalfTurn.STRENGTH
    assert shown[0, 1, 30, 3].item() == pytest.approx(strength, rel=1e-5)
    assert shown[0, 1, 25, 52].item() == pytest.approx(-strength, rel=1e-5)


@pytest.mark.parametrize("side", [112, 224])
def test_the_half_turn_is_about_the_beam_wherever_it_is_near_the_middle(side):
    step = side // 112
    y, x = torch.meshgrid(*2 * [torch.arange(-side / 2, side / 2) + 0.5], indexing="ij")
    rings = 2 + torch.cos(torch.hypot(y, x) / step) + torch.cos(y / step / 2)
    for moved in ((0, 0), (step, 0), (-2 * step, 3 * step)):
        there = rings.roll(moved, (0, 1))[None, None]
        middle = networks.HalfTurn()(there)[0, 1, side // 4 : -side // 4, side // 4 : -side // 4]
        assert middle.abs().max() < 1e-3, moved


@pytest.mark.parametrize("side", range(64, 257, 9))
def test_an_even_pattern_about_the_middle_shows_nothing_at_any_size(side):
    y, x = torch.meshgrid(*2 * [torch.arange(side) - (side - 1) / 2], indexing="ij")
    rings = 2 + torch.cos(torch.hypot(y, x) / side * 100)
    assert networks.HalfTurn()(rings[None, None])[0, 1].abs().max() < 1e-3


def test_a_network_that_begins_to_see_half_turns_says_of_even_patterns_what_it_said():
    plain = networks.create("resnet18", classes=3).eval()
    fresh = networks.create("resnet18", classes=3, half_turn=True)
    seeing = networks.with_half_turn(plain, fresh).eval()
    x = torch.rand(1, 1, 64, 64)
    even = (x + x.flip(2, 3)) / 2
    with torch.no_grad():
        torch.testing.assert_close(seeing(even), plain(even))
        assert not torch.allclose(seeing(x), plain(x))


def test_pooling_before_the_first_activation_changes_nothing():
    x = torch.randn(2, 8, 20, 20) * 100
    pool, h = torch.nn.MaxPool2d(3, 2, 1), Logarithmic(0.2)
    assert torch.equal(pool(h(x)), h(pool(x)))


def test_an_unknown_network_or_activation_is_named():
    with pytest.raises(InputError, match="resnet17"):
        networks.create("resnet17")
    with pytest.raises(InputError, match="sigmoid"):
        networks.create("resnet18", activation="sigmoid")


def h_reference(x: float, alpha: float) -> float:
    """Eq. 11 with c0 = 1/e and c1 = 1 in double precision, written as the paper prints it."""
    if x >= 0:
        return alpha * (math.log(x + math.exp(-1)) + 1)
    return -alpha * (math.log(math.exp(-1) - x) + 1)


@given(st.floats(width=32, allow_nan=False, allow_infinity=False), st.sampled_from([0.2, 0.5, 1]))
def test_the_activation_is_equation_11_for_every_float(x, alpha):
    found = Logarithmic(alpha)(torch.tensor(x, dtype=torch.float32)).item()
    assert math.isclose(found, h_reference(x, alpha), rel_tol=1e-5, abs_tol=1e-7)
    assert math.copysign(1, found) == math.copysign(1, x)


@given(st.floats(-(2.0**99), 2.0**99, width=32))
def test_its_gradient_is_equation_12_for_every_float(x):
    at = torch.tensor(x, dtype=torch.float32, requires_grad=True)
    Logarithmic(0.2)(at).backward()
    assert math.isclose(at.grad.item(), 0.2 / (abs(x) + math.exp(-1)), rel_tol=1e-5)


def test_zero_infinity_and_subnormal_numbers_stay_what_they_are():
    x = torch.tensor([0.0, -0.0, 1e-45, np.inf, -np.inf], requires_grad=True)
    y = Logarithmic(0.2)(x)
    y.sum().backward()
    assert y.tolist()[:2] == [0.0, 0.0]
    assert math.copysign(1, y[1].item()) == -1
    assert y[2] > 0
    assert y.tolist()[3:] == [math.inf, -math.inf]
    torch.testing.assert_close(x.grad[:2], torch.full((2,), 0.2 * math.e))
    assert torch.isfinite(x.grad).all()


def test_its_gradient_passes_gradcheck():
    x = torch.tensor([-50.0, -1.0, -1e-3, 1e-3, 0.7, 30.0, 1e5], dtype=torch.float64)
    assert torch.autograd.gradcheck(Logarithmic(0.3), (x.requires_grad_(),), eps=1e-7, rtol=1e-3)


def test_a_network_can_be_scripted_and_exported():
    network = networks.create("resnet18", classes=3).eval()
    x = torch.rand(1, 1, 64, 64) * 1000
    with torch.no_grad():
        whole = network(x)
        exported = torch.export.export(network, (x,)).module()
        torch.testing.assert_close(exported(x), whole)
    scripted = Logarithmic(0.2)
    torch.testing.assert_close(scripted(x), Logarithmic(0.2)(x))
