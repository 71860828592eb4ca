"""Settling what people read differently: who said what, and consensus labels beside theirs.

No one's own label is changed, or there would be nothing left to measure agreement by: what is
settled belongs to an annotator of its own, of kind "consensus".
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from labeler.project.project import Project
from labeler.project.store import LABELLED
from labeler.project.store.records import Rows
from labeler.quality.agreement import Readers, readers_of
from model.metrics import agreement as statistics

CONSENSUS = "consensus"
BY_HAND = "settled by "
"""Begins the note on a consensus label that a person chose; no majority replaces it."""


def consensus_annotator(project: Project) -> int:
    """The number of the annotator to whom settled labels belong."""
    return project.store.annotator(CONSENSUS, kind=CONSENSUS)


def made_before(project: Project) -> int | None:
    """`consensus_annotator` where there is one already."""
    return next((a.id for a in project.store.annotators() if a.kind == CONSENSUS), None)


def _state(project: Project) -> tuple[Rows, dict[int, str]]:
    """(N,) consensus bits, -1 where nothing is settled; and the notes."""
    known = made_before(project)
    if known is None:
        return np.full(project.n_shots, -1, np.int64), {}
    state = project.store.load_state(known)
    return np.where(state.labelled, state.present, -1), project.store.notes(known)


def _every(project: Project) -> int:
    return (1 << len(project.taxonomy)) - 1


def open_questions(project: Project, rows: Rows) -> Rows:
    """Those of the given shots that no one has settled yet, in the same order."""
    return rows[_state(project)[0][rows] < 0]


@dataclass(frozen=True)
class Vote:
    """What one reader, or the consensus, says of a shot; `present` bits, None where undecided."""

    name: str
    present: int | None
    known: int = -1
    """Bits of the classes on which they decided."""


def votes(readers: Readers, row: int) -> list[Vote]:
    """Who said what on a shot."""
    return [
        Vote(name, int(readers.present[a, row]), int(readers.known[a, row]))
        if readers.read[a, row]
        else Vote(name, None)
        for a, name in enumerate(readers.names)
    ]


def settle(project: Project, row: int, present: int, known: int = -1) -> int:
    """Make this the consensus label of a shot, by hand; the gesture's number. Classes that are not
    `known` stay undecided."""
    name = project.annotator_name
    return project.store.record(
        consensus_annotator(project),
        row,
        present,
        LABELLED,
        origin="adjudicated",
        note=f"{BY_HAND}{name}",
        unsaid=~known,
    )


@dataclass(frozen=True)
class Settled:
    """What making consensus labels came to."""

    unanimous: int
    majority: int
    by_hand: int
    open: int
    changed: int


def make_consensus(project: Project) -> Settled:
    """Settle every shot that two or more read and most agree on, as one gesture.

    A shot is open where, for any class, as many say yes as no; where it was settled before people
    changed their minds, it is open again. What was settled by hand stays.
    """
    readers = readers_of(project)
    rows = readers.shared
    read, present = readers.on(rows, project.taxonomy)
    most, settled = statistics.majority(read, present)
    unlike = statistics.differing(read, present).any(1)
    bits = project.taxonomy.pack(most)
    before, notes = _state(project)
    chosen = np.array([r for r, note in notes.items() if note.startswith(BY_HAND)], np.int64)
    chosen = chosen[before[chosen] >= 0]
    by_hand = np.isin(rows, chosen)
    after = np.full(len(before), -1, np.int64)
    after[rows[settled]] = bits[settled]
    after[chosen] = before[chosen]
    new = np.flatnonzero(after != before)
    if len(new):
        status = np.where(after[new] < 0, 0, LABELLED).astype(np.uint8)
        who, labels = consensus_annotator(project), np.maximum(after[new], 0)
        said = np.full(len(before), -1, np.int64)
        said[rows] = project.taxonomy.pack(read.any(0))
        project.store.record(
            who, new, labels, status, origin=CONSENSUS, said=said[new] & _every(project),
            unsaid=~said[new],
        )  # fmt: skip
    return Settled(
        unanimous=int((~unlike & ~by_hand).sum()),
        majority=int((unlike & settled & ~by_hand).sum()),
        by_hand=int(by_hand.sum()),
        open=int((~settled & ~by_hand).sum()),
        changed=len(new),
    )
