"""ask, forecast, bench active: which shots to label next, and what labels buy."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from labeler.cli.output import add_output_options, follow, print_json


def add_bench(names: Any) -> None:
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
    active.add_argument("--seeds", type=int, default=3)
    active.add_argument("--labels", type=int, default=1500, metavar="N", help="the end of a curve")
    active.add_argument("--out", type=Path, default=Path("active"), metavar="DIR")
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
    active.set_defaults(run=_bench)


def _bench(args: argparse.Namespace) -> int:
    from labeler.cli.child import listen
    from model.backbone import shipped
    from model.benchmarks import active, active_figure
    from model.recipes import named
    from model.shots import table_of_file

    own = {} if args.strategies is None else {"strategies": tuple(args.strategies)}
    study = active.Study(seeds=args.seeds, most=args.labels, **own)
    table = table_of_file(args.data)
    backbone = shipped(named("quick").backbone)
    stop, said = listen(), ""
    last = follow(active.run(table, backbone, study, args.out, stop), args)
    if last["event"] == "finished" and args.full:
        from model.benchmarks import active_full

        budget = active_full.Budget(args.size, args.budget, args.full)
        curves = last["results"]
        last = follow(active_full.run(table, backbone, budget, args.out, stop), args)
        last["results"] = curves | last.get("results", {})
        said = active_full.words(last["results"]) if last["event"] == "finished" else ""
    if last["event"] != "finished":
        return 1
    figure, _ = active_figure.draw(last["results"], args.out)
    text = active.table_of(last["results"]) + said
    (args.out / "active.md").write_text(text, encoding="utf-8")
    if args.json:
        print_json(last["results"] | {"figure": str(figure)})
    elif not args.events:
        print(text, figure, sep="\n")
    return 0
