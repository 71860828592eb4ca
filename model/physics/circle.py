"""The circle through points on a ring: where the beam hit the detector, and how surely.

Minimises the squared distances of the points to the circle by Gauss-Newton steps, from the
algebraic fit of Kåsa (1976) as the start. Numpy only.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from model.errors import InputError

STEPS = 50
LEAST = 3
"""Points that a circle needs."""


@dataclass(frozen=True)
class Circle:
    """`centre` (y, x) and `radius` in pixels; `rms` of the distances of the points to it, pixels.

    `error` is the standard error of the centre (y, x); NaN for three points, which say nothing.
    """

    centre: tuple[float, float]
    radius: float
    rms: float
    error: tuple[float, float]


def fit_circle(points: npt.ArrayLike) -> Circle:
    """Of (N, 2) points (y, x), N >= 3; InputError where they lie on a line or are too few."""
    p = np.asarray(points, float).reshape(-1, 2)
    if len(np.unique(p, axis=0)) < LEAST:
        raise InputError("a circle needs three points", mend="Click on more of the ring.")
    shift, scale = p.mean(0), float(np.abs(p - p.mean(0)).max())
    q = (p - shift) / scale
    design = np.column_stack([2 * q, np.ones(len(q))])
    if np.linalg.cond(design) > 1e8:
        what = "the points lie on a line"
        raise InputError(what, mend="Click on places of the ring that are further apart.")
    y, x, c = np.linalg.lstsq(design, (q**2).sum(1), rcond=None)[0]
    found = np.array([y, x, np.sqrt(max(c + y * y + x * x, 1e-12))])
    for _ in range(STEPS):
        jacobian, away = _jacobian(q, found)
        step = np.linalg.lstsq(jacobian, -away, rcond=None)[0]
        found = found + step
        if np.abs(step).max() < 1e-10:
            break
    jacobian, away = _jacobian(q, found)
    if not np.isfinite(found).all() or found[2] > 1e4:
        what = "no circle fits the points"
        raise InputError(what, mend="Click on places of the ring that are further apart.")
    spread = np.full(2, np.nan)
    if len(q) > LEAST:
        variance = float(away @ away) / (len(q) - LEAST)
        spread = np.sqrt(variance * np.diag(np.linalg.pinv(jacobian.T @ jacobian))[:2]) * scale
    centre = found[:2] * scale + shift
    return Circle(
        (float(centre[0]), float(centre[1])),
        float(found[2] * scale),
        float(np.sqrt(np.mean(away**2)) * scale),
        (float(spread[0]), float(spread[1])),
    )


def _jacobian(
    q: npt.NDArray[np.float64], circle: npt.NDArray[np.float64]
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """(N, 3) derivatives of the distances by centre and radius, and (N,) the distances."""
    away = q - circle[:2]
    length = np.maximum(np.hypot(away[:, 0], away[:, 1]), 1e-12)
    jacobian = np.column_stack([-away / length[:, None], -np.ones(len(q))])
    return jacobian, length - circle[2]
