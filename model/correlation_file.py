"""Correlation maps of all shots of a file, written as a file of shots that can be trained on.

Layout of the result: `maps` (N, R, R) uint16, contiguous (0…65535 is the picture's 0…1; train with
the transform `unit`), `readable` (N,), and what the source says about each shot: `labels` with
`class_names`, `labelled`, and its numbers. A shot that cannot be read has an empty map.

The file is laid out once under a temporary name; then every worker writes finished maps straight
to their place in it, and a journal beside lists the blocks that are safely there. Whatever
interrupts it, the next call with the same source and recipe goes on; the file gets its name when
it is whole. Nothing here computes a map.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import h5py
import numpy as np

from model.correlation import FULL_SCALE, MapRecipe, correlation_maps, to_stored
from model.errors import InputError
from model.events import Event, event
from model.map_layout import lay_out
from model.places import check_place, explained, give_name
from model.sources import SourceInfo, open_source
from model.workers import Pool

BLOCK = 32
"""Shots that one worker takes at a time."""
TOGETHER = 8
"""Shots whose maps are made together: few enough that they stay in the cache."""
SAVE_S = 2.0
"""Seconds between two entries of the journal."""

Block = tuple[int, int]


@dataclass(frozen=True)
class Task:
    """What a worker needs to know, once."""

    source: SourceInfo
    recipe: MapRecipe
    target: Path
    offset: int
    """Where the first map begins in the target, in bytes."""


def correlate(
    path: Path | str,
    out: Path | str,
    recipe: MapRecipe | None = None,
    *,
    dataset: str | None = None,
    workers: int | None = None,
    force: bool = False,
    stop: Callable[[], bool] = lambda: False,
) -> Iterator[Event]:
    """Write the maps of every shot of a file to `out`; ends in `finished` or `cancelled`.

    `workers` processes with one BLAS thread each (None: one per core; 1: this process alone).
    Raises InputError for an unusable source or recipe, an `out` that exists (unless `force`),
    and a disk that is full or may not be written.
    """
    recipe, out = recipe or MapRecipe(), Path(out)
    with open_source(path, dataset) as source:
        info = source.info
        recipe.grid(info.shape, info.geometry.centre)  # refuses what cannot be, before any work
        check_place(out, info.path, 0, force)
        with explained(out):
            journal = Journal(out, info, recipe)
            if not journal.resumed:
                check_place(out, info.path, info.n_shots * recipe.radii**2 * 2, force)
                lay_out(source, recipe, journal.part)
                journal.start()
    with explained(out):
        yield from _run(journal, Task(info, recipe, journal.part, journal.offset()), workers, stop)


def holds_maps(path: Path, dataset: str | None = None) -> bool:
    """Whether the shots of a file are maps that `correlate` wrote."""
    with open_source(path, dataset) as source, h5py.File(path, "r", locking=False) as file:
        found = file.get(source.info.dataset)
        return isinstance(found, h5py.Dataset) and "source_fingerprint" in found.attrs


def _run(
    journal: Journal, task: Task, workers: int | None, stop: Callable[[], bool]
) -> Iterator[Event]:
    total, began = task.source.n_shots, time.perf_counter()
    todo = [b for b in blocks(total) if b not in journal.done]
    done = total - sum(b - a for a, b in todo)
    start = done
    yield event("started", what="correlation maps", shots=total, done=done)
    with Pool(_work, task, min(workers or os.cpu_count() or 1, max(1, len(todo)))) as pool:
        for block, unreadable in pool.run(todo):
            journal.add(block, unreadable)
            done += block[1] - block[0]
            yield event("progress", what="correlation maps", done=done, total=total)
            if stop():
                journal.save()
                yield event("cancelled", text=f"Stopped after {done} of {total} maps; the same "
                            "command goes on from there.")  # fmt: skip
                return
    journal.save()
    bad = journal.unreadable()
    if bad:
        text = f"{len(bad)} shots could not be read; their maps are empty."
        yield event("note", level="warning", text=text)
    journal.finish(bad)
    seconds = time.perf_counter() - began
    yield event(
        "finished",
        out=str(journal.out),
        shots=total,
        unreadable=len(bad),
        seconds=seconds,
        ms_per_map=1e3 * seconds / max(1, total - start),
        metrics={},
    )


def blocks(shots: int) -> list[Block]:
    """First and last-plus-one shot of every block."""
    return [(a, min(a + BLOCK, shots)) for a in range(0, shots, BLOCK)]


def _work(task: Task) -> Callable[[Block], list[int]]:
    """In a worker: open everything once; the returned function makes one block of maps.

    It returns the shots that could not be read.
    """
    source = open_source(task.source.path, known=task.source)
    grid = task.recipe.grid(task.source.shape, task.source.geometry.centre)

    def make(block: Block) -> list[int]:
        unreadable = []
        maps = np.zeros((block[1] - block[0], grid.radii, grid.radii), np.uint16)
        for first in range(*block, TOGETHER):
            shots = {}
            for i in range(first, min(first + TOGETHER, block[1])):
                try:
                    mask = source.mask(i) if source.info.has_mask else None
                    shots[i] = source.read(i), mask
                except InputError:  # one bad shot does not spoil the file; it is counted and told
                    unreadable.append(i)
            made = correlation_maps(list(shots.values()), task.recipe, grid)
            for i, one in zip(shots, made, strict=True):
                maps[i - block[0]] = to_stored(one)
        with task.target.open("r+b") as target:
            target.seek(task.offset + block[0] * maps[0].nbytes)
            target.write(maps.astype("<u2", copy=False).tobytes())
        return unreadable

    return make


class Journal:
    """The temporary file, and beside it the list of blocks that are safely in it."""

    def __init__(self, out: Path, info: SourceInfo, recipe: MapRecipe) -> None:
        self.out = out
        self.part = out.with_name(f".{out.name}.part")
        self.path = out.with_name(f".{out.name}.journal")
        about = {"version": 1, "source": info.fingerprint, **recipe.to_dict(), "scale": FULL_SCALE}
        self._head = json.dumps(about)
        self._bad: dict[Block, list[int]] = {}
        self._waiting: list[Block] = []
        self._saved = time.monotonic()
        self.resumed = self._read()

    @property
    def done(self) -> set[Block]:
        """Blocks that need no work any more."""
        return set(self._bad)

    def _read(self) -> bool:
        if not (self.path.is_file() and self.part.is_file()):
            return False
        head, *lines = self.path.read_text("utf-8").split("\n")
        if head != self._head:
            return False
        for line in lines:
            try:
                first, last, bad = json.loads(line)
            except ValueError:  # the end of a line that was being written
                continue
            self._bad[first, last] = bad
        return True

    def start(self) -> None:
        """Begin a new journal for the laid-out file."""
        self.path.write_text(self._head + "\n", "utf-8")

    def offset(self) -> int:
        """Where the maps begin in the file."""
        with h5py.File(self.part, "r", locking=False) as file:
            return int(file["maps"].id.get_offset())

    def add(self, block: Block, unreadable: list[int]) -> None:
        """Note a block that has been written; saved with the next ones."""
        self._bad[block] = unreadable
        self._waiting.append(block)
        if time.monotonic() - self._saved > SAVE_S:
            self.save()

    def save(self) -> None:
        """Bring maps to the disk, and only then say so."""
        with self.part.open("r+b") as file:
            os.fsync(file.fileno())
        with self.path.open("a", encoding="utf-8") as file:
            file.writelines(json.dumps([*b, self._bad[b]]) + "\n" for b in self._waiting)
            file.flush()
            os.fsync(file.fileno())
        self._waiting.clear()
        self._saved = time.monotonic()

    def unreadable(self) -> list[int]:
        """Shots without a map, in order."""
        return sorted(i for shots in self._bad.values() for i in shots)

    def finish(self, bad: list[int]) -> None:
        """Give the whole file its name."""
        with h5py.File(self.part, "r+", locking=False) as file:
            readable = file["readable"][()]
            readable[bad] = False
            file["readable"][...] = readable
            file.flush()
        give_name(self.part, self.out)
        self.path.unlink(missing_ok=True)
