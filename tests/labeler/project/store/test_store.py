"""The store: durable gestures, undo without end, a history that only grows."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule
from sqlalchemy.exc import DBAPIError

from labeler.project.store import FLAGGED, LABELLED, SKIPPED, Store, timeline
from labeler.project.store.classing import ClassChange
from labeler.project.store.store import UndoStack
from labeler.project.store.timeline import given_together
from model.errors import InputError
from model.shots.sources import SourceInfo
from tests.helpers.people import can_redo, can_undo
from tests.helpers.waiting import processor_s, quickest_s

CLASSES = ["Round", "Bent", "Empty"]


def new_store(folder: Path, n: int = 6) -> Store:
    store = Store.create(folder / "project.sqlite", CLASSES)
    store.add_source(SourceInfo(Path("/data/a.h5"), "images", "stack", n, (4, 4), "u2", "f"), "")
    return store


@pytest.fixture
def store(tmp_path):
    made = new_store(tmp_path)
    yield made
    made.close()


@pytest.fixture
def ada(store):
    return store.annotator("Ada")


def test_a_gesture_is_there_after_a_restart(store, ada, tmp_path):
    store.record(ada, 2, 0b101, LABELLED, origin="key")
    store.close()
    again = Store.open(tmp_path / "project.sqlite")
    state = again.load_state(ada)
    assert state.present.tolist() == [0, 0, 5, 0, 0, 0]
    assert state.labelled.tolist() == [False, False, True, False, False, False]
    again.close()


def test_a_gesture_survives_a_kill_right_after_it(tmp_path):
    code = (
        "import os, sys; from pathlib import Path; sys.path[:0] = eval(sys.argv[2])\n"
        "from tests.labeler.project.store import test_store\n"
        "store = test_store.new_store(Path(sys.argv[1])); ada = store.annotator('Ada')\n"
        "store.record(ada, 1, 3, 1, origin='key'); os._exit(9)\n"
    )
    path = sys.path
    done = subprocess.run([sys.executable, "-c", code, str(tmp_path), repr(path)], check=False)
    assert done.returncode == 9
    store = Store.open(tmp_path / "project.sqlite")
    assert store.load_state(store.annotator("Ada")).present[1] == 3
    store.close()


def test_one_gesture_on_many_shots_is_one_undo(store, ada):
    store.record(ada, [0, 3, 5], [1, 2, 3], LABELLED, origin="bulk")
    change = store.undo(ada)
    assert change.rows.tolist() == [0, 3, 5]
    assert change.present.tolist() == [0, 0, 0]
    assert change.text == "Undo on 3 shots"
    assert not store.load_state(ada).labelled.any()
    assert store.redo(ada).present.tolist() == [1, 2, 3]


def test_labels_given_to_many_shots_at_once_are_known_until_each_is_decided_by_itself(store, ada):
    def together():
        return np.flatnonzero(given_together(store.database, ada, 6)).tolist()

    assert together() == []
    store.record(ada, [0, 1, 2], 1, LABELLED, origin="bulk")
    store.record(ada, [3, 4], 1, LABELLED, origin="accepted")
    store.record(ada, 5, 1, LABELLED, origin="accepted")
    assert together() == [0, 1, 2, 3, 4]
    store.record(ada, [4, 5], 2, LABELLED, origin="grid")
    assert together() == [0, 1, 2, 3], "a class typed for several shots is no suggestion"
    store.undo(ada)
    store.record(ada, 1, 1, LABELLED | FLAGGED, origin="flag")
    store.record(ada, 0, 2, LABELLED, origin="merge")
    assert together() == [0, 1, 2, 3, 4], "a flag is no decision, nor is a merged class"
    store.record(ada, 1, 3, LABELLED, origin="key")
    assert together() == [0, 2, 3, 4]
    store.record(ada, [1, 5], 2, LABELLED, origin="bulk")
    store.undo(ada)
    assert together() == [0, 2, 3, 4], "what was undone does not count"
    assert not given_together(store.database, store.annotator("Bob"), 6).any()


@pytest.mark.parametrize("origin", ["fix", "accepted"])
def test_what_is_done_to_labels_of_many_shots_leaves_each_whose_it_was(store, ada, origin):
    """A fix follows from a rule; what is accepted on a label is that other classes are absent."""
    store.record(ada, [0, 1], 1, LABELLED, origin="accepted")
    for row in (2, 3):
        store.record(ada, row, 1, LABELLED, origin="key")
    store.record(ada, [0, 2, 3, 4], 2, LABELLED, origin=origin)
    found = timeline.origins(store.database, ada)
    assert found == {0: "bulk", 1: "bulk", 2: "key", 3: "key", 4: "bulk"}
    alone = timeline.decided_alone(store.database, ada, np.arange(5))
    assert alone.tolist() == [False, False, True, True, False]
    store.record(ada, 0, 3, LABELLED, origin=origin)
    assert timeline.origins(store.database, ada)[0] == origin, "of one shot it is a decision"


def test_undo_says_what_it_took_back(store, ada):
    store.record(ada, 1, 0b001, LABELLED, origin="key")
    store.record(ada, 1, 0b010, LABELLED | FLAGGED, origin="key")
    assert store.undo(ada).text == "Undo on shot 2: restored Round, removed Bent, not flagged"
    assert store.redo(ada).text == "Redo on shot 2: added Bent, removed Round, flagged"


def test_a_new_gesture_clears_what_could_be_redone(store, ada):
    store.record(ada, 0, 1, LABELLED, origin="key")
    store.undo(ada)
    assert can_redo(store, ada)
    store.record(ada, 1, 1, LABELLED, origin="key")
    assert not can_redo(store, ada)
    assert store.redo(ada) is None


def test_a_gesture_that_changed_nothing_is_history_but_nothing_to_undo(store, ada):
    store.record(ada, 0, 1, LABELLED, origin="key")
    store.record(ada, 0, 1, LABELLED, origin="accept")
    assert len(store.history(0)) == 2
    assert store.undo(ada).present.tolist() == [0]
    assert not can_undo(store, ada)


def test_undo_is_each_annotator_s_own(store, ada):
    bob = store.annotator("Bob")
    store.record(ada, 0, 1, LABELLED, origin="key")
    store.record(bob, 0, 2, LABELLED, origin="key")
    assert store.undo(ada).present.tolist() == [0]
    assert store.load_state(bob).present[0] == 2


def test_a_note_stays_until_it_is_taken_away_and_undo_knows_it(store, ada):
    store.record(ada, 0, 0, FLAGGED, origin="flag", note="two drops?")
    store.record(ada, 0, 1, LABELLED | FLAGGED, origin="key")
    assert store.note(0, ada) == "two drops?"
    store.record(ada, 0, 1, LABELLED, origin="flag", note="")
    assert store.note(0, ada) == ""
    store.undo(ada)
    assert store.notes(ada) == {0: "two drops?"}


def test_the_history_tells_who_when_what_and_what_was_shown(store, ada):
    start = time.time()
    shown = {"probabilities": np.array([0.25, 0.5], np.float32), "run": 3}
    store.record(ada, 4, 1, LABELLED, origin="key", shown=shown, seconds=1.5)
    store.undo(ada)
    first, second = store.history(4)
    assert (first.annotator, first.kind, first.origin, first.seconds) == ("Ada", "do", "key", 1.5)
    assert first.shown == {"probabilities": [0.25, 0.5], "run": 3}
    assert start - 1 < first.time.timestamp() < time.time() + 1
    assert first.time.utcoffset().total_seconds() == 0
    assert (first.present_before, first.present) == (0, 1)
    assert (second.kind, second.present_before, second.present) == ("undo", 1, 0)


@pytest.mark.parametrize("table", ["events", "gestures"])
@pytest.mark.parametrize("verb", ["DELETE FROM {}", "UPDATE {} SET {} = 9"])
def test_the_history_refuses_to_be_changed(store, ada, table, verb):
    store.record(ada, 0, 1, LABELLED, origin="key")
    column = {"events": "present_after", "gestures": "seconds"}[table]
    with pytest.raises(DBAPIError, match="only grows"):
        store.database.connection.exec_driver_sql(verb.format(table, column))


def test_an_unknown_annotator_is_refused_and_nothing_is_kept(store):
    with pytest.raises(DBAPIError):
        store.record(99, 0, 1, LABELLED, origin="key")
    assert not store.history(0)


def test_two_windows_on_one_project_see_each_other_s_gestures(store, ada, tmp_path):
    other = Store.open(tmp_path / "project.sqlite")
    store.record(ada, 0, 1, LABELLED, origin="key")
    assert can_undo(other, ada)
    other.record(ada, 1, 2, LABELLED, origin="key")
    assert store.undo(ada).rows.tolist() == [1]
    assert other.redo(ada).rows.tolist() == [1]
    assert not store.audit()
    other.close()


def test_roles_values_and_annotators_are_kept(store, ada, tmp_path):
    store.set_roles([1, 3], [1, 2])
    store.set_roles([3], 1)
    store.set_meta("window.row", {"row": 3})
    assert store.annotator("Ada") == ada
    assert store.annotator("Ada", kind="import") != ada
    store.close()
    again = Store.open(tmp_path / "project.sqlite")
    assert again.roles().tolist() == [0, 1, 0, 1, 0, 0]
    assert again.get_meta("window.row") == {"row": 3}
    assert again.get_meta("nothing", 7) == 7
    again.close()


def test_an_altered_current_state_is_found(store, ada):
    store.record(ada, [0, 1], 1, LABELLED, origin="key")
    assert store.audit() == []
    store.database.connection.exec_driver_sql("UPDATE current SET present = 6 WHERE row = 1")
    assert len(store.audit()) == 1
    assert "shot 2" in store.audit()[0]


def test_every_gesture_that_starts_from_a_state_that_never_was_is_found(store, ada):
    for present in (1, 3):
        store.record(ada, [0, 1], present, LABELLED, origin="key")
    store.database.connection.exec_driver_sql("DROP TRIGGER events_no_update")
    store.database.connection.exec_driver_sql(
        "UPDATE events SET present_before = 5 WHERE row = 1 AND present_after = 3"
    )
    assert store.audit() == ["shot 2: change 2 starts from a state that never was"]


# -- what others rely on, by example -----------------------------------------------------------


def test_what_a_gesture_says_of_itself_stands_in_the_history(store, ada):
    bob = store.annotator("Bob")
    number = store.record(ada, [1, 2], [1, 2], [LABELLED, LABELLED | FLAGGED], origin="bulk",
                          note=["one", None], shown={"run": 2}, seconds=0.5)  # fmt: skip
    store.record(bob, 2, 4, LABELLED, origin="key")
    assert [store.note(row, ada) for row in (1, 2)] == ["one", ""]
    assert store.notes(ada) == {1: "one"}
    (mine,) = store.history(1)
    assert (mine.gesture, mine.kind, mine.origin, mine.note) == (number, "do", "bulk", "one")
    assert (mine.present, mine.status, mine.status_before) == (1, LABELLED, 0)
    assert (mine.known_before, mine.known) == (0, 7)
    assert (mine.shown, mine.seconds) == ({"run": 2}, 0.5)
    assert [line.annotator for line in store.history(2)] == ["Ada", "Bob"]
    assert [line.annotator for line in store.history(2, bob)] == ["Bob"]
    assert store.history(0) == []


def test_a_note_with_a_nul_character_is_refused_and_nothing_is_kept(store, ada):
    for note in ("a\0b", ["fine", "\0"]):
        with pytest.raises(InputError) as caught:
            store.record(ada, [0, 1], 1, LABELLED, origin="flag", note=note)
        assert caught.value.what == "a note has a NUL character in it"
        assert caught.value.mend == "Type the note again."
    assert store.newest_gesture() == 0


def test_what_a_first_decision_does_not_speak_of_stays_undecided(store, ada):
    store.record(ada, [0, 1], 0b001, LABELLED, origin="key", unsaid=0b100)
    assert store.load_state(ada).known.tolist() == [0b011, 0b011, 0, 0, 0, 0]
    store.record(ada, 0, 0b101, LABELLED, origin="key")
    store.record(ada, 1, 0b001, LABELLED, origin="key", said=[0b100])
    assert store.load_state(ada).known.tolist()[:2] == [0b111, 0b111]
    assert store.undo(ada).known.tolist() == [0b011]
    assert can_undo(store, ada), "what was only said absent counts as a change"
    store.record(ada, 0, 0, SKIPPED, origin="skip")
    assert store.load_state(ada).known.tolist()[:2] == [0, 0b011]
    store.retired = 0b010
    store.record(ada, 2, 0b001, LABELLED, origin="key")
    assert store.load_state(ada).known[2] == 0b101, "a retired class is not spoken of"


def test_undo_of_many_shots_brings_every_part_of_their_states_back(store, ada):
    store.record(ada, [0, 1], [1, 2], LABELLED, origin="key", note="first")
    store.record(ada, [0, 1, 2], [3, 4, 5], LABELLED | FLAGGED, origin="bulk", note="second")
    change = store.undo(ada)
    assert change.rows.tolist() == [0, 1, 2]
    assert change.present.tolist() == [1, 2, 0]
    assert change.status.tolist() == [LABELLED, LABELLED, 0]
    assert change.status.dtype == np.uint8
    assert change.known.tolist() == [7, 7, 0]
    assert (change.text, change.gesture) == ("Undo on 3 shots", store.newest_gesture())
    assert store.notes(ada) == {0: "first", 1: "first"}
    again = store.redo(ada)
    assert (again.text, again.present.tolist()) == ("Redo on 3 shots", [3, 4, 5])
    assert store.notes(ada) == dict.fromkeys(range(3), "second")
    undone, redone = (h for h in store.history(2)[1:])
    assert (undone.kind, undone.origin, redone.kind) == ("undo", "undo", "redo")
    assert store.audit() == []


def test_undo_goes_back_one_gesture_after_the_other_and_redo_forward_again(store, ada):
    for present in (1, 2, 4):
        store.record(ada, 0, present, LABELLED, origin="key")
    assert [store.undo(ada).present[0] for _ in range(3)] == [2, 1, 0]
    assert store.undo(ada) is None
    assert [store.redo(ada).present[0] for _ in range(3)] == [1, 2, 4]
    assert store.redo(ada) is None
    assert store.undo(ada).present[0] == 2
    store.record(ada, 1, 1, LABELLED, origin="key")
    assert not can_redo(store, ada)
    assert [store.undo(ada).rows.tolist() for _ in range(3)] == [[1], [0], [0]]


def test_what_is_undone_is_followed_from_the_history_alone():
    stack = UndoStack()
    stack.follow([(1, "do", None, 1), (2, "do", None, 0), (3, "do", None, 2)])
    assert (stack.done, stack.undone, stack.seen) == ([1, 3], [], 3)
    stack.follow([(4, "undo", 3, 2), (5, "undo", 9, 1)])
    assert (stack.done, stack.undone, stack.seen) == ([1], [3], 5)
    stack.follow([(6, "redo", 1, 1)])
    assert (stack.done, stack.undone) == ([1], [3]), "a redo of what was not undone"
    stack.follow([(7, "redo", 3, 2), (8, "undo", 3, 2)])
    assert (stack.done, stack.undone) == ([1], [3])
    stack.follow([(9, "do", None, 0)])
    assert stack.undone == [3], "what changed nothing takes nothing away"
    for kind in ("salvage", "relabel"):
        stack.follow([(10, "do", None, 1), (11, kind, None, 4)])
        assert (stack.done, stack.undone, stack.seen) == ([], [], 11)


def test_changes_of_others_are_told_with_the_states_that_hold_now(store, ada, tmp_path):
    bob = store.annotator("Bob")
    seen = store.record(ada, 5, 1, LABELLED, origin="key")
    other = Store.open(tmp_path / "project.sqlite")
    store.record(ada, 0, 1, LABELLED, origin="key")
    other.record(bob, [3, 1], [2, 4], LABELLED | FLAGGED, origin="bulk")
    other.record(bob, 3, 6, LABELLED, origin="key")
    found = store.changes_since(seen)
    assert set(found.of) == {bob}, "not what this window did itself"
    rows, present, status = found.of[bob]
    assert (rows.tolist(), present.tolist()) == ([1, 3], [4, 6])
    assert (status.tolist(), status.dtype) == ([LABELLED | FLAGGED, LABELLED], np.uint8)
    assert found.known[bob].tolist() == [7, 7]
    assert not found.classes
    assert set(other.changes_since(seen).of) == {ada}
    assert store.changes_since(store.newest_gesture()).of == {}
    assert store.newest_gesture() == seen + 3
    other.close()


def test_its_state_differs_with_every_gesture_and_file(store, ada):
    first = store.current_state()
    assert (first.gesture, first.n_shots, first.restored) == (0, 6, "")
    store.record(ada, 0, 1, LABELLED, origin="key")
    store.add_source(SourceInfo(Path("/data/b.h5"), "images", "stack", 4, (4, 4), "u2", "g"), "")
    assert (store.current_state().gesture, store.current_state().n_shots) == (1, 10)


def test_a_state_that_does_not_follow_is_found_and_made_again(store, ada):
    store.record(ada, [0, 1], 1, LABELLED, origin="key")
    store.database.connection.exec_driver_sql("UPDATE current SET present = 6 WHERE row = 1")
    assert store.differing_states() == [(ada, 1)]
    said = f"shot 2: the current state of annotator {ada} does not follow from the history"
    assert store.audit() == [said]
    store.rebuild_current()
    assert (store.differing_states(), store.load_state(ada).present[1]) == ([], 1)


def test_labels_are_refused_once_someone_else_changed_the_classes(store, ada, tmp_path):
    store.heed_classes()
    assert not store.class_was_used("Bent")
    store.record(ada, 0, 1, LABELLED, origin="key")
    assert store.class_was_used("Bent"), "it was said to be absent"
    other = Store.open(tmp_path / "project.sqlite")
    change = ClassChange("edited", "a class more", "old", "new", added=("Comet",))
    number = other.change_classes(ada, change)
    other.heed_classes()
    with pytest.raises(InputError) as caught:
        store.record(ada, 1, 1, LABELLED, origin="key")
    assert caught.value.what == "the classes were changed elsewhere since they were read here"
    assert caught.value.file == tmp_path / "project.sqlite"
    assert caught.value.mend == "Look at them, then do it again."
    assert store.changes_since(0).classes
    assert [kept.gesture for kept in store.class_changes()] == [number]
    assert store.merges() == []
    store.heed_classes()
    store.record(ada, 1, 8, LABELLED, origin="key")
    assert store.class_was_used("Comet")
    assert not store.class_was_used("Nobody's")
    assert not store.read_only
    other.close()


# -- a plain model of the same -----------------------------------------------------------------


class AgainstAPlainModel(RuleBasedStateMachine):
    """Random gestures, undos, redos and restarts on both the store and two Python lists."""

    folder: Path
    counter = 0

    def __init__(self) -> None:
        super().__init__()
        type(self).counter += 1
        self.path = self.folder / str(self.counter)
        self.path.mkdir()
        self.store = new_store(self.path)
        self.ada = self.store.annotator("Ada")
        self.states: list[dict[int, tuple[int, int, str | None]]] = [{}]
        self.undone: list[dict[int, tuple[int, int, str | None]]] = []

    @rule(
        rows=st.sets(st.integers(0, 5), min_size=1),
        present=st.integers(0, 7),
        status=st.sampled_from([0, LABELLED, LABELLED | FLAGGED, SKIPPED]),
        note=st.sampled_from([None, "", "odd"]),
    )
    def record(self, rows, present, status, note):
        self.store.record(self.ada, sorted(rows), present, status, origin="key", note=note)
        now = dict(self.states[-1])
        for row in rows:
            kept = now.get(row, (0, 0, None))[2] if note is None else note or None
            now[row] = (present, status, kept)
        nothing = (0, 0, None)
        if any(now[r] != self.states[-1].get(r, nothing) for r in rows):
            self.states.append(now)
            self.undone.clear()

    @rule()
    def undo(self):
        change = self.store.undo(self.ada)
        assert (change is None) == (len(self.states) == 1)
        if change is not None:
            self.undone.append(self.states.pop())

    @rule()
    def redo(self):
        change = self.store.redo(self.ada)
        assert (change is None) == (not self.undone)
        if change is not None:
            self.states.append(self.undone.pop())

    @precondition(lambda self: len(self.states) > 1)
    @rule()
    def restart(self):
        self.store.close()
        self.store = Store.open(self.path / "project.sqlite")

    @invariant()
    def both_agree(self):
        state, now = self.store.load_state(self.ada), self.states[-1]
        assert state.present.tolist() == [now.get(r, (0,))[0] for r in range(6)]
        assert state.status.tolist() == [now.get(r, (0, 0))[1] for r in range(6)]
        assert self.store.notes(self.ada) == {r: s[2] for r, s in now.items() if s[2]}
        assert can_undo(self.store, self.ada) == (len(self.states) > 1)
        assert can_redo(self.store, self.ada) == bool(self.undone)

    def teardown(self):
        assert self.store.audit() == []
        self.store.close()


def test_undo_redo_and_restarts_follow_a_plain_model(tmp_path):
    from hypothesis.stateful import run_state_machine_as_test

    machine = type("Machine", (AgainstAPlainModel,), {"folder": tmp_path})
    run_state_machine_as_test(
        machine,
        settings=settings(
            max_examples=20,
            stateful_step_count=25,
            deadline=None,
            suppress_health_check=list(HealthCheck),
        ),
    )


# -- speed -------------------------------------------------------------------------------------


def test_a_key_press_is_stored_in_about_a_millisecond(store, ada):
    keys = iter(range(200))

    def press():
        k = next(keys)
        store.record(ada, k % 6, k % 7, LABELLED, origin="key", shown={"p": [0.5] * 11})

    if os.environ.get("AIRYLABEL_STRICT_SPEED"):
        assert quickest_s(press, 200) < 0.001
    else:
        assert processor_s(press, 200) < 0.003


def test_ten_thousand_shots_in_one_gesture_take_less_than_a_second(tmp_path):
    store = new_store(tmp_path, 10_000)
    ada = store.annotator("Ada")
    rows, classes = np.arange(10_000), iter((7, 8, 9))

    def record():
        store.record(ada, rows, rows % next(classes), LABELLED, origin="bulk")

    assert processor_s(record) < 1
    assert processor_s(lambda: store.load_state(ada)) < 0.2
    assert store.load_state(ada).labelled.all()
    store.close()
