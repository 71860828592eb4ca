"""A first look at files in a child process: a damaged file may kill the child, never us."""

from __future__ import annotations

import multiprocessing
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path

from model.errors import InputError
from model.layouts import FileLabels
from model.sources import SourceInfo, open_source

PATIENCE = 300.0
"""Seconds that one file may take."""


@dataclass(frozen=True)
class Probed:
    """What the child found in one file."""

    info: SourceInfo
    labels: FileLabels | None


Look = Callable[[Path, str | None], Probed]


def probe(path: Path | str, dataset: str | None = None) -> SourceInfo:
    """What a file holds, after its first and last shot were read; InputError like `open_source`."""
    return next(probe_each([(Path(path), dataset)])).info


def probe_each(
    files: Iterable[tuple[Path, str | None]], look: Look | None = None
) -> Iterator[Probed]:
    """Probe files one after another in one child; the first that fails raises InputError."""
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    child = context.Process(target=_serve, args=(theirs, look or _look), daemon=True)
    child.start()
    theirs.close()
    try:
        for path, dataset in files:
            yield _ask(ours, path, dataset)
        ours.send(None)
    finally:
        ours.close()
        child.join(2.0)
        if child.is_alive():
            child.kill()
            child.join()
        child.close()


def _ask(pipe: Connection, path: Path, dataset: str | None) -> Probed:
    try:
        pipe.send((path, dataset))
        answer = pipe.recv() if pipe.poll(PATIENCE) else None
    except (EOFError, OSError) as error:
        raise InputError(
            "the HDF5 library crashed on it",
            file=path,
            mend="The file is damaged: copy it again from its origin.",
        ) from error
    if isinstance(answer, Probed):
        return answer
    if isinstance(answer, dict):
        raise InputError(**answer)
    raise InputError(
        f"gave no answer for {PATIENCE:.0f} seconds",
        file=path,
        mend="Is the disk it lies on reachable? Try again, or copy the file to this machine.",
    )


def _serve(pipe: Connection, look: Look) -> None:
    try:
        while (request := pipe.recv()) is not None:
            try:
                pipe.send(look(*request))
            except InputError as error:
                pipe.send(
                    {
                        "what": error.what,
                        "file": error.file,
                        "place": error.place,
                        "mend": error.mend,
                    }
                )
    except (EOFError, BrokenPipeError):
        return


def _look(path: Path, dataset: str | None) -> Probed:
    with open_source(path, dataset) as source:
        source.read(0)
        source.read(source.info.n_shots - 1)
        source.mask(0)
        return Probed(source.info, source.file_labels())
