"""Bad files: each one message with the file, the place and the mend, and nothing else dies."""

from __future__ import annotations

import contextlib
import os
import signal
import threading
from pathlib import Path

import h5py
import numpy as np
import psutil
import pytest

from model.errors import InputError
from model.shots import child as apart
from model.shots import probe as probing
from model.shots.table import open_source, probe


def stack(path: Path, data: object, name: str = "images") -> Path:
    with h5py.File(path, "w") as f:
        f[name] = data
    return path


def refused(path: Path, dataset: str | None = None) -> str:
    """The message, after both ways to open a file gave it; it names the file and a mend."""
    with pytest.raises(InputError) as direct:
        open_source(path, dataset)
    with pytest.raises(InputError) as in_child:
        probe(path, dataset)
    assert str(direct.value) == str(in_child.value)
    assert path.name in str(direct.value)
    assert direct.value.mend
    return str(direct.value)


def test_a_missing_file_is_named(tmp_path):
    assert "no such file" in refused(tmp_path / "gone.h5")


@pytest.mark.parametrize("shape", [(8, 8), (3, 8, 8)])
def test_a_mask_that_leaves_no_pixel_is_refused(tmp_path, shape):
    path = stack(tmp_path / "shots.h5", np.ones((3, 8, 8), np.uint16))
    with h5py.File(path, "a") as file:
        file["mask"] = np.full(shape, 4, np.uint8)
    with pytest.raises(InputError, match="leaves no pixel"):
        probe(path)


def put_together(tmp_path: Path) -> tuple[Path, Path]:
    """A virtual dataset of two files with 3 shots each; it and the second of them."""
    layout = h5py.VirtualLayout((6, 8, 8), "u2")
    for k in range(2):
        stack(tmp_path / f"run{k}.h5", np.full((3, 8, 8), k + 1, np.uint16), "data")
        layout[3 * k : 3 * k + 3] = h5py.VirtualSource(f"run{k}.h5", "data", (3, 8, 8))
    with h5py.File(tmp_path / "whole.h5", "w", libver="latest") as file:
        file.create_virtual_dataset("images", layout)
    return tmp_path / "whole.h5", tmp_path / "run1.h5"


def test_a_missing_part_of_a_virtual_dataset_is_named_and_not_read_as_zeros(tmp_path):
    whole, part = put_together(tmp_path)
    with open_source(whole) as source:
        assert (source.read(4) == 2).all()
    part.rename(tmp_path / "moved.h5")
    with open_source(whole) as source:
        assert (source.read(2) == 1).all(), "the other shots stay usable"
        with pytest.raises(InputError, match=r"shot 4.*run1\.h5 is not there"):
            source.read(3)
    assert any("run1.h5 is not there" in note for note in probe(whole).notes)


def test_a_part_without_its_dataset_is_named_and_not_read_as_zeros(tmp_path):
    whole, part = put_together(tmp_path)
    stack(part, np.ones((3, 8, 8), np.uint16), "other")
    with open_source(whole) as source, pytest.raises(InputError, match=r"run1\.h5.*has no data"):
        source.read(5)


def test_a_part_that_is_too_short_is_named_and_not_read_as_zeros(tmp_path):
    whole, part = put_together(tmp_path)
    stack(part, np.ones((2, 8, 8), np.uint16), "data")
    with open_source(whole) as source:
        assert source.read(4).all()
        with pytest.raises(InputError, match="holds only 2 shots"):
            source.read(5)


def test_more_parts_than_files_may_be_open_are_all_read(tmp_path):
    resource = pytest.importorskip("resource")
    layout = h5py.VirtualLayout((150, 8, 8), "u2")
    for k in range(150):
        stack(tmp_path / f"p{k}.h5", np.full((1, 8, 8), k + 1, np.uint16), "data")
        layout[k : k + 1] = h5py.VirtualSource(f"p{k}.h5", "data", (1, 8, 8))
    with h5py.File(tmp_path / "whole.h5", "w", libver="latest") as file:
        file.create_virtual_dataset("images", layout)
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    here = len(psutil.Process().open_files()) + 20
    resource.setrlimit(resource.RLIMIT_NOFILE, (here + 90, hard))
    try:
        with open_source(tmp_path / "whole.h5") as source:
            assert [int(source.read(i)[0, 0]) for i in range(150)] == list(range(1, 151))
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def test_shots_that_were_never_written_are_not_empty_ones(tmp_path):
    with h5py.File(tmp_path / "a.h5", "w") as file:
        images = file.create_dataset("images", (6, 8, 8), "u2", chunks=(1, 8, 8))
        images[:3] = np.zeros((3, 8, 8))
    with open_source(tmp_path / "a.h5") as source:
        assert not source.read(2).any(), "zeros that someone wrote are counts"
        with pytest.raises(InputError, match=r"shot 4.*never written"):
            source.read(3)


def test_raw_files_outside_the_folder_are_not_read(tmp_path):
    (tmp_path / "secret").write_bytes(bytes(range(256)))
    (tmp_path / "in").mkdir()
    with h5py.File(tmp_path / "in" / "a.h5", "w") as file:
        file.create_dataset("images", (1, 16, 16), "u1", external=[("../secret", 0, 256)])
    with pytest.raises(InputError, match="outside its own folder"):
        probe(tmp_path / "in" / "a.h5")


def test_a_part_that_goes_away_while_it_is_read_is_named(tmp_path):
    whole, part = put_together(tmp_path)
    with open_source(whole) as source:
        assert (source.read(0) == 1).all()
        part.rename(tmp_path / "moved.h5")
        with pytest.raises(InputError, match=r"run1\.h5 is not there"):
            source.read(4)


def test_a_folder_without_shots_is_refused(tmp_path):
    assert "is a folder in which nothing" in refused(tmp_path)


def test_an_empty_file_is_named(tmp_path):
    (tmp_path / "a.h5").touch()
    assert "empty" in refused(tmp_path / "a.h5")


def test_a_picture_is_not_an_hdf5_file(tmp_path):
    (tmp_path / "a.h5").write_bytes(b"\x89PNG" + bytes(5000))
    assert "not an HDF5 file" in refused(tmp_path / "a.h5")


def test_a_truncated_file_is_named_with_its_mend(tmp_path):
    path = stack(tmp_path / "a.h5", np.ones((40, 64, 64), np.uint16))
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    message = refused(path)
    assert "cut short" in message
    assert "again" in message


@pytest.mark.parametrize("seed", range(6))
def test_a_file_with_its_head_overwritten_is_an_input_error_or_is_read(tmp_path, seed):
    path = stack(tmp_path / "a.h5", np.ones((4, 16, 16), np.uint16))
    raw = bytearray(path.read_bytes())
    random = np.random.default_rng(seed)
    for place in random.integers(96, 2000, 60):
        raw[place] = random.integers(256)
    path.write_bytes(raw)
    with contextlib.suppress(InputError):
        assert probe(path).n_shots > 0


def test_a_file_without_a_stack_is_named(tmp_path):
    assert "no 3-D dataset" in refused(stack(tmp_path / "a.h5", np.ones((5, 5))))


def test_a_named_dataset_that_is_not_there_lists_those_that_are(tmp_path):
    message = refused(stack(tmp_path / "a.h5", np.ones((2, 5, 5)), "scan/frames"), "images")
    assert "scan/frames" in message


@pytest.mark.parametrize(
    ("data", "says"),
    [
        (np.ones((2, 5, 5), np.complex64), "complex"),
        (np.full((2, 5, 5), b"x"), "no numbers"),
        (np.ones(5), "shape"),
        (np.ones((2, 3, 5, 5, 5, 5)), "shape"),
        (np.ones((0, 5, 5)), "no shots"),
        (np.ones((4, 1, 1)), "1 × 1"),
        (np.ones((4, 1, 900)), "1 × 900"),
    ],
)
def test_a_named_dataset_that_holds_no_shots_is_refused(tmp_path, data, says):
    assert says in refused(stack(tmp_path / "a.h5", data), "images")


def test_a_complex_stack_is_not_found_by_itself(tmp_path):
    assert "no 3-D" in refused(stack(tmp_path / "a.h5", np.ones((2, 5, 5), complex)))


def test_shots_of_one_pixel_are_refused_without_being_named(tmp_path):
    assert "1 × 1" in refused(stack(tmp_path / "a.h5", np.ones((9, 1, 1))))


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_a_shot_without_a_finite_pixel_is_unreadable_and_not_empty(tmp_path, value):
    data = np.full((2, 5, 5), value, np.float32)
    data[0] = 1
    with open_source(stack(tmp_path / "a.h5", data)) as source:
        assert source.read(0).all()
        with pytest.raises(InputError, match="finite"):
            source.read(1)


@pytest.mark.parametrize("value", [0, 7, -3, 65535])
def test_odd_counts_are_read_as_they_are(tmp_path, value):
    data = np.full((2, 5, 5), value, np.float32)
    with open_source(stack(tmp_path / "a.h5", data)) as source:
        assert np.array_equal(source.read(1), data[1], equal_nan=True)


def test_a_damaged_chunk_spoils_only_its_own_shot(tmp_path):
    path = tmp_path / "a.h5"
    with h5py.File(path, "w") as f:
        data = np.random.default_rng(0).integers(0, 99, (3, 32, 32), np.uint16)
        images = f.create_dataset("images", data=data, chunks=(1, 32, 32), compression="gzip")
        at = images.id.get_chunk_info(1).byte_offset
    raw = bytearray(path.read_bytes())
    raw[at : at + 200] = bytes(200)
    path.write_bytes(raw)
    with open_source(path) as source:
        with pytest.raises(InputError, match=r"shot 2.*cannot be read"):
            source.read(1)
        assert np.array_equal(source.read(2), data[2])


def test_a_file_that_shrank_since_it_was_described_is_refused(tmp_path):
    info = probe(stack(tmp_path / "a.h5", np.ones((4, 8, 8))))
    stack(tmp_path / "a.h5", np.ones((3, 8, 8)))
    with pytest.raises(InputError, match="has changed"):
        open_source(info.path, known=info)


def die(path: Path, dataset: str | None) -> probing.Probed:
    os.kill(os.getpid(), getattr(signal, "SIGKILL", signal.SIGTERM))
    raise AssertionError("still alive")


def never_answer(path: Path, dataset: str | None) -> probing.Probed:
    threading.Event().wait()
    raise AssertionError("it answers after all")


def test_a_file_that_kills_the_child_leaves_us_alive(tmp_path):
    path = stack(tmp_path / "a.h5", np.ones((2, 5, 5)))
    with pytest.raises(InputError, match=r"a\.h5: crashed the library"):
        list(probing.probe_each([(path, None)], prober=die))


def test_a_file_that_never_answers_is_given_up(tmp_path, monkeypatch):
    path = stack(tmp_path / "a.h5", np.ones((2, 5, 5)))
    monkeypatch.setattr(apart, "PATIENCE_S", 0.3)
    with pytest.raises(InputError, match="gave no answer"):
        list(probing.probe_each([(path, None)], prober=never_answer))


def test_opening_takes_no_lock_and_writes_nothing(tmp_path):
    path = stack(tmp_path / "a.h5", np.ones((2, 5, 5)))
    before = path.stat().st_mtime_ns, path.read_bytes()
    with open_source(path):
        assert (path.stat().st_mtime_ns, path.read_bytes()) == before
        path.rename(tmp_path / "b.h5")
