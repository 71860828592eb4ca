"""Where a process of a training has died, the others end and say so, even if they hang."""

from __future__ import annotations

import subprocess
import sys
from types import SimpleNamespace

import psutil
import pytest

from model.training.process_group import Peers
from tests.helpers.waiting import PATIENCE_S, until

HANGS = "import time; time.sleep(600)"


@pytest.fixture
def watched(monkeypatch):
    """Watches over processes that run such Python; (watch, its processes, what it did)."""
    started, watches = [], []

    def make(*codes, grace=0.0):
        did = []
        processes = [subprocess.Popen([sys.executable, "-c", code]) for code in codes]
        started.extend(processes)
        launcher = SimpleNamespace(procs=list(processes))
        watch = Peers(launcher, lambda: did.append("said"), grace, did.append)
        watches.append(watch)
        watch.start()
        return watch, launcher, did

    yield make
    for watch in watches:
        watch.stop()
    for process in started:
        process.kill()
        process.wait()


def look_twice(watch, monkeypatch):
    """Wait until it has looked for deaths twice more."""
    looked = []

    def look():
        looked.append(Peers._has_lost(watch))
        return looked[-1]

    monkeypatch.setattr(watch, "_has_lost", look)
    until(lambda: len(looked) > 1)


def test_a_process_that_hangs_after_a_death_is_ended_with_word_and_all_it_started(watched):
    watch, launcher, did = watched("raise SystemExit(3)", HANGS)
    watch.join(PATIENCE_S)
    assert did == ["said", 1]
    assert not launcher.procs  # whoever else looks at the list has nothing to kill for
    other = watch._processes[0] if watch._processes[0].args[-1] == HANGS else watch._processes[1]
    assert other.wait(PATIENCE_S) != 0


def test_work_that_notices_a_death_by_itself_is_left_alone(watched):
    watch, _, did = watched("raise SystemExit(3)", grace=60)
    until(watch._has_lost)
    watch.stop()
    assert not watch.is_alive()
    assert not did


def test_processes_that_end_well_are_not_missed(watched, monkeypatch):
    watch, launcher, did = watched("")
    until(lambda: not launcher.procs and watch._processes[0].poll() is not None)
    look_twice(watch, monkeypatch)
    assert watch.is_alive()
    assert not did


@pytest.mark.parametrize(
    ("elsewhere", "looks"), [({}, True), ({"TORCHELASTIC_RUN_ID": "1"}, False)]
)
def test_a_helper_ends_without_a_word_when_the_first_process_is_gone(
    watched, monkeypatch, elsewhere, looks
):
    monkeypatch.setenv("LOCAL_RANK", "1")
    for name, value in elsewhere.items():
        monkeypatch.setenv(name, value)
    first = subprocess.Popen([sys.executable, "-c", "import sys; sys.stdin.read()"],
                             stdin=subprocess.PIPE)  # fmt: skip
    monkeypatch.setattr("os.getppid", lambda: first.pid)
    assert psutil.pid_exists(first.pid)
    watch, _, did = watched()
    first.communicate()
    if looks:
        watch.join(PATIENCE_S)
    else:
        look_twice(watch, monkeypatch)
    assert did == ([1] if looks else [])
