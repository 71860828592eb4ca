"""Worker processes for work that falls into blocks: spawned, one BLAS thread each, no orphans.

It knows nothing of what the blocks are. The functions it is given must be importable by name.
"""

from __future__ import annotations

import multiprocessing
import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from typing import Any, Generic, TypeVar

from threadpoolctl import threadpool_limits

from model.errors import InputError
from model.processes import end_with_parent, without_main

Task = TypeVar("Task")
Block = TypeVar("Block")
Answer = TypeVar("Answer")

AHEAD = 2
"""Blocks per worker that wait for it, so that none is idle."""

Prepare = Callable[[Any], Callable[[Any], Any]]
"""Importable by name; opens everything for a task and returns what does a block."""

_ready: Callable[[Any], Any] | None = None
"""In a worker: what does a block, with everything it needs opened."""


class BlockError(Exception):
    """Stands in the place of an answer: why a block could not be done."""


def check_workers(workers: int | None) -> None:
    """InputError for a number of workers that cannot be; None is as many as fit."""
    if workers is not None and workers < 1:
        raise InputError(f"{workers} workers cannot work", mend="Give at least one.")


class WorkerPool(Generic[Task, Block, Answer]):
    """Context manager. `prepare(task)` is called once in each worker and returns what does a block.

    With one worker everything happens in this process. `workers`: None for one per core, but no
    more than there are blocks.
    """

    def __init__(
        self,
        prepare: Callable[[Task], Callable[[Block], Answer]],
        task: Task,
        workers: int | None,
        blocks: int,
    ) -> None:
        self._prepare, self._task = prepare, task
        self.workers = max(1, min(workers or os.cpu_count() or 1, blocks))
        self._pool: ProcessPoolExecutor | None = None

    def __enter__(self) -> WorkerPool[Task, Block, Answer]:
        if self.workers > 1:
            self._pool = ProcessPoolExecutor(
                self.workers,
                multiprocessing.get_context("spawn"),
                initializer=_start,
                initargs=(self._prepare, self._task),
            )
        return self

    def __exit__(self, *error: object) -> None:
        if self._pool is not None:
            self._pool.shutdown(wait=True, cancel_futures=True)

    def run(self, blocks: Sequence[Block]) -> Iterator[tuple[Block, Answer]]:
        """Each block with its answer, in the order in which they are done; memory stays flat.

        Raises what a block raises, and InputError where a worker died (a damaged file can do that).
        """
        if self._pool is None:
            with threadpool_limits(1):
                work = self._prepare(self._task)
                for block in blocks:
                    yield block, work(block)
            return
        waiting: dict[Future[Answer], Block] = {}
        left = iter(blocks)
        try:
            while True:
                while len(waiting) < AHEAD * self.workers and (b := next(left, None)) is not None:
                    with without_main():
                        waiting[self._pool.submit(_do, b)] = b
                if not waiting:
                    return
                for future in wait(waiting, return_when=FIRST_COMPLETED).done:
                    yield waiting.pop(future), future.result()
        except BrokenProcessPool as error:
            mend = "A file of shots may be damaged, or the memory too small: try --workers 1."
            raise InputError("a worker process died", mend=mend) from error


def _start(prepare: Callable[[Any], Callable[[Any], Any]], task: Any) -> None:
    """In a new worker: one thread, an eye on the parent, and everything opened."""
    global _ready
    end_with_parent()
    threadpool_limits(1)
    _ready = prepare(task)


def _do(block: Any) -> Any:
    assert _ready is not None
    return _ready(block)
