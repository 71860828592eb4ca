"""A user who presses keys in the real window and waits for the paint, with a watch.

For the measurements of `bench labelling`; nothing is stubbed.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from PyQt6.QtCore import QEventLoop, Qt, QTimer
from PyQt6.QtTest import QTest
from PyQt6.QtWidgets import QApplication

from labeler.session.session import Session
from labeler.window.main_window import MainWindow
from labeler.window.settings import Settings
from labeler.window.widgets import theme

HANDS: Any = QTest
"""Its functions are static, which its type stubs do not know."""
WINDOW = (1000, 900)
PATIENCE_MS = 20_000
TICK_MS = 5
"""How often the event loop is asked whether it is late."""


class SimulatedUser:
    """Presses keys and waits for the paint; every verb returns milliseconds."""

    def __init__(self, window: MainWindow, session: Session, seed: int = 2) -> None:
        self.window = window
        self.session = session
        self.random = np.random.default_rng(seed)

    def open(self, folder: Path) -> float:
        """From opening a project to its first pattern."""
        return self.until_painted(lambda: self.window.project_files.open_folder(folder))

    def decide(self) -> float:
        """A class key until the label is on disk and the next pattern on screen."""
        assert self.session.labelling.auto_advance
        key = str(self.random.integers(1, 9))
        return self.until_painted(lambda: HANDS.keyClick(self.window, key))

    def step(self) -> float:
        """→ until the next pattern is on screen."""
        return self.until_painted(lambda: HANDS.keyClick(self.window, Qt.Key.Key_Right))

    def jump(self) -> float:
        """To a shot far away, which no one could read ahead."""
        row = int(self.random.integers(1, self.session.labels.n_shots))
        row -= row == self.session.cursor.row
        return self.until_painted(lambda: self.session.cursor.show(row))

    def find_next(self) -> float:
        """U until the next undecided shot is on screen."""
        return self.until_painted(lambda: HANDS.keyClick(self.window, Qt.Key.Key_U))

    def label(self) -> float:
        """A class key on the next shot, until the commit and every paint it asks for are done."""
        self.step()
        key = str(self.random.integers(1, 9))
        begin = time.perf_counter()
        HANDS.keyClick(self.window, key)
        QApplication.processEvents()
        return 1000 * (time.perf_counter() - begin)

    def rest(self, seconds: float) -> None:
        """Let the window be for a while."""
        loop = QEventLoop()
        QTimer.singleShot(round(1000 * seconds), loop.quit)
        loop.exec()

    def until_painted(self, act: Callable[[], object]) -> float:
        """Milliseconds from `act` until the pattern of the shot that it leads to is painted."""
        loop = QEventLoop()
        late = QTimer()
        late.setSingleShot(True)
        late.timeout.connect(lambda: loop.exit(1))
        painted: list[float] = []

        def arrived(row: int) -> None:
            if row == self.session.cursor.row:
                painted.append(time.perf_counter())
                loop.exit(0)

        self.session.cursor.painted.connect(arrived)
        late.start(PATIENCE_MS)
        begin = time.perf_counter()
        act()
        if not painted and loop.exec():
            raise TimeoutError(f"nothing was painted within {PATIENCE_MS / 1000:.0f} s")
        late.stop()
        self.session.cursor.painted.disconnect(arrived)
        return 1000 * (painted[0] - begin)


class Lateness:
    """How late the event loop serves a timer; started by making it."""

    def __init__(self) -> None:
        self.found: list[float] = []
        self._due = time.perf_counter() + TICK_MS / 1000
        self._timer = QTimer()
        self._timer.setTimerType(Qt.TimerType.PreciseTimer)
        self._timer.timeout.connect(self._tick)
        self._timer.start(TICK_MS)

    def _tick(self) -> None:
        now = time.perf_counter()
        self.found.append(1000 * max(now - self._due, 0.0))
        self._due = now + TICK_MS / 1000

    def pause(self) -> None:
        """Look away until `go_on`."""
        self._timer.stop()

    def go_on(self) -> None:
        """Look again."""
        self._due = time.perf_counter() + TICK_MS / 1000
        self._timer.start(TICK_MS)

    def stop(self) -> float:
        """Milliseconds that the latest hundredth exceeded."""
        self._timer.stop()
        return float(np.percentile(self.found, 99)) if self.found else 0.0


@contextmanager
def user_in_window(folder: Path) -> Iterator[SimulatedUser]:
    """The real window, without a project, and a user for it; settings lie in the folder."""
    app = QApplication.instance() or QApplication(sys.argv[:1])
    assert isinstance(app, QApplication)
    theme.apply(app, "dark")
    session = Session()
    session.shots.start_reader()
    window = MainWindow(session, Settings(folder / "settings.toml"))
    session.repeats.rate = 0.0  # every key decides a new shot
    window.resize(*WINDOW)
    window.show()
    try:
        yield SimulatedUser(window, session)
    finally:
        window.close()
        window.deleteLater()
        app.processEvents()


def spread(name: str, values: list[float]) -> dict[str, float]:
    """Median and 99th percentile under the names that scripts read."""
    return {
        f"{name}_ms_median": float(np.median(values)),
        f"{name}_ms_p99": float(np.percentile(values, 99)),
    }
