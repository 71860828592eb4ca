"""The child process that reads shots: a damaged file may only ever kill this one.

It imports what reading needs (h5py, numpy, model.shots.table) and nothing else.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from multiprocessing.connection import Connection
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from model.errors import InputError
from model.shots.fingerprints import states_of
from model.shots.layouts import Geometry
from model.shots.thumbnail import thumbnail

if TYPE_CHECKING:
    from model.preprocessing.preparation import Preparation
    from model.shots.layouts.base import Counts
    from model.shots.sources import Source

Mask = npt.NDArray[np.bool_]
Opener = Callable[[Path, str | None], "Source"]
"""Opens a source: `model.shots.table.open_source`, or a stand-in in a test."""

Geometries = dict[tuple[Path, str], Geometry]
"""Where the detectors of sources stood, by file and dataset, as the project knows it."""

PARTS = 64
"""Of this many files that shots lie in it is said with every shot how they are."""
OPEN_SOURCES = 8
"""This many files stay open between requests."""
CARELESS = (OSError, ValueError, KeyError, IndexError, RuntimeError, TypeError, MemoryError)
"""What h5py raises on files that are not as they should be."""


def open_source(path: Path, dataset: str | None) -> Source:
    """The program's own opener, imported where it is needed: in the child."""
    from model.shots import table

    return table.open_source(path, dataset)


def serve(connection: Connection, opener: Opener) -> None:
    """Answer requests until the other end closes.

    A request is (kind, path, dataset, index) with the kind "counts" or "thumbnail", or
    ("steps", Preparation or None, geometries), which has no answer: what is done to all counts that
    are asked for later (thumbnails stay raw). Answers:
    ("opening",) and ("opened",) around the opening of a file, then one of ("counts", states,
    counts, mask or None, whether the mask is that of the answer before), ("thumbnail", states,
    picture) and ("error", InputError). The states are those of the source's files after reading.
    """
    server = _Server(connection, opener)
    connection.send(("ready",))
    while True:
        request = connection.recv()
        if request[0] == "steps":
            server.take_steps(*request[1:])
        else:
            connection.send(server.answer(*request))


class _Server:
    def __init__(self, connection: Connection, opener: Opener) -> None:
        self._connection = connection
        self._opener = opener
        self._sources: OrderedDict[tuple[Path, str | None], tuple[Source, list[Path]]] = (
            OrderedDict()
        )
        """Open sources, and the other files that their shots lie in."""
        self._mask: Mask | None = None
        self._steps: Preparation | None = None
        self._geometries: Geometries = {}
        self._looked = False

    def take_steps(self, steps: Preparation | None, geometries: Geometries) -> None:
        """Prepare counts by these from now on; None: leave them as they are in the file."""
        self._geometries = geometries
        self._steps, self._looked = steps, steps is None

    def answer(self, kind: str, path: Path, dataset: str | None, index: int) -> tuple[Any, ...]:
        try:
            source, parts = self._source(path, dataset)
            counts, mask = source.shot(index)
            states = states_of(path, parts)
            if kind == "thumbnail":
                return ("thumbnail", states, thumbnail(counts, mask))
            if self._steps is not None:
                geometry = self._geometries.get((path, dataset or ""), source.info.geometry)
                counts, mask = self._prepared(self._steps, geometry, counts, mask)
            last = self._mask
            same = mask is not None and last is not None and np.array_equal(mask, last)
            self._mask = self._mask if mask is None else mask
            return ("counts", states, counts, None if same else mask, same)
        except InputError as error:
            return ("error", error)
        except CARELESS as error:
            mend = "Copy the file again from where it was recorded, or skip this shot."
            what = f"the shot cannot be read ({str(error) or type(error).__name__})"
            return ("error", InputError(what, file=path, place=f"shot {index}", mend=mend))

    def _prepared(
        self, steps: Preparation, geometry: Geometry, counts: Counts, mask: Mask | None
    ) -> tuple[Counts, Mask | None]:
        if not self._looked:  # looking for bad pixels takes seconds on a large detector, once
            self._connection.send(("opening",))
            if steps.bad_pixels and steps.reference is not None:
                _ = steps.reference.bad_pixels
            self._connection.send(("opened",))
            self._looked = True
        made = steps.apply(counts, mask, geometry)
        return made.counts, None if made.mask.all() else made.mask

    def _source(self, path: Path, dataset: str | None) -> tuple[Source, list[Path]]:
        key = (path, dataset)
        if key not in self._sources:
            self._connection.send(("opening",))
            while len(self._sources) >= OPEN_SOURCES:
                self._sources.popitem(last=False)[1][0].close()
            source = self._opener(path, dataset)
            self._sources[key] = source, [part.resolve() for part in source.parts()[:PARTS]]
            self._connection.send(("opened",))
        self._sources.move_to_end(key)
        return self._sources[key]
