"""No subcommand that writes to a place a person names ever writes over a file of shots."""

from __future__ import annotations

import argparse
import os

import pytest

from labeler.cli import build_parser, main
from labeler.project.project import Project
from model.shots.table import table_of_file
from model.simulate.generate import simulate
from tests.helpers.shots import make_file
from tests.model.prediction.test_prediction import make_run

pytestmark = pytest.mark.usefixtures("narrow_network", "without_openvino")

LABELS = ("Round", "Streak", "Empty")
WRITES = {
    "train": "{shots} --epochs 1 --size 64 --out {place}",
    "predict": "{shots} --run {run} --out {place}",
    "export-model": "{run} --out {place}",
    "simulate": "{place} --shots 3 --size 64",
    "correlate": "{shots} --out {place} --force",
    "add-noise": "{shots} --level mean --out {place} --force",
    "gallery": "{shots} --out {place} --force",
    "noise-figure": "{shots} --out {place} --force",
    "figure": "{run} --file {shots} --class Round --out {place} --force",
    "faithfulness": "{run} {shots} --class Round --shots 1 --no-occlusion --out {place}",
    "export": "{project} --format hdf5 --out {place} --force",
    "side-by-side": "{project} --labels --out {place} --force",
    "report": "{project} --out {place} --force",
    "tables": "1 --data {shots} --budget smoke --out {place}",
    "watch": "{shots} --run {run} --every-shot --idle 0.1 --out {place}",
    "bench foreign": "{shots} {shots} --out {place}",
    "bench ablation": "{shots} --out {place}",
    "bench active": "--data {shots} --out {place}",
    "bench scale": "--to 10 --out {place}",
}
"""Subcommand -> how it is asked to write over the file of shots that it reads."""


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    return make_run(tmp_path_factory.mktemp("run") / "run", LABELS)


@pytest.fixture
def shots(tmp_path):
    return make_file(tmp_path / "acquired.h5", 30)


def writers(parser, name=""):
    """Names of all subcommands that take the name of a file or folder to write."""
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            for word, child in action.choices.items():
                yield from writers(child, f"{name} {word}".strip())
        elif action.dest == "out":
            yield name


def call(capsys, text, **places):
    try:
        status = main([word.format(**places) for word in text.split()])
    except SystemExit as wrong_use:
        status = wrong_use.code
    return status, capsys.readouterr().err


def test_every_subcommand_that_writes_to_a_place_is_asked_below():
    assert set(writers(build_parser())) == set(WRITES)


@pytest.mark.parametrize("name", WRITES)
def test_a_file_of_shots_is_never_written_over(name, shots, run, tmp_path, capsys):
    Project.create(tmp_path / "week", [shots]).close()
    before = shots.read_bytes()
    places = {"shots": shots, "place": shots, "run": run, "project": tmp_path / "week"}
    status, said = call(capsys, f"{name} {WRITES[name]}", **places)
    assert shots.read_bytes() == before
    assert status in (1, 2)
    assert "acquired.h5" in said


@pytest.mark.parametrize("scheduler", ["", "--scheduler local --workers 1"])
def test_the_shots_of_a_project_are_never_written_over_under_another_name(
    scheduler, shots, run, tmp_path, capsys
):
    Project.create(tmp_path / "week", [shots]).close()
    link = tmp_path / "link.h5"
    link.hardlink_to(shots)
    before = shots.read_bytes()
    words = f"predict {{project}} --run {{run}} --out {{place}} {scheduler}"
    status, said = call(capsys, words, project=shots, run=run, place=link)
    assert (status, shots.read_bytes()) == (1, before)
    assert "files of shots are never written" in said


def test_what_is_no_earlier_result_is_left_alone(shots, run, tmp_path, capsys):
    note = tmp_path / "acquired-predictions.h5"
    note.write_text("keep")
    status, said = call(capsys, "predict {shots} --run {run}", shots=shots, run=run)
    assert (status, note.read_text()) == (1, "keep")
    assert "acquired-predictions.h5: is already there" in said
    ask = "faithfulness {run} {shots} --class Round --shots 1 --no-occlusion --out {place}"
    status, said = call(capsys, ask, run=run, shots=shots, place=note)
    assert (status, note.read_text()) == (1, "keep")


def test_an_earlier_result_is_replaced(shots, run, tmp_path, capsys):
    for _ in range(2):
        assert call(capsys, "predict {shots} --run {run}", shots=shots, run=run)[0] == 0
    own = run / "predictions.h5"
    own.write_bytes(b"damaged")
    words = "predict {shots} --run {run} --out {place}"
    assert call(capsys, words, shots=shots, run=run, place=own)[0] == 0
    assert own.stat().st_size > 1000


def test_simulated_shots_are_replaced_only_by_the_same_or_by_force(tmp_path):
    out = tmp_path / "simulated.h5"
    list(simulate(out, 3, 1, 64, workers=1))
    before = out.read_bytes()
    list(simulate(out, 3, 1, 64, workers=1))
    assert out.read_bytes() == before
    with pytest.raises(Exception, match="already there"):
        list(simulate(out, 3, 2, 64, workers=1))
    assert out.read_bytes() == before
    list(simulate(out, 4, 2, 64, workers=1, force=True))
    assert len(table_of_file(out)) == 4


@pytest.mark.parametrize("name", ["gallery", "noise-figure", "figure", "faithfulness"])
@pytest.mark.parametrize("parent", ["gone", "acquired.h5"])
def test_a_file_in_no_folder_is_refused_before_the_work(name, parent, shots, run, tmp_path, capsys):
    place = tmp_path / parent / ("out.json" if name == "faithfulness" else "out.png")
    words = WRITES[name].format(shots=shots, run=run, project="", place=place)
    assert main([name, *words.split()]) == 1
    assert f"{place.parent}: cannot be written: there is no such folder." in capsys.readouterr().err


@pytest.mark.parametrize(
    "words",
    [
        "tables 1 --data {shots} --budget smoke --out",
        "baselines {shots} --only probe --cache",
        "watch {shots} --run {run} --out",
        "bench ablation {shots} --out",
        "demo --no-window",
    ],
)
def test_a_folder_that_cannot_be_made_is_wrong_use(words, shots, run, monkeypatch, capsys):
    given = words.format(shots=shots, run=run).split()
    with pytest.raises(SystemExit) as wrong:
        main([*given, str(shots / "in" / "it")])
    assert wrong.value.code == 2
    assert "acquired.h5 is a file: name a folder" in capsys.readouterr().err
    there = os.access
    monkeypatch.setattr("os.access", lambda path, mode: mode != os.W_OK and there(path, mode))
    with pytest.raises(SystemExit) as wrong:
        main([*given, str(shots.parent / "new")])
    assert wrong.value.code == 2
    assert "may not be written to: name another place." in capsys.readouterr().err
