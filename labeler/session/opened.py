"""A project that is open, read whole before anything on screen changes; and a part of a session."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

from PyQt6.QtCore import QObject, pyqtSignal

from labeler.project.decisions import Decisions
from labeler.project.place import LeftOff, left_off
from labeler.project.preparation import preparation_of
from labeler.project.project import Project
from labeler.project.store.connection import SENSELESS, senseless
from model.errors import InputError
from model.preprocessing.preparation import Preparation
from model.shots.table import ShotTable
from model.taxonomy.taxonomy import Taxonomy


@dataclass(frozen=True)
class Opened:
    """A project that is open, its shots and classes, and the number of the person who labels.

    `place` is where they left off, or were when it was opened again.
    """

    project: Project
    table: ShotTable
    taxonomy: Taxonomy
    annotator: int
    place: LeftOff

    @property
    def folder(self) -> Path:
        """Of the project."""
        return self.project.folder


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


def open_project(folder: Path, annotator: int | None = None) -> tuple[Opened, Decisions]:
    """Open a project and read what the window needs of it, and what is decided; InputError leaves
    nothing open.

    `annotator` is the number of who labels, by default who labelled last at this machine.
    """
    project = Project.open(folder, annotator)
    try:
        annotator = project.annotator
        place = left_off(project, annotator)
        decided = project.merged_state(annotator)
        table = project.shot_table(decided)
    except SENSELESS as error:
        project.close()
        raise senseless(project.folder, error) from error
    except BaseException:
        project.close()
        raise
    return Opened(project, table, project.taxonomy, annotator, place), decided


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
