"""Noise sets (paper, §5.3): a copy of a file whose shots carry uniform noise on [0, b].

b is the median over the shots of one number of each: its mean, its mean + standard deviation
(population form), or its greatest count; all finite pixels take part. Two streaming passes, so the
size of the file does not matter.

Every other dataset, group, attribute and link stays as it was: where shots lie plainly in the file
it is copied with changed shots in their places (`model.shots.copying`), else it is copied whole and
the shots are then changed in the copy. Choices made here: - files of whole numbers get the noise
rounded to the nearest one, and counts stop at the greatest number that their type can hold; - noise
is drawn as the middles of 2^16 equal steps of [0, b] where it is rounded to whole numbers up to
`FEW`, so that each of them comes from at least 64 steps, and of 2^32 steps (less what single
precision rounds off) everywhere else; - the noise of shot i depends on the seed, on i, on b and on
the shape and type of shots alone, not on how the file is read or by how many threads: it is its own
stretch of a stream of PCG64DXSM; - NaN and infinity stay; masked pixels get noise like all others.
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
from model.output_files import check_place, explained, give_name, part_of
from model.processes import one_blas_thread
from model.shots.copying import raw_shots
from model.shots.hdf5 import with_chunk_cache
from model.shots.sources import Source, SourceInfo, open_source

Level = Literal["mean", "mean+std", "max"]
LEVELS: tuple[Level, ...] = get_args(Level)
BLOCK_BYTES = 16 * 2**20
"""About this much of the file is in memory at a time."""
PIXELS = 2**17
"""About this many get their noise at a time: what is made on the way stays in the cache, and yet
each step is long enough that threads do not spend their time on handing over the interpreter."""
FEW = 2**10
"""Up to this bound 16 random bits are plenty for noise in whole counts."""
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
    scheduler: str | None = None,
    workers: int | None = None,
    stop: Callable[[], bool] = lambda: False,
) -> Iterator[Event]:
    """Write the noise set to `out`, whole or not at all; ends in `finished` or `cancelled`.

    scheduler, workers: of a Dask cluster, see `noise_bulk`; then what is done is kept.

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
        check_place(out, [info.path], info.path.stat().st_size, force)
        if scheduler is not None:
            from model.physics.noise_bulk import add_noise_in_ranges

            yield from add_noise_in_ranges(source, out, level, seed, scheduler, workers, stop)
            return
        part = part_of(out)
        yield event("started", what="noise", shots=info.n_shots)
        try:
            with explained(out):
                numbers = yield from numbers_of(source, level, stop)
                bound = None if numbers is None else bound_of(source, level, numbers)
                if bound is not None:
                    yield from rounding(info, bound)
                    bound = yield from _change(source, part, bound, seed, stop)
                if bound is not None:
                    sign(part, info, level, bound, seed)
                    give_name(part, out)
        finally:
            part.unlink(missing_ok=True)
    if bound is None:
        yield event("cancelled", text="Stopped; nothing was written.")
        return
    made = {"out": str(out), "shots": info.n_shots, "level": level, "bound": bound, "seed": seed}
    yield event("finished", **made, metrics={})


def statistic(counts: Counts, level: Level) -> float:
    """The number of one shot (y, x) that decides its share in b; NaN without a finite pixel."""
    return statistics(counts[None], level)[0]


def statistics(shots: Counts, level: Level) -> list[float]:
    """`statistic` of each of the shots (n, y, x), in few steps."""
    if shots.dtype.kind == "f":
        finite = [shot[np.isfinite(shot)] for shot in shots]
        return [_of_rows(f[None], level)[0] if f.size else float("nan") for f in finite]
    return _of_rows(shots.reshape(len(shots), -1), level)


def _of_rows(rows: Counts, level: Level) -> list[float]:
    if level == "max":
        return [float(most) for most in rows.max(1)]
    pixels, found = rows.shape[1], []
    step = min(max(1, 4 * PIXELS // pixels), len(rows))
    buffer = np.empty((step, pixels), np.float32)
    for a in range(0, len(rows), step):
        some = buffer[: len(rows) - a]
        np.copyto(some, rows[a : a + step])
        number = (some @ _ones(pixels)).astype(np.float64) / pixels
        if level == "mean+std":
            some -= number.astype(np.float32)[:, None]
            number += np.sqrt([float(np.dot(row, row)) / pixels for row in some])
        found += number.tolist()
    return found


@lru_cache(maxsize=4)
def _ones(size: int) -> npt.NDArray[np.float32]:
    return np.ones(size, np.float32)


def noisy(counts: Counts, bound: float, seed: int, shot: int) -> Counts:
    """One shot (y, x) plus uniform noise on [0, bound], in its own type, saturating."""
    changed = np.array(counts, order="C")[None]
    add_noise(changed, bound, seed, shot)
    return np.asarray(changed[0])


def add_noise(shots: Counts, bound: float, seed: int, first: int) -> None:
    """Change shots (n, y, x), number `first` and those after it, in place."""
    if not len(shots):
        return
    whole = shots.dtype.kind != "f"
    drawn_as = np.dtype(np.uint16 if whole and bound <= FEW else np.uint32)
    many = 8 // drawn_as.itemsize  # pixels from one number of 64 bits
    pixels = shots[0].size
    each = -(-pixels // many)
    stream = np.random.PCG64DXSM(seed)
    stream.advance(first * each)
    step = bound / 256.0**drawn_as.itemsize
    factor, middle = np.float32(step), np.float32(step / 2 + (0.5 if whole else 0))
    buffer, added = np.empty(PIXELS, np.float32), np.empty(PIXELS, shots.dtype)
    # shots that use up their numbers to the last follow each other without a gap
    for row in shots.reshape(1, -1) if each * many == pixels else shots.reshape(-1, pixels):
        for a in range(0, row.size, PIXELS):
            some = row[a : a + PIXELS]
            drawn = stream.random_raw(-(-some.size // many)).view(drawn_as)[: some.size]
            noise = buffer[: some.size]
            np.copyto(noise, drawn)  # faster than a product that changes the type on its way
            noise *= factor
            if whole:
                _add_whole(some, noise, middle, bound, added[: some.size])
            else:
                noise += middle
                some += noise.astype(some.dtype, copy=False)


def _add_whole(
    counts: Counts,
    noise: npt.NDArray[np.float32],
    middle: np.float32,
    bound: float,
    added: Counts,
) -> None:
    """Add noise + middle, cut to whole numbers, in place; stop at the greatest of the type.

    `added` is room for the whole numbers, `bound` what the noise reaches to before rounding.
    """
    most = np.iinfo(counts.dtype).max
    limit = np.float32(most)
    if int(limit) > most:  # types of 32 and 64 bits end between two numbers of single precision
        limit = np.nextafter(limit, np.float32(0))
    if not bound + 1 < limit:
        np.minimum(noise, limit - middle, out=noise)
    noise += middle
    np.copyto(added, noise, casting="unsafe")
    if not int(counts.max()) + bound + 1 < limit:
        np.minimum(counts, np.subtract(most, added, dtype=counts.dtype), out=counts)
    counts += added


def blocks_of(source: Source) -> list[tuple[int, int]]:
    """Runs of shots of about BLOCK_BYTES that cut no chunk of a stack."""
    info = source.info
    step = max(1, BLOCK_BYTES // (int(np.prod(info.shape)) * np.dtype(info.dtype).itemsize))
    if info.layout != "cxidb94":
        with h5py.File(info.path, "r", locking=False) as file:
            chunk = (file[info.dataset].chunks or (1,))[0]
        step = -(-step // chunk) * chunk
    return [(a, min(a + step, info.n_shots)) for a in range(0, info.n_shots, step)]


def numbers_of(
    source: Source, level: Level, stop: Callable[[], bool]
) -> Generator[Event, None, list[float] | None]:
    """Events of a pass over the shots; returns the `statistic` of each, None where stopped."""
    total = source.info.n_shots
    numbers: list[float] = []

    def measure(first: int, shots: Counts) -> list[float]:
        return statistics(shots, level)

    for done, found in _measured(source, measure):
        numbers += found
        yield event("progress", what="measuring shots", done=done, total=total)
        if stop():
            return None
    return numbers


def bound_of(source: Source, level: Level, numbers: list[float]) -> float:
    """b of a noise set: the median of the shots' numbers; InputError where there is none."""
    bound = float(np.nanmedian(numbers)) if not np.isnan(numbers).all() else float("nan")
    if not (np.isfinite(bound) and bound >= 0):
        what = f"the median of {level} over its shots is {bound:g}: no noise can be made of that"
        raise InputError(what, file=source.info.path, mend="Use shots of counts.")
    return bound


def rounding(info: SourceInfo, bound: float) -> Iterator[Event]:
    """A warning where rounding takes the noise away."""
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
    for first, last in blocks_of(source):
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
        for first, last in blocks_of(source):
            shots = source.read_slice(first, last)
            add_noise(shots, bound, seed, first)
            put_shots(file, info, first, shots)
            yield last


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
        what = "its shots lie in other files, which are not to be changed"
        mend = "Use the file that holds the shots themselves, or repack this one first."
        raise InputError(what, file=info.path, place=name, mend=mend)
    return found
