"""The map of a project on disk: places of all shots by UMAP, and the clusters proposed on it.

One `.npz` in the project's cache for each network; it can be computed again at any time. The
window only reads it.
"""

from __future__ import annotations

import logging
import struct
import tokenize
import zipfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from labeler.active import embeddings
from labeler.active.messages import EmbeddingSource
from labeler.project.folder import CACHE
from labeler.project.preparation import preparation_of
from labeler.project.project import Project
from model.errors import counted
from model.events import Event, Stop, event
from model.output_files import explained, write_arrays
from model.prediction.embedding_file import key_of

Floats = npt.NDArray[np.float32]
DAMAGED = (
    OSError, ValueError, KeyError, EOFError, TypeError, IndexError, SyntaxError, MemoryError,
    NotImplementedError, UnicodeError, zipfile.BadZipFile, zlib.error, tokenize.TokenError,
    struct.error,
)  # fmt: skip
"""What numpy and zipfile raise over damaged bytes."""

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class ShotMap:
    """places (N, 2) in about [-1, 1], NaN without one; cluster (N,) from 0, -1 for none.

    typical: rows of the most typical shots of each cluster; rings: (cluster, (m, 2)) borders.
    """

    places: Floats
    cluster: npt.NDArray[np.int16]
    typical: tuple[npt.NDArray[np.int64], ...] = ()
    rings: tuple[tuple[int, Floats], ...] = ()

    @property
    def clusters(self) -> int:
        """How many clusters are proposed."""
        return len(self.typical)


def plain(places: Floats) -> ShotMap:
    """A map without clusters."""
    return ShotMap(places, np.full(len(places), -1, np.int16))


def path_of(folder: Path, source: EmbeddingSource) -> Path:
    """Where the map on these embeddings lies, or will lie."""
    if source.predictions is None:
        key = key_of(source.parts)
    else:
        about = source.predictions.stat()
        key = f"{source.network.name}-{about.st_size:x}-{about.st_mtime_ns:x}"
    return folder / CACHE / f"map-{key}-{source.n}.npz"


def load(path: Path, n: int) -> ShotMap | None:
    """The map, or None where there is none of n shots."""
    try:
        with np.load(path, allow_pickle=False) as kept:
            places, cluster = kept["places"], kept["cluster"]
            typical = tuple(row[row >= 0] for row in kept["typical"])
            ends, points, of = kept["ends"], kept["points"], kept["of"]
    except DAMAGED as error:
        if path.is_file():
            log.warning("%s is damaged, the map is to be made again: %s", path, error)
        return None
    if places.shape != (n, 2) or len(cluster) != n:
        return None
    rings = zip(of.tolist(), np.split(points, ends[:-1]), strict=True) if len(ends) else ()
    return ShotMap(places, cluster, typical, tuple(rings))


def save(path: Path, made: ShotMap) -> None:
    """Write the map, whole or not at all; InputError where it cannot be written."""
    typical = np.full((made.clusters, max([len(t) for t in made.typical], default=1)), -1, np.int64)
    for k, rows in enumerate(made.typical):
        typical[k, : len(rows)] = rows
    points = [ring for _, ring in made.rings]
    with explained(path):
        path.parent.mkdir(parents=True, exist_ok=True)
    write_arrays(
        path,
        places=made.places,
        cluster=made.cluster,
        typical=typical,
        ends=np.cumsum([len(p) for p in points], dtype=np.int64),
        points=np.concatenate(points) if points else np.zeros((0, 2), np.float32),
        of=np.array([k for k, _ in made.rings], np.int64),
    )


def make_map(project: Project, seed: int, stop: Stop) -> Iterator[Event]:
    """Lay out all shots and propose clusters; reads the shots first where no network has.

    Yields progress, then `finished` (map, clusters, shots; metrics: how far the clusters go with
    the labels, where there are enough) or `cancelled`.
    """
    table = project.shot_table()
    source = embeddings.source_of(project, table)
    if source.predictions is None and embeddings.share_there(source.parts) < 1:
        from model.prediction.embedding import embed

        cache, prepared = project.folder / CACHE, preparation_of(project)
        for item in embed(table, source.network, cache, stop=stop, preparation=prepared):
            if item["event"] in ("failed", "cancelled"):
                yield item
                return
            if item["event"] != "finished":
                yield item
    steps = ("placing the shots", "looking for clusters")
    yield event("progress", what=steps[0], done=0, total=2)
    from model.active import clusters, embedding_map

    found = embeddings.embeddings(source)
    readable = np.flatnonzero(np.isfinite(found).all(1))
    values = found[readable].astype(np.float32)
    if stop():
        yield event("cancelled", text="Stopped; nothing was written.")
        return
    places = np.full((source.n, 2), np.nan, np.float32)
    places[readable] = embedding_map.umap(values, seed)
    yield event("progress", what=steps[1], done=1, total=2)
    if stop():
        yield event("cancelled", text="Stopped; nothing was written.")
        return
    proposed = clusters.propose(values, places[readable], seed)
    cluster = np.full(source.n, -1, np.int16)
    cluster[readable] = proposed.of
    rings = tuple((k, ring) for k, rings in enumerate(proposed.borders) for ring in rings)
    made = ShotMap(places, cluster, tuple(readable[t] for t in proposed.typical), rings)
    path = path_of(Path(project.folder), source)
    save(path, made)
    text = f"{counted(len(readable), 'shot')} placed, {counted(made.clusters, 'cluster')} proposed."
    merged = project.merged_state()
    known = np.flatnonzero(merged.labelled & np.isfinite(places).all(1))
    quality = clusters.agreement(cluster[known], merged.present[known]) or {}
    if quality:
        text += (
            f" Against {len(known):,} labels: adjusted Rand index {quality['adjusted_rand']:.2f},"
            f" normalised mutual information {quality['mutual_information']:.2f} over the"
            f" {100 * quality['clustered']:.0f} % that are in a cluster."
        )
    yield event("finished", metrics=quality, map=str(path), clusters=made.clusters,
                shots=len(readable), text=text)  # fmt: skip
