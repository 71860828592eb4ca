"""From counts to the picture on screen: norm, levels, colours, and a look-up table for speed.

Numpy only. Works on linear counts of any kind, with NaN, infinity, negative, constant or all-zero
shots. What the network sees is made elsewhere: nothing here may ever feed a training.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache, cached_property
from importlib import resources
from pathlib import Path
from typing import Any, Literal, get_args

import numpy as np
import numpy.typing as npt

from model.shots.counts.invalid import invalid

Norm = Literal["log", "linear", "sqrt", "arcsinh"]
NORMS: tuple[Norm, ...] = get_args(Norm)
COLORMAPS = (
    "gray",
    "inverted gray",
    "viridis",
    "inferno",
    "plasma",
    "magma",
    "CET-L3",
    "CET-L4",
    "CET-L6",
    "CET-CBL2",
)
COLOUR_BLIND_SAFE = frozenset(COLORMAPS) - {"CET-L3", "CET-L4"}
"""Colormaps that colour-blind eyes read as well."""
MASKED = (0xFF1A222C, 0xFF222C38)
"""The two shades of the checks on masked pixels; no colormap of ours has them."""
SOFTENING = 0.02
"""arcsinh is linear up to this share of the range and logarithmic beyond."""
DECADES = 6
"""The log norm never spans more decades than this below the upper level."""
BINS = 160
"""Of a histogram, at most."""
LARGEST, SMALLEST = 1e30, 1e-30
"""Counts beyond these bounds are drawn as if they were at them."""

Counts = npt.NDArray[Any]
Mask = npt.NDArray[np.bool_]
Pixels = npt.NDArray[np.uint32]


@dataclass(frozen=True)
class Screen:
    """How counts become colours. `low` and `high` are in counts; `mask` shows masked pixels."""

    norm: Norm = "log"
    low: float = 1.0
    high: float = 1000.0
    colormap: str = "gray"
    mask: bool = True

    def scale(self, counts: npt.ArrayLike) -> npt.NDArray[np.float32]:
        """Counts to [0, 1], the same shape; NaN and what lies below `low` is 0."""
        low, high = self._range()
        x = np.clip(np.asarray(counts, np.float64), low, high).astype(np.float32)
        x = np.where(np.isnan(x), np.float32(low), x)
        if self.norm == "log":
            share = np.log(x / np.float32(low)) / np.float32(np.log(high / low))
        else:
            share = (x - np.float32(low)) / np.float32(high - low)
            share = np.clip(share, 0, 1)
            if self.norm == "sqrt":
                share = np.sqrt(share)
            elif self.norm == "arcsinh":
                share = np.arcsinh(share / SOFTENING) / np.arcsinh(1 / SOFTENING)
        return np.asarray(np.clip(share, 0, 1), np.float32)

    def _range(self) -> tuple[float, float]:
        """Usable levels: in order, apart, and above zero for the log norm."""
        low, high = sorted(min(max(float(v), -LARGEST), LARGEST) for v in (self.low, self.high))
        if self.norm == "log":
            high = max(high, SMALLEST * 10.0**DECADES)
            low = max(low, high * 10.0**-DECADES)
        if high - low <= max(abs(high) * 1e-5, abs(low) * 1e-5, SMALLEST):
            high = low + max(abs(low) * 1e-3, SMALLEST)
        return low, high

    def colours(self, share: npt.NDArray[np.float32]) -> Pixels:
        """[0, 1] to 0xffRRGGBB, the same shape."""
        table = colormap(self.colormap)
        return table[(share * (len(table) - 1) + 0.5).astype(np.uint8)]

    @cached_property
    def _table(self) -> Pixels:
        """(65536,) colour of every uint16 count."""
        return self.colours(self.scale(np.arange(65536)))

    def picture(self, counts: Counts, mask: Mask | None = None) -> Pixels:
        """(y, x) counts to (y, x) 0xffRRGGBB; masked pixels in checks where `mask` is on."""
        if counts.dtype == np.uint16 or counts.dtype == np.uint8:
            picture = self._table[counts]
        else:
            picture = self.colours(self.scale(_real(counts)))
        if self.mask and mask is not None and not mask.all():
            y, x = np.nonzero(~mask)
            picture[y, x] = np.asarray(MASKED, np.uint32)[(y // 2 + x // 2) % 2]
        return picture


@dataclass(frozen=True)
class Overlay:
    """How a heatmap lies on the shot: dashed contours, and as transparency like Fig. 5."""

    contours: bool = True
    transparency: bool = True
    strength: float = 0.7
    form: str = ""
    """Of heat, one of `model.heatmaps.forms`; '': that which did best for the class."""

    def shade(
        self,
        picture: Pixels,
        heat: npt.NDArray[np.float32],
        *,
        fine: bool = False,
        shown_in: str = COLORMAPS[0],
    ) -> Pixels:
        """The picture (y, x), fainter where the heatmap (y, x) in [0, 1] is weak: darker, or in a
        colormap whose zero is white, whiter; half as much where it is fine, which would else leave
        nothing of the shot."""
        if not self.transparency or self.strength <= 0:
            return picture
        strength = self.strength * (0.5 if fine else 1)
        share = 1 - strength * (1 - np.clip(np.nan_to_num(heat), 0, 1))
        light = (share * 256).astype(np.uint32)
        turned = np.uint32(0xFFFFFF if colormap(shown_in)[0] == 0xFFFFFFFF else 0)
        from_zero = picture ^ turned
        red_blue = ((from_zero & 0xFF00FF) * light >> 8) & 0xFF00FF
        green = ((from_zero & 0x00FF00) * light >> 8) & 0x00FF00
        return np.asarray(np.uint32(0xFF000000) | (red_blue | green) ^ turned, np.uint32)


def auto_levels(counts: Counts, mask: Mask | None = None) -> tuple[float, float]:
    """Levels that suit a shot: from its dim background to its 99.95 percentile.

    Bad pixels, NaN and infinity do not count. A shot without any signal gives (0, 1).
    """
    x = _usable(counts, mask).astype(np.float64)
    if not x.size or float(x.max()) <= float(x.min()):
        return (0.0, 1.0) if not x.size or x[0] == 0 else _around(float(x[0]))
    high = float(np.percentile(x, 99.95))
    low = float(np.percentile(x, 2.0))
    if high <= low:
        high = float(x.max())
    return (min(max(low, high * 1e-4), high * 0.5), high) if high > 0 else (low, high)


def levels_between(
    counts: Counts, mask: Mask | None, lower: float, upper: float
) -> tuple[float, float]:
    """The percentiles of a shot's good pixels as levels, always apart; see `auto_levels`."""
    x = _usable(counts, mask).astype(np.float64)
    if not x.size:
        return 0.0, 1.0
    low, high = (float(v) for v in np.percentile(x, (lower, upper)))
    return (low, high) if low < high else (low, low + max(abs(low), 1.0))


def _around(value: float) -> tuple[float, float]:
    return (0.0, value) if value > 0 else (value, 0.0)


def histogram(
    counts: Counts, mask: Mask | None, norm: Norm
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """(edges in counts, pixels between them); edges are even in the log for the log norm.

    At most BINS of them; whole counts are never split.
    """
    x = _usable(counts, mask).astype(np.float64)
    if norm == "log":
        x = x[x > SMALLEST]
    if not x.size:
        return np.linspace(0.0, 1.0, BINS + 1), np.zeros(BINS)
    low, high = float(x.min()), float(x.max())
    if high <= low:
        low, high = (low / 2, low * 2) if norm == "log" else (low - 0.5, low + 0.5)
    if norm == "log":
        edges = np.geomspace(low, high, BINS + 1)
        edges[0], edges[-1] = low, high
        if counts.dtype.kind in "iub":  # no bin between two whole numbers, or it would be empty
            edges = np.append(np.unique(np.round(edges)) - 0.5, np.round(high) + 0.5)
    else:
        edges = np.linspace(low, high, BINS + 1)
    return edges, np.histogram(x, edges)[0].astype(np.float64)


def _usable(counts: Counts, mask: Mask | None) -> Counts:
    x = _real(counts)
    x = x.astype(np.uint8) if x.dtype == bool else x
    markers = invalid(x)
    if markers is not None and not markers.all():
        mask = ~markers if mask is None or mask.shape != x.shape else mask & ~markers
    x = x[mask] if mask is not None and mask.shape == x.shape and mask.any() else x.ravel()
    return np.clip(x[np.isfinite(x)], -LARGEST, LARGEST) if x.dtype.kind == "f" else x


def _real(counts: Counts) -> Counts:
    return np.abs(counts) if counts.dtype.kind == "c" else counts


@cache
def colormap(name: str) -> Pixels:
    """(256,) colours 0xffRRGGBB, dark to bright; KeyError where there is no such colormap."""
    if name not in COLORMAPS:
        raise KeyError(name)
    if name in ("gray", "inverted gray"):
        level = np.arange(256, dtype=np.uint32)
        level = level[::-1] if name == "inverted gray" else level
        return (np.uint32(0xFF000000) | level << 16 | level << 8 | level).astype(np.uint32)
    path = Path(str(resources.files("resources") / "colormaps" / f"{name}.txt"))
    lines = [s for s in path.read_text("utf-8").splitlines() if not s.startswith("#")]
    return np.array([0xFF000000 | int(s, 16) for s in lines], np.uint32)
