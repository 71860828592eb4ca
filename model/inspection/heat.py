"""Heat of every form for shots that a network has read (`forms.HEAT_FORMS` says what each asks).

- ``paper``, ``chattopadhay``: Grad-CAM++ of the last feature maps, see `model.heatmaps.gradcam`.
- ``difference``: with x the shot, x0 its twin without anything that depends on the direction
  (`occlusion.ring_medians`), A the feature maps of a layer and S the logit,
  Σ_k ½(∂S/∂A(x) + ∂S/∂A(x0)) · (A(x) - A(x0)): what each cell adds to S(x) - S(x0), by the
  trapezoid rule on the way between them. Of the last layers with cells of 4 and of 8 pixels, the
  positive parts; their geometric mean, so that a place is hot where both say so. Two forward
  passes for all classes, one backward pass a class.
- ``sectors``: SECTORS sectors about the centre, each shown alone on the twin: how much the class
  rises above that of the twin. No gradient; the same SECTORS + 1 forward passes serve all classes.
  Coarse, and blind to the radius.
- ``directed``: the product of the two.

A target is a weighting of logits: one class, or one class less another ("why Bent, not Streak").
Heat is positive; its scale means nothing between shots.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
import torch

from model.errors import InputError
from model.heatmaps.forms import HEAT_FORMS, UNSEEN
from model.heatmaps.geometry import FULL_FIELD, Box, Heat, enlarge
from model.heatmaps.gradcam import FORMS, through_pooled_linear_head
from model.inspection.occlusion import ring_medians
from model.inspection.questioning import Reader, ReadShots
from model.networks.architectures import Network
from model.networks.receptive import cell_box
from model.prediction.batches import PooledHead

Floats = npt.NDArray[np.float32]
SECTORS = 8
"""They overlap, each fading out where the next one is full."""
CELL = 4
"""Pixels of the network's input that a cell of the finer forms is wide."""


@dataclass(frozen=True)
class Cells:
    """Heat of one shot: values (m, h, w) >= 0, one map a target, whose cells tile `box`."""

    values: Floats
    box: Box


class Explainer:
    """Asks the network of a reader where the heat lies."""

    def __init__(self, reader: Reader, network: Network | None = None) -> None:
        self.reader = reader
        self._network = _ready(reader.network if network is None else network)
        self._depths = _depths(self._network, reader.size, reader.about.channels)
        self._head = PooledHead.of(self._network)

    def reread(self, read: ReadShots) -> ReadShots:
        """The same shots by this network, where it is not the reader's own."""
        with torch.inference_mode():
            features = self._network.features(self._input(read.squares))
            logits = self._network.head(features)
        return replace(read, features=features.numpy(), logits=logits.numpy())

    def targets(self, names: Sequence[str], against: str | None = None) -> Floats:
        """(m, C) weightings of the logits: each class by itself, or less `against`."""
        found = np.zeros((len(names), len(self.reader.names)), np.float32)
        for row, name in enumerate(names):
            found[row, self.reader.index(name)] += 1
            if against is not None:
                found[row, self.reader.index(against)] -= 1
        return found

    def cells(
        self, read: ReadShots, shot: int, targets: Floats, forms: Sequence[str]
    ) -> dict[str, Cells]:
        """Heat of one of the shots read, by form. InputError for a form that does not exist, or
        that asks about directions where the network sees none (a correlation map)."""
        for form in forms:
            if form not in HEAT_FORMS:
                mend = f"There are: {', '.join(HEAT_FORMS)}."
                raise InputError(f"there is no form of heat {form!r}", mend=mend)
        found: dict[str, Cells] = {
            form: self._gradcam(read, shot, targets, form) for form in FORMS if form in forms
        }
        finer = [form for form in forms if form not in found]
        if not finer:
            return found
        if self.reader.about.preprocessing.input != "pattern":
            mend = f"Choose {HEAT_FORMS['paper'].title}, or a run of patterns."
            raise InputError("a correlation map has no rings to compare it with", mend=mend)
        centre = (float(read.centre[shot][0]), float(read.centre[shot][1]))
        square = read.squares[shot]
        twin = ring_medians(square, read.good[shot], centre)
        parts: dict[str, Floats] = {}
        if set(finer) & {"difference", "directed"}:
            parts["difference"] = self._difference(square, twin, targets)
        if set(finer) & {"sectors", "directed"}:
            parts["sectors"] = self._sectors(square, twin, centre, targets)
        if "directed" in finer:
            parts["directed"] = parts["difference"] * parts["sectors"]
        return found | {form: Cells(parts[form], FULL_FIELD) for form in finer}

    def on_square(
        self, read: ReadShots, shot: int, targets: Floats, forms: Sequence[str]
    ) -> dict[str, list[Heat]]:
        """The same as (size, size) heat in [0, 1] of each target on what the network saw; none
        where there is no detector."""
        shape = (self.reader.size, self.reader.size)
        return {
            form: [enlarge(each, shape, cells_box=c.box) * read.good[shot] for each in c.values]
            for form, c in self.cells(read, shot, targets, forms).items()
        }

    def nothing_to_see(self, read: ReadShots, shot: int, kind: int) -> str:
        """Why heat of a class on a shot would be noise; empty where it would not."""
        good, counts = read.good[shot], read.squares[shot]
        lit = counts[good]
        if not lit.size or float(lit.max()) <= float(lit.min()):
            return "This shot is the same everywhere: there is nothing to look at."
        if not np.isfinite(read.logits[shot]).all():
            return "The network cannot read this shot."
        said = float(self.reader.about.probabilities(read.logits[shot : shot + 1])[0, kind])
        if said < UNSEEN and not read.decided[shot, kind]:
            name = self.reader.names[kind]
            return f"The network sees no {name} in this shot (p {said:.3f}): nothing to explain."
        return ""

    def _gradcam(self, read: ReadShots, shot: int, targets: Floats, form: str) -> Cells:
        weight = targets @ self._head.weight
        logits = read.logits[shot : shot + 1] @ targets.T
        features = read.features[shot : shot + 1]
        found = through_pooled_linear_head(features, weight, logits, form).values[0]  # type: ignore[arg-type]
        return Cells(np.maximum(found, 0).astype(np.float32), self.reader.cells)

    def _difference(self, square: Floats, twin: Floats, targets: Floats) -> Floats:
        """(m, g, g) with cells of CELL pixels."""
        grid = -(-self.reader.size // CELL)
        maps, gradients = self._gradients(np.stack([square, twin]), targets)
        product = np.ones((len(targets), grid, grid), np.float32)
        for depth, gradient in gradients.items():
            of_shot, of_twin = maps[depth]
            adds = (gradient.mean(1) * (of_shot - of_twin)).sum(1)
            h, w = adds.shape[-2:]
            box = cell_box(self._network, self.reader.size, (h, w), depth + 1)
            peaks = np.maximum(adds.max((-2, -1)), 0)  # which `enlarge` makes 1
            fine = [enlarge(each, (grid, grid), cells_box=box) for each in adds]
            product *= peaks[:, None, None] * np.stack(fine)
        return np.asarray(product ** (1 / len(gradients)), np.float32)

    def _sectors(
        self, square: Floats, twin: Floats, centre: tuple[float, float], targets: Floats
    ) -> Floats:
        """(m, g, g) with cells of CELL pixels."""
        logs = np.log1p(square), np.log1p(twin)
        masks = sectors(square.shape, centre)
        shown = [np.expm1(mask * logs[0] + (1 - mask) * logs[1]) for mask in masks]
        said = self._logits(np.stack([twin, *shown])) @ targets.T
        rises = np.maximum(said[1:] - said[0], 0).T  # (m, sectors)
        grid = -(-self.reader.size // CELL)
        scale = self.reader.size / grid
        coarse = sectors((grid, grid), tuple((c + 0.5) / scale - 0.5 for c in centre))
        return np.asarray(np.tensordot(rises, coarse, 1), np.float32)

    def _logits(self, squares: Floats) -> Floats:
        """(n, C) by the network itself: the engine of many shots pads a few to its batch."""
        with torch.inference_mode():
            return np.asarray(self._network(self._input(squares)).numpy(), np.float32)

    def _input(self, squares: Floats) -> torch.Tensor:
        ready = self.reader.about.preprocessing.to_input(squares).astype(np.float32)
        return torch.from_numpy(ready)[:, None]

    def _gradients(
        self, squares: Floats, targets: Floats
    ) -> tuple[dict[int, Floats], dict[int, Floats]]:
        """Of n squares: depth -> feature maps (n, K, h, w), and their gradients (m, n, K, h, w)."""
        kept: dict[int, torch.Tensor] = {}
        with torch.enable_grad():
            maps = self._input(squares)
            for depth, layer in enumerate(self._network.body):
                maps = layer(maps)
                if depth in self._depths:
                    if not maps.requires_grad:
                        maps.requires_grad_(True)
                    kept[depth] = maps
            logits = self._network.head(maps)
            wanted = torch.from_numpy(targets)[:, None].expand(-1, len(squares), -1)
            gradients = torch.autograd.grad(
                logits, list(kept.values()), wanted, is_grads_batched=True
            )
        return (
            {depth: maps.detach().numpy() for depth, maps in kept.items()},
            {depth: g.numpy() for depth, g in zip(kept, gradients, strict=True)},
        )


def sectors(shape: tuple[int, ...], centre: tuple[float, ...]) -> Floats:
    """(SECTORS, y, x) in [0, 1] about a centre; they sum to 1 everywhere."""
    y, x = np.indices(shape)
    direction, step = np.arctan2(y - centre[0], x - centre[1]), 2 * np.pi / SECTORS
    middles = np.arange(SECTORS)[:, None, None] * step
    away = np.abs((direction - middles + np.pi) % (2 * np.pi) - np.pi)
    return np.maximum(1 - away / step, 0).astype(np.float32)


def _ready(network: Network) -> Network:
    """In evaluation mode, its weights fixed, nothing computed in place: for gradients of maps."""
    network.eval().requires_grad_(False)
    for module in network.modules():
        if getattr(module, "inplace", False):
            module.inplace = False  # type: ignore[assignment]
    return network


def _depths(network: Network, size: int, channels: int) -> tuple[int, ...]:
    """Places in the body of the last layers whose cells are CELL and 2·CELL pixels wide, or as near
    to that as there are."""
    sides, maps = [], torch.zeros(1, channels, size, size)
    with torch.inference_mode():
        for layer in network.body:
            maps = layer(maps)
            sides.append(maps.shape[-1])
    nearest = [min(sides, key=lambda side: abs(side - size / width)) for width in (CELL, 2 * CELL)]
    last = {side: depth for depth, side in enumerate(sides)}
    return tuple(sorted({last[side] for side in nearest}))
