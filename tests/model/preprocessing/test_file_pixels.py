"""Pixels that are full: told from the shots of a file alone, and what they missed estimated."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from model.preprocessing.file_pixels import FEWEST_SHOTS, FilePixels, PixelSample
from model.preprocessing.network_input import Preprocessing

SIDE, BEAM = 96, (47.5, 47.5)
AWAY = np.hypot(*(np.indices((SIDE, SIDE)) - 47.5))
ENVELOPE = 1e7 / np.maximum(AWAY, 4.0) ** 4


def shots(count=2 * FEWEST_SHOTS, seed=0):
    """(n, y, x) counts: rings under an envelope that falls with the fourth power, of droplets of
    several sizes and brightness, with the noise of the photons."""
    random = np.random.default_rng(seed)
    each = zip(random.uniform(0.25, 0.6, count), random.uniform(0.3, 3, count), strict=True)
    return [random.poisson(b * ENVELOPE * (1 + np.cos(AWAY * k))) for k, b in each]


def pixels_of(images, mask=None):
    sample = PixelSample()
    for counts in images:
        sample.add(np.asarray(counts), mask)
    return sample.pixels()


@pytest.mark.parametrize(("gain", "offset"), [(1, 0), (0.01, 0), (7.3, -400), (1, 1000)])
def test_a_detector_that_counts_no_further_is_told_in_any_unit(gain, offset):
    found = pixels_of([np.minimum(s, 500) * gain + offset for s in shots()])
    assert 480 * gain + offset < found.full <= 500 * gain + offset


def test_a_plateau_that_a_dark_current_blurs_is_told():
    random = np.random.default_rng(1)
    found = pixels_of([np.minimum(s, 500) + random.normal(0, 1, s.shape) for s in shots()])
    assert 480 < found.full < 502


def hot(images):
    places = np.random.default_rng(2).random((SIDE, SIDE)) < 0.004
    return [np.where(places, 60000, s) for s in images]


HONEST = {
    "as they are": lambda images: images,
    "one full shot": lambda images: [np.minimum(images[0], 50), *images[1:]],
    "single photons": lambda images: [np.random.default_rng(3).poisson(s * 1e-3) for s in images],
    "hot pixels": hot,
    "dark": lambda images: [np.random.default_rng(4).normal(0, 5, s.shape) for s in images],
    "nothing": lambda images: [np.zeros_like(s) for s in images],
    "nothing that is a number": lambda images: [np.full(s.shape, np.nan) for s in images],
    "black and white": lambda images: [(s > 50).astype(np.uint8) for s in images],
    "too few to tell": lambda images: [np.minimum(s, 500) for s in images[: FEWEST_SHOTS - 1]],
}


@pytest.mark.parametrize("made", HONEST.values(), ids=HONEST.keys())
def test_no_other_shots_are_taken_for_those_of_a_full_detector(made):
    assert pixels_of(made(shots())).full == math.inf


def test_hot_pixels_do_not_hide_that_a_detector_is_full():
    assert 480 < pixels_of(hot([np.minimum(s, 500) for s in shots()])).full <= 500


@given(st.floats(100, 5000), st.floats(-3, 3), st.floats(-3, 3))
def test_what_a_full_pixel_missed_is_that_of_the_envelope(most, down, right):
    beam = BEAM[0] + down, BEAM[1] + right
    y, x = np.indices((SIDE, SIDE))
    light = 1e7 / np.maximum(np.hypot(y - beam[0], x - beam[1]), 4.0) ** 4
    seen = np.minimum(light, most).astype(np.float32)
    made = FilePixels(full=0.999 * most).estimated(seen, None, beam)
    edge = (1e7 / most) ** 0.25
    ring = np.hypot(y - beam[0], x - beam[1])
    known = (ring > max(4.0, edge / 3 + 1)) & (light >= most)
    # the edge is told to half a pixel
    assert (np.abs(np.log(made / light))[known] < 4 * 1.2 / edge).all()
    np.testing.assert_array_equal(made[light < 0.99 * most], seen[light < 0.99 * most])
    assert (made >= seen).all()
    assert np.isfinite(made).all()


@pytest.mark.parametrize(("gain", "offset"), [(1, 1000), (1, -1000), (0.1, -30)])
def test_what_is_estimated_is_the_same_in_any_unit(gain, offset):
    images = [np.minimum(s, 500.0) for s in shots()]
    here, there = pixels_of(images), pixels_of([s * gain + offset for s in images])
    shot = images[0].astype(np.float32)
    wanted = here.estimated(shot, None, BEAM) * gain + offset
    other = there.estimated((shot * gain + offset).astype(np.float32), None, BEAM)
    assert (wanted > 500 * gain + offset).any()
    np.testing.assert_allclose(other, wanted, rtol=1e-3, atol=1e-2 * gain)


def test_no_light_is_estimated_where_a_mask_lies():
    counts = np.minimum(ENVELOPE, 500).astype(np.float32)
    mask = np.ones(counts.shape, bool)
    mask[:, 40:56] = False
    made = FilePixels(full=490).estimated(counts, mask, BEAM)
    np.testing.assert_array_equal(made[~mask], counts[~mask])
    assert (made[mask & (counts >= 500)] > 500).all()


@pytest.mark.parametrize("unseen", ["beyond the edge of the detector", "masked", "no numbers"])
def test_where_the_detector_ends_within_the_full_part_the_light_goes_on(unseen):
    """As where the beam passes between two panels."""
    counts = np.minimum(ENVELOPE, 500).astype(np.float32)
    whole = FilePixels(full=490).estimated(counts, None, BEAM)
    half, mask, beam = counts.copy(), None, BEAM
    if unseen == "masked":
        mask = np.ones(counts.shape, bool)
        mask[:48] = False
    elif unseen == "no numbers":
        half[:48] = np.nan
    else:
        half, whole, beam = counts[48:], whole[48:], (-0.5, BEAM[1])
    made = FilePixels(full=490).estimated(half, mask, beam)
    np.testing.assert_allclose(made[-48:], whole[-48:], rtol=0.25)


def test_what_one_detector_shows_says_nothing_of_shots_of_another_shape():
    sample = PixelSample()
    for shot in shots():
        sample.add(np.minimum(shot, 500), None)
    found, bright = sample.pixels(), np.full((SIDE, 2 * SIDE), 700, np.float32)
    bright[:, :9] = 8
    assert found.full < 500
    assert found.estimated(bright, None, BEAM) is bright
    assert (replace(found, shape=None).estimated(bright, None, BEAM) > 700).any()


@pytest.mark.parametrize("masked", [False, True])
def test_shots_of_a_detector_that_is_all_full_are_still_numbers(masked):
    counts = np.full((SIDE, SIDE), 500, np.float32)
    mask = np.hypot(*(np.indices(counts.shape) - 20)) < 9 if masked else None
    made = FilePixels(full=490).estimated(counts, mask, BEAM)
    np.testing.assert_array_equal(made, counts)


def test_shots_of_another_detector_begin_the_sample_anew():
    sample = PixelSample()
    for images in ([np.minimum(s, 500)[:48] for s in shots()], shots()):
        for counts in images:
            sample.add(counts, None)
    assert sample.shots == len(sample.tops) == 2 * FEWEST_SHOTS
    assert sample.pixels().full == math.inf


def test_a_network_sees_a_full_shot_nearly_as_one_that_is_not(scaled_steps):
    images = shots()
    full = [np.minimum(s, 300) for s in images]
    pixels = pixels_of(full)
    whole, cut, estimated = (
        np.array([scaled_steps.to_input(scaled_steps.reduce(s, None, None, p)) for s in each])
        for each, p in ((images, FilePixels()), (full, FilePixels()), (full, pixels))
    )
    assert np.abs(estimated - whole).mean() < 0.5 * np.abs(cut - whole).mean()


@pytest.fixture
def scaled_steps():
    from model.preprocessing.count_scale import CountScale

    return Preprocessing(size=48, scale=CountScale(0.0, 100.0))
