"""The session: recorded before shown, one undo a gesture, nothing shown that is not stored."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from labeler.active import asking
from labeler.project.place import left_off
from labeler.project.project import Project
from labeler.project.store import connection
from labeler.project.store.records import FLAGGED, LABELLED, SKIPPED
from labeler.session.selection import SelectedShots
from labeler.session.session import Session
from model.errors import InputError
from model.shots.table import EVALUATION
from model.taxonomy.toml import load, shipped
from model.training.roles import with_roles
from tests.helpers.window_parts import (
    InlineReader,
    make_project,
    make_session,
    names_on,
    use_made_up_run,
)


@pytest.fixture
def folder(tmp_path):
    return make_project(tmp_path)


@pytest.fixture
def session(qapp, folder):
    session = make_session(folder)
    yield session
    session.close()


def press(session, name):
    session.labelling.toggle(session.labels.taxonomy.index(name))


def refuse_writes(session, monkeypatch):
    def full(*_, **__):
        raise InputError("the disk is full", mend="Make space.")

    monkeypatch.setattr(session.opened.project.store, "record", full)


def test_one_key_brings_the_parent_along(session):
    press(session, "Round")
    assert names_on(session) == {"Round", "Spherical/Oblate"}
    assert session.labels.reported == "Round added Spherical/Oblate"
    assert session.labelling.is_decided()


def test_a_class_that_excludes_others_drops_them_and_says_so(session):
    press(session, "Round")
    press(session, "Streak")
    assert names_on(session) == {"Streak", "Prolate"}
    assert session.labels.reported == "Streak added Prolate and dropped Spherical/Oblate, Round"


def test_one_undo_takes_back_the_whole_gesture(session):
    press(session, "Round")
    press(session, "Streak")
    session.labelling.undo()
    assert names_on(session) == {"Round", "Spherical/Oblate"}
    session.labelling.redo()
    assert names_on(session) == {"Streak", "Prolate"}


def test_undo_goes_to_the_shot_that_it_changed(session):
    press(session, "Round")
    session.cursor.show(7)
    session.labelling.undo()
    assert session.cursor.row == 0
    assert not session.labelling.is_decided()


def test_a_decision_is_in_the_store_before_anybody_hears_of_it(session):
    stored = []
    session.labels.labels_changed.connect(
        lambda rows: stored.append(
            session.opened.project.store.load_state(session.opened.annotator).present[0]
        )
    )
    press(session, "Round")
    assert stored[0] == session.labels.present[0] != 0


def test_when_the_store_refuses_nothing_changes_and_a_note_says_why(session, monkeypatch):
    refuse_writes(session, monkeypatch)
    heard, noted = [], []
    session.labels.labels_changed.connect(heard.append)
    session.noted.connect(lambda level, text: noted.append((level, text)))
    session.labelling.auto_advance = True
    for act in (lambda: press(session, "Round"), session.labelling.skip, session.labelling.flag):
        act()
    assert not names_on(session)
    assert session.labels.status[0] == 0
    assert session.cursor.row == 0
    assert not heard
    assert [level for level, _ in noted] == ["error"] * 3
    assert "disk is full" in noted[0][1]


def test_everything_is_there_after_a_restart_and_undo_still_works(session, folder):
    press(session, "Round")
    session.cursor.show(4)
    press(session, "Empty")
    session.cursor.show(9)
    session.close()
    session.open(folder)
    assert session.cursor.row == 9
    assert names_on(session, 0) == {"Round", "Spherical/Oblate"}
    assert names_on(session, 4) == {"Empty"}
    session.labelling.undo()
    assert session.cursor.row == 4
    assert not session.labelling.is_decided()


def test_levels_of_a_project_are_remembered(session, folder):
    session.display.change(low=3.0, high=77.0)
    session.close()
    session.open(folder)
    assert (session.display.screen.low, session.display.screen.high) == (3.0, 77.0)
    assert session.display.levels_known


def test_levels_are_kept_before_the_project_is_closed(session, qtbot):
    opened = session.require()
    session.place._still.setInterval(0)
    session.display.change(low=3.0, high=77.0)
    qtbot.waitUntil(lambda: left_off(opened.project, opened.annotator).levels == (3.0, 77.0))


@pytest.mark.parametrize(
    ("kept", "place"),
    [
        ({"window.place": {"row": 3}}, (3, None, ())),
        ({"window.place.N": {"row": 4, "levels": [3.0, 77.0]}}, (4, (3.0, 77.0), ())),
        (
            {
                "window.place": {"row": 3},
                "window.place.N": {"row": 4, "levels": [3.0, 77.0]},
                "window.queue.N": {"row": 5, "choice": {"filters": ["unlabelled"]}, "rows": None},
            },
            (5, (3.0, 77.0), ("unlabelled",)),
        ),
        ({"window.queue.N": {"row": 99, "choice": 7, "levels": 3}}, (11, None, ())),
        ({"window.queue.N": "nonsense"}, (0, None, ())),
    ],
)
def test_the_place_that_any_version_kept_is_found(qapp, folder, kept, place):
    with Project.open(folder) as project:
        for key, value in kept.items():
            project.store.set_meta(key.replace("N", str(project.annotator)), value)
    session = make_session(folder)
    assert (session.cursor.row, session.display.levels) == place[:2]
    assert session.queue.choice.filters == place[2]
    session.cursor.show(7)
    session.close()
    session.open(folder)
    assert (session.cursor.row, session.display.levels) == (7, place[1])
    session.close()


def test_shot_queue_and_levels_stay_where_what_can_only_be_looked_at_is_read_again(
    session, folder, monkeypatch
):
    press(session, "Round")
    session.close()
    monkeypatch.setattr(connection, "is_writable", lambda path: False)
    session.open(folder)
    assert session.require().project.store.read_only
    session.queue.choose("unlabelled")
    session.cursor.show(9)
    session.display.change(low=3.0, high=77.0)
    session.reopen()
    assert session.cursor.row == 9
    assert session.queue.choice.filters == ("unlabelled",)
    assert session.display.levels == (3.0, 77.0)


def test_a_slip_of_the_finger_leaves_the_shot_undecided(session):
    press(session, "Round")
    press(session, "Round")
    assert not session.labelling.is_decided()


def test_enter_accepts_what_the_model_suggests_and_goes_on(session):
    use_made_up_run(session)
    session.cursor.show(1)
    assert session.suggestions.of()[session.labels.taxonomy.index("Round")]
    assert not names_on(session)
    session.labelling.accept()
    assert names_on(session, 1) == {"Round", "Spherical/Oblate"}
    assert session.cursor.row == 2


def test_enter_with_nothing_to_accept_stays_and_says_so(session):
    noted = []
    session.noted.connect(lambda level, text: noted.append(text))
    session.labelling.accept()
    assert session.cursor.row == 0
    assert "Nothing to accept" in noted[0]
    assert not session.labelling.is_decided()


def test_labels_of_the_file_become_the_persons_own_by_enter(qapp, tmp_path):
    labels = np.zeros((12, 11), np.uint8)
    labels[:, [0, 1]] = 1
    session = make_session(make_project(tmp_path, labels=labels))
    assert session.labels.decided.from_file(0)
    assert names_on(session) == {"Spherical/Oblate", "Round"}
    session.labelling.accept()
    assert not session.labels.decided.from_file(0)
    assert names_on(session, 0) == {"Spherical/Oblate", "Round"}
    press(session, "Round")  # over the file's labels, no class but one is a decision too
    assert names_on(session) == {"Spherical/Oblate"} or not names_on(session)
    assert session.labelling.is_decided()
    session.labelling.undo()
    assert session.labels.decided.from_file(1)
    session.close()


def test_labels_of_the_file_that_are_confirmed_on_many_shots_judge_as_before(qapp, tmp_path):
    labels = np.zeros((12, 11), np.uint8)
    labels[:6, [0, 1]] = 1
    labels[6:] = load(shipped("helium")).mask(["Empty"])
    session = make_session(make_project(tmp_path, labels=labels))
    project, every = session.require().project, np.arange(12)
    SelectedShots(session, lambda: every, lambda what: True, lambda what: None).accept()
    assert not session.labels.decided.from_file(3)
    assert not project.labelled_together().any()
    found = asking.class_fractions(project)
    assert (found[0].shots, found[0].together) == (12, 0)
    table = replace(project.shot_table(), together=project.labelled_together())
    assert (with_roles(table).role == EVALUATION).sum() == 2
    session.close()


def test_undo_and_redo_say_once_what_they_did(session):
    press(session, "Round")
    session.labelling.undo()
    assert session.labels.reported == "Undo on shot 1: removed Spherical/Oblate, Round"
    session.labelling.redo()
    assert session.labels.reported == "Redo on shot 1: added Spherical/Oblate, Round"


def test_undo_redo_and_the_rest_name_classes_in_the_order_shown(session):
    taxonomy = session.labels.taxonomy
    bits = int(taxonomy.pack(taxonomy.mask(["Newton Rings", "Bent", "Double Rings"])))
    assert taxonomy.index("Newton Rings") < taxonomy.index("Double Rings")  # in the database
    session.labels.decide([0], bits, LABELLED, "bulk")
    session.labelling.undo()
    assert session.labels.reported == "Undo on shot 1: removed Double Rings, Bent, Newton Rings"
    session.labelling.redo()
    assert session.labels.reported == "Redo on shot 1: added Double Rings, Bent, Newton Rings"


def test_undo_says_where_the_files_labels_show_again(qapp, tmp_path):
    labels = np.zeros((12, 11), np.uint8)
    labels[:, [0, 1]] = 1
    session = make_session(make_project(tmp_path, labels=labels))
    press(session, "Layered")
    session.labelling.undo()
    assert names_on(session) == {"Spherical/Oblate", "Round"}
    assert session.labels.reported == "Undo on shot 1: the file's labels again"
    session.labelling.flag()
    session.labelling.undo()
    assert session.labels.reported == "Undo on shot 1: not flagged"
    session.labels.decide([6], 0, LABELLED, "bulk")
    for rows, said in (([3, 4, 5], ""), ([3, 4, 5, 6], " on 3 of them")):
        session.labels.decide(rows, 1, LABELLED, "bulk")
        session.labelling.undo()
        assert (
            session.labels.reported == f"Undo on {len(rows)} shots: the file's labels again{said}"
        )
    session.close()


def test_fix_applies_the_offered_fix_as_one_gesture(session):
    row = np.array([0])
    present = np.array(
        [session.labels.taxonomy.pack(session.labels.taxonomy.mask(["Double Rings"]))]
    )
    session.opened.project.store.record(
        session.opened.annotator, row, present, np.array([1]), origin="test"
    )
    session.labels.decided.put(row, present, 1)
    assert session.labelling.offered_fix()[1].text == "add Spherical/Oblate"
    session.labelling.fix()
    assert names_on(session) == {"Double Rings", "Spherical/Oblate"}
    session.labelling.undo()
    assert names_on(session) == {"Double Rings"}


def test_flag_keeps_its_note_and_skip_leaves_the_shot_undecided(session):
    session.labelling.flag("two droplets?")
    assert session.labels.status[0] & FLAGGED
    assert session.labelling.note() == "two droplets?"
    session.labelling.flag()
    assert not session.labels.status[0] & FLAGGED
    session.labelling.skip()
    assert session.cursor.row == 1
    assert session.labels.status[0] == SKIPPED
    session.cursor.show(0)
    press(session, "Round")
    assert session.labels.status[0] == LABELLED


def test_steps_stop_at_the_ends_and_home_and_end_reach_them(session):
    session.cursor.previous()
    assert session.cursor.row == 0
    session.cursor.last()
    session.cursor.next()
    assert session.cursor.row == 11
    session.cursor.first()
    assert session.cursor.row == 0


@pytest.mark.parametrize(("text", "row"), [("5", 4), ("#12", 11), ("13", None), ("x", None)])
def test_jump_takes_the_number_on_screen(session, text, row):
    assert session.cursor.jump(text) is (row is not None)
    assert session.cursor.row == (row or 0)


def test_next_undecided_passes_over_decided_and_skipped_shots(session):
    session.cursor.show(1)
    press(session, "Round")
    session.cursor.show(2)
    session.labelling.skip()
    session.cursor.show(0)
    session.cursor.next_undecided()
    assert session.cursor.row == 3


def test_auto_advance_goes_on_after_a_key(session):
    session.labelling.auto_advance = True
    press(session, "Round")
    assert session.cursor.row == 1
    assert names_on(session, 0) == {"Round", "Spherical/Oblate"}


def test_a_queue_stays_while_its_shots_are_labelled(session):
    session.queue.choose(filter="unlabelled")
    press(session, "Round")
    assert 0 in session.queue.rows
    session.queue.choose()
    assert 0 not in session.queue.rows


def test_neighbours_are_read_ahead(session):
    session.cursor.show(5)
    assert {3, 4, 6, 7, 8} <= set(session.shots.feed.reader.asked)


def test_the_heatmap_is_of_the_likeliest_class_until_another_is_chosen(session):
    session.heat.toggle()
    assert not session.heat.on  # no run yet: said, not done
    use_made_up_run(session)
    session.cursor.show(1)
    session.heat.toggle()
    assert session.heat.class_index == session.labels.taxonomy.index("Round")
    assert session.heat.on_pattern((8, 8)).shape == (8, 8)
    session.heat.show(3)
    assert (session.heat.on, session.heat.class_index) == (True, 3)
    session.heat.show(3)
    assert not session.heat.on
    assert session.heat.on_pattern((8, 8)) is None


def test_a_failed_opening_leaves_the_open_project(session, tmp_path):
    press(session, "Round")
    with pytest.raises(InputError):
        session.open(tmp_path)
    assert names_on(session) == {"Round", "Spherical/Oblate"}
    press(session, "Round")


def test_a_shot_shows_what_was_on_screen_when_it_was_decided(session):
    use_made_up_run(session)
    session.cursor.show(1)
    press(session, "Streak")
    shown = session.opened.project.store.history(1)[-1].shown
    assert shown["run"] == "0001"
    assert len(shown["probabilities"]) == 11


def test_a_reader_that_was_started_early_reads_the_project_and_ends_with_the_session(qapp, folder):
    made, closed = [], []

    class Early(InlineReader):
        def __init__(self, *listeners):
            super().__init__(*listeners)
            made.append(self)

        def close(self):
            closed.append(self)

    session = Session(make_reader=Early)
    session.shots.start_reader()
    session.open(folder)
    assert session.shots.feed.reader is made[0]
    assert session.shots.counts(0) is not None
    session.close()
    assert made == closed
    session.shots.start_reader()
    session.close()  # without a project
    assert made == closed
    assert len(made) == 2
