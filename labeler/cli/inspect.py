"""Subcommands that question a network or labels: figure, faithfulness, occlusion, suspicious."""

from __future__ import annotations

import argparse
import os
import tempfile
from collections.abc import Generator, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from labeler.cli.output import (
    PlainConsole,
    Subparsers,
    add_output_options,
    count,
    follow,
    print_json,
    seed,
)
from labeler.cli.targets import (
    SHIPPED,
    is_project,
    run_folder,
    run_for,
    seen_by,
    table_of_project,
)
from labeler.jobs.child import listen
from labeler.project.folder import has_database
from model.errors import InputError, counted
from model.events import Event, Stop, event
from model.heatmaps.forms import BEST, BEST_WORD, HEAT_FORMS
from model.runs.folder import DESCRIPTION, PREDICTIONS

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from model.active.prior import Prior
    from model.prediction.before_labels import Halves
    from model.preprocessing.preparation import Preparation
    from model.shots.table import ShotTable
    from model.taxonomy.taxonomy import Taxonomy

GROUPS = ("hits", "false", "missed", "certain", "unsure", "labelled")
BACKBONE = "the embeddings of the shipped network, which never saw these labels"


def add_parsers(subparsers: Subparsers) -> None:
    """figure, faithfulness, occlusion, suspicious."""
    _add_figure(subparsers)
    _add_faithfulness(subparsers)
    _add_occlusion(subparsers)
    _add_suspicious(subparsers)


def _add_figure(subparsers: Subparsers) -> None:
    parser = subparsers.add_parser(
        "figure",
        help="where the network looked for a class, as a figure for a paper",
        description="Shots of each class with dashed contours of the heat and the heat as"
        " transparency, as in the paper's Fig. 5. PDF, SVG or PNG by the name of OUT.",
    )
    parser.add_argument(
        "target", type=run_folder, metavar="PROJECT_OR_RUN",
        help=f"a project, for its run in use; the folder of a run; or {SHIPPED}",
    )  # fmt: skip
    parser.add_argument("--file", type=Path, metavar="FILE", help="shots for a RUN of no project")
    parser.add_argument(
        "--class", dest="classes", action="append", metavar="C", help="a class; may be repeated"
    )
    parser.add_argument("--out", type=Path, required=True, metavar="OUT", help="figure to write")
    parser.add_argument("--group", choices=GROUPS, default="hits", help="default: hits")
    parser.add_argument("--per-class", type=count, default=5, metavar="N", help="default: 5")
    parser.add_argument("--seed", type=seed, default=0, help="which shots of the group are drawn")
    parser.add_argument("--shots", metavar="N,N", help="these shots, counted from 1, instead")
    parser.add_argument(
        "--form", dest="forms", action="append", choices=(BEST_WORD, *HEAT_FORMS),
        help="of heat; may be repeated: the same shots in each form. best (the default): what did"
        " best for the class on simulated shots; paper: Grad-CAM++, as in the paper's Fig. 5",
    )  # fmt: skip
    parser.add_argument("--colormap", default="viridis", help="one of matplotlib's")
    parser.add_argument("--dpi", type=count, default=200, help="of a PNG (default: 200)")
    parser.add_argument("--force", action="store_true", help="replace OUT if it is there")
    add_output_options(parser, events=True)
    parser.set_defaults(run=_figure)


def _add_faithfulness(subparsers: Subparsers) -> None:
    parser = subparsers.add_parser(
        "faithfulness",
        help="faithfulness of heatmaps (deletion/insertion test)",
        description="Take the hottest places out of shots, and put them alone back in: how much"
        " faster does the class go and come than by chance, and than by occlusion?"
        " With --truth: does heat of every form lie where the cause of a class is known to be, on"
        " simulated shots? This is kept in the run's folder, where the window looks for it, where"
        " no --class was named.",
    )
    parser.add_argument("run_folder", type=run_folder, metavar="RUN")
    parser.add_argument("file", type=Path, nargs="?", metavar="FILE_OR_PROJECT")
    parser.add_argument(
        "--truth", action="store_true", help="on simulated shots, every form; needs no FILE"
    )
    parser.add_argument("--class", dest="classes", action="append", metavar="C")
    parser.add_argument(
        "--shots", type=count, metavar="N", help="of a class (default: 24; --truth: 30)"
    )
    parser.add_argument(
        "--form", choices=(BEST_WORD, *HEAT_FORMS),
        help="of heat (default: paper; --truth: every form). best: of each class, what did best for"
        " it on simulated shots",
    )  # fmt: skip
    parser.add_argument("--seed", type=seed, default=0)
    parser.add_argument("--no-occlusion", action="store_true", help="leave out what takes longest")
    parser.add_argument(
        "--out",
        type=Path,
        metavar="FILE.json",
        help="keep the result here (with --truth: here too)",
    )
    add_output_options(parser, events=True)
    parser.set_defaults(run=_faithfulness)


def _add_occlusion(subparsers: Subparsers) -> None:
    parser = subparsers.add_parser(
        "occlusion", help="what a shot's class loses where a part of it is covered"
    )
    parser.add_argument("run_folder", type=run_folder, metavar="RUN")
    parser.add_argument("file", type=Path, metavar="FILE_OR_PROJECT")
    parser.add_argument("--shot", type=int, required=True, metavar="N", help="counted from 1")
    parser.add_argument("--class", dest="kind", required=True, metavar="C")
    add_output_options(parser, events=True)
    parser.set_defaults(run=_occlusion)


def _add_suspicious(subparsers: Subparsers) -> None:
    parser = subparsers.add_parser(
        "suspicious",
        help="labels that are probably wrong, and why",
        description="Confident learning out of fold and the nearest shots by embedding. With"
        " --plant, errors are made in the labels first and the flags are counted against them.",
    )
    parser.add_argument("target", type=Path, metavar="PROJECT_OR_FILE")
    parser.add_argument("--run", dest="folder", type=run_folder, metavar="RUN",
        help="whose embeddings (default: the shipped network's, which never saw the labels)",
    )  # fmt: skip
    parser.add_argument("--most", type=count, default=200, metavar="N", help="shots in the list")
    parser.add_argument("--plant", type=float, metavar="SHARE", help="measure with planted errors")
    parser.add_argument("--seed", type=seed, default=0)
    parser.add_argument("--seeds", type=count, default=3, help="repetitions with --plant")
    add_output_options(parser, events=True)
    parser.set_defaults(run=_suspicious)


# -- figure ----------------------------------------------------------------------------------------


def _figure(args: argparse.Namespace) -> int:
    last = follow(_drawing(args), args)
    if args.json:
        print_json({k: v for k, v in last.items() if k in ("out", "shown")})
    elif not args.events:
        print(f"{counted(sum(map(len, last['shown'].values())), 'shot')} drawn to {last['out']}")
    return 0


def _drawing(args: argparse.Namespace) -> Iterator[Event]:
    from labeler.window.widgets.schematics import render
    from model.heatmaps.truth_table import table_of
    from model.inspection.class_figure import FigureRequest, draw
    from model.runs.recipes import shipped_network

    listen()
    if args.out.exists() and not args.force:
        raise InputError("is already there", file=args.out, mend="Use --force to replace it.")
    run, table, preparation, seen = _run_and_table(args.target, args.file)
    rows = _rows(args.shots) if args.shots else None
    request = FigureRequest(
        tuple(args.classes or ("Streak", "Bent")), args.group, args.per_class, args.seed,
        tuple(map(_form, args.forms or (BEST_WORD,))),
    )  # fmt: skip
    truth = table_of(run, shipped_network(), table.taxonomy)
    yield event("progress", what="drawing", done=0, total=1)
    shown = draw(
        table, run, args.out, request, preparation=preparation, seen=seen, rows=rows,
        render=render, truth=truth, colormap=args.colormap, dpi=args.dpi,
    )  # fmt: skip
    yield event("finished", metrics={}, out=str(args.out), shown=shown)


def _rows(shots: str) -> list[int]:
    """Places from 0 of shots that are counted from 1."""
    words = [word.strip() for word in shots.split(",")]
    for word in words:
        if not word.isdecimal():
            raise InputError(f"{word!r} is no number of a shot", mend="Write --shots 3,17.")
    return [int(word) - 1 for word in words]


# -- faithfulness and occlusion --------------------------------------------------------------------


def _faithfulness(args: argparse.Namespace) -> int:
    last = follow(_truth(args) if args.truth else _measuring(args), args)
    if args.json:
        print_json({k: v for k, v in last.items() if k not in ("event", "time", "metrics")})
    elif not args.events:
        (_print_truth if args.truth else _print_faithfulness)(last)
    return 0


def _measuring(args: argparse.Namespace) -> Iterator[Event]:
    from model.heatmaps.truth_table import table_of
    from model.inspection.faithfulness import FaithfulnessStudy, measure
    from model.runs.recipes import shipped_network

    stop = listen()
    if args.file is None:
        mend = "Name the file or project after the run, or ask for --truth on simulated shots."
        raise InputError("faithfulness needs shots to question the run about", mend=mend)
    table = _table(args.file)
    study = FaithfulnessStudy(
        tuple(args.classes or ()), args.shots or 24, _form(args.form or "paper"), args.seed,
        not args.no_occlusion,
    )  # fmt: skip
    run, preparation = run_for(args.file, args.run_folder)
    truth, seen = table_of(run, shipped_network(), table.taxonomy), seen_by(run, args.file)
    yield from measure(table, run, study, args.out, stop, preparation, truth, seen)


def _form(word: str) -> str:
    """A form of heat by its word on the command line."""
    return BEST if word == BEST_WORD else word


def _truth(args: argparse.Namespace) -> Iterator[Event]:
    from model.heatmaps.truth_table import RESULT
    from model.inspection.truth import TruthStudy, measure

    stop = listen()
    if args.form is not None:
        what = f"--truth tests every form of heat, not {args.form} alone"
        raise InputError(what, mend="Leave out --form.")
    run = args.run_folder if args.file is None else run_for(args.file, args.run_folder)[0]
    study = TruthStudy(tuple(args.classes or ()), args.shots or 30, args.seed)
    outs = [] if args.out is None else [args.out]
    if not args.classes and os.access(run, os.W_OK):
        outs.append(run / RESULT)
    yield from measure(run, study, outs, stop)


def _print_truth(last: Event) -> None:
    from rich.table import Table

    console = PlainConsole()
    for name, questions in last.get("classes", {}).items():
        for question, found in questions.items():
            title = f"{name}: {question} ({found['cases']} of {found['tried']} shots said)"
            shown = Table("heat", "score (95 %)", "at the place", "deletion gap", title=title)
            for form, s in found["scores"].items():
                shown.add_row(
                    form,
                    f"{s['mean']:.2f} ({s['low']:.2f} … {s['high']:.2f})",
                    f"{100 * s['share']:.0f} %",
                    "" if s["gap"] is None else f"{s['gap']:+.2f}",
                )
            console.print(shown)
    for name, form in last.get("best", {}).items():
        console.print(f"{name}: best is {HEAT_FORMS[form].title}")
    for sentence in last.get("unseen", []):
        console.print(sentence)


def _print_faithfulness(last: Event) -> None:
    from rich.table import Table

    shown = Table(
        "class", "form", "shots", "faithfulness (95 %)", "occlusion", "heat masked",
        "heat outside", "",
    )  # fmt: skip
    for name, found in last.get("classes", {}).items():
        gap, other = found["heat"], found.get("occlusion")
        shown.add_row(
            name,
            found.get("form", last["form"]),
            str(found["shots"]),
            f"{gap['gap']:+.3f} ({gap['low']:+.3f} … {gap['high']:+.3f})",
            "–" if other is None else f"{other['gap']:+.3f}",
            f"{found['on_masked']:.2f}",
            f"{found['outside']:.2f}",
            "ALARM" if found["alarm"] else "",
        )
    PlainConsole().print(shown)
    PlainConsole().print(last.get("text", ""))


def _occlusion(args: argparse.Namespace) -> int:
    last = follow(_covering(args), args)
    if args.json:
        print_json({k: v for k, v in last.items() if k not in ("event", "time", "metrics")})
    elif not args.events:
        for line in last["cells"]:
            print(" ".join(f"{value:+.2f}" for value in line))
    return 0


def _covering(args: argparse.Namespace) -> Iterator[Event]:
    from model.inspection.occlusion import of_shot

    listen()
    table = _table(args.file)
    yield event("progress", what="covering", done=0, total=1)
    run, preparation = run_for(args.file, args.run_folder)
    seen = seen_by(run, args.file)
    found = of_shot(table, run, args.shot - 1, args.kind, preparation, seen)
    yield event("finished", metrics={}, shot=args.shot, of=args.kind, cells=found.tolist())


# -- suspicious ------------------------------------------------------------------------------------


def _suspicious(args: argparse.Namespace) -> int:
    last = follow(_suspecting(args), args)
    if args.json:
        print_json({k: v for k, v in last.items() if k not in ("event", "time", "metrics")})
    elif args.events:
        return 0
    elif args.plant is not None:
        mean = last["precision"]
        print(f"precision {mean:.2f} among the first flags that cover half of the planted errors")
    else:
        for found in last["suspects"]:
            print(f"shot {found['shot']:>6}  {found['reason']}")
        print(last["text"])
    return 0


def _suspecting(args: argparse.Namespace) -> Iterator[Event]:
    import numpy as np

    from model.active import suspicious
    from model.runs.prior import prior_of
    from model.runs.recipes import shipped_network

    if args.plant is not None and not 0 < args.plant < 0.5:
        raise InputError(f"--plant {args.plant} is no share", mend="Give 0.03 for 3 %.")
    stop = listen()
    table = _table(args.target)
    taxonomy = table.taxonomy
    if taxonomy is None:
        raise InputError(
            "its classes are those of no known taxonomy",
            file=args.target,
            mend="Make a project of it with `airylabel create` and name the project.",
        )
    given = table.labels[table.labelled].astype(bool)
    suspicious.check(given, args.target, planting=args.plant is not None)
    embeddings, whose = yield from _embeddings(args, table, stop)
    if embeddings is None:
        return
    sound = np.asarray(embeddings, np.float32)
    known = table.labelled & np.isfinite(sound).all(1) & (np.abs(sound).max(1, initial=0) > 0)
    rows = np.flatnonzero(known)
    x, y, decided = sound[rows], table.labels[rows].astype(bool), table.decided[rows]
    # the head of a run may have learnt these labels by heart
    prior = prior_of(shipped_network(), taxonomy, x) if whose == BACKBONE else None
    if args.plant is not None:
        yield _planted(x, y, decided, taxonomy, prior, args)
        return
    yield event("progress", what="comparing labels", done=0, total=1)
    found = suspicious.find(x, y, taxonomy, seed=args.seed, known=decided, prior=prior)
    names = table.class_names
    suspects = [
        {
            "shot": int(rows[i]) + 1,
            "quality": round(float(quality), 4),
            "class": names[kind],
            "labels": taxonomy.named(y[i]),
            "suggested": taxonomy.named(likely),
            "reason": reason,
        }
        for i, quality, kind, likely, reason in zip(
            found.rows, found.quality, found.kind, found.suggested, found.reasons, strict=True
        )
    ][: args.most]
    often = suspicious.often_doubted(found, y & decided)
    text = f"{len(found.rows):,} of {len(rows):,} labelled shots are suspicious, by {whose}."
    text = f"{text} {suspicious.in_words(often, names)}".strip()
    yield event(
        "finished", metrics={}, suspects=suspects, flagged=len(found.rows), judged=len(rows),
        embeddings=whose, text=text,
        often_doubted={names[c]: {"doubted": some, "given": given} for c, some, given in often},
    )  # fmt: skip


def _planted(
    x: npt.NDArray[np.generic],
    y: npt.NDArray[np.bool_],
    decided: npt.NDArray[np.bool_],
    taxonomy: Taxonomy,
    prior: Prior | None,
    args: argparse.Namespace,
) -> Event:
    from model.active import suspicious

    found = [
        suspicious.measure(x, y, taxonomy, args.plant, seed, decided, prior)
        for seed in range(args.seed, args.seed + args.seeds)
    ]
    reached = [f["precision"] or 0.0 for f in found]
    return event(
        "finished", metrics={}, precision=sum(reached) / len(reached), lowest=min(reached),
        share=args.plant, repetitions=found,
    )  # fmt: skip


def _embeddings(
    args: argparse.Namespace, table: ShotTable, stop: Stop
) -> Generator[Event, None, tuple[npt.NDArray[np.generic] | None, str]]:
    """Yields progress; returns (N, D) embeddings and in words whose they are.

    Best are those of a network that never saw these labels: in a project the shipped one's, where
    it has read all shots; the run in use, whose embeddings know the labels, only without them.
    """
    import h5py

    from labeler.active.embeddings import parts_of
    from labeler.project.project import Project
    from model.prediction import embedding_file as embedding_parts
    from model.prediction.predict import predict
    from model.runs.recipes import shipped_network

    if args.folder is not None:
        run, preparation = run_for(args.target, args.folder)
        whose = str(run)
    else:
        whose = BACKBONE
        run, preparation = run_for(args.target, shipped_network())
        if is_project(args.target):
            with Project.open(args.target) as project:
                cache, parts = project.folder, parts_of(project, table)
            found = (
                embedding_parts.read(parts, len(table)) if all(p.is_there for p in parts) else None
            )
            if found is not None:
                return found, whose
            current = _current_run(args.target)
            kept = None if current is None else _embeddings_kept(current, len(table))
            if current is not None and kept is not None:
                mend = f"airylabel embed {cache.name}"
                return kept, (
                    f"run {int(current.name)}, which has learnt these labels: the head is out of"
                    f" fold, the embeddings are not. Fairer, after {mend}: {BACKBONE}"
                )
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / PREDICTIONS
        for item in predict(table, run, out, stop=stop, preparation=preparation):
            if item["event"] == "failed":
                raise InputError(item["text"])
            if item["event"] == "cancelled":
                yield item
                return None, ""
            if item["event"] != "finished":
                yield item
        with h5py.File(out, "r", locking=False) as file:
            return file["embeddings"][()], whose


def _embeddings_kept(run: Path, shots: int) -> npt.NDArray[np.generic] | None:
    """(N, D) of a run that has read all shots, else None."""
    from model.runs.prediction_file import open_predictions

    if not (run / PREDICTIONS).is_file():
        return None
    with open_predictions(run / PREDICTIONS) as file:
        return file["embeddings"][()] if len(file["embeddings"]) == shots else None


# -- what the arguments mean -----------------------------------------------------------------------


def _table(target: Path) -> ShotTable:
    """Of a project with its labels of today, or of a file with those it carries."""
    from model.shots.table import table_of_file

    return table_of_project(target) if is_project(target) else table_of_file(target)


def _current_run(target: Path) -> Path | None:
    from labeler.project.project import Project

    with Project.open(target) as project:
        number = project.current_run
        return None if number is None else Path(project.run_folder(number))


def _run_and_table(
    target: Path, file: Path | None
) -> tuple[Path, ShotTable, Preparation | None, Halves | None]:
    """A project stands for its current run, a run in a project for that project's shots; and what
    is done to them first, see `run_for`, and `seen_by`."""
    if not (target / DESCRIPTION).is_file():
        current = _current_run(target)
        if current is None:
            mend = "Train a network first, or name a run."
            raise InputError("has no network in use", file=target, mend=mend)
        return current, _table(target), None, seen_by(current, target)
    home = target.resolve().parent.parent
    if file is None and not has_database(home):
        mend = "Say which shots to show: --file FILE."
        raise InputError("is a run of no project", file=target, mend=mend)
    shots = file or home
    return target, _table(shots), run_for(shots, target)[1], seen_by(target, shots)
