"""What an experiment is like to a network that learnt balanced simulated shots: made once, for a
network that is shipped (`make backbone`), from simulated shots as frequent as in reality."""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt

from model.active.prior import Expected
from model.errors import InputError
from model.prediction import embedding_file
from model.prediction.embedding import embed
from model.runs import checkpoint
from model.runs.prior import save_expected
from model.shots.table import ShotTable, table_of_file
from model.simulate.labels import real_sets, set_weights


def expect(network: Path, tables: Sequence[ShotTable], part: float) -> Expected:
    """Of the shots' embeddings, and of the label sets that the simulator draws from; the network
    learnt `part` of its shots from balanced ones."""
    names = checkpoint.describe(network).class_names
    x = np.concatenate([_embeddings(network, shots) for shots in tables])
    shares: dict[tuple[bool, ...], list[float]] = {}
    for (given, _), usual, even in zip(
        real_sets(), set_weights(False), set_weights(True), strict=True
    ):
        both = shares.setdefault(tuple(name in given for name in names), [0.0, 0.0])
        both[0], both[1] = both[0] + usual, both[1] + even
    frequent = np.array(list(shares.values()), np.float32)
    frequent /= frequent.sum(0)
    covariance = np.cov(x.T, bias=True).astype(np.float32)
    mean = x.mean(0).astype(np.float32)
    sets, (usually, evenly) = np.array(list(shares)), frequent.T
    return Expected(names, mean, covariance, sets, usually, evenly, part)


def _embeddings(network: Path, shots: ShotTable) -> npt.NDArray[np.float64]:
    with tempfile.TemporaryDirectory() as cache:
        for item in embed(shots, network, Path(cache)):
            if item["event"] == "failed":
                raise InputError(item["text"])
        parts = embedding_file.parts_of(shots, network, Path(cache))
        found = embedding_file.read(parts, len(shots))
    assert found is not None
    return found[np.isfinite(found).all(1)].astype(np.float64)


if __name__ == "__main__":
    place, part, *files = sys.argv[1:]
    tables = [table_of_file(Path(file)) for file in files]
    save_expected(Path(place), expect(Path(place), tables, float(part)))
