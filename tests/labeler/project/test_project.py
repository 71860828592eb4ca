"""A project as a folder: made whole or not at all, opened fast, its files found again."""

from __future__ import annotations

import contextlib
import os
import shutil
import sqlite3
from pathlib import Path

import h5py
import numpy as np
import pytest

from labeler.project.check import check
from labeler.project.project import Project
from labeler.project.store import FLAGGED, LABELLED
from labeler.project.summary import summary
from labeler.shots.geometry import entered
from model.errors import InputError
from model.shots.contents import contents
from model.taxonomy.toml import shipped
from tests.helpers.data import needed
from tests.helpers.people import can_undo, label_as
from tests.helpers.shots import make_shots, write_file
from tests.helpers.waiting import processor_s
from tests.helpers.window_parts import make_project

NAMES = ["Spherical/Oblate", "Round", "Newton rings", "Empty"]
LABELS = np.array([[1, 1, 0, 0], [0, 0, 0, 1], [1, 1, 1, 0]], np.uint8)


def shots(path: Path, n: int = 3, seed: int = 1, names: list[str] | None = None) -> Path:
    with h5py.File(path, "w") as f:
        f["images"] = np.random.default_rng(seed).integers(0, 999, (n, 8, 8), np.uint16)
        if names:
            f["labels"] = LABELS[:, : len(names)]
            f["labels"].attrs["class_names"] = names
    return path


@pytest.fixture
def project(tmp_path):
    with Project.create(
        tmp_path / "week", [shots(tmp_path / "a.h5", names=NAMES)], annotator="Ada"
    ) as made:
        yield made


def test_a_project_is_a_folder_with_database_and_taxonomy(project):
    assert sorted(p.name for p in project.folder.iterdir() if "-" not in p.name) == [
        "project.sqlite",
        "taxonomy.toml",
    ]
    assert project.n_shots == 3
    assert project.taxonomy.name == "Helium nanodroplets"
    assert project.current_run is None


def test_labels_of_a_file_become_an_annotator_of_their_own(project):
    kinds = {a.name: a.kind for a in project.store.annotators()}
    assert kinds == {"Ada": "human", "labels of a.h5": "import"}
    table = project.shot_table()
    assert table.labelled.all()
    assert table.labels[:, table.class_names.index("Newton Rings")].tolist() == [0, 0, 1]
    assert not project.shot_table(project.merged_state(only_mine=True)).labelled.any()


def test_the_person_s_label_wins_over_the_file_s(project):
    bit = project.taxonomy.index("Empty")
    project.store.record(project.annotator, 0, 1 << bit, LABELLED, origin="key")
    merged = project.merged_state()
    assert merged.imported.tolist() == [False, True, True]
    assert project.shot_table().labels[0].sum() == 1
    project.store.undo(project.annotator)
    assert project.merged_state().imported.all()


def test_a_flag_on_a_label_of_the_file_stays_beside_it(project):
    before = project.merged_state().present.tolist()
    project.store.record(project.annotator, 1, 0, FLAGGED, origin="flag")
    merged = project.merged_state()
    assert merged.imported.all()
    assert merged.present.tolist() == before
    assert merged.status.tolist() == [LABELLED, LABELLED | FLAGGED, LABELLED]


def test_a_project_is_found_again_as_it_was_left(project, tmp_path):
    project.store.record(project.annotator, 1, 5, LABELLED, origin="key")
    project.current_run = 3
    project.close()
    with Project.open(tmp_path / "week") as again:
        assert again.current_run == 3
        assert again.sources == project.sources
        assert again.store.load_state(again.annotator).present.tolist() == [0, 5, 0]
    with Project.open(tmp_path / "week" / "project.sqlite") as again:
        assert again.name == "week"


def test_a_second_file_appends_its_shots_and_labels(project, tmp_path):
    added = project.add_source(shots(tmp_path / "b.h5", seed=2, names=NAMES))
    assert added.first_row == 3
    assert project.n_shots == 6
    assert project.shot_table().labelled.all()
    assert project.shot_table().source_of.tolist() == [0, 0, 0, 1, 1, 1]
    with pytest.raises(InputError, match="same as"):
        project.add_source(tmp_path / "a.h5")


# -- refusals ----------------------------------------------------------------------------------


def nothing_left(tmp_path: Path, *expected: str) -> None:
    assert sorted(p.name for p in tmp_path.iterdir()) == sorted(expected)


def test_an_occupied_folder_is_refused_and_stays(tmp_path):
    (tmp_path / "week").mkdir()
    (tmp_path / "week" / "thesis.tex").touch()
    with pytest.raises(InputError, match="not empty"):
        Project.create(tmp_path / "week", [shots(tmp_path / "a.h5")])
    nothing_left(tmp_path / "week", "thesis.tex")


def test_a_path_too_long_for_a_database_is_refused_as_such(tmp_path):
    deep = tmp_path / "/".join(["d" * 100] * 6)
    with pytest.raises(InputError, match="path is longer"):
        Project.create(deep / "week", [shots(tmp_path / "shots.h5")])
    assert not any(deep.iterdir())


def test_an_empty_folder_is_used(tmp_path):
    (tmp_path / "week").mkdir()
    with Project.create(tmp_path / "week", [shots(tmp_path / "a.h5")]) as made:
        assert made.folder == tmp_path / "week"
        assert made.n_shots


def test_unknown_classes_are_named_with_those_of_the_default_taxonomy(tmp_path):
    path = shots(tmp_path / "a.h5", names=["cat", "Round"])
    with pytest.raises(InputError, match=r"a\.h5.*'cat'.*Spherical/Oblate.*default.*--taxonomy"):
        Project.create(tmp_path / "week", [path])
    nothing_left(tmp_path, "a.h5")
    with Project.create(tmp_path / "week", [path], labels=False) as made:
        assert not made.shot_table().labelled.any()


def test_a_bad_file_among_good_ones_leaves_nothing_behind(tmp_path):
    good = shots(tmp_path / "a.h5")
    (tmp_path / "b.h5").write_bytes(b"nothing")
    with pytest.raises(InputError, match=r"b\.h5"):
        Project.create(tmp_path / "week", [good, tmp_path / "b.h5"])
    nothing_left(tmp_path, "a.h5", "b.h5")


def test_the_same_file_twice_is_refused(tmp_path):
    one = shots(tmp_path / "a.h5")
    shutil.copy(one, tmp_path / "b.h5")
    with pytest.raises(InputError, match="is the same as"):
        Project.create(tmp_path / "week", [one, tmp_path / "b.h5"])


def test_a_folder_that_is_no_project_is_refused(tmp_path):
    with pytest.raises(InputError, match=r"is not a project.*airylabel create"):
        Project.open(tmp_path)
    with pytest.raises(InputError, match="no such project"):
        Project.open(tmp_path / "gone")
    (tmp_path / "notes.txt").touch()
    with pytest.raises(InputError) as refused:
        Project.open(tmp_path / "notes.txt")
    assert str(refused.value).endswith("make one of your shots: airylabel create PROJECT FILE…")
    assert str(InputError(str(refused.value))) == str(refused.value)


def test_a_place_that_cannot_hold_a_project_is_refused(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(InputError, match="cannot be made there"):
        Project.create(tmp_path / "file" / "week", [shots(tmp_path / "a.h5")])


# -- files that move ---------------------------------------------------------------------------


def missing(project):
    return [source for source, change in project.source_changes() if change.kind == "missing"]


def changed(project):
    serious = [(s, change) for s, change in project.source_changes() if change.serious]
    return [source for source, change in serious if change.kind != "missing"]


def test_a_file_that_moved_is_missing_until_it_is_found_again(project, tmp_path):
    project.close()
    (tmp_path / "far").mkdir()
    (tmp_path / "a.h5").rename(tmp_path / "far" / "renamed.h5")
    with Project.open(tmp_path / "week") as again:
        (gone,) = missing(again)
        other = shots(tmp_path / "other.h5", seed=9)
        with pytest.raises(InputError, match=r"not the file that a\.h5 was"):
            again.relocate(gone.id, other)
        with pytest.raises(InputError, match="no such file"):
            again.relocate(gone.id, tmp_path / "gone.h5")
        with pytest.raises(InputError, match="not the file"):
            again.relocate(gone.id, shots(tmp_path / "longer.h5", n=4))
        with pytest.raises(InputError, match=r"no source 99\. There are: 1"):
            again.relocate(99, tmp_path / "far" / "renamed.h5")
        again.relocate(gone.id, tmp_path / "far" / "renamed.h5")
        assert not missing(again)
    with Project.open(tmp_path / "week") as again:
        assert not missing(again)
        assert sum(1 for _ in again.shot_table().iter_shots()) == 3


def test_a_project_that_moved_together_with_its_file_finds_it(project, tmp_path):
    project.close()
    (tmp_path / "new").mkdir()
    for name in ("week", "a.h5"):
        (tmp_path / name).rename(tmp_path / "new" / name)
    with Project.open(tmp_path / "new" / "week") as again:
        assert not missing(again)
        assert again.sources[0].path == tmp_path / "new" / "a.h5"


def test_a_file_that_was_replaced_is_noticed(project, tmp_path):
    assert not changed(project)
    shots(tmp_path / "a.h5", seed=5)
    assert [s.id for s in changed(project)] == [project.stored_sources[0].id]


def test_one_shot_rewritten_in_place_is_noticed_with_its_times_put_back(project, tmp_path):
    before = (tmp_path / "a.h5").stat()
    with h5py.File(tmp_path / "a.h5", "r+") as file:
        file["images"][1] = file["images"][2]
    os.utime(tmp_path / "a.h5", ns=(before.st_atime_ns, before.st_mtime_ns))
    (source,) = changed(project)
    with pytest.raises(InputError, match=r"replaced.*--take-over.*--keep-labels"):
        project.refuse_changed()
    assert [f.severity for f in check(project.folder)] == ["error"]
    project.keep_labels(source.id)
    project.refuse_changed()
    project.close()
    assert not check(project.folder)


def test_an_exact_copy_in_its_place_is_the_same_file(project, tmp_path):
    raw = (tmp_path / "a.h5").read_bytes()
    (tmp_path / "a.h5").unlink()
    (tmp_path / "a.h5").write_bytes(raw)
    assert not project.source_changes()


def test_a_file_that_grew_is_said_and_its_new_shots_can_be_taken_over(tmp_path):
    with h5py.File(tmp_path / "a.h5", "w") as file:
        data = np.arange(4 * 64).reshape(4, 8, 8)
        file.create_dataset("images", data=data, maxshape=(None, 8, 8), chunks=(1, 8, 8))
    with Project.create(tmp_path / "week", [tmp_path / "a.h5"]) as made:
        made.store.record(made.annotator, [3], 1, LABELLED, origin="key")
        with h5py.File(tmp_path / "a.h5", "r+") as file:
            file["images"].resize(6, 0)
            file["images"][4:] = 7
        ((source, change),) = made.source_changes()
        assert change.kind == "grown"
        assert "from 4 to 6 shots" in change.what
        assert sum(1 for _ in made.shot_table().iter_shots()) == 4, "known shots stay usable"
        made.take_over(source.id)
        assert made.n_shots == 6
        assert not made.source_changes()
        assert made.merged_state().labelled.tolist() == [False, False, False, True, False, False]


def test_shots_of_a_replaced_file_come_as_further_ones_and_labels_stay_on_the_old(
    project, tmp_path
):
    project.store.record(project.annotator, [0], 1, LABELLED, origin="key")
    shots(tmp_path / "a.h5", seed=5)
    (source,) = changed(project)
    project.take_over(source.id)
    assert project.n_shots == 6
    assert project.merged_state(only_mine=True).labelled.tolist() == [True] + [False] * 5
    assert [s.id for s in missing(project)] == [source.id]
    assert not changed(project)


def test_a_path_that_no_disk_can_have_is_a_file_that_is_gone(project):
    project.close()
    with contextlib.closing(sqlite3.connect(project.folder / "project.sqlite")) as database:
        database.execute("UPDATE sources SET path = ?, relative = ?", ("x" * 3000, "y" * 3000))
        database.commit()
    with Project.open(project.folder) as again:
        assert len(missing(again)) == len(again.source_changes()) == len(again.stored_sources)


def virtual(path: Path, part: Path) -> None:
    with h5py.File(part) as file:
        layout = h5py.VirtualLayout(file["images"].shape, file["images"].dtype)
        layout[...] = h5py.VirtualSource(part.name, "images", file["images"].shape)
    with h5py.File(path, "w") as file:
        file.create_virtual_dataset("images", layout)


def linked(path: Path, part: Path) -> None:
    with h5py.File(path, "w") as file:
        file["images"] = h5py.ExternalLink(part.name, "/images")


def linked_group(path: Path, part: Path) -> None:
    with h5py.File(path, "w") as file:
        file["entry"] = h5py.ExternalLink(part.name, "/")


@pytest.mark.parametrize("made_of", [virtual, linked, linked_group])
def test_a_part_of_a_file_that_was_replaced_is_noticed(tmp_path, made_of):
    shots(tmp_path / "part.h5")
    made_of(tmp_path / "v.h5", tmp_path / "part.h5")
    with Project.create(tmp_path / "week", [tmp_path / "v.h5"], labels=False) as made:
        assert not made.source_changes()
        shots(tmp_path / "part.h5", seed=5)
        ((_, change),) = made.source_changes()
        assert "part.h5 was replaced" in change.what
        (tmp_path / "part.h5").unlink()
        ((_, change),) = made.source_changes()
        assert change.kind == "part missing"


def test_geometry_that_a_person_enters_is_kept_with_the_project(project):
    new = entered(project.sources[0].geometry, distance_mm=65, pixel_um=72.5, energy_ev=21.5)
    project.set_geometry(project.stored_sources[0].id, new)
    with Project.open(project.folder) as again:
        assert again.shot_table().geometry(0) == new
        assert again.sources[0].geometry.wavelength_m == pytest.approx(57.67e-9, rel=1e-3)
    with pytest.raises(InputError, match="cannot be"):
        entered(None, distance_mm=-1)


# -- taxonomies that change --------------------------------------------------------------------


def test_classes_moved_added_and_removed_in_the_toml_never_change_a_label(project, tmp_path):
    names = project.taxonomy.names
    before = {n: project.shot_table().labels[:, k].tolist() for k, n in enumerate(names)}
    project.close()
    path = tmp_path / "week" / "taxonomy.toml"
    text = path.read_text(encoding="utf-8")
    head, *classes = text[: text.index("[[rule]]")].split("[[class]]")
    classes = [c for c in classes if '"Layered"' not in c][::-1]
    classes.append('\nname = "Twin"\n')
    rules = text[text.index("[[rule]]") :]
    path.write_text(head + "".join("[[class]]" + c for c in classes) + rules, encoding="utf-8")
    with Project.open(tmp_path / "week") as again:
        assert again.taxonomy.names == (*names, "Twin")
        table = again.shot_table()
        assert {n: table.labels[:, k].tolist() for k, n in enumerate(names)} == before
        assert any("Layered" in note for note in again.notes)
        assert len(again.taxonomy.rules) == len(project.taxonomy.rules)


def test_a_mistake_in_the_project_s_taxonomy_names_its_line(project, tmp_path):
    project.close()
    path = tmp_path / "week" / "taxonomy.toml"
    path.write_text(path.read_text(encoding="utf-8") + "\nthis is no TOML\n", encoding="utf-8")
    with pytest.raises(InputError, match=r"taxonomy\.toml.*line"):
        Project.open(tmp_path / "week")


# -- runs --------------------------------------------------------------------------------------


def test_runs_are_numbered_folders_and_say_how_they_ended(project):
    one, two, three = (project.new_run_folder() for _ in range(3))
    assert [p.name for p in (one, two, three)] == ["0001", "0002", "0003"]
    (one / "events.jsonl").write_text(
        '{"event":"started","time":100.0}\n{"event":"finished","time":2.0,"metrics":{}}\n'
    )
    (one / "recipe.toml").write_text('name = "quick"\n')
    (one / "metrics.json").write_text('{"macro_f1": 0.7}')
    (two / "events.jsonl").write_text('{"event":"started","time":100.0}\n{"event":"st')
    first, second, third = project.runs()
    assert (first.state, first.recipe, first.metrics) == ("finished", "quick", {"macro_f1": 0.7})
    assert first.created.timestamp() == 100
    assert (second.state, third.state) == ("unfinished", "unfinished")
    assert project.run_folder(2) == two


# -- speed, and real files ---------------------------------------------------------------------


def test_ten_thousand_shots_open_in_a_fifth_of_a_second(tmp_path):
    with h5py.File(tmp_path / "a.h5", "w") as f:
        f.create_dataset("images", data=np.zeros((10_000, 8, 8), "u2"), chunks=(100, 8, 8))
    with Project.create(tmp_path / "week", [tmp_path / "a.h5"]) as made:
        made.store.record(made.annotator, np.arange(10_000), 3, LABELLED, origin="bulk")

    def open_it():
        with Project.open(tmp_path / "week") as again:
            again.merged_state()
            can_undo(again.store, again.annotator)

    assert processor_s(open_it) < 0.2


def test_counts_that_may_be_none_are_said_where_a_project_is_made_checked_and_opened(tmp_path):
    images, _ = make_shots(12)
    write_file(tmp_path / "turned.h5", -images.astype(np.int32), np.zeros((12, 1)), ["Round"])
    said = "turned.h5: light lies below the background"
    with Project.create(tmp_path / "week", [tmp_path / "turned.h5"], labels=False) as made:
        assert any(note.startswith(said) for note in summary(made)["notes"])
    with Project.open(tmp_path / "week") as project:
        assert any(note.startswith(said) for note in project.notes)
    assert [f.severity for f in check(tmp_path / "week") if f.text.startswith(said)] == ["warning"]
    lines = contents(tmp_path / "turned.h5").lines()
    assert any(line.startswith("light lies below the background") for line in lines)


@pytest.mark.parametrize(("name", "n"), [("cxidb94_layout.cxi", 12), ("helium_small.h5", 600)])
def test_real_files_make_projects_with_their_labels(tmp_path, name, n):
    with Project.create(tmp_path / "week", [needed(name)], shipped("helium")) as made:
        table = made.shot_table()
        assert len(table) == n
        assert table.labelled.all()
        assert not made.taxonomy.contradictions(table.labels).any()


@pytest.mark.parametrize("value", ["../../elsewhere", -1, [3], {"run": 1}, "abc"])
def test_what_a_stranger_wrote_for_the_current_run_leads_nowhere(tmp_path, value):
    week = make_project(tmp_path, 3)
    with Project.open(week) as project:
        project.store.set_meta("current_run", value)
        assert project.current_run is None


def test_a_taxonomy_names_no_file_outside_the_program(tmp_path):
    week = make_project(tmp_path, 3)
    path = week / "taxonomy.toml"
    text = path.read_text(encoding="utf-8")
    path.write_text(text.replace('"round.svg"', '"../../round.svg"'))
    with pytest.raises(InputError, match="no name of a schematic"):
        Project.open(week)


def test_who_labels_is_one_thing_for_each_open_project_and_not_of_the_file(tmp_path):
    week = make_project(tmp_path, 3)
    with Project.open(week) as ada, Project.open(week) as bob:
        label_as(ada, "Ada")
        label_as(bob, "Bob")
        assert (ada.annotator_name, bob.annotator_name) == ("Ada", "Bob")
        with Project.open(week, annotator=ada.annotator) as again:
            assert again.annotator_name == "Ada"
    with Project.open(week) as later:
        assert later.annotator_name == "Bob"  # who labelled here last
        with pytest.raises(InputError, match="no annotator"):
            Project.open(week, annotator=99)
