"""Scenes of many causes: what each does to a pattern, and labels by what is visible."""

from __future__ import annotations

from dataclasses import replace
from itertools import combinations

import numpy as np
import pytest

from model.simulate.broad import VISIBLE, _double, _spoilt, draw_broad, visible
from model.simulate.detector import Detector, Exposure
from model.simulate.labels import CLASSES, geometry_of, real_sets
from model.simulate.scattering import far_field, helium_index
from model.simulate.scene import Layers, Partner, Scene, Second, intensity
from model.simulate.shapes import Body, Inclusion, filling
from model.simulate.shot import SimulationRecipe, make_shot, parameters, targets
from model.taxonomy.toml import load, shipped
from tests.helpers.formulas import sphere_form_factor

SPHERE = Body("ellipsoid", (300.0, 300.0, 300.0))
LIGHT = Exposure(1e6, (0.0, 0.0))
CORE = Inclusion((0.0, 0.0, 0.0), 80.0, 4.0 + 0.5j)
"""Of a droplet small enough to let light through to its middle."""
WEAK = 1 + 1e-4j


def scene(body=SPHERE, **parts):
    """A bright scene at 25 eV."""
    return Scene(25.0, LIGHT, body, **parts)


def line(body, index=WEAK):
    """Amplitudes along one axis through the middle, and q in 1/nm."""
    far = far_field(body, 25.0, index, cell=0.25, directions=129)
    k0 = 2 * np.pi / far.wavelength
    sines = far.sines
    return far.amplitude[64], 2 * k0 * np.sin(np.arcsin(np.abs(sines)) / 2)


@pytest.mark.parametrize("contrast", [0.0, 3.0, 1.5 + 2.0j])
def test_a_core_or_a_hollow_follows_the_analytic_core_shell_form_factor(contrast):
    core = Inclusion((0.0, 0.0, 0.0), 150.0, contrast)
    amplitude, q = line(replace(SPHERE, inclusions=(core,)))
    share = (150 / 300) ** 3
    exact = sphere_form_factor(q, 300.0) + (contrast - 1) * share * sphere_form_factor(q, 150.0)
    off = np.abs(amplitude / amplitude[64] - exact / exact[64]).max()
    assert off < 0.03


def test_without_coherence_a_partner_adds_its_intensity_and_with_it_fringes():
    partner = Partner(SPHERE, 0.8, (0.0, 2500.0, 0.0))
    detector = Detector(96)
    dark = replace(LIGHT, centre=detector.centre)
    alone, none, half, full = (
        intensity(replace(scene(), exposure=dark, partner=p), detector)
        for p in (None, *(replace(partner, coherence=g) for g in (0.0, 0.5, 1.0)))
    )
    np.testing.assert_allclose(none, alone * (1 + 0.8**2), rtol=1e-4)
    np.testing.assert_allclose(half - none, (full - none) / 2, atol=1e-3 * float(full.max()))
    assert np.abs(full - none).max() > 0.5 * float(none.max())


def test_sizes_in_phase_and_against_it_average_to_their_intensities():
    detector = Detector(96)
    dark = replace(LIGHT, centre=detector.centre)
    second = Second(SPHERE.scaled(0.5), 1.0, 0.5)
    light = [
        intensity(replace(scene(), exposure=dark, second=replace(second, phase=p)), detector)
        for p in (None, 0.4, 0.4 + np.pi)
    ]
    np.testing.assert_allclose((light[1] + light[2]) / 2, light[0], rtol=1e-3, atol=1.0)


def test_a_thin_flat_curved_droplet_obeys_friedel():
    curved = Body("capsule", (40.0, 40.0, 300.0), (0.0, 0.0, 1.0), bend=0.3)
    power, straight = (
        np.abs(far_field(body, 25.0, WEAK, directions=65).amplitude) ** 2
        for body in (curved, replace(curved, bend=0.0))
    )
    middle = slice(16, 49)  # small angles, where the Ewald sphere is flat
    part = power[middle, middle]
    assert np.abs(part - part[::-1, ::-1]).max() < 0.05 * part.max()
    assert np.abs(part - straight[middle, middle]).max() > 0.05 * part.max()


def test_roughness_moves_the_surface_by_what_it_says_and_keeps_it_inside_the_grid():
    rough = replace(SPHERE, roughness=0.05, surface=3)
    filled, z, y, x = filling(rough, 15.0)
    edge = np.concatenate([np.abs(filled[s]).ravel() for s in (0, -1)])
    assert not edge.any()
    r = np.sqrt(z[:, None, None] ** 2 + y[None, :, None] ** 2 + x[None, None, :] ** 2)
    changed = (np.abs(filled) > 0.5) != (r < 300)
    assert np.abs(r[changed] - 300).max() < 3 * 0.05 * 300 + 15
    assert np.sqrt(np.mean((r[changed] - 300) ** 2)) == pytest.approx(15, rel=0.6)


@pytest.mark.parametrize(
    ("feature", "parts"),
    [
        ("fringes", {"partner": Partner(SPHERE, 0.8, (0.0, 2500.0, 0.0))}),
        ("fringes", {"partner": Partner(SPHERE, 0.8, (6000.0, 300.0, 0.0))}),
        ("second_rings", {"second": Second(SPHERE.scaled(0.4), 1.0, 0.4)}),
        ("second_rings", {"second": Second(SPHERE.scaled(0.4), 1.0, 0.4, 1.0)}),
        ("second_rings", {"body": replace(SPHERE.scaled(0.5), inclusions=(CORE,))}),
        ("layers", {"layers": Layers(2, 700.0, (1.0, 0.0), 0.9)}),
        ("layers", {"body": Body("dumbbell", (200.0, 200.0, 500.0), (0.0, 0.0, 1.0))}),
        ("asymmetry", {"body": replace(SPHERE, facet=0.5, facet_normal=(0.15, 0.0, 1.0))}),
    ],
)
def test_each_cause_is_visible_in_bright_light_and_not_in_the_dark(feature, parts):
    bright = visible(scene(**parts))
    faint = replace(scene(**parts), exposure=Exposure(500.0, (0.0, 0.0)))
    assert getattr(bright, feature) > getattr(VISIBLE, feature)
    assert getattr(visible(faint), feature) < getattr(VISIBLE, feature) / 2
    assert getattr(visible(scene()), feature) < getattr(VISIBLE, feature) / 4


def test_dopants_and_cores_absorb_or_refract_and_never_amplify_nor_overlap():
    for seed in range(100):
        rng = np.random.default_rng(seed)
        energy = float(rng.uniform(19.1, 35.0))
        body = doped(energy, rng)
        outside = helium_index(energy) - 1
        assert all((part.contrast * outside).imag > -1e-9 for part in body.inclusions)
        for one, other in combinations(body.inclusions, 2):
            assert (
                np.hypot.reduce(np.subtract(one.centre, other.centre)) > one.radius + other.radius
            )
        if seed % 4 == 0:  # the field takes ten times as long as the droplet
            assert np.isfinite(far_field(body, energy, directions=49).amplitude).all()


def doped(energy, rng):
    """A droplet of broad scenes with a facet or dopants, and often a core where there are none."""
    return _double(_spoilt(SPHERE, energy, rng), energy, rng)[0]


def test_shots_show_what_was_wanted_and_break_no_hard_rule():
    recipe = SimulationRecipe(48, 3, 64, balanced=True, broad=True)
    wanted = targets(recipe)
    helium = load(shipped())
    order = [helium.index(name) for name in CLASSES]
    alike = 0
    for number in range(24):
        shot = make_shot(recipe, number, int(wanted[number]))
        labels = np.zeros((1, len(order)), bool)
        labels[0, order] = shot.labels.astype(bool)
        assert not helium.contradictions(labels)[0]
        found = {c for c, there in zip(CLASSES, shot.labels, strict=True) if there}
        alike += found == geometry_of(real_sets()[wanted[number]][0])
    assert alike >= 18


def test_the_same_recipe_gives_the_same_shot():
    recipe = SimulationRecipe(8, 4, 64, broad=True)
    first, again = (make_shot(recipe, 5, int(targets(recipe)[5])) for _ in range(2))
    assert (first.counts == again.counts).all()
    assert first.parameters == pytest.approx(again.parameters, nan_ok=True)


def test_detectors_differ_from_shot_to_shot():
    rng = np.random.default_rng(0)
    drawn = [draw_broad(frozenset({"Empty"}), Detector(64), rng) for _ in range(6)]
    assert len({d.detector.hole_m for d in drawn}) > 3
    assert len({d.detector.blur for d in drawn}) == 6
    assert set(parameters(drawn[0].scene)) == set(parameters(drawn[1].scene))
