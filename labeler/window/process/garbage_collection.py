"""Frees what Python's garbage collector finds only between events of the window's own thread.

Left to itself the collector runs wherever memory is asked for: within a paint, or in the reader's
thread. Widgets and painters that it frees there take the program down with them. It never frees
anything itself; it only decides when.
"""

from __future__ import annotations

import gc

from PyQt6.QtCore import QObject, QTimer

EVERY_MS = 1000
"""Between two looks at how much has gathered."""


class GarbageCollection(QObject):
    """While it lives, garbage is collected by a timer of the thread that made it."""

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._thresholds = gc.get_threshold()
        self._timer = QTimer(self)
        self._timer.setInterval(EVERY_MS)
        self._timer.timeout.connect(self.collect)
        self._was_on = gc.isenabled()
        gc.disable()
        self._timer.start()

    def collect(self) -> None:
        """Collect the generations that have gathered enough, as Python itself would."""
        for generation in (2, 1, 0):
            if gc.get_count()[generation] > self._thresholds[generation]:
                gc.collect(generation)
                return

    def release(self) -> None:
        """Leave the collector as it was found."""
        self._timer.stop()
        if self._was_on:
            gc.enable()
