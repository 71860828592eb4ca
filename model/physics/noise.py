"""Uniform noise on [0, b] for shots (paper, §5.3), and the numbers of shots that decide b.

b is the median over the shots of one number of each: its mean, its mean + standard deviation
(population form), or its greatest count; all finite pixels take part.

Choices made here: - whole numbers get the noise rounded to the nearest one, and counts stop at the
greatest number that their type can hold; - noise is drawn as the middles of 2^16 equal steps of
[0, b] where it is rounded to whole numbers up to `FEW`, so that each of them comes from at least 64
steps, and of 2^32 steps (less what single precision rounds off) everywhere else; - the noise of
shot i depends on the seed, on i, on b and on the shape and type of shots alone, not on how the file
is read or by how many threads: it is its own stretch of a stream of PCG64DXSM; - NaN and infinity
stay; masked pixels get noise like all others.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any, Literal, get_args

import numpy as np
import numpy.typing as npt

Level = Literal["mean", "mean+std", "max"]
LEVELS: tuple[Level, ...] = get_args(Level)
PIXELS = 2**17
"""About this many get their noise at a time: what is made on the way stays in the cache, and yet
each step is long enough that threads do not spend their time on handing over the interpreter."""
FEW = 2**10
"""Up to this bound 16 random bits are plenty for noise in whole counts."""

Counts = npt.NDArray[Any]


def statistics(shots: Counts, level: Level) -> list[float]:
    """The number of each of the shots (n, y, x) that decides its share in b; NaN without a finite
    pixel. In few steps."""
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
