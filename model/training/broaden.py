"""The second half of `make backbone`: a network of plain scenes goes on with scenes of many causes
and with shots as frequent as in reality, and keeps what it knew of plain ones. In a second round
it meets other scenes of the same kinds as detectors with gaps, edges and noise would see them; in
the last two it learns to see what a half turn of a shot changes, see `architectures.HalfTurn`.

Every batch has so many shots of each file. On plain shots of the first two rounds the answer to
learn is in part what the network itself said before (distillation, Hinton et al. 2015).
"""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F
from torch import Tensor

from model.networks.architectures import Network, with_half_turn
from model.preprocessing.network_input import Preprocessing
from model.runs import checkpoint
from model.shots.table import ShotTable, table_of_file
from model.training.augment import augment
from model.training.optimisation import Average, make_optimiser, rate_at, set_rate

OFFSETS = 6.0
"""A quarter of the shots are shifted by up to so many counts, up or down."""
_AT_ONCE = 64


@dataclass(frozen=True)
class Share:
    """Of every batch: this many shots of a file, and which part of their answers is what the
    network said of them before."""

    file: str
    shots: int
    kept: float


@dataclass(frozen=True)
class Round:
    """What a network goes on with, for how long, and how the shots are changed: settings of a
    recipe."""

    mix: tuple[Share, ...]
    steps: int
    changes: Mapping[str, Any]
    half_turn: bool = False
    """Whether the network sees from now on what a half turn changes."""


_SEEING = Round(
    (
        Share("last-broad-balanced.h5", 10, 0.0),
        Share("last-broad-usual.h5", 6, 0.0),
        Share("last-plain-balanced.h5", 5, 0.0),
        Share("last-plain-balanced-fine.h5", 4, 0.0),
        Share("last-plain-usual.h5", 4, 0.0),
        Share("last-plain-usual-fine.h5", 3, 0.0),
    ),
    5000,
    {"zoom": 0.3, "shift": 0.025, "shot_noise": 0.7, "read_noise": 30.0, "other_detector": 0.4},
    half_turn=True,
)
ROUNDS = (
    Round(
        (
            Share("broad-balanced.h5", 11, 0.0),
            Share("broad-usual.h5", 6, 0.0),
            Share("plain-balanced.h5", 4, 0.5),
            Share("plain-balanced-fine.h5", 4, 0.5),
            Share("plain-usual.h5", 4, 0.25),
            Share("plain-usual-fine.h5", 3, 0.25),
        ),
        3900,
        {"zoom": 0.2, "shot_noise": 0.6},
    ),
    Round(
        (
            Share("more-broad-balanced.h5", 10, 0.0),
            Share("more-broad-usual.h5", 6, 0.0),
            Share("more-plain-balanced.h5", 5, 0.2),
            Share("more-plain-balanced-fine.h5", 4, 0.2),
            Share("more-plain-usual.h5", 4, 0.2),
            Share("more-plain-usual-fine.h5", 3, 0.2),
        ),
        4800,
        {"zoom": 0.3, "shift": 0.06, "shot_noise": 0.7, "read_noise": 30.0, "other_detector": 0.4},
    ),
    _SEEING,
    replace(_SEEING, mix=(Share("end-broad-balanced.h5", 10, 0.0), *_SEEING.mix[1:])),
)


@dataclass(frozen=True)
class _Shots:
    roots: npt.NDArray[np.float16]
    """(N, size, size) square roots of counts at the network's scale."""
    answers: npt.NDArray[np.float32]
    """(N, C)"""

    def counts(self, rows: npt.NDArray[np.int64]) -> Tensor:
        return torch.from_numpy(self.roots[rows].astype(np.float32))[:, None].square()


def broaden(first: Path, tables: Sequence[tuple[ShotTable, Share]], out: Path, plan: Round) -> None:
    """Train the network of the run folder `first` on as `plan` says, and write it to `out` in half
    precision."""
    torch.manual_seed(7)
    before, about = checkpoint.load(first)
    network = checkpoint.load(first)[0].float()
    if plan.half_turn and not about.recipe.half_turn:
        about = replace(about, recipe=replace(about.recipe, half_turn=True))
        network = with_half_turn(network, checkpoint.build(about, "he"))
    before = before.float().eval().to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    recipe = replace(about.recipe, rate=1e-3, ema=0.997, epochs=1, **plan.changes)
    sets = [_read(table, share, before, about.preprocessing) for table, share in tables]
    draws = [_Draw(len(shots.roots), share.shots, k) for k, (shots, (_, share)) in
             enumerate(zip(sets, tables, strict=True))]  # fmt: skip
    random = torch.Generator().manual_seed(7)
    network = network.train().to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    average, optimiser = Average(network, recipe.ema), make_optimiser(recipe, network)
    losses: list[float] = []
    for step in range(plan.steps):
        set_rate(optimiser, rate_at(recipe, step, plan.steps))
        rows = [draw.next() for draw in draws]
        counts = torch.cat([s.counts(r) for s, r in zip(sets, rows, strict=True)])
        answers = np.concatenate([s.answers[r] for s, r in zip(sets, rows, strict=True)])
        counts = _shifted(augment(counts, recipe, random), random)
        logits = _logits(network, about.preprocessing.to_input(counts))
        loss = F.binary_cross_entropy_with_logits(logits, torch.from_numpy(answers))
        optimiser.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_(network.parameters(), recipe.clip, foreach=True)
        optimiser.step()
        average.update(network)
        losses.append(float(loss.detach()))
        if (step + 1) % 50 == 0:
            print(f"step {step + 1} of {plan.steps}, loss {np.mean(losses[-50:]):.4f}")
    out.mkdir(parents=True, exist_ok=True)
    checkpoint.save(out, average.network.half(), replace(about, metrics={}))


def in_rounds(first: Path, shots: Path, out: Path) -> None:
    """All rounds, with the files of the folder `shots`."""
    for each in ROUNDS:
        tables = [(table_of_file(shots / share.file), share) for share in each.mix]
        broaden(first, tables, out, each)
        first = out


class _Draw:
    """Rows of a set in random order, each once before any comes again."""

    def __init__(self, n: int, each: int, seed: int) -> None:
        self._random, self._n, self._each = np.random.default_rng(seed), n, each
        self._left = np.zeros(0, np.int64)

    def next(self) -> npt.NDArray[np.int64]:
        if len(self._left) < self._each:
            self._left = self._random.permutation(self._n)
        rows, self._left = self._left[: self._each], self._left[self._each :]
        return np.sort(rows)


def _read(table: ShotTable, share: Share, before: Network, preprocessing: Preprocessing) -> _Shots:
    scales = preprocessing.scales_of(table)
    side = preprocessing.size
    roots = np.empty((len(table), side, side), np.float16)
    for row, counts, mask in table.iter_shots():
        reduced = preprocessing.seen(counts, mask, None)[0]
        scaled = preprocessing.brought(reduced, scales[int(table.source_of[row])])
        roots[row] = np.sqrt(np.maximum(scaled, 0))
    found = _Shots(roots, table.labels.astype(np.float32) * 0.98 + 0.01)
    if not share.kept:
        return found
    said = []
    for start in range(0, len(table), _AT_ONCE):
        rows = np.arange(start, min(start + _AT_ONCE, len(table)))
        with torch.inference_mode():
            said.append(_logits(before, preprocessing.to_input(found.counts(rows))).sigmoid())
    kept = torch.cat(said).numpy() * np.float32(share.kept)
    return _Shots(roots, found.answers * np.float32(1 - share.kept) + kept)


def _logits(network: Network, images: Tensor) -> Tensor:
    with torch.autocast("cpu", torch.bfloat16):
        logits: Tensor = network(images.contiguous(memory_format=torch.channels_last))
    return logits.float()


def _shifted(counts: Tensor, random: torch.Generator) -> Tensor:
    draw = torch.rand(len(counts), 1, 1, 1, generator=random)
    shift = (draw * 4 - 0.5) * 2 * OFFSETS
    return torch.where(draw < 0.25, counts + shift, counts).clamp(min=0)


if __name__ == "__main__":
    in_rounds(*map(Path, sys.argv[1:4]))
