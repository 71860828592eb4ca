"""Recorded runs of European XFEL, as extra-data's own examples write them, against its readers."""

from __future__ import annotations

import shutil
import warnings
from pathlib import Path

import h5py
import numpy as np
import pytest

from model.errors import InputError
from model.shots.contents import contents
from model.shots.table import open_source
from tests.helpers.xfel import DETECTOR, write_run

extra_data = pytest.importorskip("extra_data", reason="pip install 'airylabel[formats]'")
components = pytest.importorskip("extra_data.components")
extra_geom = pytest.importorskip("extra_geom", reason="pip install 'airylabel[formats]'")


@pytest.fixture(scope="module")
def corrected(tmp_path_factory) -> Path:
    return write_run(tmp_path_factory.mktemp("exdf") / "r0001")


def theirs(run: Path, key: str = "image.data") -> np.ndarray:
    """(shot, module, y, x) by extra-data."""
    with extra_data.RunDirectory(run, parallelize=False) as opened, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        found = components.AGIPD1M(opened)[key].ndarray(module_gaps=True)
    (run / "karabo_data_map.json").unlink(missing_ok=True)
    return np.moveaxis(found, 0, 1)


def test_a_corrected_run_has_the_pixels_masks_and_ids_of_its_own_reader(corrected):
    expected, bits = theirs(corrected), theirs(corrected, "image.mask")
    with open_source(corrected) as source:
        info, numbers = source.info, source.scalars()
        assert (info.layout, info.dataset, info.n_shots) == ("exdf", DETECTOR, 12)
        assert info.shape == (16 * 512, 128)
        for i in (0, 5, 11):
            counts, mask = source.shot(i)
            assert np.array_equal(counts, expected[i].reshape(-1, 128))
            assert np.array_equal(mask, (bits[i] == 0).reshape(-1, 128))
    assert numbers["train_id"].tolist() == np.repeat([10000, 10001, 10002], 4).tolist()
    assert numbers["pulse_id"].tolist() == [0, 1, 2, 3] * 3
    assert not list(corrected.glob("*.json"))


def test_pulses_are_chosen_and_modules_lie_as_the_geometry_says(corrected):
    geometry = extra_geom.AGIPD_1MGeometry.example()
    geometry.write_crystfel_geom(
        str(corrected / "agipd.geom"), photon_energy=1000, clen=0.3, adu_per_ev=1
    )
    expected, centre = geometry.position_modules(theirs(corrected))
    with open_source(corrected, "?geometry=agipd.geom&pulses=1:4:2") as source:
        info = source.info
        assert source.scalars()["pulse_id"].tolist() == [1, 3] * 3
        counts, mask = source.shot(2)
        assert mask is not None
        assert np.array_equal(counts[mask], expected[5][mask])
        assert not mask[np.isnan(expected[5])].any()
    assert info.geometry.distance_m == pytest.approx(0.3)
    assert info.geometry.wavelength_m == pytest.approx(1.23984e-9, rel=1e-4)
    assert info.geometry.centre == pytest.approx(tuple(centre))
    assert "modules lie as in agipd.geom" in info.notes
    with open_source(corrected, info.dataset, known=info) as again:
        assert np.array_equal(again.read(2), counts)


def test_a_missing_module_is_masked_and_said(corrected, tmp_path):
    run = shutil.copytree(corrected, tmp_path / "r0002")
    (run / "CORR-R0001-AGIPD07-S00000.h5").unlink()
    (run / "CORR-R0001-AGIPD08-S00000.h5").write_bytes(b"half written")
    with open_source(run) as source:
        mask = source.shot(3)[1]
        notes = " ".join(source.info.notes)
    assert mask is not None
    assert not mask.reshape(16, 512, 128)[[7, 8]].any()
    assert mask.reshape(16, 512, 128)[6, :, 9:].all()
    assert "module 7, 8 is missing" in notes
    assert "1 files cannot be opened, and are left out: CORR-R0001-AGIPD08" in notes


def test_raw_data_are_counts_and_not_gains_and_a_file_alone_is_one_module(tmp_path):
    run = write_run(tmp_path / "r0003", raw=True, trains=2, pulses=2)
    expected = theirs(run)
    with open_source(run) as source:
        assert source.info.dtype == "uint16"
        assert np.array_equal(source.read(3), expected[3][:, 0].reshape(-1, 128))
    with open_source(run / "RAW-R0001-AGIPD05-S00000.h5") as source:
        assert source.info.shape == (512, 128)
        assert np.array_equal(source.read(3), expected[3][5, 0])


def test_the_virtual_cxi_keeps_ids_and_takes_a_geometry(corrected, tmp_path):
    path = tmp_path / "run.cxi"
    with extra_data.RunDirectory(corrected, parallelize=False) as run, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        components.AGIPD1M(run).write_virtual_cxi(str(path))
    (corrected / "karabo_data_map.json").unlink(missing_ok=True)
    modules = theirs(corrected)
    expected = extra_geom.AGIPD_1MGeometry.example().position_modules(modules)[0]
    with open_source(path, "entry_1/instrument_1/detector_1/data?geometry=built-in") as source:
        counts, mask = source.shot(5)
        assert mask is not None
        assert np.array_equal(counts[mask], expected[5][mask])
        assert not mask[np.isnan(expected[5])].any()
        numbers = source.scalars()
    assert numbers["trainid"].tolist() == np.repeat([10000, 10001, 10002], 4).tolist()
    assert numbers["pulseid"].tolist() == [0, 1, 2, 3] * 3
    with open_source(path) as source:
        assert np.array_equal(source.read(5), modules[5].reshape(-1, 128))


def test_cameras_and_several_detectors_are_named_in_words(tmp_path):
    from extra_data.tests import make_examples

    make_examples.make_fxe_jungfrau_run(str(tmp_path))
    with pytest.raises(InputError, match=r"several detectors: FXE_XAD_JF1M, FXE_XAD_JF500K"):
        open_source(tmp_path)
    with open_source(tmp_path, "FXE_XAD_JF500K") as source:
        assert (source.info.n_shots, source.info.shape) == (1600, (512, 1024))
        assert source.scalars()["cell"][:17].tolist() == [*range(16), 0]
    make_examples.make_data_file_bad_device_name(str(tmp_path / "camera.h5"))
    said = "\n".join(contents(tmp_path / "camera.h5").lines())
    assert "opens SPB_IRU_SIDEMIC_CAM:daqOutput data.image.pixels: 500 shots of 1000 × 1000" in said
    assert "layout exdf" in said


@pytest.mark.parametrize(
    ("dataset", "words"),
    [
        ("SPB_DET_AGIPD1M-2", "no such detector in this run. There are: SPB_DET_AGIPD1M-1"),
        ("?pulses=1:x", "pulses=1:x is no range"),
        ("?pulses=70:80", "holds no shots"),
        ("?cells=1", "'cells' is no option of a dataset. There are: geometry, pulses"),
        ("?geometry=gone.geom", "gone.geom: there is no such geometry file"),
        ("?geometry=other.geom", "other.geom: is no geometry of 16 modules of 512 × 128 pixels"),
    ],
)
def test_what_does_not_fit_a_run_is_refused_in_words(corrected, dataset, words):
    extra_geom.JUNGFRAUGeometry.example().write_crystfel_geom(
        str(corrected / "other.geom"), photon_energy=1000, clen=0.3, adu_per_ev=1
    )
    with pytest.raises(InputError) as refused:
        open_source(corrected, dataset)
    assert words in str(refused.value)


def test_what_gas_monitors_kept_of_a_train_is_a_number_of_each_of_its_shots(corrected, tmp_path):
    from extra_data.tests.mockdata import write_file
    from extra_data.tests.mockdata.xgm import XGM

    run = shutil.copytree(corrected, tmp_path / "r0003")
    beam = run / "RAW-R0001-DA01-S00000.h5"
    monitor = XGM("SPB_XTD9_XGM/DOOCS/MAIN")
    write_file(str(beam), [monitor], ntrains=2, firsttrain=10001, format_version="1.0")
    with h5py.File(beam, "r+") as file:
        kept = file["CONTROL/SPB_XTD9_XGM/DOOCS/MAIN/pulseEnergy"]
        kept["photonFlux/value"][:2] = [812.5, 790.0]
        kept["wavelengthUsed/value"][:2] = [0.248, 0.248]
    with open_source(run) as source:
        numbers = source.scalars()
    flux = numbers["spb_xtd9_xgm.photon_flux"]
    assert np.array_equal(flux, np.repeat([np.nan, 812.5, 790.0], 4), equal_nan=True)
    assert numbers["spb_xtd9_xgm.wavelength"][4:].tolist() == pytest.approx([0.248] * 8)
