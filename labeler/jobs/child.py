"""The child side of a Job: receive `cancel`, end when the parent is gone, work in the background.

It only listens where a Job said so in the environment; a subcommand started by a person or a
script never reads its standard input here, and never ends because that input ended.
"""

from __future__ import annotations

import ctypes
import faulthandler
import os
import select
import signal
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

from model.processes import give_way, is_helper

FOLLOWED = "AIRYLABEL_FOLLOWED"
"""Environment variable (any text) that says: a program follows, through stdin and stdout."""
GRACE_S = 3.0
"""How long the work may take to save what it has once the parent is gone."""
PR_SET_PDEATHSIG = 1
"""Of prctl(2); it holds for the thread that asks."""


def is_followed() -> bool:
    """Whether this process is a Job of a window."""
    return bool(os.environ.get(FOLLOWED))


def listen() -> Callable[[], bool]:
    """Start to listen to the parent; the answer of the returned function turns True to stop.

    A line `cancel` on stdin asks to stop. The end of stdin means that the parent died: it asks to
    stop too, and `GRACE_S` seconds later the process ends whatever it is doing, so that no orphan
    is left on any system. From the first question on, so much time is given; see
    `die_with_parent` for the time before. Also lowers the priority of this process.
    """
    stop = threading.Event()
    if not is_followed() or is_helper():
        return stop.is_set
    give_way(10)
    fd, tied = _take_stdin(), True
    threading.Thread(target=_on_event, args=(fd, stop), name="parent", daemon=True).start()

    def asked() -> bool:
        nonlocal tied
        if tied:
            tied = False
            _signal_of_death(0)
        return stop.is_set()

    return asked


def die_with_parent() -> None:
    """Have the kernel kill this process when its parent dies, until its work asks whether to stop.

    Only on Linux and where a program follows. Until then there is nothing to save, and while torch
    is being loaded on a busy machine no thread of ours has its turn for many seconds.
    """
    if sys.platform != "linux" or not is_followed():
        return
    _signal_of_death(signal.SIGKILL)
    gone = select.poll()
    gone.register(0, 0)  # of stdin, only whether its other end is gone
    if gone.poll(0):
        os._exit(1)


def _signal_of_death(number: int) -> None:
    """Which signal comes when the parent dies, 0 for none."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, number)


def _take_stdin() -> int:
    """A private copy of stdin, with nothing left in its place.

    A thread that waits on the shared descriptor blocks others who only look at it (Windows), and
    a process started from here would eat the parent's lines.
    """
    private = os.dup(0)
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.close(nothing)
    return private


def _on_event(fd: int, stop: threading.Event) -> None:
    # os.read, not sys.stdin: a daemon thread inside a buffered read breaks the interpreter's end
    text = b""
    while True:
        try:
            heard = os.read(fd, 4096)
        except OSError:  # a broken pipe is an end as well
            heard = b""
        if not heard:
            break
        *lines, text = (text + heard).split(b"\n")
        if any(line.strip() == b"cancel" for line in lines):
            stop.set()
    stop.set()
    with Path(os.devnull).open("w") as nowhere:
        # ends the process from C even while the work holds the interpreter's lock
        faulthandler.dump_traceback_later(GRACE_S, exit=True, file=nowhere)
        time.sleep(2 * GRACE_S)
    os._exit(1)
