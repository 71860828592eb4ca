"""A small project with every kind of label in it, for the tests of what goes out and comes in."""

from __future__ import annotations

from pathlib import Path

import h5py
import numpy as np

from labeler.project.project import Project
from labeler.project.store import FLAGGED, LABELLED, SKIPPED
from tests.helpers.copies import copy_of

NOTE = '=HYPERLINK("http://evil")\nsecond line, with "quotes" and ünïcode'


def write_stack(path: Path, n: int, labels: np.ndarray | None = None) -> Path:
    with h5py.File(path, "w") as f:
        f["scan/images"] = np.arange(n * 20, dtype=np.uint16).reshape(n, 4, 5) + n
        f["scan/mask"] = np.zeros((4, 5), np.int32)
        f["scan/mask"][0, 0] = 8
        f.attrs["distance_mm"] = 65.0
        if labels is not None:
            f["scan/labels"] = labels
            f["scan/labels"].attrs["class_names"] = ["Round", "Spherical/Oblate"]
    return path


def write_entries(path: Path, n: int) -> Path:
    with h5py.File(path, "w") as f:
        for k in range(1, n + 1):
            f[f"entry_{k}/instrument_1/detector_1/data"] = np.full((4, 5), k, np.uint16)
    return path


def open_week(folder: Path, *, labels: bool = True) -> Project:
    """16 shots in three files, copied into `folder`; a.h5 brings labels if they are wanted."""

    def make(place: Path) -> None:
        files = [
            write_stack(place / "a.h5", 3, np.array([[1, 1], [0, 1], [0, 0]], np.uint8)),
            write_stack(place / "b.h5", 2),
            write_entries(place / "c.cxi", 11),
        ]
        Project.create(place / "week", files, annotator="=Ada", labels=labels).close()

    copy_of(("week", labels), make, folder)
    return Project.open(folder / "week")


def decide(project: Project) -> None:
    """Own labels over the files': empty, flagged with a note, skipped, flagged undecided ones."""
    me, names = project.annotator, project.taxonomy.index
    bits = [1 << names("Empty"), 1 << names("Prolate") | 1 << names("Bent"), 0]
    project.store.record(me, [1, 3, 7], bits, LABELLED, origin="key")
    project.store.record(me, 3, bits[1], LABELLED | FLAGGED, origin="flag", note=NOTE)
    project.store.record(me, 4, 0, SKIPPED, origin="skip")
    project.store.record(me, 5, 0, FLAGGED, origin="flag", note="'quoted'")
