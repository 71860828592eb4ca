"""Light that all shots of a file share is told from what differs between them, and taken out."""

from __future__ import annotations

from dataclasses import replace

import h5py
import numpy as np
import pytest

from model.preprocessing.count_scale import doubts_in_words
from model.preprocessing.file_pixels import PixelSample
from model.preprocessing.network_input import Preprocessing
from model.preprocessing.preparation import Preparation
from model.preprocessing.shared_light import FEWEST_SHOTS
from model.shots.table import table_of_file

SIDE = 96
AWAY = np.hypot(*(np.indices((SIDE, SIDE)) - (SIDE - 1) / 2))
HALO = 300 * np.exp(-((AWAY / 12) ** 2) / 2)
STEPS = np.where(np.indices((SIDE, SIDE)).sum(0) > SIDE, 40.0, 0.0)


def droplets(n=64, seed=0, brightest=1.0):
    """Counts (n, y, x) of spheres of many sizes and orders of brightness, above a pedestal of 8."""
    rng = np.random.default_rng(seed)
    size = rng.uniform(0.15, 0.6, (n, 1, 1))
    light = np.exp(rng.normal(4, 1.8, (n, 1, 1))) * brightest
    t = np.maximum(AWAY * size, 0.1)
    form = 9 * (np.sin(t) - t * np.cos(t)) ** 2 / t**6
    return 8 + rng.poisson(20 * light * form) + rng.normal(0, 1, (n, SIDE, SIDE))


def light_in(images):
    sample = PixelSample()
    for image in images:
        sample.add(image.astype(np.float32), None)
    return sample.pixels().light


@pytest.mark.parametrize("seed", range(3))
def test_the_dimmest_shots_of_droplets_are_no_shared_light(seed):
    shots = droplets(seed=seed)
    assert light_in(shots) is None
    by_brightness = np.argsort(shots.mean((1, 2)))
    assert light_in(shots[by_brightness[-32:]]) is None, "of a file of bright ones"


@pytest.mark.parametrize("spread", [0.2, 0.5, 1.0])
def test_one_particle_in_all_shots_is_no_shared_light(spread):
    rng = np.random.default_rng(2)
    t = np.maximum(AWAY * 0.3, 0.1)
    form = 9 * (np.sin(t) - t * np.cos(t)) ** 2 / t**6
    light = 3000 * np.exp(rng.normal(0, spread, (64, 1, 1)))
    shots = 8 + rng.poisson(light * form) + rng.normal(0, 1, (64, SIDE, SIDE))
    assert light_in(shots) is None


@pytest.mark.parametrize("light", [HALO, STEPS], ids=["halo", "steps"])
def test_light_that_was_added_to_all_shots_is_found(light):
    rng = np.random.default_rng(1)
    found = light_in(droplets() + rng.poisson(light, (64, SIDE, SIDE)))
    assert np.median(np.abs(found - light)) < 3
    assert np.abs(found - light).mean() < 0.25 * light.mean()


def test_few_shots_tell_of_no_shared_light():
    assert light_in(droplets(FEWEST_SHOTS - 1) + HALO) is None


def written(path, images):
    with h5py.File(path, "w") as file:
        file["images"] = images.astype(np.float32)
    return table_of_file(path)


def test_a_network_sees_shots_as_without_the_light_and_people_are_told(tmp_path):
    clean, lit = (
        written(tmp_path / f"{name}.h5", droplets() + light)
        for name, light in (("clean", 0 * HALO), ("lit", HALO))
    )
    steps = Preprocessing(size=32).for_training(clean)
    (text,) = doubts_in_words(lit, steps.scales_of(lit))
    assert text.startswith("lit.h5: all of its shots share light")
    assert doubts_in_words(clean, steps.scales_of(clean)) == []

    def fed(table, light=True):
        (scale,) = steps.scales_of(table)
        known = scale if light else replace(scale, pixels=replace(scale.pixels, light=None))
        return np.array([steps.apply(c, m, None, known) for _, c, m in table.iter_shots()])

    wanted = fed(clean)
    off, left = (np.abs(fed(lit, light) - wanted).mean() for light in (False, True))
    assert left < off / 3


def test_a_preparation_that_takes_out_stray_light_has_none_subtracted_twice(tmp_path):
    table = written(tmp_path / "lit.h5", droplets() + HALO)
    smooth = Preparation(stray_light="smooth", degree=2)
    steps = Preprocessing(size=32, preparation=smooth).for_training(table)
    (scale,) = steps.scales_of(table)
    assert (scale.pixels.light, scale.doubts) == (None, ())
