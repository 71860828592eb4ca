"""What an experiment is like to a network that learnt balanced simulated shots: made once, for a
network that is shipped (`make backbone`), from simulated shots as frequent as in reality and the
labels of those that trained it."""

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
from model.shots.table import ShotTable, table_of_file, table_of_files
from model.simulate.labels import real_sets, set_weights


def expect(network: Path, shots: ShotTable, trained: ShotTable) -> Expected:
    """Of the embeddings of `shots`, the real label sets, and those that `trained` has."""
    names = checkpoint.describe(network).class_names
    with tempfile.TemporaryDirectory() as cache:
        for item in embed(shots, network, Path(cache)):
            if item["event"] == "failed":
                raise InputError(item["text"])
        parts = embedding_file.parts_of(shots, network, Path(cache))
        found = embedding_file.read(parts, len(shots))
    assert found is not None
    x = found[np.isfinite(found).all(1)].astype(np.float64)
    shares: dict[tuple[bool, ...], float] = {}
    for given, real in zip(real_sets(), set_weights(False), strict=True):
        labels = tuple(name in given[0] for name in names)
        shares[labels] = shares.get(labels, 0.0) + real
    sets = np.array(list(shares))
    share = np.array(list(shares.values()), np.float32)
    covariance = np.cov(x.T, bias=True).astype(np.float32)
    learnt = share_of(sets, trained, names)
    return Expected(names, x.mean(0).astype(np.float32), covariance, sets, share, learnt)


def share_of(
    sets: npt.NDArray[np.bool_], table: ShotTable, names: Sequence[str]
) -> npt.NDArray[np.float32]:
    """(S,) how frequent label sets (S, C) of the classes `names` are among labelled shots that have
    one of them, as if each had been seen once more."""
    column = [table.class_names.index(name) for name in names]
    labels = table.labels[table.labelled][:, column].astype(bool)
    count = 1 + (labels[:, None] == sets).all(2).sum(0)
    return np.asarray(count / count.sum(), np.float32)


if __name__ == "__main__":
    folder, usual, *learnt = map(Path, sys.argv[1:])
    save_expected(folder, expect(folder, table_of_file(usual), table_of_files(learnt)))
