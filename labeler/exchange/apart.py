"""Reads a foreign file of labels in a child process: a damaged one may kill the child, never us.

Text is read at once, for nothing in it can do harm; HDF5 and Parquet are read by libraries in C.
"""

from __future__ import annotations

import multiprocessing
from collections.abc import Callable
from multiprocessing.connection import Connection
from pathlib import Path

from labeler.exchange import form_of, read_labels
from labeler.exchange.sheet import LabelSheet
from model.errors import InputError

HARMLESS = ("csv", "json")
PATIENCE_S = 300.0
"""A file may take so long."""

Read = Callable[[Path], LabelSheet]


def read_labels_apart(path: Path | str, read: Read = read_labels) -> LabelSheet:
    """The same as `read_labels`; InputError too where the file crashes or hangs its library."""
    path = Path(path)
    if form_of(path) in HARMLESS:
        return read(path)
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe(duplex=False)
    child = context.Process(target=_serve, args=(theirs, path, read), daemon=True)
    child.start()
    theirs.close()
    try:
        answer = ours.recv() if ours.poll(PATIENCE_S) else None
    except (EOFError, OSError) as error:
        mend = "The file is damaged: export it again."
        raise InputError("crashed the library that reads it", file=path, mend=mend) from error
    finally:
        ours.close()
        child.join(2.0)
        if child.is_alive():
            child.kill()
            child.join()
        child.close()
    if isinstance(answer, LabelSheet):
        return answer
    if isinstance(answer, dict):
        raise InputError(**answer)
    mend = "Is the disk it lies on reachable? Try again, or copy the file to this machine."
    raise InputError(f"gave no answer for {PATIENCE_S:.0f} seconds", file=path, mend=mend)


def _serve(pipe: Connection, path: Path, read: Read) -> None:
    try:
        pipe.send(read(path))
    except InputError as error:
        said = {"what": error.what, "file": error.file, "place": error.place, "mend": error.mend}
        pipe.send(said)
    pipe.close()
