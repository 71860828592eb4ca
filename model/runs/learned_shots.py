"""Which shots a network was trained on, so that the training it begins is judged on others.

A shot is known by a hash of its counts: a copy, a renamed file or one with more labels holds the
same shots. The run folder keeps the hashes of a training and of all trainings that it began from.
"""

from __future__ import annotations

import hashlib
import os
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from model.errors import InputError
from model.shots.table import ShotTable

FILE = "learned.npz"
Hashes = npt.NDArray[np.uint64]


def hash_of(counts: npt.NDArray[Any]) -> int:
    """What tells the counts (y, x) of a shot from those of another, as a 64-bit number."""
    digest = hashlib.blake2b(f"{counts.shape} {counts.dtype}".encode(), digest_size=8)
    digest.update(np.ascontiguousarray(counts).view(np.uint8).data)
    return int.from_bytes(digest.digest(), "little")


def hashes_of(table: ShotTable, rows: npt.NDArray[np.int64]) -> dict[int, int]:
    """Row -> hash of the given rows, read from their files; unreadable shots are left out."""
    shots = table.iter_shots(rows, on_error=lambda row, error: None)
    return {row: hash_of(counts) for row, counts, _ in shots}


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
