"""Changes of the classes: recorded, taken back, and no label ever lost or changed in meaning."""

from __future__ import annotations

import json
import sqlite3
from dataclasses import replace
from typing import get_args

import numpy as np
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from PyQt6.QtCore import Qt
from PyQt6.QtGui import QColor, QShortcut
from PyQt6.QtWidgets import QColorDialog, QPushButton

from labeler.cli import main
from labeler.project import backups, classes
from labeler.project.project import Project
from labeler.project.store import LABELLED
from labeler.window.dialogs.classes import ClassesDialog, ClassForm
from labeler.window.dialogs.rule_form import KINDS
from labeler.window.widgets import theme
from labeler.window.widgets.parts import press_by_enter
from model.errors import InputError
from model.taxonomy import edits as taxonomy_edit
from model.taxonomy.colours import GREEN
from model.taxonomy.taxonomy import TWO_SIDED, Kind, Rule
from model.taxonomy.toml import loads, shipped
from tests.helpers.window_parts import make_project, make_session, window_on

HELIUM = shipped("helium").read_text(encoding="utf-8")
SMALL = """
[[class]]
name = "A"
[[class]]
name = "B"
parent = "A"
[[class]]
name = "C"
[[rule]]
kind = "never"
classes = ["A", "B"]
with = ["C"]
"""


@pytest.fixture
def week(tmp_path):
    return make_project(tmp_path)


@pytest.fixture
def project(week):
    with Project.open(week) as found:
        yield found


def bit(project, name):
    return 1 << project.taxonomy.index(name)


def label(project, row, *names, who=None):
    present = sum(bit(project, n) for n in names)
    who = project.annotator if who is None else who
    project.store.record(who, row, present, LABELLED, origin="key")


def labels(project, row, who=None):
    state = project.store.load_state(project.annotator if who is None else who)
    return {n for n, on in zip(project.taxonomy.names, project.taxonomy.unpack(state.present[row]),
                               strict=True) if on}  # fmt: skip


def in_the_file(project):
    return (project.folder / "taxonomy.toml").read_text(encoding="utf-8")


def add_rule(kind, left, right=(), severity="hard"):
    return taxonomy_edit.add_rule(HELIUM, Rule(kind, severity, tuple(left), tuple(right), ""))


# -- the text ------------------------------------------------------------------------------------


def test_renaming_keeps_comments_and_follows_parents_and_rules():
    after = taxonomy_edit.rename(HELIUM, "Prolate", "Elongated")
    taxonomy = loads(after)
    assert after.startswith("# Helium nanodroplets")
    assert taxonomy.classes[taxonomy.index("Bent")].parent == "Elongated"
    assert "neither Spherical/Oblate nor Elongated, and not Empty" in [
        r.text for r in taxonomy.rules
    ]
    assert taxonomy.columns(["prolate", "Elongated"]).tolist() == [3, 3]
    back = loads(taxonomy_edit.rename(after, "Elongated", "Prolate"))
    assert [r.text for r in back.rules] == [r.text for r in loads(HELIUM).rules]


def test_renaming_leaves_a_longer_name_in_the_text_of_a_rule():
    text = """
[[class]]
name = "Streak"
[[class]]
name = "Double Streak"
[[class]]
name = "Bent"
[[rule]]
kind = "never"
classes = ["Streak", "Double Streak"]
with = ["Bent"]
text = "Bent never with Streak or Double Streak, nor with streaks or Streaky ones"
"""
    (rule,) = loads(taxonomy_edit.rename(text, "Streak", "Line")).rules
    assert rule.left == ("Line", "Double Streak")
    assert rule.text == "Bent never with Line or Double Streak, nor with streaks or Streaky ones"


def test_retiring_drops_key_and_rules_and_keeps_the_place():
    before, taxonomy = loads(HELIUM), loads(taxonomy_edit.retire(HELIUM, "Prolate", "2025-11-22"))
    assert taxonomy.names == before.names
    retired = taxonomy.classes[taxonomy.index("Prolate")]
    assert (retired.key, retired.retired) == ("", "2025-11-22")
    assert all("Prolate" not in (*r.left, *r.right) for r in taxonomy.rules)
    assert taxonomy.classes[taxonomy.index("Bent")].parent == ""


def test_the_last_class_is_not_retired():
    left = taxonomy_edit.retire(taxonomy_edit.retire(SMALL, "A", "2026-12-01"), "B", "2026-12-01")
    with pytest.raises(InputError, match="the class C is the last one"):
        taxonomy_edit.retire(left, "C", "2026-12-01")


@given(st.text(max_size=12), st.sampled_from(["A", "B", "C"]))
@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
def test_any_name_gives_a_taxonomy_that_loads_or_a_refusal(name, old):
    try:
        after = taxonomy_edit.rename(SMALL, old, name)
    except InputError:
        return
    assert len(loads(after)) == 3
    assert loads(after).names[loads(SMALL).index(old)] == " ".join(name.split())


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda: taxonomy_edit.rename(HELIUM, "Round", "bent"), "already"),
        (lambda: taxonomy_edit.rename(HELIUM, "Comet", "X"), "no class 'Comet'"),
        (lambda: taxonomy_edit.add(HELIUM, "  "), "needs a name"),
        (lambda: taxonomy_edit.add(HELIUM, "Comet", key="1"), "same key"),
        (lambda: taxonomy_edit.add(HELIUM, "Comet", parent="Star"), "no such parent"),
        (lambda: taxonomy_edit.set_rule(HELIUM, 99, "soft"), "no rule 99"),
        (lambda: add_rule("never", ["Round"], ["Comet"]), "no class 'Comet'"),
        (lambda: add_rule("never", ["Round"], ["Round", "Bent"]), "says nothing"),
        (lambda: add_rule("one_of", ["Round"]), "says nothing"),
        (lambda: add_rule("implies", ["Bent"], ["Prolate"]), "there already"),
        (lambda: add_rule("never", ["Prolate"], ["Bent"]), "no shot could have Bent without"),
        (lambda: add_rule("some", ["Bent"]), "no shot could have .* Empty"),
    ],
)
def test_what_cannot_be_is_refused_in_words(change, said):
    with pytest.raises(InputError, match=said):
        change()


# -- the project ---------------------------------------------------------------------------------


def test_no_class_gets_a_name_that_another_one_had(project):
    """A run or a table from before the renaming would be of the wrong class, in silence."""
    classes.rename(project, "Round", "Disc")
    disc = project.taxonomy.index("Disc")
    for change in (
        lambda: classes.add(project, "round"),
        lambda: classes.rename(project, "Elliptical", "Round"),
    ):
        with pytest.raises(InputError, match="is what the class 'Disc' was called"):
            change()
    assert project.taxonomy.columns(["Round"]).tolist() == [disc]
    classes.rename(project, "Disc", "Round")
    assert project.taxonomy.names[disc] == "Round"


def test_a_renamed_class_keeps_its_labels_and_its_history(project):
    label(project, 0, "Bent", "Prolate")
    assert classes.rename(project, "Bent", "Curved") == 'rename class "Bent" to "Curved"'
    assert labels(project, 0) == {"Curved", "Prolate"}
    assert in_the_file(project) == project.store.get_meta("taxonomy")
    assert len(project.store.history(0)) == 1
    with Project.open(project.folder) as again:
        assert labels(again, 0) == {"Curved", "Prolate"}
        assert again.notes == []
        assert [c.what for c in classes.changes(again)] == ["rename"]
        classes.undo(again)
        assert labels(again, 0) == {"Bent", "Prolate"}
        assert in_the_file(again) == HELIUM


def test_merging_moves_the_labels_of_everybody_and_can_be_taken_back(project):
    bob = project.store.annotator("Bob")
    label(project, 0, "Newton Rings", "Round", "Spherical/Oblate")
    label(project, 1, "Layered")
    label(project, 2, "Newton Rings", "Layered", who=bob)
    assert classes.shots_with(project, "Newton Rings") == 2
    classes.merge(project, "Newton Rings", "Layered")
    assert labels(project, 0) == {"Layered", "Round", "Spherical/Oblate"}
    assert labels(project, 2, bob) == {"Layered"}
    assert project.taxonomy.classes[project.taxonomy.index("Newton Rings")].retired
    assert project.store.audit() == []
    label(project, 0, "Empty")  # decided again since: it stays
    classes.undo(project)
    assert labels(project, 0) == {"Empty"}
    assert labels(project, 1) == {"Layered"}
    assert labels(project, 2, bob) == {"Newton Rings", "Layered"}
    assert project.store.audit() == []
    assert in_the_file(project) == HELIUM


def test_an_added_class_gets_a_bit_of_its_own_and_goes_without_a_trace_if_unused(project):
    label(project, 0, "Empty")
    classes.add(project, "Comet", key="9", help="A bright tail.")
    assert project.taxonomy.names[-1] == "Comet"
    assert labels(project, 0) == {"Empty"}
    classes.undo(project)
    assert "Comet" not in project.store.class_names()
    classes.add(project, "Comet", key="9")
    label(project, 1, "Comet")
    classes.undo(project)
    assert project.taxonomy.classes[-1].retired
    assert labels(project, 1) == {"Comet"}
    classes.add(project, "Comet", key="9")
    assert not project.taxonomy.classes[-1].retired
    assert labels(project, 1) == {"Comet"}


def test_a_rule_is_changed_and_changed_back(project):
    assert project.taxonomy.rules[0].severity == "hard"
    classes.set_rule(project, 1, "soft")
    assert project.taxonomy.rules[0].severity == "soft"
    classes.set_rule(project, 1, "off")
    assert len(project.taxonomy.rules) == len(loads(HELIUM).rules) - 1
    classes.undo(project)
    classes.undo(project)
    assert in_the_file(project) == HELIUM
    with pytest.raises(InputError, match="can be undone"):
        classes.undo(project)


def test_a_rule_is_added_and_taken_back(project):
    rule = Rule("never", "hard", ("Layered",), ("Asymmetric", "Newton Rings"), "")
    label(project, 1, "Layered")
    assert classes.add_rule(project, rule).startswith("add hard rule")
    assert project.taxonomy.rules[-1].statement == "Layered never with Asymmetric or Newton Rings"
    classes.undo(project)
    assert in_the_file(project) == HELIUM


def test_a_hard_rule_that_labels_contradict_is_refused_and_a_soft_one_is_added(project):
    bob = project.store.annotator("Bob")
    label(project, 2, "Layered", "Asymmetric", who=bob)
    rule = Rule("never", "hard", ("Layered",), ("Asymmetric",), "")
    said = "on 1 shot: 3. Add it as a soft rule"
    with pytest.raises(InputError) as refused:
        classes.add_rule(project, rule)
    assert said in str(refused.value)
    assert in_the_file(project) == HELIUM
    classes.add_rule(project, replace(rule, severity="soft"))
    assert project.taxonomy.rules[-1].severity == "soft"


def test_labels_from_before_a_class_break_no_rule_that_asks_for_it(project):
    label(project, 0, "Layered")
    classes.add(project, "Comet")
    rule = Rule("implies", "hard", ("Layered",), ("Comet",), "")
    assert classes.shots_against(project, rule) == []
    label(project, 1, "Layered")
    assert classes.shots_against(project, rule) == [1]


def test_of_many_classes_a_rule_that_contradicts_what_is_implied_is_refused():
    many = "".join(f'[[class]]\nname = "C{n}"\n' for n in range(40))
    implied = Rule("implies", "hard", ("C0",), ("C1",), "")
    text = taxonomy_edit.add_rule(many, implied)
    text = taxonomy_edit.add_rule(text, Rule("implies", "hard", ("C1",), ("C2",), ""))
    with pytest.raises(InputError, match="no shot could have C0 without"):
        taxonomy_edit.add_rule(text, Rule("one_of", "hard", ("C0", "C2", "C3"), (), ""))


def test_an_edit_by_hand_is_recorded_and_can_be_taken_back(project):
    path = project.folder / "taxonomy.toml"
    path.write_text(HELIUM.replace('severity = "soft"', 'severity = "hard"', 1))
    with Project.open(project.folder) as again:
        (change,) = classes.changes(again)
        assert (change.what, change.before) == ("edited", HELIUM)
        classes.undo(again)
    assert path.read_text() == HELIUM


def test_a_crash_before_the_file_is_written_is_made_good_at_the_next_opening(project, monkeypatch):
    def die(folder, text, known):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(backups, "write_taxonomy", die)
        with pytest.raises(KeyboardInterrupt):
            classes.rename(project, "Bent", "Curved")
    assert in_the_file(project) == HELIUM
    with Project.open(project.folder) as again:
        assert "Curved" in again.taxonomy.names
        assert 'name = "Curved"' in in_the_file(again)
        assert [c.what for c in classes.changes(again)] == ["rename"]


def test_what_was_edited_by_hand_while_a_change_waited_for_its_file_is_kept(project, monkeypatch):
    def full(folder, text, known):
        raise InputError("the disk is full", mend="Free some space.")

    by_hand = HELIUM.replace('severity = "soft"', 'severity = "hard"', 1)
    path = project.folder / "taxonomy.toml"
    with monkeypatch.context() as patch:
        patch.setattr(backups, "write_taxonomy", full)
        classes.rename(project, "Bent", "Curved")
    path.write_text(by_hand)
    with Project.open(project.folder) as again:
        (note,) = again.notes
        assert "taxonomy.toml was edited by hand" in note
        assert "taxonomy.edited.toml" in note
    assert path.with_suffix(".edited.toml").read_text() == by_hand
    assert 'name = "Curved"' in path.read_text()
    with monkeypatch.context() as patch:
        patch.setattr(backups, "write_taxonomy", full)
        classes.rename(project, "Curved", "Bowed")
    path.write_text(by_hand)
    assert "taxonomy.edited-2.toml" in classes.rename(project, "Bowed", "Bent")
    assert (project.folder / "taxonomy.edited-2.toml").read_text() == by_hand


def test_going_back_keeps_what_was_edited_by_hand_and_not_taken_over(project):
    path = project.folder / "taxonomy.toml"
    held = backups.back_up(project.folder)
    classes.rename(project, "Bent", "Curved")
    path.write_text(HELIUM + "# mine\n")
    backups.restore(project.folder, held)
    assert path.read_text() == HELIUM
    assert path.with_suffix(".edited.toml").read_text() == HELIUM + "# mine\n"


def test_a_file_of_classes_that_is_gone_is_said_where_they_are_changed(project):
    (project.folder / "taxonomy.toml").unlink()
    with pytest.raises(InputError, match=r"taxonomy\.toml"):
        classes.rename(project, "Bent", "Curved")


def test_a_change_that_fails_changes_nothing(project, monkeypatch):
    label(project, 0, "Bent")

    def fail(*args, **more):
        raise InputError("the disk is full", mend="Free some space.")

    monkeypatch.setattr(type(project.store), "_gesture", fail)
    with pytest.raises(InputError, match="full"):
        classes.merge(project, "Bent", "Streak")
    monkeypatch.undo()
    with Project.open(project.folder) as again:
        assert labels(again, 0) == {"Bent"}
        assert in_the_file(again) == HELIUM
        assert again.taxonomy.names == loads(HELIUM).names


@given(
    st.lists(
        st.sampled_from(["rename", "add", "merge", "retire", "rule", "label"]),
        min_size=3,
        max_size=6,
    )
)
@example(["rename", "add", "label", "rename", "add"])
@example(["rule", "add", "merge", "retire"])
@settings(max_examples=4, deadline=None, suppress_health_check=list(HealthCheck))
def test_taking_everything_back_ends_at_the_first_classes_and_labels(tmp_path_factory, verbs):
    folder = make_project(tmp_path_factory.mktemp("any"))
    with Project.open(folder) as project:
        label(project, 0, "Bent", "Prolate")
        label(project, 1, "Round")
        kept_at_start = [c.name for c in project.taxonomy.classes]
        start, meant, made = in_the_file(project), 0, 0
        for k, verb in enumerate(verbs):
            offered = [c.name for c in project.taxonomy.classes if not c.retired]
            if verb == "label":
                meant += 1
                label(project, 3, offered[k % len(offered)])
                continue
            made += 1
            if verb == "rename":
                classes.rename(project, offered[k % len(offered)], f"Other {k}")
            elif verb == "add":
                classes.add(project, f"More {k}")
            elif verb == "merge":
                classes.merge(project, offered[k % len(offered)], offered[(k + 1) % len(offered)])
            elif verb == "retire":
                classes.retire(project, offered[k % len(offered)])
            else:
                classes.set_rule(project, 1, "soft")
        for _ in range(made):
            classes.undo(project)
        assert labels(project, 0) == {"Bent", "Prolate"}
        assert labels(project, 1) == {"Round"}
        assert project.store.audit() == []
        kept = project.taxonomy
        assert [c.name for c in kept.classes if not c.retired] == kept_at_start
        assert meant or in_the_file(project) == start


# -- command line and window ---------------------------------------------------------------------


def test_the_command_line_lists_and_changes_classes(week, capsys):
    assert main(["classes", str(week), "rename", "Bent", "Curved"]) == 0
    assert 'Done: rename class "Bent" to "Curved"' in capsys.readouterr().out
    assert main(["classes", str(week), "add", "Comet", "--key", "9"]) == 0
    capsys.readouterr()
    assert main(["classes", str(week), "rule", "1", "soft", "--json"]) == 0
    assert list(json.loads(capsys.readouterr().out)) == ["changed"]
    assert main(["classes", str(week), "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert next(c for c in found["classes"] if c["name"] == "Curved")["was"] == "Bent"
    assert found["rules"][0]["severity"] == "soft"
    assert [c["text"].split()[0] for c in found["changes"]] == ["rename", "add", "make"]
    assert main(["classes", str(week), "merge", "Curved", "Nothing"]) == 1
    assert "no class 'Nothing'" in capsys.readouterr().err
    assert main(["classes", str(week), "undo"]) == 0
    words = ["add-rule", "never", "Comet", "--with", "Layered", "Newton Rings", "--soft"]
    assert main(["classes", str(week), *words]) == 0
    assert "Done: add soft rule" in capsys.readouterr().out
    assert main(["classes", str(week), *words]) == 1
    assert "is there already" in capsys.readouterr().err
    assert main(["classes", str(week)]) == 0
    assert "was Bent" in capsys.readouterr().out


def test_the_window_goes_on_with_the_changed_classes_and_other_windows_follow(qapp, week):
    session, other = make_session(week), make_session(week)
    session.labelling.toggle(session.labels.taxonomy.index("Bent"))
    session.cursor.show(2)
    session.change_classes(classes.rename, "Bent", "Curved")
    assert "Curved" in session.labels.taxonomy.names
    assert session.cursor.row == 2
    assert session.labelling.shown_labels(0)[session.labels.taxonomy.index("Curved")]
    other.other_windows.look()
    assert "Curved" in other.labels.taxonomy.names
    assert np.array_equal(other.labels.present, session.labels.present)
    session.close()
    other.close()


def test_with_no_room_for_the_file_the_window_goes_on_with_the_classes_of_the_database(
    qapp, week, monkeypatch
):
    def full(folder, text, known):
        raise InputError("the disk is full", mend="Free some space.")

    session = make_session(week)
    bent, streak = (session.labels.taxonomy.index(name) for name in ("Bent", "Streak"))
    session.labelling.toggle(streak)
    with monkeypatch.context() as patch:
        patch.setattr(backups, "write_taxonomy", full)
        session.change_classes(classes.merge, "Streak", "Bent")
        assert in_the_file(session.opened.project) == HELIUM
        assert session.labelling.shown_labels()[[bent, streak]].tolist() == [True, False]
        session.change_classes(classes.rename, "Layered", "Banded")
    session.labelling.toggle(session.labels.taxonomy.index("Asymmetric"))
    assert session.labelling.shown_labels()[[bent, streak]].tolist() == [True, False]
    session.reopen()
    now = in_the_file(session.opened.project)
    assert 'name = "Banded"' in now, "written as soon as there was room"
    assert "retired" in now
    session.close()


def test_undo_says_that_it_does_not_reach_behind_a_merge(qapp, week):
    session, said = make_session(week), []
    session.noted.connect(lambda level, text: said.append(text))
    session.labelling.toggle(session.labels.taxonomy.index("Bent"))
    session.change_classes(classes.merge, "Bent", "Streak")
    session.labelling.undo()
    assert "does not reach behind a merge of classes" in said[-1]
    session.labelling.toggle(session.labels.taxonomy.index("Asymmetric"))
    session.labelling.undo()
    session.labelling.redo()
    session.labelling.redo()
    assert said[-1] == "Nothing to redo."
    session.close()


def test_a_window_that_knows_older_classes_stores_no_label_until_it_follows(qapp, week):
    session, other = make_session(week), make_session(week)
    said = []
    other.noted.connect(lambda level, text: said.append(text))
    bent, streak = (session.labels.taxonomy.index(name) for name in ("Bent", "Streak"))
    session.change_classes(classes.merge, "Bent", "Streak")
    other.cursor.show(2)
    other.labelling.toggle(bent)
    assert "Not saved" in said[-1]
    assert "classes were changed elsewhere" in said[-1]
    assert not other.labelling.is_decided()
    other.other_windows.look()
    other.cursor.show(2)
    other.labelling.toggle(streak)
    assert other.labelling.shown_labels()[streak]
    other.change_classes(classes.rename, "Streak", "Line")
    other.labelling.toggle(streak)
    assert not other.labelling.shown_labels()[streak], "a change of one's own is known"
    session.close()
    other.close()


BENT = 6
"""Its line, for classes are listed in the order of the panel."""


def test_the_dialog_changes_classes_and_takes_it_back(qtbot, week):
    session = make_session(week)
    session.labelling.toggle(session.labels.taxonomy.index("Bent"))
    dialog = ClassesDialog(session)
    qtbot.addWidget(dialog)
    assert not dialog.buttons["Edit…"].isEnabled()
    dialog.classes.setCurrentItem(dialog.classes.topLevelItem(BENT))
    form = dialog.form("Bent")
    form.name.setText("Curved")
    form.accept()
    assert form.result() == form.DialogCode.Accepted
    assert dialog.classes.topLevelItem(BENT).text(0) == "Curved"
    assert dialog.classes.topLevelItem(BENT).text(3) == "1"
    dialog.rules.setCurrentItem(dialog.rules.topLevelItem(0))
    dialog.buttons["Soft"].click()
    assert dialog.rules.topLevelItem(0).text(1) == "soft"
    assert dialog.past.topLevelItemCount() == 2
    dialog.buttons["Undo the last change"].click()
    dialog.buttons["Undo the last change"].click()
    assert session.labels.taxonomy.names == loads(HELIUM).names
    assert not dialog.buttons["Undo the last change"].isEnabled()
    session.close()


def test_the_dialog_keeps_what_is_chosen_and_where_the_keys_are_after_each_change(qtbot, week):
    session = make_session(week)
    dialog = ClassesDialog(session)
    qtbot.addWidget(dialog)
    dialog.show()

    def press(name, table, line):
        table.setCurrentItem(table.topLevelItem(line))
        dialog.buttons[name].setFocus()
        dialog.buttons[name].click()
        return [item.text(0) for item in table.selectedItems()], dialog.focusWidget()

    rule = dialog.rules.topLevelItem(2).text(0)
    assert press("Soft", dialog.rules, 2) == ([rule], dialog.buttons["Soft"])
    after = dialog.rules.topLevelItem(3).text(0)
    assert press("Remove rule", dialog.rules, 2) == ([], dialog.rules), (
        "Enter removes one, held too"
    )
    assert dialog.rules.currentItem().text(0) == after
    after = dialog.classes.topLevelItem(BENT + 1).text(0)
    assert press("Retire", dialog.classes, BENT) == ([], dialog.classes)
    assert dialog.classes.currentItem().text(0) == after
    undo = dialog.buttons["Undo the last change"]
    undo.setFocus()
    while undo.isEnabled():
        undo.click()
    assert dialog.focusWidget() is dialog.classes, "the button has no more use"
    session.close()


def test_enter_that_is_held_presses_a_button_once(qtbot):
    button = QPushButton("Undo the last change")
    qtbot.addWidget(button)
    press_by_enter(button)
    keys = button.findChildren(QShortcut)
    assert [key.key().toString() for key in keys] == ["Return", "Enter"]
    assert not any(key.autoRepeat() for key in keys)


def ticked(box, *names):
    for name in names:
        (item,) = box.findItems(name, Qt.MatchFlag.MatchExactly)
        item.setCheckState(Qt.CheckState.Checked)


def test_lines_to_tick_are_as_high_as_the_style_sheet_wants_from_the_first_look_on(
    qtbot, week, qapp
):
    theme.apply(qapp, "dark")
    session = make_session(week)
    form = ClassesDialog(session).rule_form()
    qtbot.addWidget(form)
    form.show()
    first, second = (form.left.visualItemRect(form.left.item(k)) for k in (0, 1))
    assert second.top() - first.top() >= form.fontMetrics().height() + 6
    session.close()
    qapp.setStyleSheet("")


def test_the_form_has_every_kind_of_rule_with_one_or_two_lists_of_classes():
    assert tuple(KINDS) == get_args(Kind)
    assert {kind for kind, (_, _, right) in KINDS.items() if right} == set(TWO_SIDED)


def test_a_rule_is_added_in_the_dialog_and_a_refused_one_keeps_the_form_open(qtbot, week):
    session = make_session(week)
    dialog = ClassesDialog(session)
    qtbot.addWidget(dialog)
    form = dialog.rule_form()
    assert not form.ok.isEnabled()
    ticked(form.left, "Prolate")
    ticked(form.right, "Bent")
    assert form.said.text() == "Prolate never with Bent"
    form.ok.click()
    assert form.result() != form.DialogCode.Accepted
    assert "no shot could have Bent" in form.wrong.text()
    form = dialog.rule_form()
    form.kind.setCurrentIndex(form.kind.findData("one_of"))
    assert form.others.isHidden()
    ticked(form.left, "Layered", "Newton Rings")
    form.ok.click()
    assert form.result() == form.DialogCode.Accepted
    last = dialog.rules.topLevelItem(dialog.rules.topLevelItemCount() - 1)
    assert last.text(0) == "Newton Rings and Layered exclude each other"
    assert len(session.labels.taxonomy.rules) == len(loads(HELIUM).rules) + 1
    dialog.buttons["Undo the last change"].click()
    assert len(session.labels.taxonomy.rules) == len(loads(HELIUM).rules)
    session.close()


# -- a class that was added later ------------------------------------------------------------------


def undecided(project, row):
    """Names of the classes of which a labelled shot says nothing."""
    known = project.shot_table().known
    if known is None:
        return set()
    return {n for n, k in zip(project.taxonomy.names, known[row], strict=True) if not k}


def test_a_class_added_later_is_undecided_on_earlier_labels_until_somebody_says_so(tmp_path):
    week = make_project(tmp_path, 6)
    with Project.open(week) as project:
        store, me = project.store, project.annotator
        store.record(me, [0, 1], 3, LABELLED, origin="bulk")
        assert project.shot_table().known is None  # every class was decided
        classes.add(project, "Triangular")
        new = 1 << project.taxonomy.index("Triangular")
        assert undecided(project, 0) == undecided(project, 1) == {"Triangular"}
        store.record(me, 2, 3, LABELLED, origin="key")
        assert undecided(project, 2) == set()
        store.record(me, 0, 7, LABELLED, origin="key")  # another class says nothing of the new one
        assert undecided(project, 0) == {"Triangular"}
        store.record(me, 0, 7 | new, LABELLED, origin="key")
        assert undecided(project, 0) == set()
        store.record(me, 1, 3, LABELLED, origin="accepted", said=new)
        assert undecided(project, 1) == set()
        assert store.undo(me).known.tolist() == [new - 1]
        assert undecided(project, 1) == {"Triangular"}
        store.redo(me)
        assert undecided(project, 1) == set()
        assert store.audit() == []


def test_the_arrays_know_what_the_store_knows(tmp_path):
    week = make_project(tmp_path, 6)
    with Project.open(week) as project:
        store, me = project.store, project.annotator
        store.record(me, [0, 1], 3, LABELLED, origin="bulk")
        classes.add(project, "Triangular")
    session = make_session(week)
    decided, new = session.labels.decided, 1 << session.labels.taxonomy.index("Triangular")
    assert decided.undecided(0) == new
    assert decided.undecided(5) == 0
    session.cursor.show(0)
    session.labelling.toggle(session.labels.taxonomy.index("Triangular"))
    assert decided.undecided(0) == 0
    session.cursor.show(5)
    session.labelling.toggle(0)
    assert decided.undecided(5) == 0
    own = session.opened.project.store.load_state(session.opened.annotator)
    assert np.array_equal(own.known, decided.own_known)
    session.close()


def test_a_project_of_the_first_form_learns_what_its_labels_spoke_of(tmp_path):
    week = make_project(tmp_path, 6)
    with Project.open(week) as project:
        store, me = project.store, project.annotator
        store.record(me, [0, 1], 3, LABELLED, origin="bulk")
        classes.add(project, "Triangle")
        classes.rename(project, "Triangle", "Triangular")
        store.record(me, 1, 2, LABELLED, origin="key")
        store.record(me, 2, 3, LABELLED, origin="key")
        store.record(me, 3, 3, LABELLED, origin="key")
        store.undo(me)
    make_first_form(week / "project.sqlite")
    with Project.open(week) as project:
        assert [undecided(project, row) for row in range(3)] == [{"Triangular"}, set(), set()]
        assert project.store.audit() == []
        assert project.store.undo(project.annotator).rows.tolist() == [2]
    assert backups.list_backups(week)[0].reason == "before-0002"


def make_first_form(path):
    """Take away what the second form of the database added."""
    with sqlite3.connect(path) as raw:
        for table, names in (("events", ("known_before", "known_after")), ("current", ("known",))):
            for name in names:
                raw.execute(f"ALTER TABLE {table} DROP COLUMN {name}")
        raw.execute("UPDATE alembic_version SET version_num = '0001'")
    raw.close()


# -- the form of a class ---------------------------------------------------------------------------


def rules_of(taxonomy, name):
    """(kind, other classes) of the rules that name a class on its own."""
    return {
        (r.kind, r.right if r.left == (name,) else r.left)
        for r in taxonomy.rules if (name,) in (r.left, r.right)
    }  # fmt: skip


def tick(box, *names):
    for i in range(box.count()):
        on = box.item(i).text() in names
        box.item(i).setCheckState(Qt.CheckState.Checked if on else Qt.CheckState.Unchecked)


def test_a_class_gets_key_parent_colour_help_and_rules_when_it_is_made(qtbot, week):
    session = make_session(week)
    dialog = ClassesDialog(session)
    qtbot.addWidget(dialog)
    form = dialog.form()
    form.name.setText("Comet")
    form.key.setText("9")
    form.parent_class.setCurrentIndex(1 + form._others.index("Prolate"))
    form.parent_class.activated.emit(form.parent_class.currentIndex())
    form.colour.setCurrentIndex(form.colour.findText("Yellow"))
    form.help.setPlainText("A bright tail.")
    tick(form.excludes, "Layered")
    form.accept()
    assert form.result() == form.DialogCode.Accepted
    taxonomy = session.labels.taxonomy
    made = taxonomy.classes[taxonomy.index("Comet")]
    assert (made.key, made.parent, made.colour, made.help) == (
        "9", "Prolate", "#F0E442", "A bright tail.")  # fmt: skip
    assert rules_of(taxonomy, "Comet") == {("implies", ("Prolate",)), ("never", ("Layered",))}
    assert dialog.past.topLevelItemCount() == 1, "one step"
    session.close()


def test_editing_takes_rules_off_and_puts_them_on_in_one_step(qtbot, week):
    session = make_session(week)
    before = session.labels.taxonomy
    dialog = ClassesDialog(session)
    qtbot.addWidget(dialog)
    form = dialog.form("Bent")
    tick(form.implies, "Asymmetric")
    form.key.setText("b")
    form.accept()
    after = session.labels.taxonomy
    assert ("implies", ("Asymmetric",)) in rules_of(after, "Bent")
    bent = row_of(after, "Bent")
    assert "Prolate" not in np.array(after.names)[after.complete(bent)]
    assert "Prolate" in np.array(after.names)[after.complete(row_of(after, "Streak"))]
    dialog.buttons["Undo the last change"].click()
    assert [c.key for c in session.labels.taxonomy.classes] == [c.key for c in before.classes]
    assert session.labels.taxonomy.rules == before.rules
    session.close()


def row_of(taxonomy, name):
    return taxonomy.mask([name])


def test_what_is_refused_stays_in_the_form_with_the_reason(qtbot, week):
    session = make_session(week)
    dialog = ClassesDialog(session)
    qtbot.addWidget(dialog)
    form = dialog.form()
    form.name.setText("Round")
    form.help.setPlainText("Not to be typed again.")
    form.accept()
    assert not form.wrong.isHidden()
    assert "already" in form.wrong.text()
    form.name.setText("Comet")
    form.key.setText("5")
    assert "Bent" in form.key_about.text()
    form.accept()
    assert "same key" in form.wrong.text()
    form.key.setText("")
    form.accept()
    comet = session.labels.taxonomy.index("Comet")
    assert session.labels.taxonomy.classes[comet].help == "Not to be typed again."
    session.close()


def test_the_form_of_a_class_says_which_command_its_key_runs_now(
    qtbot, week, tmp_path, monkeypatch
):
    said = []

    def look(dialog):
        form = dialog.form()
        form.key.setText("n")
        said.append(form.key_about.text())

    monkeypatch.setattr(ClassesDialog, "exec", look)
    for window in window_on(week, qtbot, tmp_path):
        window.actions_.trigger("classes")
    assert said == ["means “Next norm” now; the class takes the key"]


def test_an_exclusion_of_a_wider_rule_is_shown_and_not_taken_off_here(qtbot, week):
    session = make_session(week)
    dialog = ClassesDialog(session)
    qtbot.addWidget(dialog)
    form = dialog.form("Empty")
    items = [form.excludes.item(i) for i in range(form.excludes.count())]
    assert all(i.checkState() == Qt.CheckState.Checked for i in items)
    assert not any(i.flags() & Qt.ItemFlag.ItemIsEnabled for i in items)
    assert "stands alone" in items[0].toolTip()
    session.close()


def test_no_other_colour_chosen_leaves_the_one_that_was(qtbot, week, monkeypatch):
    answers = [QColor(), QColor("#123456"), QColor()]
    monkeypatch.setattr(QColorDialog, "getColor", lambda *how: answers.pop(0))
    form = ClassesDialog(make_session(week)).form("Bent")
    qtbot.addWidget(form)
    other = form.colour.findText("Other…")
    form.colour.setCurrentIndex(form.colour.findText("Green"))
    form.colour.activated.emit(form.colour.currentIndex())
    seen = []
    for _ in range(3):
        form.colour.setCurrentIndex(form.colour.findText("Other…"))
        form.colour.activated.emit(other)
        seen.append(form.entry().colour)
    assert seen == [GREEN, "#123456", "#123456"]


def test_enter_on_a_class_edits_it_and_leaves_the_dialog_open(qtbot, week, monkeypatch):
    dialog = ClassesDialog(make_session(week))
    qtbot.addWidget(dialog)
    edited = []
    monkeypatch.setattr(ClassForm, "exec", lambda form: edited.append(form.old))
    with qtbot.waitExposed(dialog):
        dialog.show()
    dialog.classes.setCurrentItem(dialog.classes.topLevelItem(BENT))
    qtbot.keyClick(dialog.classes, Qt.Key.Key_Return)
    assert edited == ["Bent"]
    assert dialog.isVisible()


def test_in_a_project_that_can_only_be_read_no_change_of_the_classes_is_offered(qtbot, week):
    session = make_session(week)
    session.change_classes(classes.rename, "Bent", "Curved")
    dialog = ClassesDialog(session)
    qtbot.addWidget(dialog)
    assert dialog.buttons["Undo the last change"].isEnabled()
    session.opened.project.store.database.read_only = True
    dialog.refresh()
    dialog.classes.setCurrentItem(dialog.classes.topLevelItem(BENT))
    enabled = {text for text, button in dialog.buttons.items() if button.isEnabled()}
    assert enabled == set()
