"""Which rules the labels break, which label sets do so, and their mend. Pure numpy over states."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from labeler.project.store.records import LABELLED, Present, Rows, Status
from model.taxonomy.taxonomy import Rule, Taxonomy

_SMALL = 22
"""Up to so many classes, label sets are counted in a table instead of by sorting."""


@dataclass(frozen=True)
class Broken:
    """One rule: how many labelled shots break it, and with which label sets, the commonest first.

    `mendable` counts those for which the taxonomy knows a fix.
    """

    rule: Rule
    shots: int
    sets: tuple[tuple[str, int], ...]
    mendable: int


def sets_of(present: Present, status: Status, n_classes: int) -> tuple[Present, Present]:
    """The different label sets of labelled shots, as bits, and how often each occurs."""
    bits = present[(status & LABELLED) != 0]
    if n_classes > _SMALL:
        return np.unique(bits, return_counts=True)
    counts = np.bincount(bits, minlength=1)
    there = np.flatnonzero(counts)
    return there.astype(np.int64), counts[there]


def check_rules(present: Present, status: Status, taxonomy: Taxonomy) -> list[Broken]:
    """Every rule in the taxonomy's order, with what breaks it."""
    sets, counts = sets_of(present, status, len(taxonomy))
    labels = taxonomy.unpack(sets)
    broken = taxonomy.violations(labels)
    names = np.array(taxonomy.names, object)
    found = []
    for r, rule in enumerate(taxonomy.rules):
        mine = np.flatnonzero(broken[:, r])
        mine = mine[np.argsort(-counts[mine], kind="stable")]
        words = tuple((" + ".join(names[labels[k]]) or "no class", int(counts[k])) for k in mine)
        mended = sum(int(counts[k]) for k in mine if taxonomy.fix(labels[k], r) is not None)
        found.append(Broken(rule, int(counts[mine].sum()), words, mended))
    return found


def rows_that_break(rule_index: int, present: Present, status: Status, taxonomy: Taxonomy) -> Rows:
    """The labelled shots that break one rule."""
    sets, _ = sets_of(present, status, len(taxonomy))
    bad = sets[taxonomy.violations(taxonomy.unpack(sets))[:, rule_index]]
    return np.flatnonzero(np.isin(present, bad) & ((status & LABELLED) != 0))


def mended(
    rule_index: int, present: Present, status: Status, taxonomy: Taxonomy
) -> tuple[Rows, Present]:
    """Rows for which the rule has a fix, and the bits that they get."""
    rows = rows_that_break(rule_index, present, status, taxonomy)
    sets, which = np.unique(present[rows], return_inverse=True)
    fixes = [taxonomy.fix(taxonomy.unpack(s), rule_index) for s in sets]
    has = np.array([f is not None for f in fixes], bool).reshape(-1)
    bits = np.array([0 if f is None else int(taxonomy.pack(f.labels)) for f in fixes], np.int64)
    able = has[which] if len(rows) else np.zeros(0, bool)
    return rows[able], bits[which][able] if len(rows) else bits
