"""What a network already knew: its own linear head, as the prior of the instant head.

Reads the head's two arrays out of a run folder or a shipped backbone without importing torch.
Never loads the rest of the network.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
from safetensors import SafetensorError, safe_open

from model.errors import InputError
from model.taxonomy.taxonomy import Taxonomy, plain

Floats = npt.NDArray[np.float32]


@dataclass(frozen=True)
class Prior:
    """The linear head of the network that made the embeddings: weight (C, D), bias (C,).

    Classes that the network does not know have rows of zeros.
    """

    weight: Floats
    bias: Floats
    known: npt.NDArray[np.bool_]

    def logits(self, embeddings: npt.ArrayLike) -> Floats:
        """(N, D) embeddings to (N, C)."""
        return np.asarray(embeddings, np.float32) @ self.weight.T + self.bias


def prior_of(run: Path | str, taxonomy: Taxonomy) -> Prior | None:
    """The head of a run folder or backbone, its classes matched by name; None where none match.

    Raises InputError for a folder without a network.
    """
    run = Path(run)
    try:
        names = json.loads((run / "model.json").read_text(encoding="utf-8"))["class_names"]
        with safe_open(str(run / "model.safetensors"), "numpy") as file:
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
