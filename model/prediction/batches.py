"""What a network says of shots, batch by batch: the same numbers by whatever engine, here or on a
worker of a cluster. It writes nothing.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from model.errors import InputError
from model.events import Event, Stop, event, never
from model.heatmaps.geometry import Box, within
from model.heatmaps.gradcam import FORMS, through_pooled_linear_head
from model.networks.architectures import Network
from model.networks.receptive_field import cell_box, seen_by_a_cell
from model.preprocessing.count_scale import FileScale, doubts_in_words, pixels_of
from model.runs.checkpoint import Checkpoint
from model.runs.prediction_file import names_of_form
from model.shots.table import ShotTable

Scales = tuple[FileScale | None, ...]
Floats = npt.NDArray[np.float32]


def halves(values: Floats) -> npt.NDArray[np.float16]:
    """Finite numbers as they are stored; what is too large for that becomes the largest."""
    largest = float(np.finfo(np.float16).max)
    return np.clip(values, -largest, largest).astype(np.float16)


@dataclass(frozen=True)
class PooledHead:
    """The linear layer behind the average pool: weight (C, K), bias (C,)."""

    weight: Floats
    bias: Floats

    @classmethod
    def of(cls, network: Network) -> PooledHead:
        """That of a network."""
        linear = network.head.linear
        weight, bias = (p.detach().cpu().float().numpy() for p in (linear.weight, linear.bias))
        return cls(weight, bias)

    def read(self, features: Floats, about: Checkpoint) -> dict[str, npt.NDArray[Any]]:
        """Feature maps (n, K, h, w) to everything that is stored of a shot, by dataset name.

        Heatmaps explain σ(logit) of each class by itself, for rule-aware networks too.
        A shot whose logits are not finite counts as not readable.
        """
        embeddings = features.mean((-2, -1))
        logits = embeddings @ self.weight.T + self.bias
        readable = np.isfinite(logits).all(1)
        safe = np.where(readable[:, None], logits, 0)
        shown = np.where(readable[:, None, None, None], features, 0)
        maps: dict[str, npt.NDArray[Any]] = {}
        for form in FORMS:
            stored = through_pooled_linear_head(shown, self.weight, safe, form).stored()
            maps |= zip(names_of_form(form), stored, strict=True)
        probabilities = np.where(readable[:, None], about.probabilities(safe), np.nan)
        return {
            "probabilities": probabilities.astype(np.float32),
            "logits": np.where(readable[:, None], logits, np.nan).astype(np.float32),
            "decided": about.decide(safe) & readable[:, None],
            "embeddings": halves(np.nan_to_num(embeddings)),
            "readable": readable,
        } | maps


class Batches:
    """Iterates over the readable shots, or those of `rows`, as network input (n, 1, size, size).

    A batch is made of what can be read of rows k·batch to (k + 1)·batch, so that its company, and
    with it the last bit of a shot's numbers, does not depend on where a range of shots begins.

    `scales` is the scale of counts of each source, worked out here where it is not given.

    `rows` queues the rows of the batches handed out; `unreadable` counts the shots left out, and
    `first_error` is why the first one was; `overflowing` those that the network could not take;
    `shift` (N, 2) how far the preparation moved each, in shares of its sides; `stopped` says
    whether a person stopped it.
    """

    def __init__(
        self,
        table: ShotTable,
        about: Checkpoint,
        batch: int,
        stop: Stop = never,
        rows: npt.NDArray[np.int64] | None = None,
        scales: Scales | None = None,
    ) -> None:
        self.about, self.total = about, len(table)
        self.rows: deque[npt.NDArray[np.int64]] = deque()
        self.unreadable = self.overflowing = 0
        self.first_error: InputError | None = None
        self.stopped = False
        self._table, self._batch, self._stop, self._wanted = table, batch, stop, rows
        self._scales = about.preprocessing.scales_of(table) if scales is None else scales
        self.shift = np.zeros((len(table), 2), np.float32)

    def __iter__(self) -> Iterator[Floats]:
        rows: list[int] = []
        pixels: list[Floats] = []
        preprocessing = self.about.preprocessing
        for row, counts, mask in self._table.iter_usable(self._wanted, self._note):
            if rows and row // self._batch != rows[0] // self._batch:
                yield self._give(rows, pixels)
                rows, pixels = [], []
            if not rows and self._stop():
                self.stopped = True
                return
            rows.append(row)
            scale = self._scales[self._table.source_of[row]]
            geometry, pixels_here = self._table.geometry(row), pixels_of(scale)
            shot = preprocessing.prepare(counts, mask, geometry, pixels_here)
            pixels.append(preprocessing.input_of(shot, scale))
            self.shift[row] = np.divide(shot.shift, shot.counts.shape)
        if rows:
            yield self._give(rows, pixels)

    def _note(self, row: int, error: InputError) -> None:
        self.unreadable += 1
        self.first_error = self.first_error or error

    def _give(self, rows: list[int], pixels: list[Floats]) -> Floats:
        self.rows.append(np.array(rows, np.int64))
        return np.stack(pixels)


def refuse_nothing(total: int, unreadable: int, overflowing: int, error: object) -> None:
    """InputError where there is no prediction of any shot."""
    if unreadable == total:
        raise InputError(f"none of the {total:,} shots can be read", mend=str(error))
    if unreadable + overflowing == total:
        what = f"the network overflows on every shot that can be read ({overflowing:,})"
        raise InputError(what, mend="Train again, or choose another run.")


def left_out(total: int, unreadable: int, overflowing: int, error: object) -> Iterator[Event]:
    """One note each for shots that could not be read, and that the network could not take."""
    for count, why in (
        (unreadable, f"could not be read and have no prediction. {error}"),
        (overflowing, "overflow in the network and have no prediction."),
    ):
        if count:
            yield event("note", level="warning", text=f"{count:,} of {total:,} shots {why}")


def attributes_of(
    table: ShotTable,
    about: Checkpoint,
    run: Path,
    grid: tuple[int, int],
    network: Network,
    scales: Scales,
) -> dict[str, Any]:
    """What a predictions file says about itself; `scales`: of the sources."""
    cells = cell_box(network, about.preprocessing.size, grid)
    first = table.sources[0]
    seen, beam = seen_by_a_cell(network, about.preprocessing.size), first.geometry.centre
    described = describe(about, run.resolve().name, first.shape, cells, seen, beam)
    pixels = [pixels_of(scale) for scale in scales]
    decided = about.preprocessing.decisions(table.sources, pixels)
    return described | {
        "fingerprint": table.fingerprint,
        "geometry": decided,
        "full": np.array([found.are_full for found in pixels]),
    }


def describe(
    about: Checkpoint,
    run: str,
    shape: tuple[int, int],
    cells: Box,
    seen: float,
    beam: tuple[float, float] | None = None,
) -> dict[str, Any]:
    """What predictions of shots of this shape (y, x), with the beam where it is told, say about
    themselves; `cells` is the part of the network's input that the cells of its heatmaps tile, and
    `seen` the width that each can see, see `receptive_field.seen_by_a_cell`."""
    field = about.preprocessing.field(shape, beam)
    earlier = {"earlier_names": list(about.earlier_names)} if about.earlier_names else {}
    return earlier | {
        "class_names": list(about.class_names),
        "answer": "decided",
        "thresholds": np.array(about.thresholds or (0.5,) * len(about.class_names), np.float32),
        "run": run,
        "network": about.network,
        "recipe": about.recipe.name,
        "heatmap_form": FORMS[0],
        "input": about.preprocessing.input,
        "field": np.array(field),
        "cells": np.array(within(field, cells)),
        "seen_by_a_cell": seen,
    }


def fields_of(table: ShotTable, about: Checkpoint) -> Floats:
    """(N, 4) the part of each shot that the network sees: files may differ in proportions."""
    each = [about.preprocessing.field(s.shape, s.geometry.centre) for s in table.sources]
    return np.array(each, np.float32)[table.source_of]


def warnings_of(table: ShotTable, scales: Scales) -> Iterator[Event]:
    """What a person should know before; `scales` is that of each source."""
    for text in doubts_in_words(table, scales):
        yield event("note", level="warning", text=text)
