"""Thumbnails made once and kept beside the project: one file for each source, by its fingerprint.

A file is a head, one byte of state for each shot, and a place of fixed size for each picture, so
that a million shots cost only what was looked at. What is damaged is made anew; where nothing can
be written, nothing is kept. Never touches a file of shots. For any thread.
"""

from __future__ import annotations

import logging
import struct
import threading
import zlib
from collections import OrderedDict
from collections.abc import Sequence
from io import FileIO
from pathlib import Path

import numpy as np
import numpy.typing as npt

from model.errors import InputError
from model.shots.sources import SourceInfo
from model.shots.thumbnail import SIDE

Picture = npt.NDArray[np.uint8]

MAGIC = b"airythumb1"
HEAD = struct.Struct("<10sHQ32s12x")
"""Magic, side, number of shots, fingerprint."""
RECORD = struct.Struct("<BBxxI")
"""Height, width, checksum of the pixels."""
MADE = 1
OPEN_FILES = 64

log = logging.getLogger(__name__)


class Thumbnails:
    """Pictures of shots by (source number, position in it); at most SIDE pixels along a side."""

    def __init__(self, folder: Path, sources: Sequence[SourceInfo]) -> None:
        self.folder = folder
        self._sources = tuple(sources)
        self._files: OrderedDict[int, _File | None] = OrderedDict()
        self._lock = threading.Lock()
        self.trouble = ""
        """Why thumbnails are not kept, in words; '' while they are."""

    def get(self, source: int, index: int) -> Picture | None:
        """(y, x) uint8, or None where it is not made yet or damaged."""
        with self._lock:
            file = self._file(source, make=False)
            try:
                return None if file is None else file.get(index)
            except (OSError, ValueError) as error:
                self._give_up(source, error)
                return None

    def put(self, source: int, index: int, picture: Picture) -> None:
        """Keep a picture; where that fails it is said once, in the log, and nothing is kept."""
        with self._lock:
            if self.trouble:
                return
            try:
                file = self._file(source, make=True)
                if file is not None:
                    file.put(index, picture)
            except (OSError, ValueError) as error:
                self._give_up(source, error)

    def made(self, source: int) -> npt.NDArray[np.bool_]:
        """(n,) which shots of a source have a picture here."""
        with self._lock:
            file = self._file(source, make=False)
            n = self._sources[source].n_shots
            return np.zeros(n, bool) if file is None else file.state == MADE

    def close(self) -> None:
        """Let go of the files."""
        with self._lock:
            while self._files:
                self._drop(next(iter(self._files)))

    def _file(self, source: int, *, make: bool) -> _File | None:
        if source in self._files and (self._files[source] is not None or not make):
            self._files.move_to_end(source)
            return self._files[source]
        info = self._sources[source]
        path = self.folder / f"{info.fingerprint[:32]}.u8"
        if make and not path.is_file():
            self.folder.mkdir(exist_ok=True)
        self._files[source] = _File.open(path, info, make=make)
        while len(self._files) > OPEN_FILES:
            self._drop(next(iter(self._files)))
        return self._files[source]

    def _give_up(self, source: int, error: Exception) -> None:
        self.trouble = f"thumbnails are not kept: {error}"
        log.warning("%s (%s)", self.trouble, self.folder)
        self._drop(source)
        self._files[source] = None

    def _drop(self, source: int) -> None:
        file = self._files.pop(source, None)
        if file is not None:
            file.close()


class _File:
    """The pictures of one source."""

    def __init__(self, stream: FileIO, n: int, state: npt.NDArray[np.uint8]) -> None:
        self._stream = stream
        self.state = state
        self._first = HEAD.size + n
        self._size = RECORD.size + SIDE * SIDE

    @classmethod
    def open(cls, path: Path, info: SourceInfo, *, make: bool) -> _File | None:
        """The file of a source; made anew where it is another one's, of another form, or short."""
        head = HEAD.pack(MAGIC, SIDE, info.n_shots, info.fingerprint.encode()[:32])
        try:
            stream = FileIO(path, "r+" if path.is_file() else "w+" if make else "r")
        except OSError as error:
            if make:
                raise
            if path.is_file():
                log.warning("thumbnails cannot be read: %s", error)
            return None
        found = stream.read(HEAD.size + info.n_shots)
        if found[: HEAD.size] != head or len(found) != HEAD.size + info.n_shots:
            if found:
                log.warning("%s is damaged or of another source and is made anew", path)
            stream.seek(0)
            stream.truncate()
            _write(stream, 0, head + bytes(info.n_shots))
            found = bytes(HEAD.size + info.n_shots)
        return cls(stream, info.n_shots, np.frombuffer(found, np.uint8)[HEAD.size :].copy())

    def get(self, index: int) -> Picture | None:
        if self.state[index] != MADE:
            return None
        self._stream.seek(self._first + index * self._size)
        record = self._stream.read(self._size)
        if len(record) >= RECORD.size:
            height, width, checksum = RECORD.unpack_from(record)
            pixels = record[RECORD.size : RECORD.size + height * width]
            if len(pixels) == height * width > 0 and zlib.crc32(pixels) == checksum:
                return np.frombuffer(pixels, np.uint8).reshape(height, width)
        self.state[index] = 0
        return None

    def put(self, index: int, picture: Picture) -> None:
        height, width = picture.shape
        pixels = np.ascontiguousarray(picture).tobytes()
        if height * width > SIDE * SIDE:
            raise InputError(f"a thumbnail of {height} × {width} pixels is too large")
        record = RECORD.pack(height, width, zlib.crc32(pixels)) + pixels
        _write(self._stream, self._first + index * self._size, record)
        _write(self._stream, HEAD.size + index, bytes([MADE]))
        self.state[index] = MADE

    def close(self) -> None:
        self._stream.close()


def _write(stream: FileIO, place: int, data: bytes) -> None:
    stream.seek(place)
    if stream.write(data) != len(data):
        raise OSError("the disk is full")
