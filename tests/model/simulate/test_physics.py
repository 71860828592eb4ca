"""The simulator's light against formulas that it does not use."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from model.errors import InputError
from model.simulate.scattering import (
    FarField,
    far_field,
    helium_index,
    wavelength_nm,
)
from model.simulate.shapes import Body, filling
from tests.helpers.formulas import sphere_form_factor

WEAK = 1 + 1e-5
RIM = np.sin(np.radians(30))
ENERGY = 24.0


def _sphere(radius: float) -> Body:
    return Body("ellipsoid", (radius, radius, radius))


def _sine(far: FarField) -> npt.NDArray[np.float64]:
    return np.hypot(far.sines[:, None], far.sines[None, :])


def _momentum(far: FarField) -> npt.NDArray[np.float64]:
    """|q| = 2 k₀ sin(θ/2), 1/nm."""
    angle = np.arcsin(np.clip(_sine(far), 0, 1))
    return 4 * np.pi / far.wavelength * np.sin(angle / 2)


def _asymmetry(far: FarField) -> float:
    """Mean |I(q) - I(-q)| over mean I + I, on the plate outside 8 degrees."""
    light = np.abs(far.amplitude) ** 2
    sine = _sine(far)
    ring = (sine < RIM) & (sine > np.sin(np.radians(8)))
    weight = sine[ring] ** 4  # every ring counts alike
    other = light[::-1, ::-1]
    return float(
        np.sum(weight * np.abs(light - other)[ring]) / np.sum(weight * (light + other)[ring])
    )


# -- weak phase: the first Born approximation ------------------------------------------------------


@settings(max_examples=8, deadline=None)
@given(radius=st.floats(120, 450), energy=st.floats(19, 35))
def test_a_weak_sphere_scatters_like_its_form_factor(radius: float, energy: float) -> None:
    far = far_field(_sphere(radius), energy, WEAK)
    q, plate = _momentum(far), _sine(far) < RIM
    volume = 4 / 3 * np.pi * radius**3
    expected = 2 * np.pi / far.wavelength * 1e-5 * volume * sphere_form_factor(q, radius)
    weight = np.maximum(q * radius, 1)[plate] ** 2  # undoes the decay, so that far rings count
    error = (np.abs(far.amplitude) - np.abs(expected))[plate] * weight
    assert np.sqrt(np.mean(error**2)) < 0.05 * np.sqrt(np.mean((expected[plate] * weight) ** 2))


def test_the_form_factor_is_the_fourier_transform_of_a_ball() -> None:
    q, radius = np.array([0.0, 1e-3, 0.01, 0.05]), 200.0
    r = (np.arange(200_000) + 0.5) * radius / 200_000
    by_hand = [np.sum(np.sinc(k * r / np.pi) * r**2) / np.sum(r**2) for k in q]
    assert sphere_form_factor(q, radius) == pytest.approx(by_hand, abs=1e-7)


@pytest.mark.parametrize("radius", [80.0, 150.0])
def test_small_angles_follow_guinier(radius: float) -> None:
    """ln I = ln I₀ - q²·R_g²/3 with R_g² = 3R²/5, for q·R_g below about 1."""
    far = far_field(_sphere(radius), ENERGY, WEAK, directions=257)
    q = _momentum(far)
    near = (q * radius < 0.8) & (q > 0)
    slope = np.polyfit(q[near] ** 2, np.log(np.abs(far.amplitude[near]) ** 2), 1)[0]
    assert slope == pytest.approx(-(radius**2) / 5, rel=0.04)


def test_large_angles_follow_porod() -> None:
    """I falls as q⁻⁴ behind a sharp surface, averaged over rings."""
    far = far_field(_sphere(500.0), 30.0, WEAK)
    q, plate = _momentum(far), _sine(far) < RIM
    light = np.abs(far.amplitude) ** 2
    edges = np.arange(3, 13) * np.pi / 500.0  # one ring each
    middle = (edges[1:] + edges[:-1]) / 2
    rings = pairwise(edges)
    mean = [light[plate & (q >= low) & (q < high)].mean() for low, high in rings]
    slope = np.polyfit(np.log(middle), np.log(mean), 1)[0]
    assert slope == pytest.approx(-4, abs=0.2)


# -- point symmetry --------------------------------------------------------------------------------


def _capsule(tilt: float) -> Body:
    c, s = np.cos(np.radians(tilt)), np.sin(np.radians(tilt))
    return Body("capsule", (120.0, 120.0, 400.0), (float(s), 0.0, float(c)))


def test_a_thin_droplet_in_the_plane_obeys_friedel() -> None:
    assert _asymmetry(far_field(_capsule(0), ENERGY, WEAK)) < 1e-3


def test_a_mirror_about_the_plane_keeps_friedel_even_for_real_helium() -> None:
    """In the plane, a turn by 180° about the beam maps the droplet on itself."""
    assert _asymmetry(far_field(_capsule(0), ENERGY)) < 1e-3


def test_tilting_it_breaks_friedel_the_more_the_more_it_is_tilted() -> None:
    found = [_asymmetry(far_field(_capsule(tilt), ENERGY, WEAK)) for tilt in (0, 5, 15, 30)]
    assert found == sorted(found)
    assert found[-1] > 0.3


def test_a_flat_facet_in_the_plane_of_a_strong_droplet_breaks_friedel() -> None:
    whole = Body("ellipsoid", (350.0, 350.0, 350.0))
    cut = replace(whole, facet=0.4, facet_normal=(0.15, 0.0, 1.0))
    assert _asymmetry(far_field(whole, ENERGY)) < 1e-3
    assert _asymmetry(far_field(cut, ENERGY)) > 0.2


def test_a_streak_lies_across_the_long_axis_and_bends_with_the_tilt() -> None:
    """Light of a long body gathers where q is normal to its axis; the Ewald sphere bends that."""
    for tilt in np.radians([0.0, 20.0, 40.0]):
        far = far_field(_capsule(np.degrees(tilt)), ENERGY)
        light, s = np.abs(far.amplitude) ** 2, far.sines
        row = int(np.argmin(np.abs(s - 0.40)))
        brightest = s[int(np.argmax(light[row]))]
        # q = k₀(cosθ - 1, s_y, s_x), and q·(sin t, 0, cos t) = 0
        x = np.linspace(-0.3, 0.4, 7001)
        cosine = np.sqrt(1 - x**2 - s[row] ** 2)
        along = (cosine - 1) * np.sin(tilt) + x * np.cos(tilt)
        expected = x[np.argmin(np.abs(along))]
        assert brightest == pytest.approx(expected, abs=2.5 * (s[1] - s[0]))


# -- absorption ------------------------------------------------------------------------------------


@pytest.mark.parametrize("energy", [22.0, 25.0, 30.0, 35.0])
def test_absorption_follows_beer_and_lambert(energy: float) -> None:
    """Behind a path p the wave is exp(i(n-1)k₀p): its difference to 1, summed, goes straight on.

    A soft edge makes an opaque body too wide by a share of a cell: the error falls with the cell,
    and nothing of it is left in the limit.
    """
    k0, contrast = 2 * np.pi / wavelength_nm(energy), helium_index(energy) - 1
    radius, half = 400.0, 700.0
    body = Body("capsule", (radius, radius, half), (1.0, 0.0, 0.0))
    r = (np.arange(4000) + 0.5) * radius / 4000
    path = 2 * (half - radius) + 2 * np.sqrt(radius**2 - r**2)
    expected = np.sum((np.exp(1j * contrast * k0 * path) - 1) * 2 * np.pi * r) * (r[1] - r[0])

    def forward(cell: float) -> complex:
        far = far_field(body, energy, cell=cell, directions=3)
        return complex(far.amplitude[1, 1])

    coarse, fine = forward(0.5), forward(0.25)
    assert coarse == pytest.approx(expected, rel=0.08)
    assert abs(fine - expected) < 0.6 * abs(coarse - expected)
    assert 2 * fine - coarse == pytest.approx(expected, rel=0.01)


def test_absorption_lengths_above_the_ionisation_edge_are_those_known() -> None:
    """50 to 110 nm above 24.6 eV (SCIENCE, section 6)."""
    lengths = [wavelength_nm(e) / (4 * np.pi * helium_index(e).imag) for e in (25.0, 30.0, 35.0)]
    assert min(lengths) > 45
    assert max(lengths) < 115


# -- sampling --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "body",
    [_sphere(330.0), _capsule(25.0), Body("ellipsoid", (400.0, 400.0, 250.0), (0.5, 0.2, 0.8))],
    ids=["sphere", "capsule", "oblate"],
)
def test_cells_and_slices_of_half_a_wavelength_are_converged(body: Body) -> None:
    fine = far_field(body, ENERGY, cell=0.2, directions=129)
    plate, q = _sine(fine) < RIM, _momentum(fine)
    weight = np.maximum(q * 300, 1)[plate] ** 2

    def error(cell: float) -> float:
        coarse = far_field(body, ENERGY, cell=cell, directions=129)
        change = np.abs(coarse.amplitude - fine.amplitude)[plate] * weight
        return float(np.linalg.norm(change) / np.linalg.norm(fine.amplitude[plate] * weight))

    errors = [error(cell) for cell in (1.0, 0.5, 0.3)]
    assert errors == sorted(errors, reverse=True)
    assert errors[1] < 0.12


def test_cells_coarser_than_a_wavelength_are_refused_with_the_limit() -> None:
    with pytest.raises(InputError, match=r"limit is 1 wavelength"):
        far_field(_sphere(300.0), ENERGY, cell=1.2)


@pytest.mark.parametrize("axes", [(0.0, 1.0, 1.0), (float("nan"), 1.0, 1.0), (-5.0, 5.0, 5.0)])
def test_a_radius_of_zero_or_no_number_is_refused(axes: tuple[float, float, float]) -> None:
    with pytest.raises(InputError, match="semi-axes"):
        Body("ellipsoid", axes)


def test_a_capsule_shorter_than_thick_and_a_giant_are_refused() -> None:
    with pytest.raises(InputError, match="shorter"):
        Body("capsule", (200.0, 200.0, 100.0))
    with pytest.raises(InputError, match="too large"):
        far_field(_sphere(5000.0), ENERGY)


# -- bodies ----------------------------------------------------------------------------------------


@settings(max_examples=25, deadline=None)
@given(
    kind=st.sampled_from(("ellipsoid", "capsule")),
    radius=st.floats(150, 300),
    longer=st.floats(1, 2.5),
    axis=st.tuples(st.floats(-1, 1), st.floats(-1, 1), st.floats(0.1, 1)),
)
def test_the_cells_filled_make_up_the_volume(
    kind: str, radius: float, longer: float, axis: tuple[float, float, float]
) -> None:
    body = Body(kind, (radius, radius, radius * longer), axis)  # type: ignore[arg-type]
    step = 20.0
    filled, *_ = filling(body, step)
    volume = float(filled.real.sum()) * step**3
    assert volume == pytest.approx(4 / 3 * np.pi * body.volume_radius() ** 3, rel=0.01)
    # Nothing touches the border of the grid: the box is large enough.
    assert not any(np.any(filled.take((0, -1), axis=a)) for a in range(3))
