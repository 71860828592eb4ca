"""Reads foreign files in a child process: a damaged one may kill the child, never us."""

from __future__ import annotations

from collections.abc import Callable
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from model.errors import InputError, of_a_path
from model.processes import Child, Lost

PATIENCE_S = 300.0
"""One file may take this long."""


class FileReader:
    """A function that calls `read(path, ...)` in one child, again and again, until it is closed.

    `read` must be importable there, and what it returns picklable. Raises the InputError that
    `read` raises, and one of its own where the child dies or gives no answer in `PATIENCE_S`; the
    next file gets a fresh child.
    """

    def __init__(self, read: Callable[..., Any]) -> None:
        self._child = Child(_serve, read, name="file reader")

    def __enter__(self) -> FileReader:
        return self

    def __exit__(self, *error: object) -> None:
        self.stop()
        self._child.end()

    def stop(self) -> None:
        """End the child whatever it does; any thread may call this."""
        self._child.forbid()

    def __call__(self, path: Path, *more: Any) -> Any:
        if not self._child.is_alive:
            self._child.start()
        answer = self._child.ask((path, *more), PATIENCE_S)
        if isinstance(answer, Lost):
            self._child.end()
        if answer is Lost.DEAD:
            mend = "The file is damaged: copy it again from its origin."
            raise InputError("crashed the library that reads it", file=path, mend=mend)
        if answer is Lost.SILENT:
            what = f"gave no answer for {PATIENCE_S:.0f} seconds"
            mend = "Is the disk it lies on reachable? Try again, or copy the file to this machine."
            raise InputError(what, file=path, mend=mend)
        refused, found = answer
        if refused:
            raise InputError(**refused)
        return found


def _serve(connection: Connection, read: Callable[..., Any]) -> None:
    while True:
        request = connection.recv()
        refused, found = None, None
        try:
            found = read(*request)
        except InputError as error:
            refused = error
        except OSError as error:
            refused = of_a_path(error)
            if refused is None:
                raise
        parts = refused and {p: getattr(refused, p) for p in ("what", "file", "place", "mend")}
        connection.send((parts, found))
