"""The session: recorded before shown, one undo a gesture, nothing shown that is not stored."""

from __future__ import annotations

import numpy as np
import pytest

from labeler.project.store.records import FLAGGED, LABELLED, SKIPPED
from model.errors import InputError
from tests.helpers.window_parts import make_project, make_session, use_made_up_run


@pytest.fixture
def folder(tmp_path):
    return make_project(tmp_path)


@pytest.fixture
def session(qapp, folder):
    session = make_session(folder)
    yield session
    session.close()


def names(session, row=None):
    return {session.taxonomy.names[c] for c in np.flatnonzero(session.labels(row))}


def press(session, name):
    session.toggle(session.taxonomy.index(name))


def refuse_writes(session, monkeypatch):
    def full(*_, **__):
        raise InputError("the disk is full", mend="Make space.")

    monkeypatch.setattr(session.project.store, "record", full)


def test_one_key_brings_the_parent_along(session):
    press(session, "Round")
    assert names(session) == {"Round", "Spherical/Oblate"}
    assert session.said == "Round added Spherical/Oblate"
    assert session.is_decided()


def test_a_class_that_excludes_others_drops_them_and_says_so(session):
    press(session, "Round")
    press(session, "Streak")
    assert names(session) == {"Streak", "Prolate"}
    assert session.said == "Streak added Prolate and dropped Spherical/Oblate, Round"


def test_one_undo_takes_back_the_whole_gesture(session):
    press(session, "Round")
    press(session, "Streak")
    session.undo()
    assert names(session) == {"Round", "Spherical/Oblate"}
    session.redo()
    assert names(session) == {"Streak", "Prolate"}


def test_undo_goes_to_the_shot_that_it_changed(session):
    press(session, "Round")
    session.show(7)
    session.undo()
    assert session.row == 0
    assert not session.is_decided()


def test_a_decision_is_in_the_store_before_anybody_hears_of_it(session):
    stored = []
    session.labels_changed.connect(
        lambda rows: stored.append(session.project.store.load_state(session.annotator).present[0])
    )
    press(session, "Round")
    assert stored[0] == session.present[0] != 0


def test_when_the_store_refuses_nothing_changes_and_a_note_says_why(session, monkeypatch):
    refuse_writes(session, monkeypatch)
    heard, noted = [], []
    session.labels_changed.connect(heard.append)
    session.noted.connect(lambda level, text: noted.append((level, text)))
    session.auto_advance = True
    for act in (lambda: press(session, "Round"), session.skip, session.flag):
        act()
    assert not names(session)
    assert session.status[0] == 0
    assert session.row == 0
    assert not heard
    assert [level for level, _ in noted] == ["error"] * 3
    assert "disk is full" in noted[0][1]


def test_everything_is_there_after_a_restart_and_undo_still_works(session, folder):
    press(session, "Round")
    session.show(4)
    press(session, "Empty")
    session.show(9)
    session.close()
    session.open(folder)
    assert session.row == 9
    assert names(session, 0) == {"Round", "Spherical/Oblate"}
    assert names(session, 4) == {"Empty"}
    session.undo()
    assert session.row == 4
    assert not session.is_decided()


def test_levels_of_a_project_are_remembered(session, folder):
    session.look(low=3.0, high=77.0)
    session.close()
    session.open(folder)
    assert (session.screen.low, session.screen.high) == (3.0, 77.0)
    assert session.levels_known


def test_a_slip_of_the_finger_leaves_the_shot_undecided(session):
    press(session, "Round")
    press(session, "Round")
    assert not session.is_decided()


def test_enter_accepts_what_the_model_suggests_and_goes_on(session):
    use_made_up_run(session)
    session.show(1)
    assert session.suggestion()[session.taxonomy.index("Round")]
    assert not names(session)
    session.accept()
    assert names(session, 1) == {"Round", "Spherical/Oblate"}
    assert session.row == 2


def test_enter_with_nothing_to_accept_stays_and_says_so(session):
    noted = []
    session.noted.connect(lambda level, text: noted.append(text))
    session.accept()
    assert session.row == 0
    assert "Nothing to accept" in noted[0]
    assert not session.is_decided()


def test_labels_of_the_file_become_the_persons_own_by_enter(qapp, tmp_path):
    labels = np.zeros((12, 11), np.uint8)
    labels[:, [0, 1]] = 1
    session = make_session(make_project(tmp_path, labels=labels))
    assert session.decided.from_file(0)
    assert names(session) == {"Spherical/Oblate", "Round"}
    session.accept()
    assert not session.decided.from_file(0)
    assert names(session, 0) == {"Spherical/Oblate", "Round"}
    press(session, "Round")  # over the file's labels, no class but one is a decision too
    assert names(session) == {"Spherical/Oblate"} or not names(session)
    assert session.is_decided()
    session.undo()
    assert session.decided.from_file(1)
    session.close()


def test_undo_and_redo_say_once_what_they_did(session):
    press(session, "Round")
    session.undo()
    assert session.said == "Undone on shot 1: −Spherical/Oblate, −Round"
    session.redo()
    assert session.said == "Redone on shot 1: +Spherical/Oblate, +Round"


def test_undo_says_where_the_files_labels_show_again(qapp, tmp_path):
    labels = np.zeros((12, 11), np.uint8)
    labels[:, [0, 1]] = 1
    session = make_session(make_project(tmp_path, labels=labels))
    press(session, "Layered")
    session.undo()
    assert names(session) == {"Spherical/Oblate", "Round"}
    assert session.said == "Undone on shot 1: the file's labels again"
    session.flag()
    session.undo()
    assert session.said == "Undone on shot 1: not flagged"
    session.decide([6], 0, LABELLED, "bulk")
    for rows, said in (([3, 4, 5], ""), ([3, 4, 5, 6], " on 3 of them")):
        session.decide(rows, 1, LABELLED, "bulk")
        session.undo()
        assert session.said == f"Undone on {len(rows)} shots: the file's labels again{said}"
    session.close()


def test_fix_applies_the_offered_fix_as_one_gesture(session):
    row = np.array([0])
    present = np.array([session.taxonomy.pack(session.taxonomy.mask(["Double Rings"]))])
    session.project.store.record(session.annotator, row, present, np.array([1]), origin="test")
    session.decided.put(row, present, 1)
    assert session.offered_fix()[1].text == "add Spherical/Oblate"
    session.fix()
    assert names(session) == {"Double Rings", "Spherical/Oblate"}
    session.undo()
    assert names(session) == {"Double Rings"}


def test_flag_keeps_its_note_and_skip_leaves_the_shot_undecided(session):
    session.flag("two droplets?")
    assert session.status[0] & FLAGGED
    assert session.note() == "two droplets?"
    session.flag()
    assert not session.status[0] & FLAGGED
    session.skip()
    assert session.row == 1
    assert session.status[0] == SKIPPED
    session.show(0)
    press(session, "Round")
    assert session.status[0] == LABELLED


def test_steps_stop_at_the_ends_and_home_and_end_reach_them(session):
    session.previous()
    assert session.row == 0
    session.last()
    session.next()
    assert session.row == 11
    session.first()
    assert session.row == 0


@pytest.mark.parametrize(("text", "row"), [("5", 4), ("#12", 11), ("13", None), ("x", None)])
def test_jump_takes_the_number_on_screen(session, text, row):
    assert session.jump(text) is (row is not None)
    assert session.row == (row or 0)


def test_next_undecided_passes_over_decided_and_skipped_shots(session):
    session.show(1)
    press(session, "Round")
    session.show(2)
    session.skip()
    session.show(0)
    session.next_unlabelled()
    assert session.row == 3


def test_auto_advance_goes_on_after_a_key(session):
    session.auto_advance = True
    press(session, "Round")
    assert session.row == 1
    assert names(session, 0) == {"Round", "Spherical/Oblate"}


def test_a_queue_stays_while_its_shots_are_labelled(session):
    session.set_queue(filter="unlabelled")
    press(session, "Round")
    assert 0 in session.queue
    session.set_queue()
    assert 0 not in session.queue


def test_neighbours_are_read_ahead(session):
    session.show(5)
    assert {3, 4, 6, 7, 8} <= set(session.feed.reader.asked)


def test_the_heatmap_is_of_the_likeliest_class_until_another_is_chosen(session):
    session.flip_heat()
    assert not session.heat_on  # no run yet: said, not done
    use_made_up_run(session)
    session.show(1)
    session.flip_heat()
    assert session.heat_class == session.taxonomy.index("Round")
    assert session.heatmap((8, 8)).shape == (8, 8)
    session.show_heat(3)
    assert (session.heat_on, session.heat_class) == (True, 3)
    session.show_heat(3)
    assert not session.heat_on
    assert session.heatmap((8, 8)) is None


def test_a_failed_opening_leaves_the_open_project(session, tmp_path):
    press(session, "Round")
    with pytest.raises(InputError):
        session.open(tmp_path)
    assert names(session) == {"Round", "Spherical/Oblate"}
    press(session, "Round")


def test_a_shot_shows_what_was_on_screen_when_it_was_decided(session):
    use_made_up_run(session)
    session.show(1)
    press(session, "Streak")
    shown = session.project.store.history(1)[-1].shown
    assert shown["run"] == "0001"
    assert len(shown["probabilities"]) == 11
