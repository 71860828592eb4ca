"""Labels of many shots as one sheet, the common form of every file format here.

Formats only turn a sheet into a file and a file into a sheet; which shots and classes of a project
are meant is found out by `importing`. No file is touched here.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import numpy.typing as npt

from labeler.project.people import FROM_FILE
from labeler.project.project import Project
from labeler.project.store import LABELLED
from labeler.project.store.timeline import origins
from model.errors import InputError
from model.shots.table import SourceInfo

MOST_NAMES, MOST_BYTES, MOST_CELLS = 2000, 1 << 30, 1 << 28
"""A file of labels has no more classes or columns, bytes, and cells of a table."""
WHOLE_PROJECT = -1
"""As `source_of`: the index counts all shots of the project, from 0."""


def refuse_many(names: Sequence[str], what: str, path: Path) -> None:
    """InputError where a file of labels names more classes or columns than any has."""
    if len(names) > MOST_NAMES:
        words = f"names {len(names):,} {what}, and no file of labels has more than {MOST_NAMES:,}"
        raise InputError(words, file=path, mend="Leave out what is no label, and try again.")


@dataclass(frozen=True)
class LabelSheet:
    """Labels of N shots: `labels` (N, C) follow `class_names` and count where `labelled`.

    Shot r is number `index_of[r]`, from 0, in `files[source_of[r]]` (its `datasets` entry names
    the data in it, '' where the file does not say); where `shot_names[r]` is given, the shot of
    that name. `status` (N,) has the store's bits; `imported` (N,) marks labels that came with a
    file of shots; `notes` are by row. `numbers` (N,) say where in a file that was read each row
    stands, counted in `unit`s; `ignored` names its columns that mean nothing here.
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
    fingerprints: tuple[str, ...] = ()
    shot_names: tuple[str, ...] = ()
    unit: str = "shot"
    numbers: npt.NDArray[np.int64] | None = None
    ignored: tuple[str, ...] = ()
    origins: tuple[str, ...] = ()
    """(N,) where each decision came from, '' where no one decided; () where the sheet was read."""
    by: tuple[str, ...] = ()
    """(N,) who decided, as far as a file says; () where it says nothing."""
    counts_from: int = 0
    """What the file calls the first shot, as it was read."""
    counts_known: bool = True
    """False where that is a guess: a table of others may count from 0 or from 1."""
    known: npt.NDArray[np.bool_] | None = None
    """(N, C) which classes a labelled shot is decided on; None: on all."""
    listed: bool = False
    """Label sets were listed by name: classes that are named nowhere are absent."""

    def __len__(self) -> int:
        return len(self.status)

    @property
    def labelled(self) -> npt.NDArray[np.bool_]:
        """(N,) True where someone decided."""
        return np.asarray((self.status & LABELLED) != 0)

    @property
    def decided(self) -> npt.NDArray[np.bool_]:
        """(N, C) which of `labels` someone decided on."""
        shots = np.broadcast_to(self.labelled[:, None], self.labels.shape)
        return shots.copy() if self.known is None else shots & self.known

    @property
    def people(self) -> dict[str, int]:
        """Who decided, with the number of shots; those that the file names."""
        return dict(Counter(name for name in self.by if name).most_common())

    def of(self, person: str) -> LabelSheet:
        """The rows that one person decided."""
        rows = np.array([name == person for name in self.by], bool)
        at = np.flatnonzero(rows)
        numbers = np.arange(1, len(self) + 1) if self.numbers is None else self.numbers
        return replace(
            self,
            source_of=self.source_of[at],
            index_of=self.index_of[at],
            labels=self.labels[at],
            status=self.status[at],
            imported=self.imported[at],
            notes={k: self.notes[row] for k, row in enumerate(at.tolist()) if row in self.notes},
            shot_names=tuple(self.shot_names[r] for r in at) if self.shot_names else (),
            by=tuple(self.by[r] for r in at),
            known=None if self.known is None else self.known[at],
            numbers=numbers[at],
        )

    def names_of(self, row: int) -> list[str]:
        """The classes of one shot, in words."""
        return [self.class_names[c] for c in np.flatnonzero(self.labels[row])]

    def place(self, row: int) -> str:
        """Where a row stands in the file it came from: 'line 5', 'task 3'."""
        return f"{self.unit} {row + 1 if self.numbers is None else int(self.numbers[row])}"

    def shot(self, row: int) -> str:
        """The shot of a row in words: 'shot 12 of run7.cxi'."""
        number = int(self.source_of[row])
        name = self.shot_names[row] if self.shot_names else ""
        name = name or f"shot {int(self.index_of[row]) + 1}"
        file = Path(self.files[number]).name if number != WHOLE_PROJECT else ""
        return f"{name} of {file}" if file else name


def sheet_of(
    project: Project, annotator: int | None = None, *, only_mine: bool = False
) -> LabelSheet:
    """The labels of a project as training sees them."""
    who = project.annotator if annotator is None else annotator
    merged = project.merged_state(who, only_mine=only_mine)
    table = project.shot_table(merged)
    own = origins(project.store.database, who)
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
        annotator=project.store.name_of(who),
        sources=table.sources,
        fingerprints=tuple(info.fingerprint for info in table.sources),
        known=table.known,
        origins=tuple(
            "" if not labelled else FROM_FILE if imported else own.get(row, "")
            for row, (labelled, imported) in enumerate(
                zip(merged.labelled.tolist(), merged.imported.tolist(), strict=True)
            )
        ),
    )


def numbered(pairs: Sequence[tuple[str, str]]) -> tuple[list[tuple[str, str]], list[int]]:
    """The different (file, dataset) pairs, and for every row the number of its own."""
    number: dict[tuple[str, str], int] = {}
    rows = [number.setdefault(pair, len(number)) for pair in pairs]
    return list(number), rows
