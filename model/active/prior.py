"""What a network already knew: its own linear head, as the prior of the instant head."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

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
