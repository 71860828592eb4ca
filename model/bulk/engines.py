"""One work, two engines: processes of this machine, or the workers of a Dask cluster."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator, Sequence
from typing import Any, Protocol

from model.bulk.filling import Block
from model.bulk.plain import BlockError, Prepare, WorkerPool, check_workers
from model.errors import InputError
from model.events import Event, Stop, event

PATIENCE = 3
"""This many failed blocks end the run; fewer are told, and the others are done first."""


class Workers(Protocol):
    """Context manager that does blocks."""

    def __enter__(self) -> Workers: ...

    def __exit__(self, *error: Any) -> None: ...

    def run(self, blocks: Sequence[Block]) -> Iterator[tuple[Block, Any] | Event | None]:
        """Each block with its answer, in the order in which they are done; beside that notes for
        the person, and None while nothing happens, so that someone can stop it."""


def open_workers(
    prepare: Prepare, task: Any, workers: int | None, blocks: int, scheduler: str | None
) -> Workers:
    """Processes of this machine (None: one per core), or those of a scheduler: `local`, `slurm`
    or the address of one that runs.

    Raises InputError for fewer than one worker and, when entered, where there is none such.
    """
    check_workers(workers)
    if scheduler is None:
        return WorkerPool(prepare, task, workers, blocks)
    from model.bulk.dask_clusters import checked

    checked(scheduler, workers)
    from model.bulk.on_dask import DaskWorkers

    return DaskWorkers(prepare, task, scheduler, workers)


def each_block(
    what: str,
    workers: Workers,
    todo: Sequence[Block],
    take: Callable[[Block, Any], None],
    done: int,
    total: int,
    stop: Stop,
) -> Generator[Event, None, bool]:
    """Progress while `take(block, answer)` gets every block; returns whether all were done.

    A block that fails is told, with its shots, and the others are done all the same; the run then
    ends in InputError. Too many that fail end it at once.
    """
    failed: list[tuple[Block, str]] = []
    for item in workers.run(todo):
        if isinstance(item, dict):
            yield item
        elif item is not None:
            block, answer = item
            if isinstance(answer, BlockError):
                failed.append((block, str(answer)))
                text = f"Shots {block[0] + 1} to {block[1]} failed: {answer}"
                yield event("note", level="warning", text=text, first=block[0], last=block[1])
                if len(failed) >= PATIENCE:
                    break
                continue
            take(block, answer)
            done += block[1] - block[0]
            yield event(
                "progress", what=what, done=done, total=total, first=block[0], last=block[1]
            )
        if stop() and done < total:
            return False
    if failed:
        some = f"{len(failed)} of {len(todo)} chunks failed; {done} of {total} shots are kept"
        mend = f"Then the same command does the rest. The last one said: {failed[-1][1]}"
        raise InputError(some, mend=mend)
    return True
