"""A beam far off the middle of shots whose geometry no one gave is said, and nothing else is."""

from __future__ import annotations

from dataclasses import replace

import h5py
import numpy as np
import pytest

from model.preprocessing.beam_place import beam_far_off
from model.preprocessing.count_scale import doubts_in_words
from model.preprocessing.network_input import Preprocessing
from model.preprocessing.preparation import find_centre, reference_of
from model.shots.layouts import Geometry
from model.shots.table import table_of_file, table_of_files

SIDE = 96
SQUARE, WIDE = (SIDE, SIDE), (SIDE, 2 * SIDE)


def expected(shape, beam, n=20, lit=1.0):
    """(n, y, x) mean counts of rings about a beam, of droplets of several sizes and energies."""
    rng = np.random.default_rng(1)
    y, x = np.ogrid[: shape[0], : shape[1]]
    r = np.hypot(y - beam[0], x - beam[1]) + 0.1
    rings = np.array([(np.sin(r / w) / (r / w)) ** 2 for w in rng.uniform(1.5, 4, n)])
    photons = 900 * rng.lognormal(0, 0.5, n) * (rng.random(n) < lit)
    return 8 + rings * photons[:, None, None]


def taken(light):
    """Shots of it, with the noise of photons and of a detector."""
    rng = np.random.default_rng(2)
    return rng.poisson(light) + rng.normal(0, 1, light.shape)


def middle(shape):
    return (shape[0] - 1) / 2, (shape[1] - 1) / 2


def off(shape, down, right):
    """The middle of a shot, moved by shares of its shorter side."""
    y, x = middle(shape)
    return y + down * min(shape), x + right * min(shape)


@pytest.mark.parametrize(
    ("shape", "down", "right"),
    [
        (SQUARE, 0, 0.25),
        (SQUARE, -0.25, 0),
        (SQUARE, 0.25, 0.25),
        (SQUARE, 0.15, 0),
        (WIDE, 0, 0.43),
        (WIDE, 0.1, -0.6),
    ],
)
@pytest.mark.parametrize("spoil", [lambda x: x, lambda x: x / 1000, lambda x: x + 1000])
def test_a_beam_far_off_the_middle_is_found(shape, down, right, spoil):
    beam = off(shape, down, right)
    found = beam_far_off(reference_of(spoil(taken(expected(shape, beam)))))
    assert found == pytest.approx(beam, abs=1.5)


def test_it_is_found_beside_a_gap_and_where_most_shots_are_empty():
    beam = off(WIDE, 0, 0.43)
    images = taken(expected(WIDE, beam, lit=0.2))
    images[:, :, SIDE - 3 : SIDE + 3] = 0
    assert beam_far_off(reference_of(images)) == pytest.approx(beam, abs=2)


def gap(images):
    images[:, :, SIDE // 3 : SIDE // 3 + 8] = 0


def half(images):
    images[:, :, : SIDE // 2] = 0


def hot(images):
    rng = np.random.default_rng(3)
    images[:, rng.integers(SIDE, size=20), rng.integers(SIDE, size=20)] = 6e4


def slope(images):
    images += 200 * np.arange(SIDE) / SIDE


def stray(images):
    y, x = np.ogrid[:SIDE, :SIDE]
    images += 200 * np.exp(-((y - 0.4 * SIDE) ** 2 + (x - 0.7 * SIDE) ** 2) / (SIDE / 4) ** 2)


def panels(images):
    images[:, :, : SIDE // 2] *= 1.5


@pytest.mark.parametrize("spoil", [lambda x: None, gap, half, hot, slope, stray, panels])
@pytest.mark.parametrize("share", [0, 0.05, 0.1])
def test_no_beam_near_the_middle_is_said_to_be_far_off(spoil, share):
    images = taken(expected(SQUARE, off(SQUARE, share, -share)))
    spoil(images)
    assert beam_far_off(reference_of(images)) is None


@pytest.mark.parametrize("shape", [SQUARE, WIDE])
@pytest.mark.parametrize("share", [0.11, 0.12, 0.13, 0.2])
def test_a_beam_is_found_near_the_middle_or_said_to_be_far_off(shape, share):
    beam = off(shape, share, -share)
    images = taken(expected(shape, beam))
    places = [find_centre(image) for image in images]
    found = np.abs(np.median(places, 0) - beam).max() < 1
    assert found or beam_far_off(reference_of(images)) is not None


def test_noise_single_photons_and_a_single_shot_say_nothing_of_a_beam():
    rng = np.random.default_rng(4)
    assert beam_far_off(reference_of(rng.normal(8, 1, (20, *WIDE)))) is None
    assert beam_far_off(reference_of(rng.poisson(0.01, (20, *SQUARE)))) is None
    assert beam_far_off(reference_of(np.zeros((20, *SQUARE)))) is None
    assert beam_far_off(reference_of(taken(expected(SQUARE, middle(SQUARE), 1)))) is None
    assert beam_far_off(reference_of(rng.normal(8, 1, (20, 2, 5000)))) is None


def test_a_file_says_where_its_beam_seems_to_be_until_someone_gives_it(tmp_path):
    beam = off(WIDE, 0, 0.43)
    with h5py.File(tmp_path / "wide.h5", "w") as file:
        file["images"] = taken(expected(WIDE, beam))
    table = table_of_file(tmp_path / "wide.h5")
    steps = Preprocessing(size=32).for_training(table)
    (said,) = steps.scales_of(table)[0].doubts
    assert "near y x = 48 137, 41 pixels off the middle" in said
    assert "Project → Geometry…" in said
    (told,) = doubts_in_words(table, steps.scales_of(table))
    assert "(airylabel sources PROJECT --geometry 1 --centre 48 137)" in told
    given = replace(table.sources[0], geometry=Geometry(centre=beam))
    assert steps.scales_of(replace(table, sources=(given,)))[0].doubts == ()


def test_one_given_beam_silences_nothing_of_files_that_give_none(tmp_path):
    beam = off(WIDE, 0, 0.43)
    for number, shots in enumerate(np.array_split(taken(expected(WIDE, beam, 40)), 8)):
        with h5py.File(tmp_path / f"{number}.h5", "w") as file:
            file["images"] = shots
    table = table_of_files([tmp_path / f"{number}.h5" for number in range(8)])
    steps = Preprocessing(size=32).for_training(table)

    def told(*given):
        sources = [replace(info, geometry=Geometry(centre=beam if n in given else None))
                   for n, info in enumerate(table.sources)]  # fmt: skip
        now = replace(table, sources=tuple(sources))
        return doubts_in_words(now, steps.scales_of(now))

    (text,) = told(2)
    assert text.startswith("0.h5 and 6 more: the beam seems to be near")
    assert "--geometry 1-2,4-8 --centre" in text
    assert told(*range(6)) == [], "ten shots are too few to tell"
    assert told(*range(8)) == []


def test_a_beam_that_changes_nothing_of_what_is_read_is_not_asked_for(tmp_path):
    square = 96, 96
    with h5py.File(tmp_path / "square.h5", "w") as file:
        file["images"] = taken(expected(square, off(square, 0, 0.3)))
    table = table_of_file(tmp_path / "square.h5")
    whole = Preprocessing(size=32).for_training(table)
    middle = Preprocessing(size=32, crop=48).for_training(table)
    assert whole.scales_of(table)[0].doubts == (), "all of the shot is read, wherever the beam is"
    assert "pixels off the middle" in middle.scales_of(table)[0].doubts[0]
