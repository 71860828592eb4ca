"""The child side of a Job: hear `cancel`, end when the parent is gone, work in the background.

It only listens where a Job said so in the environment; a subcommand started by a person or a
script never reads its standard input here, and never ends because that input ended.
"""

from __future__ import annotations

import contextlib
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

import psutil

FOLLOWED = "AIRYLABEL_FOLLOWED"
"""Environment variable (any text) that says: a program follows, through stdin and stdout."""
GRACE_S = 3.0
"""How long the work may take to save what it has once the parent is gone."""
PR_SET_PDEATHSIG = 1
"""Of prctl(2); it holds for the thread that asks."""


def listen(grace: float = GRACE_S) -> Callable[[], bool]:
    """Start to listen to the parent; the answer of the returned function turns True to stop.

    A line `cancel` on stdin asks to stop. The end of stdin means that the parent died: it asks to
    stop too, and `grace` seconds later the process ends whatever it is doing, so that no orphan
    is left on any system. Until the first question there is nothing to save: on Linux the process
    then ends with its parent at once, even in the midst of loading torch on a busy machine, where
    no thread of ours would have its turn for many seconds. Also lowers the priority of this
    process.
    """
    stop = threading.Event()
    if not os.environ.get(FOLLOWED):
        return stop.is_set
    lower_priority()
    fd = _take_stdin()
    tied = _end_with_parent(fd)
    threading.Thread(target=_hear, args=(fd, stop, grace), name="parent", daemon=True).start()

    def asked() -> bool:
        nonlocal tied
        if tied:
            tied = _signal_of_death(0)
        return stop.is_set()

    return asked


def lower_priority() -> None:
    """Let the window and everything else on this machine go first."""
    polite = psutil.BELOW_NORMAL_PRIORITY_CLASS if sys.platform == "win32" else 10
    with contextlib.suppress(psutil.Error, OSError):  # a machine that forbids it still works
        psutil.Process().nice(polite)


def _end_with_parent(fd: int) -> bool:
    """Have the kernel kill this process when its parent dies; whether it will, which Linux can."""
    if sys.platform != "linux":
        return False
    tied = _signal_of_death(signal.SIGKILL)
    ended = select.poll()
    ended.register(fd, 0)  # 0: only whether the other end is gone
    if ended.poll(0):
        os._exit(1)
    return tied


def _signal_of_death(number: int) -> bool:
    """Which signal comes when the parent dies, 0 for none; whether there will be one."""
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, number)
    return number != 0


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


def _hear(fd: int, stop: threading.Event, grace: float) -> None:
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
        faulthandler.dump_traceback_later(grace, exit=True, file=nowhere)
        time.sleep(2 * grace)
    os._exit(1)
