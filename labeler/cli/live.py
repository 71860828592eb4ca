"""`airylabel watch`: read shots with a trained network while they come in; `join` adds the hits."""

from __future__ import annotations

import argparse
import math
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from labeler.cli.output import (
    PlainConsole,
    Subparsers,
    add_output_options,
    ending_in_failure,
    folder,
    print_json,
)
from labeler.cli.targets import run_folder
from labeler.jobs.child import listen
from model.errors import InputError
from model.events import Event, Stop, event, to_line

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt
    from rich.console import Group
    from rich.text import Text

    from labeler.project.live_shots import WatchSetup
    from model.preprocessing.preparation import Preparation
    from model.runs.checkpoint import Checkpoint
    from model.taxonomy.taxonomy import Taxonomy

BAR = 24
"""Letters of the bar of a class fraction of 100 %."""
EXAMPLES = """\
SOURCE is a file that grows (.h5, .cxi; SWMR or not), a folder that fills with such files, a run
folder of European XFEL that is being written, or a Karabo bridge, tcp://HOST:PORT. A hit finder
fitted on labelled shots (--project or --labels) drops the empty ones; the network reads the newest
hits first. Ctrl-C ends the watch."""


def add_parsers(subparsers: Subparsers) -> None:
    """watch, join."""
    watch = subparsers.add_parser(
        "watch", help="read shots with a network while they come in", epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )  # fmt: skip
    watch.add_argument("source", metavar="SOURCE", help="a growing file, a folder, tcp://HOST:PORT")
    watch.add_argument("--run", type=run_folder, required=True, dest="folder", metavar="DIR")
    watch.add_argument("--project", type=Path, metavar="P", help="its labels, rules and geometry")
    watch.add_argument("--labels", type=Path, metavar="FILE", help="labelled shots instead of P's")
    watch.add_argument(
        "--miss", type=float, default=0.01, metavar="SHARE",
        help="of hits that the hit finder may miss (default: 0.01)",
    )  # fmt: skip
    watch.add_argument(
        "--keep-misses", type=_share, default=0.01, metavar="SHARE",
        help="random share of the misses that is kept with the hits, is_hit = 0 (default: 0.01)",
    )  # fmt: skip
    watch.add_argument("--every-shot", action="store_true", help="no hit finder")
    watch.add_argument(
        "--band", action="append", default=[], metavar="NAME=LOW..HIGH",
        help="alarm where a class's share, or that of hits, leaves it: Streak=0.1..0.3",
    )  # fmt: skip
    watch.add_argument("--out", type=folder, metavar="DIR", help="where hits are kept")
    watch.add_argument(
        "--lines", type=Path, metavar="FILE", help="append a JSON object for each hit that is read"
    )
    watch.add_argument("--no-record", action="store_true", help="keep no hits")
    watch.add_argument("--new-only", action="store_true", help="pass over what is there already")
    watch.add_argument("--seconds", type=float, metavar="S", help="end after this long")
    watch.add_argument("--idle", type=float, metavar="S", help="end if nothing came for this long")
    watch.add_argument("--dataset", metavar="D", help="of files, where it is not obvious")
    watch.add_argument("--detector", metavar="SOURCE", help="of a bridge with several")
    watch.add_argument("--key", metavar="KEY", help="of the detector's data, as image.data")
    watch.add_argument("--engine", default="auto", choices=("auto", "torch", "openvino"))
    watch.add_argument("--json", action="store_true", help="print one JSON event a line")
    watch.add_argument("--events", action="store_true", help=argparse.SUPPRESS)
    watch.set_defaults(run=_watch)

    join = subparsers.add_parser("join", help="add hits that watch kept to a project")
    join.add_argument("project", metavar="PROJECT", type=Path)
    join.add_argument("record", metavar="RECORD", type=Path, nargs="+", help="live-….h5")
    join.add_argument("--run", type=run_folder, dest="folder", metavar="DIR", help="that read them")
    add_output_options(join, events=True)
    join.set_defaults(run=_join)


# -- watch -----------------------------------------------------------------------------------------


def _watch(args: argparse.Namespace) -> int:
    heard = listen()
    lines = args.json or args.events
    with _until_interrupted() as interrupted:
        events = ending_in_failure(_watching(args, lambda: heard() or interrupted()))
        last: Event = {}
        if lines:
            for last in events:
                print(to_line(last), flush=True)
        else:
            last = _show(events, args.source)
    if last.get("event") == "failed":
        if lines:
            return 1
        raise InputError(str(last["text"]))
    return 0


def _watching(args: argparse.Namespace, stop: Stop) -> Iterator[Event]:
    from model.online.bands import parse
    from model.online.lines import Lines
    from model.online.live_reader import LiveReader
    from model.online.record import Record
    from model.online.sources import Wanted
    from model.online.stream import Stream, open_stream
    from model.online.watching import Until, watch
    from model.taxonomy.same_classes import columns_of
    from model.taxonomy.toml import known_for

    for option in ("seconds", "idle"):
        given = getattr(args, option)
        if given is not None and not 0 <= given < math.inf:
            mend = "Give 0 or more, or leave it out to watch until Ctrl-C."
            raise InputError(f"--{option} {given} is no time in seconds", mend=mend)
    if not 0 <= args.miss < 1:
        raise InputError(f"--miss {args.miss} is no share", mend="Write it like 0.01.")
    wanted = Wanted(args.dataset, args.detector, args.key, args.new_only)
    source = open_stream(args.source, wanted)
    yield event("progress", what="getting ready", done=0, total=3)
    folder, taxonomy, out, preparation, seen = _places(args)
    reader = LiveReader.open(
        folder, engine=args.engine, preparation=preparation, taxonomy=taxonomy, known=seen
    )
    names = reader.about.class_names
    if taxonomy is None:
        taxonomy = known_for(names)
    else:  # by the names that the project has for them now
        columns = columns_of(taxonomy, reader.about.taxonomy, folder)
        names = tuple(taxonomy.names[c] for c in columns)
    _check_kind(args, reader.about)
    yield event("progress", what="getting ready", done=1, total=3)
    known = _known(args)
    reader.geometry = known.geometry
    yield event("progress", what="getting ready", done=3, total=3)
    bands = tuple(parse(text, names) for text in args.band)
    record = None if args.no_record else Record(out, reader.attributes, reader.geometry_of)
    yield event("started", classes=list(names), source=args.source, out=str(out))
    lines = None if args.lines is None else Lines(args.lines, names)
    misses = 0.0 if record is None else args.keep_misses
    yield from watch(
        Stream(source, known.finder, misses), reader, stop=stop, record=record,
        taxonomy=taxonomy, bands=bands, until=Until(args.seconds, args.idle), lines=lines,
        names=names,
    )  # fmt: skip


def _share(text: str) -> float:
    """A share of the whole: from 0 to 1."""
    value = float(text)
    if not 0 <= value <= 1:
        raise argparse.ArgumentTypeError(f"{text} is no share: give a number from 0 to 1.")
    return value


def _check_kind(args: argparse.Namespace, about: Checkpoint) -> None:
    """Refuse maps for a network that learnt patterns, and patterns for one that learnt maps."""
    from model.runs.checkpoint import check_kind
    from model.shots.table import open_source

    found = []
    if Path(args.source).is_file():
        with suppress(InputError), open_source(args.source, args.dataset) as source:
            found.append(source.info)
    check_kind(about, found)
    if about.of_maps and not found:
        what = "learnt correlation maps from a file, and live shots are patterns"
        raise InputError(what, file=args.folder, mend="Choose a run that reads patterns.")


def _places(
    args: argparse.Namespace,
) -> tuple[Path, Taxonomy | None, Path, Preparation | None, npt.NDArray[np.float16] | None]:
    """Run folder, the project's classes, where hits are kept, what is done to them first where
    it is not the run that says so, and the embeddings of the project's shots by a shipped network.
    """
    from labeler.project.live_shots import FOLDER

    if args.project is None:
        return args.folder, None, args.out or Path.cwd() / FOLDER, None, None
    from labeler.active.embeddings import of_shipped
    from labeler.project.preparation import preparation_for
    from labeler.project.project import Project

    with Project.open(args.project) as project:
        run = project.run_given(args.folder)
        out = args.out or project.folder / FOLDER
        seen = of_shipped(run, project)
        return run, project.taxonomy, out, preparation_for(project, run), seen


def _known(args: argparse.Namespace) -> WatchSetup:
    """Hit finder and geometry; of the labelled file, else of the project, else none."""
    from labeler.project.live_shots import WatchSetup, known_from
    from model.online.hitfinder import HitFinder
    from model.shots.layouts import Geometry
    from model.shots.table import table_of_file

    if args.labels is not None:
        known = known_from(table_of_file(args.labels), args.miss)
    elif args.project is not None:
        from labeler.project.project import Project

        with Project.open(args.project) as project:
            known = known_from(project.shot_table(), args.miss)
    else:
        return WatchSetup(HitFinder(), Geometry())
    return WatchSetup(HitFinder(), known.geometry) if args.every_shot else known


@contextmanager
def _until_interrupted() -> Iterator[Callable[[], bool]]:
    """Ctrl-C, or a polite kill, asks to stop instead of breaking off; a second one breaks off."""
    asked: list[float] = []

    def ask(number: int, frame: object) -> None:
        if asked and time.monotonic() - asked[0] > 0.5:
            raise KeyboardInterrupt
        asked.append(time.monotonic())

    before = {number: signal.signal(number, ask) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield lambda: bool(asked)
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


# -- what a person at a terminal sees of a watch ---------------------------------------------------


def _show(events: Iterator[Event], source: str) -> Event:
    """Paint the events as they come; returns the last one, whose text stays on the terminal."""
    from rich.live import Live
    from rich.text import Text

    console = PlainConsole()
    last: Event = {}
    left: dict[str, str] = {}
    with Live(console=console, auto_refresh=False) as live:
        for last in events:
            kind = last["event"]
            if kind == "watched":
                live.update(_screen(last, source, left), refresh=True)
            elif kind == "alarm":
                live.console.print(Text(last["text"], style="bold red" if last["left"] else ""))
                left.pop(last["name"], None)
                if last["left"]:
                    left[last["name"]] = last["text"]
            elif kind == "note":
                style = "yellow" if last.get("level") == "warning" else ""
                live.console.print(Text(last["text"], style=style))
    if last.get("event") == "finished":
        console.print(last["text"])
        for path in last.get("files", ()):
            console.print(f"kept in {path}")
    return last


def _screen(now: Event, source: str, left: dict[str, str]) -> Group:
    from rich.console import Group
    from rich.table import Table
    from rich.text import Text

    value, low, high = now["hit_rate"]
    waits = now["latency_ms"]
    hits = "no hit finder"
    if value == value:
        hits = f"hits {_percent(value)} ({100 * low:.1f} … {100 * high:.1f} %)"
    head = Text(
        f"{source}   {now['rate_hz']} shots/s   {hits}   "
        f"read {now['read_hz']}/s   latency {_ms(waits['p50'])} / {_ms(waits['p99'])} ms"
    )
    counts = Text(
        f"{now['seen']:,} came, {now['hits']:,} hits, {now['read']:,} read, "
        f"{now['dropped']:,} dropped, {now['skipped']:,} passed over, "
        f"{now['unreadable']:,} unreadable, {now['kept']:,} kept",
        style="yellow" if now["dropped"] else "dim",
    )
    table = Table("class", "", "share", "95 % interval", title="last minute", title_justify="left")
    for name, (share, lower, upper) in now["fractions"].items():
        style = "bold red" if name in left else ""
        filled = "█" * round(BAR * share) if share == share else ""
        interval = f"{100 * lower:.1f} … {100 * upper:.1f} %"
        table.add_row(name, f"{filled:{BAR}}", _percent(share), interval, style=style)
    broken = sorted(now["contradictions"].items(), key=lambda item: -item[1])
    rules = (Text(f"{count} predictions break: {rule}", style="yellow") for rule, count in broken)
    return Group(
        head,
        counts,
        table,
        *_sizes(now.get("sizes") or {}),
        *rules,
        *(Text(t, style="bold red") for t in left.values()),
    )


def _sizes(found: dict[str, Any]) -> list[Text]:
    """A line on the droplets of the last minute; none where no radius is known."""
    from rich.text import Text

    if not found.get("n"):
        return []
    median, low, high = found["median_nm"]
    text = f"radius {median:.0f} nm ({low:.0f} … {high:.0f}), {found['n']} droplets"
    return [Text(f"{text}, fit ± {found['error_nm']:.1f} nm")]


def _percent(share: float) -> str:
    return f"{100 * share:.1f} %" if share == share else "–"


def _ms(time: float) -> str:
    return f"{time:.0f}" if time == time else "–"


# -- join ------------------------------------------------------------------------------------------


def _join(args: argparse.Namespace) -> int:
    last: Event = {}
    try:
        for last in _joining(args):
            if args.events:
                print(to_line(last), flush=True)
    except InputError as error:
        if not args.events:
            raise
        print(to_line(event("failed", text=str(error))), flush=True)
        return 1
    if args.json:
        print_json(last)
    elif not args.events:
        print(last["text"])
    return 0


def _joining(args: argparse.Namespace) -> Iterator[Event]:
    from labeler.project.live_shots import join
    from labeler.project.project import Project

    shots, texts, predicted = 0, [], True
    with Project.open(args.project) as project:
        run = project.run_given(args.folder) if args.folder else None
        for done, record in enumerate(args.record):
            yield event("progress", what="adding hits", done=done, total=len(args.record))
            joined = join(project, record, run)
            shots += joined.source.info.n_shots
            predicted &= joined.predicted
            texts.append(joined.text)
    yield event("finished", metrics={}, shots=shots, predicted=predicted, text=" ".join(texts))
