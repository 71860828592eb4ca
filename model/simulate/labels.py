"""Labels from continuous features, the real label sets to imitate, and a human-like annotator.

Features come from the geometry of a scene; nothing here draws shapes or reads pixels. Hard rules of
the taxonomy hold for every set of labels made here.
"""

from __future__ import annotations

import tomllib
from dataclasses import dataclass, replace
from functools import lru_cache
from importlib import resources

import numpy as np
import numpy.typing as npt

from model.shots.layouts.entries import PUBLISHED_CLASSES

CLASSES = PUBLISHED_CLASSES
"""In the order of the published label matrix."""

LabelSet = frozenset[str]


@dataclass(frozen=True)
class Features:
    """What decides the labels of a shot, each a continuous number."""

    photons: float
    """Expected photons on the plate; 0 without a droplet."""
    elongation: float
    """Longest over middle axis of the droplet: 1 for spheres and oblate droplets."""
    tilt: float
    """Angle of the long axis out of the detector plane, degrees."""
    apparent_ratio: float
    """Longer over shorter axis of the droplet's outline seen along the beam."""
    asymmetry: float
    """The largest of: obliquity sin(2i)·(1-1/aspect) of an oblate droplet whose axis is inclined
    by i to the beam; twice the share of the radius cut off by a facet; dopant strength."""
    fringes: float
    """Visibility 2a/(1+a²) of the fringes of a second droplet with relative amplitude a."""
    second_rings: float
    """Strength of a second ring system relative to the first at 20 degrees; 0 where the two
    radii differ by less than a quarter."""
    layers: float
    """Visibility of parallel fringes, 0 for a single body."""


@dataclass(frozen=True)
class Borders:
    """Where one class ends and the next begins."""

    photons: float = 400.0
    elongation: float = 1.4
    end_on: float = 70.0
    """Degrees of tilt beyond which an elongated droplet looks round."""
    elliptical: float = 1.1
    streak_elongation: float = 1.9
    streak_tilt: float = 35.0
    bent_tilt: float = 15.0
    asymmetry: float = 0.22
    fringes: float = 0.3
    second_rings: float = 0.2
    layers: float = 0.3


BORDERS = Borders()


def labels_of(f: Features, border: Borders = BORDERS) -> LabelSet:
    """The labels that the geometry asks for. No hard or soft rule of the taxonomy is broken."""
    if f.photons < border.photons:
        return frozenset({"Empty"})
    prolate = f.elongation >= border.elongation and f.tilt < border.end_on
    if prolate:
        found = {"Prolate"}
        if f.elongation >= border.streak_elongation and f.tilt < border.streak_tilt:
            found.add("Streak")
        if f.tilt >= border.bent_tilt:
            found.add("Bent")
    else:
        shape = "Elliptical" if f.apparent_ratio >= border.elliptical else "Round"
        found = {"Spherical/Oblate", shape}
    for name, value, least in (
        ("Asymmetric", f.asymmetry, border.asymmetry),
        ("Newton Rings", f.fringes, border.fringes),
        ("Double Rings", f.second_rings, border.second_rings),
        ("Layered", f.layers, border.layers),
    ):
        if value >= least:
            found.add(name)
    return frozenset(found)


def row(labels: LabelSet) -> npt.NDArray[np.uint8]:
    """(C,) in the order of CLASSES."""
    return np.array([name in labels for name in CLASSES], np.uint8)


# -- the real label sets ---------------------------------------------------------------------------


@lru_cache(maxsize=1)
def real_sets() -> tuple[tuple[LabelSet, int], ...]:
    """The label sets of the 7,264 published shots with their counts, most frequent first."""
    text = (resources.files("resources") / "labelsets.toml").read_text(encoding="utf-8")
    return tuple(
        (frozenset(entry["classes"]), int(entry["count"])) for entry in tomllib.loads(text)["set"]
    )


def geometry_of(labels: LabelSet) -> LabelSet:
    """The complete set that a droplet can show, for a set in which the researcher forgot a class.

    11 of the 7,264 rows have no superclass and one has no subclass; their droplets are drawn
    with it, and the shot keeps the labels as they were given.
    """
    full = set(labels)
    if not full & {"Spherical/Oblate", "Prolate", "Empty"}:
        full.add("Prolate")
    if "Spherical/Oblate" in full and not full & {"Round", "Elliptical"}:
        full.add("Elliptical")
    return frozenset(full)


@lru_cache(maxsize=2)
def set_weights(balanced: bool) -> npt.NDArray[np.float64]:
    """Probability of each real label set; balanced: every class about equally often.

    Balanced weights come from the real ones by raising the sets of rare classes until the class
    frequencies are as flat as the hierarchy allows (superclasses stay the sum of their parts).
    """
    sets = real_sets()
    weights = np.array([count for _, count in sets], float)
    weights /= weights.sum()
    if not balanced:
        return weights
    # Superclasses follow from the rest; every other class should be equally frequent.
    others = [c for c in CLASSES if c not in ("Spherical/Oblate", "Prolate")]
    member = np.array([[c in s for c in others] for s, _ in sets], float)
    weights = np.sqrt(weights)
    for _ in range(400):
        weights /= weights.sum()
        frequency = weights @ member
        pull = np.where(member > 0, np.log(frequency.mean() / frequency), 0).sum(1)
        weights *= np.exp(0.2 * pull / np.maximum(member.sum(1), 1))
    return np.asarray(weights / weights.sum())


# -- a person --------------------------------------------------------------------------------------


def annotate(truth: Features, week: float, rng: np.random.Generator) -> LabelSet:
    """What a person labels who learns to label: fuzzy borders, a drift through the week, slips.

    `week` runs from 0 to 1. Borders drift from strict to lenient by 25 % (fringes, asymmetry,
    second rings and layers are seen ever more readily), every judgement scatters by 10 %, and three
    classes in a hundred are forgotten. Hard rules always hold; a superclass may be forgotten.
    """
    lenient = 1.12 - 0.25 * week
    border = replace(
        BORDERS,
        asymmetry=BORDERS.asymmetry * lenient,
        fringes=BORDERS.fringes * lenient,
        second_rings=BORDERS.second_rings * lenient,
        layers=BORDERS.layers * lenient,
        bent_tilt=BORDERS.bent_tilt * lenient,
    )
    scatter = np.exp(0.1 * rng.standard_normal(8))
    scatter[3] = 1 + (scatter[3] - 1) / 4  # an outline's ratio is judged finely
    seen = Features(
        photons=truth.photons * scatter[0] ** 3,
        elongation=truth.elongation * scatter[1],
        tilt=truth.tilt * scatter[2],
        apparent_ratio=truth.apparent_ratio * scatter[3],
        asymmetry=truth.asymmetry * scatter[4],
        fringes=truth.fringes * scatter[5],
        second_rings=truth.second_rings * scatter[6],
        layers=truth.layers * scatter[7],
    )
    labels = set(labels_of(seen, border))
    for name in sorted(labels - {"Spherical/Oblate", "Round", "Elliptical", "Empty"}):
        if rng.random() < 0.03:
            labels.discard(name)
    return frozenset(labels)
