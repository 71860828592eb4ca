"""Files of shots in every layout: found, named, read lazily, with labels, masks and numbers."""

from __future__ import annotations

from pathlib import Path

import h5py
import hdf5plugin
import numpy as np
import pytest

from model.errors import InputError
from model.shots.table import make_table, open_source, probe, table_of_file
from model.taxonomy.toml import load, shipped
from tests.helpers.data import needed

NAMES = ["Spherical/Oblate", "Round", "Newton rings", "Empty"]
LABELS = np.array([[1, 1, 0, 0], [0, 0, 0, 1], [1, 1, 1, 0]], np.uint8)


def counts(n: int = 3, size: int = 16, seed: int = 1) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 9000, (n, size, size + 1), np.uint16)


def write_stack(path: Path, images: np.ndarray, **more: object) -> Path:
    with h5py.File(path, "w") as f:
        f.create_dataset("images", data=images, **more)
    return path


def write_cxi(path: Path, images: np.ndarray, tags: bool = True) -> Path:
    """A CXI 1.6 stack with a mask, tags and a soft link from data_1, as at the CXIDB."""
    with h5py.File(path, "w") as f:
        f["cxi_version"] = 160
        detector = f.create_group("entry_1/instrument_1/detector_1")
        detector["data"] = images
        mask = np.zeros(images.shape[1:], np.int32)
        mask[0, 0], mask[0, 1], mask[0, 2] = 1, 0x1000, 0x1000 | 8
        detector["mask"] = mask
        detector["distance"] = 0.3
        detector["x_pixel_size"] = 75e-6
        if tags:
            detector["tags"] = LABELS.T.astype(np.int8)
            detector["tags"].attrs["headings"] = NAMES
        f["entry_1/data_1/data"] = h5py.SoftLink("/entry_1/instrument_1/detector_1/data")
        f["entry_1/instrument_1/source_1/energy"] = np.array([1, 2, 3]) * 1.602176634e-18
        f["entry_1/experiment_identifier"] = np.array([7, 8, 9])
    return path


def write_entries(path: Path, images: np.ndarray, identifier: str = "experimental_identifier"):
    """One group per shot; 11 shots, so that entry_10 must not come after entry_1."""
    with h5py.File(path, "w") as f:
        for k, image in enumerate(images, 1):
            entry = f.create_group(f"entry_{k}")
            entry["instrument_1/detector_1/data"] = image
            entry["data_1/data"] = h5py.SoftLink(f"/entry_{k}/instrument_1/detector_1/data")
            entry["instrument_1/source_1/energy"] = 20 * 1.602176634e-19
            entry[identifier] = 1000 + k
            entry["note_1/data"] = np.eye(11, dtype=np.int8)[(k - 1) % 11]
    return path


# -- plain stacks ------------------------------------------------------------------------------


def test_the_only_stack_of_a_plain_file_is_found(tmp_path):
    images = counts()
    with open_source(write_stack(tmp_path / "a.h5", images)) as source:
        assert (source.info.layout, source.info.dataset) == ("stack", "images")
        assert source.info.n_shots == 3
        assert source.info.shape == (16, 17)
        assert np.array_equal(source.read(1), images[1])
        assert source.read(1).dtype == np.uint16
        assert np.array_equal(source.read_slice(1, 3), images[1:])
        assert source.labels() is None
        assert source.mask(0) is None


def test_the_largest_of_several_stacks_is_taken_and_another_can_be_named(tmp_path):
    with h5py.File(tmp_path / "a.h5", "w") as f:
        f["small"] = counts(2)
        f["deep/big"] = counts(4)
    with open_source(tmp_path / "a.h5") as source:
        assert source.info.dataset == "deep/big"
    with open_source(tmp_path / "a.h5", "/small") as source:
        assert source.info.n_shots == 2


def test_two_stacks_of_one_size_are_both_named_and_the_choice_is_explained(tmp_path):
    with h5py.File(tmp_path / "a.h5", "w") as f:
        f["left"], f["right"] = counts(), counts()
    with pytest.raises(InputError, match=r"left, right.*--dataset left"):
        open_source(tmp_path / "a.h5")


@pytest.mark.parametrize("kind", ["gzip", "bitshuffle", "big chunks"])
def test_compressed_shots_are_read_as_they_were_written(tmp_path, kind):
    more = {
        "gzip": {"compression": "gzip", "chunks": (1, 16, 17)},
        "bitshuffle": dict(hdf5plugin.Bitshuffle(), chunks=(1, 16, 17)),
        "big chunks": {"compression": "gzip", "chunks": (3, 16, 17)},
    }[kind]
    images = counts()
    with open_source(write_stack(tmp_path / "a.h5", images, **more)) as source:
        assert all(np.array_equal(source.read(i), images[i]) for i in range(3))


def test_labels_beside_the_stack_come_with_their_names_and_are_matched_by_name(tmp_path):
    path = write_stack(tmp_path / "a.h5", counts())
    with h5py.File(path, "a") as f:
        f["labels"] = LABELS
        f["labels"].attrs["class_names"] = NAMES
        f["pulse_energy"] = np.array([1.0, 2.0, 3.0], np.float32)
    with open_source(path) as source:
        names, labels = source.labels()
        assert names == tuple(NAMES)
        assert np.array_equal(labels, LABELS)
        assert source.scalars()["pulse_energy"].tolist() == [1, 2, 3]
    table = table_of_file(path)
    assert table.taxonomy.name == "Helium nanodroplets"
    assert table.labels[:, table.class_names.index("Newton Rings")].tolist() == [0, 0, 1]
    assert table.labelled.all()


def test_labels_without_names_are_never_guessed_from_their_column(tmp_path):
    path = write_stack(tmp_path / "a.h5", counts())
    with h5py.File(path, "a") as f:
        f["labels"] = LABELS
    assert probe(path).class_names == ()


def test_names_that_do_not_fit_helium_make_a_taxonomy_without_rules(tmp_path):
    path = write_stack(tmp_path / "a.h5", counts())
    with h5py.File(path, "a") as f:
        f["labels"] = LABELS[:, :2]
        f["labels"].attrs["class_names"] = ["cat", "dog"]
    table = table_of_file(path)
    assert table.class_names == ("cat", "dog")
    assert not table.taxonomy.rules
    with pytest.raises(InputError, match=r"'cat', 'dog'.*Nanorice"):
        table_of_file(path, taxonomy=load(shipped("cxidb")))


def test_geometry_attributes_are_understood_with_their_unit(tmp_path):
    path = write_stack(tmp_path / "a.h5", counts())
    with h5py.File(path, "a") as f:
        f.attrs["distance_mm"], f.attrs["wavelength_nm"] = 65.0, 50.0
        f["images"].attrs["centre"] = [8.0, 9.0]
    geometry = probe(path).geometry
    assert geometry.distance_m == pytest.approx(0.065)
    assert geometry.wavelength_m == pytest.approx(50e-9)
    assert geometry.pixel_m is None
    assert geometry.centre == (8.0, 9.0)


# -- CXI ---------------------------------------------------------------------------------------


def test_a_cxi_stack_behind_a_soft_link_counts_once_and_brings_mask_tags_and_energy(tmp_path):
    images = counts()
    with open_source(write_cxi(tmp_path / "a.cxi", images)) as source:
        assert source.info.layout == "cxi"
        assert np.array_equal(source.read(2), images[2])
        mask = source.mask(0)
        assert mask[0, :4].tolist() == [False, True, False, True]
        names, labels = source.labels()
        assert names == tuple(NAMES)
        assert np.array_equal(labels, LABELS)
        assert source.scalars()["photon_energy_ev"] == pytest.approx([10, 20, 30])
        assert source.scalars()["bunch_id"].tolist() == [7, 8, 9]
        assert source.info.geometry.pixel_m == pytest.approx(75e-6)


def test_a_shot_without_any_tag_is_undecided(tmp_path):
    path = write_cxi(tmp_path / "a.cxi", counts())
    with h5py.File(path, "a") as f:
        f["entry_1/instrument_1/detector_1/tags"][:, 1] = 0
    assert table_of_file(path).labelled.tolist() == [True, False, True]


def test_two_detectors_are_named_and_one_can_be_chosen(tmp_path):
    path = write_cxi(tmp_path / "a.cxi", counts())
    with h5py.File(path, "a") as f:
        f["entry_1/instrument_1/detector_2/data"] = counts(seed=2)
    with pytest.raises(InputError, match="detector_2/data"):
        open_source(path)
    with open_source(path, "entry_1/instrument_1/detector_2/data") as source:
        assert np.array_equal(source.read(0), counts(seed=2)[0])
        assert source.labels() is None


def test_a_link_to_a_missing_file_is_named(tmp_path):
    with h5py.File(tmp_path / "a.cxi", "w") as f:
        f["entry_1/data_1/data"] = h5py.ExternalLink("gone.h5", "/images")
    with pytest.raises(InputError, match="gone"):
        open_source(tmp_path / "a.cxi")


@pytest.mark.parametrize("name", ["images", "entry/images"])
def test_shots_behind_a_link_into_another_file_are_found(tmp_path, name):
    write_stack(tmp_path / "other.h5", counts(4))
    with h5py.File(tmp_path / "a.h5", "w") as f:
        link = "/" if "/" in name else "/images"
        f[name.partition("/")[0]] = h5py.ExternalLink("other.h5", link)
        f["gone"] = h5py.ExternalLink("gone.h5", "/images")
    with open_source(tmp_path / "a.h5") as source:
        assert source.info.dataset == name
        np.testing.assert_array_equal(source.shot(2)[0], counts(4)[2])


def test_a_link_that_leads_nowhere_is_named_where_the_file_holds_no_shots(tmp_path):
    with h5py.File(tmp_path / "a.h5", "w") as f:
        f["images"] = h5py.ExternalLink("gone.h5", "/images")
    with pytest.raises(InputError, match=r"a\.h5, images: is a link to /images in gone\.h5"):
        open_source(tmp_path / "a.h5")
    with h5py.File(tmp_path / "b.h5", "w") as f:
        f["images"] = h5py.SoftLink("/raw/images")
    with pytest.raises(InputError, match=r"b\.h5, images: is a link to nothing"):
        open_source(tmp_path / "b.h5")


def test_half_precision_counts_are_read_without_a_warning(tmp_path):
    write_stack(tmp_path / "a.h5", counts().astype(np.float16))
    with open_source(tmp_path / "a.h5") as source:
        assert source.shot(0)[1] is None


# -- CXIDB entry 94 ----------------------------------------------------------------------------


@pytest.mark.parametrize("identifier", ["experimental_identifier", "experiment_identifier"])
def test_entries_come_in_the_order_of_their_numbers(tmp_path, identifier):
    images = counts(11)
    path = write_entries(tmp_path / "a.cxi", images, identifier)
    with open_source(path) as source:
        assert source.info.layout == "cxidb94"
        assert source.info.shot_names[9] == "entry_10"
        assert all(np.array_equal(source.read(i), images[i]) for i in range(11))
        assert source.scalars()["bunch_id"].tolist() == [1001 + k for k in range(11)]
        assert source.scalars()["photon_energy_ev"] == pytest.approx(np.full(11, 20))
    table = table_of_file(path)
    assert np.array_equal(table.labels, np.eye(11, dtype=np.uint8))
    assert table.class_names[7] == "Newton Rings"


def test_an_entry_without_its_image_is_one_unreadable_shot(tmp_path):
    path = write_entries(tmp_path / "a.cxi", counts(11))
    with h5py.File(path, "a") as f:
        del f["entry_4/instrument_1"]
    table = table_of_file(path)
    failed: list[int] = []
    rows = [row for row, _, _ in table.iter_shots(on_error=lambda row, error: failed.append(row))]
    assert failed == [3]
    assert rows == [0, 1, 2, *range(4, 11)]
    with pytest.raises(InputError, match="entry_4"):
        list(table.iter_shots([3]))


def test_names_that_the_labels_carry_win_over_the_published_order(tmp_path):
    path = write_entries(tmp_path / "a.cxi", counts(2))
    with h5py.File(path, "a") as f:
        for k in (1, 2):
            del f[f"entry_{k}/note_1/data"]
            f[f"entry_{k}/note_1/data"] = [1, 0]
            f[f"entry_{k}/note_1/data"].attrs["class_names"] = ["Empty", "Round"]
    assert probe(path).class_names == ("Empty", "Round")


def test_what_is_known_of_a_file_spares_the_listing(tmp_path):
    images = counts(11)
    info = probe(write_entries(tmp_path / "a.cxi", images))
    with open_source(info.path, known=info) as source:
        assert source.info is info
        assert np.array_equal(source.read(10), images[10])


# -- real files --------------------------------------------------------------------------------


def test_the_published_layout_is_read_with_its_labels():
    table = table_of_file(needed("cxidb94_layout.cxi"))
    assert len(table) == 12
    assert table.taxonomy.name == "Helium nanodroplets"
    assert not table.taxonomy.contradictions(table.labels).any()
    assert table.labels[7, [table.class_names.index(n) for n in ("Prolate", "Bent")]].all()
    with open_source(table.sources[0].path) as source:
        energy = source.scalars()["photon_energy_ev"]
        assert ((energy > 19) & (energy < 35)).all()


def test_a_foreign_file_of_simulations_is_read_with_its_labels():
    table = table_of_file(needed("helium_small.h5"))
    assert len(table) == 600
    assert table.labels[:, table.class_names.index("Round")].sum() == 490
    assert sum(1 for _ in table.iter_shots(range(20))) == 20


# -- tables ------------------------------------------------------------------------------------


def test_a_table_over_two_files_reads_each_file_in_its_own_order(tmp_path):
    one, two = counts(3), counts(4, seed=2)
    infos = (
        probe(write_stack(tmp_path / "1.h5", one)),
        probe(write_stack(tmp_path / "2.h5", two)),
    )
    nothing = np.zeros((7, 0), np.uint8)
    table = make_table(infos, (), nothing, np.zeros(7, bool), np.zeros(7, np.uint8), None)
    got = {row: shot for row, shot, _ in table.iter_shots([6, 0, 3, 2])}
    assert list(got) == [0, 2, 3, 6]
    assert np.array_equal(got[6], two[3])
    assert np.array_equal(got[2], one[2])


def test_the_fingerprint_of_a_table_changes_with_one_label_and_not_with_a_copy(tmp_path):
    path = write_cxi(tmp_path / "a.cxi", counts())
    copy = tmp_path / "copy.cxi"
    copy.write_bytes(path.read_bytes())
    assert table_of_file(copy).fingerprint == table_of_file(path).fingerprint
    table = table_of_file(path)
    other = table.labels.copy()
    other[0, 0] ^= 1
    changed = make_table(
        table.sources, table.class_names, other, table.labelled, table.role, table.taxonomy
    )
    assert changed.fingerprint != table.fingerprint
