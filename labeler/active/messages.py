"""What the window and the child that learns say to each other, by pickle: plain values."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import numpy.typing as npt

from model.active.head import Held
from model.errors import InputError
from model.prediction.embedding_file import Part
from model.taxonomy.taxonomy import Taxonomy


@dataclass(frozen=True)
class EmbeddingSource:
    """What is learnt on: embeddings of n shots, from a run's predictions or in parts.

    `network` is the folder whose own head is the prior; `number` tells one source from another:
    it is the `source` of requests and answers.
    """

    number: int
    taxonomy: Taxonomy
    n: int
    network: Path
    predictions: Path | None = None
    parts: tuple[Part, ...] = ()


@dataclass(frozen=True)
class FitRequest:
    """Labels so far: rows (n,) with the bits of their classes; rows that shall not be asked for.

    Then how many to ask for, by which strategy, with which share of random checks. known (n,): the
    bits of the classes that are decided; None: all.
    """

    source: int
    rows: npt.NDArray[np.int64]
    present: npt.NDArray[np.int64]
    leave: npt.NDArray[np.int64]
    asked: int = 10
    strategy: str = "asked"
    audit: float = 0.1
    seed: int = 0
    known: npt.NDArray[np.int64] | None = None


@dataclass(frozen=True)
class NeighbourRequest:
    """Which k shots are most like one?"""

    row: int
    k: int


@dataclass(frozen=True)
class LayoutRequest:
    """Where do all shots lie on the map?"""


@dataclass(frozen=True)
class FitResult:
    """What is suggested after a fit to `labels` labels.

    probabilities (N, C); decided (N, C) the answers, with thresholds (C,); sure (N,) the chance
    that an answer is right, 0 where there is none and where `readable` (N,) is False. known (C,):
    False for classes that too few labels are decided on, None: True for all. rows (n,) to ask next
    with their reasons; checks: the next shots of the random audit. seconds: what it took.
    """

    source: int
    labels: int
    probabilities: npt.NDArray[np.float32]
    decided: npt.NDArray[np.bool_]
    thresholds: npt.NDArray[np.float32]
    sure: npt.NDArray[np.float32]
    readable: npt.NDArray[np.bool_]
    rows: npt.NDArray[np.int64]
    reasons: tuple[str, ...]
    checks: npt.NDArray[np.int64]
    seconds: float
    known: npt.NDArray[np.bool_] | None = None
    held: Held | None = None


@dataclass(frozen=True)
class Neighbours:
    """The shots most like `row`, the likest first."""

    row: int
    rows: npt.NDArray[np.int64]


@dataclass(frozen=True)
class Layout:
    """(N, 2) places of all shots on the map, NaN for those without an embedding."""

    source: int
    places: npt.NDArray[np.float32] = field(repr=False)


Request = EmbeddingSource | FitRequest | NeighbourRequest | LayoutRequest
Answer = FitResult | Neighbours | Layout | InputError
