"""What is inside a file, in a few lines: what would be opened, and how to name another dataset.

Read in a child process: a damaged file may kill the child, never us.
"""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from model.errors import InputError, counted
from model.shots.child import FileReader
from model.shots.hdf5 import datasets, linked, open_file
from model.shots.sources import SourceInfo, examined, open_source

MOST = 20
"""Datasets that are listed."""

Inside = tuple[tuple[str, tuple[int, ...], str], ...]
"""(dataset, shape, type) of each."""


@dataclass(frozen=True)
class FileContents:
    """`opened` is None where nothing can be opened, for the reason `refused`; `others` are what
    can be named with --dataset, the largest first."""

    path: Path
    opened: SourceInfo | None
    refused: str
    others: Inside
    numbers: tuple[str, ...] = ()

    def facts(self) -> dict[str, Any]:
        """For scripts."""
        found = asdict(self) | {"path": str(self.path)}
        if self.opened is not None:
            found["opened"]["path"] = str(self.opened.path)
        return found

    def lines(self) -> list[str]:
        """For people."""
        said = [str(self.path)]
        if self.opened is None:
            said.append(f"cannot be opened as shots: {self.refused}")
        else:
            info = self.opened
            y, x = info.shape
            shots = counted(info.n_shots, "shot")
            said.append(
                f"opens {info.dataset or self.path.name}: {shots} of {y} × {x} {info.dtype}"
            )
            said.append(f"layout {info.layout}")
            said += (*info.notes, *info.doubts)
            if info.class_names:
                said.append(f"labels: {', '.join(info.class_names)}")
            if self.numbers:
                said.append(f"numbers for every shot: {', '.join(self.numbers)}")
            if len(info.files) > 1:
                said.append(f"put together from {counted(len(info.files) - 1, 'other file')}")
        if self.others:
            said.append("datasets (choose one with --dataset):")
            said += [f"  {name}  {_shape(shape)} {kind}" for name, shape, kind in self.others]
        return said


def contents(path: Path | str, dataset: str | None = None) -> FileContents:
    """Look into a file or folder; InputError where there is nothing to look into."""
    with FileReader(contents_here) as ask:
        found: FileContents = ask(Path(path), dataset)
    return found


def contents_here(path: Path, dataset: str | None = None) -> FileContents:
    """`contents` in this process: for a child."""
    opened, refused = None, ""
    inside: Inside = ()
    numbers: tuple[str, ...] = ()
    try:
        with open_source(path, dataset) as source:
            opened = examined(source)
            numbers = tuple(source.scalars())
            inside = source.inside()
    except InputError as error:
        if not path.exists():
            raise
        refused = str(error)
    return FileContents(path, opened, refused, inside or _datasets(path), numbers)


def _datasets(path: Path) -> Inside:
    try:
        with open_file(path) as file:
            here = list(datasets(file)) or linked(file)[0]
            found = [(n, d.shape, str(d.dtype)) for n, d in here if d.ndim >= 2]
    except InputError:
        return ()
    found.sort(key=lambda item: -math.prod(item[1]))
    return tuple(found[:MOST])


def _shape(shape: tuple[int, ...]) -> str:
    return " × ".join(f"{n:,}" for n in shape)
