"""Noise sets (paper, §5.3): a copy of a file whose shots carry uniform noise on [0, b].

b is the median over the shots of one number of each: its mean, its mean + standard deviation
(population form), or its greatest count; all finite pixels take part. Two streaming passes, so the
size of the file does not matter.

The file is copied byte by byte and the shots are then changed in the copy: every other dataset,
group, attribute and link stays as it was. Choices made here:
- files of whole numbers get the noise rounded to the nearest one, and counts stop at the greatest
  number that their type can hold;
- the noise of shot i depends on the seed, on i and on b alone, not on how the file is read;
- NaN and infinity stay; masked pixels get noise like all others.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Generator, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Literal, get_args

import h5py
import numpy as np
import numpy.typing as npt

from model.errors import InputError
from model.events import Event, event
from model.hdf5 import with_chunk_cache
from model.places import check_place, explained
from model.sources import Source, SourceInfo, open_source

Level = Literal["mean", "mean+std", "max"]
LEVELS: tuple[Level, ...] = get_args(Level)
BLOCK_BYTES = 16 * 2**20
"""About this much of the file is in memory at a time."""
ATTRIBUTE = "airylabel_noise"
"""Of every changed dataset: level, b and seed in words."""

Counts = npt.NDArray[Any]


def add_noise_file(
    path: Path | str,
    out: Path | str,
    level: Level,
    seed: int,
    *,
    dataset: str | None = None,
    force: bool = False,
    stop: Callable[[], bool] = lambda: False,
) -> Iterator[Event]:
    """Write the noise set to `out`, whole or not at all; ends in `finished` or `cancelled`.

    Raises InputError for an unusable source or level, shots that lie in another file (they would
    be changed there), an `out` that exists (unless `force`), and a disk that is full.
    """
    out = Path(out)
    if level not in LEVELS:
        raise InputError(f"there is no noise level {level!r}", mend=f"Use {', '.join(LEVELS)}.")
    if not 0 <= seed < 2**63:
        raise InputError(f"the seed {seed} is not possible", mend="Use a number from 0 up.")
    part = out.with_name(f".{out.name}.{os.getpid()}.part")
    with open_source(path, dataset) as source:
        info = source.info
        if np.dtype(info.dtype).kind == "b":
            what = "its shots are only yes and no"
            raise InputError(what, file=info.path, mend="Use shots of counts.")
        check_place(out, info.path, info.path.stat().st_size, force)
        yield event("started", what="noise", shots=info.n_shots)
        try:
            with explained(out):
                bound = yield from _bound(source, level, stop)
                if bound is not None:
                    yield from _rounding(info, bound)
                    shutil.copyfile(info.path, part)
                    bound = yield from _change(source, part, bound, level, seed, stop)
                if bound is not None:
                    part.replace(out)
        finally:
            part.unlink(missing_ok=True)
    if bound is None:
        yield event("cancelled", text="Stopped; nothing was written.")
        return
    made = {"out": str(out), "shots": info.n_shots, "level": level, "bound": bound, "seed": seed}
    yield event("finished", **made, metrics={})


def statistic(counts: Counts, level: Level) -> float:
    """The number of one shot (y, x) that decides its share in b; NaN without a finite pixel."""
    values = counts
    if counts.dtype.kind == "f":
        values = counts[np.isfinite(counts)]
    if values.size == 0:
        return float("nan")
    if level == "max":
        return float(values.max())
    mean = float(values.mean(dtype=np.float64))
    if level == "mean":
        return mean
    flat = values.ravel().astype(np.float32) - np.float32(mean)
    return mean + float(np.sqrt(np.dot(flat, flat) / flat.size))


def noisy(counts: Counts, bound: float, seed: int, shot: int) -> Counts:
    """One shot (y, x) plus uniform noise on [0, bound], in its own type, saturating."""
    random = np.random.Generator(np.random.SFC64([seed, shot]))
    noise = random.random(counts.shape, np.float32)
    noise *= np.float32(bound)
    if counts.dtype.kind == "f":
        return np.asarray(counts + noise, counts.dtype)
    most = np.iinfo(counts.dtype).max
    noise += np.float32(0.5)
    limit = np.float32(most)
    if int(limit) > most:  # types of 32 and 64 bits end between two numbers of single precision
        limit = np.nextafter(limit, np.float32(0))
    whole = np.minimum(noise, limit, out=noise).astype(counts.dtype)
    room = np.subtract(most, whole, dtype=counts.dtype)
    return np.asarray(np.minimum(counts, room, out=room) + whole, counts.dtype)


def _blocks(source: Source) -> list[tuple[int, int]]:
    """Runs of shots of about BLOCK_BYTES that cut no chunk of a stack."""
    info = source.info
    step = max(1, BLOCK_BYTES // (int(np.prod(info.shape)) * np.dtype(info.dtype).itemsize))
    if info.layout != "cxidb94":
        with h5py.File(info.path, "r", locking=False) as file:
            chunk = (file[info.dataset].chunks or (1,))[0]
        step = -(-step // chunk) * chunk
    return [(a, min(a + step, info.n_shots)) for a in range(0, info.n_shots, step)]


def _bound(
    source: Source, level: Level, stop: Callable[[], bool]
) -> Generator[Event, None, float | None]:
    """Events of the first pass; returns b, or None where it was stopped."""
    total = source.info.n_shots
    numbers: list[float] = []
    with ThreadPoolExecutor(os.cpu_count()) as threads:  # numpy works outside the interpreter lock
        for first, last in _blocks(source):
            shots = source.read_slice(first, last)
            numbers += threads.map(lambda shot: statistic(shot, level), shots)
            yield event("progress", what="measuring shots", done=last, total=total)
            if stop():
                return None
    bound = float(np.nanmedian(numbers)) if not np.isnan(numbers).all() else float("nan")
    if not (np.isfinite(bound) and bound >= 0):
        what = f"the median of {level} over its shots is {bound:g}: no noise can be made of that"
        raise InputError(what, file=source.info.path, mend="Use shots of counts.")
    return bound


def _rounding(info: SourceInfo, bound: float) -> Iterator[Event]:
    if np.dtype(info.dtype).kind in "iu" and bound < 1:
        text = f"The noise reaches only to {bound:.3g} counts, and the file holds whole numbers: "
        yield event("note", level="warning", text=text + "rounding takes most of it away.")


def _change(
    source: Source, part: Path, bound: float, level: Level, seed: int, stop: Callable[[], bool]
) -> Generator[Event, None, float | None]:
    """Events of the second pass, which changes the copy; returns b, or None where stopped."""
    info = source.info
    text = f"uniform on [0, b], b = {bound!r} (median of {level}), seed {seed}"
    with (
        h5py.File(part, "r+", locking=False) as file,
        ThreadPoolExecutor(os.cpu_count()) as threads,
    ):
        for first, last in _blocks(source):
            shots = source.read_slice(first, last)

            def change(i: int, first: int = first, shots: Counts = shots) -> None:
                shots[i - first] = noisy(shots[i - first], bound, seed, i)

            list(threads.map(change, range(first, last)))
            _put(file, info, first, shots, text)
            yield event("progress", what="adding noise", done=last, total=info.n_shots)
            if stop():
                return None
    return bound


def _put(file: h5py.File, info: SourceInfo, first: int, shots: Counts, text: str) -> None:
    """Write shots (n, y, x) to their places in the copy."""
    if info.layout == "cxidb94":
        names = [f"{entry}/{info.dataset}" for entry in (info.shot_names or ())]
        for name, shot in zip(names[first:], shots, strict=False):
            target = _own(file, name, info)
            target[...] = shot
            target.attrs[ATTRIBUTE] = text
        return
    target = _own(file, info.dataset, info)
    if first == 0:
        target.attrs[ATTRIBUTE] = text
    with_chunk_cache(file, info.dataset)[first : first + len(shots)] = shots


def _own(file: h5py.File, name: str, info: SourceInfo) -> h5py.Dataset:
    """The dataset, if its numbers lie in this very file; writing must never reach another."""
    found = file[name]
    elsewhere = Path(found.file.filename).resolve() != Path(file.filename).resolve()
    if elsewhere or found.is_virtual or found.external:
        what = "its shots lie in other files, which are not to be changed"
        mend = "Use the file that holds the shots themselves, or repack this one first."
        raise InputError(what, file=info.path, place=name, mend=mend)
    return found
