"""airylabel tables as a person or a script calls it."""

import json

import h5py
import numpy as np
import pytest

from labeler.cli import main
from model.events import event
from model.paper import cell_runs


@pytest.fixture
def shots(tmp_path):
    path = tmp_path / "shots.h5"
    with h5py.File(path, "w") as file:
        file["images"] = np.random.default_rng(0).poisson(20, (40, 32, 32)).astype(np.uint16)
        file["labels"] = np.tile(np.eye(2, dtype=np.uint8), (20, 1))
        file["labels"].attrs["class_names"] = ["Spherical/Oblate", "Streak"]
    return path


def test_table_1_needs_no_training_and_is_printed(shots, tmp_path, capsys):
    out = tmp_path / "out"
    assert main(["tables", "1", "--data", str(shots), "--out", str(out)]) == 0
    text = capsys.readouterr().out
    assert "| Spherical/Oblate | 20 | 50.0 | 6,589 | 90.7 |" in text
    assert {p.name for p in out.glob("tables.*")} == {"tables.md", "tables.csv", "tables.html"}
    said = (out / "tables.html").read_text("utf-8")
    assert str(tmp_path) not in said


def test_a_script_gets_the_paths(shots, tmp_path, capsys):
    words = ["tables", "1", "--data", str(shots), "--out", str(tmp_path / "out"), "--json"]
    assert main([*words, "--page", str(tmp_path / "page")]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["event"] == "finished"
    assert found["page"] == str(tmp_path / "page" / "tables-cpu.md")


def test_trainings_that_failed_are_a_failure_of_the_command(shots, tmp_path, capsys, monkeypatch):
    failed = event("failed", text="the loss became nan")
    monkeypatch.setattr(cell_runs, "train", lambda *args, **more: iter([failed]))
    words = ["--data", str(shots), "--out", str(tmp_path / "out"), "--budget", "smoke"]
    assert main(["tables", "4", *words, "--json"]) == 1
    last = json.loads(capsys.readouterr().out)
    assert last["event"] == "finished"
    assert set(last["failed"].values()) == {"the loss became nan."}


def test_a_table_that_there_is_not_is_refused(shots, tmp_path, capsys):
    words = ["--data", str(shots), "--out", str(tmp_path / "out")]
    assert main(["tables", "2", *words]) == 1
    assert "there is no table '2' here. There are: 1, 3, 4, 5, 6, 9, 10, all." in (
        capsys.readouterr().err
    )
    assert not (tmp_path / "out").exists()


def test_a_file_without_labels_is_named(tmp_path, capsys):
    path = tmp_path / "bare.h5"
    with h5py.File(path, "w") as file:
        file["images"] = np.ones((40, 32, 32), np.uint16)
    assert main(["tables", "all", "--data", str(path), "--out", str(tmp_path / "out")]) == 1
    assert "bare.h5: carries no labels" in capsys.readouterr().err
