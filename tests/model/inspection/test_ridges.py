"""Heat on the ridge of labelled shots: the axis from the picture, and the score of each form."""

from __future__ import annotations

from itertools import islice

import h5py
import numpy as np
import pytest

from model.errors import InputError
from model.inspection.occlusion import ring_medians
from model.inspection.ridges import axis_of, measure, near_axis
from model.inspection.truth_cases import cases
from model.runs.recipes import shipped_network
from model.shots.table import table_of_file

pytestmark = pytest.mark.usefixtures("without_openvino")


def put(path, images, labels, names):
    with h5py.File(path, "w") as file:
        file["images"], file["labels"] = images, np.asarray(labels, np.uint8)
        file["labels"].attrs["class_names"] = names
    return table_of_file(path)


def test_the_axis_of_the_picture_is_that_of_the_simulated_ridge():
    found = []
    for case in islice(cases("Streak", "axis", 3, 112), 8):
        logs = np.log1p(case.counts.astype(float))
        middle = (55.5, 55.5)
        flat = np.log1p(ring_medians(case.counts, case.good, middle))
        axis = axis_of((logs - flat) * case.good, case.good, middle)
        mine = near_axis(case.good.shape, middle, axis) & case.good
        found.append((mine & case.where).sum() / mine.sum())
    assert np.median(found) > 0.7


def test_a_line_and_its_opposite_are_one_axis():
    for degrees in (0.0, 45.0, 120.0, 175.0):
        line = near_axis((41, 41), (20.0, 20.0), degrees)
        np.testing.assert_array_equal(line, line[::-1, ::-1])
        axis = axis_of(line.astype(np.float32), np.ones((41, 41), bool), (20.0, 20.0))
        assert abs((axis - degrees + 90) % 180 - 90) <= 12


def test_heat_of_the_shipped_network_lies_on_labelled_ridges(tmp_path):
    streaks = [case.counts for case in islice(cases("Streak", "axis", 5), 4)]
    names = ["Round", "Streak"]
    table = put(tmp_path / "s.h5", np.stack(streaks), [[0, 1]] * 4, names)
    found = measure(table, shipped_network())
    assert set(found["classes"]) == {"Streak"}
    scores = found["classes"]["Streak"]["scores"]
    assert scores["directions"]["mean"] > 2 > scores["paper"]["mean"]
    assert 1 <= found["classes"]["Streak"]["shots"] <= 4
    assert found["table"].count("\n| Streak |") == 1
    none = put(tmp_path / "n.h5", np.stack(streaks), [[1, 0]] * 4, names)
    with pytest.raises(InputError, match="labelled Streak or Bent"):
        measure(none, shipped_network())
