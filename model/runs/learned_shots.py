"""Which shots a network was trained on, so that the training it begins is judged on others.

The run folder keeps the hashes of a training and of all trainings that it began from.
"""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np

from model.errors import InputError
from model.shots.hashes import Hashes

FILE = "learned.npz"


def keep(folder: Path, own: Hashes, before: Hashes) -> None:
    """Write the hashes of a training, and of those that it began from, into its run folder.

    Raises InputError where they cannot be written.
    """
    path = folder / FILE
    waiting = path.with_name(f".{FILE}.{os.getpid()}.part")
    try:
        with waiting.open("wb") as file:
            np.savez(file, own=np.unique(own), before=np.unique(before))
        waiting.replace(path)
    except OSError as error:
        waiting.unlink(missing_ok=True)
        what = f"cannot be written ({error.strerror})"
        raise InputError(what, file=path, mend="Free some space.") from error


def read(folder: Path) -> tuple[Hashes, Hashes] | None:
    """Hashes of a run's own training and of those before it; None for a run that kept none."""
    try:
        with np.load(folder / FILE, allow_pickle=False) as file:
            return file["own"].astype(np.uint64), file["before"].astype(np.uint64)
    except (OSError, ValueError, KeyError, EOFError):
        return None
