"""Shots made by physics, and pictures of them: simulate, correlate, add-noise, gallery …"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from labeler.cli.output import (
    THE_SAME,
    Subparsers,
    add_engine_options,
    add_output_options,
    follow,
    print_json,
    seed,
)
from labeler.cli.targets import add_shots_options, table_given
from labeler.jobs.child import listen
from model.errors import InputError, counted
from model.events import Event

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt


def add_parsers(subparsers: Subparsers) -> None:
    """simulate, correlate, add-noise, gallery, noise-figure."""
    _add_simulate(subparsers)
    _add_correlate(subparsers)
    _add_noise(subparsers)
    _add_gallery(subparsers)
    _add_noise_figure(subparsers)


def _add_simulate(subparsers: Subparsers) -> None:
    simulate = subparsers.add_parser(
        "simulate",
        help="make a file of simulated, labelled shots",
        description="Simulate single helium nanodroplets in an X-ray laser: patterns, labels and"
        " every parameter. The same seed gives the same file; interrupted, the same command goes"
        " on where it was.",
    )
    simulate.add_argument("out", type=Path, metavar="OUT.h5", help="file to write")
    simulate.add_argument("--shots", type=int, required=True, metavar="N", help="how many")
    simulate.add_argument("--seed", type=int, default=0, metavar="S")
    simulate.add_argument("--size", type=int, default=224, metavar="PX", help="pixels a side")
    simulate.add_argument(
        "--balanced", action="store_true", help="all classes about equally often, not as in reality"
    )
    simulate.add_argument(
        "--broad",
        action="store_true",
        help="every class by many causes, on detectors of many kinds; labelled by what is visible",
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
    simulate.set_defaults(run=_simulate, goes_on=THE_SAME)


def _source_and_out(parser: argparse.ArgumentParser, what: str) -> None:
    parser.add_argument("file", type=Path, metavar="FILE", help="an HDF5 file of shots")
    parser.add_argument("--out", type=Path, required=True, metavar="OUT", help=what)
    parser.add_argument("--dataset", metavar="D", help="the dataset, where it is not obvious")
    parser.add_argument("--force", action="store_true", help="replace OUT if it is there")


def _add_correlate(subparsers: Subparsers) -> None:
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
    _whose_geometry(parser)
    add_engine_options(parser)
    add_output_options(parser, events=True)
    parser.set_defaults(run=_correlate, goes_on=THE_SAME)


def _add_noise(subparsers: Subparsers) -> None:
    parser = subparsers.add_parser(
        "add-noise",
        help="a copy of a file with uniform noise on its shots",
        description="Uniform noise on [0, b], b being the median over the shots of their mean, "
        "mean + standard deviation, or maximum (paper, §5.3). Everything else stays as it was.",
    )
    _source_and_out(parser, "copy to write")
    parser.add_argument(
        "--level", choices=("mean", "mean+std", "max"), required=True, help="what b is"
    )
    parser.add_argument("--seed", type=int, default=0, help="the same seed, the same noise")
    add_engine_options(parser, only_dask=True)
    add_output_options(parser, events=True)
    parser.set_defaults(run=_noise)


def _add_gallery(subparsers: Subparsers) -> None:
    parser = subparsers.add_parser(
        "gallery",
        help="a figure of every class: schematic and examples",
        description="Every class that has shots, with its schematic and examples on a log scale "
        "(paper, Fig. 2). PNG, PDF or SVG by the name of the file.",
    )
    parser.add_argument("targets", type=Path, metavar="PROJECT_OR_FILE", nargs="+")
    _figure_to_write(parser)
    parser.add_argument("--per-class", type=int, default=3, metavar="N", help="examples of each")
    parser.add_argument(
        "--across", type=int, default=2, metavar="N", help="classes side by side (default: 2)"
    )
    parser.add_argument("--seed", type=seed, default=0, help="which examples are drawn")
    add_shots_options(parser)
    parser.add_argument("--colormap", default="viridis", help="one of matplotlib's")
    add_output_options(parser)
    parser.set_defaults(run=_gallery)


def _figure_to_write(parser: argparse.ArgumentParser) -> None:
    what = "figure to write (.png, .pdf, .svg)"
    parser.add_argument("--out", type=Path, required=True, metavar="OUT", help=what)
    parser.add_argument("--force", action="store_true", help="replace OUT if it is there")


def _add_noise_figure(subparsers: Subparsers) -> None:
    parser = subparsers.add_parser(
        "noise-figure",
        help="one shot under each level of noise, and its correlation maps, as a figure",
        description="A shot without noise and with that of each noise set of its file, and the"
        " correlation maps of them (paper, Fig. 4). PNG, PDF or SVG by the name of the file.",
    )
    parser.add_argument("file", type=Path, metavar="FILE", help="an HDF5 file of shots")
    _figure_to_write(parser)
    parser.add_argument(
        "--shot", type=int, metavar="N", help="counted from 1 (default: a fairly bright one)"
    )
    parser.add_argument("--dataset", metavar="D", help="the dataset, where it is not obvious")
    parser.add_argument("--seed", type=seed, default=0, help="of the noise")
    _whose_geometry(parser)
    parser.add_argument("--colormap", default="viridis", help="one of matplotlib's")
    add_output_options(parser, events=True)
    parser.set_defaults(run=_noise_figure)


def _whose_geometry(parser: argparse.ArgumentParser) -> None:
    what = "a project with FILE: the beam centre is the one entered there"
    parser.add_argument("--project", type=Path, metavar="P", help=what)


def _centre_of_project(args: argparse.Namespace) -> tuple[float, float] | None:
    """The beam centre of FILE in the project that is named; None where no one entered any."""
    if args.project is None:
        return None
    from labeler.project.project import Project

    with Project.open(args.project) as project:
        here = args.file.resolve()
        found = [s for s in project.sources if s.path.resolve() == here]
    named = [s for s in found if args.dataset in (None, s.dataset)]
    if not named:
        mend = "Leave out --project, or name a file of it."
        raise InputError("is no file of that project", file=args.file, mend=mend)
    return named[0].geometry.centre


def _simulate(args: argparse.Namespace) -> int:
    from model.simulate.generate import simulate

    events = simulate(
        args.out,
        args.shots,
        args.seed,
        args.size,
        balanced=args.balanced,
        broad=args.broad,
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


def _correlate(args: argparse.Namespace) -> int:

    from model.physics.correlation import MapRecipe
    from model.physics.correlation_file import correlate

    centre = _centre_of_project(args)
    if args.centre is not None:
        centre = args.centre[0], args.centre[1]
    recipe = MapRecipe(args.order, args.radii, args.angles, args.r_max, centre)
    events = correlate(
        args.file,
        args.out,
        recipe,
        dataset=args.dataset,
        workers=args.workers,
        scheduler=args.scheduler,
        force=args.force,
        stop=listen(),
    )
    return _print_written(follow(events, args), args, "maps")


def _noise(args: argparse.Namespace) -> int:

    from model.physics.noise_file import add_noise_file

    if args.workers is not None and args.scheduler is None:
        raise InputError("--workers needs --scheduler here", mend="Try --scheduler local.")
    events = add_noise_file(
        args.file,
        args.out,
        args.level,
        args.seed,
        dataset=args.dataset,
        force=args.force,
        scheduler=args.scheduler,
        workers=args.workers,
        stop=listen(),
    )
    return _print_written(follow(events, args), args, "shots with noise")


def _gallery(args: argparse.Namespace) -> int:
    from model.inspection.gallery import figure2

    shown = figure2(
        table_given(args.targets, args),
        args.out,
        per_class=args.per_class,
        across=args.across,
        seed=args.seed,
        colormap=args.colormap,
        render=_schematic,
        force=args.force,
    )
    if args.json:
        print_json({"out": str(args.out), "shown": shown})
    else:
        classes = sum(count > 0 for count in shown.values())
        shots = counted(sum(shown.values()), "shot")
        print(f"{shots} of {counted(classes, 'class')} drawn to {args.out}")
    return 0


def _noise_figure(args: argparse.Namespace) -> int:
    from model.inspection.noise_figure import figure4

    row = None if args.shot is None else args.shot - 1
    events = figure4(
        args.file, args.out, row=row, seed=args.seed, dataset=args.dataset,
        colormap=args.colormap, force=args.force, centre=_centre_of_project(args), stop=listen(),
    )  # fmt: skip
    last = follow(events, args)
    if args.json:
        print_json({k: v for k, v in last.items() if k in ("out", "shot", "bounds")})
    elif not args.events and last["event"] == "finished":
        print(f"shot {last['shot']} drawn to {last['out']}")
    return 0 if last["event"] == "finished" else 1


def _schematic(name: str, side: int) -> npt.NDArray[np.uint8]:
    from labeler.window.widgets.schematics import render

    return render(name, side)


def _print_written(last: Event, args: argparse.Namespace, what: str) -> int:
    if args.json and not args.events:
        print_json({k: v for k, v in last.items() if k not in ("time", "metrics")})
    elif not args.events and last.get("event") == "finished":
        print(f"{last['shots']} {what} written to {last['out']}")
    return 0 if last.get("event") == "finished" else 1
