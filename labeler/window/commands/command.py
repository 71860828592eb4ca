"""What a Command is: one thing a person can do, with its keys; no state and no Qt.

`run` gets the window; `state` tells whether a switch is on.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, Protocol

if TYPE_CHECKING:
    from PyQt6.QtWidgets import QWidget

    from labeler.session.labelling import LabelTarget
    from labeler.session.selection import SelectedShots
    from labeler.session.session import Session
    from labeler.window.dialogs.project_files import ProjectFiles
    from labeler.window.frame.retrain import RetrainBar
    from labeler.window.frame.top_bar import TopBar
    from labeler.window.label.view import LabelView
    from labeler.window.settings import Settings
    from labeler.window.widgets.tab import Tab

When = Literal["always", "project", "shot", "model", "shots", "many"]
"""always; a project is open; a shot is on screen in Label; and a run has predicted.

shots: there is a shot on screen in Label, or some are selected in the view in front;
many: the view in front shows shots that may be selected. Both go to the window's `target`.
"""

MENUS = ("Project", "Label", "Go", "View", "Help")


class Window(Protocol):
    """What commands are run on: the main window."""

    session: Session
    settings: Settings
    project_files: ProjectFiles
    label: LabelView
    bar: TopBar
    retrain_bar: RetrainBar
    tab: str
    views: dict[str, Tab]
    levels_shown: bool
    centre_shown: bool

    @property
    def selection(self) -> SelectedShots | None: ...
    @property
    def target(self) -> LabelTarget: ...
    @property
    def host(self) -> QWidget: ...
    def close(self) -> bool: ...
    def close_project(self) -> None: ...
    def show_tab(self, name: str) -> None: ...
    def show_geometry(self) -> None: ...
    def show_classes(self) -> None: ...
    def show_settings(self) -> None: ...
    def ask_note(self) -> None: ...
    def ask_number(self) -> None: ...
    def copy_image(self) -> None: ...
    def copy_number(self) -> None: ...
    def flip_levels(self) -> None: ...
    def flip_centre(self) -> None: ...
    def flip_theme(self) -> None: ...
    def show_palette(self) -> None: ...
    def show_manual(self) -> None: ...
    def show_guide(self) -> None: ...
    def show_keys(self) -> None: ...
    def show_log(self) -> None: ...
    def show_about(self) -> None: ...


@dataclass(frozen=True)
class Command:
    """One thing a person can do. `keys` are the shipped ones, the first is shown in menus.

    `state` tells whether a switch is on; a command without it is no switch. `repeats`: while its
    key is held it runs again and again; a label never does. `applies`: whether it makes sense on
    what is in front, beside `when`.
    """

    id: str
    text: str
    keys: tuple[str, ...]
    menu: str
    when: When
    run: Callable[[Window], object]
    icon: str = ""
    state: Callable[[Window], bool] | None = None
    repeats: bool = False
    applies: Callable[[Window], bool] | None = None


def command(
    menu: str, id: str, text: str, keys: str, when: When, run: Callable[[Window], object],
    icon: str = "", state: Callable[[Window], bool] | None = None, repeats: bool = False,
) -> Command:  # fmt: skip
    """A line of a table; `keys` are parted by spaces."""
    return Command(id, text, tuple(keys.split()), menu, when, run, icon, state, repeats)
