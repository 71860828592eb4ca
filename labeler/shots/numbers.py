"""Numbers that the files carry for every shot (pulse energy, bunch, …), kept beside the project.

Each file is read once, in a child process, since a damaged one may kill whoever reads it; one that
is away, when it is back. They lie in `scalars.npz` and are loaded only when a filter or an order
asks for them.
"""

from __future__ import annotations

import logging
import math
import threading
import time
import zipfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt

from model.errors import InputError
from model.output_files import write_arrays
from model.shots.child import FileReader
from model.shots.sources import SourceInfo, open_source

FILE = "scalars.npz"
KEY, VALUE = "fingerprints", "number:"
FORM = 1
"""One more wherever `_scalars` gives other numbers: those kept before are then read again."""
AGAIN_S = 15.0
"""A file that could not be read is tried again after this."""
_CARELESS = (OSError, ValueError, KeyError, TypeError, EOFError, zipfile.BadZipFile)

Values = npt.NDArray[np.float64]
Found = dict[int, dict[str, Values]]
"""Place of a source among the sources -> name -> numbers of its shots."""
log = logging.getLogger(__name__)


class Numbers(Mapping[str, Values]):
    """(N,) numbers of the shots by name: the files' own, and those that someone else gave."""

    def __init__(self, folder: Path | None = None, sources: Sequence[SourceInfo] = ()) -> None:
        self.sources = tuple(sources)
        self.path = None if folder is None else folder / FILE
        self._given: dict[str, Values] = {}
        self._loaded: dict[str, Values] = {}
        self._names: tuple[str, ...] = ()
        self._read = self._look()
        """Whose numbers are known, by source."""
        self._tried = -math.inf

    def unread(self) -> dict[int, SourceInfo]:
        """The sources to read now: those without numbers, unless that failed a moment ago."""
        if time.monotonic() - self._tried < AGAIN_S:
            return {}
        return {k: s for k, s in enumerate(self.sources) if not self._read[k]}

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
        return self._own(name)

    def __iter__(self) -> Iterator[str]:
        return iter(sorted({*self._names, *self._given}))

    def __contains__(self, name: object) -> bool:
        return name in self._given or name in self._names

    def __len__(self) -> int:
        return len({*self._names, *self._given})

    def take(self, found: Found) -> None:
        """Some files' numbers were read: keep them here and, where that is possible, on disk."""
        self._tried = time.monotonic()
        ends = np.cumsum([s.n_shots for s in self.sources])
        columns = {name: self._own(name).copy() for name in self._names}
        for k, some in found.items():
            self._read[k] = True
            for name, values in some.items():
                column = columns.setdefault(name, np.full(ends[-1], np.nan))
                column[ends[k] - self.sources[k].n_shots : ends[k]] = values
        self._loaded, self._names = columns, tuple(columns)
        if self.path is None or not found:
            return
        try:
            named = {VALUE + name: values for name, values in columns.items()}
            write_arrays(self.path, **{KEY: self._key()}, **named)
        except InputError as error:
            log.warning("the numbers of the shots were not stored: %s", error)

    def _key(self) -> npt.NDArray[np.str_]:
        """The sources whose numbers are known, "" for the others."""
        return np.array([_sign(s) * r for s, r in zip(self.sources, self._read, strict=True)])

    def _look(self) -> list[bool]:
        """Whose numbers are in the file on disk; those of none where it is about other sources."""
        unread = [False] * len(self.sources)
        if self.path is None or not self.path.is_file():
            return unread
        try:
            with self.path.open("rb") as file, np.load(file, allow_pickle=False) as kept:
                key = kept[KEY].tolist()
                names = [n.removeprefix(VALUE) for n in kept.files if n.startswith(VALUE)]
        except _CARELESS as error:
            log.warning("%s is damaged and is made again: %s", self.path, error)
            return unread
        if len(key) != len(unread) or any(
            k not in ("", _sign(s)) for k, s in zip(key, self.sources, strict=True)
        ):
            return unread
        self._names = tuple(names)
        return [bool(k) for k in key]

    def _own(self, name: str) -> Values:
        if name not in self._loaded:
            self._loaded[name] = self._load(name)
        return self._loaded[name]

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
        self._read = [False] * len(self.sources)
        return np.full(n, np.nan)


def _sign(source: SourceInfo) -> str:
    return f"{source.fingerprint} {source.n_shots} {FORM}"


class ScalarReader:
    """Reads the numbers of files in a child, by their places among the sources.

    `on_read` gets them from this object's own thread; a file that is away or damaged is left out.
    """

    def __init__(self, sources: Mapping[int, SourceInfo], on_read: Callable[[Found], None]) -> None:
        self._sources = dict(sources)
        self._on_read = on_read
        self._closing = False
        self._ask = FileReader(_scalars)
        self._thread = threading.Thread(target=self._work, name="numbers of shots", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Stop at once."""
        self._closing = True
        self._ask.stop()
        self._thread.join()

    def _work(self) -> None:
        found: Found = {}
        with self._ask as ask:
            for place, info in self._sources.items():
                try:
                    found[place] = ask(info.path, info)
                except InputError as error:
                    log.warning("no numbers per shot for now: %s", error)
        if not self._closing:
            self._on_read(found)


def _scalars(path: Path, info: SourceInfo) -> dict[str, Values]:
    with open_source(path, known=info) as source:
        found = source.scalars()
    return {name: values for name, values in found.items() if values.shape == (info.n_shots,)}
