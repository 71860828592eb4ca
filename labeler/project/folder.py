"""What lies in the folder of a project: files and folders by name, and the numbered runs.

Of the runs only small text files are read; what a run writes is the training's own business.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

from model.errors import one_line
from model.events import Event, from_line, number_of
from model.runs.folder import EVENTS, metrics_of, recipe_of

DATABASE = "project.sqlite"
SERVER = "project.toml"
"""In the place of the database where that is on a server: it says on which."""
STORES = (DATABASE, SERVER)
TAXONOMY = "taxonomy.toml"
"""The copy that this project uses."""
RUNS = "runs"
BACKUPS = "backups"
CACHE = "cache"
"""What can be computed again, and what jobs wrote on stderr."""
RunState = Literal["finished", "cancelled", "failed", "unfinished"]
STATES = {
    "training": "training…",
    "finished": "finished",
    "cancelled": "cancelled",
    "failed": "failed",
    "unfinished": "not finished",
}
"""How a run stands -> text on screen and in the terminal."""
_TAIL = 64 * 1024


def has_database(folder: Path) -> bool:
    """Whether there is a project whose labels are in a file there."""
    return (folder / DATABASE).is_file()


def is_project_folder(folder: Path) -> bool:
    """Whether a folder is that of a project, with its labels in a file or on a server."""
    return any((folder / store).is_file() for store in STORES)


@dataclass(frozen=True)
class RunInfo:
    """One run. `recipe` is its name; `state` "unfinished" is one that runs or was killed."""

    number: int
    folder: Path
    created: datetime
    recipe: str
    state: RunState
    metrics: dict[str, Any] = field(default_factory=dict)


def run_folder(runs: Path, number: int) -> Path:
    """Where the run of that number lies, whether it is there or not."""
    return runs / f"{number:04d}"


def new_run_folder(runs: Path) -> Path:
    """Make the next numbered folder; two at once get two different ones."""
    runs.mkdir(exist_ok=True)
    while True:
        number = max((_number(p) for p in runs.iterdir()), default=0) + 1
        folder = run_folder(runs, number)
        try:
            folder.mkdir()
        except FileExistsError:
            continue
        return folder


def list_runs(runs: Path) -> list[RunInfo]:
    """All runs, oldest first."""
    if not runs.is_dir():
        return []
    folders = sorted((p for p in runs.iterdir() if p.is_dir() and _number(p)), key=_number)
    return [_read(folder) for folder in folders]


def _number(path: Path) -> int:
    return int(path.name) if path.name.isdecimal() else 0


def _read(folder: Path) -> RunInfo:
    first, last = _ends(folder / EVENTS)
    created = number_of(first, "time") or folder.stat().st_mtime
    ends: dict[str, RunState] = {
        "finished": "finished",
        "cancelled": "cancelled",
        "failed": "failed",
    }
    return RunInfo(
        number=_number(folder),
        folder=folder,
        created=datetime.fromtimestamp(created, UTC),
        recipe=_recipe(folder),
        state=ends.get(str(last.get("event")) if last else "", "unfinished"),
        metrics=metrics_of(folder),
    )


def _ends(path: Path) -> tuple[Event | None, Event | None]:
    """The first and the last event of a stream; None where there is none yet."""
    try:
        if not path.is_file():
            return None, None
        with path.open("rb") as stream:
            first = from_line(stream.readline(_TAIL).decode("utf-8", "replace"))
            stream.seek(max(0, path.stat().st_size - _TAIL))
            lines = stream.read().decode("utf-8", "replace").splitlines()
    except OSError:
        return None, None
    events = (from_line(line) for line in reversed(lines))
    return first, next((e for e in events if e is not None), None)


def _recipe(folder: Path) -> str:
    name = str(recipe_of(folder).get("name", ""))
    return name if one_line(name) else ""
