"""Correlation maps: the formulas against FFTs written out, and maps of whole files."""

import h5py
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from model.errors import InputError
from model.physics import correlation_file
from model.physics.correlation import (
    MapRecipe,
    amplitudes,
    correlation_map,
    correlation_maps,
    order_map,
    picture,
)
from model.physics.correlation_file import correlate
from model.physics.polar import polar_grid
from model.shots.table import open_source
from tests.helpers.formulas import full_map


def polar_shots(seed, radii=12, angles=32):
    return np.random.default_rng(seed).poisson(20, (radii, angles)).astype(np.float64)


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 999))
def test_the_full_map_is_the_sum_over_all_orders(seed):
    polar = polar_shots(seed)
    modes = np.fft.fft(polar, axis=1) / polar.shape[1]
    by_orders = np.einsum("in,jn->ij", modes.conj(), modes).real
    np.testing.assert_allclose(full_map(polar), by_orders, rtol=1e-10)


@pytest.mark.parametrize("order", [1, 2, 8, 15])
def test_the_map_of_an_order_is_the_modulus_of_the_product_of_two_modes(order):
    polar = polar_shots(order)
    mode = np.fft.fft(polar, axis=1)[:, order] / polar.shape[1]
    np.testing.assert_allclose(amplitudes(polar, order), np.abs(mode), rtol=1e-9)
    expected = np.abs(np.multiply.outer(mode.conj(), mode))
    np.testing.assert_allclose(order_map(polar, order), expected, rtol=1e-9)


def test_the_full_map_is_the_mean_product_around_two_rings():
    polar = polar_shots(3)
    assert full_map(polar)[2, 7] == pytest.approx(np.mean(polar[2] * polar[7]))


def test_the_picture_shows_all_orders_below_and_one_above_the_diagonal():
    polar = polar_shots(5).astype(np.float32)
    made = picture(polar, order=3)
    full, one = np.log1p(full_map(polar)), np.log1p(order_map(polar, 3))
    low = np.tril_indices(len(polar))
    up = np.triu_indices(len(polar), 1)
    for where, values in ((low, full[low]), (up, one[up])):
        scaled = (values - values.min()) / (values.max() - values.min())
        np.testing.assert_allclose(made[where], scaled, atol=2e-5)


def test_turning_a_shot_leaves_its_map_as_it_is():
    polar = polar_shots(6).astype(np.float32)
    np.testing.assert_allclose(picture(np.roll(polar, 5, axis=1)), picture(polar), atol=1e-4)


@pytest.mark.parametrize("value", [0.0, 7.0])
def test_a_constant_shot_has_an_empty_map(value):
    assert not correlation_map(np.full((40, 40), value), recipe=MapRecipe(radii=16)).any()


def test_broken_pixels_are_replaced_by_the_mean_of_their_ring():
    y, x = np.mgrid[:60, :60] - 29.5
    counts = 100 * np.exp(-np.hypot(y, x) / 9)
    whole = polar_grid((60, 60), radii=14, angles=64).sample(counts)
    counts[30, 40:44] = np.nan
    mended = polar_grid((60, 60), radii=14, angles=64).sample(counts)
    assert np.isfinite(mended).all()
    np.testing.assert_allclose(mended[4:], whole[4:], rtol=0.06)


def test_a_ring_that_is_masked_all_round_is_drawn_from_its_neighbours():
    y, x = np.mgrid[:60, :60] - 29.5
    mask = np.abs(np.hypot(y, x) - 12) > 2.5
    filled = polar_grid((60, 60), radii=15, angles=64).sample(np.hypot(y, x), mask)
    ring = int(12 / 2)
    assert filled[ring].mean() == pytest.approx(12, abs=1.5)


@pytest.mark.parametrize("centre", [(-3, 10), (10, 99)])
def test_a_centre_outside_the_shot_is_refused(centre):
    with pytest.raises(InputError, match="outside the shot"):
        polar_grid((40, 40), centre)


def test_an_order_that_the_angles_cannot_tell_is_refused():
    with pytest.raises(InputError, match="from 1 to 8"):
        MapRecipe(order=9, angles=16).grid((40, 40))


# -- files -----------------------------------------------------------------------------------------


@pytest.fixture
def shots(tmp_path):
    """A labelled file of six shots."""
    path = tmp_path / "shots.h5"
    with h5py.File(path, "w") as file:
        file["images"] = np.random.default_rng(1).poisson(8, (6, 48, 48)).astype(np.uint16)
        file["labels"] = np.eye(11, dtype=np.uint8)[:6]
        file.attrs["class_names"] = [
            "Spherical/Oblate", "Round", "Elliptical", "Prolate", "Streak", "Bent", "Asymmetric",
            "Newton Rings", "Double Rings", "Layered", "Empty",
        ]  # fmt: skip
        file["energy"] = np.arange(6.0)
    return path


RECIPE = MapRecipe(radii=20, angles=64)


def test_a_file_of_maps_is_a_file_of_labelled_shots(shots, tmp_path):
    out = tmp_path / "maps.h5"
    events = list(correlate(shots, out, RECIPE, workers=1))
    assert events[-1]["event"] == "finished"
    with open_source(out) as maps, open_source(shots) as source:
        assert maps.info.shape == (20, 20)
        labels = maps.labels()[1]
        np.testing.assert_array_equal(labels, source.labels()[1])
        expected = correlation_map(source.read(4), recipe=RECIPE)
        np.testing.assert_allclose(maps.read(4) / 65535, expected, atol=1e-4)
        np.testing.assert_array_equal(maps.scalars()["energy"], np.arange(6.0))
    assert not list(tmp_path.glob(".*"))


def test_two_workers_write_the_same_maps(shots, tmp_path):
    for workers in (1, 2):
        for _ in correlate(shots, tmp_path / f"maps{workers}.h5", RECIPE, workers=workers):
            pass
    with h5py.File(tmp_path / "maps1.h5") as one, h5py.File(tmp_path / "maps2.h5") as two:
        np.testing.assert_array_equal(one["maps"], two["maps"])


def test_an_interrupted_run_leaves_nothing_under_the_final_name_and_goes_on(
    shots, tmp_path, monkeypatch
):
    monkeypatch.setattr(correlation_file, "BLOCK", 4)
    out = tmp_path / "maps.h5"
    events = list(correlate(shots, out, RECIPE, workers=1, stop=lambda: True))
    assert events[-1]["event"] == "cancelled"
    assert not out.exists()
    list(correlate(shots, out, RECIPE, workers=1))
    with h5py.File(out) as file:
        assert file["maps"][:].any((1, 2)).all()


def test_what_is_there_is_not_replaced_unasked(shots, tmp_path):
    (tmp_path / "maps.h5").write_bytes(b"mine")
    with pytest.raises(InputError):
        list(correlate(shots, tmp_path / "maps.h5", RECIPE, workers=1))
    assert (tmp_path / "maps.h5").read_bytes() == b"mine"


def test_maps_made_together_are_those_made_one_by_one():
    random, recipe = np.random.default_rng(8), MapRecipe(radii=16, angles=32)
    counts = random.poisson(30, (5, 40, 40)).astype(np.uint16)
    counts[3] = 7  # flat: no contrast in either triangle
    masks = [None, random.random((40, 40)) > 0.2, None, None, None]
    grid = recipe.grid((40, 40))
    together = correlation_maps(list(zip(counts, masks, strict=True)), recipe, grid)
    for one, shot, mask in zip(together, counts, masks, strict=True):
        np.testing.assert_array_equal(one, correlation_map(shot, mask, recipe=recipe, grid=grid))
    assert correlation_maps([], recipe, grid).shape == (0, 16, 16)


@pytest.mark.parametrize("value", [0.0, 7.0, np.nan, np.inf])
def test_a_file_of_shots_without_structure_gets_empty_maps(tmp_path, value):
    with h5py.File(tmp_path / "flat.h5", "w") as file:
        file["images"] = np.full((3, 32, 32), value, np.float32)
    list(correlate(tmp_path / "flat.h5", tmp_path / "maps.h5", MapRecipe(8, 16, 64), workers=1))
    with h5py.File(tmp_path / "maps.h5") as file:
        assert not file["maps"][()].any()


def test_a_file_whose_copying_was_interrupted_is_refused_and_nothing_is_written(shots, tmp_path):
    cut = tmp_path / "cut.h5"
    cut.write_bytes(shots.read_bytes()[: shots.stat().st_size // 2])
    before = set(tmp_path.iterdir())
    with pytest.raises(InputError, match=r"cut\.h5"):
        list(correlate(cut, tmp_path / "maps.h5", MapRecipe(8, 16, 64), workers=1))
    assert set(tmp_path.iterdir()) == before
