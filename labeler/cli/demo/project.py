"""Makes the demo project: simulated shots beside it, most of them labelled, the rest left to do.

It knows no window. Interrupted, it begins again where it was; a finished demo is left as it is.
Every command line asks this module for its defaults: nothing heavy is imported before it is needed.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from labeler.project.folder import has_database
from model.errors import InputError
from model.events import Event, Stop, event, never

if TYPE_CHECKING:
    from labeler.project.project import Project

SHOTS = 480
SEED = 7
TO_DO = 0.15
"""Share of the shots, the last ones, that the demo leaves without labels."""
LIT = 50
"""Counts well above the noise of the simulated detector."""
LABELLER = "simulation"
"""Annotator of the labels that come with the demo."""


def shots_file(folder: Path) -> Path:
    """Where the shots of a demo project lie: beside it, as acquisition files do."""
    return folder.with_name(f"{folder.name}-shots.h5")


def is_made(folder: Path) -> bool:
    """Whether the demo project is there already."""
    return has_database(folder)


def make(
    folder: Path,
    shots: int = SHOTS,
    seed: int = SEED,
    stop: Stop = never,
) -> Iterator[Event]:
    """Simulate the shots, create the project, label the first ones; yields events.

    Raises InputError where the folder cannot be used.
    """
    if is_made(folder):
        yield event("finished", project=str(folder), shots_file=str(shots_file(folder)))
        return
    if folder.exists() and any(folder.iterdir()):
        raise InputError("is not empty", file=folder, mend="Choose a new folder for the demo.")
    from labeler.project.place import FIRST
    from labeler.project.project import Project

    source = shots_file(folder)
    folder.parent.mkdir(parents=True, exist_ok=True)
    if not _fits(source, shots):
        from model.simulate.generate import simulate

        source.unlink(missing_ok=True)
        for item in simulate(source, shots, seed, balanced=True, stop=stop):
            if item["event"] == "finished":
                break
            yield item
            if item["event"] in ("cancelled", "failed"):
                return
    with Project.create(folder, [source], labels=False) as project:
        _label(project, source)
        project.store.set_meta(FIRST, {"row": _brightest(source, round(shots * (1 - TO_DO)))})
    yield event("finished", project=str(folder), shots_file=str(source))


def _fits(source: Path, shots: int) -> bool:
    """Whether shots of an earlier attempt are there, as many as wanted."""
    if not source.is_file():
        return False
    from model.shots.table import open_source

    with open_source(source) as found:
        return found.info.n_shots == shots


def _brightest(source: Path, first: int) -> int:
    """Of the first shots, the one with light on most of its pixels: what the demo opens on."""
    import numpy as np

    from model.shots.table import open_source

    with open_source(source) as found:
        mask = found.mask(0)
        good = np.ones(found.info.shape, bool) if mask is None else mask
        lit = [int((found.read(k) > LIT)[good].sum()) for k in range(max(first, 1))]  # type: ignore[operator]
    return int(np.argmax(lit))


def _label(project: Project, source: Path) -> None:
    """Record the simulation's own labels for all but the last shots, as an import."""
    import numpy as np

    from labeler.project.store.records import LABELLED
    from model.shots.table import open_source

    with open_source(source) as found:
        carried = found.labels()
    if carried is None:
        raise InputError("carries no labels", file=source, mend="Delete it and try again.")
    names, labels = carried
    known = np.zeros((len(labels), len(project.taxonomy)), bool)
    known[:, project.taxonomy.columns(names, source)] = labels.astype(bool)
    rows = np.arange(round(len(known) * (1 - TO_DO)))
    annotator = project.store.annotator(LABELLER, "import")
    present = project.taxonomy.pack(known[rows])
    status = np.full(len(rows), LABELLED, np.uint8)
    project.store.record(annotator, rows, present, status, origin="import")
