"""`bench online`: can a watch keep up with a machine that gives this many shots a second?

The source is a process of its own, the Karabo bridge's own sender, that paces simulated shots by
its clock and stamps each with the time it was due. Everything runs as in `watch`: hit finder,
network (the shipped backbone, at the side that `input` says), decisions, and a record on disk.
"""

from __future__ import annotations

import multiprocessing
import queue
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from multiprocessing.sharedctypes import Synchronized
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import numpy.typing as npt
import psutil

from model.errors import InputError, install
from model.online.hitfinder import HitFinder, fit
from model.online.live_reader import LiveReader
from model.online.record import Record
from model.online.sources import AT_ONCE
from model.online.stream import Stream, open_stream
from model.online.watching import Until, watch
from model.runs import checkpoint
from model.runs.recipes import shipped_network
from model.shots.hdf5 import texts
from model.simulate.generate import simulate
from model.taxonomy.taxonomy import EMPTY
from model.taxonomy.toml import known_for

SHOTS = 192
ROUNDS, MEMORY_SHOTS = 5, 2048
PATIENCE_S = 60.0

Counts = npt.NDArray[Any]


def measure(
    rate: int = 120, hit_rate: float = 0.3, seconds: int = 600, size: int = 224, input: int = 0
) -> dict[str, Any]:
    """Numbers as `airylabel bench online` explains them.

    input: side of the network's input, with maps as coarse as in the recipe `paper`; 0: side and
    maps of the recipe `quick`.
    """
    if rate < 1 or not 0 <= hit_rate <= 1 or seconds < 1:
        raise InputError("rate, hit rate or seconds make no sense", mend="See --help.")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        hits, empties = _shots(folder / "shots.h5", size)
        labelled = [(s, None, False) for s in hits] + [(s, None, True) for s in empties]
        finder = fit(labelled)
        found = {
            "hitfinder_hz": _speed(finder, hits, empties, hit_rate),
            "hitfinder_missed": finder.missed,
            "hitfinder_false": finder.false,
        }
        run = _run(folder / "run", input)
        reader = LiveReader.open(run)
        with _machine(hits, empties, rate, hit_rate) as (address, missed):
            found |= _watched(reader, finder, address, folder / "kept", seconds)
            found["not_fetched"] = missed.value
    found["dropped"] += found["not_fetched"]
    found["sustained_hz"] = (found["seen"] - found["dropped"]) / found["seconds"]
    return found | {"rate": rate, "hit_rate": hit_rate, "engine": reader.engine.name}


def _shots(path: Path, size: int) -> tuple[Counts, Counts]:
    """Hits and empty shots (n, size, size), simulated."""
    for item in simulate(path, SHOTS, 7, size, balanced=True):
        if item["event"] == "failed":
            raise InputError(str(item["text"]))
    with h5py.File(path, "r") as file:
        names = texts(file["labels"].attrs["class_names"])
        empty = file["true_labels"][:, names.index(EMPTY)] > 0
        images = file["images"][()]
    hits = images[~empty]
    rng = np.random.default_rng(0)
    scale = 0.4 * float(images[empty].mean()) if empty.any() else 1.0
    more = rng.poisson(scale, (max(0, len(hits) - int(empty.sum())), size, size))
    return hits, np.concatenate([images[empty], more.astype(images.dtype)])


def _speed(finder: HitFinder, hits: Counts, empties: Counts, hit_rate: float) -> float:
    """Shots a second from memory, by one thread; the median of some rounds."""
    rng = np.random.default_rng(1)
    shots = _drawn(hits, empties, hit_rate, rng, MEMORY_SHOTS)
    taken = []
    for _ in range(ROUNDS):
        begin = time.perf_counter()
        for first in range(0, len(shots), AT_ONCE):
            finder.hits(shots[first : first + AT_ONCE])
        taken.append(time.perf_counter() - begin)
    return len(shots) / float(np.median(taken))


def _drawn(hits: Counts, empties: Counts, share: float, rng: np.random.Generator, n: int) -> Counts:
    chosen = rng.random(n) < share
    pick = [(hits if hit else empties) for hit in chosen]
    return np.stack([some[rng.integers(len(some))] for some in pick])


def _run(folder: Path, input: int) -> Path:
    """The shipped backbone as a run that takes inputs of this side; 0: as it is."""
    network, about = checkpoint.load(shipped_network())
    if input:
        coarse = replace(about.recipe, fine_maps=False)
        about = replace(
            about, recipe=coarse, preprocessing=replace(about.preprocessing, size=input)
        )
        weights, network = network.state_dict(), checkpoint.build(about, "he")
        network.load_state_dict(weights)
    folder.mkdir()
    checkpoint.save(folder, network, about)
    return folder


def _watched(
    reader: LiveReader, finder: HitFinder, address: str, folder: Path, seconds: int
) -> dict[str, Any]:
    """What a watch of this many seconds comes to."""
    stream = Stream(open_stream(address), finder)
    taxonomy = known_for(reader.about.class_names)
    record = Record(folder, reader.attributes)
    process = psutil.Process()
    settled = min(60.0, seconds / 10)
    sizes: list[float] = []
    last: dict[str, Any] = {}
    for last in watch(
        stream, reader, stop=lambda: False, record=record, taxonomy=taxonomy,
        until=Until(seconds=seconds),
    ):  # fmt: skip
        if last["event"] == "watched" and last["seconds"] >= settled:
            sizes.append(process.memory_info().rss / 2**20)
    tenth = max(1, len(sizes) // 10)
    return {
        "seconds": last["seconds"],
        "seen": last["seen"],
        "hits": last["hits"],
        "read": last["read"],
        "kept": last["kept"],
        "read_hz": last["read"] / last["seconds"],
        "dropped": last["dropped"],
        "latency_p50_ms": last["latency_ms"]["p50"],
        "latency_p99_ms": last["latency_ms"]["p99"],
        "memory_growth_mb": float(np.median(sizes[-tenth:]) - np.median(sizes[:tenth])),
        "memory_mb": sizes[-1],
    }


@contextmanager
def _machine(
    hits: Counts, empties: Counts, rate: int, hit_rate: float
) -> Iterator[tuple[str, Synchronized[int]]]:
    """A process that sends shots; its address, and how many it threw away because no one asked."""
    context = multiprocessing.get_context("spawn")
    missed: Any = context.Value("q", 0)
    ours, theirs = context.Pipe()
    child = context.Process(
        target=_send, args=(theirs, hits, empties, rate, hit_rate, missed), daemon=True
    )
    child.start()
    theirs.close()
    try:
        if not ours.poll(PATIENCE_S):
            raise InputError("the sending process does not start", mend="Try again.")
        yield ours.recv(), missed
    except EOFError as error:
        what = "the package karabo-bridge is not installed"
        raise InputError(what, mend=install("karabo-bridge")) from error
    finally:
        child.kill()
        child.join()
        child.close()
        ours.close()


def _send(
    pipe: Any, hits: Counts, empties: Counts, rate: int, hit_rate: float, missed: Any
) -> None:
    """The sending process: one shot each 1/rate s, drawn at random, never waiting for anybody."""
    from karabo_bridge import ServerInThread

    rng = np.random.default_rng(2)
    server = ServerInThread("tcp://127.0.0.1:*", maxlen=20)
    server.start()
    pipe.send(server.endpoint)
    begin = time.time() + 0.1
    train = 0
    while True:
        due = begin + train / rate
        time.sleep(max(0.0, due - time.time()))
        (counts,) = _drawn(hits, empties, hit_rate, rng, 1)
        about = {"source": "DET/SHOTS", "timestamp": due, "timestamp.tid": train}
        data = {"DET/SHOTS": {"image.data": counts}}
        try:
            server.feed(data, {"DET/SHOTS": about}, block=False)
        except queue.Full:
            missed.value += 1
        train += 1
