"""Thumbnails made once and kept beside the project, in an SQLite file of their own.

A row is one picture, by the fingerprint of its source and its position there. It is a cache: a
damaged file is thrown away and made again; where nothing can be written, nothing is kept. Never
touches a file of shots or the project's database. For any thread.
"""

from __future__ import annotations

import errno
import logging
import os
import sqlite3
import threading
import zlib
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TypeVar

import numpy as np
import numpy.typing as npt

from model.shots.sources import SourceInfo

Picture = npt.NDArray[np.uint8]
T = TypeVar("T")

FILE = "thumbnails.sqlite"
VERSION = 1
_TABLE = f"""
PRAGMA user_version = {VERSION};
CREATE TABLE picture (
    source TEXT, shot INTEGER, height INTEGER, width INTEGER, checksum INTEGER, pixels BLOB,
    PRIMARY KEY (source, shot));
"""
_SETTINGS = "PRAGMA journal_mode = MEMORY; PRAGMA synchronous = OFF; PRAGMA cache_size = -4000;"
"""A power cut may damage the file, which costs making the pictures again and no more."""
_ACTING = """
SELECT 1 FROM sqlite_master WHERE type IN ('view', 'trigger') OR sql LIKE 'CREATE VIRTUAL%'
"""
_OUTSIDE = (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR, sqlite3.SQLITE_CANTOPEN,
            sqlite3.SQLITE_PERM, sqlite3.SQLITE_NOMEM)  # fmt: skip
"""Errors that do not mean a damaged file."""

log = logging.getLogger(__name__)


class Thumbnails:
    """Pictures of shots, (y, x) uint8, by (source number, position in it)."""

    def __init__(self, folder: Path, sources: Sequence[SourceInfo]) -> None:
        self.path = folder / FILE
        self._sources = tuple(sources)
        self._made: dict[int, npt.NDArray[np.bool_]] = {}
        self._open: sqlite3.Connection | None = None
        self._lock = threading.Lock()
        self.trouble = ""
        """Why thumbnails are not kept, in words; '' while they are."""

    def get(self, source: int, index: int) -> Picture | None:
        """(y, x) uint8, or None where it is not made yet or damaged."""
        return self._asked(lambda: self._get(source, index), None)

    def put(self, source: int, index: int, picture: Picture) -> None:
        """Keep a picture; where that fails it is said once, in the log, and nothing is kept."""
        if not self.trouble:
            self._asked(lambda: self._put(source, index, picture), None)

    def made(self, source: int) -> npt.NDArray[np.bool_]:
        """(n,) which shots of a source have a picture here."""
        nothing = np.zeros(self._sources[source].n_shots, bool)
        return self._asked(lambda: self._made_of(source).copy(), nothing)

    def close(self) -> None:
        """Let go of the file."""
        with self._lock:
            self._close()

    def _get(self, source: int, index: int) -> Picture | None:
        if not self._made_of(source)[index]:
            return None
        place = (self._sources[source].fingerprint, index)
        row = (
            self._database()
            .execute(
                "SELECT height, width, checksum, pixels FROM picture WHERE source = ? AND shot = ?",
                place,
            )
            .fetchone()
        )
        height, width, checksum, pixels = row or (0, 0, 0, None)
        if not isinstance(pixels, bytes) or _checksum(place, (height, width), pixels) != checksum:
            raise sqlite3.DatabaseError("a picture is not what was kept")
        return np.frombuffer(pixels, np.uint8).reshape(height, width)

    def _put(self, source: int, index: int, picture: Picture) -> None:
        place, pixels = (self._sources[source].fingerprint, index), picture.tobytes()
        made = self._made_of(source)
        self._database().execute(
            "INSERT OR REPLACE INTO picture VALUES (?, ?, ?, ?, ?, ?)",
            (*place, *picture.shape, _checksum(place, picture.shape, pixels), pixels),
        )
        made[index] = True

    def _made_of(self, source: int) -> npt.NDArray[np.bool_]:
        if source not in self._made:
            info = self._sources[source]
            made = np.zeros(info.n_shots, bool)
            if self._open is not None or self.path.is_file():
                found = self._database().execute(
                    "SELECT shot FROM picture WHERE source = ? AND shot BETWEEN 0 AND ?"
                    " AND typeof(shot) = 'integer'",
                    (info.fingerprint, info.n_shots - 1),
                )
                made[[shot for (shot,) in found]] = True
            self._made[source] = made
        return self._made[source]

    def _asked(self, question: Callable[[], T], otherwise: T) -> T:
        """The answer; a damaged file is thrown away and the question asked again, once."""
        with self._lock:
            try:
                try:
                    return question()
                except sqlite3.Error as error:
                    if not self._is_damage(error):
                        raise
                    log.warning("%s is damaged and is made again: %s", self.path, error)
                    self._close()
                    self.path.unlink(missing_ok=True)
                    return question()
            except (OSError, sqlite3.Error) as error:
                if _code(error) != sqlite3.SQLITE_BUSY:  # else another process is writing just now
                    self._give_up(error)
                return otherwise

    def _is_damage(self, error: sqlite3.Error) -> bool:
        if _code(error) == sqlite3.SQLITE_READONLY:  # SQLite says so of a damaged head, too
            return os.access(self.path, os.W_OK)
        return _code(error) not in _OUTSIDE

    def _database(self) -> sqlite3.Connection:
        if self._open is None:
            if self.path.is_symlink():  # a project that someone sent may lead to any database
                raise OSError(errno.ELOOP, "there is a link")
            if not self.path.exists():
                self.path.parent.mkdir(exist_ok=True)
                old = () if self.path.parent.is_symlink() else self.path.parent.glob("*.u8")
                for picture in old:  # the form of earlier versions
                    picture.unlink()
            self._open = sqlite3.connect(
                self.path, timeout=0.2, isolation_level=None, check_same_thread=False
            )
            self._open.executescript(_SETTINGS)
            (version,) = self._open.execute("PRAGMA user_version").fetchone()
            if version == 0:
                self._open.executescript(_TABLE)
            elif version != VERSION:
                raise sqlite3.DatabaseError(f"of version {version}")
            if self._open.execute(_ACTING).fetchone():  # of a stranger: a view may never end
                raise sqlite3.DatabaseError("it does something by itself")
        return self._open

    def _give_up(self, error: Exception) -> None:
        if not self.trouble:
            self.trouble = f"thumbnails are not kept: {error}"
            log.warning("%s (%s)", self.trouble, self.path)
        self._close()

    def _close(self) -> None:
        self._made.clear()
        if self._open is not None:
            self._open.close()
            self._open = None


def _code(error: Exception) -> int:
    """SQLite's primary result code; 0 where SQLite did not give one."""
    return int(getattr(error, "sqlite_errorcode", 0)) & 0xFF


def _checksum(place: tuple[str, int], shape: tuple[int, ...], pixels: bytes) -> int:
    return zlib.crc32(pixels, zlib.crc32(repr((place, shape)).encode()))
