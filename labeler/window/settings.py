"""What a person chose for the window, as one declarative table, kept in a small TOML file.

Written atomically; a damaged file is put aside, never silently overwritten, and a value that does
not fit its setting falls back to the shipped one. No Qt, and nothing about a project's labels.
"""

from __future__ import annotations

import contextlib
import os
import tempfile
import tomllib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import tomlkit

from model.preprocessing.display import COLORMAPS, NORMS

FILE = "settings.toml"
RECENT = 8
"""So many projects are remembered."""


@dataclass(frozen=True)
class Setting:
    """One thing to choose: its shipped value, what it is for, and which values fit."""

    id: str
    default: Any
    text: str
    fits: Callable[[Any], bool]


def _one_of(*values: str) -> Callable[[Any], bool]:
    return lambda v: v in values


def _switch(value: Any) -> bool:
    return isinstance(value, bool)


def _share(value: Any) -> bool:
    return isinstance(value, float | int) and not isinstance(value, bool) and 0 <= value <= 1


def _text(value: Any) -> bool:
    return isinstance(value, str)


def _count(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0


def _word(value: Any) -> bool:
    return isinstance(value, str) and value.isidentifier()


def _texts(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(v, str) for v in value)


def _keys(value: Any) -> bool:
    return isinstance(value, dict) and all(_texts(v) for v in value.values())


def _words(value: Any) -> bool:
    return isinstance(value, dict) and all(isinstance(v, str) for v in value.values())


SETTINGS: tuple[Setting, ...] = (
    Setting("theme", "dark", "Dark or light", _one_of("dark", "light")),
    Setting("norm", "log", "How counts become brightness", _one_of(*NORMS)),
    Setting("colormap", "gray", "Colours of the pattern", _one_of(*COLORMAPS)),
    Setting("show_mask", True, "Show masked pixels", _switch),
    Setting("show_prepared", False, "Shots as the project prepares them, not raw", _switch),
    Setting("show_centre", False, "Mark the centre", _switch),
    Setting("show_levels", False, "Histogram and levels", _switch),
    Setting("follow_levels", False, "Each shot at its own levels", _switch),
    Setting("heat_contours", True, "Heatmap as dashed contours", _switch),
    Setting("heat_transparency", True, "Heatmap as transparency", _switch),
    Setting("heat_strength", 0.7, "Strength of the heatmap", _share),
    Setting("physics", ["profile"], "Panes of physics, and whether beside the pattern", _texts),
    Setting("auto_advance", False, "Go on after each key", _switch),
    Setting("instant", True, "Suggestions sharpen after every label", _switch),
    Setting("ask_strategy", "asked", "How the next shots to ask for are chosen", _word),
    Setting("audit_share", 0.1, "Share of random checks among asked shots", _share),
    Setting("hidden_share", 0.05, "Part of the shots whose reading is hidden", _share),
    Setting("repeat_rate", 0.03, "Share of decisions after which a shot comes again", _share),
    Setting("scheduler", "", "Who does work on all shots: '', local, slurm, tcp://…", _text),
    Setting("workers", 0, "How many do it; 0 as many as fit", _count),
    Setting("break_reminder", True, "Say when it is time for a break", _switch),
    Setting("keys", {}, "Keys of a person's own: command -> keys", _keys),
    Setting("recent", [], "Folders of recent projects", _texts),
    Setting("progress", {}, "How far recent projects were when closed", _words),
    Setting("window", "", "Place and size of the window", _text),
    Setting("panes", [], "Widths of the panes", lambda v: isinstance(v, list)),
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
        self._fits = {s.id: s.fits for s in SETTINGS}
        self._load()

    def _load(self) -> None:
        try:
            found = tomllib.loads(self.path.read_text("utf-8"))
        except FileNotFoundError:
            return
        except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
            aside = self.path.with_suffix(".damaged.toml")
            with contextlib.suppress(OSError):
                self.path.replace(aside)
            self.trouble = f"The settings could not be read ({error}); the file is now {aside}."
            return
        bad = [k for k in self._values if k in found and not self._fits[k](found[k])]
        self._values.update({k: v for k, v in found.items() if k in self._values and k not in bad})
        if bad:
            self.trouble = f"{self.path}: no use for {', '.join(bad)}; the usual value is used."

    def __getitem__(self, id: str) -> Any:
        return self._values[id]

    def set(self, id: str, value: Any) -> None:
        """Change a setting; ValueError where the value does not fit it."""
        if not self._fits[id](value):
            raise ValueError(f"{value!r} does not fit the setting {id}")
        self._values[id] = value

    def remember(self, project: Path) -> None:
        """Put a project first among the recent ones."""
        others = [p for p in self._values["recent"] if p != str(project)]
        self._values["recent"] = [str(project), *others][:RECENT]

    def save(self) -> None:
        """Write the file: a temporary one beside it, then the swap. OSError where that fails."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        text = tomlkit.dumps({s.id: self._values[s.id] for s in SETTINGS})
        handle, name = tempfile.mkstemp(dir=self.path.parent, suffix=".tmp")
        try:
            with os.fdopen(handle, "w", encoding="utf-8") as out:
                out.write(text)
                out.flush()
                os.fsync(out.fileno())
            Path(name).replace(self.path)
        except BaseException:
            Path(name).unlink(missing_ok=True)
            raise
