"""Polar resampling: exact where it can be, documented where data are missing."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from model.errors import InputError
from model.physics.polar import fill, polar_grid


@given(st.floats(20, 40), st.floats(20, 40), st.floats(-3, 3), st.floats(-3, 3))
def test_a_slope_is_sampled_exactly(y0, x0, down, right):
    grid = polar_grid((61, 61), (y0, x0), radii=15, angles=40, r_max=18)
    y, x = np.mgrid[:61, :61]
    found, valid = grid.unwrap((200 + down * y + right * x).astype(np.float32))
    at_y = y0 + grid.radius[:, None] * np.sin(grid.angle)
    at_x = x0 + grid.radius[:, None] * np.cos(grid.angle)
    assert valid.all()
    np.testing.assert_allclose(found, 200 + down * at_y + right * at_x, rtol=1e-4)


def test_rings_of_a_round_shot_are_constant():
    y, x = np.mgrid[:201, :201] - 100.0
    shot = 100 * np.exp(-(np.hypot(y, x) ** 2) / 3000)
    polar = polar_grid((201, 201), radii=100, angles=90).sample(shot)
    assert (np.ptp(polar, axis=1) < 0.1).all()


def test_big_shots_are_averaged_before_they_are_sampled():
    checks = (np.indices((400, 400)).sum(0) % 2 * 100).astype(np.uint16)
    polar = polar_grid((400, 400), radii=50, angles=64).sample(checks)
    np.testing.assert_allclose(polar, 50, atol=0.01)


def test_samples_outside_the_shot_take_the_mean_of_their_ring():
    grid = polar_grid((40, 40), (5, 20), radii=10, angles=32)
    values, valid = grid.unwrap(np.full((40, 40), 7, np.uint16))
    assert not valid[-1].all()
    assert valid[0].all()
    assert (values[~valid] == 0).all()
    np.testing.assert_allclose(grid.sample(np.full((40, 40), 7, np.uint16)), 7, rtol=1e-6)


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_numbers_that_are_none_count_as_masked(bad):
    shot = np.full((40, 40), 3.0)
    masked = polar_grid((40, 40), radii=10, angles=32).sample(shot, np.indices(shot.shape)[1] < 30)
    shot[:, 30:] = bad
    np.testing.assert_array_equal(polar_grid((40, 40), radii=10, angles=32).sample(shot), masked)


def test_empty_rings_are_interpolated_and_a_shot_without_data_is_dark():
    values = np.array([[9, 9], [0, 0], [3, 3], [0, 0]], np.float32)
    valid = np.array([[True, True], [False, False], [True, False], [False, False]])
    assert fill(values, valid).tolist() == [[9, 9], [6, 6], [3, 3], [3, 3]]
    assert not fill(values, np.zeros_like(valid)).any()


@pytest.mark.parametrize(
    "wrong",
    [
        {"centre": (-1, 5)},
        {"centre": (5, float("nan"))},
        {"radii": 1},
        {"angles": 3},
        {"radii": 10**6},
        {"r_max": 0},
        {"r_max": 1e4},
    ],
)
def test_impossible_grids_are_refused_with_a_mend(wrong):
    with pytest.raises(InputError) as caught:
        polar_grid((32, 32), **wrong)
    assert caught.value.mend


def test_a_shot_or_mask_of_another_shape_is_refused():
    grid = polar_grid((32, 32), radii=8, angles=16)
    with pytest.raises(InputError, match="shape"):
        grid.sample(np.zeros((16, 16)))
    with pytest.raises(InputError, match="mask has shape"):
        grid.sample(np.zeros((32, 32)), np.ones((16, 16), bool))
