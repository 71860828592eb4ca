"""Subcommands that take labels and shots out of a project, labels into it, and report on them."""

from __future__ import annotations

import argparse
import csv
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from labeler.cli.output import (
    PlainConsole,
    Subparsers,
    add_output_options,
    count,
    follow,
    print_json,
)
from labeler.exchange import FORMATS, export
from model.errors import InputError, counted, one_line
from model.events import event, to_line

if TYPE_CHECKING:
    from labeler.exchange.publish.findings import Findings
    from labeler.project.project import Project
    from labeler.quality.agreement import Agreement


def add_parsers(subparsers: Subparsers) -> None:
    """export, import, side-by-side, publish, agreement, report."""
    _add_export(subparsers)
    _add_import(subparsers)
    _add_side_by_side(subparsers)
    _add_publish(subparsers)
    agreement = subparsers.add_parser("agreement", help="how far people agree, class by class")
    agreement.add_argument("project", type=Path, metavar="PROJECT")
    agreement.add_argument(
        "--consensus", action="store_true", help="make consensus labels of what most say"
    )
    add_output_options(agreement)
    agreement.set_defaults(run=_agreement)
    report = subparsers.add_parser("report", help="the labelling week with figures, HTML or PDF")
    report.add_argument("project", type=Path, metavar="PROJECT")
    report.add_argument("--out", type=Path, required=True, metavar="FILE", help=".html or .pdf")
    report.add_argument("--force", action="store_true", help="replace FILE if it is there")
    report.add_argument("--annotator", metavar="A", help="whose week (default: yours)")
    add_output_options(report)
    report.set_defaults(run=_report)


def _add_export(subparsers: Subparsers) -> None:
    parser = subparsers.add_parser("export", help="write labels, or shots, to a new file")
    parser.add_argument("project", type=Path, metavar="PROJECT")
    parser.add_argument("--out", type=Path, required=True, metavar="FILE", help="file to write")
    parser.add_argument(
        "--format", choices=FORMATS, dest="form", help="of labels (default: by FILE's ending)"
    )
    parser.add_argument(
        "--columns", metavar="C,C", type=_columns, help="of CSV or Parquet, in this order"
    )
    parser.add_argument("--force", action="store_true", help="replace FILE if it is there")
    parser.add_argument(
        "--only-mine", action="store_true", help="without labels that came with the files"
    )
    parser.add_argument("--annotator", metavar="A", help="whose labels (default: yours)")
    shots = parser.add_argument_group(
        "shots", "with --shots: the chosen shots themselves, as CXI or, to a .h5, as plain HDF5"
    )
    shots.add_argument("--shots", action="store_true", help="write shots with their labels")
    shots.add_argument(
        "--class", action="append", default=[], metavar="C", dest="having",
        help="only shots with this class; may be repeated: with all of them",
    )  # fmt: skip
    shots.add_argument(
        "--without", action="append", default=[], metavar="C", dest="lacking",
        help="only shots without this class; may be repeated",
    )  # fmt: skip
    shots.add_argument("--rows", metavar="N", help="numbers as on screen: 1-100,205")
    shots.add_argument("--queue", metavar="Q", help="a queue that was saved in the window")
    shots.add_argument("--labelled", action="store_true", help="only labelled shots")
    shots.add_argument("--flagged", action="store_true", help="only flagged shots")
    shots.add_argument(
        "--virtual", action="store_true", help="a file of links instead of a copy of the shots"
    )
    shots.add_argument("--compress", action="store_true", help="gzip, one chunk a shot")
    add_output_options(parser, events=True)
    parser.set_defaults(run=_export)


def _add_import(subparsers: Subparsers) -> None:
    parser = subparsers.add_parser("import", help="take labels of a file into a project")
    parser.add_argument("project", type=Path, metavar="PROJECT")
    parser.add_argument("file", type=Path, metavar="FILE", help="what `export` or others wrote")
    parser.add_argument(
        "--as",
        metavar="ANNOTATOR",
        dest="annotator",
        help="whose labels they are here (default: whom the file names, else you)",
    )
    parser.add_argument(
        "--from", metavar="NAME", dest="person", help="of a file of several people: whose to take"
    )
    parser.add_argument(
        "--index-from", type=int, choices=(0, 1), metavar="0|1",
        help="what number the first shot of a file has, in a table of others",
    )  # fmt: skip
    parser.add_argument(
        "--confirm",
        action="store_true",
        help="take the file's shots for the project's all the same",
    )
    parser.add_argument("--dry-run", action="store_true", help="only say what would change")
    parser.add_argument(
        "--only-new", action="store_true", help="leave shots alone that the annotator labelled"
    )
    parser.add_argument(
        "--drop-unknown",
        action="store_true",
        help="take shots with classes that the project lacks without these classes",
    )
    add_output_options(parser)
    parser.set_defaults(run=_import)


def _add_findings(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("project", type=Path, metavar="PROJECT")
    parser.add_argument(
        "--labels", action="store_true", help="count labels, not what the run in use says"
    )
    parser.add_argument(
        "--sizes", type=count, metavar="N", help="measure the radius of N hits of each file"
    )


def _add_side_by_side(subparsers: Subparsers) -> None:
    parser = subparsers.add_parser(
        "side-by-side",
        help="files of shots beside each other: hit rate, classes, size, broken rules, drift",
        description="One line a file, shares among hits with 95 %% intervals. “drifts” names what"
        " differs from all other files more than chance does (Holm, 5 %% over the whole table).",
    )
    _add_findings(parser)
    parser.add_argument("--sort", metavar="COLUMN", help="such as shots, “hit rate” or a class")
    parser.add_argument("--descending", action="store_true", help="with --sort: largest first")
    parser.add_argument("--out", type=Path, metavar="FILE.csv", help="every column, as CSV")
    parser.add_argument("--force", action="store_true", help="replace FILE.csv if it is there")
    add_output_options(parser, events=True)
    parser.set_defaults(run=_side_by_side)


def _add_publish(subparsers: Subparsers) -> None:
    parser = subparsers.add_parser(
        "publish",
        help="hand results to DAMNIT, to Tiled, or to a folder that explains itself",
        description="Says what would be written, and where; --send does it.",
    )
    _add_findings(parser)
    parser.add_argument(
        "--to", choices=("folder", "damnit", "tiled"), required=True, help="what takes the results"
    )
    parser.add_argument(
        "--place", required=True, metavar="PLACE",
        help="a new folder; the folder of a DAMNIT database; the address of a Tiled server",
    )  # fmt: skip
    parser.add_argument("--send", action="store_true", help="do it, after a look at what is said")
    parser.add_argument(
        "--proposal", type=count, metavar="P", help="damnit: number of the proposal"
    )
    parser.add_argument("--name", metavar="N", help="tiled: of the container (default: project's)")
    parser.add_argument(
        "--author", action="append", default=[], metavar="A", help="folder: may be repeated"
    )
    parser.add_argument("--licence", default="", metavar="SPDX", help="folder: such as CC-BY-4.0")
    add_output_options(parser)
    parser.set_defaults(run=_publish)


ONLY_SHOTS = {
    "having": "--class", "lacking": "--without", "rows": "--rows", "queue": "--queue",
    "labelled": "--labelled", "flagged": "--flagged", "virtual": "--virtual",
    "compress": "--compress",
}  # fmt: skip
ONLY_LABELS = {"form": "--format", "only_mine": "--only-mine", "columns": "--columns"}
"""Argument -> option that means something only with, and only without, --shots."""


def _columns(text: str) -> list[str]:
    if not one_line(text):
        raise argparse.ArgumentTypeError("names of columns are on one line, with commas between.")
    return next(csv.reader([text], skipinitialspace=True), [])


def _refuse_idle_options(args: argparse.Namespace) -> None:
    """InputError for an option that would change nothing of what is written."""
    idle = ONLY_LABELS if args.shots else ONLY_SHOTS
    given = [option for name, option in idle.items() if getattr(args, name)]
    if not given:
        return
    if args.shots:
        what = f"{', '.join(given)} is for labels alone, not for --shots"
        raise InputError(what, mend="Leave it out.")
    mend = "Add --shots to write the chosen shots; labels are always written for all."
    raise InputError(f"{', '.join(given)} needs --shots", mend=mend)


def _export(args: argparse.Namespace) -> int:
    from labeler.project.project import Project

    _refuse_idle_options(args)
    with Project.open(args.project) as project:
        if args.shots:
            project.refuse_changed()
        else:
            for source, change in project.source_changes():  # labels are of the shots as they were
                print(f"airylabel: note: {source.info.path}: {change.what}.", file=sys.stderr)
        who = _annotator(project, args.annotator)
        if args.shots:
            return _export_shots(project, args, who)
        sheet = export(
            project,
            args.form,
            args.out,
            force=args.force,
            annotator=who,
            only_mine=args.only_mine,
            columns=args.columns or (),
        )
    counts = {"out": str(args.out), "shots": len(sheet), "labelled": int(sheet.labelled.sum())}
    if args.json:
        print_json(counts)
    else:
        shots = counted(len(sheet), "shot")
        print(f"{counts['labelled']} labelled of {shots} written to {args.out}")
    return 0


def _export_shots(project: Project, args: argparse.Namespace, who: int | None) -> int:
    from labeler.exchange.selection import Selection
    from labeler.exchange.shots import export_shots
    from labeler.jobs.child import listen

    chosen = Selection(
        having=tuple(args.having),
        lacking=tuple(args.lacking),
        rows=args.rows or "",
        queue=args.queue or "",
        labelled=args.labelled,
        flagged=args.flagged,
    )
    events = export_shots(
        project,
        chosen.of(project, who),
        args.out,
        annotator=who,
        virtual=args.virtual,
        compress=args.compress,
        force=args.force,
        stop=listen(),
    )
    last = follow(events, args)
    if args.json:
        print_json({k: v for k, v in last.items() if k != "event"})
    elif not args.events:
        print(last["text"])
    nothing = last["event"] != "finished" or (last["unreadable"] and not last["shots"])
    return 1 if nothing else 0


def _annotator(project: Project, name: str | None) -> int | None:
    if name is None:
        return None
    people = [a for a in project.store.annotators() if a.kind != "import"]
    found = next((a.id for a in people if a.name == name), None)
    if found is None:
        mend = f"There are: {', '.join(sorted({a.name for a in people}))}."
        raise InputError(f"no one called {name!r} labelled in this project", mend=mend)
    return int(found)


def _import(args: argparse.Namespace) -> int:
    from labeler.exchange import read_labels_apart
    from labeler.exchange.importing import apply, plan
    from labeler.project.project import Project

    with Project.open(args.project) as project:
        found = plan(
            project,
            read_labels_apart(args.file),
            args.file,
            args.annotator,
            only_new=args.only_new,
            drop_unknown=args.drop_unknown,
            person=args.person,
            index_from=args.index_from,
        )
        if found.questions and not (args.dry_run or args.confirm):
            mend = "Look with --dry-run; then say --index-from 0 or 1, or that it is so: --confirm."
            raise InputError(found.questions[0], file=args.file, mend=mend)
        gesture = None if args.dry_run else apply(project, found)
    if args.json:
        print_json({**found.counts(), "dry_run": args.dry_run, "gesture": gesture})
        return 0
    print("\n".join(found.lines()))
    if args.dry_run:
        print("Nothing was changed (--dry-run).")
    elif gesture is None:
        print("There was nothing to change.")
    else:
        print(f"Done, as one change of {found.annotator}, which undo takes back.")
    return 0


def _found(args: argparse.Namespace) -> Findings:
    from labeler.exchange.publish.findings import findings
    from labeler.project.project import Project

    def report(done: int, total: int) -> None:
        if getattr(args, "events", False):
            print(to_line(event("progress", what="radii", done=done, total=total)), flush=True)

    with Project.open(args.project) as project:
        return findings(project, by_labels=args.labels, sizes=args.sizes or 0, on_progress=report)


def _side_by_side(args: argparse.Namespace) -> int:
    try:
        found = _found(args)
    except InputError as error:
        if not args.events:
            raise
        print(to_line(event("failed", text=str(error))), flush=True)
        return 1
    lines = [side.flat() for side in found.sides]
    if args.sort is not None:
        if args.sort not in lines[0]:
            have = ", ".join(lines[0])
            raise InputError(f"there is no column {args.sort!r}", mend=f"There are: {have}.")
        lines.sort(key=lambda line: _order(line[args.sort], args.descending))
    if args.out is not None:
        from labeler.exchange.as_csv import write_lines
        from model.output_files import check_place

        check_place(args.out, [Path(file) for file in found.sheet.files], force=args.force)
        if args.out.suffix.lower() != ".csv":
            mend = "Name a file that ends in .csv."
            raise InputError("the table is written as CSV", file=args.out, mend=mend)
        write_lines(args.out, lines)
    if args.events:
        last = event("finished", metrics={}, judged_by=found.by, sources=lines)
        print(to_line(last), flush=True)
        return 0
    if args.json:
        print_json({"judged_by": found.by, "sources": lines})
        return 0
    _print_sides(found, lines)
    return 0


def _order(value: Any, descending: bool) -> tuple[bool, Any]:
    """What sorts a cell: what is not known comes last either way."""
    if isinstance(value, str):
        return False, [-ord(c) for c in value] if descending else value
    return value != value, -value if descending else value


def _print_sides(found: Findings, lines: list[dict[str, Any]]) -> None:
    from rich.table import Column, Table

    heads = ("judged", "hit rate", "classes among hits", "radius / nm", "broken", "drifts")
    table = Table(Column("source", no_wrap=True), *heads)

    def share(line: dict[str, Any], name: str) -> str:
        value, low, high = (line[f"{name}{end}"] for end in ("", " low", " high"))
        return f"{100 * value:.0f} % ({100 * low:.0f}–{100 * high:.0f})" if value == value else "–"

    for line in lines:
        shown = [n for n in found.taxonomy.names_in_order if line[n] > 0]
        classes = ", ".join(f"{n} {share(line, n)}" for n in shown)
        size = f"{line['radius_nm']:.0f}" if line["radius of"] else "–"
        judged, broken = f"{line['judged']:,}", f"{line['broken rules']:,}"
        cells = (line["source"], judged, share(line, "hit rate"), classes)
        table.add_row(*cells, size, broken, line["drifts"])
    console = PlainConsole()
    console.print(table)
    console.print(f"Judged by {found.by}; classes among hits; 95 % intervals.")


def _publish(args: argparse.Namespace) -> int:
    from labeler.exchange.publish import as_damnit, as_folder, as_tiled

    found = _found(args)
    if args.to == "damnit":
        if args.proposal is None:
            raise InputError("DAMNIT counts by proposal and run", mend="Add --proposal NUMBER.")
        target = (found, Path(args.place), args.proposal)
        lines = as_damnit.plan(*target)
        sent = as_damnit.send(*target) if args.send else None
    elif args.to == "tiled":
        address = (found, args.place, args.name or found.name)
        lines = as_tiled.plan(*address)
        sent = as_tiled.send(*address) if args.send else None
    else:
        lines = as_folder.plan(found, Path(args.place))
        signed = (tuple(args.author), args.licence)
        sent = as_folder.send(found, Path(args.place), *signed) if args.send else None
    if args.json:
        print_json({"to": args.to, "plan": lines, "sent": sent})
    elif sent is None:
        print("\n".join([*lines, "Nothing was sent: add --send."]))
    else:
        print(f"Sent: {sent}")
    return 0


def _agreement(args: argparse.Namespace) -> int:
    from labeler.project.project import Project
    from labeler.quality.adjudication import make_consensus
    from labeler.quality.agreement import agreement_of

    with Project.open(args.project) as project:
        settled = make_consensus(project) if args.consensus else None
        found = agreement_of(project)
    if args.json:
        more = {} if settled is None else {"consensus": vars(settled)}
        print_json({**found.in_numbers(), **more})
        return 0
    _print_agreement(found)
    if settled is not None:
        print(
            f"consensus: {counted(settled.unanimous, 'shot')} labelled alike, "
            f"{settled.majority} by majority, "
            f"{settled.by_hand} settled by hand, {settled.open} open"
        )
    return 0


def _print_agreement(found: Agreement) -> None:
    from rich.table import Table

    readers = ", ".join(f"{name} ({n:,})" for name, n in found.readers)
    console = PlainConsole()
    console.print(
        f"{counted(found.shots, 'shot')} labelled by two or more of: {readers or 'no one'}"
    )
    if not found.shots:
        return
    pairs = [f"κ {p.first} – {p.second}" for p in found.pairs]
    table = Table("class", "α", "95 %", "differ", *pairs)
    for c in found.order:
        name, a = found.class_names[c], found.alphas[c]
        kappas = [f"{p.kappa[c]:.3f}" for p in found.pairs]
        interval = f"{a.low:.3f} … {a.high:.3f}"
        table.add_row(name, f"{a.value:.3f}", interval, f"{a.differing:,}", *kappas)
    console.print(table)
    console.print(
        f"they differ on {counted(len(found.rows), 'shot')}; "
        f"α of whole label sets {found.whole:.3f}"
    )


def _report(args: argparse.Namespace) -> int:
    from labeler.project.project import Project
    from labeler.quality.week_report import write_report
    from labeler.window.widgets.print_pdf import print_pdf

    with Project.open(args.project) as project:
        for source, change in project.source_changes():
            print(f"airylabel: note: {source.info.path}: {change.what}.", file=sys.stderr)
        who = _annotator(project, args.annotator)
        out = write_report(project, args.out, print_pdf, annotator=who, force=args.force)
    if args.json:
        print_json({"out": str(out)})
    else:
        print(f"The report is {out}")
    return 0
