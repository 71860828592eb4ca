"""Draws scenes at random: shapes, sizes, orientations, light and exposure for a wanted label set.

Distributions follow the real data where it is known (radii, label sets, photon energies). Every
scene drawn has exactly the wanted labels by `labels.labels_of`; those on the wrong side of a
border are drawn again.
"""

from __future__ import annotations

import numpy as np

from model.simulate.detector import Detector, Exposure
from model.simulate.labels import LabelSet, labels_of
from model.simulate.scattering import wavelength_nm
from model.simulate.scene import Layers, Partner, Scene, Second, features, obliquity
from model.simulate.shapes import Body, Inclusion, Kind

RADIUS_MEDIAN, SPREAD_BELOW, SPREAD_ABOVE = 332.0, 0.52, 0.312
"""Radii are log-normal on either side of the median: 5/50/95 % at 141/332/554 nm."""
SMALLEST = {
    "Asymmetric": 240.0,
    "Elliptical": 170.0,
    "Double Rings": 200.0,
    "Newton Rings": 150.0,
    "Prolate": 180.0,
    "Layered": 200.0,
}
"""Radius in nm below which no one made these labels (about the real 5 % points): too few rings."""
ENERGY_EV = (19.1, 35.0)
TRIES = 2000

Vector = tuple[float, float, float]


def draw(wanted: LabelSet, detector: Detector, rng: np.random.Generator) -> Scene:
    """A scene whose labels are exactly `wanted`."""
    for _ in range(TRIES):
        scene = _attempt(wanted, detector, rng)
        if labels_of(features(scene)) == wanted:
            return scene
    raise RuntimeError(f"no scene found in {TRIES} draws for {sorted(wanted)}")


def _attempt(wanted: LabelSet, detector: Detector, rng: np.random.Generator) -> Scene:
    energy = float(rng.uniform(*ENERGY_EV))
    if "Empty" in wanted:
        return draw_empty(energy, detector, rng)
    radius = draw_radius(rng)
    least = max((SMALLEST.get(name, 0.0) for name in wanted), default=0.0)
    if radius < least:
        radius = least * rng.uniform(1.0, 1.8)
    asymmetric = "Asymmetric" in wanted
    if "Prolate" in wanted:
        body = _elongated(wanted, radius, rng)
    else:
        body = _flattened("Elliptical" in wanted, asymmetric, radius, rng)
    dopants = 0.0
    if asymmetric and (obliquity(body) < 0.25 or rng.random() < 0.6):
        body, dopants = _spoilt(body, rng)
    partner = _partner(body, energy, detector, rng) if "Newton Rings" in wanted else None
    second = _second(body, rng) if "Double Rings" in wanted else None
    layers = _layers(body, energy, rng) if "Layered" in wanted else None
    special = len(wanted - {"Spherical/Oblate", "Round"}) > 0
    return Scene(
        energy, _exposure(radius, special, detector, rng), body, partner, second, layers, dopants
    )


def draw_radius(rng: np.random.Generator) -> float:
    """Radius of the sphere of equal volume, nm."""
    deviate = rng.standard_normal()
    spread = SPREAD_BELOW if deviate < 0 else SPREAD_ABOVE
    return float(np.clip(RADIUS_MEDIAN * np.exp(spread * deviate), 70, 900))


def direction(elevation: float, azimuth: float) -> Vector:
    """Unit vector (z, y, x), `elevation` out of the detector plane; radians."""
    c = np.cos(elevation)
    return float(np.sin(elevation)), float(c * np.sin(azimuth)), float(c * np.cos(azimuth))


# -- droplets --------------------------------------------------------------------------------------


def _flattened(elliptical: bool, asymmetric: bool, radius: float, rng: np.random.Generator) -> Body:
    """Sphere or oblate droplet; `elliptical` ones are flattened and seen off axis."""
    azimuth = rng.uniform(0, 2 * np.pi)
    if not elliptical:
        aspect = 1 + abs(rng.normal(0, 0.025))
        axis = direction(rng.uniform(0, np.pi / 2), azimuth)
        if rng.random() < 0.25:  # seen along the axis, it may be flatter
            aspect, axis = rng.uniform(1, 1.4), direction(np.radians(rng.uniform(75, 90)), azimuth)
    elif asymmetric:
        aspect = rng.uniform(1.5, 2.3)
        axis = direction(np.radians(rng.uniform(25, 60)), azimuth)
    else:
        aspect = 1.1 + rng.gamma(2.0, 0.11)
        axis = direction(np.radians(abs(rng.normal(0, 12))), azimuth)
    across = radius * aspect ** (1 / 3)
    return Body("ellipsoid", (across, across, across / aspect), axis)


def _elongated(wanted: LabelSet, radius: float, rng: np.random.Generator) -> Body:
    """Prolate droplets: capsules, triaxial ellipsoids, and dumbbells, whose two lobes layer."""
    streak, bent = "Streak" in wanted, "Bent" in wanted
    if streak:
        longer = rng.uniform(2.1, 3.4)
        tilt = rng.uniform(17, 30) if bent else rng.uniform(0, 9)
    elif bent:
        longer, tilt = rng.uniform(2.2, 3.2), rng.uniform(38, 52)
    else:
        longer, tilt = rng.uniform(1.5, 1.85), rng.uniform(0, 10)
    sign = 1 if rng.random() < 0.5 else -1
    axis = direction(sign * np.radians(tilt), rng.uniform(0, 2 * np.pi))
    # Straight sides make a streak that shows its bend; an ellipsoid's rings only grow oval.
    ellipsoid, lobed = rng.random() < 0.2, "Layered" in wanted and rng.random() < 0.5
    if ellipsoid and not bent and not lobed:
        longer = max(longer, rng.uniform(2.6, 3.4)) if streak else longer
        triaxial = rng.uniform(1.0, 1.25)
        small = radius * (triaxial**2 * longer) ** (-1 / 3)
        axes = (small, small * triaxial, small * triaxial * longer)
        return Body("ellipsoid", axes, axis, roll=rng.uniform(0, np.pi))
    thick = radius * (1.5 * longer - 0.5) ** (-1 / 3)
    name: Kind = "dumbbell" if lobed and longer > 2.0 else "capsule"
    return Body(name, (thick, thick, thick * longer), axis)


def _spoilt(body: Body, rng: np.random.Generator) -> tuple[Body, float]:
    """A droplet without point symmetry: a flat facet, or dopant clusters to one side."""
    azimuth = rng.uniform(0, 2 * np.pi)
    if rng.random() < 0.75:
        facet = rng.uniform(0.25, 0.55)
        # A facet sends its light to twice its inclination, on one side only.
        normal = direction(np.radians(rng.uniform(4, 13) * rng.choice((-1, 1))), azimuth)
        spoilt = Body(body.kind, body.semi_axes, body.axis, body.roll, facet, normal)
        return spoilt, 0.0
    inclusions = []
    inner = min(body.semi_axes)
    for _ in range(int(rng.integers(2, 5))):
        place = rng.uniform(0.5, 0.7) * inner
        where = direction(np.radians(rng.uniform(-60, 60)), azimuth + rng.normal(0, 0.5))
        centre = (where[0] * place, where[1] * place, where[2] * place)
        contrast = rng.uniform(4.0, 7.0) + 1j * rng.uniform(-0.5, 0.5)
        inclusions.append(Inclusion(centre, rng.uniform(0.28, 0.42) * inner, contrast))
    doped = Body(body.kind, body.semi_axes, body.axis, body.roll, inclusions=tuple(inclusions))
    return doped, float(rng.uniform(0.3, 1.0))


# -- companions ------------------------------------------------------------------------------------


def _partner(body: Body, energy: float, detector: Detector, rng: np.random.Generator) -> Partner:
    """A second droplet, far enough to give fringes, near enough for the pixels to resolve them."""
    wavelength = wavelength_nm(energy)
    pixel_angle = detector.pixel_m / 0.065
    reach = min(wavelength / (3.5 * pixel_angle), 9 * wavelength * 2 * np.pi)
    along = rng.uniform(0.5, 0.95) * reach / 0.6
    beside = along * np.tan(np.radians(rng.uniform(2, 15)))  # rings about a centre on the plate
    azimuth = rng.uniform(0, 2 * np.pi)
    sign = 1 if rng.random() < 0.5 else -1
    offset = (sign * along, beside * float(np.sin(azimuth)), beside * float(np.cos(azimuth)))
    return Partner(body.scaled(rng.uniform(0.75, 1.1)), float(rng.uniform(0.4, 1.0)), offset)


def _second(body: Body, rng: np.random.Generator) -> Second:
    ratio = rng.uniform(0.3, 0.5)
    return Second(body.scaled(ratio), float(rng.uniform(0.6, 1.5)), ratio)


def _layers(body: Body, energy: float, rng: np.random.Generator) -> Layers:
    """Layers stacked across the long axis, so that the fringes cross the elongated pattern."""
    axis = body.rotation()[2]
    azimuth = np.arctan2(axis[1], axis[2]) + np.pi / 2 + rng.normal(0, 0.12)
    spacing = rng.uniform(8.0, 15.0) * wavelength_nm(energy)
    spacing = max(spacing, 2.0 * min(body.semi_axes))
    direction = (float(np.sin(azimuth)), float(np.cos(azimuth)))
    return Layers(int(rng.integers(2, 4)), spacing, direction, float(rng.uniform(0.5, 1.0)))


# -- light -----------------------------------------------------------------------------------------


def _exposure(
    radius: float, special: bool, detector: Detector, rng: np.random.Generator
) -> Exposure:
    """Photons over more than four decades; a feature that is labelled has light enough to show."""
    decades = rng.normal(5.9, 0.75) + 1.2 * np.log10(radius / RADIUS_MEDIAN)
    low = 5.6 if special else 3.4
    if decades < low:
        decades = low + 0.6 * rng.random()
    photons = 10 ** min(decades, 7.6)
    return _light(photons, detector, rng)


def draw_empty(energy: float, detector: Detector, rng: np.random.Generator) -> Scene:
    """No hit, or a trace of one far too weak to tell anything."""
    photons = 0.0 if rng.random() < 0.6 else 10 ** rng.uniform(0.5, 2.4)
    body = None
    if photons:
        radius = draw_radius(rng)
        body = Body("ellipsoid", (radius, radius, radius))
    return Scene(energy, _light(photons, detector, rng), body)


def _light(photons: float, detector: Detector, rng: np.random.Generator) -> Exposure:
    """Everything about the exposure that does not depend on the droplet.

    A larger image spreads the same photons over more pixels, so gain and limits stay as they are.
    """
    scale = detector.size / 224
    jitter = rng.normal(0, 0.9 * scale, 2)
    middle = detector.centre
    return Exposure(
        photons=float(photons),
        centre=(float(middle[0] + jitter[0]), float(middle[1] + jitter[1])),
        gain=float(6.0 * np.exp(rng.normal(0, 0.15))),
        stray=float(detector.noise * min(np.exp(rng.normal(0.0, 1.1)), 40.0)),
        stray_slope=float(rng.uniform(0, 0.8)),
        stray_angle=float(rng.uniform(0, 2 * np.pi)),
        offset=float(rng.normal(9, 1.0)),
        read_noise=float(detector.noise * rng.uniform(1.0, 2.0)),
        saturation=float(rng.uniform(30000, 60000)),
        shadow=float(rng.uniform(0.4, 0.7)),
        shadow_angle=float(rng.normal(1.9, 0.03)),
    )
