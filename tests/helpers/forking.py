"""Children of the tests are forked from one process that has loaded what they need.

The program starts each of its children (`model.processes.Child`) afresh: a third of a second of
processor time, most of it for numpy and h5py, hundreds of times in all tests. A forked child is a
process of its own all the same: it dies alone, and lives no longer than who asked for it. Programs
that tests start with a command line, the real window among them, start theirs afresh.
"""

from __future__ import annotations

import multiprocessing
import os
import sys
from multiprocessing import context, forkserver
from types import SimpleNamespace
from typing import Any

from model import processes

LOADED = (
    "labeler.active.instant_child", "labeler.exchange.apart", "labeler.shots.changes",
    "labeler.shots.numbers", "labeler.shots.reader_child", "model.shots.probe",
    "tests.helpers.forking",
)  # fmt: skip


if sys.platform == "linux":

    class _Forked(context.ForkServerProcess):
        """Has the environment of who asks for it, and not that of when all tests began."""

        def __init__(self, *arguments: Any, **named: Any) -> None:
            super().__init__(*arguments, **named)
            self._environment = dict(os.environ)

        def run(self) -> None:
            os.environ.clear()
            os.environ.update(self._environment)
            super().run()

    class _Context(context.ForkServerContext):
        Process = _Forked  # type: ignore[assignment]


def fork_children() -> None:
    """From now on children of this process are forked where that is possible."""
    if sys.platform == "linux":
        forked = _Context()
        forked.set_forkserver_preload(list(LOADED))
        processes.multiprocessing = SimpleNamespace(  # type: ignore[attr-defined]
            get_context=lambda _: forked, parent_process=multiprocessing.parent_process
        )


def is_forking(pid: int) -> bool:
    """Whether this process is the one that children are forked from: it ends with us."""
    return pid == forkserver._forkserver._forkserver_pid  # type: ignore[attr-defined]
