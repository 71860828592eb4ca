"""The peers of the benchmark compute what we compute."""

import numpy as np

from model.benchmarks.physics import all_pairs, half_the_pairs, measure
from model.physics.correlation import order_map
from tests.helpers.formulas import full_map


def test_both_peers_make_the_same_map():
    polar = np.random.default_rng(0).random((12, 40)).astype(np.float32)
    ours = np.where(np.tri(12, dtype=bool), full_map(polar), order_map(polar, 8))
    np.testing.assert_allclose(all_pairs(polar, 8), ours, rtol=1e-3, atol=1e-6)
    np.testing.assert_allclose(half_the_pairs(polar, 8), ours, rtol=1e-3, atol=1e-6)


def test_the_benchmark_has_the_promised_numbers():
    found = measure(rounds=1, size=48, shots=48, noise_shots=20)
    assert set(found["map_ms"]) == {"112x360", "224x512", "224x720"}
    assert found["map_ratio_fft"] > 1
    assert found["patterns_per_s"] > 0
    assert found["add_noise_ratio"] > 0
    assert found["prepare_ratio"] > 0
    assert set(found["file_s"]) == {"copy", "safe_copy", "add_noise", "prepare"}
