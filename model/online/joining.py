"""Predictions made live, joined to those of a project's run when the shots join the project.

The old file stays until the new one is whole. Nothing is computed here.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import h5py
import numpy as np

from model.errors import InputError
from model.heatmaps.geometry import FULL_FIELD
from model.runs.prediction_file import PredictionFile, as_text
from model.shots.hdf5 import open_file

AT_ONCE = 512
_OWN = ("airylabel_version",)


def extend_predictions(place: Path, record: Path, before: str, after: str) -> bool:
    """Append the record's predictions to `predictions.h5`; False where they are of another run.

    `before`, `after`: fingerprints of the project's shots without and with those of the record; a
    file that was up to date stays so. InputError where the disk is full; the old file stays then.
    """
    with open_file(place) as old, open_file(record) as new:
        if not _fit(old, new):
            return False
        n, more = len(old["probabilities"]), len(new["probabilities"])
        attributes = {k: v for k, v in old.attrs.items() if k not in _OWN}
        if as_text(attributes.get("fingerprint")) == before:
            attributes["fingerprint"] = after
        classes, width = old["probabilities"].shape[1], old["embeddings"].shape[1]
        grid = (int(old["heatmaps"].shape[2]), int(old["heatmaps"].shape[3]))
        writer = PredictionFile(place, n + more, classes, width, grid, attributes)
        try:
            for file, first, count in ((old, 0, n), (new, n, more)):
                _copy(file, writer, first, count)
            writer.finish()
        finally:
            writer.discard()
    return True


def _fit(old: h5py.File, new: h5py.File) -> bool:
    """Whether both are of one run."""
    same = all(as_text(old.attrs.get(k)) == as_text(new.attrs.get(k)) for k in ("run", "network"))
    names = [[as_text(n) for n in file.attrs.get("class_names", ())] for file in (old, new)]
    elsewhere = {"role", "field"}  # a record has no roles, an older one one field for all
    return same and names[0] == names[1] and all(name in new for name in set(old) - elsewhere)


def _copy(file: h5py.File, writer: PredictionFile, first: int, count: int) -> None:
    for start in range(0, count, AT_ONCE):
        stop = min(start + AT_ONCE, count)
        values: dict[str, Any] = {
            name: file[name][start:stop] for name in writer.names if name in file
        }
        whole = np.float32(file.attrs.get("field", FULL_FIELD))
        values.setdefault("field", np.broadcast_to(whole, (stop - start, 4)))
        try:
            writer.write(np.arange(first + start, first + stop), values)
        except (KeyError, ValueError) as error:
            what = f"has predictions of another make ({error})"
            raise InputError(what, file=file.filename, mend="Predict again.") from error
