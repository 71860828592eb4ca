"""A made-up beamtime for the pictures: shots of the demo arrive in a folder, a few at a time."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import h5py
import numpy as np

from model.output_files import written_whole
from model.shots.table import open_source

AT_A_TIME = 6


def arrive(source: Path, folder: Path, seed: int = 0) -> Iterator[int]:
    """Put a file more of the source's shots, in random order, into the folder at every step.

    Each appears under its name only when it is whole; yields how many shots came so far.
    """
    with open_source(source) as shots:
        order = np.random.default_rng(seed).permutation(shots.info.n_shots)
        for start in range(0, len(order), AT_A_TIME):
            rows = order[start : start + AT_A_TIME]
            with written_whole(folder / f"{start:06}.h5") as part, h5py.File(part, "w") as file:
                file["images"] = np.stack([shots.read(int(row)) for row in rows])
            yield start + len(rows)
