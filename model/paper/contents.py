"""What the report says: one section for each table, with grids of text, sentences and curves.

The same contents go into Markdown, CSV and HTML. It reads finished cells and computes no number
that is not in them, besides the statistics of Table 1: how often each class is labelled, and which
rules labels break.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import groupby
from typing import Any

from model.paper import reference, remarks
from model.paper.cells import FinishedCells
from model.paper.plan import Row, Table
from model.paper.row_results import OURS, PAPERS, WORDS, Number, RowResults, by_class, read
from model.paper.study import PaperStudy, in_words
from model.shots.table import ShotTable

BEST, MOST, PAPER = "best", "max", "paper"
NONE = "–"
SHORT = {
    "macro_f1": "macro F1",
    "rare_f1": "rare F1",
    "macro_ap": "macro AP",
    "contradiction_rate": "break a rule",
}


@dataclass(frozen=True)
class Line:
    """A row of a grid; `reference` ones are set apart from the paper's own rows."""

    cells: tuple[str, ...]
    reference: bool = False


@dataclass
class Grid:
    """A table of text; a head is (group, name), neighbours of one group stand under it."""

    heads: list[tuple[str, str]]
    lines: list[Line]
    title: str = ""

    @property
    def groups(self) -> list[tuple[str, int]]:
        """Each group with the number of its heads."""
        return [(group, len(list(run))) for group, run in groupby(g for g, _ in self.heads)]


@dataclass
class Section:
    """All about one table."""

    number: int
    title: str
    varied: str
    held: str
    grids: list[Grid] = field(default_factory=list)
    remarks: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    curves: dict[str, RowResults] = field(default_factory=dict)
    records: list[dict[str, Any]] = field(default_factory=list)
    """One for each number, for CSV."""


def sections(study: PaperStudy, tables: Sequence[Table], finished: FinishedCells) -> list[Section]:
    """Of the given tables."""
    return [section_of(study, table, finished) for table in tables]


def section_of(study: PaperStudy, table: Table, finished: FinishedCells) -> Section:
    """Of one table."""
    made = Section(table.number, table.title, table.varied, table.held)
    reads = [(row, read(row, [study.key(c) for c in row.cells], finished)) for row in table.rows]
    if table.number == 1:
        _statistics(study, made)
    elif table.number == 10:
        _classes(made, reads)
    else:
        _rows(made, reads, table.number in (3, 9))
        made.remarks += remarks.of_rows(table, reads)
    made.curves = {row.name: r for row, r in reads if any(len(x) > 1 for x, _ in r.curves)}
    made.warnings += [f"{row.name}: {r.failed}" for row, r in reads if r.failed]
    made.warnings += _missing(reads)
    return made


def number(value: Number, digits: int = 3) -> str:
    """Mean ± spread; the mean alone where there is no spread."""
    if value is None:
        return NONE
    mean, spread = value
    return f"{mean:.{digits}f} ± {spread:.{digits}f}" if spread else f"{mean:.{digits}f}"


def _printed(value: float | None, digits: int = 3) -> str:
    return NONE if value is None else f"{value:.{digits}f}"


# -- Tables 3, 4, 5, 6 and 9 ---------------------------------------------------------------------


def _rows(made: Section, reads: Sequence[tuple[Row, RowResults]], timed: bool) -> None:
    """Two grids: the paper's numbers, and those that show the rare classes."""
    first, second = [("", "row")], [("", "row")]
    for name in PAPERS:
        first += [(WORDS[name], BEST), (WORDS[name], MOST), (WORDS[name], PAPER)]
        if name == "accuracy":
            first.append((WORDS[name], "P, R of paper allow"))
    second += [("at the best epoch", SHORT[name]) for name in OURS]
    if timed:
        sure = "where surer than 0.75"
        second += [(sure, "share"), (sure, "accuracy"), (sure, PAPER)]
    second.append(("time", "here"))
    if timed:
        second += [("time", "to best"), ("time", "paper, h"), ("time", "paper to best, h")]
    grids = Grid(first, [], "The paper's three numbers"), Grid(second, [], "Beyond them")
    every = [(row, found, row.reference) for row, found in reads]
    every += [(row, found, True) for row, found in _constants(reads)]
    for row, found, apart in every:
        grids[0].lines.append(Line((row.name, *_papers(row, found)), apart))
        grids[1].lines.append(Line((row.name, *_ours(row, found, timed)), apart))
        made.records += _records(made.number, row, found)
    made.grids += grids


def _papers(row: Row, found: RowResults) -> list[str]:
    cells = []
    for name in PAPERS:
        cells += [number(found.best.get(name)), number(found.maximum.get(name))]
        cells.append(_printed(row.paper.get(name)))
        if name == "accuracy":
            cells.append(_bound(row))
    if found.failed and not found.seeds:
        cells[0] = "failed"
    return cells


def _ours(row: Row, found: RowResults, timed: bool) -> list[str]:
    cells = [number(found.best.get(name)) for name in OURS]
    if timed:
        cells += [number(found.best.get(n)) for n in ("coverage", "confident_accuracy")]
        cells.append(_printed(row.paper.get("confident_accuracy")))
    cells.append(NONE if found.seconds is None else in_words(found.seconds[0]))
    if timed:
        cells.append(NONE if found.seconds_best is None else in_words(found.seconds_best[0]))
        cells += [_printed(row.paper.get("hours")), _printed(row.paper.get("hours_best"))]
    return cells


def _bound(row: Row) -> str:
    if not {"precision", "recall"} <= set(row.paper) or not row.of_helium:
        return NONE
    bound = reference.most_accuracy(row.paper["precision"], row.paper["recall"])
    return f"≤ {bound:.3f}" + (" *" if reference.too_good(row.paper) else "")


def _constants(reads: Sequence[tuple[Row, RowResults]]) -> list[tuple[Row, RowResults]]:
    """The constant predictor on each data set, on the same splits as the rows."""
    found: dict[str, tuple[Row, RowResults]] = {}
    for row, r in reads:
        dataset = row.cells[0].dataset if row.cells else "helium"
        if dataset in found or not r.constant_labels:
            continue
        always = " + ".join(r.constant_labels)
        name = f"constant predictor (always {always})" + (", CXIDB" if dataset == "cxidb" else "")
        paper = reference.CONSTANT if dataset == "helium" else {}
        found[dataset] = (
            Row(name, row.cells[:1], paper, reference=True),
            RowResults(best=r.constant, maximum=r.constant, seeds=r.seeds),
        )
    return list(found.values())


def _records(table: int, row: Row, found: RowResults) -> list[dict[str, Any]]:
    names = (*PAPERS, *OURS, "coverage", "confident_accuracy")
    records = []
    for name in names:
        for which, values in (("best epoch", found.best), ("maximum", found.maximum)):
            value = values.get(name)
            printed = row.paper.get(name)
            if value is None and printed is None:
                continue
            bound: float | None = None
            if name == "accuracy" and row.of_helium and "recall" in row.paper:
                bound = reference.most_accuracy(row.paper["precision"], row.paper["recall"])
            records.append(_record(table, row.name, name, which, value, found.seeds, printed,
                                   bound))  # fmt: skip
    if found.seconds is not None:
        hours = row.paper.get("hours")
        printed = None if hours is None else 3600 * hours
        records.append(_record(table, row.name, "seconds", "whole", found.seconds, found.seeds,
                               printed, None))  # fmt: skip
    return records


def _record(
    table: int, row: str, metric: str, which: str, value: Number, seeds: int,
    paper: float | None, bound: float | None,
) -> dict[str, Any]:  # fmt: skip
    mean, spread = value if value is not None else (None, None)
    return {
        "table": table, "row": row, "metric": metric, "reading": which, "mean": mean,
        "spread": spread if seeds > 1 else None, "seeds": seeds, "paper": paper,
        "allowed_by_papers_p_and_r": bound,
    }  # fmt: skip


def _missing(reads: Sequence[tuple[Row, RowResults]]) -> list[str]:
    """Rows trained or judged without a class, in words; rows of the same lack together."""
    lacking: dict[tuple[str, str], list[str]] = {}
    for row, found in reads:
        for result in found.results:
            for role, names in result.get("missing", {}).items():
                if names:
                    rows = lacking.setdefault((role, ", ".join(names)), [])
                    rows += [row.name] * (row.name not in rows)
    said = []
    for (role, names), rows in lacking.items():
        whose = "all rows" if len(rows) == len(reads) else "; ".join(rows)
        said.append(f"With at least one seed, none of the shots that {role} is {names} ({whose}).")
    return said


# -- Table 10 ------------------------------------------------------------------------------------


def _classes(made: Section, reads: Sequence[tuple[Row, RowResults]]) -> None:
    names = ("accuracy", "precision", "recall", "f1")
    heads = [("", "class"), ("shots", "here"), ("shots", PAPER)]
    for name in names:
        heads += [(WORDS[name], BEST), (WORDS[name], MOST), (WORDS[name], PAPER)]
        if name == "accuracy":
            heads.append((WORDS[name], "constant"))
    for row, found in reads:
        lines = []
        order = found.results[0]["class_names"] if found.results else []
        for name in sorted(order, key=_place):
            cells, records = _class(made.number, name, found, order.index(name), names)
            lines.append(Line(tuple(cells)))
            made.records += records
        made.grids.append(Grid(heads, lines, row.name))
        made.remarks += remarks.of_classes(found)


def _place(name: str) -> int:
    """Of a class in the paper's order; others after them."""
    known = list(reference.PER_CLASS)
    return known.index(name) if name in known else len(known)


def _class(
    table: int, name: str, found: RowResults, index: int, metrics: Sequence[str]
) -> tuple[list[str], list[dict[str, Any]]]:
    best, most, more = by_class(found.results, index)
    paper = dict(reference.PER_CLASS.get(name, {}))
    if paper:
        p, r = paper["precision"], paper["recall"]
        paper["f1"] = 2 * p * r / (p + r)
    cells = [name, number(more["shots"], 0), _printed(paper.get("shots"), 0)]
    records = []
    for metric in metrics:
        printed = paper.get(metric)
        cells += [number(best[metric]), number(most[metric]), _printed(printed)]
        if metric == "accuracy":
            cells.append(number(more["constant"]))
        for which, values in (("best epoch", best), ("maximum", most)):
            records.append(_record(table, name, metric, which, values[metric], found.seeds,
                                   printed, None))  # fmt: skip
    return cells, records


# -- Table 1 -------------------------------------------------------------------------------------


def _statistics(study: PaperStudy, made: Section) -> None:
    table = study.datasets.tables["helium"]
    classes, rules = class_lines(table), rule_lines(table)
    heads = [("", "class"), ("here", "labels"), ("here", "%"), (PAPER, "labels"), (PAPER, "%")]
    lines = []
    for line in classes:
        ours = (f"{line.here:,}", f"{100 * line.share:.1f}")
        theirs = (NONE, NONE)
        if line.paper is not None:
            theirs = (f"{line.paper:,}", f"{reference.PERCENT[line.name]:.1f}")
        lines.append(Line((line.name, *ours, *theirs)))
        made.records.append(_record(1, line.name, "labels", "count", (line.here, 0.0), 1,
                                    line.paper, None))  # fmt: skip
    made.grids.append(Grid(heads, lines, "Labels of each class"))
    heads = [("", "rule"), ("", "severity"), ("shots that break it", "here"),
             ("shots that break it", "published labels")]  # fmt: skip
    lines = []
    for rule in rules:
        theirs_ = NONE if rule.paper is None else f"{rule.paper:,}"
        lines.append(Line((rule.name, rule.severity, f"{rule.here:,}", theirs_)))
        made.records.append(_record(1, rule.name, "shots that break it", "count",
                                    (rule.here, 0.0), 1, rule.paper, None))  # fmt: skip
    if lines:
        made.grids.append(Grid(heads, lines, "Rules that labels break"))
    made.remarks += remarks.of_statistics(table)


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
