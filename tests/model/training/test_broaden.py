"""A network goes on with other scenes, and keeps a part of what it said before."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from model.runs import checkpoint
from model.runs.folder import WEIGHTS, backbone_folder
from model.shots.table import table_of_file
from model.simulate.generate import simulate
from model.training.broaden import ROUNDS, Round, Share, _Draw, _read, broaden

pytestmark = pytest.mark.usefixtures("narrow_network")


@pytest.fixture(scope="module")
def table(tmp_path_factory):
    path = tmp_path_factory.mktemp("broad") / "shots.h5"
    list(simulate(path, 16, 3, 64, balanced=True, broad=True, workers=1))
    return table_of_file(path)


@pytest.fixture(scope="module")
def first(tmp_path_factory):
    """A run of the shipped network's kind that learnt nothing, for small pictures."""
    folder = tmp_path_factory.mktemp("first")
    about = checkpoint.describe(backbone_folder("helium-resnet18"))
    small = replace(about.preprocessing, size=64), replace(about.recipe, size=64)
    about = replace(about, preprocessing=small[0], recipe=small[1])
    torch.manual_seed(0)
    checkpoint.save(folder, checkpoint.build(about, "he").half(), about)
    return folder


def test_a_share_of_the_answers_is_what_the_network_said_itself(first, table):
    network, about = checkpoint.load(first)
    network = network.float().eval()
    told, half, own = (
        _read(table, Share("", 8, kept), network, about.preprocessing).answers
        for kept in (0.0, 0.5, 1.0)
    )
    assert not np.allclose(told, own)
    np.testing.assert_allclose(half, (told + own) / 2, atol=1e-6)


def test_what_goes_on_is_written_whole_and_says_more_of_what_it_learnt(first, table, tmp_path):
    mix = (Share("shots.h5", 4, 0.0),)
    broaden(first, [(table, mix[0])], tmp_path, Round(mix, 24, {"zoom": 0.2}))
    network, about = checkpoint.load(tmp_path)
    before, known = checkpoint.load(first)
    assert (about.class_names, about.preprocessing) == (known.class_names, known.preprocessing)
    sizes = [(run / WEIGHTS).stat().st_size for run in (first, tmp_path)]
    assert sizes[0] == sizes[1]
    assert not torch.equal(network.head.linear.weight, before.head.linear.weight)
    assert wrong_by(network, table, about) < wrong_by(before, table, about)


def test_it_learns_to_see_what_a_half_turn_changes_from_what_it_knew(first, table, tmp_path):
    mix = (Share("shots.h5", 4, 0.0),)
    broaden(first, [(table, mix[0])], tmp_path, Round(mix, 24, {}, half_turn=True))
    network, about = checkpoint.load(tmp_path)
    assert about.recipe.half_turn
    assert network.body[0][1].weight[:, 1].abs().max() > 0
    before, known = checkpoint.load(first)
    assert wrong_by(network, table, about) < wrong_by(before, table, known)


def wrong_by(network, table, about):
    """Cross-entropy of what a network says of the shots that it learnt."""
    network = network.float().eval()
    told, own = (
        _read(table, Share("", 4, kept), network, about.preprocessing).answers
        for kept in (0.0, 1.0)
    )
    return -(told * np.log(own) + (1 - told) * np.log(1 - own)).mean()


def test_every_shot_is_drawn_before_any_comes_again():
    draw = _Draw(12, 4, seed=1)
    first = np.concatenate([draw.next() for _ in range(3)])
    assert sorted(first) == list(range(12))
    assert sorted(np.concatenate([draw.next() for _ in range(3)])) == list(range(12))


def test_every_file_of_the_rounds_is_made_by_make_backbone():
    made = Path("Makefile").read_text(encoding="utf-8")
    for each in ROUNDS:
        assert sum(share.shots for share in each.mix) == 32
        assert all(f"$(SIMULATE)/{share.file} " in made for share in each.mix)
    balanced = sum(s.shots for s in ROUNDS[-1].mix if "balanced" in s.file) / 32
    assert f"model.prediction.expected resources/backbones/helium-resnet18 {balanced} " in made
