"""Checkpoints: whole, honest, or refused."""

from __future__ import annotations

import errno
import json
import pickle
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from model import output_files
from model.errors import InputError
from model.preprocessing.preparation import Preparation, reference_of
from model.runs import checkpoint, recipes
from model.runs.checkpoint import Checkpoint
from model.runs.folder import DESCRIPTION, REFERENCE, WEIGHTS
from model.shots.sources import SourceInfo
from model.taxonomy import decoding
from model.taxonomy.taxonomy import Taxonomy

NAMES = ("Round", "Streak", "Empty")

pytestmark = pytest.mark.usefixtures("narrow_network")


@pytest.fixture
def saved(tmp_path):
    recipe = replace(recipes.named("quick"), size=64)
    about = Checkpoint(
        NAMES, recipe, recipe.preprocessing(), thresholds=(0.5, 0.4, 0.3), legal_sets=(0, 1, 2, 4),
        metrics={"macro_f1": 0.5, "rare_f1": None}, data_fingerprint="abc", epoch=3,
        earlier_names=("", "Stripe;Line", ""),
    )  # fmt: skip
    network = checkpoint.build(about, "he").eval()
    checkpoint.save(tmp_path, network, about)
    return tmp_path, network, about


def test_what_is_saved_comes_back(saved):
    folder, network, about = saved
    loaded, found = checkpoint.load(folder, Taxonomy.of_names(("round", "STREAK", "empty")))
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
        checkpoint.load(saved[0], Taxonomy.of_names(names))


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
        ("body.0.1.weight", float("nan"), "no numbers"),
        ("head.linear.weight", float("inf"), "no numbers"),
        ("body.0.1.weight", 1e38, "overflow"),
        ("head.linear.weight", 3e38, "overflow"),
        ("body.7.0.weight", 1e9, "overflow"),  # of embeddings, in half precision
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


@pytest.mark.parametrize("name", [DESCRIPTION, WEIGHTS])
def test_a_disk_that_refuses_either_file_leaves_the_older_network(saved, monkeypatch, name):
    folder, network, about = saved
    x = torch.rand(1, 1, 64, 64)
    before = checkpoint.load(folder)[0](x)
    give_name = output_files.give_name

    def full(part, out):
        if out.name == name:
            raise OSError(errno.ENOSPC, "No space left on device", str(out))
        give_name(part, out)

    monkeypatch.setattr(output_files, "give_name", full)
    with torch.no_grad():
        network.head.linear.bias += 1
    with pytest.raises(InputError, match=name):
        checkpoint.save(folder, network, about)
    assert torch.equal(checkpoint.load(folder)[0](x), before)


def changed(folder, **values):
    path = folder / DESCRIPTION
    path.write_text(json.dumps(json.loads(path.read_text("utf-8")) | values), "utf-8")


@pytest.mark.parametrize(
    ("values", "says"),
    [
        ({"class_names": []}, "class_names: 0 of them"),
        ({"class_names": [f"c{i}" for i in range(63)]}, "class_names: 63 of them"),
        ({"class_names": ["A", 2, "C"]}, "class_names: 3 of them"),
        ({"thresholds": [0.5]}, "thresholds: not one number for each of 3 classes"),
        ({"worth": [1, 2, float("nan")]}, "worth: not one number for each of 3 classes"),
        ({"class_weights": [1, 2, float("inf")]}, "class_weights: not one number for each of 3"),
        ({"legal_sets": [0, 8]}, "legal_sets: no label sets of 3 classes"),
        ({"legal_sets": [-1]}, "legal_sets: no label sets of 3 classes"),
        ({"legal_sets": [0.5]}, "legal_sets: no label sets of 3 classes"),
        ({"earlier_names": ["A", "B"]}, "earlier_names: not one for each of 3 classes"),
        ({"earlier_names": ["A", 2, ""]}, "earlier_names: not one for each of 3 classes"),
        ({"channels": 0}, "channels: 0"),
        ({"channels": 17}, "channels: 17"),
        ({"temperature": 0}, "temperature: 0"),
        ({"temperature": float("inf")}, "temperature: inf"),
    ],
)
def test_a_description_that_cannot_be_is_refused_by_what_is_wrong(saved, values, says):
    changed(saved[0], **values)
    with pytest.raises(InputError) as caught:
        checkpoint.describe(saved[0])
    assert caught.value.what.startswith(f"is damaged: {says}")
    assert caught.value.file == saved[0] / DESCRIPTION
    assert caught.value.mend == "Choose the folder of a finished run."


def test_what_is_just_possible_is_taken(saved):
    changed(saved[0], class_names=["Only"], thresholds=[], worth=None, legal_sets=[0, 1],
            channels=16, temperature=0.5, earlier_names=None, of_a_later_version=1)  # fmt: skip
    about = checkpoint.describe(saved[0])
    assert (about.class_names, about.thresholds, about.worth) == (("Only",), (), ())
    assert (about.legal_sets, about.channels, about.temperature) == ((0, 1), 16, 0.5)


def test_messages_name_the_file_and_the_mend(saved):
    folder, _, _ = saved
    with pytest.raises(InputError) as caught:
        checkpoint.load(folder, Taxonomy.of_names(("Round", "Empty")))
    assert caught.value.what == "was trained for other classes (Round, Streak, Empty)"
    assert (caught.value.file, caught.value.mend) == (
        folder,
        "Choose a run of these: Round, Empty.",
    )
    (folder / WEIGHTS).unlink()
    with pytest.raises(InputError) as caught:
        checkpoint.load(folder)
    assert caught.value.what == "cannot be read (No such file or directory)"
    assert caught.value.file == folder / WEIGHTS
    assert caught.value.mend == "Train again, or choose another run."
    changed(folder, format=2)
    with pytest.raises(InputError) as caught:
        checkpoint.describe(folder)
    assert caught.value.what == "was made by a newer version"
    assert (caught.value.file, caught.value.mend) == (folder / DESCRIPTION, "Update the program.")
    (folder / DESCRIPTION).write_text("[]", "utf-8")
    with pytest.raises(InputError) as caught:
        checkpoint.describe(folder)
    assert caught.value.what == "is damaged: it describes no network"


def test_a_description_of_before_formats_had_numbers_is_read(saved):
    path = saved[0] / DESCRIPTION
    values = json.loads(path.read_text("utf-8"))
    del values["format"]
    path.write_text(json.dumps(values), "utf-8")
    assert checkpoint.describe(saved[0]) == saved[2]


def test_weights_of_another_network_and_weights_that_are_no_numbers_are_refused(saved):
    folder, network, about = saved
    with torch.no_grad():
        network.head.linear.bias[0] = torch.nan
    checkpoint.save(folder, network, about)
    with pytest.raises(InputError) as caught:
        checkpoint.load(folder)
    assert caught.value.what == "holds weights that are no numbers"
    assert (caught.value.file, caught.value.mend) == (folder / WEIGHTS, "Train again.")
    fewer = replace(about, class_names=("A", "B"), thresholds=(), legal_sets=None)
    checkpoint.save(folder, checkpoint.build(fewer, "he"), about)
    with pytest.raises(InputError) as caught:
        checkpoint.load(folder)
    assert caught.value.what == "does not hold the weights of resnet18"
    assert (caught.value.file, caught.value.mend) == (folder / WEIGHTS, "Train again.")


def test_a_network_says_what_its_rules_and_thresholds_say(saved):
    _, _, about = saved
    logits = np.array([[2.0, 1.0, -1.0], [-1.0, -2.0, -3.0]], np.float32)
    sets = np.array([[0, 0, 0], [1, 0, 0], [0, 1, 0], [0, 0, 1]], bool)
    assert about.network == "resnet18"
    assert about.legal().tolist() == sets.tolist()
    np.testing.assert_allclose(about.probabilities(logits), decoding.probabilities(logits, sets))
    assert about.decide(logits).tolist() == [[True, False, False], [False, False, False]]
    weighted = replace(about, class_weights=(1.0, 20.0, 1.0))
    raised = decoding.raised_by((1.0, 20.0, 1.0), sets)
    expected = decoding.probabilities(logits, sets, raised)
    np.testing.assert_allclose(weighted.probabilities(logits), expected)
    assert not np.allclose(expected, about.probabilities(logits))
    worth = replace(about, worth=(0.1, 9.0, 1.0))
    expected = decoding.answers(about.probabilities(logits), about.thresholds, worth.worth, sets)
    assert worth.decide(logits).tolist() == expected.tolist()
    several = replace(about, thresholds=(0.2, 0.2, 0.2), worth=(1.0, 2.0, 1.0))
    near = np.array([[2.0, 1.8, -1.0]])
    assert (several.probabilities(near)[0, :2] > 0.2).all()
    assert several.decide(near).tolist() == [[False, True, False]], "one of them, the worthier"
    free = replace(about, legal_sets=None)
    assert free.legal() is None
    np.testing.assert_allclose(free.probabilities(logits), decoding.sigmoid(logits))
    assert free.decide(logits).tolist() == [[True, True, False], [False, False, False]]
    half = replace(free, thresholds=())
    assert half.decide(np.array([[0.1, -0.1, 0.0]])).tolist() == [[True, False, True]]


def test_sigmoids_answer_with_legal_sets_and_by_their_thresholds_where_these_break_no_rule(saved):
    _, _, about = saved
    logits = np.random.default_rng(0).normal(size=(200, 3)).astype(np.float32) * 2
    by_thresholds = replace(about, legal_sets=None)
    legal = np.isin(by_thresholds.decide(logits) @ [1, 2, 4], about.legal_sets)
    assert 20 < legal.sum() < 180
    for worth in ((), (0.1, 9.0, 1.0)):
        ruled = replace(about, sigmoids=True, worth=worth)
        np.testing.assert_array_equal(ruled.probabilities(logits), decoding.sigmoid(logits))
        np.testing.assert_array_equal(ruled.log_odds(logits), logits)
        decided = ruled.decide(logits)
        assert np.isin(decided @ [1, 2, 4], about.legal_sets).all()
        np.testing.assert_array_equal(decided[legal], by_thresholds.decide(logits)[legal])


def source(dataset, path="maps.h5", layout="stack"):
    return SourceInfo(Path(path), dataset, layout, 3, (24, 24), "f4", "x")


def test_maps_are_refused_for_a_network_of_patterns_and_the_other_way_round(saved, monkeypatch):
    _, _, about = saved
    monkeypatch.setattr(checkpoint, "holds_maps", lambda info: info.dataset == "maps")
    maps, patterns = source("maps"), source("images", "shots.h5")
    checkpoint.check_kind(about, [maps, patterns])  # of an earlier version: not known
    checkpoint.check_kind(replace(about, of_maps=False), [patterns])
    checkpoint.check_kind(replace(about, of_maps=True), [maps])
    with pytest.raises(InputError) as caught:
        checkpoint.check_kind(replace(about, of_maps=False), [patterns, maps])
    assert caught.value.what == "holds correlation maps, and this run reads patterns"
    assert caught.value.file == Path("maps.h5")
    assert (
        caught.value.mend == "Choose the shots that they were made of, or a run that learnt maps."
    )
    with pytest.raises(InputError) as caught:
        checkpoint.check_kind(replace(about, of_maps=True), [maps, patterns])
    assert caught.value.what == "holds patterns, and this run reads files of correlation maps"
    assert caught.value.file == Path("shots.h5")
    assert caught.value.mend == "Make their maps first: airylabel correlate FILE --out MAPS."
    of_patterns = replace(about.preprocessing, input="correlation")
    with pytest.raises(InputError, match="holds correlation maps"):
        checkpoint.check_kind(replace(about, preprocessing=of_patterns), [maps])


def test_the_digest_differs_as_soon_as_any_file_of_the_run_does(saved):
    folder, _, _ = saved
    seen = {checkpoint.digest(folder)}
    assert seen == {checkpoint.digest(folder)}
    changed(folder, epoch=4)
    seen.add(checkpoint.digest(folder))
    (folder / WEIGHTS).write_bytes(b"others")
    seen.add(checkpoint.digest(folder))
    (folder / REFERENCE).write_bytes(b"a background")
    seen.add(checkpoint.digest(folder))
    (folder / WEIGHTS).unlink()
    seen.add(checkpoint.digest(folder))
    assert len(seen) == 5


def test_a_run_with_a_background_of_its_own_brings_it_along(saved):
    folder, network, about = saved
    mean = np.arange(64 * 64, dtype=np.float32).reshape(64, 64)
    reference = reference_of([mean, mean])
    preparation = replace(about.preprocessing.preparation, stray_light="shots", reference=reference)
    with_it = replace(about, preprocessing=replace(about.preprocessing, preparation=preparation))
    checkpoint.save(folder, network, with_it)
    assert (folder / REFERENCE).is_file()
    found = checkpoint.load(folder)[1].preprocessing.preparation.reference
    np.testing.assert_array_equal(found.mean, mean)


def test_what_is_done_to_every_shot_may_be_told_when_the_network_is_loaded(saved):
    folder, _, about = saved
    told = Preparation(bad_pixels=True)
    found = checkpoint.load(folder, preparation=told)[1]
    assert found.preprocessing == replace(about.preprocessing, preparation=told)
    assert found.recipe == about.recipe


@pytest.mark.parametrize(("size", "is_taken"), [(0, False), (1, True), (4096, True), (4097, False)])
def test_a_side_of_the_input_that_no_detector_has_is_refused(saved, size, is_taken):
    described = json.loads((saved[0] / DESCRIPTION).read_text("utf-8"))
    changed(saved[0], preprocessing=described["preprocessing"] | {"size": size})
    if is_taken:
        assert checkpoint.describe(saved[0]).preprocessing.size == size
        return
    with pytest.raises(InputError, match=f"(is damaged|unknown preprocessing).*{size}"):
        checkpoint.describe(saved[0])


def test_as_many_classes_as_a_project_can_have_are_taken(saved):
    names = [f"c{i}" for i in range(62)]
    changed(
        saved[0], class_names=names, earlier_names=[""] * 62, thresholds=[0.5] * 62,
        legal_sets=[0, (1 << 62) - 1],
    )  # fmt: skip
    assert checkpoint.describe(saved[0]).legal_sets == (0, (1 << 62) - 1)
