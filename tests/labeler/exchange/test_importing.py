"""Labels into a project: what would change is said first, then done as one gesture."""

from __future__ import annotations

import csv
import itertools
import json
import os
from dataclasses import replace

import numpy as np
import pyarrow
import pyarrow.parquet
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from labeler.cli import main
from labeler.exchange import FORMATS, as_parquet, export, read_labels, read_labels_apart
from labeler.exchange import sheet as sheets
from labeler.exchange.importing import apply, plan
from labeler.project import classes
from labeler.project.project import Project
from labeler.project.store import FLAGGED, LABELLED, SKIPPED
from model.errors import InputError
from tests.helpers.people import label_as
from tests.helpers.weeks import NOTE, decide, open_week

N = 16


@pytest.fixture
def project(tmp_path):
    with open_week(tmp_path / "one") as made:
        decide(made)
        yield made


@pytest.fixture
def other(tmp_path):
    """The same files in another place, in a project where no one decided anything."""
    with open_week(tmp_path / "two") as made:
        yield made


def everything(project: Project) -> tuple:
    """What the person of a project decided."""
    own = project.store.load_state(project.annotator)
    return own.present.tolist(), own.status.tolist(), project.store.notes(project.annotator)


def write_csv(path, *lines: str):
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def planned(project, path, *words, **options):
    return plan(project, read_labels(path), path, *words, **options)


@pytest.mark.parametrize("form", FORMATS)
def test_what_one_project_exports_another_takes_in_exactly(project, other, tmp_path, form):
    out = tmp_path / f"out{FORMATS[form].endings[0]}"
    export(project, form, out)
    found = planned(other, out)
    assert (found.new, found.changed, found.same, found.marks) == (3, 0, 2, 2)
    before = everything(other)
    apply(other, found)
    assert everything(other) == everything(project)
    again = planned(other, out)
    assert len(again.rows) == 0
    assert again.same == 5
    assert apply(other, again) is None
    other.store.undo(other.annotator)
    assert everything(other) == before


_number = itertools.count()
_status = st.sampled_from([0, LABELLED, FLAGGED, SKIPPED, LABELLED | FLAGGED, FLAGGED | SKIPPED])


@settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    present=st.lists(st.integers(0, 2**11 - 1), min_size=N, max_size=N),
    status=st.lists(_status, min_size=N, max_size=N),
    notes=st.dictionaries(st.integers(0, N - 1), st.text(min_size=1), max_size=3),
    form=st.sampled_from(sorted(FORMATS)),
)
def test_any_labels_travel_exactly(project, other, tmp_path, present, status, notes, form):
    # an HDF5 text ends at its first NUL, and CSV and JSON are files of UTF-8
    notes = {r: n.replace("\0", "").encode("utf-8", "ignore").decode() for r, n in notes.items()}
    bits = np.where(np.array(status) & LABELLED, present, 0)
    said = [notes.get(r, "") for r in range(N)]
    me, her = project.annotator, other.annotator
    project.store.record(me, range(N), bits, status, origin="key", note=said)
    other.store.record(her, range(N), 0, 0, origin="key", note="")
    out = tmp_path / f"{next(_number)}{FORMATS[form].endings[0]}"
    export(project, form, out)
    apply(other, planned(other, out))
    assert everything(other) == everything(project)


# -- which shots -------------------------------------------------------------------------------


@pytest.mark.parametrize("file", ["C:\\data\\b.h5", "/else/where/b.h5", "B.H5", "b"])
def test_a_file_is_known_by_its_name_wherever_it_lay(other, tmp_path, file):
    found = planned(
        other, write_csv(tmp_path / "x.csv", "file,index,round", f"{file},1,1", f"{file},2,1")
    )
    assert found.rows.tolist() == [4]
    assert found.unknown_shots == 1
    assert "shot 3 of " in found.unknown_examples[0]
    assert "(line 3)" in found.unknown_examples[0]


def test_shots_are_found_by_their_name_and_by_their_number_on_screen(other, tmp_path):
    named = write_csv(
        tmp_path / "x.csv", "file,name,Empty", "c.cxi,ENTRY_4,1", "c.cxi,entry_44,1", "a.h5,one,1"
    )
    found = planned(other, named)
    assert found.rows.tolist() == [8]
    assert found.unknown_shots == 2
    numbered = write_csv(tmp_path / "y.csv", "shot,Empty", "9,1", "17,1")
    found = planned(other, numbered)
    assert found.rows.tolist() == [8]
    assert found.unknown_examples == ("shot 17 (line 3)",)


@pytest.mark.parametrize("form", ["hdf5", "cxi"])
def test_a_renamed_file_is_known_by_its_contents(project, other, tmp_path, form):
    out = tmp_path / f"out{FORMATS[form].endings[0]}"
    export(project, form, out)
    here = other.stored_sources[0]
    moved = here.info.path.rename(here.info.path.with_name("renamed.h5"))
    other.relocate(here.id, moved)
    assert planned(other, out).unknown_shots == 0


def test_a_shot_that_is_labelled_in_two_ways_names_both_places(other, tmp_path):
    path = write_csv(tmp_path / "x.csv", "file,index,Round", "a.h5,0,1", "b.h5,0,1", "a.h5,0,0")
    with pytest.raises(InputError, match=r"x\.csv, line 4: labels shot 1 of a\.h5 .* line 2"):
        planned(other, path)
    same = write_csv(tmp_path / "x.csv", "file,index,Empty", "b.h5,0,", "b.h5,0,1", "b.h5,0,1")
    found = planned(other, same)
    assert (found.new, found.rows.tolist()) == (1, [3])
    apply(other, found)


# -- which classes -----------------------------------------------------------------------------


def test_classes_are_known_whatever_their_spelling(other, tmp_path):
    path = write_csv(tmp_path / "x.csv", "file,index,spherical_oblate,NEWTON-RINGS", "b.h5,0,1,1")
    apply(other, planned(other, path))
    state = other.store.load_state(other.annotator)
    labels = other.taxonomy.unpack(state.present[3])
    assert {n for n, on in zip(other.taxonomy.names, labels, strict=True) if on} == {
        "Spherical/Oblate",
        "Newton Rings",
    }


def test_names_are_known_however_a_system_puts_their_letters_together(other, tmp_path):
    classes.add(other, "Gr\N{LATIN SMALL LETTER O WITH DIAERESIS}ber")
    path = write_csv(tmp_path / "l.csv", "shot,Gro\N{COMBINING DIAERESIS}ber", "1,1", "2,0")
    assert planned(other, path).new == 2


def test_a_shot_with_an_unknown_class_is_left_out_unless_asked_otherwise(other, tmp_path):
    path = write_csv(
        tmp_path / "x.csv", "file,index,Round,Odd,Never", "b.h5,0,1,1,0", "b.h5,1,1,0,0"
    )
    found = planned(other, path)
    assert found.unknown_classes == {"Odd": 1, "Never": 0}
    assert found.left_out == 1
    assert found.rows.tolist() == [4]
    assert "class 'Odd' is not in this project's taxonomy: 1 shot" in "\n".join(found.lines())
    found = planned(other, path, drop_unknown=True)
    assert found.rows.tolist() == [3, 4]
    assert found.left_out == 0


# -- what becomes of them ----------------------------------------------------------------------


def test_labels_of_another_person_are_theirs_alone(project, tmp_path):
    before = everything(project)
    path = write_csv(tmp_path / "x.csv", "file,index,Round,Spherical/Oblate", "b.h5,0,1,1")
    found = planned(project, path, "Bob")
    assert [a.name for a in project.store.annotators() if a.kind == "human"] == ["=Ada"]
    apply(project, found)
    bob = project.store.annotator("Bob")
    assert project.store.load_state(bob).labelled.sum() == 1
    assert everything(project) == before
    assert project.store.history(3)[-1].origin == "import"


def test_only_new_leaves_own_labels_alone_and_says_so(project, tmp_path):
    path = write_csv(tmp_path / "x.csv", "file,index,Round", "a.h5,1,1", "b.h5,0,1", "c.cxi,0,1")
    assert planned(project, path).changed == 2
    found = planned(project, path, only_new=True)
    assert (found.new, found.changed, found.kept) == (1, 0, 2)
    assert found.rows.tolist() == [5]


def test_only_new_takes_flag_skip_and_note_of_a_labelled_shot_and_leaves_its_label(
    project, tmp_path
):
    head = "file,index,Round,flagged,skipped,note"
    path = write_csv(tmp_path / "x.csv", head, "a.h5,1,1,1,0,look", "b.h5,0,1,0,1,")
    before = project.store.load_state(project.annotator)
    found = planned(project, path, only_new=True)
    assert (found.new, found.changed, found.marks, found.kept) == (0, 0, 2, 2)
    apply(project, found)
    after = project.store.load_state(project.annotator)
    assert after.present.tolist() == before.present.tolist()
    assert after.known.tolist() == before.known.tolist()
    assert after.status[[1, 3]].tolist() == [LABELLED | FLAGGED, LABELLED | FLAGGED | SKIPPED]
    assert project.store.notes(project.annotator)[1] == "look"


def test_an_import_takes_no_label_no_flag_and_no_note_away(project, tmp_path):
    path = write_csv(
        tmp_path / "x.csv", "file,index,Round,Bent,Prolate", "b.h5,0,0,1,1", "b.h5,1,,,"
    )
    found = planned(project, path)
    assert len(found.rows) == 0
    assert found.same == 1
    assert project.store.notes(project.annotator)[3] == NOTE


def test_the_plan_counts_labels_by_class(project, tmp_path):
    path = write_csv(tmp_path / "x.csv", "file,index,Round,Spherical/Oblate,Bent", "b.h5,0,1,1,0")
    found = planned(project, path)
    assert found.per_class["Round"] == (1, 0)
    assert found.per_class["Bent"] == (0, 1)
    assert "  Bent: +0 −1" in found.lines()


def test_classes_without_a_column_stay_as_they_are_and_are_named(project, tmp_path):
    before = project.store.load_state(project.annotator).present[3]
    lines = ("file,index,Newton Rings", "b.h5,0,1", "b.h5,1,1")
    found = planned(project, write_csv(tmp_path / "x.csv", *lines))
    rings = 1 << project.taxonomy.index("Newton Rings")
    assert found.present.tolist() == [before | rings, rings]
    assert {name for name, counts in found.per_class.items() if counts[1]} == set()
    (line,) = [line for line in found.lines() if "no column" in line]
    assert "Bent" in line
    assert "Newton Rings" not in line


def test_a_list_of_classes_is_the_whole_label(project, tmp_path):
    found = planned(project, write_csv(tmp_path / "x.csv", "file,index,classes", "b.h5,0,Round"))
    assert found.present.tolist() == [1 << project.taxonomy.index("Round")]
    assert not any("no column" in line for line in found.lines())


@pytest.mark.parametrize("form", FORMATS)
def test_labels_that_were_exported_before_a_class_got_another_name_fit(project, tmp_path, form):
    out = tmp_path / f"out{FORMATS[form].endings[0]}"
    export(project, form, out)
    classes.rename(project, "Bent", "Curved")
    found = planned(project, out)
    assert (found.unknown_classes, found.left_out, found.changed) == ({}, 0, 0)


# -- bad files --------------------------------------------------------------------------------


def crash(path):
    os.abort()


def test_a_file_that_crashes_its_library_kills_only_a_child(tmp_path):
    (tmp_path / "bad.h5").write_bytes(b"anything")
    with pytest.raises(InputError, match=r"bad\.h5: crashed the library"):
        read_labels_apart(tmp_path / "bad.h5", crash)
    with pytest.raises(InputError, match=r"bad\.h5.*not an HDF5 file"):
        read_labels_apart(tmp_path / "bad.h5")


def whose_process(path):
    raise InputError(str(os.getpid()), file=path)


@pytest.mark.parametrize("name", ["a.csv", "a.json", "a.parquet", "a.h5"])
def test_no_file_of_labels_is_read_in_the_process_of_the_window(tmp_path, name):
    with pytest.raises(InputError) as said:
        read_labels_apart(tmp_path / name, whose_process)
    assert int(said.value.what) != os.getpid()


def test_tables_of_more_columns_classes_or_rows_than_labels_can_have_are_refused(
    tmp_path, monkeypatch
):
    names = [f"c{k}" for k in range(sheets.MOST_NAMES + 1)]
    ones = ",".join("1" for _ in names)
    (tmp_path / "wide.csv").write_text(f"shot,{','.join(names)}\n1,{ones}\n")
    (tmp_path / "list.csv").write_text("shot,classes\n" + "".join(f"1,{n}\n" for n in names))
    task = {"data": {"file": "a.h5", "index": 0}, "annotations": []}
    choices = {"type": "choices", "value": {"choices": names}}
    task["annotations"].append({"result": [choices]})
    (tmp_path / "many.json").write_text(json.dumps([task]))
    pyarrow.parquet.write_table(
        pyarrow.table({name: [1] for name in ("shot", *names)}), tmp_path / "wide.parquet"
    )
    for name in ("wide.csv", "list.csv", "many.json", "wide.parquet"):
        with pytest.raises(InputError, match=r"names 2,00\d (columns|classes)"):
            read_labels(tmp_path / name)
    pyarrow.parquet.write_table(pyarrow.table({"shot": [1] * 20}), tmp_path / "long.parquet")
    monkeypatch.setattr(as_parquet, "MOST_CELLS", 10)
    with pytest.raises(InputError, match="claims 20 rows"):
        read_labels(tmp_path / "long.parquet")
    monkeypatch.setattr(sheets, "MOST_BYTES", 100)
    with pytest.raises(InputError, match="GB, and no file of labels has that much"):
        read_labels(tmp_path / "wide.csv")


def test_a_parquet_file_whose_parts_claim_more_rows_than_the_file_is_refused_unread(
    tmp_path, monkeypatch
):
    path = tmp_path / "labels.parquet"
    pyarrow.parquet.write_table(pyarrow.table({"shot": range(12345)}), path)
    whole, rows, more = path.read_bytes(), b"\xf2\xc0\x01", b"\xfe\xff\x7f"  # as Thrift has them
    at = whole.rindex(rows)  # of the group of rows; those of the file stand before it
    path.write_bytes(whole[:at] + more + whole[at + len(rows) :])
    assert pyarrow.parquet.read_metadata(path).num_rows == 12345
    monkeypatch.setattr(as_parquet, "MOST_CELLS", 100_000)
    with pytest.raises(InputError, match="claims 1,048,575 rows"):
        read_labels(path)


def test_label_sets_that_contradict_themselves_are_counted_before_they_are_stored(other, tmp_path):
    words = ("file,index,Round,Spherical/Oblate,Prolate", "b.h5,0,1,1,0", "b.h5,1,1,1,1")
    found = planned(other, write_csv(tmp_path / "x.csv", *words))
    assert found.counts()["broken"] == 1
    assert any("1 of them breaks a rule" in line for line in found.lines())


@pytest.fixture(scope="module")
def exports(tmp_path_factory):
    """One export in each of the formats that are text; damage to them is read at once."""
    folder = tmp_path_factory.mktemp("exports")
    with open_week(folder / "one") as made:
        decide(made)
        for form in ("csv", "json"):
            export(made, form, folder / f"out.{form}")
    return {form: (folder / f"out.{form}").read_bytes() for form in ("csv", "json")}


@settings(
    max_examples=80, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    form=st.sampled_from(["csv", "json"]),
    at=st.floats(0, 1),
    put=st.one_of(st.binary(max_size=6), st.sampled_from([b",", b'"', b"\n", b"[", b"}", b"null"])),
    cut=st.integers(0, 40),
    truncate=st.booleans(),
)
def test_any_damage_to_a_text_file_is_an_input_error_or_none(
    exports, tmp_path, form, at, put, cut, truncate
):
    data = exports[form]
    place = int(at * len(data))
    path = tmp_path / f"bad.{form}"
    path.write_bytes(data[:place] + put + (b"" if truncate else data[place + cut :]))
    refusals = []
    try:
        read_labels(path)
    except InputError as error:
        refusals.append(error)
    assert all(f"bad.{form}" in str(r) and r.mend for r in refusals)


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("a.csv", "file,index,Round\na.h5,99999999999999999999999,1\n"),
        ("a.json", '[{"data": {"file": "a.h5", "index": 1e999}, "annotations": []}]'),
        ("a.json", '[{"data": {"file": "a.h5", "index": 9999999999999999999}, "annotations": []}]'),
    ],
)
def test_a_number_beyond_all_shots_is_refused_at_its_place(tmp_path, name, text):
    (tmp_path / name).write_text(text)
    with pytest.raises(InputError, match=r"(line 2|task 1)"):
        read_labels(tmp_path / name)


# -- the command line --------------------------------------------------------------------------


def test_a_dry_run_changes_nothing_and_says_everything(project, other, tmp_path, capsys):
    out = tmp_path / "out.csv"
    assert main(["export", str(project.folder), "--out", str(out)]) == 0
    before = everything(other)
    words = ["import", str(other.folder), str(out)]
    assert main([*words, "--dry-run"]) == 0
    said = capsys.readouterr().out
    assert "3 get a first label" in said
    assert "Nothing was changed" in said
    assert everything(other) == before
    capsys.readouterr()
    assert main([*words, "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert (found["new"], found["dry_run"]) == (3, False)
    assert everything(other) == everything(project)
    assert main(words) == 0
    assert "There was nothing to change." in capsys.readouterr().out


def test_a_bad_file_changes_nothing_and_is_named(other, tmp_path, capsys):
    before = everything(other)
    path = write_csv(tmp_path / "x.csv", "file,index,Round", "b.h5,0,1", "b.h5,1,17", "b.h5,1,1")
    assert main(["import", str(other.folder), str(path)]) == 1
    assert "x.csv, line 3: has '17' in the column 'Round'. Write 1" in capsys.readouterr().err
    assert main(["import", str(other.folder), str(tmp_path / "no.csv")]) == 1
    assert "no such file" in capsys.readouterr().err
    assert everything(other) == before


def test_labels_of_a_named_annotator_can_be_exported(project, tmp_path, capsys):
    bob = project.store.annotator("Bob")
    project.store.record(bob, 9, 1, LABELLED, origin="key")
    words = ["export", str(project.folder), "--out", str(tmp_path / "bob.csv"), "--only-mine"]
    assert main([*words, "--annotator", "Bob"]) == 0
    with (tmp_path / "bob.csv").open(newline="", encoding="utf-8-sig") as stream:
        lines = list(csv.DictReader(stream))
    assert [line["labelled_by"] for line in lines if line["labelled_by"]] == ["Bob"]
    assert main([*words, "--annotator", "Eve", "--force"]) == 1
    assert "'Eve'" in capsys.readouterr().err


# -- what spreadsheets, pandas, R and Label Studio make of labels ---------------------------------


@pytest.mark.parametrize(
    "lines",
    [
        ("shot;Round;Empty", "1;WAHR;FALSCH", "2;FALSCH;WAHR"),
        ("shot,Round,Empty,,", "1,1,0,,", "2,0,1,,", ",,,,", ",,,,"),
        ("shot,Round,Empty", "1,1,0", "2,0,1", "3,NA,NA"),
        ("shot,Round,Empty", "1.0,1.0,0.0", "2.0,0.0,1.0"),
    ],
)
def test_tables_of_other_programs_mean_what_they_say(other, tmp_path, lines):
    found = planned(other, write_csv(tmp_path / "t.csv", *lines))
    assert found.new == 2
    assert found.rows.tolist() == [0, 1]
    assert not found.questions


def test_whoever_a_table_names_is_the_person_who_is_known_under_the_name(other, tmp_path):
    """Else one person would be two, who agree about nothing."""
    label_as(other, "Ada Miller")
    path = write_csv(tmp_path / "t.csv", "shot,annotator,Round", "1,ada  miller,1")
    found = planned(other, path)
    assert found.annotator == "Ada Miller"
    apply(other, found)
    assert [a.name for a in other.store.annotators() if a.name.casefold() == "ada miller"] == [
        "Ada Miller"
    ]
    assert other.store.load_state(other.annotator).status[0] & LABELLED


@pytest.mark.parametrize("name", ["x" * 61, "Ada\u202e", "\u200b", "two\x7flines"])
def test_who_is_no_name_is_not_entered_from_a_table_either(other, tmp_path, name):
    path = write_csv(tmp_path / "t.csv", "shot,annotator,Round", f"1,{name},1")
    with pytest.raises(InputError, match="is no name"):
        planned(other, path)
    assert planned(other, path, "Ada").annotator == "Ada"


@pytest.mark.parametrize("missing", [0, 2])
def test_an_index_that_seems_to_count_from_one_is_asked_about(other, tmp_path, missing):
    info = other.sources[0]
    lines = [f"{info.path.name},{i + 1},1" for i in range(missing, info.n_shots)]
    path = write_csv(tmp_path / "one.csv", "file,index,Round", *lines)
    (question,) = planned(other, path).questions
    assert "seem to count from 1" in question
    assert main(["import", str(other.folder), str(path)]) == 1
    found = planned(other, path, index_from=1)
    assert not found.questions
    assert found.rows.tolist() == list(range(missing, info.n_shots))


@pytest.mark.parametrize("file", [True, False])
def test_shots_that_seem_to_count_from_zero_are_asked_about(other, tmp_path, file):
    info = other.sources[0]
    n = info.n_shots if file else other.n_shots
    lines = [f"{i},1" + f",{info.path.name}" * file for i in range(n)]
    path = write_csv(tmp_path / "zero.csv", "shot,Round" + ",file" * file, *lines)
    (question,) = planned(other, path).questions
    assert "seem to count from 0, where a shot counts from 1" in question
    assert main(["import", str(other.folder), str(path)]) == 1
    found = planned(other, path, index_from=0)
    assert not found.questions
    assert found.rows.tolist() == list(range(n))


def test_saying_that_shots_count_from_one_leaves_them_where_they_are(other, tmp_path):
    path = write_csv(tmp_path / "t.csv", "shot,Round", "1,1", "2,0")
    assert planned(other, path).rows.tolist() == [0, 1]
    assert planned(other, path, index_from=1).rows.tolist() == [0, 1]


def test_a_column_of_a_class_that_holds_no_yes_and_no_is_refused_not_left_out(other, tmp_path):
    path = write_csv(tmp_path / "t.csv", "shot,Round,Empty", "1,.93,0", "2,.11,1")
    with pytest.raises(InputError, match=r"'Round', which is a class here.*Write 1 where"):
        planned(other, path)


def test_whom_the_file_names_is_whose_labels_they_are(other, tmp_path):
    path = write_csv(tmp_path / "t.csv", "shot,annotator,Round", "1,Bob,1", "2,Bob,0")
    assert planned(other, path).annotator == "Bob"
    assert planned(other, path, "Carla").annotator == "Carla"


def test_labels_of_several_people_are_taken_one_by_one(other, tmp_path):
    path = write_csv(tmp_path / "t.csv", "shot,annotator,Round,Empty", "1,Bob,1,0", "1,Ann,0,1")
    with pytest.raises(InputError, match=r"several people: Bob \(1\), Ann \(1\).*--from"):
        planned(other, path)
    found = planned(other, path, person="Ann")
    assert (found.annotator, found.new) == ("Ann", 1)
    assert other.taxonomy.unpack(found.present)[0][other.taxonomy.names.index("Empty")]


def test_labels_of_a_file_that_has_other_contents_here_are_asked_about(project, other, tmp_path):
    export(project, "hdf5", tmp_path / "out.h5")
    sheet = read_labels(tmp_path / "out.h5")
    strange = replace(sheet, fingerprints=tuple("0" * 32 for _ in sheet.fingerprints))
    found = plan(other, strange, tmp_path / "out.h5")
    assert any("not the file that was labelled" in question for question in found.questions)


def tasks(project, *annotations, **more):
    info = project.sources[0]
    data = {"file": str(info.path), "index": 0}
    return [{"data": data, "annotations": list(annotations), **more}]


def choice(*names, kind="choices", **more):
    return {"result": [{"type": kind, "value": {kind: list(names)}}], **more}


@pytest.mark.parametrize(
    "given",
    [
        choice("Spherical/Oblate", "Round"),
        choice(["Spherical/Oblate", "Round"], kind="taxonomy"),
        choice(["Spherical/Oblate"], ["Spherical/Oblate", "Round"]),
    ],
)
@pytest.mark.parametrize("as_lines", [False, True])
def test_every_form_of_choices_of_label_studio_is_whole(other, tmp_path, given, as_lines):
    found = tasks(other, given)
    text = "\n".join(map(json.dumps, found)) if as_lines else json.dumps(found)
    (tmp_path / "l.json").write_text(text)
    plan_ = planned(other, tmp_path / "l.json")
    labels = other.taxonomy.unpack(plan_.present)[0]
    chosen = [n for n, has in zip(other.taxonomy.names, labels, strict=True) if has]
    assert chosen == ["Spherical/Oblate", "Round"]


def test_multi_label_cells_of_label_studios_csv_are_whole(other, tmp_path):
    name = other.sources[0].path.name
    with (tmp_path / "l.csv").open("w", newline="") as out:
        lines = csv.writer(out)
        lines.writerow(["file", "index", "annotator", "classes"])
        lines.writerow([name, 0, 4, json.dumps({"choices": ["Spherical/Oblate", "Round"]})])
    found = planned(other, tmp_path / "l.csv")
    assert other.taxonomy.unpack(found.present)[0].sum() == 2
    assert found.annotator == "4"


def test_two_people_of_label_studio_do_not_become_one(other, tmp_path):
    found = tasks(other, choice("Prolate", completed_by=1), choice("Empty", completed_by=2))
    (tmp_path / "l.json").write_text(json.dumps(found))
    with pytest.raises(InputError, match="several people"):
        planned(other, tmp_path / "l.json")
    assert planned(other, tmp_path / "l.json", person="2").new == 1
