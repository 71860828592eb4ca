"""How soon heat lies on the shot that a user steps to, and how late the window is meanwhile."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from PyQt6.QtCore import QEventLoop

from labeler.cli.bench.simulated_user import Lateness, SimulatedUser, spread
from labeler.cli.demo.project import make
from labeler.project.project import Project
from model.errors import InputError

SHOTS = 120
WARM_UP = 5
"""Shots whose heat comes before the watch starts: the child loads its network meanwhile."""


def measure(user: SimulatedUser, folder: Path, steps: int) -> dict[str, Any]:
    """Milliseconds from → to heat on the next shot that the network sees Streak or Bent in, in
    turns, and how late the event loop is while the window waits for it; in a demo project made in
    `folder`, by a run of `quick` of one epoch. InputError where it cannot be trained."""
    user.open(_project(folder / "inspecting"))
    heat, names = user.session.heat, user.session.require().taxonomy.names
    waiting, times = Lateness(), list[float]()
    waiting.pause()
    user.session.cursor.first()
    for step in range(WARM_UP + steps):
        heat.on, heat.class_index = True, names.index(("Streak", "Bent")[step % 2])
        found = _until_heat(user, waiting if step >= WARM_UP else None)
        times += [found] if step >= WARM_UP and found else []
    heat.on = False
    return spread("heat", times) | {"lateness_ms_p99_heat": waiting.stop()} if times else {}


def _project(folder: Path) -> Path:
    for _ in make(folder, SHOTS):
        pass
    command = ("train", str(folder), "--recipe", "quick", "--epochs", "1", "--json")
    done = subprocess.run(
        [sys.executable, "-P", "-m", "labeler", *command], capture_output=True, text=True
    )
    if done.returncode:
        raise InputError(f"a training failed: {done.stderr.strip()[-300:]}")
    with Project.open(folder) as project:  # its heat is timed, good or bad
        project.current_run = 1
    return folder


def _until_heat(user: SimulatedUser, waiting: Lateness | None) -> float:
    """One step on, and wait for the heat, which comes or is given up by its process however slow
    the machine is; 0 where none has to be computed. InputError where it was given up."""
    heat, cursor, loop = user.session.heat, user.session.cursor, QEventLoop()
    came: dict[int, float] = {}

    def arrived(row: int) -> None:
        came[row] = time.perf_counter()
        if row == cursor.row:
            loop.quit()

    heat.heat_ready.connect(arrived)
    begin = time.perf_counter()
    user.step()
    if cursor.row not in came and heat.is_waiting:
        if waiting is not None:
            waiting.go_on()
        loop.exec()
        if waiting is not None:
            waiting.pause()
    heat.heat_ready.disconnect(arrived)
    if heat.failure:
        raise InputError(heat.failure)
    return 1000 * (came[cursor.row] - begin) if cursor.row in came else 0.0
