"""Noise sets: the level of the paper's section 5.3, and a copy that is otherwise the same."""

import os

import h5py
import numpy as np
import pytest

from model.errors import InputError
from model.physics.noise import LEVELS, noisy, statistics
from model.physics.noise_file import ATTRIBUTE, add_noise_file


@pytest.fixture
def shots(tmp_path):
    """A file with more in it than shots."""
    path = tmp_path / "shots.h5"
    random = np.random.default_rng(2)
    with h5py.File(path, "w") as file:
        file["images"] = random.poisson(50, (9, 30, 30)).astype(np.uint16)
        file["images"].attrs["unit"] = "counts"
        file["labels"] = np.eye(9, 11, dtype=np.uint8)
        file["deep/er/group"] = random.random(4)
        file["alias"] = h5py.SoftLink("/labels")
    return path


def run(path, out, level, seed=1, **how):
    return list(add_noise_file(path, out, level, seed, **how))[-1]


@pytest.mark.parametrize("level", LEVELS)
def test_the_bound_is_the_median_over_the_shots(shots, tmp_path, level):
    with h5py.File(shots) as file:
        images = file["images"][:].astype(float)
    each = {
        "mean": images.mean((1, 2)),
        "mean+std": images.mean((1, 2)) + images.std((1, 2)),
        "max": images.max((1, 2)),
    }[level]
    done = run(shots, tmp_path / "noisy.h5", level)
    assert done["bound"] == pytest.approx(np.median(each), rel=1e-5)


def test_the_noise_is_uniform_between_nothing_and_the_bound():
    added = noisy(np.zeros((200, 200), np.float32), 80.0, seed=3, shot=0)
    assert added.min() >= 0
    assert added.max() <= 80
    assert added.mean() == pytest.approx(40, abs=0.5)
    assert added.std() == pytest.approx(80 / np.sqrt(12), rel=0.02)


def test_everything_else_in_the_file_stays_as_it_was(shots, tmp_path):
    out = tmp_path / "noisy.h5"
    run(shots, out, "mean")
    with h5py.File(shots) as before, h5py.File(out) as after:
        for name in ("labels", "deep/er/group"):
            np.testing.assert_array_equal(before[name], after[name])
        assert isinstance(after.get("alias", getlink=True), h5py.SoftLink)
        assert after["images"].attrs["unit"] == "counts"
        more = after["images"][:].astype(int) - before["images"][:].astype(int)
    assert more.min() >= 0
    assert more.max() > 0


def test_the_same_seed_gives_the_same_noise_and_another_seed_another(shots, tmp_path):
    for name, seed in (("a", 5), ("b", 5), ("c", 6)):
        run(shots, tmp_path / name, "max", seed)
    with h5py.File(tmp_path / "a") as a, h5py.File(tmp_path / "b") as b:
        np.testing.assert_array_equal(a["images"], b["images"])
        with h5py.File(tmp_path / "c") as c:
            assert (a["images"][:] != c["images"][:]).any()


@pytest.mark.parametrize("kind", [np.uint8, np.uint16, np.int32, np.uint32])
def test_counts_stop_at_the_greatest_number_of_their_type(kind):
    full = np.full((20, 20), np.iinfo(kind).max, kind)
    np.testing.assert_array_equal(noisy(full, 1000.0, 0, 0), full)


def test_pixels_without_a_number_stay_without_one_and_decide_nothing():
    counts = np.array([[1.0, np.nan], [3.0, np.inf]], np.float32)
    assert statistics(counts[None], "mean") == pytest.approx([2.0])
    assert np.isnan(noisy(counts, 5.0, 0, 0)[0, 1])


def test_a_cancelled_run_leaves_nothing_behind(shots, tmp_path):
    assert run(shots, tmp_path / "noisy.h5", "mean", stop=lambda: True)["event"] == "cancelled"
    assert [p.name for p in tmp_path.glob("*noisy*")] == []


def test_shots_that_lie_in_another_file_are_never_changed(shots, tmp_path):
    linked = tmp_path / "linked.h5"
    with h5py.File(linked, "w") as file:
        file["images"] = h5py.ExternalLink(str(shots), "/images")
    before = shots.read_bytes()
    with pytest.raises(InputError):
        run(linked, tmp_path / "noisy.h5", "mean")
    assert shots.read_bytes() == before


def test_an_unknown_level_is_refused_with_the_known_ones(shots, tmp_path):
    with pytest.raises(InputError, match=r"mean, mean\+std, max"):
        run(shots, tmp_path / "noisy.h5", "median")


@pytest.mark.parametrize("side", [30, 31])
@pytest.mark.parametrize("kind", [np.uint16, np.float32, np.int32])
def test_plain_and_packed_files_get_the_same_noise(tmp_path, kind, side):
    """Where shots lie plainly their bytes are changed on the way; else the file does it."""
    counts = np.random.default_rng(0).poisson(50, (9, side, side)).astype(kind)
    made = []
    for name, how in (("plain", {}), ("packed", {"chunks": (2, side, side), "compression": 1})):
        path = tmp_path / f"{name}.h5"
        with h5py.File(path, "w") as file:
            file["before"] = np.arange(1000.0)
            file.create_dataset("images", data=counts, **how)
            file["after"] = np.arange(99)
        run(path, tmp_path / f"noisy-{name}.h5", "max")
        with h5py.File(tmp_path / f"noisy-{name}.h5") as file:
            made.append(file["images"][()])
            np.testing.assert_array_equal(file["before"], np.arange(1000.0))
            np.testing.assert_array_equal(file["after"], np.arange(99))
            assert "seed 1" in file["images"].attrs[ATTRIBUTE]
    np.testing.assert_array_equal(made[0], made[1])
    bound = np.median(counts.max((1, 2)))
    expected = np.stack([noisy(shot, bound, 1, i) for i, shot in enumerate(counts)])
    np.testing.assert_array_equal(made[0], expected)


def test_shots_of_single_entries_are_changed_in_their_places(tmp_path):
    path, counts = tmp_path / "a.cxi", np.random.default_rng(0).poisson(50, (5, 24, 24))
    with h5py.File(path, "w") as file:
        for i, shot in enumerate(counts.astype(np.uint16), 1):
            group = file.create_group(f"entry_{i}")
            group["instrument_1/detector_1/data"] = shot
            group["instrument_1/source_1/energy"] = 4e-18
            group["note_1/data"] = np.zeros(11, np.uint8)
    run(path, tmp_path / "noisy.cxi", "mean")
    with h5py.File(tmp_path / "noisy.cxi") as file:
        bound = np.median(counts.mean((1, 2)))
        for i, shot in enumerate(counts.astype(np.uint16)):
            found = file[f"entry_{i + 1}/instrument_1/detector_1/data"]
            np.testing.assert_array_equal(found, noisy(shot, bound, 1, i))
            assert file[f"entry_{i + 1}/instrument_1/source_1/energy"][()] == 4e-18


def test_what_a_killed_run_left_is_swept_and_what_another_one_writes_is_not(shots, tmp_path):
    dead = tmp_path / ".noisy.h5.999999999.part"
    alive = tmp_path / f".noisy.h5.{os.getppid()}.part"
    other = tmp_path / ".other.h5.999999999.part"
    for path in (dead, alive, other):
        path.write_bytes(b"half")
    run(shots, tmp_path / "noisy.h5", "mean")
    assert not dead.exists()
    assert alive.exists()
    assert other.exists()


@pytest.mark.parametrize("bound", [10.0, 3000.0])
def test_every_whole_number_of_the_noise_is_as_likely_as_it_should_be(bound):
    added = noisy(np.zeros((500, 500), np.uint16), bound, seed=4, shot=2)
    expected = np.r_[0.5, np.ones(int(bound) - 1), 0.5] * added.size / bound
    found = np.bincount(added.ravel())
    assert len(found) == len(expected)
    chi = ((found - expected) ** 2 / expected).sum()
    assert abs(chi - bound) < 5 * np.sqrt(2 * bound)


def test_the_number_of_threads_does_not_change_a_byte(shots, tmp_path, monkeypatch):
    made = []
    for threads in (1, 3):
        monkeypatch.setattr("model.shots.copying.os.cpu_count", lambda count=threads: count)
        monkeypatch.setattr("model.shots.copying.BLOCK_BYTES", 2000 * threads)
        run(shots, tmp_path / f"{threads}.h5", "mean")
        made.append((tmp_path / f"{threads}.h5").read_bytes())
    assert made[0] == made[1]


def test_shots_without_any_number_are_refused_and_nothing_is_written(tmp_path):
    with h5py.File(tmp_path / "nan.h5", "w") as file:
        file["images"] = np.full((3, 16, 16), np.nan, np.float32)
    with pytest.raises(InputError, match=r"nan\.h5.*no noise can be made"):
        list(add_noise_file(tmp_path / "nan.h5", tmp_path / "noisy.h5", "mean", 0))
    assert [p.name for p in tmp_path.iterdir()] == ["nan.h5"]


def test_a_file_whose_copying_was_interrupted_is_refused_and_nothing_is_written(shots, tmp_path):
    cut = tmp_path / "cut.h5"
    cut.write_bytes(shots.read_bytes()[: shots.stat().st_size // 2])
    before = set(tmp_path.iterdir())
    with pytest.raises(InputError, match=r"cut\.h5"):
        list(add_noise_file(cut, tmp_path / "noisy.h5", "mean", 0))
    assert set(tmp_path.iterdir()) == before
