"""Files of shots beside each other: counts that can be checked by hand, and what drifts."""

import csv
import json
import math

import numpy as np
import pytest

from labeler.cli import main
from labeler.project.project import Project
from labeler.quality.side_by_side import side_by_side
from model.taxonomy.toml import load, shipped
from tests.helpers.runs import make_shots

HELIUM = load(shipped("helium"))


def sets(*lists):
    return np.array([HELIUM.mask(names) for names in lists], bool)


ROUND, EMPTY = ("Spherical/Oblate", "Round"), ("Empty",)


def test_hits_are_what_is_not_empty_and_classes_are_counted_among_hits():
    labels = sets(ROUND, EMPTY, ROUND, ("Prolate",), EMPTY)
    judged = np.array([1, 1, 1, 1, 0], bool)
    one, two = side_by_side(["a", "b"], np.array([0, 0, 0, 1, 1]), labels, judged, HELIUM)
    assert (one.shots, one.judged, one.hits) == (3, 3, 2)
    assert (two.shots, two.judged, two.hits) == (2, 1, 1)
    assert one.hit_rate[0] == pytest.approx(2 / 3)
    assert one.fractions["Round"][0] == 1
    assert one.fractions["Round"][1] < 1, "two shots prove nothing"
    assert two.fractions["Prolate"][0] == 1


def test_a_file_in_which_nothing_is_judged_has_no_share_and_does_not_drift():
    labels = np.repeat(sets(ROUND), 400, 0)
    source, judged = np.repeat([0, 1], 200), np.repeat([True, False], 200)
    judged_side, other = side_by_side(["a", "b"], source, labels, judged, HELIUM)
    assert math.isnan(other.hit_rate[0])
    assert other.hit_rate[1:] == (0, 1)
    assert judged_side.drifts == other.drifts == ()


def test_a_change_of_half_the_shots_is_flagged_and_chance_is_not():
    rng = np.random.default_rng(0)
    kinds, source = sets(ROUND, EMPTY), np.repeat(np.arange(10), 200)
    alike = kinds[(rng.random(2000) < 0.5).astype(int)]
    judged = np.ones(2000, bool)
    flags = [s.drifts for s in side_by_side("abcdefghij", source, alike, judged, HELIUM)]
    assert flags == [()] * 10
    other = alike.copy()
    other[1800:] = kinds[0]
    flags = [s.drifts for s in side_by_side("abcdefghij", source, other, judged, HELIUM)]
    assert flags[9] == ("hit rate",)


def test_broken_rules_and_the_median_radius_are_of_the_judged_hits():
    labels = sets(("Round",), EMPTY, ROUND)
    radius = np.array([100.0, 5.0, 300.0])
    (side,) = side_by_side(["a"], np.zeros(3, int), labels, np.ones(3, bool), HELIUM, radius)
    assert sum(side.broken.values()) >= 1
    assert (side.size_nm[0], side.sizes) == (200, 2)


def test_the_command_sorts_exports_and_counts_the_labels_of_two_files(tmp_path, capsys):
    files = [make_shots(tmp_path / f"r000{k}.h5", n) for k, n in ((1, 12), (2, 8))]
    Project.create(tmp_path / "week", files).close()
    out = tmp_path / "sides.csv"
    words = ["side-by-side", str(tmp_path / "week"), "--labels", "--sort", "shots"]
    assert main([*words, "--json", "--out", str(out)]) == 0
    lines = json.loads(capsys.readouterr().out)["sources"]
    assert [line["source"] for line in lines] == ["r0002.h5", "r0001.h5"]
    assert [line["hits"] for line in lines] == [6, 9], "every fourth shot is empty"
    with out.open(encoding="utf-8-sig") as stream:
        read = list(csv.DictReader(stream))
    assert [float(line["hit rate"]) for line in read] == [0.75, 0.75]
    assert main([*words, "--descending"]) == 0
    said = capsys.readouterr().out
    assert said.index("r0001") < said.index("r0002")
    assert main([*words[:-1], "size"]) == 1
    assert "there is no column 'size'" in capsys.readouterr().err
