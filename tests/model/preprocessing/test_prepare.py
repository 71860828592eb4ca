"""Preparation: each step undoes what was done to a clean shot."""

import numpy as np
import pytest

from model.errors import InputError
from model.preprocessing.preparation import (
    Preparation,
    find_centre,
    flat_factor,
    reference_of,
    smooth_background,
    sure_centre,
)
from model.shots.layouts import Geometry

Y, X = np.mgrid[:96, :96].astype(float)


def rings(centre=(47.5, 47.5)):
    radius = np.hypot(Y - centre[0], X - centre[1])
    return 500 * np.exp(-radius / 9) * (1 + np.cos(radius / 2))


@pytest.mark.parametrize("centre", [(47.5, 47.5), (45.25, 50.0), (51.0, 44.7)])
def test_the_centre_of_rings_is_found_to_a_quarter_of_a_pixel(centre):
    counts = np.random.default_rng(0).poisson(rings(centre) + 2)
    assert find_centre(counts) == pytest.approx(centre, abs=0.25)


def test_a_mask_on_one_side_does_not_move_the_centre():
    good = ~((np.abs(Y - 40) < 6) & (X > 50))
    counts = np.where(good, rings((46.0, 49.0)), 60_000)
    assert find_centre(counts, good) == pytest.approx((46, 49), abs=0.25)


@pytest.mark.parametrize("counts", [np.full((64, 64), 4.0), np.full((64, 64), np.nan)])
def test_a_shot_without_structure_keeps_its_guess(counts):
    assert find_centre(counts, guess=(30.0, 33.0)) == (30.0, 33.0)


@pytest.mark.parametrize("centre", [(44.25, 52.0), (36.0, 63.5), (63.0, 30.2)])
def test_a_beam_far_from_the_middle_is_found_where_nothing_is_known_of_it(centre):
    found, sure = sure_centre(np.random.default_rng(0).poisson(rings(centre) + 2))
    assert found == pytest.approx(centre, abs=0.25)
    assert sure


def test_a_beam_is_the_middle_where_the_shot_shows_no_other_and_that_is_said():
    noise = np.random.default_rng(0).poisson(2, (96, 96))
    nowhere = np.full((96, 96), np.nan)
    lopsided = np.random.default_rng(0).poisson(rings((70.0, 70.0)) * (X > Y) + 2)
    for counts in (noise, nowhere, np.full((96, 96), 4.0), lopsided):
        assert sure_centre(counts) == ((47.5, 47.5), False)
    half = sure_centre(np.random.default_rng(0).poisson(rings() + 2), X > Y)
    assert half == ((47.5, 47.5), False)
    assert sure_centre(np.random.default_rng(0).poisson(rings((47.7, 47.4)) + 2))[1]


def test_stray_light_with_a_slope_is_fitted_below_the_droplet():
    slope = 20 + 0.2 * Y - 0.1 * X
    counts = np.random.default_rng(1).poisson(rings() + slope).astype(np.float32)
    found = smooth_background(counts, np.ones(counts.shape, bool), 1)
    np.testing.assert_allclose(found, slope, atol=3)


def test_background_shots_are_averaged_one_at_a_time():
    shots = np.random.default_rng(2).poisson(9, (12, 8, 8))
    found = reference_of(iter(shots))
    np.testing.assert_allclose(found.mean, shots.mean(0), rtol=1e-6)
    np.testing.assert_allclose(found.deviation, shots.std(0), rtol=1e-5)
    with pytest.raises(InputError, match="no background"):
        reference_of([])


def test_subtracted_background_never_leaves_negative_counts():
    reference = reference_of([np.full((96, 96), 10.0)])
    made = Preparation(stray_light="shots").apply(rings(), reference=reference)
    np.testing.assert_allclose(made.counts, np.maximum(rings() - 10, 0), atol=1e-3)


def test_hot_and_dead_pixels_are_masked_and_no_others():
    shots = np.random.default_rng(3).poisson(30 + rings() / 50, (40, 96, 96))
    shots[:, 10, 20], shots[:, 50, 60] = 900, 0
    made = Preparation(bad_pixels=True).apply(shots[0], reference=reference_of(shots))
    assert not made.mask[10, 20]
    assert not made.mask[50, 60]
    assert (~made.mask).sum() <= 4


def test_bright_rings_of_few_shots_are_no_hot_pixels():
    y, x = np.mgrid[:96, :96] - 47.5
    radius = np.hypot(y, x)
    steep = 3e4 * np.exp(-radius / 4) * (1 + np.cos(radius / 1.5))
    shots = np.random.default_rng(3).poisson(5 + steep, (8, 96, 96))
    shots[:, 40, 52], shots[:, 20, 20:22] = shots[:, 40, 52] + 9000, 900
    bad = reference_of(shots).bad_pixels
    assert bad[40, 52]
    assert bad[20, 20:22].all()
    assert bad.sum() <= 6


def test_a_uniform_sphere_of_light_is_even_after_the_flat_detector_step():
    geometry = Geometry(distance_m=0.05, pixel_m=5e-4, centre=(40.0, 50.0))
    angle = np.arctan(np.hypot(Y - 40, X - 50) * 5e-4 / 0.05)
    np.testing.assert_allclose(
        flat_factor(Y.shape, (40.0, 50.0), geometry), np.cos(angle) ** 3, rtol=1e-5
    )
    made = Preparation(flat_detector=True).apply(100 * np.cos(angle) ** 3, geometry=geometry)
    np.testing.assert_allclose(made.counts, 100, rtol=1e-5)


def test_steps_that_lack_what_they_need_say_so():
    with pytest.raises(InputError, match="distance"):
        Preparation(flat_detector=True).apply(rings())
    with pytest.raises(InputError, match="background shots"):
        Preparation(stray_light="shots").apply(rings())
    small = reference_of([np.ones((8, 8))])
    with pytest.raises(InputError, match="shape"):
        Preparation(stray_light="shots").apply(rings(), reference=small)


def test_a_preparation_travels_as_plain_values():
    made = Preparation(bad_pixels=True, stray_light="smooth", degree=2, centre=True)
    assert Preparation.from_dict(made.to_dict()) == made
    for wrong in ({"stray_light": "magic"}, {"degree": 9}, {"colour": 1}):
        with pytest.raises(InputError, match="unknown preprocessing"):
            Preparation.from_dict(wrong)


def test_all_masked_and_nan_shots_pass_through_every_step():
    steps = Preparation(stray_light="smooth", centre=True)
    made = steps.apply(np.full((64, 64), np.nan))
    assert not made.mask.any()
    assert made.centre == (31.5, 31.5)
    assert steps.apply(rings(), np.zeros(Y.shape, bool)).centre == (47.5, 47.5)
