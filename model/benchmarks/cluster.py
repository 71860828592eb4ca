"""Dask workers against the plain processes of this machine, on the same work, in turn.

The same correlation maps, and the same simulated shots, by two processes and by two workers, after
each has started; also with the start, which a cluster pays once. It checks that both wrote the same
bytes.
"""

from __future__ import annotations

import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from model.errors import InputError
from model.events import Event
from model.physics.correlation import MapRecipe
from model.physics.correlation_file import correlate
from model.simulate.generate import simulate

WORKERS = 2
Work = Callable[[Path, str | None], Iterator[Event]]


def measure(
    shots: int = 6144, simulated: int = 640, rounds: int = 3, size: int = 224
) -> dict[str, Any]:
    """Shots per second of both, and `ratio_plain`, the median over pairs of rounds, for maps: a
    work so light that moving its results shows; `ratio_plain_simulate` is of a heavier one."""
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        path = folder / "shots.h5"
        with h5py.File(path, "w") as file:
            some = np.random.default_rng(0).poisson(30, (64, size, size)).astype(np.uint16)
            file["images"] = np.concatenate([some] * -(-shots // 64))[:shots]

        def maps(out: Path, scheduler: str | None) -> Iterator[Event]:
            return correlate(path, out, MapRecipe(), workers=WORKERS, scheduler=scheduler)

        def simulation(out: Path, scheduler: str | None) -> Iterator[Event]:
            return simulate(out, simulated, 1, size, workers=WORKERS, scheduler=scheduler)

        found = _pairs(maps, folder, rounds)
        heavier = _pairs(simulation, folder, rounds)
    names = ("ratio_plain", "ratio_plain_whole")
    return (
        found
        | {f"{name}_simulate": heavier[name] for name in names}
        | {"shots": shots, "simulated": simulated, "rounds": rounds}
    )


def _pairs(work: Work, folder: Path, rounds: int) -> dict[str, float]:
    """Medians over rounds in which each engine did the work once, each first in every other."""
    found: dict[str, list[float]] = {}
    files = {name: folder / f"{name}.h5" for name in ("plain", "dask")}
    for number in range(rounds):
        for name in ("plain", "dask") if number % 2 else ("dask", "plain"):
            seen = _one(work, files[name], None if name == "plain" else "local")
            for kind, value in seen.items():
                found.setdefault(f"{name}_{kind}", []).append(value)
        if files["plain"].read_bytes() != files["dask"].read_bytes():
            raise InputError("Dask workers wrote other bytes than plain processes")
    ratios = {
        f"ratio_plain{end}": [
            a / b for a, b in zip(found[f"dask_{kind}"], found[f"plain_{kind}"], strict=True)
        ]
        for end, kind in (("", "hz"), ("_whole", "whole_hz"))
    }
    return {name: statistics.median(values) for name, values in (ratios | found).items()}


def _one(work: Work, out: Path, scheduler: str | None) -> dict[str, float]:
    """Shots per second from the first block that is done to the last, and from the command on."""
    out.unlink(missing_ok=True)
    began, seen = time.perf_counter(), []
    last: Event = {}
    for last in work(out, scheduler):
        if last["event"] == "progress":
            seen.append((time.perf_counter(), last["done"]))
    if last.get("event") != "finished" or len(seen) < 2:
        raise InputError("too few shots to measure", mend="Give more --shots.")
    whole = last["shots"] / (time.perf_counter() - began)
    return {"hz": (seen[-1][1] - seen[0][1]) / (seen[-1][0] - seen[0][0]), "whole_hz": whole}
