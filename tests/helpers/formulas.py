"""Formulas that the tests hold the program against, which itself does not need them."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt


def sphere_form_factor(q: npt.NDArray[np.float64], radius: float) -> npt.NDArray[np.float64]:
    """3 (sin x - x cos x)/x³ at x = q·radius: the weak-phase amplitude of a sphere, 1 at q = 0."""
    x = np.asarray(q, float) * radius
    safe = np.where(x < 1e-3, 1.0, x)
    exact = 3 * (np.sin(safe) - safe * np.cos(safe)) / safe**3
    return np.where(x < 1e-3, 1 - x**2 / 10, exact)


def full_map(polar: npt.NDArray[np.floating]) -> npt.NDArray[np.floating]:
    """(R, N) to (R, R): Eq. 13 at Δ = 0, the mean over φ of I(q_i, φ)·I(q_j, φ)."""
    return np.asarray((polar @ polar.T) / polar.dtype.type(polar.shape[1]))
