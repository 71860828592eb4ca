"""One simulated shot from its seed: scene, counts, labels, parameters; nothing about files."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from model.errors import InputError
from model.simulate.broad import draw_broad
from model.simulate.detector import NOISE, Detector, expose
from model.simulate.draw import draw
from model.simulate.labels import (
    CLASSES,
    Features,
    annotate,
    geometry_of,
    labels_of,
    real_sets,
    row,
    set_weights,
)
from model.simulate.scattering import wavelength_nm
from model.simulate.scene import Scene, features, intensity

KINDS = ("none", "ellipsoid", "capsule", "dumbbell")


@dataclass(frozen=True)
class SimulationRecipe:
    """Everything that decides a simulated set; shot i follows from it and i alone."""

    shots: int
    seed: int
    size: int = 224
    balanced: bool = False
    annotator: bool = False
    noise: str = "normal"
    broad: bool = False
    """Scenes of many causes on many detectors, see `broad`, instead of the plain ones."""

    @property
    def detector(self) -> Detector:
        if self.noise not in NOISE:
            raise InputError(
                f"there is no noise level {self.noise!r}", mend=f"There are: {', '.join(NOISE)}."
            )
        return Detector(self.size, seed=self.seed, noise=NOISE[self.noise])


@dataclass(frozen=True)
class Shot:
    """Counts (y, x), labels as given (C,), labels of the geometry (C,), numbers by name."""

    counts: npt.NDArray[np.uint16]
    labels: npt.NDArray[np.uint8]
    true_labels: npt.NDArray[np.uint8]
    parameters: dict[str, float]


def targets(recipe: SimulationRecipe) -> npt.NDArray[np.int64]:
    """(N,) which of the real label sets every shot shows.

    Systematic sampling in random order: each set, and each class, comes as often as its weight
    asks, to within one shot.
    """
    weights = set_weights(recipe.balanced)
    rng = np.random.default_rng([recipe.seed, 1])
    # Sets of the same rarest class lie side by side, so that rounding does not lose a rare class.
    share = {
        c: sum(w for w, (s, _) in zip(weights, real_sets(), strict=True) if c in s) for c in CLASSES
    }
    rarest = [CLASSES.index(min(s, key=lambda c: share[c])) for s, _ in real_sets()]
    order = np.lexsort((-weights, np.array(rarest)))
    places = (np.arange(recipe.shots) + rng.random()) / recipe.shots
    drawn = np.searchsorted(np.cumsum(weights[order])[:-1], places, side="right")
    return np.asarray(rng.permutation(order[drawn]), np.int64)


def make_shot(recipe: SimulationRecipe, number: int, target: int) -> Shot:
    """Shot `number`, the same on every machine process and whatever was made before it."""
    rng = np.random.default_rng(np.random.SeedSequence(recipe.seed, spawn_key=(number,)))
    given = real_sets()[target][0]
    wanted = geometry_of(given)
    detector = recipe.detector
    if recipe.broad:
        drawn = draw_broad(wanted, detector, rng)
        counts = expose(drawn.intensity, drawn.detector, drawn.scene.exposure, rng)
        labels = row(drawn.labels)
        return Shot(counts, labels, labels, parameters(drawn.scene, drawn.features))
    scene = draw(wanted, detector, rng)
    counts = expose(intensity(scene, detector), detector, scene.exposure, rng)
    known = features(scene)
    if recipe.annotator:
        given = annotate(known, number / max(1, recipe.shots - 1), rng)
    return Shot(counts, row(given), row(labels_of(known)), parameters(scene))


def parameters(scene: Scene, known: Features | None = None) -> dict[str, float]:
    """Every number that the shot was made from; NaN where it has no meaning."""
    known, light, nan = known or features(scene), scene.exposure, float("nan")
    body, partner, second, layers = scene.body, scene.partner, scene.second, scene.layers
    axes = (nan,) * 3 if body is None else body.semi_axes
    axis = (nan,) * 3 if body is None else tuple(body.rotation()[2])
    offset = (nan,) * 3 if partner is None else partner.offset
    return {
        "photon_energy_ev": scene.energy_ev,
        "wavelength_nm": wavelength_nm(scene.energy_ev),
        "kind": 0.0 if body is None else float(KINDS.index(body.kind)),
        "radius_nm": nan if body is None else body.volume_radius(),
        **{f"semi_axis_{n}_nm": a for n, a in zip("abc", axes, strict=True)},
        **{f"axis_{n}": a for n, a in zip("zyx", axis, strict=True)},
        "roll": nan if body is None else body.roll,
        "facet": 0.0 if body is None else body.facet,
        "dopants": 0.0 if body is None else float(len(body.inclusions)),
        "elongation": known.elongation,
        "tilt_deg": known.tilt,
        "apparent_ratio": known.apparent_ratio,
        "asymmetry": known.asymmetry,
        "fringes": known.fringes,
        "second_rings": known.second_rings,
        "layers": known.layers,
        **{f"partner_{n}_nm": o for n, o in zip("zyx", offset, strict=True)},
        "partner_amplitude": 0.0 if partner is None else partner.amplitude,
        "partner_radius_nm": nan if partner is None else partner.body.volume_radius(),
        "second_radius_nm": nan if second is None else second.body.volume_radius(),
        "layer_count": 1.0 if layers is None else float(layers.count),
        "layer_spacing_nm": nan if layers is None else layers.spacing,
        "photons": light.photons,
        "centre_y": light.centre[0],
        "centre_x": light.centre[1],
        "gain": light.gain,
        "stray": light.stray,
        "stray_slope": light.stray_slope,
        "stray_angle": light.stray_angle,
        "offset": light.offset,
        "read_noise": light.read_noise,
        "saturation": light.saturation,
    }
