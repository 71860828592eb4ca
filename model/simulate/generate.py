"""Writes a simulated set to a file, in parallel, and goes on where it was interrupted.

The file is filled under a temporary name beside the final one (`bulk.filling`); only the complete
one gets its name. The same recipe gives the same bytes, whatever the workers and wherever they run.
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

from model.bulk.engines import each_block, open_workers
from model.bulk.filling import Arrays, Block, Filling, blocks, reserve
from model.bulk.plain import check_workers
from model.errors import InputError
from model.events import Event, Stop, event, never
from model.output_files import check_place, explained, new_hdf5
from model.simulate.detector import DISTANCE_M
from model.simulate.draw import draw
from model.simulate.labels import CLASSES
from model.simulate.shot import KINDS, SimulationRecipe, make_shot, parameters, targets

BLOCK = 16
"""Shots a worker makes at a time."""
FORMAT = 5
"""Raised whenever the same recipe gives other bytes."""
ROOM = 4 << 20
"""Bytes beside the shots themselves."""
GENERATOR = "airylabel simulate"


def simulate(
    out: Path,
    shots: int,
    seed: int,
    size: int = 224,
    *,
    balanced: bool = False,
    annotator: bool = False,
    noise: str = "normal",
    broad: bool = False,
    workers: int | None = None,
    scheduler: str | None = None,
    force: bool = False,
    stop: Stop = never,
) -> Iterator[Event]:
    """Make `shots` labelled patterns and write them to `out` (HDF5); yields events.

    Datasets: `images` (N, y, x) uint16; `labels` and `true_labels` (N, C) uint8 with `class_names`
    (they differ where the researcher imitated forgot a class, or with `annotator`); `mask` (y, x)
    int32, 0 = good; `parameters` (N,) one number per field. Memory does not grow with N. `noise` is
    one of `detector.NOISE`; `broad`: scenes of many causes, detectors that differ from shot to shot
    (nothing is masked); `workers` and `scheduler` as in `bulk.engines`.

    Raises InputError for impossible numbers, places that cannot be written, and an `out` that is
    there and not of the same order (unless `force`).
    """
    recipe = _checked(SimulationRecipe(shots, seed, size, balanced, annotator, noise, broad))
    check_workers(workers)
    with explained(out):
        out.parent.mkdir(parents=True, exist_ok=True)
        if not _is_of(out, recipe):
            check_place(out, (), 2 * shots * size**2 + ROOM, force)
        filling = Filling(out, {"format": FORMAT, **asdict(recipe)})
        filling.begin(lambda part: _create(part, recipe))
    done, todo = filling.done(), filling.todo(blocks(shots, BLOCK))
    yield event("started", shots=shots, classes=list(CLASSES), done=done)
    count = min(workers or os.cpu_count() or 1, max(1, len(todo) // 3))
    with explained(out):
        with open_workers(
            _prepare, recipe, workers if scheduler else count, len(todo), scheduler
        ) as pool:
            try:
                whole = yield from each_block(
                    "simulating", pool, todo, filling.put, done, shots, stop
                )
            finally:
                filling.save()
        if whole:
            filling.finish()
    if whole:
        yield event("finished", metrics={}, file=str(out), shots=shots)
    else:
        text = f"{filling.done()} of {shots} shots are kept; the same command goes on."
        yield event("cancelled", text=text)


def _checked(recipe: SimulationRecipe) -> SimulationRecipe:
    if recipe.shots < 1:
        raise InputError(f"{recipe.shots} shots cannot be simulated", mend="Ask for at least one.")
    if recipe.seed < 0:
        raise InputError(f"the seed {recipe.seed} is negative", mend="Give 0 or more.")
    _ = recipe.detector  # its own checks of size and noise
    return recipe


# -- the file --------------------------------------------------------------------------------------


def _create(part: Path, recipe: SimulationRecipe) -> None:
    """The file with everything but the shots' own values; their space is reserved."""
    n, detector = recipe.shots, recipe.detector
    with new_hdf5(part) as file:
        for name, shape, kind in (
            ("images", (n, recipe.size, recipe.size), "<u2"),
            ("labels", (n, len(CLASSES)), "u1"),
            ("true_labels", (n, len(CLASSES)), "u1"),
            ("parameters", (n,), _record()),
        ):
            reserve(file, name, shape, kind)
        good = np.ones((recipe.size,) * 2, bool) if recipe.broad else detector.good()
        file["mask"] = np.where(good, 0, 1).astype("<i4")
        names = np.array(CLASSES, dtype=h5py.string_dtype())
        for holder in (file, file["labels"], file["true_labels"]):
            holder.attrs["class_names"] = names
        file["parameters"].attrs["kind_names"] = np.array(KINDS, dtype=h5py.string_dtype())
        file.attrs["distance_m"] = DISTANCE_M
        file.attrs["pixel_m"] = detector.pixel_m
        file.attrs["centre"] = np.array(detector.centre)
        file.attrs["coordinates"] = "flat detector: offset proportional to tan(theta)"
        file.attrs["generator"] = GENERATOR
        file.attrs["recipe"] = _order(recipe)


def _order(recipe: SimulationRecipe) -> str:
    """What decides every byte of the file."""
    return json.dumps({"format": FORMAT, **asdict(recipe)})


def _is_of(out: Path, recipe: SimulationRecipe) -> bool:
    """Whether a file was made by the same order, so that making it again changes nothing."""
    try:
        with h5py.File(out, "r", locking=False) as file:
            return bool(file.attrs.get("recipe", "") == _order(recipe))
    except OSError:
        return False


def _record() -> np.dtype[Any]:
    """One float32 field per parameter, in the order in which a shot reports them."""
    recipe = SimulationRecipe(1, 0)
    scene = draw(frozenset({"Empty"}), recipe.detector, np.random.default_rng(0))
    return np.dtype([(name, "<f4") for name in parameters(scene)])


# -- in a worker -----------------------------------------------------------------------------------


def _prepare(recipe: SimulationRecipe) -> Callable[[Block], Arrays]:
    """What makes a block of shots."""
    wanted, record = targets(recipe), _record()

    def work(block: Block) -> Arrays:
        shots = [make_shot(recipe, i, int(wanted[i])) for i in range(*block)]
        return {
            "images": np.stack([shot.counts for shot in shots]),
            "labels": np.stack([shot.labels for shot in shots]),
            "true_labels": np.stack([shot.true_labels for shot in shots]),
            "parameters": np.array([tuple(s.parameters.values()) for s in shots], record),
        }

    return work
