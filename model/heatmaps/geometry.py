"""Geometry of heatmaps: from the network's coarse grid onto the pattern.

Pure numpy, for the window too; how heat is computed from a network is `model.heatmaps.gradcam`'s
matter.
"""

from __future__ import annotations

from functools import lru_cache
from itertools import combinations, pairwise, product
from typing import Any

import numpy as np
import numpy.typing as npt

Heat = npt.NDArray[np.float32]

Box = tuple[float, float, float, float]
Span = tuple[float, float]
Disc = tuple[float, float, float]

ALARM = 0.25
"""Share of the heat on masked pixels and outside the detector from which on it is said aloud."""
WITHIN, BEYOND = (0.88, 0.96), (1.03, 1.09, 1.15, 1.22, 1.3, 1.5)
"""Radii of what is compared within the edge of a disc, and of rings beyond it: 1 is its edge."""
FINEST = 256
"""Larger pictures are looked at in steps of some pixels for the edge of the detector."""
BOX, RAYS, ROUNDS, MOST, SAME = 5, 72, 4, 0.8, 0.04
"""Pixels that are compared with the corners together; directions in which the edge is looked for;
times that a circle is fitted to it; share of them that has to fit; share of the radius up to which
the disc found is the one that fills the picture."""
SEEN, FEWEST = 2000, 50
"""Pixels of a place that are compared, at most and at least."""
EDGE, ALIKE, STEEP = 6.0, 4.0, 3.0
"""Standard deviations from which on pixels differ, and up to which they are alike; how many times
more they differ across an edge than beyond it, unlike light that fades."""
EVEN = "This shot is the same everywhere: there is nothing to look at."
"""Of a shot that `is_even`."""
FULL_FIELD: Box = (0.0, 0.0, 1.0, 1.0)
"""y0, x0, y1, x1 of the part of a shot that the network saw, as fractions of its sides."""


def enlarge(
    cells: npt.ArrayLike,
    shape: tuple[int, int],
    field: Box = FULL_FIELD,
    cells_box: Box | None = None,
) -> Heat:
    """(h, w) heat of one class onto a pattern of `shape` (y, x): float32 in [0, 1].

    Bicubic between the centres of the cells, which tile `cells_box` (where it is not `field`:
    the cells of a strided network begin before the border of what it saw); 0 outside `field`.
    Negative heat counts as none; the hottest cell is 1 unless there is no heat at all.
    """
    box = field if cells_box is None else cells_box
    heat = np.clip(np.nan_to_num(np.asarray(cells, np.float32)), 0, None)
    hottest = heat.max(initial=0)
    if hottest > 0:
        heat = heat / hottest
    h, w = heat.shape
    down = _weights(shape[0], h, (field[0], field[2]), (box[0], box[2]))
    across = _weights(shape[1], w, (field[1], field[3]), (box[1], box[3]))
    return np.clip(down @ heat @ across.T, 0, 1)


def within(field: Box, box: Box) -> Box:
    """A box given in fractions of the field, in fractions of what the field is a part of."""
    y0, x0, y1, x1 = field
    height, width = y1 - y0, x1 - x0
    return y0 + box[0] * height, x0 + box[1] * width, y0 + box[2] * height, x0 + box[3] * width


def detector(
    counts: npt.NDArray[Any], mask: npt.NDArray[np.bool_] | None
) -> npt.NDArray[np.bool_] | None:
    """(y, x) True where a shot saw anything: the pixels of its mask, or those with a number, and of
    these the disc in the picture where nothing lies beyond it but what is the same everywhere;
    None: everywhere.

    Beyond a round detector lie zeros, or the offset and noise of a camera. Pixels on both sides of
    the edge of the disc then differ, in level or in spread, and those farther out do not, neither
    from ring to ring, as light would that fades, nor from corner to corner. The disc is fitted to
    where the picture begins to be unlike its corners; where a shot is too dim for that, the disc
    that fills the picture is tried.
    """
    good = np.isfinite(counts) if mask is None else mask
    step = min(counts.shape) // FINEST + 1
    values, seen = np.asarray(counts[::step, ::step], np.float64), good[::step, ::step]
    seen = seen & np.isfinite(values)
    height, width = counts.shape
    whole = ((height - 1) / 2, (width - 1) / 2, (min(counts.shape) - 1) / 2)
    fitted = _fitted(np.where(seen, values, 0), seen)
    fitted = None if fitted is None else (fitted[0] * step, fitted[1] * step, fitted[2] * step)
    if fitted is not None and np.abs(np.subtract(fitted, whole)).max() <= 1 + SAME * whole[2]:
        fitted = None
    for disc in (fitted, whole):
        if disc is None or disc[2] < 1:
            continue
        if _ends(values, seen, _radii(values.shape, disc, step)):
            y, x = (np.square(np.arange(n) - disc[k]) for k, n in enumerate(counts.shape))
            inside: npt.NDArray[np.bool_] = y[:, None] <= disc[2] ** 2 - x  # a root takes longer
            return inside & good
    return None if mask is None and good.all() else good


def _radii(shape: tuple[int, ...], disc: Disc, step: int) -> npt.NDArray[np.float64]:
    """(y, x) distance of every step-th pixel from the centre of a disc: 1 at its edge."""
    y, x = (np.arange(n) * step - c for n, c in zip(shape, disc[:2], strict=True))
    return np.asarray(np.hypot(y[:, None], x) / disc[2])


def _ends(
    values: npt.NDArray[np.float64],
    seen: npt.NDArray[np.bool_],
    radii: npt.NDArray[np.float64],
) -> bool:
    """Whether the light ends at the edge of a disc, and all beyond it is alike."""

    def among(place: npt.NDArray[np.bool_], part: Any = ...) -> npt.NDArray[np.float64]:
        found = values[part][seen[part] & place[part]]
        return found[:: len(found) // SEEN + 1]

    rings = [among((radii > low) & (radii <= high)) for low, high in pairwise(BEYOND)]
    rings = [ring for ring in rings if len(ring) >= FEWEST]
    within = among((radii > WITHIN[0]) & (radii <= WITHIN[1]))
    if len(rings) < 2 or len(within) < FEWEST:
        return False
    level = float(np.median(np.concatenate(rings)))
    y, x = np.unravel_index(radii.argmin(), radii.shape)
    sides = [(slice(None, at), slice(at, None)) for at in (y, x)]
    far = radii > BEYOND[0]
    corners = [among(far, part) for part in product(*sides)]
    corners = [corner for corner in corners if len(corner) >= FEWEST]
    goes_on = max(_differ(places, level) for places in (rings, corners))
    return goes_on < ALIKE and _differ([within, rings[0]], level) > max(EDGE, STEEP * goes_on)


def _fitted(values: npt.NDArray[np.float64], seen: npt.NDArray[np.bool_]) -> Disc | None:
    """The disc (y, x, radius) beyond which the picture is as in its corners; None without one."""
    unlike = _unlike_corners(values, seen)
    if unlike is None or not unlike.any():
        return None
    middle = np.argwhere(unlike).mean(0)
    turns = np.arange(RAYS)[:, None] * 2 * np.pi / RAYS
    along = np.arange(int(np.hypot(*values.shape)))
    ways = np.stack([np.sin(turns), np.cos(turns)])
    places = np.rint(middle[:, None, None] + ways * along).astype(int)
    inside = ((places >= 0) & (places < np.array(values.shape)[:, None, None])).all(0)
    y, x = np.where(inside, places, 0)
    last = np.where(inside & unlike[y, x], along, 0).max(1)
    length = np.where(inside, along, 0).max(1)
    ending = last < length - BOX
    edge = (middle[:, None] + ways[:, :, 0] * (last - BOX // 4))[:, ending].T
    kept = np.ones(len(edge), bool)
    for _ in range(ROUNDS):
        if kept.sum() < RAYS / 4:
            return None
        terms = np.column_stack([2 * edge, np.ones(len(edge))])
        found = np.linalg.lstsq(terms[kept], (edge[kept] ** 2).sum(1), rcond=None)[0]
        radius = float(np.sqrt(max(found[2] + (found[:2] ** 2).sum(), 0)))
        off = np.abs(np.hypot(*(edge - found[:2]).T) - radius)
        kept = off <= max(2.0, 3 * float(np.median(off)))
    ends = (middle[:, None] + ways[:, :, 0] * length)[:, ~ending].T
    reaches = np.hypot(*(ends - found[:2]).T) <= radius + 2 * BOX  # where light meets the border
    round_ = kept.mean() > MOST and float(off[kept].mean()) < 1 + 0.01 * radius
    if not (round_ and (reaches.mean() if len(reaches) else 1) > MOST):
        return None
    return float(found[0]), float(found[1]), radius


def _unlike_corners(
    values: npt.NDArray[np.float64], seen: npt.NDArray[np.bool_]
) -> npt.NDArray[np.bool_] | None:
    """(y, x) where boxes of pixels differ, in level or in spread, from the four corners of the
    picture; None where these are not alike."""
    from scipy.ndimage import uniform_filter

    side = min(values.shape) // 20
    ends = (slice(side), slice(-side, None))
    corners = [values[y, x][seen[y, x]] for y in ends for x in ends]
    if side < 2 or min(map(len, corners)) < side**2 / 2:
        return None
    level = float(np.median(np.concatenate(corners)))
    if _differ(corners, level) >= ALIKE:
        return None
    unlike = np.zeros(values.shape, bool)
    count = np.maximum(uniform_filter(seen.astype(float), BOX) * BOX**2, 1)
    spread = [np.abs(part - level) for part in (values, *corners)]
    for picture, *each in ((values, *corners), spread):
        beyond = np.concatenate(each)
        calm = np.minimum(beyond, np.quantile(beyond, 0.99))  # without hits of single pixels
        away = np.where(seen, picture - calm.mean(), 0)
        mean = uniform_filter(away, BOX) * BOX**2 / count
        unlike |= np.abs(mean) > np.maximum(EDGE * calm.std() / np.sqrt(count), 1e-9)
    return unlike


def _differ(places: list[npt.NDArray[np.float64]], level: float) -> float:
    """Standard deviations by which samples differ, in their values or in their distance from
    `level`: of the sample, or the run of neighbouring ones, that differs most from all others, by
    ranks (Mann and Whitney, ties)."""
    sizes = np.array([len(place) for place in places])
    runs = [run for run in combinations(range(len(places) + 1), 2) if run[1] - run[0] < len(places)]
    values, n, most = np.concatenate(places), int(sizes.sum()), 0.0
    ends = np.concatenate([[0], np.cumsum(sizes)])
    for each in (values, np.abs(values - level)):
        _, place, count = np.unique(each, return_inverse=True, return_counts=True)
        ranks = (np.cumsum(count) - (count - 1) / 2)[place] - (n + 1) / 2
        sums = np.concatenate([[0], np.cumsum(ranks)])[ends]
        ties = (count.astype(float) ** 3 - count).sum() / (n * (n - 1))
        for first, last in runs:
            size = ends[last] - ends[first]
            width = size * (n - size) / 12 * (n + 1 - ties)
            most = max(most, abs(sums[last] - sums[first]) / max(width, 1e-9) ** 0.5)
    return float(most)


def is_even(counts: npt.NDArray[Any], good: npt.NDArray[np.bool_]) -> bool:
    """Whether the good pixels of a shot (y, x) hold the same, but for hot ones that stand alone.

    As of averages in float32. A pixel counts as the median of the nine around it.
    """
    from scipy.ndimage import median_filter

    if not good.any():
        return True
    calm = median_filter(np.where(good, counts, np.median(counts[good])), 3)[good]
    return float(np.ptp(calm)) <= 1e-5 * float(np.abs(calm).max())


def lost_share(heat: Heat, good: npt.NDArray[np.bool_]) -> float:
    """Share of the heat (y, x) that lies on pixels that are not `good` (y, x); 0 without heat.

    Masked pixels and what lies outside the detector tell nothing of a shot. On a round detector in
    a square picture, heat that is the same everywhere has a share of 1 - pi/4 = .21 there.
    """
    whole = float(heat.sum())
    return float(heat[~good].sum()) / whole if whole > 0 else 0.0


def outside(good: npt.NDArray[np.bool_]) -> npt.NDArray[np.bool_]:
    """(y, x) True for pixels that are not `good` and hang together with a border of the picture.

    They lie beyond the detector; other bad pixels are its holes and defects.
    """
    from scipy.ndimage import label

    parts, _ = label(~good)
    edge = np.concatenate([parts[0], parts[-1], parts[:, 0], parts[:, -1]])
    return np.asarray(np.isin(parts, np.unique(edge[edge > 0])))


@lru_cache(maxsize=64)
def _weights(pixels: int, cells: int, seen: Span, tiled: Span) -> Heat:
    """(pixels, cells): how much each cell tells at each pixel centre, along one axis.

    Keys' cubic convolution with a = -1/2; the outermost cells go on to the border of what the
    network saw.
    """
    centre = (np.arange(pixels) + 0.5) / pixels
    place = (centre - tiled[0]) / (tiled[1] - tiled[0]) * cells - 0.5
    place = np.clip(place, -0.5, cells - 0.5)
    inside = (centre >= seen[0]) & (centre <= seen[1])
    first = np.floor(place).astype(int)
    table = np.zeros((pixels, cells), np.float32)
    rows = np.flatnonzero(inside)
    for tap in range(-1, 3):
        at = np.clip(first + tap, 0, cells - 1)
        np.add.at(table, (rows, at[rows]), _cubic(np.abs(place - first - tap))[rows])
    table.setflags(write=False)  # it is shared by everybody
    return table


def _cubic(x: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    near = 1.5 * x**3 - 2.5 * x**2 + 1
    far = -0.5 * x**3 + 2.5 * x**2 - 4 * x + 2
    return np.where(x <= 1, near, np.where(x < 2, far, 0))
