"""Labels out and in again: every format gives back exactly what was decided."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import h5py
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from labeler.exchange import FORMATS, export, read_labels, sheet_of
from labeler.exchange.as_csv import harmless, original
from labeler.project import Project
from labeler.store import FLAGGED, LABELLED, SKIPPED
from model.errors import InputError
from model.shots import open_source
from model.taxonomy import Class, Taxonomy

ENDINGS = {"csv": "csv", "cxi": "cxi", "hdf5": "h5", "json": "json"}
NOTE = '=HYPERLINK("http://evil")\nsecond line, with "quotes" and ünïcode'


def write_stack(path: Path, n: int, labels: np.ndarray | None = None) -> Path:
    with h5py.File(path, "w") as f:
        f["scan/images"] = np.arange(n * 20, dtype=np.uint16).reshape(n, 4, 5) + n
        f["scan/mask"] = np.zeros((4, 5), np.int32)
        f["scan/mask"][0, 0] = 8
        f.attrs["distance_mm"] = 65.0
        if labels is not None:
            f["scan/labels"] = labels
            f["scan/labels"].attrs["class_names"] = ["Round", "Spherical/Oblate"]
    return path


def write_entries(path: Path, n: int) -> Path:
    with h5py.File(path, "w") as f:
        for k in range(1, n + 1):
            f[f"entry_{k}/instrument_1/detector_1/data"] = np.full((4, 5), k, np.uint16)
    return path


@pytest.fixture
def project(tmp_path):
    """Three sources; own, imported, empty, flagged, skipped and undecided shots; notes."""
    files = [
        write_stack(tmp_path / "a.h5", 3, np.array([[1, 1], [0, 1], [0, 0]], np.uint8)),
        write_stack(tmp_path / "b.h5", 2),
        write_entries(tmp_path / "c.cxi", 11),
    ]
    with Project.create(tmp_path / "week", files, annotator="=Ada") as made:
        me, names = made.annotator, made.taxonomy.index
        bits = [1 << names("Empty"), 1 << names("Prolate") | 1 << names("Bent"), 0]
        made.store.record(me, [1, 3, 7], bits, LABELLED, origin="key")
        made.store.record(me, 3, bits[1], LABELLED | FLAGGED, origin="flag", note=NOTE)
        made.store.record(me, 4, 0, SKIPPED, origin="skip")
        made.store.record(me, 5, 0, FLAGGED, origin="flag", note="'quoted'")
        yield made


@pytest.mark.parametrize("form", FORMATS)
def test_what_is_exported_is_read_back_exactly(project, tmp_path, form):
    out = tmp_path / f"out.{ENDINGS[form]}"
    sent = export(project, form, out)
    back = read_labels(out, project.taxonomy)
    assert back.class_names == sent.class_names
    for name in ("labels", "status", "imported", "index_of", "source_of"):
        assert np.array_equal(getattr(back, name), getattr(sent, name)), name
    assert back.files == sent.files
    assert back.datasets == sent.datasets
    assert back.notes == sent.notes == {3: NOTE, 5: "'quoted'"}
    assert sent.imported.tolist()[:4] == [True, False, True, False]
    assert sent.labelled.sum() == 5


@pytest.mark.parametrize("form", FORMATS)
def test_a_taxonomy_of_another_order_gets_its_columns_by_name(project, tmp_path, form):
    out = tmp_path / f"out.{ENDINGS[form]}"
    sent = export(project, form, out)
    turned = Taxonomy("turned", project.taxonomy.classes[::-1], [])
    assert np.array_equal(read_labels(out, turned).labels[:, ::-1], sent.labels)


@pytest.mark.parametrize("form", FORMATS)
def test_classes_that_the_taxonomy_lacks_are_named(project, tmp_path, form):
    out = tmp_path / f"out.{ENDINGS[form]}"
    export(project, form, out)
    with pytest.raises(InputError, match=r"out\..*unknown class.*'Empty'.*has: Round"):
        read_labels(out, Taxonomy("small", [Class("Round")], []))


@pytest.mark.parametrize("form", FORMATS)
def test_nothing_is_overwritten_unless_forced(project, tmp_path, form):
    out = tmp_path / f"out.{ENDINGS[form]}"
    out.write_text("precious")
    with pytest.raises(InputError, match="--force"):
        export(project, form, out)
    assert out.read_text() == "precious"
    export(project, form, out, force=True)
    assert len(read_labels(out, project.taxonomy)) == 16
    assert not list(tmp_path.glob(".*.part"))


def test_a_file_of_shots_is_never_replaced_even_when_forced(project, tmp_path):
    before = (tmp_path / "a.h5").read_bytes()
    with pytest.raises(InputError, match="file of shots"):
        export(project, "hdf5", tmp_path / "a.h5", force=True)
    assert (tmp_path / "a.h5").read_bytes() == before


@pytest.mark.parametrize("form", FORMATS)
def test_exporting_changes_no_file_of_shots(project, tmp_path, form):
    before = {p: p.read_bytes() for p in tmp_path.glob("?.*")}
    export(project, form, tmp_path / f"out.{ENDINGS[form]}")
    assert {p: p.read_bytes() for p in before} == before


def test_a_place_that_cannot_be_written_is_named(project, tmp_path):
    with pytest.raises(InputError, match="cannot be written"):
        export(project, "csv", tmp_path / "no" / "such" / "folder.csv")


def test_only_mine_leaves_the_labels_of_files_out(project, tmp_path):
    sheet = export(project, "csv", tmp_path / "out.csv", only_mine=True)
    assert sheet.labelled.sum() == 3
    assert not sheet.imported.any()


# -- CSV ---------------------------------------------------------------------------------------


def test_no_cell_of_a_csv_is_a_formula(project, tmp_path):
    export(project, "csv", tmp_path / "out.csv")
    with (tmp_path / "out.csv").open(newline="", encoding="utf-8-sig") as stream:
        cells = [cell for line in csv.reader(stream) for cell in line]
    assert not [c for c in cells if c.startswith(("=", "+", "-", "@", "\t", "\r"))]


@given(st.text())
def test_text_made_harmless_comes_back(text):
    assert original(harmless(text)) == text
    assert not harmless(text).startswith(("=", "+", "-", "@", "\t", "\r", "\n"))


@pytest.mark.parametrize(
    ("line", "change", "says"),
    [
        (1, "shot;file", "first line"),
        (2, "1,a.h5,images,0,me,0,0,,1", "line 2.*0 or 1"),
        (2, "1,a.h5,images,0,me,0,0,," + ",".join(["7"] * 11), "line 2.*0 or 1"),
        (3, "2,a.h5", "line 3"),
        (3, "2,a.h5,images,x,me,0,0,," + ",".join(["0"] * 11), "line 3"),
    ],
)
def test_a_csv_that_was_edited_wrongly_names_its_line(project, tmp_path, line, change, says):
    out = tmp_path / "out.csv"
    export(project, "csv", out)
    lines = out.read_text(encoding="utf-8-sig").splitlines()
    lines[line - 1] = change
    out.write_text("\n".join(lines), encoding="utf-8-sig")
    with pytest.raises(InputError, match=says):
        read_labels(out, project.taxonomy)


# -- JSON --------------------------------------------------------------------------------------


def test_json_has_the_form_of_label_studio(project, tmp_path):
    export(project, "json", tmp_path / "out.json")
    tasks = json.loads((tmp_path / "out.json").read_text(encoding="utf-8"))
    answer = tasks[3]["annotations"][0]["result"][0]
    assert answer["value"]["choices"] == ["Prolate", "Bent"]
    assert (answer["type"], answer["from_name"], answer["to_name"]) == (
        "choices",
        "classes",
        "shot",
    )
    assert tasks[15]["annotations"] == []
    assert tasks[4]["annotations"][0]["was_cancelled"]


@pytest.mark.parametrize("text", ["{}", "[1]", '[{"data": {}}]', "no json"])
def test_a_json_file_that_is_no_export_is_refused(project, tmp_path, text):
    (tmp_path / "out.json").write_text(text)
    with pytest.raises(InputError, match=r"out\.json"):
        read_labels(tmp_path / "out.json", project.taxonomy)


# -- HDF5 and CXI ------------------------------------------------------------------------------


def test_a_cxi_export_shows_the_shots_themselves_through_links(project, tmp_path):
    out = tmp_path / "out.cxi"
    sent = export(project, "cxi", out)
    with open_source(out, "entry_1/data_1/data") as source, open_source(tmp_path / "a.h5") as data:
        assert np.array_equal(source.read(2), data.read(2))
        assert source.mask(0).sum() == 19
        names, labels = source.labels()
        assert names == sent.class_names
        assert np.array_equal(labels, sent.labels[:3])
        assert source.info.geometry.distance_m == pytest.approx(0.065)
    with open_source(out, "entry_3/data_1/data") as source:
        assert source.read(9).max() == 10
    with h5py.File(out) as f:
        assert f["entry_1/instrument_1/detector_1"].get("data", getlink=True).filename
        assert f["entry_1/instrument_1/detector_1/tags"].dtype == np.int8
    assert out.stat().st_size < 200_000


def test_labels_that_a_file_of_shots_carries_can_be_read(project, tmp_path):
    back = read_labels(tmp_path / "a.h5", project.taxonomy)
    assert back.labels[:, project.taxonomy.index("Round")].tolist() == [1, 0, 0]
    with pytest.raises(InputError, match="no labels"):
        read_labels(tmp_path / "b.h5", project.taxonomy)


def test_a_damaged_export_is_refused(project, tmp_path):
    export(project, "hdf5", tmp_path / "out.h5")
    with h5py.File(tmp_path / "out.h5", "a") as f:
        del f["status"]
    with pytest.raises(InputError, match="no whole export"):
        read_labels(tmp_path / "out.h5", project.taxonomy)
    with pytest.raises(InputError, match=r"ends in one of \.csv"):
        read_labels(tmp_path / "labels.xlsx", project.taxonomy)


def test_a_sheet_knows_its_files_and_names(project):
    sheet = sheet_of(project)
    assert sheet.annotator == "=Ada"
    assert sheet.names_of(3) == ["Prolate", "Bent"]
    assert [Path(f).name for f in sheet.files] == ["a.h5", "b.h5", "c.cxi"]
