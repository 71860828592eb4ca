"""Subcommands that keep labels safe: going back to a backup."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from labeler.cli.output import add_output_options, print_json


def add_parsers(subparsers: Any) -> None:
    """restore."""
    restore = subparsers.add_parser("restore", help="list the backups, or go back to one of them")
    restore.add_argument("project", type=Path, metavar="PROJECT")
    restore.add_argument(
        "backup",
        nargs="?",
        metavar="BACKUP",
        help="its number in the list (1 is the newest), its file name, or newest",
    )
    add_output_options(restore)
    restore.set_defaults(run=_restore)


def _restore(args: argparse.Namespace) -> int:
    from labeler import backups

    if args.backup is None:
        return _list(args)
    chosen = backups.choose(args.project, args.backup)
    kept = backups.restore(args.project, chosen.path)
    if args.json:
        print_json({"restored": chosen.path.name, "kept": kept.name})
    else:
        print(f"The project is again as of {chosen.time.astimezone():%d %b %Y %H:%M}.")
        print(f"The state before is kept as {kept.name}.")
    return 0


def _list(args: argparse.Namespace) -> int:
    from labeler import backups

    here = backups.list_backups(args.project)
    items = [
        {
            "number": number,
            "file": b.path.name,
            "time": b.time.isoformat(),
            "reason": b.reason,
            "bytes": b.size,
            "shots": b.held and b.held.shots,
            "labelled": b.held and b.held.labelled,
            "trouble": b.trouble,
        }
        for number, b in enumerate(here, 1)
    ]
    if args.json:
        print_json({"backups": items})
        return 0
    for number, b in enumerate(here, 1):
        held = f"{b.held.labelled:,} of {b.held.shots:,} labelled" if b.held else "damaged"
        print(f"{number:>3}  {b.time.astimezone():%a %d %b %Y %H:%M}  {held}, {b.why}")
    if not here:
        print("There is no backup yet.")
    return 0
