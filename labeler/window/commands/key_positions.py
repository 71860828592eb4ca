"""The key of a US keyboard at the place of a pressed one: keys by position on every layout.

French, Belgian and Czech keyboards type digits with Shift only; under Greek or Cyrillic layouts no
key types a Latin letter.
"""

from __future__ import annotations

import sys

from PyQt6.QtCore import Qt
from PyQt6.QtGui import QKeyEvent

ROWS = {2: "1234567890", 16: "QWERTYUIOP", 30: "ASDFGHJKL", 44: "ZXCVBNM"}
"""First scan code of a row (PC, set 1; the same in Linux's input layer) -> its keys."""
BY_SCAN_CODE = {first + i: key for first, row in ROWS.items() for i, key in enumerate(row)}
X11_OFFSET = 8
"""Key codes of X11 and Wayland are those of Linux's input layer, moved by as many."""
ON_MAC = dict(
    zip(
        (18, 19, 20, 21, 23, 22, 26, 28, 25, 29, 12, 13, 14, 15, 17, 16, 32, 34, 31, 35, 0, 1, 2,
         3, 5, 4, 38, 40, 37, 6, 7, 8, 9, 11, 45, 46),
        "".join(ROWS.values()),
        strict=True,
    )
)  # fmt: skip


def at_position(event: QKeyEvent) -> str:
    """The digit or capital letter of a US keyboard at this place; '' for any other key."""
    held = event.modifiers() & ~Qt.KeyboardModifier.ShiftModifier
    if held != Qt.KeyboardModifier.NoModifier:
        return ""
    if sys.platform == "darwin":
        return ON_MAC.get(event.nativeVirtualKey(), "") if event.text() else ""
    code = event.nativeScanCode()
    return BY_SCAN_CODE.get(code if sys.platform == "win32" else code - X11_OFFSET, "")


def meant(event: QKeyEvent) -> str:
    """The key that is meant, where it is not the one typed: '' else.

    A place in the row of digits is its digit, with Shift where that types the digit; a letter goes
    by its place where the layout types none of the Latin ones.
    """
    place, text = at_position(event), event.text()
    shift = bool(event.modifiers() & Qt.KeyboardModifier.ShiftModifier)
    if place.isdigit():
        return place if (text == place if shift else text != place) else ""
    if not place or text.isascii():
        return ""
    return f"Shift+{place}" if shift else place
