"""Dask workers against the plain processes of this machine, on the same work, in turn.

Correlation maps of the same shots by two processes and by two workers, after each has started;
also with the start, which a cluster pays once. It checks that both wrote the same bytes.
"""

from __future__ import annotations

import statistics
import tempfile
import time
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from model.correlation import MapRecipe
from model.correlation_file import correlate
from model.errors import InputError

WORKERS = 2


def measure(shots: int = 1536, rounds: int = 3, size: int = 224) -> dict[str, Any]:
    """Shots per second of both, and `ratio_plain`, the median over pairs of rounds."""
    found: dict[str, list[float]] = {}
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        path = folder / "shots.h5"
        rng = np.random.default_rng(0)
        with h5py.File(path, "w") as file:
            some = rng.poisson(30, (64, size, size)).astype(np.uint16)
            file["images"] = np.concatenate([some] * -(-shots // 64))[:shots]
        for number in range(rounds):
            for scheduler in (None, "local") if number % 2 else ("local", None):
                name = scheduler or "plain"
                out = folder / f"{name}.h5"
                for kind, value in _one(path, out, scheduler).items():
                    found.setdefault(f"{name}_{kind}", []).append(value)
            if (folder / "plain.h5").read_bytes() != (folder / "local.h5").read_bytes():
                raise InputError("Dask workers wrote other bytes than plain processes")
    plain, dask = found["plain_hz"], found["local_hz"]
    ratios = [a / b for a, b in zip(dask, plain, strict=True)]
    whole = zip(found["local_whole_hz"], found["plain_whole_hz"], strict=True)
    return {
        "ratio_plain": statistics.median(ratios),
        "ratio_plain_whole": statistics.median(a / b for a, b in whole),
        "plain_hz": statistics.median(plain),
        "dask_hz": statistics.median(dask),
        "shots": shots,
        "rounds": rounds,
    }


def _one(path: Path, out: Path, scheduler: str | None) -> dict[str, float]:
    """Shots per second from the first block that is done to the last, and from the command on."""
    out.unlink(missing_ok=True)
    began, seen = time.perf_counter(), []
    last: dict[str, Any] = {}
    for last in correlate(path, out, MapRecipe(), workers=WORKERS, scheduler=scheduler):
        if last["event"] == "progress":
            seen.append((time.perf_counter(), last["done"]))
    if last.get("event") != "finished" or len(seen) < 2:
        raise InputError("too few shots to measure", mend="Give more --shots.")
    whole = last["shots"] / (time.perf_counter() - began)
    return {"hz": (seen[-1][1] - seen[0][1]) / (seen[-1][0] - seen[0][0]), "whole_hz": whole}
