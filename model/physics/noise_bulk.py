"""Noise sets by many workers: the two passes of `noise`, range by range, into one copy.

The same ranges as in one process, so the same bytes. Where shots lie plainly in the file, the
second pass goes on where it was interrupted; where they are compressed, the copy is begun anew.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Generator, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import h5py

from model.bulk.engines import each_block, open_workers
from model.bulk.filling import Block, Filling
from model.events import Event, event
from model.output_files import explained
from model.physics.noise import (
    Level,
    add_noise,
    blocks_of,
    bound_of,
    put_shots,
    rounding,
    sign,
    statistics,
)
from model.shots.copying import raw_shots
from model.shots.sources import Source, SourceInfo, open_source

Stop = Callable[[], bool]


@dataclass(frozen=True)
class Task:
    """What a worker needs to know, once; without a bound it measures."""

    source: SourceInfo
    level: Level
    seed: int
    bound: float | None = None


def add_noise_in_ranges(
    source: Source,
    out: Path,
    level: Level,
    seed: int,
    scheduler: str,
    workers: int | None,
    stop: Stop,
) -> Iterator[Event]:
    """`noise.add_noise_file` on the workers of a Dask scheduler, see `bulk.engines`."""
    info, raw = source.info, raw_shots(source.info)
    ranges = raw.blocks() if raw is not None else blocks_of(source)
    yield event("started", what="noise", shots=info.n_shots)
    task = Task(info, level, seed)
    bound = yield from _measured(source, task, ranges, scheduler, workers, stop)
    if bound is not None:
        yield from rounding(info, bound)
        task = Task(info, level, seed, bound)
        with explained(out):
            whole = yield from _changed(task, out, ranges, scheduler, workers, stop)
    if bound is None or not whole:
        yield event("cancelled", text="Stopped; the same command goes on.")
        return
    made = {"out": str(out), "shots": info.n_shots, "level": level, "bound": bound, "seed": seed}
    yield event("finished", **made, metrics={})


def _measured(
    source: Source,
    task: Task,
    ranges: list[Block],
    scheduler: str,
    workers: int | None,
    stop: Stop,
) -> Generator[Event, None, float | None]:
    """Events of the first pass; returns b, or None where it was stopped."""
    numbers: dict[Block, list[float]] = {}
    total = task.source.n_shots
    with open_workers(_prepare, task, workers, len(ranges), scheduler) as pool:
        keep = numbers.__setitem__
        whole = yield from each_block("measuring shots", pool, ranges, keep, 0, total, stop)
    if not whole:
        return None
    in_order = [number for block in ranges for number in numbers[block]]
    return bound_of(source, task.level, in_order)


def _changed(
    task: Task, out: Path, ranges: list[Block], scheduler: str, workers: int | None, stop: Stop
) -> Generator[Event, None, bool]:
    """Events of the second pass, which fills the copy; returns whether it is whole."""
    info, raw = task.source, raw_shots(task.source)
    about = {"source": info.fingerprint, "level": task.level, "seed": task.seed}
    filling = Filling(out, {**about, "bound": task.bound, "blocks": len(ranges)})
    filling.resumed = filling.resumed and raw is not None
    if not filling.resumed:
        filling.notes.clear()
    filling.begin(lambda part: _copy(info.path, part))

    def take(block: Block, shots: Any) -> None:
        if raw is not None:
            raw.put(filling.part, block[0], shots)
        else:
            with h5py.File(filling.part, "r+", locking=False) as file:
                put_shots(file, info, block[0], shots)
        filling.mark(block)

    done, todo = filling.done(), filling.todo(ranges)
    with open_workers(_prepare, task, workers, len(todo), scheduler) as pool:
        try:
            whole = yield from each_block(
                "adding noise", pool, todo, take, done, info.n_shots, stop
            )
        finally:
            filling.save()
    if whole:
        assert task.bound is not None
        sign(filling.part, info, task.level, task.bound, task.seed)
        filling.finish()
    return whole


def _copy(path: Path, part: Path) -> None:
    shutil.copyfile(path, part)


def _prepare(task: Task) -> Callable[[Block], Any]:
    """In a worker: numbers of the shots of a range, or the shots with noise."""
    source = open_source(task.source.path, known=task.source)

    def work(block: Block) -> Any:
        shots = source.read_slice(*block)
        if task.bound is None:
            return statistics(shots, task.level)
        add_noise(shots, task.bound, task.seed, block[0])
        return shots

    return work
