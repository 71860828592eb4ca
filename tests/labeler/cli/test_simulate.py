"""`airylabel simulate` as a person and as a program call it."""

from __future__ import annotations

import json
from pathlib import Path

import h5py
import pytest

from labeler.cli import main
from model.events import from_line

SMALL = ["--shots", "3", "--seed", "2", "--size", "64", "--workers", "1"]


def test_simulate_makes_a_file_that_info_like_tools_can_open(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "three.h5"
    assert main(["simulate", str(out), *SMALL, "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["shots"] == 3
    with h5py.File(out) as file:
        assert file["images"].shape == (3, 64, 64)
        assert file["labels"].shape == (3, len(file.attrs["class_names"]))


def test_simulate_speaks_one_event_a_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["simulate", str(tmp_path / "e.h5"), *SMALL, "--events", "--noise", "low"]) == 0
    kinds = [(from_line(line) or {})["event"] for line in capsys.readouterr().out.splitlines()]
    assert kinds[0] == "started"
    assert kinds[-1] == "finished"
    assert "progress" in kinds


@pytest.mark.parametrize(
    ("wrong", "word"),
    [
        (["--shots", "0"], "at least one"),
        (["--shots", "2", "--size", "4"], "between"),
        (["--shots", "2", "--workers", "0"], "at least one"),
        (["--shots", "2", "--noise", "loud"], "normal"),
        (["--shots", "2", "--seed", "-1"], "0 or more"),
    ],
)
def test_impossible_wishes_fail_with_a_mend_and_leave_nothing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], wrong: list[str], word: str
) -> None:
    assert main(["simulate", str(tmp_path / "no.h5"), *wrong]) == 1
    assert word in capsys.readouterr().err
    assert not list(tmp_path.iterdir())


def test_a_place_that_is_a_file_is_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").write_text("x")
    assert main(["simulate", str(tmp_path / "file" / "no.h5"), *SMALL]) == 1
    assert "no.h5" in capsys.readouterr().err


def test_a_missing_number_of_shots_is_wrong_use(tmp_path: Path) -> None:
    with pytest.raises(SystemExit) as end:
        main(["simulate", str(tmp_path / "no.h5")])
    assert end.value.code == 2
