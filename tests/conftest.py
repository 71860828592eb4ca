"""What every test gets: no screen needed, settings of its own, nothing left running behind it."""

from __future__ import annotations

import gc
import os
import sys
from pathlib import Path

# Before Qt and torch are loaded by any test module.
os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")
os.environ.setdefault("OMP_WAIT_POLICY", "passive")
# Tests run beside each other: threads of one that wait for each other take more time than one.
os.environ.setdefault("OMP_NUM_THREADS", "1")
# Hundreds of tests start the program: compiled once, modules load in half the time.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)

import psutil
import pytest
from hypothesis import HealthCheck, settings
from PyQt6.QtCore import QCoreApplication, QEvent
from PyQt6.QtWidgets import QApplication
from pytestqt.qtbot import QtBot

from tests.helpers.forking import fork_children, is_forking
from tests.helpers.narrow import narrow_network as narrow_network
from tests.helpers.narrow import without_openvino as without_openvino
from tests.helpers.waiting import PATIENCE_S

fork_children()

# So do the modules of tests, in a later run.
sys.dont_write_bytecode = False

# Processes that tests start find the helpers: packages of others are called `tests`, too.
ROOT = str(Path(__file__).resolve().parent.parent)
os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, (ROOT, os.environ.get("PYTHONPATH"))))

# A wait is for a state, however long a busy machine takes to reach it.
for wait in (QtBot.waitUntil, QtBot.waitSignal, QtBot.waitSignals, QtBot.waitCallback):
    wait.__kwdefaults__["timeout"] = int(1000 * PATIENCE_S)

# Tests make much that lives until they end: looking for garbage less often takes a twentieth less.
gc.set_threshold(50_000, 20, 50)

# How long an example takes says how busy the machine is, nothing of what is tested.
settings.register_profile("busy", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("busy")


@pytest.fixture(autouse=True)
def own_settings(tmp_path, monkeypatch):
    """Settings and logs of the person who runs the tests stay as they are; what a command run
    within the tests sets for its own children does not reach those of the next test."""
    monkeypatch.setenv("AIRYLABEL_CONFIG_DIR", str(tmp_path / "config"))
    monkeypatch.setenv("PYTHONSAFEPATH", "")
    if sources := sys.modules.get("labeler.session.background.sources"):
        # work on shots begins where a test says so, on a busy machine too
        monkeypatch.setattr(sources, "PROMPT_S", PATIENCE_S)


@pytest.fixture(autouse=True, scope="module")
def what_lives_is_not_looked_through():
    """Modules, caches and what earlier tests left are no garbage of these tests: looking through
    all of it after each of them would take longer than the tests."""
    gc.collect()
    gc.freeze()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item):
    """Widgets are freed where their test ends, with all that waits in them: not within a paint or
    in another thread, as in the program itself (`labeler.window.process.garbage_collection`), and
    not in the middle of a later test. The look that one chose ends with them, when there is nothing
    left that would have to be laid out again."""
    if "qapp" not in item.fixturenames:
        return (yield)
    gc.disable()
    try:
        return (yield)
    finally:
        QCoreApplication.sendPostedEvents(None, QEvent.Type.DeferredDelete.value)
        gc.collect()
        gc.enable()
        application = QApplication.instance()
        if isinstance(application, QApplication) and not application.topLevelWidgets():
            application.setStyleSheet("")


@pytest.fixture(autouse=True)
def no_process_is_left():
    """A test that leaves a child process behind has failed."""
    before = {p.pid for p in psutil.Process().children(recursive=True)}
    yield
    left = [p for p in psutil.Process().children(recursive=True) if p.pid not in before]
    left = [p for p in left if not is_forking(p.pid) and not _is_helper_of_python(p)]
    _, alive = psutil.wait_procs(left, timeout=PATIENCE_S)
    assert not alive, [p.cmdline() for p in alive]


def _is_helper_of_python(process: psutil.Process) -> bool:
    """The interpreter's own tracker of shared memory lives as long as the interpreter."""
    try:
        return any("resource_tracker" in word for word in process.cmdline())
    except psutil.Error:
        return sys.platform != "win32"  # it has ended meanwhile
