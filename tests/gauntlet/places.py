"""What the kinds of the gauntlet share: a project, a look whether it is whole, a forked child."""

from __future__ import annotations

import os
import select
import signal
import sqlite3
import time
import traceback
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import h5py
import numpy as np

from labeler.project import backups
from labeler.project.project import Project
from labeler.project.store import Store
from model.errors import InputError

FINE, REFUSED, DEFECT = 0, 3, 4
"""How a forked child ends: all well, an InputError with words, anything else."""
PATIENCE_S = 5.0


@dataclass
class Tally:
    """One line of the gauntlet. `lost` counts everything that must not happen."""

    kind: str
    tried: int = 0
    survived: int = 0
    lost: int = 0
    note: str = ""
    first: str = ""
    """What was lost first, to look into."""

    def add(self, trouble: str) -> None:
        """One trial; '' where it was survived."""
        self.tried += 1
        if trouble:
            self.lost += 1
            self.first = self.first or trouble
        else:
            self.survived += 1

    def __str__(self) -> str:
        line = f"{self.kind:<44} tried {self.tried:>6,}  survived {self.survived:>6,}"
        line += f"  lost {self.lost:>4,}"
        return line + (f"  ({self.note})" if self.note else "")


def make_project(folder: Path, n: int = 24, side: int = 48) -> Path:
    """A project of n simulated-looking shots in a fresh folder; the path of the project."""
    folder.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(3)
    y, x = np.mgrid[:side, :side] - (side - 1) / 2
    rings = 400 * np.exp(-np.hypot(y, x) / 9) * (1 + np.cos(np.hypot(y, x)))
    with h5py.File(folder / "shots.h5", "w") as file:
        file["images"] = rng.poisson(rings * rng.uniform(0.3, 2, (n, 1, 1))).astype(np.uint16)
    Project.create(folder / "week", [folder / "shots.h5"], annotator="Ada").close()
    return folder / "week"


def restore(project: Path) -> None:
    """Restore the newest backup."""
    backups.restore(project, backups.choose(project, "newest").path)


def trouble_with(project: Path) -> str:
    """What is wrong with a project's database, '' where it is whole in every respect."""
    try:
        with closing(sqlite3.connect(project / "project.sqlite")) as raw:
            (found,) = raw.execute("PRAGMA integrity_check").fetchone()
    except sqlite3.DatabaseError as error:
        found = error
    if found != "ok":
        return f"integrity: {found}"
    store = Store.open(project / "project.sqlite")
    try:
        return "; ".join(store.audit())
    finally:
        store.close()


def in_child(work: Callable[[], None], patience: float = PATIENCE_S) -> tuple[str, str]:
    """Run work in a forked process: (fine, refused, defect, killed or hung; its words)."""
    ours, theirs = os.pipe()
    pid = os.fork()
    if pid == 0:
        os.close(ours)
        os._exit(_run(work, theirs))
    os.close(theirs)
    words, status = _wait(pid, ours, patience)
    os.close(ours)
    if status is None:
        return "hung", words
    if os.WIFSIGNALED(status):
        return "killed", f"signal {os.WTERMSIG(status)} {words}"
    return {FINE: "fine", REFUSED: "refused"}.get(os.WEXITSTATUS(status), "defect"), words


def _run(work: Callable[[], None], out: int) -> int:
    nothing = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nothing, 1)
    os.dup2(nothing, 2)
    try:
        work()
    except InputError as error:
        os.write(out, str(error).encode()[:2000])
        return REFUSED if str(error).strip() else DEFECT
    except BaseException:  # noqa: BLE001 - whatever it is, the parent hears of it
        os.write(out, traceback.format_exc().encode()[-2000:])
        return DEFECT
    return FINE


def _wait(pid: int, pipe: int, patience: float) -> tuple[str, int | None]:
    """The child's words, and its status or None where it was still at it after the patience."""
    words, end = b"", time.monotonic() + patience
    while True:
        ready, _, _ = select.select([pipe], [], [], max(0.0, end - time.monotonic()))
        part = os.read(pipe, 4096) if ready else b""
        words += part
        if ready and part:
            continue
        if not ready:
            os.kill(pid, signal.SIGKILL)
            os.waitpid(pid, 0)
            return words.decode(errors="replace"), None
        return words.decode(errors="replace"), os.waitpid(pid, 0)[1]
