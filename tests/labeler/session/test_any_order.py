"""Whatever is pressed in whatever order: what is shown is stored, counted right, and taken back."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from labeler.project import classes
from labeler.project.project import Project
from labeler.project.store.records import FLAGGED, LABELLED, SKIPPED
from labeler.session import selection, suggestions
from labeler.session.selection import SelectedShots
from tests.helpers.people import can_redo, can_undo
from tests.helpers.window_parts import learnt, make_project, make_session, use_made_up_run

SHOTS = 8
HELIUM = 11
FILTERS = (
    (),
    ("unlabelled",),
    ("flagged",),
    ("class:Round",),
    ("error", "labelled"),
    ("disagree",),
)
MEANWHILE = "yes, after another window wrote"
BESIDE = (
    ("many", ("toggle", 0), {0, 1, 2, 3}, "yes"),
    ("retire", 0),
    ("many", ("toggle", 0), {0, 1, 2, 3, 7}, MEANWHILE),
)
"""The other window flags a shot that is chosen, but not among those that the answer changes."""
FILE_LABELS = np.zeros((SHOTS, HELIUM), np.uint8)
FILE_LABELS[::3, (0, 1)] = 1
"""Every third shot is Round in its file."""

MANY = ("accept", "skip", "flag", "fix")
KEYS = st.one_of(
    st.tuples(st.just("toggle"), st.integers(0, HELIUM - 1)),
    st.sampled_from(
        [("undo",), ("undo",), ("redo",), ("next",), ("previous",), ("next_undecided",),
         ("accept",), ("skip",), ("fix",), ("add a class",), ("retrain",), ("open again",)]
    ),
    st.tuples(st.just("retire"), st.integers(0, HELIUM - 1)),
    st.tuples(st.just("another window"), st.integers(0, SHOTS - 1)),
    st.tuples(
        st.just("many"),
        st.sampled_from([("toggle", 0), ("toggle", 5), *((v,) for v in MANY)]),
        st.sets(st.integers(0, SHOTS - 1)),
        st.sampled_from(["yes", "no", MEANWHILE]),
    ),
    st.tuples(st.just("show"), st.integers(0, SHOTS - 1)),
    st.tuples(st.just("flag"), st.sampled_from([None, "", "bent? Größe"])),
    st.tuples(st.just("accept_sure"), st.sampled_from([0.0, 0.5, 0.95])),
    st.tuples(st.just("suggest"), st.booleans()),
    st.tuples(st.just("filter"), st.sampled_from(FILTERS)),
)  # fmt: skip


DECIDING = ("toggle", "accept", "skip", "fix", "flag", "accept_sure", "another window", "many")
ASKED_FROM = 3
"""Changes of more shots than this are asked about here."""


class Hands:
    """Presses keys on a session, and knows every state since it was opened."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.session = make_session(folder)
        self.session.repeats.rate = 0.0
        self.before: list[tuple] = []
        """States that undo comes back to, the newest last."""
        self.after: list[tuple] = []
        self.was = self.state()
        """The newest state that is accounted for."""
        self.look_at_network()

    def look_at_network(self) -> None:
        use_made_up_run(self.session)
        self.session.predictions.instant = learnt(self.session)

    def state(self) -> tuple:
        """All that a person has decided, as it is shown."""
        d, store = self.session.labels.decided, self.session.opened.project.store
        arrays = (d.own_present, d.own_status, d.own_known)
        notes = store.notes(self.session.opened.annotator)
        return *(tuple(a.tolist()) for a in arrays), tuple(sorted(notes.items()))

    def press(self, what: str, *how) -> None:
        session, self.was = self.session, self.state()
        if what in ("undo", "redo"):
            self.reverse(what)
            return
        had = session.labels.present.copy()
        if what in ("toggle", "accept", "skip", "fix", "flag", "accept_sure"):
            getattr(session.labelling, what)(*how)
        elif what in ("next", "previous", "next_undecided", "show"):
            getattr(session.cursor, what)(*how)
        elif what == "filter":
            session.queue.set_filters(*how)
        elif what == "suggest":
            session.suggestions.turn(*how)
        elif what == "retrain":
            self.look_at_network()
        elif what == "retire":
            if not session.labels.is_retired(*how):
                session.change_classes(classes.retire, session.labels.taxonomy.names[how[0]])
                self.look_at_network()
        elif what == "another window":
            self.write_elsewhere(*how)
        elif what == "many":
            self.act_on_many(*how)
        elif what == "open again":
            session.close()
            session.open(self.folder)
            self.look_at_network()
        else:
            name = f"New {len(session.labels.taxonomy) - HELIUM}"
            session.change_classes(classes.add, name)
            self.look_at_network()
        if self.account():
            assert what in DECIDING, what
        given = session.labels.present & ~had
        assert not (given & ~session.labels.decided.every).any(), "no shot gets a retired class"

    def account(self) -> bool:
        """Whether there is another state than before; undo then comes back to that one."""
        now = self.state()
        if now == self.was:
            return False
        self.before.append(self.was)
        self.after.clear()
        self.was = now
        return True

    def write_elsewhere(self, row: int) -> None:
        """The same person flags a shot, or no longer, in another window."""
        session = self.session
        decided, me = session.labels.decided, session.opened.annotator
        with Project.open(self.folder) as other:
            status = decided.own_status[[row]] ^ np.uint8(FLAGGED)
            other.store.record(me, [row], decided.own_present[[row]], status, origin="flag")
        session.other_windows.look()
        self.account()  # the change that is asked about meanwhile may be made after this one

    def act_on_many(self, verb: tuple, rows: set[int], answer: str) -> None:
        rows = np.array(sorted(rows), np.int64)
        asked: list[tuple] = []

        def may(what: str) -> bool:
            if answer == MEANWHILE:
                self.write_elsewhere(int(rows[-1]))
            asked.append(self.state())
            return answer != "no"

        hand = SelectedShots(self.session, lambda: rows, may, lambda what: None)
        getattr(hand, verb[0])(*verb[1:])
        of_all = verb[0] in ("skip", "flag")  # the others pass over shots that stay as they are
        if asked and (answer == "no" or (of_all and answer != "yes")):
            assert self.state() == asked[0]

    def reverse(self, verb: str) -> None:
        was, source = self.state(), self.before if verb == "undo" else self.after
        getattr(self.session.labelling, verb)()
        if source:
            assert self.state() == source.pop()
            (self.after if verb == "undo" else self.before).append(was)
        else:
            assert self.state() == was

    def check(self) -> None:
        session = self.session
        decided, store = session.labels.decided, session.opened.project.store
        me = session.opened.annotator
        stored = store.load_state(me)
        np.testing.assert_array_equal(decided.own_present, stored.present)
        np.testing.assert_array_equal(decided.own_status, stored.status)
        np.testing.assert_array_equal(decided.own_known, stored.known)
        assert (can_undo(store, me), can_redo(store, me)) == (bool(self.before), bool(self.after))
        merged = session.opened.project.merged_state()
        np.testing.assert_array_equal(session.labels.present, merged.present)
        np.testing.assert_array_equal(session.labels.status, merged.status)
        taxonomy, labelled = session.labels.taxonomy, merged.labelled
        sets, tally = taxonomy.unpack(merged.present[labelled]), decided.tally
        for bit, counted in (
            (LABELLED, tally.labelled),
            (FLAGGED, tally.flagged),
            (SKIPPED, tally.skipped),
        ):
            assert counted == np.count_nonzero(merged.status & bit)
        assert tally.classes(taxonomy).tolist() == sets.sum(0).tolist()
        assert tally.in_error(taxonomy) == taxonomy.contradictions(sets).sum()
        rows, walk = session.queue.rows.tolist(), session.queue.walk
        assert len(rows) == len(set(rows))
        assert walk.left == sum(not merged.status[row] & (LABELLED | SKIPPED) for row in rows)
        for row in range(SHOTS):  # a ghost stands on undecided shots only
            assert session.suggestions.of(row) is None or not labelled[row]
        assert (session.cursor.row in range(SHOTS)) or not rows


@pytest.fixture
def soon_asked(monkeypatch):
    monkeypatch.setattr(selection, "ASK_ABOVE", ASKED_FROM)
    monkeypatch.setattr(suggestions, "REACTION_S", 0.0)


@settings(max_examples=15, deadline=None, suppress_health_check=list(HealthCheck))
@given(keys=st.lists(KEYS, min_size=10, max_size=30), files=st.booleans())
@example(keys=BESIDE, files=False)
def test_any_sequence_of_keys_is_stored_as_shown_counted_and_taken_back(
    qapp, soon_asked, keys, files
):
    place = Path(tempfile.mkdtemp(prefix="airylabel-test-"))
    hands = Hands(make_project(place, SHOTS, FILE_LABELS if files else None))
    try:
        hands.check()
        for key in keys:
            hands.press(*key)
            hands.check()
        while hands.before:  # back to the very first state, and all the way forth again
            hands.press("undo")
        hands.check()
        while hands.after:
            hands.press("redo")
        hands.check()
        assert hands.session.opened.project.store.audit() == []
    finally:
        hands.session.close()
        shutil.rmtree(place)
