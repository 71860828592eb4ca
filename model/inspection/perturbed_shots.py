"""A few shots read by a network and kept in memory, to be questioned: what if a part were missing?

`prediction` reads all shots once and keeps only results; here a handful stays, with the squares
that the network saw, so that they can be changed and read again. Writes nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from model.errors import InputError
from model.heatmaps.geometry import Box, Heat, enlarge, within
from model.networks.receptive_field import cell_box
from model.prediction import inference
from model.prediction.batches import Batches, PooledHead, halves
from model.prediction.before_labels import MOST, AdaptedAnswers, Halves, adapted_head
from model.preprocessing.count_scale import FileScale, pixels_of
from model.preprocessing.preparation import Preparation, sure_centre
from model.runs import checkpoint
from model.runs.prior import expected_of
from model.shots.layouts import Geometry
from model.shots.table import ShotTable
from model.taxonomy.same_classes import place_among
from model.taxonomy.taxonomy import Taxonomy

Floats = npt.NDArray[np.float32]
Flags = npt.NDArray[np.bool_]
Rows = npt.NDArray[np.int64]
Point = tuple[float, float]
Shot = tuple[int, npt.NDArray[Any], Flags | None, Geometry | None, FileScale | None]


@dataclass(frozen=True)
class PreparedShots:
    """Shots as a network will see them: rows (n,) of the table, and of each what follows.

    squares (n, size, size) linear counts as reduced for the network, `good` the same for pixels
    that saw anything; centre (n, 2) of the beam in them, (y, x) in pixels: as known, else as the
    shot shows it (`sure_centre`), else the middle, which is `assumed` (n,); seen (n, 4) the part of
    the shot in its file that the square shows: y0, x0, y1, x1 as fractions of its sides.
    """

    rows: Rows
    squares: Floats
    good: Flags
    centre: Floats
    assumed: Flags
    seen: Floats


@dataclass(frozen=True)
class ReadShots(PreparedShots):
    """Shots that were read too: features (n, K, h, w); logits, probabilities, decided (n, C)."""

    features: Floats
    logits: Floats
    probabilities: Floats
    decided: Flags

    def __len__(self) -> int:
        return len(self.rows)


class Reader:
    """The network of a run, ready to read shots. Raises InputError where there is none.

    `head` and `answers` are what its predictions are made by: its own, until `adapt` was called for
    a shipped one.
    few: a shot at a time, by one thread of this process, beside someone who works.
    preparation: see `checkpoint.load`.
    """

    def __init__(
        self,
        run: Path,
        *,
        few: bool = False,
        preparation: Preparation | None = None,
    ) -> None:
        network, self.about = checkpoint.load(Path(run), preparation=preparation)
        self.network, self._run = network, Path(run)
        self.head = PooledHead.of(network)
        self._adapted: AdaptedAnswers | None = None
        self.size = self.about.preprocessing.size
        shape = (self.about.channels, self.size, self.size)
        if few:
            torch.set_num_threads(1)
            self.engine: inference.InferenceEngine = inference.TorchEngine(
                network.body, 1, torch.device("cpu")
            )
        else:
            self.engine, _ = inference.choose(network, shape)
        self.cells = cell_box(network, self.size, inference.grid(network, shape))
        self.names = self.about.class_names

    @property
    def answers(self) -> checkpoint.Checkpoint | AdaptedAnswers:
        """What makes probabilities and labels of the logits by `head`."""
        return self._adapted or self.about

    def adapt(
        self, table: ShotTable, taxonomy: Taxonomy | None, seen: Halves | None = None
    ) -> None:
        """Answer as `predict` does for a table: with the head of a shipped network adapted to its
        shots by the rules of a taxonomy, see `before_labels`.

        seen: the embeddings (n, D) of these, see `before_labels.seen_by`; else they are read here.
        """
        theirs = self.about.taxonomy
        if expected_of(self._run, theirs.names) is None:
            return
        found = self._embeddings(table) if seen is None else seen
        made = adapted_head(self._run, taxonomy, theirs, found) if len(found) else None
        if made is not None:
            self.head = PooledHead(made.weight.T, made.bias)
            self._adapted = AdaptedAnswers(made)

    def _embeddings(self, table: ShotTable) -> Halves:
        """(n, D) of at most MOST shots, evenly spread, of those that can be read."""
        checkpoint.check_kind(self.about, table.sources)
        rows = np.arange(0, len(table), max(1, -(-len(table) // MOST)))
        source = Batches(table, self.about, self.engine.batch, rows=rows)
        means = [f.mean((-2, -1)) for f in self.engine.stream(source)]
        found = np.concatenate([np.zeros((0, self.head.weight.shape[1])), *means])
        return halves(found[np.isfinite(found).all(1)])

    def index(self, name: str, taxonomy: Taxonomy | None = None) -> int:
        """Position of a class, whatever its spelling; InputError for one that the network does not
        know. taxonomy: in which it may have another name, as in the run itself."""
        place = place_among(self.about.taxonomy, name, taxonomy)
        if place < 0:
            mend = f"It knows {', '.join(self.names)}."
            raise InputError(f"the network has no class {name!r}", mend=mend)
        return place

    def read(self, table: ShotTable, rows: npt.ArrayLike, *, named: bool = False) -> ReadShots:
        """Read some shots; those that cannot be read are left out, in the order of the rows.

        Raises InputError where none can be read, for maps where the network reads patterns, and,
        of shots that a person `named`, for one that cannot be read, with its number.
        """
        checkpoint.check_kind(self.about, table.sources)
        wanted = np.asarray(rows, np.int64)
        shots = table.iter_shots(wanted, _refuse if named else _leave_out)
        scales = self.about.preprocessing.scales_of(table)
        return self.read_shots(
            (row, counts, mask, table.geometry(row), scales[table.source_of[row]])
            for row, counts, mask in shots
        )

    def read_shots(self, shots: Iterable[Shot]) -> ReadShots:
        """The same of shots in memory."""
        prepared = self.prepare(shots)
        inputs = self.about.preprocessing.to_input(prepared.squares).astype(np.float32)
        return self.said(prepared, self.features(inputs))

    def said(self, shots: PreparedShots, features: Floats) -> ReadShots:
        """What the network says of shots, from their feature maps (n, K, h, w)."""
        logits = self.logits_from(features)
        parts = {f.name: getattr(shots, f.name) for f in fields(PreparedShots)}
        return ReadShots(
            **parts, features=features, logits=logits,
            probabilities=self.answers.probabilities(logits), decided=self.answers.decide(logits),
        )  # fmt: skip

    def prepare(self, shots: Iterable[Shot]) -> PreparedShots:
        """Shots in memory, not read yet: (row, counts, mask or None, geometry or None, scale of
        their source, see `Preprocessing.brought`) each. Raises InputError where there are none."""
        kept, squares, good, centres, assumed, parts = [], [], [], [], [], []
        steps = self.about.preprocessing
        for row, counts, mask, geometry, scale in shots:
            shot = steps.prepare(counts, mask, geometry, pixels_of(scale))
            kept.append(row)
            square, seen = steps.reduced_with_mask(shot)
            squares.append(steps.brought(square, scale))
            good.append(seen)
            known = None if geometry is None else geometry.centre
            field = steps.field(counts.shape, known)
            parts.append(np.array(field) - np.tile(np.divide(shot.shift, counts.shape), 2))
            if steps.preparation.centre or steps.input != "pattern":
                known = shot.centre
            if known is None:
                beam, sure = sure_centre(squares[-1], seen)
            else:
                beam, sure = self._on_square(known, counts.shape, field), True
            centres.append(beam)
            assumed.append(not sure)
        if not kept:
            raise InputError("none of these shots can be read", mend="Check the files of shots.")
        return PreparedShots(
            np.array(kept, np.int64), np.stack(squares), np.stack(good),
            np.array(centres, np.float32), np.array(assumed), np.array(parts, np.float32),
        )  # fmt: skip

    def _on_square(self, place: Point, shape: tuple[int, int], field: Box) -> Point:
        """A place (y, x) on a shot, in pixels of the square that shows its part `field`."""
        y0, x0, y1, x1 = field
        share = (np.array(place) + 0.5) / shape
        y, x = (share - (y0, x0)) / (y1 - y0, x1 - x0) * self.size - 0.5
        return float(y), float(x)

    def features(self, inputs: Floats) -> Floats:
        """(n, K, h, w) of network inputs (n, size, size)."""
        step = self.engine.batch
        parts = (inputs[i : i + step, None] for i in range(0, len(inputs), step))
        return np.concatenate(list(self.engine.stream(parts)))

    def logits_from(self, features: Floats) -> Floats:
        """(n, C) of feature maps."""
        return np.asarray(features.mean((-2, -1)) @ self.head.weight.T + self.head.bias, np.float32)

    def chances(self, squares: Floats) -> Floats:
        """(n, C) probabilities of linear counts (n, size, size), changed or not."""
        return self.answers.probabilities(self.logits(squares))

    def logits(self, squares: Floats) -> Floats:
        """(n, C) of linear counts (n, size, size), changed or not."""
        ready = self.about.preprocessing.to_input(squares).astype(np.float32)
        return self.logits_from(self.features(ready))

    def on_square(self, cells: Floats, box: Box | None = None) -> Heat:
        """Heat (h, w) whose cells tile `box`, onto the square that the network saw (size, size).

        box: as fractions of the square; that of the network's own grid where None.
        """
        return enlarge(cells, (self.size, self.size), cells_box=box or self.cells)

    def on_pattern(
        self,
        cells: Floats,
        shape: tuple[int, int],
        seen: Floats,
        box: Box | None = None,
    ) -> Heat:
        """The same onto a shot of this shape as it is in its file, of which the network saw the
        part `seen` (4,)."""
        return enlarge(cells, shape, *self.placed(seen, box))

    def placed(self, seen: Floats, box: Box | None = None) -> tuple[Box, Box]:
        """What the network saw of a shot in its file, and what cells that tile `box` tile there,
        both as fractions of the shot."""
        y0, x0, y1, x1 = map(float, seen)
        field = y0, x0, y1, x1
        return field, within(field, box or self.cells)


def _leave_out(row: int, error: InputError) -> None:
    """Of shots drawn by chance, others are as good."""


def _refuse(row: int, error: InputError) -> None:
    what = f"shot {row + 1}: {error.what}"
    raise InputError(what, file=error.file, place=error.place, mend=error.mend) from error


def one_of(read: ReadShots, shot: int) -> ReadShots:
    """One of the shots read, alone."""
    parts = {f.name: getattr(read, f.name)[shot : shot + 1] for f in fields(read)}
    return ReadShots(**parts)


def some_rows(table: ShotTable, most: int, seed: int) -> Rows:
    """At most `most` rows by chance: evaluation shots where there are any, else labelled, else all.

    Heat on shots that a network learnt by heart says little.
    """
    for pool in _pools(table):
        if len(pool):
            chosen = np.random.default_rng(seed).permutation(pool)[:most]
            return np.sort(chosen).astype(np.int64)
    return np.zeros(0, np.int64)


def _pools(table: ShotTable) -> Iterator[Rows]:
    from model.shots.table import EVALUATION

    yield np.flatnonzero(table.labelled & (table.role == EVALUATION))
    yield np.flatnonzero(table.labelled)
    yield np.arange(len(table))
