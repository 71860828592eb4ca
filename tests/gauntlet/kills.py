"""kill -9 at random moments: no acknowledged label is lost, and no process is left behind."""

from __future__ import annotations

import os
import random
import shutil
import signal
import struct
import subprocess
import sys
import time
from pathlib import Path

import psutil

from labeler.project.store import LABELLED, Store

from .places import Tally, make_project, trouble_with

ROOT = Path(__file__).resolve().parents[2]
PACE_S = 1 / 20
GRACE_S = 5.0
"""Nothing that a killed window had started may be there after so long."""
_TOLD = struct.Struct("<ii")
"""What a child says after a label is stored: row, present."""


def while_labelling(folder: Path, times: int, *, pace: float = PACE_S, seed: int = 1) -> Tally:
    """Kill a child that labels through the store; `pace` 0 is as fast as the disk allows.

    Every killed child is followed by another on the same project, as after a crash.
    """
    kind = "kill -9 while labelling at 20 keys/s" if pace else "kill -9 in the midst of commits"
    tally, chance = Tally(kind), random.Random(seed)
    project = make_project(folder / f"kills-{seed}")
    told = 0
    longest = 5 * pace or 0.1
    for _ in range(times):
        pid, pipe = _start(project, pace)
        os.read(pipe, 1)  # it labels now
        time.sleep(chance.uniform(0, longest))
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
        said = b""
        while part := os.read(pipe, 65536):
            said += part
        os.close(pipe)
        labels = list(_TOLD.iter_unpack(said[: len(said) // _TOLD.size * _TOLD.size]))
        told += len(labels)
        tally.add(_missing(project, labels) or trouble_with(project))
    tally.note = f"{told:,} labels acknowledged"
    return tally


def _start(project: Path, pace: float) -> tuple[int, int]:
    ours, theirs = os.pipe()
    pid = os.fork()
    if pid:
        os.close(theirs)
        return pid, ours
    try:
        os.close(ours)
        store = Store.open(project / "project.sqlite")
        ada, n = store.annotator("Ada"), store.n_shots()
        first = store.newest_gesture()
        os.write(theirs, b".")
        for k in range(first, first + 100_000):
            row, present = k % n, 1 + k % 2000
            store.record(ada, row, present, LABELLED, origin="key", shown={"run": "1"}, seconds=0.1)
            os.write(theirs, _TOLD.pack(row, present))
            time.sleep(pace)
    finally:
        os._exit(1)


def _missing(project: Path, labels: list[tuple[int, int]]) -> str:
    """The first acknowledged label that is not in the history, in its order."""
    store = Store.open(project / "project.sqlite")
    try:
        find = "SELECT row, present_after FROM events ORDER BY gesture_id DESC LIMIT ?"
        kept = store.database.driver.execute(find, (len(labels) + 1,)).fetchall()[::-1]
    finally:
        store.close()
    # one more than was told may be there: killed after the commit and before the telling
    if kept[-len(labels) :] == labels or kept[:-1][-len(labels) :] == labels or not labels:
        return ""
    return (
        f"of {len(labels)} acknowledged labels some are missing: {labels[-3:]} not in {kept[-4:]}"
    )


def in_the_window(folder: Path, times: int, seed: int = 2) -> Tally:
    """Kill a whole window, off screen, in which keys are pressed 20 times a second."""
    tally, chance = Tally("kill -9 of the window at 20 keys/s"), random.Random(seed)
    project = make_project(folder / "window")
    told = 0
    for _ in range(times):
        words = [sys.executable, "-m", "tests.gauntlet.pressing", str(project)]
        child = subprocess.Popen(
            words, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, env=_calm()
        )
        assert child.stdout is not None
        child.stdout.read(1)  # it labels now
        time.sleep(chance.uniform(0, 1.0))
        family = psutil.Process(child.pid).children(recursive=True)
        child.kill()
        said = child.stdout.read()
        child.wait()
        child.stdout.close()
        labels = list(_TOLD.iter_unpack(said[: len(said) // _TOLD.size * _TOLD.size]))
        told += len(labels)
        tally.add(_missing(project, labels) or trouble_with(project) or _still_there(family))
    tally.note = f"{told:,} labels acknowledged on screen"
    return tally


def with_a_training(folder: Path, times: int, at_once: int = 2, seed: int = 3) -> Tally:
    """Kill windows whose training runs in a child: nothing of it is left after 5 seconds."""
    tally, chance = Tally("kill -9 with a training running"), random.Random(seed)
    worked = 0
    while tally.tried < times:
        batch = []
        for k in range(min(at_once, times - tally.tried)):
            place = folder / f"training-{tally.tried + k}"
            project = make_project(place, 12, 32)
            words = [sys.executable, "-m", "tests.gauntlet.training", str(project)]
            child = subprocess.Popen(
                words, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, env=_calm()
            )
            batch.append((child, project))
        for child, _ in batch:
            assert child.stdout is not None
            child.stdout.readline()  # its training has started
        time.sleep(chance.uniform(0, 6))
        family = [psutil.Process(child.pid).children(recursive=True) for child, _ in batch]
        worked += sum(bool(f) for f in family)
        for child, _ in batch:
            child.kill()
        start = time.monotonic()
        for (child, project), others in zip(batch, family, strict=True):
            child.wait()
            alive = _left(others, start + GRACE_S)
            tally.add(f"orphans {alive}" if alive else trouble_with(project))
            for process in alive:
                process.kill()
            assert child.stdout is not None
            child.stdout.close()
            shutil.rmtree(project.parent, ignore_errors=True)
    tally.note = f"{worked} had a child at work"
    return tally


def _still_there(family: list[psutil.Process]) -> str:
    """The reader of shots and whatever else the window had started end with it."""
    alive = _left(family, time.monotonic() + GRACE_S)
    return f"children of the window are left: {alive}" if alive else ""


def _left(family: list[psutil.Process], end: float) -> list[psutil.Process]:
    """Those that still run at a moment; the dead whom no one has buried do not count."""
    while alive := [p for p in family if _runs(p)]:
        if time.monotonic() > end:
            return alive
        time.sleep(0.02)
    return []


def _runs(process: psutil.Process) -> bool:
    try:
        return bool(process.is_running() and process.status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False


def _calm() -> dict[str, str]:
    """No screen, few threads."""
    quiet = {"QT_QPA_PLATFORM": "offscreen", "OMP_WAIT_POLICY": "passive", "OMP_NUM_THREADS": "1"}
    return {**os.environ, **quiet}
