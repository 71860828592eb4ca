"""From counts to network input: averages over areas, bad pixels, the field that is seen."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from model.errors import InputError
from model.preprocessing.network_input import Preprocessing
from model.runs.recipes import named


def test_reducing_by_a_whole_number_averages_blocks():
    x = np.random.default_rng(0).poisson(7, (224, 224))
    small = Preprocessing(size=112).reduce(x)
    np.testing.assert_allclose(small, x.reshape(112, 2, 112, 2).mean((1, 3)), rtol=1e-5)


@given(st.integers(65, 200), st.integers(64, 200))
def test_reducing_keeps_the_mean(side, size):
    x = np.random.default_rng(side).random((side, side)).astype(np.float32)
    small = Preprocessing(size=size).reduce(x)
    assert small.shape == (size, size)
    if size <= side:
        assert small.mean() == pytest.approx(x.mean(), rel=1e-3)
    assert x.min() - 1e-6 <= small.min()
    assert small.max() <= x.max() + 1e-6


def test_fine_stripes_do_not_alias():
    x = np.zeros((1035, 1035), np.uint16)
    x[:, ::2] = 1000
    small = Preprocessing(size=128).reduce(x)
    assert np.ptp(small) < 150


def test_bad_pixels_take_no_part():
    x = np.full((128, 128), 5.0)
    x[3, 4], x[10, 10], x[20, 20] = np.nan, np.inf, 1e9
    mask = np.ones(x.shape, bool)
    mask[20, 20] = False
    np.testing.assert_allclose(Preprocessing(size=64).reduce(x, mask), 5, rtol=1e-5)


def test_where_no_pixel_is_good_the_input_is_zero_and_negative_counts_are_too():
    x = np.full((128, 128), 5.0)
    x[:64] = np.nan
    x[64:, :64] = -3
    small = Preprocessing(size=64).reduce(x)
    assert (small[:32] == 0).all()
    assert (small[32:, :32] == 0).all()
    assert (small[32:, 32:] == 5).all()


def test_the_authors_crop_is_259_256_224():
    p = named("airynet").preprocessing()
    x = np.random.default_rng(1).random((1035, 1035)).astype(np.float32)
    assert p.reduce(x).shape == (224, 224)
    y0, x0, y1, x1 = p.field((1035, 1035))
    assert (y1 - y0, x1 - x0) == pytest.approx((256 / 259, 256 / 259))
    assert (y0, x0) == pytest.approx((1 / 259, 1 / 259))


def test_a_shot_that_is_not_square_is_cut_about_its_centre():
    p = Preprocessing(size=64)
    x = np.zeros((100, 200))
    x[:, 50:150] = 9
    np.testing.assert_allclose(p.reduce(x), 9, rtol=1e-5)
    assert p.field((100, 200)) == (0, 0.25, 1, 0.75)
    assert Preprocessing(crop=50).field((100, 100)) == (0.25, 0.25, 0.75, 0.75)


@pytest.mark.parametrize("transform", ["raw", "unit", "log", "standardised"])
def test_torch_and_numpy_make_the_same_input(transform):
    p = Preprocessing(transform=transform, mean=2.0, deviation=1.5)
    x = np.random.default_rng(0).exponential(100, (3, 8, 8)).astype(np.float32)
    np.testing.assert_allclose(p.to_input(torch.from_numpy(x)).numpy(), p.to_input(x), rtol=1e-5)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.int32, np.float32, np.float64, bool])
def test_every_kind_of_number_becomes_float32(dtype):
    made = Preprocessing(size=64).apply(np.ones((64, 64), dtype))
    assert made.shape == (1, 64, 64)
    assert made.dtype == np.float32


def test_a_shot_of_one_pixel_is_enlarged():
    assert (Preprocessing(size=64, transform="raw").apply(np.array([[7]])) == 7).all()


def test_what_is_no_picture_is_refused():
    with pytest.raises(InputError, match="2-D"):
        Preprocessing().reduce(np.zeros((3, 4, 5)))
    with pytest.raises(InputError, match="preprocessing"):
        Preprocessing.from_dict({"zoom": 3})


def test_it_survives_a_dictionary():
    p = Preprocessing(128, 259, 256, "standardised", 1.5, 2.5)
    assert Preprocessing.from_dict(p.to_dict()) == p
