"""Writes a simulated set to a file, in parallel, and goes on where it was interrupted.

The file grows under a temporary name beside the final one: its structure is written first, then
every finished block of shots goes to its place in it, and a journal says which ones are done.
Only the complete file gets its name. The same recipe gives the same bytes, whatever the workers.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import numpy.typing as npt

from model.errors import InputError
from model.events import Event, event
from model.places import give_name
from model.simulate.detector import DISTANCE_M
from model.simulate.draw import draw
from model.simulate.labels import CLASSES
from model.simulate.shot import KINDS, Recipe, make_shot, parameters, targets
from model.workers import Pool

BLOCK = 16
"""Shots a worker makes at a time."""
FORMAT = 2
"""Raised whenever the same recipe gives other bytes."""
GENERATOR = "airylabel simulate"

Arrays = dict[str, npt.NDArray[Any]]


def simulate(
    out: Path,
    shots: int,
    seed: int,
    size: int = 224,
    *,
    balanced: bool = False,
    annotator: bool = False,
    noise: str = "normal",
    workers: int | None = None,
    stop: Callable[[], bool] = lambda: False,
) -> Iterator[Event]:
    """Make `shots` labelled patterns and write them to `out` (HDF5); yields events.

    Datasets: `images` (N, y, x) uint16; `labels` and `true_labels` (N, C) uint8 with `class_names`
    (they differ where the researcher imitated forgot a class, or with `annotator`); `mask` (y, x)
    int32, 0 = good; `parameters` (N,) one number per field. Memory does not grow with N. `noise` is
    one of `detector.NOISE`.

    Raises InputError for impossible numbers and places that cannot be written.
    """
    recipe = _checked(Recipe(shots, seed, size, balanced, annotator, noise))
    if workers is not None and workers < 1:
        raise InputError(f"{workers} workers cannot work", mend="Give at least one.")
    part, journal = out.with_name(out.name + ".part"), out.with_name(out.name + ".journal")
    try:
        done = _resume(part, journal, recipe)
    except OSError as error:
        raise InputError(
            f"cannot be written: {error.strerror or error}",
            file=out,
            mend="Choose another place, or make room.",
        ) from error
    yield event("started", shots=shots, classes=list(CLASSES), done=sum(b - a for a, b in done))
    blocks = [
        (a, min(a + BLOCK, shots))
        for a in range(0, shots, BLOCK)
        if (a, min(a + BLOCK, shots)) not in done
    ]
    finished = sum(b - a for a, b in done)
    count = min(workers or os.cpu_count() or 1, max(1, len(blocks) // 3))
    with (
        Pool(_prepare, (str(part), recipe), count) as pool,
        journal.open("a", encoding="ascii") as log,
    ):
        for block, _ in pool.run(blocks):
            log.write(json.dumps(block) + "\n")
            log.flush()
            finished += block[1] - block[0]
            yield event("progress", what="simulating", done=finished, total=shots)
            if stop() and finished < shots:
                yield event(
                    "cancelled",
                    text=f"{finished} of {shots} shots are kept; the same command goes on.",
                )
                return
    give_name(part, out)
    journal.unlink()
    yield event("finished", metrics={}, file=str(out), shots=shots)


def _checked(recipe: Recipe) -> Recipe:
    if recipe.shots < 1:
        raise InputError(f"{recipe.shots} shots cannot be simulated", mend="Ask for at least one.")
    if recipe.seed < 0:
        raise InputError(f"the seed {recipe.seed} is negative", mend="Give 0 or more.")
    _ = recipe.detector  # its own checks of size and noise
    return recipe


# -- the file --------------------------------------------------------------------------------------


def _resume(part: Path, journal: Path, recipe: Recipe) -> set[tuple[int, int]]:
    """Blocks that an interrupted run of the same recipe left done; else a fresh start."""
    wanted = json.dumps({"format": FORMAT, **asdict(recipe)})
    if part.is_file() and journal.is_file():
        lines = journal.read_text(encoding="ascii").split("\n")
        if lines[0] == wanted:
            # The last line is complete only where its line end was written.
            return {(a, b) for a, b in (json.loads(line) for line in lines[1:-1])}
    part.parent.mkdir(parents=True, exist_ok=True)
    journal.unlink(missing_ok=True)
    _create(part, recipe)
    journal.write_text(wanted + "\n", encoding="ascii")
    return set()


def _create(part: Path, recipe: Recipe) -> None:
    """The file with everything but the shots' own values; their space is reserved."""
    n, detector = recipe.shots, recipe.detector
    with h5py.File(part, "w") as file:
        for name, shape, kind in (
            ("images", (n, recipe.size, recipe.size), "<u2"),
            ("labels", (n, len(CLASSES)), "u1"),
            ("true_labels", (n, len(CLASSES)), "u1"),
            ("parameters", (n,), _record()),
        ):
            _reserve(file, name, shape, np.dtype(kind))
        file["mask"] = np.where(detector.good(), 0, 1).astype("<i4")
        names = np.array(CLASSES, dtype=h5py.string_dtype())
        for holder in (file, file["labels"], file["true_labels"]):
            holder.attrs["class_names"] = names
        file["parameters"].attrs["kind_names"] = np.array(KINDS, dtype=h5py.string_dtype())
        file.attrs["distance_m"] = DISTANCE_M
        file.attrs["pixel_m"] = detector.pixel_m
        file.attrs["centre"] = np.array(detector.centre)
        file.attrs["coordinates"] = "flat detector: offset proportional to tan(theta)"
        file.attrs["generator"] = GENERATOR
        file.attrs["recipe"] = json.dumps({"format": FORMAT, **asdict(recipe)})


def _reserve(file: h5py.File, name: str, shape: tuple[int, ...], kind: np.dtype[Any]) -> None:
    """A contiguous dataset whose bytes lie in the file from now on."""
    plan = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
    plan.set_layout(h5py.h5d.CONTIGUOUS)
    plan.set_alloc_time(h5py.h5d.ALLOC_TIME_EARLY)
    plan.set_fill_time(h5py.h5d.FILL_TIME_NEVER)
    plan.set_obj_track_times(False)
    space = h5py.h5s.create_simple(shape)
    h5py.h5d.create(file.id, name.encode(), h5py.h5t.py_create(kind, logical=True), space, plan)


def _record() -> np.dtype[Any]:
    """One float32 field per parameter, in the order in which a shot reports them."""
    recipe = Recipe(1, 0)
    scene = draw(frozenset({"Empty"}), recipe.detector, np.random.default_rng(0))
    return np.dtype([(name, "<f4") for name in parameters(scene)])


def _places(part: Path) -> Arrays:
    """The reserved datasets as arrays that write straight into the file."""
    with h5py.File(part, "r", locking=False) as file:
        plan = {
            name: (file[name].id.get_offset(), file[name].shape, file[name].dtype)
            for name in ("images", "labels", "true_labels", "parameters")
        }
    return {
        name: np.memmap(part, kind, "r+", offset, shape)
        for name, (offset, shape, kind) in plan.items()
    }


# -- in a worker -----------------------------------------------------------------------------------


def _prepare(task: tuple[str, Recipe]) -> Callable[[tuple[int, int]], None]:
    """What makes a block of shots and writes it to its place."""
    part, recipe = Path(task[0]), task[1]
    places, wanted = _places(part), targets(recipe)

    def work(block: tuple[int, int]) -> None:
        for i in range(*block):
            shot = make_shot(recipe, i, int(wanted[i]))
            places["images"][i] = shot.counts
            places["labels"][i] = shot.labels
            places["true_labels"][i] = shot.true_labels
            places["parameters"][i] = tuple(shot.parameters.values())

    return work
