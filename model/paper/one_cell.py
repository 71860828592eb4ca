"""Trains one cell, or runs its baseline, and leaves its numbers on the shelf.

What is kept is small: the curve with the counts of every class, times and shots. Weights stay only
where a figure needs them or a person asks for them.
"""

from __future__ import annotations

import gc
import json
import shutil
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from model.errors import InputError
from model.events import Event, event
from model.paper.baselines import run as run_baselines
from model.paper.cells import Cell, Shelf
from model.paper.data import Stopped
from model.paper.study import Study, machine, words_of
from model.runs.folder import METRICS, RESUME
from model.training.train import Options, train


def run_cell(
    study: Study, shelf: Shelf, cell: Cell, stop: Callable[[], bool], cache: Path | None = None
) -> Iterator[Event]:
    """Events of one cell; a failure stays on the shelf in words.

    Raises Stopped, and InputError where a file of the study has changed. Reduced shots are kept in
    the folder `cache`, which no two processes may share.
    """
    if stop():
        raise Stopped
    study.datasets.check_unchanged()
    key = study.key(cell)
    try:
        yield from study.datasets.prepare(cell, stop)
        if cell.baseline:
            yield from _baseline(study, shelf, cell, stop, cache or study.order.out / "cache")
        else:
            yield from _train(study, shelf, cell, stop, cache or study.order.out / "cache")
    except InputError as error:
        shelf.failed[key] = str(error)
        yield event("note", level="warning", text=f"{words_of(cell)}: {error}")


def _train(
    study: Study, shelf: Shelf, cell: Cell, stop: Callable[[], bool], cache: Path
) -> Iterator[Event]:
    order, key = study.order, study.key(cell)
    folder = shelf.run_folder(key)
    going_on = (folder / RESUME).is_file()
    options = Options(seed=cell.seed, resume=going_on, cache=cache)
    last: Event = {}
    events = train(study.datasets.split(cell), cell.recipe, folder, options=options)
    for last in events:
        if last["event"] == "epoch":
            yield event("progress", what="this training", done=last["epoch"], total=last["epochs"],
                        loss=last["loss"])  # fmt: skip
        if last["event"] == "progress":
            yield last
        if stop():
            events.close()  # type: ignore[attr-defined]  # the last epoch is on disk: goes on there
            raise Stopped
    gc.collect()  # a network hangs in rings of references; dozens of them would fill the memory
    if last["event"] == "failed":
        raise InputError(last["text"])
    shelf.put(key, _result(study, cell, json.loads((folder / METRICS).read_text("utf-8"))))
    if not (order.keep or shows_figures(cell)):
        shutil.rmtree(folder)


def shows_figures(cell: Cell) -> bool:
    """Whether the network of this cell is kept, as figures need it: alpha 0.2 on clean shots."""
    r = cell.recipe
    plain = not cell.noise and cell.share == 1 and r.input == "pattern" and r.transform == "raw"
    return plain and cell.seed == 0 and r.activation == "log" and r.alpha == 0.2


def _result(study: Study, cell: Cell, report: dict[str, Any]) -> dict[str, Any]:
    """What is kept of a training: everything that a table may need, nothing large."""
    found = [e for e in report["history"] if e["metrics"]] + report["evaluations"]
    found.sort(key=lambda e: e["epoch"])
    curve = [
        {"epoch": e["epoch"], **e["metrics"], "classes": counts}
        for e, counts in zip(found, report["class_counts"], strict=True)
    ]
    names = study.datasets.tables[cell.dataset].class_names
    return {
        **_about(study, cell),
        "class_names": list(names),
        "curve": curve,
        "epochs": report["epochs"],
        "seconds": report["seconds"],
        "shots": report["shots"],
        "constant": report["constant"],
        "constant_labels": report["constant_labels"],
        "rare_classes": report["rare_classes"],
    }


def _about(study: Study, cell: Cell) -> dict[str, Any]:
    return {
        "what": words_of(cell),
        "fingerprint": study.datasets.fingerprint(cell.dataset),
        "missing": study.datasets.missing(cell),
        "machine": machine(),
        "when": time.strftime("%Y-%m-%d %H:%M"),
        "recipe": cell.recipe.to_dict(),
    }


def _baseline(
    study: Study, shelf: Shelf, cell: Cell, stop: Callable[[], bool], cache: Path
) -> Iterator[Event]:
    table = study.datasets.split(cell)
    began = time.monotonic()
    last: Event = {}
    for last in run_baselines((cell.baseline,), table, cell.seed, stop, cache / "baselines"):
        if last["event"] == "progress":
            yield last
    if last["event"] != "finished":
        raise Stopped
    found = last["results"][cell.baseline]
    about = {**_about(study, cell), "class_names": list(table.class_names), "epochs": 1}
    seconds = time.monotonic() - began
    shelf.put(study.key(cell), about | {"curve": [{"epoch": 1, **found}], "seconds": seconds})
