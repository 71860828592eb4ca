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

pytestmark = pytest.mark.usefixtures("narrow_network")

NARROW = "tests.helpers.narrow"
ROOT = Path(__file__).parents[3]
TOLERANCE = 1e-3
"""Relative, of the loss of every epoch: sums over a batch are taken in another order."""


def command(path, run, epochs):
    words = ["--recipe", str(run.with_suffix(".toml")), "--out", str(run), "--epochs", str(epochs)]
    return [sys.executable, "-m", NARROW, "train", str(path), *words, "--events"]


def write_recipe(run, recipe):
    run.with_suffix(".toml").write_text(to_toml(recipe), "utf-8")


def environment():
    return os.environ | {"OMP_WAIT_POLICY": "passive", "OMP_NUM_THREADS": "1"}


def losses(lines):
    events = [json.loads(line) for line in lines if line.startswith("{")]
    return [e["loss"] for e in events if e["event"] == "epoch"]


@pytest.mark.parametrize(("devices", "batch"), [(2, 12), (3, 4)])
def test_processes_reach_the_loss_curve_of_one_at_the_same_batch(
    tmp_path, monkeypatch, devices, batch
):
    """One process that takes every batch in as many parts normalises over the same shots as the
    processes do (batch normalisation knows only what goes through at once). Of 4 shots, the last
    of three processes has none."""
    path, recipe = make_file(tmp_path / "shots.h5", 36), tiny_recipe(epochs=2, batch=batch)
    together = tmp_path / "together"
    write_recipe(together, recipe)
    done = subprocess.run(
        [*command(path, together, 2), "--devices", str(devices)],
        capture_output=True, text=True, cwd=ROOT, timeout=200, check=False, env=environment(),
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-2000:]
    assert done.stdout.count('"event":"finished"') == 1

    def divide(self, *rest):
        self.parts = devices
        return ""

    monkeypatch.setattr(engine.Engine, "_divide", divide)
    table = table_of_file(path)
    one = [e["loss"] for e in train(table, recipe, tmp_path / "one") if e["event"] == "epoch"]
    np.testing.assert_allclose(losses(done.stdout.splitlines()), one, rtol=TOLERANCE)
    assert one[-1] != pytest.approx(one[0], rel=10 * TOLERANCE)  # something was learned


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no SIGKILL")
def test_a_killed_process_ends_the_training_with_its_last_checkpoint(tmp_path):
    path, run = make_file(tmp_path / "shots.h5", 48), tmp_path / "run"
    write_recipe(run, tiny_recipe(epochs=500, batch=12))
    lines, killed = [], False
    with subprocess.Popen(
        [*command(path, run, 500), "--devices", "2"],
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


def test_a_project_is_trained_by_two_processes_into_one_run(tmp_path):
    shots = make_file(tmp_path / "shots.h5", 48)
    Project.create(tmp_path / "week", [shots]).close()
    recipe = tmp_path / "tiny.toml"
    recipe.write_text(to_toml(tiny_recipe(epochs=1, batch=12)), "utf-8")
    words = ["train", str(tmp_path / "week"), "--recipe", str(recipe), "--devices", "2", "--json"]
    done = subprocess.run(
        [sys.executable, "-m", NARROW, *words],
        capture_output=True, text=True, cwd=ROOT, timeout=200, check=False, env=environment(),
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-2000:]
    assert json.loads(done.stdout)["current"] is True
    with Project.open(tmp_path / "week") as project:
        assert [run.folder.name for run in project.runs()] == ["0001"]
        assert (project.run_folder(1) / "predictions.h5").is_file()
