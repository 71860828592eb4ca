"""The head of a run folder as the prior of the instant head, read without torch."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
from safetensors import SafetensorError, safe_open

from model.active.prior import Prior
from model.errors import InputError
from model.runs.folder import DESCRIPTION, WEIGHTS
from model.taxonomy.taxonomy import Taxonomy, plain


def prior_of(run: Path | str, taxonomy: Taxonomy) -> Prior | None:
    """The head of a run folder or backbone, its classes matched by name; None where none match.

    Raises InputError for a folder without a network.
    """
    run = Path(run)
    try:
        names = json.loads((run / DESCRIPTION).read_text(encoding="utf-8"))["class_names"]
        with safe_open(str(run / WEIGHTS), "numpy") as file:
            weight = file.get_tensor("head.linear.weight").astype(np.float32)
            bias = file.get_tensor("head.linear.bias").astype(np.float32)
    except (OSError, ValueError, KeyError, SafetensorError) as error:
        mend = "Choose the folder of a finished run."
        raise InputError(f"holds no trained network ({error})", file=run, mend=mend) from error
    theirs = {plain(name): i for i, name in enumerate(names)}
    known = np.array([plain(name) in theirs for name in taxonomy.names])
    if not known.any():
        return None
    rows = [theirs[plain(name)] for name in taxonomy.names if plain(name) in theirs]
    full = np.zeros((len(taxonomy), weight.shape[1]), np.float32)
    level = np.zeros(len(taxonomy), np.float32)
    full[known], level[known] = weight[rows], bias[rows]
    return Prior(full, level, known)
