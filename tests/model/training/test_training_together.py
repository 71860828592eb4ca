"""Several processes (gloo) learn what one learns; where one dies, the others say so and end."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import psutil
import pytest

from labeler.project.project import Project
from model.runs import checkpoint
from model.runs.recipes import to_toml
from model.shots.table import table_of_file
from model.training import engine
from model.training.train import train
from tests.helpers.shots import make_file, tiny_recipe
from tests.helpers.waiting import PATIENCE_S

pytestmark = pytest.mark.usefixtures("narrow_network")

NARROW = "tests.helpers.narrow"
ROOT = Path(__file__).parents[3]
RECIPE = tiny_recipe(epochs=2, batch=4, backbone="")
TOLERANCE = 1e-3
"""Relative, of the loss of every epoch: sums over a batch are taken in another order."""


def command(target, recipe, devices, *words):
    recipe_file = target.with_name("tiny.toml")
    recipe_file.write_text(to_toml(recipe), "utf-8")
    of_recipe = ["--recipe", str(recipe_file), "--devices", str(devices)]
    return [sys.executable, "-m", NARROW, "train", str(target), *of_recipe, *words]


def environment():
    return os.environ | {"OMP_WAIT_POLICY": "passive", "OMP_NUM_THREADS": "1"}


def losses(lines):
    events = [json.loads(line) for line in lines]
    return [e["loss"] for e in events if e["event"] == "epoch"]


@pytest.fixture(scope="module")
def together(tmp_path_factory):
    """A project that three processes trained, and what the command said: of a batch of 4 shots the
    last process has none."""
    folder = tmp_path_factory.mktemp("together")
    Project.create(folder / "week", [make_file(folder / "shots.h5", 40)]).close()
    done = subprocess.run(
        command(folder / "week", RECIPE, 3, "--json"),
        capture_output=True, text=True, cwd=ROOT, timeout=PATIENCE_S, check=False,
        env=environment(),
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-2000:]
    return folder / "week", done.stdout


def test_a_project_is_trained_by_several_processes_into_one_run(together):
    week, said = together
    assert json.loads(said)["current"] is True
    with Project.open(week) as project:
        assert [run.folder.name for run in project.runs()] == ["0001"]
        assert (project.run_folder(1) / "predictions.h5").is_file()
        kinds = [e["event"] for e in map(json.loads, lines_of(project.run_folder(1)))]
    assert kinds.count("started") == 1
    assert kinds.count("epoch") == RECIPE.epochs
    assert kinds[-1] == "finished"


def lines_of(run):
    return (run / "events.jsonl").read_text("utf-8").splitlines()


def test_processes_reach_the_loss_curve_of_one_at_the_same_batch(together, tmp_path, monkeypatch):
    """One process that takes every batch in as many parts normalises over the same shots as the
    processes do (batch normalisation knows only what goes through at once)."""

    def divide(self, *rest):
        self.parts = 3
        return ""

    monkeypatch.setattr(engine.Engine, "_divide", divide)
    with Project.open(together[0]) as project:
        table, run = project.shot_table(), project.run_folder(1)
    one = [e["loss"] for e in train(table, RECIPE, tmp_path / "one") if e["event"] == "epoch"]
    np.testing.assert_allclose(losses(lines_of(run)), one, rtol=TOLERANCE)
    assert one[-1] != pytest.approx(one[0], rel=10 * TOLERANCE)  # something was learned


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no SIGKILL")
def test_a_killed_process_ends_the_training_with_its_last_checkpoint(tmp_path):
    path, run = make_file(tmp_path / "shots.h5", 48), tmp_path / "run"
    recipe, lines, killed = tiny_recipe(epochs=500, batch=12), [], False
    with subprocess.Popen(
        command(path, recipe, 2, "--out", str(run), "--events"),
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=ROOT, env=environment(),
    ) as child:  # fmt: skip
        for line in child.stdout:
            lines.append(line)
            if '"event":"epoch"' in line and not killed:
                (other,) = psutil.Process(child.pid).children()
                os.kill(other.pid, signal.SIGKILL)
                killed = True
        said = child.stderr.read()
    assert killed, said[-2000:]
    last = json.loads(lines[-1])
    assert child.returncode == 1
    assert last["event"] == "failed", said[-2000:]
    assert "Another process of this training ended" in last["text"]
    assert "--resume" in last["text"]
    checkpoint.load(run)


def test_a_process_that_saw_other_labels_learns_from_those_of_the_first(tmp_path, monkeypatch):
    """Someone may label between the start of the first process and of the others."""
    table = table_of_file(make_file(tmp_path / "shots.h5", 48))
    fewer = table.labelled.copy()
    fewer[-8:] = False
    first = replace(table, labelled=fewer, fingerprint="of the first")
    monkeypatch.setattr(
        engine.Engine, "of_first", lambda self, value: first if value is table else value
    )
    events = list(train(table, tiny_recipe(epochs=1), tmp_path / "run"))
    (begun,) = (e for e in events if e["event"] == "started")
    assert begun["shots"] == 40
