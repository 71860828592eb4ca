"""`bench labelling`: how fast the labelling half is, in the real window, with real children.

Works on projects of its own in a temporary folder, off-screen or on, with durable commits; nothing
is stubbed.
"""

from __future__ import annotations

import tempfile
import time
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from PyQt6.QtCore import QEventLoop, QTimer
from PyQt6.QtWidgets import QApplication

from labeler.cli.bench import inspecting as timing_heat
from labeler.cli.bench import learning as timing_learning
from labeler.cli.bench import million as timing_scale
from labeler.cli.bench.simulated_user import Lateness, SimulatedUser, spread, user_in_window
from labeler.jobs.job import Job
from labeler.project.project import Project
from labeler.window.grid.view import GridView
from model.taxonomy.toml import load, shipped

WARM_UP = 20
KINDS = 64
"""Different patterns in the file; they repeat."""
LEARNT = 160
"""Shots of the training that runs meanwhile."""
STARTING_S = 300.0


def measure(
    shots: int = 10_000, keys: int = 300, size: int = 224, training: int = 1, large: int = 1_000_000
) -> dict[str, Any]:
    """Milliseconds from key to paint on `shots` shots of `size`² pixels: medians, 99th percentiles.

    `next_ms_*`: a class key until the label is on disk and the next pattern painted, prefetched,
    also while a training runs; `suggested_ms_*`: until suggestions for 7,264 shots know the label,
    with the lateness of the event loop meanwhile; `step_ms_*`: → alone; `jump_ms_*`: to a shot far
    away, read after the key; `label_ms_*`: a class key until it is committed and all is painted;
    `heat_ms_*`: → until heat computed for the next shot has come, with the lateness meanwhile.
    Then the grid, and how everything grows up to `large` shots (0 leaves that out, as does
    `training` for its part).
    """
    with tempfile.TemporaryDirectory(prefix="airylabel-bench-") as name:
        folder = Path(name)
        Project.create(folder / "week", [_write(folder / "shots.h5", shots, size)]).close()
        found: dict[str, Any] = {"shots": shots, "keys": keys}
        with user_in_window(folder) as user:
            found |= _keys(user, folder / "week", keys)
            if training:
                found |= _while_training(user, folder, keys)
            found |= _grid_frames(user)
            found |= timing_learning.measure(user, folder, keys // 3)
            if training:
                found |= timing_heat.measure(user, folder, keys // 3)
    return found | _growth(large)


def _write(path: Path, shots: int, size: int) -> Path:
    """A contiguous stack of noisy rings; only its size matters here."""
    random = np.random.default_rng(1)
    y, x = np.mgrid[:size, :size] - (size - 1) / 2
    r = np.hypot(y, x)
    patterns = np.stack(
        [
            random.poisson(3000 * np.exp(-r / size * 12) * (1 + np.cos(r / k)) + 1)
            for k in np.linspace(2, 9, KINDS)
        ]
    ).astype(np.uint16)
    with h5py.File(path, "w") as file:
        images = file.create_dataset("images", (shots, size, size), np.uint16)
        for start in range(0, shots, KINDS):
            images[start : start + KINDS] = patterns[: min(KINDS, shots - start)]
    return path


def _keys(user: SimulatedUser, week: Path, keys: int) -> dict[str, Any]:
    found: dict[str, Any] = {"open_10k_s": user.open(week) / 1000}
    user.session.display.auto_levels()
    user.session.labelling.auto_advance = True
    for _ in range(WARM_UP):
        user.decide()
    found |= spread("next", [user.decide() for _ in range(keys)])
    user.session.labelling.auto_advance = False
    found |= spread("step", [user.step() for _ in range(keys)])
    found |= spread("jump", [user.jump() for _ in range(keys)])
    return found | spread("label", [user.label() for _ in range(keys)])


def _while_training(user: SimulatedUser, folder: Path, keys: int) -> dict[str, Any]:
    """The same keys while a training, as the Retrain button starts it, takes every core."""
    source = _labelled(folder / "learn.h5")
    options = ("--recipe", "quick", "--epochs", "500", "--out", str(folder / "run"))
    job = Job(("train", str(source), *options), folder / "train.log")
    epochs: list[object] = []
    job.event_received.connect(lambda e: epochs.append(e) if e.get("event") == "epoch" else None)
    job.start()
    waited = 0.0
    while job.is_running and not epochs and waited < STARTING_S:
        user.rest(0.2)
        waited += 0.2
    if not epochs:
        job.stop()
        why = job.last_event.get("text") or f"no epoch within {STARTING_S:.0f} s"
        return {"left_out": {"training": str(why)}}
    user.session.cursor.first()
    user.session.labelling.auto_advance = True
    for _ in range(WARM_UP):
        user.decide()
    lateness = Lateness()
    times = [user.decide() for _ in range(keys)]
    late_while_typing = lateness.stop()
    lateness = Lateness()
    user.rest(5.0)
    found = spread("next", times)
    job.stop()
    user.session.labelling.auto_advance = False
    return {
        "next_ms_median_training": found["next_ms_median"],
        "next_ms_p99_training": found["next_ms_p99"],
        "lateness_ms_p99_training": lateness.stop(),
        "lateness_ms_p99_training_typing": late_while_typing,
    }


def _labelled(path: Path) -> Path:
    """A small file of labelled shots to learn from; nothing is to be learnt."""
    taxonomy = load(shipped("helium"))
    random = np.random.default_rng(3)
    sets = taxonomy.legal_sets[taxonomy.legal_sets.any(1)]
    with h5py.File(path, "w") as file:
        file["images"] = random.poisson(20, (LEARNT, 112, 112)).astype(np.uint16)
        file["labels"] = sets[random.integers(len(sets), size=LEARNT)].astype(np.uint8)
        file["labels"].attrs["class_names"] = list(taxonomy.names)
    return path


def _growth(large: int) -> dict[str, Any]:
    """A row for every power of ten from 10,000 on, and the last of them by name."""
    rows = []
    n = 10_000
    while n <= large:
        with tempfile.TemporaryDirectory(prefix="airylabel-bench-") as name:
            rows.append(timing_scale.measure(n, Path(name)))
        n *= 10
    if not rows:
        return {}
    last = rows[-1]
    return {
        "open_1m_s": last["open_s"],
        "next_unlabelled_ms": last["next_unlabelled_ms"],
        "counts_1m_ms": last["counts_ms"],
        "memory_1m_mb": last["memory_mb"],
        "growth": rows,
    }


WINDOW = (1920, 1200)
FRAMES = 240
IN_SIGHT = 2_000
PATIENCE_S = 60.0
"""Thumbnails of the shots scrolled over are made before the watch starts, within this time."""


def _grid_frames(user: SimulatedUser) -> dict[str, Any]:
    """Milliseconds of a frame: half of it by wheel steps, half by dragging the bar far."""
    window = user.window
    window.resize(*WINDOW)
    window.show_tab("Grid")
    grid = window.views["Grid"]
    assert isinstance(grid, GridView)
    canvas = grid.canvas
    grid.head.slider.setValue(0)
    while canvas.plan.columns * (canvas.port.height() // canvas.plan.pitch) < IN_SIGHT:
        window.resize(window.width() + 80, window.height() + 60)
    made = _made(user, grid)
    bar, step = canvas.bar, canvas.bar.singleStep()
    random = np.random.default_rng(4)
    spent = []
    for k in range(FRAMES):
        far = k % 4 == 3 and k >= FRAMES // 2
        place = int(random.integers(bar.maximum())) if far else bar.value() + step
        begin = time.perf_counter()
        bar.setValue(place % max(bar.maximum(), 1))
        canvas.port.repaint()
        QApplication.processEvents()
        spent.append(1000 * (time.perf_counter() - begin))
    return {
        "thumbnails_per_s": made,
        "grid_in_sight": canvas.plan.columns * (canvas.port.height() // canvas.plan.pitch),
        "grid_frame_ms_median": float(np.median(spent)),
        "grid_frame_ms_p95": float(np.percentile(spent, 95)),
    }


def _made(user: SimulatedUser, grid: GridView) -> float:
    """Wait until the thumbnails are there, or as long as patience lasts; how many a second."""
    begin, feed = time.perf_counter(), user.session.shots.feed
    before = len(feed.without_thumbnail()) if feed is not None else 0
    loop = QEventLoop()
    watch = QTimer()
    watch.timeout.connect(
        lambda: (
            loop.quit()
            if not grid.head.filler.isVisible() or time.perf_counter() - begin > PATIENCE_S
            else None
        )
    )
    watch.start(50)
    if grid.head.filler.isVisible():
        loop.exec()
    watch.stop()
    left = len(feed.without_thumbnail()) if feed is not None else 0
    return (before - left) / max(time.perf_counter() - begin, 1e-9)
