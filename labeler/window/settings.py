"""What a person chose for the window, as one declarative table, kept in a small TOML file.

Written atomically; a damaged file is put aside, never silently overwritten, and a value that does
not fit its setting falls back to the shipped one, stays in the file until another is chosen, and is
named beside its setting. Two windows share the file: each writes only what was changed in it.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from copy import deepcopy
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

import tomlkit
from msgspec import Meta

from labeler.session.display import PANES
from model.errors import InputError, checked, parsed_toml, text_of
from model.output_files import explained, user_folder, write_text
from model.preprocessing.display import COLORMAPS, NORMS

FILE = "settings.toml"
RECENT = 8
"""This many projects are remembered."""


Share = Annotated[float, Meta(ge=0.0, le=1.0)]
Text = Annotated[str, Meta(max_length=4096, pattern=r"^[^\x00]*$")]
Strategy = Literal[
    "asked", "random", "margin", "entropy", "contradiction", "rare", "diverse", "badge", "change"
]
"""Names of `model.active.strategies.STRATEGIES`, whose module is too slow to load at the start."""
Bytes = Annotated[str, Meta(pattern=r"^([0-9A-Fa-f]{2})*$")]
"""In hexadecimal digits."""
Workers = Annotated[int, Meta(ge=0, le=4096)]
Pixels = Annotated[list[Annotated[int, Meta(ge=0, le=32_767)]], Meta(max_length=8)]
Texts = Annotated[list[Text], Meta(max_length=1000)]


@dataclass(frozen=True)
class Setting:
    """One thing to choose: its shipped value, what it is for, and the type that its values have.

    `page` is the part of the settings page that shows it; '' where the program remembers it itself.
    """

    id: str
    default: Any
    text: str
    kind: Any
    page: str = ""


def _one_of(values: tuple[str, ...]) -> Any:
    return Literal.__getitem__(values)


_LOOK, _SHOT, _HEAT, _LABEL = "Window", "Pattern", "Heatmap", "Labelling"
_PANES, _HELP, _JOBS = "Physics", "Suggestions", "Batch jobs"
SETTINGS: tuple[Setting, ...] = (
    Setting("theme", "dark", "Theme", Literal["dark", "light"], _LOOK),
    Setting("norm", "log", "Norm of counts", _one_of(NORMS), _SHOT),
    Setting("colormap", "gray", "Colormap", _one_of(tuple(COLORMAPS)), _SHOT),
    Setting("show_mask", True, "Show masked pixels", bool, _SHOT),
    Setting("show_prepared", False, "Show shots preprocessed, not raw", bool, _SHOT),
    Setting("show_centre", False, "Mark the centre", bool, _SHOT),
    Setting("show_levels", False, "Histogram and levels", bool, _SHOT),
    Setting("follow_levels", False, "Each shot at its own levels", bool, _SHOT),
    Setting(
        "physics", ["profile"], "Physics panes", list.__class_getitem__(_one_of(PANES)), _PANES
    ),
    Setting("heat_contours", True, "Dashed contours", bool, _HEAT),
    Setting("heat_transparency", True, "Transparency", bool, _HEAT),
    Setting("heat_strength", 0.7, "Strength", Share, _HEAT),
    Setting("auto_advance", False, "Auto-advance after each class key", bool, _LABEL),
    Setting("repeat_rate", 0.03, "Blind repeats", Share, _LABEL),
    Setting("break_reminder", True, "Remind me to take breaks", bool, _LABEL),
    Setting("suggestions", True, "Suggestions on undecided shots", bool, _HELP),
    Setting("instant", True, "Instant model, learns after every label", bool, _HELP),
    Setting("ask_strategy", "asked", "Most informative shot", Strategy, _HELP),
    Setting("audit_share", 0.1, "Random checks among asked shots", Share, _HELP),
    Setting("hidden_share", 0.05, "Blind checks, no suggestion shown", Share, _HELP),
    Setting("scheduler", "", "Scheduler", Text, _JOBS),
    Setting("workers", 0, "Workers", Workers, _JOBS),
    Setting("guide", True, "Guided first label in a demo", bool, _LOOK),
    Setting("keys", {}, "Own keys", dict[Text, Texts]),
    Setting("recent", [], "Folders of recent projects", Texts),
    Setting("progress", {}, "How far recent projects were when closed", dict[Text, Text]),
    Setting("window", "", "Place and size of the window", Bytes),
    Setting("panes", [], "Widths of the panes", Pixels),
)


class Settings:
    """The values in use; `wrong` says in words what was wrong with a value of the file, by id."""

    def __init__(self, path: Path | None = None) -> None:
        self.path = path or user_folder() / FILE
        self.wrong: dict[str, str] = {}
        self.when_changed: Callable[[], object] = lambda: None
        """Called after each change, by whoever stores them."""
        self._damaged = ""
        self._values = {s.id: deepcopy(s.default) for s in SETTINGS}
        self._kinds = {s.id: s.kind for s in SETTINGS}
        self._chosen: set[str] = set()
        try:
            found = self._stored()
        except (OSError, UnicodeDecodeError, InputError) as error:
            aside = self.path.with_suffix(".damaged.toml")
            with contextlib.suppress(OSError):
                self.path.replace(aside)
            self._damaged = f"The settings could not be read ({error}); the file is now {aside}."
            return
        for id in self._kinds.keys() & found.keys():
            try:
                self._values[id] = checked(found[id], self._kinds[id], id)
            except InputError as error:
                self.wrong[id] = f"{error} The usual value is used."

    def _stored(self) -> dict[str, Any]:
        return parsed_toml(text_of(self.path), self.path) if self.path.exists() else {}

    @property
    def trouble(self) -> str:
        """What was wrong with the file, in one sentence; '' where nothing was."""
        if not self.wrong:
            return self._damaged
        return f"{self.path}: {' '.join(self.wrong[id] for id in sorted(self.wrong))}"

    def __getitem__(self, id: str) -> Any:
        return self._values[id]

    def set(self, id: str, value: Any) -> None:
        """Change a setting; InputError where the value does not fit it."""
        value = checked(value, self._kinds[id], id, file=self.path)
        if value == self._values[id]:
            return
        self._values[id] = value
        self._chosen.add(id)
        self.wrong.pop(id, None)
        self.when_changed()

    def reset(self) -> None:
        """Give everything of the settings page its shipped value again."""
        for setting in SETTINGS:
            if setting.page:
                self._chosen |= {setting.id} & self.wrong.keys()
                self.wrong.pop(setting.id, None)
                self.set(setting.id, setting.default)

    def remember(self, project: Path) -> None:
        """Put a project first among the recent ones."""
        others = [p for p in self._values["recent"] if p != str(project)]
        self.set("recent", [str(project), *others][:RECENT])

    def save(self) -> None:
        """Write what was changed here, whole or not at all; InputError where that fails."""
        if not self._chosen and self.path.is_file():
            return
        try:
            kept = self._stored()
        except (OSError, UnicodeDecodeError, InputError):
            kept = {}  # damaged meanwhile: what this window knows is the best there is
        mine = self._chosen if kept else self._values.keys()
        with explained(self.path):
            self.path.parent.mkdir(parents=True, exist_ok=True)
        write_text(self.path, tomlkit.dumps(kept | {id: self._values[id] for id in mine}))
        self._chosen.clear()
