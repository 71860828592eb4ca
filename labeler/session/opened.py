"""A project that is open, read whole before anything on screen changes; and a part of a session."""

from __future__ import annotations

import logging
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from PyQt6.QtCore import QObject, pyqtSignal

from labeler.project.decisions import Decisions
from labeler.project.preparation import preparation_of
from labeler.project.project import Project
from labeler.project.store.connection import SENSELESS, senseless
from model.errors import InputError
from model.preprocessing.preparation import Preparation
from model.shots.table import ShotTable
from model.taxonomy.taxonomy import Taxonomy

log = logging.getLogger(__name__)

PLACE = "window.place"
"""Where a project remembers the shot that was on screen last, and the levels."""


@dataclass(frozen=True)
class Opened:
    """A project that is open, its shots and classes, and the number of the person who labels.

    `place` is where they were when it was opened again; None: where the project says.
    """

    project: Project
    table: ShotTable
    taxonomy: Taxonomy
    annotator: int
    place: dict[str, Any] | None = None

    @property
    def folder(self) -> Path:
        """Of the project."""
        return self.project.folder


@dataclass(frozen=True)
class LeftOff:
    """What is decided in a project, and where the person stopped: row and levels."""

    decided: Decisions
    row: int
    levels: tuple[float, float] | None


class SessionPart(QObject):
    """A part of a session. It knows what is open, and says so where something goes wrong."""

    noted = pyqtSignal(str, str)
    """Level ("info", "warning", "error") and text, for the note area and the log."""

    def __init__(self) -> None:
        super().__init__()
        self.opened: Opened | None = None

    def begin(self, opened: Opened) -> None:
        """A project is opened: read what this part needs of it."""
        self.opened = opened

    def end(self) -> None:
        """The project is closed, perhaps to be opened again at once."""
        self.opened = None

    def follow(self) -> None:
        """All parts and views know what is open now, or that nothing is."""

    def leave(self) -> None:
        """The project was closed for good, or for another one: what runs for it ends."""

    @property
    def is_held(self) -> bool:
        """Whether a label waits for another program that holds the project: ask it nothing now."""
        return self.opened is not None and self.opened.project.store.database.waiting

    def require(self) -> Opened:
        """What is open; only for what cannot be asked while nothing is."""
        if self.opened is None:
            raise RuntimeError("no project is open")
        return self.opened


def open_project(folder: Path, annotator: int | None = None) -> tuple[Opened, LeftOff]:
    """Open a project and read what the window needs of it; InputError leaves nothing open.

    `annotator` is the number of who labels, by default who labelled last at this machine.
    """
    project = Project.open(folder, annotator)
    try:
        annotator = project.annotator
        row, levels = _place_of(project, annotator)
        decided = project.merged_state(annotator)
        table = project.shot_table(decided)
    except SENSELESS as error:
        project.close()
        raise senseless(project.folder, error) from error
    except BaseException:
        project.close()
        raise
    return Opened(project, table, project.taxonomy, annotator), LeftOff(decided, row, levels)


def steps_of(project: Project) -> tuple[Preparation | None, str]:
    """(what the project does to a shot that the screen can show, or None; why there is none).

    Finding the beam is left out: on the screen, a shot and its heat stay where they are.
    """
    try:
        steps = replace(preparation_of(project), centre=False)
    except InputError as error:
        return None, f"Shots are shown raw: {error}"
    if steps.any:
        return steps, ""
    return None, "Shots are shown raw: the project has no preprocessing (Preprocessing… sets it)."


def remember(opened: Opened, row: int, levels: tuple[float, float] | None) -> None:
    """Store where someone is, to resume there; failing is logged, not fatal."""
    place: dict[str, Any] = {"row": row, "levels": levels}
    if opened.project.store.read_only:
        return
    try:
        opened.project.store.set_meta(f"{PLACE}.{opened.annotator}", place)
    except (InputError, OSError) as error:
        log.warning("the place in the queue was not stored: %s", error)


def _place_of(project: Project, annotator: int) -> tuple[int, tuple[float, float] | None]:
    """Row and levels of someone's last session; the first shot where there was none."""
    kept = project.store.get_meta(f"{PLACE}.{annotator}", project.store.get_meta(PLACE))
    kept = kept if isinstance(kept, dict) else {}
    row, levels = kept.get("row", 0), kept.get("levels")
    row = min(max(row, 0), project.n_shots - 1) if isinstance(row, int) else 0
    if not isinstance(levels, list) or len(levels) != 2:
        return row, None
    return row, (float(levels[0]), float(levels[1]))
