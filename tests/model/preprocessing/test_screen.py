"""Counts to colours: norms against formulas written out here, and counts that break viewers."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from model.preprocessing.display import (
    COLORMAPS,
    MASKED,
    NORMS,
    Overlay,
    Screen,
    auto_levels,
    colormap,
    histogram,
)


def test_the_log_norm_maps_each_decade_to_an_equal_share():
    screen = Screen("log", low=1, high=1000)
    assert screen.scale([0, 1, 10, 100, 1000, 5000]) == pytest.approx([0, 0, 1 / 3, 2 / 3, 1, 1])


def test_linear_sqrt_and_arcsinh_follow_their_formulas():
    x = 25.0
    assert Screen("linear", 0, 100).scale(x) == pytest.approx(0.25)
    assert Screen("sqrt", 0, 100).scale(x) == pytest.approx(0.5)
    expected = math.asinh(0.25 / 0.02) / math.asinh(1 / 0.02)
    assert Screen("arcsinh", 0, 100).scale(x) == pytest.approx(expected)


@pytest.mark.parametrize("norm", NORMS)
@pytest.mark.parametrize("name", COLORMAPS)
def test_the_look_up_table_and_the_float_path_give_the_same_colours(norm, name):
    counts = np.random.default_rng(1).integers(0, 65536, (31, 17)).astype(np.uint16)
    screen = Screen(norm, 3, 20000, name)
    assert (screen.picture(counts) == screen.picture(counts.astype(np.float64))).all()


@given(
    counts=hnp.arrays(
        st.sampled_from([np.float32, np.float64, np.int32, np.int16, np.uint16, np.bool_]),
        hnp.array_shapes(min_dims=2, max_dims=2, max_side=6),
    ),
    norm=st.sampled_from(NORMS),
    low=st.floats(-1e6, 1e6),
    high=st.floats(-1e6, 1e6),
)
def test_any_counts_with_any_levels_give_an_opaque_picture(counts, norm, low, high):
    for screen in (Screen(norm, low, high), Screen(norm, *auto_levels(counts))):
        picture = screen.picture(counts)
        assert picture.shape == counts.shape
        assert (picture >> 24 == 0xFF).all()
    edges, pixels = histogram(counts, None, norm)
    assert len(edges) == len(pixels) + 1
    assert np.isfinite(edges).all()


def test_nan_is_dark_and_infinity_bright():
    picture = Screen("log", 1, 10).picture(np.array([[np.nan, -np.inf, np.inf, 5.0]]))
    assert picture[0, 0] == picture[0, 1] == 0xFF000000
    assert picture[0, 2] == 0xFFFFFFFF


@pytest.mark.parametrize("value", [0, 7, -3])
def test_a_constant_shot_has_usable_levels(value):
    low, high = auto_levels(np.full((5, 5), value, np.int32))
    assert low < high


def test_auto_levels_ignore_masked_and_non_finite_pixels():
    counts = np.ones((20, 20))
    counts[:10] = 50
    counts[0, 0], counts[0, 1], counts[0, 2] = 1e9, np.nan, np.inf
    mask = np.ones(counts.shape, bool)
    mask[0, 0] = False
    assert auto_levels(counts, mask)[1] == pytest.approx(50)


def test_masked_pixels_are_shown_in_checks_and_can_be_switched_off():
    counts, mask = np.full((8, 8), 5, np.uint16), np.ones((8, 8), bool)
    mask[2:6, 2:6] = False
    shown = Screen(mask=True).picture(counts, mask)
    assert set(shown[~mask].tolist()) == set(MASKED)
    assert not set(Screen(mask=False).picture(counts, mask).ravel().tolist()) & set(MASKED)


def test_colormaps_have_256_opaque_colours_and_gray_turns_round():
    for name in COLORMAPS:
        assert colormap(name).shape == (256,)
        assert (colormap(name) >> 24 == 0xFF).all()
    assert (colormap("gray")[::-1] == colormap("inverted gray")).all()
    with pytest.raises(KeyError):
        colormap("jet")


def test_a_log_histogram_counts_every_positive_pixel_once():
    whole = np.random.default_rng(0).poisson(3, (40, 40)).astype(np.uint16)
    edges, pixels = histogram(whole, None, "log")
    assert pixels.sum() == (whole > 0).sum()
    assert edges.tolist() == (np.arange(1, whole.max() + 2) - 0.5).tolist()
    edges, pixels = histogram(whole + 0.25, None, "log")
    assert pixels.sum() == whole.size
    ratios = edges[1:] / edges[:-1]
    assert ratios == pytest.approx(ratios[0], rel=1e-6)


@pytest.mark.parametrize("name", COLORMAPS)
def test_where_there_is_no_heat_a_shot_is_as_faint_as_where_there_is_no_light(name):
    screen, counts = Screen(colormap=name, high=1000.0), np.full((4, 4), 900, np.uint16)
    heat = np.zeros((4, 4), np.float32)
    heat[0] = 1
    shaded = Overlay(strength=1.0).shade(screen.picture(counts), heat, shown_in=name)
    assert (shaded[0] == screen.picture(counts)[0]).all()
    assert (shaded[1:] == (0xFFFFFFFF if name == "inverted gray" else 0xFF000000)).all()
