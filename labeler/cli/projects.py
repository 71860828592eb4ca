"""Subcommands that make, describe and check projects."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from labeler.cli.output import PlainConsole, Subparsers, add_output_options, print_json
from labeler.cli.targets import add_one_class_options, class_of_each
from labeler.project.folder import DATABASE, STATES
from model.errors import InputError, counted, on_one_line

if TYPE_CHECKING:
    from labeler.project.project import Project


MOST_SOURCES = 1_000_000
"""In one range of their numbers."""
NO_SERVER = "The project calls no server that is not allowed."


def add_parsers(subparsers: Subparsers) -> None:
    """create, info, check, allow-server, sources, look."""
    create = subparsers.add_parser("create", help="make a project from files of shots")
    create.add_argument("project", type=Path, metavar="PROJECT", help="a new or empty folder")
    create.add_argument(
        "files", nargs="+", metavar="FILE", help="files or folders of shots, or a Tiled address"
    )
    create.add_argument(
        "--taxonomy", metavar="T", help="a TOML file, or helium or cxidb (default: helium)"
    )
    create.add_argument("--annotator", metavar="A", help="who labels (default: your login name)")
    create.add_argument("--dataset", metavar="D", help="which, where it is not obvious: see `look`")
    create.add_argument(
        "--without-labels", action="store_true", help="leave labels in the files out"
    )
    add_one_class_options(create)
    create.add_argument(
        "--store",
        metavar="URL",
        help="keep the labels on a server: postgresql+psycopg://NAME@HOST/DATABASE",
    )
    add_output_options(create)
    create.set_defaults(run=_create)

    info = subparsers.add_parser("info", help="shots, labels per class, violations, runs")
    info.add_argument("project", type=Path, metavar="PROJECT")
    add_output_options(info)
    info.set_defaults(run=_info)

    check = subparsers.add_parser("check", help="is the project whole? exit 1 if not")
    check.add_argument("project", type=Path, metavar="PROJECT")
    check.add_argument(
        "--repair", action="store_true", help="mend what can be mended first, keeping a copy"
    )
    add_output_options(check)
    check.set_defaults(run=_check)

    allow = subparsers.add_parser(
        "allow-server", help="let this user call the server that a project names from now on"
    )
    allow.add_argument("project", type=Path, metavar="PROJECT")
    add_output_options(allow)
    allow.set_defaults(run=_allow_server)

    sources = subparsers.add_parser(
        "sources", help="files of shots: what was opened, what changed since, geometry"
    )
    sources.add_argument("project", type=Path, metavar="PROJECT")
    sources.add_argument(
        "--moved", nargs=2, metavar=("N", "PATH"), help="source N lies at PATH now"
    )
    sources.add_argument(
        "--take-over", type=int, metavar="N", help="take the new shots of source N, as further ones"
    )
    sources.add_argument(
        "--keep-labels", type=int, metavar="N",
        help="source N was rewritten and holds the labelled shots: go on",
    )  # fmt: skip
    sources.add_argument(
        "--geometry", type=_source_numbers, metavar="N",
        help="set the geometry of source N, or of several: 1,3-5",
    )  # fmt: skip
    for name, unit, of in (
        ("distance-mm", "MM", "from interaction to detector"),
        ("pixel-um", "UM", "side of a pixel"),
        ("energy-ev", "EV", "of the photons"),
        ("wavelength-nm", "NM", "of the photons, instead of their energy"),
    ):
        sources.add_argument(f"--{name}", type=float, metavar=unit, help=of)
    sources.add_argument(
        "--centre", nargs=2, type=float, metavar=("Y", "X"), help="of the beam, in pixels"
    )
    add_output_options(sources)
    sources.set_defaults(run=_sources)

    look = subparsers.add_parser("look", help="what is inside a file, and what would be opened")
    look.add_argument("file", metavar="FILE", help="or a folder, or the address of a Tiled array")
    look.add_argument("--dataset", metavar="D", help="look at this dataset")
    add_output_options(look)
    look.set_defaults(run=_look)


def _create(args: argparse.Namespace) -> int:
    from rich.progress import Progress

    from labeler.project.project import Project
    from labeler.project.summary import summary

    each = class_of_each(args)
    files = [_shots_at(text, args.project.absolute().parent) for text in args.files]
    if each is not None and args.without_labels:
        what = "--without-labels leaves out the class of each file"
        raise InputError(what, mend="Leave out one of the two options.")
    with Progress(console=PlainConsole(stderr=True), transient=True, disable=args.json) as progress:
        task = progress.add_task("reading files", total=len(files))
        project = Project.create(
            args.project,
            files,
            args.taxonomy,
            args.annotator,
            lambda what, done, total: progress.update(task, completed=done),
            dataset=args.dataset,
            labels=not args.without_labels,
            store=args.store,
            class_of_each=each,
        )
    with project:
        if args.json:
            print_json(summary(project))
        else:
            _print_summary(summary(project))
    return 0


def _info(args: argparse.Namespace) -> int:
    from labeler.project.project import Project
    from labeler.project.summary import summary

    with Project.open(args.project) as project:
        found = summary(project)
    if args.json:
        print_json(found)
    else:
        _print_summary(found)
    return 0


def _allow_server(args: argparse.Namespace) -> int:
    from labeler.project.folder import SERVER
    from labeler.project.project import Project
    from labeler.project.store import server
    from model.shots.layouts.formats.servers import allow_server

    shown, silent = [], None
    if not (args.project / DATABASE).is_file():
        shown.append(server.allow(args.project / SERVER))
    try:
        with Project.open(args.project) as project:
            shown += project.unknown_servers()
    except InputError as error:
        if not shown:
            raise
        silent = error  # which servers its shots are on, only its database knows
    for one in shown:
        allow_server(one)
    if args.json:
        print_json({"servers": shown})
    else:
        print("\n".join(f"{one} may be called from now on." for one in shown) or NO_SERVER)
    if silent is not None:
        print(f"airylabel: {silent}", file=sys.stderr)
    return 0


def _shots_at(text: str, home: Path) -> Path:
    """A path; of an address, the file in a folder that holds it. Who writes it here allows it."""
    if "://" not in text:
        return Path(text)
    from model.shots.layouts.formats.servers import allow_server
    from model.shots.layouts.formats.tiled_array import ENDING, server_of, write_address

    name = text.rstrip("/").rpartition("/")[2].partition("?")[0]
    path = home / f"{name or 'shots'}{ENDING}"
    if path.exists() and path.read_text(encoding="utf-8").strip() != text:
        what = "is there already, with another address"
        raise InputError(what, file=path, mend="Remove it, or make the project elsewhere.")
    home.mkdir(parents=True, exist_ok=True)
    allow_server(server_of(text, path))
    return write_address(text, path)


def _print_summary(found: dict[str, Any]) -> None:
    from rich.table import Table
    from rich.text import Text

    console = PlainConsole()
    console.print(Text(found["name"], "bold"), Text(found["folder"]), sep="  ")
    console.print(
        f"{counted(found['shots'], 'shot')}, {found['labelled']} labelled "
        f"({found['labelled_own']} here, {found['labelled_imported']} with the files), "
        f"{found['flagged']} flagged, {found['skipped']} skipped"
    )
    for source in found["sources"]:
        gone = "  missing" if source["missing"] else ""
        size = f"{source['shots']} × {source['shape'][0]} × {source['shape'][1]}"
        place = on_one_line(f"{source['path']} {source['dataset']}")
        console.print(f"  {place}: {size} {source['dtype']}{gone}")
        for note in (*source["notes"], source["changed"]):
            if note:
                console.print(f"    {note}")
    table = Table("class", "labels", "own", "with the files")
    for name in found["labels"]["merged"]:
        counts = [str(found["labels"][kind][name]) for kind in ("merged", "own", "imported")]
        table.add_row(name, *counts)
    console.print(table)
    broken = [v for v in found["violations"] if v["shots"]]
    for violation in broken:
        text = violation["rule"]
        n = violation["shots"]
        breaks = f"{counted(n, 'shot')} {'breaks' if n == 1 else 'break'}"
        console.print(f"{breaks} a {violation['severity']} rule: {text}")
    if not broken:
        console.print("no rule is broken")
    for run in found["runs"]:
        mark = " (shown)" if run["number"] == found["current_run"] else ""
        console.print(f"run {run['number']}: {run['recipe']}, {STATES[run['state']]}{mark}")
    for note in found["notes"]:
        console.print(f"note: {note}")


def _check(args: argparse.Namespace) -> int:
    from labeler.project.check import check, repair

    mended = repair(args.project) if args.repair else []
    findings = check(args.project)
    whole = all(finding.severity != "error" for finding in findings)
    if args.json:
        items = [{"severity": f.severity, "text": f.text, "mend": f.mend} for f in findings]
        print_json({"whole": whole, "findings": items, "repaired": mended})
    else:
        for text in mended:
            print(text)
        for finding in findings:
            print(finding)
        print("The project is whole." if whole else "The project is not whole.")
    return 0 if whole else 1


def _sources(args: argparse.Namespace) -> int:
    from labeler.project.project import Project
    from labeler.project.summary import source_facts

    with Project.open(args.project) as project:
        if args.moved:
            if not args.moved[0].isdecimal():
                raise InputError(
                    f"{args.moved[0]!r} is no number of a source", mend="See `sources`."
                )
            project.relocate(int(args.moved[0]), args.moved[1])
        if args.take_over is not None:
            project.take_over(args.take_over)
        if args.keep_labels is not None:
            project.keep_labels(args.keep_labels)
        if args.geometry is not None:
            _set_geometry(project, args)
        elif any(value is not None for value in _entered(args).values()):
            what, mend = "a geometry is of one source", "Say of which: --geometry N."
            raise InputError(what, file=args.project, mend=mend)
        found = source_facts(project)
    if args.json:
        print_json({"sources": found})
        return 0
    for source in found:
        y, x = source["shape"]
        print(on_one_line(f"{source['id']}  {source['path']} {source['dataset']}"))
        print(f"   {source['layout']}: {source['shots']:,} × {y} × {x} {source['dtype']}")
        for text in (*source["notes"], source["geometry"]["text"], source["changed"]):
            if text:
                print(f"   {text}")
    return 0


def _source_numbers(text: str) -> list[int]:
    """The numbers of sources in "2" or "1,3-5"."""
    parts = [part.partition("-") for part in text.split(",")]
    try:
        each = [range(int(first), int(last if dash else first) + 1) for first, dash, last in parts]
        if not all(1 <= len(numbers) <= MOST_SOURCES for numbers in each):
            raise ValueError
    except (ValueError, OverflowError) as error:
        what = f"{text!r} are no numbers of sources: write 2, or 1,3-5"
        raise argparse.ArgumentTypeError(what) from error
    return [number for numbers in each for number in numbers]


def _set_geometry(project: Project, args: argparse.Namespace) -> None:
    from labeler.shots.geometry import entered

    known = {source.id: source.info.geometry for source in project.stored_sources}
    for number in sorted(args.geometry, key=known.__contains__):  # unknown ones are refused first
        project.set_geometry(number, entered(known.get(number), **_entered(args)))


def _entered(args: argparse.Namespace) -> dict[str, Any]:
    names = ("distance_mm", "pixel_um", "energy_ev", "wavelength_nm", "centre")
    return {name: getattr(args, name) for name in names}


def _look(args: argparse.Namespace) -> int:
    from model.shots.contents import contents

    with TemporaryDirectory() as folder:
        found = contents(_shots_at(args.file, Path(folder)), args.dataset)
    if args.json:
        print_json(found.facts())
    else:
        print("\n".join(map(on_one_line, found.lines())))
    return 0 if found.opened is not None else 1
