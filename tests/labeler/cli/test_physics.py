"""correlate, add-noise, gallery and noise-figure as a person or a script calls them."""

import json
import os
import subprocess
import sys

import h5py
import numpy as np
import pytest

from labeler.cli import main
from labeler.jobs.batch_job import MAPS, BatchJob
from labeler.project.project import Project
from labeler.shots.geometry import entered
from model.shots.table import open_source
from tests.helpers.killing import killed_after_two_blocks, still_running
from tests.helpers.waiting import PATIENCE_S, until

NAMES = ["Round", "Streak"]


@pytest.fixture
def shots(tmp_path):
    path = tmp_path / "shots.h5"
    with h5py.File(path, "w") as file:
        file["images"] = np.random.default_rng(0).poisson(20, (40, 32, 32)).astype(np.uint16)
        file["labels"] = np.tile(np.eye(2, dtype=np.uint8), (20, 1))
        file["labels"].attrs["class_names"] = NAMES
        file["pulse_energy"] = np.arange(40.0)
    return path


def test_correlate_writes_maps_that_open_as_shots(shots, tmp_path, capsys):
    out = tmp_path / "maps.h5"
    words = ["--radii", "24", "--angles", "64", "--workers", "1", "--json"]
    assert main(["correlate", str(shots), "--out", str(out), *words]) == 0
    assert json.loads(capsys.readouterr().out)["shots"] == 40
    with open_source(out) as source:
        assert (source.info.n_shots, source.info.shape) == (40, (24, 24))
        assert source.info.class_names == tuple(NAMES)
        np.testing.assert_array_equal(source.scalars()["pulse_energy"], np.arange(40))


def test_maps_lie_about_the_centre_that_was_entered_in_the_project(shots, tmp_path, capsys):
    with Project.create(tmp_path / "week", [shots]) as project:
        source = project.stored_sources[0]
        project.set_geometry(source.id, entered(source.info.geometry, centre=(11.0, 19.0)))
        order = BatchJob(MAPS, file=source.info.path, out=tmp_path / "window.h5").words(project)
    words = ["--radii", "8", "--angles", "32", "--workers", "1"]

    def centre_of(*asked):
        out = tmp_path / f"{len(asked)}.h5"
        assert main(["correlate", str(shots), "--out", str(out), *words, *asked]) == 0
        with h5py.File(out) as file:
            return tuple(file["maps"].attrs["source_centre"])

    assert centre_of() == (15.5, 15.5)
    assert centre_of("--project", str(tmp_path / "week")) == (11, 19)
    own = ("--project", str(tmp_path / "week"), "--centre", "12", "13")
    assert centre_of(*own) == (12, 13)
    assert order[order.index("--project") + 1] == str(tmp_path / "week")
    other = tmp_path / "other.h5"
    other.write_bytes(shots.read_bytes())
    asked = ["correlate", str(other), "--out", str(tmp_path / "x.h5"), "--project"]
    assert main([*asked, str(tmp_path / "week")]) == 1
    assert "is no file of that project" in capsys.readouterr().err


def test_events_come_one_a_line(shots, tmp_path, capsys):
    out = tmp_path / "noisy.h5"
    assert main(["add-noise", str(shots), "--level", "max", "--out", str(out), "--events"]) == 0
    kinds = [json.loads(line)["event"] for line in capsys.readouterr().out.splitlines()]
    assert kinds[0] == "started"
    assert kinds[-1] == "finished"
    assert set(kinds[1:-1]) == {"progress"}


@pytest.mark.parametrize(
    ("command", "extra"),
    [
        ("correlate", ["--radii", "24", "--angles", "64", "--workers", "1"]),
        ("add-noise", ["--level", "mean"]),
        ("gallery", []),
        ("noise-figure", []),
    ],
)
def test_an_output_that_exists_is_kept_unless_forced(shots, tmp_path, capsys, command, extra):
    out = tmp_path / ("out.h5" if command in ("correlate", "add-noise") else "out.png")
    out.write_text("mine")
    words = [command, str(shots), "--out", str(out), *extra]
    assert main(words) == 1
    assert "--force" in capsys.readouterr().err
    assert out.read_text() == "mine"


def test_figures_are_drawn_and_said(shots, tmp_path, capsys):
    out = tmp_path / "fig4.png"
    assert main(["noise-figure", str(shots), "--out", str(out), "--shot", "3", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert (found["shot"], found["out"]) == (3, str(out))
    assert set(found["bounds"]) == {"mean", "mean+std", "max"}
    assert main(["noise-figure", str(shots), "--out", str(out), "--shot", "41", "--force"]) == 1
    assert "there is no shot 41" in capsys.readouterr().err
    assert main(["gallery", str(shots), "--out", str(tmp_path / "fig2.png")]) == 0
    assert "6 shots of 2 classes drawn" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--centre", "99", "5"], "outside"),
        (["--order", "0"], "order"),
        (["--angles", "2"], "angles"),
        (["--r-max", "-1"], "radius"),
        (["--dataset", "nothing"], "no such dataset"),
        (["--workers", "0"], "at least one"),
        (["--workers", "-2"], "at least one"),
    ],
)
def test_wrong_numbers_are_explained_and_nothing_is_written(shots, tmp_path, capsys, words, said):
    out = tmp_path / "maps.h5"
    assert main(["correlate", str(shots), "--out", str(out), *words]) == 1
    assert said in capsys.readouterr().err
    assert [p.name for p in tmp_path.iterdir()] == ["shots.h5"]


@pytest.mark.parametrize("verb", ["gallery", "noise-figure"])
def test_an_unknown_colormap_is_named_before_the_work(verb, shots, tmp_path, capsys):
    out = tmp_path / "figure.png"
    assert main([verb, str(shots), "--out", str(out), "--colormap", "nope"]) == 1
    assert "there is no colormap 'nope'" in capsys.readouterr().err
    assert not out.exists()


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no SIGKILL")
def test_a_killed_correlate_goes_on_and_leaves_no_workers(tmp_path, capsys):
    path, out = tmp_path / "many.h5", tmp_path / "maps.h5"
    with h5py.File(path, "w") as file:
        file["images"] = np.random.default_rng(0).poisson(9, (400, 64, 64)).astype(np.uint16)
    words = ["correlate", str(path), "--out", str(out), "--radii", "64", "--angles", "1024"]
    workers = killed_after_two_blocks(*words, "--workers", "2")
    until(lambda: not still_running(workers), "a worker outlived its parent")
    assert len(workers) >= 2
    assert not out.exists()
    assert main([*words, "--workers", "2", "--events"]) == 0
    first = json.loads(capsys.readouterr().out.splitlines()[0])
    assert 0 < first["done"] < 400
    with h5py.File(out) as file:
        assert (file["maps"][:].max((1, 2)) > 0).all()
    assert sorted(p.name for p in tmp_path.glob("*maps*")) == ["maps.h5"]


SOON = """
import sys
from functools import partial
from labeler.cli import main
from labeler.cli.bench import physics
physics.measure = partial(physics.measure, noise_shots=40)
sys.exit(main())
"""
"""The program, whose files of a benchmark are small."""


def test_panes_are_measured_where_there_is_no_screen(tmp_path):
    """Qt ends a process that asks for a screen in vain."""
    unseen = {k: v for k, v in os.environ.items()
              if k not in ("QT_QPA_PLATFORM", "DISPLAY", "WAYLAND_DISPLAY")}  # fmt: skip
    words = ["bench", "physics", "--rounds", "1", "--shots", "8", "--size", "64", "--json"]
    done = subprocess.run(
        [sys.executable, "-c", SOON, *words],
        env=unseen, cwd=tmp_path, capture_output=True, text=True, timeout=PATIENCE_S, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["pane_ms"] > 0
