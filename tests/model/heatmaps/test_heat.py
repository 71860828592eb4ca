"""Heat on the pattern: where it lies, that it stays in range."""

import h5py
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.ndimage import map_coordinates

from model.heatmaps.forms import HEAT_FORMS
from model.heatmaps.geometry import detector, enlarge
from model.heatmaps.gradcam import FORMS
from model.inspection.heat import COMPUTED
from tests.helpers.data import needed


def test_every_form_of_heat_is_kept_by_grad_cam_or_computed_when_looked_at():
    kept = [name for name, form in HEAT_FORMS.items() if form.stored]
    assert kept == list(FORMS)
    assert [name for name in HEAT_FORMS if name not in kept] == list(COMPUTED)


def test_a_hot_cell_is_hottest_in_the_middle_of_its_place():
    cells = np.zeros((7, 7))
    cells[2, 5] = 3.0
    heat = enlarge(cells, (224, 224))
    y, x = np.unravel_index(np.argmax(heat), heat.shape)
    assert abs(y + 0.5 - 2.5 * 32) <= 1
    assert abs(x + 0.5 - 5.5 * 32) <= 1
    assert heat.max() == pytest.approx(1, abs=1e-2)
    assert heat[200, 20] == 0


def test_interior_values_agree_with_catmull_rom_written_out():
    cells = np.random.default_rng(3).random((7, 7))
    heat = enlarge(cells, (70, 70))
    p = cells[3, 1:5] / cells.max()  # between columns 2 and 3, at the centre line of row 3
    t = 0.05
    expected = 0.5 * (
        2 * p[1]
        + (p[2] - p[0]) * t
        + (2 * p[0] - 5 * p[1] + 4 * p[2] - p[3]) * t**2
        + (3 * p[1] - p[0] - 3 * p[2] + p[3]) * t**3
    )
    assert heat[34:36, 25].mean() == pytest.approx(expected, abs=0.01)


def test_a_smooth_map_comes_out_as_a_spline_would_draw_it():
    y, x = np.mgrid[:7, :7]
    cells = np.exp(-((y - 3) ** 2 + (x - 3) ** 2) / 8.0)
    heat = enlarge(cells, (112, 112))
    grid = (np.arange(112) + 0.5) / 16 - 0.5
    spline = map_coordinates(cells, np.meshgrid(grid, grid, indexing="ij"), mode="nearest")
    assert np.abs(heat - spline)[16:-16, 16:-16].max() < 0.02


def test_heat_lies_only_in_the_field_that_the_network_saw():
    heat = enlarge(np.ones((7, 7)), (100, 200), (0.1, 0.25, 0.9, 0.75))
    assert (heat[10:90, 50:150] > 0.9999).all()
    assert heat[:10].sum() + heat[90:].sum() + heat[:, :50].sum() + heat[:, 150:].sum() == 0


def test_cells_that_begin_before_the_border_put_the_heat_where_they_look():
    cells = np.zeros((7, 7))
    cells[3, 3] = 1.0
    half = 0.5 / 7
    heat = enlarge(cells, (224, 224), (0, 0, 1, 1), (-half, -half, 1 - half, 1 - half))
    y, x = np.unravel_index(np.argmax(heat), heat.shape)
    assert abs(y + 0.5 - 3 * 32) <= 1
    assert abs(x + 0.5 - 3 * 32) <= 1


def test_the_last_cell_goes_on_to_the_border_beyond_the_cells():
    heat = enlarge(np.ones((4, 4)), (64, 64), (0, 0, 1, 1), (-0.125, -0.125, 0.875, 0.875))
    assert heat.min() > 0.9999


@settings(max_examples=60, deadline=None)
@given(
    st.integers(1, 9), st.integers(1, 9), st.integers(1, 60), st.integers(1, 60), st.integers(0, 99)
)
def test_heat_is_always_between_nothing_and_one(h, w, y, x, seed):
    cells = np.random.default_rng(seed).normal(size=(h, w))
    heat = enlarge(cells, (y, x))
    assert heat.shape == (y, x)
    assert heat.dtype == np.float32
    assert heat.min() >= 0
    assert heat.max() <= 1


@pytest.mark.parametrize("value", [0.0, -2.0, np.nan])
def test_no_heat_stays_no_heat(value):
    assert not enlarge(np.full((7, 7), value), (30, 30)).any()


# -- the detector ----------------------------------------------------------------------------------

SIDE = 96
RADIUS = np.hypot(*(np.mgrid[:SIDE, :SIDE] * 2 / (SIDE - 1) - 1))


def light(edge, offset=0, level=400):
    random = np.random.default_rng(1)
    seen = random.poisson(level * (RADIUS + 0.1) ** -2.0 * (edge >= RADIUS))
    return seen + random.poisson(offset, seen.shape)


@pytest.mark.parametrize("offset", [0, 12])
@pytest.mark.parametrize("level", [5, 400])
def test_a_round_detector_is_found_by_what_lies_beyond_it(offset, level):
    """Zeros, or a camera's offset and noise, all alike."""
    np.testing.assert_array_equal(detector(light(1, offset, level), None), RADIUS <= 1)


def test_light_that_goes_on_into_the_corners_is_on_the_detector():
    assert detector(light(2), None) is None
    assert detector(light(2, 12), None) is None


def test_a_shot_that_is_the_same_everywhere_has_no_edge():
    assert detector(np.full((SIDE, SIDE), 7), None) is None
    assert detector(np.full((5, 9), 7), None) is None
    assert detector(np.full((1, 9), 7), None) is None


def test_a_mask_is_believed():
    mask = RADIUS < 0.5
    assert detector(light(1), mask) is mask


def disc_of_light(shape, centre, radius, offset, level=400):
    """Counts that fall from the middle of a round detector, and where it is."""
    random, (y, x) = np.random.default_rng(1), np.indices(shape)
    away = np.hypot(y - centre[0], x - centre[1]) / radius
    seen = random.poisson(level * (away + 0.1) ** -2.0 * (away <= 1))
    return seen + random.poisson(offset, shape), away <= 1


@pytest.mark.parametrize("offset", [0, 12])
@pytest.mark.parametrize(
    ("shape", "centre", "radius"),
    [
        ((160, 160), (79.5, 79.5), 60),
        ((160, 160), (72, 87), 68),
        ((130, 200), (64.5, 99.5), 64.5),
        ((600, 600), (290, 320), 240),
    ],
)
def test_a_round_detector_is_found_where_it_lies_and_as_large_as_it_is(
    shape, centre, radius, offset
):
    counts, there = disc_of_light(shape, centre, radius, offset)
    found = detector(counts, None)
    assert (found & there).sum() / (found | there).sum() > 0.94


def test_a_mask_of_dead_pixels_alone_does_not_hide_where_the_detector_ends():
    counts, _ = disc_of_light((160, 160), (72, 87), 68, 12)
    mask = np.random.default_rng(0).random(counts.shape) > 0.01
    found = detector(counts, mask)
    assert not found[~mask].any()
    assert (found != (detector(counts, None) & mask)).mean() < 0.01
    holes = np.where(mask, counts.astype(float), np.nan)
    np.testing.assert_array_equal(detector(holes, None), found)
    dead = np.random.default_rng(0).random((SIDE, SIDE)) > 0.01
    assert detector(light(2), dead) is dead


def test_no_round_detector_is_seen_where_there_is_none():
    random, side = np.random.default_rng(0), 160
    y, x = np.indices((side, side)) - (side - 1) / 2
    glow = random.poisson(4000 * (np.hypot(y, x) / 40 + 0.1) ** -2.0)
    for blind in (x > 0, (x > 0) & (y > 0), y > 20):
        assert detector(np.where(blind, 0, glow), None) is None
        assert detector(np.where(blind, 0, glow) + random.poisson(12, glow.shape), None) is None
    for dim in (random.poisson(0.01, glow.shape), random.poisson(12, glow.shape)):
        assert detector(dim, None) is None
    assert detector(np.pad(random.poisson(3, (4, 4)), 78), None) is None  # a spot of light


def fading_rings(seed, edge=9.0):
    """Counts of a droplet whose rings fade towards the border of a square detector, the dimmer the
    shot the sooner; beyond `edge`, 1 at the border, there is no detector."""
    random, (y, x) = np.random.default_rng(seed), np.indices((128, 128)) - 63.5
    away = np.hypot(y, x * random.uniform(1, 1.3)) / 64
    rings = np.sin(away * random.uniform(4, 30)) ** 2
    light = 10 ** random.uniform(-1, 2) * rings * (away + 0.1) ** -3.0
    light *= np.hypot(y, x) <= edge * 63.5
    return 6 * random.poisson(light) + random.poisson(12, light.shape)


@pytest.mark.parametrize("seed", [5, 34, 49, 53, 90, 99])
def test_rings_that_fade_towards_the_border_are_no_edge(seed):
    assert detector(fading_rings(seed), None) is None


def test_the_edge_of_a_round_detector_is_found_where_rings_reach_it():
    y, x = np.indices((128, 128)) - 63.5
    found = [detector(fading_rings(seed, 1), None) for seed in range(40)]
    there = [each for each in found if each is not None]
    assert len(there) > 25
    assert all(((each & (np.hypot(y, x) <= 63.5)).sum() / each.sum()) > 0.98 for each in there)


def test_a_square_part_of_a_round_detector_has_no_round_edge():
    with h5py.File(needed("helium_small.h5")) as file:
        shots = file["images"][::12]
    assert sum(detector(shot, None) is not None for shot in shots) > 45
    assert not any(detector(shot[34:190, 34:190], None) is not None for shot in shots)
