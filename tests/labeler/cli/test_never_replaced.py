"""--force never replaces a file of shots of any project, a database, classes, or a backup."""

from __future__ import annotations

import hashlib

import h5py
import numpy as np
import pytest

from labeler.cli import main
from labeler.project import backups
from tests.helpers.window_parts import make_project

COMMANDS = {
    "export csv": "export {week} --format csv --out {place} --force",
    "export hdf5": "export {week} --format hdf5 --out {place} --force",
    "export without force": "export {week} --format csv --out {place}",
    "export of shots": "export {week} --shots --rows 1-3 --out {place} --force",
    "report": "report {week} --out {place} --force",
    "correlate": "correlate {other} --out {place} --force",
    "add-noise": "add-noise {other} --level mean --out {place} --force",
    "simulate": "simulate {place} --shots 2 --size 64 --force",
    "noise-figure": "noise-figure {other} --out {place} --force",
}
PRECIOUS = ("project.sqlite", "taxonomy.toml", "backups/", "../shots.h5", "../foreign.h5")


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """A project with a backup, its shots beside it, and another file of shots."""
    folder = tmp_path_factory.mktemp("precious")
    week = make_project(folder, 6)
    backups.back_up(week, "hand")
    rng = np.random.default_rng(1)
    for name in ("other.h5", "foreign.h5"):
        with h5py.File(week.parent / name, "w") as file:
            file["images"] = rng.poisson(9, (4, 48, 48)).astype(np.uint16)
    return week


@pytest.mark.parametrize("precious", PRECIOUS)
@pytest.mark.parametrize("command", COMMANDS)
def test_what_is_precious_is_never_replaced(place, command, precious, capsys):
    kept = place / precious
    if precious == "backups/":
        (kept,) = (place / "backups").iterdir()
    before = hashlib.sha256(kept.read_bytes()).hexdigest()
    words = COMMANDS[command].format(week=place, place=kept, other=place.parent / "other.h5")
    assert main(words.split()) != 0
    assert hashlib.sha256(kept.read_bytes()).hexdigest() == before
    assert "Traceback" not in capsys.readouterr().err


def test_a_file_that_this_program_made_is_replaced_until_a_project_takes_it(tmp_path, capsys):
    made = tmp_path / "simulated.h5"
    words = ["simulate", str(made), "--size", "64", "--force", "--shots"]
    assert main([*words, "2"]) == 0
    assert main([*words, "3"]) == 0
    assert main(["create", str(tmp_path / "week"), str(made)]) == 0
    assert main([*words, "4"]) != 0
    assert "is a file of shots of the project week" in capsys.readouterr().err
    with h5py.File(made) as file:
        assert len(file["images"]) == 3
