"""prepare: what a project does to its shots before any network sees them."""

from __future__ import annotations

import argparse
from pathlib import Path

from labeler.cli.output import (
    THE_SAME,
    Subparsers,
    add_engine_options,
    add_output_options,
    follow,
    print_json,
)
from labeler.jobs.child import listen
from model.errors import counted

STEPS = ("bad-pixels", "background", "smooth", "flat", "centre")


def add_parsers(subparsers: Subparsers) -> None:
    """Add the subcommands of this family."""
    prepare = subparsers.add_parser(
        "prepare",
        help="subtract background, correct the flat detector, mask bad pixels, find the centre",
        description="Switch on the named steps for every later training of the project, and all"
        " others off; without --steps, say what is on. Files of shots are never changed.",
    )
    prepare.add_argument("project", type=Path, metavar="PROJECT")
    prepare.add_argument(
        "--steps",
        nargs="*",
        choices=STEPS,
        metavar="STEP",
        help=f"of {', '.join(STEPS)}; none: all off",
    )
    prepare.add_argument(
        "--background",
        metavar="FILE_OR_CLASS",
        help="background shots: a file of them, or a class whose labelled shots are such",
    )
    prepare.add_argument(
        "--degree", type=int, default=1, choices=(0, 1, 2),
        help="of the smooth surface: constant, slope or curved (default: 1)",
    )  # fmt: skip
    add_output_options(prepare, events=True)
    prepare.set_defaults(run=_prepare)

    thumbnails = subparsers.add_parser(
        "thumbnails",
        help="make the small pictures of all shots of a project ahead of looking",
        description="The window makes them as you look; this makes all that are missing, by"
        " several processes or a cluster. Interrupted, the same command goes on.",
    )
    thumbnails.add_argument("project", type=Path, metavar="PROJECT")
    add_engine_options(thumbnails)
    add_output_options(thumbnails, events=True)
    thumbnails.set_defaults(run=_thumbnails, goes_on=THE_SAME)


def _prepare(args: argparse.Namespace) -> int:
    from labeler.project.preparation import preparation_of, prepare_project
    from labeler.project.project import Project
    from model.errors import InputError
    from model.preprocessing.preparation import Preparation

    with Project.open(args.project) as project:
        if args.steps is None:
            steps = preparation_of(project)
            print_json(steps.to_dict()) if args.json else print(f"Preprocessing: {steps.words()}.")
            return 0
        if {"background", "smooth"} <= set(args.steps):
            mend = "Choose one of them."
            raise InputError("background and smooth both subtract the stray light", mend=mend)
        wanted = Preparation(
            bad_pixels="bad-pixels" in args.steps,
            stray_light="shots" if "background" in args.steps
            else "smooth" if "smooth" in args.steps else "none",
            degree=args.degree,
            flat_detector="flat" in args.steps,
            centre="centre" in args.steps,
        )  # fmt: skip
        project.refuse_changed()
        last = follow(prepare_project(project, wanted, args.background, stop=listen()), args)
    if args.json:
        print_json({k: v for k, v in last.items() if k not in ("time", "metrics")})
    elif not args.events:
        print(last.get("text", ""))
    return 0 if last["event"] == "finished" else 1


def _thumbnails(args: argparse.Namespace) -> int:
    from labeler.project.project import Project
    from labeler.shots.make_thumbnails import make_thumbnails

    with Project.open(args.project) as project:
        project.refuse_changed()
        table, folder = project.shot_table(), project.folder / "thumbnails"
    events = make_thumbnails(
        table, folder, workers=args.workers, scheduler=args.scheduler, stop=listen()
    )
    last = follow(events, args)
    if args.json:
        print_json(last)
    elif not args.events and last["event"] == "finished":
        print(f"{last['made']} thumbnails made, {counted(last['shots'], 'shot')} in all")
    return 0 if last["event"] == "finished" else 1
