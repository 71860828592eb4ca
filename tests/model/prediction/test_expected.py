"""What an experiment is like to a shipped network: how frequent label sets were in its training."""

import numpy as np
import pytest

from model.prediction.expected import share_of
from model.shots.table import ShotTable

NAMES = ("Round", "Streak", "Empty")
SETS = np.array([[1, 0, 0], [0, 1, 0], [0, 0, 1]], bool)


def table_of(labels, labelled=None):
    every = np.asarray(labels, np.uint8)
    said = np.ones(len(every), bool) if labelled is None else np.asarray(labelled)
    columns = ("Empty", "Round", "Streak")  # another order than the network's
    none = np.zeros(len(every), np.int64)
    return ShotTable((), none, none, columns, every, said, none, None, "")


def test_label_sets_are_as_frequent_as_in_the_training_by_name():
    learnt = table_of([[0, 1, 0]] * 6 + [[0, 0, 1]] * 2 + [[0, 1, 1]] * 5)
    np.testing.assert_allclose(share_of(SETS, learnt, NAMES), np.array([7, 3, 1]) / 11)


def test_unlabelled_shots_say_nothing_of_it():
    learnt = table_of([[0, 1, 0], [1, 0, 0]], [True, False])
    assert share_of(SETS, learnt, NAMES).sum() == pytest.approx(1)
    np.testing.assert_allclose(share_of(SETS, learnt, NAMES), np.array([2, 1, 1]) / 4)
