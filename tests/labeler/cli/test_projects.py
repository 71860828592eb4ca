"""create, info, export and check on the command line: exit status, messages, JSON."""

from __future__ import annotations

import json
from pathlib import Path

import h5py
import numpy as np
import pytest

from labeler.cli import main
from labeler.cli.demo import commands
from labeler.project.project import Project
from labeler.project.store import LABELLED
from tests.helpers.data import needed


@pytest.fixture
def shots(tmp_path):
    with h5py.File(tmp_path / "a.h5", "w") as f:
        f["images"] = np.arange(4 * 36, dtype=np.uint16).reshape(4, 6, 6)
        f["labels"] = np.array([[1, 1], [1, 0], [0, 1], [0, 0]], np.uint8)
        f["labels"].attrs["class_names"] = ["Spherical/Oblate", "Round"]
    return tmp_path / "a.h5"


@pytest.fixture
def week(tmp_path, shots):
    assert main(["create", str(tmp_path / "week"), str(shots), "--annotator", "Ada"]) == 0
    return tmp_path / "week"


def answer(capsys, *words: object) -> dict:
    """The JSON that a subcommand prints; only JSON may be on its stdout."""
    capsys.readouterr()
    main([str(w) for w in words])
    return json.loads(capsys.readouterr().out)


def test_a_store_that_is_none_is_named_where_the_project_would_be(tmp_path, shots, capsys):
    assert main(["create", str(tmp_path / "week"), str(shots), "--store", "nowhere"]) == 1
    assert f"{tmp_path / 'week' / 'project.toml'}: 'nowhere' is no URL" in capsys.readouterr().err
    assert sorted(p.name for p in tmp_path.iterdir()) == ["a.h5"]


def test_create_shows_what_it_found(tmp_path, shots, capsys):
    assert main(["create", str(tmp_path / "week"), str(shots)]) == 0
    out = capsys.readouterr().out
    assert "4 shots, 4 labelled" in out
    assert "Round" in out


def test_info_counts_own_imported_and_merged_labels_and_violations(week, capsys):
    with Project.open(week) as project:
        empty = 1 << project.taxonomy.index("Empty")
        project.store.record(project.annotator, 3, empty, LABELLED, origin="key")
    found = answer(capsys, "info", week, "--json")
    assert (found["shots"], found["labelled"], found["labelled_own"]) == (4, 4, 1)
    assert found["labels"]["merged"]["Empty"] == 1
    assert found["labels"]["imported"]["Empty"] == 0
    assert found["labels"]["merged"]["Round"] == 2
    assert found["contradictions"] == 1
    hard = [v for v in found["violations"] if v["severity"] == "hard" and v["shots"]]
    assert [v["first"] for v in hard] == [[3]]
    assert "Round" in hard[0]["rule"]
    assert found["sources"][0]["missing"] is False
    assert found["annotators"][0] == {"name": "Ada", "kind": "human"}


def test_info_says_of_a_run_what_learn_says(week, capsys):
    (week / "runs" / "0001").mkdir(parents=True)
    assert answer(capsys, "info", week, "--json")["runs"][0]["state"] == "unfinished"
    assert main(["info", str(week)]) == 0
    assert ", not finished" in capsys.readouterr().out


def test_a_shipped_taxonomy_and_a_dataset_can_be_named(tmp_path, capsys):
    with h5py.File(tmp_path / "b.h5", "w") as f:
        f["one"], f["two"] = np.ones((2, 5, 5)), np.ones((2, 5, 5))
    words = ["create", tmp_path / "p", tmp_path / "b.h5", "--taxonomy", "cxidb", "--json"]
    assert main([str(w) for w in words]) == 1
    assert "--dataset one" in capsys.readouterr().err
    found = answer(capsys, *words, "--dataset", "two")
    assert found["classes"][0] == "Nanorice"
    assert found["sources"][0]["dataset"] == "two"


def test_labels_of_other_classes_are_refused_with_the_way_out(tmp_path, shots, capsys):
    words = ["create", str(tmp_path / "p"), str(shots), "--taxonomy", "cxidb"]
    assert main(words) == 1
    assert "'Round'" in capsys.readouterr().err
    assert not (tmp_path / "p").exists()
    assert main([*words, "--without-labels"]) == 0


def test_a_project_called_as_a_subcommand_opens_where_that_would_say_too_little(
    tmp_path, monkeypatch, capsys
):
    opened = []
    monkeypatch.setattr(commands, "_window", lambda args: opened.append(args.project) or 0)
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit):
        main(["demo"])  # no project is there: what a demo needs is said
    for name in ("demo", "recipes"):
        Path(name).mkdir()
        Path(name, "project.sqlite").touch()
        assert main([name]) == 0
    assert [str(path) for path in opened] == ["demo"]
    assert "quick" in capsys.readouterr().out, "recipes needs no more words: it is the subcommand"


def test_a_mistake_is_one_line_on_stderr(tmp_path, capsys):
    assert main(["create", str(tmp_path / "week"), str(tmp_path / "gone.h5")]) == 1
    out, err = capsys.readouterr()
    assert out == ""
    assert err.strip().count("\n") == 0
    assert "gone.h5" in err
    assert main(["info", str(tmp_path)]) == 1
    with pytest.raises(SystemExit) as wrong:
        main(["export", str(tmp_path), "--format", "docx", "--out", "x"])
    assert wrong.value.code == 2


def test_export_writes_and_does_not_overwrite(week, tmp_path, capsys):
    words = ["export", week, "--format", "csv", "--out", tmp_path / "x.csv", "--json"]
    assert answer(capsys, *words)["labelled"] == 4
    assert main([str(w) for w in words]) == 1
    assert "--force" in capsys.readouterr().err
    assert main([*(str(w) for w in words), "--force"]) == 0


# -- check -------------------------------------------------------------------------------------


def legal(week: Path) -> None:
    """Mend the one shot whose imported labels break a rule."""
    with Project.open(week) as project:
        project.store.record(project.annotator, 2, 0b11, LABELLED, origin="fix")


def test_a_whole_project_passes(week, capsys):
    legal(week)
    assert main(["check", str(week)]) == 0
    found = answer(capsys, "check", week, "--json")
    assert found["whole"]
    assert {f["severity"] for f in found["findings"]} <= {"warning"}


def test_a_broken_hard_rule_is_found_with_its_shot(week, capsys):
    assert main(["check", str(week)]) == 1
    out = capsys.readouterr().out
    assert "1 shot breaks the rule: Round without Spherical/Oblate (shot 3)" in out


def test_a_file_that_is_gone_or_another_is_found(week, shots, capsys):
    legal(week)
    kept = shots.read_bytes()
    shots.unlink()
    assert main(["check", str(week)]) == 1
    assert "the file is gone" in capsys.readouterr().out
    shots.write_bytes(kept[:3000] + b"x" + kept[3001:])
    assert main(["check", str(week)]) == 1
    assert "another one" in capsys.readouterr().out
    shots.write_bytes(kept)
    assert main(["check", str(week)]) == 0


def test_a_changed_current_state_is_found(week, capsys):
    legal(week)
    with Project.open(week) as project:
        project.store.database.connection.exec_driver_sql("UPDATE current SET present = 0")
    assert main(["check", str(week)]) == 1
    assert "does not follow from the history" in capsys.readouterr().out


def test_a_damaged_database_is_a_finding(week, capsys):
    (week / "project.sqlite").write_bytes(b"nothing" * 999)
    assert main(["check", str(week)]) == 1
    assert "damaged" in capsys.readouterr().out
    assert not answer(capsys, "check", week, "--json")["whole"]


def test_a_network_that_was_changed_after_training_is_found(week, capsys):
    legal(week)
    with Project.open(week) as project:
        run = project.new_run_folder()
        project.current_run = 1
    (run / "events.jsonl").write_text('{"event":"finished","time":1.0}\n')
    assert main(["check", str(week)]) == 1
    assert "cannot be read" in capsys.readouterr().out
    (run / "model.safetensors").write_bytes(b"abc")
    good = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"  # FIPS 180-2, B.1
    (run / "model.json").write_text(json.dumps({"sha256": good}))
    assert main(["check", str(week)]) == 0
    (run / "model.safetensors").write_bytes(b"abd")
    assert main(["check", str(week)]) == 1
    assert "changed after training" in capsys.readouterr().out


def test_a_shown_run_that_is_gone_is_found(week, capsys):
    legal(week)
    with Project.open(week) as project:
        project.current_run = 4
    assert main(["check", str(week)]) == 1
    assert "run 4" in capsys.readouterr().out


@pytest.mark.parametrize(("name", "n"), [("cxidb94_layout.cxi", 12), ("helium_small.h5", 600)])
def test_real_files_make_whole_projects(tmp_path, capsys, name, n):
    found = answer(capsys, "create", tmp_path / "p", needed(name), "--json")
    assert (found["shots"], found["labelled"], found["contradictions"]) == (n, n, 0)
    assert main(["check", str(tmp_path / "p")]) == 0
