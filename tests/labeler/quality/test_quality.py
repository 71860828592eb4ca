"""The view Quality in a window: its pages, what a click on them does, and the import dialog."""

from __future__ import annotations

import numpy as np
import pytest
from PyQt6.QtCore import Qt
from PyQt6.QtWidgets import QLabel, QPushButton

from labeler.project import classes, people
from labeler.project.store.records import LABELLED
from labeler.quality import adjudication, repeats
from labeler.session.selection import MEANWHILE
from labeler.window.dialogs import exchange
from labeler.window.dialogs.import_labels import ImportLabels
from labeler.window.dialogs.people import PeopleDialog
from labeler.window.main_window import MainWindow
from labeler.window.quality.rules import SETS
from labeler.window.quality.view import PAGES, QualityView
from labeler.window.settings import Settings
from labeler.window.widgets import theme
from model.taxonomy.toml import load, shipped
from tests.helpers.window_parts import make_project, make_session

HELIUM = load(shipped("helium"))
ROUND, STREAK, BENT = (1 << HELIUM.index(n) for n in ("Round", "Streak", "Bent"))
SPHERICAL, PROLATE = (1 << HELIUM.index(n) for n in ("Spherical/Oblate", "Prolate"))
OURS = ("Rules", "Agreement", "Drift", "Week")


@pytest.fixture
def window(qtbot, qapp, tmp_path):
    """A window on 12 undecided shots, with Quality on screen."""
    theme.apply(qapp, "dark")
    session = make_session()
    made = MainWindow(session, Settings(tmp_path / "settings.toml"))
    qtbot.addWidget(made)
    made.resize(1280, 800)
    made.show()
    made.project_files.open_folder(make_project(tmp_path))
    made.actions_.trigger("view_quality")
    yield made
    made.close()


def page(window, name):
    view = window.views["Quality"]
    view.show_page(name)
    return view.pages[name]


def decide(window, rows, bits):
    assert window.session.labels.decide(rows, bits, LABELLED, "key")


def test_every_page_says_what_will_be_there_while_there_is_nothing(window):
    for name in OURS:
        shown = page(window, name)
        assert shown.stack.currentWidget() is shown.empty
        assert len(shown.empty.text.text()) > 60
    view = window.views["Quality"]
    assert list(view.buttons) == [n for n in PAGES if n in view.buttons]
    assert set(OURS) <= set(view.buttons)
    view.buttons["Drift"].click()
    assert view.page == "Drift"


def test_a_rule_leads_to_the_shots_that_break_it_and_mends_them_as_one_step(window, qtbot):
    decide(window, [1, 4, 7], [STREAK, STREAK, SPHERICAL | ROUND])
    rules = page(window, "Rules")
    row = next(r for r in rules.rows if r.text.text() == "Streak implies Prolate (soft)")
    assert (row.mark.text(), row.count.text()) == ("✗", "2")
    holding = next(r for r in rules.rows if r.text.text().startswith("Round implies"))
    assert holding.text.text() == "Round implies Spherical/Oblate (hard)"
    assert (holding.mark.text(), holding.count.text()) == ("✓", "0")
    qtbot.mouseClick(row.go, Qt.MouseButton.LeftButton)
    session = window.session
    assert window.tab == "Label"
    assert session.queue.rows.tolist() == [1, 4]
    window.show_tab("Quality")
    qtbot.mouseClick(row.mend, Qt.MouseButton.LeftButton)
    assert (session.labels.present[[1, 4]] & PROLATE > 0).all()
    assert (row.mark.text(), row.count.text()) == ("✓", "0")
    session.labelling.undo()
    assert session.labels.present[1] == STREAK


def test_label_sets_that_have_no_room_are_counted_in_words(window):
    other = [1 << HELIUM.index(n) for n in ("Asymmetric", "Newton Rings", "Layered", "Bent")]
    for more, said in ((1, "and 1 more set"), (2, "and 2 more sets")):
        decide(window, range(SETS + more), [STREAK, *(STREAK | o for o in other)][: SETS + more])
        row = next(r for r in page(window, "Rules").rows if "Streak implies" in r.text.text())
        assert row.sets.text().endswith(said)


def test_many_shots_are_mended_only_after_a_question(window, monkeypatch):
    decide(window, range(6), STREAK)
    rules = page(window, "Rules")
    monkeypatch.setattr("labeler.window.quality.rules.ASK_ABOVE", 3)
    asked = []
    monkeypatch.setattr(type(rules), "_sure", lambda self, n: asked.append(n))
    row = next(r for r in rules.rows if r.text.text() == "Streak implies Prolate (soft)")
    row.mend.click()
    assert asked == [6]
    assert window.session.labels.present[0] == STREAK


def test_many_shots_are_not_mended_where_labels_came_while_the_question_was_open(
    window, monkeypatch
):
    decide(window, range(6), STREAK)
    rules = page(window, "Rules")
    monkeypatch.setattr("labeler.window.quality.rules.ASK_ABOVE", 3)
    said, meanwhile = [], PROLATE | BENT
    window.session.noted.connect(lambda level, text: said.append(text))

    def sure(self, n):
        window.session.labels.decide([0], meanwhile, LABELLED, "key")
        return True

    monkeypatch.setattr(type(rules), "_sure", sure)
    row = next(r for r in rules.rows if r.text.text() == "Streak implies Prolate (soft)")
    row.mend.click()
    assert window.session.labels.present[:2].tolist() == [meanwhile, STREAK]
    assert said[-1] == MEANWHILE


def two_people(window):
    decide(window, range(8), SPHERICAL | ROUND)
    store = window.session.opened.project.store
    bob = store.annotator("bob")
    said = np.full(8, SPHERICAL | ROUND)
    said[[2, 5]] = PROLATE | BENT
    store.record(bob, range(8), said, LABELLED, origin="import")


def test_shots_on_which_people_differ_are_settled_one_after_the_other(window, qtbot):
    two_people(window)
    shown = page(window, "Agreement")
    assert "on 2 they differ" in shown.said.text()
    shown.settle.click()
    session, card = window.session, shown.card
    assert window.tab == "Label"
    assert session.queue.rows.tolist() == [2, 5]
    assert session.cursor.row == 2
    texts = [w.text() for w in card.findChildren(type(card.state)) if not w.isHidden()]
    assert any("•\u00a0Bent" in t for t in texts)
    whole = card.height()
    card.take(PROLATE | BENT)
    assert session.cursor.row == 5
    assert card.height() == whole, "the next shot has as many lines"
    first = card.findChildren(QPushButton)[0]
    first.setFocus()
    card.follow()
    assert window.focusWidget() is window.label.pattern, "one Tab before the next shot's votes"
    who = adjudication.consensus_annotator(session.opened.project)
    assert session.opened.project.store.load_state(who).present[2] == PROLATE | BENT
    assert session.labels.present[2] == SPHERICAL | ROUND
    session.queue.choose("all")
    assert card.isHidden()
    window.show_tab("Quality")
    shown.outdate()
    assert shown.settle.text() == "Resolve 1 disagreement"


def test_a_blind_project_shows_how_far_people_agree_but_not_who_said_what(window):
    two_people(window)
    shown = page(window, "Agreement")
    session = window.session
    choose = PeopleDialog(session, window)
    choose.blind.setChecked(True)
    choose.reject()
    assert "on 2 they differ" in shown.said.text()
    assert shown.chart.isVisible()
    for hidden in (shown.settle, shown.of_class, shown.said_table):
        assert not hidden.isVisible()
    assert "blind" in shown.said_title.text()
    shown._open(0)
    assert (shown.card, window.tab) == (None, "Quality")
    assert "bob" not in session.queue.known.annotators()
    people.set_blind(session.opened.project.store, False)
    session.reopen()
    assert shown.settle.isVisible()
    assert "bob" in session.queue.known.annotators()


def test_consensus_labels_are_made_by_a_click(window):
    two_people(window)
    said = []
    window.session.noted.connect(lambda level, text: said.append(text))
    page(window, "Agreement").consensus.click()
    assert "6 shots labelled alike, 0 by majority" in said[-1]


def repeats_given(window, first, second):
    """Give blind repeats as the session would."""
    session = window.session
    who = repeats.repeat_annotator(session.opened.project, session.opened.annotator)
    for k, bits in enumerate(second):
        shown = {"repeat": {"at": 100.0 + k, "first": int(first[k])}}
        session.opened.project.store.record(who, k, bits, LABELLED, origin="repeat", shown=shown)


def test_drift_names_the_class_to_read_again_and_leads_there(window):
    first = [PROLATE | BENT] * 6 + [SPHERICAL | ROUND] * 4
    second = [PROLATE | STREAK] * 4 + [PROLATE | BENT] * 2 + [SPHERICAL | ROUND] * 4
    decide(window, range(10), first)
    repeats_given(window, first, second)
    shown = page(window, "Drift")
    assert "Read Streak again" in shown.said.text() or "Read Bent again" in shown.said.text()
    assert shown.said.text().startswith("6 of 10 repeated shots were labelled the same.")
    assert shown.table.lines.rowCount() == 4
    shown.chart.choose(HELIUM.order.index(HELIUM.index("Bent")))
    shown.reread.click()
    assert window.session.queue.choice.title == "Re-read Bent"
    assert window.session.queue.rows.tolist()[:4] == [0, 1, 2, 3]
    window.show_tab("Quality")
    shown.take.click()
    assert window.session.labels.present[0] == PROLATE | STREAK
    window.session.labelling.undo()
    assert window.session.labels.present[0] == PROLATE | BENT


def test_a_blind_repeat_does_not_give_a_class_back_that_was_retired_since(window):
    session = window.session
    decide(window, range(3), first := [PROLATE | BENT, PROLATE, PROLATE | STREAK])
    repeats_given(window, first, [PROLATE | STREAK, PROLATE | STREAK, PROLATE])
    session.change_classes(classes.retire, "Streak")
    shown = page(window, "Drift")
    shown.take.click()
    assert session.labels.present[:3].tolist() == [PROLATE, PROLATE, PROLATE]
    assert not shown.take.isVisible()


def test_one_of_several_repeated_shots_was_labelled_the_same(window):
    decide(window, range(3), first := [PROLATE | BENT] * 3)
    repeats_given(window, first, [PROLATE | BENT, PROLATE | STREAK, PROLATE | STREAK])
    said = page(window, "Drift").said.text()
    assert said.startswith("1 of 3 repeated shots was labelled the same.")


def test_how_many_shots_come_again_can_be_chosen_before_the_first_one_did(window):
    shown = page(window, "Drift")
    assert shown.first_rate.isVisible()
    five = next(a for a in shown.first_rate.list.actions() if a.text() == "5 %")
    five.trigger()
    assert window.session.repeats.rate == pytest.approx(0.05)
    assert shown.first_rate.text() == shown.rate.text() == "5 %"


def test_rate_and_reminder_are_kept_in_the_settings(window, tmp_path):
    shown = page(window, "Drift")
    assert window.session.repeats.rate == pytest.approx(0.03)
    shown._set_rate("5 %")
    page(window, "Week")._remind(False)
    window.close()
    kept = Settings(tmp_path / "settings.toml")
    assert (kept["repeat_rate"], kept["break_reminder"]) == (0.05, False)


def test_the_week_counts_what_was_decided_by_hand(window):
    session = window.session
    for row in range(4):
        session.cursor.show(row)
        session.labelling.toggle(HELIUM.index("Round"))
    session.labels.decide([8, 9], ROUND, LABELLED, "bulk")
    shown = page(window, "Week")
    assert shown.figures["today"][1].text() == "4"
    assert "2 more" in shown.said.text()
    assert shown.rare.rows[-1].note == "44 to go"
    for plot in (shown.days, shown.hours):  # half a shot is never decided
        ticks = plot.getAxis("left").tickValues(0, 1, 400)
        assert {tick for _, values in ticks for tick in values} <= {0.0, 1.0}


def test_nothing_is_cut_off_in_the_smallest_comfortable_window(window):
    two_people(window)
    repeats_given(window, [SPHERICAL | ROUND] * 8, [SPHERICAL | ROUND] * 7 + [PROLATE | BENT])
    for name in OURS:
        shown = page(window, name)
        assert shown.minimumSizeHint().width() <= window.views["Quality"].stack.width()
        assert shown.minimumSizeHint().height() <= window.views["Quality"].stack.height()
    window.flip_theme()
    assert not window.grab().isNull()


def test_a_view_without_a_project_is_quiet(qtbot):
    view = QualityView(make_session())
    qtbot.addWidget(view)
    view.show()
    assert view.pages["Rules"].isVisible()


# -- labels in and out -------------------------------------------------------------------------


def test_an_import_shows_everything_before_it_does_it(window, qtbot, tmp_path):
    session = window.session
    path = tmp_path / "theirs.csv"
    path.write_text("shot,round,Odd\n1,1,0\n2,1,0\n3,0,1\n", encoding="utf-8")
    dialog = ImportLabels(session, path, window)
    qtbot.addWidget(dialog)
    qtbot.waitUntil(lambda: dialog.plan is not None)
    assert "2 get a first label" in dialog.said.toPlainText()
    assert dialog.take.text() == "Import 2 shots"
    dialog.drop.setChecked(True)
    qtbot.waitUntil(lambda: dialog.plan is not None)
    assert dialog.take.text() == "Import 3 shots"
    dialog.drop.setChecked(False)
    qtbot.waitUntil(lambda: dialog.plan is not None)
    assert not session.labelling.is_decided(0)
    with qtbot.waitSignal(dialog.accepted):
        dialog.take.click()
    assert session.labels.present[0] == ROUND
    session.labelling.undo()
    assert not session.labelling.is_decided(0)
    assert not session.labelling.is_decided(1)

    path.write_text("nothing\n1\n", encoding="utf-8")
    bad = ImportLabels(session, path, window)
    qtbot.addWidget(bad)
    qtbot.waitUntil(lambda: bad.trouble.text() != "")
    assert "theirs.csv" in bad.trouble.text()
    assert not bad.take.isEnabled()
    bad.reject()


def test_the_file_says_whose_labels_it_holds_and_a_person_confirms_which_shots(
    window, qtbot, tmp_path
):
    path = tmp_path / "two.csv"
    path.write_text(
        "file,index,annotator,Round,Empty\n"
        + "".join(f"shots.h5,{i},{who},1,0\n" for who in ("Ada", "Bob") for i in range(1, 13)),
        encoding="utf-8",
    )
    dialog = ImportLabels(window.session, path, window)
    qtbot.addWidget(dialog)
    qtbot.waitUntil(lambda: dialog.plan is not None)
    assert (dialog.person.currentText(), dialog.plan.annotator) == ("Ada", "Ada")
    assert [dialog.of.itemData(i) for i in range(dialog.of.count())] == ["Ada", "Bob"]
    assert not dialog.take.isEnabled(), "the index begins with 1"
    dialog.sure.setChecked(True)
    assert dialog.take.isEnabled()
    dialog.index.setCurrentIndex(dialog.index.findData(1))
    dialog.index.activated.emit(dialog.index.currentIndex())
    qtbot.waitUntil(lambda: dialog.plan is not None)
    assert not dialog.plan.questions
    assert dialog.plan.rows.tolist() == list(range(12))
    dialog.of.setCurrentIndex(1)
    dialog.of.activated.emit(1)
    qtbot.waitUntil(lambda: dialog.plan is not None)
    assert (dialog.person.currentText(), dialog.plan.annotator) == ("Bob", "Bob")
    dialog.reject()


def test_the_menu_writes_files_and_says_so(window, qtbot, tmp_path, monkeypatch):
    decide(window, range(4), SPHERICAL | ROUND)
    said = []
    window.session.noted.connect(lambda level, text: said.append((level, text)))
    for what, name, kind in (
        ("export_labels", "a.csv", "CSV for spreadsheets (*.csv)"),
        ("export_shots", "b.cxi", "CXI with links to the shots (*.cxi)"),
        ("write_report", "c.html", "Web page (*.html)"),
        ("write_report", "d.pdf", "PDF (*.pdf)"),
    ):
        chosen = (tmp_path / name, kind)
        monkeypatch.setattr(exchange.file_dialogs, "ask_new_file", lambda *a, c=chosen: c)
        said.clear()
        window.actions_.trigger(what)
        qtbot.waitUntil(lambda: bool(said))
        assert said[0][0] == "info", said
        assert list(tmp_path.glob(f"{name[0]}.*"))


def test_nothing_in_the_window_gives_the_first_label_of_a_repeated_shot_away(window, qtbot):
    session = window.session
    decide(window, range(8), SPHERICAL | ROUND)
    window.show_tab("Label")
    session.cursor.show(9)
    window.actions_.trigger("history")
    session.repeats.show_blind(3)
    texts = " ".join(w.text() for w in window.findChildren(QLabel) if w.isVisible())
    assert "Decided by" not in texts
    assert "Round, " not in texts
    session.labelling.toggle(HELIUM.index("Streak"))
    texts = " ".join(w.text() for w in window.findChildren(QLabel) if w.isVisible())
    assert "Decided just now" in texts
    assert "+Round" not in texts
    session.cursor.next()
    assert session.labelling.shown_labels(3)[HELIUM.index("Round")]


def test_a_big_project_is_compared_in_another_thread(window, qtbot, monkeypatch):
    monkeypatch.setattr("labeler.window.quality.parts.SMALL", 0)
    two_people(window)
    shown = page(window, "Agreement")
    assert shown.answer is None
    qtbot.waitUntil(lambda: shown.answer is not None)
    assert "on 2 they differ" in shown.said.text()
    shown.outdate()
    window.session.close()  # while it is being looked at once more
    assert shown.answer is None
