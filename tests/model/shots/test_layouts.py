"""Files as beamlines write them: the right dataset, all shots, the mask as it is meant."""

from __future__ import annotations

from pathlib import Path

import h5py
import numpy as np
import pytest
from scipy import constants

from model.errors import InputError
from model.shots import hdf5
from model.shots.contents import contents
from model.shots.counts.invalid import invalid
from model.shots.layouts.base import EV_METRES, JOULES_PER_EV
from model.shots.table import open_source, probe, table_of_files


def counts(n: int, y: int = 48, x: int = 48, seed: int = 1) -> np.ndarray:
    return np.random.default_rng(seed).integers(1, 999, (n, y, x), np.uint16)


def put(path: Path, **datasets: object) -> Path:
    with h5py.File(path, "w") as file:
        for name, values in datasets.items():
            file[name.replace("__", "/")] = values
    return path


def test_photon_energies_become_wavelengths_by_the_constants_of_the_si():
    of_si = constants.h * constants.c / constants.e
    assert pytest.approx(of_si, rel=1e-15) == EV_METRES
    assert constants.e == JOULES_PER_EV


def test_one_module_is_squeezed_and_sixteen_are_stacked_with_their_mask(tmp_path):
    shots = counts(6)
    one = put(tmp_path / "a.cxi", entry_1__data_1__data=shots[:, None])
    with open_source(one) as source:
        assert np.array_equal(source.read(4), shots[4])
    modules = counts(2 * 16).reshape(2, 16, 48, 48)
    mask = np.zeros_like(modules, np.uint32)
    mask[1, 3] = 2
    many = put(
        tmp_path / "b.cxi", entry_1__data_1__data=modules, entry_1__data_1__gain=modules,
        entry_1__data_1__mask=mask,
    )  # fmt: skip
    with open_source(many) as source:
        assert (source.info.n_shots, source.info.shape) == (2, (16 * 48, 48))
        assert np.array_equal(source.read(1), modules[1].reshape(-1, 48))
        good = source.shot(1)[1]
        assert good is not None
        assert not good[3 * 48 : 4 * 48].any()
        assert good.sum() == 15 * 48 * 48
        assert any("16 detector modules" in note for note in source.info.notes)


def test_trains_of_pulses_are_counted_through(tmp_path):
    data = counts(2 * 3 * 4).reshape(2, 3, 4, 48, 48)
    with open_source(put(tmp_path / "a.h5", data=data)) as source:
        assert source.info.n_shots == 6
        assert np.array_equal(source.read(4), data[1, 1].reshape(-1, 48))


def test_a_master_reads_its_parts_as_one_run_and_a_lost_one_spoils_only_its_shots(tmp_path):
    parts = [counts(5, seed=k) for k in range(3)]
    for k, part in enumerate(parts):
        put(tmp_path / f"h_data_{k}.h5", entry__data__data=part)
    with h5py.File(tmp_path / "h_master.h5", "w") as file:
        for k in range(3):
            link = h5py.ExternalLink(f"h_data_{k}.h5", "/entry/data/data")
            file[f"entry/data/data_{k + 1:06d}"] = link
        file["entry/instrument/detector/pixel_mask"] = np.eye(48, dtype=np.uint32)
        file["entry/instrument/detector/detector_distance"] = 0.2
        file["entry/instrument/detector/detector_distance"].attrs["units"] = "m"
    info = probe(tmp_path / "h_master.h5")
    assert (info.layout, info.n_shots, len(info.files)) == ("master", 15, 4)
    assert info.geometry.distance_m == pytest.approx(0.2)
    with open_source(tmp_path / "h_master.h5") as source:
        assert np.array_equal(source.read(12), parts[2][2])
        assert np.array_equal(source.shot(12)[1], ~np.eye(48, dtype=bool))
    (tmp_path / "h_data_1.h5").unlink()
    with open_source(tmp_path / "h_master.h5") as source:
        assert source.info.n_shots == 15
        assert np.array_equal(source.read(12), parts[2][2])
        with pytest.raises(InputError, match=r"shot 7.*h_data_1\.h5, which is not there"):
            source.read(6)


def test_a_stack_goes_before_the_average_beside_it(tmp_path):
    shots = counts(12)
    path = put(
        tmp_path / "a.cxi", entry_1__data_1__data=shots, entry_1__image_1__data=shots.mean(0)
    )
    assert (probe(path).n_shots, probe(path).dataset) == (12, "entry_1/data_1/data")


def test_what_the_file_itself_calls_its_signal_leads(tmp_path):
    path = put(tmp_path / "a.nxs", entry__small__frames=counts(3), entry__large__frames=counts(9))
    with h5py.File(path, "r+") as file:
        file.attrs["default"] = "entry"
        file["entry"].attrs["default"] = "small"
        file["entry/small"].attrs["signal"] = "frames"
    assert probe(path).dataset == "entry/small/frames"


def test_one_group_a_shot_under_other_names_and_one_picture_a_file(tmp_path):
    shots = counts(4)
    tags = {f"run_1__detector_2d_1__tag_{9 + 2 * k}__data": s for k, s in enumerate(shots)}
    with open_source(put(tmp_path / "a.h5", **tags)) as source:
        assert source.info.shot_names == tuple(
            f"run_1/detector_2d_1/tag_{n}" for n in (9, 11, 13, 15)
        )
        assert np.array_equal(source.read(1), shots[1])
        info = source.info
    with open_source(info.path, known=info) as again:
        assert np.array_equal(again.read(3), shots[3])
    files = [put(tmp_path / f"r{k}.h5", image__ccd=s) for k, s in enumerate(shots)]
    assert len(table_of_files(files)) == 4


def test_entries_without_an_image_are_unreadable_and_the_others_stay(tmp_path):
    entries = {f"entry_{k + 2}__data_1__data": s for k, s in enumerate(counts(5))}
    path = put(tmp_path / "a.cxi", entry_1__note=1, **entries)
    info = probe(path)
    assert info.n_shots == 6
    with open_source(path) as source, pytest.raises(InputError, match="entry_1"):
        source.read(0)


def test_shots_counted_by_the_last_axis_are_asked_for_and_opened_when_named(tmp_path):
    shots = counts(7)
    path = put(tmp_path / "a.h5", images=np.moveaxis(shots, 0, -1))
    with pytest.raises(InputError, match=r"looks like \(y, x, shot\).*images:yxn"):
        probe(path)
    with open_source(path, "images:yxn") as source:
        assert source.info.n_shots == 7
        assert np.array_equal(source.read(5), shots[5])
    assert probe(path, "images:nyx").n_shots == 48


@pytest.mark.parametrize("one_is_good", [True, False])
def test_masks_of_either_kind_are_told_apart(tmp_path, one_is_good):
    bad = np.eye(48, dtype=np.uint8)
    mask = 1 - bad if one_is_good else bad
    path = put(tmp_path / "a.h5", images=counts(3), mask=mask)
    with open_source(path) as source:
        good = source.shot(1)[1]
    assert np.array_equal(good, bad == 0)
    assert any(note.startswith(f"mask: {int(one_is_good)} is") for note in probe(path).notes)


@pytest.mark.parametrize(
    ("dtype", "marker", "good"),
    [
        (np.uint32, 2**32 - 1, 5), (np.uint16, 65535, 5), (np.int32, -1, 5), (np.int32, -2, 0),
        (np.int16, -(2**15), -40), (np.float32, np.nan, -7.5), (np.float32, 2.0**32, 5),
    ],
)  # fmt: skip
def test_what_detectors_write_into_gaps_is_masked_and_said(tmp_path, dtype, marker, good):
    shots = np.full((2, 48, 48), good, dtype)
    shots[:, :4] = marker
    path = put(tmp_path / "a.h5", images=shots)
    with open_source(path) as source:
        mask = source.shot(0)[1]
    assert mask is not None
    assert not mask[:4].any()
    assert mask[4:].all()
    assert any("masked" in note for note in probe(path).notes)


def test_noise_about_a_pedestal_is_no_marker():
    assert invalid(np.array([[-5, 3], [2, -1]], np.int16)) is None
    assert invalid(np.array([[-5.5, 3], [2, -1]], np.float32)) is None


def test_numbers_are_found_where_facilities_keep_them(tmp_path):
    path = put(
        tmp_path / "a.h5", vmi__andor=counts(6), bunches=np.arange(6),
        LCLS__eventNumber=np.arange(6),
        photon_diagnostics__FEL01__I0_monitor__iom_sh_a=np.linspace(1, 2, 6)[:, None],
    )  # fmt: skip
    with open_source(path) as source:
        found = source.scalars()
    assert found["bunches"].tolist() == [0, 1, 2, 3, 4, 5]
    assert found["eventnumber"].shape == (6,)
    assert found["iom_sh_a"][5] == 2


def test_files_alike_with_other_parts_are_no_twins(tmp_path):
    files = []
    for run in (1, 2):
        folder = tmp_path / f"r{run}"
        folder.mkdir()
        put(folder / "part.h5", data=counts(4, seed=run))
        layout = h5py.VirtualLayout((4, 48, 48), np.uint16)
        layout[...] = h5py.VirtualSource("part.h5", "data", (4, 48, 48))
        with h5py.File(folder / "run.h5", "w") as file:
            file.create_virtual_dataset("data", layout)
        files.append(folder / "run.h5")
    assert len(table_of_files(files)) == 8


def test_a_link_to_what_is_no_file_is_refused_and_never_waited_for(tmp_path):
    os = pytest.importorskip("os")
    if not hasattr(os, "mkfifo"):
        pytest.skip("no named pipes here")
    os.mkfifo(tmp_path / "pipe")
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file["images"] = h5py.ExternalLink("pipe", "/x")
    with pytest.raises(InputError, match="not a file"):
        probe(tmp_path / "a.h5", "images")


def test_a_look_says_what_would_be_opened_and_what_else_there_is(tmp_path):
    path = put(tmp_path / "a.h5", one=counts(3), two=counts(5))
    said = "\n".join(contents(path).lines())
    assert "opens two: 5 shots of 48 × 48 uint16" in said
    assert "one  3 × 48 × 48" in said
    (tmp_path / "b.h5").write_text("nothing")
    assert "cannot be opened" in "\n".join(contents(tmp_path / "b.h5").lines())


def test_a_matrix_of_a_million_columns_is_no_labels(tmp_path):
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file["images"] = counts(3)
        file.create_dataset("labels", (3, 10**6), "u1", chunks=(1, 10**6))
        file.create_dataset("class_names", (10**6,), h5py.string_dtype(length=8), chunks=(10**5,))
    assert probe(tmp_path / "a.h5").class_names == ()


def test_a_file_of_many_groups_is_looked_through_no_more_than_needed(tmp_path, monkeypatch):
    walks, walk = [], hdf5._members
    monkeypatch.setattr(hdf5, "_members", lambda *of: (walks.append(of), walk(*of))[1])
    for name, side, most in (("pictures", 16, 1), ("curves", 3, 2)):  # links are looked for last
        with h5py.File(tmp_path / f"{name}.h5", "w") as file:
            for k in range(30):
                file[f"g{k}/x"] = np.ones((side, side), np.uint16)
        walks.clear()
        if side == 16:
            assert probe(tmp_path / f"{name}.h5").n_shots == 30
            with open_source(tmp_path / f"{name}.h5") as source:
                assert source.info.n_shots == 30
        else:
            with pytest.raises(InputError, match="no 3-D dataset"):
                open_source(tmp_path / f"{name}.h5")
        assert len(walks) == most


def test_groups_inside_each_other_without_end_are_refused(tmp_path):
    with h5py.File(tmp_path / "a.h5", "w", libver="latest") as file:
        group = file.id
        for _ in range(200):
            group = h5py.h5g.create(group, b"g")
    with pytest.raises(InputError, match="without end"):
        probe(tmp_path / "a.h5")


def test_a_group_of_too_many_objects_is_refused_before_any_of_them_is_opened(tmp_path, monkeypatch):
    monkeypatch.setattr(hdf5, "MOST_OBJECTS", 50)
    with h5py.File(tmp_path / "a.h5", "w") as file:
        for k in range(60):
            file.create_dataset(f"many/d{k}", data=k)
    opened = []
    real = h5py.h5o.open
    monkeypatch.setattr(h5py.h5o, "open", lambda *a, **k: opened.append(a[1]) or real(*a, **k))
    with pytest.raises(InputError, match="more than 50 objects"):
        open_source(tmp_path / "a.h5")
    assert b"many" in opened
    assert not [name for name in opened if name.startswith(b"d")]
