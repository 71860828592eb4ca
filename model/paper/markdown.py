"""The report as Markdown and as CSV."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from itertools import pairwise

from model.paper.contents import Grid, Section

COLUMNS = ("table", "row", "metric", "reading", "mean", "spread", "seeds", "paper",
           "allowed_by_papers_p_and_r")  # fmt: skip


def page(title: str, intro: Sequence[str], sections: Sequence[Section], figures: str = "") -> str:
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


def as_csv(sections: Sequence[Section]) -> str:
    """Every number of every section, one a line."""
    out = io.StringIO()
    writer = csv.DictWriter(out, COLUMNS, lineterminator="\n")
    writer.writeheader()
    for section in sections:
        writer.writerows(section.records)
    return out.getvalue()
