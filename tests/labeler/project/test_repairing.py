"""`check --repair`: what can be read is saved, what is lost is said, a copy is kept first."""

from __future__ import annotations

import random
import shutil
import sqlite3

import pytest

from labeler.cli import main
from labeler.project import backups, classes
from labeler.project.check import repair
from labeler.project.project import Project
from labeler.project.store import LABELLED, Store
from labeler.project.store.store import UndoStack
from model.errors import InputError
from tests.helpers.people import can_undo, label_as, labels_of
from tests.helpers.window_parts import make_project, write_shots

N = 40


@pytest.fixture(scope="module")
def labelled(tmp_path_factory):
    """A project with 3,000 gestures, and what must be found again."""
    folder = make_project(tmp_path_factory.mktemp("labelled"), N)
    with Project.open(folder) as project:
        ada, store = project.annotator, project.store
        chance = random.Random(1)
        for _ in range(3000):
            store.record(ada, chance.randrange(N), chance.randrange(2048), LABELLED, origin="key")
        state = store.load_state(ada).present.tolist()
        store.database.connection.exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)")
    return (folder / "project.sqlite").read_bytes(), (folder / "taxonomy.toml").read_text(), state


@pytest.fixture
def week(labelled, tmp_path):
    folder = make_project(tmp_path, N)
    (folder / "project.sqlite").write_bytes(labelled[0])
    return folder


def test_a_healthy_project_needs_no_repair(week, labelled):
    before = (week / "project.sqlite").read_bytes()
    assert repair(week) == []
    assert (week / "project.sqlite").read_bytes() == before


def test_current_states_are_made_anew_from_the_history(week, labelled, capsys):
    with sqlite3.connect(week / "project.sqlite") as raw:
        raw.execute("UPDATE current SET present = 1 WHERE row IN (3, 5)")
    raw.close()
    assert main(["check", str(week)]) == 1
    assert "check --repair" in capsys.readouterr().out
    assert "shots 4, 6" in repair(week)[0]
    assert labels_of(week) == labelled[2]
    assert repair(week) == []
    assert backups.list_backups(week)[0].reason == "before-repair"


@pytest.mark.parametrize("seed", range(6))
def test_a_damaged_page_costs_no_label_where_there_is_a_backup(week, labelled, seed):
    backups.back_up(week, "hand")
    path = week / "project.sqlite"
    raw = bytearray(path.read_bytes())
    page = random.Random(seed).randrange(1, len(raw) // 4096)
    raw[page * 4096 : (page + 1) * 4096] = random.Random(seed).randbytes(4096)
    path.write_bytes(raw)
    said = repair(week)
    assert labels_of(week) == labelled[2], said
    if said:
        assert "damaged" in said[0]
        with Project.open(week) as project:
            assert not can_undo(project.store, project.annotator)
            project.store.record(project.annotator, 0, 7, LABELLED, origin="key")
            assert project.store.undo(project.annotator).present[0] == labelled[2][0]


@pytest.mark.parametrize("seed", range(6))
def test_without_a_backup_the_rest_is_saved_and_the_loss_is_counted(week, labelled, seed):
    path = week / "project.sqlite"
    raw = bytearray(path.read_bytes())
    page = random.Random(100 + seed).randrange(20, len(raw) // 4096)
    raw[page * 4096 : (page + 1) * 4096] = bytes(4096)
    path.write_bytes(raw)
    said = repair(week)
    assert "no good backup" in " ".join(said)
    found = labels_of(week)
    same = sum(a == b for a, b in zip(found, labelled[2], strict=True))
    assert same == N or "Lost" in " ".join(said)
    with Store.open(path).database.connection as connection:
        (gestures,) = connection.exec_driver_sql("SELECT count(*) FROM gestures").fetchone()
    assert gestures > 2000


def test_a_database_that_is_none_any_more_is_taken_from_the_backup(week, labelled):
    backups.back_up(week, "hand")
    (week / "project.sqlite").write_bytes(b"\0" * 8192)
    assert "3,000 more were taken from the backup" in " ".join(repair(week))
    assert labels_of(week) == labelled[2]
    (week / "project.sqlite").unlink()
    assert "was gone" in repair(week)[0]
    assert labels_of(week) == labelled[2]


def test_with_nothing_readable_and_no_backup_nothing_is_changed(week):
    (week / "project.sqlite").write_bytes(b"\1" * 8192)
    with pytest.raises(InputError, match="no good backup"):
        repair(week)
    assert (week / "project.sqlite").read_bytes() == b"\1" * 8192


def destroy(week, table):
    """Overwrite the page of the database that a small table lies on."""
    file = week / "project.sqlite"
    database = sqlite3.connect(file)
    find = "SELECT rootpage, (SELECT page_size FROM pragma_page_size) FROM sqlite_master"
    page, size = database.execute(f"{find} WHERE name = '{table}'").fetchone()
    database.close()
    with file.open("r+b") as stream:
        stream.seek((page - 1) * size)
        stream.write(random.Random(1).randbytes(size))


def sql(week, *statements):
    with sqlite3.connect(week / "project.sqlite") as raw:
        for statement in statements:
            raw.execute(statement)
    raw.close()


def as_before(week):
    """The project as a program made it that kept the list of its files once."""
    sql(week, "DELETE FROM meta WHERE key GLOB '*.row.*' OR key = 'sources.shots'")


def test_where_only_the_list_of_files_is_lost_it_comes_again_from_its_second_copy(week, labelled):
    with Project.open(week) as project:
        before = project.stored_sources
        project.store.database.connection.exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)")
    destroy(week, "sources")
    assert "1 file of shots had gone from the database" in " ".join(repair(week))
    assert labels_of(week) == labelled[2]
    with Project.open(week) as project:
        assert project.stored_sources == before


@pytest.mark.parametrize("how", ["DELETE FROM sources", "DROP TABLE sources"])
def test_a_list_of_files_that_someone_emptied_comes_again(week, labelled, how):
    sql(week, how)
    if how.startswith("DELETE"):
        with Project.open(week) as project:
            assert any("had gone from the database" in note for note in project.notes)
            assert project.n_shots == N
        sql(week, how)
    assert "had gone from the database" in " ".join(repair(week))
    assert labels_of(week) == labelled[2]
    assert repair(week) == []


def test_a_repair_keeps_who_labels_and_which_run_is_shown(week, labelled):
    with Project.open(week) as project:
        label_as(project, "Bob")
        project.current_run = 7
        project.store.database.connection.exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)")
    sql(week, "DROP TABLE roles")
    repair(week)
    with Project.open(week) as project:
        assert project.annotator_name == "Bob"
        assert project.current_run == 7


@pytest.mark.parametrize("table", ["annotators", "classes"])
@pytest.mark.parametrize("how", ["destroyed", "emptied", "short of one"])
def test_whose_labels_they_are_and_of_which_classes_comes_again(week, labelled, table, how):
    """Else all labels would be dropped, or be of other classes."""
    with Project.open(week) as project:
        label_as(project, "Bob")
        project.store.record(project.annotator, 1, 5, LABELLED, origin="key")
        classes.rename(project, "Bent", "Curved")
        names, people = project.store.class_names(), project.store.annotators()
        project.store.database.connection.exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)")
    if how == "destroyed":
        destroy(week, table)
    else:
        which = " WHERE rowid = 2" if how == "short of one" else ""
        sql(week, "PRAGMA foreign_keys=OFF", f"DELETE FROM {table}{which}")
    if how != "emptied":
        assert "had gone from the database" in " ".join(repair(week))
    with Project.open(week) as project:
        assert project.store.class_names() == names
        assert project.store.annotators() == people
        assert project.store.load_state(people[0].id).present.tolist() == labelled[2]
        assert project.store.load_state(people[1].id).present[1] == 5
        assert (how == "emptied") == any("had gone" in note for note in project.notes)
    assert repair(week) == []


def test_labels_of_people_whose_names_are_lost_are_kept(week, labelled):
    with Project.open(week) as project:
        project.store.database.connection.exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)")
    as_before(week)
    destroy(week, "annotators")
    assert "The names of 1 annotator are lost" in " ".join(repair(week))
    with Project.open(week) as project:
        (who,) = (a for a in project.store.annotators() if a.name.startswith("unknown"))
        assert project.store.load_state(who.id).present.tolist() == labelled[2]


def test_a_class_that_is_missing_between_others_is_not_passed_over(week):
    """Every label after it would be of the next class."""
    as_before(week)
    sql(week, "DELETE FROM classes WHERE bit = 4")
    with pytest.raises(InputError, match="which class some of its labels speak of is lost"):
        Project.open(week)


def test_a_class_that_was_taken_back_has_no_second_copy(week):
    with Project.open(week) as project:
        classes.add(project, "Core-shell")
        classes.undo(project)
    with Project.open(week) as project:
        assert "Core-shell" not in project.store.class_names()
        assert not project.notes


def test_where_no_second_copy_is_that_is_said_and_nothing_is_changed(week):
    file = week / "project.sqlite"
    as_before(week)
    destroy(week, "sources")
    before = file.read_bytes()
    with pytest.raises(InputError, match="which files its shots are in is lost"):
        repair(week)
    assert file.read_bytes() == before


def test_a_list_of_files_that_is_short_of_one_is_never_used(tmp_path, capsys):
    """Labels would lie on shots of the next file."""
    week = make_project(tmp_path, N)
    with Project.open(week) as project:
        project.add_source(write_shots(tmp_path / "other.h5", 7))
        project.store.record(project.annotator, [3, N + 6], 1, LABELLED, origin="key")
    as_before(week)
    for lost in (1, 2):
        kept = tmp_path / f"kept{lost}"
        shutil.copytree(week, kept)
        sql(kept, f"DELETE FROM sources WHERE id = {lost}")
        with pytest.raises(InputError, match="which file holds shot") as caught:
            Project.open(kept)
        assert "check --repair" in caught.value.mend
        with pytest.raises(InputError, match="which files its shots are in is lost"):
            repair(kept)
    backups.back_up(week, "hand")
    sql(week, "DELETE FROM sources WHERE id = 2")
    assert "from the backup" in " ".join(repair(week))
    with Project.open(week) as project:
        assert project.n_shots == N + 7


def test_a_project_of_before_keeps_its_list_of_files_twice_from_now_on(week, labelled):
    as_before(week)
    assert labels_of(week) == labelled[2]
    sql(week, "DELETE FROM sources")
    assert labels_of(week) == labelled[2]


def test_what_damage_says_of_shots_that_there_are_not_is_dropped_and_said(week, labelled):
    with Project.open(week) as project:
        project.store.record(project.annotator, 1, 5, LABELLED, origin="key")
        newest = project.store.newest_gesture()
    sql(
        week,
        "DROP TRIGGER events_no_update",
        f"UPDATE events SET row = 99999 WHERE gesture_id = {newest}",
    )
    said = " ".join(repair(week))
    assert "99999" not in said
    found = labels_of(week)
    assert [f for k, f in enumerate(found) if k != 1] == [
        f for k, f in enumerate(labelled[2]) if k != 1
    ]
    assert found[1] == 5, "the state of the shot was still there"


def test_a_backup_of_another_history_is_not_mixed_in(week, labelled):
    with Project.open(week) as project:
        first = backups.back_up(week, "hand")
        project.store.record(project.annotator, 0, 3, LABELLED, origin="key")
    backups.restore(week, first)  # the gesture just made is in the backup before it only
    with Project.open(week) as project:
        project.store.record(project.annotator, 1, 5, LABELLED, origin="key")
        project.store.database.connection.exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)")
    first.unlink()
    path = week / "project.sqlite"
    raw = bytearray(path.read_bytes())
    raw[4096 * 30 : 4096 * 31] = bytes(4096)
    path.write_bytes(raw)
    said = " ".join(repair(week))
    assert "no good backup" in said
    assert labels_of(week)[1] == 5


def test_a_taxonomy_that_is_gone_is_written_again(week, labelled):
    labels_of(week)  # opened once, so that the database knows the file
    (week / "taxonomy.toml").unlink()
    assert "written again" in repair(week)[0]
    assert (week / "taxonomy.toml").read_text() == labelled[1]


def test_a_stack_of_a_salvaged_history_begins_anew():
    stack = UndoStack()
    stack.follow([(1, "do", None, 1), (3, "undo", 2, 1), (4, "redo", 9, 1)])
    assert (stack.done, stack.undone) == ([1], [])
    stack.follow([(5, "salvage", None, 0), (6, "do", None, 1)])
    assert (stack.done, stack.undone) == ([6], [])


def test_a_database_whose_end_was_cut_off_gives_what_is_left_of_it(week, labelled):
    path = week / "project.sqlite"
    with path.open("r+b") as file:
        file.truncate(int(path.stat().st_size * 0.8))
    said = repair(week)
    with Project.open(week) as project:
        assert project.store.audit() == []
        ((kept,),) = project.store.database.rows("SELECT count(*) FROM gestures WHERE kind = 'do'")
    assert kept > 1500, said
