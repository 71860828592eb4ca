"""Decoding under many legal label sets takes little memory and says the same shot by shot."""

from __future__ import annotations

import tracemalloc

import numpy as np
import pytest

from model.taxonomy import decoding

CLASSES = 18
SETS = ((np.arange(2**17)[:, None] >> np.arange(CLASSES)) & 1).astype(bool)
LOGITS = np.random.default_rng(0).normal(size=(160, CLASSES))


@pytest.mark.parametrize(
    "decode", [decoding.marginals, decoding.most_likely_sets, decoding.log_normaliser]
)
def test_memory_does_not_grow_with_shots_times_sets(decode):
    tracemalloc.start()
    try:
        found = decode(LOGITS, SETS)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 150e6  # all of them at a time are 168 MB each time that they are written down
    alone = np.concatenate([decode(row[None], SETS) for row in LOGITS[:3]])
    np.testing.assert_allclose(found[:3], alone, rtol=1e-4)
