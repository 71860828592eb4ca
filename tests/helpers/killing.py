"""A run of the program that is killed at a known place, however fast the machine is."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from contextlib import suppress

import psutil

from tests.helpers.waiting import PATIENCE_S

SCRIPT = """
import os, signal, sys
import psutil
from labeler.cli import main
from model.bulk import filling

def save_and_die(self, save=filling.Filling.save, saved=[]):
    save(self)
    saved.append(True)
    if len(saved) == 2:
        print(*(p.pid for p in psutil.Process().children(recursive=True)), flush=True)
        os.kill(os.getpid(), signal.SIGKILL)

filling.SAVE_S = 0.0
filling.Filling.save = save_and_die
sys.exit(main(sys.argv[1:]))
"""


def killed_after_two_blocks(*words: str) -> list[int]:
    """`airylabel WORDS`, killed -9 when its journal names two blocks; returns its processes."""
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, *words],
        env=os.environ, stdout=subprocess.PIPE, text=True, timeout=PATIENCE_S, check=False,
    )  # fmt: skip
    assert done.returncode == -signal.SIGKILL, "it was not killed"
    return [int(pid) for pid in done.stdout.split()]


def still_running(pids: list[int]) -> bool:
    """Whether any of them does; one that no one has asked for its end yet (a zombie) does not."""
    for pid in pids:
        with suppress(psutil.NoSuchProcess):
            if psutil.Process(pid).status() != psutil.STATUS_ZOMBIE:
                return True
    return False
