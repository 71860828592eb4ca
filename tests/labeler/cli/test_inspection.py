"""figure, faithfulness, occlusion and suspicious on the command line, on a small trained run."""

from __future__ import annotations

import json

import h5py
import numpy as np
import pytest

from labeler.active import embeddings
from labeler.cli import build_parser, main
from labeler.project.project import Project
from labeler.project.store import LABELLED
from model.events import event
from model.prediction import embedding_file as embedding_parts
from model.runs import recipes
from model.runs.folder import is_shipped
from model.taxonomy.toml import load, shipped
from tests.helpers.commands import call
from tests.helpers.predictions import write_predictions
from tests.helpers.shots import make_file, tiny_recipe

pytestmark = pytest.mark.usefixtures("narrow_network", "without_openvino")

HELIUM = load(shipped("helium"))
SHOTS = 90


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """(project, run folder, file of shots): 30 shots and a network that is hardly trained, in use
    though."""
    folder = tmp_path_factory.mktemp("trained")
    path = make_file(folder / "shots.h5", 30)
    Project.create(folder / "week", [path]).close()
    recipe = folder / "tiny.toml"
    recipe.write_text(recipes.to_toml(tiny_recipe()), "utf-8")
    assert main(["train", str(folder / "week"), "--recipe", str(recipe), "--epochs", "2"]) == 0
    with Project.open(folder / "week") as project:
        project.current_run = 1
    return folder / "week", folder / "week" / "runs" / "0001", path


# `figure` draws schematics with Qt, of which the tests of the window need a QApplication: `qapp`.


@pytest.mark.parametrize(
    ("words", "place"),
    [
        ("predict s.h5 --run shipped", "folder"),
        ("watch s.h5 --run shipped", "folder"),
        ("figure shipped --file s.h5 --out f.png", "target"),
        ("faithfulness shipped s.h5", "run_folder"),
        ("occlusion shipped s.h5 --shot 1 --class Round", "run_folder"),
        ("suspicious s.h5 --run shipped", "folder"),
        ("export-model shipped --out m", "run_folder"),
        ("train s.h5 --warm-start shipped", "warm_start"),
    ],
)
def test_the_network_of_the_program_has_a_name_wherever_one_stands(
    words, place, tmp_path, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    assert is_shipped(getattr(build_parser().parse_args(words.split()), place))
    (tmp_path / "shipped").mkdir()
    there = getattr(build_parser().parse_args(words.split()), place)
    assert there.name == "shipped", "a run of that name is meant where there is one"


def labelled_class(project):
    """A class that some shots show."""
    with Project.open(project) as opened:
        table = opened.shot_table()
    return table.class_names[int(table.labels.sum(0).argmax())]


def test_a_figure_is_drawn_of_a_class_and_says_which_shots_it_shows(
    trained, tmp_path, capsys, qapp
):
    project, run, path = trained
    name, out = labelled_class(project), tmp_path / "fig5.png"
    words = ("--class", name, "--group", "labelled", "--per-class", 2, "--out", out, "--json")
    status, said = call(capsys, "figure", project, *words)
    assert status == 0, said.err
    shown = json.loads(said.out)["shown"]
    with Project.open(project) as opened:
        table = opened.shot_table()
    has = table.labels[:, table.class_names.index(name)].astype(bool)
    assert 1 <= len(shown[name]) <= 2
    assert all(has[shot - 1] for shot in shown[name])
    assert out.read_bytes().startswith(b"\x89PNG")
    status, said = call(capsys, "figure", run, "--file", path, *words[:-2], tmp_path / "a.pdf")
    assert status == 0, said.err
    assert "2 shots drawn" in said.out  # of all, for a file has no evaluation shots
    assert (tmp_path / "a.pdf").read_bytes().startswith(b"%PDF")


def test_a_figure_replaces_nothing_unasked_and_shows_at_least_one_shot(trained, tmp_path, capsys):
    out = tmp_path / "mine.png"
    out.write_bytes(b"somebody's")
    status, said = call(capsys, "figure", trained[0], "--out", out)
    assert (status, out.read_bytes()) == (1, b"somebody's")
    assert "mine.png: is already there. Use --force to replace it." in said.err
    with pytest.raises(SystemExit):
        call(capsys, "figure", trained[0], "--per-class", "-3", "--out", tmp_path / "a.png")
    assert "-3 cannot be: give a whole number from 1 up" in capsys.readouterr().err


def test_a_shot_for_a_figure_that_is_no_number_is_named(trained, tmp_path, capsys, qapp):
    out = tmp_path / "a.png"
    status, said = call(capsys, "figure", trained[0], "--shots", "3,5-7", "--out", out)
    assert status == 1
    assert "'5-7' is no number of a shot. Write --shots 3,17." in said.err
    assert not out.exists()


def test_shots_for_a_figure_that_there_are_not_are_named(trained, tmp_path, capsys, qapp):
    out = tmp_path / "a.png"
    status, said = call(capsys, "figure", trained[0], "--shots", "3,999999,0,4", "--out", out)
    assert status == 1
    assert "there is no shot 999999, 0. Give 1 to " in said.err
    assert not out.exists()


def test_a_figure_of_a_class_that_there_is_not_is_refused_in_words(trained, tmp_path, capsys, qapp):
    out = tmp_path / "none.png"
    status, said = call(capsys, "figure", trained[0], "--class", "Doughnut", "--out", out)
    assert status == 1
    assert "Doughnut" in said.err
    assert not out.exists()


def test_faithfulness_is_a_gap_with_its_interval_for_each_class(trained, tmp_path, capsys):
    project, run, path = trained
    name, kept = labelled_class(project), tmp_path / "faithfulness.json"
    words = ("--class", name, "--shots", 3, "--no-occlusion", "--out", kept, "--json")
    status, said = call(capsys, "faithfulness", run, path, *words)
    assert status == 0, said.err
    found = json.loads(said.out)["classes"][name]
    assert found["shots"] == 3
    assert found["heat"]["low"] <= found["heat"]["gap"] <= found["heat"]["high"]
    assert found["occlusion"] is None
    assert json.loads(kept.read_text())["classes"][name]["heat"] == found["heat"]


def test_occlusion_says_cell_by_cell_what_the_class_loses(trained, capsys):
    project, run, path = trained
    name = labelled_class(project)
    status, said = call(capsys, "occlusion", run, path, "--shot", 2, "--class", name, "--json")
    assert status == 0, said.err
    found = json.loads(said.out)
    cells = np.array(found["cells"])
    assert (found["shot"], found["of"]) == (2, name)
    assert cells.ndim == 2
    assert np.isfinite(cells).all()
    assert np.ptp(cells) > 0
    status, said = call(capsys, "occlusion", run, project, "--shot", 2, "--class", name)
    assert status == 0, said.err
    assert len(said.out.splitlines()) == len(cells)


def test_a_run_of_a_project_is_named_by_its_number(trained, capsys):
    project, run, path = trained
    words = ("--shot", 2, "--class", labelled_class(project), "--json")
    by_number = call(capsys, "occlusion", 1, project, *words)
    assert by_number[0] == 0, by_number[1].err
    assert by_number[1].out == call(capsys, "occlusion", run, project, *words)[1].out
    status, said = call(capsys, "occlusion", 7, project, *words)
    assert status == 1
    assert f"{project}: has no run 7. There are: 1." in said.err
    status, said = call(capsys, "occlusion", 1, path, *words)  # a file has no runs
    assert status == 1
    assert "1/model.json: no trained network here" in said.err


def test_occlusion_of_a_shot_or_class_that_there_is_not_is_refused(trained, capsys):
    _, run, path = trained
    status, said = call(capsys, "occlusion", run, path, "--shot", 31, "--class", "Round")
    assert status == 1
    assert "31" in said.err
    status, said = call(capsys, "occlusion", run, path, "--shot", 1, "--class", "Doughnut")
    assert status == 1
    assert "Doughnut" in said.err


@pytest.fixture
def doubtful(tmp_path):
    """(project, embeddings, a shot from 1): 90 labelled shots, one of them wrongly."""
    random = np.random.default_rng(0)
    sets = np.array([HELIUM.mask(s) for s in (("Spherical/Oblate", "Round"), ("Empty",))])
    labels = sets[np.arange(SHOTS) % 2]
    x = labels @ random.normal(size=(len(HELIUM), 512)) + 0.3 * random.normal(size=(SHOTS, 512))
    labels[40] = sets[1]
    source = tmp_path / "shots.h5"
    with h5py.File(source, "w") as file:
        file["images"] = random.integers(0, 9, (SHOTS, 16, 16), np.uint16)
    with Project.create(tmp_path / "week", [source], annotator="Ada") as project:
        rows = np.arange(SHOTS)
        present = HELIUM.pack(labels)
        project.store.record(project.annotator, rows, present, LABELLED, origin="key")
        run = project.new_run_folder()
        write_predictions(run / "predictions.h5", labels.astype(float), embeddings=x)
        project.current_run = 1
    return tmp_path / "week", x, 41


def test_planting_errors_where_labels_are_none_or_all_the_same_is_refused_in_words(
    tmp_path, capsys
):
    bare, same = tmp_path / "bare.h5", tmp_path / "same.h5"
    for place in (bare, same):
        with h5py.File(place, "w") as file:
            file["images"] = np.zeros((SHOTS, 16, 16), np.uint16)
    with h5py.File(same, "a") as file:
        file["labels"] = np.tile(HELIUM.mask(["Empty"]).astype(np.uint8), (SHOTS, 1))
        file["labels"].attrs["class_names"] = list(HELIUM.names)
    Project.create(tmp_path / "week", [bare], annotator="Ada").close()
    wanted = {
        tmp_path / "week": "week: 0 labelled shots are too few",
        same: "same.h5: all 90 labelled shots have the same classes",
    }
    for place, why in wanted.items():
        status, said = call(capsys, "suspicious", place, "--plant", 0.05)
        assert status == 1
        assert why in said.err


def test_suspicious_labels_are_judged_by_a_network_that_never_saw_them(doubtful, capsys):
    pytest.importorskip("cleanlab")
    week, x, wrong = doubtful
    with Project.open(week) as project:
        parts = embeddings.of_cache(project, project.shot_table()).parts
    for part in parts:
        embedding_parts.write(part, x[part.first : part.stop])
    status, said = call(capsys, "suspicious", week, "--json")
    assert status == 0, said.err
    found = json.loads(said.out)
    assert found["suspects"][0]["shot"] == wrong
    assert found["suspects"][0]["labels"] == ["Empty"]
    assert "Round" in found["suspects"][0]["suggested"]
    assert "shipped network, which never saw these labels" in found["embeddings"]


def test_embeddings_that_have_learnt_the_labels_are_used_only_with_a_word_about_it(
    doubtful, capsys
):
    pytest.importorskip("cleanlab")
    week, _, wrong = doubtful
    status, said = call(capsys, "suspicious", week)
    assert status == 0, said.err
    assert f"shot {wrong:>6}" in said.out
    assert "run 1, which has learnt these labels" in said.out
    assert "airylabel embed week" in said.out


def test_truth_needs_no_shots_and_tells_what_a_run_never_says(trained, capsys, monkeypatch):
    from model.inspection import truth

    monkeypatch.setattr(truth, "BLOCK", 2)
    monkeypatch.setattr(truth, "PATIENCE", 1)
    monkeypatch.setattr(truth, "SHUFFLED", 6)
    _, run, _ = trained
    words = ("--truth", "--class", "Streak", "--shots", 1, "--json")
    status, said = call(capsys, "faithfulness", run, *words)
    assert status == 0, said.err
    found = json.loads(said.out)
    assert found["classes"]["Streak"]["axis"]["tried"] == 1
    assert ("Streak" in found["best"]) != bool(found["unseen"])


def test_truth_that_is_kept_elsewhere_too_stays_in_the_folder_of_the_run(
    trained, tmp_path, capsys, monkeypatch
):
    from model.inspection import truth

    places = []

    def measure(run, study, outs, stop):
        places.append(list(outs))
        return iter([event("finished", metrics={}, classes={}, best={}, unseen=[])])

    monkeypatch.setattr(truth, "measure", measure)
    _, run, _ = trained
    out = tmp_path / "here.json"
    for words in ((), ("--out", out), ("--out", out, "--class", "Streak")):
        assert call(capsys, "faithfulness", run, "--truth", *words)[0] == 0
    assert places == [[run / "truth.json"], [out, run / "truth.json"], [out]]


def test_the_truth_of_one_form_of_heat_alone_is_refused_in_words(trained, capsys):
    status, said = call(capsys, "faithfulness", trained[1], "--truth", "--form", "directions")
    assert status != 0
    assert "--truth tests every form of heat, not directions alone" in said.err


def test_faithfulness_without_shots_is_refused_in_words(trained, capsys):
    status, said = call(capsys, "faithfulness", trained[1])
    assert status != 0
    assert "needs shots" in said.err
