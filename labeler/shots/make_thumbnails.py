"""All thumbnails of a project at once, by processes of this machine or a cluster.

What is there already is not made again, so an interrupted run goes on. No window, no labels.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from labeler.shots.thumbnail_cache import Picture, Thumbnails
from model.bulk.engines import each_block, open_workers
from model.bulk.filling import Block, blocks
from model.errors import InputError, counted
from model.events import Event, Stop, event, never
from model.shots.table import ShotTable
from model.shots.thumbnail import prepare_thumbnails

BLOCK = 64
"""Shots that one worker takes at a time."""
WHAT = "making thumbnails"


def make_thumbnails(
    table: ShotTable,
    folder: Path,
    *,
    workers: int | None = None,
    scheduler: str | None = None,
    stop: Stop = never,
) -> Iterator[Event]:
    """Every missing thumbnail into `folder`; ends in `finished` or `cancelled`.

    Raises InputError where they cannot be kept.
    """
    kept, unreadable = Thumbnails(folder, table.sources), 0
    made = np.concatenate([kept.made(i) for i in range(len(table.sources))])
    total, before = len(table), int(made.sum())
    todo = [(a, b) for a, b in blocks(total, BLOCK) if not made[a:b].all()]

    def keep(block: Block, pictures: list[Picture | None]) -> None:
        nonlocal unreadable
        for row, picture in zip(range(*block), pictures, strict=True):
            if picture is None:
                unreadable += 1
            elif not made[row]:
                kept.put(int(table.source_of[row]), int(table.index_of[row]), picture)
        if kept.trouble:
            raise InputError(kept.trouble, file=folder, mend="Free some space, then call it again.")

    yield event("started", what=WHAT, shots=total, done=before)
    done = total - sum(b - a for a, b in todo)
    try:
        with open_workers(prepare_thumbnails, table, workers, len(todo), scheduler) as pool:
            whole = yield from each_block(WHAT, pool, todo, keep, done, total, stop)
    finally:
        kept.close()
    if not whole:
        yield event("cancelled", text="Stopped; the same command makes the rest.")
        return
    if unreadable:
        text = f"{counted(unreadable, 'shot')} cannot be read: no thumbnail."
        yield event("note", level="warning", text=text)
    new = total - before - unreadable
    yield event("finished", shots=total, made=new, unreadable=unreadable, metrics={})
