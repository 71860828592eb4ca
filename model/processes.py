"""A child process that answers over a pipe, and how many BLAS threads a product takes."""

from __future__ import annotations

import multiprocessing
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from enum import Enum
from functools import lru_cache
from multiprocessing.connection import Connection
from types import ModuleType
from typing import Any


class Lost(Enum):
    """Why there is no answer."""

    DEAD = "the process ended"
    SILENT = "it gave no answer in time"


class Child:
    """A child process that runs `serve(connection, *arguments)`: damage may kill it, never us.

    `serve` must be importable there. Ctrl+C in the terminal is for the parent, and the child ends
    with it. One thread talks to the child; `forbid` may come from any.
    """

    def __init__(self, serve: Callable[..., None], *arguments: Any, name: str) -> None:
        self._serve, self._arguments, self.name = serve, arguments, name
        self._lock = threading.Lock()
        self.is_forbidden = False
        self._process: Any = None
        self._connection: Connection | None = None

    @property
    def is_alive(self) -> bool:
        """Whether there is a process that answers."""
        return self._process is not None and self._process.is_alive()

    def start(self) -> None:
        """Start a fresh process, in place of the one before, unless it is forbidden."""
        self.end()
        context = multiprocessing.get_context("spawn")
        with self._lock:
            if self.is_forbidden:
                return
            self._connection, theirs = context.Pipe()
            self._process = context.Process(
                target=_run, args=(self._serve, theirs, *self._arguments), name=self.name,
                daemon=True,
            )  # fmt: skip
            with without_main():
                self._process.start()
            theirs.close()

    def ask(self, message: Any, limit_s: float | None = None) -> Any:
        """Send a message and hear the answer; see `receive`."""
        self.say(message)
        return self.receive(limit_s)

    def say(self, message: Any) -> None:
        """Send a message; `receive` finds out where the process is dead."""
        if self._connection is not None:
            with suppress(OSError):
                self._connection.send(message)

    def receive(self, limit_s: float | None = None) -> Any:
        """The next message; Lost.SILENT after `limit_s` seconds, Lost.DEAD without a process."""
        try:
            if self._connection is None:
                return Lost.DEAD
            return self._connection.recv() if self._connection.poll(limit_s) else Lost.SILENT
        except (EOFError, OSError):
            return Lost.DEAD

    def forbid(self) -> None:
        """End the process, whatever it does, and never start another."""
        with self._lock:
            self.is_forbidden = True
            if self._process is not None:
                self._process.kill()

    def end(self) -> None:
        """End the process and wait for it."""
        with self._lock:
            if self._process is not None and self._connection is not None:
                self._process.kill()
                self._process.join()
                with suppress(ValueError):  # a start in another thread is reaping it just now
                    self._process.close()
                self._connection.close()
            self._process = self._connection = None


@contextmanager
def without_main() -> Iterator[None]:
    """Meanwhile a child is told of no main module: it would run the caller's script a second time,
    where that lacks an `if __name__ == "__main__"`."""
    with _one_starts:
        main = sys.modules["__main__"]
        sys.modules["__main__"] = ModuleType("__main__")
        try:
            yield
        finally:
            sys.modules["__main__"] = main


_one_starts = threading.Lock()


def end_with_parent() -> None:
    """End this child process with its parent from now on, even inside a read without an end."""
    threading.Thread(target=_wait_for_parent, name="parent", daemon=True).start()


def is_helper() -> bool:
    """Whether the first process of a training on several devices started this one: that one has
    the stdin, speaks, and tells the others when to stop."""
    return os.environ.get("LOCAL_RANK", "0") != "0"


def one_blas_thread() -> AbstractContextManager[Any]:
    """While it is entered, BLAS works in the calling thread alone.

    Products this small lose more than they win by threads, and where other work shares the cores,
    BLAS threads that wait for each other take a hundred times as long.
    """
    return _blas().limit(limits=1)


@lru_cache(maxsize=1)
def _blas() -> Any:
    from threadpoolctl import ThreadpoolController

    return ThreadpoolController().select(user_api="blas")


def _run(serve: Callable[..., None], connection: Connection, *arguments: Any) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    end_with_parent()
    with suppress(EOFError, BrokenPipeError, ConnectionResetError):  # the other end is closed
        serve(connection, *arguments)


def _wait_for_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)
