"""Which keys do what: the shipped ones, and a person's own in their place.

On every layout of a keyboard: French, Belgian and Czech ones type digits with Shift only; under
Greek or Cyrillic layouts no key types a Latin letter.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Mapping

from PyQt6.QtCore import Qt
from PyQt6.QtGui import QKeyEvent

from labeler.window.commands.command import Command
from model.errors import InputError


class Keymap:
    """Which keys do what: the shipped ones, and a person's own in their place.

    Class keys of a taxonomy go first: a shipped key that one of them needs is not used.
    """

    def __init__(
        self, commands: Iterable[Command], own: Mapping[str, Iterable[str]] | None = None
    ) -> None:
        self.commands = {c.id: c for c in commands}
        self._keys: dict[str, tuple[str, ...]] = {}
        own = own or {}
        ordered = sorted(
            self.commands.values(), key=lambda c: (c.id not in own, not c.id.startswith("class."))
        )
        taken: set[str] = set()
        for command in ordered:
            wanted = own.get(command.id, command.keys)
            keys = tuple(dict.fromkeys(k for k in map(normal, wanted) if k not in taken))
            self._keys[command.id] = keys
            taken.update(keys)

    def keys(self, id: str) -> tuple[str, ...]:
        """Keys of a command, the shown one first."""
        return self._keys[id]

    def owner(self, key: str) -> Command | None:
        """The command that a key runs."""
        key = normal(key)
        return next((self.commands[i] for i, keys in self._keys.items() if key in keys), None)

    def rebind(self, id: str, keys: Iterable[str]) -> None:
        """Give a command other keys; InputError names the command that already has one."""
        wanted = tuple(dict.fromkeys(normal(k) for k in keys))
        for key in wanted:
            owner = self.owner(key)
            if owner is not None and owner.id != id:
                raise InputError(
                    f"the key {key} already means “{owner.text}”",
                    mend=f"Choose another key, or change that of “{owner.text}” first.",
                )
        self._keys[id] = wanted

    def reset(self, own: Mapping[str, Iterable[str]] | None = None) -> None:
        """Give every command its shipped keys again, or a person's own in their place."""
        self._keys = dict(Keymap(self.commands.values(), own)._keys)

    def refused(self, own: Mapping[str, Iterable[str]]) -> list[str]:
        """Why keys of a person's own have no use, in sentences; classes of other projects rest."""
        found = []
        for id, keys in own.items():
            if id not in self.commands:
                if not id.startswith("class."):
                    found.append(f"Keys are given to {id!r}, which is no command.")
                continue
            for key in map(normal, keys):
                owner = self.owner(key)
                if owner is not None and owner.id != id:
                    found.append(f"{key} of “{self.commands[id].text}” means “{owner.text}”.")
        return found

    def own(self) -> dict[str, tuple[str, ...]]:
        """What differs from the shipped keys, to be stored."""
        fresh = Keymap(self.commands.values())
        return {i: keys for i, keys in self._keys.items() if keys != fresh._keys[i]}


def normal(key: str) -> str:
    """One spelling for each key: modifiers in a fixed order, single letters in capitals.

    The two Enter keys, of which Qt calls one Return, are the same key. A sign typed with Shift is
    the sign alone, "?", and what Qt calls Backtab is Shift+Tab: by other names it finds neither.
    """
    parts = [p.strip() for p in key.split("+")] if key.strip("+") else [key]
    if key.endswith("++"):
        parts = [*parts[:-2], "+"]
    *modifiers, last = parts
    order = ("Ctrl", "Meta", "Alt", "Shift")
    names = {m.casefold(): m for m in order}
    found = {names[m.casefold()] for m in modifiers if m.casefold() in names}
    last = last.upper() if len(last) == 1 else last[:1].upper() + last[1:]
    last = {"Return": "Enter", "Backtab": "Tab"}.get(last, last)
    if len(last) == 1 and not last.isalnum():
        found.discard("Shift")
    return "+".join([*(m for m in order if m in found), last])


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
