"""Ghosts, the asked queue, acceptance of many at once, and what the guard keeps back."""

import csv

import numpy as np
import pytest
from PyQt6.QtCore import QEvent, Qt
from PyQt6.QtGui import QKeyEvent
from PyQt6.QtTest import QTest
from PyQt6.QtWidgets import QApplication, QWidget

from labeler.active.anchoring import is_hidden
from labeler.exchange import export
from labeler.project.store import timeline
from labeler.project.store.records import LABELLED, SKIPPED
from labeler.project.store.timeline import first_shown
from labeler.session import suggestions
from labeler.session.selection import MEANWHILE, SelectedShots
from labeler.session.suggestions import Sure
from labeler.window.dialogs.accept_sure import AcceptSure
from model.active import audit
from model.active.head import Held, fit, space_of
from model.active.prior import Prior
from model.metrics.bounds import most_wrong
from model.shots.table import TRAINING
from tests.helpers.embeddings import CHOICES, project_with_embeddings
from tests.helpers.waiting import until
from tests.helpers.window_parts import learnt, make_project, make_session, names_on, use_made_up_run
from tests.model.active.test_head import HELIUM, experiment, world


@pytest.fixture
def session(qapp, tmp_path):
    session = make_session(make_project(tmp_path, 40))
    yield session
    session.close()


def test_enter_accepts_the_ghost_of_the_instant_reading(session):
    session.suggestions.take(learnt(session))
    session.cursor.show(4)
    assert session.predictions.now.name == "instant model, 20 labels"
    session.labelling.accept()
    assert names_on(session, 4) == {"Round", "Spherical/Oblate"}


def test_a_key_decides_from_a_blank_shot_and_every_label_set_stays_within_reach(session):
    bent, streak, newton, prolate = (
        session.labels.taxonomy.index(n) for n in ("Bent", "Streak", "Newton Rings", "Prolate")
    )
    predictions = learnt(session)
    predictions.decided[:] = False
    predictions.decided[:, [streak, newton]] = True
    session.suggestions.take(predictions)
    session.cursor.show(4)
    session.labelling.toggle(bent)
    assert names_on(session, 4) == {"Bent", "Prolate"}
    session.cursor.show(5)
    session.labelling.toggle(streak)  # suggested: confirmed, without the others
    assert names_on(session, 5) == {"Streak", "Prolate"}
    session.labelling.toggle(newton)
    assert names_on(session, 5) == {"Streak", "Prolate", "Newton Rings"}
    session.labelling.toggle(newton)
    session.labelling.toggle(streak)  # nothing is left: the ghosts do not come back at once
    assert not session.labelling.is_decided(5)
    assert session.suggestions.of() is None
    session.labelling.toggle(prolate)
    assert names_on(session, 5) == {"Prolate"}


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
    assert session.labelling.accept_sure(0.9) == len(found.rows)
    assert ((session.labels.status & LABELLED) > 0).sum() == len(found.rows) + 1
    assert names_on(session, 39) == {"Streak", "Prolate"}
    session.labelling.undo()
    assert ((session.labels.status & LABELLED) > 0).sum() == 1


def test_all_random_checks_stay_open_where_sure_suggestions_are_accepted(session, monkeypatch):
    monkeypatch.setattr(audit, "FEWEST_CHECKS", 1)
    session.suggestions.take(learnt(session, sure=0.99))
    checks, said = audit.reserved(40, audit.DRAW), []
    found = session.suggestions.sure(0.9)
    assert not np.isin(found.rows, checks).any()
    assert found.checks == len(checks) > 1
    assert found.left == f"{len(checks)} random checks left open: label each by itself."
    session.noted.connect(lambda level, text: said.append(text))
    session.labelling.accept_sure(0.9)
    assert found.left in said[-1]
    assert (session.labels.status[checks] == 0).all()


def test_only_chosen_shots_are_accepted_where_some_are_chosen(session):
    session.suggestions.take(learnt(session, sure=0.99))
    assert session.labelling.accept_sure(0.9, [1, 5]) == 2
    assert np.flatnonzero(session.labels.status & LABELLED).tolist() == [1, 5]


def test_a_held_enter_accepts_nothing_on_the_card_that_it_opened(session, qtbot):
    host = QWidget()
    qtbot.addWidget(host)
    host.resize(700, 500)
    host.show()
    session.suggestions.take(learnt(session, sure=0.97))
    card = AcceptSure(session, host)
    kind, key = QEvent.Type.KeyPress, Qt.Key.Key_Return
    shift = Qt.KeyboardModifier.ShiftModifier
    for _ in range(3):
        QApplication.sendEvent(card.slider, QKeyEvent(kind, key, shift, "", autorep=True))
    assert not session.labels.status.any()
    QTest.keyClick(card.slider, key)
    assert session.labels.status.any()


def test_how_many_are_wrong_is_told_in_words():
    def text(n, checked, missed):
        return Sure(np.arange(n), np.ones(n, np.int64), checked, missed).text()

    assert text(0, 9, 0) == "no undecided shot is that sure"
    nothing = np.arange(0)
    checks = Sure(nothing, nothing, 9, 0, checks=3).text()
    assert checks == "only random checks are that sure"
    assert text(40, 0, 0) == "40 shots: too few labels show how many are wrong"
    assert text(40, 99, 4) == "40 shots: at most 5 wrong (counted on 99 labels)"
    assert text(400, 200, 10) == "400 shots: about 20 wrong, at most 36 (counted on 200 labels)"
    assert text(400, 200, 0).startswith("400 shots: fewer than 1 wrong, at most 7 ")


def test_the_card_accepts_on_enter(session, qtbot):
    from PyQt6.QtCore import Qt
    from PyQt6.QtWidgets import QWidget

    host = QWidget()
    qtbot.addWidget(host)
    host.resize(700, 500)
    host.show()
    session.suggestions.take(learnt(session, sure=0.97))
    card = AcceptSure(session, host)
    assert "40 shots: too few labels show how many are wrong, by instant model" in card.words.text()
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
    assert session.predictions.instant.fit.labels == 0
    for row in range(6):
        session.cursor.show(row)
        for c in np.flatnonzero(truth[row] & ~session.labels.taxonomy.implied(truth[row])):
            session.labelling.toggle(int(c))
    until(lambda: session.predictions.instant.fit.labels == 6)
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


def test_random_checks_are_left_open_where_suggestions_are_accepted_on_many_shots(
    session, monkeypatch
):
    monkeypatch.setattr(suggestions, "REACTION_S", 0.0)
    monkeypatch.setattr(audit, "FEWEST_CHECKS", 1)
    session.suggestions.hidden_share = 0.0
    session.suggestions.take(learnt(session, sure=0.99))
    checks = audit.reserved(40, audit.DRAW)
    chosen, told, said = np.arange(40), [], []
    hand = SelectedShots(session, lambda: chosen, lambda what: True, lambda what: None)
    hand.reported.connect(told.append)
    session.noted.connect(lambda level, text: said.append(text))
    hand.accept()
    assert 0 < len(checks) < 10
    np.testing.assert_array_equal(np.flatnonzero(session.labels.status != LABELLED), sorted(checks))
    assert told == [f"Accepted {40 - len(checks)} shots · Undo takes it back"], "what is not cut"
    assert said == [f"{len(checks)} random checks left open: label each by itself."]
    chosen = checks
    hand.accept()
    assert "left open: label each by itself." in said[-1]
    chosen = checks[:1]  # one shot was looked at
    hand.accept()
    assert session.labels.status[checks[0]] == LABELLED


def test_what_is_left_open_counts_the_shots_whose_predictions_are_hidden(session, monkeypatch):
    monkeypatch.setattr(suggestions, "REACTION_S", 0.0)
    monkeypatch.setattr(audit, "FEWEST_CHECKS", 1)
    session.suggestions.hidden_share = 0.4
    session.suggestions.take(learnt(session, sure=0.99))
    left = np.union1d(audit.reserved(40, audit.DRAW), np.flatnonzero(is_hidden(np.arange(40), 0.4)))
    said, chosen = [], np.arange(40)
    hand = SelectedShots(session, lambda: chosen, lambda what: True, lambda what: None)
    session.noted.connect(lambda level, text: said.append(text))
    assert session.suggestions.sure(0.9).checks == len(left)
    hand.accept()
    np.testing.assert_array_equal(np.flatnonzero(session.labels.status == 0), left)
    assert said == [f"{len(left)} random checks left open: label each by itself."]
    chosen = np.flatnonzero(is_hidden(np.arange(40), 0.4))[:1]
    hand.accept()
    assert said[-1] == "1 random check left open: label each by itself."
    assert (session.labels.status[chosen] == 0).all()


@pytest.mark.parametrize("verb", ["accept", "skip", "flag"])
def test_many_shots_are_not_changed_where_others_changed_them_while_the_person_was_asked(
    session, monkeypatch, verb
):
    monkeypatch.setattr("labeler.session.selection.ASK_ABOVE", 10)
    monkeypatch.setattr(suggestions, "REACTION_S", 0.0)
    session.suggestions.take(learnt(session, sure=0.99))
    said, streak = [], session.labels.taxonomy.index("Streak")

    def another_window(what):
        session.labels.decide([7], 1 << streak, LABELLED, "key")
        return True

    session.noted.connect(lambda level, text: said.append(text))
    rows = np.setdiff1d(np.arange(40), audit.reserved(40, audit.DRAW))
    assert 7 in rows
    hand = SelectedShots(session, lambda: rows, another_window, lambda what: None)
    getattr(hand, verb)()
    assert said == [MEANWHILE]
    assert np.flatnonzero(session.labels.status).tolist() == [7]
    assert session.labels.present[7] == 1 << streak


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
    assert "Streak" in names_on(session, 5)


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
    assert "Round" in names_on(session, 5)


def test_the_wrong_ones_are_counted_on_labels_given_one_by_one_and_not_learnt(session):
    session.suggestions.take(learnt(session, sure=0.9))
    round_, streak = (session.labels.taxonomy.index(n) for n in ("Round", "Streak"))
    for row, c in ((0, round_), (1, streak), (2, round_)):
        session.cursor.show(row)
        session.labelling.toggle(c)
    session.labelling.accept_sure(0.5, [3, 4, 5])
    decided = session.predictions.now.decided[:6]
    held = Held(np.arange(6), decided, np.array([0.9, 0.9, 0.4, 0.9, 0.9, 0.9], np.float32))
    session.suggestions.take(learnt(session, sure=0.9, held=held))
    found = session.suggestions.sure(0.8)
    assert (found.checked, found.missed) == (2, 1)


def test_labels_that_the_run_was_trained_on_say_nothing_of_its_errors(session):
    use_made_up_run(session)
    session.suggestions.enough = 0
    run = session.predictions.run
    for row in (1, 2, 4):  # of the first and of every third it says nothing
        session.cursor.show(row)
        session.labelling.toggle(session.labels.taxonomy.index("Streak"))
    before = session.suggestions.sure(0.0).checked
    run.role = np.where(np.arange(40) < 3, TRAINING, 0)
    assert (before, session.suggestions.sure(0.0).checked) == (3, 1)


def origins(session):
    opened = session.require()
    return timeline.origins(opened.project.store.database, opened.annotator)


def test_an_accepted_suggestion_is_told_from_a_key_on_many_shots_and_from_enter(
    session, tmp_path, monkeypatch
):
    monkeypatch.setattr(suggestions, "REACTION_S", 0.0)
    streak = session.labels.taxonomy.index("Streak")
    session.suggestions.take(learnt(session, sure=[0.9] * 6 + [0.1] * 34))
    session.labelling.accept_sure(0.85, range(6))
    chosen = np.array([6, 7])
    hand = SelectedShots(session, lambda: chosen, lambda what: True, lambda what: None)
    hand.toggle(streak)
    chosen = np.array([8, 9])
    hand.accept()
    for row in (10, 11):
        session.cursor.show(row)
        session.labelling.accept()
    session.cursor.show(0)
    session.labelling.flag("odd")
    session.cursor.show(12)
    session.labelling.toggle(streak)
    session.cursor.show(5)
    session.labelling.toggle(streak)
    session.labelling.undo()
    found = ["sure"] * 6 + ["grid"] * 2 + ["bulk"] * 2 + ["accepted"] * 2 + ["key"]
    assert origins(session) == dict(enumerate(found))
    store = session.require().project.store
    (entry,) = [e for e in store.history(1) if e.origin == "sure"]
    assert (entry.shown, entry.shots) == ({"run": "instant", "threshold": 0.85}, 6)
    alone = timeline.decided_alone(store.database, session.require().annotator, np.arange(14))
    assert alone.tolist() == [False] * 10 + [True] * 4
    export(session.require().project, "csv", tmp_path / "l.csv")
    with (tmp_path / "l.csv").open(encoding="utf-8-sig", newline="") as stream:
        lines = [line["origin"] for line in csv.DictReader(stream)]
    assert lines == [*found, *[""] * 27]


@pytest.mark.parametrize(("share", "checked", "n"), [(0.1, 12, 400), (0.03, 60, 50), (0.3, 9, 30)])
def test_at_most_holds_nineteen_times_of_twenty_whatever_the_numbers(share, checked, n):
    random = np.random.default_rng(1)
    draws = random.binomial([checked, n], share, (2000, 2))
    above = [wrong > most_wrong(missed, checked, n) for missed, wrong in draws.tolist()]
    assert np.mean(above) <= 0.05
    assert most_wrong(checked, checked, n) == n == most_wrong(0, 0, n)
    assert most_wrong(0, 10_000, n) == 0


@pytest.mark.parametrize("foreign", [False, True])
@pytest.mark.parametrize("labelled", [20, 50, 150])
def test_from_the_first_labels_on_no_more_are_wrong_than_is_said(foreign, labelled):
    """Shots as the network learnt them, and shots of an experiment that it never met."""
    own, _, x, truth = experiment(count=600)
    if not foreign:
        (x, truth), n = world(2000, noise=2.5), 600
        rich = fit(x[n:], truth[n:], HELIUM)
        own = Prior(rich.weight.T.copy(), rich.bias, np.ones(11, bool))
        x, truth = x[:n], truth[:n]
    space, above, told = space_of(x), 0, 0
    for seed in range(12):
        rows = np.random.default_rng(seed).permutation(600)[:labelled]
        made = fit(x[rows], truth[rows], HELIUM, prior=own, space=space)
        _, decided, sure = made.judged(made.logits(x))
        _, apart, apart_sure = made.judged(made.held_logits)
        rest = np.setdiff1d(np.flatnonzero(sure >= 0.8), rows)
        there = apart_sure >= 0.8
        missed = (apart != truth[rows[made.held]]).any(1)[there].sum()
        wrong = (decided != truth).any(1)[rest].sum()
        above += wrong > most_wrong(int(missed), int(there.sum()), len(rest))
        told += len(rest)
    assert told > 200
    assert above <= 1
