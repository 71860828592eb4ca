"""The network's reading of live hits: the same steps as `predict`, a few shots at a time.

Preprocessing, engine, head and decisions are those of `model.prediction.predict`, so that a live
shot gets the numbers it would get from a file. It keeps nothing.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from model.errors import InputError
from model.networks.receptive_field import cell_box
from model.online.record import Found
from model.online.stream import Hit
from model.prediction import inference
from model.prediction.batches import PooledHead, describe
from model.preprocessing.count_scale import SAMPLE, CountScale, Seen, looks_of, scale_of
from model.preprocessing.network_input import Floats
from model.preprocessing.preparation import Preparation
from model.runs import checkpoint
from model.shots.layouts import Geometry

BATCH = 4
"""Shots for the engine at once: small, so that none waits long for the others."""


@dataclass
class LiveReader:
    """A run, ready to read hits; made by `open`. `says` names the engine."""

    about: checkpoint.Checkpoint
    head: PooledHead
    engine: inference.InferenceEngine
    says: str
    run: str
    cells: tuple[float, float, float, float]
    geometry: Geometry = field(default_factory=Geometry)
    """Of shots whose source tells nothing."""
    sample: list[Seen] = field(default_factory=list)
    """The first hits as the network sees them; later ones change the scale of counts no more."""
    scale: CountScale | None = None
    """What they tell of the detector."""
    looked_at: int = 0

    @classmethod
    def open(
        cls,
        run: Path,
        engine: str = "auto",
        geometry: Geometry | None = None,
        preparation: Preparation | None = None,
    ) -> LiveReader:
        """Load a run folder, see `checkpoint.load`; InputError where it is missing or changed."""
        network, about = checkpoint.load(Path(run), preparation=preparation)
        size = about.preprocessing.size
        shape = (about.channels, size, size)
        chosen, says = inference.choose(network, shape, engine, BATCH)
        box = cell_box(network, size, inference.grid(network, shape))
        head = PooledHead.of(network)
        return cls(about, head, chosen, says, Path(run).resolve().name, box, geometry or Geometry())

    @property
    def most(self) -> int:
        """Hits that are worth handing over at once: two batches, one for each engine's hand."""
        return 2 * self.engine.batch

    def read(self, hits: Sequence[Hit]) -> tuple[list[Hit], Found, list[InputError]]:
        """The hits that could be read, what was found (by dataset name, as in predictions.h5, with
        `shift`), and why the others could not."""
        shifts, readable, errors = [], [], []
        preprocessing = self.about.preprocessing
        squares: list[Floats] = []
        new: list[Seen] = []
        for hit in hits:
            geometry = self.geometry if hit.geometry == Geometry() else hit.geometry
            try:
                shot = preprocessing.prepare(hit.counts, hit.mask, geometry)
                square, seen = preprocessing.reduced_with_mask(shot)
            except InputError as error:
                errors.append(error)
                continue
            squares.append(square)
            new.append((square, seen))
            readable.append(hit)
            shifts.append(np.divide(shot.shift, shot.counts.shape))
        if not readable:
            return [], {}, errors
        self._look(new)
        pixels = [
            preprocessing.to_input(preprocessing.brought(s, self.scale)).astype(np.float32)[None]
            for s in squares
        ]
        parts = [self.head.read(f, self.about) for f in self.engine.stream(self._batches(pixels))]
        found = {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
        found["shift"] = np.array(shifts, np.float32)
        return readable, found, errors

    def _look(self, new: list[Seen]) -> None:
        """Tell the scale anew whenever there are twice as many shots to tell it by."""
        if self.about.preprocessing.scale is None or len(self.sample) >= SAMPLE:
            return
        self.sample += new[: SAMPLE - len(self.sample)]
        if len(self.sample) >= min(2 * self.looked_at, SAMPLE):
            self.looked_at = len(self.sample)
            looks = looks_of(self.sample)
            self.scale = scale_of(looks) if looks else None

    def attributes(self, shape: tuple[int, int]) -> dict[str, Any]:
        """What a file of these readings says about them, for shots of this shape (y, x)."""
        return describe(self.about, self.run, shape, self.cells)

    def _batches(self, pixels: list[npt.NDArray[np.float32]]) -> Iterator[npt.NDArray[np.float32]]:
        """In batches for the engine, both of its hands with the same to do."""
        parts = -(-len(pixels) // self.engine.batch)
        if len(pixels) > 1:
            parts = max(2, parts)
        for part in np.array_split(np.arange(len(pixels)), parts):
            yield np.stack([pixels[i] for i in part])
