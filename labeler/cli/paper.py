"""The paper's measurements on your data: its tables, and the baselines a network must beat."""

from __future__ import annotations

import argparse
import shlex
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from labeler import version
from labeler.cli.output import (
    THE_SAME,
    PlainConsole,
    Subparsers,
    add_output_options,
    folder,
    follow,
    print_json,
    seed,
    status_of,
)
from labeler.cli.targets import add_shots_options, table_given
from labeler.jobs.child import listen
from model.errors import InputError, counted
from model.events import Event

if TYPE_CHECKING:
    from model.paper.cells import FinishedCells
    from model.paper.plan import Table
    from model.paper.study import PaperStudy

SHOWN = {
    "macro_f1": "macro F1",
    "rare_f1": "rare F1",
    "macro_ap": "macro AP",
    "accuracy": "accuracy",
    "contradiction_rate": "break a rule",
    "coverage": "sure",
    "confident_accuracy": "right if sure",
}
"""Number -> column of the table."""


def add_parsers(subparsers: Subparsers) -> None:
    """baselines, tables."""
    _add_baselines(subparsers)
    _add_tables(subparsers)


def _add_baselines(subparsers: Subparsers) -> None:
    parser = subparsers.add_parser(
        "baselines",
        help="baselines: constant, SVM, boosting, linear probe",
        description="Train classifiers that are no deep network and judge them as a network is"
        " judged. Sure: the share of label cells (of shots, where classes exclude each other)"
        " answered with a probability above .75.",
    )
    parser.add_argument("targets", metavar="PROJECT_OR_FILE", type=Path, nargs="+")
    parser.add_argument(
        "--only", nargs="+", metavar="B",
        help="of constant, prevalence, svm, probe, boosting (default: all)",
    )  # fmt: skip
    parser.add_argument("--seed", type=seed, default=0)
    parser.add_argument(
        "--training", type=int, default=0, metavar="N",
        help="shots that train, all others judge (default: 85 %%, or the project's own)",
    )  # fmt: skip
    parser.add_argument("--cache", type=folder, metavar="DIR", help="keep what was read from shots")
    add_shots_options(parser)
    add_output_options(parser, events=True)
    parser.set_defaults(run=_baselines)


def _add_tables(subparsers: Subparsers) -> None:
    parser = subparsers.add_parser(
        "tables",
        help="the paper's tables on your data, beside the paper's numbers",
        description="Trains what Tables 1, 3, 4, 5, 6, 9 and 10 of Zimmermann et al. 2019 need and"
        " writes Markdown, CSV and a self-contained HTML report into DIR, again after each table."
        " Stopped or killed, the same command goes on where it was; a data file that changed in"
        " between is refused.",
    )
    parser.add_argument(
        "tables", nargs="*", default=["all"], metavar="TABLE", help="1, 3, 4, 5, 6, 9, 10 or all"
    )
    parser.add_argument("--data", type=Path, required=True, metavar="FILE", help="labelled shots")
    parser.add_argument(
        "--cxidb", type=Path, nargs="+", default=[], metavar="FILE",
        help="the reference set of Tables 3 and 9: one class per file",
    )  # fmt: skip
    parser.add_argument(
        "--budget", choices=("smoke", "cpu", "paper"), default="cpu",
        help="smoke: minutes, only to see that it runs; cpu: an hour a table on two cores;"
        " paper: the paper's recipe, for GPUs (default: cpu)",
    )  # fmt: skip
    parser.add_argument("--seeds", type=int, default=0, metavar="K", help="default: the budget's")
    parser.add_argument(
        "--devices", metavar="D", help="trainings at a time, one on each GPU (default: all GPUs)"
    )
    parser.add_argument("--out", type=folder, required=True, metavar="DIR", help="of the report")
    parser.add_argument("--page", type=folder, metavar="DIR", help="also a page for a repository")
    parser.add_argument("--keep", action="store_true", help="keep the weights of every training")
    parser.add_argument(
        "--figures", action="store_true", help="also Figures 2, 4 and 5, as SVG in DIR/figures"
    )
    add_output_options(parser, events=True)
    parser.set_defaults(run=_tables, goes_on=THE_SAME)


def _tables(args: argparse.Namespace) -> int:
    from labeler.window.widgets.schematics import render
    from model.paper.plan import budget
    from model.paper.report import write, write_page
    from model.paper.running import run
    from model.paper.study import Order

    if args.seeds < 0:
        raise InputError(f"{args.seeds} seeds cannot be", mend="Give a number from 1 up.")
    order = Order(
        data=args.data,
        out=args.out,
        numbers=_numbers(args.tables),
        budget=budget(args.budget),
        cxidb=tuple(args.cxidb),
        seeds=args.seeds,
        devices=args.devices,
        keep=args.keep,
        program=f"airylabel {version()}",
        command=_command(),
    )

    def report(
        study: PaperStudy, tables: Sequence[Table], finished: FinishedCells
    ) -> dict[str, str]:
        written = write(study, tables, finished)
        if args.page:
            name = f"tables-{args.budget}"
            write_page(study, tables, finished, args.page, name)
            written["page"] = str(args.page / f"{name}.md")
        return written

    last = follow(run(order, report, listen(), render if args.figures else None), args)
    if args.json:
        print_json(last)
    elif not args.events and last["event"] == "finished":
        print(Path(last["md"]).read_text("utf-8"), last["html"], sep="\n")
    return status_of(last)


def _numbers(words: list[str]) -> tuple[int, ...]:
    from model.paper.plan import NUMBERS

    if "all" in words:
        return NUMBERS
    known = ", ".join(map(str, NUMBERS))
    for word in words:
        if not (word.isdecimal() and int(word) in NUMBERS):
            raise InputError(f"there is no table {word!r} here", mend=f"There are: {known}, all.")
    return tuple(int(word) for word in words)


def _command() -> str:
    """The command line with the names of files alone: a report says nothing of this machine."""
    words = [Path(w).name if "/" in w or "\\" in w else w for w in sys.argv[1:]]
    return shlex.join(["airylabel", *words])


def _baselines(args: argparse.Namespace) -> int:
    last = follow(_judged(args), args)
    if args.json:
        print_json({k: v for k, v in last.items() if k not in ("time", "metrics")})
    elif not args.events and last["event"] == "finished":
        _print_baselines(last)
    return status_of(last)


def _judged(args: argparse.Namespace) -> Iterator[Event]:
    from model.paper.baselines import BASELINES, run
    from model.paper.studies import with_split

    stop = listen()
    table = with_split(table_given(args.targets, args), args.training, args.seed)
    yield from run(tuple(args.only or BASELINES), table, args.seed, stop, args.cache)


def _print_baselines(last: Event) -> None:
    from rich.table import Table

    from model.paper.baselines import BASELINES

    title = f"{counted(last['training'], 'shot')} to train, {last['evaluation']:,} to judge"
    table = Table("baseline", title=title)
    table.columns[0].no_wrap = True
    for head in SHOWN.values():
        table.add_column(head, justify="right")
    for name, numbers in last["results"].items():
        cells = [numbers.get(column) for column in SHOWN]
        table.add_row(name, *("–" if cell is None else f"{cell:.3f}" for cell in cells))
    console = PlainConsole()
    console.print(table)
    for name in last["results"]:
        console.print(f"{name}: {BASELINES[name].about}")
    console.print(f"The constant is {' + '.join(last['constant_labels']) or 'no class at all'}.")
