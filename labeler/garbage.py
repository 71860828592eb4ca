"""Python's cyclic garbage, collected in the window's own thread and nowhere else.

Left to itself, Python collects in whichever thread happens to allocate. When that is the thread
of the shot reader, forgotten widgets die in the wrong thread and take the program with them.
"""

from __future__ import annotations

import gc

from PyQt6.QtCore import QObject, QTimer

EVERY_MS = 1000


class GarbageCollector(QObject):
    """Switches automatic collection off for good, and collects from the event loop instead."""

    def __init__(self, parent: QObject) -> None:
        super().__init__(parent)
        gc.disable()
        timer = QTimer(self)
        timer.setInterval(EVERY_MS)
        timer.timeout.connect(self.collect)
        timer.start()

    def collect(self) -> None:
        """Collect each generation that is due, by Python's own thresholds."""
        for generation, due in enumerate(gc.get_threshold()):
            if gc.get_count()[generation] <= due:
                return
            gc.collect(generation)
