"""What a Command is: one thing a person can do, with its keys; no state and no Qt.

`run` gets the window; `state` tells whether a switch is on.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

When = Literal["always", "project", "shot", "model", "shots", "many"]
"""always; a project is open; a shot is on screen in Label; and a run has predicted.

shots: there is a shot on screen in Label, or some are selected in the view in front;
many: the view in front shows shots that may be selected. Both go to the window's `target`.
"""

MENUS = ("Project", "Label", "Go", "View", "Help")


@dataclass(frozen=True)
class Command:
    """One thing a person can do. `keys` are the shipped ones, the first is shown in menus.

    `state` tells whether a switch is on; a command without it is no switch. `repeats`: while its
    key is held it runs again and again; a label never does.
    """

    id: str
    text: str
    keys: tuple[str, ...]
    menu: str
    when: When
    run: Callable[[Any], object]
    icon: str = ""
    state: Callable[[Any], bool] | None = None
    repeats: bool = False


def command(
    menu: str, id: str, text: str, keys: str, when: When, run: Callable[[Any], object], **more: Any
) -> Command:
    """A line of a table; `keys` are parted by spaces."""
    return Command(id, text, tuple(keys.split()), menu, when, run, **more)
