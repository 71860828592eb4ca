"""A model that leaves the program says the same elsewhere, and a stranger's reader accepts it."""

import hashlib
import json
import shutil
import subprocess
import sys
from dataclasses import replace

import h5py
import numpy as np
import pytest
import torch

from labeler.cli import main
from model.errors import InputError
from model.prediction import model_package
from model.prediction.model_package import ONNX, OUTPUTS, Signature, WholeModel, export_model
from model.runs import checkpoint
from model.runs.checkpoint import Checkpoint
from model.shots.table import table_of_file
from tests.model.prediction.test_prediction import CLASSES, make_file, make_run

onnxruntime = pytest.importorskip("onnxruntime", reason="needs airylabel[export]")

pytestmark = pytest.mark.usefixtures("narrow_network")

PLAIN = {"thresholds": (0.5, 0.4, 0.6), "temperature": 1.3}
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
        model_package, "_to_onnx", lambda whole, counts, path: shutil.copy(folder / ONNX, path)
    )
    return run


def test_onnx_says_of_real_files_what_the_program_says(exported, tmp_path):
    run, folder = exported
    _, about = checkpoint.load(run)
    table = table_of_file(make_file(tmp_path / "shots.h5", 7))
    counts = np.stack([about.preprocessing.reduce(c, m) for _, c, m in table.iter_shots()])[:, None]
    session = onnxruntime.InferenceSession(str(folder / "model.onnx"))
    probabilities, labels, _ = session.run(list(OUTPUTS), {"counts": counts})
    out = tmp_path / "predictions.h5"
    words = ["predict", str(tmp_path / "shots.h5"), "--run", str(run), "--out", str(out)]
    assert main([*words, "--engine", "torch", "--json"]) == 0
    with h5py.File(out) as file:
        np.testing.assert_allclose(probabilities, file["probabilities"][:], atol=1e-5)
        np.testing.assert_array_equal(labels > 0, file["decided"][:])


def test_the_zoos_own_program_runs_it_and_finds_the_test_output(both):
    pytest.importorskip("bioimageio.core", reason="needs airylabel[test]")
    ask = (
        "import sys; from bioimageio.core import test_model as t;"
        "print(*(t(path).status for path in sys.argv[1:]))"
    )
    words = [sys.executable, "-c", ask, *(str(folder / "rdf.yaml") for _, folder in both.values())]
    done = subprocess.run(words, capture_output=True, text=True, timeout=200, check=False)
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
