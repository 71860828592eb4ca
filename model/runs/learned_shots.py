"""Which shots a network was trained on, so that the training it begins is judged on others.

The run folder keeps the hashes of a training and of all trainings that it began from.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from model.output_files import write_arrays
from model.runs.folder import LEARNED
from model.shots.hashes import Hashes


def keep(folder: Path, own: Hashes, before: Hashes) -> None:
    """Write the hashes of a training, and of those that it began from, into its run folder.

    Raises InputError where they cannot be written.
    """
    write_arrays(folder / LEARNED, own=np.unique(own), before=np.unique(before))


def read(folder: Path) -> tuple[Hashes, Hashes] | None:
    """Hashes of a run's own training and of those before it; None for a run that kept none."""
    try:
        with np.load(folder / LEARNED, allow_pickle=False) as file:
            return file["own"].astype(np.uint64), file["before"].astype(np.uint64)
    except (OSError, ValueError, KeyError, EOFError):
        return None
