"""The last layer before the first step: begun from learnt weights, a training stands where the
instant head does.

A fresh layer, or one that learnt other shots, sends large wrong gradients through a body that knows
much already, and few labels are too few steps to mend that. So the layer is fitted first, to what
the body makes of the training shots (Kumar et al. 2022), by the instant head (`model.active.head`)
with what the network knew as its prior.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import torch

from model.active import head
from model.networks.architectures import Network
from model.runs.folder import backbone_folder
from model.runs.prior import prior_of
from model.runs.recipes import Recipe
from model.taxonomy.taxonomy import Taxonomy
from model.training.data import TrainingData
from model.training.engine import Engine
from model.training.judging import embeddings_of

MOST = 2000
"""Training shots that it is fitted to."""


def fit_last_layer(
    network: Network, data: TrainingData, recipe: Recipe, engine: Engine, warm: Path | None
) -> None:
    """Fit the last layer of a network on the device, in place; `warm` is the run that it begins
    from, None for the recipe's backbone."""
    rows = np.random.default_rng(0).permutation(data.training)[:MOST]
    x = embeddings_of(network, data, rows, recipe, engine, recipe.side_at(0))
    taxonomy = data.taxonomy
    rules = taxonomy if recipe.rule_aware else Taxonomy(taxonomy.name, taxonomy.classes, ())
    prior = prior_of(warm or backbone_folder(recipe.backbone), rules, x)
    if prior is not None:
        prior = replace(prior, odds=None)  # a network has no place for those
    linear = network.head.linear
    made = head.fit(x, data.labels[rows], rules, known=data.known[rows], prior=prior)
    with torch.no_grad():
        linear.weight.copy_(torch.from_numpy(np.ascontiguousarray(made.weight.T)))
        linear.bias.copy_(torch.from_numpy(made.bias))
