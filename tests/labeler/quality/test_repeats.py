"""Blind repeats: a shot comes again with its label hidden, and the first label stays."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PyQt6.QtWidgets import QLabel, QWidget

from labeler.project import classes
from labeler.project.project import Project
from labeler.project.store.records import FLAGGED, LABELLED
from labeler.quality import repeats
from labeler.quality.pace import AGAIN_S, BREAK_S, LONG_S, Breaks
from labeler.quality.repeats import RepeatedShots, choose, drift, repeats_of, to_reread, worst
from labeler.session import repeats as repeating
from labeler.session.selection import SelectedShots
from labeler.window.label.queue.shot_list import spoken
from labeler.window.main_window import MainWindow
from model.taxonomy.toml import load, shipped
from tests.helpers.window_parts import learnt, make_project, make_session

HELIUM = load(shipped("helium"))
ROUND = HELIUM.index("Round")
STREAK = HELIUM.index("Streak")
BENT = HELIUM.index("Bent")


@pytest.fixture
def session(qtbot, tmp_path, monkeypatch):
    """40 shots; with every new label, a shot comes again as soon as there are five."""
    monkeypatch.setattr(repeats, "ENOUGH", 5)
    made = make_session(make_project(tmp_path, 40))
    made.repeats.rate = 1.0
    made.repeats.chance = np.random.default_rng(1)
    monkeypatch.setattr(repeating, "APART", 2)
    made.open(made.opened.folder)
    yield made
    made.close()


def label(session, n, class_index=ROUND):
    """Decide on n shots; blind repeats that come in between are left unanswered."""
    while n:
        if session.repeats.is_blind:
            session.cursor.next()
            continue
        session.labelling.toggle(class_index)
        n -= 1
        session.cursor.next()


def until_blind(session):
    label(session, 5)
    assert session.repeats.is_blind
    return session.cursor.row


def test_a_shot_comes_again_without_its_label_and_the_first_label_stays(session):
    label(session, 4)
    assert not session.repeats.is_blind
    label(session, 1)
    row = session.cursor.row
    assert session.repeats.is_blind
    assert row < 4
    assert not session.labelling.shown_labels().any()
    assert not session.labelling.is_decided()
    assert session.labelling.note() == ""
    session.labelling.toggle(STREAK)
    assert session.labelling.shown_labels()[STREAK]
    session.cursor.next()
    assert session.cursor.row == 5
    assert session.labelling.shown_labels(row)[ROUND]
    state = session.opened.project.store.load_state(session.opened.annotator)
    assert HELIUM.unpack(state.present[row])[ROUND]
    found = repeats_of(session.opened.project, session.opened.annotator)
    assert found.rows.tolist() == [row]
    assert HELIUM.unpack(found.first[0])[ROUND]
    assert HELIUM.unpack(found.second[0])[STREAK]
    assert session.opened.project.store.history(row)[-1].origin == "repeat"


def test_a_difference_is_said_once_the_shot_is_left(session):
    said = []
    session.noted.connect(lambda level, text: said.append(text))
    row = until_blind(session)
    session.labelling.toggle(STREAK)
    assert said == []
    session.cursor.next()
    assert said == [
        f"Shot {row + 1} came a second time: first Spherical/Oblate, Round, now Prolate, Streak."
    ]


def test_a_second_reading_left_unanswered_is_none_and_going_back_returns(session):
    until_blind(session)
    session.cursor.previous()
    assert (session.cursor.row, session.repeats.is_blind) == (4, False)
    assert len(repeats_of(session.opened.project, session.opened.annotator)) == 0
    assert session.labelling.is_decided(4)


def test_undo_takes_the_second_reading_back_and_then_the_labels_before(session):
    row = until_blind(session)
    session.labelling.toggle(STREAK)
    session.labelling.toggle(BENT)
    session.cursor.next()
    session.labelling.undo()
    assert (session.cursor.row, session.repeats.is_blind) == (row, True)
    assert session.labelling.shown_labels()[STREAK]
    assert not session.labelling.shown_labels()[BENT]
    session.labelling.undo()
    assert not session.labelling.is_decided()
    assert len(repeats_of(session.opened.project, session.opened.annotator)) == 0
    session.labelling.redo()
    assert session.labelling.shown_labels()[STREAK]
    session.labelling.undo()
    session.labelling.undo()
    assert (session.cursor.row, session.repeats.is_blind) == (4, False)
    assert not session.labelling.is_decided(4)
    assert session.labelling.shown_labels(row)[ROUND]


def test_no_shot_comes_a_third_time_and_a_restart_remembers(session):
    seen = []
    for _ in range(12):
        if session.repeats.is_blind:
            seen.append(session.cursor.row)
            session.labelling.toggle(ROUND)
        else:
            session.labelling.toggle(STREAK)
        session.cursor.next()
    assert len(seen) == len(set(seen)) > 1
    session.open(session.opened.folder)
    assert session.repeats._repeated() == {r for r in seen if r != session.cursor.row} | set(seen)


def test_all_labels_are_where_they_were_after_many_second_readings(session):
    truth = {}
    rng = np.random.default_rng(0)
    for _ in range(60):
        c = int(rng.choice([ROUND, STREAK]))
        if not session.repeats.is_blind and not session.labelling.is_decided():
            session.labelling.toggle(c)
            truth[session.cursor.row] = c
        elif session.repeats.is_blind:
            session.labelling.toggle(c)
        session.cursor.next()
    session.cursor.show(39)
    state = session.opened.project.store.load_state(session.opened.annotator)
    for row, c in truth.items():
        assert session.labelling.shown_labels(row)[c]
        assert HELIUM.unpack(state.present[row])[c]
    assert np.array_equal(session.labels.decided.own_present, state.present)
    assert np.array_equal(session.labels.decided.own_status, state.status)


def test_deciding_on_many_shots_at_once_is_never_undone_by_a_hidden_label(session):
    row = until_blind(session)
    session.labels.decide([row, 9], 1 << STREAK, LABELLED, "bulk")
    session.cursor.next()
    assert session.labelling.shown_labels(row)[STREAK]


def test_a_queue_of_chosen_shots_is_not_interrupted(session):
    label(session, 4)
    session.queue.show_rows([10, 11, 12], "Like shot 3")
    session.labelling.toggle(ROUND)
    session.cursor.next()
    assert (session.cursor.row, session.repeats.is_blind) == (11, False)


def test_without_a_rate_nothing_comes_again(session):
    session.repeats.rate = 0.0
    label(session, 20)
    assert not session.repeats.is_blind
    assert session.cursor.row == 20


def test_a_calibration_round_shows_first_labels_blind(session, monkeypatch):
    monkeypatch.setattr(repeats, "ROUND", 6)
    session.repeats.rate = 0.0
    assert not session.repeats.calibrate()
    label(session, 6)
    label(session, 6, STREAK)
    assert session.repeats.calibrate()
    assert session.queue.choice.title == repeating.ROUND_TITLE
    rows = session.queue.rows.tolist()
    for k, row in enumerate(rows):
        assert (session.cursor.row, session.repeats.is_blind) == (row, True)
        session.labelling.toggle(ROUND)
        if k < len(rows) - 1:
            session.cursor.next()
    session.queue.choose("all")
    session.cursor.show(20)
    found = repeats_of(session.opened.project, session.opened.annotator)
    assert sorted(found.rows.tolist()) == sorted(rows)
    assert HELIUM.unpack(found.first)[:, STREAK].any()


def test_the_first_label_of_a_shot_that_is_shown_blind_is_kept_when_the_project_closes(session):
    row = until_blind(session)
    session.labelling.toggle(STREAK)
    folder = session.opened.folder
    session.close()
    session.open(folder)
    assert session.labelling.shown_labels(row)[ROUND]
    assert not session.repeats.is_blind


def test_while_a_shot_is_shown_blind_its_label_counts_and_stands_in_no_queue_of_undecided(session):
    row = until_blind(session)
    assert session.labels.decided.tally.labelled == 5
    session.labelling.toggle(STREAK)
    assert session.labels.decided.tally.classes(HELIUM)[STREAK] == 0
    assert HELIUM.unpack(session.labels.present[row])[ROUND]
    session.queue.choose("unlabelled")
    assert row not in session.queue.rows


def test_the_instant_head_learns_from_the_label_of_a_shot_that_is_shown_blind(session, monkeypatch):
    requests = []
    head = SimpleNamespace(learn=requests.append, close=lambda: None)
    monkeypatch.setattr(session.learning, "_instant", head)
    monkeypatch.setattr(session.learning, "source", SimpleNamespace(number=1))
    row = until_blind(session)
    session.learning._learn()
    assert row in requests[-1].rows
    assert len(requests[-1].rows) == 5


def test_undo_in_a_calibration_round_goes_back_through_it_and_takes_no_first_label(
    session, monkeypatch
):
    monkeypatch.setattr(repeats, "ROUND", 4)
    label(session, 8)
    own = session.labels.decided.own_present.copy()
    assert session.repeats.calibrate()
    rows = session.queue.rows.tolist()
    for _ in range(2):
        session.labelling.toggle(STREAK)
        session.cursor.next()
    assert session.cursor.row == rows[2]
    for row in (rows[1], rows[0]):
        session.labelling.undo()
        assert (session.cursor.row, session.repeats.is_blind) == (row, True)
        assert not session.labelling.shown_labels().any()
        assert session.labels.decided.own_present.tolist() == own.tolist()
    session.labelling.redo()
    assert session.labelling.shown_labels()[STREAK]
    session.cursor.next()
    session.cursor.next()
    assert (session.cursor.row, session.repeats.is_blind) == (rows[2], True), "not seen yet"
    session.cursor.previous()
    assert session.cursor.row == rows[1]


def test_after_an_undone_repeat_the_next_shot_is_the_one_that_was_left(session):
    until_blind(session)
    session.labelling.toggle(STREAK)
    session.cursor.next()
    left = session.cursor.row
    session.labelling.undo()
    assert session.repeats.is_blind
    session.cursor.next()
    assert session.cursor.row == left


def test_a_calibration_round_hides_its_labels_in_the_list_before_they_come(session, monkeypatch):
    monkeypatch.setattr(repeats, "ROUND", 6)
    session.repeats.rate = 0.0
    label(session, 12)
    assert session.repeats.calibrate()
    later = session.queue.rows[1:]
    assert all(spoken(session, int(row)).endswith("undecided") for row in later)
    assert session.labels.decided.tally.labelled == 12


def test_nobody_sees_the_annotator_of_second_readings(session):
    me = session.opened.annotator
    seen = []
    session.labels.labels_changed.connect(lambda rows: seen.append(session.opened.annotator))
    until_blind(session)
    session.labelling.toggle(STREAK)
    assert set(seen) == {me}


# -- choosing and judging ----------------------------------------------------------------------


@settings(deadline=None, max_examples=40)
@given(st.integers(0, 2**31))
def test_shots_are_chosen_once_each_and_never_a_barred_one(seed):
    rng = np.random.default_rng(seed)
    present = HELIUM.pack(rng.random((50, len(HELIUM))) < 0.2)
    status = (rng.random(50) < 0.7).astype(np.uint8)
    barred = set(range(0, 50, 3))
    found = choose(present, status, HELIUM, barred, rng, 12)
    assert len(np.unique(found)) == len(found) <= 12
    assert (status[found] == LABELLED).all()
    assert not barred & set(found.tolist())


def test_rare_classes_are_asked_as_often_as_frequent_ones():
    present = np.full(2000, 1 << ROUND)
    present[:20] = 1 << STREAK
    rng = np.random.default_rng(0)
    found = [int(choose(present, np.ones(2000, np.uint8), HELIUM, (), rng)[0]) for _ in range(400)]
    assert 150 < sum(r < 20 for r in found) < 250


def repeated(*pairs):
    first, second = zip(*pairs, strict=True)
    n = len(pairs)
    return RepeatedShots(np.arange(n), np.array(first), np.array(second), np.arange(n) * 3600.0)


def test_drift_counts_what_the_second_reading_confirms_drops_and_adds():
    bent, streak = 1 << BENT, 1 << STREAK
    found = drift(repeated(*[(bent, bent)] * 6, *[(bent, streak)] * 3, (streak, bent)), HELIUM)
    of_bent = found[BENT]
    assert (of_bent.both, of_bent.first, of_bent.second) == (6, 3, 1)
    assert of_bent.confirmed == pytest.approx(12 / 16)
    assert of_bent.low < of_bent.confirmed < of_bent.high
    assert found[ROUND].shots == 0
    assert np.isnan(found[ROUND].confirmed)
    assert worst(found) is None or worst(found) == BENT


def test_the_class_to_read_again_is_the_least_confirmed_with_enough_readings():
    bent, streak, both = 1 << BENT, 1 << STREAK, 1 << BENT | 1 << STREAK
    found = drift(repeated(*[(bent, 0)] * 4, *[(both, streak)] * 4, *[(streak, both)] * 2), HELIUM)
    assert worst(found) == BENT
    assert worst(drift(repeated(*[(bent, bent)] * 30), HELIUM)) is None


def test_shots_to_read_again_begin_with_those_that_were_read_in_two_ways():
    bent, streak = 1 << BENT, 1 << STREAK
    found = repeated((bent, bent), (streak, bent), (bent, streak))
    present = np.array([bent, streak, bent, 1 << ROUND, streak, bent])
    rows = to_reread(BENT, found, present, np.ones(6, bool), HELIUM)
    assert rows.tolist() == [1, 2, 0, 4, 5]


def test_a_break_is_due_after_long_work_and_not_again_at_once():
    now = [0.0]
    breaks = Breaks(lambda: now[0])

    def work(seconds):
        said = 0
        for _ in range(int(seconds // 60)):
            now[0] += 60
            said += breaks.count()
        return said

    assert work(LONG_S - 60) == 0
    assert work(180) == 1
    assert work(AGAIN_S - 180) == 0
    assert work(240) == 1
    now[0] += BREAK_S + 1
    assert work(LONG_S - 120) == 0


def bulk(session, rows, told):
    made = SelectedShots(session, lambda: np.asarray(rows), lambda what: True, lambda what: None)
    made.reported.connect(told.append)
    return made


@pytest.mark.parametrize("verb", ["toggle", "flag", "skip", "accept", "fix"])
def test_one_key_on_many_shots_acts_on_the_first_label_of_the_one_that_is_shown_blind(
    session, verb
):
    row = until_blind(session)
    told = []
    hand = bulk(session, [row], told)
    if verb == "toggle":
        hand.toggle(HELIUM.index("Newton Rings"))
    else:
        getattr(hand, verb)()
    assert session.labelling.shown_labels(row)[ROUND]
    assert session.labelling.shown_labels(row)[HELIUM.index("Newton Rings")] == (verb == "toggle")
    assert session.labelling.is_decided(row)
    assert not session.repeats.is_blind


def test_accepting_what_is_sure_leaves_out_the_shot_that_is_shown_blind(session):
    row = until_blind(session)
    session.suggestions.take(learnt(session))
    assert row not in session.suggestions.sure(0.0).rows
    assert session.suggestions.bits([row]) == [0]
    session.labelling.accept_sure(0.0)
    assert session.labelling.shown_labels(row)[ROUND]


def test_another_view_ends_a_second_reading(qapp, session):
    row = until_blind(session)
    window = MainWindow(session)
    assert session.repeats.is_blind
    window.show_tab("Grid")
    assert not session.repeats.is_blind
    assert session.labelling.shown_labels(row)[ROUND]
    window.close()
    window.deleteLater()


@pytest.mark.parametrize("view", ["Grid", "Map", "Inspect", "Quality"])
def test_no_other_view_shows_the_answers_of_a_round_that_is_still_read_blind(
    qapp, session, monkeypatch, view
):
    monkeypatch.setattr(repeats, "ROUND", 6)
    session.repeats.rate = 0.0
    label(session, 12)
    window, said = MainWindow(session), []
    session.noted.connect(lambda level, text: said.append(text))
    assert session.repeats.calibrate()
    session.labelling.toggle(ROUND)
    session.cursor.next()
    assert sum(map(session.repeats.hides, range(40))) == 5
    window.show_tab(view)
    assert not any(map(session.repeats.hides, range(40))), "what is seen there is no blind repeat"
    assert any("round ended with 4 shots left" in text for text in said)
    window.show_tab("Label")
    before = len(repeats.repeats_of(session.opened.project, session.opened.annotator))
    session.cursor.next()
    assert not session.repeats.is_blind
    assert len(repeats.repeats_of(session.opened.project, session.opened.annotator)) == before
    window.close()
    window.deleteLater()


def test_everything_beside_a_blind_shot_keeps_its_answer_back(qapp, session):
    window = MainWindow(session)
    window.show()
    session.repeats.rate, answer = 1.0, "Streak"  # the window's settings say 3 %
    row = until_blind(session)
    present = session.labels.taxonomy.pack(session.labels.taxonomy.mask([answer, "Prolate"]))
    session.labels.decided.put(row, present, LABELLED)
    session.labels.labels_changed.emit(np.array([row]))
    said = [spoken(session, row), *(w.text() for w in window.findChildren(QLabel) if w.isVisible())]
    panel = window.label.classes  # where every class is named
    beside = (w for w in window.findChildren(QWidget) if not panel.isAncestorOf(w))
    said += [w.toolTip() for w in beside]
    rows = window.label.classes.rows
    marks = {rows[c].standing.mark for c in rows}
    assert marks == {"undecided"}
    assert not [text for text in said if answer in text and text != answer]
    assert session.labelling.note() == ""
    window.close()
    window.deleteLater()


def test_a_flag_and_a_note_on_a_shot_that_is_shown_blind_are_the_person_s_own(session):
    row, store = until_blind(session), session.opened.project.store
    first, me = int(session.labels.present[row]), session.opened.annotator
    session.labelling.flag("burst, ask Anna")
    assert session.repeats.is_blind
    assert session.labelling.shown(row) == (0, FLAGGED)
    assert session.labelling.note() == "burst, ask Anna"
    session.labelling.toggle(STREAK)
    session.labelling.flag("burst in panel 3")
    session.labelling.undo()
    assert session.repeats.is_blind, "the note is taken back, and not the repeat"
    assert session.labelling.shown_labels(row)[STREAK]
    assert session.labelling.shown(row)[1] & FLAGGED
    session.cursor.show(30)
    assert (session.labels.present[row], session.labels.status[row]) == (first, LABELLED | FLAGGED)
    assert store.note(row, me) == "burst, ask Anna"
    session.cursor.show(row)
    session.labelling.flag()
    assert session.labels.status[row] == LABELLED


def test_flags_on_a_shot_that_is_shown_blind_are_undone_and_redone_in_their_order(session):
    row = until_blind(session)
    labelled, first = np.flatnonzero(session.labels.status), int(session.labels.present[row])
    session.labelling.toggle(STREAK)
    session.labelling.flag()
    session.labelling.undo()
    session.labelling.redo()
    assert session.repeats.is_blind
    assert session.labelling.shown(row)[1] == LABELLED | FLAGGED
    session.cursor.show(30)
    for own in (LABELLED, LABELLED):
        session.labelling.undo()
        assert session.repeats.is_blind
        assert session.labels.status[row] == own
    assert session.labelling.shown(row) == (0, 0)
    assert int(session.labels.present[row]) == first
    np.testing.assert_array_equal(np.flatnonzero(session.labels.status), labelled)


def test_a_note_that_is_not_seen_on_a_blind_shot_is_not_lost(session, monkeypatch):
    monkeypatch.setattr(session.repeats, "rate", 0.0)
    row, store, me = 5, session.opened.project.store, session.opened.annotator
    session.cursor.show(row)
    session.labelling.toggle(ROUND)
    session.labelling.flag("burst")
    session.cursor.show(0)
    session.repeats.show_blind(row)
    assert session.labelling.note() == ""
    session.labelling.flag("")
    assert store.note(row, me) == "burst"
    session.labelling.flag("panel 3")
    session.labelling.flag("panel 4")
    assert store.note(row, me) == "burst; panel 4"
    session.labelling.flag()
    assert session.labels.status[row] & FLAGGED, "it was flagged before this repeat"
    session.labelling.undo()
    session.labelling.undo()
    assert store.note(row, me) == "burst; panel 3"
    assert session.repeats.is_blind


@pytest.mark.parametrize("after", ["bulk", "flag", "skip", "label"])
def test_undo_takes_back_what_was_decided_after_a_second_reading(session, after):
    until_blind(session)
    session.labelling.toggle(STREAK)
    session.cursor.show(30)
    if after == "bulk":
        session.labels.decide([33, 34], 1 << STREAK, LABELLED, "bulk")
    elif after == "label":
        session.labelling.toggle(ROUND)
    else:
        getattr(session.labelling, after)()
    session.labelling.undo()
    assert not session.repeats.is_blind
    assert not session.labels.status[[30, 33, 34]].any()
    assert len(repeats_of(session.opened.project, session.opened.annotator)) == 1


def test_what_another_window_decides_on_a_shot_that_is_shown_blind_stays_hidden_till_later(
    session,
):
    row = until_blind(session)
    with Project.open(session.opened.folder) as other:
        bits = HELIUM.pack(HELIUM.toggle(np.zeros(len(HELIUM), bool), STREAK))
        other.store.record(other.annotator, [row], bits, LABELLED, origin="key")
    session.other_windows.look()
    assert session.repeats.is_blind
    assert session.labelling.shown(row) == (0, 0)
    session.cursor.show(30)
    assert session.labelling.shown_labels(row)[STREAK]


def test_merged_classes_count_as_one_in_readings_of_before(session):
    row = until_blind(session)
    session.labelling.toggle(STREAK)
    session.cursor.show(30)
    before = repeats_of(session.opened.project, session.opened.annotator)
    session.change_classes(classes.merge, "Streak", "Round")
    session.change_classes(classes.rename, "Round", "Ring")
    after = repeats_of(session.opened.project, session.opened.annotator)
    assert after.rows.tolist() == [row]
    assert after.times.tolist() == before.times.tolist()
    assert after.first.tolist() == before.first.tolist()
    assert (after.second & ~before.second).tolist() == [1 << ROUND]
    assert (before.second & ~after.second).tolist() == [1 << STREAK]


def test_undo_does_not_take_a_merge_of_classes_back_for_one_person_alone(session):
    session.labelling.toggle(STREAK)
    session.change_classes(classes.merge, "Streak", "Bent")
    session.labelling.undo()
    assert session.labelling.shown_labels(0)[BENT]
    assert not session.labelling.shown_labels(0)[STREAK]
    session.change_classes(classes.undo)
    assert session.labelling.shown_labels(0)[STREAK]


def test_a_class_that_was_undecided_at_the_first_reading_is_no_inconsistency(session):
    folder = session.opened.folder
    label(session, 4)
    session.close()
    with Project.open(folder) as project:
        classes.add(project, "Triangular")
    session.open(folder)
    session.repeats.rate = 1.0
    label(session, 1)
    if not session.repeats.is_blind:
        session.repeats.show_blind(0)
    row, new = session.cursor.row, session.labels.taxonomy.index("Triangular")
    assert session.labels.decided.undecided(row)
    session.labelling.toggle(ROUND)
    session.labelling.toggle(new)
    session.cursor.next()
    found = repeats_of(session.opened.project, session.opened.annotator)
    assert found.rows.tolist() == [row]
    assert not found.differing.any()


def test_a_project_that_is_opened_again_goes_on_with_the_second_reading(session):
    row = until_blind(session)
    session.labelling.toggle(STREAK)
    first = session.opened.project.store.load_state(session.opened.annotator).present[row]
    session.reopen()  # labels were imported in another window
    assert (session.cursor.row, session.repeats.is_blind) == (row, True)
    assert session.labelling.shown_labels()[STREAK]
    session.labelling.toggle(BENT)
    store, me = session.opened.project.store, session.opened.annotator
    assert store.load_state(me).present[row] == first
    found = repeats_of(session.opened.project, me)
    assert HELIUM.unpack(found.second[0])[BENT]
    session.labelling.undo()
    assert not session.labelling.shown_labels()[BENT]
    session.cursor.next()
    assert session.cursor.row == 5
    assert store.load_state(me).present[row] == first
    session.repeats.show_blind(row)
    session.close()
    session.open(store.database.path.parent)
    assert not session.repeats.is_blind


def test_what_is_left_of_a_calibration_round_stays_unseen_after_a_restart(session, monkeypatch):
    monkeypatch.setattr(repeats, "ROUND", 4)
    session.repeats.rate = 0.0
    label(session, 10)
    assert session.repeats.calibrate()
    session.labelling.toggle(STREAK)
    session.cursor.next()
    done, now, *later = session.queue.rows.tolist()
    folder = session.opened.folder
    session.close()
    session.open(folder)
    assert (session.cursor.row, session.repeats.is_blind) == (now, True)
    assert [session.repeats.hides(row) for row in (done, now, *later)] == [False, *[True] * 3]
    session.labelling.toggle(STREAK)
    state = session.opened.project.store.load_state(session.opened.annotator)
    assert HELIUM.unpack(state.present[now])[ROUND]
    session.queue.choose()
    session.reopen()
    assert not any(session.repeats.hides(row) for row in later)
