"""Noise sets (paper, §5.3): a copy of a file whose shots carry uniform noise on [0, b].

b is the median over the shots of one number of each: its mean, its mean + standard deviation
(population form), or its greatest count; all finite pixels take part. Two streaming passes, so the
size of the file does not matter.

Every other dataset, group, attribute and link stays as it was: where shots lie plainly in the file
it is copied with changed shots in their places (`model.raw_shots`), else it is copied whole and the
shots are then changed in the copy. Choices made here:
- files of whole numbers get the noise rounded to the nearest one, and counts stop at the greatest
  number that their type can hold;
- the noise of shot i depends on the seed, on i, on b and on the shape of shots alone, not on how
  the file is read: it is its own stretch of one stream of PCG64DXSM;
- NaN and infinity stay; masked pixels get noise like all others.
"""

from __future__ import annotations

import contextlib
import shutil
from collections.abc import Callable, Generator, Iterator
from functools import lru_cache
from pathlib import Path
from typing import Any, Literal, get_args

import h5py
import numpy as np
import numpy.typing as npt

from model.errors import InputError
from model.events import Event, event
from model.hdf5 import with_chunk_cache
from model.places import check_place, explained, part_of
from model.raw_shots import raw_shots
from model.sources import Source, SourceInfo, open_source
from model.threads import one_blas_thread

Level = Literal["mean", "mean+std", "max"]
LEVELS: tuple[Level, ...] = get_args(Level)
BLOCK_BYTES = 16 * 2**20
"""About this much of the file is in memory at a time."""
PIXELS = 2**17
"""About this many get their noise at a time: what is made on the way stays in the cache."""
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
    with open_source(path, dataset) as source:
        info = source.info
        if np.dtype(info.dtype).kind == "b":
            what = "its shots are only yes and no"
            raise InputError(what, file=info.path, mend="Use shots of counts.")
        check_place(out, info.path, info.path.stat().st_size, force)
        part = part_of(out)
        yield event("started", what="noise", shots=info.n_shots)
        try:
            with explained(out):
                bound = yield from _bound(source, level, stop)
                if bound is not None:
                    yield from _rounding(info, bound)
                    bound = yield from _change(source, part, bound, seed, stop)
                if bound is not None:
                    text = f"uniform on [0, b], b = {bound!r} (median of {level}), seed {seed}"
                    _sign(part, info, text)
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
    flat = np.asarray(values.ravel(), np.float32)
    mean = float(np.dot(flat, _ones(flat.size))) / flat.size
    if level == "mean":
        return mean
    flat = flat - np.float32(mean)
    return mean + float(np.sqrt(np.dot(flat, flat) / flat.size))


@lru_cache(maxsize=2)
def _ones(size: int) -> npt.NDArray[np.float32]:
    return np.ones(size, np.float32)


def noisy(counts: Counts, bound: float, seed: int, shot: int) -> Counts:
    """One shot (y, x) plus uniform noise on [0, bound], in its own type, saturating."""
    changed = np.array(counts)[None]
    add_noise(changed, bound, seed, shot)
    return np.asarray(changed[0])


def add_noise(shots: Counts, bound: float, seed: int, first: int) -> None:
    """Change shots (n, y, x), number `first` and those after it, in place."""
    pixels = shots[0].size
    each = (pixels + 1) // 2  # numbers of 64 bits: two pixels from each
    step = max(1, PIXELS // pixels)
    stream = np.random.PCG64DXSM(seed)
    stream.advance(first * each)
    for a in range(0, len(shots), step):
        some = shots[a : a + step].reshape(-1, pixels)
        drawn = stream.random_raw(len(some) * each).view(np.uint32)
        noise = drawn.reshape(len(some), 2 * each)[:, :pixels].astype(np.float32)
        noise *= np.float32(bound * 2.0**-32)
        if some.dtype.kind == "f":
            some += noise.astype(some.dtype, copy=False)
        else:
            _add_whole(some, noise, bound)


def _add_whole(counts: Counts, noise: npt.NDArray[np.float32], bound: float) -> None:
    """Add the noise up to `bound`, rounded, in place; stop at the greatest number of the type."""
    most = np.iinfo(counts.dtype).max
    noise += np.float32(0.5)
    limit = np.float32(most)
    if int(limit) > most:  # types of 32 and 64 bits end between two numbers of single precision
        limit = np.nextafter(limit, np.float32(0))
    if not bound + 1 < limit:
        np.minimum(noise, limit, out=noise)
    whole = noise.astype(counts.dtype)
    room = np.subtract(most, whole, dtype=counts.dtype)
    np.minimum(counts, room, out=counts)
    counts += whole


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

    def measure(first: int, shots: Counts) -> list[float]:
        return [statistic(shot, level) for shot in shots]

    for done, found in _measured(source, measure):
        numbers += found
        yield event("progress", what="measuring shots", done=done, total=total)
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


def _measured(
    source: Source, measure: Callable[[int, Counts], list[float]]
) -> Iterator[tuple[int, list[float]]]:
    """(shots done, numbers) block by block; numpy works outside the interpreter's lock."""
    raw = raw_shots(source.info)
    if raw is not None:
        with one_blas_thread():
            yield from raw.each(measure)
        return
    for first, last in _blocks(source):
        yield last, measure(first, source.read_slice(first, last))


def _change(
    source: Source, part: Path, bound: float, seed: int, stop: Callable[[], bool]
) -> Generator[Event, None, float | None]:
    """Events of the second pass, which writes the changed copy; returns b, or None if stopped."""
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
                return None
    return bound


def _change_copy(source: Source, part: Path, bound: float, seed: int) -> Generator[int]:
    """Copy the file, then change the shots in the copy; yields how many are done."""
    info = source.info
    shutil.copyfile(info.path, part)
    with h5py.File(part, "r+", locking=False) as file:
        for first, last in _blocks(source):
            shots = source.read_slice(first, last)
            add_noise(shots, bound, seed, first)
            _put(file, info, first, shots)
            yield last


def _put(file: h5py.File, info: SourceInfo, first: int, shots: Counts) -> None:
    """Write shots (n, y, x) to their places in the copy."""
    if info.layout == "cxidb94":
        names = [f"{entry}/{info.dataset}" for entry in (info.shot_names or ())]
        for name, shot in zip(names[first:], shots, strict=False):
            _own(file, name, info)[...] = shot
        return
    _own(file, info.dataset, info)
    with_chunk_cache(file, info.dataset)[first : first + len(shots)] = shots


def _sign(part: Path, info: SourceInfo, text: str) -> None:
    """Say in every changed dataset what was done to it."""
    with h5py.File(part, "r+", locking=False) as file:
        entries = info.shot_names or () if info.layout == "cxidb94" else ("",)
        for entry in entries:
            name = f"{entry}/{info.dataset}" if entry else info.dataset
            _own(file, name, info).attrs[ATTRIBUTE] = text


def _own(file: h5py.File, name: str, info: SourceInfo) -> h5py.Dataset:
    """The dataset, if its numbers lie in this very file; writing must never reach another."""
    found = file[name]
    elsewhere = Path(found.file.filename).resolve() != Path(file.filename).resolve()
    if elsewhere or found.is_virtual or found.external:
        what = "its shots lie in other files, which are not to be changed"
        mend = "Use the file that holds the shots themselves, or repack this one first."
        raise InputError(what, file=info.path, place=name, mend=mend)
    return found
