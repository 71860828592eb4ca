"""The circle through points on a ring."""

from __future__ import annotations

import numpy as np
import pytest

from model.errors import InputError
from model.physics.circle import fit_circle


def ring(n, noise=0.0, arc=2 * np.pi, centre=(511.3, 498.7), radius=120.0):
    angle = np.linspace(0, arc, n, endpoint=False)
    points = np.column_stack([np.sin(angle), np.cos(angle)]) * radius + centre
    return points + np.random.default_rng(1).normal(0, noise, points.shape)


def test_three_points_give_their_circle_and_no_error():
    found = fit_circle(ring(3))
    assert found.centre == pytest.approx((511.3, 498.7))
    assert found.radius == pytest.approx(120)
    assert np.isnan(found.error).all()


def test_a_quarter_of_a_ring_is_enough_and_the_error_is_honest():
    away, said = [], []
    for seed in range(200):
        points = ring(12, arc=np.pi / 2)
        points += np.random.default_rng(seed).normal(0, 0.5, points.shape)
        found = fit_circle(points)
        away.append(found.centre[0] - 511.3)
        said.append(found.error[0])
    assert np.std(away) == pytest.approx(np.mean(said), rel=0.25)
    assert found.rms == pytest.approx(0.5, rel=0.6)


@pytest.mark.parametrize(
    "points", [[], [(1, 2), (3, 4)], [(1, 1), (1, 1), (2, 2)], [(0, 0), (1, 1), (2, 2), (3, 3)]]
)
def test_points_without_a_circle_are_refused_in_words(points):
    with pytest.raises(InputError, match=r"circle|line"):
        fit_circle(points)
