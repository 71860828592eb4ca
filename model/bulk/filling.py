"""A file that one writer fills range by range, with a journal of what is safely in it.

The file is laid out whole under a temporary name: its datasets lie plainly in it from then on, and
what comes back from a worker is put to its place. Whatever interrupts it, the next call with the
same `about` goes on; the file gets its name when every shot is there, each once. Since only this
process writes, a worker that dies, or answers twice, can spoil nothing.
"""

from __future__ import annotations

import json
import os
import time
import uuid
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, cast

import h5py
import numpy as np
import numpy.typing as npt

from model.errors import InputError
from model.output_files import give_name, open_to_append

Block = tuple[int, int]
"""First and last-plus-one shot."""
Arrays = Mapping[str, npt.NDArray[Any]]
"""By name of the dataset, each with one row per shot of a block."""

SAVE_S = 2.0
"""Seconds between two entries of the journal."""


def blocks(shots: int, size: int) -> list[Block]:
    """All shots in blocks of at most `size`."""
    return [(a, min(a + size, shots)) for a in range(0, shots, size)]


class Filling:
    """The file under its temporary name, and beside it the journal.

    `about`: what decides the contents (fingerprint of the source, recipe, blocks); a file that was
    begun with anything else is begun again by `begin`. Whatever the system says of the disk
    comes as OSError, see `places.explained`.
    """

    def __init__(self, out: Path, about: Mapping[str, Any]) -> None:
        self.out = out
        self.part = out.with_name(f".{out.name}.part")
        self.journal = out.with_name(f".{out.name}.journal")
        self._head = json.dumps({"version": 2, **about})
        self.notes: dict[Block, Any] = {}
        """What was said about each block that is done."""
        self._waiting: list[Block] = []
        self._saved = time.monotonic()
        self._token = ""
        """By which the journal of this run is known from that of another one to the same place."""
        self._places: dict[str, tuple[int, tuple[int, ...], np.dtype[Any]]] = {}
        self.resumed = self._read()

    def _read(self) -> bool:
        if not all(p.is_file() and not p.is_symlink() for p in (self.journal, self.part)):
            return False
        head, *lines = self.journal.read_text("utf-8").split("\n")
        if head != self._head:
            return False
        self._token = _token_of(lines[0] if lines else "")
        for line in lines:
            try:
                first, last, note = json.loads(line)
            except ValueError:  # the end of a line that was being written
                continue
            self.notes[first, last] = note
        return True

    def begin(self, lay_out: Callable[[Path], None]) -> None:
        """Lay the file out, unless it is there already."""
        if self.resumed:
            return
        self.journal.unlink(missing_ok=True)
        self.part.unlink(missing_ok=True)
        lay_out(self.part)
        self._token = uuid.uuid4().hex
        begun = json.dumps({"begun": self._token})
        self.journal.write_text(f"{self._head}\n{begun}\n", "utf-8")

    def _check_mine(self) -> None:
        """InputError where another run with other options has begun the file again meanwhile."""
        found = ["", ""]
        with suppress(FileNotFoundError), self.journal.open(encoding="utf-8") as file:
            found = [file.readline().rstrip("\n"), file.readline()]
        if (found[0], _token_of(found[1])) != (self._head, self._token):
            what = "another run has begun to write the same file"
            raise InputError(what, file=self.out, mend="Give each run a file of its own.")

    def todo(self, all_blocks: Iterable[Block]) -> list[Block]:
        """Those that are not done yet."""
        return [b for b in all_blocks if b not in self.notes]

    def done(self) -> int:
        """How many shots are."""
        return sum(b - a for a, b in self.notes)

    def put(self, block: Block, arrays: Arrays, note: Any = None) -> None:
        """Write the rows of a block to the datasets of the file; see `_check_mine`."""
        self._check_mine()
        with self.part.open("r+b", buffering=0) as file:
            for name, values in arrays.items():
                offset, shape, dtype = self._place(name)
                if values.shape != (block[1] - block[0], *shape[1:]):
                    raise ValueError(f"{name} of {block} has the shape {values.shape}")
                row = int(np.prod(shape[1:], dtype=np.int64)) * dtype.itemsize
                file.seek(offset + block[0] * row)
                plain = np.ascontiguousarray(values, dtype).reshape(-1)
                left = memoryview(cast(bytes, plain.view(np.uint8)))
                while left:
                    left = left[file.write(left) :]
        self.mark(block, note)

    def mark(self, block: Block, note: Any = None) -> None:
        """A block has been written; it and what was said of it go to the journal by and by."""
        self.notes[block] = note
        self._waiting.append(block)
        if time.monotonic() - self._saved > SAVE_S:
            self.save()

    def _place(self, name: str) -> tuple[int, tuple[int, ...], np.dtype[Any]]:
        if not self._places:
            with h5py.File(self.part, "r", locking=False) as file:
                for key, found in file.items():
                    if isinstance(found, h5py.Dataset) and found.id.get_offset() is not None:
                        self._places[key] = found.id.get_offset(), found.shape, found.dtype
        return self._places[name]

    def save(self) -> None:
        """Bring the shots to the disk, and only then say so."""
        self._check_mine()
        with self.part.open("r+b") as file:
            os.fsync(file.fileno())
        with open_to_append(self.journal) as file:
            file.writelines(f"{json.dumps([*b, self.notes[b]])}\n".encode() for b in self._waiting)
            file.flush()
            os.fsync(file.fileno())
        self._waiting.clear()
        self._saved = time.monotonic()

    def finish(self) -> None:
        """Give the whole file its name."""
        self.save()
        give_name(self.part, self.out)
        self.journal.unlink(missing_ok=True)


def _token_of(line: str) -> str:
    try:
        found = json.loads(line)
    except ValueError:
        return ""
    return str(found.get("begun", "")) if isinstance(found, dict) else ""


def reserve(file: h5py.File, name: str, shape: tuple[int, ...], kind: Any) -> None:
    """A contiguous dataset whose bytes lie in the file from now on."""
    plan = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
    plan.set_layout(h5py.h5d.CONTIGUOUS)
    plan.set_alloc_time(h5py.h5d.ALLOC_TIME_EARLY)
    plan.set_fill_time(h5py.h5d.FILL_TIME_NEVER)
    plan.set_obj_track_times(False)
    space = h5py.h5s.create_simple(shape)
    dtype = h5py.h5t.py_create(np.dtype(kind), logical=True)
    h5py.h5d.create(file.id, name.encode(), dtype, space, plan)
