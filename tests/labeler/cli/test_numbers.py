"""Numbers that no subcommand can use are wrong use, said in one line, whatever the subcommand."""

from __future__ import annotations

import argparse

import pytest

from labeler.cli import build_parser, main
from labeler.project.project import Project
from tests.helpers.shots import make_file

pytestmark = pytest.mark.usefixtures("narrow_network", "without_openvino")

CHECK_THEMSELVES = {"simulate", "add-noise"}
"""They take larger seeds, and say so in their own words."""


def arguments(parser, name=""):
    """Every argument of every subcommand, with the subcommand's name."""
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            for word, child in action.choices.items():
                yield from arguments(child, f"{name} {word}".strip())
        else:
            yield name, action


ALL = list(arguments(build_parser()))
SEEDED = {name: action for name, action in ALL if action.dest == "seed"}


def test_every_seed_is_found():
    assert {"train", "baselines", "gallery", "ask", "suspicious", "map"} <= set(SEEDED)


@pytest.mark.parametrize("name", sorted(set(SEEDED) - CHECK_THEMSELVES))
@pytest.mark.parametrize("text", ["-1", "99999999999999999999", "1.5", "a"])
def test_a_seed_that_cannot_be_is_wrong_use(name, text):
    with pytest.raises(argparse.ArgumentTypeError, match="is no seed"):
        SEEDED[name].type(text)
    assert SEEDED[name].type("7") == 7


def test_help_says_what_an_option_is_where_it_is_left_out(capsys):
    with pytest.raises(SystemExit):
        main(["suspicious", "--help"])
    said = " ".join(capsys.readouterr().out.split())
    assert "shots in the list (default: 200)" in said
    assert "--seed SEED the same number, the same result (default: 0)" in said
    assert said.count("(default:") == 4  # --run says its own; no switch has one


def test_help_says_of_every_argument_what_it_is():
    bare = [
        f"{name} {action.option_strings or action.metavar}"
        for name, action in ALL
        if not (action.help or "").partition("(default")[0].strip()
    ]
    assert bare == []


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("use p x", "argument RUN: 'x' is no number: give a whole one, such as 3."),
        ("sources p --geometry 1 --distance-mm abc", "'abc' is no number: give one such as 0.5."),
        ("classes p rule two off", "'two' is no number: give a whole one"),
    ],
)
def test_what_is_no_number_is_wrong_use_in_words(words, said, capsys):
    with pytest.raises(SystemExit) as end:
        main(words.split())
    assert end.value.code == 2
    assert said in capsys.readouterr().err


def test_a_wrong_seed_ends_with_status_two_and_one_message(capsys):
    with pytest.raises(SystemExit) as end:
        main(["train", "shots.h5", "--seed", "-1"])
    assert end.value.code == 2
    assert "-1 is no seed: give a number from 0 to 4294967295" in capsys.readouterr().err


@pytest.mark.parametrize("option", ["--idle", "--seconds"])
@pytest.mark.parametrize("text", ["nan", "inf", "-1"])
def test_a_watch_that_could_never_end_as_asked_does_not_begin(option, text, capsys):
    words = ["watch", "nowhere.h5", "--run", "none", f"{option}={text}"]
    assert main(words) == 1
    assert f"{option} {float(text)} is no time" in capsys.readouterr().err


def test_thumbnails_need_at_least_one_worker(tmp_path, capsys):
    Project.create(tmp_path / "week", [make_file(tmp_path / "s.h5", 4)]).close()
    assert main(["thumbnails", str(tmp_path / "week"), "--workers", "0"]) == 1
    assert "0 workers cannot work" in capsys.readouterr().err


@pytest.mark.parametrize(
    "words",
    [
        "figure p --out f.png --dpi",
        "suspicious p --most",
        "suspicious p --plant 0.1 --seeds",
        "networks --channels",
        "networks --classes",
        "bench explain --rounds",
        "bench ablation shots.h5 --epochs",
        "bench scale --to",
    ],
)
@pytest.mark.parametrize("text", ["0", "-1"])
def test_nothing_at_all_of_what_must_be_there_is_wrong_use(words, text, capsys):
    with pytest.raises(SystemExit) as end:
        main([*words.split(), text])
    assert end.value.code == 2
    assert f"{text} cannot be: give a whole number from 1 up." in capsys.readouterr().err


def test_fewer_than_no_training_shots_are_refused(tmp_path, capsys):
    shots = make_file(tmp_path / "shots.h5", 30)
    assert main(["baselines", str(shots), "--only", "constant", "--training", "-4"]) == 1
    assert "-4 training shots cannot be" in capsys.readouterr().err
