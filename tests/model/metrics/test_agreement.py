"""Agreement against published examples and against formulas written down another way."""

from __future__ import annotations

from itertools import permutations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from model.metrics.agreement import (
    alpha_of_classes,
    cohens_kappa,
    differing,
    krippendorff_alpha,
    majority,
    positive_agreement,
    share_interval,
)
from tests.helpers.waiting import processor_s

NAN = np.nan


def letters(text: str) -> list[float]:
    return [NAN if t == "." else float(ord(t)) for t in text]


# Krippendorff, "Computing Krippendorff's Alpha-Reliability" (2011): examples A, B and C
BINARY = [letters("0100000010"), letters("1110010000")]
NOMINAL = [letters("aabbdcccedda"), letters("babbbcccedd") + letters("d")]
MISSING = [
    letters("123321412..."),
    letters("1233224125.3"),
    letters(".33323422" + "51."),
    letters("123324412" + "51."),
]


@pytest.mark.parametrize(("values", "alpha"), [(BINARY, 0.095), (NOMINAL, 0.692), (MISSING, 0.743)])
def test_alpha_gives_krippendorffs_own_examples(values, alpha):
    assert krippendorff_alpha(values) == pytest.approx(alpha, abs=5e-4)


def test_kappa_gives_the_textbook_example():
    # 20 both yes, 5 yes/no, 10 no/yes, 15 both no: p_o = .7, p_e = .5, kappa = .4
    a = np.repeat([1, 1, 0, 0], [20, 5, 10, 15])[:, None]
    b = np.repeat([1, 0, 1, 0], [20, 5, 10, 15])[:, None]
    assert cohens_kappa(a, b) == pytest.approx([0.4])


def test_kappa_and_alpha_say_nothing_where_only_one_answer_occurs():
    nothing = np.zeros((5, 2))
    assert np.isnan(cohens_kappa(nothing, nothing)).all()
    assert np.isnan(krippendorff_alpha(np.zeros((2, 5))))
    assert np.isnan(krippendorff_alpha([[1, NAN], [NAN, 0]]))


def by_pairs(values: np.ndarray) -> float:
    """Alpha from every ordered pair of values within a unit, one by one."""
    pairs, weights = [], []
    for unit in values.T:
        found = unit[~np.isnan(unit)]
        for a, b in permutations(range(len(found)), 2):
            pairs.append((found[a], found[b]))
            weights.append(1 / (len(found) - 1))
    if not pairs:
        return NAN
    pairs, weights = np.array(pairs), np.array(weights)
    observed = weights[pairs[:, 0] != pairs[:, 1]].sum() / weights.sum()
    kinds = np.unique(pairs)
    n = np.array([weights[pairs[:, 0] == k].sum() for k in kinds])
    expected = 1 - (n * (n - 1)).sum() / (n.sum() * (n.sum() - 1))
    return 1 - observed / expected if expected > 1e-12 else NAN


def kappa_by_table(a: np.ndarray, b: np.ndarray) -> float:
    table = np.array([[np.mean((a == i) & (b == j)) for j in (0, 1)] for i in (0, 1)])
    chance = table.sum(1) @ table.sum(0)
    return (np.trace(table) - chance) / (1 - chance) if chance < 1 - 1e-9 else NAN


@settings(max_examples=60, deadline=None)
@given(
    arrays(
        float,
        st.tuples(st.integers(2, 4), st.integers(2, 12)),
        elements=st.sampled_from([0.0, 1.0, 2.0, NAN]),
    )
)
def test_alpha_equals_the_one_counted_pair_by_pair(values):
    assert krippendorff_alpha(values) == pytest.approx(by_pairs(values), nan_ok=True)


@settings(max_examples=60, deadline=None)
@given(arrays(bool, st.tuples(st.just(2), st.integers(1, 15), st.just(3))))
def test_kappa_equals_the_one_from_the_table_of_shares(both):
    a, b = both
    expected = [kappa_by_table(a[:, c], b[:, c]) for c in range(3)]
    assert cohens_kappa(a, b) == pytest.approx(expected, nan_ok=True)
    assert cohens_kappa(b, a) == pytest.approx(expected, nan_ok=True)


@settings(max_examples=40, deadline=None)
@given(arrays(bool, st.tuples(st.just(3), st.integers(2, 12), st.just(3))))
def test_alpha_by_class_equals_alpha_of_the_values(cube):
    read, present = cube[..., 0] | True, cube
    read[0] = cube[0, :, 2]
    found = alpha_of_classes(read, present, resamplings=20)
    for c, alpha in enumerate(found):
        values = np.where(read, present[..., c], NAN)
        assert alpha.value == pytest.approx(krippendorff_alpha(values), nan_ok=True)
        assert alpha.differing == differing(read, present)[:, c].sum()


def test_the_interval_of_alpha_holds_the_truth_about_as_often_as_it_says():
    rng = np.random.default_rng(4)
    slip, share = 0.08, 0.3
    a = rng.random(200_000) < share
    two = np.stack([a ^ (rng.random(len(a)) < slip) for _ in range(2)])
    truth = krippendorff_alpha(two)
    inside = 0
    for k in range(100):
        part = two[:, 400 * k : 400 * (k + 1)]
        (alpha,) = alpha_of_classes(np.ones(part.shape, bool), part[..., None], seed=k)
        inside += alpha.low <= truth <= alpha.high
    assert 88 <= inside <= 100


def test_a_million_shots_are_no_trouble():
    rng = np.random.default_rng(0)
    present = rng.random((2, 1_000_000, 3)) < 0.1
    read = np.ones((2, 1_000_000), bool)
    # a loop over resamplings of shots would take minutes
    assert processor_s(lambda: alpha_of_classes(read, present), 1) < 3


def test_positive_agreement_is_the_share_of_a_class_that_is_confirmed():
    a = np.array([[1, 0], [1, 0], [0, 0], [1, 0]])
    b = np.array([[1, 0], [0, 0], [1, 0], [1, 0]])
    assert positive_agreement(a, b) == pytest.approx([4 / 6, NAN], nan_ok=True)


def test_the_majority_is_settled_only_where_no_class_is_tied():
    read = np.array([[1, 1, 1], [1, 1, 0], [1, 0, 0]], bool)
    present = np.zeros((3, 3, 2), bool)
    present[:2, 0, 0] = True  # two of three say yes
    present[0, 1, 1] = True  # one of two
    most, settled = majority(read, present)
    assert settled.tolist() == [True, False, False]
    assert most[0].tolist() == [True, False]
    assert differing(read, present)[:, 1].tolist() == [False, True, False]


def test_wilsons_interval_gives_the_published_example():
    # Newcombe (1998), Statistics in Medicine 17, table I: 81 of 263, and 0 of 20
    low, high = share_interval([81, 0, 0], [263, 20, 0])
    assert low == pytest.approx([0.2553, 0, 0], abs=5e-5)
    assert high == pytest.approx([0.3662, 0.1611, 1], abs=5e-5)
