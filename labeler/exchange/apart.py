"""Reads a foreign file of labels in a child process: a damaged one may kill the child, never us.

Text is read at once, for nothing in it can do harm; HDF5 and Parquet are read by libraries in C.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from labeler.exchange import form_of, read_labels
from labeler.exchange.sheet import LabelSheet
from model.shots.child import FileReader

HARMLESS = ("csv", "json")

Read = Callable[[Path], LabelSheet]


def read_labels_apart(path: Path | str, read: Read = read_labels) -> LabelSheet:
    """The same as `read_labels`; InputError too where the file crashes or hangs its library."""
    path = Path(path)
    if form_of(path) in HARMLESS:
        return read(path)
    with FileReader(read) as ask:
        found: LabelSheet = ask(path)
    return found
