"""A training from learnt weights begins where the instant head stands, not where it would wreck."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest
import torch

from model.runs.recipes import named
from model.taxonomy import decoding
from model.taxonomy.toml import load, shipped
from model.training import last_layer

HELIUM = load(shipped())
LEGAL = HELIUM.legal_sets


@pytest.mark.parametrize("recipe", ["quick", "best"])
def test_the_last_layer_is_found_from_what_the_body_makes_of_the_training_shots(
    recipe, monkeypatch
):
    rng, n = np.random.default_rng(0), 250
    labels = LEGAL[rng.integers(0, len(LEGAL), n)]
    x = (labels @ rng.normal(size=(11, 512)) + rng.normal(size=(n, 512))).astype(np.float32)
    monkeypatch.setattr(last_layer, "embeddings_of", lambda _n, _d, rows, *_: x[rows])
    data = SimpleNamespace(
        taxonomy=HELIUM, labels=labels, known=np.ones_like(labels), training=np.arange(200)
    )
    network = SimpleNamespace(head=SimpleNamespace(linear=torch.nn.Linear(512, 11)))
    last_layer.fit_last_layer(network, data, named(recipe), None, None)
    linear = network.head.linear
    logits = x[200:] @ linear.weight.detach().numpy().T + linear.bias.detach().numpy()
    legal = LEGAL if named(recipe).rule_aware else None
    said = decoding.probabilities(logits, legal) >= 0.5
    assert (said == labels[200:]).mean() > 0.9
