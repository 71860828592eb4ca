"""A class that was added later is undecided on earlier labels, for everybody who reads labels."""

from __future__ import annotations

import csv
from types import SimpleNamespace

import h5py
import numpy as np
import pytest

from labeler.exchange import export, read_labels
from labeler.exchange.importing import apply, plan
from labeler.exchange.selection import Selection
from labeler.exchange.shots import export_shots
from labeler.project import classes
from labeler.project.project import Project
from labeler.project.store import LABELLED
from labeler.project.summary import summary
from labeler.quality import adjudication
from labeler.quality.agreement import agreement_of
from labeler.quality.rules import check_rules, mended, rows_that_break
from labeler.quality.side_by_side import side_by_side
from labeler.queue import filters
from labeler.runs.run_report import compare
from labeler.session.selection import SelectedShots
from labeler.window.grid.badges import Badges, BadgeState
from labeler.window.inspect.tiles import standing
from labeler.window.label.classes.panel import standings
from model.active.head import Held
from model.runs.judges import Judges
from model.shots.table import table_of_file
from model.taxonomy.taxonomy import Rule
from tests.helpers.people import label_as
from tests.helpers.window_parts import learnt, make_project, make_session

NEW = "Triangular"
RULE = Rule("implies", "hard", ("Round",), (NEW,), "")
OLD, LATER, OPEN = (0, 1), (2, 3), 5
"""Rows labelled Round before the class was there; Round and Streak after; none."""


@pytest.fixture
def week(tmp_path):
    """Two shots are labelled, then a class is added that Round asks for, then two more."""
    folder = make_project(tmp_path, 6)
    with Project.open(folder) as project:
        names, me = project.taxonomy, project.annotator
        round_one = int(names.pack(names.mask(["Spherical/Oblate", "Round"])))
        streak = int(names.pack(names.mask(["Prolate", "Streak"])))
        project.store.record(me, OLD, round_one, LABELLED, origin="key")
        classes.add(project, NEW)
        classes.add_rule(project, RULE)
        project.store.record(me, LATER, [round_one, streak], LABELLED, origin="key")
    return folder


@pytest.fixture
def project(week):
    with Project.open(week) as opened:
        yield opened


@pytest.fixture
def session(week, qapp):
    opened = make_session(week)
    yield opened
    opened.close()


def new_one(taxonomy):
    return taxonomy.index(NEW)


def test_filters_find_it_neither_with_nor_without_the_class_and_no_broken_rule(session):
    known = session.queue.known
    rows = {f: np.flatnonzero(filters.passes(f, known)).tolist() for f in
            (f"class:{NEW}", f"absent:{NEW}", "error", "labelled")}  # fmt: skip
    assert rows == {f"class:{NEW}": [], f"absent:{NEW}": [2, 3], "error": [2],
                    "labelled": [0, 1, 2, 3]}  # fmt: skip
    (rule,) = [r.text for r in session.labels.taxonomy.rules if r.right == (NEW,)]
    assert np.flatnonzero(filters.passes(f"rule:{rule}", known)).tolist() == [2]


def test_a_model_cannot_disagree_with_what_nobody_said(session):
    predictions = learnt(session)
    predictions.decided[:] = session.labels.taxonomy.unpack(session.labels.present)
    predictions.decided[:, new_one(session.labels.taxonomy)] = True
    session.predictions.instant = predictions
    known = session.queue.known
    for condition in ("disagree", f"differs:{NEW}"):
        assert np.flatnonzero(filters.passes(condition, known)).tolist() == [2, 3], condition
    status = session.labels.decided.status_on(new_one(session.labels.taxonomy))
    false = predictions.gallery(
        new_one(session.labels.taxonomy), "false", session.labels.present, status
    )
    assert sorted(false.tolist()) == [2, 3]


def test_counts_and_rules_leave_it_out(session, project):
    labels, taxonomy = session.labels, session.labels.taxonomy
    tally = labels.decided.tally
    assert tally.decided_on(taxonomy)[[new_one(taxonomy), 0]].tolist() == [2, 4]
    assert tally.in_error(taxonomy) == 1
    assert tally.usable(taxonomy)[0] == 3
    r = len(taxonomy.rules) - 1
    whole = (labels.present, labels.status, taxonomy, labels.decided.known)
    assert check_rules(*whole)[r].shots == 1
    assert rows_that_break(r, *whole).tolist() == [2]
    rows, bits = mended(r, *whole)
    assert (rows.tolist(), taxonomy.unpack(bits)[0, new_one(taxonomy)]) == ([2], True)
    facts = summary(project)
    assert facts["contradictions"] == 1
    assert facts["violations"][r]["first"] == [3]


def test_panel_tiles_and_badges_show_it_undecided_and_without_a_message(session):
    c = new_one(session.labels.taxonomy)
    session.cursor.show(0)
    assert standings(session)[c].mark == "undecided"
    assert session.labelling.offered_fix() is None
    assert standing(session, 0, c) == "undecided"
    session.cursor.show(2)
    assert standings(session)[c].mark == "absent"
    assert session.labelling.offered_fix() is not None
    assert standing(session, 2, c) == "absent"
    badges, decided = Badges(session.labels.taxonomy), session.labels.decided
    marks = []
    for r in (0, 2):
        state = BadgeState(int(decided.present[r]), 1, known=int(decided.known[r]))
        marks.append(bytes(badges.of(state, 40, 1.0).constBits().asarray(40 * 40 * 4)))
    assert marks[0] != marks[1], "only the second is in error"


def not_learnt(session, sure=0.9, held=None):
    """Predictions that say Round of every shot, and nothing of the new class."""
    predictions = learnt(session, sure=sure, held=held)
    predictions.known = np.ones(len(session.labels.taxonomy), bool)
    predictions.known[new_one(session.labels.taxonomy)] = False
    return predictions


@pytest.fixture
def plain(week, qapp):
    """The same without the rule, for Round would bring the new class."""
    with Project.open(week) as project:
        classes.set_rule(project, len(project.taxonomy.rules), "off")
    opened = make_session(week)
    yield opened
    opened.close()


def test_many_accepted_suggestions_leave_undecided_what_the_model_has_not_learnt(plain):
    bit = 1 << new_one(plain.labels.taxonomy)
    plain.suggestions.take(not_learnt(plain))
    said = []
    plain.noted.connect(lambda level, text: said.append(text))
    assert plain.labelling.accept_sure(0.8) == 2
    assert f" {NEW} stays undecided: the model has not learnt it. Undo" in said[-1]
    assert [plain.labels.decided.undecided(row) for row in (4, OPEN)] == [bit, bit]
    own = plain.require().project.store.load_state(plain.require().annotator)
    assert np.array_equal(own.known, plain.labels.decided.own_known)


def test_what_is_accepted_in_grid_leaves_it_undecided_until_enter_is_pressed_again(plain):
    bit = 1 << new_one(plain.labels.taxonomy)
    plain.predictions.instant = not_learnt(plain)
    hand = SelectedShots(plain, lambda: np.array([4, OPEN]), lambda what: True, lambda what: None)
    hand.accept()
    assert [plain.labels.decided.undecided(row) for row in (4, OPEN)] == [bit, bit]
    hand.accept()
    assert [plain.labels.decided.undecided(row) for row in (4, OPEN)] == [0, 0]


def test_enter_on_one_shot_that_the_person_looks_at_decides_on_every_class(plain):
    plain.predictions.instant = not_learnt(plain)
    plain.cursor.show(OPEN)
    plain.labelling.accept()
    assert plain.labels.decided.undecided(OPEN) == 0


def test_what_brings_the_new_class_is_accepted_with_it(session):
    session.suggestions.take(not_learnt(session))
    session.labelling.accept_sure(0.8)
    c = new_one(session.labels.taxonomy)
    assert session.labels.taxonomy.unpack(session.labels.present[OPEN])[c]
    assert session.labels.decided.undecided(OPEN) == 0


def test_errors_are_counted_on_labels_that_say_something_of_all_that_is_suggested(plain):
    taxonomy = plain.labels.taxonomy
    decided = learnt(plain).decided[:4]
    held = Held(np.arange(4), decided, np.full(4, 0.9, np.float32))
    plain.suggestions.take(learnt(plain, held=held))
    found = plain.suggestions.sure(0.8)
    assert (found.checked, found.missed) == (2, 1), "of the new class the first two say nothing"
    plain.suggestions.take(not_learnt(plain, held=held))
    found = plain.suggestions.sure(0.8)
    assert (found.checked, found.missed) == (4, 1), "and then nothing is said of it"
    nothing = Held(np.arange(4), np.zeros((4, len(taxonomy)), bool), held.sure)
    plain.suggestions.take(not_learnt(plain, held=nothing))
    assert plain.suggestions.sure(0.8).checked == 0, "such are not accepted either"


def test_a_model_that_answers_nothing_suggests_nothing_and_breaks_no_rule(session):
    predictions = not_learnt(session, sure=[0.9] * 5 + [0.0])
    predictions.decided[OPEN] = False
    session.suggestions.take(predictions)
    session.cursor.show(OPEN)
    assert session.suggestions.of() is None
    assert session.suggestions.bits([4, OPEN]).astype(bool).tolist() == [True, False]
    assert session.suggestions.sure(0.0).rows.tolist() == [4]
    assert not predictions.contradictions()[OPEN]


def test_enter_on_an_own_label_says_that_it_is_absent_once(session):
    store, me = session.require().project.store, session.require().annotator
    before = store.newest_gesture()
    session.predictions.instant = learnt(session)
    session.cursor.show(0)
    present = int(session.labels.present[0])
    session.labelling.accept()
    state = store.load_state(me)
    assert (int(state.present[0]), int(session.labels.decided.undecided(0))) == (present, 0)
    assert store.newest_gesture() == before + 1
    session.cursor.show(0)
    session.labelling.accept()
    assert store.newest_gesture() == before + 1, "there was nothing more to say"
    session.labelling.undo()
    assert session.labels.decided.undecided(0) == 1 << new_one(session.labels.taxonomy)
    assert np.array_equal(store.load_state(me).known, session.labels.decided.own_known)


@pytest.mark.parametrize("how", ["csv", "parquet", "json", "hdf5", "cxi"])
def test_a_copy_of_the_labels_leaves_it_undecided(project, tmp_path, how):
    if how == "parquet":
        pytest.importorskip("pyarrow", reason="the extra 'parquet' is not installed")
    out = tmp_path / f"labels.{how}"
    export(project, how, out)
    if how == "csv":
        with out.open(encoding="utf-8-sig", newline="") as stream:
            assert [line[NEW] for line in csv.DictReader(stream)] == ["", "", "0", "0", "", ""]
    sheet = read_labels(out)
    mine = project.annotator_name
    label_as(project, "Ada")
    assert plan(project, sheet, out).annotator == mine, "as the file says"
    apply(project, plan(project, sheet, out, "Ada"))
    ada, me = (project.store.load_state(a.id) for a in project.store.annotators()[::-1][:2])
    for copied, original in ((ada, me), (me, ada)):
        assert np.array_equal(copied.present, original.present)
        assert np.array_equal(copied.known, original.known)


def test_a_table_that_says_nothing_of_a_class_leaves_it_undecided(project, tmp_path):
    (tmp_path / "t.csv").write_text("shot,Round,Empty\n6,1,0\n1,1,0\n")
    made = plan(project, read_labels(tmp_path / "t.csv"), tmp_path / "t.csv")
    assert any("undecided on shots that get a first label" in line for line in made.lines())
    apply(project, made)
    table = project.shot_table()
    said = {table.class_names[c] for c in np.flatnonzero(table.decided[5])}
    assert said == {"Round", "Empty"}
    assert not table.decided[0, new_one(project.taxonomy)], "what it was"
    (tmp_path / "n.csv").write_text(f"shot,{NEW}\n1,0\n2,1\n")
    apply(project, plan(project, read_labels(tmp_path / "n.csv"), tmp_path / "n.csv"))
    table = project.shot_table()
    assert table.decided[:2, new_one(project.taxonomy)].all()
    assert table.labels[:2, new_one(project.taxonomy)].tolist() == [0, 1]


@pytest.mark.parametrize("name", ["some.h5", "some.cxi"])
def test_exported_shots_carry_what_is_undecided(project, tmp_path, name):
    out = tmp_path / name
    list(export_shots(project, range(4), out))
    table = table_of_file(out, taxonomy=project.taxonomy)
    c = new_one(project.taxonomy)
    assert table.decided[:, c].tolist() == [False, False, True, True]
    assert Selection(lacking=(NEW,)).of(project).tolist() == [2, 3]
    with Project.create(tmp_path / "again", [out], project.folder / "taxonomy.toml") as again:
        assert again.shot_table().decided[:, c].tolist() == [False, False, True, True]


def test_people_do_not_differ_on_what_one_of_them_never_saw(project):
    bit = 1 << new_one(project.taxonomy)
    me = project.store.load_state(project.annotator)
    other = project.store.annotator("Bob")
    project.store.record(other, [0, 2], me.present[[0, 2]] | bit, LABELLED, origin="key")
    found = agreement_of(project)
    assert found.rows_of(new_one(project.taxonomy)).tolist() == [2]
    (pair,) = found.pairs
    assert (pair.shots, pair.same) == (2, 1)
    adjudication.make_consensus(project)
    consensus = next(a.id for a in project.store.annotators() if a.kind == "consensus")
    state = project.store.load_state(consensus)
    assert (bool(state.present[0] & bit), bool(state.labelled[2])) == (True, False)


def test_a_consensus_leaves_undecided_what_no_reader_decided(project):
    me = project.store.load_state(project.annotator)
    (bit,) = [1 << new_one(project.taxonomy)]
    other = project.store.annotator("Bob")
    project.store.record(other, 0, me.present[0], LABELLED, origin="import", unsaid=bit)
    adjudication.make_consensus(project)
    consensus = next(a.id for a in project.store.annotators() if a.kind == "consensus")
    assert not project.store.load_state(consensus).known[0] & bit


def test_shares_of_a_file_count_the_shots_that_are_decided(project):
    table = project.shot_table()
    labels = table.labels.astype(bool)
    labels[2, new_one(project.taxonomy)] = True
    (side,) = side_by_side(["all"], table.source_of, labels, table.labelled, project.taxonomy,
                           known=table.decided)  # fmt: skip
    assert side.fractions[NEW][0] == 0.5
    assert sum(side.broken.values()) == 0


def test_two_runs_are_not_judged_on_it(project):
    taxonomy, state = project.taxonomy, project.merged_state()
    right = taxonomy.unpack(state.present)
    wrong = right.copy()
    wrong[:2, new_one(taxonomy)] = True

    def run(decided):
        return SimpleNamespace(
            readable=np.ones(len(right), bool), known=np.ones(len(taxonomy), bool),
            likely=lambda: decided, probabilities=decided.astype(np.float32), taxonomy=taxonomy,
        )  # fmt: skip

    judges = Judges(np.arange(len(right)))
    change = compare(run(right), run(wrong), state.present, state.status, judges, state.known)
    assert (change.verdict.worse, change.verdict.old) == ([], change.verdict.new)


def test_the_instant_head_hears_of_it(session):
    heard = []
    session.learning._instant = SimpleNamespace(learn=heard.append, close=lambda: None)
    session.learning.source = SimpleNamespace(number=1)
    session.learning._learn()
    (request,) = heard
    bit = new_one(session.labels.taxonomy)
    assert (request.known >> bit & 1).tolist() == [0, 0, 1, 1]
    session.learning._instant = session.learning.source = None


def test_a_class_whose_addition_is_undone_leaves_nothing_to_the_next(project):
    me = project.annotator
    project.store.record(me, OPEN, 1, LABELLED, origin="key")  # decided while it was there
    classes.undo(project)
    classes.undo(project)
    classes.add(project, "Square")
    table = project.shot_table()
    assert not table.decided[: OPEN + 1, project.taxonomy.index("Square")].any()


def test_what_is_merged_or_renamed_stays_undecided(project):
    classes.rename(project, NEW, "Three-cornered")
    classes.add(project, "Square")
    project.store.record(project.annotator, OPEN, 1 << project.taxonomy.index("Square"), LABELLED,
                         origin="key")  # fmt: skip
    classes.merge(project, "Square", "Three-cornered")
    table, c = project.shot_table(), project.taxonomy.index("Three-cornered")
    assert table.decided[:, c].tolist() == [False, False, True, True, False, True]
    assert table.labels[OPEN, c] == 1


def test_keys_over_the_labels_of_a_file_say_nothing_of_it(tmp_path, qapp):
    rows = np.zeros((6, 11), np.uint8)
    rows[:, :2] = 1
    week = make_project(tmp_path, 6, labels=rows)
    with Project.open(week) as project:
        classes.add(project, NEW)
    session = make_session(week)
    c = new_one(session.labels.taxonomy)
    session.cursor.show(0)
    session.labelling.toggle(session.labels.taxonomy.index("Layered"))
    assert standings(session)[c].mark == "undecided"
    session.cursor.show(1)
    session.labelling.accept()
    session.cursor.show(1)
    assert standings(session)[c].mark == "absent"
    own = session.opened.project.store.load_state(session.opened.annotator)
    assert np.array_equal(own.known, session.labels.decided.own_known)
    session.close()


def test_the_file_of_labels_says_what_is_undecided(project, tmp_path):
    export(project, "hdf5", tmp_path / "l.h5")
    with h5py.File(tmp_path / "l.h5") as file:
        assert file["known"][:4, new_one(project.taxonomy)].tolist() == [0, 0, 1, 1]


def test_a_retired_class_is_undecided_on_labels_that_were_made_meanwhile(tmp_path, qapp):
    session = make_session(make_project(tmp_path, 6))
    try:
        session.cursor.show(0)
        streak = session.labels.taxonomy.index("Streak")
        session.labelling.toggle(session.labels.taxonomy.index("Round"))
        session.change_classes(classes.retire, "Streak")
        session.cursor.show(1)
        session.labelling.toggle(session.labels.taxonomy.index("Round"))
        store, me = session.require().project.store, session.require().annotator
        assert np.array_equal(store.load_state(me).known, session.labels.decided.own_known)
        assert session.labels.decided.undecided(1) == 0, "nobody is asked for a retired class"
        session.change_classes(classes.add, "Streak")
        decided = session.labels.decided
        assert [decided.undecided(row) >> streak & 1 for row in (0, 1)] == [0, 1]
        session.cursor.show(2)
        session.labelling.toggle(session.labels.taxonomy.index("Round"))
        assert session.labels.decided.undecided(2) == 0
    finally:
        session.close()
