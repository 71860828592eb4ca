"""Shots that look alike to a network: the nearest by the cosine of their embeddings, exactly.

One product of a matrix and a vector for one shot, blocks of products for many. numpy only. An
index library is not used: exact search among 100,000 shots takes some 30 ms, and an index would
take long to build and then miss some.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from model.processes import one_blas_thread

Floats = npt.NDArray[np.float32]
Rows = npt.NDArray[np.int64]
BLOCK = 512
"""Shots that are compared with all others at once."""
CHUNK = 32_768
"""Half-precision embeddings are widened this many at a time."""


def lengths(embeddings: npt.ArrayLike) -> Floats:
    """(N,) lengths of embeddings (N, D); infinite where one is not finite or 0: like nothing."""
    every = np.asarray(embeddings)
    found = np.empty(len(every), np.float32)
    for first in range(0, len(every), CHUNK):
        part = every[first : first + CHUNK].astype(np.float32, copy=False)
        found[first : first + CHUNK] = np.sqrt(np.einsum("ij,ij->i", part, part))
    found[~(np.isfinite(found) & (found > 0))] = np.inf
    return found


def like(
    embeddings: npt.NDArray[np.floating], row: int, k: int, sizes: Floats | None = None
) -> Rows:
    """The k shots most like one, the likest first, itself left out; ties in row order.

    embeddings (N, D), single or half precision; `sizes` are its `lengths`, where known.
    A shot without a finite embedding is like nothing: then the answer is empty.
    """
    sizes = lengths(embeddings) if sizes is None else sizes
    if not np.isfinite(sizes[row]):
        return np.zeros(0, np.int64)
    wanted = np.asarray(embeddings[row], np.float32)
    cosine = np.empty(len(embeddings), np.float32)
    step = len(embeddings) if embeddings.dtype == np.float32 else CHUNK
    for first in range(0, len(embeddings), step):
        part = embeddings[first : first + step].astype(np.float32, copy=False)
        cosine[first : first + step] = part @ wanted
    cosine /= sizes
    cosine[row] = -np.inf
    cosine[~np.isfinite(sizes)] = -np.inf
    return _best(cosine[None], k)[0]


def nearest(
    embeddings: npt.ArrayLike, k: int, rows: npt.ArrayLike | None = None
) -> tuple[Rows, Floats]:
    """The k nearest of many shots (by default of all): rows and cosines, both (m, k).

    No shot is its own neighbour. Every embedding (N, D) must be finite and not 0, and k < N.
    """
    every = np.asarray(embeddings, np.float32)
    unit = every / lengths(every)[:, None]
    wanted = np.arange(len(unit)) if rows is None else np.asarray(rows, np.int64)
    found = np.empty((len(wanted), k), np.int64)
    cosines = np.empty((len(wanted), k), np.float32)
    with one_blas_thread():
        for first in range(0, len(wanted), BLOCK):
            mine = wanted[first : first + BLOCK]
            cosine = unit[mine] @ unit.T
            cosine[np.arange(len(mine)), mine] = -np.inf
            best = _best(cosine, k)
            found[first : first + BLOCK] = best
            cosines[first : first + BLOCK] = np.take_along_axis(cosine, best, 1)
    return found, cosines


def _best(cosine: Floats, k: int) -> Rows:
    """(m, k) columns of the largest finite values of each row (m, N), the largest first."""
    k = min(k, int(np.isfinite(cosine).sum(1).min(initial=cosine.shape[1])))
    if k < cosine.shape[1]:
        top = np.sort(np.argpartition(-cosine, max(k - 1, 0), 1)[:, :k], 1)
    else:
        top = np.tile(np.arange(cosine.shape[1]), (len(cosine), 1))
    order = np.argsort(-np.take_along_axis(cosine, top, 1), 1, kind="stable")
    return np.take_along_axis(top, order, 1).astype(np.int64)
