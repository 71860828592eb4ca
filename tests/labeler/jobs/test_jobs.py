"""A job speaks in events, ends in every way there is, and never leaves an orphan."""

import os
import signal
import subprocess
import sys

import psutil
import pytest

from labeler.jobs.job import Job
from tests.helpers.waiting import until

POLITE = psutil.BELOW_NORMAL_PRIORITY_CLASS if sys.platform == "win32" else 10
CHILD = """
import json, os, sys, time
from labeler.jobs import child
stop = child.listen()
def say(kind, **fields): print(json.dumps({"event": kind, "time": 0, **fields}), flush=True)
"""
WORK = (
    CHILD
    + """
say("started", pid=os.getpid())
while not stop(): time.sleep(0.02)
say("cancelled", text="kept epoch 3")
"""
)


@pytest.fixture
def run(qtbot, tmp_path):
    """Runs a piece of code as a job to its end; gives the events, the verdict and the job."""
    jobs = []

    def start(code, during=None):
        job = Job((), tmp_path / "run" / "stderr.log", command=("-c", code))
        jobs.append(job)
        events = []
        job.event_received.connect(events.append)
        if during:
            job.event_received.connect(lambda item: during(job, item))
        with qtbot.waitSignal(job.finished) as ended:
            job.start()
        assert not job.is_running
        return events, ended.args, job

    yield start
    for job in jobs:
        job.stop(0.1)


def test_events_arrive_in_order_and_stray_prints_are_ignored(run):
    code = CHILD + "say('started'); print('hello'); say('step', loss=.5, text='é'); say('finished')"
    events, (ok, message), _ = run(code)
    assert [item["event"] for item in events] == ["started", "step", "finished"]
    assert events[1]["text"] == "é"
    assert (ok, message) == (True, "")


def test_a_last_line_without_its_end_counts(run):
    events, (ok, _), _ = run("print('{\"event\": \"finished\"}', end='')")
    assert ok
    assert len(events) == 1


@pytest.mark.parametrize("name", ["model.py", "labeler.py", "random.py"])
def test_modules_of_a_scientist_in_the_current_folder_are_not_ours(
    qtbot, tmp_path, monkeypatch, name
):
    (tmp_path / name).write_text("raise SystemExit('a module of mine')")
    monkeypatch.chdir(tmp_path)
    out = tmp_path / "made.h5"
    job = Job(("simulate", str(out), "--shots", "4", "--size", "64"), tmp_path / "stderr.log")
    with qtbot.waitSignal(job.finished) as ended:
        job.start()
    assert ended.args[0], ended.args[1]
    assert out.is_file()


def test_cancel_lets_the_child_finish_its_sentence(run):
    _, (ok, message), job = run(WORK, during=lambda job, item: job.cancel())
    assert ok
    assert message == "kept epoch 3"
    assert job.last_event["event"] == "cancelled"


def test_a_failure_says_what_the_child_says(run):
    _, (ok, message), _ = run(CHILD + "say('failed', text='No labels yet.'); sys.exit(1)")
    assert (ok, message) == (False, "No labels yet.")


def test_a_crash_names_the_last_words_and_where_the_rest_is(run, tmp_path):
    _, (ok, message), _ = run("print('x'); raise MemoryError('the detector is too big')")
    assert not ok
    assert "exit status 1" in message
    assert "MemoryError: the detector is too big" in message
    assert str(tmp_path / "run" / "stderr.log") in message


def test_a_success_without_a_result_is_a_failure(run):
    _, (ok, message), _ = run("pass")
    assert not ok
    assert "said nothing" in message


@pytest.mark.skipif(sys.platform == "win32", reason="signals of POSIX")
def test_a_child_killed_by_a_signal_is_reported_as_a_crash(run):
    _, (ok, message), _ = run("import os, signal; os.kill(os.getpid(), signal.SIGKILL)")
    assert not ok
    assert "in a crash" in message


def test_a_folder_that_cannot_be_made_is_reported(qtbot, tmp_path):
    (tmp_path / "file").write_text("in the way")
    job = Job((), tmp_path / "file" / "stderr.log")
    with qtbot.waitSignal(job.finished) as ended:
        job.start()
    assert ended.args[0] is False
    assert "cannot be made" in ended.args[1]


def test_the_child_is_polite_and_knows_the_thread_policy(run):
    code = CHILD + (
        "import psutil\n"
        "say('finished', nice=int(psutil.Process().nice()), policy=os.environ['OMP_WAIT_POLICY'])"
    )
    events, _, _ = run(code)
    assert events[0]["policy"] == "passive"
    before = psutil.Process().nice()
    assert events[0]["nice"] == (before if sys.platform != "win32" and before >= 10 else POLITE)


def test_stop_ends_even_a_child_that_does_not_listen(qtbot, tmp_path):
    code = CHILD + "say('started', pid=os.getpid())\nwhile True: time.sleep(1)"
    job = Job((), tmp_path / "stderr.log", command=("-c", code))
    with qtbot.waitSignal(job.event_received) as begun:
        job.start()
    job.stop(0.2)
    assert not job.is_running
    assert not psutil.pid_exists(begun.args[0]["pid"])


PARENT = """
import sys
from PyQt6.QtCore import QCoreApplication
from labeler.jobs.job import Job
from tests.helpers.waiting import until
from tests.helpers.waiting import until
application = QCoreApplication([])
job = Job((), sys.argv[1], command=("-c", sys.argv[2]))
job.event_received.connect(lambda item: print(item["pid"], flush=True))
job.start()
application.exec()
"""


LOADING = "\nimport ctypes\nsay('started', pid=os.getpid())\nctypes.PyDLL(None).sleep(600)"
"""Holds the interpreter's lock, as loading a large library does."""


@pytest.mark.parametrize(
    "work",
    [
        WORK,
        CHILD + "stop()\nsay('started', pid=os.getpid())\ntime.sleep(600)",
        pytest.param(CHILD + "child.die_with_parent()" + LOADING, marks=pytest.mark.skipif(
            sys.platform != "linux", reason="only Linux ends a process that holds its lock"
        )),
    ],
    ids=["polite child", "child deep in its work", "child that loads a library"],
)  # fmt: skip
def test_a_killed_window_leaves_no_orphan(tmp_path, work):
    parent = subprocess.Popen(
        [sys.executable, "-c", PARENT, str(tmp_path / "stderr.log"), work],
        stdout=subprocess.PIPE,
        text=True,
    )
    with parent:
        child = psutil.Process(int(parent.stdout.readline()))
        os.kill(parent.pid, getattr(signal, "SIGKILL", signal.SIGTERM))
        until(
            lambda: not child.is_running() or child.status() == psutil.STATUS_ZOMBIE,
            "the child outlives its window",
        )


def test_a_subcommand_started_by_a_person_outlives_its_standard_input():
    code = CHILD + "sys.stdin.read(); say('finished', stopped=stop())"
    done = subprocess.run(
        [sys.executable, "-c", code], input="cancel\n", capture_output=True, text=True, check=True
    )
    assert '"stopped": false' in done.stdout
