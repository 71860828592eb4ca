"""train, predict, recipes and networks from the command line, on files and on projects."""

from __future__ import annotations

import io
import json
from contextlib import redirect_stdout

import h5py
import numpy as np
import pytest

from labeler.cli import main
from labeler.project.project import Project
from labeler.runs.predictions import RunPredictions
from model.networks.table import NETWORKS
from model.runs import recipes
from model.runs.folder import WEIGHTS
from tests.helpers.commands import call
from tests.helpers.copies import copy_of
from tests.helpers.narrow import WHOLE
from tests.helpers.shots import make_file, tiny_recipe

pytestmark = pytest.mark.usefixtures("narrow_network", "without_openvino")


@pytest.fixture
def recipe(tmp_path):
    path = tmp_path / "tiny.toml"
    path.write_text(recipes.to_toml(tiny_recipe()), "utf-8")
    return str(path)


@pytest.fixture
def project(tmp_path):
    def make(place):
        Project.create(place / "week", [make_file(place / "shots.h5", 30)]).close()

    copy_of("learning", make, tmp_path)
    return tmp_path / "week"


@pytest.fixture
def learnt(tmp_path, recipe):
    """(project, what its training said): with one run, in use."""

    def make(place):
        Project.create(place / "week", [make_file(place / "shots.h5", 30)]).close()
        said = io.StringIO()
        with redirect_stdout(said):
            assert main(["train", str(place / "week"), "--recipe", recipe, "--json"]) == 0
        (place / "said.json").write_text(said.getvalue(), "utf-8")

    copy_of("learnt", make, tmp_path)
    return tmp_path / "week", json.loads((tmp_path / "said.json").read_text("utf-8"))


def test_a_project_is_trained_and_read_and_a_run_that_four_shots_judge_is_offered(
    learnt, recipe, capsys
):
    project, found = learnt
    assert found["event"] == "finished"
    assert found["metrics"]["accuracy"] > 0.5
    with Project.open(project) as opened:
        assert opened.current_run is None
        roles = opened.store.roles()
        assert (roles == 2).sum() == round(0.15 * 30)
        assert (roles > 0).sum() == 30
    with h5py.File(project / "runs" / "0001" / "predictions.h5") as file:
        assert file["probabilities"].shape == (30, 11)
        assert (file["role"][:] == roles).all()

    assert "because only 4 shots judged: " in found["decision"]
    assert call(capsys, "use", project, 1)[0] == 0
    status, said = call(capsys, "train", project, "--recipe", recipe, "--epochs", 1, "--promote",
                        "--json", "--seed", 3, "--warm-start", 1)  # fmt: skip
    assert status == 0, said.err
    verdict = json.loads(said.out)
    assert verdict["comparison"]["promote"] == verdict["current"]
    with Project.open(project) as opened:
        assert (opened.store.roles() == roles).all()
        assert opened.current_run == (2 if verdict["current"] else 1)


def test_a_retired_class_is_not_learnt_and_the_run_before_still_compares(learnt, recipe, capsys):
    project, _ = learnt
    assert call(capsys, "classes", project, "retire", "Layered")[0] == 0
    status, said = call(capsys, "train", project, "--recipe", recipe, "--epochs", 1, "--json",
                        "--warm-start", 1)  # fmt: skip
    assert status == 0, said.err
    assert json.loads(said.out)["comparison"] is not None
    log = (project / "runs" / "0002" / "events.jsonl").read_text("utf-8")
    assert "Begun from 0001; 10 of 10 classes known by name" in log
    with h5py.File(project / "runs" / "0002" / "predictions.h5") as file:
        names = [name.decode() for name in file.attrs["class_names"]]
    assert len(names) == 10
    assert "Layered" not in names
    for run in (1, 2):
        assert call(capsys, "predict", project, "--run", run, "--json")[0] == 0
    with Project.open(project) as opened:
        predictions = project / "runs" / "0002" / "predictions.h5"
        found = RunPredictions.open(predictions, opened.taxonomy, 30)
        assert found.known.sum() == 10


def test_a_followed_training_speaks_events_only(project, recipe, capsys):
    status, said = call(capsys, "train", project, "--recipe", recipe, "--events", "--epochs", 1)
    assert status == 0
    events = [json.loads(line) for line in said.out.splitlines()]
    assert events[-1]["event"] == "finished"
    assert events[-1]["predictions"].endswith("predictions.h5")
    assert [e["event"] for e in events].count("finished") == 1
    assert {"started", "epoch", "progress"} <= {e["event"] for e in events}


def test_what_cannot_be_trained_is_a_failed_event_and_status_one(project, capsys):
    with pytest.raises(SystemExit) as leaving:
        main(["train", str(project), "--network", "resnet17", "--events"])
    assert leaving.value.code == 1
    last = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert last["event"] == "failed"
    assert "resnet17" in last["text"]


def test_a_file_is_trained_into_a_folder_and_reads_a_file_it_never_saw(tmp_path, recipe, capsys):
    path, other = make_file(tmp_path / "a.h5", 24), make_file(tmp_path / "b.h5", 12, 80, seed=9)
    out = tmp_path / "run"
    status, said = call(capsys, "train", path, "--recipe", recipe, "--out", out, "--json",
                        "--set", "rule_aware=true", "--size", 70)  # fmt: skip
    assert status == 0, said.err
    assert recipes.read(out / "recipe.toml").size == 70
    status, said = call(
        capsys, "predict", other, "--run", out, "--out", tmp_path / "p.h5", "--json"
    )
    assert status == 0, said.err
    with h5py.File(tmp_path / "p.h5") as file:
        p = file["probabilities"][:]
        assert p.shape == (12, 11)
        assert np.isfinite(p).all()
        assert len(file.attrs["class_names"]) == 11


@pytest.mark.parametrize(
    ("words", "named"),
    [
        (["train", "nowhere.h5"], "nowhere.h5"),
        (["train", "{file}", "--recipe", "slow"], "slow"),
        (["train", "{file}", "--network", "frob"], "no network called 'frob'. There are: resnet18"),
        (["train", "{file}", "--size", "10"], "10 pixels"),
        (["train", "{file}", "--epochs", "0"], "epochs"),
        (["train", "{file}", "--set", "speed=3"], "speed"),
        (["train", "{file}", "--set", "speed"], "KEY=VALUE"),
        (["train", "{file}", "--resume", "--out", "{folder}/none"], "no interrupted"),
        (["train", "{file}", "--warm-start", "{folder}"], "no trained network"),
        (["predict", "{file}", "--run", "{folder}"], "no trained network"),
    ],
)
def test_a_mistake_is_one_message_and_status_one(words, named, tmp_path, capsys):
    path = make_file(tmp_path / "s.h5", 12)
    filled = [w.format(file=path, folder=tmp_path) for w in words]
    status, said = call(capsys, *filled)
    assert status == 1
    assert named in said.err
    assert "Traceback" not in said.err
    assert "reducing" not in said.err


def test_the_lists_are_complete(capsys, monkeypatch):
    monkeypatch.setitem(NETWORKS, "resnet18", WHOLE)
    status, said = call(capsys, "networks", "--json")
    assert status == 0
    assert json.loads(said.out)["resnet18"] == 11_178_187
    status, said = call(capsys, "recipes", "--json")
    assert set(json.loads(said.out)) == set(recipes.NAMES)
    status, said = call(capsys, "recipes", "--show", "paper")
    assert 'name = "paper"' in said.out
    status, said = call(capsys, "recipes", "--show", "paper", "--json")
    assert json.loads(said.out) == recipes.named("paper").to_dict()


def test_events_and_one_object_are_not_asked_for_at_once(capsys):
    with pytest.raises(SystemExit) as wrong:
        main(["train", "shots.h5", "--json", "--events"])
    assert wrong.value.code == 2
    assert "not allowed with argument" in capsys.readouterr().err


def test_an_interrupted_project_training_goes_on(project, recipe, capsys):
    from model.runs.folder import RESUME
    from model.training.roles import with_roles
    from model.training.train import train

    with Project.open(project) as opened:
        table, out = with_roles(opened.shot_table()), opened.new_run_folder()
    going = train(table, tiny_recipe(), out)
    while next(going)["event"] != "epoch":
        pass
    next(going)
    going.close()
    assert (out / RESUME).is_file()
    status, said = call(capsys, "train", project, "--recipe", recipe, "--resume", "--json")
    assert status == 0, said.err
    assert json.loads(said.out)["run"] == str(out)


@pytest.mark.parametrize(
    ("told", "kept"),
    [
        (["progress"], False),
        (["progress", "started", "step", "epoch"], False),
        (["progress", "started", "step", "epoch", "step"], True),
        (["progress", "started", "epoch", "step", "epoch", "progress"], False),
    ],
)
def test_a_training_broken_off_tells_of_resume_once_an_epoch_is_kept(
    told, kept, monkeypatch, capsys
):
    def broken_off(args):
        yield from ({"event": kind, "epoch": 1, "epochs": 3, "loss": 0.5, "what": "reducing",
                     "done": 0, "total": 1} for kind in told)  # fmt: skip
        raise KeyboardInterrupt

    monkeypatch.setattr("labeler.cli.training._training", broken_off)
    status, said = call(capsys, "train", "shots.h5")
    assert status == 1
    words = " What was done is kept: the same command with --resume goes on." if kept else ""
    assert said.err.splitlines()[-1] == f"airylabel: interrupted.{words}"


def test_a_run_that_is_not_there_is_refused_with_those_that_are(project, capsys):
    status, said = call(capsys, "predict", project, "--run", "nope")
    assert (status, "has no run nope. Train one first." in said.err) == (1, True)
    with Project.open(project) as opened:
        (opened.new_run_folder() / WEIGHTS).touch()
        opened.new_run_folder()  # its training goes on
    for name in ("nope", "7"):
        status, said = call(capsys, "predict", project, "--run", name)
        assert (status, f"has no run {name}. There are: 1." in said.err) == (1, True)


def test_a_benchmark_prints_its_table(capsys):
    status, said = call(capsys, "bench", "training", "--batch", 4, "--size", 64, "--repeats", 1)
    assert status == 0
    assert "step_ratio_torchvision" in said.out
