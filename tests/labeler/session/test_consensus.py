"""Consensus labels are undone and redone in their turn; no one's own label goes in their place."""

import numpy as np
import pytest

from labeler.project.project import Project
from labeler.project.store.records import LABELLED
from labeler.quality import adjudication
from labeler.quality.agreement import readers_of
from labeler.window.label.classes.votes import VotesCard
from labeler.window.quality.agreement import AgreementPage
from tests.helpers.window_parts import make_project, make_session

SHOTS = 8


@pytest.fixture
def session(qapp, tmp_path):
    """Two people on 8 shots, who differ on shot 2 (from 0); the one who labels did shot 7 last."""
    folder = make_project(tmp_path, SHOTS)
    with Project.open(folder) as project:
        store, said = project.store, np.ones(SHOTS, np.int64)
        store.record(project.annotator, range(SHOTS), said, LABELLED, origin="key")
        said[2] = 2
        store.record(store.annotator("bob"), range(SHOTS), said, LABELLED, origin="import")
    session = make_session(folder)
    session.cursor.show(7)
    session.labelling.skip()
    yield session
    session.close()


def settled(session):
    """Rows with a consensus label."""
    project = session.require().project
    who = adjudication.made_before(project)
    return [] if who is None else np.flatnonzero(project.store.load_state(who).labelled).tolist()


def own(session):
    decided = session.labels.decided
    return decided.own_present.tolist(), decided.own_status.tolist()


def test_undo_after_making_a_consensus_takes_that_back_and_no_label_of_the_person(session):
    notes, mine = [], own(session)
    session.noted.connect(lambda level, text: notes.append(text))
    page = AgreementPage(session)
    page._make_consensus()
    assert settled(session) == [0, 1, 3, 4, 5, 6, 7]
    assert notes[-1].endswith("1 stay open. Undo takes it back.")
    page._make_consensus()
    assert notes[-1].endswith("It was so before.")
    session.labelling.undo()
    assert (settled(session), own(session)) == ([], mine)
    assert notes[-1] == "The consensus on 7 shots is taken back; no one's own label changed."
    session.labelling.redo()
    assert (len(settled(session)), own(session)) == (7, mine)
    session.labelling.undo()
    session.labelling.undo()  # now the skip of before
    assert own(session)[1] == [LABELLED] * SHOTS


def test_settling_by_hand_and_labelling_are_undone_in_the_order_in_which_they_were_done(session):
    states = []

    def state():
        return settled(session), own(session)

    session.cursor.show(2)
    for step in (
        lambda: session.consensus.settle(2, 2, -1),
        lambda: session.labelling.flag(),
        lambda: session.consensus.make(),
        lambda: session.labelling.flag(),
        lambda: session.consensus.settle(3, 1, -1),
    ):
        states.append(state())
        step()
    last = state()
    for before in reversed(states):
        session.labelling.undo()
        assert state() == before
    for after in [*states[1:], last]:
        session.labelling.redo()
        assert state() == after


def test_what_was_settled_is_not_redone_over_a_label_that_came_since(session):
    session.consensus.settle(2, 2, -1)
    session.labelling.undo()
    assert session.cursor.row == 2
    session.labelling.flag()
    session.labelling.redo()
    assert settled(session) == []


def test_a_consensus_of_another_window_stays_when_the_person_undoes_their_label(session):
    with Project.open(session.require().folder) as other:
        adjudication.make_consensus(other)
    session.labelling.undo()
    assert len(settled(session)) == 7
    assert own(session)[1] == [LABELLED] * SHOTS


def test_the_card_of_votes_says_whether_its_shot_is_settled_also_after_an_undo(session):
    card = VotesCard(session, readers_of(session.require().project), AgreementPage(session))
    session.cursor.show(2)
    card.take(2)
    session.cursor.show(2)
    assert card.state.text().startswith("Settled: ")
    session.labelling.undo()
    assert card.state.text().startswith("Use what is right")
    session.labelling.redo()
    assert card.state.text().startswith("Settled: ")
    card.finish()


def test_the_page_counts_the_labels_of_someone_in_another_window(session):
    page = AgreementPage(session)
    page.show()
    assert "on 1 they differ" in page.said.text()
    with Project.open(session.require().folder) as other:
        bob = other.store.annotator("bob")
        other.store.record(bob, [4], [2], LABELLED, origin="key")
    session.other_windows.look()
    assert "on 2 they differ" in page.said.text()
    page.hide()
