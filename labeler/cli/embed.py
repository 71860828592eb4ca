"""embed, map: what the instant learning and the map of a project need, computed ahead."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from labeler.cli.output import add_output_options, follow, print_json, seed, told
from labeler.cli.targets import run_given
from labeler.jobs.child import listen
from model.events import Event


def add_parsers(subparsers: Any) -> None:
    """Add the subcommands of this family."""
    embed = subparsers.add_parser(
        "embed",
        help="let the shipped network read all shots of a project",
        description="Embeddings of all shots by the shipped network: with them, suggestions sharpen"
        " after every label, before any training. Interrupted, the same command goes on.",
    )
    embed.add_argument("project", metavar="PROJECT", type=Path)
    embed.add_argument("--network", type=Path, metavar="DIR", help="of a run, instead")
    embed.add_argument("--engine", default="auto", choices=("auto", "torch", "openvino"))
    add_output_options(embed, events=True)
    embed.set_defaults(run=lambda args: _run(args, _embedding))

    lay_out = subparsers.add_parser(
        "map",
        help="lay out all shots of a project by likeness, and propose clusters",
        description="UMAP of the embeddings of the run in use, or of the shipped network; clusters"
        " found without labels, each with its most typical shots.",
    )
    lay_out.add_argument("project", metavar="PROJECT", type=Path)
    lay_out.add_argument("--seed", type=seed, default=0, metavar="S")
    add_output_options(lay_out, events=True)
    lay_out.set_defaults(run=lambda args: _run(args, _mapping))


def _run(args: argparse.Namespace, work: Any) -> int:
    last = follow(told(work(args, listen())), args)
    if args.json:
        print_json(last)
    elif not args.events and last.get("text"):
        print(last["text"])
    return 0


def _embedding(args: argparse.Namespace, stop: Any) -> Iterator[Event]:
    from labeler.active.embeddings import CACHE, shipped_network
    from labeler.project.project import Project
    from model.prediction.embedding import embed

    with Project.open(args.project) as project:
        table, cache = project.shot_table(), project.folder / CACHE
        network = run_given(project, args.network) or shipped_network()
    yield from embed(table, network, cache, stop=stop, engine=args.engine)


def _mapping(args: argparse.Namespace, stop: Any) -> Iterator[Event]:
    from labeler.active.map import make_map
    from labeler.project.project import Project

    with Project.open(args.project) as project:
        yield from make_map(project, args.seed, stop)
