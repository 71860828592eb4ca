"""All shots as points of a plane, alike ones close together: PCA at once, UMAP where time allows.

The plane has no units; both forms are the same every time. UMAP is imported only when it is asked
for, as it takes seconds to load.
"""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import numpy.typing as npt

from model.errors import InputError, install
from model.processes import one_blas_thread

Floats = npt.NDArray[np.float32]
SOME = 20_000
"""Components are found from at most this many shots."""
WIDTH = 32
"""Principal components that UMAP and the clusters see."""
NEIGHBOURS, CLOSENESS = 15, 0.1
FEWEST = 10
"""With fewer shots than this the map is that of PCA."""


def components(embeddings: npt.ArrayLike, width: int) -> Floats:
    """(N, D) to its leading principal components (N, width), each with its own spread.

    The sign is such that the largest value of a component is positive; 0 beyond the rank.
    """
    every = np.asarray(embeddings)
    found = np.zeros((len(every), width), np.float32)
    if len(every) < 2:
        return found
    some = every[:: max(1, -(-len(every) // SOME))].astype(np.float32)
    mean = some.mean(0)
    centred = some - mean
    with one_blas_thread():
        _, vectors = np.linalg.eigh((centred.T @ centred).astype(np.float64) / len(some))
        basis = vectors[:, ::-1][:, :width].astype(np.float32)
        for first in range(0, len(every), SOME):
            part = every[first : first + SOME].astype(np.float32) - mean
            found[first : first + SOME, : basis.shape[1]] = part @ basis
    largest = np.take_along_axis(found, np.abs(found).argmax(0)[None], 0)[0]
    return found * np.where(largest < 0, -1, 1).astype(np.float32)


def pca(embeddings: npt.ArrayLike) -> Floats:
    """(N, D) to (N, 2) places in [-1, 1], by the two leading principal components."""
    return fitted(components(embeddings, 2))


def umap(embeddings: npt.ArrayLike, seed: int = 0) -> Floats:
    """(N, D) to (N, 2) places in [-1, 1] by UMAP (McInnes, Healy, Melville 2018), cosine metric.

    The same for the same seed. PCA's places where UMAP finds none, as for shots all alike.
    Raises InputError where umap-learn is not installed.
    """
    every = np.asarray(embeddings)
    if len(every) < FEWEST:
        return pca(every)
    mapper = _umap().UMAP(
        n_components=2,
        n_neighbors=min(NEIGHBOURS, len(every) - 1),
        min_dist=CLOSENESS,
        metric="cosine",
        init="pca",
        random_state=seed,
        n_jobs=1,
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of its own dependencies, about themselves
        found = mapper.fit_transform(components(every, min(WIDTH, every.shape[1])))
    return fitted(np.asarray(found, np.float32)) if np.isfinite(found).all() else pca(every)


def fitted(places: Floats) -> Floats:
    """Places (N, 2) moved and scaled into [-1, 1], one scale for both axes, few outliers apart."""
    if not len(places):
        return places
    low, high = np.quantile(places, [0.002, 0.998], axis=0)
    half = max(float((high - low).max()) / 2, 1e-12)
    return np.asarray(np.clip((places - (low + high) / 2) / half, -1.15, 1.15), np.float32)


def _umap() -> Any:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            import umap
    except ImportError as error:
        raise InputError("umap-learn is not installed", mend=install("umap-learn")) from error
    return umap
