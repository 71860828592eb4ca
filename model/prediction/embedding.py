"""Embeddings of all shots by a network that was never trained on them, such as a backbone.

What the instant learning needs before the first run: no heatmaps, no probabilities, in parts that
an interrupted pass does not compute again. It writes only below its cache and changes no label.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import numpy.typing as npt

from model.errors import InputError
from model.events import Event, Stop, event, never
from model.prediction import embedding_file as embedding_parts
from model.prediction import inference
from model.prediction.batches import Batches, halves, warnings_of
from model.prediction.embedding_file import PART, Part
from model.preprocessing.count_scale import pixels_of
from model.preprocessing.preparation import Preparation
from model.runs import checkpoint
from model.shots.table import ShotTable


def embed(
    table: ShotTable,
    network: Path,
    cache: Path,
    *,
    stop: Stop = never,
    engine: str = "auto",
    size: int = PART,
    preparation: Preparation | None = None,
) -> Iterator[Event]:
    """Embed every shot of the table by the network of a run folder or backbone.

    preparation: what is done to every shot first, for a network that learnt without any; None:
    what the network learnt with.
    Yields `note`, `progress`, a `part` (first, stop) for each part that is new on disk, and last
    `finished` (shots, unreadable, seconds), `cancelled` or `failed`. Parts that are there already
    are kept as they are.
    """
    started = time.monotonic()
    try:
        parts = embedding_parts.parts_of(table, network, cache, size, preparation)
        missing = [part for part in parts if not part.is_there]
        done = len(table) - sum(part.stop - part.first for part in missing)
        yield event("progress", what="predicting all shots", done=done, total=len(table))
        unreadable = 0
        if missing:
            reader = _Reader(table, network, engine, preparation)
            yield event("note", level="info", text=reader.line)
            yield from warnings_of(table, reader.scales)
            for part in missing:
                for so_far in reader.read(part, stop):
                    yield event("progress", what="predicting all shots", done=done + so_far,
                                total=len(table))  # fmt: skip
                if reader.found is None:
                    yield event("cancelled", text="Stopped; what was read is kept.")
                    return
                embedding_parts.write(part, reader.found, about_beam=reader.estimates(part))
                unreadable += reader.unreadable
                done += part.stop - part.first
                yield event("part", first=part.first, stop=part.stop)
            if unreadable:
                text = (
                    f"{unreadable:,} of {len(table):,} shots could not be read and get no"
                    f" suggestions. {reader.first_error}"
                )
                yield event("note", level="warning", text=text)
        gone = time.monotonic() - started
        yield event("finished", metrics={}, shots=len(table), unreadable=unreadable, seconds=gone)
    except InputError as error:
        yield event("failed", text=str(error))


class _Reader:
    """The network and its engine; `found` (n, D) is the last part, None where it was stopped."""

    def __init__(
        self, table: ShotTable, folder: Path, engine: str, preparation: Preparation | None
    ) -> None:
        network, about = checkpoint.load(folder, preparation=preparation)
        checkpoint.check_kind(about, table.sources)
        side = about.preprocessing.size
        self._engine, self.line = inference.choose(network, (about.channels, side, side), engine)
        self._about, self._width, self._table = about, network.width, table
        self.scales = about.preprocessing.scales_of(table)
        self.found: npt.NDArray[np.float16] | None = None
        self.unreadable = 0
        self.first_error: InputError | None = None

    def estimates(self, part: Part) -> bool:
        """Whether the detector of any shot of a part is full, so that light is estimated there."""
        sources = np.unique(self._table.source_of[part.first : part.stop])
        return any(pixels_of(self.scales[number]).are_full for number in sources)

    def read(self, part: Part, stop: Stop) -> Iterator[int]:
        """Fills `found`; yields how many shots are done, batch by batch."""
        found = np.full((part.stop - part.first, self._width), np.nan, np.float16)
        wanted = np.arange(part.first, part.stop)
        source = Batches(
            self._table, self._about, self._engine.batch, stop, rows=wanted, scales=self.scales
        )
        done = 0
        for features in self._engine.stream(source):
            rows = source.rows.popleft()
            values = features.mean((-2, -1))
            finite = np.isfinite(values).all(1)
            found[rows[finite] - part.first] = halves(values[finite])
            done += len(rows)
            yield done
        self.found = None if source.stopped else found
        self.unreadable = source.unreadable
        self.first_error = self.first_error or source.first_error
