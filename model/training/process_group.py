"""The other processes of a training on this machine: no one waits for ever for one that has died.

A process that waits in a collective operation for a dead one may learn of it at once (gloo) or
not for half an hour (a GPU). The library that starts the processes has a watch of its own, which
kills the first process without a word, and maybe before that has said what happened; this one
takes its place.
"""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from collections.abc import Callable
from typing import Any

import psutil

from model.processes import is_helper

GRACE_S = 30.0
"""How long after a death the work may take to notice it and to end by itself."""
LOOK_S = 0.25
HERE = "127.0.0.1"
LOOPBACK = "lo0" if sys.platform == "darwin" else "lo"


class Peers(threading.Thread):
    """Looks after the processes that `launcher` (of Fabric, or None) starts, and their parent.

    Where one of them has ended with an error and `grace` seconds later `stop` was not called, the
    first process says so by `lost`; this process, and those that it started, are ended.
    """

    def __init__(
        self,
        launcher: Any,
        lost: Callable[[], None],
        grace: float = GRACE_S,
        leave: Callable[[int], object] = os._exit,
    ) -> None:
        super().__init__(name="peers", daemon=True)
        self._launcher, self._lost, self._grace, self._leave = launcher, lost, grace, leave
        self._processes: list[subprocess.Popen[bytes]] = []
        self._parent = psutil.Process(os.getppid()) if _is_started_by_first() else None
        self._end = threading.Event()

    def run(self) -> None:
        """Look until `stop` or a death."""
        while not self._end.wait(LOOK_S):
            self._take_over()
            if self._has_lost():
                break
        if self._end.wait(self._grace):
            return
        if self._parent is None:  # one voice is enough
            self._lost()
        for process in self._processes:
            process.kill()
        self._leave(1)

    def stop(self) -> None:
        """The training is over, whatever way: nothing is said or ended from now on."""
        self._end.set()
        if self.is_alive():
            self.join()

    def _take_over(self) -> None:
        """With nothing in its list, the library's own watch (every 5 s) ends itself."""
        theirs = getattr(self._launcher, "procs", [])
        while theirs:
            self._processes.append(theirs.pop())

    def _has_lost(self) -> bool:
        if any(process.poll() for process in self._processes):
            return True
        if self._parent is None:
            return False
        try:
            return self._parent.status() == psutil.STATUS_ZOMBIE
        except psutil.NoSuchProcess:
            return True


def _is_started_by_first() -> bool:
    """Whether the first process of the training started this one, not torchrun or Slurm."""
    elsewhere = ("TORCHELASTIC_RUN_ID", "SLURM_PROCID")
    return is_helper() and not any(name in os.environ for name in elsewhere)


def loopback_strategy() -> Any:
    """Lightning's `ddp` for the processes of one machine, whose meeting place and connections are
    on loopback: by default torch's store listens to everybody and asks for no password."""
    import socket

    from lightning_fabric.plugins.environments import LightningEnvironment
    from lightning_fabric.strategies import DDPStrategy
    from torch import distributed

    class OnLoopback(DDPStrategy):
        def _setup_distributed(self) -> None:
            place = self.cluster_environment
            if isinstance(place, LightningEnvironment) and not distributed.is_initialized():
                os.environ.update(GLOO_SOCKET_IFNAME=LOOPBACK, NCCL_SOCKET_IFNAME=LOOPBACK)
                self._set_world_ranks()
                first = self.global_rank == 0
                listening = None
                if first:
                    door = socket.create_server((HERE, place.main_port))
                    listening = door.detach()
                store = distributed.TCPStore(  # type: ignore[attr-defined]
                    HERE,
                    place.main_port,
                    self.world_size,
                    is_master=first,
                    master_listen_fd=listening,
                    wait_for_workers=False,
                )
                distributed.init_process_group(
                    self._get_process_group_backend(),
                    store=store,
                    rank=self.global_rank,
                    world_size=self.world_size,
                )
            super()._setup_distributed()

    return OnLoopback()
