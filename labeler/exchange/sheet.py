"""All labels of a project as one sheet, the common form of every file format here.

Formats only turn a sheet into a file and a file into a sheet. No file is touched here, save
that `write_whole` puts one in its place, whole or not at all.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import numpy.typing as npt

from labeler.project import Project
from labeler.store import LABELLED
from model.errors import InputError
from model.shots import SourceInfo
from model.taxonomy import Taxonomy


@dataclass(frozen=True)
class LabelSheet:
    """Labels of N shots: `labels` (N, C) follow `class_names` and count where `labelled`.

    Shot r is number `index_of[r]`, from 0, in `files[source_of[r]]` (its `datasets` entry names
    the data in it). `status` (N,) has the store's bits; `imported` (N,) marks labels that came
    with a file of shots; `notes` are by row.
    """

    class_names: tuple[str, ...]
    files: tuple[str, ...]
    datasets: tuple[str, ...]
    source_of: npt.NDArray[np.int32]
    index_of: npt.NDArray[np.int64]
    labels: npt.NDArray[np.uint8]
    status: npt.NDArray[np.uint8]
    imported: npt.NDArray[np.bool_]
    notes: dict[int, str] = field(default_factory=dict)
    annotator: str = ""
    sources: tuple[SourceInfo, ...] = ()
    """Empty where the sheet was read from a file."""

    def __len__(self) -> int:
        return len(self.status)

    @property
    def labelled(self) -> npt.NDArray[np.bool_]:
        """(N,) True where somebody decided."""
        return np.asarray((self.status & LABELLED) != 0)

    def names_of(self, row: int) -> list[str]:
        """The classes of one shot, in words."""
        return [self.class_names[c] for c in np.flatnonzero(self.labels[row])]


def sheet_of(
    project: Project, annotator: int | None = None, *, only_mine: bool = False
) -> LabelSheet:
    """The labels of a project as training sees them."""
    who = project.annotator if annotator is None else annotator
    table = project.shot_table(who, only_mine=only_mine)
    merged = project.merged_state(who, only_mine=only_mine)
    return LabelSheet(
        class_names=table.class_names,
        files=tuple(str(info.path) for info in table.sources),
        datasets=tuple(info.dataset for info in table.sources),
        source_of=table.source_of,
        index_of=table.index_of,
        labels=table.labels,
        status=merged.status,
        imported=merged.imported,
        notes=project.store.notes(who),
        annotator=next(a.name for a in project.store.annotators() if a.id == who),
        sources=table.sources,
    )


def sheet_from(
    path: Path,
    taxonomy: Taxonomy,
    names: Sequence[str],
    labels: npt.ArrayLike,
    status: npt.ArrayLike,
    places: Sequence[tuple[str, str, int]],
    imported: npt.ArrayLike | None = None,
    notes: dict[int, str] | None = None,
) -> LabelSheet:
    """A sheet of what was read from a file, its columns in the taxonomy's order.

    `places` has (file, dataset, index) of every shot. InputError names unknown classes.
    """
    columns = taxonomy.columns(names, path)
    found = np.asarray(labels, np.uint8).reshape(len(places), len(names))
    ours = np.zeros((len(places), len(taxonomy)), np.uint8)
    ours[:, columns] = found
    files = list(dict.fromkeys((file, dataset) for file, dataset, _ in places))
    number = {pair: k for k, pair in enumerate(files)}
    nothing = np.zeros(len(places), bool)
    return LabelSheet(
        class_names=taxonomy.names,
        files=tuple(file for file, _ in files),
        datasets=tuple(dataset for _, dataset in files),
        source_of=np.array([number[p[0], p[1]] for p in places], np.int32),
        index_of=np.array([p[2] for p in places], np.int64),
        labels=ours,
        status=np.asarray(status, np.uint8),
        imported=nothing if imported is None else np.asarray(imported, bool),
        notes=notes or {},
    )


def write_whole(
    out: Path, sources: Sequence[SourceInfo], write: Callable[[Path], None], *, force: bool
) -> None:
    """Let `write` fill a file beside `out`, then move it there; a file of shots is never replaced.

    InputError where `out` is there and `force` is not given, or where it cannot be written.
    """
    for info in sources:
        if out.resolve() == info.path.resolve():
            mend = "Choose another name: files of shots are never written."
            raise InputError("is a file of shots of this project", file=out, mend=mend)
    if out.exists() and not force:
        mend = "Choose another name, or add --force to replace it."
        raise InputError("is already there", file=out, mend=mend)
    half = out.with_name(f".{out.name}.{os.getpid()}.part")
    try:
        write(half)
        half.replace(out)
    except OSError as error:
        mend = "Choose a folder where you may write and that has space."
        what = f"cannot be written ({error.strerror or error})"
        raise InputError(what, file=out, mend=mend) from error
    finally:
        half.unlink(missing_ok=True)
