"""What a person chose for the window, as one declarative table, kept in a small TOML file.

Written atomically; a damaged file is put aside, never silently overwritten, and a value that does
not fit its setting falls back to the shipped one. No Qt, and nothing about a project's labels.
"""

from __future__ import annotations

import contextlib
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

import tomlkit
from msgspec import Meta

from model.errors import InputError, checked, in_words, parsed_toml
from model.output_files import explained, write_text
from model.preprocessing.display import COLORMAPS, NORMS

FILE = "settings.toml"
RECENT = 8
"""So many projects are remembered."""


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
    """One thing to choose: its shipped value, what it is for, and the type that its values have."""

    id: str
    default: Any
    text: str
    kind: Any


def _one_of(values: tuple[str, ...]) -> Any:
    return Literal.__getitem__(values)


SETTINGS: tuple[Setting, ...] = (
    Setting("theme", "dark", "Dark or light", Literal["dark", "light"]),
    Setting("norm", "log", "How counts become brightness", _one_of(NORMS)),
    Setting("colormap", "gray", "Colours of the pattern", _one_of(tuple(COLORMAPS))),
    Setting("show_mask", True, "Show masked pixels", bool),
    Setting("show_prepared", False, "Shots as the project prepares them, not raw", bool),
    Setting("show_centre", False, "Mark the centre", bool),
    Setting("show_levels", False, "Histogram and levels", bool),
    Setting("follow_levels", False, "Each shot at its own levels", bool),
    Setting("heat_contours", True, "Heatmap as dashed contours", bool),
    Setting("heat_transparency", True, "Heatmap as transparency", bool),
    Setting("heat_strength", 0.7, "Strength of the heatmap", Share),
    Setting("physics", ["profile"], "Panes of physics, and whether beside the pattern", Texts),
    Setting("auto_advance", False, "Auto-advance", bool),
    Setting("suggestions", True, "Suggestions on undecided shots", bool),
    Setting("instant", True, "Suggestions sharpen after every label", bool),
    Setting("ask_strategy", "asked", "How the next shots to ask for are chosen", Strategy),
    Setting("audit_share", 0.1, "Share of random checks among asked shots", Share),
    Setting("hidden_share", 0.05, "Part of the shots whose reading is hidden", Share),
    Setting("repeat_rate", 0.03, "Share of decisions after which a shot comes again", Share),
    Setting("scheduler", "", "Who does work on all shots: '', local, slurm, tcp://…", Text),
    Setting("workers", 0, "How many do it; 0 as many as fit", Workers),
    Setting("break_reminder", True, "Remind me to take breaks", bool),
    Setting("keys", {}, "Keys of a person's own: command -> keys", dict[Text, Texts]),
    Setting("recent", [], "Folders of recent projects", Texts),
    Setting("progress", {}, "How far recent projects were when closed", dict[Text, Text]),
    Setting("window", "", "Place and size of the window", Bytes),
    Setting("panes", [], "Widths of the panes", Pixels),
)


def folder() -> Path:
    """Where settings live: AIRYLABEL_CONFIG_DIR, else the system's place for them."""
    named = os.environ.get("AIRYLABEL_CONFIG_DIR")
    if named:
        return Path(named)
    import platformdirs

    return Path(platformdirs.user_config_dir("airylabel", appauthor=False))


class Settings:
    """The values in use; `trouble` says in words what was wrong with the file, else ''."""

    def __init__(self, path: Path | None = None) -> None:
        self.path = path or folder() / FILE
        self.trouble = ""
        self._values = {s.id: s.default for s in SETTINGS}
        self._kinds = {s.id: s.kind for s in SETTINGS}
        self._load()

    def _load(self) -> None:
        try:
            found = parsed_toml(self.path.read_text("utf-8"), self.path)
        except FileNotFoundError:
            return
        except (OSError, UnicodeDecodeError, InputError) as error:
            aside = self.path.with_suffix(".damaged.toml")
            with contextlib.suppress(OSError):
                self.path.replace(aside)
            self.trouble = f"The settings could not be read ({error}); the file is now {aside}."
            return
        bad = []
        for id in self._kinds.keys() & found.keys():
            try:
                self.set(id, found[id])
            except InputError:
                bad.append(f"{id} (give {in_words(self._kinds[id])})")
        if bad:
            self.trouble = (
                f"{self.path}: no use for {', '.join(sorted(bad))}; the usual value is used."
            )

    def __getitem__(self, id: str) -> Any:
        return self._values[id]

    def set(self, id: str, value: Any) -> None:
        """Change a setting; InputError where the value does not fit it."""
        self._values[id] = checked(value, self._kinds[id], id, file=self.path)

    def remember(self, project: Path) -> None:
        """Put a project first among the recent ones."""
        others = [p for p in self._values["recent"] if p != str(project)]
        self._values["recent"] = [str(project), *others][:RECENT]

    def save(self) -> None:
        """Write the file, whole or not at all; InputError where that fails."""
        with explained(self.path):
            self.path.parent.mkdir(parents=True, exist_ok=True)
        write_text(self.path, tomlkit.dumps({s.id: self._values[s.id] for s in SETTINGS}))
