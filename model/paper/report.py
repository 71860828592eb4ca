"""Writes what is done so far: tables.md, tables.csv and tables.html, each whole or not at all."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from functools import lru_cache
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from markupsafe import Markup

from model.inspection.figures import PLOT_LOOK
from model.output_files import html_page, write_text
from model.paper.cells import FinishedCells
from model.paper.contents import Grid, Section, sections
from model.paper.plan import Table
from model.paper.row_results import RowResults
from model.paper.study import PaperStudy
from model.taxonomy.colours import BLUE, GREEN, ORANGE, PURPLE, SKY_BLUE, VERMILION, VIOLET

TITLE = "The paper's tables, measured again"
PAPER = "Zimmermann et al., Phys. Rev. E 99, 063309 (2019)"
ABOUT_NUMBERS = (
    "Every number stands beside the paper's. Best: the evaluation with the greatest macro F1 is "
    "chosen, and all numbers are of that epoch. Max: each number is the greatest of all "
    "evaluations on its own, as the paper reports, so that two of them can be of different "
    "epochs. Both are chosen on the evaluation shots and so flatter. ± is the standard deviation "
    "over the seeds, each with a split and first weights of its own. Accuracy, precision and "
    "recall are over all label cells; macro F1 and AP (average precision) are means over the "
    "classes that occur, rare F1 over the seven rare ones (all but Spherical/Oblate, Round, "
    'Prolate and Empty). "Break a rule": shots whose predicted classes contradict each other.'
)
COLUMNS = ("table", "row", "metric", "reading", "mean", "spread", "seeds", "paper",
           "allowed_by_papers_p_and_r")  # fmt: skip
_COLOURS = (BLUE, VERMILION, GREEN, PURPLE, ORANGE, SKY_BLUE, VIOLET, "#555555")
WIDTH, HEIGHT = 8.6, 3.4

Line = tuple[tuple[float, ...], tuple[float, ...]]


def write(study: PaperStudy, tables: Sequence[Table], finished: FinishedCells) -> dict[str, str]:
    """Write the report about these tables into the study's folder; kind -> path."""
    made = sections(study, tables, finished)
    facts = _facts(study, tables, finished)
    intro = (f"{PAPER}.", ABOUT_NUMBERS)
    out = study.order.out
    listed = [f"{name}: {text}  " for name, text in facts]
    page = {"title": TITLE, "facts": facts, "intro": intro, "sections": made, "curves": svg}
    texts = {
        "tables.md": _markdown(TITLE, [*intro, "\n".join(listed)], made),
        "tables.csv": _csv(made),
        "tables.html": html_page("paper_tables.html", **page),
    }
    for name, text in texts.items():
        write_text(out / name, text)
    return {name.rpartition(".")[2]: str(out / name) for name in texts}


def write_page(
    study: PaperStudy, tables: Sequence[Table], finished: FinishedCells, folder: Path, name: str
) -> list[Path]:
    """Write a page for a repository: NAME.md, NAME.csv and one small SVG for each curve figure."""
    made = sections(study, tables, finished)
    facts = [f"{n}: {text}  " for n, text in _facts(study, tables, finished)]
    intro = (f"{PAPER}.", ABOUT_NUMBERS, "\n".join(facts))
    folder.mkdir(parents=True, exist_ok=True)
    texts = {
        f"{name}.md": _markdown(TITLE, intro, made, f"{name}-table-{{}}.svg"),
        f"{name}.csv": _csv(made),
    }
    texts |= {f"{name}-table-{s.number}.svg": _file(s) for s in made if s.curves}
    for file, text in texts.items():
        write_text(folder / file, text)
    return [folder / file for file in texts]


def _facts(
    study: PaperStudy, tables: Sequence[Table], finished: FinishedCells
) -> list[tuple[str, str]]:
    """What a reader must know of a study, (name, text)."""
    order, budget = study.order, study.order.budget
    keys = {study.key(c) for table in tables for c in table.cells}
    done = [result for key in sorted(keys) if (result := finished.get(key)) is not None]
    machines = dict.fromkeys(str(result["machine"]) for result in done)
    facts = [("Budget", f"{budget.name}. {budget.about}")]
    for name, table in study.datasets.tables.items():
        files = ", ".join(info.name for info in table.sources)
        shots = f"{int(table.labelled.sum()):,} labelled shots"
        facts.append((name, f"{files}: {shots}, fingerprint {table.fingerprint[:16]}"))
    facts.append(("Seeds", ", ".join(str(seed) for seed in range(study.seeds))))
    if machines:
        facts.append(("Machine", "; ".join(machines)))
        minutes = sum(float(result["seconds"]) for result in done) / 60
        trained = f"{len(done)} trainings and baselines, {minutes:.0f} min in all"
        facts.append(("Work", trained))
    missing = len(keys) - len(done)
    if missing:
        facts.append(("Not done yet", f"{missing} cells; the same command goes on"))
    facts.append(("Program", order.program))
    facts.append(("Command", order.command))
    return [(name, text) for name, text in facts if text]


def _markdown(
    title: str, intro: Sequence[str], sections: Sequence[Section], figures: str = ""
) -> str:
    """All sections as one Markdown document; `figures`: path pattern of curves, `{}` the number."""
    parts = [f"# {title}", *intro]
    for section in sections:
        parts.append(f"## Table {section.number}: {section.title}")
        parts.append(f"Varied: {section.varied}.  \nHeld: {section.held}.")
        for grid in section.grids:
            if grid.title:
                parts.append(f"**{grid.title}**")
            parts.append(_grid(grid))
        if figures and section.curves:
            parts.append(f"![Macro F1 over the epochs]({figures.format(section.number)})")
        parts += [f"- {text}" for text in (*section.remarks, *section.warnings)]
    return _joined(parts)


def _joined(parts: Sequence[str]) -> str:
    """Paragraphs; the items of a list follow each other without a blank line."""
    text = parts[0]
    for before, part in pairwise(parts):
        text += ("\n" if before.startswith("- ") and part.startswith("- ") else "\n\n") + part
    return text + "\n"


def _grid(grid: Grid) -> str:
    heads = [f"{group}: {name}" if group else name for group, name in grid.heads]
    lines = ["| " + " | ".join(heads) + " |", "|---" + "|---:" * (len(heads) - 1) + "|"]
    for line in grid.lines:
        name, *cells = line.cells
        shown = f"*{name}*" if line.reference else name
        lines.append("| " + " | ".join([shown, *cells]) + " |")
    return "\n".join(lines)


def _csv(sections: Sequence[Section]) -> str:
    """Every number of every section, one a line."""
    out = io.StringIO()
    writer = csv.DictWriter(out, COLUMNS, lineterminator="\n")
    writer.writeheader()
    for section in sections:
        writer.writerows(section.records)
    return out.getvalue()


def _file(section: Section) -> str:
    return '<?xml version="1.0" encoding="utf-8"?>\n' + svg(section.curves)


def svg(curves: Mapping[str, RowResults]) -> Markup:
    """The figure as an <svg> element: a thick line is the mean, thin ones are the seeds.

    Dotted: the constant predictor on the data of the first row.
    """
    blind = next((r.constant["macro_f1"] for r in curves.values() if r.constant), None)
    rows = tuple((name, found.curves) for name, found in curves.items())
    return Markup(_drawn(rows, None if blind is None else blind[0]))


@lru_cache(maxsize=32)
def _drawn(rows: tuple[tuple[str, tuple[Line, ...]], ...], blind: float | None) -> str:
    """Kept, as a report is written again after every table."""
    import matplotlib as mpl
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure
    from matplotlib.ticker import MaxNLocator

    out = io.StringIO()
    with mpl.rc_context(PLOT_LOOK):
        figure = Figure((WIDTH, HEIGHT), layout="constrained")
        FigureCanvasAgg(figure)
        axes = figure.add_subplot()
        for place, (name, lines) in enumerate(rows):
            _row(axes, name, lines, place)
        if blind is not None:
            axes.axhline(blind, color="#77777c", linewidth=1.0, linestyle=":",
                         label="constant predictor")  # fmt: skip
        axes.set_xlabel("epoch")
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        axes.set_ylabel("macro F1 on the evaluation shots")
        lowest = min(v for _, lines in rows for _, values in lines for v in values)
        axes.set_ylim(max(0.0, min(lowest, lowest if blind is None else blind) - 0.04), None)
        axes.grid(axis="y", color="#ececef", linewidth=0.8)
        axes.set_axisbelow(True)
        figure.legend(loc="outside right center", frameon=False, fontsize=8)
        nothing = dict.fromkeys(("Date", "Creator", "Format", "Type"))  # no addresses in the file
        figure.savefig(out, format="svg", metadata=nothing)
    text = out.getvalue()
    return text[text.index("<svg") :]


def _row(axes: Any, name: str, lines: tuple[Line, ...], place: int) -> None:
    colour, dash = _COLOURS[place % len(_COLOURS)], "-" if place < len(_COLOURS) else "--"
    if len(lines) > 1:
        for epochs, values in lines:
            axes.plot(epochs, values, dash, color=colour, linewidth=0.6, alpha=0.5)
    first = lines[0][0]
    whole = [values for epochs, values in lines if epochs == first]
    axes.plot(first, np.mean(whole, 0), dash, color=colour, linewidth=1.8, label=name)
