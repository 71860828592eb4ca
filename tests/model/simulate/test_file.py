"""The simulated file: same seed same bytes, resumable, complete or absent, opens as a source."""

from __future__ import annotations

import gc
import hashlib
import sys
import tracemalloc
from pathlib import Path

import h5py
import numpy as np
import pytest

from model.errors import InputError
from model.shots.table import open_source
from model.simulate import scattering
from model.simulate.generate import BLOCK, simulate
from model.simulate.labels import CLASSES, real_sets, row
from model.simulate.shot import SimulationRecipe, targets
from model.taxonomy.toml import load, shipped
from tests.helpers.killing import killed_after_two_blocks


def _digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """64 shots, in four blocks, that one process made without a stop."""
    out = tmp_path_factory.mktemp("whole") / "whole.h5"
    assert list(simulate(out, 64, 5, 64, workers=1))[-1]["event"] == "finished"
    return out


def test_the_same_seed_gives_the_same_bytes_whatever_the_workers(
    whole: Path, tmp_path: Path
) -> None:
    two = tmp_path / "two.h5"
    list(simulate(two, 64, 5, 64, workers=2))
    assert _digest(whole) == _digest(two)


def test_an_interrupted_simulation_goes_on_to_the_same_file(whole: Path, tmp_path: Path) -> None:
    broken = tmp_path / "broken.h5"
    events = list(simulate(broken, 64, 5, 64, workers=1, stop=lambda: True))
    assert events[-1]["event"] == "cancelled"
    assert not broken.exists()
    again = list(simulate(broken, 64, 5, 64, workers=1))
    assert again[0]["done"] == 16
    assert _digest(broken) == _digest(whole)
    assert [p.name for p in tmp_path.iterdir()] == ["broken.h5"]


def test_the_file_opens_as_a_source_with_labels_mask_and_geometry(tmp_path: Path) -> None:
    out = tmp_path / "set.h5"
    list(simulate(out, 64, 5, 64, balanced=True, annotator=True, workers=1))
    with open_source(out) as source:
        assert source.info.layout == "stack"
        assert source.info.class_names == CLASSES
        assert source.info.geometry.distance_m == pytest.approx(0.065)
        mask = source.mask(0)
        assert mask is not None
        assert 0.6 < mask.mean() < 0.8
        assert (source.scalars()["photon_energy_ev"] > 19).all()
    taxonomy = load(shipped("helium"))
    with h5py.File(out) as file:
        for name in ("labels", "true_labels"):
            assert not taxonomy.contradictions(file[name][()]).any()
        assert (file["labels"][()] != file["true_labels"][()]).any()


@pytest.mark.parametrize("shots", [200, 7264])
def test_label_sets_come_as_often_as_in_reality(shots: int) -> None:
    drawn = targets(SimulationRecipe(shots, 3))
    counts = np.bincount(drawn, minlength=43)
    real = np.array([count for _, count in real_sets()])
    assert np.abs(counts - real * shots / real.sum()).max() <= 1
    labels = np.array([row(labels) for labels, _ in real_sets()])
    assert ((counts @ labels) > 0).all()


def test_a_balanced_set_shows_every_class_about_equally_often() -> None:
    labels = np.array([row(labels) for labels, _ in real_sets()])
    shares = labels[targets(SimulationRecipe(2000, 3, balanced=True))].mean(0)
    others = [i for i, name in enumerate(CLASSES) if name not in ("Spherical/Oblate", "Prolate")]
    assert shares[others].min() > 0.1
    assert shares[others].max() < 3 * shares[others].min()


@pytest.mark.parametrize(
    ("shots", "seed", "size", "word"),
    [(0, 1, 64, "shots"), (1, -1, 64, "negative"), (1, 1, 8, "size"), (1, 1, 9000, "size")],
)
def test_impossible_numbers_are_named(
    tmp_path: Path, shots: int, seed: int, size: int, word: str
) -> None:
    with pytest.raises(InputError, match=word):
        list(simulate(tmp_path / "no.h5", shots, seed, size))
    assert not list(tmp_path.iterdir())


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no SIGKILL")
def test_after_kill_9_a_simulation_goes_on_to_the_same_bytes(whole: Path, tmp_path: Path) -> None:
    killed = tmp_path / "killed.h5"
    words = ["--shots", "64", "--seed", "5", "--size", "64", "--workers", "1"]
    killed_after_two_blocks("simulate", str(killed), *words)
    assert not killed.exists()
    events = list(simulate(killed, 64, 5, 64, workers=1))
    assert events[0]["done"] == 2 * BLOCK < 64
    assert _digest(killed) == _digest(whole)


def test_the_memory_of_a_simulation_does_not_grow_with_its_shots(tmp_path: Path) -> None:
    """Apart from the grids of directions, of which the last few sizes are kept."""
    held = []
    tracemalloc.start()
    for item in simulate(tmp_path / "many.h5", 80, 5, 64, workers=1):
        if item["event"] == "progress":
            scattering._longitudinal.cache_clear()
            scattering._edge_transfer.cache_clear()
            gc.collect()
            held.append(tracemalloc.get_traced_memory()[0])
    tracemalloc.stop()
    one_shot = 64 * 64 * 2
    assert held[-1] - held[1] < 6 * one_shot  # of 48 more shots
