"""Which shots a network was trained on, so that the training it begins is judged on others.

The run folder keeps the hashes of a training and of all trainings that it began from, and the rows
of the shots that judged it.
"""

from __future__ import annotations

from pathlib import Path
from zipfile import BadZipFile

import numpy as np
import numpy.typing as npt

from model.output_files import write_arrays
from model.runs.folder import LEARNED
from model.shots.hashes import Hashes

Rows = npt.NDArray[np.int64]


def keep(folder: Path, own: Hashes, before: Hashes, judging: Rows) -> None:
    """Write the hashes of a training, and of those that it began from, and the rows (n,) of its
    evaluation shots into its run folder.

    Raises InputError where they cannot be written.
    """
    write_arrays(folder / LEARNED, own=np.unique(own), before=np.unique(before), judging=judging)


def read(folder: Path) -> tuple[Hashes, Hashes] | None:
    """Hashes of a run's own training and of those before it; None for a run that kept none."""
    found = _read(folder, "own", "before")
    return None if found is None else (found[0].astype(np.uint64), found[1].astype(np.uint64))


def judging(folder: Path) -> Rows | None:
    """Rows (n,) of the shots that judged a run; None for a run that kept none."""
    found = _read(folder, "judging")
    return None if found is None else found[0].astype(np.int64).ravel()


def _read(folder: Path, *names: str) -> list[npt.NDArray[np.generic]] | None:
    try:
        with (folder / LEARNED).open("rb") as raw, np.load(raw, allow_pickle=False) as file:
            return [file[name] for name in names]
    except (OSError, ValueError, KeyError, EOFError, BadZipFile):
        return None
