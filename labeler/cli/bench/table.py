"""`airylabel bench …`: measurements anyone can repeat, each against peers in the same run.

A benchmark is one line of `BENCHES` and its measuring function in `_measuring`.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from contextlib import redirect_stdout
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from labeler.cli.active import add_bench as add_active
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
    status_of,
)
from labeler.cli.targets import SHIPPED, run_folder
from labeler.jobs.child import listen
from labeler.window.process.screen import paint_unseen


@dataclass(frozen=True)
class Bench:
    """A benchmark: its measuring function takes the options by name and returns numbers.

    `options`: name -> default, which also gives its type; `shown`: number -> what it means.
    """

    name: str
    text: str
    options: dict[str, int | float] = field(default_factory=dict)
    shown: dict[str, str] = field(default_factory=dict)


BENCHES = (
    Bench(
        "labelling",
        "from a key to the pattern on screen, in the real window, up to a million shots",
        {"shots": 10_000, "keys": 300, "size": 224, "training": 1, "large": 1_000_000},
        {
            "open_10k_s": "from opening the project to the first pattern (goal ≤ 1.2)",
            "next_ms_median": "a class key to stored, next pattern painted (goal ≤ 10)",
            "next_ms_p99": "the slowest in a hundred (goal ≤ 20)",
            "next_ms_p99_training": "the same while a training runs (goal ≤ 35)",
            "lateness_ms_p99_training": "of the event loop meanwhile (goal ≤ 10)",
            "suggested_ms_median": "a class key to suggestions that know it (goal ≤ 500)",
            "lateness_ms_p99_learning": "of the event loop meanwhile (goal ≤ 10)",
            "heat_ms_median": "from → to heat on the next shot, computed for it",
            "lateness_ms_p99_heat": "of the event loop meanwhile (goal ≤ 10)",
            "step_ms_median": "from → to the next pattern",
            "step_ms_p99": "the slowest in a hundred",
            "jump_ms_median": "to a shot that no one could read ahead (goal ≤ 50)",
            "jump_ms_p99": "the slowest in a hundred",
            "label_ms_median": "from a class key to stored and painted",
            "label_ms_p99": "the slowest in a hundred",
            "thumbnails_per_s": "made while the grid is open (goal ≥ 300)",
            "grid_in_sight": "thumbnails in sight while it scrolls",
            "grid_frame_ms_p95": "a frame of it (goal ≤ 16)",
            "open_1m_s": "a million shots: to the first pattern (goal ≤ 3)",
            "next_unlabelled_ms": "to find one of the last ten undecided (goal ≤ 2)",
            "counts_1m_ms": "all classes and all rules counted again (goal ≤ 100)",
            "memory_1m_mb": "of the window (goal ≤ 500)",
        },
    ),
    Bench(
        "training",
        "our training step against torchvision's and timm's networks",
        {"batch": 48, "size": 224, "repeats": 5},
        {
            "step_ratio_torchvision": "over a bare loop on torchvision's resnet18 (goal ≥ 1.2)",
            "step_ratio_timm": "over the same on timm's",
            "step_ratio_own_nodata": "over our own step without loading data (goal ≥ 0.97)",
            "penalty_share": "of the elastic net in our step (goal ≤ 0.02)",
        },
    ),
    Bench(
        "inference",
        "our prediction against eager torch, torch.compile, ONNX Runtime and OpenVINO",
        {"rounds": 7, "batches": 6, "size": 224},
        {
            "ratio_best_peer": "over the fastest peer (goal ≥ 0.95)",
            "ratio_torch_eager": "over torch eager, in batches as large as ours",
            "ratio_torch_eager_single": "over torch eager, one shot at a time",
            "one_pass_overhead": "with embeddings and heatmaps of all classes (goal ≤ 1.15)",
        },
    ),
    Bench(
        "explain",
        "our heatmaps of all classes against pytorch-grad-cam",
        {"rounds": 5, "size": 224},
        {
            "ratio_pytorch_grad_cam": "over the package",
            "ratio_same_engine": "over the package, forward pass by torch for both",
            "overhead_vs_forward": "with all maps, over the forward pass alone",
        },
    ),
    Bench(
        "heat",
        "heat of the shipped network where the cause of a class is known: simulated shots",
        {"shots": 30, "seed": 0},
        {
            "axis_streak": "heat near the ridge over that of any place, best form (goal ≥ 2.2)",
            "axis_bent": "the same (goal ≥ 2.2)",
            "composites": "AUC of a feature in one half of the plate (goal ≥ .80)",
            "gap_streak": "deletion and insertion against chance (goal ≥ .30)",
            "gap_bent": "the same (goal ≥ .30)",
            "random_weights": "the furthest from chance where nothing was learnt (goal ≤ .05)",
            "shuffled_labels": "the same where shuffled labels were learnt by heart",
            "ms_directions": "processor time of all classes of a shot, one thread (goal ≤ 150)",
            "ms_repeated": "the same for the other form",
        },
    ),
    Bench(
        "instant",
        "learning after every label: fit, suggest, ask",
        {"labels": 7264, "shots": 7264, "rounds": 5},
        {
            "fit_ms": "on all labels, as after every one (goal ≤ 300)",
            "suggest_ms": "probabilities of all shots",
            "ask_ms": "the slowest strategy orders 38,000 shots (goal ≤ 200)",
            "sklearn_ratio": "scikit-learn's, class by class without rules or calibration, to fit",
        },
    ),
    Bench(
        "formats",
        "every form of file that is opened, made by its own writer, in a fresh reader child",
        {"shots": 24, "frames": 1000, "files": 200, "each": 500},
        {
            "forms_opened": "with the right number of shots and every pixel as written",
            "forms_tried": "whose writer is installed",
            "first_ms_worst": "from nothing to the first picture, imports and all (goal ≤ 1000)",
            "first_cpu_ms_worst": "of it at work, without waiting for a machine that others use",
            "next_cpu_ms_worst": "a next one at work, not read ahead, in the slowest form",
            "next_ms_worst": "median of each next one, not read ahead, slowest form (goal ≤ 20)",
            "run_open_s": "a run of 16 modules × 1,000 frames, to the first picture (goal ≤ 2)",
            "files_open_s": "100,000 frames over 200 files, to the first picture (goal ≤ 5)",
            "memory_grown_mb": "of the child by 1,000 pictures from those files (goal: flat)",
        },
    ),
    Bench(
        "online",
        "live shots from another process by the Karabo bridge: hit finder, network, record",
        {"rate": 120, "hit_rate": 0.3, "seconds": 600, "size": 224, "input": 0},
        {
            "sustained_hz": "shots a second that were dealt with (goal ≥ 120)",
            "latency_p50_ms": "from the time a shot was taken to its probabilities",
            "latency_p99_ms": "the slowest in a hundred (goal ≤ 1000)",
            "dropped": "hits that the network never read, and shots that we did not fetch",
            "hitfinder_hz": "shots a second by the hit finder alone (goal ≥ 2000)",
            "hitfinder_missed": "share of hits that it misses, on shots it was not fitted on",
            "read_hz": "hits a second by the network",
            "memory_growth_mb": "after the first tenth of the time, at most a minute",
        },
    ),
    Bench(
        "physics",
        "correlation maps against the FFT of all pairs of rings, panes, the simulator",
        {"rounds": 7, "size": 224, "shots": 192},
        {
            "map_ratio_fft": "all pairs of rings by FFT over ours, least of the grids (goal ≥ 150)",
            "map_ratio_fft_tuned": "the same with half the pairs, real, single precision",
            "pane_ms": "the slowest pane of the window, computed and painted (goal ≤ 5)",
            "add_noise_ratio": "speed of noise on a file against copying it (goal ≥ 0.5)",
            "prepare_ratio": "speed of preprocessing shots against copying their file (goal ≥ 0.5)",
            "patterns_per_s": "simulated, with detector and labels (goal ≥ 20)",
        },
    ),
    Bench(
        "cluster",
        "two Dask workers against two plain processes, on the same work",
        {"shots": 6144, "simulated": 640, "rounds": 3, "size": 224},
        {
            "ratio_plain": "maps per second of Dask over plain, both started (goal ≥ 0.9)",
            "ratio_plain_simulate": "the same of simulated shots, a heavier work (goal ≥ 0.9)",
            "ratio_plain_whole": "of maps with starting and ending",
            "plain_hz": "maps per second by two processes",
            "dask_hz": "by two Dask workers",
        },
    ),
)


OPTIONS = {
    "shots": "how many shots",
    "keys": "how many keys",
    "size": "pixels a side of a shot",
    "training": "1: also while a network trains; 0: not",
    "large": "shots of the largest project; 0: only that of --shots",
    "batch": "shots in a step",
    "repeats": "measurements of each",
    "rounds": "measurements of each",
    "batches": "batches in a measurement",
    "labels": "labelled shots",
    "frames": "frames of the run of 16 modules",
    "files": "files of one run",
    "each": "frames of each of them",
    "rate": "shots a second",
    "hit_rate": "share of hits",
    "seconds": "how long",
    "input": "pixels a side of what the network takes; 0: the shipped network",
    "simulated": "shots that are simulated",
}
"""Option of benchmarks -> what it is."""
REPEATED = ("rounds", "repeats", "batches", "batch")
"""Options without which there is nothing to measure."""


def add_parsers(subparsers: Subparsers) -> None:
    """bench NAME for every line of the table, bench foreign and bench ablation."""
    bench = subparsers.add_parser("bench", help="measure speed, against peers where installed")
    names = bench.add_subparsers(metavar="NAME", dest="bench", required=True)
    for line in BENCHES:
        parser = names.add_parser(line.name, help=line.text)
        for option, default in line.options.items():
            flag = f"--{option.replace('_', '-')}"
            kind = seed if option == "seed" else count if option in REPEATED else type(default)
            what = OPTIONS.get(option)
            parser.add_argument(flag, type=kind, default=default, metavar="N", help=what)
        add_output_options(parser)
        parser.set_defaults(run=_run, line=line)
    foreign = names.add_parser(
        "foreign",
        help="does what was learnt here hold for shots of others?",
        description="With one file: what is known of its shots with no label, some and many, every"
        " shot judged once by what learnt from other folds. With two: train on one set, read the"
        " other that no one looked at; both ways. Interrupted, the same command goes on.",
    )
    foreign.add_argument("ours", type=Path, metavar="FILE", help="labelled shots")
    foreign.add_argument("foreign", type=Path, nargs="?", metavar="FOREIGN", help="others")
    foreign.add_argument(
        "--recipe", metavar="R",
        help="trains networks; of two files quick, of one file none unless asked for",
    )  # fmt: skip
    foreign.add_argument("--epochs", type=count, metavar="E", help="instead of the recipe's own")
    foreign.add_argument(
        "--folds", type=count, default=5, metavar="K", help="parts, each judged once"
    )
    foreign.add_argument("--seeds", type=count, default=3)
    foreign.add_argument(
        "--labels", type=count, default=150, metavar="N", help="labels that are asked for"
    )
    foreign.add_argument("--out", type=folder, default=Path("foreign"), metavar="DIR")
    add_output_options(foreign, events=True)
    foreign.set_defaults(run=_foreign, goes_on=THE_SAME)
    ridges = names.add_parser(
        "ridges",
        help="does heat of Streak and Bent lie near the ridge of labelled shots of others?",
        description="The axis of a ridge is taken from the picture. 1: heat lies anywhere; 4.5: all"
        " of it lies within 20 degrees of the axis.",
    )
    ridges.add_argument("file", type=Path, metavar="FILE", help="labelled shots")
    ridges.add_argument(
        "--run", dest="folder", type=run_folder, default=SHIPPED, metavar="RUN",
        help="whose heat (default: the shipped network's)",
    )  # fmt: skip
    ridges.add_argument("--seed", type=seed, default=0, help="of the intervals")
    add_output_options(ridges)
    ridges.set_defaults(run=_ridges)
    ablation = names.add_parser("ablation", help="train every recipe with and without its choices")
    ablation.add_argument("file", type=Path, metavar="FILE", help="labelled shots")
    ablation.add_argument("--out", type=folder, default=Path("ablation"), metavar="DIR")
    ablation.add_argument("--epochs", type=count, default=12, help="of every training")
    ablation.add_argument("--size", type=int, default=64, metavar="PX", help="side of the input")
    ablation.add_argument("--training", type=int, default=600, metavar="N", help="shots; 0: 85 %%")
    ablation.add_argument("--seeds", type=count, default=3)
    ablation.add_argument("--seed", type=seed, metavar="S", help="only this one of them now")
    ablation.add_argument("--recipes", nargs="+", metavar="R", help="only these")
    add_output_options(ablation, events=True)
    ablation.set_defaults(run=_ablation)
    scale = names.add_parser(
        "scale",
        help="what N shots cost in time, memory and bytes, for growing N",
        description="Makes projects of 1,000 shots, ten times as many, and so on; labels, predicts,"
        " orders and exports them, each in a process of its own.",
    )
    scale.add_argument("--to", type=count, default=1_000_000, metavar="N", help="the largest")
    scale.add_argument("--out", type=Path, metavar="FILE", help="a figure too: png, svg or pdf")
    add_output_options(scale)
    scale.set_defaults(run=_scale)
    add_active(names)


def _scale(args: argparse.Namespace) -> int:
    from labeler.cli.bench import scale as growth
    from model.inspection.figures import figure_place

    if args.out:
        figure_place(args.out)
    found = growth.measure(args.to)
    if args.out:
        growth.draw(found, args.out)
    if args.json:
        print_json(found)
        return 0

    exponents = found["exponents"]
    console = PlainConsole()
    _print_growth(console, found["rows"], exponents)
    console.print(f"The network itself: {found['network_ms']:.1f} ms a shot, whatever N is.")
    return 0


def _run(args: argparse.Namespace) -> int:
    line: Bench = args.line
    paint_unseen()
    with redirect_stdout(sys.stderr):  # some of what is measured prints
        found = _measuring(line.name)(**{option: getattr(args, option) for option in line.options})
    if args.json:
        print_json(found)
    else:
        _print(line, found)
    return 0


def _measuring(name: str) -> Callable[..., dict[str, Any]]:
    """The measuring function of a benchmark; only its module is imported."""
    match name:
        case "labelling":
            from labeler.cli.bench import labelling

            return labelling.measure
        case "training":
            from model.benchmarks import training

            return training.measure
        case "inference":
            from model.benchmarks import inference

            return inference.measure
        case "explain":
            from model.benchmarks import explain

            return explain.measure
        case "heat":
            from model.benchmarks import explain

            return explain.measure_heat
        case "instant":
            from model.benchmarks import instant

            return instant.measure
        case "formats":
            from labeler.cli.bench import formats

            return formats.measure
        case "online":
            from model.benchmarks import online

            return online.measure
        case "physics":
            from labeler.cli.bench import physics

            return physics.measure
        case "cluster":
            from model.benchmarks import cluster

            return cluster.measure
        case _:
            raise KeyError(name)


def _print(line: Bench, found: dict[str, Any]) -> None:
    from rich.table import Table

    console = PlainConsole()
    rates = Table("who", "images/s", title=line.text)
    for name, rate in sorted(found.get("images_per_second", {}).items(), key=lambda i: -i[1]):
        rates.add_row(name, f"{rate:.1f}")
    if rates.row_count:
        console.print(rates)
    ratios = Table("number", "value", "ours")
    for name, meaning in line.shown.items():
        value = found.get(name)
        ratios.add_row(name, "not measured" if value is None else f"{value:.3f}", meaning)
    console.print(ratios)
    _print_growth(console, found.get("growth") or [])
    for name, why in (found.get("left_out") or {}).items():
        console.print(f"left out: {name} ({why})")


def _foreign(args: argparse.Namespace) -> int:
    from dataclasses import replace

    from labeler.jobs.child import listen
    from model.benchmarks.foreign import Folds, in_folds, run
    from model.runs.folder import backbone_folder
    from model.runs.recipes import named
    from model.shots.table import table_of_file

    recipe = named(args.recipe or "quick")
    if args.epochs is not None:
        recipe = replace(recipe, epochs=args.epochs, steps=0)
    ours = table_of_file(args.ours)
    if args.foreign is None:
        trained = recipe if args.recipe else None
        study = Folds(args.folds, args.seeds, args.labels, trained)
        network = backbone_folder(named("quick").backbone)
        last = follow(in_folds(ours, network, study, args.out, listen()), args)
    else:
        last = follow(run(ours, table_of_file(args.foreign), recipe, args.out, listen()), args)
    if args.json:
        print_json(last)
    elif not args.events:
        print(last.get("table", ""), last.get("text", ""), sep="\n")
    return status_of(last)


def _ridges(args: argparse.Namespace) -> int:
    from model.inspection.ridges import measure
    from model.shots.table import table_of_file

    found = measure(table_of_file(args.file), args.folder, args.seed)
    if args.json:
        print_json(found)
    else:
        print(found["table"])
    return 0


def _print_growth(
    console: PlainConsole, rows: list[dict[str, Any]], exponents: dict[str, float] | None = None
) -> None:
    """One column for each number of shots, and the exponent of the growth where it is known."""
    from rich.table import Table

    if not rows:
        return
    heads = [f"{row['shots']:,} shots" for row in rows] + ["exponent"] * bool(exponents)
    growth = Table("how it grows", *heads)
    for name in [n for n in rows[0] if n != "shots"]:
        cells = [f"{row[name]:.2f}" for row in rows]
        if exponents:
            cells.append(f"{exponents[name]:.2f}" if name in exponents else "")
        growth.add_row(name, *cells)
    console.print(growth)


def _ablation(args: argparse.Namespace) -> int:
    from model.benchmarks.ablation import AblationStudy, run
    from model.runs.recipes import NAMES, named
    from model.shots.table import table_of_file

    recipes = tuple(named(name).name for name in args.recipes or NAMES)
    study = AblationStudy(args.epochs, args.size, args.seeds, args.training, recipes)
    seeds = None if args.seed is None else range(args.seed, args.seed + 1)
    last = follow(run(table_of_file(args.file), study, args.out, listen(), seeds), args)
    if args.json:
        print_json(last)
    elif not args.events:
        print(last.get("table", last.get("text", "")))
    return status_of(last)
