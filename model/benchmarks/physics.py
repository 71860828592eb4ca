"""`bench physics`: correlation maps and the simulator; `labeler.views.physics_timing` adds panes.

Two peers of a map, both with Eq. 13 at all Δ for every pair of rings (the map needs only Δ = 0),
from Fourier transforms of the rings that are made once, and one ring's pairs in one call:
`fft` is the textbook way (every ordered pair, complex, double precision); `fft_tuned` knows that
C_ij = C_ji and that counts are real, and works in single precision. One BLAS thread for all.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from threadpoolctl import threadpool_limits

from model.benchmarks.pairing import median, ratio, seconds_in_turns
from model.correlation import MapRecipe, correlation_map, order_map
from model.polar import Floats
from model.simulate.generate import simulate

GRIDS = {"112x360": (112, 360), "224x720": (224, 720)}
MAPS_A_TURN = 20
"""Of ours, as in a file: a single one would mostly wait for its matrix to come to the cache."""


def measure(rounds: int = 7, size: int = 224, shots: int = 192) -> dict[str, Any]:
    """Milliseconds and ratios.

    map_ms, by grid (radii x angles): one map from counts, peers_ms: of the two peers;
    map_ratio_fft, map_ratio_fft_tuned: their seconds over ours on the same grid, the lesser of the
    grids; patterns_per_s: the simulator's.
    """
    counts = shot(size)
    found: dict[str, Any] = {"map_ms": {}, "peers_ms": {}}
    ratios: dict[str, list[float]] = {"fft": [], "fft_tuned": []}
    with threadpool_limits(1):
        for name, (radii, angles) in GRIDS.items():
            taken = _maps(counts, MapRecipe(radii=radii, angles=angles), rounds)
            found["map_ms"][name] = 1e3 * median(taken["ours"])
            found["peers_ms"][name] = {peer: 1e3 * median(taken[peer]) for peer in ratios}
            for peer, values in ratios.items():
                values.append(ratio(taken[peer], taken["ours"]))
    found.update({f"map_ratio_{peer}": min(values) for peer, values in ratios.items()})
    found["patterns_per_s"] = _patterns(shots, size)
    return found


def all_pairs(polar: Floats, order: int) -> Floats:
    """(R, N) to the picture's raw numbers (R, R), the textbook way."""
    rings, angles = polar.shape
    waves = np.fft.fft(polar.astype(np.float64), axis=1)
    full = np.empty((rings, rings), np.float32)
    for i in range(rings):
        whole = np.fft.ifft(waves[i].conj() * waves, axis=1) / angles
        full[i] = whole[:, 0].real
    modes = waves[:, order] / angles
    return np.where(np.tri(rings, dtype=bool), full, np.abs(np.outer(modes.conj(), modes)))


def half_the_pairs(polar: Floats, order: int) -> Floats:
    """The same from half the pairs, in real numbers of single precision."""
    rings, angles = polar.shape
    waves = np.fft.rfft(polar, axis=1)
    full = np.empty((rings, rings), np.float32)
    for i in range(rings):
        whole = np.fft.irfft(waves[i].conj() * waves[i:], angles, axis=1) / angles
        full[i, i:] = full[i:, i] = whole[:, 0]
    return np.where(np.tri(rings, dtype=bool), full, order_map(polar, order))


def _maps(counts: Floats, recipe: MapRecipe, rounds: int) -> dict[str, list[float]]:
    grid = recipe.grid(counts.shape)
    work: dict[str, Callable[[], object]] = {
        "ours": lambda: [
            correlation_map(counts, recipe=recipe, grid=grid) for _ in range(MAPS_A_TURN)
        ],
        "fft": lambda: all_pairs(grid.sample(counts), recipe.order),
        "fft_tuned": lambda: half_the_pairs(grid.sample(counts), recipe.order),
    }
    taken = seconds_in_turns(work, rounds)
    return taken | {"ours": [seconds / MAPS_A_TURN for seconds in taken["ours"]]}


def _patterns(shots: int, size: int) -> float:
    """Per second, the file with detector and labels included, workers already started.

    Counted from the first block that is done, as starting processes is paid once a file.
    """
    done: list[tuple[float, int]] = []
    with tempfile.TemporaryDirectory() as folder:
        for item in simulate(Path(folder) / "shots.h5", shots, seed=0, size=size):
            if item["event"] == "progress":
                done.append((time.perf_counter(), item["done"]))
    (start, before), (end, after) = done[0], done[-1]
    return (after - before) / max(end - start, 1e-9)


def shot(size: int) -> Any:
    """(size, size) uint16: rings, some noise."""
    y, x = np.mgrid[:size, :size] - (size - 1) / 2
    radius = np.hypot(y, x) / size * 224
    rings = 3e3 * np.exp(-radius / 20) * (1 + np.cos(radius / 2))
    return np.random.default_rng(0).poisson(rings + 5).astype(np.uint16)
