"""Noise sets: a copy of a file whose shots carry the noise of `model.physics.noise`.

Two streaming passes, so the size of the file does not matter. Every other dataset, group, attribute
and link stays as it was: where shots lie plainly in the file it is copied with changed shots in
their places (`model.shots.copying`), else it is copied whole and the shots are then changed in the
copy.
"""

from __future__ import annotations

import contextlib
import shutil
from collections.abc import Callable, Generator, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from model.bulk.engines import each_block, open_workers
from model.bulk.filling import Block, Filling
from model.errors import InputError
from model.events import Event, Stop, event, never
from model.output_files import check_place, explained, give_name, part_of
from model.physics.noise import LEVELS, Counts, Level, add_noise, statistics
from model.processes import one_blas_thread
from model.shots.copying import raw_shots
from model.shots.hdf5 import with_chunk_cache
from model.shots.sources import Source, SourceInfo, open_source

BLOCK_BYTES = 16 * 2**20
"""About this much of the file is in memory at a time."""
ATTRIBUTE = "airylabel_noise"
"""Of every changed dataset: level, b and seed in words."""


def add_noise_file(
    path: Path | str,
    out: Path | str,
    level: Level,
    seed: int,
    *,
    dataset: str | None = None,
    force: bool = False,
    scheduler: str | None = None,
    workers: int | None = None,
    stop: Stop = never,
) -> Iterator[Event]:
    """Write the noise set to `out`, whole or not at all; ends in `finished` or `cancelled`.

    scheduler, workers: of a Dask cluster, see `bulk.engines`; then what is done is kept.

    Raises InputError for an unusable source or level, shots that lie in another file (they would
    be changed there), an `out` that exists (unless `force`), and a disk that is full.
    """
    out = Path(out)
    if level not in LEVELS:
        raise InputError(f"there is no noise level {level!r}", mend=f"Use {', '.join(LEVELS)}.")
    if not 0 <= seed < 2**63:
        raise InputError(f"the seed {seed} is not possible", mend="Use a number from 0 up.")
    with open_source(path, dataset) as source:
        info = source.info
        if np.dtype(info.dtype).kind == "b":
            what = "its shots are only yes and no"
            raise InputError(what, file=info.path, mend="Use shots of counts.")
        if not info.is_hdf5:
            mend = "Make an HDF5 copy first: airylabel export PROJECT --shots --to FILE.h5."
            raise InputError("is no HDF5 file, of which a copy is made", file=info.path, mend=mend)
        if source.parts():
            raise _lie_elsewhere(info)
        check_place(out, [info.path], info.path.stat().st_size, force)
        yield event("started", what="noise", shots=info.n_shots)
        if scheduler is None:
            bound = yield from _here(source, out, level, seed, stop)
        else:
            bound = yield from _in_ranges(source, out, level, seed, scheduler, workers, stop)
    if bound is None:
        left = "nothing was written" if scheduler is None else "the same command goes on"
        yield event("cancelled", text=f"Stopped; {left}.")
        return
    made = {"out": str(out), "shots": info.n_shots, "level": level, "bound": bound, "seed": seed}
    yield event("finished", **made, metrics={})


# -- in this process ------------------------------------------------------------------------------


def _here(
    source: Source, out: Path, level: Level, seed: int, stop: Stop
) -> Generator[Event, None, float | None]:
    """Events of both passes by the threads of this process; returns b, or None where stopped."""
    part = part_of(out)
    try:
        with explained(out):
            numbers = yield from numbers_of(source, level, stop)
            if numbers is None:
                return None
            bound = bound_of(source, level, numbers)
            yield from _rounding(source.info, bound)
            if not (yield from _change(source, part, bound, seed, stop)):
                return None
            sign(part, source.info, level, bound, seed)
            give_name(part, out)
    finally:
        part.unlink(missing_ok=True)
    return bound


def numbers_of(
    source: Source, level: Level, stop: Stop
) -> Generator[Event, None, list[float] | None]:
    """Events of a pass over the shots; returns the `statistic` of each, None where stopped."""
    total = source.info.n_shots
    numbers: list[float] = []

    def measure(first: int, shots: Counts) -> list[float]:
        return statistics(shots, level)

    for done, found in _each_measured(source, measure):
        numbers += found
        yield event("progress", what="measuring shots", done=done, total=total)
        if stop():
            return None
    return numbers


def _each_measured(
    source: Source, measure: Callable[[int, Counts], list[float]]
) -> Iterator[tuple[int, list[float]]]:
    """(shots done, numbers) block by block; numpy works outside the interpreter's lock."""
    raw = raw_shots(source.info)
    if raw is not None:
        with one_blas_thread():
            yield from raw.each(measure)
        return
    for first, last in blocks_of(source):
        yield last, measure(first, source.read_slice(first, last))


def _change(
    source: Source, part: Path, bound: float, seed: int, stop: Stop
) -> Generator[Event, None, bool]:
    """Events of the second pass, which writes the changed copy; returns whether it is whole."""
    info = source.info
    raw = raw_shots(info)
    if raw is not None:
        done_of = raw.copy_changed(part, lambda first, shots: add_noise(shots, bound, seed, first))
    else:
        done_of = _change_copy(source, part, bound, seed)
    with contextlib.closing(done_of):
        for done in done_of:
            yield event("progress", what="adding noise", done=done, total=info.n_shots)
            if stop():
                return False
    return True


def _change_copy(source: Source, part: Path, bound: float, seed: int) -> Generator[int]:
    """Copy the file, then change the shots in the copy; yields how many are done."""
    info = source.info
    shutil.copyfile(info.path, part)
    with h5py.File(part, "r+", locking=False) as file:
        for first, last in blocks_of(source):
            shots = source.read_slice(first, last)
            add_noise(shots, bound, seed, first)
            put_shots(file, info, first, shots)
            yield last


# -- by the workers of a cluster -------------------------------------------------------------------
#
# The same ranges as in one process, so the same bytes. Where shots lie plainly in the file, the
# second pass goes on where it was interrupted; where they are compressed, the copy is begun again.


@dataclass(frozen=True)
class _Task:
    """What a worker needs to know, once; without a bound it measures."""

    source: SourceInfo
    level: Level
    seed: int
    bound: float | None = None


def _in_ranges(
    source: Source,
    out: Path,
    level: Level,
    seed: int,
    scheduler: str,
    workers: int | None,
    stop: Stop,
) -> Generator[Event, None, float | None]:
    """Events of both passes by workers; returns b, or None where stopped."""
    info, raw = source.info, raw_shots(source.info)
    ranges = raw.blocks() if raw is not None else blocks_of(source)
    task = _Task(info, level, seed)
    bound = yield from _measured(source, task, ranges, scheduler, workers, stop)
    if bound is None:
        return None
    yield from _rounding(info, bound)
    with explained(out):
        task = replace(task, bound=bound)
        whole = yield from _changed(task, out, ranges, scheduler, workers, stop)
    return bound if whole else None


def _measured(
    source: Source,
    task: _Task,
    ranges: list[Block],
    scheduler: str,
    workers: int | None,
    stop: Stop,
) -> Generator[Event, None, float | None]:
    """Events of the first pass; returns b, or None where it was stopped."""
    numbers: dict[Block, list[float]] = {}
    total = task.source.n_shots
    with open_workers(_prepare, task, workers, len(ranges), scheduler) as pool:
        keep = numbers.__setitem__
        whole = yield from each_block("measuring shots", pool, ranges, keep, 0, total, stop)
    if not whole:
        return None
    in_order = [number for block in ranges for number in numbers[block]]
    return bound_of(source, task.level, in_order)


def _changed(
    task: _Task, out: Path, ranges: list[Block], scheduler: str, workers: int | None, stop: Stop
) -> Generator[Event, None, bool]:
    """Events of the second pass, which fills the copy; returns whether it is whole."""
    info, raw = task.source, raw_shots(task.source)
    about = {"source": info.fingerprint, "level": task.level, "seed": task.seed}
    filling = Filling(out, {**about, "bound": task.bound, "blocks": len(ranges)})
    filling.resumed = filling.resumed and raw is not None
    if not filling.resumed:
        filling.notes.clear()
    filling.begin(lambda part: _copy(info.path, part))

    def take(block: Block, shots: Any) -> None:
        if raw is not None:
            raw.put(filling.part, block[0], shots)
        else:
            with h5py.File(filling.part, "r+", locking=False) as file:
                put_shots(file, info, block[0], shots)
        filling.mark(block)

    done, todo = filling.done(), filling.todo(ranges)
    with open_workers(_prepare, task, workers, len(todo), scheduler) as pool:
        try:
            whole = yield from each_block(
                "adding noise", pool, todo, take, done, info.n_shots, stop
            )
        finally:
            filling.save()
    if whole:
        assert task.bound is not None
        sign(filling.part, info, task.level, task.bound, task.seed)
        filling.finish()
    return whole


def _copy(path: Path, part: Path) -> None:
    shutil.copyfile(path, part)


def _prepare(task: _Task) -> Callable[[Block], Any]:
    """In a worker: numbers of the shots of a range, or the shots with noise."""
    source = open_source(task.source.path, known=task.source)

    def work(block: Block) -> Any:
        shots = source.read_slice(*block)
        if task.bound is None:
            return statistics(shots, task.level)
        add_noise(shots, task.bound, task.seed, block[0])
        return shots

    return work


# -- what both do ---------------------------------------------------------------------------------


def blocks_of(source: Source) -> list[tuple[int, int]]:
    """Runs of shots of about BLOCK_BYTES that cut no chunk of a stack."""
    info = source.info
    step = max(1, BLOCK_BYTES // (int(np.prod(info.shape)) * np.dtype(info.dtype).itemsize))
    if info.layout != "cxidb94":
        with h5py.File(info.path, "r", locking=False) as file:
            chunk = (file[info.dataset].chunks or (1,))[0]
        step = -(-step // chunk) * chunk
    return [(a, min(a + step, info.n_shots)) for a in range(0, info.n_shots, step)]


def bound_of(source: Source, level: Level, numbers: list[float]) -> float:
    """b of a noise set: the median of the shots' numbers; InputError where there is none."""
    bound = float(np.nanmedian(numbers)) if not np.isnan(numbers).all() else float("nan")
    if not (np.isfinite(bound) and bound >= 0):
        what = f"the median of {level} over its shots is {bound:g}: no noise can be made of that"
        raise InputError(what, file=source.info.path, mend="Use shots of counts.")
    return bound


def _rounding(info: SourceInfo, bound: float) -> Iterator[Event]:
    """A warning where rounding takes the noise away."""
    if np.dtype(info.dtype).kind in "iu" and bound < 1:
        text = f"The noise reaches only to {bound:.3g} counts, and the file holds whole numbers: "
        yield event("note", level="warning", text=text + "rounding takes most of it away.")


def put_shots(file: h5py.File, info: SourceInfo, first: int, shots: Counts) -> None:
    """Write shots (n, y, x) to their places in the copy."""
    if info.layout == "cxidb94":
        names = [f"{entry}/{info.dataset}" for entry in (info.shot_names or ())]
        for name, shot in zip(names[first:], shots, strict=False):
            _own(file, name, info)[...] = shot
        return
    _own(file, info.dataset, info)
    with_chunk_cache(file, info.dataset)[first : first + len(shots)] = shots


def sign(part: Path, info: SourceInfo, level: Level, bound: float, seed: int) -> None:
    """Say in every changed dataset what was done to it."""
    text = f"uniform on [0, b], b = {bound!r} (median of {level}), seed {seed}"
    with h5py.File(part, "r+", locking=False) as file:
        entries = info.shot_names or () if info.layout == "cxidb94" else ("",)
        for entry in entries:
            name = f"{entry}/{info.dataset}" if entry else info.dataset
            _own(file, name, info).attrs[ATTRIBUTE] = text
        file.attrs[ATTRIBUTE] = text


def _own(file: h5py.File, name: str, info: SourceInfo) -> h5py.Dataset:
    """The dataset, if its numbers lie in this very file; writing must never reach another."""
    found = file[name]
    elsewhere = Path(found.file.filename).resolve() != Path(file.filename).resolve()
    if elsewhere or found.is_virtual or found.external:
        raise _lie_elsewhere(info)
    return found


def _lie_elsewhere(info: SourceInfo) -> InputError:
    what = "its shots lie in other files, which are not to be changed"
    mend = "Use the file that holds the shots themselves, or repack this one first."
    return InputError(what, file=info.path, place=info.dataset, mend=mend)
