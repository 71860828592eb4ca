"""How a command ends: by itself, or broken off by a reader that goes away."""

from __future__ import annotations

import argparse
import errno
import os
import subprocess
import sys
from pathlib import Path

import pytest

from labeler.cli import main
from labeler.cli.output import follow
from labeler.project.project import Project
from model.events import event
from tests.helpers.imports import loaded_by
from tests.helpers.waiting import PATIENCE_S
from tests.helpers.window_parts import make_project, write_shots


def unread(words, unbuffered):
    """Run a command line whose standard output no one reads."""
    reader, writer = os.pipe()
    os.close(reader)
    try:
        return subprocess.run(
            [sys.executable, "-m", "labeler", *words],
            stdout=writer, stderr=subprocess.PIPE, text=True, check=False, timeout=PATIENCE_S,
            env=os.environ | {"PYTHONUNBUFFERED": unbuffered},
        )  # fmt: skip
    finally:
        os.close(writer)


@pytest.mark.skipif(sys.platform == "win32", reason="a pipe breaks in another way")
@pytest.mark.parametrize("unbuffered", ["", "1"])
@pytest.mark.parametrize("words", [["recipes"], ["recipes", "--json"], ["recipes", "--help"]])
def test_a_reader_that_goes_away_ends_a_command_in_silence(words, unbuffered):
    ended = unread(words, unbuffered)
    assert ended.stderr == ""
    assert ended.returncode in (0, 1)


def test_a_command_line_is_understood_before_anything_heavy_is_loaded():
    """Every subcommand, and every job of the window, pays for what the others need."""
    code = "from labeler.cli import build_parser; build_parser()"
    assert not loaded_by(code, "PyQt6", "h5py", "scipy", "sqlalchemy", "torch")


def test_where_no_folder_of_the_user_may_be_written_figures_say_nothing_of_caches(tmp_path):
    nowhere = tmp_path / "file"
    nowhere.touch()
    code = "from labeler.cli import main; main(['recipes']); import matplotlib as m"
    code += "; print(m.get_cachedir())"
    folders = dict.fromkeys(("HOME", "XDG_CACHE_HOME", "XDG_CONFIG_HOME"), str(nowhere))
    ended = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, env=os.environ | folders
    )
    assert ended.returncode == 0
    assert ended.stderr == ""
    assert str(nowhere) not in ended.stdout, "matplotlib found another folder"


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no device that is always full")
def test_output_onto_a_full_disk_fails_in_one_line():
    with Path("/dev/full").open("w", encoding="utf-8") as full:
        ended = subprocess.run(
            [sys.executable, "-m", "labeler", "recipes", "--json"],
            stdout=full, stderr=subprocess.PIPE, text=True, check=False, timeout=PATIENCE_S,
        )  # fmt: skip
    assert ended.returncode == 1
    assert len(ended.stderr.splitlines()) == 1
    assert "no space left" in ended.stderr


@pytest.mark.parametrize(("end", "shown"), [("finished", "1/1"), ("cancelled", "0/1")])
def test_a_bar_is_full_only_where_the_work_was_done(end, shown, capsys):
    events = [event("progress", what="drawing", done=0, total=1), event(end)]
    follow(events, argparse.Namespace())
    assert shown in capsys.readouterr().err


def test_a_child_of_the_command_takes_no_module_of_the_current_folder(tmp_path):
    write_shots(tmp_path / "shots.h5")
    (tmp_path / "socket.py").write_text("raise SystemExit('a module of mine')")
    installed = "import sys; del sys.path[0]; from labeler.cli import main; sys.exit(main())"
    ended = subprocess.run(
        [sys.executable, "-c", installed, "create", "week", "shots.h5"],
        cwd=tmp_path, capture_output=True, text=True, check=False, timeout=PATIENCE_S,
    )  # fmt: skip
    assert ended.returncode == 0, ended.stderr


@pytest.mark.parametrize(
    "words", ["create {} {shots}", "create {week}2 {}", "create {week}2 {shots} --taxonomy {}",
              "info {}", "look {}", "export {week} --out {}.csv", "train {}"],
)  # fmt: skip
def test_a_path_that_no_system_takes_is_said_in_one_line(words, tmp_path, capsys):
    places = {"shots": write_shots(tmp_path / "shots.h5"), "week": make_project(tmp_path)}
    assert main(words.format("x" * 5000, **places).split()) == 1
    said = capsys.readouterr().err.strip()
    assert "File name too long" in said or "there is no such" in said
    assert len(said.splitlines()) == 1


def test_a_place_that_may_not_be_read_is_said_in_one_line(tmp_path, capsys, monkeypatch):
    def refuse(path, *how, **more):
        raise PermissionError(errno.EACCES, "Permission denied", str(path))

    monkeypatch.setattr(Path, "stat", refuse)
    assert main(["info", str(tmp_path / "theirs")]) == 1
    assert capsys.readouterr().err == (
        f"airylabel: {tmp_path / 'theirs' / 'project.sqlite'}: cannot be used (Permission denied)."
        " Check the path, and whether you may read and write there.\n"
    )


@pytest.mark.parametrize(
    "words", ["sources P --geometry 3-1", "sources P --geometry 1-99999999999",
              "sources P --geometry N", "networks --channels 99999999999999999999",
              "side-by-side P --sizes 99999999999",
              "export P --out l.csv --columns shot\nRound"],
)  # fmt: skip
def test_values_that_cannot_be_are_wrong_use(words, capsys):
    with pytest.raises(SystemExit) as wrong:
        main(words.split(" "))
    assert wrong.value.code == 2
    assert f"argument {words.split(' ')[-2]}: " in capsys.readouterr().err


def test_a_geometry_of_no_source_is_refused(tmp_path, capsys):
    assert main(["sources", str(make_project(tmp_path)), "--distance-mm", "150"]) == 1
    assert "a geometry is of one source. Say of which: --geometry N." in capsys.readouterr().err


def test_several_sources_get_one_geometry_and_none_where_one_is_not_there(tmp_path, capsys):
    files = [str(write_shots(tmp_path / f"{n}.h5", n)) for n in (2, 3, 4)]
    assert main(["create", str(tmp_path / "three"), *files]) == 0
    words = ["sources", str(tmp_path / "three"), "--centre", "7", "9", "--geometry"]
    assert main([*words, "1,4"]) == 1
    assert "there is no source 4" in capsys.readouterr().err

    def centres():
        with Project.open(tmp_path / "three") as project:
            return [info.geometry.centre for info in project.sources]

    assert centres() == [None, None, None]
    assert main([*words, "1,3"]) == 0
    assert centres() == [(7, 9), None, (7, 9)]
    assert main([*words, "1-3"]) == 0
    assert centres() == [(7, 9)] * 3


@pytest.mark.parametrize(
    "words", ["gallery {} --out g.svg --dataset x", "baselines {} --taxonomy helium",
              "train {} --one-class-per-file", "predict {} --run r --taxonomy helium"],
)  # fmt: skip
def test_an_option_about_files_is_refused_where_shots_and_classes_are_a_projects(
    words, tmp_path, capsys
):
    assert main(words.format(make_project(tmp_path)).split()) == 1
    assert "is for files; a project says that itself" in capsys.readouterr().err


def test_a_word_that_is_nothing_is_refused_as_subcommand_and_project(capsys):
    assert main(["frobnicate"]) == 1
    said = capsys.readouterr().err
    assert said.startswith("airylabel: frobnicate: is no subcommand and no project.")
    assert "`airylabel --help` lists the subcommands" in said


@pytest.mark.parametrize(
    ("words", "where"),
    [
        ("demo week --frob", "airylabel demo"),
        ("bench labelling --frob", "airylabel bench labelling"),
        ("--frob", "airylabel"),
        ("--frob info week", "airylabel info"),
    ],
)
def test_an_unknown_option_is_refused_with_what_its_subcommand_takes(words, where, capsys):
    with pytest.raises(SystemExit) as ended:
        main(words.split())
    assert ended.value.code == 2
    usage, *_, last = capsys.readouterr().err.splitlines()
    assert usage.startswith(f"usage: {where} [-h]")
    assert last == f"{where}: error: unrecognized arguments: --frob"


@pytest.mark.parametrize(
    ("words", "work", "kept"),
    [
        ("simulate x.h5 --shots 3", "labeler.cli.physics._simulate", True),
        ("correlate x.h5 --out y.h5", "labeler.cli.physics._correlate", True),
        ("thumbnails week", "labeler.cli.preparation._thumbnails", True),
        ("info week", "labeler.cli.projects._info", False),
    ],
)
def test_a_command_that_is_broken_off_says_what_was_kept(words, work, kept, monkeypatch, capsys):
    def broken_off(args):
        raise KeyboardInterrupt

    monkeypatch.setattr(work, broken_off)
    assert main(words.split()) == 1
    said = "airylabel: interrupted."
    said += " What was done is kept: the same command goes on." if kept else ""
    assert capsys.readouterr().err == f"{said}\n"
