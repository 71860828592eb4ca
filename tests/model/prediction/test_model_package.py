"""A model that leaves the program says the same elsewhere, and a stranger's reader accepts it."""

import hashlib
import json
import re
import shutil
import subprocess
import sys
from dataclasses import replace
from importlib import resources
from runpy import run_path

import h5py
import numpy as np
import pytest
import torch

from labeler.cli import main
from model.active.prior import Expected
from model.errors import InputError
from model.prediction import model_package
from model.prediction.model_package import ONNX, SCRIPT, Signature, WholeModel, export_model
from model.preprocessing.count_scale import CountScale
from model.preprocessing.preparation import Preparation
from model.runs import checkpoint
from model.runs.checkpoint import Checkpoint
from model.runs.prior import save_expected
from model.runs.recipes import named
from tests.helpers.shots import make_shots
from tests.helpers.waiting import PATIENCE_S
from tests.model.prediction.test_prediction import CLASSES, SIZE, make_file, make_run

onnxruntime = pytest.importorskip("onnxruntime", reason="needs airylabel[export]")

pytestmark = pytest.mark.usefixtures("narrow_network")

SCALED = replace(named("quick").preprocessing(), size=SIZE, scale=CountScale(8.0, 100.0))
PLAIN = {"thresholds": (0.5, 0.4, 0.6), "temperature": 1.3, "preprocessing": SCALED}
EARLIER = {"legal_sets": (0, 1, 2, 4, 3), "class_weights": (1.0, 3.0, 9.0)}
RULE_AWARE = EARLIER | {"thresholds": (0.4, 0.2, 0.1), "worth": (0.3, 0.7, 2.0)}
SIGMOIDS = PLAIN | {"legal_sets": (0, 1, 2, 4, 3), "sigmoids": True}


@pytest.fixture(scope="module", autouse=True)
def spec():
    """Loaded where these tests run: every worker that only finds them would take 2 s for it."""
    return pytest.importorskip("bioimageio.spec", reason="needs airylabel[export]")


@pytest.fixture(scope="module")
def both(tmp_path_factory):
    """(run folder, folder of the model) of either kind of network."""
    made = {}
    for kind, about in (("thresholds", PLAIN), ("rules", RULE_AWARE)):
        place = tmp_path_factory.mktemp(kind)
        torch.manual_seed(1)  # of chance, it says something of the example: the zoo wants that
        metrics = {"macro_f1": 0.5, "rare_f1": None}
        run = make_run(place / "run", metrics=metrics, **about)
        said = Signature(authors=("Ada",), licence="CC-BY-4.0", rules=("Round means no Streak",))
        export_model(run, place / "model", said)
        made[kind] = run, place / "model"
    return made


@pytest.fixture(params=["thresholds", "rules"])
def exported(both, request):
    return both[request.param]


@pytest.fixture
def drawn_already(both, monkeypatch):
    """The folder of a run whose network is exported, and needs not be traced once more."""
    run, folder = both["thresholds"]
    monkeypatch.setattr(
        model_package, "_to_onnx", lambda *given: shutil.copy(folder / ONNX, given[-1])
    )
    return run


def predicted(run, images, mask, place):
    """(probabilities, decided) of the program for a file of these shots."""
    with h5py.File(place / "shots.h5", "w") as file:
        file["images"], file["mask"] = images, ~mask
    out = place / "predictions.h5"
    words = ["predict", str(place / "shots.h5"), "--run", str(run), "--out", str(out)]
    assert main([*words, "--engine", "torch", "--json"]) == 0
    with h5py.File(out) as file:
        return file["probabilities"][:], file["decided"][:]


@pytest.fixture(scope="module")
def shots():
    """Droplets of a detector with a gap that no mask tells of, hot pixels and a masked corner."""
    images = make_shots(40, size=80)[0].astype(np.float32)
    images[:, 36:42] = 0
    images[:, 11, [7, 60]] = 4000
    mask = np.ones((80, 80), bool)
    mask[50:, 60:] = False
    return images, mask


def test_the_script_says_of_a_file_what_the_program_says(exported, shots, tmp_path, capsys):
    run, folder = exported
    images, mask = shots
    expected, decided = predicted(run, images, mask, tmp_path)
    probabilities, labels, classes = run_path(str(folder / SCRIPT))["read"](images, mask)
    assert classes == list(CLASSES)
    np.testing.assert_allclose(probabilities, expected, atol=1e-5)
    np.testing.assert_array_equal(labels > 0, decided)
    assert np.ptp(expected, 0).max() > 0.1, "there must be something to tell"


@pytest.mark.parametrize("kept", [0, 10, 40])
def test_shots_of_one_number_tell_the_script_nothing_of_the_others(both, shots, tmp_path, kept):
    run, folder = both["thresholds"]
    images, mask = shots[0].copy(), shots[1]
    images[kept:] = 777
    read = run_path(str(folder / SCRIPT))["read"]
    probabilities, _, _ = read(images, mask)
    assert np.isnan(probabilities[kept:]).all()
    if kept:
        expected, _ = predicted(run, images, mask, tmp_path)
        np.testing.assert_allclose(probabilities[:kept], expected[:kept], atol=1e-5)


@pytest.mark.parametrize("scale", [None, CountScale(8.0, 100.0)])
@pytest.mark.parametrize("first_and_crop", [(0, 0), (0, 30), (0, 90), (40, 24), (40, 50)])
@pytest.mark.parametrize("size", [16, 70])
def test_the_script_reduces_shots_as_the_program_does(scale, first_and_crop, size):
    first, crop = first_and_crop
    steps = replace(SCALED, size=size, first=first, crop=crop, scale=scale)
    rng = np.random.default_rng(1)
    shot = rng.normal(5, 9, (60, 71))
    shot[3, 40] = np.nan
    mask = rng.random((60, 71)) < 0.7
    mask[20:34, 20:40] = False
    reduced = run_path(str(resources.files("resources") / "templates" / SCRIPT))["reduced"]
    values, weight = reduced(shot, mask, steps.to_dict())
    expected, good = steps.seen(shot, mask, None)
    np.testing.assert_allclose(values, expected, rtol=1e-4, atol=1e-4)
    np.testing.assert_array_equal(weight > 0.5, good)


@pytest.mark.parametrize(("gain", "pedestal"), [(4, 0), (0.25, 0), (1, 100)])
def test_the_script_takes_out_gain_and_pedestal_of_a_file(both, shots, gain, pedestal):
    read = run_path(str(both["thresholds"][1] / SCRIPT))["read"]
    images, mask = shots
    as_they_are, changed = read(images, mask), read(images * gain + pedestal, mask)
    np.testing.assert_allclose(changed[0], as_they_are[0], atol=2e-3)
    np.testing.assert_array_equal(changed[1], as_they_are[1])


def test_the_script_needs_nothing_of_the_program(both, shots, tmp_path):
    images, mask = shots
    np.save(tmp_path / "shots.npy", images)
    np.save(tmp_path / "mask.npy", mask)
    script = both["thresholds"][1] / SCRIPT
    words = [sys.executable, "-I", str(script), "shots.npy", "mask.npy"]
    done = subprocess.run(words, cwd=tmp_path, capture_output=True, text=True, check=True)
    said = [json.loads(line)["labels"] for line in done.stdout.splitlines()]
    _, labels, _ = run_path(str(script))["read"](images, mask)
    assert said == [[c for c, yes in zip(CLASSES, row, strict=True) if yes] for row in labels]
    assert not re.search("^(import|from) (model|labeler)", script.read_text(), re.MULTILINE)


def test_the_zoos_own_program_runs_it_and_finds_the_test_output(both):
    pytest.importorskip("bioimageio.core", reason="needs airylabel[test]")
    ask = (
        "import sys; from bioimageio.core import test_model as t;"
        "print(*(t(path).status for path in sys.argv[1:]))"
    )
    words = [sys.executable, "-c", ask, *(str(folder / "rdf.yaml") for _, folder in both.values())]
    done = subprocess.run(words, capture_output=True, text=True, timeout=PATIENCE_S, check=False)
    assert done.stdout.split()[-2:] == ["passed", "passed"], done.stdout + done.stderr


def test_the_example_is_the_first_shot_of_which_the_network_says_a_class():
    labels = np.zeros((5, len(CLASSES)), np.float32)
    assert model_package._example(labels) == 4
    labels[[2, 3], 1] = 1
    assert model_package._example(labels) == 2


@pytest.mark.parametrize("values", [PLAIN, EARLIER, RULE_AWARE, SIGMOIDS])
def test_it_decides_on_every_logits_as_the_run_does(values, tmp_path):
    network, about = checkpoint.load(make_run(tmp_path / "run", **values))
    whole = WholeModel(network, about)
    whole.body, whole.head = torch.nn.Identity(), torch.nn.Identity()
    whole.preprocessing = replace(about.preprocessing, transform="raw")
    logits = np.random.default_rng(0).normal(0, 2, (2000, len(CLASSES))).astype(np.float32)
    probabilities, labels, _ = whole(torch.from_numpy(logits))
    np.testing.assert_allclose(probabilities, about.probabilities(logits), atol=1e-5)
    np.testing.assert_array_equal(labels > 0, about.decide(logits))
    if values is RULE_AWARE:
        likeliest = replace(about, worth=()).decide(logits)
        assert (likeliest != about.decide(logits)).any(1).mean() > 0.1


def test_onnx_that_decides_otherwise_on_one_shot_is_found(both, monkeypatch):
    run, folder = both["rules"]
    network, about = checkpoint.load(run)
    whole, shots = WholeModel(network, about), model_package._simulated(about)
    model_package._checked(whole, about, shots, folder / ONNX)
    decide = Checkpoint.decide

    def otherwise(self, logits):
        last = np.arange(len(logits))[:, None] == len(logits) - 1
        return decide(self, logits) ^ last

    monkeypatch.setattr(Checkpoint, "decide", otherwise)
    with pytest.raises(InputError, match="does not repeat"):
        model_package._checked(whole, about, shots, folder / ONNX)


def test_the_card_says_how_the_run_decides(both):
    card = (both["rules"][1] / "README.md").read_text()
    assert "the largest sum of (probability - threshold) × worth" in card
    assert "| 2 | Empty | 0.1 | 2.0 |" in card
    assert "most likely" not in card


def test_the_card_says_the_scale_and_who_brings_counts_to_it(both):
    scaled, plain = ((both[k][1] / "README.md").read_text() for k in ("thresholds", "rules"))
    assert "max(0, (counts - pedestal) × 100 / level + 8)" in scaled
    assert "pedestal" not in plain.split("```json")[0]
    for card in (scaled, plain):
        assert f"python {SCRIPT} SHOTS.npy" in card
        assert "adapts" not in card


def test_the_card_of_the_shipped_network_says_that_only_the_program_adapts_it(
    drawn_already, tmp_path
):
    run = shutil.copytree(drawn_already, tmp_path / "run")
    some = np.ones((2, len(CLASSES)), np.float32)
    save_expected(run, Expected(CLASSES, some[0], np.eye(3), some > 0, some[:, 0], some[:, 0]))
    export_model(run, tmp_path / "model")
    card = (tmp_path / "model" / "README.md").read_text()
    assert "`predict` adapts its last layer to the shots at hand. This file does not" in card


def test_a_network_of_prepared_shots_comes_without_the_script_and_the_card_says_why(
    drawn_already, tmp_path, monkeypatch
):
    monkeypatch.setattr(Preparation, "any", True)
    export_model(drawn_already, tmp_path / "model")
    assert not (tmp_path / "model" / SCRIPT).exists()
    card = (tmp_path / "model" / "README.md").read_text()
    assert "learnt no shots as they are recorded" in card
    assert SCRIPT not in card


def test_every_file_has_the_checksum_that_is_written_down(exported):
    lines = (exported[1] / "SHA256SUMS").read_text().splitlines()
    named = {line.split("  ")[1]: line.split("  ")[0] for line in lines}
    assert set(named) == {p.name for p in exported[1].iterdir()} - {"SHA256SUMS"}
    for name, digest in named.items():
        assert hashlib.sha256((exported[1] / name).read_bytes()).hexdigest() == digest


def test_the_card_says_classes_rules_calibration_licence_and_where_it_comes_from(exported):
    run, folder = exported
    card = (folder / "README.md").read_text()
    weights = hashlib.sha256((run / "model.safetensors").read_bytes()).hexdigest()
    said = (
        *CLASSES,
        "Round means no Streak",
        "Temperature",
        "| measure | value | constant answer |",
        "macro f1 | 0.5",
        "CC-BY-4.0",
        weights,
    )
    for words in said:
        assert words in card
    assert "rare f1" not in card, "what was not measured is not told"


def test_a_folder_that_is_there_and_a_changed_network_are_refused(exported, tmp_path):
    run, folder = exported
    before = sorted(folder.iterdir())
    with pytest.raises(InputError, match="already there"):
        export_model(run, folder)
    assert sorted(folder.iterdir()) == before
    with pytest.raises(InputError, match="no trained network"):
        export_model(tmp_path, tmp_path / "new")
    assert list(tmp_path.iterdir()) == []


def test_what_the_zoo_would_refuse_is_said_and_leaves_nothing(drawn_already, tmp_path):
    with pytest.raises(InputError, match=r"would refuse this model.*license"):
        export_model(drawn_already, tmp_path / "model", Signature(licence="mine alone"))
    assert list(tmp_path.iterdir()) == []


def test_by_the_command_line_with_the_rules_of_the_project_around_the_run(
    drawn_already, tmp_path, capsys
):
    from labeler.project.project import Project

    make_file(tmp_path / "shots.h5", 3)
    with Project.create(tmp_path / "week", [tmp_path / "shots.h5"]) as project:
        rules = [rule.text for rule in project.taxonomy.rules]
    run = shutil.copytree(drawn_already, tmp_path / "week" / "runs" / "0001")
    words = ["export-model", str(run), "--out", str(tmp_path / "model"), "--json"]
    assert main(words) == 0
    assert json.loads(capsys.readouterr().out)["sha256"]
    card = (tmp_path / "model" / "README.md").read_text()
    assert rules
    assert all(text in card for text in rules)
    assert "None granted" in card
