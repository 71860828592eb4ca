"""The engines give the same feature maps, and the exported activation is Eq. 11."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
import torch

from model.errors import install
from model.networks import architectures as networks
from model.networks.table import NETWORKS
from model.prediction import inference

pytestmark = pytest.mark.usefixtures("narrow_network")

SHAPE = (1, 64, 64)


@pytest.fixture
def openvino():
    try:
        return inference.openvino()
    except ImportError:
        pytest.skip("OpenVINO is not installed")


def network(name="resnet18", activation="log"):
    torch.manual_seed(1)
    return networks.create(name, activation=activation).eval()


def batches(*sizes, seed=0):
    rng = np.random.default_rng(seed)
    return [(rng.random((n, *SHAPE)) ** 6 * 5000).astype(np.float32) for n in sizes]


def test_the_exported_activation_is_equation_11_over_thirty_decades():
    size = np.logspace(-15, 15, 4001)
    x = np.concatenate([-size[::-1], [0.0], size])
    expected = np.sign(x) * 0.2 * (np.log(np.abs(x) + 1 / math.e) + 1)
    found = inference.ExportedLogarithmic(0.2)(torch.tensor(x, dtype=torch.float32)).numpy()
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=2e-6)


def test_torch_engine_gives_the_networks_own_features_in_order():
    net = network()
    engine = inference.TorchEngine(net.body, 4)
    given = batches(4, 4, 1)
    found = list(engine.stream(given))
    assert [len(f) for f in found] == [4, 4, 1]
    for pixels, features in zip(given, found, strict=True):
        with torch.no_grad():
            expected = net.features(torch.from_numpy(pixels)).numpy()
        np.testing.assert_allclose(features, expected, rtol=1e-4, atol=1e-5 * expected.max())


@pytest.mark.parametrize(("name", "activation"), [("resnet18", "log"), ("resnet50", "leaky_relu")])
def test_openvino_equals_torch(name, activation, openvino, monkeypatch):
    monkeypatch.setitem(NETWORKS, name, replace(NETWORKS[name], width=16))
    net = network(name, activation)
    fast = inference.OpenVinoEngine(net.body, 4, SHAPE)
    plain = inference.TorchEngine(net.body, 4, torch.device("cpu"))
    given = batches(4, 4, 4, 3)
    for a, b in zip(fast.stream(given), plain.stream(given), strict=True):
        assert a.shape == b.shape
        assert np.abs(a - b).max() <= 1e-4 * np.abs(b).max()


def test_an_engine_reads_no_more_than_two_batches_ahead(openvino):
    taken = []

    def counted():
        for n, pixels in enumerate(batches(*[1] * 12)):
            taken.append(n)
            yield pixels

    for done, _ in enumerate(inference.OpenVinoEngine(network().body, 1, SHAPE).stream(counted())):
        assert len(taken) <= done + 3


def test_the_choice_is_openvino_on_a_cpu_and_says_so(openvino):
    if inference.best_device().type != "cpu":
        pytest.skip("there is a graphics card here")
    engine, line = inference.choose(network(), SHAPE)
    assert isinstance(engine, inference.OpenVinoEngine)
    assert line == f"Prediction by {engine.name}."
    engine, line = inference.choose(network(), SHAPE, "torch")
    assert isinstance(engine, inference.TorchEngine)
    assert line == f"Prediction by {engine.name}."


def test_without_openvino_torch_is_chosen_and_the_mend_named(monkeypatch):
    monkeypatch.setattr(inference.importlib.util, "find_spec", lambda name: None)
    monkeypatch.setattr(inference, "best_device", lambda: torch.device("cpu"))
    engine, line = inference.choose(network(), SHAPE)
    assert isinstance(engine, inference.TorchEngine)
    assert line.endswith(install("openvino"))


def test_an_engine_that_gives_other_numbers_is_not_used(monkeypatch, openvino):
    monkeypatch.setattr(inference, "best_device", lambda: torch.device("cpu"))
    monkeypatch.setattr(inference, "disagreement", lambda *args: 0.01)
    engine, line = inference.choose(network(), SHAPE)
    assert isinstance(engine, inference.TorchEngine)
    assert "differs" in line


def test_large_inputs_come_in_smaller_batches():
    cpu = torch.device("cpu")
    assert inference.batch_for((1, 224, 224), cpu) == 8
    assert inference.batch_for((1, 1035, 1035), cpu) == 1
    assert inference.batch_for((1, 64, 64), cpu) == 64


def test_openvino_is_kept_from_reporting_its_use(openvino):
    import sys

    assert sys.modules["openvino_telemetry"] is None
