"""Simulated shots whose cause of a class is known in the plane of the detector.

Every case begins as one droplet, light and exposure twice: with what makes the class, and without
it (`CAUSES`). From the two intensities follow three questions, see `Question`. Nothing here knows
networks.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
import numpy.typing as npt
from scipy.ndimage import gaussian_filter

from model.heatmaps.nothing_to_see import no_place
from model.simulate.detector import Detector, directions, expose
from model.simulate.draw import draw
from model.simulate.labels import LabelSet, geometry_of, real_sets
from model.simulate.scattering import wavelength_nm
from model.simulate.scene import Scene, intensity
from model.simulate.shapes import Body
from model.taxonomy.same_classes import place_among
from model.taxonomy.taxonomy import Taxonomy

Floats = npt.NDArray[np.float32]
Flags = npt.NDArray[np.bool_]
Question = Literal["axis", "half", "difference"]
"""axis: the class is a ridge of light through the centre, straight or bent, and `where` is what
lies within NEAR degrees of it. half: what makes the class is in one half of the plate only, the
other half is the same droplet without it; `where` is that half. difference: the whole shot shows
the class, and `where` is the quarter of the plate that would change most without its cause."""
NEAR = 20.0
"""Degrees about the centre on either side of a ridge; the best score is 180 / 2·NEAR = 4.5."""
SEAM = 0.02
"""Width of the seam between the halves, as a share of the side."""
COARSE = 0.02
"""Differences are smoothed over this share of the side: no heat follows single fringes."""


@dataclass(frozen=True)
class Case:
    """A shot: counts (y, x) uint16, `good` and `where` (y, x) as told by `question`."""

    kind: str
    question: Question
    counts: npt.NDArray[np.uint16]
    good: Flags
    where: Flags


@dataclass(frozen=True)
class Cause:
    """What makes a class: `without` gives a scene as it would be if that were not so."""

    questions: tuple[Question, ...]
    without: Callable[[Scene], Scene]
    never_with: frozenset[str] = frozenset()
    """Classes that would hide the cause, or have the same."""


def _sphere(scene: Scene) -> Scene:
    assert scene.body is not None
    radius = scene.body.volume_radius()
    return replace(scene, body=Body("ellipsoid", (radius,) * 3), dopant_strength=0.0)


def _in_the_plane(scene: Scene) -> Scene:
    """Not tilted any more: its ridge is straight."""
    assert scene.body is not None
    _, y, x = scene.body.rotation()[2]
    return replace(scene, body=replace(scene.body, axis=(0.0, y, x)))


def _whole(scene: Scene) -> Scene:
    """Without facet, dopants and inclination."""
    body = scene.body
    assert body is not None
    if body.facet or body.inclusions:
        return replace(scene, body=replace(body, facet=0.0, inclusions=()), dopant_strength=0.0)
    return _in_the_plane(scene) if max(body.semi_axes) == body.semi_axes[2] else _sphere(scene)


def _elongated(scene: Scene) -> Scene:
    assert scene.body is not None
    radius = scene.body.volume_radius()
    thick = radius * (1.5 * 2.5 - 0.5) ** (-1 / 3)
    body = Body("capsule", (thick, thick, 2.5 * thick), (0.0, 0.6, 0.8))
    return replace(scene, body=body, dopant_strength=0.0)


def _flattened(scene: Scene) -> Scene:
    assert scene.body is not None
    across = scene.body.volume_radius() * 1.5 ** (1 / 3)
    body = Body("ellipsoid", (across, across, across / 1.5), (0.0, 0.6, 0.8))
    return replace(scene, body=body, dopant_strength=0.0)


CAUSES: dict[str, Cause] = {
    "Streak": Cause(("axis", "difference"), _sphere, frozenset({"Bent", "Layered"})),
    "Bent": Cause(("axis", "difference"), _in_the_plane, frozenset({"Layered", "Asymmetric"})),
    "Newton Rings": Cause(("half", "difference"), lambda s: replace(s, partner=None)),
    "Double Rings": Cause(("half", "difference"), lambda s: replace(s, second=None)),
    "Layered": Cause(("half", "difference"), lambda s: replace(s, layers=None)),
    "Asymmetric": Cause(("difference",), _whole, frozenset({"Bent"})),
    "Elliptical": Cause(("difference",), _sphere, frozenset({"Asymmetric"})),
    "Round": Cause(("difference",), _flattened),
    "Prolate": Cause(("difference",), _sphere),
    "Spherical/Oblate": Cause(("difference",), _elongated),
}
"""Of the simulator's classes."""


def why_no_cause(name: str, *taxonomies: Taxonomy | None) -> str:
    """Why a class has no place on the detector, in a sentence; taxonomies: as for `cause_of`."""
    unknown = f"{name}: the simulator knows no place on the detector that makes it."
    return no_place(name, *taxonomies) or unknown


def cause_of(name: str, *taxonomies: Taxonomy | None) -> tuple[str, Cause] | None:
    """The simulator's name and the cause of a class of any taxonomy, by its name or what it was
    called before, see `place_among`; None for others."""
    place = place_among([*CAUSES], name, *taxonomies)
    return [*CAUSES.items()][place] if place >= 0 else None


def cases(name: str, question: Question, seed: int, size: int = 224) -> Iterator[Case]:
    """Ever more cases of a class of the simulator, the same ones for the same seed."""
    cause = CAUSES[name]
    sets = [
        (geometry_of(labels), count)
        for labels, count in real_sets()
        if name in labels and not labels & cause.never_with
    ]
    weights = np.sqrt([count for _, count in sets])
    detector, number = Detector(size), 0
    while True:
        key = (sorted(CAUSES).index(name), ("axis", "half", "difference").index(question), number)
        rng = np.random.default_rng(np.random.SeedSequence(seed, spawn_key=key))
        wanted: LabelSet = sets[rng.choice(len(sets), p=weights / weights.sum())][0]
        yield _case(draw(wanted, detector, rng), name, question, detector, rng)
        number += 1


def _case(
    scene: Scene, name: str, question: Question, detector: Detector, rng: np.random.Generator
) -> Case:
    good = detector.good()
    light = _unit(intensity(scene, detector))
    if question == "axis":
        where = near_ridge(scene, detector)
    else:
        other = _unit(intensity(CAUSES[name].without(scene), detector))
        if question == "half":
            light, where = _halves(light, other, scene.exposure.centre, rng)
        else:
            where = _changed(light, other, good, scene, detector)
    counts = expose(light, detector, scene.exposure, rng)
    return Case(name, question, counts, good, where & good)


def _unit(light: Floats) -> Floats:
    return light / np.float32(max(float(light.sum(dtype=np.float64)), 1e-30))


def near_ridge(scene: Scene, detector: Detector) -> Flags:
    """(y, x) True within `NEAR` degrees of where an elongated droplet sends its light.

    That is where q is perpendicular to its long axis a: (K_z - k₀)·a_z + K_⊥·a_⊥ = 0, so
    cos(φ - φ_a) = tan(θ/2)·a_z / |a_⊥|, two directions at every scattering angle θ.
    """
    assert scene.body is not None
    z, y, x = scene.body.rotation()[2]
    up, across, _ = directions(detector, scene.exposure.centre, wavelength_nm(scene.energy_ev))
    sine = np.hypot(up, across)
    bend = np.tan(np.arcsin(np.clip(sine, 0, 1)) / 2) * z / max(float(np.hypot(y, x)), 1e-9)
    opening = np.arccos(np.clip(bend, -1, 1))
    turned = np.abs((np.arctan2(up, across) - np.arctan2(y, x) + np.pi) % (2 * np.pi) - np.pi)
    return np.asarray(np.abs(turned - opening) <= np.radians(NEAR))


def _halves(
    light: Floats, other: Floats, centre: tuple[float, float], rng: np.random.Generator
) -> tuple[Floats, Flags]:
    """The one light on one side of a line through the centre, the other on the other side."""
    angle = rng.uniform(0, 2 * np.pi)
    y, x = np.indices(light.shape)
    away = (y - centre[0]) * np.sin(angle) + (x - centre[1]) * np.cos(angle)
    share = np.clip(0.5 + away / (SEAM * len(light)), 0, 1).astype(np.float32)
    return share * light + (1 - share) * other, away > 0


def _changed(light: Floats, other: Floats, good: Flags, scene: Scene, detector: Detector) -> Flags:
    """The quarter of the good pixels whose log counts differ most, over the width COARSE."""
    scale = scene.exposure.photons * scene.exposure.gain
    logs = [np.log1p(scale * each + scene.exposure.offset) for each in (light, other)]
    change = np.abs(logs[0] - logs[1]) * good
    width = COARSE * detector.size
    seen = gaussian_filter(good.astype(np.float32), width)
    smooth = gaussian_filter(change, width) / np.maximum(seen, 1e-3)
    return np.asarray(smooth >= np.quantile(smooth[good], 0.75))
