"""Reads a foreign file of labels in a child process: a damaged one may kill the child, never us.

A large text is parsed in one go as well, which would hold up a window that reads it in a thread.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from labeler.exchange import read_labels
from labeler.exchange.sheet import LabelSheet
from model.shots.child import FileReader

Read = Callable[[Path], LabelSheet]


def read_labels_apart(path: Path | str, read: Read = read_labels) -> LabelSheet:
    """The same as `read_labels`; InputError too where the file crashes or hangs its library."""
    with FileReader(read) as ask:
        found: LabelSheet = ask(Path(path))
    return found
