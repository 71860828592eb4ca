"""The demo: a ready project, and without a display the whole main job in pictures."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from functools import partial
from types import SimpleNamespace

import numpy as np
import pytest

from labeler.cli import main
from labeler.cli.demo import project as demo
from labeler.cli.demo import tour
from labeler.jobs.job import Job
from labeler.project.place import FIRST
from labeler.project.project import Project
from labeler.project.store.records import LABELLED
from labeler.runs.training_choices import TrainingOrder
from labeler.window.frame.retrain import RetrainBar
from model.errors import InputError
from model.shots.table import open_source
from tests.helpers import narrow
from tests.helpers.waiting import PATIENCE_S, Clock
from tests.helpers.window_parts import make_session

SHOTS = 24


def run(*words, **environment):
    """The program as a person starts it, without a display."""
    there = {k: v for k, v in os.environ.items() if k not in ("DISPLAY", "WAYLAND_DISPLAY")}
    return subprocess.run(
        [sys.executable, "-m", "labeler", *map(str, words)],
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
        env=there | environment,
    )


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A small demo project."""
    folder = tmp_path_factory.mktemp("demo") / "demo"
    events = list(demo.make(folder, SHOTS, 1))
    return folder, events


def test_most_shots_come_labelled_and_the_last_are_left_to_do(made):
    folder, _ = made
    with Project.open(folder) as project:
        merged = project.merged_state()
        labelled = (merged.status & LABELLED) > 0
    assert labelled.sum() == round(SHOTS * (1 - demo.TO_DO))
    assert not labelled[-1]


def test_it_opens_on_a_bright_labelled_shot(made, qapp):
    folder, _ = made
    with Project.open(folder) as project:
        where = project.store.get_meta(FIRST)["row"]
        assert project.merged_state().labelled[where]
        with open_source(project.sources[0].path) as shots:
            lit = [int((shots.read(k) > demo.LIT).sum()) for k in range(round(SHOTS * 0.85))]
    session = make_session(folder)
    assert session.cursor.row == where
    session.close()
    assert lit[where] > 2 * np.median(lit)


def test_every_class_occurs_in_a_demo_of_the_usual_size(made):
    folder, _ = made
    with Project.open(folder) as project:
        present = project.taxonomy.unpack(project.merged_state().present)
        assert not project.taxonomy.contradictions(present).any()
    assert present.any(0).sum() >= 8, "24 shots show most of the eleven"


def test_progress_is_told_and_the_end_names_the_project(made):
    folder, events = made
    assert {e["what"] for e in events if e["event"] == "progress"}
    assert events[-1]["project"] == str(folder)


def test_a_demo_that_is_there_is_left_as_it_is(made):
    folder, _ = made
    before = (folder / "project.sqlite").stat().st_mtime_ns
    assert [e["event"] for e in demo.make(folder, SHOTS, 1)] == ["finished"]
    assert (folder / "project.sqlite").stat().st_mtime_ns == before


def test_a_folder_with_other_things_in_it_is_refused(tmp_path):
    (tmp_path / "thesis.tex").write_text("x")
    with pytest.raises(InputError, match="not empty"):
        list(demo.make(tmp_path, SHOTS))


def test_without_a_display_the_window_says_so_in_one_line_and_exits_2(made):
    done = run(made[0])
    assert done.returncode == 2
    assert done.stderr.strip().splitlines() == [
        "airylabel: there is no display to open a window on"
    ]


def test_without_a_window_it_says_where_the_project_is(made):
    folder, _ = made
    done = run("demo", folder, "--shots", SHOTS, "--no-window")
    assert done.stdout.strip() == f"{folder} is ready: airylabel {folder}"
    told = run("demo", folder, "--shots", SHOTS, "--no-window", "--json").stdout
    assert json.loads(told)["event"] == "finished"


def test_wrong_use_exits_2(capsys):
    assert main(["demo", "somewhere", "--shots", "0"]) == 2
    with pytest.raises(SystemExit) as left:
        main(["demo"])
    assert left.value.code == 2


class SlowTraining:
    """Goes on by a hundredth at every look, for so many looks; then it stands still, or ends."""

    folder = outcome = None

    def __init__(self, looks, ends):
        self.looks, self.ends, self.gone = looks, ends, 0

    @property
    def is_running(self):
        return not self.ends or self.gone < self.looks

    def share_done(self):
        self.gone = min(self.gone + 1, self.looks)
        return self.gone / 100

    def keep_old(self):
        """There is no note of its outcome."""


def slow_walk(training, monkeypatch):
    """The walk beside a training, on a machine where every look takes ten minutes."""
    clock = Clock()

    def wait(ms):
        clock.ahead += 600

    monkeypatch.setattr(tour, "time", clock)
    monkeypatch.setattr(tour, "HANDS", SimpleNamespace(qWait=wait))
    window = SimpleNamespace(retrain_bar=SimpleNamespace(start=lambda: None))
    walk = tour._Tour(window, SimpleNamespace(training=training), None, everything=False)
    return list(walk._retrain())


def test_a_training_that_goes_on_is_waited_for_however_slow_the_machine_is(monkeypatch):
    assert slow_walk(SlowTraining(40, ends=True), monkeypatch)[-1]["done"] == 100


def test_a_training_that_stands_still_is_given_up_in_words(monkeypatch):
    with pytest.raises(InputError, match="the training failed: it stood still"):
        slow_walk(SlowTraining(3, ends=False), monkeypatch)


def test_without_a_display_the_whole_job_is_done_and_shown(
    made, tmp_path, qapp, monkeypatch, capsys
):
    """In this process, with a training of one epoch on small shots: `test_journey` trains more."""
    folder = shutil.copytree(made[0].parent, tmp_path / "copy") / made[0].name
    for name in ("DISPLAY", "WAYLAND_DISPLAY"):
        monkeypatch.delenv(name, raising=False)

    def start(bar):
        make = partial(Job, command=("-m", narrow.__name__))
        small = ("--size", "64", "--set", "backbone=")
        bar.retraining.work.make_job = lambda words, *where: make([*words, *small], *where)
        bar.retraining.start(TrainingOrder(epochs=1))

    monkeypatch.setattr(RetrainBar, "start", start)
    monkeypatch.setattr(tour, "LOOK_MS", 60)
    monkeypatch.setattr(tour, "PATIENCE_S", PATIENCE_S)
    assert main(["demo", str(folder), "--shots", str(SHOTS), "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert {"labelling-1280.png", "heatmap-1280.png", "inspect-1920.png"} <= set(told["pictures"])
    for name in told["pictures"]:
        assert (folder / "report" / name).stat().st_size > 10_000
    assert "macro f1" in (folder / "report" / "report.html").read_text(encoding="utf-8")
    with Project.open(folder) as project:
        assert project.current_run == 1
        assert np.all(project.merged_state().status & LABELLED), "the rest was labelled by key"
