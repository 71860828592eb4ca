"""What an experiment is like to a network that learnt balanced simulated shots: made once, for a
network that is shipped (`make backbone`), from simulated shots as frequent as in reality.

They also teach its last layer: balanced shots hold few plain round droplets, which are most of an
experiment, so a network that learnt no others sees features where there are none.
"""

from __future__ import annotations

import sys
import tempfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch

from model.active import head
from model.active.prior import Expected
from model.errors import InputError
from model.prediction import embedding_file
from model.prediction.embedding import embed
from model.runs import checkpoint
from model.runs.prior import prior_of, save_expected
from model.shots.table import ShotTable, table_of_files
from model.simulate.labels import real_sets, set_weights

Floats = npt.NDArray[np.float32]


def settle(network: Path, shots: ShotTable) -> None:
    """Fit the last layer of a network to simulated shots as frequent as in reality, and write what
    the experiment is like to it, both into its folder."""
    assert shots.taxonomy is not None
    x = _embeddings(shots, network)
    fine = np.isfinite(x).all(1)
    found = expect(checkpoint.describe(network).class_names, x[fine])
    odds = found.among(shots.taxonomy).odds(shots.taxonomy.legal_sets)
    fit_last_layer(network, shots, x, odds)
    save_expected(network, found)


def expect(names: tuple[str, ...], x: Floats) -> Expected:
    """Of the embeddings (N, D), and of the label sets that the simulator draws from."""
    shares: dict[tuple[bool, ...], list[float]] = {}
    for (given, _), real, balanced in zip(
        real_sets(), set_weights(False), set_weights(True), strict=True
    ):
        both = shares.setdefault(tuple(name in given for name in names), [0.0, 0.0])
        both[0], both[1] = both[0] + real, both[1] + balanced
    share = np.array(list(shares.values()), np.float32)
    share /= share.sum(0)
    covariance = np.cov(x.astype(np.float64).T, bias=True).astype(np.float32)
    return Expected(names, x.mean(0), covariance, np.array(list(shares)), *share.T)


def fit_last_layer(network: Path, shots: ShotTable, x: Floats, odds: Floats) -> None:
    """Fit it to the labels of the shots by the instant head, begun from what it knows, as a layer
    to whose logits the `odds` (L,) of the legal sets are added."""
    assert shots.taxonomy is not None
    taxonomy, labels = shots.taxonomy, shots.labels.astype(bool)
    own = prior_of(network, taxonomy)
    assert own is not None
    made = head.fit(x, labels, taxonomy, prior=replace(own, odds=odds))
    loaded, about = checkpoint.load(network)
    order = [taxonomy.index(name) for name in about.class_names]
    linear = loaded.float().head.linear
    with torch.no_grad():
        linear.weight.copy_(torch.from_numpy(np.ascontiguousarray(made.weight.T[order])))
        linear.bias.copy_(torch.from_numpy(made.bias[order]))
    checkpoint.save(network, loaded.half(), about)


def _embeddings(shots: ShotTable, network: Path) -> Floats:
    with tempfile.TemporaryDirectory() as cache:
        for item in embed(shots, network, Path(cache)):
            if item["event"] == "failed":
                raise InputError(item["text"])
        found = embedding_file.read(
            embedding_file.parts_of(shots, network, Path(cache)), len(shots)
        )
    assert found is not None
    return found.astype(np.float32)


if __name__ == "__main__":
    folder, *files = map(Path, sys.argv[1:])
    settle(folder, table_of_files(files))
