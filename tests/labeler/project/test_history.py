"""The history of a shot in words and on screen; undo and redo of long days."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from labeler.project import people
from labeler.project.history import in_lines
from labeler.project.store import LABELLED, HistoryEntry
from labeler.window.dialogs.people import PeopleDialog
from labeler.window.label import history as views_history
from labeler.window.main_window import MainWindow
from model.taxonomy.taxonomy import Class, Taxonomy
from tests.helpers.window_parts import make_project, make_session

NOON = datetime(2025, 11, 22, 12, tzinfo=UTC)
TWO = Taxonomy("two", [Class("Round"), Class("Bent")], [])


def entry(**changes):
    values = {
        "time": NOON, "annotator": "Ada", "gesture": 1, "kind": "do", "origin": "key",
        "present_before": 0, "status_before": 0, "present": 1, "status": LABELLED,
        "note": None, "shown": None, "seconds": None,
    }  # fmt: skip
    return HistoryEntry(**{**values, **changes})


def test_an_event_says_who_what_how_long_and_what_the_model_showed():
    shown = {"run": "0003", "probabilities": [0.25, 0.974]}
    (line,) = in_lines([entry(seconds=1.44, shown=shown, note="two drops?")], TWO)
    assert (line.who, line.what, line.how) == ("Ada", "+Round", "typed 1.4 s after display")
    assert line.model == "Run 3: Bent 0.97"
    assert line.note == "two drops?"


def test_the_newest_event_is_first_and_a_note_is_said_when_it_changes():
    history = [
        entry(note="odd"),
        entry(gesture=2, present_before=1, present=2, status_before=1, note="odd", seconds=130.0),
        entry(gesture=3, kind="undo", origin="undo", present_before=2, present=1, status_before=1),
    ]
    lines = in_lines(history, TWO)
    assert [line.what for line in lines] == ["+Round, −Bent", "−Round, +Bent", "+Round"]
    assert [line.how for line in lines] == ["undone", "typed 2 min after display", "typed"]
    assert [line.note for line in lines] == ["", "", "odd"]


def test_a_suggestion_accepted_with_others_says_so():
    shown = {"run": "0001", "threshold": 0.85}
    history = [
        entry(origin="sure", shown=shown, shots=230),
        entry(origin="sure", shown={"run": "instant", "threshold": 0.995}),
        entry(origin="accepted", shots=2),
        entry(origin="bulk", shots=230),
    ]
    lines = in_lines(history, TWO)[::-1]
    assert [line.how for line in lines] == [
        "suggestion of run 1, surer than .85, accepted with 229 others",
        "suggestion of the instant model, surer than .995, accepted",
        "accepted from the model or the file with 1 other",
        "together with other shots",
    ]
    assert [line.model for line in lines] == [""] * 4


def test_only_whom_one_may_see_is_told():
    history = [entry(), entry(annotator="Bob", gesture=2)]
    assert [line.who for line in in_lines(history, TWO, ["Ada"])] == ["Ada"]


@pytest.fixture
def window(qtbot, tmp_path):
    session = make_session(make_project(tmp_path))
    made = MainWindow(session)
    qtbot.addWidget(made)
    made.show()
    yield made
    made.close()


def told(window):
    return [(line.who, line.what) for line in views_history.pane_of(window.label.pattern).lines]


def test_y_shows_the_history_and_it_follows_the_shot_and_the_labels(qtbot, window):
    me = window.session.opened.project.annotator_name
    window.session.labelling.toggle(1)
    assert not views_history.is_shown(window.label.pattern)
    qtbot.keyClick(window, "y")
    assert views_history.is_shown(window.label.pattern)
    assert window.actions_.by_id["history"].isChecked()
    assert told(window) == [(me, "+Spherical/Oblate, +Round")]
    window.session.labelling.toggle(1)
    assert told(window)[0][1] == "−Spherical/Oblate, −Round"
    window.session.cursor.show(3)
    pane = views_history.pane_of(window.label.pattern)
    assert pane.empty.isVisible()
    assert "shot 4" in pane.title.text()
    qtbot.keyClick(window, "y")
    assert not views_history.is_shown(window.label.pattern)


def test_others_are_in_the_history_unless_the_project_is_blind(window):
    store = window.session.opened.project.store
    bob = store.annotator("Bob")
    store.record(bob, 0, 1, LABELLED, origin="key")
    window.actions_.trigger("history")
    assert [who for who, _ in told(window)] == ["Bob"]
    people.set_blind(store, True)
    views_history.pane_of(window.label.pattern).refresh()
    assert told(window) == []


def test_the_people_of_a_project_are_chosen_in_a_dialog(qtbot, window):
    session = window.session
    session.labelling.toggle(1)
    dialog = PeopleDialog(session)
    qtbot.addWidget(dialog)
    assert "(you)" in dialog.list.topLevelItem(0).text(0)
    assert dialog.list.topLevelItem(0).text(1) == "1"
    assert not dialog.take.isEnabled()
    dialog.new.setText("Bob")
    dialog.blind.setChecked(True)
    dialog.take.click()
    assert dialog.name == "Bob"
    session.label_as(dialog.name)
    assert session.opened.project.annotator_name == "Bob"
    assert people.is_blind(session.opened.project.store)
    assert not session.labelling.is_decided()


def test_what_was_said_absent_without_a_change_of_labels_is_named():
    line = in_lines([entry(present_before=1, status_before=LABELLED, known_before=1, known=3)], TWO)
    assert line[0].what == "Absent: Bent"
    back = entry(present_before=1, status_before=LABELLED, known_before=3, known=1, kind="undo")
    assert in_lines([back], TWO)[0].what == "Undecided again: Bent"
