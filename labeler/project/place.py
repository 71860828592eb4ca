"""Where each annotator left off in a project, to go on there."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any

from labeler.project.project import Project
from labeler.project.store import Store

PLACE = "window.queue."
"""Where a project keeps each annotator's place; the annotator's number follows."""
FIRST = "window.place"
"""Where it keeps the place at which anybody begins. Earlier versions kept shot and levels there
too: with a dot and the annotator's number, and before there were several, without."""


@dataclass(frozen=True)
class LeftOff:
    """Row of a shot, the levels that were chosen, and the queue (see `queues.to_json`): its choice,
    and its rows where these were chosen by hand."""

    row: int = 0
    levels: tuple[float, float] | None = None
    choice: dict[str, Any] = field(default_factory=dict)
    rows: list[int] | None = None


def left_off(project: Project, annotator: int) -> LeftOff:
    """Where someone left off; at a first time, where anybody begins."""
    keys = FIRST, f"{FIRST}.{annotator}", f"{PLACE}{annotator}"
    found = (project.store.get_meta(key) for key in keys)
    kept = {k: v for each in found if isinstance(each, dict) for k, v in each.items()}
    row, levels, choice, rows = (kept.get(k) for k in ("row", "levels", "choice", "rows"))
    pair = levels if isinstance(levels, list) and len(levels) == 2 else None
    return LeftOff(
        min(max(row, 0), project.n_shots - 1) if isinstance(row, int) else 0,
        None if pair is None else (float(pair[0]), float(pair[1])),
        choice if isinstance(choice, dict) else {},
        [r for r in rows if isinstance(r, int)] if isinstance(rows, list) else None,
    )


def keep_place(store: Store, annotator: int, place: LeftOff) -> None:
    """Store where someone is. InputError or OSError where that cannot be."""
    store.set_meta(f"{PLACE}{annotator}", asdict(place))
