"""Prediction by many workers: ranges of shots, read as `prediction` reads them, in one file.

Every range goes through the network in the same batches as in one process, so the datasets hold
the same bytes. Interrupted, the same call goes on; the file gets its name when it is whole.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from model.bulk.engines import each_block, open_workers
from model.bulk.filling import Arrays, Block, Filling, blocks
from model.bulk.plain import check_workers
from model.events import Event, event
from model.output_files import explained
from model.prediction import inference
from model.prediction.predict import Batches, PooledHead, attributes_of, left_out, warnings_of
from model.runs import checkpoint
from model.runs.checkpoint import Checkpoint
from model.runs.prediction_file import create
from model.shots.table import ShotTable

BATCHES = 8
"""A worker takes so many at a time."""
WHAT = "predicting"


@dataclass(frozen=True)
class Task:
    """What a worker needs to know, once."""

    table: ShotTable
    run: Path
    engine: str


def predict_in_ranges(
    table: ShotTable,
    run: Path,
    out: Path,
    scheduler: str | None,
    workers: int | None = None,
    *,
    stop: Callable[[], bool] = lambda: False,
    class_names: Sequence[str] | None = None,
    engine: str = "auto",
) -> Iterator[Event]:
    """`prediction.predict` on the workers of a Dask scheduler, see `bulk.engines`.

    Raises InputError.
    """
    check_workers(workers)
    began, total = time.monotonic(), len(table)
    run = Path(run).resolve()
    network, about = checkpoint.load(run, class_names)
    checkpoint.check_kind(about, table.sources)
    shape = (about.channels, about.preprocessing.size, about.preprocessing.size)
    size = BATCHES * inference.batch_for(shape, inference.best_device())
    decides = {
        "source": table.fingerprint,
        "run": [run.name, checkpoint.digest(run)],
        "engine": engine,
        "block": size,
    }
    with explained(out):
        filling = Filling(out, decides)
        grid = inference.grid(network, shape)
        attributes = attributes_of(table, about, run, grid, network)

        def lay_out(part: Path) -> None:
            classes = len(about.class_names)
            create(part, total, classes, network.width, grid, attributes, at_once=True).close()

        filling.begin(lay_out)
        text = f"Predicting {total} shots in ranges of {size}, by workers of {scheduler}."
        yield event("note", level="info", text=text)
        yield from warnings_of(table, about)
        todo = filling.todo(blocks(total, size))
        task = Task(table, run, engine)
        with open_workers(_prepare, task, workers, len(todo), scheduler) as pool:
            take = lambda block, answer: filling.put(block, *answer)  # noqa: E731
            try:
                done = filling.done()
                whole = yield from each_block(WHAT, pool, todo, take, done, total, stop)
            finally:
                filling.save()
        if not whole:
            text = f"Stopped after {filling.done()} of {total} shots; the same command goes on."
            yield event("cancelled", text=text)
            return
        yield from _finish(filling, total, time.monotonic() - began)


def _finish(filling: Filling, total: int, seconds: float) -> Iterator[Event]:
    """Say what was left out, and give the file its name."""
    notes = filling.notes.values()
    unreadable, overflowing = (sum(n[k] for n in notes) for k in ("unreadable", "overflowing"))
    error = next((n["error"] for n in notes if n["error"]), "")
    yield from left_out(total, unreadable, overflowing, error)
    filling.finish()
    made = {"predictions": str(filling.out), "shots": total, "seconds": seconds}
    yield event("finished", metrics={}, unreadable=unreadable + overflowing, **made)


def _prepare(task: Task) -> Callable[[Block], tuple[Arrays, dict[str, Any]]]:
    """In a worker: load the network once; the returned function reads one range of shots."""
    network, about = checkpoint.load(task.run)
    head = PooledHead.of(network)
    shape = (about.channels, about.preprocessing.size, about.preprocessing.size)
    engine, _ = inference.choose(network, shape, task.engine, threads=1)
    empty = _nothing(head, inference.grid(network, shape), about)

    def read(block: Block) -> tuple[Arrays, dict[str, Any]]:
        first, last = block
        source = Batches(task.table, about, engine.batch, rows=np.arange(first, last))
        found: dict[str, Any] = {k: np.repeat(v, last - first, 0) for k, v in empty.items()}
        for features in engine.stream(source):
            rows = source.rows.popleft() - first
            for name, values in head.read(features, about).items():
                found[name][rows] = values
        reached = int((~found["readable"]).sum())
        found |= {"role": task.table.role[first:last], "shift": source.shift[first:last]}
        return found, {
            "unreadable": source.unreadable,
            "overflowing": reached - source.unreadable,
            "error": str(source.first_error or ""),
        }

    return read


def _nothing(head: PooledHead, grid: tuple[int, int], about: Checkpoint) -> dict[str, Any]:
    """What the file holds of a shot that cannot be read: a row of each dataset."""
    nothing = np.zeros((1, head.weight.shape[1], *grid), np.float32)
    row = {name: np.zeros_like(v) for name, v in head.read(nothing, about).items()}
    for name in ("probabilities", "logits"):
        row[name][:] = np.nan
    return row
