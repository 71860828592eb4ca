"""Learn: the form in words, curves while they grow, runs in a table, two of them side by side."""

import json
import time
from dataclasses import replace

import numpy as np
import pytest
from PyQt6.QtCore import Qt
from PyQt6.QtGui import QPainter, QPixmap
from PyQt6.QtWidgets import QApplication

from labeler.runs.training_choices import TrainingOrder
from labeler.session.session import Session
from labeler.window.learn.changes import in_words
from labeler.window.learn.curves import Curve
from labeler.window.learn.runs import between, signed
from labeler.window.learn.view import LearnView
from labeler.window.widgets import theme
from labeler.window.widgets.parts import share, when
from model.runs.promotion import Verdict
from model.shots.table import EVALUATION
from model.training.roles import with_roles
from tests.helpers.runs import give_roles, make_project, make_run, write_events


@pytest.fixture
def shown(qtbot, tmp_path, qapp):
    """Shows Learn on a made-up project with runs of the given qualities."""
    theme.apply(qapp, "dark")
    sessions = []

    def make(qualities=(), current=None, labelled=True, prepare=None):
        with make_project(tmp_path, labelled=labelled) as project:
            give_roles(project)
            for quality in qualities:
                make_run(project, quality)
            if prepare:
                prepare(project)
            project.current_run = current
        session = Session()
        sessions.append(session)
        session.open(tmp_path / "week")
        view = LearnView(session)
        qtbot.addWidget(view)
        view.resize(1280, 690)
        view.show()
        return session, view

    yield make
    for session in sessions:
        session.close()


def cells(table):
    """The texts of a table, row by row."""
    model = table.model()
    return [
        [model.index(row, column).data() for column in range(model.columnCount())]
        for row in range(model.rowCount())
    ]


def test_empty_it_says_what_will_be_here_and_how_to_get_it(shown, qtbot):
    _, view = shown()
    assert view.empty.isVisible()
    assert "No run yet" in view.empty.title.text()
    orders = []
    view.form.train_requested.disconnect(view.retraining.start)
    view.form.train_requested.connect(orders.append)
    qtbot.mouseClick(view.empty.button, Qt.MouseButton.LeftButton)
    assert orders == [TrainingOrder()]


def test_without_labels_it_says_how_many_are_needed(shown):
    _, view = shown(labelled=False)
    assert "Label 10 more shots" in view.empty.text.text()
    assert not view.empty.button.isVisible()
    assert not view.form.button.isEnabled()
    assert "Label 10 more shots" in view.form.needed.text()


def test_the_form_offers_recipes_in_words_and_follows_them(shown):
    _, view = shown()
    form = view.form
    assert [form.recipe.itemText(i) for i in range(form.recipe.count())] == [
        "Quick", "Best", "As the paper", "As the authors' code",
    ]  # fmt: skip
    assert "40 labelled shots" in form.facts.text()
    assert "14 of them kept for evaluation" in form.facts.text()
    form.recipe.setCurrentText("As the paper")
    assert form.epochs.text() == "200, as the recipe says"
    assert "Zimmermann" in form.about.text()
    assert form.order() == TrainingOrder("paper")
    form.epochs.setValue(3)
    form.network.setCurrentText("ResNet-50")
    assert form.order() == TrainingOrder("paper", "resnet50", 3)


def test_shots_in_error_are_counted_as_left_out(shown):
    session, view = shown()
    wrong = session.labels.taxonomy.pack(session.labels.taxonomy.mask(["Empty", "Round"]))
    session.labels.decided.put([0, 1], wrong, 1)
    session.labels.labels_changed.emit([0, 1])
    assert "2 shots in error left out" in view.form.facts.text()


def test_runs_stand_in_a_table_newest_first_with_the_one_in_use_marked(shown):
    _, view = shown((0.5, 0.8), current=1)
    rows = cells(view.table)
    assert [row[1] for row in rows] == ["2", "1"]
    assert [row[0] for row in rows] == ["", "●"]
    assert rows[0][3:6] == ["Quick", "ResNet-18", "40"]
    assert rows[0][6] == ".76"
    assert [run.number for run in view.table.chosen()] == [1]
    assert view.changes.title.text() == "Run 1 by class"
    assert cells(view.changes.table)[0][0] == "Spherical/Oblate"


def test_beside_every_score_stands_what_a_constant_answer_reaches(shown):
    _, view = shown((0.5, 0.8), current=1)
    heads = view.table.runs.heads
    column = heads.index("Constant")
    assert heads.index("Macro F1") == column - 1
    assert [row[column] for row in cells(view.table)] == [".12", ".12"]
    accuracy = view.table.runs.index(0, heads.index("Accuracy"))
    assert "a constant answer has .70" in accuracy.data(Qt.ItemDataRole.ToolTipRole)
    mean, constant = cells(view.changes.table)[-2:]
    assert mean[:3] == ["Mean", ".48", "–"]
    assert constant[:3] == ["Constant answer", ".12", "–"]


def test_a_training_that_begins_is_the_run_that_is_shown(shown, qtbot):
    session, view = shown((0.5,), current=1)
    now = view.retraining
    now.number = int(session.opened.project.new_run_folder().name)
    now.work.job, now._of = object(), session.opened
    now.runs_changed.emit()
    assert [run.number for run in view.table.chosen()] == [2]
    assert view.title.text() == "Run 2"
    view.table.choose(1)  # what one chooses meanwhile stays
    now.runs_changed.emit()
    assert [run.number for run in view.table.chosen()] == [1]
    now.work.job = None


def test_a_score_from_one_shot_has_no_interval_of_width_zero(shown):
    def narrow(project):
        path = project.run_folder(1) / "metrics.json"
        report = json.loads(path.read_text())
        report["intervals"] = {"macro_f1": [1.0, 1.0]}
        report["per_class"]["Round"] |= {"f1": 1.0, "f1_low": 1.0, "f1_high": 1.0, "shots": 1}
        path.write_text(json.dumps(report))

    _, view = shown((0.5,), current=1, prepare=narrow)
    assert "±" not in "".join(cells(view.table)[0])
    (line,) = [row for row in cells(view.changes.table) if row[0] == "Round"]
    assert line[1:3] == ["1.00", "–"]


def test_two_runs_stand_side_by_side_on_the_same_shots(shown):
    _, view = shown((0.1, 0.95), current=1)
    view.table.choose(1, 2)
    assert "run 1 and run 2" in view.changes.title.text()
    rows = cells(view.changes.table)
    assert {row[0] for row in rows} >= {"Round", "Streak"}
    assert any(row[3].startswith("▲") for row in rows)
    assert "14 evaluation shots" in view.changes.note.text()


def test_runs_that_cannot_be_compared_say_why(shown):
    def spoil(project):
        (project.run_folder(2) / "predictions.h5").unlink()

    _, view = shown((0.5, 0.8), current=1, prepare=spoil)
    view.table.choose(1, 2)
    assert "has not predicted all shots" in view.changes.note.text()
    assert cells(view.changes.table) == []


def test_another_run_is_used_and_the_old_one_again(shown, qtbot):
    session, view = shown((0.5, 0.8), current=1)
    assert not view.use.isEnabled()
    for number in (2, 1):
        view.table.choose(number)
        assert view.use.text() == f"Use run {number}"
        qtbot.mouseClick(view.use, Qt.MouseButton.LeftButton)
        assert session.opened.project.current_run == number
        assert cells(view.table)[2 - number][0] == "●"


def test_a_failed_run_tells_why_and_cannot_be_used(shown):
    def fail(project):
        write_events(project.new_run_folder(), 0.3, epochs=1, end="failed", text="No space left.")

    _, view = shown((0.5,), current=1, prepare=fail)
    view.table.choose(2)
    assert view.detail.text() == "failed: No space left."
    assert not view.use.isEnabled()
    assert cells(view.table)[0][-1] == "failed"


def test_curves_of_the_chosen_run_are_drawn(shown):
    _, view = shown((0.5, 0.8), current=1)
    x, y = view.curves.scores.curves[0].getData()
    assert x.tolist() == [1, 2, 3, 4, 5, 6]
    view.table.choose(2)
    assert view.curves.scores.curves[0].getData()[1][-1] > y[-1]
    assert len(view.curves.losses.curves[0].getData()[0]) == 6
    assert not view.curves.losses.keys[1].isVisible()


def test_live_curves_grow_with_the_events(shown):
    _, view = shown((0.5,), current=1)
    now = view.retraining
    now.work.job, now.number, now._of = object(), 2, view.session.opened
    view.table.choose(2)
    for epoch in (1, 2, 3):
        now._receive({"event": "epoch", "epoch": epoch, "epochs": 20, "loss": 0.5 / epoch,
                   "metrics": {"macro_f1": 0.1 * epoch}, "seconds_left": 100})  # fmt: skip
        assert len(view.curves.losses.curves[0].getData()[0]) == epoch
    assert view.title.text() == "Run 2"
    assert view.detail.text().startswith("epoch 3 of 20 · 2 min left")
    assert view.cancel.isVisible()
    now.work.job = None


def test_a_cancelled_run_says_so_once(shown):
    text = "Cancelled; the network of epoch 3, the last, is kept."
    made = {"epochs": 3, "end": "cancelled", "text": text}
    _, view = shown(prepare=lambda project: make_run(project, 0.5, **made), current=1)
    assert view.detail.text() == f"3 epochs · {text}"


def test_a_run_that_was_cancelled_in_its_first_epoch_says_so_over_its_empty_plots(shown):
    text = "Cancelled in epoch 1 of 14, after 3 steps; the network so far is kept."
    made = {"epochs": 0, "end": "cancelled", "text": text}
    _, view = shown(prepare=lambda project: make_run(project, 0.5, **made), current=1)
    assert view.detail.text() == text
    for plot in (view.curves.losses, view.curves.scores):
        assert plot.nothing.text() == "No epoch was finished"


def test_so_many_shots_are_said_to_judge_as_the_training_will_take(shown):
    """Whose roles are given when it begins; of labels given together none judge."""
    session, view = shown(labelled=False)
    project = session.require().project
    kinds = [int(session.labels.taxonomy.pack(session.labels.taxonomy.mask([name])))
             for name in ("Empty", "Streak")]  # fmt: skip
    project.store.set_roles(np.arange(40), 0)
    session.labels.decide(np.arange(20), np.resize(kinds, 20), 1, "bulk")
    assert "none of them can judge: label some yourself" in view.form.facts.text()
    for row in range(20, 40):
        session.labels.decide([row], kinds[row % 2], 1, "key")
    assert "40 labelled shots\n6 of them kept for evaluation" in view.form.facts.text()
    table = replace(project.shot_table(), together=project.labelled_together())
    assert (with_roles(table).role == EVALUATION).sum() == 6


@pytest.mark.parametrize("last", [1.0, 2.0, 3.0, 7.0, 110.0])
def test_epochs_are_numbered_in_whole_numbers(shown, last):
    _, view = shown((0.5,), current=1)
    for plot in (view.curves.losses, view.curves.scores):
        axis = plot.plot.getAxis("bottom")
        plot.plot.setXRange(1.0, max(last, 2.0), padding=0.02)
        ticks = axis.tickValues(*axis.range, axis.width())
        assert ticks[0][1]
        for step, places in ticks:
            assert step >= 1
            assert all(float(place).is_integer() for place in places)


@pytest.mark.parametrize("last", [2, 3, 7, 12, 20, 29, 50, 110])
def test_the_last_epoch_has_its_number(shown, last):
    _, view = shown((0.5,), current=1)
    epochs = [float(k) for k in range(1, last + 1)]
    for plot in (view.curves.losses, view.curves.scores):
        plot.show_lines([(Curve("training", "training shots", "accent"), epochs, epochs)])
        canvas = QPixmap(10, 10)
        painter = QPainter(canvas)
        _, _, texts = plot.axis.generateDrawSpecs(painter)
        painter.end()
        numbers = [int(text) for _, _, text in texts]
        assert numbers.count(last) == 1
        assert max(numbers) == last


def test_it_is_dressed_anew_with_the_theme(shown, qapp):
    _, view = shown((0.5,), current=1)
    for name in ("light", "dark"):
        theme.apply(qapp, name)
        QApplication.processEvents()
        pen = view.curves.scores.curves[0].opts["pen"]
        assert pen.color() == theme.colour("accent")


def test_everything_can_be_reached_by_name(shown):
    _, view = shown((0.5,), current=1)
    for widget in (
        view.form.recipe,
        view.form.network,
        view.form.epochs,
        view.form.start,
        view.table,
        view.changes.table,
    ):
        assert widget.accessibleName()


def test_numbers_and_times_are_written_as_in_the_field():
    assert [share(v) for v in (0.714, 1.0, 0.0, None, float("nan"))] == [
        ".71", "1.00", ".00", "–", "–",
    ]  # fmt: skip
    assert [signed(v) for v in (0.05, -0.118, 0.001)] == ["▲ .05", "▼ .12", "–"]
    now = time.mktime((2026, 3, 12, 18, 30, 0, 0, 0, -1))
    assert when(now - 10, now) == "just now"
    assert when(now + 3 * 86400, now) == "15 Mar 2026 18:30", "the clock was set back"
    assert when(now - 600, now) == "10 min ago"
    assert when(now - 3 * 3600, now) == "today 15:30"
    assert when(now - 24 * 3600, now) == "yesterday 18:30"
    assert when(now - 3 * 86400, now) == "Mon 18:30"
    assert when(0) == "–"


def test_the_curves_of_several_runs_are_drawn_over_each_other(shown):
    _, view = shown((0.3, 0.5, 0.8), current=1)
    view.table.choose(1, 2, 3)
    assert view.title.text() == "Runs 1, 2 and 3"
    scores, keys = view.curves.scores.curves, view.curves.scores.keys
    last = [curve.getData()[1][-1] for curve in scores[:3]]
    assert last == sorted(last)
    assert [key.line.text for key in keys if key.isVisible()] == ["run 1", "run 2", "run 3"]
    pens = {(c.opts["pen"].color().name(), tuple(c.opts["pen"].dashPattern())) for c in scores[:3]}
    assert len(pens) == 3
    assert view.curves.score.isVisible()
    view.curves.score.setCurrentText("accuracy")
    assert scores[0].getData()[1][-1] > 0.9
    view.table.choose(2)
    assert not view.curves.score.isVisible()
    assert [k.line.text for k in keys if k.isVisible()] == ["macro F1", "rare F1", "accuracy"]


def test_the_shots_that_two_runs_decide_apart_are_one_click_away(shown, qtbot):
    session, view = shown((0.1, 0.95), current=1)
    view.table.choose(1, 2)
    pane = view.changes
    assert "significantly better" in pane.verdict.text()
    assert pane.change.verdict.better
    assert pane.won.text() == f"{len(pane.change.verdict.better)} won"
    with qtbot.waitSignal(view.label_requested):
        qtbot.mouseClick(pane.won, Qt.MouseButton.LeftButton)
    assert session.queue.rows.tolist() == pane.change.verdict.better
    assert session.queue.choice.title == "Only run 2 is right"
    qtbot.mouseClick(pane.flipped, Qt.MouseButton.LeftButton)
    assert len(session.queue.rows) == len(pane.change.flipped) > len(pane.change.verdict.better)
    view.table.choose(1)
    assert not pane.won.isVisible()
    assert not pane.verdict.isVisible()


def test_a_run_that_is_significantly_worse_says_so(shown):
    _, view = shown((0.95, 0.05), current=1)
    view.table.choose(1, 2)
    assert "significantly worse" in view.changes.verdict.text()
    rows = cells(view.changes.table)
    assert any(row[3].startswith("▼") and row[4].startswith("−") for row in rows)


def test_a_training_may_begin_with_an_earlier_run_of_its_kind(shown):
    _, view = shown((0.5, 0.8), current=1)
    start = view.form.start
    assert [start.itemText(i) for i in range(start.count())] == [
        "Pre-trained", "Run 2", "Run 1",
    ]  # fmt: skip
    start.setCurrentIndex(2)
    assert view.form.order() == TrainingOrder(warm_start=1)
    view.refresh()
    assert view.form.order() == TrainingOrder(warm_start=1)
    view.form.network.setCurrentText("ResNet-50")
    assert [start.itemText(i) for i in range(start.count())] == ["Chance"]
    assert view.form.order() == TrainingOrder(network="resnet50")


def test_the_form_counts_the_labels_of_each_class_and_marks_the_few(shown):
    session, view = shown()
    lines = dict(view.form.counts.lines())
    assert lines["Round"] == "10"
    assert lines["Bent"] == "none"
    session.labels.decided.put(
        [0], session.labels.taxonomy.pack(session.labels.taxonomy.mask(["Empty"])), 1
    )
    view._refresh_form()
    assert dict(view.form.counts.lines())["Round"] == "9 · too few"


def test_one_key_goes_back_to_the_run_before_and_forth_again(shown, qtbot):
    session, view = shown((0.5, 0.8), current=1)
    assert not view.back.isVisible()
    view.retraining.go_back()
    assert session.opened.project.current_run == 1
    view.retraining.use(2)
    assert view.back.text() == "Back to run 1"
    qtbot.mouseClick(view.back, Qt.MouseButton.LeftButton)
    assert session.opened.project.current_run == 1
    view.retraining.go_back()
    assert session.opened.project.current_run == 2


def test_only_shots_that_a_training_uses_are_said_to_judge_it(shown):
    """Evaluation shots that are in error, unlabelled or another one's are none of them."""
    session, view = shown()
    rows = np.flatnonzero(session.opened.project.store.roles() == EVALUATION)
    used, judging = session.labels.decided.tally.labelled, len(rows)
    assert f"{used} labelled shots\n{judging} of them kept for evaluation" in view.form.facts.text()
    wrong = session.labels.taxonomy.pack(session.labels.taxonomy.mask(["Empty", "Round"]))
    session.labels.decided.put(rows[:2].tolist(), wrong, 1)
    session.labels.labels_changed.emit(rows[:2].tolist())
    facts = view.form.facts.text()
    assert f"{used - 2} labelled shots\n2 shots in error left out" in facts
    assert f"\n{judging - 2} of them kept for evaluation" in facts


def test_labels_that_came_while_another_view_was_in_front_count_when_learn_is_shown(shown):
    session, view = shown(labelled=False)
    assert "0 labelled shots" in view.form.facts.text()
    view.hide()
    session.labels.decide(list(range(12)), 1, 1, "bulk")
    view.show()
    assert "12 labelled shots" in view.form.facts.text()


@pytest.mark.parametrize("width", [1276, 1920])
def test_no_name_and_no_head_of_a_table_is_cut_where_there_is_room(shown, width):
    _, view = shown([0.5, 0.7], current=1)
    view.resize(width, 690)
    view.table.choose(1, 2)
    QApplication.processEvents()
    for table in (view.table, view.changes.table):
        head = table.horizontalHeader()
        for column in range(table.model().columnCount()):
            needed = max(table.sizeHintForColumn(column), head.sectionSizeHint(column))
            said = table.model().headerData(column, Qt.Orientation.Horizontal)
            assert table.columnWidth(column) >= needed, (said, width)


def test_an_interval_without_width_is_one_number_and_signs_are_those_of_the_table():
    assert between(0.0, 0.0) == ".00"
    assert between(-0.0803, 0.021) == "−.08…+.02"
    verdict = Verdict(True, 0.62, 0.63, -0.08, 0.05, [], [], shots=30, constant=0.2)
    said = in_words(verdict)
    assert "Macro F1 .62 → .63 (constant answer .20)" in said
    assert "95 %: −.08 to +.05" in said
