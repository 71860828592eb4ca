"""Retrain: one click, progress, Cancel, the note at the end; and the way back."""

from functools import partial
from pathlib import Path

import psutil
import pytest
from PyQt6.QtCore import Qt

from labeler.jobs.job import Job
from labeler.project.decisions import Decisions
from labeler.project.project import Project
from labeler.runs.run_report import read_report
from labeler.runs.training_choices import TrainingOrder, lacking
from labeler.session.background import training
from labeler.session.session import Session
from labeler.window.frame.retrain import RetrainBar
from labeler.window.widgets import theme
from tests.helpers.people import label_as
from tests.helpers.predictions import HELIUM
from tests.helpers.runs import give_roles, make_project, make_run, make_shots

HERE = str(Path(__file__).parents[3])
CHILD = f"""
import json, os, sys, time
from pathlib import Path
sys.path.insert(0, {HERE!r})
from labeler.jobs import child
stop = child.listen()
def say(kind, **fields): print(json.dumps({{"event": kind, "time": 0, **fields}}), flush=True)
words = sys.argv[1:]
project = Path(words[1])
out = Path(words[words.index("--out" if words[0] == "train" else "--run") + 1])
"""
TRAIN = (
    CHILD
    + """
from tests.helpers.runs import write_events, write_results
from labeler.project.project import Project
say("started", recipe="quick", network="resnet18", shots=40, epochs=3, seconds_left=30)
for epoch in (1, 2, 3):
    say("epoch", epoch=epoch, epochs=3, loss=.5, metrics={"macro_f1": .2 * epoch}, seconds_left=9)
say("progress", what="predicting", done=10, total=40)
with Project.open(project) as opened:
    labels = opened.shot_table().labels.astype(bool)
    write_results(out, opened.taxonomy, labels, 0.95, seed=5)
    if opened.current_run is None:
        opened.current_run = int(out.name)
write_events(out, 0.95)
say("finished", current=True, decision="Run 1 is in use: macro F1 0.95, the instant model 0.61.")
"""
)
DECISION = "Run 1 is not in use, because it scores lower: macro F1 0.19, the instant model 0.61."
WORSE_FIRST = (
    TRAIN.replace("opened.current_run = int(out.name)", "pass")
    .replace("current=True", "current=False")
    .replace("Run 1 is in use: macro F1 0.95, the instant model 0.61.", DECISION)
)
WAIT = (
    CHILD
    + """
say("started", pid=os.getpid(), epochs=3, recipe="quick")
say("step", step=1, epoch=1, loss=0.5)
while not stop(): time.sleep(0.02)
say("cancelled", text="Cancelled; the network of epoch 1, the last, is kept.")
"""
)
FAIL = CHILD + "say('failed', text='The disk is full.'); sys.exit(1)"


@pytest.fixture
def opened(qtbot, tmp_path, qapp):
    """Opens a made-up project in a session whose jobs run a given piece of code."""
    theme.apply(qapp, "dark")
    sessions = []

    def make(code=TRAIN, labelled=True, runs=(), current=None, n=40):
        with make_project(tmp_path, n, labelled=labelled) as project:
            give_roles(project)
            for quality in runs:
                make_run(project, quality)
            project.current_run = current
        session = Session()
        sessions.append(session)
        session.open(tmp_path / "week")
        bar = RetrainBar(session, key="Ctrl+R")
        qtbot.addWidget(bar)
        bar.resize(900, 34)
        bar.show()
        bar.retraining.work.make_job = partial(Job, command=("-c", code))
        return session, bar

    yield make
    for session in sessions:
        session.training.stop()
        session.close()


def end_of(qtbot, bar, start):
    """Start a job and wait for its end."""
    start()
    assert bar.is_running
    qtbot.waitUntil(lambda: not bar.is_running)


def test_the_button_says_what_it_will_do(opened):
    _, bar = opened(runs=[0.5], current=1)
    button = bar._idle.button
    assert button.isVisible()
    for part in ("Ctrl+R", "quick", "40 labelled shots", "about", "go on labelling"):
        assert part in button.toolTip()
    assert bar._idle.about.whole.startswith("run 1 · macro F1 .48")


def test_with_too_few_labels_it_says_what_is_needed(opened):
    session, bar = opened(labelled=False)
    assert not bar._idle.button.isVisible()
    assert bar._idle.needed.text() == "Label 10 more shots to train a network"
    session.labelling.toggle(session.labels.taxonomy.index("Round"))
    assert bar._idle.needed.text() == "Label 9 more shots to train a network"
    bar.start()
    assert not bar.is_running


def test_a_project_of_too_few_shots_asks_for_a_file_and_for_no_labels():
    tally = Decisions.none(1).tally
    assert lacking(HELIUM, tally, 1) == "Add a file of shots: 10 are needed to train a network"


def test_somebody_else_is_told_whose_labels_a_training_would_use(opened):
    session, bar = opened(labelled=False)
    assert bar.retraining.lacking() == "Label 10 more shots to train a network"
    label_as(session.require().project, "Bob")
    needed = bar.retraining.lacking()
    assert needed == "Label 10 more shots to train a network on the labels of Bob"


def test_after_a_restore_the_runs_that_are_there_are_not_denied(opened):
    _, bar = opened(runs=[0.5, 0.7])
    assert bar._idle.about.whole == "No run in use · run 2 is there (Learn)"


def test_a_first_run_that_its_training_did_not_put_to_use_is_offered_with_the_reason(opened, qtbot):
    session, bar = opened(WORSE_FIRST)
    end_of(qtbot, bar, bar.start)
    assert session.opened.project.current_run is None
    assert session.predictions.run is None
    note = bar._outcome
    assert note.text.whole == DECISION
    assert [b.text() for b in (note.use, note.keep)] == ["Use it anyway", "Keep instant model"]
    assert not note.see.isVisible()
    bar.retraining.use_offered()  # the key
    assert session.opened.project.current_run == 1
    assert bar.currentWidget() is bar._idle


def test_the_key_for_a_new_run_uses_the_newest_where_none_is_in_use(opened):
    session, bar = opened(runs=[0.5, 0.6])
    assert session.predictions.unused_run == 2
    bar.retraining.use_offered()
    assert session.opened.project.current_run == 2
    assert session.predictions.unused_run is None


def test_the_key_for_a_new_run_says_where_none_is_offered(opened, qtbot):
    session, bar = opened(runs=[0.5, 0.6], current=1)
    with qtbot.waitSignal(session.noted) as said:
        bar.retraining.use_offered()
    assert said.args == ["info", "No new run is offered; Learn has them all."]
    assert session.opened.project.current_run == 1


def test_one_click_trains_and_a_first_run_that_is_no_worse_is_used_at_once(opened, qtbot):
    session, bar = opened()
    shown = []
    bar.retraining.changed.connect(lambda: shown.append(bar._running.detail.whole))
    click = partial(qtbot.mouseClick, bar._idle.button, Qt.MouseButton.LeftButton)
    with qtbot.waitSignal(session.predictions.run_changed):
        end_of(qtbot, bar, click)
    assert "epoch 3 of 3 · 9 s left" in shown
    assert any(text.startswith("predicting · 10 of 40") for text in shown)
    assert bar.retraining.curves.metrics["macro_f1"] == pytest.approx([0.2, 0.4, 0.6])
    assert session.opened.project.current_run == 1
    assert len(session.predictions.run) == 40
    said = "Run 1 is in use: macro F1 0.95, the instant model 0.61."
    assert bar._outcome.text.whole == said, "both figures"
    assert not bar._outcome.use.isVisible()
    bar.resize(1000, bar.height())
    text, keep = bar._outcome.text, bar._outcome.keep
    assert text.text() == text.whole
    assert 0 < keep.x() - text.geometry().right() < 20  # beside the words, not at the far end
    qtbot.mouseClick(bar._outcome.keep, Qt.MouseButton.LeftButton)
    assert bar.currentWidget() is bar._idle


def test_a_later_run_is_compared_and_used_only_when_told(opened, qtbot):
    session, bar = opened(runs=[0.1], current=1)
    end_of(qtbot, bar, bar.start)
    assert session.opened.project.current_run == 1
    change = bar.retraining.outcome.change
    assert change.shots == 14
    assert change.macro[1] > change.macro[0]
    assert "better: " in bar._outcome.text.whole
    assert "predicted differently" in bar._outcome.text.whole
    assert bar._outcome.keep.text() == "Keep run 1"
    qtbot.mouseClick(bar._outcome.use, Qt.MouseButton.LeftButton)
    assert session.opened.project.current_run == 2
    assert bar.currentWidget() is bar._idle
    bar.retraining.use(1)  # and back
    assert session.opened.project.current_run == 1


def test_what_changed_is_shown_in_learn(opened, qtbot):
    _, bar = opened(runs=[0.2], current=1)
    tabs, pairs = [], []
    bar.show_tab = tabs.append
    bar.retraining.comparison_requested.connect(lambda *numbers: pairs.append(numbers))
    end_of(qtbot, bar, bar.start)
    qtbot.mouseClick(bar._outcome.see, Qt.MouseButton.LeftButton)
    assert tabs == ["Learn"]
    assert pairs == [(1, 2)]


def test_a_significantly_worse_run_is_not_recommended(opened, qtbot):
    worse = TRAIN.replace("labels, 0.95, seed=5", "~labels, 0.95, seed=5")
    session, bar = opened(worse, runs=[0.95], current=1)
    end_of(qtbot, bar, bar.start)
    assert "significantly worse · it scores lower: you decide" in bar._outcome.text.whole
    assert bar._outcome.use.text() == "Use it anyway"
    assert session.opened.project.current_run == 1


def test_keeping_the_old_run_leaves_it_in_use(opened, qtbot):
    session, bar = opened(runs=[0.9], current=1)
    end_of(qtbot, bar, bar.start)
    qtbot.mouseClick(bar._outcome.keep, Qt.MouseButton.LeftButton)
    assert session.opened.project.current_run == 1
    assert bar.retraining.outcome is None
    assert [info.number for info in session.opened.project.runs()] == [1, 2]


def test_cancel_waits_for_the_child_to_keep_its_best(opened, qtbot):
    _, bar = opened(WAIT)
    bar.start()
    qtbot.waitUntil(lambda: bar.retraining.has_network)
    assert bar.retraining.asks_to_stop == "Stop the training and keep the network so far?"
    qtbot.mouseClick(bar._running.button, Qt.MouseButton.LeftButton)
    assert "keeping the network so far" in bar._running.detail.whole
    assert not bar._running.button.isEnabled()
    qtbot.waitUntil(lambda: not bar.is_running)
    assert "network of epoch 1, the last, is kept" in bar._outcome.text.whole


def test_a_failure_is_told_with_its_reason(opened, qtbot):
    session, bar = opened(FAIL)
    end_of(qtbot, bar, bar.start)
    assert bar._outcome.text.whole == "Run 1 failed: The disk is full."
    assert session.opened.project.current_run is None


def test_a_run_that_has_not_read_all_shots_does_so_before_it_is_used(opened, qtbot):
    session, bar = opened(runs=[0.5, 0.6], current=1)
    unread = session.opened.project.run_folder(2) / "predictions.h5"
    code = (
        CHILD + f"from pathlib import Path\nPath({str(unread) + '.away'!r}).rename({str(unread)!r})"
    )
    unread.rename(f"{unread}.away")
    bar.retraining.work.make_job = partial(Job, command=("-c", code + "\nsay('finished')"))
    end_of(qtbot, bar, partial(bar.retraining.use, 2))
    assert session.opened.project.current_run == 2
    assert bar.retraining.outcome is None


def test_the_order_reaches_the_command_line(opened, qtbot):
    _, bar = opened(CHILD + "say('finished', words=words)")
    job_events = []
    bar.retraining.start(TrainingOrder("paper", "vgg16", 2))
    bar.retraining.work.job.event_received.connect(job_events.append)
    qtbot.waitUntil(lambda: not bar.is_running)
    words = job_events[-1]["words"]
    assert words[0] == "train"
    assert words[2:8] == ["--recipe", "paper", "--network", "vgg16", "--epochs", "2"]
    assert words[-1] == "--events"


def test_stop_leaves_no_process(opened, qtbot):
    _, bar = opened(WAIT)
    pids = []
    bar.start()
    bar.retraining.work.job.event_received.connect(lambda item: pids.append(item.get("pid")))
    qtbot.waitUntil(lambda: bool(pids))
    bar.stop()
    assert not bar.is_running
    assert not psutil.pid_exists(pids[0])


def test_a_training_that_is_stopped_before_its_first_step_is_a_cancelled_one(opened, qtbot):
    code = CHILD + (
        "say('progress', what='reducing shots', done=40, total=40)\n"
        "while not stop(): time.sleep(0.02)\n"
    )
    session, bar = opened(code)
    bar.start()
    qtbot.waitUntil(lambda: bar.retraining.stage == "making the network ready")
    assert "there is no network to keep" in bar.retraining.asks_to_stop
    bar.stop()
    run = read_report(1, session.require().project.run_folder(1))
    assert run.state == "cancelled"
    assert run.message == "Stopped before there was a network to keep."
    assert not bar.is_running


def test_a_training_that_has_a_network_and_is_killed_as_the_window_closes_is_a_cancelled_one(
    opened, qtbot
):
    code = CHILD + (
        "say('started', epochs=2)\nsay('evaluated', epoch=1)\n"
        "(out / 'model.json').write_text('{}')\n"
        "say('step')\nwhile True: time.sleep(0.02)\n"
    )
    session, bar = opened(code)
    bar.retraining.work.patience_s = 0.0
    bar.start()
    qtbot.waitUntil(lambda: bar.retraining.has_network)
    bar.stop()
    folder = session.require().project.run_folder(1)
    run = read_report(1, folder)
    assert (run.state, run.message) == ("cancelled", training.KEPT)
    assert session.require().project.runs()[0].state == "cancelled"


def test_in_a_project_that_may_not_be_written_a_training_says_what_to_do(opened, monkeypatch):
    session, bar = opened()
    notes = []
    session.training.noted.connect(lambda level, text: notes.append((level, text)))
    monkeypatch.setattr(session.require().project.store.database, "read_only", True)
    bar.start()
    assert not bar.is_running
    [(level, text)] = notes
    assert level == "error"
    assert text.startswith("No run can be made: ")
    assert "can only be looked at" in text
    assert "Copy its folder to a place where you may write." in text


def test_opening_another_project_ends_the_training(opened, qtbot, tmp_path):
    session, bar = opened(WAIT)
    bar.start()
    qtbot.waitUntil(lambda: bar.retraining.epochs == 3)
    Project.create(tmp_path / "other", [make_shots(tmp_path / "b.h5", 12)]).close()
    session.open(tmp_path / "other")
    assert not bar.is_running
    assert bar.retraining.outcome is None


def test_while_one_window_trains_another_of_the_project_waits_and_says_so(opened, qtbot, tmp_path):
    _, bar = opened(code=WAIT)
    other = Session()
    other.open(tmp_path / "week")
    said = []
    other.noted.connect(lambda level, text: said.append(text))
    other.training.work.make_job = partial(Job, command=("-c", WAIT))
    try:
        bar.start()
        assert bar.is_running
        other.training.start()
        assert not other.training.is_running
        assert "is being trained, or its shots predicted, in another window" in said[-1]
        assert len(other.require().project.runs()) == 1
        bar.cancel()
        qtbot.waitUntil(lambda: not bar.is_running)
        other.training.start()
        assert other.training.is_running
    finally:
        other.training.stop()
        other.close()
