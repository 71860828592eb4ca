"""What an experiment is like to a shipped network, and its last layer learnt from it."""

import shutil

import numpy as np
import torch

from model.active import head
from model.prediction import embedding_file
from model.prediction.embedding import embed
from model.prediction.expected import settle
from model.runs import checkpoint
from model.runs.folder import backbone_folder
from model.runs.prior import expected_of, prior_of
from model.shots.table import table_of_file
from model.simulate.generate import simulate


def test_the_last_layer_learns_shots_as_frequent_as_in_reality(tmp_path):
    path = tmp_path / "usual.h5"
    list(simulate(path, 120, 31, 64, broad=True, workers=1))
    shots = table_of_file(path)
    network = tmp_path / "network"
    shutil.copytree(backbone_folder("helium-resnet18"), network)
    loaded, about = checkpoint.load(network)
    seen = [about.class_names.index(name) for name in ("Newton Rings", "Double Rings")]
    with torch.no_grad():  # it sees these everywhere
        loaded.head.linear.bias[seen] += 4
    checkpoint.save(network, loaded, about)
    before = checkpoint.load(network)[0].state_dict()
    wrong = correct(shots, network, tmp_path / "before")
    settle(network, shots)
    after, about = checkpoint.load(network)
    changed = {k for k, v in after.state_dict().items() if not (v == before[k]).all()}
    assert changed == {"head.linear.weight", "head.linear.bias"}
    assert expected_of(network, about.class_names) is not None
    assert correct(shots, network, tmp_path / "after") > wrong + 0.01


def correct(shots, network, cache):
    """Share of the labels that the network's own head says right, adapted to the shots."""
    *_, last = embed(shots, network, cache, engine="torch")
    assert last["event"] == "finished"
    x = embedding_file.read(embedding_file.parts_of(shots, network, cache), len(shots))
    x = x.astype(np.float32)
    prior = prior_of(network, shots.taxonomy, x)
    made = head.fit(x[:0], shots.labels[:0], shots.taxonomy, prior=prior, space=head.space_of(x))
    return (made.decide(x) == shots.labels.astype(bool)).mean()
