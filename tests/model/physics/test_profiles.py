"""Radial profile, ring spacing, unwrap, symmetry and map of one shot."""

import numpy as np
import pytest

from model.errors import InputError
from model.physics import profiles
from model.shots.layouts import Geometry

FAR = Geometry(wavelength_m=50e-9, distance_m=0.065, pixel_m=0.335e-3)
"""A detector that sees 30° at 112 pixels."""


def sphere(radius_m, size=224, centre=None, photons=1e6):
    """Counts of a sphere: the form factor |3 (sin x - x cos x) / x³|², x = qR."""
    middle = ((size - 1) / 2,) * 2 if centre is None else centre
    y, x = np.ogrid[:size, :size]
    q = profiles.transfer(np.hypot(y - middle[0], x - middle[1]), FAR)
    phase = np.maximum(q * radius_m, 1e-3)
    form = (3 * (np.sin(phase) - phase * np.cos(phase)) / phase**3) ** 2
    return np.random.default_rng(0).poisson(photons * form + 1).astype(np.uint16)


@pytest.mark.parametrize("radius", [200e-9, 300e-9, 450e-9])
def test_the_radius_of_a_sphere_comes_from_the_spacing_of_its_rings(radius):
    found = profiles.droplet_radius(profiles.radial_profile(sphere(radius, photons=6e4)), FAR)
    assert found == pytest.approx(radius, rel=0.05)


def test_without_geometry_there_is_no_radius():
    profile = profiles.radial_profile(sphere(300e-9))
    assert profiles.droplet_radius(profile, Geometry(wavelength_m=50e-9)) is None


@pytest.mark.parametrize("shot", ["constant", "noise", "dark", "nan"])
def test_without_rings_there_is_no_radius(shot):
    counts = {
        "constant": np.full((224, 224), 5.0),
        "noise": np.random.default_rng(1).poisson(3, (224, 224)),
        "dark": np.zeros((224, 224)),
        "nan": np.full((224, 224), np.nan),
    }[shot]
    assert profiles.droplet_radius(profiles.radial_profile(counts), FAR) is None


def test_the_profile_is_the_mean_of_the_good_pixels_of_each_ring():
    rng = np.random.default_rng(2)
    counts, mask = rng.poisson(9, (50, 60)).astype(float), rng.random((50, 60)) > 0.3
    counts[3, 4] = np.nan
    found = profiles.radial_profile(counts, mask, (20.0, 30.0))
    y, x = np.mgrid[:50, :60]
    ring = np.hypot(y - 20, x - 30)
    good = mask & np.isfinite(counts)
    for k in (0, 7, 24):
        inside = good & (ring >= k) & (ring < k + 1)
        assert found.mean[k] == pytest.approx(counts[inside].mean())
    assert len(found.mean) == 25


def test_a_ring_masked_all_round_has_no_mean():
    y, x = np.mgrid[:40, :40] - 19.5
    found = profiles.radial_profile(np.ones((40, 40)), np.hypot(y, x) >= 5)
    assert np.isnan(found.mean[:5]).all()
    assert (found.mean[5:] == 1).all()


@pytest.mark.parametrize("centre", [(20.0, 20.0), (18.5, 22.0)])
def test_a_point_symmetric_shot_leaves_no_residual(centre):
    half = np.random.default_rng(3).poisson(50, (41, 41)).astype(np.float32)
    y, x = np.mgrid[:41, :41]
    opposite = (2 * centre[0] - y).astype(int), (2 * centre[1] - x).astype(int)
    inside = np.all([(o >= 0) & (o < 41) for o in opposite], axis=0)
    counts = np.where(inside, half + half[opposite[0] % 41, opposite[1] % 41], 1)
    found = profiles.symmetry_residual(counts, None, centre)
    assert np.isfinite(found).any()
    np.testing.assert_array_equal(found[inside], 0)
    assert np.isnan(found[~inside]).all()


def test_one_sided_light_is_all_residual_and_masked_pixels_have_none():
    counts, mask = np.zeros((21, 21)), np.ones((21, 21), bool)
    counts[:, :5], mask[0, 0] = 8, False
    found = profiles.symmetry_residual(counts, mask)
    assert found[10, 2] == 1
    assert found[10, 18] == -1
    assert found[10, 10] == 0
    assert np.isnan(found[[0, 20], [0, 20]]).all()


def test_the_unwrapped_shot_shows_what_is_masked():
    y, x = np.mgrid[:224, :224] - 111.5
    found = profiles.unwrap(np.ones((224, 224)), np.hypot(y, x) > 10)
    assert np.isnan(found[0]).all()
    assert found[-1] == pytest.approx(1)
    assert found.shape == (112, 360)


def test_the_map_of_a_shot_lies_between_nothing_and_one():
    found = profiles.map_of_shot(sphere(300e-9))
    assert found.shape == (112, 112)
    assert (found.min(), found.max()) == (0, 1)


@pytest.mark.parametrize(
    "pane", [profiles.radial_profile, profiles.unwrap, profiles.symmetry_residual]
)
def test_a_centre_outside_the_shot_is_refused(pane):
    with pytest.raises(InputError, match="outside"):
        pane(np.ones((20, 20)), None, (5.0, 25.0))


def test_a_large_shot_is_reduced_about_the_same_centre():
    large = np.kron(sphere(300e-9), np.ones((4, 4))).astype(np.uint16)
    found = profiles.reduced(large, None, (445.5, 449.5))
    assert found.factor == 3
    assert found.centre == pytest.approx(((445.5 - 1) / 3, (449.5 - 1) / 3))
    assert found.counts[10, 20] == pytest.approx(large[30:33, 60:63].mean())


def test_squares_are_averaged_over_their_good_pixels():
    counts, mask = np.full((512, 512), 6.0), np.ones((512, 512), bool)
    counts[0, 0], mask[2:4, 2:4] = np.nan, False
    found = profiles.reduced(counts, mask)
    assert found.counts[0, 0] == 6
    assert not found.mask[1, 1]
    assert found.mask.sum() == 256**2 - 1


def test_a_small_shot_is_left_as_it_is():
    counts = sphere(300e-9)
    assert profiles.reduced(counts).counts is counts


def test_the_asymmetry_of_a_shot_does_not_count_its_noise():
    rng = np.random.default_rng(4)
    assert profiles.asymmetry(rng.poisson(20, (224, 224))) < 0.04
    tilted = rng.poisson(20 * (1 + np.linspace(-1, 1, 224))[None] * np.ones((224, 1)))
    assert profiles.asymmetry(tilted) == pytest.approx(0.5, abs=0.03)
    assert profiles.asymmetry(np.zeros((64, 64))) is None
    assert profiles.asymmetry(np.ones((64, 64)), np.zeros((64, 64), bool)) is None


def test_the_rings_are_found_where_they_are():
    radius = np.arange(100) + 0.5
    found = profiles.rings(radius, np.exp(-radius / 50 + np.cos(2 * np.pi * (radius - 4) / 9)))
    assert found.spacing == pytest.approx(9, rel=0.02)
    away = (found.first - 4 + 4.5) % 9 - 4.5
    assert abs(away) < 1


@pytest.mark.parametrize("kind", [np.uint16, np.float32])
def test_a_large_shot_is_averaged_over_its_good_pixels_alone(kind):
    random = np.random.default_rng(5)
    counts = random.poisson(200, (520, 530)).astype(kind)
    mask = random.random(counts.shape) > 0.3
    mask[:9] = False
    if kind is np.float32:
        counts[100, 100:110] = np.nan
        counts[200:202, 200] = np.inf, -np.inf
    small = profiles.reduced(counts, mask)
    good = (mask & np.isfinite(counts)).reshape(260, 2, 265, 2)
    total = np.where(good, counts.reshape(260, 2, 265, 2), 0).sum((1, 3))
    share = good.sum((1, 3))
    np.testing.assert_array_equal(small.mask, share > 0)
    np.testing.assert_allclose(small.counts, total / np.maximum(share, 1), rtol=1e-6)


def test_the_error_of_a_radius_is_as_large_as_repeated_shots_scatter():
    clean = sphere(300e-9, photons=3e4).astype(float)
    rng = np.random.default_rng(4)
    fits = [profiles.radius_with_error(rng.poisson(clean), None, FAR) for _ in range(24)]
    radii, errors = np.array([fit for fit in fits if fit is not None]).T
    assert len(radii) == 24
    assert np.median(errors) == pytest.approx(radii.std(), rel=0.8)
    assert radii.mean() == pytest.approx(300e-9, rel=0.05)


def test_what_has_no_radius_has_no_error_of_it():
    noise = np.random.default_rng(1).poisson(3, (224, 224))
    assert profiles.radius_with_error(noise, None, FAR) is None
    assert profiles.radius_with_error(sphere(300e-9), None, Geometry()) is None
