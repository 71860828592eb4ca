"""Which rules the labels break, which label sets do so, and their mend. Pure numpy over states."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from labeler.project.decisions import Tally, by_known, judged
from labeler.project.store.records import LABELLED, Present, Rows, Status
from model.taxonomy.taxonomy import Labels, Rule, Taxonomy


@dataclass(frozen=True)
class Broken:
    """One rule: how many labelled shots break it, and with which label sets, the commonest first.

    `mendable` counts those for which the taxonomy knows a fix.
    """

    rule: Rule
    shots: int
    sets: tuple[tuple[str, int], ...]
    mendable: int


def check_rules(
    present: Present, status: Status, taxonomy: Taxonomy, known: Present | None = None
) -> list[Broken]:
    """Every rule in the taxonomy's order, with what breaks it.

    `known` (N,), here and below: bits of the classes that are decided, all where None; an undecided
    class breaks no rule.
    """
    sets, masks, counts = Tally(present, status, known).arrays()
    labels, said = taxonomy.unpack(sets), taxonomy.unpack(masks)
    broken = taxonomy.violations(labels, said)
    found = []
    for r, rule in enumerate(taxonomy.rules):
        mine = np.flatnonzero(broken[:, r])
        mine = mine[np.argsort(-counts[mine], kind="stable")]
        words = tuple(
            (" + ".join(taxonomy.named(labels[k])) or "no class", int(counts[k])) for k in mine
        )
        mended = sum(
            int(counts[k]) for k in mine if taxonomy.fix(labels[k], r, said[k]) is not None
        )
        found.append(Broken(rule, int(counts[mine].sum()), words, mended))
    return found


def rows_that_break(
    rule_index: int,
    present: Present,
    status: Status,
    taxonomy: Taxonomy,
    known: Present | None = None,
) -> Rows:
    """The labelled shots that break one rule."""
    labelled = np.flatnonzero((status & LABELLED) != 0)
    said = np.full(len(labelled), -1, np.int64) if known is None else known[labelled]

    def breaks(labels: Labels, decided: Labels) -> Labels:
        return np.asarray(taxonomy.violations(labels, decided)[:, rule_index])

    return labelled[judged(breaks, taxonomy, present[labelled], said)]


def mended(
    rule_index: int,
    present: Present,
    status: Status,
    taxonomy: Taxonomy,
    known: Present | None = None,
) -> tuple[Rows, Present]:
    """Rows for which the rule has a fix, and the bits that they get."""
    rows = rows_that_break(rule_index, present, status, taxonomy, known)
    said = np.full(len(rows), -1, np.int64) if known is None else known[rows]
    bits, able = np.zeros(len(rows), np.int64), np.zeros(len(rows), bool)
    places = np.arange(len(rows))
    for mask, part in by_known(said):
        at = places[part]
        sets, which = np.unique(present[rows[at]], return_inverse=True)
        for k, packed in enumerate(sets):
            fix = taxonomy.fix(taxonomy.unpack(packed), rule_index, taxonomy.unpack(mask))
            if fix is not None:
                bits[at[which == k]] = taxonomy.pack(fix.labels)
                able[at[which == k]] = True
    return rows[able], bits[able]
