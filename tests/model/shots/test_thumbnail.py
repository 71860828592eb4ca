"""Thumbnails: area means, logarithm, and shots that are not as they should be."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from model.shots.thumbnail import thumbnail


@pytest.mark.parametrize(
    ("shape", "expected"), [((1035, 1035), (96, 96)), ((224, 112), (96, 48)), ((60, 50), (60, 50))]
)
def test_a_thumbnail_keeps_the_aspect_and_is_never_enlarged(shape, expected):
    picture = thumbnail(np.ones(shape, np.uint16))
    assert picture.shape == expected
    assert picture.dtype == np.uint8


def test_brightness_is_the_logarithm_of_the_area_mean():
    counts = np.zeros((160, 160), np.float32)
    counts[:, 40:80] = 1.0
    counts[:, 80:] = 1000.0
    picture = thumbnail(counts)
    expected = np.log1p(1000 * np.array([0, 0.001, 1])) / np.log1p(1000) * 255
    found = picture[5, [5, 30, 70]]
    assert np.abs(found - expected).max() <= 1


@pytest.mark.parametrize("value", [0, 7, np.nan, np.inf, -3.0])
def test_a_shot_without_contrast_is_black(value):
    assert not thumbnail(np.full((100, 100), value)).any()


def test_masked_pixels_take_no_part():
    counts = np.tile(np.arange(100.0), (100, 1))
    spoilt = counts.copy()
    spoilt[10:20, 10:20] = 1e9
    mask = spoilt < 1e8
    assert np.abs(thumbnail(spoilt, mask).astype(int)[:8] - thumbnail(counts)[:8]).max() <= 2


@settings(max_examples=50, deadline=None)
@given(st.integers(1, 200), st.integers(1, 200), st.integers(0, 2**32 - 1))
def test_every_shape_gives_a_picture(height, width, seed):
    counts = np.random.default_rng(seed).poisson(3, (height, width)).astype(np.uint16)
    picture = thumbnail(counts)
    assert max(picture.shape) <= 96
    assert min(picture.shape) >= 1


def test_scaling_the_counts_changes_nothing():
    counts = np.random.default_rng(1).exponential(size=(300, 300))
    small = thumbnail(counts).astype(int)
    assert np.abs(small - thumbnail(counts * 1e4)).max() <= 1
