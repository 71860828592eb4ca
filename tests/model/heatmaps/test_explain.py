"""Grad-CAM++ against autograd's own second and third derivatives, and against another program."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from model.heatmaps import gradcam as explain
from model.networks import torchvision_ops
from tests.helpers.gradcam_autograd import as_computed, logits_and_gradients, through_head


def random_case(n=3, K=6, C=4, h=3, w=4, seed=0, spread=1.0):
    rng = np.random.default_rng(seed)
    A = rng.normal(0.3, 1, (n, K, h, w))
    W = rng.normal(0, spread, (C, K))
    b = rng.normal(0, 0.5, C)
    return A, W, A.mean((-2, -1)) @ W.T + b, b


def pooled_head(W, b):
    weight, bias = torch.tensor(W), torch.tensor(b)
    return lambda A: A.mean((-2, -1)) @ weight.T + bias


def by_derivatives(head, A, output, rectify):
    """Eq. 19-20 word for word, with first, second and third derivatives by autograd alone.

    Where an element has no effect on the class at all, a = 0/0; LeakyReLU(0) = 0 stands beside it.
    """
    n, K, h, w = A.shape
    maps = []
    for shot in range(n):
        per_class = []
        for c in range(head(torch.tensor(A[:1])).shape[1]):

            def Y(x, c=c):
                return output(head(x.reshape(1, K, h, w))[0, c])

            def second_derivatives(x, Y=Y):
                return torch.autograd.functional.hessian(Y, x, create_graph=True).diagonal()

            x = torch.tensor(A[shot].ravel(), requires_grad=True)
            first = torch.autograd.functional.jacobian(Y, x)
            second = second_derivatives(x).detach()
            third = torch.autograd.functional.jacobian(second_derivatives, x).diagonal()
            d1, d2, d3 = (np.asarray(d).reshape(K, h, w) for d in (first, second, third))
            with np.errstate(invalid="ignore"):
                a = d2 / (2 * d2 + A[shot].sum((1, 2), keepdims=True) * d3)
            weights = (np.where(d1 == 0, 0, a) * rectify(d1)).sum((1, 2))
            per_class.append(rectify((weights[:, None, None] * A[shot]).sum(0)))
        maps.append(per_class)
    return np.array(maps)


def leaky(x):
    return np.where(x > 0, x, 0.2 * x)


def test_the_papers_form_equals_autograds_second_and_third_derivatives():
    A, W, S, b = random_case(n=2, K=3, C=3, h=2, w=3)
    expected = by_derivatives(pooled_head(W, b), A, torch.sigmoid, leaky)
    found = as_computed(explain.through_pooled_linear_head(A, W, S))
    np.testing.assert_allclose(found, expected, rtol=1e-9, atol=1e-15)


def test_chattopadhays_form_equals_autograds_derivatives_of_the_exponential():
    A, W, S, b = random_case(n=2, K=3, C=3, h=2, w=3, seed=1)
    expected = by_derivatives(pooled_head(W, b), A, torch.exp, lambda x: np.maximum(x, 0))
    found = as_computed(explain.through_pooled_linear_head(A, W, S, "chattopadhay"))
    np.testing.assert_allclose(found, expected, rtol=1e-9, atol=1e-15)


@pytest.mark.parametrize(
    ("form", "output"), [("paper", torch.sigmoid), ("chattopadhay", torch.exp)]
)
def test_a_fully_convolutional_head_equals_autograds_derivatives(form, output):
    torch.manual_seed(2)
    head = nn.Sequential(
        nn.Conv2d(3, 8, 2), nn.LeakyReLU(0.2), nn.MaxPool2d(2), nn.Conv2d(8, 2, 1), nn.Flatten()
    ).double()
    A = np.random.default_rng(2).normal(0.2, 1, (2, 3, 3, 3))
    rectify = leaky if form == "paper" else (lambda x: np.maximum(x, 0))
    expected = by_derivatives(head, A, output, rectify)
    found = as_computed(through_head(head, torch.tensor(A), form))
    np.testing.assert_allclose(found, expected, rtol=1e-8, atol=1e-15)


@pytest.mark.parametrize("form", ["paper", "chattopadhay"])
def test_the_closed_form_and_the_autograd_form_are_one(form):
    A, W, S, b = random_case(n=2, K=16, C=5, h=7, w=7, seed=3)
    closed = explain.through_pooled_linear_head(A, W, S, form)
    general = through_head(pooled_head(W, b), torch.tensor(A), form)
    np.testing.assert_allclose(as_computed(closed), as_computed(general), rtol=1e-9, atol=1e-16)


class Small(nn.Module):
    """A convolution, a pooled linear head; `scale` moves a factor from the maps to the head."""

    def __init__(self, scale: float) -> None:
        super().__init__()
        torch.manual_seed(5)
        self.trunk = nn.Sequential(nn.Conv2d(1, 12, 5, 4), nn.LeakyReLU(0.2))
        self.last = nn.Conv2d(12, 16, 3)
        self.head = nn.Linear(16, 11)
        with torch.no_grad():
            self.last.weight /= scale
            self.last.bias /= scale  # type: ignore[operator]
            self.head.weight *= scale

    def features(self, x):
        return self.last(self.trunk(x))

    def forward(self, x):
        return self.head(self.features(x).mean((-2, -1)))


def raw_maps_of_the_package(network, layer, x):
    """pytorch-grad-cam's own maps at feature-map size, before it rectifies, enlarges and scales."""
    torchvision_ops.declare()
    from pytorch_grad_cam import GradCAMPlusPlus
    from pytorch_grad_cam.utils.model_targets import ClassifierOutputTarget

    found = []
    with GradCAMPlusPlus(network, [layer]) as cam:
        keep = cam.get_cam_image
        cam.get_cam_image = lambda *args: found.append(keep(*args)) or found[-1]
        for c in range(11):
            cam(x, [ClassifierOutputTarget(c)] * len(x))
    return np.maximum(np.stack(found, 1), 0)


@pytest.mark.parametrize(("scale", "epsilon"), [(1.0, 1e-6), (1e3, 0.0)])
def test_chattopadhays_form_agrees_with_pytorch_grad_cam(scale, epsilon):
    """The package adds 1e-6 to the denominator, which weighs against squared gradients of 1e-6.

    So the two are equal with our epsilon at 1e-6; and with none at all for the same function
    written with feature maps 1000 times smaller and a head 1000 times larger. The package leaves
    out the factor exp(S), which is why the maps are compared without `log_factor`.
    """
    network = Small(scale).eval()
    x = torch.rand(3, 1, 36, 36) * 3
    theirs = raw_maps_of_the_package(network, network.last, x)
    with torch.no_grad():
        A, S = network.features(x).numpy(), network(x).numpy()
    W = network.head.weight.detach().numpy()
    ours = explain.through_pooled_linear_head(A, W, S, "chattopadhay", epsilon=epsilon).values
    assert theirs.max() > 0
    np.testing.assert_allclose(ours, theirs, atol=1e-4 * theirs.max(), rtol=1e-4)


@pytest.mark.parametrize("logit", [-90.0, -30.0, 40.0, 300.0])
def test_a_saturated_output_still_gives_a_map(logit):
    A, W, _, _ = random_case(n=1, K=8, C=1, spread=0.1)
    maps = explain.through_pooled_linear_head(A, W, np.array([[logit]]))
    stored, scale = maps.stored()
    assert np.isfinite(stored).all()
    assert np.abs(stored).max() == 1
    assert np.isfinite(scale).all()
    assert scale > 0
    # σ → 0 or 1: Y″ → ±Y′ and Y‴ → Y′, so a → 1 / (2 ± T g)
    a = 1 / (2 - np.sign(logit) * (W * A.mean((-2, -1)))[0])
    by_limit = leaky(((a * leaky(W[0]))[:, None, None] * A[0]).sum(0))
    np.testing.assert_allclose(stored[0, 0], by_limit / np.abs(by_limit).max(), atol=2e-3)


def test_at_probability_one_half_the_papers_form_is_zero_and_finite():
    A, W, _, _ = random_case(n=1)
    stored, scale = explain.through_pooled_linear_head(A, W, np.zeros((1, 4))).stored()
    assert not stored.any()
    assert not scale.any()


def test_a_head_of_zeros_and_dead_feature_maps_give_zero_maps():
    A, W, S, _ = random_case()
    for features, weight in ((A, 0 * W), (0 * A, W)):
        for form in ("paper", "chattopadhay"):
            maps = explain.through_pooled_linear_head(features, weight, S, form)
            assert not as_computed(maps).any()


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 10_000), st.floats(0.01, 3))
def test_a_stored_map_times_its_scale_is_the_map_computed(seed, spread):
    A, W, S, _ = random_case(seed=seed, spread=spread)
    maps = explain.through_pooled_linear_head(A.astype(np.float32), W, S)
    stored, scale = maps.stored()
    computed = as_computed(maps)
    tolerance = 1e-3 * np.abs(computed).max((-2, -1), keepdims=True)
    assert (np.abs(stored * scale[..., None, None].astype(float) - computed) <= tolerance).all()


def test_a_flipped_shot_has_the_flipped_map():
    A, W, S, _ = random_case(h=7, w=7)
    for axis in (-1, -2):
        flipped = explain.through_pooled_linear_head(np.flip(A, axis).copy(), W, S).values
        np.testing.assert_allclose(
            flipped, np.flip(explain.through_pooled_linear_head(A, W, S).values, axis), atol=1e-12
        )


def test_a_bright_spot_lights_its_corner():
    """One channel is the smoothed brightness and votes for the class: the heat lies on the spot."""
    shot = torch.zeros(1, 1, 56, 56)
    shot[0, 0, 1:8, 38:48] = 1
    A = nn.functional.avg_pool2d(shot, 8).numpy()
    S = 3 * A.mean((-2, -1)) - 1
    stored, _ = explain.through_pooled_linear_head(A, np.array([[3.0]]), S).stored()
    assert np.unravel_index(stored[0, 0].argmax(), (7, 7)) == (0, 5)


def test_gradients_are_those_of_each_class_alone():
    A, W, _, b = random_case(n=2)
    logits, gradients = logits_and_gradients(pooled_head(W, b), torch.tensor(A))
    np.testing.assert_allclose(logits, A.mean((-2, -1)) @ W.T + b)
    expected = np.broadcast_to((W / 12)[None, :, :, None, None], gradients.shape)
    np.testing.assert_allclose(gradients, expected)
