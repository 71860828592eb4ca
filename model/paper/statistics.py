"""Table 1 of any labelled file: how often each class is labelled, and which rules labels break."""

from __future__ import annotations

from dataclasses import dataclass

from model.paper import reference
from model.shots.table import ShotTable


@dataclass(frozen=True)
class Count:
    """A class or a rule, how many shots have or break it here, and in the paper's data."""

    name: str
    here: int
    share: float
    """Of the labelled shots."""
    paper: int | None
    severity: str = ""


def class_lines(table: ShotTable) -> list[Count]:
    """Every class, in the paper's order where the paper has it."""
    labels = table.labels[table.labelled].astype(bool)
    known = list(reference.CLASSES)
    order = sorted(
        range(len(table.class_names)),
        key=lambda c: known.index(n) if (n := table.class_names[c]) in known else len(known),
    )
    found = []
    for c in order:
        name, here = table.class_names[c], int(labels[:, c].sum())
        share = here / max(1, len(labels))
        found.append(Count(name, here, share, reference.CLASSES.get(name)))
    return found


def rule_lines(table: ShotTable) -> list[Count]:
    """Every rule of the taxonomy; none without a taxonomy."""
    if table.taxonomy is None:
        return []
    labels = table.labels[table.labelled].astype(bool)
    broken = table.taxonomy.violations(labels).sum(0)
    return [
        Count(rule.text, int(n), int(n) / max(1, len(labels)), reference.BROKEN.get(rule.text),
              rule.severity)
        for rule, n in zip(table.taxonomy.rules, broken, strict=True)
    ]  # fmt: skip
