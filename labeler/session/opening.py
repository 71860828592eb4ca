"""Opens a project for the window: everything is built here before anything on screen changes."""

from __future__ import annotations

import logging
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from labeler.project.decisions import Decisions
from labeler.project.store.records import LABELLED
from model.errors import InputError
from model.preprocessing.preparation import Preparation
from model.shots.table import ShotTable

log = logging.getLogger(__name__)

PLACE = "window.place"
"""Where a project remembers the shot that was on screen last, and the levels."""


@dataclass(frozen=True)
class Opened:
    """A project ready to be shown: its shots, who labels, what is decided, where they left off."""

    project: Any
    table: ShotTable
    annotator: int
    decided: Decisions
    row: int
    levels: tuple[float, float] | None


def open_project(folder: Path) -> Opened:
    """Open a project and read what the window needs of it; InputError leaves nothing open."""
    from labeler.project.project import Project

    project = Project.open(folder)
    try:
        annotator = project.annotator
        row, levels = _left_off(project, annotator)
        decided = _decisions_of(project, annotator)
        table = project.shot_table(merged=_merged(decided))
    except BaseException:
        project.close()
        raise
    return Opened(project, table, annotator, decided, row, levels)


def steps_of(project: Any) -> tuple[Preparation | None, str]:
    """(what the project does to a shot that the screen can show, or None; why there is none).

    Finding the beam is left out: on the screen, a shot and its heat stay where they are.
    """
    from labeler.project.preparation import preparation_of

    try:
        steps = replace(preparation_of(project), centre=False)
    except InputError as error:
        return None, f"Shots are shown raw: {error}"
    if steps.any:
        return steps, ""
    return None, "Shots are shown raw: the project prepares none (Preparation of shots… does)."


def remember(
    project: Any,
    annotator: int,
    row: int,
    levels: tuple[float, float] | None,
) -> None:
    """Store where somebody is, to resume there; failing is logged, not fatal."""
    place: dict[str, Any] = {"row": row, "levels": levels}
    if project.store.read_only:
        return
    try:
        project.store.set_meta(f"{PLACE}.{annotator}", place)
    except (InputError, OSError) as error:
        log.warning("the place in the queue was not stored: %s", error)


def _left_off(project: Any, annotator: int) -> tuple[int, tuple[float, float] | None]:
    """Row and levels of somebody's last sitting; the first shot where there was none."""
    kept = project.store.get_meta(f"{PLACE}.{annotator}", project.store.get_meta(PLACE))
    kept = kept if isinstance(kept, dict) else {}
    row, levels = kept.get("row", 0), kept.get("levels")
    row = min(max(row, 0), project.n_shots - 1) if isinstance(row, int) else 0
    if not isinstance(levels, list) or len(levels) != 2:
        return row, None
    return row, (float(levels[0]), float(levels[1]))


def _merged(decided: Decisions) -> Any:
    """The same decisions in the project's own words."""
    from labeler.project.project import Merged

    imported = (decided.file_status & ~decided.own_status & LABELLED) > 0
    return Merged(decided.present, decided.status, imported, decided.known)


def _decisions_of(project: Any, annotator: int) -> Decisions:
    """The person's decisions over the labels that came with the files."""
    files, own = project.imported_state(), project.store.load_state(annotator)
    return Decisions(
        own.present,
        own.status,
        files.present,
        files.status,
        own.known,
        files.known,
        (1 << len(project.taxonomy)) - 1,
    )
