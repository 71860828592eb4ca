"""A network sees the same picture whatever the unit, gain and offset of a detector's counts."""

from __future__ import annotations

from dataclasses import replace

import h5py
import numpy as np
import pytest
import torch

from model.preprocessing import count_scale
from model.preprocessing.cache import ShotCache
from model.preprocessing.count_scale import CountScale, common_scale, scale_of, scales_of
from model.preprocessing.network_input import Preprocessing
from model.preprocessing.preparation import Preparation
from model.runs import checkpoint
from model.runs.folder import backbone_folder
from model.runs.recipes import named
from model.shots.layouts import Geometry
from model.shots.sources import open_source
from model.shots.table import make_table, table_of_file, table_of_files

SIDE = 48


def patterns(n: int, empty: float = 0.0, seed: int = 1) -> np.ndarray:
    """(n, y, x) rings on a pedestal of 8 counts, a share of them without a droplet."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[:SIDE, :SIDE] - (SIDE - 1) / 2
    r = np.hypot(y, x) + 0.1
    rings = np.array([(np.sin(r / w) / (r / w)) ** 2 for w in rng.uniform(1.5, 4, n)])
    photons = 900 * rng.lognormal(0, 0.5, n) * (rng.random(n) >= empty)
    return 8 + rng.normal(0, 1, rings.shape) + rng.poisson(rings * photons[:, None, None])


def table_of(tmp_path, name, images):
    """The table of a file that holds these images."""
    with h5py.File(tmp_path / name, "w") as file:
        file["images"] = images
    return table_of_file(tmp_path / name)


def at(table, **geometry):
    """The same shots, of files that say so of detector and beam."""
    sources = (replace(source, geometry=Geometry(**geometry)) for source in table.sources)
    return replace(table, sources=tuple(sources))


def inputs(table, steps):
    """What the network is fed."""
    scales = steps.scales_of(table)
    return np.stack(
        [
            steps.apply(counts, mask, None, scales[table.source_of[row]])
            for row, counts, mask in table.iter_shots()
        ]
    )


@pytest.fixture
def steps(tmp_path):
    """Of a network that learnt on such patterns."""
    table = table_of(tmp_path, "learnt.h5", patterns(40))
    return Preprocessing(size=32).for_training(table)


@pytest.mark.parametrize(
    ("gain", "offset"), [(0.25, 0), (4, 0), (1, -12), (1, 100), (1e-3, 0), (1e30, 0)]
)
def test_another_gain_or_offset_changes_no_input(tmp_path, steps, gain, offset):
    images = patterns(30, seed=2)
    here = inputs(table_of(tmp_path, "here.h5", images), steps)
    there = inputs(table_of(tmp_path, "there.h5", images * gain + offset), steps)
    np.testing.assert_allclose(there, here, atol=2e-5)


def bar(images):
    images[:, SIDE // 2 - 4 : SIDE // 2 + 4] = 0  # a gap between panels


def edge(images):
    images[:, :, : SIDE // 2 - 2] = 0  # half a detector


def marks(images):
    images[:, 6::12, 6::12] = 60000  # hot pixels


@pytest.mark.parametrize("spoil", [bar, edge, marks])
def test_gaps_and_hot_pixels_of_a_detector_hardly_change_the_scale_of_the_rest(
    tmp_path, steps, spoil
):
    images = patterns(60, seed=4)
    whole = scales_of(table_of(tmp_path, "whole.h5", images), steps.seen)[0]
    spoil(images)
    found = scales_of(table_of(tmp_path, "spoilt.h5", images), steps.seen)[0]
    assert found.pedestal == pytest.approx(whole.pedestal, abs=0.8)
    assert found.level == pytest.approx(whole.level, rel=0.6)  # the brightest part may be gone


def test_hot_and_dead_pixels_that_no_mask_tells_of_change_no_input(tmp_path, steps):
    images = patterns(40, seed=4)
    here = inputs(table_of(tmp_path, "whole.h5", images), steps)
    marks(images)
    images[:, 10::12, 10::12] = 0  # dead where its neighbours see light
    there = inputs(table_of(tmp_path, "spoilt.h5", images), steps)
    assert np.abs(there - here).mean() < 0.1 * np.abs(here - here.mean(0)).mean()
    assert np.quantile(np.abs(there - here), 0.999) < 0.1


def test_where_photons_are_few_no_pixel_counts_as_bad(tmp_path, steps):
    images = np.random.default_rng(2).poisson(0.05, (40, SIDE, SIDE))
    assert scales_of(table_of(tmp_path, "dim.h5", images), steps.seen)[0].pixels.bad is None


def test_training_sees_shots_without_the_hot_pixels_of_their_file(tmp_path, steps):
    images = patterns(40, seed=4)
    marks(images)
    table = table_of(tmp_path, "marked.h5", images)
    cache = ShotCache.open(tmp_path / "cache", steps, table)
    list(cache.fill(table, np.arange(40)))
    scale = steps.scales_of(table)[0]
    kept = steps.to_input(steps.brought(np.float32(cache.read(table, np.arange(40))), scale))
    np.testing.assert_allclose(kept, inputs(table, steps)[:, 0], atol=1e-6)


def test_the_square_that_is_cut_out_of_a_wide_shot_lies_about_its_beam(tmp_path):
    wide = np.zeros((50, 100), np.float32)
    wide[:, 10] = 1
    steps = Preprocessing(size=50)
    there = Geometry(centre=(24.5, 20.0))
    assert steps.reduce(wide)[:, :].max() == 0, "about the middle, columns 25 to 74"
    assert steps.reduce(wide, geometry=there)[:, 10].min() == 1
    assert steps.field(wide.shape, there.centre) == (0, 0, 1, 0.5)
    assert steps.field(wide.shape, (24.5, 60.0)) == (0, 0.35, 1, 0.85)
    moved = Preprocessing(size=50, preparation=Preparation(centre=True))
    assert moved.field(wide.shape, there.centre) == steps.field(wide.shape)


def test_a_beam_that_is_told_otherwise_makes_cached_shots_anew(tmp_path, steps):
    table = table_of(tmp_path, "wide.h5", np.tile(patterns(20), (1, 1, 2)))
    rows = np.arange(20)
    list(ShotCache.open(tmp_path / "cache", steps, table).fill(table, rows))
    table = at(table, centre=(24.0, 24.0))
    cache = ShotCache.open(tmp_path / "cache", steps, table)
    assert not cache.holds(table, rows).any()


def test_a_beam_that_moves_no_square_makes_nothing_anew(tmp_path, steps):
    table = table_of(tmp_path, "square.h5", patterns(20))
    rows = np.arange(20)
    list(ShotCache.open(tmp_path / "cache", steps, table).fill(table, rows))
    table = at(table, centre=(20.0, 24.0))
    assert ShotCache.open(tmp_path / "cache", steps, table).holds(table, rows).all()


def test_a_beam_makes_cached_shots_of_a_full_detector_anew(tmp_path, steps):
    table = table_of(tmp_path, "full.h5", np.minimum(patterns(20), 150))
    assert steps.scales_of(table)[0].pixels.are_full
    rows = np.arange(20)
    list(ShotCache.open(tmp_path / "cache", steps, table).fill(table, rows))
    assert ShotCache.open(tmp_path / "cache", steps, table).holds(table, rows).all()
    table = at(table, centre=(20.0, 24.0))
    assert not ShotCache.open(tmp_path / "cache", steps, table).holds(table, rows).any()


def test_another_distance_makes_cached_shots_of_a_flat_detector_anew(tmp_path):
    steps = Preprocessing(size=32, preparation=Preparation(flat_detector=True))
    table, rows = table_of(tmp_path, "flat.h5", patterns(20)), np.arange(20)
    near, far = (at(table, distance_m=d, pixel_m=1e-3) for d in (0.05, 0.5))
    for one in (near, far):
        cache = ShotCache.open(tmp_path / "cache", steps, one)
        assert not cache.holds(one, rows).any()
        list(cache.fill(one, rows))
    for one in (near, far):
        kept = ShotCache.open(tmp_path / "cache", steps, one).read(one, rows)
        each = [steps.reduce(counts, mask, one.geometry(0)) for _, counts, mask in one.iter_shots()]
        np.testing.assert_allclose(kept, each)


def test_hot_pixels_that_more_files_of_one_shot_show_leave_the_cache(tmp_path, steps):
    images = patterns(40, seed=4)
    marks(images)
    for n, image in enumerate(images):
        table_of(tmp_path, f"{n:02d}.h5", image[None])
    files = sorted(tmp_path.glob("[0-9][0-9].h5"))
    few, many = table_of_files(files[:12]), table_of_files(files)
    assert steps.scales_of(few)[0].pixels.bad is None, "too few to tell"
    for table in (few, many):
        cache = ShotCache.open(tmp_path / "cache", steps, table)
        list(cache.fill(table, np.arange(len(table))))
    pixels = steps.scales_of(many)[0].pixels
    assert pixels.bad.any()
    each = [steps.reduce(counts, mask, None, pixels) for _, counts, mask in many.iter_shots()]
    np.testing.assert_allclose(cache.read(many, np.arange(40)), each)


@pytest.mark.parametrize("beam", [(24.0, -1.0), (24.0, 96.0), (-30.0, 24.0)])
def test_of_a_beam_off_the_shot_a_pattern_takes_the_middle_prepared_or_not(beam):
    wide = np.tile(patterns(1)[0], (1, 2))
    for steps in (Preparation(), Preparation(stray_light="smooth")):
        recipe = Preprocessing(size=32, preparation=steps)
        there = recipe.reduce(wide, geometry=Geometry(centre=beam))
        np.testing.assert_array_equal(there, recipe.reduce(wide))
        assert recipe.field(wide.shape, beam) == recipe.field(wide.shape)


def test_a_sample_too_large_to_keep_tells_the_same(tmp_path, steps, monkeypatch):
    images = patterns(40, seed=4)
    marks(images)
    table = table_of(tmp_path, "marked.h5", images)
    kept = steps.scales_of(table)
    monkeypatch.setattr(count_scale, "KEPT", 0)
    again = steps.scales_of(table)
    assert again == kept
    np.testing.assert_array_equal(again[0].pixels.bad, kept[0].pixels.bad)


def test_shots_that_are_all_the_same_still_have_a_scale(tmp_path, steps):
    same = np.repeat(patterns(1, seed=5), 20, axis=0)
    assert scales_of(table_of(tmp_path, "same.h5", same), steps.seen)[0].level > 0


@pytest.mark.parametrize(("gain", "offset"), [(0.25, 0), (1, -8), (1, -12), (1, 100)])
def test_what_was_not_seen_stays_dark_at_any_gain_and_offset(tmp_path, steps, gain, offset):
    images, mask = patterns(30, seed=2), np.ones((SIDE, SIDE), bool)
    mask[20:25], mask[:, 3] = False, False

    def fed(name, images):
        with h5py.File(tmp_path / name, "w") as file:
            file["images"], file["mask"] = images, (~mask).astype(np.int32)
        return inputs(table_of_file(tmp_path / name), steps)

    here, there = fed("here.h5", images), fed("there.h5", images * gain + offset)
    blind = np.flatnonzero((here == 0).all((0, 1, 3)))
    assert len(blind) == 2, "rows of the input that lie in the gap as a whole"
    np.testing.assert_allclose(there, here, atol=2e-5)


def test_how_many_shots_are_empty_hardly_changes_the_scale(tmp_path):
    steps = Preprocessing(size=32)
    full, mostly = (
        common_scale(table_of(tmp_path, f"{e}.h5", patterns(400, e)), steps.seen) for e in (0, 0.7)
    )
    assert mostly.pedestal == pytest.approx(full.pedestal, abs=1.5)
    assert mostly.level == pytest.approx(full.level, rel=0.35)


def test_noise_of_a_file_without_any_hit_is_not_made_brighter(tmp_path, steps):
    found = scales_of(table_of(tmp_path, "e.h5", patterns(40, empty=1.0)), steps.seen)[0]
    assert found.level == 0
    assert steps.brought(np.array([9.0]), found)[0] == pytest.approx(
        9 - found.pedestal + steps.scale.pedestal
    )


def test_files_of_one_shot_each_are_judged_together(tmp_path, steps):
    images = patterns(30, seed=3)
    for number, image in enumerate(images):
        with h5py.File(tmp_path / f"run{number:02}.h5", "w") as file:
            file["images"] = image[None]
    sources = []
    for path in sorted(tmp_path.glob("run*.h5")):
        with open_source(path) as source:
            sources.append(source.info)
    nothing = np.zeros((30, 1), np.uint8)
    table = make_table(
        tuple(sources), ("Round",), nothing, np.zeros(30, bool), np.zeros(30, np.uint8), None
    )
    found = scales_of(table, steps.seen)
    assert len(set(found)) == 1
    together = scales_of(table_of(tmp_path, "all.h5", images), steps.seen)[0]
    assert found[0].level == pytest.approx(together.level, rel=1e-6)


def test_what_a_file_tells_does_not_depend_on_the_files_before_it(tmp_path, steps):
    alone = table_of(tmp_path, "b.h5", patterns(90, seed=3))
    table_of(tmp_path, "a.h5", patterns(90, seed=4))
    both = table_of_files([tmp_path / "a.h5", tmp_path / "b.h5"])
    assert steps.scales_of(both)[1] == steps.scales_of(alone)[0]


def test_files_of_one_shot_of_another_detector_are_judged_apart(tmp_path, steps):
    small = patterns(4)[:, 4:-4, 4:-4] + 100
    for number, image in enumerate([*patterns(4), *small]):
        table_of(tmp_path, f"run{number}.h5", image[None])
    found = scales_of(table_of_files(sorted(tmp_path.glob("run*.h5"))), steps.seen)
    assert [round(scale.pedestal, -1) for scale in found] == [10] * 4 + [110] * 4


def test_files_without_any_signal_do_not_change_the_level_of_the_others(tmp_path, steps):
    lit = common_scale(table_of(tmp_path, "lit.h5", patterns(30)), steps.seen)
    table_of(tmp_path, "dark.h5", np.random.default_rng(1).normal(8, 1, (60, SIDE, SIDE)))
    both = table_of_files([tmp_path / "lit.h5", tmp_path / "dark.h5"])
    assert common_scale(both, steps.seen).level == pytest.approx(lit.level, rel=1e-6)


def test_counts_below_the_pedestal_are_brought_to_none():
    brought = CountScale(10.0, 50.0).bring(np.array([4.0, 10.0, 60.0]), CountScale(0.0, 100.0))
    assert brought.tolist() == [0, 0, 100]


def test_shots_that_cannot_be_read_and_no_shots_at_all_leave_counts_as_they_are():
    assert scale_of([]) == CountScale(0.0, 0.0)
    kept = CountScale(0.0, 0.0).bring(np.array([1.0, 5.0]), CountScale(0.0, 100.0))
    assert kept.tolist() == [1, 5]


def test_the_papers_recipes_feed_counts_as_they_are_and_ours_do_not():
    assert not named("paper").count_scale
    assert not named("airynet").count_scale
    assert named("quick").count_scale
    assert named("best").count_scale


def test_counts_far_below_zero_of_a_file_without_a_scale_are_nothing_and_no_number_is_lost():
    steps = Preprocessing(8, scale=CountScale(0.0, 100.0))
    shot = np.full((8, 8), -40.0, np.float32)
    shot[2, 3], shot[5, 5] = 300.0, np.nan
    found = steps.apply(shot)
    assert np.isfinite(found).all()
    assert np.count_nonzero(found) == 1
    tensor = torch.from_numpy(np.full((1, 8, 8), -40.0, np.float32))
    assert not steps.to_input(steps.brought(tensor, None)).any()


def test_the_shipped_network_knows_its_scale_and_it_travels_with_a_checkpoint():
    about = checkpoint.describe(backbone_folder("helium-resnet18"))
    assert about.preprocessing.scale is not None
    again = checkpoint.Checkpoint.from_dict(about.to_dict() | {"sha256": ""})
    assert again.preprocessing == about.preprocessing
