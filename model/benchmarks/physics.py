"""`bench physics`: maps, noise sets, preparation, the simulator.

`labeler.cli.bench.physics` adds the panes of the window.

Two peers of a map, both with Eq. 13 at all Δ for every pair of rings (the map needs only Δ = 0),
from Fourier transforms of the rings that are made once, and one ring's pairs in one call:
`fft` is the textbook way (every ordered pair, complex, double precision); `fft_tuned` knows that
C_ij = C_ji and that counts are real, and works in single precision. One BLAS thread for all.
"""

from __future__ import annotations

import shutil
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import numpy.typing as npt
from threadpoolctl import threadpool_limits

from model.benchmarks.pairing import median, ratio, seconds_in_turns
from model.output_files import written_whole
from model.physics.correlation import MapRecipe, correlation_maps, order_map
from model.physics.correlation_file import TOGETHER
from model.physics.noise_file import add_noise_file
from model.physics.polar import Floats
from model.preprocessing.preparation import Preparation, reference_of
from model.shots.layouts import Geometry
from model.shots.table import table_of_file
from model.simulate.generate import simulate

USUAL = f"{MapRecipe.radii}x{MapRecipe.angles}"
"""The grid of `correlate` where no one asks for another."""
GRIDS = {"112x360": (112, 360), USUAL: (MapRecipe.radii, MapRecipe.angles), "224x720": (224, 720)}
MAPS_A_TURN = 3 * TOGETHER
"""Of ours, as in a file: a single one would mostly wait for its matrix to come to the cache."""


def measure(
    rounds: int = 7, size: int = 224, shots: int = 192, noise_shots: int = 4000
) -> dict[str, Any]:
    """Milliseconds and ratios.

    map_ms, by grid (radii x angles): one map from counts, peers_ms: of the two peers;
    map_ratio_fft, map_ratio_fft_tuned: their seconds over ours, the least of the grids;
    map_ratios_*: on each; patterns_per_s: the simulator's;
    add_noise_ratio: seconds of copying a file of `noise_shots` shots, until it is on the disk, over
    those of `add_noise_file`; prepare_ratio: of a copy that waits for no disk over those of reading
    and preparing each shot; file_s: of all, file_cpu_s: of all cores that work for them.
    """
    counts = shot(size)
    found: dict[str, Any] = {"map_ms": {}, "peers_ms": {}}
    ratios: dict[str, dict[str, float]] = {"fft": {}, "fft_tuned": {}}
    with threadpool_limits(1):
        for name, (radii, angles) in GRIDS.items():
            taken = _maps(counts, MapRecipe(radii=radii, angles=angles), rounds)
            found["map_ms"][name] = 1e3 * median(taken["ours"])
            found["peers_ms"][name] = {peer: 1e3 * median(taken[peer]) for peer in ratios}
            for peer, values in ratios.items():
                values[name] = ratio(taken[peer], taken["ours"])
    found.update({f"map_ratio_{peer}": min(v.values()) for peer, v in ratios.items()})
    found.update({f"map_ratios_{peer}": values for peer, values in ratios.items()})
    found["patterns_per_s"] = _patterns(shots, size)
    walls, cores = _file_work(counts, noise_shots, rounds)
    found["file_s"] = {name: median(seconds) for name, seconds in walls.items()}
    found["file_cpu_s"] = {name: median(seconds) for name, seconds in cores.items()}
    found["add_noise_ratio"] = ratio(walls["safe_copy"], walls["add_noise"])
    found["prepare_ratio"] = ratio(walls["copy"], walls["prepare"])
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


def _maps(counts: npt.NDArray[np.uint16], recipe: MapRecipe, rounds: int) -> dict[str, list[float]]:
    grid = recipe.grid(counts.shape)
    work: dict[str, Callable[[], object]] = {
        "ours": lambda: [
            correlation_maps([(counts, None)] * TOGETHER, recipe, grid)
            for _ in range(MAPS_A_TURN // TOGETHER)
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


Seconds = dict[str, list[float]]


def _file_work(counts: npt.NDArray[np.uint16], shots: int, rounds: int) -> tuple[Seconds, Seconds]:
    """Seconds and processor seconds in turns: the source in the page cache, no copy there yet.

    Noise and the safe copy wait for the disk, the plain copy and preparation do not. Prepared by
    the steps that are the same for all shots: bad pixels, mean of background shots, flat detector.
    """
    geometry = Geometry(distance_m=0.065, pixel_m=0.075 / counts.shape[0])
    steps = Preparation(
        True, "shots", flat_detector=True, reference=reference_of([counts // 20, counts // 10])
    )
    with tempfile.TemporaryDirectory() as folder:
        path, out = Path(folder) / "shots.h5", Path(folder) / "copy.h5"
        with h5py.File(path, "w") as file:
            file["images"] = np.broadcast_to(counts, (shots, *counts.shape))
        work: dict[str, Callable[[], object]] = {
            "copy": lambda: shutil.copyfile(path, out),
            "safe_copy": lambda: _copy(path, out),
            "add_noise": lambda: list(add_noise_file(path, out, "mean", 0)),
            "prepare": lambda: _prepare(path, steps, geometry),
        }
        walls: Seconds = {name: [] for name in work}
        cores: Seconds = {name: [] for name in work}
        for _ in range(rounds + 1):
            for name, do in work.items():
                out.unlink(missing_ok=True)
                start, before = time.perf_counter(), time.process_time()
                do()
                walls[name].append(time.perf_counter() - start)
                cores[name].append(time.process_time() - before)
    for taken in (walls, cores):
        for seconds in taken.values():
            del seconds[0]  # the first of each warms up
    return walls, cores


def _copy(path: Path, out: Path) -> None:
    """As safe as what it is compared with: the copy has its name once it is on the disk."""
    with written_whole(out) as part:
        shutil.copyfile(path, part)


def _prepare(path: Path, steps: Preparation, geometry: Geometry) -> None:
    """As a training does: shot after shot, in one thread."""
    for _, counts, mask in table_of_file(path).iter_shots():
        steps.apply(counts, mask, geometry)


def shot(size: int) -> npt.NDArray[np.uint16]:
    """(size, size) uint16: rings, some noise."""
    y, x = np.mgrid[:size, :size] - (size - 1) / 2
    radius = np.hypot(y, x) / size * 224
    rings = 3e3 * np.exp(-radius / 20) * (1 + np.cos(radius / 2))
    return np.random.default_rng(0).poisson(rings + 5).astype(np.uint16)
