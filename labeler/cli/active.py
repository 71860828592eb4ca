"""Active learning: embed, map, ask, fractions, forecast; and bench active."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator
from pathlib import Path

from labeler.cli.output import (
    THE_SAME,
    PlainConsole,
    Subparsers,
    add_output_options,
    count,
    folder,
    follow,
    print_json,
    seed,
)
from labeler.jobs.child import listen
from labeler.project.folder import CACHE
from model.errors import counted
from model.events import Event, Stop, event
from model.output_files import write_text


def add_parsers(subparsers: Subparsers) -> None:
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
    embed.set_defaults(run=lambda args: _run(args, _embedding), goes_on=THE_SAME)

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

    ask = subparsers.add_parser(
        "ask",
        help="which shots of a project to label next, and why",
        description="Learns from the labels so far and says which shots to label next. Needs the"
        " embeddings of a run, or of the shipped network (airylabel embed).",
    )
    ask.add_argument("project", metavar="PROJECT", type=Path)
    ask.add_argument("--strategy", default="asked", metavar="S", help="a name of --list")
    ask.add_argument("--list", action="store_true", help="list the strategies")
    ask.add_argument("-n", type=int, default=20, metavar="N", help="how many shots")
    ask.add_argument("--audit", type=float, default=0.1, metavar="SHARE", help="random checks")
    ask.add_argument("--seed", type=seed, default=0, metavar="S", help="of the strategy")
    add_output_options(ask)
    ask.set_defaults(run=_ask)

    shares = subparsers.add_parser(
        "fractions",
        help="how frequent every class is among all shots, from the random checks",
        description="Labels that were asked for say nothing of how frequent a class is; the random"
        " checks among them do, with an interval of 95 %.",
    )
    shares.add_argument("project", metavar="PROJECT", type=Path)
    add_output_options(shares)
    shares.set_defaults(run=_fractions)

    forecast = subparsers.add_parser(
        "forecast",
        help="what the next labels would buy, class by class",
        description="Learning curves of the labels so far, and what is to be expected of more.",
    )
    forecast.add_argument("project", metavar="PROJECT", type=Path)
    forecast.add_argument("--more", type=int, default=100, metavar="N", help="labels to forecast")
    add_output_options(forecast, events=True)
    forecast.set_defaults(run=_forecast)


def add_bench(names: Subparsers) -> None:
    """bench active, below `bench`."""
    active = names.add_parser(
        "active",
        help="how many labels every strategy needs, against random order",
        description="Simulates labelling from true labels with every strategy and draws accuracy,"
        " macro F1 and F1 of rare classes against the number of labels. Interrupted, the same"
        " command goes on.",
    )
    active.add_argument(
        "--data", type=Path, required=True, metavar="FILE", help="shots with their true labels"
    )
    active.add_argument("--strategies", nargs="+", metavar="S", help="only these, and random")
    active.add_argument("--seeds", type=count, default=3)
    active.add_argument("--labels", type=int, default=1500, metavar="N", help="the end of a curve")
    active.add_argument("--out", type=folder, default=Path("active"), metavar="DIR")
    active.add_argument(
        "--full", type=int, default=0, metavar="SEEDS",
        help="also train networks: few chosen labels against many random ones from chance",
    )  # fmt: skip
    active.add_argument(
        "--size", type=int, default=64, metavar="PX", help="of the input of those trainings"
    )
    active.add_argument(
        "--budget", type=int, default=30_000, metavar="SHOTS",
        help="shots that each of those trainings sees, repeats counted",
    )  # fmt: skip
    add_output_options(active, events=True)
    active.set_defaults(run=_bench, goes_on=THE_SAME)


def _bench(args: argparse.Namespace) -> int:
    from model.active.strategies import STRATEGIES
    from model.benchmarks import active, active_figure
    from model.runs.folder import backbone_folder
    from model.runs.recipes import named
    from model.shots.table import table_of_file

    study = active.LabellingStudy(tuple(args.strategies or STRATEGIES), args.seeds, args.labels)
    table = table_of_file(args.data)
    backbone = backbone_folder(named("quick").backbone)
    stop, said = listen(), ""
    last = follow(active.run(table, backbone, study, args.out, stop), args)
    if last["event"] == "finished" and args.full:
        from model.benchmarks import active_full

        budget = active_full.TrainingBudget(args.size, args.budget, args.full)
        curves = last["results"]
        last = follow(active_full.run(table, backbone, budget, args.out, stop), args)
        last["results"] = curves | last.get("results", {})
        said = active_full.words(last["results"]) if last["event"] == "finished" else ""
    if last["event"] != "finished":
        return 1
    figure, _ = active_figure.draw(last["results"], args.out)
    text = active.table_of(last["results"]) + said
    write_text(args.out / "active.md", text)
    if args.json:
        print_json(last["results"] | {"figure": str(figure)})
    elif not args.events:
        print(text, figure, sep="\n")
    return 0


Work = Callable[[argparse.Namespace, Stop], Iterator[Event]]


def _run(args: argparse.Namespace, work: Work) -> int:
    last = follow(work(args, listen()), args)
    if args.json:
        print_json(last)
    elif not args.events and last.get("text"):
        print(last["text"])
    return 0


def _embedding(args: argparse.Namespace, stop: Stop) -> Iterator[Event]:
    from labeler.project.preparation import preparation_for
    from labeler.project.project import Project
    from model.prediction.embedding import embed
    from model.runs.recipes import shipped_network

    with Project.open(args.project) as project:
        table, cache = project.shot_table(), project.folder / CACHE
        network = project.run_given(args.network) if args.network else shipped_network()
        steps = preparation_for(project, network)
    yield from embed(table, network, cache, stop=stop, engine=args.engine, preparation=steps)


def _mapping(args: argparse.Namespace, stop: Stop) -> Iterator[Event]:
    from labeler.active.map import make_map
    from labeler.project.project import Project

    with Project.open(args.project) as project:
        yield from make_map(project, args.seed, stop)


def _ask(args: argparse.Namespace) -> int:
    from labeler.active.asking import next_shots
    from labeler.project.project import Project
    from model.active.strategies import STRATEGIES

    if args.list and args.json:
        print_json({name: strategy.text for name, strategy in STRATEGIES.items()})
        return 0
    if args.list:
        for name, strategy in STRATEGIES.items():
            print(f"{name:15}{strategy.text}")
        return 0
    with Project.open(args.project) as project:
        asked = next_shots(project, args.strategy, args.n, audit=args.audit, seed=args.seed)
    shots = [int(row) + 1 for row in asked.rows]
    if args.json:
        items = zip(shots, asked.reasons, asked.audit.tolist(), strict=True)
        print_json({"shots": [{"shot": s, "why": w, "random": r} for s, w, r in items]})
    else:
        for shot, reason in zip(shots, asked.reasons, strict=True):
            print(f"#{shot:<8}{reason}")
    return 0


def _fractions(args: argparse.Namespace) -> int:
    from dataclasses import asdict

    from labeler.active.asking import class_fractions
    from labeler.project.project import Project

    with Project.open(args.project) as project:
        found = class_fractions(project)
    if args.json:
        print_json({"classes": [asdict(f) for f in found]})
        return 0
    from rich.table import Table

    drawn = found[0].shots if found else 0
    among = f" of {found[0].among}" if found and found[0].among else ""
    title = f"{counted(drawn, 'shot')}{among} checked at random"
    if found and found[0].together:
        title += f", {found[0].together:,} with a suggestion accepted together with others"
    table = Table("class", "share", "95 %", title=title)
    for f in found:
        share = f"{100 * f.share:.1f} %" if f.shots else "–"
        interval = f"{100 * f.low:.1f} … {100 * f.high:.1f} %"
        table.add_row(f.name, share, "all were checked" if f.closed else interval)
    PlainConsole().print(table)
    return 0


def _forecast(args: argparse.Namespace) -> int:
    last = follow(_forecasting(args), args)
    made = last["forecast"]
    if args.json:
        print_json(made)
    if args.json or args.events:
        return 0
    from rich.table import Table

    table = Table("class", "shots", "F1 now", f"after {made['more']} more", "gain")
    for c in made["classes"]:
        now, then, gain = c["now"], c["then"], c["gain"]
        if gain:
            words = f"{gain['value']:+.3f} ({gain['low']:+.3f} … {gain['high']:+.3f})"
            both = f"{now['value']:.2f}", f"{then['value']:.2f}"
            table.add_row(c["name"], str(c["shots"]), *both, words)
        else:
            table.add_row(c["name"], str(c["shots"]), "too few", "", "")
    console = PlainConsole()
    console.print(table)
    console.print(made["text"])
    return 0


def _forecasting(args: argparse.Namespace) -> Iterator[Event]:
    """The forecast, and how frequent every class is by the random checks so far."""
    from dataclasses import asdict

    from labeler.active.asking import class_fractions, forecast_for
    from labeler.project.project import Project

    listen()
    yield event("progress", what="learning from parts of the labels", done=0, total=1)
    with Project.open(args.project) as project:
        made = forecast_for(project, args.more)
        found = class_fractions(project)
    parts = {"forecast": asdict(made), "fractions": [asdict(f) for f in found]}
    yield event("finished", metrics={}, **parts)
