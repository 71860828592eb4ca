"""Subcommands that open the window: on a project, on the first page, or on a demo made for it."""

from __future__ import annotations

import argparse
import os
import shlex
import sys
from collections.abc import Iterator
from pathlib import Path

from labeler.cli.output import Subparsers, add_output_options, folder, follow, print_json, seed
from labeler.jobs.child import listen
from labeler.window.process.screen import has_display
from model.errors import InputError
from model.events import Event


def add_parsers(subparsers: Subparsers) -> None:
    """window (also without its name), demo."""
    from labeler.cli.demo.project import SEED, SHOTS

    window = subparsers.add_parser("window", help="open the window; the word may be left out")
    window.add_argument("project", nargs="?", type=Path, metavar="PROJECT", help="opened in it")
    window.set_defaults(run=_window)

    demo = subparsers.add_parser(
        "demo",
        help="make a demo project and open it",
        description="Make a project of simulated shots and open it. Without a display the whole"
        " main job is done off-screen instead, and pictures and a report are left in DIR/report.",
    )
    demo.add_argument("folder", type=folder, metavar="DIR", help="of the project")
    demo.add_argument("--shots", type=int, default=SHOTS, metavar="N", help="how many")
    demo.add_argument("--seed", type=seed, default=SEED, metavar="S")
    demo.add_argument("--no-window", action="store_true", help="only make the project")
    demo.add_argument("--pictures", action="store_true", help="off-screen, of every view")
    add_output_options(demo, events=True)
    demo.set_defaults(run=_demo)


def _window(args: argparse.Namespace) -> int:
    if args.project is not None:
        if len(args.project.parts) == 1 and not args.project.exists():
            mend = "Check the path; `airylabel --help` lists the subcommands."
            raise InputError("is no subcommand and no project", file=args.project, mend=mend)
        from labeler.project.project import Project

        Project.open(args.project).close()  # a refusal is said here, before any window
    if not has_display():
        print("airylabel: there is no display to open a window on", file=sys.stderr)
        return 2
    return _open(args.project)


def _open(project: Path | None, train: bool = False) -> int:
    from labeler.window.main_window import open_window

    return open_window(project, train=train)


def _demo(args: argparse.Namespace) -> int:
    if args.shots < 1:
        print("airylabel: --shots must be at least 1", file=sys.stderr)
        return 2
    last = follow(_making(args), args)
    if args.events:
        return 0
    walks = not args.no_window and (args.pictures or not has_display())
    if last.get("event") == "finished" and walks:
        return _walk(args)
    if args.json:
        print_json(last)
    if last.get("event") != "finished":
        return 0
    if not args.no_window:
        return _open(args.folder, train=True)
    if not args.json:
        print(f"{args.folder} is ready: airylabel {shlex.quote(str(args.folder))}")
    return 0


def _making(args: argparse.Namespace) -> Iterator[Event]:
    from labeler.cli.demo.project import make

    yield from make(args.folder, args.shots, args.seed, listen())


def _walk(args: argparse.Namespace) -> int:
    """The whole main job without a display."""
    os.environ["QT_QPA_PLATFORM"] = "offscreen"
    from labeler.cli.demo.tour import walk

    last = follow(walk(args.folder, args.pictures), args)
    if args.json:
        print_json(last)
    else:
        print(f"pictures and report: {last['report']}")
    return 0
