"""Several cells at a time, one process and one device each: trainings this small gain more from
that than from sharing one training among the devices.

Every worker opens the data itself and keeps reduced shots in a folder of its own. A stop reaches
the workers through a file; each leaves its last epoch behind, where the next call goes on.
"""

from __future__ import annotations

import multiprocessing
import os
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from model.bulk.plain import Pool
from model.errors import InputError
from model.events import Event, event
from model.paper.cells import Cell, Shelf
from model.paper.data import Datasets, Stopped
from model.paper.one_cell import run_cell
from model.paper.study import Order, Study, words_of

_LOOK_S = 0.5
Answer = tuple[bool, str]
"""Of a worker: whether it was stopped, and why it failed in words ('' where it did not)."""


@dataclass(frozen=True)
class Task:
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
    study: Study, shelf: Shelf, cells: Sequence[Cell], together: int, stop: Callable[[], bool]
) -> Iterator[Event | Cell]:
    """Events, and every cell once it is over. Raises what `run_cell` raises."""
    import torch

    study.datasets.check_unchanged()
    for cell in cells:  # noise sets are made once, here
        yield from study.datasets.prepare(cell, stop)
    gpus = torch.cuda.device_count() if torch.cuda.is_available() else 0
    task = Task(study.order, study.seeds, gpus)
    with _told(stop, _stop_file(study.order.out)):
        pool: Pool[Task, Cell, Answer] = Pool(_prepare, task, together, len(cells))
        with pool:
            for cell, (stopped, failure) in pool.run(cells):
                if stopped:
                    raise Stopped
                if failure:
                    shelf.failed[study.key(cell)] = failure
                    text = f"{words_of(cell)}: {failure}"
                    yield event("note", level="warning", text=text)
                yield cell


def _stop_file(out: Path) -> Path:
    return out / ".stop"


@contextmanager
def _told(stop: Callable[[], bool], file: Path) -> Iterator[None]:
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


def _prepare(task: Task) -> Callable[[Cell], Answer]:
    """In a worker: take a device, open the data; the returned function runs a cell."""
    number = (multiprocessing.current_process()._identity or (1,))[0] - 1
    if task.gpus:
        os.environ["CUDA_VISIBLE_DEVICES"] = str(number % task.gpus)
    order = task.order
    datasets = Datasets.open(order.data, order.cxidb, order.out)
    study, shelf = Study(order, datasets, task.seeds), Shelf(order.out)
    file, cache = _stop_file(order.out), order.out / f"cache-{number}"

    def work(cell: Cell) -> Answer:
        try:
            for _ in run_cell(study, shelf, cell, file.exists, cache):
                pass
        except Stopped:
            return True, ""
        return False, shelf.failed.get(study.key(cell), "")

    return work
