"""simulate: labelled patterns from droplets that do not exist."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from labeler.cli.output import add_engine_options, add_output_options, follow, print_json
from labeler.jobs.child import listen


def add_parsers(subparsers: Any) -> None:
    """Add the subcommands of this family."""
    simulate = subparsers.add_parser(
        "simulate",
        help="make a file of simulated, labelled shots",
        description="Simulate single helium nanodroplets in an X-ray laser: patterns, labels and"
        " every parameter. The same seed gives the same file; interrupted, the same command goes"
        " on where it was.",
    )
    simulate.add_argument("out", type=Path, metavar="OUT.h5")
    simulate.add_argument("--shots", type=int, required=True, metavar="N")
    simulate.add_argument("--seed", type=int, default=0, metavar="S")
    simulate.add_argument("--size", type=int, default=224, metavar="PX", help="pixels a side")
    simulate.add_argument(
        "--balanced", action="store_true", help="all classes about equally often, not as in reality"
    )
    simulate.add_argument(
        "--annotator",
        action="store_true",
        help="labels of a person who learns to label, true ones beside them",
    )
    simulate.add_argument(
        "--noise",
        default="normal",
        metavar="LEVEL",
        help="stray light and read noise: none, low, normal or high (default: normal)",
    )
    simulate.add_argument(
        "--force", action="store_true", help="replace OUT if it is there and of another order"
    )
    add_engine_options(simulate)
    add_output_options(simulate, events=True)
    simulate.set_defaults(run=_simulate)


def _simulate(args: argparse.Namespace) -> int:
    from model.simulate.generate import simulate

    events = simulate(
        args.out,
        args.shots,
        args.seed,
        args.size,
        balanced=args.balanced,
        annotator=args.annotator,
        noise=args.noise,
        workers=args.workers,
        scheduler=args.scheduler,
        force=args.force,
        stop=listen(),
    )
    last = follow(events, args)
    if args.json:
        print_json(last)
    return 0 if last["event"] == "finished" else 1
