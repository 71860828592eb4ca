"""What a file holds, read in a child process: a damaged file may kill the child, never us."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from model.shots.child import FileReader
from model.shots.layouts import FileLabels
from model.shots.sources import SourceInfo, examined, open_source


@dataclass(frozen=True)
class Probed:
    """What the child found in one file."""

    info: SourceInfo
    labels: FileLabels | None


Prober = Callable[[Path, str | None], Probed]


def probe(path: Path | str, dataset: str | None = None) -> SourceInfo:
    """What a file holds, after some of its shots were read; InputError like `open_source`."""
    return next(probe_each([(Path(path), dataset)])).info


def probe_each(
    files: Iterable[tuple[Path, str | None]], prober: Prober | None = None
) -> Iterator[Probed]:
    """Probe files one after another in one child; the first that fails raises InputError."""
    with FileReader(prober or _probe) as ask:
        for path, dataset in files:
            yield ask(path, dataset)


def _probe(path: Path, dataset: str | None) -> Probed:
    with open_source(path, dataset) as source:
        return Probed(examined(source), source.file_labels())
