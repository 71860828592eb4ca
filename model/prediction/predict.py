"""One pass over all shots: probabilities, embedding and the heatmaps of every class.

`predict` needs the run folder and the shots, nothing else. Its memory does not grow with the
number of shots, and a shot that cannot be read never stops it. It trains nothing and changes no
label.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from model.errors import InputError
from model.events import Event, event
from model.heatmaps.gradcam import FORMS, through_pooled_linear_head
from model.networks.architectures import Network
from model.networks.receptive import cell_box, within
from model.output_files import refuse_sources
from model.prediction import inference
from model.runs import checkpoint
from model.runs.checkpoint import Checkpoint
from model.runs.prediction_file import PredictionFile, names_of_form
from model.shots.table import ShotTable

Floats = npt.NDArray[np.float32]
BETWEEN_REPORTS = 0.5
"""Seconds between two progress events, where a batch takes less."""


def never() -> bool:
    """The `stop` of somebody who never stops."""
    return False


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
        largest = float(np.finfo(np.float16).max)
        return {
            "probabilities": probabilities.astype(np.float32),
            "logits": np.where(readable[:, None], logits, np.nan).astype(np.float32),
            "decided": about.decide(safe) & readable[:, None],
            "embeddings": np.clip(np.nan_to_num(embeddings), -largest, largest).astype(np.float16),
            "readable": readable,
        } | maps


def predict(
    table: ShotTable,
    run: Path,
    out: Path,
    *,
    stop: Callable[[], bool] = never,
    class_names: Sequence[str] | None = None,
    engine: str = "auto",
    scheduler: str | None = None,
    workers: int | None = None,
) -> Iterator[Event]:
    """Read every shot of the table by the network of a run folder; writes `out` (predictions.h5).

    Yields `note` (which engine, and once how many shots were left out), `progress` at least once
    a batch, then `finished` (predictions, shots, unreadable, seconds), `cancelled` or `failed`.
    `stop` is asked before every batch; stopped or failed, nothing is left behind.
    class_names: refuse a run of other classes than these (a project's own).
    engine: auto, torch or openvino, see `inference.choose`.
    An `out` that is one of the files of shots is refused; see also `prediction_file.check_place`.
    scheduler, workers: of a Dask cluster, see `prediction_bulk`; then what is done is kept.
    """
    try:
        refuse_sources(Path(out), (info.path for info in table.sources))
        if scheduler is not None:
            from model.prediction.bulk import predict_in_ranges

            yield from predict_in_ranges(
                table, Path(run), Path(out), scheduler, workers,
                stop=stop, class_names=class_names, engine=engine,
            )  # fmt: skip
            return
        yield from _predict(table, Path(run), Path(out), stop, class_names, engine)
    except InputError as error:
        yield event("failed", text=str(error))


def _predict(
    table: ShotTable,
    run: Path,
    out: Path,
    stop: Callable[[], bool],
    class_names: Sequence[str] | None,
    engine_name: str,
) -> Iterator[Event]:
    started = time.monotonic()
    if not len(table):
        raise InputError("there are no shots to predict", mend="Add a file of shots first.")
    network, about = checkpoint.load(run, class_names)
    checkpoint.check_kind(about, table.sources)
    head = PooledHead.of(network)
    shape = (about.channels, about.preprocessing.size, about.preprocessing.size)
    grid = inference.grid(network, shape)
    attributes = attributes_of(table, about, run, grid, network)
    classes = len(about.class_names)
    writer = PredictionFile(out, len(table), classes, network.width, grid, attributes)
    try:
        engine, line = inference.choose(network, shape, engine_name)
        del network
        yield event("note", level="info", text=line)
        yield from warnings_of(table, about)
        source = Batches(table, about, engine.batch, stop)
        yield from _all_shots(engine, source, head, writer)
        if source.stopped:
            yield event("cancelled", text="Prediction stopped; nothing was written.")
            return
        writer.write(np.arange(len(table)), {"role": table.role, "shift": source.shift})
        writer.finish()
    finally:
        writer.discard()
    yield from left_out(source.total, source.unreadable, source.overflowing, source.first_error)
    yield event(
        "finished",
        metrics={},
        predictions=str(out),
        shots=len(table),
        unreadable=source.unreadable + source.overflowing,
        seconds=time.monotonic() - started,
    )


def _all_shots(
    engine: inference.Engine, source: Batches, head: PooledHead, writer: PredictionFile
) -> Iterator[Event]:
    """Progress while every shot goes through engine and head to the file."""
    done, total, last = 0, source.total, 0.0
    yield event("progress", what="predicting", done=0, total=total)
    for features in engine.stream(source):
        rows = source.rows.popleft()
        found = head.read(features, source.about)
        writer.write(rows, found)
        done += len(rows)
        source.overflowing += int((~found["readable"]).sum())
        if time.monotonic() - last > BETWEEN_REPORTS:
            last = time.monotonic()
            yield event("progress", what="predicting", done=done + source.unreadable, total=total)
    if source.unreadable == total:
        raise InputError(f"none of the {total} shots can be read", mend=str(source.first_error))
    if not source.stopped:
        yield event("progress", what="predicting", done=total, total=total)


class Batches:
    """Iterates over the readable shots, or those of `rows`, as network input (n, 1, size, size).

    A batch is made of what can be read of rows k·batch to (k + 1)·batch, so that its company, and
    with it the last bit of a shot's numbers, does not depend on where a range of shots begins.

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
        stop: Callable[[], bool] = never,
        rows: npt.NDArray[np.int64] | None = None,
    ) -> None:
        self.about, self.total = about, len(table)
        self.rows: deque[npt.NDArray[np.int64]] = deque()
        self.unreadable = self.overflowing = 0
        self.first_error: InputError | None = None
        self.stopped = False
        self._table, self._batch, self._stop, self._wanted = table, batch, stop, rows
        self.shift = np.zeros((len(table), 2), np.float32)

    def __iter__(self) -> Iterator[Floats]:
        rows: list[int] = []
        pixels: list[Floats] = []
        preprocessing = self.about.preprocessing
        for row, counts, mask in self._table.iter_shots(self._wanted, self._note):
            if rows and row // self._batch != rows[0] // self._batch:
                yield self._give(rows, pixels)
                rows, pixels = [], []
            if not rows and self._stop():
                self.stopped = True
                return
            rows.append(row)
            shot = preprocessing.prepare(counts, mask, self._table.geometry(row))
            pixels.append(preprocessing.input_of(shot))
            self.shift[row] = np.divide(shot.shift, shot.counts.shape)
        if rows:
            yield self._give(rows, pixels)

    def _note(self, row: int, error: InputError) -> None:
        self.unreadable += 1
        self.first_error = self.first_error or error

    def _give(self, rows: list[int], pixels: list[Floats]) -> Floats:
        self.rows.append(np.array(rows, np.int64))
        return np.stack(pixels)


def left_out(total: int, unreadable: int, overflowing: int, error: object) -> Iterator[Event]:
    """One note each for shots that could not be read, and that the network could not take.

    Raises InputError where none can be read.
    """
    if unreadable == total:
        raise InputError(f"none of the {total} shots can be read", mend=str(error))
    for count, why in (
        (unreadable, f"could not be read and have no prediction. {error}"),
        (overflowing, "overflow in the network and have no prediction."),
    ):
        if count:
            yield event("note", level="warning", text=f"{count} of {total} shots {why}")


def attributes_of(
    table: ShotTable, about: Checkpoint, run: Path, grid: tuple[int, int], network: Network
) -> dict[str, Any]:
    """What a predictions file says about itself."""
    field = about.preprocessing.field(table.sources[0].shape)
    return {
        "class_names": list(about.class_names),
        "thresholds": np.array(about.thresholds or (0.5,) * len(about.class_names), np.float32),
        "run": run.resolve().name,
        "network": about.network,
        "recipe": about.recipe.name,
        "heatmap_form": FORMS[0],
        "input": about.preprocessing.input,
        "field": np.array(field),
        "cells": np.array(within(field, cell_box(network, about.preprocessing.size, grid))),
        "fingerprint": table.fingerprint,
    }


def warnings_of(table: ShotTable, about: Checkpoint) -> Iterator[Event]:
    """What a person should know before."""
    if len({about.preprocessing.field(info.shape) for info in table.sources}) > 1:
        text = (
            "The files hold shots of different proportions; heatmaps are placed as on those of "
            f"{table.sources[0].path.name}."
        )
        yield event("note", level="warning", text=text)
