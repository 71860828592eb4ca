"""Reads foreign files in a child process: a damaged one may kill the child, never us."""

from __future__ import annotations

import multiprocessing
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from model.errors import InputError

PATIENCE_S = 300.0
"""One file may take so long."""
_GOODBYE_S = 2.0


@contextmanager
def reader(read: Callable[..., Any]) -> Iterator[Callable[..., Any]]:
    """A function that calls `read(path, ...)` in one child, again and again, until the block ends.

    `read` must be importable there, and what it returns picklable. The function raises the
    InputError that `read` raises, and one of its own where the child dies or gives no answer in
    `PATIENCE_S`.
    """
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    child = context.Process(target=_serve, args=(theirs, read), daemon=True)
    child.start()
    theirs.close()

    def ask(path: Path, *more: Any) -> Any:
        try:
            ours.send((path, *more))
            answer = ours.recv() if ours.poll(PATIENCE_S) else None
        except (EOFError, OSError) as error:
            mend = "The file is damaged: copy it again from its origin."
            raise InputError("crashed the library that reads it", file=path, mend=mend) from error
        if answer is None:
            what = f"gave no answer for {PATIENCE_S:.0f} seconds"
            mend = "Is the disk it lies on reachable? Try again, or copy the file to this machine."
            raise InputError(what, file=path, mend=mend)
        refused, found = answer
        if refused:
            raise InputError(**refused)
        return found

    try:
        yield ask
    finally:
        ours.close()
        child.join(_GOODBYE_S)
        if child.is_alive():
            child.kill()
            child.join()
        child.close()


def _serve(pipe: Connection, read: Callable[..., Any]) -> None:
    try:
        while True:
            request = pipe.recv()
            refused, found = {}, None
            try:
                found = read(*request)
            except InputError as error:
                refused = {part: getattr(error, part) for part in ("what", "file", "place", "mend")}
            pipe.send((refused, found))
    except (EOFError, BrokenPipeError):
        return
