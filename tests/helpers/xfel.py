"""Runs of European XFEL as extra-data's writer of examples makes them, with counts in them."""

from __future__ import annotations

from pathlib import Path

import h5py
import numpy as np

DETECTOR = "SPB_DET_AGIPD1M-1"


def write_run(
    folder: Path, *, raw: bool = False, trains: int = 3, pulses: int = 4, first: int = 10000,
    sequence: int = 0, modules: range = range(16),
) -> Path:  # fmt: skip
    """One sequence of a run of AGIPD's 16 modules with random counts; corrected ones have masks."""
    from extra_data.tests.mockdata import write_file
    from extra_data.tests.mockdata.detectors import AGIPDModule

    folder.mkdir(exist_ok=True)
    kind = "RAW" if raw else "CORR"
    for k in modules:
        module = AGIPDModule(f"{DETECTOR}/DET/{k}CH0", raw=raw, frames_per_train=pulses)
        path = folder / f"{kind}-R0001-AGIPD{k:02}-S{sequence:05}.h5"
        write_file(
            str(path), [module], ntrains=trains, chunksize=trains, format_version="1.0",
            firsttrain=first,
        )  # fmt: skip
        with h5py.File(path, "r+") as file:
            image = file[f"INSTRUMENT/{DETECTOR}/DET/{k}CH0:xtdf/image"]
            rng = np.random.default_rng([k, sequence])
            image["data"][...] = rng.integers(1, 999, image["data"].shape)
            if not raw:
                image["mask"][:, :, :9] = 4
    return folder
