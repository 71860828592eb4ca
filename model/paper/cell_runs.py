"""Trains a cell, or runs its baseline, and keeps its numbers; several at a time, too.

What is kept is small: the curve with the counts of every class, times and shots. Weights stay only
where a figure needs them or a person asks for them. Several cells at a time have one process and
one device each, as trainings this small gain more from that than from sharing one among the
devices: every worker opens the data itself and keeps reduced shots in a folder of its own. A stop
reaches the workers through a file; each leaves its last epoch behind, where the next call goes on.
"""

from __future__ import annotations

import gc
import json
import multiprocessing
import os
import shutil
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from model.bulk.plain import WorkerPool
from model.errors import InputError
from model.events import Event, Stop, event
from model.paper.baselines import run as run_baselines
from model.paper.cells import Cell, FinishedCells
from model.paper.study import Datasets, Order, PaperStudy, Stopped, machine, words_of
from model.runs.folder import METRICS, RESUME
from model.training.train import Options, train


def run_cell(
    study: PaperStudy,
    finished: FinishedCells,
    cell: Cell,
    stop: Stop,
    cache: Path | None = None,
) -> Iterator[Event]:
    """Events of one cell; a failure stays among the finished ones in words.

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
            yield from _baseline(study, finished, cell, stop, cache or study.order.out / "cache")
        else:
            yield from _train(study, finished, cell, stop, cache or study.order.out / "cache")
    except InputError as error:
        finished.failed[key] = str(error)
        yield event("note", level="warning", text=f"{words_of(cell)}: {error}")


def _train(
    study: PaperStudy, finished: FinishedCells, cell: Cell, stop: Stop, cache: Path
) -> Iterator[Event]:
    order, key = study.order, study.key(cell)
    folder = finished.run_folder(key)
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
    finished.put(key, _result(study, cell, json.loads((folder / METRICS).read_text("utf-8"))))
    if not (order.keep or shows_figures(cell)):
        shutil.rmtree(folder)


def shows_figures(cell: Cell) -> bool:
    """Whether the network of this cell is kept, as figures need it: alpha 0.2 on clean shots."""
    r = cell.recipe
    plain = not cell.noise and cell.share == 1 and r.input == "pattern" and r.transform == "raw"
    return plain and cell.seed == 0 and r.activation == "log" and r.alpha == 0.2


def _result(study: PaperStudy, cell: Cell, report: dict[str, Any]) -> dict[str, Any]:
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


def _about(study: PaperStudy, cell: Cell) -> dict[str, Any]:
    return {
        "what": words_of(cell),
        "fingerprint": study.datasets.fingerprint(cell.dataset),
        "missing": study.datasets.missing(cell),
        "machine": machine(),
        "when": time.strftime("%Y-%m-%d %H:%M"),
        "recipe": cell.recipe.to_dict(),
    }


def _baseline(
    study: PaperStudy, finished: FinishedCells, cell: Cell, stop: Stop, cache: Path
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
    finished.put(study.key(cell), about | {"curve": [{"epoch": 1, **found}], "seconds": seconds})


_LOOK_S = 0.5
Answer = tuple[bool, str]
"""Of a worker: whether it was stopped, and why it failed in words ('' where it did not)."""


@dataclass(frozen=True)
class CellTask:
    """What a worker needs to know, once."""

    order: Order
    seeds: int
    gpus: int


def devices(wanted: str | int | None) -> int:
    """How many cells may run at a time: as wanted, else one for each GPU, and one without any.

    InputError where that many GPUs are not there, or it is no number.
    """
    import torch

    there = torch.cuda.device_count() if torch.cuda.is_available() else 0
    if wanted is None:
        return max(1, there)
    if not (str(wanted).isdecimal() and int(wanted) > 0):
        raise InputError(f"{wanted!r} devices cannot be", mend="Give a number from 1 up.")
    if there and int(wanted) > there:
        raise InputError(f"there are {there} GPUs, not {wanted}", mend="Ask for fewer --devices.")
    return int(wanted)


def run_cells(
    study: PaperStudy,
    finished: FinishedCells,
    cells: Sequence[Cell],
    together: int,
    stop: Stop,
) -> Iterator[Event | Cell]:
    """Events, and every cell once it is over. Raises what `run_cell` raises."""
    import torch

    study.datasets.check_unchanged()
    for cell in cells:  # noise sets are made once, here
        yield from study.datasets.prepare(cell, stop)
    gpus = torch.cuda.device_count() if torch.cuda.is_available() else 0
    task = CellTask(study.order, study.seeds, gpus)
    with _stop_file_made(stop, _stop_file(study.order.out)):
        pool: WorkerPool[CellTask, Cell, Answer] = WorkerPool(_prepare, task, together, len(cells))
        with pool:
            for cell, (stopped, failure) in pool.run(cells):
                if stopped:
                    raise Stopped
                if failure:
                    finished.failed[study.key(cell)] = failure
                    text = f"{words_of(cell)}: {failure}"
                    yield event("note", level="warning", text=text)
                yield cell


def _stop_file(out: Path) -> Path:
    return out / ".stop"


@contextmanager
def _stop_file_made(stop: Stop, file: Path) -> Iterator[None]:
    """While it is entered, `stop()` turning true makes the file."""
    over = threading.Event()

    def watch() -> None:
        while not over.wait(_LOOK_S):
            if stop():
                file.touch()
                return

    file.unlink(missing_ok=True)
    watcher = threading.Thread(target=watch, name="stop", daemon=True)
    watcher.start()
    try:
        yield
    finally:
        over.set()
        watcher.join()
        file.unlink(missing_ok=True)


def _prepare(task: CellTask) -> Callable[[Cell], Answer]:
    """In a worker: take a device, open the data; the returned function runs a cell."""
    number = (multiprocessing.current_process()._identity or (1,))[0] - 1
    if task.gpus:
        os.environ["CUDA_VISIBLE_DEVICES"] = str(number % task.gpus)
    order = task.order
    datasets = Datasets.open(order.data, order.cxidb, order.out)
    study, finished = PaperStudy(order, datasets, task.seeds), FinishedCells(order.out)
    file, cache = _stop_file(order.out), order.out / f"cache-{number}"

    def work(cell: Cell) -> Answer:
        try:
            for _ in run_cell(study, finished, cell, file.exists, cache):
                pass
        except Stopped:
            return True, ""
        return False, finished.failed.get(study.key(cell), "")

    return work
