"""`bench scale`: what a project of N shots costs in time, memory and bytes, for growing N.

Each operation runs in a process of its own, whose greatest memory is measured, on a project that
the operation before it left. Patterns are the same few ones again and again in a file that is empty
elsewhere, and predictions are made up: what a network takes for a shot does not depend on N and is
measured on a few shots; what grows is the writing, reading and ordering. Nothing here is used
while labelling.
"""

from __future__ import annotations

import math
import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from statistics import median
from typing import Any

import h5py
import numpy as np

from labeler.active import asking
from labeler.exchange import export
from labeler.project.project import Project
from labeler.project.store.records import LABELLED
from labeler.runs.predictions import RunPredictions
from labeler.window.process.screen import paint_unseen
from model.active import head, selection
from model.active.strategies import STRATEGIES
from model.heatmaps.geometry import FULL_FIELD
from model.runs.folder import DESCRIPTION, PREDICTIONS, WEIGHTS
from model.runs.prediction_file import PredictionFile
from model.runs.recipes import shipped_network

Numbers = dict[str, float]
DRAWN, SIZE = 256, 224
"""Different patterns in the file, and their side."""
LEFT = 10
"""Shots that stay undecided."""
AT_ONCE = 50_000
KEYS = 200
"""Single labels of which the median counts."""
TIMES = 5
"""Openings and orders of which the median counts."""
WIDTH, GRID = 512, (7, 7)
"""Numbers of an embedding; cells of a heatmap."""
LEARNT, ASKED = 500, 200
"""Labels of which the head learns, and shots that are asked for, however many there are."""
STRATEGY = next(iter(STRATEGIES))
READ = 64
"""Shots that the network reads."""


def measure(to: int = 1_000_000) -> dict[str, Any]:
    """`rows`: one for each power of ten from 1,000 on up to `to`; `exponents`: how each grows.

    An exponent is the slope of log(seconds) over log(N) between the two largest N: 1 is linear, 0
    does not depend on N. `network_ms`: of one shot, on a few of them, not in the rows.
    """
    rows = list(_rows(to))
    return {"rows": rows, "exponents": exponents(rows), "network_ms": _network_ms()}


def _rows(to: int) -> Iterator[Numbers]:
    n = 1000
    while n <= to:
        with tempfile.TemporaryDirectory(prefix="airylabel-scale-") as name:
            row: Numbers = {"shots": n}
            for operation in OPERATIONS.values():
                row |= _apart(operation, Path(name), n)
            yield row
        n *= 10


def exponents(rows: list[Numbers]) -> Numbers:
    """Slope of the logarithms between the two largest N, by name of each time in the rows."""
    if len(rows) < 2:
        return {}
    small, large = rows[-2:]
    growth = math.log(large["shots"] / small["shots"])
    times = [name for name in large if name.endswith(("_s", "_ms"))]
    return {name: math.log(max(large[name], 1e-9) / max(small[name], 1e-9)) / growth
            for name in times}  # fmt: skip


def _apart(operation: Callable[[Path, int], Numbers], folder: Path, n: int) -> Numbers:
    """What an operation found, and the most memory its process had, in MB."""
    with ProcessPoolExecutor(1, get_context("spawn")) as worker:
        return worker.submit(_with_memory, operation, folder, n).result()


def _with_memory(operation: Callable[[Path, int], Numbers], folder: Path, n: int) -> Numbers:
    found = operation(folder, n)
    name = operation.__name__.strip("_")
    if sys.platform != "win32":
        import resource

        most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        found[f"{name}_mb"] = most / (1e6 if sys.platform == "darwin" else 1e3)
    return found


# -- the operations, in their order ----------------------------------------------------------------


def _create(folder: Path, n: int) -> Numbers:
    """A project on a file of shots."""
    random = np.random.default_rng(n)
    source = folder / "shots.h5"
    with h5py.File(source, "w") as file:
        images = file.create_dataset("images", (n, SIZE, SIZE), np.uint16, chunks=(1, SIZE, SIZE))
        for row in np.linspace(0, n - 1, min(DRAWN, n)).astype(int).tolist():
            images[row] = random.poisson(20, (SIZE, SIZE))
    begin = time.perf_counter()
    Project.create(folder / "week", [source]).close()
    return {
        "create_s": time.perf_counter() - begin,
        "create_bytes_per_shot": _bytes(folder / "week") / n,
    }


def _label(folder: Path, n: int) -> Numbers:
    """All but a few shots in large steps, then single ones, each on disk before the next."""
    random = np.random.default_rng(n)
    with Project.open(folder / "week") as project:
        before = _bytes(folder / "week")
        sets = project.taxonomy.pack(project.taxonomy.legal_sets)
        sets = sets[sets > 0]
        rows = np.sort(random.permutation(n)[LEFT:])
        begin = time.perf_counter()
        for start in range(0, len(rows), AT_ONCE):
            some = rows[start : start + AT_ONCE]
            chosen = random.choice(sets, len(some))
            project.store.record(project.annotator, some, chosen, LABELLED, origin="bulk")
        seconds = time.perf_counter() - begin
        times = []
        for row in random.choice(rows, KEYS):
            begin = time.perf_counter()
            project.store.record(
                project.annotator, [row], [random.choice(sets)], LABELLED, origin="key"
            )
            times.append(1000 * (time.perf_counter() - begin))
    return {
        "label_all_s": seconds,
        "label_one_ms": float(np.median(times)),
        "label_bytes_per_shot": (_bytes(folder / "week") - before) / n,
    }


def _window(folder: Path, n: int) -> Numbers:
    """The window on that project: to the first pattern, a key, the next undecided shot."""
    from labeler.cli.bench import million as timing_scale

    paint_unseen()
    found = timing_scale.at_size(folder)
    kept = {"open_s": "open_s", "label_ms_median": "key_ms", "step_ms_median": "next_shot_ms",
            "next_unlabelled_ms": "next_undecided_ms", "counts_ms": "count_all_ms"}  # fmt: skip
    return {ours: found[theirs] for theirs, ours in kept.items()}


def _predict(folder: Path, n: int) -> Numbers:
    """Writing what a network says of every shot: made-up numbers, as many as a real one's."""
    with Project.open(folder / "week") as project:
        names, run = list(project.taxonomy.names), project.new_run_folder()
    random = np.random.default_rng(n)
    some = min(n, 4096)
    values: dict[str, Any] = {
        "probabilities": random.random((some, len(names)), np.float32),
        "logits": random.normal(size=(some, len(names))).astype(np.float32),
        "embeddings": random.normal(size=(some, WIDTH)).astype(np.float16),
        "heatmaps": random.normal(size=(some, len(names), *GRID)).astype(np.float16),
        "heatmaps_chattopadhay": random.normal(size=(some, len(names), *GRID)).astype(np.float16),
        "heatmap_scale": np.ones((some, len(names)), np.float32),
        "readable": np.ones(some, bool),
        "field": np.tile(np.array(FULL_FIELD, np.float32), (some, 1)),
    }
    about = {"class_names": names, "thresholds": np.full(len(names), 0.5, np.float32)}
    begin = time.perf_counter()
    file = PredictionFile(run / PREDICTIONS, n, len(names), WIDTH, GRID, about)
    for start in range(0, n, some):
        rows = np.arange(start, min(start + some, n))
        file.write(rows, {name: value[: len(rows)] for name, value in values.items()})
    file.finish()
    seconds = time.perf_counter() - begin
    return {
        "predict_write_s": seconds,
        "predict_bytes_per_shot": (run / PREDICTIONS).stat().st_size / n,
    }


def _order(folder: Path, n: int) -> Numbers:
    """Opening the predictions and sorting all shots by how unsure the network is."""
    with Project.open(folder / "week") as project:
        path = project.run_folder(1) / PREDICTIONS
        opened, ordered = [], []
        for _ in range(TIMES):  # at first the machine may still have to find the memory
            begin = time.perf_counter()
            found = RunPredictions.open(path, project.taxonomy, n)
            then = time.perf_counter()
            np.argsort(-found.uncertainty(), kind="stable")
            opened.append(then - begin)
            ordered.append(time.perf_counter() - then)
            del found
    return {"predictions_open_s": median(opened), "order_s": median(ordered)}


def _ask(folder: Path, n: int) -> Numbers:
    """What to label next among all but a few shots: from reading all embeddings to the answer."""
    with Project.open(folder / "week") as project:
        for name in (DESCRIPTION, WEIGHTS):
            shutil.copyfile(shipped_network() / name, project.run_folder(1) / name)
        project.current_run = 1
        begin = time.perf_counter()
        has = asking.known(project)
        few = np.zeros(n, bool)
        few[np.flatnonzero(has.labelled)[:LEARNT]] = True
        made = head.fit(
            has.embeddings[few], has.labels[few], project.taxonomy,
            prior=has.prior, space=has.space, known=has.decided[few],
        )  # fmt: skip
        loaded = time.perf_counter()
        chance = made.probabilities(has.embeddings)
        selection.ask(STRATEGY, chance, has.embeddings, few, has.labels, project.taxonomy, ASKED)
        ended = time.perf_counter()
    return {"ask_prepare_s": loaded - begin, "ask_s": ended - loaded}


def _export(folder: Path, n: int) -> Numbers:
    """All labels as CSV."""
    out = folder / "labels.csv"
    with Project.open(folder / "week") as project:
        begin = time.perf_counter()
        export(project, "csv", out)
        seconds = time.perf_counter() - begin
    return {"export_s": seconds, "export_bytes_per_shot": out.stat().st_size / n}


OPERATIONS: dict[str, Callable[[Path, int], Numbers]] = {
    "create": _create,
    "label": _label,
    "window": _window,
    "predict": _predict,
    "order": _order,
    "ask": _ask,
    "export": _export,
}


def _network_ms() -> float:
    """Milliseconds of the shipped network for one shot, heatmaps included, without its start."""
    from model.benchmarks.inference import pass_ms

    return pass_ms(READ)


def _bytes(folder: Path) -> int:
    return sum(p.stat().st_size for p in folder.rglob("*") if p.is_file())


# -- the figure ------------------------------------------------------------------------------------


def draw(found: dict[str, Any], path: Path) -> None:
    """Seconds and memory against N, on logarithmic axes, as PNG, SVG or PDF."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure
    from matplotlib.ticker import LogLocator

    from model.inspection.figures import write

    rows = found["rows"]
    n = [row["shots"] for row in rows]
    figure = Figure((12, 5), layout="constrained")
    FigureCanvasAgg(figure)
    panels = {"_s": "all shots: seconds", "_ms": "a key or a look: ms", "_mb": "memory: MB at most"}
    for axes, (ending, title) in zip(figure.subplots(1, 3), panels.items(), strict=True):
        for name in (k for k in rows[0] if k.endswith(ending)):
            words = name.removesuffix(ending).replace("_", " ")
            axes.loglog(n, [row[name] for row in rows], marker=".", label=words)
        axes.set_title(title, fontsize=10, loc="left")
        axes.set_xlabel("shots", fontsize=9)
        axes.yaxis.set_major_locator(LogLocator(subs=(1, 3)))
        axes.yaxis.set_major_formatter("{x:g}")
        axes.yaxis.set_minor_formatter("")
        axes.grid(alpha=0.25)
        axes.legend(
            fontsize=8, frameon=False, ncols=2, loc="upper left", bbox_to_anchor=(-0.02, -0.14)
        )
    write(figure, path, 150)
