"""What is in the focus at one shot, and the light it sends to the detector.

A scene is complete: from it follow the intensity, the features and so the labels. How scenes are
drawn at random is `draw`'s business; counts are the detector's.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from model.simulate.detector import Detector, Exposure, directions, sample
from model.simulate.labels import Features
from model.simulate.scattering import FarField, far_field, wavelength_nm
from model.simulate.shapes import Body


@dataclass(frozen=True)
class Partner:
    """A second droplet in the coherent focus: Newton rings."""

    body: Body
    amplitude: float
    """Field at the partner relative to that at the droplet."""
    offset: tuple[float, float, float]
    """Where it flies (z, y, x), nm from the droplet."""
    coherence: float = 1.0
    """Degree of coherence of the light at the two, 0 to 1."""


@dataclass(frozen=True)
class Second:
    """A droplet of another size too far away for its fringes to be resolved: its intensity adds,
    or its field with one phase where it is behind the first.

    The cause of double rings is not published; two superposed ring systems of different spacing
    is what is seen, and two droplet sizes in one shot are the simplest cause of it.
    """

    body: Body
    strength: float
    """Its rings relative to the first ones around 20 degrees."""
    ratio: float
    phase: float | None = None
    """Radians between the two fields where they add up in phase; None: intensities add up."""


@dataclass(frozen=True)
class Layers:
    """Parallel layers: `count` equal bodies side by side, `spacing` nm apart along `direction`."""

    count: int
    spacing: float
    direction: tuple[float, float]
    contrast: float
    """Amplitude of the other layers relative to the first."""


@dataclass(frozen=True)
class Scene:
    """One shot: droplets, light and exposure. `body` is None where nothing was hit."""

    energy_ev: float
    exposure: Exposure
    body: Body | None = None
    partner: Partner | None = None
    second: Second | None = None
    layers: Layers | None = None
    dopant_strength: float = 0.0


def intensity(
    scene: Scene, detector: Detector, field_of: Callable[[Body, float], FarField] = far_field
) -> npt.NDArray[np.float32]:
    """(y, x) relative intensity on the plate, 0 beside it.

    `field_of`: where the far field of a body at an energy comes from.
    """
    plate = detector.plate()
    image = np.zeros(plate.shape, np.float32)
    if scene.body is None:
        return image
    wavelength = wavelength_nm(scene.energy_ev)
    up, across, factor = directions(detector, scene.exposure.centre, wavelength)
    field = sample(field_of(scene.body, scene.energy_ev), up, across, plate)
    y, x = up[plate], across[plate]
    k0 = 2 * np.pi / wavelength
    other: npt.NDArray[np.complex64] | None = None
    if scene.partner is not None:
        other = sample(field_of(scene.partner.body, scene.energy_ev), up, across, plate)
        other = np.float32(scene.partner.amplitude) * other * _wave(scene.partner.offset, y, x, k0)
    if scene.layers is not None:
        grating = _grating(scene.layers, y, x, k0)
        field, other = field * grating, None if other is None else other * grating
    light = _power(field)
    if other is not None and scene.partner is not None:
        fringes = 2 * np.float32(scene.partner.coherence) * (field * other.conj()).real
        light = light + _power(other) + fringes
    if scene.second is not None:
        behind = sample(field_of(scene.second.body, scene.energy_ev), up, across, plate)
        added = _matched(light, _power(behind), np.hypot(y, x), scene.second.strength)
        if scene.second.phase is not None:
            between = np.angle(field) - np.angle(behind) + np.float32(scene.second.phase)
            added = added + 2 * np.sqrt(light * added) * np.cos(between)
        light = light + added
    image[plate] = light * factor[plate]
    return image


def _power(field: npt.NDArray[np.complex64]) -> npt.NDArray[np.float32]:
    return np.asarray(field.real**2 + field.imag**2)


def _wave(
    offset: tuple[float, float, float],
    y: npt.NDArray[np.float32],
    x: npt.NDArray[np.float32],
    k0: float,
) -> npt.NDArray[np.complex64]:
    """Phase of a droplet elsewhere: exp(-i q·r) with q = (K_z - k₀, K_y, K_x)."""
    dz, dy, dx = offset
    phase = k0 * (y * dy + x * dx - (1 - np.sqrt(1 - y * y - x * x)) * dz)
    return np.exp(-1j * phase).astype(np.complex64)


def _grating(
    layers: Layers, y: npt.NDArray[np.float32], x: npt.NDArray[np.float32], k0: float
) -> npt.NDArray[np.complex64]:
    phase = k0 * layers.spacing * (y * layers.direction[0] + x * layers.direction[1])
    orders = [np.exp(-1j * n * phase) for n in range(1, layers.count)]
    return (1 + layers.contrast * sum(orders)).astype(np.complex64)


def _matched(
    first: npt.NDArray[np.float32],
    second: npt.NDArray[np.float32],
    sine: npt.NDArray[np.float32],
    strength: float,
) -> npt.NDArray[np.float32]:
    """The second intensity, scaled to `strength` of the first around 20 degrees."""
    ring = (sine > 0.26) & (sine < 0.42)
    scale = strength * float(first[ring].mean()) / max(float(second[ring].mean()), 1e-30)
    return second * np.float32(scale)


CURVED = 100.0
"""Degrees of tilt that bend a streak as much as a bend of 1 does."""


# -- features --------------------------------------------------------------------------------------


def features(scene: Scene) -> Features:
    """The continuous numbers from which the labels follow."""
    body = scene.body
    if body is None:
        return Features(0, 1, 0, 1, 0, 0, 0, 0)
    third = np.abs(body.rotation()[2])
    partner, second, layers = scene.partner, scene.second, scene.layers
    return Features(
        photons=scene.exposure.photons,
        elongation=elongation(body),
        tilt=max(float(np.degrees(np.arcsin(np.clip(third[0], 0, 1)))), CURVED * body.bend),
        apparent_ratio=apparent_ratio(body),
        asymmetry=max(obliquity(body), 2 * body.facet, scene.dopant_strength),
        fringes=0.0 if partner is None else _visibility(partner.amplitude * _size_ratio(scene)),
        second_rings=0.0 if second is None or abs(np.log(second.ratio)) < 0.22 else second.strength,
        layers=0.0 if layers is None else _visibility(layers.contrast),
    )


def _visibility(a: float) -> float:
    return 2 * a / (1 + a * a)


def _size_ratio(scene: Scene) -> float:
    """Amplitude at wide angles grows about as the square root of the radius (Porod)."""
    assert scene.body is not None
    assert scene.partner is not None
    return float(np.sqrt(scene.partner.body.semi_axes[0] / scene.body.semi_axes[0]))


def elongation(body: Body) -> float:
    """Axis of symmetry over the larger of the others; 1 where that one is not the longest."""
    a, b, c = body.semi_axes
    return max(1.0, c / max(a, b))


def apparent_ratio(body: Body) -> float:
    """Longer over shorter axis of the outline seen along the beam."""
    rows = body.rotation()
    if body.kind == "ellipsoid":
        spread = rows.T @ np.diag(np.square(body.semi_axes)) @ rows
        low, high = np.linalg.eigvalsh(spread[1:, 1:])
        return float(np.sqrt(high / low))
    radius, half = body.semi_axes[0], body.semi_axes[2]
    return float(1 + (half / radius - 1) * np.hypot(rows[2, 1], rows[2, 2]))


def obliquity(body: Body) -> float:
    """How far an inclined oblate droplet breaks the point symmetry of its pattern, 0 to 1."""
    a, b, c = body.semi_axes
    if body.kind != "ellipsoid" or c >= min(a, b):
        return 0.0
    cosine = float(np.abs(body.rotation()[2, 0]))
    return 2 * cosine * float(np.sqrt(max(0.0, 1 - cosine**2))) * (1 - c / max(a, b))
