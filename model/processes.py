"""Child processes that answer over a pipe, and how many BLAS threads a product takes."""

from __future__ import annotations

import logging
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
from typing import Any, Generic, TypeVar

Source = TypeVar("Source")
Request = TypeVar("Request")
Answer = TypeVar("Answer")
DEATHS = 3
"""After this many on one request a worker gives that up; its child is not started again where the
source itself kills it."""

log = logging.getLogger(__name__)


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


class Worker(Generic[Source, Request, Answer]):
    """A child process, and the thread that asks it what waits, one request after the other.

    `serve` answers every message, with None where there is nothing to report. `on_answer` is called
    from the thread. Where the child has died for good, `died` makes the answer to a request.
    """

    def __init__(
        self,
        serve: Callable[[Connection], None],
        on_answer: Callable[[Answer], None],
        died: Callable[[Source | Request], Answer | None],
        *,
        name: str,
    ) -> None:
        self._on_answer, self._died = on_answer, died
        self._source: Source | None = None
        self._in_use: Source | None = None
        """The source that the child was given last; of the thread alone."""
        self._is_new_source = self._closing = self._working = False
        self._waiting: dict[object, Request] = {}
        self._changed = threading.Condition()
        self._child = Child(serve, name=name)
        self._thread = threading.Thread(target=self._work, name=name, daemon=True)
        self._thread.start()

    @property
    def is_busy(self) -> bool:
        """Whether a request waits for its answer."""
        with self._changed:
            return self._is_new_source or bool(self._waiting) or self._working

    def use(self, source: Source) -> None:
        """Send this before all requests from now on, to every fresh child too; what was asked
        about the source before is dropped."""
        with self._changed:
            self._source, self._is_new_source = source, True
            self._waiting.clear()
            self._changed.notify_all()

    def _add(self, request: Request, key: object, most: int) -> None:
        """Let this wait in place of what waits under the same key; the oldest requests above `most`
        are forgotten. Never waits."""
        with self._changed:
            self._waiting.pop(key, None)
            self._waiting[key] = request
            while len(self._waiting) > most:
                del self._waiting[next(iter(self._waiting))]
            self._changed.notify_all()

    def urgency(self, request: Request) -> float:
        """The most urgent requests are asked first, among equals the newest."""
        return 0.0

    def close(self) -> None:
        """Stop at once; leaves no thread and no process."""
        with self._changed:
            self._closing = True
            self._changed.notify_all()
        self._child.forbid()
        self._thread.join()

    def _work(self) -> None:
        deaths = 0
        self._child.start()
        while (request := self._next()) is not None:
            if request is self._in_use:
                deaths = 0
            answer, takes_source = self._child.ask(request), False
            while answer is Lost.DEAD and not self._closing and deaths < DEATHS:
                deaths += 1
                log.error("the process for %s died; it is started again", self._child.name)
                self._child.start()
                if request is not self._in_use:
                    takes_source = self._child.ask(self._in_use) is not Lost.DEAD
                answer = self._child.ask(request)
            if answer is not Lost.DEAD or takes_source:  # one request kills it: others are asked
                deaths = 0
            if answer is Lost.DEAD:
                answer = self._died(request)
            if answer is not None and not self._closing:
                try:
                    self._on_answer(answer)
                except Exception:  # the listener's defect must not stop the work
                    log.exception("a listener failed")
        self._child.end()

    def _next(self) -> Source | Request | None:
        """The source where it is new, else the most urgent request; None at the end."""
        with self._changed:
            self._working = False
            while not self._closing:
                if self._is_new_source:
                    self._is_new_source, self._working = False, True
                    self._in_use = self._source
                    return self._source
                if self._waiting:
                    self._working = True
                    most = max(reversed(self._waiting.items()), key=lambda i: self.urgency(i[1]))
                    return self._waiting.pop(most[0])
                self._changed.wait()
        return None


def give_way(by: int = 5) -> None:
    """Let the window, and what is less polite, go before this process: the niceness of nice(1)."""
    import psutil

    with suppress(psutil.Error, OSError):  # a machine that forbids it still works
        low = psutil.BELOW_NORMAL_PRIORITY_CLASS if os.name == "nt" else by
        psutil.Process().nice(low)


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
