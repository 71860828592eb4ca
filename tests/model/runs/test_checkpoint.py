"""Checkpoints: whole, honest, or refused."""

from __future__ import annotations

import json
import pickle
from dataclasses import replace

import pytest
import torch

from model.errors import InputError
from model.runs import checkpoint, recipes
from model.runs.checkpoint import Checkpoint
from model.runs.folder import DESCRIPTION, WEIGHTS

NAMES = ("Round", "Streak", "Empty")

pytestmark = pytest.mark.usefixtures("narrow_network")


@pytest.fixture
def saved(tmp_path):
    recipe = replace(recipes.named("quick"), size=64)
    about = Checkpoint(
        NAMES, recipe, recipe.preprocessing(), thresholds=(0.5, 0.4, 0.3), legal_sets=(0, 1, 2, 4),
        metrics={"macro_f1": 0.5, "rare_f1": None}, data_fingerprint="abc", epoch=3,
    )  # fmt: skip
    network = checkpoint.build(about, "he").eval()
    checkpoint.save(tmp_path, network, about)
    return tmp_path, network, about


def test_what_is_saved_comes_back(saved):
    folder, network, about = saved
    loaded, found = checkpoint.load(folder, ("round", "STREAK", "empty"))
    assert found == about
    assert checkpoint.describe(folder) == about
    assert not loaded.training
    x = torch.rand(2, 1, 64, 64)
    assert torch.equal(loaded(x), network(x))


def test_a_changed_weights_file_is_refused(saved):
    folder, _, _ = saved
    path = folder / WEIGHTS
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    path.write_bytes(data)
    with pytest.raises(InputError, match=r"SHA-256") as error:
        checkpoint.load(folder)
    assert "model.safetensors" in str(error.value)


def test_a_truncated_weights_file_is_refused(saved):
    path = saved[0] / WEIGHTS
    path.write_bytes(path.read_bytes()[:1000])
    with pytest.raises(InputError, match="changed"):
        checkpoint.load(saved[0])


@pytest.mark.parametrize("names", [("Round", "Empty", "Streak"), ("Round", "Streak")])
def test_a_network_of_other_classes_is_refused(saved, names):
    with pytest.raises(InputError, match="other classes"):
        checkpoint.load(saved[0], names)


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"sha256": "0"}', "{broken"])
def test_a_damaged_description_is_refused(saved, text):
    (saved[0] / DESCRIPTION).write_text(text, "utf-8")
    with pytest.raises(InputError, match=r"model\.json"):
        checkpoint.load(saved[0])


def test_a_newer_format_is_refused(saved):
    path = saved[0] / DESCRIPTION
    path.write_text(json.dumps(json.loads(path.read_text("utf-8")) | {"format": 99}), "utf-8")
    with pytest.raises(InputError, match="newer version"):
        checkpoint.load(saved[0])


def test_a_folder_without_a_run_is_refused(tmp_path):
    with pytest.raises(InputError, match="no trained network"):
        checkpoint.load(tmp_path)


@pytest.mark.parametrize(
    ("layer", "value", "said"),
    [
        ("body.0.weight", float("nan"), "no numbers"),
        ("head.linear.weight", float("inf"), "no numbers"),
        ("body.0.weight", 1e38, "overflow"),
        ("head.linear.weight", 3e38, "overflow"),
        ("body.11.0.weight", 1e9, "overflow"),  # of embeddings, in half precision
    ],
)
def test_weights_by_which_nothing_could_be_said_of_any_shot_are_refused(saved, layer, value, said):
    folder, network, about = saved
    state = network.state_dict()
    state[layer] = torch.full_like(state[layer], value)
    network.load_state_dict(state)
    checkpoint.save(folder, network, about)
    with pytest.raises(InputError, match=said):
        checkpoint.load(folder)


@pytest.mark.parametrize("deviation", [0.0, float("nan")])
def test_a_preprocessing_that_leaves_no_numbers_is_refused(saved, deviation):
    folder, network, about = saved
    steps = replace(about.preprocessing, transform="standardised", deviation=deviation)
    checkpoint.save(folder, network, replace(about, preprocessing=steps))
    with pytest.raises(InputError):
        checkpoint.load(folder)


def test_a_pickle_is_never_opened(saved, tmp_path):
    import hashlib

    class Trap:
        def __reduce__(self):
            return (open, (str(tmp_path / "sprung"), "w"))

    data = pickle.dumps(Trap())
    (saved[0] / WEIGHTS).write_bytes(data)
    path = saved[0] / DESCRIPTION
    honest = json.loads(path.read_text("utf-8")) | {"sha256": hashlib.sha256(data).hexdigest()}
    path.write_text(json.dumps(honest), "utf-8")
    with pytest.raises(InputError, match="weights"):
        checkpoint.load(saved[0])
    assert not (tmp_path / "sprung").exists()


def test_a_kill_between_the_two_files_leaves_the_older_network(saved, monkeypatch):
    folder, network, about = saved
    before = (folder / WEIGHTS).read_bytes()
    with torch.no_grad():
        network.head.linear.bias += 1
    checkpoint.save(folder, network, about)
    (folder / WEIGHTS).write_bytes(before)  # as if only the JSON had been replaced
    checkpoint.load(folder)
