"""The report as one HTML file without links to anything: contents, grids, curves, sentences."""

from __future__ import annotations

import html
from collections.abc import Sequence
from itertools import groupby

from model.paper.contents import Grid, Section
from model.paper.curves import svg

_STYLE = """
body { font: 15px/1.55 system-ui, sans-serif; color: #2a2a2d; max-width: 82em; margin: 2.5em auto;
  padding: 0 2em; }
h1 { font-size: 1.6em; line-height: 1.25; margin-bottom: .6em; }
h2 { font-size: 1.2em; margin: 2.6em 0 .5em; padding-top: .8em; border-top: 1px solid #dcdce0; }
p, li { max-width: 58em; margin: .35em 0; } ul { padding-left: 1.2em; }
nav ul { list-style: none; padding: 0; columns: 2; } nav a { color: #1f6fc0; }
dl { display: grid; grid-template-columns: max-content 1fr; gap: .25em 1.2em; max-width: 62em; }
dt { color: #66666c; } dd { margin: 0; }
.wide { overflow-x: auto; margin: 1em 0; }
table { border-collapse: collapse; font-size: .84em; font-variant-numeric: tabular-nums; }
caption { text-align: left; font-weight: 600; padding: .4em 0; }
td, th { padding: .28em .5em; border-bottom: 1px solid #ececef; text-align: right;
  white-space: nowrap; }
td:first-child, th:first-child { text-align: left; padding-left: 0; white-space: normal;
  min-width: 13em; }
th { color: #66666c; font-weight: 500; vertical-align: bottom; }
thead tr:last-child th { white-space: normal; }
tr.groups th { text-align: center; color: #2a2a2d; border-bottom: 1px solid #b9b9be; }
tr.groups th:first-child { border-bottom: none; }
td.paper, th.paper { color: #8a4b08; background: #fdf7ee; }
tr.reference td { color: #66666c; } tr.reference td:first-child { font-style: italic; }
.warning { color: #8a1f11; } figure { margin: 1em 0; } svg { max-width: 100%; height: auto; }
@media print { body { margin: 0; max-width: none; font-size: 11px; } h2 { break-after: avoid; }
  svg, table { break-inside: avoid; } nav { display: none; } }
"""


def page(
    title: str, facts: Sequence[tuple[str, str]], intro: Sequence[str], sections: Sequence[Section],
    more: str = "",
) -> str:  # fmt: skip
    """The whole document; `facts` are (name, text) of the study, `more` is HTML for its end."""
    said = html.escape
    parts = [
        '<!DOCTYPE html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width">',
        f"<title>{said(title)}</title><style>{_STYLE}</style></head><body><h1>{said(title)}</h1>",
        *(f"<p>{said(text)}</p>" for text in intro),
        "<dl>" + "".join(f"<dt>{said(n)}</dt><dd>{said(t)}</dd>" for n, t in facts) + "</dl>",
        "<nav><h2>Contents</h2><ul>",
        *(
            f'<li><a href="#table-{s.number}">Table {s.number}: {said(s.title)}</a></li>'
            for s in sections
        ),
        "</ul></nav>",
        *(_section(section) for section in sections),
        more,
        "</body></html>\n",
    ]
    return "\n".join(parts)


def _section(section: Section) -> str:
    said = html.escape
    parts = [
        f'<section id="table-{section.number}">'
        f"<h2>Table {section.number}: {said(section.title)}</h2>",
        f"<dl><dt>Varied</dt><dd>{said(section.varied)}</dd>"
        f"<dt>Held</dt><dd>{said(section.held)}</dd></dl>",
        *(_grid(grid) for grid in section.grids),
    ]
    if section.curves:
        parts.append(f"<figure>{svg(section.curves)}</figure>")
    parts.append("<ul>")
    parts += [f"<li>{said(text)}</li>" for text in section.remarks]
    parts += [f'<li class="warning">{said(text)}</li>' for text in section.warnings]
    parts.append("</ul></section>")
    return "\n".join(parts)


def _grid(grid: Grid) -> str:
    said = html.escape
    papers = ["paper" in " ".join(head) or "published" in head[1] for head in grid.heads]
    marks = [' class="paper"' if paper else "" for paper in papers]
    groups = "".join(
        f'<th colspan="{len(list(run))}">{said(group)}</th>'
        for group, run in groupby(grid.heads, key=lambda head: head[0])
    )
    names = "".join(
        f"<th{mark}>{said(name)}</th>" for mark, (_, name) in zip(marks, grid.heads, strict=True)
    )
    caption = f"<caption>{said(grid.title)}</caption>" if grid.title else ""
    rows = []
    for line in grid.lines:
        kind = ' class="reference"' if line.reference else ""
        cells = "".join(
            f"<td{mark}>{said(cell)}</td>" for mark, cell in zip(marks, line.cells, strict=True)
        )
        rows.append(f"<tr{kind}>{cells}</tr>")
    head = f'<thead><tr class="groups">{groups}</tr><tr>{names}</tr></thead>'
    body = "".join(rows)
    return f'<div class="wide"><table>{caption}{head}<tbody>{body}</tbody></table></div>'
