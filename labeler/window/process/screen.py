"""Whether there is a screen, and what Qt paints on where there is none."""

from __future__ import annotations

import os
import sys

UNSEEN = ("offscreen", "minimal", "vnc")
"""Qt platforms that no one looks at."""


def has_display() -> bool:
    """Whether a window would be seen by anybody."""
    if os.environ.get("QT_QPA_PLATFORM", "").split(":")[0] in UNSEEN:
        return False
    if sys.platform in ("win32", "darwin"):
        return True
    return bool(os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY"))


def paint_unseen() -> None:
    """Without a screen, let Qt paint into memory: it would end the process instead."""
    if not has_display():
        os.environ.setdefault("QT_QPA_PLATFORM", UNSEEN[0])
