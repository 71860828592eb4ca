"""Shots alike: exact cosine neighbours against the plain formula, for one shot and for many."""

import numpy as np
import pytest

from model.active import neighbours


def plain(x, row):
    x = x.astype(np.float64)
    cosine = x @ x[row] / np.linalg.norm(x, axis=1) / np.linalg.norm(x[row])
    cosine[row] = -9
    return cosine


@pytest.mark.parametrize("dtype", [np.float32, np.float16])
def test_the_nearest_are_those_of_the_plain_formula(dtype):
    x = np.random.default_rng(0).normal(size=(500, 24)).astype(dtype)
    for row in (0, 77, 499):
        expected = np.argsort(-plain(x, row), kind="stable")[:20]
        np.testing.assert_array_equal(neighbours.like(x, row, 20), expected)


def test_many_at_once_are_the_same_as_one_by_one():
    x = np.random.default_rng(1).normal(size=(700, 16)).astype(np.float32)
    rows, cosines = neighbours.nearest(x, 7, [3, 600])
    for at, row in enumerate((3, 600)):
        np.testing.assert_array_equal(rows[at], neighbours.like(x, row, 7))
        np.testing.assert_allclose(cosines[at], plain(x, row)[rows[at]], atol=1e-5)


def test_no_shot_is_its_own_neighbour_and_a_length_does_not_count():
    x = np.array([[1, 0], [100, 1], [0.9, 0.5], [-1, 0]], np.float32)
    assert neighbours.like(x, 0, 10).tolist() == [1, 2, 3]


def test_shots_that_were_not_read_are_like_nothing():
    x = np.array([[1, 0], [np.nan, 0], [0, 0], [1, 1]], np.float32)
    assert neighbours.like(x, 0, 3).tolist() == [3]
    assert neighbours.like(x, 1, 3).tolist() == []
