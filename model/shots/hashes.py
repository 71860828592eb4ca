"""A shot is known by a hash of its counts: a copy or a renamed file holds the same shots."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from model.shots.fingerprints import hash_of
from model.shots.table import ShotTable

Hashes = npt.NDArray[np.uint64]


def hashes_of(table: ShotTable, rows: npt.NDArray[np.int64]) -> dict[int, int]:
    """Row -> hash of the given rows, read from their files; unreadable shots are left out."""
    shots = table.iter_shots(rows, on_error=lambda row, error: None)
    return {row: hash_of(counts) for row, counts, _ in shots}
