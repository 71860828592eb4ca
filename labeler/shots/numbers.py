"""Numbers that the files carry for every shot (pulse energy, bunch, …), kept beside the project.

They are read once, in a child process, since a damaged file may kill whoever reads it; then they
lie in `scalars.npz` and are loaded only when a filter or an order asks for them.
"""

from __future__ import annotations

import contextlib
import importlib
import logging
import multiprocessing
import os
import threading
import zipfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from multiprocessing.connection import Connection
from pathlib import Path

import numpy as np
import numpy.typing as npt

from model.errors import InputError
from model.shots.sources import SourceInfo

FILE = "scalars.npz"
KEY, VALUE = "fingerprints", "number:"
PATIENCE_S = 300.0
"""Reading the numbers of one file may take so long."""
_CARELESS = (OSError, ValueError, KeyError, TypeError, EOFError, zipfile.BadZipFile)

Values = npt.NDArray[np.float64]
log = logging.getLogger(__name__)


class Numbers(Mapping[str, Values]):
    """(N,) numbers of the shots by name: the files' own, and those that somebody else gave."""

    def __init__(self, folder: Path | None = None, sources: Sequence[SourceInfo] = ()) -> None:
        self.sources = tuple(sources)
        self.path = None if folder is None else folder / FILE
        self._given: dict[str, Values] = {}
        self._loaded: dict[str, Values] = {}
        self._names: tuple[str, ...] = ()
        self.complete = not self.sources or self._look()
        """Whether the files' numbers are known; else `read` finds them out."""

    def give(self, name: str, values: npt.ArrayLike | None) -> None:
        """Add (N,) numbers under a name, or take them away; the files' own stay what they are."""
        if values is None:
            self._given.pop(name, None)
        else:
            self._given[name] = np.asarray(values, float)

    def __getitem__(self, name: str) -> Values:
        if name in self._given:
            return self._given[name]
        if name not in self._names:
            raise KeyError(name)
        if name not in self._loaded:
            self._loaded[name] = self._load(name)
        return self._loaded[name]

    def __iter__(self) -> Iterator[str]:
        return iter(sorted({*self._names, *self._given}))

    def __contains__(self, name: object) -> bool:
        return name in self._given or name in self._names

    def __len__(self) -> int:
        return len({*self._names, *self._given})

    def take(self, found: dict[str, Values]) -> None:
        """The files' numbers were read: keep them here and, where that is possible, on disk."""
        self._loaded, self._names, self.complete = dict(found), tuple(found), True
        if self.path is None:
            return
        half = self.path.with_suffix(f".{os.getpid()}.part")
        try:
            with half.open("wb") as out:
                columns = {VALUE + name: values for name, values in found.items()}
                np.savez(out, **{KEY: self._key()}, **columns)  # type: ignore[arg-type]
            half.replace(self.path)
        except OSError as error:
            log.warning("the numbers of the shots were not stored: %s", error)
        finally:
            with contextlib.suppress(OSError):
                half.unlink(missing_ok=True)

    def _key(self) -> npt.NDArray[np.str_]:
        return np.array([f"{s.fingerprint} {s.n_shots}" for s in self.sources])

    def _look(self) -> bool:
        """Whether the file on disk is about these sources."""
        if self.path is None or not self.path.is_file():
            return False
        try:
            with self.path.open("rb") as file, np.load(file, allow_pickle=False) as kept:
                fits = np.array_equal(kept[KEY], self._key())
                names = [n.removeprefix(VALUE) for n in kept.files if n.startswith(VALUE)]
        except _CARELESS as error:
            log.warning("%s is damaged and is made anew: %s", self.path, error)
            return False
        self._names = tuple(names) if fits else ()
        return bool(fits)

    def _load(self, name: str) -> Values:
        n = sum(s.n_shots for s in self.sources)
        try:
            assert self.path is not None
            with self.path.open("rb") as file, np.load(file, allow_pickle=False) as kept:
                found = np.asarray(kept[VALUE + name], np.float64)
            if found.shape == (n,):
                return found
            log.warning("%s holds %s of %s instead of %d", self.path, name, found.shape, n)
        except _CARELESS as error:
            log.warning("%s is damaged: %s", self.path, error)
        self.complete = False
        return np.full(n, np.nan)


class ScalarReader:
    """Reads the numbers of all files in a child; `on_read(numbers)` comes from its own thread."""

    def __init__(
        self, sources: Sequence[SourceInfo], on_read: Callable[[dict[str, Values]], None]
    ) -> None:
        self._sources = tuple(sources)
        self._on_read = on_read
        self._closing = False
        context = multiprocessing.get_context("spawn")
        self._ours, theirs = context.Pipe()
        self._child = context.Process(target=_serve, args=(theirs, self._sources), daemon=True)
        self._child.start()
        theirs.close()
        self._thread = threading.Thread(target=self._work, name="numbers of shots", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Stop at once."""
        self._closing = True
        self._child.kill()
        self._thread.join()
        self._child.join()
        self._child.close()
        self._ours.close()

    def _work(self) -> None:
        found: dict[str, Values] = {}
        whole = True
        start = 0
        for source in self._sources:
            try:
                some = self._ours.recv() if self._ours.poll(PATIENCE_S) else None
            except (EOFError, OSError):
                some = None
            if some is None:  # it died or hangs in this file: the other numbers are still good
                whole = False
                break
            _put(found, some, start, sum(s.n_shots for s in self._sources))
            start += source.n_shots
        if not self._closing and (whole or found):
            self._on_read(found)


def _put(found: dict[str, Values], some: dict[str, Values], start: int, n: int) -> None:
    for name, values in some.items():
        column = found.setdefault(name, np.full(n, np.nan))
        column[start : start + len(values)] = values


def _serve(pipe: Connection, sources: Sequence[SourceInfo]) -> None:
    open_source = importlib.import_module("model.shots.table").open_source
    for info in sources:
        try:
            with open_source(info.path, known=info) as source:
                found = source.scalars()
        except InputError:
            found = {}
        pipe.send({n: v for n, v in found.items() if v.shape == (info.n_shots,)})
