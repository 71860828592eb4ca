"""Clusters of shots proposed without any label: groups on the map, their borders, typical shots.

The idea of the paper's outlook, characteristic classes without a-priori knowledge. A proposal is
no class: a person looks at it and decides. scikit-learn is imported only when it is asked for.
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float32]
MOST = 24
"""At most this many clusters are proposed, the largest ones."""
TYPICAL = 6
"""Typical shots that are named for each cluster."""
FEWEST = 50
"""Labelled shots in clusters below which nothing is said of how far both agree."""
GRID, BLUR, INSIDE = 96, 1.6, 0.92
"""Cells of the density whose contour is a border, their smoothing, and the share inside it."""
_ALL_AT_ONCE = 30_000


@dataclass(frozen=True)
class Clusters:
    """of (N,): the cluster of each shot, largest first from 0, -1 for none.

    typical: rows of the most typical shots of each; borders: rings (m, 2) on the map of each.
    """

    of: npt.NDArray[np.int16]
    typical: tuple[npt.NDArray[np.int64], ...]
    borders: tuple[tuple[Floats, ...], ...]


def propose(embeddings: Floats, places: Floats, seed: int = 0) -> Clusters:
    """Clusters of shots by their places (N, 2) on the map; embeddings (N, D) say what is typical.

    HDBSCAN (Campello, Moulavi, Sander 2013) on the places, so that a cluster is one island of the
    map. Beyond 30,000 shots it looks at a part; the others follow their nearest neighbour in it.
    """
    n = len(places)
    of = np.full(n, -1, np.int64)
    if n >= 10:
        of = _islands(places, seed)
    counts = np.bincount(of[of >= 0]) if (of >= 0).any() else np.zeros(0, int)
    largest = np.argsort(-counts, kind="stable")[:MOST]
    renamed = np.full(len(counts) + 1, -1, np.int16)  # the last one stands for none
    renamed[largest] = np.arange(len(largest))
    named = renamed[of]
    members = [np.flatnonzero(named == k) for k in range(len(largest))]
    return Clusters(
        np.asarray(named, np.int16),
        tuple(typical(embeddings, rows) for rows in members),
        tuple(border(places[rows]) for rows in members),
    )


def agreement(of: npt.ArrayLike, sets: npt.ArrayLike) -> dict[str, float] | None:
    """How far clusters (n,) go with the label sets (n,), as integers, that people gave the shots.

    `adjusted_rand` (Hubert, Arabie 1985; 0 is chance, 1 the same division) and `mutual_information`
    (normalised, in [0, 1]) over the shots that are in a cluster, `clustered` their share of all
    given. None below 50 shots in clusters, of which nothing can be said.
    """
    from sklearn.metrics import adjusted_rand_score, normalized_mutual_info_score

    cluster, given = np.asarray(of), np.asarray(sets)
    inside = cluster >= 0
    if inside.sum() < FEWEST:
        return None
    return {
        "adjusted_rand": float(adjusted_rand_score(given[inside], cluster[inside])),
        "mutual_information": float(normalized_mutual_info_score(given[inside], cluster[inside])),
        "clustered": float(inside.mean()),
    }


def _islands(places: Floats, seed: int) -> npt.NDArray[np.int64]:
    from sklearn.cluster import HDBSCAN
    from sklearn.neighbors import NearestNeighbors

    n = len(places)
    some = np.arange(n)
    if n > _ALL_AT_ONCE:
        some = np.sort(np.random.default_rng(seed).permutation(n)[:_ALL_AT_ONCE])
    smallest = max(6, len(some) // 50)
    if n < smallest:
        return np.full(n, -1, np.int64)
    finder = HDBSCAN(min_cluster_size=smallest, min_samples=max(3, smallest // 4), copy=True)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)
        found = finder.fit(places[some].astype(np.float64)).labels_
    if len(some) == n:
        return np.asarray(found, np.int64)
    nearest = NearestNeighbors(n_neighbors=1).fit(places[some])
    return np.asarray(found[nearest.kneighbors(places, return_distance=False)[:, 0]], np.int64)


def typical(
    embeddings: Floats, rows: npt.NDArray[np.int64], k: int = TYPICAL
) -> npt.NDArray[np.int64]:
    """The k of the given rows whose embeddings point most nearly along their mean."""
    part = np.asarray(embeddings[rows], np.float32)
    part = part / np.maximum(np.linalg.norm(part, axis=1, keepdims=True), 1e-12)
    return rows[np.argsort(-(part @ part.mean(0)), kind="stable")[:k]]


def border(places: Floats) -> tuple[Floats, ...]:
    """Rings (m, 2) around the densest part of some places that holds most of them."""
    from contourpy import contour_generator
    from scipy.ndimage import gaussian_filter

    low, high = places.min(0), places.max(0)
    room = 0.22 * max(float((high - low).max()), 1e-3)
    edges = [np.linspace(low[d] - room, high[d] + room, GRID + 1) for d in (0, 1)]
    counts, _, _ = np.histogram2d(places[:, 0], places[:, 1], bins=edges)
    cell = max(1.0, GRID / np.sqrt(len(places)) / 4)
    density = gaussian_filter(counts, BLUR * cell)
    at = [np.clip(np.searchsorted(edges[d], places[:, d]) - 1, 0, GRID - 1) for d in (0, 1)]
    level = max(float(np.quantile(density[at[0], at[1]], 1 - INSIDE)), 1e-9)
    step = [e[1] - e[0] for e in edges]
    x, y = (np.arange(-0.5, GRID + 1) * s + e[0] for s, e in zip(step, edges, strict=True))
    closed = np.pad(density, 1)  # no ring ends at the edge
    lines = contour_generator(x, y, closed.T).lines(level * 0.8)
    return tuple(np.asarray(line, np.float32) for line in lines if len(line) > 8)
