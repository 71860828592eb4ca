"""A shot is known by a hash of its counts: a copy or a renamed file holds the same shots."""

from __future__ import annotations

import hashlib
from typing import Any

import numpy as np
import numpy.typing as npt

from model.shots.table import ShotTable

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
