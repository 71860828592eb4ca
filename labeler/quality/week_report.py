"""The report on a labelling week: what was labelled, how fast, how consistently; HTML or PDF.

One file without links to anything; it asks the project and changes nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

import numpy as np

from labeler import version
from labeler.project.folder import STATES
from labeler.project.project import Project
from labeler.project.store import FLAGGED
from labeler.quality import week_figures as figures
from labeler.quality.agreement import agreement_of
from labeler.quality.repeats import ClassDrift, drift, repeats_of, worst
from labeler.quality.rules import check_rules
from labeler.quality.week import ENOUGH_OF_A_CLASS, Span, rare_classes, week_of
from model.errors import InputError, counted
from model.output_files import check_place, html_page, written_whole

ENDINGS = (".html", ".htm", ".pdf")


@dataclass
class ReportSection:
    """A heading, sentences, a figure as SVG, and a table with its heads in the first line."""

    title: str
    text: list[str] = field(default_factory=list)
    figure: str = ""
    table: list[Sequence[str]] = field(default_factory=list)


def write_report(
    project: Project,
    out: Path | str,
    print_pdf: Callable[[str, Path], None],
    *,
    annotator: int | None = None,
    force: bool = False,
    now: datetime | None = None,
) -> Path:
    """Write the report to a .html or .pdf file; InputError where that cannot be.

    `print_pdf` makes a PDF file of the HTML text.
    """
    out = Path(out)
    if out.suffix.lower() not in ENDINGS:
        mend = "Give it a name that ends in .html or .pdf."
        raise InputError("is neither HTML nor PDF by its name", file=out, mend=mend)
    who = project.annotator if annotator is None else annotator
    title, sections = contents(project, who, datetime.now() if now is None else now)
    text = html_page("week_report.html", title=title, sections=sections)
    check_place(out, [info.path for info in project.sources], force=force)
    with written_whole(out) as part:
        if out.suffix.lower() == ".pdf":
            print_pdf(text, part)
        else:
            part.write_text(text, encoding="utf-8")
    return out


# -- what it says ------------------------------------------------------------------------------


def contents(project: Project, who: int, now: datetime) -> tuple[str, list[ReportSection]]:
    """Title and sections, for either form."""
    name = project.store.name_of(who)
    title = f"{project.name}: labelling report of {name}, {now.day} {now:%B %Y}"
    parts: tuple[Callable[[Project, int, datetime], ReportSection | None], ...] = (
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


def _overview(project: Project, who: int, now: datetime) -> ReportSection:
    merged = project.merged_state(who)
    own = project.merged_state(who, only_mine=True)
    text = [
        f"{counted(project.n_shots, 'shot')} in "
        f"{counted(len(project.sources), 'file')}; labelled: "
        f"{int(merged.labelled.sum()):,}, {int(own.labelled.sum()):,} of them by this person and "
        f"{int((merged.labelled & ~own.labelled).sum()):,} as they came with the files.",
        f"Flagged: {counted(int(((own.status & FLAGGED) != 0).sum()), 'shot')}.",
    ]
    return ReportSection("What there is", text)


def _pace(project: Project, who: int, now: datetime) -> ReportSection | None:
    found = week_of(project, who, now)
    if not found.all.shots:
        return None
    text = [
        f"Decided one by one in the last 7 days: {counted(found.week.shots, 'shot')}, in "
        f"{found.week.worked_s / 3600:.1f} hours of work ({_rate(found.week)}); "
        f"{found.all.shots:,} in all. Pauses of more than three minutes are not counted as work."
    ]
    if found.bulk:
        text.append(f"{found.bulk:,} more were decided many at once or imported.")
    return ReportSection("How fast", text, figures.days(found.days))


def _rate(span: Span) -> str:
    return f"{span.per_hour:,.0f} shots an hour" if np.isfinite(span.per_hour) else "too few to say"


def _classes(project: Project, who: int, now: datetime) -> ReportSection:
    taxonomy = project.taxonomy
    merged = project.merged_state(who)
    counts = [
        taxonomy.unpack(merged.present[merged.labelled & (merged.imported == files)]).sum(0)
        for files in (False, True)
    ]
    rare = rare_classes((counts[0] + counts[1]).tolist(), taxonomy)
    text = [f"Fewer than {ENOUGH_OF_A_CLASS} labels have: " + _listed(rare)]
    if not rare:
        text = [f"Every class has {ENOUGH_OF_A_CLASS} labels or more."]
    order = list(taxonomy.order)
    figure = figures.classes(
        taxonomy.names_in_order, counts[0][order].tolist(), counts[1][order].tolist()
    )
    return ReportSection("Classes", text, figure)


def _listed(rare: Sequence[tuple[str, int]]) -> str:
    return ", ".join(f"{name} ({n})" for name, n in rare) + "."


def _rules(project: Project, who: int, now: datetime) -> ReportSection | None:
    merged = project.merged_state(who)
    found = check_rules(merged.present, merged.status, project.taxonomy, merged.known)
    if not found:
        return None
    broken = [b for b in found if b.shots]
    if not broken:
        return ReportSection("Rules", [f"No label breaks any of the {len(found)} rules."])
    table = [("rule", "severity", "shots")]
    table += [(b.rule.text, b.rule.severity, f"{b.shots:,}") for b in broken]
    return ReportSection("Rules", ["Labels that break a rule:"], table=list(table))


def _self_agreement(project: Project, who: int, now: datetime) -> ReportSection | None:
    repeated = repeats_of(project, who)
    if not len(repeated):
        return None
    found: list[ClassDrift] = drift(repeated, project.taxonomy)
    same = len(repeated) - int(repeated.differing.sum())
    text = [
        f"Shown a second time without their label: {counted(len(repeated), 'shot')}; {same:,} got "
        "the same labels again."
    ]
    bad = worst(found)
    if bad is not None:
        d = found[bad]
        text.append(
            f"Least confirmed is {d.name}: {100 * d.confirmed:.0f} % of its labels "
            f"({100 * d.low:.0f} to {100 * d.high:.0f} %)."
        )
    shown = sorted(found, key=lambda d: project.taxonomy.place(d.name))
    return ReportSection("Agreement with oneself", text, figures.drift(shown))


def _agreement(project: Project, who: int, now: datetime) -> ReportSection | None:
    found = agreement_of(project)
    if not found.shots:
        return None
    readers = ", ".join(f"{name} ({n:,})" for name, n in found.readers)
    text = [
        f"Labelled by two or more: {counted(found.shots, 'shot')} ({readers}). On "
        f"{len(found.rows):,} they differ; α of whole label sets is {found.whole:.2f}."
    ]
    return ReportSection("Agreement between people", text, figures.agreement(found))


def _runs(project: Project, who: int, now: datetime) -> ReportSection | None:
    runs = project.runs()
    if not runs:
        return None
    names = {"macro_f1": "macro F1", "rare_f1": "rare F1", "accuracy": "accuracy"}
    heads = ("run", "when", "recipe", "state", *names.values(), "constant answer (macro F1)")
    table: list[Sequence[str]] = [heads]
    for run in runs:
        evaluation = run.metrics.get("evaluation")
        numbers = evaluation if isinstance(evaluation, dict) else {}
        constant = run.metrics.get("constant")
        always = constant.get("macro_f1") if isinstance(constant, dict) else None
        scores = [*(numbers.get(name) for name in names), always]
        shown = [f"{s:.3f}" if isinstance(s, float) else "–" for s in scores]
        mark = " (in use)" if run.number == project.current_run else ""
        day = f"{run.created:%Y-%m-%d %H:%M}"
        table.append((f"{run.number}{mark}", day, run.recipe, STATES[run.state], *shown))
    flattered = [r.number for r in runs if r.metrics.get("chosen_on") == "evaluation"]
    text = ["Scores of each run by itself, without labels given since, on evaluation shots."]
    if flattered:
        text.append(
            f"Of run {', '.join(map(str, flattered))} the epoch that scores best on these very "
            "shots was kept, as in the paper: its scores flatter."
        )
    return ReportSection("Trained networks", text, table=table)


def _sources(project: Project, who: int, now: datetime) -> ReportSection:
    table: list[Sequence[str]] = [("file", "shots", "size", "fingerprint")]
    for info in project.sources:
        size = f"{info.shape[0]} × {info.shape[1]}"
        table.append((info.name, f"{info.n_shots:,}", size, info.fingerprint[:16]))
    text = [f"Taxonomy {project.taxonomy.name}; airylabel {version()}."]
    return ReportSection("Files of shots", text, table=table)
