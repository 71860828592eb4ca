"""Embeddings of shots on disk, part by part, so that an interrupted pass goes on where it was.

One `.npy` (n, D) float16 for every 2,048 shots, NaN where a shot could not be read. Its name
says which shots of which files and which network, and where what full pixels missed was estimated,
about which beam; a part of anything else is never taken.
numpy only; nothing here computes an embedding.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from model.errors import InputError, parsed_json, text_of
from model.output_files import explained, written_whole
from model.preprocessing.count_scale import judged_together
from model.preprocessing.network_input import Preprocessing
from model.preprocessing.preparation import Preparation
from model.runs.folder import DESCRIPTION
from model.shots.table import ShotTable

_FOLDER = "embeddings-"
PART = 2048
"""Shots of a part."""
Halves = npt.NDArray[np.float16]


@dataclass(frozen=True)
class Part:
    """Rows `first` … `stop` - 1 of a table, and where their embeddings lie or will lie: at `path`,
    or `about_beam` where full pixels were estimated about a beam, as only who reads shots knows."""

    first: int
    stop: int
    path: Path
    about_beam: Path | None = None

    @property
    def is_there(self) -> bool:
        return self.path.is_file() or (self.about_beam is not None and self.about_beam.is_file())


def parts_of(
    table: ShotTable,
    network: Path,
    cache: Path,
    size: int = PART,
    preparation: Preparation | None = None,
) -> list[Part]:
    """The parts of all shots of a table, in order, in their folder below `cache`; `preparation` as
    in `embedding.embed`.

    Raises InputError for a folder without a network.
    """
    folder = cache / f"{_FOLDER}{network_key(network, preparation)}"
    _, steps = described(network, preparation)
    decides, beams, group_of = _groups(table, steps)
    found = []
    for first in range(0, len(table), size):
        stop = min(first + size, len(table))
        mine = slice(first, stop)
        digest = hashlib.blake2b(digest_size=8)
        here = np.unique(group_of[table.source_of[mine]])
        for group in here:
            digest.update(decides[group])
        digest.update(np.ascontiguousarray(table.source_of[mine]).tobytes())
        digest.update(np.ascontiguousarray(table.index_of[mine]).tobytes())
        name = f"{first:09d}-{digest.hexdigest()}"
        for group in here:
            digest.update(beams[group])
        about_beam = folder / f"{name}-{digest.hexdigest()}.npy"
        found.append(Part(first, stop, folder / f"{name}.npy", about_beam))
    return found


def _groups(
    table: ShotTable, steps: Preprocessing
) -> tuple[list[bytes], list[bytes], npt.NDArray[np.intp]]:
    """Of sources whose shots tell one scale: what decides the input but for the beam, the beams,
    and (S,) the group of each source."""
    groups = [[number] for number in range(len(table.sources))]
    if steps.scale is not None:
        groups = judged_together(table)
    group_of = np.zeros(len(table.sources), np.intp)
    for at, group in enumerate(groups):
        group_of[group] = at
    of_row = group_of[table.source_of]
    ends = np.cumsum(np.bincount(of_row, minlength=len(groups)))[:-1]
    rows = np.split(np.argsort(of_row, kind="stable"), ends)
    decides, beams = [], []
    for group, all_of in zip(groups, rows, strict=True):
        sources = [table.sources[number] for number in group]
        each = (
            json.dumps([s.fingerprint, *steps.decided_by(s.shape, s.geometry)]).encode()
            for s in sources
        )
        said = b"".join(each)
        if steps.scale is not None:  # which is told from these shots, and no others of their files
            said += table.source_of[all_of].tobytes() + table.index_of[all_of].tobytes()
            said = hashlib.blake2b(said, digest_size=16).digest()
        decides.append(said)
        beams.append(b"".join(json.dumps(s.geometry.centre).encode() for s in sources))
    return decides, beams, group_of


def key_of(parts: Sequence[Part]) -> str:
    """The `network_key` of parts; '' of none."""
    return parts[0].path.parent.name.removeprefix(_FOLDER) if parts else ""


def network_key(network: Path, preparation: Preparation | None = None) -> str:
    """A few letters that stand for the weights of a run folder or backbone, and for what is done to
    shots before they go in."""
    about, steps = described(network, preparation)
    decides = [about["sha256"], about.get("preprocessing")]
    if steps.scale is not None:
        # not so in earlier ones
        decides.append("0 where nothing was seen, no bad pixels, full ones estimated")
    if preparation is not None and preparation.any:
        decides.append(preparation.to_dict())
    return hashlib.sha256(json.dumps(decides, sort_keys=True).encode()).hexdigest()[:12]


def described(
    network: Path, preparation: Preparation | None
) -> tuple[dict[str, Any], Preprocessing]:
    """What a run folder or backbone says about its network, which has weights, and how shots become
    its input; `preparation` as in `embedding.embed`."""
    try:
        about = parsed_json(text_of(network / DESCRIPTION), network / DESCRIPTION)
        steps = Preprocessing.from_dict(about.get("preprocessing") or {})
        about["sha256"]
    except (InputError, KeyError, TypeError, AttributeError) as error:
        mend = "Choose the folder of a finished run."
        raise InputError(f"holds no trained network ({error})", file=network, mend=mend) from error
    return about, steps if preparation is None else replace(steps, preparation=preparation)


def write(part: Part, embeddings: npt.ArrayLike, *, about_beam: bool = False) -> None:
    """Put (n, D) embeddings in their place, whole or not at all; `about_beam`: see `Part`."""
    values = np.asarray(embeddings, np.float16)
    path = part.about_beam if about_beam and part.about_beam is not None else part.path
    with explained(path):
        path.parent.mkdir(parents=True, exist_ok=True)
    with written_whole(path) as half, half.open("wb") as file:
        np.save(file, values, allow_pickle=False)


def read(parts: list[Part], n: int) -> Halves | None:
    """(n, D) embeddings of the parts that are there, NaN elsewhere; None where there are none.

    A damaged part counts as not there.
    """
    found: Halves | None = None
    for part in parts:
        values = _read_one(part)
        if values is None:
            continue
        if found is None:
            found = np.full((n, values.shape[1]), np.nan, np.float16)
        if values.shape[1] == found.shape[1]:
            found[part.first : part.stop] = values
    return found


def _read_one(part: Part) -> Halves | None:
    path = part.path if part.about_beam is None or part.path.is_file() else part.about_beam
    try:
        values = np.load(path, allow_pickle=False)
    except (OSError, ValueError, EOFError):
        return None
    fits = values.ndim == 2 and len(values) == part.stop - part.first
    return values.astype(np.float16, copy=False) if fits else None
