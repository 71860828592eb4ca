"""Eq. 6, Eq. 10 and the likelihood over legal label sets, against independent formulas."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from model.metrics.thresholds import fit_temperature
from model.networks import architectures as networks
from model.runs.checkpoint import Checkpoint
from model.runs.recipes import named
from model.taxonomy import decoding
from model.taxonomy.toml import load, shipped
from model.training.losses import CrossEntropy, ElasticNet, LegalSetLikelihood, positive_weights

pytestmark = pytest.mark.usefixtures("narrow_network")

HELIUM = load(shipped())
LEGAL = HELIUM.legal_sets


def test_the_loss_is_equation_6():
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(7, 11)) * 5, rng.integers(0, 2, (7, 11))
    expected = np.mean(x - x * y + np.log(1 + np.exp(-x)))
    found = CrossEntropy(torch.ones(11))(torch.tensor(x), torch.tensor(y, dtype=torch.float64))
    assert found.item() == pytest.approx(expected, rel=1e-6)


def test_smoothed_labels_leave_half_of_it_on_either_side():
    x, y = torch.tensor([[2.0, -1.0]]), torch.tensor([[1.0, 0.0]])
    soft = torch.tensor([[0.95, 0.05]])
    expected = torch.nn.functional.binary_cross_entropy_with_logits(x, soft)
    torch.testing.assert_close(CrossEntropy(torch.ones(2), 0.1)(x, y), expected)


def brute_force(logits):
    """Probability of every legal set by adding exponentials, one set at a time."""
    weights = np.array([np.exp(sum(logits[c] for c in np.flatnonzero(s))) for s in LEGAL])
    return weights / weights.sum()


def test_the_rule_aware_loss_is_minus_the_log_of_the_sets_probability():
    rng = np.random.default_rng(1)
    logits, rows = rng.normal(size=(5, 11)), LEGAL[rng.integers(0, len(LEGAL), 5)]
    expected = [
        -np.log(brute_force(x)[(s == LEGAL).all(1)][0]) for x, s in zip(logits, rows, strict=True)
    ]
    loss = LegalSetLikelihood(torch.from_numpy(LEGAL), torch.ones(11))
    found = loss(torch.from_numpy(logits).float(), torch.from_numpy(rows).float())
    assert found.item() == pytest.approx(np.mean(expected) / 11, rel=1e-5)


@given(st.lists(st.floats(-30, 30), min_size=11, max_size=11))
@settings(max_examples=50)
def test_marginals_and_the_most_likely_set_agree_with_brute_force(values):
    logits = np.array(values)[None]
    p = brute_force(logits[0])
    np.testing.assert_allclose(decoding.marginals(logits, LEGAL)[0], p @ LEGAL, atol=1e-5)
    chosen = decoding.most_likely_sets(logits, LEGAL)[0]
    assert p[(chosen == LEGAL).all(1)][0] == pytest.approx(p.max(), rel=1e-3)
    assert not HELIUM.contradictions(chosen)


def test_without_rules_the_marginals_are_sigmoids():
    every = np.array(list(itertools.product([False, True], repeat=4)))
    logits = np.random.default_rng(0).normal(size=(6, 4)) * 3
    np.testing.assert_allclose(
        decoding.marginals(logits, every), decoding.sigmoid(logits), rtol=1e-4, atol=1e-6
    )


def test_sigmoids_do_not_overflow():
    found = decoding.sigmoid(np.array([-1e5, -800, 0, 800, 1e5]))
    np.testing.assert_allclose(found, [0, 0, 0.5, 1, 1])


def test_rare_classes_weigh_more_up_to_a_bound_and_absent_ones_do_not():
    labels = torch.zeros(100, 3)
    labels[:50, 0] = labels[:1, 1] = 1
    assert positive_weights(labels, 1.0).tolist() == pytest.approx([1.0, 20.0, 1.0])
    assert positive_weights(labels, 0.5)[1].item() == pytest.approx(99**0.5)
    assert positive_weights(labels, 0.0).tolist() == [1.0, 1.0, 1.0]


@pytest.mark.parametrize("mean", [False, True])
def test_the_penalty_and_its_gradient_are_equation_10_by_autograd(mean):
    network = networks.create("resnet18", classes=3)
    weights = list(network.parameters())
    if mean:
        weights = [m.weight for m in network.modules() if isinstance(m, torch.nn.Conv2d)]
        naive = sum(1e-3 * w.abs().sum() + 2e-3 * w.square().sum() / 2 for w in weights)
        naive = naive / len(weights)
    else:
        l1 = sum(w.abs().sum() for w in weights)
        naive = 1e-3 * l1 + 2e-3 * torch.cat([w.flatten() for w in weights]).norm()
    naive.backward()
    expected = [w.grad.clone() for w in weights]
    for w in network.parameters():
        w.grad = torch.full_like(w, 0.5)
    penalty = ElasticNet.of(network, 1e-3, 2e-3, mean)
    penalty.add_gradient()
    for w, gradient in zip(weights, expected, strict=True):
        torch.testing.assert_close(w.grad - 0.5, gradient, rtol=1e-4, atol=1e-6)
    assert penalty.value() == pytest.approx(naive.item(), rel=1e-4)


def test_class_weights_under_the_rules_favour_rare_answers_but_leave_the_chances_honest():
    """Shots that look alike: 70 are Round, 30 also show a rare class. A network can but say so."""
    alike = [HELIUM.mask(["Spherical/Oblate", "Round"])] * 70
    alike += [HELIUM.mask(["Spherical/Oblate", "Round", "Layered"])] * 30
    y = torch.from_numpy(np.array(alike))
    weights = torch.ones(11)
    weights[HELIUM.index("Layered")] = 4.5
    loss = LegalSetLikelihood(torch.from_numpy(LEGAL), weights)
    logits = torch.zeros(11, requires_grad=True)
    steps = torch.optim.LBFGS([logits], max_iter=200, line_search_fn="strong_wolfe")

    def closure():
        steps.zero_grad()
        value = loss(logits.expand(len(y), 11), y.float())
        value.backward()
        return value

    steps.step(closure)
    learnt = logits.detach().numpy()[None]
    about = Checkpoint(
        HELIUM.names, named("quick"), named("quick").preprocessing(),
        legal_sets=tuple(HELIUM.pack(LEGAL).tolist()), class_weights=tuple(weights.tolist()),
    )  # fmt: skip
    assert about.decide(learnt)[0, HELIUM.index("Layered")]
    np.testing.assert_allclose(about.probabilities(learnt)[0], np.mean(alike, 0), atol=0.01)


def test_the_temperature_is_found_beside_class_weights():
    rng = np.random.default_rng(3)
    logits = rng.normal(size=(4000, 11)) * 1.5
    raised = decoding.raised_by(np.linspace(1, 4, 11), LEGAL)
    chances = decoding.set_probabilities(logits, LEGAL, raised)
    rows = LEGAL[[rng.choice(len(LEGAL), p=p / p.sum()) for p in chances.astype(float)]]
    found = fit_temperature((2 * logits).astype(np.float32), rows, LEGAL, raised)
    assert found == pytest.approx(2, rel=0.1)


def test_an_undecided_class_counts_neither_for_nor_against():
    rng = np.random.default_rng(2)
    x, y = (
        torch.tensor(rng.normal(size=(6, 11))),
        torch.tensor(rng.integers(0, 2, (6, 11))).double(),
    )
    y[:4, 7] = torch.nan
    x.requires_grad_()
    loss = CrossEntropy(torch.ones(11))(x, y)
    loss.backward()
    assert (x.grad[:4, 7] == 0).all()
    assert (x.grad[4:, 7] != 0).all()
    cells = torch.nn.functional.binary_cross_entropy_with_logits(
        x.detach(), y.nan_to_num(), reduction="none"
    )
    cells[:4, 7] = 0  # every decided cell weighs what it did
    assert loss.item() == pytest.approx(cells.mean().item())


def test_under_rules_a_row_with_undecided_classes_is_as_likely_as_all_sets_that_it_may_be():
    rng = np.random.default_rng(3)
    logits, rows = rng.normal(size=(5, 11)), LEGAL[rng.integers(0, len(LEGAL), 5)]
    hidden = rng.random((5, 11)) < 0.4
    expected = [
        -np.log(brute_force(x)[((s == LEGAL) | h).all(1)].sum())
        for x, s, h in zip(logits, rows, hidden, strict=True)
    ]
    given = torch.from_numpy(np.where(hidden, np.nan, rows)).float()
    loss = LegalSetLikelihood(torch.from_numpy(LEGAL), torch.ones(11))
    found = loss(torch.from_numpy(logits).float(), given)
    assert found.item() == pytest.approx(np.mean(expected) / 11, rel=1e-5)


def test_undecided_shots_are_no_negatives_in_the_weight_of_a_class():
    labels = torch.tensor([[1.0, 1.0], [0.0, 0.0], [0.0, torch.nan], [0.0, torch.nan]])
    torch.testing.assert_close(positive_weights(labels, 1.0), torch.tensor([3.0, 1.0]))


def test_the_temperature_is_that_of_the_decided_labels():
    rng = np.random.default_rng(4)
    sets = LEGAL[rng.integers(0, len(LEGAL), 400)]
    logits = (6 * sets - 3 + rng.normal(size=sets.shape)).astype(np.float32)
    known = np.ones_like(sets)
    known[:, 7] = rng.random(400) < 0.3
    wrong = sets & known
    for legal in (None, LEGAL):
        right, masked, taken = (
            fit_temperature(logits, labels, legal, 0.0, k)
            for labels, k in ((sets, None), (wrong, known), (wrong, None))
        )
        assert masked == pytest.approx(right, rel=0.15)
        assert taken > 1.3 * right, "taking the undecided for absent blames the network"
