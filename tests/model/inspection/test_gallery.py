"""The picture of every class: which shots it shows, and what it refuses."""

import re

import h5py
import numpy as np
import pytest

from model.errors import InputError
from model.inspection.gallery import clearest, figure2, schematic_of
from model.shots.table import table_of_file

NAMES = ("Spherical/Oblate", "Round", "Newton Rings", "Empty")
SETS = [(1, 1, 1, 0), (1, 1, 0, 0), (0, 0, 0, 1), (1, 1, 0, 0)]


@pytest.fixture
def labelled(tmp_path):
    """Twelve shots with four label sets in turn."""
    path = tmp_path / "shots.h5"
    with h5py.File(path, "w") as file:
        file["images"] = np.random.default_rng(0).poisson(9, (12, 24, 24)).astype(np.uint16)
        file["labels"] = np.array([SETS[i % 4] for i in range(12)], np.uint8)
        file.attrs["class_names"] = list(NAMES)
    return path


def test_shots_with_the_fewest_other_labels_go_first(labelled):
    table = table_of_file(labelled)
    rows = clearest(table, table.class_names.index("Round"), 6, seed=1)
    assert set(rows % 4) == {1, 3}
    np.testing.assert_array_equal(rows, clearest(table, table.class_names.index("Round"), 6, 1))


@pytest.mark.parametrize("suffix", ["png", "pdf", "svg"])
def test_the_gallery_tells_how_many_shots_of_each_class_it_shows(labelled, tmp_path, suffix):
    out = tmp_path / f"classes.{suffix}"
    shown = figure2(table_of_file(labelled), out, per_class=5)
    assert {n: c for n, c in shown.items() if c} == {
        "Spherical/Oblate": 5,
        "Round": 5,
        "Newton Rings": 3,
        "Empty": 3,
    }
    assert out.stat().st_size > 1000


def test_classes_stand_side_by_side_and_the_picture_is_lower(labelled, tmp_path):
    table, sizes = table_of_file(labelled), []
    for across in (1, 2):
        out = tmp_path / f"{across}.svg"
        shown = figure2(table, out, per_class=2, across=across)
        assert sum(shown.values()) == 8
        text = out.read_text(encoding="utf-8")
        assert all(f">{name}<" in text for name in NAMES)
        sizes.append([float(n) for n in re.search(r'viewBox="0 0 (\S+) (\S+)"', text).groups()])
    assert sizes[0][0] == sizes[1][0]
    assert sizes[1][1] < sizes[0][1] / 2
    with pytest.raises(InputError, match="at least 1"):
        figure2(table, tmp_path / "a.png", across=0)


def test_schematics_stand_before_the_rows(labelled, tmp_path):
    asked = []

    def render(name, side):
        asked.append(name)
        return np.zeros((side, side, 4), np.uint8)

    figure2(table_of_file(labelled), tmp_path / "classes.png", per_class=1, render=render)
    assert "newton_rings.svg" in asked


def test_a_schematic_is_found_whatever_the_spelling_of_its_class(labelled):
    table, render = (
        table_of_file(labelled),
        (lambda name, side: np.zeros((side, side, 4), np.uint8)),
    )
    assert all(
        schematic_of(table, n, render) is not None for n in ("Streak", "STREAK", "newton rings")
    )
    assert schematic_of(table, "Comet", render) is None


def test_what_is_there_is_not_replaced_unasked(labelled, tmp_path):
    out = tmp_path / "classes.png"
    out.write_bytes(b"mine")
    with pytest.raises(InputError, match="--force"):
        figure2(table_of_file(labelled), out)
    assert out.read_bytes() == b"mine"


def test_a_file_without_labels_is_refused(tmp_path):
    path = tmp_path / "bare.h5"
    with h5py.File(path, "w") as file:
        file["images"] = np.ones((3, 8, 8), np.uint16)
    with pytest.raises(InputError, match="no labels"):
        figure2(table_of_file(path), tmp_path / "classes.png")
