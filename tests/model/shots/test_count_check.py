"""Numbers that are no counts of light are doubted in words, and those of any detector are not."""

from dataclasses import replace

import h5py
import numpy as np
import pytest

from model.preprocessing.count_scale import doubts_in_words
from model.shots.counts import check as count_check
from model.shots.counts.check import doubts_of, glance_at, in_words, unusable
from model.shots.counts.invalid import invalid
from model.shots.probe import probe
from model.shots.sources import examined, open_source
from model.shots.table import table_of_file
from model.simulate.generate import simulate
from tests.helpers.data import needed


def rings(n, empty=0.3, seed=1, side=64):
    """(n, y, x) rings on a pedestal of 8 counts with read noise, some shots without a droplet."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[:side, :side] - (side - 1) / 2
    r = np.hypot(y, x) + 0.1
    shapes = np.array([(np.sin(r / w) / (r / w)) ** 2 for w in rng.uniform(1.5, 4, n)])
    photons = 5000 * rng.lognormal(0, 0.5, n) * (rng.random(n) >= empty)
    counts = 8 + rng.normal(0, 1.5, shapes.shape) + 3 * rng.poisson(shapes * photons[:, None, None])
    return counts.round().clip(0, 65535).astype(np.uint16)


def doubts(images):
    """What is said of shots."""
    masks = (invalid(counts) for counts in images)
    kept = [None if bad is None else ~bad for bad in masks]
    return doubts_of([glance_at(c, good) for c, good in zip(images, kept, strict=True)])


def inverted(x):
    return 1000 - x.astype(np.int32)


def wrapped(x):
    return x - np.uint16(12)


def logarithms(x):
    return np.log10(x.astype(np.float32) + 1)


def picture(x):
    return (np.log1p(x.astype(float)) / np.log(65536) * 255).astype(np.uint8)


def normalised(x):
    return (x / x.max((1, 2), keepdims=True)).astype(np.float32)


def scaled(x, to):
    """Whole numbers, each shot's own largest being `to`."""
    low, high = x.min((1, 2), keepdims=True), x.max((1, 2), keepdims=True)
    return (x - low.astype(float)) / (high - low) * to


def standardised(x):
    return (x - x.mean((1, 2), keepdims=True)) / x.std((1, 2), keepdims=True)


def at_a_threshold(x):
    above = x.mean((1, 2), keepdims=True) + x.std((1, 2), keepdims=True)
    return (x > above).astype(np.uint8)


def stretched(x, low=0.01, high=0.99):
    """Each shot between two of its percentiles, 0 … 1."""
    dark, bright = (np.quantile(x, q, axis=(1, 2), keepdims=True) for q in (low, high))
    return ((x - dark) / (bright - dark)).clip(0, 1)


WHOLE = ("standardised", "of the same sum")
"""What is seen only where no pixel is left out."""
CHANGED = {
    "negative": (lambda x: -x.astype(np.int32), count_check.TURNED_SIGN),
    "inverted": (inverted, count_check.TURNED_SIGN),
    "wrapped": (wrapped, count_check.WRAPPED),
    "logarithms": (logarithms, count_check.NO_COUNTS),
    "picture": (picture, count_check.NO_COUNTS),
    "normalised": (normalised, count_check.BY_ITSELF),
    "8-bit pictures": (lambda x: scaled(x, 255).astype(np.uint8), count_check.BY_ITSELF),
    "16-bit pictures": (lambda x: scaled(x, 65535).astype(np.uint16), count_check.BY_ITSELF),
    "standardised": (standardised, count_check.NORMALISED),
    "of the same sum": (lambda x: x / x.sum((1, 2), keepdims=True), count_check.NORMALISED),
    "8-bit between percentiles": (
        lambda x: (stretched(x) * 255).astype(np.uint8),
        count_check.STRETCHED,
    ),
    "16-bit between percentiles": (
        lambda x: (stretched(x, 0.05, 0.995) * 65535).astype(np.uint16),
        count_check.STRETCHED,
    ),
    "between percentiles": (stretched, count_check.STRETCHED),
    "at a threshold": (at_a_threshold, count_check.THRESHOLD),
    "black and white": (lambda x: at_a_threshold(x) * np.uint8(255), count_check.THRESHOLD),
}


@pytest.mark.parametrize("name", CHANGED)
def test_numbers_that_were_changed_after_the_detector_are_told(name):
    change, said = CHANGED[name]
    assert doubts(change(rings(40))) == [said]


@pytest.mark.parametrize("name", [name for name in CHANGED if name not in WHOLE])
def test_they_are_told_behind_a_detector_with_a_gap_too(name):
    change, said = CHANGED[name]
    images = change(rings(40))
    if images.dtype.kind == "f":
        images[:, :, :4] = np.nan
    mask = np.ones(images.shape[1:], bool)
    mask[:, :4] = False
    assert doubts_of([glance_at(counts, mask) for counts in images]) == [said]


@pytest.mark.parametrize("kind", [np.uint8, np.uint16, np.int16])
def test_bright_pixels_that_ran_over_their_type_are_told_and_saturated_ones_are_not(kind):
    rng = np.random.default_rng(1)
    y, x = np.mgrid[:128, :128] - 64
    light = np.exp(-(y**2 + x**2) / 1800) * rng.uniform(2.0, 4.0, (12, 1, 1))
    most = np.iinfo(kind).max
    counts = most * light + rng.normal(0, 0.01 * most, light.shape)
    assert doubts(counts.astype(np.int64).astype(kind)) == [count_check.RAN_OVER]
    for ceiling in (most, most - 1):
        assert count_check.RAN_OVER not in doubts(counts.clip(0, ceiling).astype(kind))


@pytest.mark.parametrize("n", [40, 8])
def test_a_background_that_jumps_within_a_file_is_told(n):
    images = rings(n).astype(np.int32)
    images[n // 2 :] += 500
    (said,) = doubts(images)
    assert said.startswith("the background jumps by 50")


def saturated(x):
    return np.minimum(x, 600)


def saturated_without_its_dark_counts(x):
    return np.minimum(x, 600) - np.random.default_rng(2).normal(8, 0.5, x.shape)


def gap(x):
    x = x.astype(np.int32) + 500
    x[:, 20:28] = 0
    return x


def eiger(x):
    x = x.astype(np.uint32)
    x[:, 20:28], x[:, 40, ::5] = 2**32 - 1, 2**32 - 2
    return x


def hot(x):
    x = x.copy()
    x[:, 6::12, 6::12] = 60000
    return x


def stray_particles(x):
    x, rng = np.minimum(x, 60000), np.random.default_rng(3)
    for counts in x:
        counts.flat[rng.integers(counts.size, size=rng.poisson(2.5))] = 65000
    return x


def saturated_beside_a_gap(x):
    x = (x.astype(np.int64) * 100).clip(0, 65000).astype(np.uint16)
    x[:, :, 30:34] = 0
    return x


def vignetted(x):
    y = np.arange(x.shape[1]) - x.shape[1] / 2
    return x + 1000 * np.exp(-(y[:, None] ** 2 + y**2) / 2000)


def through_beam(x):
    """The beam goes through, larger or smaller, and moves a little; all of it is full."""
    rng, side = np.random.default_rng(3), x.shape[1]
    y, x_axis = np.mgrid[:side, :side] - side / 2
    far = [np.hypot(y - a, x_axis - b) for a, b in rng.normal(0, 0.5, (len(x), 2))]
    wide = rng.lognormal(1.6, 0.1, (len(x), 1, 1))
    return np.where(np.array(far) < wide, 20000, x.clip(0, 19999))


def full_beside_markers(x):
    x = (x.astype(np.int64) * 100).clip(0, 65535).astype(np.uint16)
    x[:, :, 30:34] = 65535
    return x


def mirrored(x):
    return x.view(np.int16)


SOUND = {
    "as they are": lambda x: x,
    "thousandths": lambda x: (x / 1000).astype(np.float32),
    "a tiny unit": lambda x: x * 1e-12,
    "a large unit": lambda x: x * 1e12,
    "a large unit in single precision": lambda x: x.astype(np.float32) * np.float32(1e30),
    "pedestal subtracted": lambda x: x.astype(np.int32) - 12,
    "pedestal added": lambda x: x + 100.0,
    "a quarter": lambda x: x // 4,
    "four times": lambda x: x * 4.0,
    "int16": mirrored,
    "a beam that goes through": through_beam,
    "full beside markers": full_beside_markers,
    "one byte on a pedestal": lambda x: (40 + x.astype(int) // 20).clip(0, 255).astype(np.uint8),
    "photons": lambda x: np.random.default_rng(3).poisson(x / 50).astype(np.uint8),
    "one bit for single photons": lambda x: (
        np.random.default_rng(3).poisson((x - 8.0).clip(0) / 2e4) > 0
    ),
    "dim": lambda x: 8 + (x - 8.0) / 300 + np.random.default_rng(3).normal(0, 1.5, x.shape),
    "saturated": saturated,
    "saturated, pedestal subtracted": saturated_without_its_dark_counts,
    "a gap": gap,
    "markers of an Eiger": eiger,
    "hot pixels": hot,
    "stray particles": stray_particles,
    "saturated beside a gap": saturated_beside_a_gap,
    "brighter in the middle": vignetted,
}


@pytest.mark.parametrize("name", SOUND)
@pytest.mark.parametrize("empty", [0.0, 0.5, 1.0])
def test_counts_of_any_detector_unit_gain_and_offset_are_not_doubted(name, empty):
    images = SOUND[name](rings(40, empty))
    for n in (40, 8, 5, 3, 2, 1):
        assert doubts(images[:n]) == [], n


def test_bright_shots_alone_solvent_and_noise_are_not_doubted():
    rng = np.random.default_rng(4)
    images = rings(60, 0.0)
    assert doubts(images[np.argsort(images.mean((1, 2)))[-20:]]) == []
    y, x = np.mgrid[:64, :64] - 32
    ring = 1 + 2 * np.exp(-((((np.hypot(y, x) / 64) - 0.3) / 0.08) ** 2))
    assert doubts(100 + rng.poisson(rng.lognormal(5, 0.3, (20, 1, 1)) * ring)) == []
    assert doubts(rng.normal(0, 1, (20, 64, 64))) == []
    assert doubts(rng.poisson(0.01, (20, 64, 64))) == []
    assert doubts(np.zeros((20, 64, 64), np.uint16)) == []


@pytest.mark.parametrize("name", ["helium_small.h5", "cxidb94_layout.cxi"])
def test_measured_shots_are_not_doubted_and_changed_ones_are(name):
    with open_source(needed(name)) as source:
        rows = np.linspace(0, source.info.n_shots - 1, min(source.info.n_shots, 40)).astype(int)
        images = np.stack([source.read(int(i)) for i in rows])
    for n in (len(images), 3, 1):
        assert doubts(images[:n]) == []
        assert doubts(images[:n].astype(np.int32) - 8) == []
    for name in ("negative", "inverted", "wrapped", "logarithms", "picture", "normalised"):
        change, said = CHANGED[name]
        assert doubts(change(images)) == [said], name


@pytest.mark.parametrize("broad", [False, True])
def test_simulated_shots_are_not_doubted_and_changed_ones_are(tmp_path, broad):
    *_, last = simulate(tmp_path / "s.h5", 24, seed=5, size=96, broad=broad, workers=1)
    assert last["event"] == "finished"
    with h5py.File(tmp_path / "s.h5") as file:
        images = file["images"][()]
    assert doubts(images) == []
    for name in ("negative", "inverted", "wrapped", "logarithms", "picture", "normalised"):
        change, said = CHANGED[name]
        assert doubts(change(images)) == [said], name


def test_a_shot_with_one_number_everywhere_or_no_size_of_counts_is_of_no_use():
    images = rings(1)[0]
    assert not unusable(images)
    assert not unusable(np.zeros((8, 8)))
    assert "holds 7" in unusable(np.full((8, 8), 7, np.uint16))
    good = np.arange(64).reshape(8, 8) > 3
    assert "holds 7" in unusable(np.where(good, 7, 9), good)
    assert "single precision" in unusable(images * 1e300)
    assert "single precision" in unusable(images * 1e-60)
    assert not unusable(images * 1e30)


def test_doubts_are_kept_with_a_file_and_those_of_like_files_are_one_message(tmp_path):
    images = -rings(12).astype(np.int32)
    images[3:6] = 7
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file["images"] = images
    said = probe(tmp_path / "a.h5").doubts
    assert said[0].startswith("a network passes over such shots as shot 4: each of its pixels")
    assert said[1:] == (count_check.TURNED_SIGN,)
    assert in_words([("a.h5", ["x"]), ("b.h5", []), ("c.h5", ["x"])]) == ["a.h5 and 1 more: x."]


def test_a_file_is_doubted_for_a_network_that_takes_counts_as_they_are_too(tmp_path):
    with h5py.File(tmp_path / "shots.h5", "w") as file:
        file["images"] = -rings(8).astype(np.int32)
    table = table_of_file(tmp_path / "shots.h5")
    with open_source(tmp_path / "shots.h5") as source:
        table = replace(table, sources=(examined(source),))  # as those of a project are
    (said,) = doubts_in_words(table, [None])
    assert count_check.TURNED_SIGN in said


def photons_of(each, n=40, empty=0.3):
    """Single photons of rings, so many in a shot with a droplet on average."""
    light = (rings(n, empty).astype(float) - 8).clip(0)
    lit = light.sum((1, 2))
    return np.random.default_rng(3).poisson(light * each / lit[lit > lit.max() / 10].mean())


@pytest.mark.parametrize("each", [50, 200])
def test_shots_of_so_few_photons_that_a_network_reads_little_are_said(each):
    assert doubts(photons_of(each)) == [count_check.FEW_PHOTONS]
    assert doubts(photons_of(each)[:8]) == [], "too few to say so of a file"


def test_dim_light_that_no_one_counted_as_photons_is_not_said_to_be_few():
    assert doubts(photons_of(5000)) == []
    assert doubts(photons_of(100) * 7) == [], "another unit"
    bright, lit = photons_of(50), photons_of(5000)
    bright[3] = max(lit, key=np.sum)
    assert doubts(bright) == [], "one shot shows that the others are misses"
    assert doubts(photons_of(50, empty=1.0)) == []
    assert doubts((photons_of(50) > 0).astype(np.uint8)) == []
