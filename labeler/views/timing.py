"""Times the hand of a person in the real window: from a key to the pattern on screen.

Works on a project of its own in a temporary folder, off-screen or on, with the real reader child
and durable commits; nothing is stubbed.
"""

from __future__ import annotations

import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from PyQt6.QtCore import QEventLoop, Qt, QTimer
from PyQt6.QtTest import QTest
from PyQt6.QtWidgets import QApplication

from labeler.project import Project
from labeler.session import Session
from labeler.settings import Settings
from labeler.views import theme
from labeler.window import MainWindow

HANDS: Any = QTest
"""Its functions are static, which its type stubs do not know."""
WINDOW = (1280, 800)
PATIENCE_MS = 10_000
WARM_UP = 20
KINDS = 64
"""Different patterns in the file; they repeat."""


def measure(shots: int = 10_000, keys: int = 300, size: int = 224) -> dict[str, Any]:
    """Milliseconds from key to paint on `shots` shots of `size`² pixels: medians, 99th percentiles.

    `next_ms_*`: → at full speed, read ahead where the reader keeps up; `jump_ms_*`: to a shot far
    away, read after the key; `label_ms_*`: a class key until it is committed and all is painted.
    """
    app = QApplication.instance() or QApplication(sys.argv[:1])
    assert isinstance(app, QApplication)
    theme.apply(app, "dark")
    with tempfile.TemporaryDirectory(prefix="airylabel-bench-") as name:
        folder = Path(name)
        Project.create(folder / "week", [_write(folder / "shots.h5", shots, size)]).close()
        session = Session()
        window = MainWindow(session, Settings(folder / "settings.toml"))
        session.repeat_rate = 0.0
        window.resize(*WINDOW)
        window.show()
        try:
            return {"shots": shots, "keys": keys} | _Hand(window, session).times(folder, keys)
        finally:
            window.close()
            window.deleteLater()


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


class _Hand:
    """Presses keys and waits for the paint."""

    def __init__(self, window: MainWindow, session: Session) -> None:
        self.window = window
        self.session = session
        self.random = np.random.default_rng(2)

    def times(self, folder: Path, keys: int) -> dict[str, Any]:
        opened = self._until_painted(lambda: self.window.doors.open_folder(folder / "week"))
        self.session.auto_levels()
        for _ in range(WARM_UP):
            self._step()
        steps = [self._step() for _ in range(keys)]
        jumps = [self._jump() for _ in range(keys)]
        labels = [self._label() for _ in range(keys)]
        found: dict[str, Any] = {"open_ms": opened}
        for name, values in (("next", steps), ("jump", jumps), ("label", labels)):
            found[f"{name}_ms_median"] = float(np.median(values))
            found[f"{name}_ms_p99"] = float(np.percentile(values, 99))
        return found

    def _step(self) -> float:
        return self._until_painted(lambda: self._press(Qt.Key.Key_Right))

    def _jump(self) -> float:
        row = int(self.random.integers(1, self.session.n_shots))
        if row == self.session.row:
            row -= 1
        return self._until_painted(lambda: self.session.show(row))

    def _label(self) -> float:
        """A class key on a fresh shot, until the commit and every paint it asks for are done."""
        self._step()
        key = str(self.random.integers(1, 9))
        begin = time.perf_counter()
        HANDS.keyClick(self.window, key)
        QApplication.processEvents()
        return 1000 * (time.perf_counter() - begin)

    def _press(self, key: Qt.Key) -> None:
        HANDS.keyClick(self.window, key)

    def _until_painted(self, act: Callable[[], None]) -> float:
        """Milliseconds from `act` until the pattern of the shot that it leads to is painted."""
        loop = QEventLoop()
        late = QTimer()
        late.setSingleShot(True)
        late.timeout.connect(lambda: loop.exit(1))
        painted: list[float] = []

        def arrived(row: int) -> None:
            if row == self.session.row:
                painted.append(time.perf_counter())
                loop.exit(0)

        self.session.painted.connect(arrived)
        late.start(PATIENCE_MS)
        begin = time.perf_counter()
        act()
        if not painted and loop.exec():
            raise TimeoutError(f"nothing was painted within {PATIENCE_MS / 1000:.0f} s")
        late.stop()
        self.session.painted.disconnect(arrived)
        return 1000 * (painted[0] - begin)
