"""Everything a person can do in the window, and which key does it."""

from __future__ import annotations

from labeler.window.commands.command import MENUS, Command, When
from labeler.window.commands.keymap import Keymap, normal
from labeler.window.commands.table import COMMANDS, of_classes

__all__ = ["COMMANDS", "MENUS", "Command", "Keymap", "When", "normal", "of_classes"]
