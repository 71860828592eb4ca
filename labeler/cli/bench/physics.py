"""`bench physics`: the model's own figures, and each pane of the window from shot to paint."""

from __future__ import annotations

import sys
import time
from typing import Any

import numpy as np
from PyQt6.QtCore import QPoint
from PyQt6.QtGui import QPixmap
from PyQt6.QtWidgets import QApplication

from labeler.window.label.physics.cursor import PhysicsPointer
from labeler.window.label.physics.pane import Shown
from labeler.window.label.physics.view import KINDS
from labeler.window.widgets import theme
from model.benchmarks import physics
from model.physics import profiles
from model.preprocessing.display import Overlay, Screen
from model.shots.layouts import Geometry

PANE = (300, 170)
"""Points: larger than a pane of the strip in a small window."""
LARGE = 1035
"""Pixels a side of the largest detector among our files."""
REPEATS = 30


def measure(
    rounds: int = 7, size: int = 224, shots: int = 192, noise_shots: int = 4000
) -> dict[str, Any]:
    """What `model.benchmarks.physics` measures, and of the panes, in milliseconds.

    panes_ms: median of each pane, its computation and its paint, with the reduction of the shot
    that they share; pane_ms: the slowest; pane_ms_large: the same of 1035² pixels.
    """
    found = physics.measure(rounds, size, shots, noise_shots)
    found["panes_ms"] = panes(size)
    found["pane_ms"] = max(found["panes_ms"].values())
    found["pane_ms_large"] = max(panes(LARGE).values())
    return found


def panes(size: int) -> dict[str, float]:
    """Milliseconds by pane for a shot of size² pixels with a mask."""
    app = QApplication.instance() or QApplication(sys.argv[:1])
    assert isinstance(app, QApplication)
    theme.apply(app, theme.current().name)
    counts = physics.shot(size)
    mask = np.ones(counts.shape, bool)
    mask[: size // 20] = False
    geometry = Geometry(wavelength_m=50e-9, distance_m=0.065, pixel_m=0.075 / size)
    found: dict[str, float] = {}
    for kind in KINDS:
        pane = kind(PhysicsPointer())
        pane.resize(*PANE)
        canvas = QPixmap(pane.size())
        taken = []
        for _ in range(REPEATS):
            begin = time.perf_counter()
            small = profiles.reduced(counts, mask)
            pane.take(Shown(small, geometry, Screen(), Overlay()))
            pane.render(canvas, QPoint())
            taken.append(1e3 * (time.perf_counter() - begin))
        found[kind.name] = float(np.median(taken))
        pane.deleteLater()
    return found
