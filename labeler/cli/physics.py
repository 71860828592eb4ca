"""Subcommands that turn shots into other shots or pictures: correlate, add-noise, gallery."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from labeler.cli.child import listen
from labeler.cli.output import add_output_options, follow, print_json
from model.events import Event


def add_parsers(subparsers: Any) -> None:
    """correlate, add-noise, gallery."""
    _add_correlate(subparsers)
    _add_noise(subparsers)
    _add_gallery(subparsers)


def _source_and_out(parser: argparse.ArgumentParser, what: str) -> None:
    parser.add_argument("file", type=Path, metavar="FILE", help="an HDF5 file of shots")
    parser.add_argument("--out", type=Path, required=True, metavar="OUT", help=what)
    parser.add_argument("--dataset", metavar="D", help="the dataset, where it is not obvious")
    parser.add_argument("--force", action="store_true", help="replace OUT if it is there")


def _add_correlate(subparsers: Any) -> None:
    parser = subparsers.add_parser(
        "correlate",
        help="two-point cross-correlation maps of every shot",
        description="Write the correlation map of every shot (paper, Eq. 13–15) as a file of shots "
        "that a network can be trained on. Interrupted, the same command goes on.",
    )
    _source_and_out(parser, "file of maps to write")
    parser.add_argument("--order", type=int, default=8, help="of the upper triangle (default: 8)")
    parser.add_argument("--radii", type=int, default=224, help="side of a map (default: 224)")
    parser.add_argument("--angles", type=int, default=512, help="samples a ring (default: 512)")
    parser.add_argument("--r-max", type=float, metavar="PX", help="default: half the shorter side")
    parser.add_argument(
        "--centre", type=float, nargs=2, metavar=("Y", "X"), help="of the beam, in pixels"
    )
    parser.add_argument("--workers", type=int, metavar="W", help="processes (default: one a core)")
    add_output_options(parser, events=True)
    parser.set_defaults(run=_correlate)


def _add_noise(subparsers: Any) -> None:
    parser = subparsers.add_parser(
        "add-noise",
        help="a copy of a file with uniform noise on its shots",
        description="Uniform noise on [0, b], b being the median over the shots of their mean, "
        "mean + standard deviation, or maximum (paper, §5.3). Everything else stays as it was.",
    )
    _source_and_out(parser, "copy to write")
    parser.add_argument("--level", choices=("mean", "mean+std", "max"), required=True)
    parser.add_argument("--seed", type=int, default=0, help="the same seed, the same noise")
    add_output_options(parser, events=True)
    parser.set_defaults(run=_noise)


def _add_gallery(subparsers: Any) -> None:
    parser = subparsers.add_parser(
        "gallery",
        help="a figure of every class: schematic and examples",
        description="Every class that has shots, with its schematic and examples on a log scale "
        "(paper, Fig. 2). PNG, PDF or SVG by the name of the file.",
    )
    _source_and_out(parser, "figure to write (.png, .pdf, .svg)")
    parser.add_argument("--per-class", type=int, default=5, metavar="N", help="examples of each")
    parser.add_argument("--seed", type=int, default=0, help="which examples are drawn")
    parser.add_argument("--colormap", default="viridis", help="one of matplotlib's")
    add_output_options(parser)
    parser.set_defaults(run=_gallery)


def _correlate(args: argparse.Namespace) -> int:

    from model.correlation import MapRecipe
    from model.correlation_file import correlate

    centre = None if args.centre is None else (args.centre[0], args.centre[1])
    recipe = MapRecipe(args.order, args.radii, args.angles, args.r_max, centre)
    events = correlate(
        args.file,
        args.out,
        recipe,
        dataset=args.dataset,
        workers=args.workers,
        force=args.force,
        stop=listen(),
    )
    return _told(follow(events, args), args, "maps")


def _noise(args: argparse.Namespace) -> int:

    from model.noise import add_noise_file

    events = add_noise_file(
        args.file,
        args.out,
        args.level,
        args.seed,
        dataset=args.dataset,
        force=args.force,
        stop=listen(),
    )
    return _told(follow(events, args), args, "shots with noise")


def _gallery(args: argparse.Namespace) -> int:
    from model.gallery import draw_gallery

    shown = draw_gallery(
        args.file,
        args.out,
        per_class=args.per_class,
        seed=args.seed,
        dataset=args.dataset,
        colormap=args.colormap,
        render=_schematic,
        force=args.force,
    )
    if args.json:
        print_json({"out": str(args.out), "shown": shown})
    else:
        print(f"{sum(shown.values())} shots of {len(shown)} classes drawn to {args.out}")
    return 0


def _schematic(name: str, side: int) -> Any:
    from labeler.views.schematics import render

    return render(name, side)


def _told(last: Event, args: argparse.Namespace, what: str) -> int:
    if args.json and not args.events:
        print_json({k: v for k, v in last.items() if k not in ("time", "metrics")})
    elif not args.events and last.get("event") == "finished":
        print(f"{last['shots']} {what} written to {last['out']}")
    return 0 if last.get("event") == "finished" else 1
