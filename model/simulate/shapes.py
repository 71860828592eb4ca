"""Droplet shapes in three dimensions: how much of each cell of a grid the droplet fills.

Lengths are in nanometres, axes ordered (z, y, x) with z along the beam. A shape knows geometry
only: nothing here knows about light, detectors or labels.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

import numpy as np
import numpy.typing as npt

from model.errors import InputError

Floats = npt.NDArray[np.float32]
_WAVES = 6
"""Of a rough surface."""
Kind = Literal["ellipsoid", "capsule", "dumbbell"]


@dataclass(frozen=True)
class Inclusion:
    """A sphere of other matter inside a droplet (core or dopant cluster), in units of nm.

    `contrast` multiplies the droplet's (n - 1) inside the inclusion.
    """

    centre: tuple[float, float, float]
    radius: float
    contrast: complex


@dataclass(frozen=True)
class Body:
    """One droplet, centred at the origin.

    `semi_axes` in its own frame, the third along its symmetry axis: an ellipsoid's three, a
    capsule's or dumbbell's (radius, radius, half length). `axis` is the direction of the symmetry
    axis in the laboratory (z, y, x); `roll` turns a triaxial droplet about it.
    `facet` (0 = none) is the share of the radius cut off by a plane with normal `facet_normal`.
    """

    kind: Kind
    semi_axes: tuple[float, float, float]
    axis: tuple[float, float, float] = (1.0, 0.0, 0.0)
    roll: float = 0.0
    facet: float = 0.0
    facet_normal: tuple[float, float, float] = (0.0, 0.0, 1.0)
    inclusions: tuple[Inclusion, ...] = field(default=())
    bend: float = 0.0
    """How far the ends lie beside the middle's tangent, in half lengths: a curved droplet."""
    roughness: float = 0.0
    """Deviation of the surface, in units of the smallest semi-axis; `surface` is its seed."""
    surface: int = 0

    def __post_init__(self) -> None:
        if not all(np.isfinite(a) and a > 0 for a in self.semi_axes):
            raise InputError(
                f"a droplet with semi-axes {self.semi_axes} nm cannot exist",
                mend="Every radius must be larger than zero.",
            )
        if self.kind != "ellipsoid" and self.semi_axes[2] < self.semi_axes[0]:
            raise InputError(
                f"a {self.kind} of half length {self.semi_axes[2]} nm is shorter than its"
                f" radius {self.semi_axes[0]} nm",
                mend="Its half length includes the round end, so it is at least the radius.",
            )

    def scaled(self, factor: float) -> Body:
        """The same droplet, `factor` times as large, without its inclusions."""
        a, b, c = self.semi_axes
        return Body(
            self.kind,
            (a * factor, b * factor, c * factor),
            self.axis,
            self.roll,
            self.facet,
            self.facet_normal,
            bend=self.bend,
            roughness=self.roughness,
            surface=self.surface,
        )

    def volume_radius(self) -> float:
        """Radius of the sphere of equal volume, nm (without facet; a dumbbell's without neck)."""
        a, b, c = self.semi_axes
        if self.kind == "ellipsoid":
            return float((a * b * c) ** (1 / 3))
        if self.kind == "capsule":
            return float((a**3 + 1.5 * a**2 * (c - a)) ** (1 / 3))
        return float((2 * a**3 - _lens(a, c - a)) ** (1 / 3))

    def rotation(self) -> npt.NDArray[np.float64]:
        """(3, 3): rows are the body's own axes in laboratory coordinates (z, y, x)."""
        third = np.asarray(self.axis, float)
        third = third / np.linalg.norm(third)
        helper = np.eye(3)[int(np.argmin(np.abs(third)))]
        first = np.cross(third, helper)
        first /= np.linalg.norm(first)
        second = np.cross(third, first)
        c, s = np.cos(self.roll), np.sin(self.roll)
        return np.array([c * first + s * second, c * second - s * first, third])

    def half_extent(self) -> npt.NDArray[np.float64]:
        """(3,) half of the bounding box along z, y, x."""
        rows = self.rotation()
        radius, half = self.semi_axes[0], self.semi_axes[2]
        beyond = np.abs(rows[0]) * self.bend * half + 3 * self.roughness * min(self.semi_axes)
        if self.kind == "ellipsoid":
            reach = np.sqrt(((rows * np.array(self.semi_axes)[:, None]) ** 2).sum(0))
            return np.asarray(reach + beyond)
        return np.asarray(np.abs(rows[2]) * (half - radius) + radius + beyond)


def _lens(radius: float, half_gap: float) -> float:
    """Overlap of two spheres whose centres lie 2·half_gap apart, over 4π/3."""
    height = max(0.0, radius - half_gap)
    return height**2 * (3 * radius - height) / 2


def signed_distance(body: Body, z: Floats, y: Floats, x: Floats) -> Floats:
    """Distance to the droplet's surface (negative inside) at broadcast coordinates, in nm.

    Exact for spheres and capsules; first order near the surface for the others, which is all that
    a soft edge one cell wide needs.
    """
    u, v, w = (
        np.float32(r[0]) * z + np.float32(r[1]) * y + np.float32(r[2]) * x for r in body.rotation()
    )
    if body.bend:  # about the middle of its sagitta, so that it stays centred
        length = np.float32(body.semi_axes[2])
        u = u - np.float32(body.bend) * (w * w / length - length / 3)
    if body.kind == "ellipsoid":
        distance = _ellipsoid(u, v, w, body.semi_axes)
    elif body.kind == "capsule":
        radius, half = body.semi_axes[0], body.semi_axes[2]
        beyond = np.maximum(np.abs(w) - np.float32(half - radius), 0)
        distance = np.sqrt(u * u + v * v + beyond * beyond) - np.float32(radius)
    else:
        distance = _dumbbell(u, v, w, body.semi_axes)
    if body.roughness > 0:
        distance = distance + _rough(body, z, y, x)
    if body.facet > 0:
        normal = np.asarray(body.facet_normal, float)
        normal = normal / np.linalg.norm(normal)
        reach = float(np.sqrt(((body.rotation() @ normal * np.array(body.semi_axes)) ** 2).sum()))
        along = sum(np.float32(n) * c for n, c in zip(normal, (z, y, x), strict=True))
        distance = np.maximum(distance, along - np.float32(reach * (1 - body.facet)))
    return distance


def _rough(body: Body, z: Floats, y: Floats, x: Floats) -> Floats:
    """Waves of random directions, 1 to 3 across the smallest semi-axis; deviation `roughness`."""
    rng, least = np.random.default_rng(body.surface), min(body.semi_axes)
    height: Floats = np.zeros((), np.float32)
    for _ in range(_WAVES):
        k = rng.standard_normal(3)
        k *= 2 * np.pi * rng.uniform(0.3, 1.0) / (least * np.linalg.norm(k))
        phase = np.float32(k[0]) * z + np.float32(k[1]) * y + np.float32(k[2]) * x
        height = height + np.sin(phase + np.float32(rng.uniform(0, 2 * np.pi)))
    return height * np.float32(body.roughness * least * np.sqrt(2 / _WAVES))


def _ellipsoid(u: Floats, v: Floats, w: Floats, semi_axes: tuple[float, float, float]) -> Floats:
    a, b, c = (np.float32(s) for s in semi_axes)
    if a == b == c:
        return np.sqrt(u * u + v * v + w * w) - a
    level = np.sqrt((u / a) ** 2 + (v / b) ** 2 + (w / c) ** 2)
    slope = np.sqrt((u / a**2) ** 2 + (v / b**2) ** 2 + (w / c**2) ** 2)
    return level * (level - 1) / np.maximum(slope, np.float32(1e-9))


def _dumbbell(u: Floats, v: Floats, w: Floats, semi_axes: tuple[float, float, float]) -> Floats:
    """Two spheres at the ends, joined by a neck of half their radius with rounded corners."""
    radius, half = np.float32(semi_axes[0]), np.float32(semi_axes[2])
    across = u * u + v * v
    lobe = np.sqrt(across + (np.abs(w) - (half - radius)) ** 2) - radius
    neck = np.maximum(np.sqrt(across) - radius / 2, np.abs(w) - (half - radius))
    blend = radius / 3
    mix = np.clip(0.5 + 0.5 * (neck - lobe) / blend, 0, 1)
    return neck + (lobe - neck) * mix - blend * mix * (1 - mix)


def filling(body: Body, step: float) -> tuple[npt.NDArray[np.complex64], Floats, Floats, Floats]:
    """The droplet on a grid of cubic cells of `step` nm: relative (n - 1) and the coordinates.

    Returns (Z, Y, X) complex64, 1 inside and 0 outside with an edge one cell wide, inclusions
    multiplied in, and the three coordinate vectors in nm.
    """
    reach = body.half_extent() + 1.5 * step
    z, y, x = (_centred(r, step) for r in reach)
    zz, yy, xx = z[:, None, None], y[None, :, None], x[None, None, :]
    filled = _soft(signed_distance(body, zz, yy, xx), step).astype(np.complex64)
    for part in body.inclusions:
        dz, dy, dx = (np.float32(c) for c in part.centre)
        inside = np.sqrt((zz - dz) ** 2 + (yy - dy) ** 2 + (xx - dx) ** 2) - np.float32(part.radius)
        filled *= 1 + np.complex64(part.contrast - 1) * _soft(inside, step)
    return filled, z, y, x


def _centred(reach: float, step: float) -> Floats:
    count = int(np.ceil(reach / step))
    return (np.arange(-count, count + 1) * step).astype(np.float32)


def _soft(distance: Floats, step: float) -> Floats:
    """1 inside, 0 outside, linear across one cell of the surface."""
    return np.clip(np.float32(0.5) - distance / np.float32(step), 0, 1)
