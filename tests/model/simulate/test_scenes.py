"""Scenes, labels and detector: what is drawn shows what its labels say, at every label set."""

from __future__ import annotations

from dataclasses import replace
from functools import cache

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

from model.errors import InputError
from model.simulate.detector import NOISE, Detector, Exposure, directions, expose
from model.simulate.draw import draw
from model.simulate.labels import LabelSet, geometry_of, labels_of, real_sets
from model.simulate.scene import features, intensity
from model.simulate.shot import SimulationRecipe, make_shot, targets

SIZE = 96
DETECTOR = Detector(SIZE)
ROUND = frozenset({"Spherical/Oblate", "Round"})
ELLIPTICAL = frozenset({"Spherical/Oblate", "Elliptical"})
STREAK = frozenset({"Prolate", "Streak"})
SETS = [labels for labels, _ in real_sets()]


@cache
def _light(labels: LabelSet, seed: int) -> np.ndarray:
    """Noise-free intensity (y, x), beam in the middle, blurred a little."""
    scene = draw(labels, DETECTOR, np.random.default_rng(seed))
    exposure = replace(scene.exposure, centre=DETECTOR.centre)
    return gaussian_filter(intensity(replace(scene, exposure=exposure), DETECTOR), 0.7)


def _away() -> np.ndarray:
    """Distance from the middle over half the size, (y, x)."""
    at = (np.arange(SIZE) - (SIZE - 1) / 2) / (SIZE / 2)
    return np.hypot(at[:, None], at[None, :])


def _differing(light: np.ndarray, other: np.ndarray) -> float:
    """Mean |log ratio| of two patterns between 7 and 25 degrees."""
    ring = (_away() > 0.22) & (_away() < 0.8)
    floor = 1e-9 * light.max()
    return float(np.abs(np.log((light + floor) / (other + floor)))[ring].mean())


# -- labels and geometry ---------------------------------------------------------------------------


@pytest.mark.parametrize("labels", SETS, ids=["+".join(sorted(s)) for s in SETS])
def test_every_real_label_set_has_a_geometry(labels: LabelSet) -> None:
    wanted = geometry_of(labels)
    for seed in range(3):
        scene = draw(wanted, DETECTOR, np.random.default_rng(seed))
        assert labels_of(features(scene)) == wanted


def test_radii_follow_the_real_ones() -> None:
    drawn = [geometry_of(SETS[i]) for i in targets(SimulationRecipe(900, 4))]
    scenes = [draw(s, DETECTOR, np.random.default_rng([9, i])) for i, s in enumerate(drawn)]
    radii = [s.body.volume_radius() for s in scenes if s.body is not None]
    assert np.percentile(radii, [5, 50, 95]) == pytest.approx([141, 332, 554], rel=0.1)


def test_photons_span_four_decades() -> None:
    scenes = [draw(ROUND, DETECTOR, np.random.default_rng(i)) for i in range(600)]
    photons = np.log10([s.exposure.photons for s in scenes])
    assert np.ptp(photons) > 3.5


# -- classes can be told apart by their light ------------------------------------------------------


def test_asymmetric_patterns_are_less_point_symmetric_than_others() -> None:
    for plain in (ROUND, ELLIPTICAL, frozenset({"Prolate"})):
        even, uneven = (
            [_differing(light, light[::-1, ::-1]) for light in (_light(s, i) for i in range(12))]
            for s in (plain, plain | {"Asymmetric"})
        )
        assert np.median(uneven) > 2 * np.median(even)
        assert np.percentile(uneven, 25) > np.percentile(even, 75)


def test_elliptical_rings_differ_from_themselves_when_turned_and_round_ones_do_not() -> None:
    round_, elliptical = (
        [_differing(light, np.rot90(light)) for light in (_light(s, i) for i in range(12))]
        for s in (ROUND, ELLIPTICAL)
    )
    assert np.median(elliptical) > 3 * np.median(round_)


def test_a_streak_gathers_light_along_one_line_and_a_bent_one_leaves_it() -> None:
    def straightness(labels: LabelSet, seed: int) -> float:
        """How much of a far ring's light lies opposite its brightest direction."""
        light = _light(labels, seed)
        rows, columns = np.nonzero((_away() > 0.55) & (_away() < 0.75))
        angle = np.arctan2(rows - (SIZE - 1) / 2, columns - (SIZE - 1) / 2)
        polar = np.bincount(
            ((angle + np.pi) / (2 * np.pi) * 72).astype(int) % 72, light[rows, columns], 72
        )
        polar = polar / polar.sum()
        return float(polar @ np.roll(polar, 36) / (polar @ polar))

    straight = [straightness(STREAK, i) for i in range(10)]
    bent = [straightness(frozenset({"Prolate", "Bent"}), i) for i in range(10)]
    assert np.median(straight) > 0.9
    assert np.median(bent) < 0.6


def test_fringes_of_a_second_droplet_have_another_centre() -> None:
    plain, fringed = (
        [_differing(light, np.rot90(light)) for light in (_light(s, i) for i in range(10))]
        for s in (ROUND, ROUND | {"Newton Rings"})
    )
    assert np.median(fringed) > 3 * np.median(plain)


# -- the detector ----------------------------------------------------------------------------------


def _flat(photons_a_pixel: float) -> tuple[np.ndarray, Exposure]:
    plate = DETECTOR.plate().astype(np.float32)
    photons = photons_a_pixel * float(plate.sum())
    quiet = Exposure(photons, DETECTOR.centre, offset=0, read_noise=0, shadow=0)
    return plate, quiet


def test_counts_follow_photons_times_gain_with_the_noise_of_a_channel_plate() -> None:
    """An exponential gain doubles the variance of Poisson photons: 2·g²·n before the blur."""
    plate, quiet = _flat(40.0)
    counts = expose(plate, replace(DETECTOR, dead=0, hot=0), quiet, np.random.default_rng(1))
    inside = (_away() > 0.3) & (_away() < 0.9)
    blurred = np.zeros((SIZE, SIZE))
    blurred[SIZE // 2, SIZE // 2] = 1
    passed = float((gaussian_filter(blurred, 0.5 * SIZE / 224, truncate=3) ** 2).sum())
    assert counts[inside].mean() == pytest.approx(40 * quiet.gain, rel=0.02)
    assert counts[inside].var() == pytest.approx(2 * quiet.gain**2 * 40 * passed, rel=0.1)


def test_strong_light_saturates_and_never_wraps() -> None:
    plate, quiet = _flat(1e6)
    counts = expose(plate, DETECTOR, quiet, np.random.default_rng(1))
    assert counts.max() <= quiet.saturation
    assert np.median(counts[(_away() > 0.3) & (_away() < 0.9)]) > 0.99 * quiet.saturation


def test_the_hole_and_the_dark_beside_the_plate_see_no_light() -> None:
    plate, quiet = _flat(100.0)
    counts = expose(plate, replace(DETECTOR, hot=0), quiet, np.random.default_rng(1))
    assert counts[_away() < 0.02].max() <= 20 * quiet.gain
    assert counts[_away() > 1.05].max() == 0
    assert not DETECTOR.good()[_away() < 0.03].any()


def test_noise_levels_scale_stray_light_and_read_noise_and_nothing_else() -> None:
    empty = SETS.index(frozenset({"Empty"}))
    shots = {
        level: make_shot(SimulationRecipe(8, 3, SIZE, noise=level), 0, empty) for level in NOISE
    }
    assert shots["none"].parameters["read_noise"] == 0
    assert shots["none"].parameters["stray"] == 0
    dark = _away() > 1.1
    dark.flat[np.concatenate(Detector(SIZE, seed=3).defects())] = False
    spread = [float(shots[level].counts[dark].std()) for level in NOISE]
    assert spread == sorted(spread)
    assert len({shot.parameters["photon_energy_ev"] for shot in shots.values()}) == 1


def test_an_unknown_noise_level_and_a_centre_outside_are_named() -> None:
    with pytest.raises(InputError, match="none, low, normal, high"):
        make_shot(SimulationRecipe(1, 0, noise="loud"), 0, 0)
    with pytest.raises(InputError, match="outside the image"):
        directions(DETECTOR, (-3.0, 40.0), 50.0)


def test_the_rim_of_the_plate_is_at_thirty_degrees() -> None:
    up, across, factor = directions(DETECTOR, DETECTOR.centre, 50.0)
    sine = np.hypot(up, across)
    assert sine[DETECTOR.plate()].max() == pytest.approx(0.5, abs=0.01)
    assert factor == pytest.approx((1 - sine**2) ** 1.5, rel=1e-4)
