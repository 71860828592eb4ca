"""Agreement, adjudication and consensus in a project, its week and its report."""

from __future__ import annotations

import json
import re
from datetime import datetime, timedelta
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from labeler.cli import main
from labeler.project.project import Project
from labeler.project.store import LABELLED
from labeler.project.store.timeline import Firsts, first_decisions
from labeler.quality import adjudication, week_figures
from labeler.quality.agreement import WITH_THE_FILES, Readers, agreement_of, readers_of
from labeler.quality.pace import PAUSE
from labeler.quality.rules import check_rules, mended, rows_that_break
from labeler.quality.week import rare_classes, week_from
from labeler.quality.week_report import write_report
from labeler.window.widgets.print_pdf import print_pdf
from model.errors import InputError
from model.taxonomy.taxonomy import Class, Taxonomy
from model.taxonomy.toml import load, shipped
from tests.helpers.window_parts import make_project

HELIUM = load(shipped("helium"))
ROUND, STREAK, BENT = (1 << HELIUM.index(n) for n in ("Round", "Streak", "Bent"))
SPHERICAL, PROLATE = (1 << HELIUM.index(n) for n in ("Spherical/Oblate", "Prolate"))


@pytest.fixture
def project(tmp_path):
    """Three people on 12 shots; the third read fewer; they differ on shots 2 and 5 (from 0)."""
    with Project.open(make_project(tmp_path)) as made:
        store, base = made.store, np.full(12, SPHERICAL | ROUND)
        base[6:] = PROLATE | STREAK
        ada, bob, eve = made.annotator, store.annotator("bob"), store.annotator("eve")
        said = base.copy()
        store.record(ada, range(12), said, LABELLED, origin="key")
        said[5] = SPHERICAL
        said[2] = PROLATE | BENT
        store.record(bob, range(12), said, LABELLED, origin="import")
        store.record(eve, [2, 7], [SPHERICAL | ROUND, PROLATE | STREAK], LABELLED, origin="import")
        repeat = store.annotator("ada, second reading", kind="repeat")
        store.record(repeat, range(12), 0, LABELLED, origin="repeat")
        yield made


def test_people_are_compared_on_the_shots_that_two_of_them_read(project):
    found = agreement_of(project)
    assert [n for _, n in found.readers] == [12, 12, 2]
    assert found.shots == 12
    assert found.rows.tolist() == [2, 5]
    assert found.rows_of(HELIUM.index("Bent")).tolist() == [2]
    assert found.rows_of(HELIUM.index("Round")).tolist() == [2, 5]
    first = found.pairs[0]
    assert (first.shots, first.same) == (12, 10)
    assert first.kappa[HELIUM.index("Streak")] == pytest.approx(1.0)
    assert np.isnan(first.kappa[HELIUM.index("Empty")])
    alpha = found.alphas[HELIUM.index("Streak")]
    assert (alpha.value, alpha.differing) == (pytest.approx(1.0), 0)
    assert found.alphas[HELIUM.index("Round")].value < 0.9


def test_label_sets_of_sixty_classes_that_differ_in_one_class_are_different():
    taxonomy = Taxonomy("many", [Class(f"C{c}") for c in range(60)], [])
    last = np.int64(1) << 59
    one, other = [last | 1, last, last | 1, last], [last, last | 1, last, last | 1]
    everything = np.full((2, 4), (1 << 60) - 1)
    readers = Readers(("ada", "bob"), everything > 0, np.array([one, other]), everything)
    found = agreement_of(SimpleNamespace(taxonomy=taxonomy), readers)
    assert found.whole == found.alphas[0].value == pytest.approx(-0.75)


def test_labels_of_the_files_are_a_reader_of_their_own(tmp_path):
    labels = np.zeros((12, len(HELIUM)), np.uint8)
    labels[:, HELIUM.index("Round")] = 1
    with Project.open(make_project(tmp_path, labels=labels)) as project:
        assert agreement_of(project).shots == 0
        project.store.record(project.annotator, [1, 2], [ROUND, STREAK], LABELLED, origin="key")
        found = agreement_of(project)
        assert found.readers[1] == (WITH_THE_FILES, 12)
        assert found.rows.tolist() == [2]


def test_a_project_that_nobody_labelled_agrees_on_nothing(tmp_path):
    with Project.open(make_project(tmp_path)) as project:
        found = agreement_of(project)
        assert (found.shots, len(found.rows), found.pairs) == (0, 0, ())
        assert np.isnan(found.whole)
        assert adjudication.make_consensus(project).changed == 0


def test_the_majority_becomes_a_label_of_its_own_and_ties_stay_open(project):
    before = [project.store.load_state(a.id).present.copy() for a in project.store.annotators()]
    found = adjudication.make_consensus(project)
    assert (found.unanimous, found.majority, found.open, found.changed) == (10, 1, 1, 11)
    who = adjudication.consensus_annotator(project)
    state = project.store.load_state(who)
    assert state.present[2] == SPHERICAL | ROUND
    assert not state.labelled[5]
    for old, a in zip(before, project.store.annotators(), strict=False):
        assert np.array_equal(project.store.load_state(a.id).present, old)
    assert adjudication.make_consensus(project).changed == 0
    project.store.undo(who)
    assert not project.store.load_state(who).labelled.any()


def test_what_is_settled_by_hand_stays_against_the_majority(project):
    differing = agreement_of(project).rows
    assert adjudication.open_questions(project, differing).tolist() == [2, 5]
    adjudication.settle(project, 2, PROLATE | BENT)
    assert adjudication.open_questions(project, differing).tolist() == [5]
    found = adjudication.make_consensus(project)
    assert (found.majority, found.by_hand) == (0, 1)
    who = adjudication.consensus_annotator(project)
    assert project.store.load_state(who).present[2] == PROLATE | BENT
    assert project.store.history(2)[-1].origin == "adjudicated"


def test_a_consensus_that_no_longer_holds_is_open_again(project):
    adjudication.make_consensus(project)
    adjudication.settle(project, 5, SPHERICAL)
    ada = project.annotator
    project.store.record(ada, 3, PROLATE | BENT, LABELLED, origin="key")
    found = adjudication.make_consensus(project)
    assert (found.by_hand, found.open, found.changed) == (1, 1, 1)
    who = adjudication.consensus_annotator(project)
    assert np.flatnonzero(~project.store.load_state(who).labelled).tolist() == [3]
    assert adjudication.open_questions(project, agreement_of(project).rows).tolist() == [3]
    bob = next(a.id for a in project.store.annotators() if a.name == "bob")
    project.store.record(bob, range(12), 0, 0, origin="key")  # one reader is none to compare with
    found = adjudication.make_consensus(project)
    assert found.unanimous == 2
    state = project.store.load_state(who)
    assert np.flatnonzero(state.labelled).tolist() == [2, 5, 7]
    assert state.present[5] == SPHERICAL


def test_votes_tell_who_said_what(project):
    said = adjudication.votes(readers_of(project), 5)
    assert [(v.name, v.present) for v in said[1:]] == [("bob", SPHERICAL), ("eve", None)]


def test_the_command_line_tells_agreement_in_numbers(project, capsys):
    assert main(["agreement", str(project.folder), "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["differing"] == [3, 6]
    assert found["classes"]["Streak"]["alpha"] == pytest.approx(1.0)
    assert found["classes"]["Empty"]["alpha"] is None
    assert main(["agreement", str(project.folder), "--consensus"]) == 0
    said = capsys.readouterr().out
    assert "10 shots labelled alike, 1 by majority" in said


# -- rules -------------------------------------------------------------------------------------


def test_rules_are_counted_by_label_set_and_mended_by_their_fix():
    present = np.array([STREAK, STREAK, STREAK | BENT, SPHERICAL | ROUND, 0, STREAK])
    status = np.array([1, 1, 1, 1, 1, 0], np.uint8)
    found = {b.rule.text: b for b in check_rules(present, status, HELIUM)}
    broken = next(b for text, b in found.items() if "Streak" in text and "Prolate" in text)
    assert (broken.shots, broken.mendable) == (3, 3)
    assert broken.sets == (("Streak", 2), ("Streak + Bent", 1))
    r = list(HELIUM.rules).index(broken.rule)
    assert rows_that_break(r, present, status, HELIUM).tolist() == [0, 1, 2]
    rows, bits = mended(r, present, status, HELIUM)
    assert rows.tolist() == [0, 1, 2]
    assert (bits & PROLATE > 0).all()
    violations = HELIUM.violations(HELIUM.unpack(present[:5]))
    assert [b.shots for b in found.values()] == violations.sum(0).tolist()


# -- the week ----------------------------------------------------------------------------------

NOON = datetime(2026, 3, 4, 12, 0)  # a Wednesday


def firsts(*stretches: tuple[datetime, int, float], origin: str = "key") -> Firsts:
    times = [s.timestamp() + k * gap for s, n, gap in stretches for k in range(n)]
    return Firsts(np.arange(len(times)), np.array(times), np.array([origin] * len(times)))


def test_the_week_counts_shots_by_day_and_leaves_pauses_out():
    found = week_from(
        firsts(
            (NOON - timedelta(days=1), 61, 10.0), (NOON, 11, 30.0), (NOON.replace(hour=14), 5, 6.0)
        ),
        NOON.replace(hour=15),
    )
    assert (found.today.shots, found.today.worked_s) == (16, 10 * 30 + 4 * 6)
    assert found.week.shots == 77
    assert found.days[-2][1].per_hour == pytest.approx(61 / 600 * 3600)
    assert [(h.hour, n) for h, n in found.hours] == [(12, 11), (13, 0), (14, 5)]
    assert np.isnan(found.days[0][1].per_hour)


def test_shots_decided_in_bulk_say_nothing_of_the_pace():
    found = week_from(firsts((NOON, 50, 0.0), origin="bulk"), NOON)
    assert (found.all.shots, found.bulk) == (0, 50)


def test_a_long_gap_is_a_pause():
    found = week_from(firsts((NOON, 2, PAUSE), (NOON.replace(hour=13), 2, PAUSE + 1)), NOON)
    assert found.all.worked_s == PAUSE


def test_only_the_first_decision_on_a_shot_counts(project):
    me = project.store.annotator("new")
    project.store.record(me, 4, ROUND, LABELLED, origin="key")
    project.store.record(me, 4, STREAK, LABELLED, origin="key")
    project.store.record(me, 4, 0, 0, origin="key")
    project.store.record(me, 4, BENT, LABELLED, origin="key")
    project.store.record(me, [1, 2, 4], BENT, LABELLED, origin="bulk")
    found = first_decisions(project.store.database, me)
    assert found.rows.tolist() == [4, 1, 2]
    assert found.origins.tolist() == ["key", "bulk", "bulk"]
    project.store.record(me, [3, 4], BENT, LABELLED, origin="bulk")  # of which one changed
    assert first_decisions(project.store.database, me).origins[-1] == "key"


def test_decisions_that_were_taken_back_are_no_first_ones(project):
    store, me = project.store, project.store.annotator("new")
    store.record(me, range(8), ROUND, LABELLED, origin="bulk")
    store.undo(me)
    assert len(first_decisions(store.database, me)) == 0
    store.record(me, range(3), ROUND, LABELLED, origin="key")
    assert first_decisions(store.database, me).origins.tolist() == ["key"] * 3
    store.undo(me)
    store.redo(me)
    assert first_decisions(store.database, me).rows.tolist() == [0, 1, 2]


def test_rare_classes_come_rarest_first():
    counts = [60] * len(HELIUM)
    counts[2], counts[5] = 3, 0
    assert rare_classes(counts, HELIUM) == [(HELIUM.names[5], 0), (HELIUM.names[2], 3)]


# -- the report --------------------------------------------------------------------------------


def test_the_report_is_one_file_with_figures(project, tmp_path):
    assert write_report(project, tmp_path / "week.pdf", print_pdf).read_bytes().startswith(b"%PDF")
    text = write_report(project, tmp_path / "week.html", print_pdf).read_text(encoding="utf-8")
    assert text.count("<svg") == 3
    assert "Agreement between people" in text
    assert "On 2 they differ" in text
    links = re.findall(r"(?:src|href)=\"(?!#)", text.replace("xlink:href", "href"))
    assert links == []


def test_the_report_of_an_empty_project_says_what_there_is(tmp_path):
    with Project.open(make_project(tmp_path)) as project:
        text = write_report(project, tmp_path / "week.html", print_pdf).read_text(encoding="utf-8")
    assert "labelled: 0" in text
    assert text.count("<svg") == 1


def test_names_in_the_report_are_text_and_never_markup(project, tmp_path):
    evil = project.store.annotator("<script>alert(1)</script> $x_1$")
    project.store.record(evil, range(12), ROUND, LABELLED, origin="key")
    text = write_report(project, tmp_path / "evil.html", print_pdf, annotator=evil).read_text(
        "utf-8"
    )
    assert "<script>" not in text
    assert "&lt;script&gt;" in text
    write_report(project, tmp_path / "evil.pdf", print_pdf, annotator=evil)


def test_a_class_called_like_a_formula_is_text_in_figures():
    drawn = week_figures.classes(["$\\frac{", "$a$ & <b>"], [1, 2], [0, 0])
    assert drawn.startswith("<svg")
    assert "<b>" not in drawn


def test_a_section_that_fits_on_a_page_is_not_parted_in_a_pdf(qapp, tmp_path):
    parts = "".join(f"<h2>Part {n}</h2><p>{'word ' * 900}</p>" for n in range(3))
    print_pdf(parts, tmp_path / "a.pdf")
    assert (tmp_path / "a.pdf").read_bytes().count(b"/Type /Page\n") == 3


def test_a_pdf_on_a_full_disk_leaves_nothing(qapp, project, tmp_path):
    with pytest.raises(InputError, match="No space left"):
        write_report(
            project, tmp_path / "week.pdf", lambda text, out: print_pdf(text, Path("/dev/full"))
        )
    assert not list(tmp_path.glob("*week.pdf*"))


def test_a_report_replaces_nothing_and_knows_two_forms(project, tmp_path, capsys):
    words = ["report", str(project.folder), "--out"]
    assert main([*words, str(tmp_path / "a.html")]) == 0
    assert main([*words, str(tmp_path / "a.html")]) == 1
    assert "--force" in capsys.readouterr().err
    with pytest.raises(InputError, match="neither HTML nor PDF"):
        write_report(project, tmp_path / "a.docx", print_pdf)
