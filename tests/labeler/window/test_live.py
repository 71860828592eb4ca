"""Live shots by command line and in the window: watched, kept, stopped, joined to the project."""

from __future__ import annotations

import base64
import json
import os
import shutil
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import h5py
import numpy as np
import pytest
import torch

from labeler.cli import main
from labeler.project import classes
from labeler.project.project import Project
from labeler.session.background.live import WatchRequest
from labeler.session.session import Session
from labeler.window.main_window import MainWindow
from model.metrics.agreement import share_interval
from model.prediction.predict import predict
from model.runs import checkpoint, recipes
from model.runs.checkpoint import Checkpoint
from model.shots.hdf5 import is_under_swmr
from model.taxonomy.taxonomy import Rule
from model.taxonomy.toml import load, shipped
from tests.helpers.copies import copy_of
from tests.helpers.waiting import PATIENCE_S
from tests.helpers.window_parts import InlineReader, make_project, write_shots

HELIUM = load(shipped("helium"))
EMPTY = HELIUM.index("Empty")


def labels(n):
    """Two hits of three shots."""
    made = np.zeros((n, len(HELIUM)), np.uint8)
    for name in ("Spherical/Oblate", "Round"):
        made[np.arange(n) % 3 > 0, HELIUM.index(name)] = 1
    made[np.arange(n) % 3 == 0, EMPTY] = 1
    return made


def write_live(path, n=12, seed=5):
    """Shots of which every third is nearly nothing."""
    write_shots(path, n)
    with h5py.File(path, "a") as file:
        images = np.random.default_rng(seed).permuted(file["images"][()], axis=0)
        images[::3] //= 40
        file["images"][...] = images
    return path


@pytest.fixture(scope="module")
def network(tmp_path_factory):
    """The folder of a run that knows the helium classes, untrained."""
    folder = tmp_path_factory.mktemp("network") / "run"
    folder.mkdir()
    torch.manual_seed(1)
    recipe = replace(recipes.named("quick"), size=32)
    about = Checkpoint(HELIUM.names, recipe, recipe.preprocessing())
    checkpoint.save(folder, checkpoint.build(about, "he"), about)
    return folder


@pytest.fixture
def project(tmp_path, network):
    """A project of 60 labelled shots with one run in use; its folder."""

    def make(place):
        folder = make_project(place, 60, labels(60))
        with h5py.File(place / "shots.h5", "a") as file:
            file["images"][::3] //= 40
        with Project.open(folder) as opened:
            run = opened.new_run_folder()
            shutil.copytree(network, run, dirs_exist_ok=True)
            table = opened.shot_table()
            out = run / "predictions.h5"
            assert list(predict(table, run, out, engine="torch"))[-1]["event"] == "finished"
            opened.current_run = int(run.name)

    copy_of("live", make, tmp_path / "week")
    return tmp_path / "week" / "week"


def lines_of(text):
    return [json.loads(line) for line in text.splitlines()]


def watch(*words):
    return main(["watch", *map(str, words), "--engine", "torch"])


# -- the command line ------------------------------------------------------------------------------


def test_a_watch_takes_labels_rules_and_place_from_the_project(project, tmp_path, capsys):
    live = write_live(tmp_path / "live.h5")
    assert watch(live, "--run", "1", "--project", project, "--idle", "0.3", "--json") == 0
    events = lines_of(capsys.readouterr().out)
    assert events[-1]["event"] == "finished"
    assert events[-1]["seen"] == 12
    assert events[-1]["hits"] == events[-1]["read"] == 8  # the empties never reach the network
    notes = [e["text"] for e in events if e["event"] == "note"]
    assert any("misses" in text and "Hit finder" in text for text in notes)
    (kept,) = events[-1]["files"]
    assert Path(kept).parent == project / "live"


def test_a_person_sees_a_table_and_what_was_kept(project, tmp_path, capsys):
    live = write_live(tmp_path / "live.h5")
    assert watch(live, "--run", "1", "--project", project, "--idle", "0.3") == 0
    shown = capsys.readouterr().out
    assert "12 shots came, 8 of them hits" in shown
    assert "Spherical/Oblate" in shown
    assert "kept in" in shown


def test_hits_join_the_project_with_the_predictions_made_live(project, tmp_path, capsys):
    live = write_live(tmp_path / "live.h5")
    assert watch(live, "--run", "1", "--project", project, "--idle", "0.3", "--json") == 0
    (kept,) = lines_of(capsys.readouterr().out)[-1]["files"]
    assert main(["join", str(project), kept, "--run", "1", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert (told["shots"], told["predicted"]) == (8, True)
    from labeler.runs.predictions import RunPredictions

    with Project.open(project) as opened:
        assert opened.n_shots == 68
        fingerprint = opened.shot_table().fingerprint
        path = opened.run_folder(1) / "predictions.h5"
        found = RunPredictions.open(path, opened.taxonomy, 68, fingerprint)
        assert found.probability(67) is not None
        assert not opened.merged_state().labelled[60:].any()  # no one decided on them yet
    assert main(["join", str(project), kept, "--run", "1"]) == 1  # it is there already


@pytest.mark.parametrize("way", [signal.SIGINT, signal.SIGTERM])
def test_ctrl_c_ends_a_watch_cleanly_with_a_complete_record(tmp_path, network, way):
    live = write_live(tmp_path / "live.h5")
    words = [sys.executable, "-m", "labeler", "watch", str(live), "--run", str(network)]
    words += ["--json", "--out", str(tmp_path / "kept"), "--engine", "torch"]
    root = Path(__file__).parents[3]
    child = subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, cwd=root)
    try:
        for line in iter(child.stdout.readline, b""):
            item = json.loads(line)
            if item["event"] == "watched" and item["kept"] == 12:
                break
        child.send_signal(way)
        rest = child.stdout.read().decode()
        assert child.wait(PATIENCE_S) == 0, child.stderr.read()
    finally:
        child.kill()
        child.communicate()
    last = lines_of(rest)[-1]
    assert last["event"] == "finished"
    (kept,) = last["files"]
    assert not is_under_swmr(Path(kept))
    with h5py.File(kept) as file:
        assert len(file["images"]) == last["kept"] == 12


@pytest.mark.parametrize(
    ("words", "why"),
    [
        (("nowhere.txt",), "neither a folder"),
        (("live.h5", "--band", "Cat=0..1"), "of no class"),
        (("live.h5", "--miss", "3"), "no share"),
    ],
)
def test_wrong_wishes_are_refused_in_one_line(tmp_path, monkeypatch, capsys, network, words, why):
    monkeypatch.chdir(tmp_path)
    write_live(tmp_path / "live.h5")
    assert watch(*words, "--run", network) == 1
    said = capsys.readouterr().err.strip()
    assert why in said
    assert len(said.splitlines()) == 1


def test_a_run_of_other_classes_is_refused(project, tmp_path, capsys):

    other = tmp_path / "other"
    other.mkdir()
    recipe = replace(recipes.named("quick"), size=32)
    about = Checkpoint(("Round", "Cat"), recipe, recipe.preprocessing())
    checkpoint.save(other, checkpoint.build(about, "he"), about)
    live = write_live(tmp_path / "live.h5")
    assert watch(live, "--run", other, "--project", project, "--json") == 1
    last = lines_of(capsys.readouterr().out)[-1]
    assert last["event"] == "failed"
    assert "unknown class 'Cat'" in last["text"]


def test_a_run_from_before_classes_were_changed_tells_its_numbers_under_their_names_of_now(
    project, tmp_path, capsys
):
    with Project.open(project) as opened:
        classes.rename(opened, "Round", "Circle")
        classes.retire(opened, "Layered")
        classes.add(opened, "Square")
        rule = Rule("implies", "hard", ("Circle",), ("Square",), "a Circle is a Square")
        classes.add_rule(opened, rule)
        now = opened.taxonomy
    live, lines = write_live(tmp_path / "live.h5"), tmp_path / "lines.jsonl"
    words = ["--every-shot", "--idle", "0.3", "--band", "Circle=0..1", "--lines", lines, "--json"]
    assert watch(live, "--run", "1", "--project", project, *words) == 0
    events = lines_of(capsys.readouterr().out)
    told = [e for e in events if e["event"] == "watched"][-1]
    (kept,) = events[-1]["files"]
    with h5py.File(kept) as file:
        assert tuple(file.attrs["class_names"]) == HELIUM.names, "a record keeps the run's names"
        said = dict(zip(HELIUM.names, file["decided"][()].mean(0), strict=True))
    assert 0 < sum(said.values()) < len(said)
    said["Circle"] = said.pop("Round")
    assert {name: share[0] for name, share in told["fractions"].items()} == said
    assert set(said) == set(now.names) - {"Square"}
    assert "a Circle is a Square" not in told["contradictions"], "no one decided on Square"
    assert set(lines_of(lines.read_text())[0]["probabilities"]) == set(said)
    examples = {name for e in events if e["event"] == "examples" for name in e["classes"]}
    assert examples == {name for name, share in said.items() if share > 0}


# -- the window ------------------------------------------------------------------------------------


@pytest.fixture
def window(qtbot, project):
    """A window on the project, with Live on screen."""
    session = Session(make_reader=InlineReader)
    made = MainWindow(session)
    qtbot.addWidget(made)
    made.resize(1280, 800)
    made.show()
    made.project_files.open_folder(project)
    made.show_tab("Live")
    yield made
    made.close()
    session.close()


class FakeJob:
    """Stands in for the child process; the test says what it tells."""

    def __init__(self, words, stderr, parent):
        from PyQt6.QtCore import QObject, pyqtSignal

        class Signals(QObject):
            event_received = pyqtSignal(dict)
            finished = pyqtSignal(bool, str)

        self.words, self.signals = words, Signals()
        self.event_received, self.finished = self.signals.event_received, self.signals.finished
        self.cancelled, self.last_event = False, {}

    def start(self):
        """Nothing to start."""

    def stop(self, patience=0.0):
        """Nothing to stop."""

    def cancel(self):
        self.cancelled = True

    def deleteLater(self):
        """Nothing to delete."""


def share(found, n):
    low, high = share_interval(found, n)
    return [found / n, float(low), float(high)]


def second(t, streak=10):
    """What a watch tells in its second t: 100 hits of 300 shots, `streak` of them Streak."""
    fractions = {name: share(0, 100) for name in HELIUM.names} | {"Streak": share(streak, 100)}
    return {
        "event": "watched", "seconds": float(t), "seen": 300 * t, "hits": 100 * t,
        "read": 100 * t, "dropped": 7, "skipped": 0, "unreadable": 0, "waiting": 0,
        "kept": 100 * t, "keeps": True, "hit_rate": share(100, 300), "fractions": fractions,
        "shots_in_window": 300, "read_in_window": 100, "latency_ms": {"p50": 80.0, "p99": 240.0},
        "contradictions": {"Streak without Prolate": 3}, "rate_hz": 300, "read_hz": 100,
        "stalled": False,
        "sizes": {
            "n": 40, "median_nm": [301.4, 290.0, 312.0], "error_nm": 2.31,
            "edges_nm": np.linspace(200, 400, 25).tolist(), "counts": [0] * 8 + [5] * 8 + [0] * 8,
        },
    }  # fmt: skip


def test_live_says_what_it_is_for_before_anything_is_started(window):
    view = window.views["Live"]
    assert view.right.currentWidget() is view.empty
    assert "Karabo bridge" in view.empty.text.text()
    assert not view.form.button.isEnabled()
    view.empty.button.click()
    assert view.form.source.hasFocus()
    view.form.source.setText("tcp://host:1")
    assert view.form.button.isEnabled()
    order = view.form.order()
    assert order == WatchRequest("tcp://host:1", view.session.opened.project.run_folder(1))


def test_the_board_shows_what_a_watch_tells_and_alarms_come_and_go(window, project):
    view = window.views["Live"]
    view.watch.work.make_job = view.watch.joining.make_job = FakeJob
    view.form.source.setText("somewhere.h5")
    view.form.button.click()
    job = view.watch.work.job
    assert job.words[:4] == ["watch", "somewhere.h5", "--run", str(project / "runs" / "0001")]
    assert view.form.button.text() == "Stop"
    for t in range(1, 4):
        job.event_received.emit(second(t))
    picture = base64.b64encode(bytes(range(64))).decode()
    one = {"picture": picture, "height": 8, "width": 8, "id": 5, "probability": 0.9, "since": 1.0}
    job.event_received.emit({"event": "examples", "classes": {"Streak": one}})
    board = view.board
    assert view.right.currentWidget() is board
    assert board.tiles["latency"].number.text() == "80 / 240"
    assert board.tiles["hits"].number.text() == "33 %"
    assert "Streak without Prolate" in board.broken.whole
    assert "Hits among shots" in [r.name for r in board.chart.rows]
    assert "Streak" in board.examples.shown
    assert board.sizes.said.text() == "Droplet radius 301 nm (290 … 312)"
    assert "uncertain by 2.3 nm" in board.sizes.said.toolTip()
    assert board.sizes.isVisible()
    assert board.alarm.isHidden()
    board.chart.choose([r.name for r in board.chart.rows].index("Streak"))
    board.band.high.setValue(30)
    board.band.high.editingFinished.emit()
    assert board.alarm.isHidden()
    job.event_received.emit(second(4, streak=60))
    assert board.alarm.isVisible()
    assert "Streak: 60.0 %" in board.alarm.words.text()
    job.event_received.emit(second(5, streak=10))
    assert board.alarm.isHidden()
    assert len(board.classes.curve.getData()[0]) == 5
    window.show_tab("Label")
    job.event_received.emit(second(6, streak=60))  # no one looks: a note says so
    assert any("Streak: 60.0 %" in entry[-1] for entry in map(tuple, window.notes.log))
    view.form.button.click()
    assert job.cancelled
    job.finished.emit(True, "")
    assert view.watch.seen.state == "stopped"
    with Project.open(project) as opened:
        kept = opened.store.get_meta("live")
    assert kept == {"source": "somewhere.h5", "bands": {"Streak": [0.0, 0.3]}}


def test_without_a_hit_finder_the_board_claims_no_hit_rate(window):
    view = window.views["Live"]
    view.watch.work.make_job = view.watch.joining.make_job = FakeJob
    view.form.source.setText("somewhere.h5")
    view.form.button.click()
    view.watch.work.job.event_received.emit(second(1) | {"hit_rate": [None, 0.0, 1.0]})
    board = view.board
    assert board.tiles["hits"].number.text() == "–"
    assert "no hit finder is fitted" in board.tiles["hits"].toolTip()
    assert "Hits among shots" not in [r.name for r in board.chart.rows]
    assert not board.hits.isVisible()
    view.form.button.click()
    view.watch.work.job.finished.emit(True, "")


def test_a_watch_and_hits_that_join_go_on_while_the_project_changes(window, tmp_path):
    watch, session = window.views["Live"].watch, window.session
    watch.work.make_job = watch.joining.make_job = FakeJob
    watch.set_band("Streak", 0.0, 0.3)
    watch.start(WatchRequest("somewhere.h5", Path("1")))
    job = watch.work.job
    job.event_received.emit(second(1))
    session.change_classes(classes.rename, "Bent", "Curved")
    session.label_as("Bob")
    assert watch.work.job is job
    assert len(watch.seen.history) == 1
    assert list(watch.bands) == ["Streak"]
    job.event_received.emit({"event": "finished", "files": ["a.h5", "b.h5"]})
    job.finished.emit(True, "")
    watch.add_hits()
    joining = watch.joining.job
    session.reopen()
    assert watch.joining.job is joining
    joining.finished.emit(True, "Added.")
    assert (watch.joining.job, watch.seen.files) == (None, [])


def test_what_a_watch_tells_goes_on_under_the_new_name_of_a_class(window):
    view = window.views["Live"]
    view.watch.work.make_job = view.watch.joining.make_job = FakeJob
    view.form.source.setText("somewhere.h5")
    view.form.button.click()
    job, board = view.watch.work.job, view.board
    view.watch.set_band("Streak", 0.0, 0.3)
    job.event_received.emit(second(1, streak=60))
    window.session.change_classes(classes.rename, "Streak", "Spindle")
    assert "Spindle: 60.0 %" in board.alarm.words.text()
    job.event_received.emit(second(2, streak=10))
    assert board.alarm.isHidden()
    assert view.watch.seen.share("Spindle")[0] == 0.1
    assert [shares["Spindle"][0] for _, shares in view.watch.seen.history] == [0.6, 0.1]
    names = [row.name for row in board.chart.rows]
    assert "Spindle" in names
    assert "Streak" not in names
    job.event_received.emit(second(3, streak=60))
    assert "Spindle: 60.0 %" in board.alarm.words.text()


def test_a_watch_ends_with_its_project(window, tmp_path):
    watch, session = window.views["Live"].watch, window.session
    watch.work.make_job = watch.joining.make_job = FakeJob
    watch.set_band("Streak", 0.0, 0.3)
    watch.start(WatchRequest("somewhere.h5", Path("1")))
    session.open(make_project(tmp_path / "other"))
    assert (watch.work.job, watch.bands, watch.seen.state) == (None, {}, "")
    watch.start(WatchRequest("somewhere.h5", Path("1")))
    session.close()
    assert watch.work.job is None


def test_a_watch_that_fails_says_why_where_it_was_started(window):
    view = window.views["Live"]
    view.watch.work.make_job = view.watch.joining.make_job = FakeJob
    view.watch.start(WatchRequest("somewhere.h5", Path("1")))
    view.watch.work.job.finished.emit(False, "somewhere.h5: is damaged.")
    assert view.right.currentWidget() is view.empty
    assert "is damaged" in view.empty.text.text()
    assert view.form.button.text() == "Start"


def test_a_real_watch_is_started_stopped_and_its_hits_join_the_project(window, qtbot, tmp_path):
    view = window.views["Live"]
    live = write_live(tmp_path / "live.h5")
    view.form.source.setText(str(live))
    view.form.button.click()
    qtbot.waitUntil(lambda: view.watch.seen.now.get("kept") == 8)
    assert view.board.tiles["kept"].number.text() == "8"
    view.form.button.click()
    qtbot.waitUntil(lambda: not view.watch.is_running)
    assert view.watch.seen.state == "stopped"
    qtbot.waitUntil(view.board.add.isEnabled)
    view.board.add.click()
    qtbot.waitUntil(lambda: window.session.labels.n_shots == 68)
    qtbot.waitUntil(lambda: not view.watch.joining.is_running)
    assert window.session.predictions.run is not None
    assert len(window.session.predictions.run) == 68


def test_closing_the_window_ends_the_watch_with_a_complete_record(window, qtbot, tmp_path):
    view = window.views["Live"]
    view.form.source.setText(str(write_live(tmp_path / "live.h5")))
    view.form.button.click()
    qtbot.waitUntil(lambda: view.watch.seen.now.get("kept") == 8)
    folder = window.session.opened.folder
    window.close()
    (kept,) = (folder / "live").glob("*.h5")
    assert not is_under_swmr(kept)


def test_the_window_needs_no_torch_for_live():
    text = (
        "import sys, labeler.window.live.view; from model.online import bands;"
        "sys.exit('torch' in sys.modules)"
    )
    environment = os.environ | {"PYTHONPATH": str(Path(__file__).parents[3])}
    assert (
        subprocess.run([sys.executable, "-c", text], env=environment, check=False).returncode == 0
    )
