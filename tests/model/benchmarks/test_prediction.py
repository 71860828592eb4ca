"""The benchmarks of prediction and explanation run, and give the numbers that scripts read."""

from __future__ import annotations

import math

import pytest

from model.benchmarks import explain, inference
from model.benchmarks.pairing import ratio, seconds_in_turns
from model.prediction import inference as prediction

pytestmark = pytest.mark.usefixtures("narrow_network")


def test_bench_inference_has_its_ratios_and_names_who_is_missing(monkeypatch):
    monkeypatch.setattr(prediction, "batch_for", lambda shape, device: 4)
    found = inference.measure(rounds=1, batches=1, compile_peer=False, size=64)
    eager = "ratio_torch_eager", "ratio_torch_eager_single"
    for key in ("ratio_best_peer", *eager, "one_pass_overhead"):
        assert math.isfinite(found[key])
        assert found[key] > 0
    assert found["best_peer"] in found["images_per_second"]
    present = set(found["images_per_second"]) - {"ours", "one_pass"}
    assert present | set(found["left_out"]) == {
        "torch_eager", "torch_eager_single", "onnxruntime", "openvino",
    }  # fmt: skip


def test_bench_explain_has_its_ratios_and_agrees_with_the_package():
    pytest.importorskip("ttach", reason="grad-cam is not installed")
    found = explain.measure(rounds=1, size=64)
    assert found["ratio_pytorch_grad_cam"] > 1
    assert found["overhead_vs_forward"] > 0
    assert found["difference"] < 1e-4


def test_contenders_take_turns_and_warm_up_untimed():
    called = []
    contenders = {name: lambda name=name: called.append(name) for name in "ab"}
    taken = seconds_in_turns(contenders, rounds=2, warmups=1)
    assert "".join(called) == "ababab"
    assert [len(v) for v in taken.values()] == [2, 2]
    assert ratio([1, 2, 9], [1, 1, 3]) == 2
