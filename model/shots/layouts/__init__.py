"""Layouts of files that users have, one module each, and which of them a file follows."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

from model.shots.hdf5 import open_file
from model.shots.layouts.base import FileLabels, Geometry, Layout
from model.shots.layouts.formats import format_of, format_of_hdf5
from model.shots.layouts.recognition import recognise

__all__ = ["FileLabels", "Geometry", "Layout", "open_layout", "recognise"]


class Closable(Protocol):
    """What is open, and can be let go of."""

    def close(self) -> None: ...


def open_layout(
    path: Path,
    dataset: str | None = None,
    shot_names: Sequence[str] | None = None,
    layout: str | None = None,
) -> tuple[Closable, Layout]:
    """Open a file or folder of shots of any format; what to close, and how it is read.

    `shot_names` and `layout` are those of an earlier visit. InputError where nothing in it can be
    shots; OSError and what else h5py raises where it is damaged.
    """
    foreign = format_of(path)
    if foreign is not None:
        found = foreign(path, dataset or None, shot_names)
        return found, found
    file = open_file(path)
    try:
        named = (dataset or "").partition("?")[0]
        foreign = None if named and named in file else format_of_hdf5(file)
        if foreign is not None:
            file.close()
            found = foreign(path, dataset or None, shot_names)
            return found, found
        return file, recognise(file, dataset, shot_names, layout)
    except BaseException:
        file.close()
        raise
