"""One pass over all shots: probabilities, embedding and the heatmaps of every class.

`predict` needs the run folder and the shots, nothing else. Its memory does not grow with the
number of shots, and a shot that cannot be read never stops it. It trains nothing and changes no
label. By workers of a cluster every range goes through the network in the same batches as in one
process, so the datasets hold the same bytes; interrupted, the same call goes on.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from model.bulk.engines import each_block, open_workers
from model.bulk.filling import Arrays, Block, Filling, blocks
from model.bulk.plain import check_workers
from model.errors import InputError
from model.events import Event, Stop, event, never
from model.networks.architectures import Network
from model.output_files import explained, refuse_sources
from model.prediction import inference
from model.prediction.batches import (
    Batches,
    PooledHead,
    Scales,
    attributes_of,
    fields_of,
    left_out,
    refuse_nothing,
    warnings_of,
)
from model.prediction.before_labels import answer_again
from model.preprocessing.count_scale import pixels_of
from model.preprocessing.preparation import Preparation
from model.runs import checkpoint
from model.runs.checkpoint import Checkpoint
from model.runs.prediction_file import PredictionFile, create
from model.shots.table import ShotTable
from model.taxonomy.taxonomy import Taxonomy

BETWEEN_REPORTS = 0.5
"""Seconds between two progress events, where a batch takes less."""
BATCHES = 8
"""A worker of a cluster takes this many at a time."""
WHAT = "predicting"


def predict(
    table: ShotTable,
    run: Path,
    out: Path,
    *,
    stop: Stop = never,
    classes: Taxonomy | None = None,
    engine: str = "auto",
    scheduler: str | None = None,
    workers: int | None = None,
    preparation: Preparation | None = None,
) -> Iterator[Event]:
    """Read every shot of the table by the network of a run folder; writes `out` (predictions.h5).

    Yields `note` (which engine, and once how many shots were left out), `progress` at least once
    a batch, then `finished` (predictions, shots, unreadable, seconds), `cancelled` or `failed`.
    `stop` is asked before every batch; stopped or failed, nothing is left behind.
    classes: refuse a run of other classes than these (a project's own).
    engine: auto, torch or openvino, see `inference.choose`.
    An `out` that is one of the files of shots is refused; see also `prediction_file.check_place`.
    scheduler, workers: of a Dask cluster, then what is done is kept.
    preparation: see `checkpoint.load`.
    """
    try:
        refuse_sources(Path(out), (info.path for info in table.sources))
        check_workers(workers)
        if not len(table):
            raise InputError("there are no shots to predict", mend="Add a file of shots first.")
        run = Path(run).resolve()
        network, about = checkpoint.load(run, classes, preparation)
        checkpoint.check_kind(about, table.sources)
        work = _Work(table, run, Path(out), network, about, engine, stop)
        if scheduler is None:
            yield from _here(work)
        else:
            yield from _in_ranges(work, scheduler, workers)
    except InputError as error:
        yield event("failed", text=str(error))


@dataclass(frozen=True)
class _Work:
    table: ShotTable
    run: Path
    out: Path
    network: Network
    about: Checkpoint
    engine: str
    stop: Stop

    @property
    def shape(self) -> tuple[int, int, int]:
        """Of the network's input, (channels, y, x)."""
        return _shape(self.about)

    @property
    def grid(self) -> tuple[int, int]:
        """Cells (h, w) of the last feature maps."""
        return inference.grid(self.network, self.shape)

    def attributes(self, scales: Scales) -> dict[str, Any]:
        """What the file says about itself; `scales`: of the sources."""
        return attributes_of(self.table, self.about, self.run, self.grid, self.network, scales)


def _shape(about: Checkpoint) -> tuple[int, int, int]:
    return about.channels, about.preprocessing.size, about.preprocessing.size


def _here(work: _Work) -> Iterator[Event]:
    """Predict in this process."""
    started, table, about = time.monotonic(), work.table, work.about
    head, width = PooledHead.of(work.network), work.network.width
    classes = len(about.class_names)
    scales = about.preprocessing.scales_of(table)
    attributes = work.attributes(scales)
    writer = PredictionFile(work.out, len(table), classes, width, work.grid, attributes)
    try:
        engine, line = inference.choose(work.network, work.shape, work.engine)
        yield event("note", level="info", text=line)
        yield from warnings_of(table, scales)
        source = Batches(table, about, engine.batch, work.stop, scales=scales)
        yield from _all_shots(engine, source, head, writer)
        if source.stopped:
            yield event("cancelled", text="Prediction stopped; nothing was written.")
            return
        places = {"field": fields_of(table, about), "shift": source.shift}
        writer.write(np.arange(len(table)), {"role": table.role} | places)
        said = writer.change(lambda file: answer_again(file, work.run, table, about.taxonomy))
        if said:
            yield event("note", level="info", text=said)
        writer.finish()
    finally:
        writer.discard()
    yield from left_out(source.total, source.unreadable, source.overflowing, source.first_error)
    yield _finished(work, source.unreadable + source.overflowing, started)


def _finished(work: _Work, lost: int, started: float) -> Event:
    made = {"predictions": str(work.out), "shots": len(work.table), "unreadable": lost}
    return event("finished", metrics={}, **made, seconds=time.monotonic() - started)


def _all_shots(
    engine: inference.InferenceEngine, source: Batches, head: PooledHead, writer: PredictionFile
) -> Iterator[Event]:
    """Progress while every shot goes through engine and head to the file."""
    done, total, last = 0, source.total, 0.0
    yield event("progress", what=WHAT, done=0, total=total)
    for features in engine.stream(source):
        rows = source.rows.popleft()
        found = head.read(features, source.about)
        writer.write(rows, found)
        done += len(rows)
        source.overflowing += int((~found["readable"]).sum())
        if time.monotonic() - last > BETWEEN_REPORTS:
            last = time.monotonic()
            yield event("progress", what=WHAT, done=done + source.unreadable, total=total)
    if not source.stopped:
        refuse_nothing(total, source.unreadable, source.overflowing, source.first_error)
        yield event("progress", what=WHAT, done=total, total=total)


# -- by the workers of a cluster -------------------------------------------------------------------


@dataclass(frozen=True)
class _Task:
    """What a worker needs to know, once."""

    table: ShotTable
    run: Path
    engine: str
    preparation: Preparation
    scales: Scales


def _in_ranges(work: _Work, scheduler: str, workers: int | None) -> Iterator[Event]:
    """Predict by the workers of a Dask scheduler, see `bulk.engines`."""
    began, table, total = time.monotonic(), work.table, len(work.table)
    size = BATCHES * inference.batch_for(work.shape, inference.best_device())
    steps = work.about.preprocessing
    scales = steps.scales_of(table)
    decides = {
        "source": table.fingerprint,
        "run": [work.run.name, checkpoint.digest(work.run)],
        "engine": work.engine,
        "block": size,
        "steps": steps.decides_cache,
        "geometry": steps.decisions(table.sources, [pixels_of(s) for s in scales]).tolist(),
        "scales": [s and [s.pedestal, s.level, *s.pixels.words] for s in scales],
    }
    with explained(work.out):
        filling = Filling(work.out, decides)

        def lay_out(part: Path) -> None:
            classes, width = len(work.about.class_names), work.network.width
            attributes = work.attributes(scales)
            create(part, total, classes, width, work.grid, attributes, at_once=True).close()

        filling.begin(lay_out)
        text = f"Predicting {total} shots in ranges of {size}, by workers of {scheduler}."
        yield event("note", level="info", text=text)
        yield from warnings_of(table, scales)
        todo = filling.todo(blocks(total, size))
        task = _Task(table, work.run, work.engine, steps.preparation, scales)
        with open_workers(_prepare, task, workers, len(todo), scheduler) as pool:
            take = lambda block, answer: filling.put(block, *answer)  # noqa: E731
            try:
                done = filling.done()
                whole = yield from each_block(WHAT, pool, todo, take, done, total, work.stop)
            finally:
                filling.save()
        if not whole:
            text = f"Stopped after {filling.done()} of {total} shots; the same command goes on."
            yield event("cancelled", text=text)
            return
        notes = filling.notes.values()
        unreadable, overflowing = (sum(n[k] for n in notes) for k in ("unreadable", "overflowing"))
        error = next((n["error"] for n in notes if n["error"]), "")
        refuse_nothing(total, unreadable, overflowing, error)
        yield from left_out(total, unreadable, overflowing, error)
        with h5py.File(filling.part, "r+", locking=False, libver="latest") as file:
            said = answer_again(file, work.run, table, work.about.taxonomy)
        if said:
            yield event("note", level="info", text=said)
        filling.finish()
    yield _finished(work, unreadable + overflowing, began)


def _prepare(task: _Task) -> Callable[[Block], tuple[Arrays, dict[str, Any]]]:
    """In a worker: load the network once; the returned function reads one range of shots."""
    network, about = checkpoint.load(task.run, preparation=task.preparation)
    head = PooledHead.of(network)
    shape = _shape(about)
    engine, _ = inference.choose(network, shape, task.engine, threads=1)
    fields = fields_of(task.table, about)
    empty = _nothing(head, inference.grid(network, shape), about)

    def read(block: Block) -> tuple[Arrays, dict[str, Any]]:
        first, last = block
        rows_of_block = np.arange(first, last)
        source = Batches(task.table, about, engine.batch, rows=rows_of_block, scales=task.scales)
        found: dict[str, Any] = {k: np.repeat(v, last - first, 0) for k, v in empty.items()}
        for features in engine.stream(source):
            rows = source.rows.popleft() - first
            for name, values in head.read(features, about).items():
                found[name][rows] = values
        reached = int((~found["readable"]).sum())
        found |= {"role": task.table.role[first:last], "shift": source.shift[first:last]}
        found["field"] = fields[first:last]
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
