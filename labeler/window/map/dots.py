"""Draws a hundred thousand dots into a picture in milliseconds: numpy writes the pixels.

Pure arithmetic on arrays of places and colours; it knows no shots and handles no mouse.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from PyQt6.QtGui import QColor

Floats = npt.NDArray[np.floating]
HALF = np.uint32(0x00FEFEFE)
FULL = np.uint32(0xFF000000)


def radius(n: int, area: float, zoom: float) -> float:
    """Pixels from the middle of a dot to its edge, so that n dots share the area well."""
    alone = 0.30 * (area / max(n, 1)) ** 0.5
    return float(np.clip(alone, 1.2, 5.0) * np.clip(zoom, 1, 9) ** 0.4)


def stamp(size: float) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Offsets (dy, dx) of the pixels within a dot, and of those on its edge, which are half."""
    reach = int(np.ceil(size))
    y, x = np.mgrid[-reach : reach + 1, -reach : reach + 1]
    distance = np.hypot(y, x)
    inside, edge = distance <= size - 0.35, (distance > size - 0.35) & (distance <= size + 0.45)
    return np.argwhere(inside) - reach, np.argwhere(edge) - reach


def blank(width: int, height: int, background: QColor) -> npt.NDArray[np.uint32]:
    """(height, width) pixels of one colour."""
    return np.full((height, width), background.rgb(), np.uint32)


def draw(
    pixels: npt.NDArray[np.uint32],
    x: Floats,
    y: Floats,
    colours: npt.NDArray[np.uint32],
    size: float,
) -> None:
    """Dots at (x, y) (n,) in pixels, later ones over earlier ones; those outside are left out."""
    height, width = pixels.shape
    reach = int(np.ceil(size)) + 1
    padded = np.full((height + 2 * reach, width + 2 * reach), 0, np.uint32)
    padded[reach:-reach, reach:-reach] = pixels
    at_x, at_y = np.rint(x).astype(np.int64) + reach, np.rint(y).astype(np.int64) + reach
    seen = (at_x >= 1) & (at_x < width + 2 * reach - 1) & (at_y >= 1)
    seen &= at_y < height + 2 * reach - 1
    inner = seen & (at_x >= reach) & (at_x < width + reach) & (at_y >= reach)
    inner &= at_y < height + reach
    place = (at_y[inner] * padded.shape[1] + at_x[inner]).astype(np.int64)
    ink = colours[inner]
    flat = padded.reshape(-1)
    inside, edge = stamp(size)
    for dy, dx in edge:
        where = place + dy * padded.shape[1] + dx
        flat[where] = ((flat[where] & HALF) >> np.uint32(1)) + ((ink & HALF) >> np.uint32(1)) | FULL
    for dy, dx in inside:
        flat[place + dy * padded.shape[1] + dx] = ink
    pixels[:] = padded[reach:-reach, reach:-reach]


def mixed(colour: QColor, other: QColor, share: float) -> QColor:
    """A colour on the way to another one."""
    parts = zip(colour.getRgb()[:3], other.getRgb()[:3], strict=True)
    return QColor(*(round(a + share * (b - a)) for a, b in parts))
