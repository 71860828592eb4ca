"""Subcommands that train networks and read shots with them, and that list what can be trained."""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Any

from labeler.cli.output import (
    THE_SAME,
    PlainConsole,
    Subparsers,
    add_engine_options,
    add_output_options,
    count,
    follow,
    print_json,
    seed,
)
from labeler.cli.targets import (
    add_file_options,
    add_shots_options,
    is_project,
    refuse_file_options,
    run_folder,
    table_given,
    taxonomy_given,
    the_project,
)
from labeler.jobs.child import is_followed, listen
from labeler.runs.training_lock import lock_training
from model.errors import InputError
from model.events import Event, Stop
from model.processes import is_helper
from model.runs.folder import PREDICTIONS, is_shipped

if TYPE_CHECKING:
    from model.runs.recipes import Recipe


def add_parsers(subparsers: Subparsers) -> None:
    """train, use, predict, export-model, recipes, networks."""
    train = subparsers.add_parser("train", help="train a network on the labelled shots")
    train.add_argument("targets", metavar="PROJECT_OR_FILE", type=Path, nargs="+")
    train.add_argument(
        "--recipe", default="quick", metavar="R", help="a name, or a TOML file (default: quick)"
    )
    train.add_argument("--network", metavar="N", help="instead of the recipe's own")
    train.add_argument("--epochs", type=int, metavar="E", help="instead of the recipe's own")
    train.add_argument("--size", type=int, metavar="PX", help="side of the input, at least 64")
    train.add_argument(
        "--set", action="append", default=[], metavar="KEY=VALUE", help="any setting of the recipe"
    )
    train.add_argument(
        "--input", choices=("pattern", "correlation"), default="pattern",
        help="correlation: learn from the correlation map of each shot",
    )  # fmt: skip
    train.add_argument("--out", type=Path, metavar="DIR", help="run folder")
    train.add_argument("--seed", type=seed, default=0)
    train.add_argument(
        "--devices", metavar="D", help="how many GPUs, or processes on a CPU (default: 1)"
    )
    train.add_argument("--resume", action="store_true", help="go on with an interrupted training")
    train.add_argument(
        "--warm-start", type=run_folder, metavar="RUN", help="begin with its weights"
    )
    train.add_argument(
        "--promote", action="store_true",
        help="use the new run from now on, if it is no worse on the shots that judge it",
    )  # fmt: skip
    add_shots_options(train)
    add_output_options(train, events=True)
    train.set_defaults(run=_train)

    use = subparsers.add_parser("use", help="which run of a project is in use from now on")
    use.add_argument("project", metavar="PROJECT", type=Path)
    use.add_argument("number", metavar="RUN", type=int, help="its number")
    add_output_options(use)
    use.set_defaults(run=_use)

    predict = subparsers.add_parser("predict", help="read all shots with a trained network")
    predict.add_argument("target", metavar="PROJECT_OR_FILE", type=Path)
    predict.add_argument("--run", type=run_folder, required=True, dest="folder", metavar="DIR")
    predict.add_argument(
        "--out", type=Path, metavar="FILE.h5",
        help="file to write (default: beside FILE, or in the run's folder)",
    )  # fmt: skip
    predict.add_argument("--engine", default="auto", choices=("auto", "torch", "openvino"))
    add_engine_options(predict, only_dask=True)
    add_file_options(predict)
    add_output_options(predict, events=True)
    predict.set_defaults(run=_predict)

    package = subparsers.add_parser(
        "export-model",
        help="write a trained network for other programs: ONNX with a card",
        description="A folder in the layout of the BioImage Model Zoo: ONNX, a script of numpy that"
        " reads shots with it as `predict` does, a card, a test input and output, SHA-256 of every"
        " file.",
    )
    package.add_argument("run_folder", metavar="RUN", type=run_folder)
    package.add_argument("--out", type=Path, required=True, metavar="FOLDER", help="a new folder")
    package.add_argument("--name", default="", metavar="N", help="of the model (default: its run)")
    package.add_argument(
        "--author", action="append", default=[], metavar="A", help="may be repeated"
    )
    package.add_argument(
        "--licence", default="", metavar="SPDX", help="such as CC-BY-4.0 (default: none granted)"
    )
    add_output_options(package)
    package.set_defaults(run=_export_model)

    recipes = subparsers.add_parser("recipes", help="list the recipes")
    recipes.add_argument("--show", metavar="R", help="print one as TOML, to change and use")
    add_output_options(recipes)
    recipes.set_defaults(run=_recipes)

    networks = subparsers.add_parser("networks", help="list the networks and their parameters")
    networks.add_argument("--channels", type=count, default=1, help="of the input")
    networks.add_argument("--classes", type=count, default=11, help="how many")
    add_output_options(networks)
    networks.set_defaults(run=_networks)


# -- train -----------------------------------------------------------------------------------------


def _train(args: argparse.Namespace) -> int:
    last = follow(_noting_what_is_kept(_training(args), args), args)
    if not last:  # one of several processes, and not the first
        return 0
    if args.json:
        print_json(last)
    elif not args.events:
        _say_outcome(last)
    return 0


def _noting_what_is_kept(events: Iterator[Event], args: argparse.Namespace) -> Iterator[Event]:
    """The same events; meanwhile `args.goes_on` says whether a training broken off now can go on:
    from its first whole epoch on, until it reads the shots."""
    before = ""
    for item in events:
        if item["event"] == "progress":
            args.goes_on = ""
        elif before == "epoch" or (args.resume and item["event"] == "started"):
            args.goes_on = f"{THE_SAME} with --resume"
        before = item["event"]
        yield item


def _training(args: argparse.Namespace) -> Iterator[Event]:
    stop = listen()
    recipe = _recipe(args)
    args.target = args.targets[0]
    if the_project(args.targets):
        refuse_file_options(args, args.target)
        from labeler.runs.train_project import TrainingRequest, train_project

        request = TrainingRequest(
            args.seed, args.devices, args.resume, args.warm_start, args.out, args.promote
        )
        with _alone(args.target):
            yield from train_project(args.target, recipe, request, stop)
    else:
        yield from _train_file(args, recipe, stop)


@contextmanager
def _alone(project: Path) -> Iterator[None]:
    """Nothing else trains the project meanwhile; of a window's job, the window sees to that."""
    if is_followed() or is_helper():
        yield
        return
    lock = lock_training(project)
    try:
        yield
    finally:
        if lock is not None:
            lock.release()


def _train_file(args: argparse.Namespace, recipe: Recipe, stop: Stop) -> Iterator[Event]:
    from model.training.train import Options, train

    table = table_given(args.targets, args)
    out = args.out or args.target.with_name(f"{args.target.stem}-{recipe.name}")
    options = Options(args.seed, args.devices, args.resume, args.warm_start)
    yield from train(table, recipe, out, stop=stop, options=options)


def _say_outcome(last: Event) -> None:
    console = PlainConsole()
    metrics, constant = last.get("metrics", {}), last.get("constant", {})
    for name in ("accuracy", "precision", "recall", "macro_f1", "rare_f1", "contradiction_rate"):
        if metrics.get(name) is not None:
            blind = constant.get(name)
            beside = "" if blind is None else f"   (always the same answer: {blind:.3f})"
            console.print(f"{name.replace('_', ' '):20}{metrics[name]:.3f}{beside}")
    if last.get("comparison"):
        console.print(last["comparison"]["text"])
    if last.get("decision"):
        console.print(last["decision"])
        if not last["current"]:
            number = int(Path(last["run"]).name)
            console.print(f"To use it, choose it in Learn, or: airylabel use PROJECT {number}")
    if last.get("run"):
        console.print(f"run folder: {last['run']}")


# -- use -------------------------------------------------------------------------------------------


def _use(args: argparse.Namespace) -> int:
    from labeler.project.project import Project
    from labeler.runs.predictions import RunPredictions

    with Project.open(args.project) as project:
        path = project.run_folder(args.number) / PREDICTIONS
        if not path.is_file():
            usable = [r.number for r in project.runs() if (r.folder / PREDICTIONS).is_file()]
            mend = f"There are: {', '.join(map(str, usable))}." if usable else "Train one first."
            what = f"has no run {args.number} that predicted its shots"
            raise InputError(what, file=args.project, mend=mend)
        RunPredictions.open(path, project.taxonomy, project.n_shots)  # refuses damaged ones
        project.current_run = args.number
    if args.json:
        print_json({"current_run": args.number})
    else:
        PlainConsole().print(f"Run {args.number} is in use.")
    return 0


# -- predict ---------------------------------------------------------------------------------------


def _predict(args: argparse.Namespace) -> int:
    last = follow(_predicting(args), args)
    if args.json:
        print_json(last)
    elif not args.events and last.get("predictions"):
        print(last["predictions"])
    return 0


def _predicting(args: argparse.Namespace) -> Iterator[Event]:
    from model.prediction.predict import predict
    from model.runs.prediction_file import check_place
    from model.shots.table import table_of_file

    stop = listen()
    if is_project(args.target):
        refuse_file_options(args, args.target)
        from labeler.project.preparation import preparation_for
        from labeler.project.project import Project
        from model.runs.checkpoint import describe
        from model.taxonomy.same_classes import columns_of

        with Project.open(args.target) as project:
            project.refuse_changed()
            table = project.shot_table()
            run = project.run_given(args.folder)
            preparation = preparation_for(project, run)
            columns_of(project.taxonomy, describe(run).taxonomy, run)  # refuses foreign classes
        ours = args.target / f"{run.name}-{PREDICTIONS}" if is_shipped(run) else run / PREDICTIONS
        out = args.out or ours
    else:
        table = table_of_file(args.target, args.dataset, taxonomy_given(args))
        run, preparation = args.folder, None
        out = args.out or args.target.with_name(f"{args.target.stem}-{PREDICTIONS}")
    check_place(out, run, (info.path for info in table.sources))
    if args.workers is not None and args.scheduler is None:
        raise InputError("--workers needs --scheduler here", mend="Try --scheduler local.")
    with _alone(args.target) if is_project(args.target) and not args.out else nullcontext():
        yield from predict(
            table, run, out, stop=stop, engine=args.engine,
            scheduler=args.scheduler, workers=args.workers, preparation=preparation,
        )  # fmt: skip


# -- export-model ----------------------------------------------------------------------------------


def _export_model(args: argparse.Namespace) -> int:
    from model.prediction.model_package import Signature, export_model

    signature = Signature(
        args.name, tuple(args.author), args.licence, _rules_beside(args.run_folder)
    )
    made = export_model(args.run_folder, args.out, signature)
    if args.json:
        print_json(made)
    else:
        print(f"The model is {args.out}; SHA-256 of {made['model']}: {made['sha256']}")
        if not made["example"]:
            print("It says no class of any simulated shot: the zoo's own test will refuse that.")
    return 0


def _rules_beside(run: Path) -> tuple[str, ...]:
    """The rules of the project that a run lies in; () for a run of no project."""
    from labeler.project.folder import RUNS, TAXONOMY
    from model.taxonomy.toml import load

    runs = run.resolve().parent
    path = runs.parent / TAXONOMY
    if runs.name != RUNS or not path.is_file():
        return ()
    return tuple(f"{rule.text} ({rule.severity})" for rule in load(path).rules)


# -- lists -----------------------------------------------------------------------------------------


def _recipes(args: argparse.Namespace) -> int:
    from model.runs import recipes

    if args.show:
        recipe = _named_recipe(args.show)
        if args.json:
            print_json(recipe.to_dict())
        else:
            print(recipes.to_toml(recipe), end="")
    elif args.json:
        print_json({name: recipes.named(name).to_dict() for name in recipes.NAMES})
    else:
        for name in recipes.NAMES:
            print(f"{name:10}{recipes.named(name).about}")
    return 0


def _networks(args: argparse.Namespace) -> int:
    from model.networks.architectures import parameters_of
    from model.networks.table import NAMES

    found = {name: parameters_of(name, args.channels, args.classes) for name in NAMES}
    if args.json:
        print_json(found)
    else:
        for name, count in found.items():
            print(f"{name:12}{count:>12,} parameters")
    return 0


# -- what the arguments mean -----------------------------------------------------------------------


def _recipe(args: argparse.Namespace) -> Recipe:
    """The recipe with what the options change."""
    from model.runs.recipes import Recipe

    values = _named_recipe(args.recipe).to_dict()
    for word in args.set:
        key, equals, text = word.partition("=")
        if not equals:
            raise InputError(f"--set {word!r} lacks its value", mend="Write --set KEY=VALUE.")
        values[key.strip()] = _value(text.strip())
    if args.epochs is not None:
        values["steps"] = 0
    for key in ("network", "epochs", "size"):
        if getattr(args, key) is not None:
            values[key] = getattr(args, key)
    recipe = Recipe.from_dict(values, trained=args.resume)
    if args.input == "correlation":
        recipe = recipe.on_maps()
    return recipe


def _value(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return text


def _named_recipe(name: str) -> Recipe:
    from model.runs import recipes

    return recipes.read(name) if name.endswith(".toml") else recipes.named(name)
