"""Labels out and read again: every format gives back exactly what was decided."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import h5py
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from labeler.exchange import FORMATS, export, read_labels
from labeler.exchange.as_csv import harmless, original
from labeler.exchange.columns import class_column
from labeler.exchange.sheet import sheet_of
from labeler.project import classes
from labeler.project.project import Project
from labeler.project.store import LABELLED
from model.errors import InputError
from model.shots.table import Geometry, open_source
from tests.helpers.weeks import NOTE, decide, open_week, write_stack


@pytest.fixture
def project(tmp_path):
    """Three sources; own, imported, empty, flagged, skipped and undecided shots; notes."""
    with open_week(tmp_path) as made:
        decide(made)
        yield made


@pytest.mark.parametrize("form", FORMATS)
def test_what_is_exported_is_read_back_exactly(project, tmp_path, form):
    out = tmp_path / f"out{FORMATS[form].endings[0]}"
    sent = export(project, form, out)
    back = read_labels(out)
    ours = [back.class_names.index(n) if n in back.class_names else -1 for n in sent.class_names]
    wide = np.pad(back.labels, ((0, 0), (0, 1)))  # JSON knows the classes that occur, no others
    assert np.array_equal(wide[:, ours], sent.labels)
    for name in ("status", "imported", "index_of", "source_of"):
        assert np.array_equal(getattr(back, name), getattr(sent, name)), name
    assert back.files == sent.files
    assert back.datasets == sent.datasets
    assert back.notes == sent.notes == {3: NOTE, 5: "'quoted'"}
    assert sent.imported.tolist()[:4] == [True, False, True, False]
    people = [who for who, labelled in zip(back.by, back.labelled, strict=True) if labelled]
    assert people == ["", "=Ada", "", "=Ada", "=Ada"], "who decided; no one on labels of a file"
    assert sent.labelled.sum() == 5


@pytest.mark.parametrize("form", FORMATS)
def test_nothing_is_overwritten_unless_forced(project, tmp_path, form):
    out = tmp_path / f"out{FORMATS[form].endings[0]}"
    out.write_text("precious")
    with pytest.raises(InputError, match="--force"):
        export(project, form, out)
    assert out.read_text() == "precious"
    export(project, form, out, force=True)
    assert len(read_labels(out)) == 16
    assert not list(tmp_path.glob(".*.part"))


def test_a_file_of_shots_is_never_replaced_even_when_forced(project, tmp_path):
    before = (tmp_path / "a.h5").read_bytes()
    with pytest.raises(InputError, match="file of shots"):
        export(project, "hdf5", tmp_path / "a.h5", force=True)
    assert (tmp_path / "a.h5").read_bytes() == before


@pytest.mark.parametrize("form", FORMATS)
def test_exporting_changes_no_file_of_shots(project, tmp_path, form):
    before = {p: p.read_bytes() for p in tmp_path.glob("?.*")}
    export(project, form, tmp_path / f"out{FORMATS[form].endings[0]}")
    assert {p: p.read_bytes() for p in before} == before


def test_a_place_that_cannot_be_written_is_named(project, tmp_path):
    with pytest.raises(InputError, match="cannot be written"):
        export(project, "csv", tmp_path / "no" / "such" / "folder.csv")


def test_only_mine_leaves_the_labels_of_files_out(project, tmp_path):
    sheet = export(project, "csv", tmp_path / "out.csv", only_mine=True)
    assert sheet.labelled.sum() == 3
    assert not sheet.imported.any()


@pytest.mark.parametrize("form", FORMATS)
def test_every_form_says_where_a_label_came_from(project, tmp_path, form):
    out = tmp_path / f"out{FORMATS[form].endings[0]}"
    sent = export(project, form, out)
    assert set(sent.origins[:4]) == {"file", "key"}
    assert [bool(o) for o in sent.origins] == sent.labelled.tolist()
    if form == "parquet":
        import pyarrow.parquet

        found = pyarrow.parquet.read_table(out)["origin"].to_pylist()
    elif form == "json":
        found = [task["meta"]["origin"] for task in json.loads(out.read_text("utf-8"))]
    elif form == "csv":
        with out.open(encoding="utf-8-sig", newline="") as stream:
            found = [line["origin"] for line in csv.DictReader(stream)]
    else:
        with h5py.File(out) as file:
            entries = [file] if form == "hdf5" else [
                file[f"entry_{k}/instrument_1/detector_1"] for k in (1, 2, 3)
            ]  # fmt: skip
            found = [o.decode() for entry in entries for o in entry["origin"][()]]
    assert tuple(found) == sent.origins
    back = read_labels(out)
    assert back.origins == ()
    assert "origin" not in back.class_names


def test_a_class_called_origin_stays_a_class_also_in_tables_of_earlier_versions(tmp_path):
    assert class_column("Origin") == "class:Origin"
    earlier = (
        "shot,file,dataset,index,labelled_by,flagged,skipped,note,origin\n1,a.h5,,0,me,0,0,,1\n"
    )
    (tmp_path / "earlier.csv").write_text(earlier)
    assert read_labels(tmp_path / "earlier.csv").class_names == ("origin",)
    (tmp_path / "other.csv").write_text("shot,Round,origin\n1,1,0\n2,0,1\n")
    assert read_labels(tmp_path / "other.csv").class_names == ("Round", "origin")


# -- CSV ---------------------------------------------------------------------------------------


def test_a_tsv_is_parted_by_tabs(project, tmp_path):
    export(project, None, tmp_path / "x.csv")
    export(project, None, tmp_path / "x.tsv")
    heads = (tmp_path / "x.tsv").read_text(encoding="utf-8-sig").splitlines()[0].split("\t")
    assert len(heads) == 9 + len(project.taxonomy)
    one, other = (read_labels(tmp_path / f"x.{end}") for end in ("csv", "tsv"))
    assert np.array_equal(one.labels, other.labels)
    assert one.notes == other.notes


def test_a_folder_is_no_file_of_labels(tmp_path):
    (tmp_path / "x.csv").mkdir()
    with pytest.raises(InputError, match="is a folder"):
        read_labels(tmp_path / "x.csv")


def test_no_cell_of_a_csv_is_a_formula(project, tmp_path):
    export(project, "csv", tmp_path / "out.csv")
    with (tmp_path / "out.csv").open(newline="", encoding="utf-8-sig") as stream:
        cells = [cell for line in csv.reader(stream) for cell in line]
    assert not [c for c in cells if c.startswith(("=", "+", "-", "@", "\t", "\r"))]


@settings(deadline=None, max_examples=60)
@given(st.text())
def test_text_made_harmless_comes_back(text):
    assert original(harmless(text)) == text
    assert not harmless(text).startswith(("=", "+", "-", "@", "\t", "\r", "\n"))


@pytest.mark.parametrize(
    ("line", "change", "says"),
    [
        (2, "1,a.h5,images,0,me,0,0,,1", "line 2: has 9 cells where the first line names 20"),
        (2, "1,a.h5,images,0,me,0,0,,key," + ",".join(["7"] * 11), "line 2: has '7' in the column"),
        (2, "1,a.h5,images,0,me,0,0,,key," + "," * 10, "line 2: says that me labelled"),
        (3, "2,a.h5", "line 3"),
        (3, "2,a.h5,images,x,me,0,0,,key," + ",".join(["0"] * 11), "line 3: has 'x' where"),
        (4, '3,a.h5,images,2,me,0,0,"' + "," * 12, "cannot be read"),
    ],
)
def test_a_csv_that_was_edited_wrongly_names_its_line(project, tmp_path, line, change, says):
    out = tmp_path / "out.csv"
    export(project, "csv", out)
    lines = out.read_text(encoding="utf-8-sig").splitlines()
    lines[line - 1] = change
    out.write_text("\n".join(lines), encoding="utf-8-sig")
    with pytest.raises(InputError, match=says):
        read_labels(out)


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
    assert "completed_by" not in tasks[3]["annotations"][0]
    assert tasks[15]["annotations"] == []
    assert tasks[4]["annotations"][0]["was_cancelled"]


@pytest.mark.parametrize("text", ["{}", "[1]", '[{"data": {}}]', "no json"])
def test_a_json_file_that_is_no_export_is_refused(project, tmp_path, text):
    (tmp_path / "out.json").write_text(text)
    with pytest.raises(InputError, match=r"out\.json"):
        read_labels(tmp_path / "out.json")


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
        assert f["entry_1/instrument_1/detector_1/data"].is_virtual
        assert f["entry_1/instrument_1/detector_1/tags"].dtype == np.int8
    assert out.stat().st_size < 200_000


def test_labels_that_a_file_of_shots_carries_can_be_read(project, tmp_path):
    back = read_labels(tmp_path / "a.h5")
    assert back.labels[:, back.class_names.index("Round")].tolist() == [1, 0, 0]
    with pytest.raises(InputError, match="no labels"):
        read_labels(tmp_path / "b.h5")


def test_classes_of_which_a_file_of_shots_says_nothing_are_undecided(tmp_path):
    write_stack(tmp_path / "a.h5", 2, np.array([[1, 0], [0, 0]], np.uint8))
    with h5py.File(tmp_path / "a.h5", "a") as f:
        f["scan/known"] = np.array([[1, 0], [1, 1]], np.uint8)
    assert read_labels(tmp_path / "a.h5").known.tolist() == [[True, False], [True, True]]


def test_a_damaged_export_is_refused(project, tmp_path):
    export(project, "hdf5", tmp_path / "out.h5")
    with h5py.File(tmp_path / "out.h5", "a") as f:
        del f["status"]
    with pytest.raises(InputError, match="no whole export"):
        read_labels(tmp_path / "out.h5")
    with pytest.raises(InputError, match=r"ends in one of \.csv"):
        read_labels(tmp_path / "labels.xlsx")


def test_a_sheet_knows_its_files_and_names(project):
    sheet = sheet_of(project)
    assert sheet.annotator == "=Ada"
    assert sheet.names_of(3) == ["Prolate", "Bent"]
    assert [Path(f).name for f in sheet.files] == ["a.h5", "b.h5", "c.cxi"]


# -- tables of other people --------------------------------------------------------------------


def read_text(tmp_path: Path, text: str):
    (tmp_path / "theirs.csv").write_text(text, encoding="utf-8")
    return read_labels(tmp_path / "theirs.csv")


@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
def test_a_table_with_a_file_an_index_and_classes_is_understood(tmp_path, delimiter):
    lines = [
        "Filename,Index,round,remark,Streak",
        "a.h5,0,1,nice,0",
        "b.h5,1,,ugly,",
        "a.h5,2,x,,no",
    ]
    sheet = read_text(tmp_path, "\n".join(lines).replace(",", delimiter))
    assert sheet.class_names == ("round", "Streak")
    assert sheet.ignored == ("remark",)
    assert sheet.labels.tolist() == [[1, 0], [0, 0], [1, 0]]
    assert sheet.status.tolist() == [LABELLED, 0, LABELLED]
    assert [sheet.shot(r) for r in range(3)] == [
        "shot 1 of a.h5",
        "shot 2 of b.h5",
        "shot 3 of a.h5",
    ]


def test_a_list_of_classes_in_one_column_is_understood(tmp_path):
    sheet = read_text(tmp_path, "file,name,classes\nc.cxi,entry_3,Prolate; Bent\nc.cxi,entry_4,\n")
    assert sheet.class_names == ("Prolate", "Bent")
    assert sheet.labels.tolist() == [[1, 1], [0, 0]]
    assert sheet.labelled.tolist() == [True, False]
    assert sheet.shot(0) == "entry_3 of c.cxi"


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "first line does not name"),
        ("file,index,remark\na.h5,0,nice\n", "no column of a class"),
        ("file,Round\na.h5,1\n", "does not say which shots"),
        ("file,index,Round,Round\na.h5,0,1,0\n", "two columns called 'Round'"),
        ("file,index,Round\na.h5,0,1\na.h5,1,1\na.h5,2,maybe\n", "line 4: has 'maybe'"),
    ],
)
def test_a_table_that_cannot_be_used_says_what_it_lacks(tmp_path, text, says):
    with pytest.raises(InputError, match=says):
        read_text(tmp_path, text)


def test_a_note_of_several_lines_does_not_shift_the_line_that_is_named(tmp_path):
    text = 'file,index,note,Round\na.h5,0,"one\ntwo\nthree",1\na.h5,1,,0\na.h5,2,,perhaps\n'
    with pytest.raises(InputError, match="line 6: has 'perhaps'"):
        read_text(tmp_path, text)


def test_the_newest_annotation_of_label_studio_counts(tmp_path):
    def answer(when, *names, **more):
        value = {"type": "choices", "value": {"choices": list(names)}}
        return {"updated_at": when, "result": [value], "completed_by": 7, **more}

    tasks = [
        {
            "id": 5,
            "data": {"file": "a.h5", "index": 1},
            "annotations": [
                answer("2026-02-01", "Round"),
                answer("2026-01-01", "Streak"),
                answer("2026-03-01", "Empty", was_cancelled=True),
            ],
        },
        {"id": 6, "file": "a.h5", "index": 2, "classes": {"choices": ["Prolate", "Bent"]}},
        {"id": 7, "file": "a.h5", "index": 3, "classes": "Empty"},
    ]
    (tmp_path / "studio.json").write_text(json.dumps(tasks))
    sheet = read_labels(tmp_path / "studio.json")
    assert [sheet.names_of(r) for r in range(3)] == [["Round"], ["Prolate", "Bent"], ["Empty"]]
    assert sheet.labelled.all()


def test_owl_finds_the_stack_the_headings_and_a_colour_for_each_tag(project, tmp_path):
    export(project, "cxi", tmp_path / "out.cxi")
    with h5py.File(tmp_path / "out.cxi") as f:
        detector = f["entry_1/instrument_1/detector_1"]
        axes = detector["data"].attrs["axes"][0].split(":")
        assert axes.index("experiment_identifier") == 0
        tags = detector["tags"]
        assert tags.shape == (len(project.taxonomy), 3)
        assert list(tags.attrs["headings"]) == list(project.taxonomy.names)
        assert tags.attrs["colors"].shape == (len(project.taxonomy), 3)
        assert tags.maxshape == (None, None)


def test_what_was_tagged_in_owl_is_a_label_and_a_new_tag_a_class(project, tmp_path):
    export(project, "cxi", tmp_path / "out.cxi")
    with h5py.File(tmp_path / "out.cxi", "a") as f:
        tags = f["entry_2/instrument_1/detector_1/tags"]
        tags.resize((tags.shape[0] + 1, tags.shape[1]))
        tags[-1] = [0, 1]
        tags.attrs["headings"] = [*project.taxonomy.names, "Odd"]
    sheet = read_labels(tmp_path / "out.cxi")
    assert sheet.class_names[-1] == "Odd"
    assert sheet.names_of(4) == ["Odd"]
    assert sheet.status[4] & LABELLED


def test_a_tag_that_is_given_in_owl_to_an_undecided_class_is_decided(project, tmp_path):
    classes.add(project, "Late")
    late = project.taxonomy.index("Late")
    export(project, "cxi", tmp_path / "out.cxi")
    with h5py.File(tmp_path / "out.cxi", "a") as f:
        f["entry_2/instrument_1/detector_1/tags"][late, 0] = 1
    sheet = read_labels(tmp_path / "out.cxi")
    assert sheet.known[sheet.labelled, late].tolist() == [False, False, False, True, False]
    assert "Late" in sheet.names_of(3)


def test_detector_and_beam_of_a_cxi_export_are_those_of_the_file_of_shots(tmp_path):
    """Centre (y, x) and wavelength, while CXI writes x before y and an energy in joules."""
    shots = tmp_path / "50 %d.cxi"
    with h5py.File(shots, "w") as f:
        f["cxi_version"] = 160
        f["entry_1/instrument_1/source_1/energy"] = 1000 * 1.602176634e-19
        detector = f.create_group("entry_1/instrument_1/detector_1")
        detector["data"] = np.arange(2 * 40 * 60, dtype=np.uint16).reshape(2, 40, 60)
        detector["image_center"] = [45.5, 12.25, 0.0]
        detector["distance"], detector["x_pixel_size"] = 0.3, 75e-6
    with Project.create(tmp_path / "week", [shots], annotator="Ada") as made:
        made.store.record(made.annotator, 0, 1, LABELLED, origin="key")
        export(made, "cxi", tmp_path / "out.cxi")
    wanted = Geometry(
        wavelength_m=pytest.approx(1.2398419843e-9), distance_m=0.3, pixel_m=75e-6,
        centre=(12.25, 45.5),
    )  # fmt: skip
    with open_source(shots) as source, open_source(tmp_path / "out.cxi") as back:
        assert source.info.geometry == wanted
        assert back.info.geometry == wanted
        assert np.array_equal(back.read(1), source.read(1)), "a % in a name is no pattern"
    with h5py.File(tmp_path / "out.cxi") as f:
        assert f["entry_1/instrument_1/detector_1/image_center"][:2].tolist() == [45.5, 12.25]
        energy = f["entry_1/instrument_1/source_1/energy"][()]
        assert energy == pytest.approx(1000 * 1.602176634e-19)


def test_parquet_is_a_table_with_types_for_others(project, tmp_path):
    parquet = pytest.importorskip("pyarrow.parquet", reason="the extra 'parquet' is not installed")
    export(project, "parquet", tmp_path / "out.parquet")
    table = parquet.read_table(tmp_path / "out.parquet")
    assert table["Bent"].to_pylist()[:5] == [None, 0, None, 1, None]
    assert table["flagged"].to_pylist()[:6] == [False, False, False, True, False, True]


def test_a_damaged_parquet_file_is_named(tmp_path):
    pytest.importorskip("pyarrow", reason="the extra 'parquet' is not installed")
    (tmp_path / "out.parquet").write_bytes(b"PAR1 and then nothing")
    with pytest.raises(InputError, match=r"out\.parquet.*Parquet"):
        read_labels(tmp_path / "out.parquet")


def saved_by_a_spreadsheet(path, *, bom, german, quote_all):
    """What LibreOffice makes of a CSV when it is saved again with German settings."""
    with path.open(newline="", encoding="utf-8-sig") as stream:
        lines = list(csv.reader(stream))
    head = lines[0].index("flagged")
    for line in lines[1:]:
        for c, cell in enumerate(line):
            if cell in ("0", "1") and german and c > head:
                line[c] = {"0": "FALSCH", "1": "WAHR"}[cell] if c % 2 else f"{cell},0"
        if german:
            line[lines[0].index("index")] += ",0"
    how = csv.QUOTE_ALL if quote_all else csv.QUOTE_MINIMAL
    with path.open("w", newline="", encoding="utf-8-sig" if bom else "utf-8") as stream:
        csv.writer(stream, delimiter=";", quoting=how, lineterminator="\r\n").writerows(lines)


@pytest.mark.parametrize("bom", [True, False])
@pytest.mark.parametrize("german", [True, False])
@pytest.mark.parametrize("quote_all", [True, False])
def test_what_a_spreadsheet_saves_comes_back_exactly(project, tmp_path, bom, german, quote_all):
    out = tmp_path / "out.csv"
    sent = export(project, "csv", out)
    saved_by_a_spreadsheet(out, bom=bom, german=german, quote_all=quote_all)
    back = read_labels(out)
    assert back.class_names == sent.class_names
    for name in ("labels", "status", "imported", "index_of", "source_of"):
        assert np.array_equal(getattr(back, name), getattr(sent, name)), name
    assert back.notes == sent.notes
    assert back.files == sent.files


def test_names_of_classes_with_the_other_separators_in_them_part_no_columns(tmp_path):
    sheet = read_text(tmp_path, 'file;index;"a, b, c, d, e, f"\nx.h5;0;1\n')
    assert sheet.class_names == ("a, b, c, d, e, f",)
    assert sheet.labels.tolist() == [[1]]


def test_a_thousands_point_is_no_decimal_point(tmp_path):
    with pytest.raises(InputError, match=r"1\.000"):
        read_text(tmp_path, "file;index;Round\nx.h5;1.000;1\n")


@pytest.mark.parametrize("form", ["csv", "parquet"])
def test_chosen_columns_are_written_in_their_order_and_read_again(project, tmp_path, form):
    out = tmp_path / f"out.{form}"
    name = project.taxonomy.names[0]
    sent = export(project, form, out, columns=[name.lower(), "index", "file"])
    back = read_labels(out)
    assert back.class_names == (name,)
    decided = sent.labelled
    assert np.array_equal(back.labels[decided, 0], sent.labels[decided, 0])
    assert np.array_equal(back.labelled, decided)
    assert np.array_equal(back.index_of, sent.index_of)
    if form == "csv":
        head = out.read_text(encoding="utf-8-sig").splitlines()[0]
        assert head == f"{name},index,file"


def test_columns_that_are_none_or_of_a_form_without_any_are_refused(project, tmp_path):
    for columns, form, says in (
        (["no such"], "csv", "no column 'no such'"),
        (["index", "index"], "csv", "named twice"),
        (["index"], "json", "no columns to choose"),
    ):
        with pytest.raises(InputError, match=says):
            export(project, form, tmp_path / "out", columns=columns)
    assert not (tmp_path / "out").exists()
