"""Frames of the grid while it is scrolled, with 2,000 thumbnails in sight."""

from __future__ import annotations

import time
from typing import Any

import numpy as np
from PyQt6.QtCore import QEventLoop, QTimer
from PyQt6.QtWidgets import QApplication

from labeler.cli.bench.simulated_user import SimulatedUser

WINDOW = (1920, 1200)
FRAMES = 240
IN_SIGHT = 2_000
PATIENCE_S = 60.0
"""Thumbnails of the shots scrolled over are made before the watch starts, within this time."""


def frames(user: SimulatedUser) -> dict[str, Any]:
    """Milliseconds of a frame: half of it by wheel steps, half by dragging the bar far."""
    window = user.window
    window.resize(*WINDOW)
    window.show_tab("Grid")
    grid: Any = window.views["Grid"]
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


def _made(user: SimulatedUser, grid: Any) -> float:
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
