"""The benchmark of a watch really watches another process, and its numbers add up."""

from __future__ import annotations

import pytest

from model.benchmarks import online


def test_two_seconds_of_a_slow_machine_are_dealt_with(monkeypatch):
    pytest.importorskip("karabo_bridge", exc_type=ImportError)
    monkeypatch.setattr(online, "SHOTS", 64)
    monkeypatch.setattr(online, "MEMORY_SHOTS", 64)
    found = online.measure(rate=20, hit_rate=0.5, seconds=3, size=64, input=64)
    assert 30 <= found["seen"] <= 70
    assert found["read"] + found["dropped"] - found["not_fetched"] == found["hits"]
    assert found["kept"] == found["read"] > 0
    assert 0 < found["latency_p50_ms"] <= found["latency_p99_ms"]
    assert found["sustained_hz"] <= 20.5
    assert found["hitfinder_hz"] > 0
    assert abs(found["memory_growth_mb"]) < 500
