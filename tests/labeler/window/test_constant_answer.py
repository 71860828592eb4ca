"""Beside every score stands what one constant answer reaches: in the window, the report and lines
of the command line."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from labeler.cli import output
from labeler.project.project import Project
from labeler.quality.week_report import _runs
from labeler.runs.predictions import RunPredictions
from labeler.runs.run_report import compare, read_report
from labeler.session.background.training import Outcome
from labeler.window.frame.retrain import outcome_in_words
from labeler.window.live.form import LiveForm
from model.events import event
from model.runs.judges import judges_of
from tests.helpers.runs import give_roles, make_project, make_run
from tests.helpers.window_parts import window_on


@pytest.fixture
def window(qtbot, tmp_path):
    with make_project(tmp_path) as project:
        give_roles(project)
        make_run(project, 0.5)
        project.current_run = make_run(project, 0.8)
        week = project.folder
    yield from window_on(week, qtbot, tmp_path)


def outcome_of(session):
    """What a training that made run 1 after run 2 would come to."""
    project = session.require().project
    runs = [read_report(n, project.run_folder(n)) for n in (1, 2)]
    both = [RunPredictions.open(r.predictions, session.labels.taxonomy, session.labels.n_shots)
            for r in runs]  # fmt: skip
    labels = session.labels
    judges = judges_of(runs[0].folder, project.store.roles())
    change = compare(both[1], both[0], labels.present, labels.status, judges, labels.decided.known)
    return runs, change


def test_the_note_at_the_end_of_a_training_names_the_constant_answer(window):
    (new, old), change = outcome_of(window.session)
    assert "macro F1 .48 (constant answer .12)" in outcome_in_words(Outcome(new, True))
    said = outcome_in_words(Outcome(new, True, "", old, change))
    always = f"{change.verdict.constant:.2f}"[1:]
    assert f"→ {change.verdict.new:.2f}".replace("0.", ".") + f" (constant answer {always})" in said
    assert 0 < change.verdict.constant < 1
    assert f"(constant answer {change.verdict.constant:.2f})" in change.verdict.text


def test_both_figures_of_a_first_run_that_is_not_in_use_are_readable_at_1280_pixels(window):
    """With their reason and the buttons, of which the note of such a run has two."""
    (new, _), _ = outcome_of(window.session)
    figures = "Run 1 is not in use, because it scores lower: macro F1 0.19, the instant model 0.61"
    decided = f"{figures} (20 evaluation shots, kept aside)."
    window.session.training.outcome = Outcome(new, True, offered=True, decision=decided)
    window.session.training.changed.emit()
    window.grab()
    assert window.retrain_bar._outcome.text.text().startswith(figures)


def test_learn_draws_it_across_the_curves_and_writes_it_under_two_runs(window):
    window.show_tab("Learn")
    learn = window.views["Learn"]
    line = learn.curves.scores.constant
    assert line.isVisible()
    assert line.value() == 0.12
    learn.table.choose(1, 2)
    assert not line.isVisible()
    model = learn.changes.table.classes
    assert model._lines[-1].cells[0] == "Constant answer"
    assert model._lines[-1].cells[1] == f"{learn.changes.change.verdict.constant:.2f}"[1:]


def test_a_training_under_way_says_it_beside_its_score(window):
    training = window.session.training
    training.number, training._of = 2, window.session.opened
    training.work.job = object()
    training._receive(event("started", epochs=5, constant={"macro_f1": 0.21, "rare_f1": None}))
    training._receive(event("epoch", epoch=1, epochs=5, loss=1.0, metrics={"macro_f1": 0.4}))
    bar = window.retrain_bar
    assert bar._running.score.text() == "F1 .40 (constant .21)"
    window.show_tab("Learn")
    assert window.views["Learn"].curves.scores.constant.value() == 0.21
    training.work.job = None
    training.changed.emit()


def test_live_and_the_start_of_a_training_offer_no_bare_score(window):
    form = LiveForm(window.session, window.session.live)
    form.read_runs()
    texts = [form.runs.itemText(i) for i in range(form.runs.count())]
    assert texts
    assert all(text.endswith("(constant .12)") for text in texts)
    form.deleteLater()
    window.show_tab("Learn")
    start = window.views["Learn"].form.start
    assert [start.itemText(i) for i in range(start.count())][1:] == ["Run 2", "Run 1"]


def test_the_report_of_the_week_has_a_column_of_it(window):
    with Project.open(window.session.require().folder) as project:
        section = _runs(project, 1, datetime.now(UTC))
    heads, *lines = section.table
    assert heads[-1] == "constant answer (macro F1)"
    assert [line[-1] for line in lines] == ["0.120", "0.120"]


def test_the_command_line_says_it_beside_every_epoch(capsys):
    events = [
        event("started", epochs=2, constant={"macro_f1": 0.2}),
        event("epoch", epoch=1, epochs=2, loss=0.5, metrics={"macro_f1": 0.25}),
        event("finished"),
    ]
    output._with_bars(iter(events))
    assert "macro F1 0.250 (constant answer 0.200)" in capsys.readouterr().err
