"""One training of a project at a time, in whatever window or terminal; the lock dies with the
process that has it."""

from __future__ import annotations

from pathlib import Path

import filelock

from labeler.project.folder import CACHE
from model.errors import InputError

ELSEWHERE = "is being trained, or its shots predicted, in another window or terminal"


def lock_training(folder: Path) -> filelock.BaseFileLock | None:
    """The right to train the project of a folder or to predict its shots, until it is released.

    None where no locks are to be had: every process may. InputError where another one has it.
    """
    path = folder / CACHE / "training.lock"
    lock = filelock.FileLock(path, thread_local=False)
    try:
        path.parent.mkdir(exist_ok=True)
        lock.acquire(timeout=0)
    except filelock.Timeout as error:
        mend = "Wait until that has ended, or cancel it there."
        raise InputError(ELSEWHERE, file=folder, mend=mend) from error
    except (OSError, NotImplementedError):  # a file system without locks, or read-only
        return None
    return lock
