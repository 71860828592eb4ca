"""The report on a labelling week: what was labelled, how fast, how consistently; HTML or PDF.

One file without links to anything; it asks the project and changes nothing.
"""

from __future__ import annotations

import html
import io
import textwrap
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np

from labeler.project.project import Project
from labeler.project.store import FLAGGED
from labeler.quality import week_figures as figures
from labeler.quality.agreement import agreement_of
from labeler.quality.repeats import ClassDrift, drift, readings_of, worst
from labeler.quality.rules import check_rules
from labeler.quality.week import ENOUGH_OF_A_CLASS, Span, rare_classes, week_of
from labeler.version import version
from model.errors import InputError
from model.output_files import check_place, written_whole

ENDINGS = (".html", ".htm", ".pdf")


@dataclass
class Section:
    """A heading, sentences, a figure, and a table with its heads in the first line."""

    title: str
    text: list[str] = field(default_factory=list)
    figure: Any = None
    table: list[Sequence[str]] = field(default_factory=list)


def write_report(
    project: Project,
    out: Path | str,
    *,
    annotator: int | None = None,
    force: bool = False,
    now: datetime | None = None,
) -> Path:
    """Write the report to a .html or .pdf file; InputError where that cannot be."""
    out = Path(out)
    if out.suffix.lower() not in ENDINGS:
        mend = "Give it a name that ends in .html or .pdf."
        raise InputError("is neither HTML nor PDF by its name", file=out, mend=mend)
    who = project.annotator if annotator is None else annotator
    title, sections = contents(project, who, datetime.now() if now is None else now)
    write = _as_pdf if out.suffix.lower() == ".pdf" else _as_html
    check_place(out, [info.path for info in project.sources], force=force)
    with written_whole(out) as part:
        write(part, title, sections)
    return out


# -- what it says ------------------------------------------------------------------------------


def contents(project: Project, who: int, now: datetime) -> tuple[str, list[Section]]:
    """Title and sections, for either form."""
    name = next(a.name for a in project.store.annotators() if a.id == who)
    title = f"{project.name}: labelling report of {name}, {now.day} {now:%B %Y}"
    parts: tuple[Callable[[Project, int, datetime], Section | None], ...] = (
        _overview,
        _pace,
        _classes,
        _rules,
        _self_agreement,
        _agreement,
        _runs,
        _sources,
    )
    made = (part(project, who, now) for part in parts)
    return title, [section for section in made if section is not None]


def _overview(project: Project, who: int, now: datetime) -> Section:
    merged = project.merged_state(who)
    own = project.merged_state(who, only_mine=True)
    text = [
        f"{project.n_shots:,} shots in {len(project.sources)} "
        f"file{'' if len(project.sources) == 1 else 's'}; {int(merged.labelled.sum()):,} are "
        f"labelled, {int(own.labelled.sum()):,} of them by this person and "
        f"{int((merged.labelled & ~own.labelled).sum()):,} as they came with the files.",
        f"{int(((own.status & FLAGGED) != 0).sum()):,} shots are flagged.",
    ]
    return Section("What there is", text)


def _pace(project: Project, who: int, now: datetime) -> Section | None:
    found = week_of(project, who, now)
    if not found.all.shots:
        return None
    text = [
        f"In the last 7 days {found.week.shots:,} shots were decided one by one, in "
        f"{found.week.worked_s / 3600:.1f} hours of work ({_rate(found.week)}); "
        f"{found.all.shots:,} in all. Pauses of more than three minutes are not counted as work."
    ]
    if found.bulk:
        text.append(f"{found.bulk:,} more were decided many at once or imported.")
    return Section("How fast", text, figures.days(found.days))


def _rate(span: Span) -> str:
    return f"{span.per_hour:,.0f} shots an hour" if np.isfinite(span.per_hour) else "too few to say"


def _classes(project: Project, who: int, now: datetime) -> Section:
    taxonomy = project.taxonomy
    merged = project.merged_state(who)
    counts = [
        taxonomy.unpack(merged.present[merged.labelled & (merged.imported == files)]).sum(0)
        for files in (False, True)
    ]
    rare = rare_classes((counts[0] + counts[1]).tolist(), taxonomy)
    text = [f"{len(rare)} classes have fewer than {ENOUGH_OF_A_CLASS} labels: " + _listed(rare)]
    if not rare:
        text = [f"Every class has {ENOUGH_OF_A_CLASS} labels or more."]
    figure = figures.classes(taxonomy.names, counts[0].tolist(), counts[1].tolist())
    return Section("Classes", text, figure)


def _listed(rare: Sequence[tuple[str, int]]) -> str:
    return ", ".join(f"{name} ({n})" for name, n in rare) + "."


def _rules(project: Project, who: int, now: datetime) -> Section | None:
    merged = project.merged_state(who)
    found = check_rules(merged.present, merged.status, project.taxonomy)
    if not found:
        return None
    broken = [b for b in found if b.shots]
    if not broken:
        return Section("Rules", [f"No label breaks any of the {len(found)} rules."])
    table = [("rule", "severity", "shots")]
    table += [(b.rule.text, b.rule.severity, f"{b.shots:,}") for b in broken]
    return Section("Rules", ["Labels that break a rule:"], table=list(table))


def _self_agreement(project: Project, who: int, now: datetime) -> Section | None:
    readings = readings_of(project, who)
    if not len(readings):
        return None
    found: list[ClassDrift] = drift(readings, project.taxonomy)
    same = len(readings) - int(readings.differing.sum())
    text = [
        f"{len(readings):,} shots were shown a second time without their label; {same:,} got the "
        "same labels again."
    ]
    bad = worst(found)
    if bad is not None:
        d = found[bad]
        text.append(
            f"Least confirmed is {d.name}: {d.confirmed:.2f} of its labels "
            f"({d.low:.2f} to {d.high:.2f})."
        )
    return Section("Agreement with oneself", text, figures.drift(found))


def _agreement(project: Project, who: int, now: datetime) -> Section | None:
    found = agreement_of(project)
    if not found.shots:
        return None
    readers = ", ".join(f"{name} ({n:,})" for name, n in found.readers)
    text = [
        f"Read by two or more: {found.shots:,} shots ({readers}). On {len(found.rows):,} they "
        f"differ; α of whole label sets is {found.whole:.2f}."
    ]
    return Section("Agreement between people", text, figures.agreement(found))


def _runs(project: Project, who: int, now: datetime) -> Section | None:
    runs = project.runs()
    if not runs:
        return None
    names = {"macro_f1": "macro F1", "rare_f1": "rare F1", "accuracy": "accuracy"}
    table: list[Sequence[str]] = [("run", "when", "recipe", "state", *names.values())]
    for run in runs:
        evaluation = run.metrics.get("evaluation")
        numbers = evaluation if isinstance(evaluation, dict) else {}
        scores = [numbers.get(name) for name in names]
        shown = [f"{s:.3f}" if isinstance(s, float) else "–" for s in scores]
        mark = " (in use)" if run.number == project.current_run else ""
        day = f"{run.created:%Y-%m-%d %H:%M}"
        table.append((f"{run.number}{mark}", day, run.recipe, run.state, *shown))
    flattered = [r.number for r in runs if r.metrics.get("chosen_on") == "evaluation"]
    text = ["Scores are those on the shots that judge."]
    if flattered:
        text.append(
            f"Of run {', '.join(map(str, flattered))} the epoch that scores best on these very "
            "shots was kept, as in the paper: its scores flatter."
        )
    return Section("Trained networks", text, table=table)


def _sources(project: Project, who: int, now: datetime) -> Section:
    table: list[Sequence[str]] = [("file", "shots", "size", "fingerprint")]
    for info in project.sources:
        size = f"{info.shape[0]} × {info.shape[1]}"
        table.append((info.path.name, f"{info.n_shots:,}", size, info.fingerprint[:16]))
    text = [f"Taxonomy {project.taxonomy.name}; airylabel {version()}."]
    return Section("Files of shots", text, table=table)


# -- how it looks ------------------------------------------------------------------------------

_STYLE = """
body { font: 15px/1.5 system-ui, sans-serif; color: #2a2a2d; max-width: 46em; margin: 3em auto;
  padding: 0 1.5em; }
h1 { font-size: 1.5em; } h2 { font-size: 1.1em; margin: 2em 0 .4em; }
table { border-collapse: collapse; font-size: .92em; } th { text-align: left; color: #66666c; }
td, th { padding: .25em 1.4em .25em 0; border-bottom: 1px solid #e4e4e6; }
svg { max-width: 100%; height: auto; } p { margin: .3em 0; }
@media print { body { margin: 0; } h2 { break-after: avoid; } svg, table { break-inside: avoid; } }
"""


def _as_html(path: Path, title: str, sections: Sequence[Section]) -> None:
    said = html.escape
    lines = [
        '<!DOCTYPE html><html lang="en"><head><meta charset="utf-8">',
        f"<title>{said(title)}</title><style>{_STYLE}</style></head><body><h1>{said(title)}</h1>",
    ]
    for section in sections:
        lines.append(f"<h2>{said(section.title)}</h2>")
        lines += [f"<p>{said(text)}</p>" for text in section.text]
        if section.figure is not None:
            lines.append(_svg(section.figure))
        if section.table:
            heads, *rows = section.table
            lines.append("<table><tr>" + "".join(f"<th>{said(h)}</th>" for h in heads) + "</tr>")
            for row in rows:
                lines.append("<tr>" + "".join(f"<td>{said(c)}</td>" for c in row) + "</tr>")
            lines.append("</table>")
    lines.append("</body></html>\n")
    path.write_text("\n".join(lines), encoding="utf-8")


def _svg(figure: Any) -> str:
    out = io.StringIO()
    figure.savefig(out, format="svg", metadata={"Date": None})
    text = out.getvalue()
    return text[text.index("<svg") :]


A4 = (8.27, 11.69)
LEFT, TOP, BOTTOM, LINE = 0.1, 0.94, 0.06, 0.0165
"""Margins and the height of a line, as shares of a page."""


def _as_pdf(path: Path, title: str, sections: Sequence[Section]) -> None:
    from matplotlib.backends.backend_pdf import PdfPages

    with PdfPages(path, metadata={"Title": title, "Creator": f"airylabel {version()}"}) as pdf:
        page = _PdfPage(pdf)
        page.write(title, size=13, bold=True)
        for section in sections:
            page.section(section)
        page.end()


class _PdfPage:
    """Sections from top to bottom, on as many pages as it takes."""

    def __init__(self, pdf: Any) -> None:
        self.pdf = pdf
        self._begin()

    def _begin(self) -> None:
        from matplotlib.figure import Figure

        self.page = Figure(figsize=A4)
        self.y = TOP

    def end(self) -> None:
        """Put the page into the file."""
        self.pdf.savefig(self.page)

    def _room(self, share: float) -> None:
        if self.y - share < BOTTOM:
            self.end()
            self._begin()

    def write(self, text: str, *, size: float = 9.5, bold: bool = False, x: float = LEFT) -> None:
        """A paragraph."""
        lines = textwrap.wrap(text, int(900 / size)) or [""]
        self._room(LINE * len(lines))
        for line in lines:
            self.y -= LINE * size / 9.5
            weight = "bold" if bold else "normal"
            self.page.text(x, self.y, line, fontsize=size, weight=weight, parse_math=False)
        self.y -= LINE * 0.4

    def section(self, section: Section) -> None:
        """Heading, text, figure, table."""
        height = 0.0
        if section.figure is not None:
            width, inches = section.figure.get_size_inches()
            height = inches / width * (A4[0] * (1 - 2 * LEFT)) / A4[1]
        self._room(height + LINE * (5 + len(section.text)))
        self.y -= LINE
        self.write(section.title, size=11, bold=True)
        for text in section.text:
            self.write(text)
        if section.figure is not None:
            self._picture(section.figure, height)
        if section.table:
            self._table(section.table)

    def _picture(self, figure: Any, height: float) -> None:
        import matplotlib.image as images

        out = io.BytesIO()
        figure.savefig(out, format="png", dpi=300)
        out.seek(0)
        self.y -= height
        axes = self.page.add_axes((LEFT, self.y, 1 - 2 * LEFT, height))
        axes.imshow(images.imread(out), aspect="auto", interpolation="antialiased")
        axes.set_axis_off()

    def _table(self, table: Sequence[Sequence[str]]) -> None:
        widths = [max(len(row[c]) for row in table) for c in range(len(table[0]))]
        starts = np.cumsum([0, *widths[:-1]]) + 2.5 * np.arange(len(widths))
        step = min(0.0112, (1 - 2 * LEFT) / (starts[-1] + widths[-1]))
        for k, row in enumerate(table):
            self._room(LINE)
            self.y -= LINE
            for start, cell in zip(starts, row, strict=True):
                x = LEFT + step * float(start)
                ink = "#66666c" if k == 0 else "#2a2a2d"
                size = 9 * step / 0.0112 if step < 0.0112 else 9
                self.page.text(x, self.y, cell, fontsize=size, color=ink, parse_math=False)
        self.y -= LINE * 0.5
