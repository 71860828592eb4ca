"""Decoding under many legal label sets takes little memory and says the same shot by shot."""

from __future__ import annotations

import math
import tracemalloc

import numpy as np
import pytest

from model.taxonomy import decoding

CLASSES = 18
SETS = ((np.arange(2**17)[:, None] >> np.arange(CLASSES)) & 1).astype(bool)
LOGITS = np.random.default_rng(0).normal(size=(160, CLASSES))


@pytest.mark.parametrize(
    "decode", [decoding.marginals, decoding.most_likely_sets, decoding.log_normaliser]
)
def test_memory_does_not_grow_with_shots_times_sets(decode):
    tracemalloc.start()
    try:
        found = decode(LOGITS, SETS)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 150e6  # all of them at a time are 168 MB each time that they are written down
    alone = np.concatenate([decode(row[None], SETS) for row in LOGITS[:3]])
    np.testing.assert_allclose(found[:3], alone, rtol=1e-4)


# -- every function is its definition, written down the slow way -----------------------------------

FEW = np.array([[1, 0, 0], [1, 1, 0], [0, 0, 1], [0, 0, 0]], bool)
"""Four legal sets of three classes."""
RAISED = np.array([0.0, 1.5, 0.25, 0.0])
SHOTS = np.random.default_rng(1).normal(scale=3, size=(11, 3))


@pytest.fixture(params=[4096, 3], ids=["at once", "three shots at a time"])
def chunk(request, monkeypatch):
    """However many shots are decoded at a time, the answers are the same."""
    monkeypatch.setattr(decoding, "_CHUNK", request.param)


def weights_of_sets(logits, raised):
    """exp of the score of every set, one shot."""
    return [
        math.exp(sum(x for x, has in zip(logits, each, strict=True) if has) - more)
        for each, more in zip(FEW, raised, strict=True)
    ]


def test_a_sigmoid_is_equation_3_and_never_overflows():
    x = np.array([-2.0, -0.5, 0.0, 0.5, 2.0])
    found = decoding.sigmoid(x)
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, [1 / (1 + math.exp(-v)) for v in x], rtol=1e-6)
    with np.errstate(all="raise", under="ignore"):
        assert decoding.sigmoid([-1000.0, 1000.0]).tolist() == [0.0, 1.0]
    assert decoding.sigmoid(np.zeros((2, 3, 4))).shape == (2, 3, 4)


def test_a_set_is_raised_by_its_heaviest_class_and_never_lowered():
    found = decoding.raised_by([4.0, 9.0, 0.5], FEW)
    np.testing.assert_allclose(found, [math.log(4), math.log(9), 0, 0])


@pytest.mark.parametrize("raised", [0.0, RAISED], ids=["plain", "raised"])
def test_sets_have_the_softmax_of_their_sums_of_logits(chunk, raised):
    found = decoding.set_probabilities(SHOTS, FEW, raised)
    each = np.array([weights_of_sets(shot, np.broadcast_to(raised, 4)) for shot in SHOTS])
    wanted = each / each.sum(1, keepdims=True)
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, wanted, rtol=1e-5)
    np.testing.assert_allclose(decoding.marginals(SHOTS, FEW, raised), wanted @ FEW, rtol=1e-4)
    normal = decoding.log_normaliser(SHOTS, FEW, raised)
    np.testing.assert_allclose(normal, np.log(each.sum(1)), rtol=1e-9)
    with np.errstate(all="raise", under="ignore"):
        assert np.isfinite(decoding.set_probabilities(1000 * SHOTS, FEW, raised)).all()
        assert np.isfinite(decoding.log_normaliser(1000 * SHOTS, FEW, raised)).all()


def test_a_normaliser_of_some_sets_sums_over_these_alone(chunk):
    of = np.random.default_rng(2).random((len(SHOTS), 4)) < 0.5
    of[:, 0] = True
    each = np.array([weights_of_sets(shot, RAISED) for shot in SHOTS])
    found = decoding.log_normaliser(SHOTS, FEW, RAISED, of)
    np.testing.assert_allclose(found, np.log((each * of).sum(1)), rtol=1e-9)


def test_sets_agree_that_say_the_same_of_the_known_classes_or_all_where_none_does():
    labels = np.array([[1, 0, 0], [1, 0, 0], [0, 1, 1], [0, 0, 0]], bool)
    known = np.array([[1, 1, 1], [1, 0, 1], [1, 1, 1], [0, 0, 0]], bool)
    found = decoding.agreeing(labels, known, FEW)
    assert found.dtype == bool
    assert found.tolist() == [
        [True, False, False, False],
        [True, True, False, False],
        [True, True, True, True],  # no legal set has the second class and the third
        [True, True, True, True],
    ]


def test_the_likeliest_set_has_the_largest_sum_and_is_legal(chunk):
    found = decoding.most_likely_sets(SHOTS, FEW)
    wanted = [max(FEW, key=lambda each, shot=shot: shot[each].sum()) for shot in SHOTS]
    assert found.dtype == bool
    np.testing.assert_array_equal(found, wanted)


@pytest.mark.parametrize("decode", [decoding.marginals, decoding.most_likely_sets])
def test_no_shots_have_no_answers(decode):
    assert decode(np.zeros((0, 3)), FEW).shape == (0, 3)


def test_fewer_shots_are_decoded_at_a_time_under_more_sets_but_one_at_least():
    assert [decoding._at_once(n) for n in (0, 1, 1024, 2048, 2**22, 2**23)] == [
        4096, 4096, 4096, 2048, 1, 1,
    ]  # fmt: skip


def test_probabilities_are_sigmoids_without_rules_and_marginals_under_them():
    np.testing.assert_array_equal(decoding.probabilities(SHOTS), decoding.sigmoid(SHOTS))
    under = decoding.probabilities(SHOTS, FEW, RAISED)
    np.testing.assert_array_equal(under, decoding.marginals(SHOTS, FEW, RAISED))


def test_log_odds_are_those_of_the_probabilities_and_finite_where_these_are_0_or_1():
    np.testing.assert_array_equal(decoding.log_odds(SHOTS), SHOTS.astype(np.float32))
    p = decoding.probabilities(SHOTS, FEW, RAISED).astype(np.float64)
    found = decoding.log_odds(SHOTS, FEW, RAISED)
    np.testing.assert_allclose(found, np.log(p / (1 - p)), rtol=1e-3, atol=1e-4)
    sure = decoding.log_odds([[90.0, 0.0, 0.0]], FEW[:2])
    assert sure.tolist() == [[decoding.CERTAIN, 0.0, -decoding.CERTAIN]]


def test_a_class_is_named_from_its_threshold_on_and_a_legal_set_by_what_it_gains():
    p = np.array([[0.5, 0.25, 0.75], [0.49, 0.5, 0.9]], np.float32)
    found = decoding.answers(p, (0.5, 0.5, 0.8))
    assert found.tolist() == [[True, False, False], [False, True, True]]
    legal = decoding.answers(p, (0.5, 0.5, 0.8), (1.0, 1.0, 0.1), FEW)
    assert legal.tolist() == [[True, False, False], [False, False, True]]
    heavy = decoding.answers(p[:1], (0.4, 0.3, 0.8), (1.0, 3.0, 1.0), FEW)
    assert heavy.tolist() == [[True, False, False]]
    assert decoding.answers(p[1:], (0.4, 0.3, 0.8), (1.0, 3.0, 1.0), FEW).tolist() == [
        [True, True, False]
    ]


def test_thresholds_are_half_of_the_best_expected_f1_within_their_bounds():
    rng = np.random.default_rng(3)
    p = np.stack([rng.beta(2, 1, 50), rng.beta(1, 4, 50), 0.01 * rng.random(50), np.ones(50)], 1)
    p = p.astype(np.float32)
    thresholds, worth = decoding.best_for_f1(p)
    assert (thresholds.dtype, worth.dtype) == (np.float32, np.float32)
    sizes = []
    for c in range(4):
        down = sorted(p[:, c].astype(float), reverse=True)
        f1 = [2 * sum(down[:k]) / (k + sum(down)) for k in range(1, 51)]
        k = 1 + int(np.argmax(f1))
        sizes.append(k + sum(down))
        assert thresholds[c] == pytest.approx(min(max(max(f1) / 2, 0.1), 0.5), rel=1e-5)
    wanted = 1 / np.array(sizes)
    np.testing.assert_allclose(worth, wanted / wanted.mean(), rtol=1e-5)
    assert thresholds[2] == pytest.approx(0.1)
    assert thresholds[3] == pytest.approx(0.5)


def test_without_shots_every_class_has_the_usual_threshold_and_one_worth():
    thresholds, worth = decoding.best_for_f1(np.zeros((0, 3), np.float32))
    assert (thresholds.tolist(), worth.tolist()) == ([0.5] * 3, [1.0] * 3)
    assert (thresholds.dtype, worth.dtype) == (np.float32, np.float32)


def test_whole_numbers_and_lists_are_decoded_as_arrays_of_their_kind_are():
    logits, legal = [[3, -1, 2], [-2, 1, 5]], FEW.astype(int).tolist()
    x = np.array(logits, np.float64)
    for decode in (decoding.set_probabilities, decoding.log_normaliser, decoding.marginals,
                   decoding.most_likely_sets):  # fmt: skip
        found, wanted = decode(logits, legal), decode(x, FEW)
        assert (found.dtype, found.shape) == (wanted.dtype, wanted.shape)
        np.testing.assert_allclose(found, wanted, rtol=1e-6)
    plain = [math.log(sum(weights_of_sets(shot, np.zeros(4)))) for shot in logits]
    np.testing.assert_allclose(decoding.log_normaliser(logits, legal), plain, rtol=1e-12)
    fine = np.float32(logits) / 3
    assert decoding.log_normaliser(fine, legal).dtype == np.float64
    labels, known = [[1, 0, 0], [0, 0, 1]], [[1, 0, 1], [0, 1, 1]]
    found = decoding.agreeing(labels, known, legal)
    wanted = decoding.agreeing(np.array(labels, bool), np.array(known, bool), FEW)
    np.testing.assert_array_equal(found, wanted)
    gain = decoding.answers(np.float32([[0.3, 0.7, 0.1]]), [0, 1, 0], [1, 2, 1])
    assert gain.tolist() == [[True, False, True]]


def test_probabilities_lie_between_0_and_1_whatever_rounding_adds():
    many = np.random.default_rng(4).normal(scale=9, size=(2000, CLASSES)).astype(np.float32)
    sets = SETS[:: 2**7]
    p = decoding.marginals(many, sets)
    assert p.min() >= 0
    assert p.max() <= 1
    for decode, kind in ((decoding.marginals, np.float32), (decoding.most_likely_sets, bool)):
        assert decode(many[:0], sets).dtype == kind
