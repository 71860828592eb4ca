"""Strategies and the audit: what is asked, why, and that nothing is asked twice."""

from __future__ import annotations

from typing import get_args

import numpy as np
import pytest

from model.active import audit, selection
from model.active.selection import STRATEGIES, ask
from model.errors import InputError
from model.taxonomy.taxonomy import TWO_SIDED, Class, Kind, Rule, Taxonomy
from model.taxonomy.toml import load, shipped

HELIUM = load(shipped("helium"))
N = 300


@pytest.fixture(scope="module")
def pool():
    """(probabilities, embeddings, labelled, labels) of 300 shots, a third of them labelled."""
    random = np.random.default_rng(0)
    sets = HELIUM.legal_sets
    labels = sets[random.integers(0, len(sets), N)]
    p = np.clip(np.where(labels, 0.8, 0.1) + random.normal(0, 0.1, labels.shape), 0, 1)
    x = random.normal(size=(N, 12)).astype(np.float32)
    return p.astype(np.float32), x, random.random(N) < 0.33, labels


@pytest.mark.parametrize("name", STRATEGIES)
@pytest.mark.parametrize("n", [1, 20, N])
def test_every_strategy_asks_unlabelled_shots_once_and_says_why(pool, name, n):
    p, x, labelled, labels = pool
    made = ask(name, p, x, labelled, labels, HELIUM, n, seed=1)
    open_ones = int((~labelled).sum())
    assert len(made.rows) == len(made.reasons) == len(made.audit) == min(n, open_ones)
    assert len(set(made.rows.tolist())) == len(made.rows)
    assert not labelled[made.rows].any()
    assert all(made.reasons)
    again = ask(name, p, x, labelled, labels, HELIUM, n, seed=1)
    np.testing.assert_array_equal(made.rows, again.rows)
    assert made.reasons == again.reasons


@pytest.mark.parametrize("name", STRATEGIES)
def test_every_strategy_starts_without_any_label(pool, name):
    p, x, _, labels = pool
    made = ask(name, p, x, np.zeros(N, bool), labels, HELIUM, 10)
    assert len(made.rows) == 10


@pytest.mark.parametrize("name", STRATEGIES)
def test_shots_that_cannot_be_read_are_never_asked_for(pool, name):
    p, x, labelled, labels = pool
    p = p.copy()
    p[::2] = np.nan
    made = ask(name, p, x, labelled, labels, HELIUM, N)
    assert (made.rows % 2 == 1).all()


def test_an_unknown_strategy_is_refused_with_the_known_ones(pool):
    with pytest.raises(InputError, match="There are: asked, random"):
        ask("guess", *pool, HELIUM, 3)


def test_margin_asks_for_the_class_nearest_to_one_half(pool):
    p, x, labelled, labels = pool
    p = np.where(p > 0.5, 0.95, 0.05).astype(np.float32)
    row = int(np.flatnonzero(~labelled)[7])
    p[row, HELIUM.index("Bent")] = 0.52
    made = ask("margin", p, x, labelled, labels, HELIUM, 1, audit=0)
    assert made.rows.tolist() == [row]
    assert made.reasons == ("least sure of Bent",)


def test_entropy_names_the_two_readings_between_which_it_cannot_choose(pool):
    p, x, labelled, labels = pool
    p = np.full_like(p, 0.001)
    row = int(np.flatnonzero(~labelled)[3])
    p[row, [HELIUM.index("Spherical/Oblate")]] = 0.999
    p[row, HELIUM.index("Round")], p[row, HELIUM.index("Elliptical")] = 0.6, 0.58
    made = ask("entropy", p, x, labelled, labels, HELIUM, 1, audit=0)
    assert made.rows.tolist() == [row]
    assert made.reasons == ("Round or Elliptical?",)


@pytest.mark.parametrize("kind", get_args(Kind))
def test_contradiction_asks_for_the_shots_that_are_likeliest_to_break_the_rule(kind):
    right = ("C", "D") if kind in TWO_SIDED else ()
    classes = [Class(name) for name in "ABCDE"]
    taxonomy = Taxonomy("one rule", classes, [Rule(kind, "hard", ("A", "B"), right, "broken")])
    p = np.random.default_rng(3).uniform(0.05, 0.95, (40, 5)).astype(np.float32)
    p[0] = (1, 0.02, 0.03, 0.04, 0.05)  # as sure as a number can say
    every = taxonomy.unpack(np.arange(2**5))
    breaking = every[taxonomy.contradictions(every)]
    chance = np.where(breaking, p[:, None], 1 - p[:, None]).prod(-1).sum(-1)
    nothing = np.zeros((40, 5), bool)
    x, none = np.ones((40, 2), np.float32), np.zeros(40, bool)
    made = ask("contradiction", p, x, none, nothing, taxonomy, 40, audit=0)
    np.testing.assert_array_equal(made.rows, np.argsort(-chance))


def test_contradiction_names_the_rule(pool):
    p, x, labelled, labels = pool
    p = np.full_like(p, 0.01)
    row = int(np.flatnonzero(~labelled)[5])
    p[row, [HELIUM.index("Spherical/Oblate"), HELIUM.index("Round")]] = 0.95
    p[row, HELIUM.index("Elliptical")] = 0.7
    made = ask("contradiction", p, x, labelled, labels, HELIUM, 1, audit=0)
    assert made.rows.tolist() == [row]
    assert "Round" in made.reasons[0]
    assert "Elliptical" in made.reasons[0]


def test_rare_asks_for_the_class_with_the_fewest_labels(pool):
    p, x, labelled, labels = pool
    labels = labels.copy()
    layered = HELIUM.index("Layered")
    labels[:, layered] = False
    p = np.full_like(p, 0.01)
    row = int(np.flatnonzero(~labelled)[9])
    p[row, layered] = 0.3
    made = ask("rare", p, x, labelled, labels, HELIUM, 1, audit=0)
    assert made.rows.tolist() == [row]
    assert made.reasons[0].startswith("may show Layered")


def test_diverse_asks_for_the_shot_that_is_far_from_all_labelled_ones(pool):
    p, _, labelled, labels = pool
    random = np.random.default_rng(2)
    x = np.zeros((N, 6), np.float32)
    x[:, 0] = 1
    x += random.normal(0, 0.01, x.shape).astype(np.float32)
    row = int(np.flatnonzero(~labelled)[11])
    x[row] = [-1, 0, 3, 0, 0, 0]
    made = ask("diverse", p, x, labelled, labels, HELIUM, 2, audit=0)
    assert row in made.rows


@pytest.mark.parametrize("name", ["asked", "badge"])
def test_a_batch_does_not_ask_for_the_same_thing_twice(pool, name):
    p, x, labelled, labels = pool
    open_ones = np.flatnonzero(~labelled)
    p = np.where(p > 0.5, 0.97, 0.03).astype(np.float32)
    x = x.copy()
    twins = open_ones[:5]
    x[twins] = np.eye(12)[0] * 30 - x.mean(0)
    p[twins, HELIUM.index("Bent")] = 0.5
    made = ask(name, p, x, labelled, labels, HELIUM, 5, audit=0)
    assert len(set(made.rows.tolist()) & set(twins.tolist())) == 1


def test_one_label_in_ten_is_a_random_check(pool):
    p, x, _, labels = pool
    labelled = np.zeros(N, bool)
    checks = 0
    for _ in range(20):
        made = ask("margin", p, x, labelled, labels, HELIUM, 5, seed=4)
        labelled[made.rows] = True
        checks += int(made.audit.sum())
        assert {r for r, a in zip(made.reasons, made.audit, strict=True) if a} <= {
            selection.AUDIT_REASON
        }
    assert checks == 10


def test_the_audit_is_unbiased_and_covers_though_labels_are_hand_picked():
    """The strategy takes class 0 first; the audit's intervals still hold the truth."""
    random = np.random.default_rng(8)
    covered, estimates, naive = [], [], []
    for trial in range(150):
        truth = random.random((800, 2)) < [0.15, 0.03]
        p = np.where(truth, 0.6, 0.2).astype(np.float32)
        labelled = np.zeros(800, bool)
        for _ in range(6):
            hand = np.flatnonzero(~labelled)[np.argsort(-p[~labelled, 0])][:36]
            labelled[hand] = True
            labelled[audit.upcoming(labelled, np.ones(800, bool), trial, 14)] = True
        found = audit.fractions(truth, labelled, ("a", "b"), trial)
        share = truth.mean(0)
        covered.append([f.low <= s <= f.high for f, s in zip(found, share, strict=True)])
        estimates.append([f.share - s for f, s in zip(found, share, strict=True)])
        naive.append(truth[labelled, 0].mean() - share[0])
        assert found[0].shots >= 84
    assert (np.mean(covered, 0) >= 0.93).all()
    assert np.abs(np.mean(estimates, 0)).max() < 0.01
    assert np.mean(naive) > 0.1


def test_the_interval_is_clopper_and_pearsons_and_closes_when_all_is_audited():
    from scipy.stats import binomtest

    peer = binomtest(7, 50).proportion_ci(0.95, "exact")
    assert audit.interval(7, 50, 10**9) == pytest.approx((peer.low, peer.high), abs=1e-6)
    assert audit.interval(7, 50, 50) == (0.14, 0.14)
    assert audit.interval(0, 0, 50) == (0.0, 1.0)
    low, high = audit.interval(7, 50, 60)
    assert peer.low < low < 0.14 < high < peer.high


def test_shots_without_prediction_do_not_stop_the_audit():
    askable = np.ones(40, bool)
    askable[::2] = False
    labelled = askable.copy()
    found = audit.fractions(np.ones((40, 1), bool), labelled, ("a",), 0, askable=askable)
    assert (found[0].shots, found[0].low, found[0].high) == (20, 1.0, 1.0)
