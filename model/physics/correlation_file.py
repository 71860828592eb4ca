"""Correlation maps of all shots of a file, written as a file of shots that can be trained on.

Layout of the result: `maps` (N, R, R) uint16, contiguous (0…65535 is the picture's 0…1; train with
the transform `unit`), `readable` (N,), and what the source says about each shot: `labels` with
`class_names`, `labelled`, and its numbers. A shot that cannot be read has an empty map.

Blocks of maps are made by processes of this machine or of a cluster, and go to their place in a
file that gets its name when it is whole (`bulk.filling`). Whatever interrupts it, the next call
with the same source and recipe goes on. Nothing here computes a map.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import h5py
import numpy as np

from model.bulk.engines import each_block, open_workers
from model.bulk.filling import Arrays, Block, Filling, blocks
from model.bulk.plain import check_workers
from model.errors import InputError
from model.events import Event, Stop, event, never
from model.output_files import check_place, explained
from model.physics.correlation import FULL_SCALE, MapRecipe, correlation_maps, to_stored
from model.physics.correlation_layout import lay_out
from model.shots.sources import SourceInfo, open_source

BLOCK = 96
"""Shots that one worker takes at a time."""
TOGETHER = 8
"""Shots whose maps are made together: few enough that they stay in the cache."""
WHAT = "correlation maps"


@dataclass(frozen=True)
class MapTask:
    """What a worker needs to know, once."""

    source: SourceInfo
    recipe: MapRecipe


def correlate(
    path: Path | str,
    out: Path | str,
    recipe: MapRecipe | None = None,
    *,
    dataset: str | None = None,
    workers: int | None = None,
    scheduler: str | None = None,
    force: bool = False,
    stop: Stop = never,
) -> Iterator[Event]:
    """Write the maps of every shot of a file to `out`; ends in `finished` or `cancelled`.

    `workers` processes with one BLAS thread each (None: one per core; 1: this process alone), or
    those of a Dask `scheduler`, see `bulk.engines`; the bytes are the same.
    Raises InputError for an unusable source or recipe, an `out` that exists (unless `force`),
    and a disk that is full or may not be written.
    """
    recipe, out = recipe or MapRecipe(), Path(out)
    check_workers(workers)
    with open_source(path, dataset) as source:
        info = source.info
        recipe.grid(info.shape, info.geometry.centre)  # refuses what cannot be, before any work
        check_place(out, [info.path], force=force)
        with explained(out):
            about = {"source": info.fingerprint, **recipe.to_dict(), "scale": FULL_SCALE}
            filling = Filling(out, about)
            if not filling.resumed:
                check_place(out, [info.path], info.n_shots * recipe.radii**2 * 2, force)
            filling.begin(lambda part: lay_out(source, recipe, part))
    with explained(out):
        yield from _run(filling, MapTask(info, recipe), workers, scheduler, stop)


def _run(
    filling: Filling,
    task: MapTask,
    workers: int | None,
    scheduler: str | None,
    stop: Stop,
) -> Iterator[Event]:
    total, began = task.source.n_shots, time.perf_counter()
    todo = filling.todo(blocks(total, BLOCK))
    start = filling.done()
    yield event("started", what=WHAT, shots=total, done=start)
    with open_workers(_work, task, workers, len(todo), scheduler) as pool:
        take = lambda block, answer: filling.put(block, *answer)  # noqa: E731
        try:
            whole = yield from each_block(WHAT, pool, todo, take, start, total, stop)
        finally:
            filling.save()
    if not whole:
        text = f"Stopped after {filling.done()} of {total} maps; the same command goes on."
        yield event("cancelled", text=text)
        return
    bad = sorted(i for shots in filling.notes.values() for i in shots)
    if bad:
        text = f"{len(bad)} shots could not be read; their maps are empty."
        yield event("note", level="warning", text=text)
    _finish(filling, bad)
    seconds = time.perf_counter() - began
    yield event(
        "finished",
        out=str(filling.out),
        shots=total,
        unreadable=len(bad),
        seconds=seconds,
        ms_per_map=1e3 * seconds / max(1, total - start),
        metrics={},
    )


def _finish(filling: Filling, bad: list[int]) -> None:
    """Say which shots have no map, and give the file its name."""
    with h5py.File(filling.part, "r+", locking=False) as file:
        readable = file["readable"][()]
        readable[bad] = False
        file["readable"][...] = readable
        file.flush()
    filling.finish()


def _work(task: MapTask) -> Callable[[Block], tuple[Arrays, list[int]]]:
    """In a worker: open everything once; the returned function makes one block of maps.

    It returns them and the shots that could not be read.
    """
    source = open_source(task.source.path, known=task.source)
    grid = task.recipe.grid(task.source.shape, task.source.geometry.centre)

    def make(block: Block) -> tuple[Arrays, list[int]]:
        unreadable = []
        maps = np.zeros((block[1] - block[0], grid.radii, grid.radii), np.uint16)
        for first in range(*block, TOGETHER):
            shots = {}
            for i in range(first, min(first + TOGETHER, block[1])):
                try:
                    shots[i] = source.shot(i)
                except InputError:  # one bad shot does not spoil the file; it is counted and told
                    unreadable.append(i)
            made = correlation_maps(list(shots.values()), task.recipe, grid)
            for i, one in zip(shots, made, strict=True):
                maps[i - block[0]] = to_stored(one)
        return {"maps": maps}, unreadable

    return make
