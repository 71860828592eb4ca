"""Formats that are no HDF5, each written by the package that its community keeps."""

from __future__ import annotations

from pathlib import Path

import h5py
import numpy as np
import pytest

from labeler.project.project import Project
from model.errors import InputError
from model.shots.look import look
from model.shots.table import open_source, probe


def counts(n: int, y: int = 40, x: int = 48, seed: int = 1) -> np.ndarray:
    return np.random.default_rng(seed).integers(1, 999, (n, y, x)).astype(np.int32)


def write(path: Path, shot: np.ndarray) -> Path:
    """With the package of the format."""
    if path.suffix == ".tif":
        pytest.importorskip("tifffile").imwrite(path, shot, compression="zlib")
    elif path.suffix == ".edf":
        pytest.importorskip("fabio.edfimage").EdfImage(data=shot).write(str(path))
    elif path.suffix == ".cbf":
        pytest.importorskip("fabio.cbfimage").CbfImage(data=shot).write(str(path))
    elif path.suffix == ".npy":
        np.save(path, shot)
    else:
        pytest.importorskip("PIL.Image").fromarray(shot.astype(np.uint16)).save(path)
    return path


@pytest.mark.parametrize("kind", [".tif", ".edf", ".cbf", ".npy", ".png"])
def test_a_folder_of_pictures_is_one_source_in_natural_order(tmp_path, kind):
    shots = counts(12)
    for k, shot in enumerate(shots):
        write(tmp_path / f"img_{k + 1}{kind}", shot)
    info = probe(tmp_path)
    assert (info.layout, info.n_shots, info.shape) == ("pictures", 12, (40, 48))
    assert info.dataset == f"*{kind}"
    assert len(info.files) == 13
    for known in (None, info):
        with open_source(tmp_path, info.dataset, known=known) as source:
            assert source.shot_name(9) == f"img_10{kind}"
            assert all(np.array_equal(source.read(k), shots[k]) for k in range(12))


def test_a_file_of_several_shots_counts_them(tmp_path):
    shots = counts(5)
    tifffile = pytest.importorskip("tifffile")
    edf = pytest.importorskip("fabio.edfimage")
    tifffile.imwrite(tmp_path / "pages.tif", shots, photometric="minisblack", compression="zlib")
    tifffile.imwrite(tmp_path / "whole.tif", shots)
    image = edf.EdfImage(data=shots[0])
    for shot in shots[1:]:
        image.append_frame(data=shot)
    image.write(str(tmp_path / "a.edf"))
    np.save(tmp_path / "a.npy", shots)
    for name in ("pages.tif", "whole.tif", "a.edf", "a.npy"):
        with open_source(tmp_path / name) as source:
            assert source.info.n_shots == 5
            assert np.array_equal(source.read(3), shots[3])


def test_a_list_has_its_own_order_and_may_name_single_shots_as_crystfel_does(tmp_path):
    shots = counts(4)
    np.save(tmp_path / "a.npy", shots[:1])
    with h5py.File(tmp_path / "run.h5", "w") as file:
        file["entry/data"] = shots[1:]
    (tmp_path / "few.lst").write_text("run.h5 //2\n# a remark\na.npy\nrun.h5 //0\n")
    with open_source(tmp_path / "few.lst") as source:
        found = [source.read(k) for k in range(source.info.n_shots)]
    assert np.array_equal(found, shots[[3, 0, 1]])
    (tmp_path / "few.lst").write_text("run.h5 //2\ngone.h5\n")
    with pytest.raises(InputError, match=r"few\.lst, line 2: 'gone\.h5' is no file here"):
        open_source(tmp_path / "few.lst")


def test_a_folder_of_hdf5_files_is_one_run_and_its_dataset_can_be_named(tmp_path):
    for k in range(3):
        with h5py.File(tmp_path / f"r{k}.h5", "w") as file:
            file["dark"] = counts(4)
            file["shots"] = counts(4, seed=k + 2)
    with pytest.raises(InputError, match="several datasets"):
        open_source(tmp_path)
    with open_source(tmp_path, "shots") as source:
        assert (source.info.n_shots, source.info.dataset) == (12, "*.h5//shots")
        assert np.array_equal(source.read(7), counts(4, seed=3)[3])


def test_pictures_of_different_size_or_kind_and_colours_are_refused_in_words(tmp_path):
    np.save(tmp_path / "a.npy", counts(1)[0])
    np.save(tmp_path / "b.npy", counts(1, y=41)[0])
    size = r"different size: a\.npy 40 × 48, b\.npy 41 × 48.*choose by name"
    with pytest.raises(InputError, match=size):
        open_source(tmp_path)
    with open_source(tmp_path, "a*") as source:
        assert source.info.n_shots == 1
    write(tmp_path / "c.png", counts(1)[0])
    with pytest.raises(InputError, match=r"2 \.npy, 1 \.png\. Name one"):
        open_source(tmp_path)
    image = pytest.importorskip("PIL.Image")
    image.fromarray(np.zeros((9, 9, 3), np.uint8)).save(tmp_path / "red.png")
    with pytest.raises(InputError, match=r"red\.png: holds colours"):
        open_source(tmp_path / "red.png")
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match="empty: is a folder in which nothing"):
        open_source(tmp_path / "empty")


def test_a_damaged_picture_among_others_is_unreadable_and_the_others_stay(tmp_path):
    shots = counts(5)
    for k, shot in enumerate(shots):
        write(tmp_path / f"{k}.tif", shot)
    (tmp_path / "2.tif").write_bytes(b"II*\0nothing")
    info = probe(tmp_path)
    assert info.n_shots == 5
    assert any("1 of them cannot be read" in note for note in info.notes)
    with open_source(tmp_path) as source:
        assert np.array_equal(source.read(3), shots[3])
        with pytest.raises(InputError, match=r"2\.tif.*cannot be read"):
            source.read(2)


def test_a_project_on_a_folder_notices_files_that_come_and_not_those_of_others(tmp_path):
    shots = tmp_path / "shots"
    shots.mkdir()
    for k, shot in enumerate(counts(3)):
        np.save(shots / f"{k}.npy", shot)
    with Project.create(tmp_path / "p", [shots]) as project:
        (shots / "readme.md").write_text("notes")
        assert not project.missing_sources()
        assert not project.source_changes()
        np.save(shots / "3.npy", counts(1)[0])
        ((source, change),) = project.source_changes()
        assert change.kind == "grown"
        project.take_over(source.id)
        assert project.n_shots == 4


def test_a_look_into_a_folder_says_what_would_be_opened(tmp_path):
    for k, shot in enumerate(counts(3)):
        np.save(tmp_path / f"{k}.npy", shot)
    said = "\n".join(look(tmp_path).lines())
    assert "opens *.npy: 3 shots of 40 × 48 int32" in said
    assert "layout pictures" in said
    assert "3 files in the order of their names" in said
