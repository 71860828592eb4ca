"""Who read which shots in a project, and how far they agree. Questions only; no Qt and no SQL.

Readers are the people, and the labels that came with the files as one reader more; a person's blind
repeats and the consensus are not.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import combinations
from typing import Any

import numpy as np
import numpy.typing as npt

from labeler.project.project import Project
from labeler.project.store.records import Present, Rows
from model.metrics import agreement as statistics
from model.metrics.agreement import Alpha
from model.taxonomy.taxonomy import Labels, Taxonomy

WITH_THE_FILES = "labels of the files"


@dataclass(frozen=True)
class Readers:
    """`read` (A, N) True where a reader decided, `present` (A, N) the bits of what they saw,
    `known` (A, N) those of the classes on which they decided."""

    names: tuple[str, ...]
    read: npt.NDArray[np.bool_]
    present: Present
    known: Present

    @property
    def shared(self) -> Rows:
        """Rows that two or more read."""
        return np.flatnonzero(self.read.sum(0) >= 2)

    def on(self, rows: Rows, taxonomy: Taxonomy) -> tuple[Labels, Labels]:
        """(A, n, C) who decided on which class, and what they saw, on some rows."""
        decided = taxonomy.unpack(self.known[:, rows]) & self.read[:, rows, None]
        return decided, taxonomy.unpack(self.present[:, rows])

    def together(self, rows: Rows) -> Present:
        """(n,) bits of the classes on which all decided who read a shot."""
        known = np.where(self.read[:, rows], self.known[:, rows], np.int64(-1))
        return np.bitwise_and.reduce(known, 0)


def readers_of(project: Project) -> Readers:
    """Everybody who decided anything, in the order in which they joined."""
    found = [
        (a.name, project.store.load_state(a.id))
        for a in project.store.annotators()
        if a.kind == "human"
    ]
    files = project.imported_state()
    every = [(name, s.labelled, s.present, s.known) for name, s in found]
    every.append((WITH_THE_FILES, files.labelled, files.present, files.known))
    every = [item for item in every if item[1].any()]
    n = project.n_shots
    return Readers(
        names=tuple(name for name, *_ in every),
        read=np.array([read for _, read, *_ in every], bool).reshape(-1, n),
        present=np.array([present for _, _, present, _ in every], np.int64).reshape(-1, n),
        known=np.array([known for *_, known in every], np.int64).reshape(-1, n),
    )


@dataclass(frozen=True)
class Pair:
    """Two readers on the shots that both read; `kappa` (C,), NaN where it says nothing."""

    first: str
    second: str
    shots: int
    same: int
    """Shots on which their whole label sets are the same."""
    kappa: npt.NDArray[np.float64]


@dataclass(frozen=True)
class Agreement:
    """How far people agree: alpha of each class, kappa of each pair, and where they differ."""

    class_names: tuple[str, ...]
    readers: tuple[tuple[str, int], ...]
    """Names, and how many shots each read."""
    shots: int
    """Shots that two or more read."""
    alphas: tuple[Alpha, ...]
    whole: float
    """Alpha of the label sets as wholes: they agree only where every class is the same."""
    pairs: tuple[Pair, ...]
    rows: Rows
    """Shots on which anybody differs, most classes first."""
    classes: Labels
    """(rows, C) the classes on which they differ there."""
    order: tuple[int, ...] = ()
    """Positions of the classes in the order in which they are shown."""

    def rows_of(self, class_index: int) -> Rows:
        """The shots on which they differ about one class."""
        return self.rows[self.classes[:, class_index]]

    def in_numbers(self) -> dict[str, Any]:
        """All of it for a script; shots are counted from 1."""
        names = self.class_names
        return {
            "readers": [{"name": name, "shots": n} for name, n in self.readers],
            "shots": self.shots,
            "alpha_label_sets": self.whole,
            "classes": {
                name: {"alpha": a.value, "low": a.low, "high": a.high, "differing": a.differing}
                for name, a in zip(names, self.alphas, strict=True)
            },
            "pairs": [
                {
                    "readers": [p.first, p.second],
                    "shots": p.shots,
                    "same": p.same,
                    "kappa": dict(zip(names, p.kappa.tolist(), strict=True)),
                }
                for p in self.pairs
            ],
            "differing": (self.rows + 1).tolist(),
        }


def agreement_of(project: Project, readers: Readers | None = None) -> Agreement:
    """Agreement in a project as it stands; with fewer than two readers nearly all is empty."""
    readers = readers_of(project) if readers is None else readers
    taxonomy, rows = project.taxonomy, readers.shared
    read, present = readers.on(rows, taxonomy)
    unlike = (
        statistics.differing(read, present) if len(rows) else np.zeros((0, len(taxonomy)), bool)
    )
    order = np.argsort(-unlike.sum(1), kind="stable")
    order = order[: int(unlike.any(1).sum())]
    whole = readers.present[:, rows] & readers.together(rows)
    _, numbers = np.unique(whole, return_inverse=True)  # the bits themselves do not fit a float
    sets = np.where(readers.read[:, rows], numbers.reshape(whole.shape), np.nan)
    alphas = statistics.alpha_of_classes(read, present) if len(rows) else []
    nothing = Alpha(np.nan, np.nan, np.nan, 0, 0)
    return Agreement(
        class_names=taxonomy.names,
        readers=tuple(zip(readers.names, readers.read.sum(1).tolist(), strict=True)),
        shots=len(rows),
        alphas=tuple(alphas) or (nothing,) * len(taxonomy),
        whole=statistics.krippendorff_alpha(sets) if len(rows) else np.nan,
        pairs=tuple(_pairs(readers, rows, read, present)),
        rows=rows[order],
        classes=unlike[order],
        order=taxonomy.order,
    )


def _pairs(readers: Readers, rows: Rows, read: Labels, present: Labels) -> list[Pair]:
    found = []
    for a, b in combinations(range(len(readers.names)), 2):
        both = readers.read[a, rows] & readers.read[b, rows]
        if not both.any():
            continue
        unlike = (readers.present[a, rows] ^ readers.present[b, rows]) & readers.known[a, rows]
        same = ((unlike & readers.known[b, rows]) == 0) & both
        kappa = _kappa(read[a] & read[b], present[a], present[b])
        names = readers.names[a], readers.names[b]
        found.append(Pair(*names, int(both.sum()), int(same.sum()), kappa))
    return found


def _kappa(both: Labels, first: Labels, second: Labels) -> npt.NDArray[np.float64]:
    """(C,) of each class on the shots on which `both` (n, C) decided on it."""
    each = [
        statistics.cohens_kappa(first[some, c : c + 1], second[some, c : c + 1])[0]
        for c, some in enumerate(both.T)
    ]
    return np.array(each)
