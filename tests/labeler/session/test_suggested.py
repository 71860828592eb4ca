"""Ghosts, the asked queue, acceptance of many at once, and what the guard keeps back."""

import numpy as np
import pytest
from PyQt6.QtTest import QTest
from PyQt6.QtWidgets import QWidget

from labeler.project.store.records import LABELLED, SKIPPED
from labeler.project.store.timeline import first_shown
from labeler.session import suggestions
from labeler.session.selection import SelectedShots
from labeler.session.suggestions import most_wrong
from labeler.window.dialogs.accept_sure import AcceptSure
from tests.helpers.embeddings import CHOICES, project_with_embeddings
from tests.helpers.waiting import until
from tests.helpers.window_parts import learnt, make_project, make_session, use_made_up_run


@pytest.fixture
def session(qapp, tmp_path):
    session = make_session(make_project(tmp_path, 40))
    yield session
    session.close()


def names(session, row):
    return {session.labels.taxonomy.names[c] for c in np.flatnonzero(session.labelling.labels(row))}


def test_enter_accepts_the_ghost_of_the_instant_reading(session):
    session.suggestions.take(learnt(session))
    session.cursor.show(4)
    assert session.predictions.now.name == "instant model, 20 labels"
    session.labelling.accept()
    assert names(session, 4) == {"Round", "Spherical/Oblate"}


def test_a_key_decides_from_a_blank_shot_and_every_label_set_stays_within_reach(session):
    bent, streak, newton, prolate = (
        session.labels.taxonomy.index(n) for n in ("Bent", "Streak", "Newton Rings", "Prolate")
    )
    reading = learnt(session)
    reading.decided[:] = False
    reading.decided[:, [streak, newton]] = True
    session.suggestions.take(reading)
    session.cursor.show(4)
    session.labelling.toggle(bent)
    assert names(session, 4) == {"Bent", "Prolate"}
    session.cursor.show(5)
    session.labelling.toggle(streak)  # suggested: confirmed, without the others
    assert names(session, 5) == {"Streak", "Prolate"}
    session.labelling.toggle(newton)
    assert names(session, 5) == {"Streak", "Prolate", "Newton Rings"}
    session.labelling.toggle(newton)
    session.labelling.toggle(streak)  # nothing is left: the ghosts do not come back at once
    assert not session.labelling.is_decided(5)
    assert session.suggestions.of() is None
    session.labelling.toggle(prolate)
    assert names(session, 5) == {"Prolate"}


def test_the_instant_reading_goes_before_the_run_s(session):
    use_made_up_run(session)
    assert session.predictions.now is session.predictions.run
    session.suggestions.take(learnt(session))
    assert session.predictions.now is session.predictions.instant
    session.suggestions.take(None)
    assert session.predictions.now is session.predictions.run


def test_asked_shots_come_in_their_order_with_reasons_and_never_run_out(session):
    session.cursor.show(0)
    session.suggestions.take(learnt(session, (7, 3)))
    session.queue.choose(order="asked")
    assert session.cursor.row == 7
    assert session.suggestions.because() == "least sure of 0"
    session.labelling.accept()
    assert session.cursor.row == 3
    session.suggestions.take(
        learnt(session, (3, 9, 7, 11))
    )  # 7 is labelled meanwhile, 3 is here already
    session.labelling.accept()
    assert session.cursor.row == 9
    assert session.queue.rows.tolist() == [7, 3, 9, 11]
    session.cursor.previous()
    assert session.cursor.row == 3


def test_asking_begins_without_taking_the_shot_away(session):
    session.cursor.show(2)
    session.queue.choose(order="asked")  # nothing is known yet: file order meanwhile
    session.cursor.show(2)
    session.suggestions.take(learnt(session, (7, 3)))
    assert session.cursor.row == 2
    assert session.queue.rows.tolist() == [2, 7, 3]


def test_everything_sure_is_accepted_as_one_gesture(session):
    sure = np.linspace(0.5, 1, session.labels.n_shots)
    session.cursor.show(39)
    session.labelling.toggle(session.labels.taxonomy.index("Streak"))
    session.suggestions.take(learnt(session, sure=sure, checks=(38,)))
    found = session.suggestions.sure(0.9)
    assert found.rows.tolist() == [r for r in range(40) if sure[r] >= 0.9 and r not in (38, 39)]
    assert found.wrong == pytest.approx((1 - sure[found.rows]).sum(), abs=1e-5)
    assert session.labelling.accept_sure(0.9) == len(found.rows)
    assert ((session.labels.status & LABELLED) > 0).sum() == len(found.rows) + 1
    assert names(session, 39) == {"Streak", "Prolate"}
    session.labelling.undo()
    assert ((session.labels.status & LABELLED) > 0).sum() == 1


def test_only_chosen_shots_are_accepted_where_some_are_chosen(session):
    session.suggestions.take(learnt(session, sure=0.99))
    assert session.labelling.accept_sure(0.9, [1, 5]) == 2
    assert np.flatnonzero(session.labels.status & LABELLED).tolist() == [1, 5]


def test_the_expected_error_is_told_in_words(session):
    session.suggestions.take(learnt(session, sure=0.9))
    assert session.suggestions.sure(0.5).text() == "40 shots: about 4 wrong, at most 32"
    assert session.suggestions.sure(0.95).text() == "no undecided shot is that sure"


def test_the_card_accepts_on_enter(session, qtbot):
    from PyQt6.QtCore import Qt
    from PyQt6.QtWidgets import QWidget

    host = QWidget()
    qtbot.addWidget(host)
    host.resize(700, 500)
    host.show()
    session.suggestions.take(learnt(session, sure=0.97))
    card = AcceptSure(session, host)
    assert "40 shots: about 1 wrong" in card.words.text()
    QTest.keyClick(card.slider, Qt.Key.Key_Return)
    assert ((session.labels.status & LABELLED) > 0).all()


def test_the_card_gives_the_keys_back_to_who_had_them(session, qtbot):
    from PyQt6.QtCore import Qt
    from PyQt6.QtWidgets import QPushButton, QWidget

    host = QWidget()
    qtbot.addWidget(host)
    other, before = QPushButton(host), QPushButton(host)
    host.resize(700, 500)
    host.show()
    before.setFocus()
    session.suggestions.take(learnt(session, sure=0.97))
    card = AcceptSure(session, host)
    assert host.focusWidget() is card.slider
    QTest.keyClick(card.slider, Qt.Key.Key_Escape)
    assert host.focusWidget() is before is not other


def test_the_card_ends_with_its_project(session, tmp_path, qtbot):
    from PyQt6.QtCore import Qt
    from PyQt6.QtWidgets import QWidget

    host = QWidget()
    qtbot.addWidget(host)
    host.show()
    session.suggestions.take(learnt(session, sure=0.97))
    card = AcceptSure(session, host, np.arange(30, 40))
    (tmp_path / "other").mkdir()
    session.open(make_project(tmp_path / "other", 12))
    assert card.isHidden()
    session.suggestions.take(learnt(session, sure=0.97))
    QTest.keyClick(card.slider, Qt.Key.Key_Return)
    assert not session.labels.status.any()


def test_more_than_two_hundred_ask_once_more(qapp, tmp_path, qtbot):
    from PyQt6.QtWidgets import QWidget

    session = make_session(make_project(tmp_path, 300))
    host = QWidget()
    qtbot.addWidget(host)
    host.show()
    session.suggestions.take(learnt(session, sure=0.97))
    card = AcceptSure(session, host)
    card.take()
    assert not (session.labels.status & LABELLED).any()
    assert card.accept.text() == "Press again: all 300 shots"
    card.take()
    assert ((session.labels.status & LABELLED) > 0).all()
    session.close()


def test_a_hidden_reading_is_shown_nowhere_and_remembered(session):
    session.suggestions.hidden_share = 1.0
    session.suggestions.take(learnt(session, sure=0.99))
    session.cursor.show(4)
    assert session.suggestions.is_hidden()
    assert session.suggestions.of() is None
    assert not session.suggestions.bits([4]).any()
    assert not len(session.suggestions.sure(0.5).rows)
    session.labelling.toggle(session.labels.taxonomy.index("Streak"))
    assert not session.suggestions.is_hidden()
    ((row, shown),) = first_shown(session.opened.project.store.database, session.opened.annotator)
    assert (row, shown["hidden"]) == (4, True)
    round_bits = session.labels.taxonomy.pack(
        session.labels.taxonomy.complete(session.predictions.now.likely()[4])
    )
    assert shown["suggested"] == round_bits
    session.suggestions.hidden_share = 0.0
    session.cursor.show(5)
    session.labelling.accept()
    found = first_shown(session.opened.project.store.database, session.opened.annotator)
    assert [row for row, _ in found] == [4, 5]
    assert "hidden" not in found[1][1]


def test_a_label_changes_the_suggestions_of_all_shots(qapp, tmp_path):
    folder, truth = project_with_embeddings(tmp_path)
    session = make_session()
    suggesting = session.learning
    suggesting.turn_on(CHOICES)
    session.open(folder)
    until(lambda: session.predictions.instant is not None)
    assert session.predictions.instant.learnt.labels == 0
    for row in range(6):
        session.cursor.show(row)
        for c in np.flatnonzero(truth[row] & ~session.labels.taxonomy.implied(truth[row])):
            session.labelling.toggle(int(c))
    until(lambda: session.predictions.instant.learnt.labels == 6)
    asked = []
    session.queue.queue_changed.connect(lambda: asked.append(session.queue.choice.title))
    suggesting.similar(3)
    until(lambda: asked)
    assert session.queue.choice.title == "Like shot 4"
    assert session.queue.rows[0] == 3
    assert len(session.queue.rows) == 61
    places = []
    suggesting.laid_out.connect(places.append)
    assert suggesting.want_layout()
    until(lambda: places)
    session.close()
    assert suggesting._instant is None


def test_without_being_begun_nothing_is_started(qapp, tmp_path):
    folder, _ = project_with_embeddings(tmp_path)
    session = make_session(folder)
    suggesting = session.learning
    said = []
    session.noted.connect(lambda level, text: said.append(text))
    suggesting.similar(3)
    assert "still being read" in said[0]
    assert suggesting._instant is None
    session.close()


def test_one_key_on_many_shots_accepts_only_what_is_shown(session, monkeypatch):
    monkeypatch.setattr(suggestions, "REACTION_S", 0.0)
    session.suggestions.hidden_share = 0.5
    session.suggestions.take(learnt(session, sure=0.99))
    session.labels.decide(np.arange(40), 0, SKIPPED, "skip")
    shown = session.suggestions.bits(np.arange(40)) > 0
    assert 5 < shown.sum() < 35
    told = []
    hand = SelectedShots(session, lambda: np.arange(40), lambda what: True, lambda what: None)
    hand.reported.connect(told.append)
    hand.accept()
    np.testing.assert_array_equal(session.labels.status == LABELLED, shown)
    np.testing.assert_array_equal(session.labels.status == SKIPPED, ~shown)
    assert told == [f"Accepted {shown.sum()} shots · Undo takes it back"]


@pytest.mark.parametrize("many", [False, True])
def test_what_the_model_came_to_suggest_a_moment_ago_is_not_accepted(session, monkeypatch, many):
    monkeypatch.setattr(suggestions, "REACTION_S", 3600.0)
    session.suggestions.take(learnt(session))
    session.cursor.show(5)
    hand = SelectedShots(session, lambda: np.array([5]), lambda what: True, lambda what: None)
    hand = hand if many else session.labelling
    session.suggestions.take(learnt(session))  # learnt again, and the same of this shot
    streak = learnt(session)
    streak.decided[:] = False
    streak.decided[:, session.labels.taxonomy.index("Streak")] = True
    said = []
    session.noted.connect(lambda level, text: said.append(text))
    session.suggestions.take(streak)
    session.suggestions.take(streak)  # learnt twice in no time
    hand.accept()
    assert "Look again" in said[-1]
    assert not session.labels.status.any()
    assert session.cursor.row == 5
    monkeypatch.setattr(suggestions, "REACTION_S", 0.0)  # it was seen since
    hand.accept()
    assert "Streak" in names(session, 5)


def test_a_card_accepts_nothing_that_the_model_came_to_suggest_a_moment_ago(
    session, monkeypatch, qtbot
):
    monkeypatch.setattr(suggestions, "REACTION_S", 3600.0)
    host = QWidget()
    qtbot.addWidget(host)
    host.show()
    session.suggestions.take(learnt(session, sure=0.97))
    card = AcceptSure(session, host)
    session.suggestions.take(None)
    session.suggestions.take(learnt(session, sure=0.97))
    card.take()
    assert not session.labels.status.any()
    monkeypatch.setattr(suggestions, "REACTION_S", 0.0)
    card.take()
    assert (session.labels.status == LABELLED).all()


def test_what_is_suggested_as_the_shot_comes_is_accepted_at_once(session, monkeypatch):
    monkeypatch.setattr(suggestions, "REACTION_S", 3600.0)
    session.suggestions.take(learnt(session))
    session.cursor.show(5)
    session.labelling.accept()
    assert "Round" in names(session, 5)


def test_few_labels_bound_the_wrong_ones_generously_and_many_closely(session):
    assert most_wrong(0.037, 20) > 0.116, "what was measured where the model said .037"
    bounds = [most_wrong(0.037, n) for n in (20, 200, 2000, 20_000)]
    assert bounds == sorted(bounds, reverse=True)
    assert bounds[-1] == pytest.approx(0.037, rel=0.1)
    session.suggestions.take(learnt(session, sure=0.9))
    for row in range(20):
        session.cursor.show(row)
        session.labelling.accept()
    assert session.suggestions.sure(0.5).text() == "20 shots: about 2 wrong, at most 6"
