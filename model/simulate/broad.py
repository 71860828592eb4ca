"""Scenes of many causes: each class as it arises in more ways than the plain scenes draw.

Double rings from cores, hollows and pairs of sizes, in phase or not; streaks from capsules,
dumbbells and spheroids; bends from tilt and from curved droplets; asymmetry from dopants of any
complex contrast anywhere, facets and tilt; Newton rings from partners along or across the beam,
partly coherent; layers from stacks, rows, touching pairs and dumbbells; rough surfaces; detectors
of many blurs, holes and noises. Whether a feature is labelled follows from how much the
pattern visibly changes without it, as people judge, not from geometry; where the border lies
varies from shot to shot, as between people.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import lru_cache

import numpy as np
import numpy.typing as npt

from model.simulate.detector import Detector, Exposure
from model.simulate.draw import ENERGY_EV, Vector, direction, draw_empty, draw_radius
from model.simulate.labels import BORDERS, Borders, Features, LabelSet, labels_of
from model.simulate.scattering import FarField, far_field, helium_index, wavelength_nm
from model.simulate.scene import Layers, Partner, Scene, Second, features, intensity
from model.simulate.shapes import Body, Inclusion, Kind

TRIES = 8
"""After this many scenes that show other classes than were wanted, the last is kept as it is."""
VISIBLE = Borders(asymmetry=0.40, fringes=0.22, second_rings=0.25, layers=0.30)
"""Borders of the visible changes: deviations of the logarithm of the light, see `visible`."""
SCATTER = 0.15
"""Relative deviation of a border between people, and of one person between days."""
SMALL = (85.0, 220.0)
"""Radii in nm of small lopsided droplets."""
_FLATTENED = {"Spherical/Oblate", "Round", "Elliptical", "Asymmetric"}
_SIDE = 64
"""Pixels a side of the patterns that are compared."""
_DARK = 0.3
"""Photons a pixel of a 224 px image that no one sees."""


FieldOf = Callable[[Body, float], FarField]


@dataclass(frozen=True)
class Drawn:
    """A scene, its detector, its labels and the visible numbers they follow from."""

    scene: Scene
    detector: Detector
    labels: LabelSet
    features: Features
    intensity: npt.NDArray[np.float32]
    """(y, x) relative light on the plate."""


def draw_broad(wanted: LabelSet, detector: Detector, rng: np.random.Generator) -> Drawn:
    """A scene that shows `wanted`, or nearly so after `TRIES`; labelled by what it shows."""
    fields = lru_cache(maxsize=6)(far_field)  # looked at with and without its parts
    for _ in range(TRIES):
        own = _detector(detector, rng)
        scene = _scene(wanted, own, rng)
        seen = visible(scene, fields)
        labels = labels_of(seen, _borders(rng))
        if labels == wanted:
            break
    return Drawn(scene, own, labels, seen, intensity(scene, own, fields))


def _borders(rng: np.random.Generator) -> Borders:
    a = np.exp(SCATTER * rng.standard_normal(8))
    return Borders(
        photons=BORDERS.photons * a[0] ** 3,
        elongation=1 + (BORDERS.elongation - 1) * a[1],
        elliptical=1 + (BORDERS.elliptical - 1) * a[2],
        streak_elongation=BORDERS.streak_elongation * a[1],
        bent_tilt=BORDERS.bent_tilt * a[3],
        asymmetry=VISIBLE.asymmetry * a[4],
        fringes=VISIBLE.fringes * a[5],
        second_rings=VISIBLE.second_rings * a[6],
        layers=VISIBLE.layers * a[7],
    )


# -- what is visible -------------------------------------------------------------------------------


def visible(scene: Scene, field_of: FieldOf = far_field) -> Features:
    """The features of a scene, where fringes, second rings, layers and asymmetry are the
    root-mean-square change of ln(photons + 0.3) of a pixel with and without their cause; asymmetry
    of a droplet that is not elongated is that against its own half turn."""
    known = features(scene)
    if scene.body is None or known.photons < BORDERS.photons / 3:
        return replace(known, asymmetry=0.0, fringes=0.0, second_rings=0.0, layers=0.0)
    whole = _light(scene, field_of)
    prolate = known.elongation >= BORDERS.elongation
    even = _plain_surface(scene) if prolate else None
    return replace(
        known,
        asymmetry=_change(whole, _light(even, field_of))
        if even
        else _change(whole, whole[::-1, ::-1]),
        fringes=_without(whole, scene, replace(scene, partner=None), field_of),
        second_rings=_without(whole, scene, _one_system(scene), field_of),
        layers=_without(whole, scene, _one_layer(scene), field_of),
    )


def _light(scene: Scene, field_of: FieldOf) -> npt.NDArray[np.float32]:
    """Expected photons of the compared pixels, as of one pixel of 224 px; NaN off the plate."""
    detector = Detector(_SIDE)
    centred = replace(scene, exposure=replace(scene.exposure, centre=detector.centre))
    image = intensity(centred, detector, field_of)
    image *= np.float32(scene.exposure.photons / max(float(image.sum()), 1e-30))
    image *= np.float32((_SIDE / 224) ** 2)
    image[~detector.plate() | detector.hole()] = np.nan
    return image


def _change(one: npt.NDArray[np.float32], other: npt.NDArray[np.float32]) -> float:
    apart = np.log(one + np.float32(_DARK)) - np.log(other + np.float32(_DARK))
    return float(np.sqrt(np.nanmean(np.square(apart))))


def _without(whole: npt.NDArray[np.float32], scene: Scene, less: Scene, field_of: FieldOf) -> float:
    return 0.0 if less == scene else _change(whole, _light(less, field_of))


def _one_system(scene: Scene) -> Scene:
    assert scene.body is not None
    around = tuple(i for i in scene.body.inclusions if any(i.centre))
    return replace(scene, second=None, body=replace(scene.body, inclusions=around))


def _one_layer(scene: Scene) -> Scene:
    body = scene.body
    if body is not None and body.kind == "dumbbell":
        body = replace(body, kind="capsule")
    return replace(scene, layers=None, body=body)


def _plain_surface(scene: Scene) -> Scene:
    assert scene.body is not None
    centred = tuple(i for i in scene.body.inclusions if not any(i.centre))
    return replace(scene, body=replace(scene.body, facet=0.0, inclusions=centred))


# -- scenes ----------------------------------------------------------------------------------------


def _scene(wanted: LabelSet, detector: Detector, rng: np.random.Generator) -> Scene:
    energy = float(rng.uniform(*ENERGY_EV))
    if "Empty" in wanted:
        scene = draw_empty(energy, detector, rng)
        return replace(scene, exposure=_exposure(scene.exposure, rng))
    radius = _radius(wanted, rng)
    body = (
        _elongated(wanted, radius, rng)
        if "Prolate" in wanted
        else _flattened("Elliptical" in wanted, "Asymmetric" in wanted, radius, rng)
    )
    if rng.random() < 0.3:
        rough = float(rng.uniform(0.01, 0.05))
        body = replace(body, roughness=rough, surface=int(rng.integers(1 << 30)))
    if "Asymmetric" in wanted:
        body = _spoilt(body, energy, rng)
    second = None
    if "Double Rings" in wanted:
        body, second = _double(body, energy, rng)
    partner = _partner(body, energy, detector, rng) if "Newton Rings" in wanted else None
    layered = "Layered" in wanted and not (body.kind == "dumbbell" and rng.random() < 0.5)
    layers = _layers(body, energy, rng) if layered else None
    special = len(wanted - {"Spherical/Oblate", "Round"}) > 0
    decades = rng.normal(5.9, 0.75) + 1.2 * np.log10(radius / 332.0)
    low = 5.3 if special else 3.3
    decades = decades if decades > low else low + 0.7 * rng.random()
    light = Exposure(float(10 ** min(decades, 7.8)), (0.0, 0.0))
    return Scene(
        energy, _exposure(_placed(light, detector, rng), rng), body, partner, second, layers
    )


def _radius(wanted: LabelSet, rng: np.random.Generator) -> float:
    """nm; lopsided droplets are seen to be so when they are small and have two rings, too."""
    lopsided = "Asymmetric" in wanted and wanted <= _FLATTENED
    if lopsided and rng.random() < 0.4:
        return float(np.exp(rng.uniform(*np.log(SMALL))))
    least = 70.0 if wanted <= {"Spherical/Oblate", "Round"} else 170.0
    radius = draw_radius(rng)
    return radius if radius > least else least * float(rng.uniform(1.0, 1.8))


def _flattened(elliptical: bool, tilted: bool, radius: float, rng: np.random.Generator) -> Body:
    azimuth = rng.uniform(0, 2 * np.pi)
    if elliptical:
        aspect = 1.12 + rng.gamma(2.0, 0.16)
        least = 15 if tilted else 0
        axis = direction(np.radians(least + abs(rng.normal(0, 18))), azimuth)
    else:
        aspect = 1 + abs(rng.normal(0, 0.03))
        axis = direction(rng.uniform(0, np.pi / 2), azimuth)
        if rng.random() < 0.25:
            aspect, axis = rng.uniform(1, 1.5), direction(np.radians(rng.uniform(75, 90)), azimuth)
    across = radius * aspect ** (1 / 3)
    return Body("ellipsoid", (across, across, across / aspect), axis)


def _elongated(wanted: LabelSet, radius: float, rng: np.random.Generator) -> Body:
    streak, bent = "Streak" in wanted, "Bent" in wanted
    longer = rng.uniform(2.0, 4.0) if streak else rng.uniform(1.5, 2.0 if not bent else 3.2)
    curved = bent and rng.random() < 0.4
    tilt = rng.uniform(0, 13)
    if bent and not curved:
        tilt = rng.uniform(16, 32) if streak else rng.uniform(17, 55)
    sign = 1 if rng.random() < 0.5 else -1
    axis = direction(sign * np.radians(tilt), rng.uniform(0, 2 * np.pi))
    kinds: tuple[Kind, ...] = ("capsule", "ellipsoid", "dumbbell")
    shares = (0.25, 0.1, 0.65) if "Layered" in wanted else (0.5, 0.4, 0.1)
    kind = kinds[int(rng.choice(3, p=shares))]
    if kind == "dumbbell" and longer < 1.7:
        longer = rng.uniform(1.7, 2.0)
    wide = rng.uniform(1.0, 1.25) if kind == "ellipsoid" else 1.0
    thick = radius * (wide**2 * longer) ** (-1 / 3)
    bend = float(rng.uniform(0.16, 0.4)) if curved else 0.0
    axes = (thick, thick * wide, thick * wide * longer)
    return Body(kind, axes, axis, roll=rng.uniform(0, np.pi), bend=bend)


def _spoilt(body: Body, energy: float, rng: np.random.Generator) -> Body:
    """Without point symmetry: a facet anywhere, or dopants anywhere of any complex contrast."""
    if rng.random() < 0.45:
        normal = direction(np.radians(rng.uniform(-50, 50)), rng.uniform(0, 2 * np.pi))
        return replace(body, facet=float(rng.uniform(0.15, 0.6)), facet_normal=normal)
    inner = min(body.semi_axes)
    parts: list[Inclusion] = []
    for _ in range(int(rng.integers(1, 6))):
        size = float(rng.uniform(0.15, 0.45) * inner)
        away = rng.uniform(0.2, 0.8) * inner
        where = direction(np.arcsin(rng.uniform(-1, 1)), rng.uniform(0, 2 * np.pi))
        contrast = _contrast(rng.uniform(1.5, 7.0), rng.uniform(0, np.pi), energy)
        centre = _times(where, away)
        if all(math.dist(centre, p.centre) > size + p.radius for p in parts):
            parts.append(Inclusion(centre, size, contrast))
    return replace(body, inclusions=tuple(parts))


def _contrast(times: float, angle: float, energy: float) -> complex:
    """Of matter whose n - 1 is `times` that of helium in size and has this angle in the complex
    plane, 0 to π: it refracts either way, it absorbs, and it never amplifies."""
    helium = np.angle(helium_index(energy) - 1)
    return complex(times * np.exp(1j * (np.clip(angle, 0, np.pi) - helium)))


def _double(body: Body, energy: float, rng: np.random.Generator) -> tuple[Body, Second | None]:
    """A core or a hollow about the middle, where no dopant is, or a second droplet of another
    size."""
    if not body.inclusions and rng.random() < 0.5:
        size = rng.uniform(0.3, 0.85) * min(body.semi_axes)
        helium = float(np.angle(helium_index(energy) - 1))
        if rng.random() < 0.4:
            contrast = complex(rng.uniform(0.0, 0.3))
        else:
            contrast = _contrast(rng.uniform(1.8, 5.0), helium + rng.normal(0, 0.6), energy)
        return replace(body, inclusions=(Inclusion((0.0, 0.0, 0.0), float(size), contrast),)), None
    ratio = float(np.exp(rng.uniform(np.log(1.2), np.log(3.5))))
    ratio = ratio if rng.random() < 0.3 and body.volume_radius() * ratio < 700 else 1 / ratio
    phase = float(rng.uniform(0, 2 * np.pi)) if rng.random() < 0.5 else None
    return body, Second(body.scaled(ratio), float(rng.uniform(0.3, 2.0)), ratio, phase)


def _partner(body: Body, energy: float, detector: Detector, rng: np.random.Generator) -> Partner:
    """A second droplet along or across the beam, as far as its fringes can be resolved."""
    wavelength = wavelength_nm(energy)
    finest = wavelength / (3.5 * detector.pixel_m / 0.065)
    azimuth = rng.uniform(0, 2 * np.pi)
    if rng.random() < 0.5:
        along = rng.uniform(0.25, 1.0) * finest / 0.6
        beside = along * np.tan(np.radians(rng.uniform(0, 18)))
    else:
        along, beside = rng.uniform(0, 0.5) * finest, rng.uniform(0.2, 1.0) * finest
    sign = 1 if rng.random() < 0.5 else -1
    offset = (sign * along, beside * float(np.sin(azimuth)), beside * float(np.cos(azimuth)))
    coherence = float(rng.uniform(0.4, 1.0))
    return Partner(
        body.scaled(rng.uniform(0.6, 1.2)), float(rng.uniform(0.3, 1.0)), offset, coherence
    )


def _layers(body: Body, energy: float, rng: np.random.Generator) -> Layers:
    """A stack across the long axis, or a row along it: touching, or a little apart."""
    axis = body.rotation()[2]
    azimuth = float(np.arctan2(axis[1], axis[2])) + rng.normal(0, 0.12)
    if rng.random() < 0.4:
        azimuth += np.pi / 2
        spacing = rng.uniform(2.0, 3.0) * min(body.semi_axes)
    else:
        spacing = rng.uniform(2.0, 2.6) * float(np.hypot(*body.half_extent()[1:]))
    spacing = max(spacing, 6.0 * wavelength_nm(energy))
    turned = (float(np.sin(azimuth)), float(np.cos(azimuth)))
    return Layers(int(rng.integers(2, 5)), spacing, turned, float(rng.uniform(0.4, 1.0)))


def _times(v: Vector, factor: float) -> Vector:
    return v[0] * factor, v[1] * factor, v[2] * factor


# -- detectors -------------------------------------------------------------------------------------


def _detector(detector: Detector, rng: np.random.Generator) -> Detector:
    """Holes from none to twice as wide, other defects, another blur, and plates that fill more of
    the image or all of it."""
    return replace(
        detector,
        hole_m=float(rng.choice((0.0005, rng.uniform(0.001, 0.004)), p=(0.15, 0.85))),
        seed=int(rng.integers(1 << 30)),
        dead=int(rng.integers(0, 40)),
        hot=int(rng.choice((0, int(rng.integers(0, 20))))),
        blur=float(rng.uniform(0.1, 1.3)),
        plate_m=detector.plate_m * float(rng.choice((1.0, rng.uniform(0.9, 1.6)))),
        masked=bool(rng.random() < 0.25),
    )


def _placed(light: Exposure, detector: Detector, rng: np.random.Generator) -> Exposure:
    y, x = detector.centre + rng.normal(0, 1.2 * detector.size / 224, 2)
    return replace(light, centre=(float(y), float(x)))


def _exposure(light: Exposure, rng: np.random.Generator) -> Exposure:
    """Noise and stray light of any make, in photons; gain and pedestal about those of the plain
    scenes, to which `model.preprocessing.count_scale` brings every file."""
    gain = float(6.0 * np.exp(rng.uniform(-0.5, 0.5)))
    return replace(
        light,
        gain=gain,
        spread=bool(rng.random() < 0.6),
        stray=gain * float(min(np.exp(rng.normal(-2.2, 1.3)), 5.0)),
        stray_slope=float(rng.uniform(0, 0.9)),
        stray_angle=float(rng.uniform(0, 2 * np.pi)),
        offset=float(rng.uniform(7.0, 11.0)),
        read_noise=gain * float(np.exp(rng.uniform(np.log(0.05), np.log(0.6)))),
        saturation=float(rng.uniform(15000, 65000)),
        shadow=float(rng.choice((0.0, rng.uniform(0.2, 0.8)))),
        shadow_angle=float(rng.uniform(0, 2 * np.pi)),
    )
