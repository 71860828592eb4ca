"""baselines: what a network must beat, on a project or on labelled files."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from labeler.cli.output import add_output_options, folder, follow, print_json, seed, told
from labeler.cli.targets import add_shots_options, table_given
from labeler.jobs.child import listen
from model.events import Event

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


def add_parsers(subparsers: Any) -> None:
    """Add the subcommands of this family."""
    parser = subparsers.add_parser(
        "baselines",
        help="what a network must beat: blind guesses, support vectors, boosting, a linear probe",
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


def _baselines(args: argparse.Namespace) -> int:
    last = follow(told(_events(args)), args)
    if args.json:
        print_json({k: v for k, v in last.items() if k not in ("time", "metrics")})
    elif not args.events and last["event"] == "finished":
        _print(last)
    return 0 if last["event"] == "finished" else 1


def _events(args: argparse.Namespace) -> Iterator[Event]:
    from model.paper.baselines import BASELINES, run
    from model.paper.studies import with_split

    stop = listen()
    table = with_split(table_given(args.targets, args), args.training, args.seed)
    yield from run(tuple(args.only or BASELINES), table, args.seed, stop, args.cache)


def _print(last: Event) -> None:
    from rich.console import Console
    from rich.table import Table

    from model.paper.baselines import BASELINES

    title = f"{last['training']:,} shots train, {last['evaluation']:,} judge"
    table = Table("baseline", title=title)
    table.columns[0].no_wrap = True
    for head in SHOWN.values():
        table.add_column(head, justify="right")
    for name, numbers in last["results"].items():
        cells = [numbers.get(column) for column in SHOWN]
        table.add_row(name, *("–" if cell is None else f"{cell:.3f}" for cell in cells))
    console = Console()
    console.print(table)
    for name in last["results"]:
        console.print(f"{name}: {BASELINES[name].about}")
    console.print(f"The constant is {' + '.join(last['constant_labels']) or 'no class at all'}.")
