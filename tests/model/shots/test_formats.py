"""Formats that are no HDF5, each written by the package that its community keeps."""

from __future__ import annotations

from pathlib import Path

import h5py
import numpy as np
import pytest

from labeler.project.project import Project
from model.errors import InputError
from model.shots.contents import contents
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
            assert source.info.shot_name(9) == f"img_10{kind}"
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
        assert not project.source_changes()
        np.save(shots / "3.npy", counts(1)[0])
        ((source, change),) = project.source_changes()
        assert change.kind == "grown"
        project.take_over(source.id)
        assert project.n_shots == 4


def test_a_look_into_a_folder_says_what_would_be_opened(tmp_path):
    for k, shot in enumerate(counts(3)):
        np.save(tmp_path / f"{k}.npy", shot)
    said = "\n".join(contents(tmp_path).lines())
    assert "opens *.npy: 3 shots of 40 × 48 int32" in said
    assert "layout pictures" in said
    assert "3 files in the order of their names" in said


@pytest.mark.parametrize("version", [2, 3])
def test_a_zarr_store_is_read_with_its_mask_numbers_and_modules(tmp_path, version):
    zarr = pytest.importorskip("zarr")
    shots, modules = counts(9), counts(6 * 4).reshape(3, 2, 4, 40, 48)
    good = np.ones((40, 48), np.uint8)
    good[3] = 0
    store = zarr.open_group(tmp_path / "run.zarr", mode="w", zarr_format=version)
    for name, values, chunks in (
        ("entry/shots", shots, (4, 40, 48)), ("entry/mask", good, (40, 48)),
        ("entry/pulse_id", np.arange(9), (9,)), ("modules", modules, (1, 1, 4, 40, 48)),
    ):  # fmt: skip
        store.create_array(name, shape=values.shape, chunks=chunks, dtype=values.dtype)[...] = (
            values
        )
    with open_source(tmp_path / "run.zarr", "entry/shots") as source:
        assert (source.info.layout, source.info.n_shots) == ("zarr", 9)
        assert all(np.array_equal(source.read(k), shots[k]) for k in range(9))
        assert np.array_equal(source.shot(2)[1], good != 0)
        assert source.scalars()["pulse_id"].tolist() == list(range(9))
    with open_source(tmp_path / "run.zarr") as source:
        assert source.info.dataset == "modules"
        assert np.array_equal(source.read(3), modules[1, 1].reshape(-1, 48))
    said = "\n".join(contents(tmp_path / "run.zarr").lines())
    assert "4 detector modules, one above the other" in said
    assert "entry/shots  9 × 40 × 48 int32" in said
    with pytest.raises(InputError, match=r"no such array of shots.*There are:"):
        open_source(tmp_path / "run.zarr", "entry/nothing")


def test_a_damaged_chunk_of_a_zarr_store_spoils_only_its_shots(tmp_path):
    zarr = pytest.importorskip("zarr")
    shots = counts(4)
    array = zarr.create_array(
        tmp_path / "a.zarr", shape=shots.shape, chunks=(1, 40, 48), dtype=shots.dtype
    )
    array[...] = shots
    (tmp_path / "a.zarr/c/2/0/0").write_bytes(b"nothing")
    with open_source(tmp_path / "a.zarr") as source:
        assert np.array_equal(source.read(3), shots[3])
        with pytest.raises(InputError, match="shot 3: the shot cannot be read"):
            source.read(2)


def write_emc(path: Path, shots: np.ndarray) -> None:
    """Binary, as Dragonfly's writer lays it out."""
    flat = shots.reshape(len(shots), -1)
    ones = [np.flatnonzero(s == 1) for s in flat]
    multi = [np.flatnonzero(s > 1) for s in flat]
    with path.open("wb") as stream:
        np.array([len(shots), flat.shape[1]], "<i4").tofile(stream)
        stream.seek(1024)
        for part in ([len(o) for o in ones], [len(m) for m in multi]):
            np.array(part, "<i4").tofile(stream)
        for part in (*ones, *multi, *(s[m] for s, m in zip(flat, multi, strict=True))):
            np.asarray(part).astype("<i4").tofile(stream)


def write_detector(path: Path, shape: tuple[int, int], bad: int) -> None:
    """Pixels on a flat detector, 300 pixels away, as Dragonfly's make_detector has them."""
    y, x = (v.ravel() - (s - 1) / 2 for v, s in zip(np.indices(shape), shape, strict=True))
    far, radius = 300.0, 120.0
    norm = np.sqrt(x**2 + y**2 + far**2)
    q = radius * np.stack([y / norm, x / norm, far / norm - 1])
    kind = np.zeros(y.size)
    kind[bad], kind[bad + 1] = 2, 1
    table = np.column_stack([*q, np.ones(y.size), kind])
    np.savetxt(path, table, header=f"{y.size} {far} {radius}", comments="", fmt="%.10e")


def test_photons_of_dragonfly_lie_where_the_detector_file_says(tmp_path):
    shots = np.random.default_rng(3).poisson(0.4, (6, 30, 22))
    write_emc(tmp_path / "photons.emc", shots)
    write_detector(tmp_path / "det.dat", (30, 22), bad=7)
    info = probe(tmp_path / "photons.emc")
    assert (info.layout, info.dataset, info.shape) == ("emc", "det.dat", (30, 22))
    assert info.geometry.centre == pytest.approx((14.5, 10.5))
    with open_source(tmp_path / "photons.emc") as source:
        assert all(np.array_equal(source.read(k), shots[k]) for k in range(6))
        mask = source.shot(0)[1]
    assert mask is not None
    assert np.flatnonzero(~mask.ravel()).tolist() == [7]
    with h5py.File(tmp_path / "photons.h5", "w") as file:
        file["num_pix"] = [30 * 22]
        kind = h5py.vlen_dtype(np.int32)
        for name, values in (
            ("place_ones", [np.flatnonzero(s == 1) for s in shots]),
            ("place_multi", [np.flatnonzero(s > 1) for s in shots]),
            ("count_multi", [s[s > 1] for s in shots]),
        ):
            dataset = file.create_dataset(name, (6,), kind)
            for k, value in enumerate(values):
                dataset[k] = value
    with open_source(tmp_path / "photons.h5", "30x22") as source:
        assert all(np.array_equal(source.read(k), shots[k]) for k in range(6))


def test_photons_without_their_detector_are_refused_in_words(tmp_path):
    shots = np.random.default_rng(3).poisson(0.4, (6, 30, 22))
    write_emc(tmp_path / "photons.emc", shots)
    with pytest.raises(InputError, match=r"detector file of its 660 pixels.*--dataset 185x194"):
        open_source(tmp_path / "photons.emc")
    write_detector(tmp_path / "other.dat", (30, 23), bad=7)
    with pytest.raises(InputError, match=r"other\.dat: is of a detector of 690 pixels.*have 660"):
        open_source(tmp_path / "photons.emc", "other.dat")
    with pytest.raises(InputError, match="660 pixels, not 30 × 23"):
        open_source(tmp_path / "photons.emc", "30x23")
    (tmp_path / "short.emc").write_bytes((tmp_path / "photons.emc").read_bytes()[:-9])
    with pytest.raises(InputError, match=r"short\.emc: the file is cut short"):
        open_source(tmp_path / "short.emc")
