"""Several people and several windows on one project."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from labeler.project import backups, people
from labeler.project.place import LeftOff, keep_place
from labeler.project.project import Project
from labeler.project.store import FLAGGED, LABELLED, Store
from labeler.session.predictions import CurrentPredictions
from model.errors import InputError
from tests.helpers.people import label_as
from tests.helpers.waiting import processor_s
from tests.helpers.window_parts import make_project, make_session


@pytest.fixture
def week(tmp_path):
    return make_project(tmp_path)


@pytest.fixture
def two_windows(qapp, week):
    one, other = make_session(week), make_session(week)
    yield one, other
    one.close()
    other.close()


def test_who_labels_is_remembered_for_the_user_of_a_machine(week, monkeypatch):
    with Project.open(week) as project:
        owner = project.annotator
        label_as(project, "  Bob  Miller ")
        bob = project.annotator
        assert project.annotator_name == "Bob Miller"
        assert people.label_as(project.store, "bob miller") == bob
        zoe = people.label_as(project.store, "Zo\N{LATIN SMALL LETTER E WITH DIAERESIS}")
        assert people.label_as(project.store, "Zoe\N{COMBINING DIAERESIS}") == zoe
        label_as(project, "Bob Miller")
    with Project.open(week) as project:
        assert project.annotator == bob
    monkeypatch.setattr(people, "login", lambda: "eve")
    with Project.open(week) as project:
        assert project.annotator == owner
        for name in ("  ", "\u200b", "Bob\u202e", "x" * 61, "a\0", "file", "Me"):
            with pytest.raises(InputError, match="is no name"):
                people.label_as(project.store, name)
            with pytest.raises(InputError, match="is no name"):
                Project.create(week.with_name("other"), [project.sources[0].path], annotator=name)
        with pytest.raises(InputError, match=r"has 61 letters.*1 to 60 letters"):
            people.label_as(project.store, "x" * 61)


def test_each_annotator_resumes_at_their_shot_in_their_queue_with_their_labels(qapp, week):
    session = make_session(week)
    me = session.opened.project.annotator_name
    session.labelling.toggle(1)
    session.queue.choose("unlabelled")
    session.cursor.show(5)
    session.label_as("Bob")
    assert (session.cursor.row, session.queue.choice.filter) == (0, "all")
    assert not session.labelling.is_decided(0)
    session.cursor.show(3)
    session.labelling.toggle(4)
    session.label_as(me)
    assert (session.cursor.row, session.queue.choice.filter) == (5, "unlabelled")
    assert session.labelling.shown_labels(0)[1]
    assert not session.labelling.is_decided(3)
    names = [(p.name, p.labelled, p.is_me) for p in people.people(session.opened.project.store)]
    assert names == [(me, 1, True), ("Bob", 1, False)]
    session.close()


def test_a_queue_of_a_class_that_is_gone_gives_way_to_all_shots(qapp, week):
    place = LeftOff(row=2, choice={"filters": ["class:Comet"], "order": "file"})
    with Project.open(week) as project:
        keep_place(project.store, project.annotator, place)
    session = make_session(week)
    assert (session.cursor.row, session.queue.choice.filter) == (2, "all")
    session.close()


def test_blind_is_a_choice_of_the_project(week):
    with Project.open(week) as project:
        me, store = project.annotator, project.store
        bob = store.annotator("Bob")
        file = store.annotator("labels of a.h5", "import")
        assert {a.id for a in people.shown_to(store, me)} == {me, bob, file}
        people.set_blind(store, True)
        assert {a.id for a in people.shown_to(store, me)} == {me, file}
        assert {a.id for a in people.shown_to(store, bob)} == {bob, file}


# -- two windows ---------------------------------------------------------------------------------


def test_two_windows_see_each_other_s_labels(two_windows):
    one, other = two_windows
    heard = []
    other.labels.labels_changed.connect(lambda rows: heard.append(np.asarray(rows).tolist()))
    one.labelling.toggle(1)
    one.cursor.show(4)
    one.labelling.flag("odd")
    other.other_windows.look()
    assert heard == [[0, 4]]
    assert other.labelling.shown_labels(0)[1]
    assert other.labels.status[4] == FLAGGED
    one.labelling.undo()
    other.other_windows.look()
    assert other.labels.status[4] == 0
    other.other_windows.look()
    assert len(heard) == 2
    one.other_windows.look()  # its own gestures are no news
    assert one.labelling.shown_labels(0)[1]


def test_what_was_said_of_an_undo_goes_when_another_window_decides(two_windows):
    one, other = two_windows
    other.labelling.toggle(1)
    other.labelling.undo()
    assert other.labels.reported.startswith("Undo on shot 1")
    one.other_windows.look()
    one.labelling.toggle(1)
    other.other_windows.look()
    assert other.labels.reported == ""


def test_labels_of_another_process_arrive_within_a_second(qtbot, week):
    session = make_session(week)
    code = (
        f"import sys; sys.path[:0] = {sys.path!r}\n"
        "from pathlib import Path; from labeler.project.project import Project\n"
        f"project = Project.open(Path({str(week)!r}))\n"
        "print('open', flush=True); sys.stdin.readline()\n"
        "project.store.record(project.annotator, [2, 3], 5, 1, origin='bulk')\n"
        "project.close()"
    )
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    child = subprocess.Popen([sys.executable, "-c", code], text=True, **pipes)
    assert child.stdout.readline() == "open\n"
    with qtbot.waitSignal(session.labels.labels_changed):
        child.stdin.write("\n")
        child.stdin.flush()
        child.stdin.close()
    start = session.opened.project.store.history(2)[-1].time.timestamp()
    assert time.time() - start < 1
    assert session.labels.present[[2, 3]].tolist() == [5, 5]
    child.stdout.close()
    assert child.wait() == 0
    session.close()


def test_a_label_made_elsewhere_while_a_window_opens_is_seen(qapp, week, monkeypatch):
    begin = CurrentPredictions.begin

    def late(predictions, opened):
        """Everything of the store was read by now."""
        with Project.open(week) as other:
            other.store.record(other.annotator, [4], 5, LABELLED, origin="key")
        begin(predictions, opened)

    monkeypatch.setattr(CurrentPredictions, "begin", late)
    session = make_session(week)
    assert session.labels.present[4] == 0
    session.other_windows.look()
    assert session.labels.present[4] == 5
    session.close()


def test_two_people_do_not_see_each_other_in_their_labels(two_windows):
    one, other = two_windows
    other.label_as("Bob")
    heard = []
    one.other_windows.others_changed.connect(lambda who, rows: heard.append((who, rows.tolist())))
    other.labelling.toggle(1)
    one.other_windows.look()
    assert not one.labelling.is_decided(0)
    assert heard == [(other.opened.annotator, [0])]


def test_a_project_that_went_back_or_grew_elsewhere_is_opened_anew(two_windows, week):
    one, other = two_windows
    one.labelling.toggle(1)
    first = backups.back_up(week, "hand")
    one.labelling.toggle(3)
    other.other_windows.look()
    backups.restore(week, first)
    notes = []
    for window in (one, other):
        window.noted.connect(lambda level, text: notes.append(text))
        window.other_windows.look()
        assert window.labelling.shown_labels(0)[1]
    assert "opened again" in notes[0]
    one.labelling.undo()
    assert not one.labelling.is_decided(0)


def test_asking_for_news_costs_next_to_nothing(week):
    store = Store.open(week / "project.sqlite")
    assert processor_s(store.current_state, 200) < 0.003
    store.close()


def test_changes_since_tells_only_what_others_did_and_what_holds_now(week):
    mine, theirs = Store.open(week / "project.sqlite"), Store.open(week / "project.sqlite")
    ada = mine.annotator("Ada")
    start = mine.newest_gesture()
    mine.record(ada, 0, 1, LABELLED, origin="key")
    theirs.record(ada, [1, 2], 2, LABELLED, origin="bulk")
    theirs.record(ada, 2, 4, LABELLED, origin="key")
    found = mine.changes_since(start)
    assert found.classes is False
    rows, present, status = found.of[ada]
    assert (rows.tolist(), present.tolist(), status.tolist()) == ([1, 2], [2, 4], [1, 1])
    assert theirs.changes_since(start).of[ada][0].tolist() == [0]
    mine.close()
    theirs.close()


def test_two_processes_labelling_at_once_lose_nothing(week):
    code = (
        f"import sys; sys.path[:0] = {sys.path!r}\n"
        "from pathlib import Path; from labeler.project.store import Store\n"
        f"store = Store.open(Path({str(week / 'project.sqlite')!r}))\n"
        "who = store.annotator('Ada')\n"
        "for k in range(150): store.record(who, k % 6, int(sys.argv[1]), 1, origin='key')\n"
    )
    run = [sys.executable, "-c", code]
    children = [subprocess.Popen([*run, str(k)]) for k in (1, 2)]
    assert [c.wait() for c in children] == [0, 0]
    store = Store.open(Path(week) / "project.sqlite")
    assert store.newest_gesture() == 300
    assert store.audit() == []
    store.close()
