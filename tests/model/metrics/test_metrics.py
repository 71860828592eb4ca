"""Metrics against scikit-learn, plain loops and the paper's own numbers."""

from __future__ import annotations

import json

import numpy as np
import pytest
from sklearn import metrics as sk

from model.metrics import bootstrap, metrics
from model.metrics.thresholds import choose_thresholds, fit_temperature
from model.runs.promotion import OPEN, compare
from model.taxonomy import decoding
from model.taxonomy.decoding import sigmoid
from model.taxonomy.taxonomy import Taxonomy
from model.taxonomy.toml import load, shipped
from tests.helpers.data import needed

RNG = np.random.default_rng(0)
TRUE = RNG.random((300, 6)) < [0.9, 0.5, 0.3, 0.1, 0.05, 0.02]
LOGITS = (RNG.normal(size=TRUE.shape) + 2 * TRUE - 1).astype(np.float32)
P = sigmoid(LOGITS)
DECIDED = P >= 0.5


def test_the_numbers_are_those_of_scikit_learn():
    found = metrics.evaluate(P, TRUE, DECIDED)
    flat = TRUE.ravel(), DECIDED.ravel()
    assert found["accuracy"] == pytest.approx(sk.accuracy_score(*flat))
    assert found["precision"] == pytest.approx(sk.precision_score(*flat))
    assert found["recall"] == pytest.approx(sk.recall_score(*flat))
    assert found["macro_f1"] == pytest.approx(sk.f1_score(TRUE, DECIDED, average="macro"))
    assert found["macro_ap"] == pytest.approx(sk.average_precision_score(TRUE, P), rel=1e-5)
    assert found["exact_match"] == pytest.approx(sk.accuracy_score(TRUE, DECIDED))
    assert found["loss"] == pytest.approx(sk.log_loss(flat[0], P.ravel()), rel=1e-5)
    assert found["brier"] == pytest.approx(sk.brier_score_loss(flat[0], P.ravel()), rel=1e-5)


def test_the_calibration_error_is_the_gap_of_every_bin_by_the_share_of_answers_in_it():
    p, true = P.ravel().astype(float), TRUE.ravel()
    expected = 0.0
    for k in range(15):
        inside = (p >= k / 15) & (p < (k + 1) / 15)
        if inside.any():
            expected += inside.mean() * abs(true[inside].mean() - p[inside].mean())
    assert metrics.calibration_error(P, TRUE) == pytest.approx(expected, rel=1e-9)
    assert metrics.calibration_error(np.float32([[1.0, 0.0]]), np.array([[True, False]])) == 0


def test_classes_that_do_not_occur_do_not_count():
    true, decided = TRUE.copy(), DECIDED.copy()
    true[:, 5] = decided[:, 5] = False
    found = metrics.evaluate(P, true, decided, rare=np.array([0, 0, 0, 0, 1, 1], bool))
    each = sk.f1_score(true[:, :5], decided[:, :5], average=None)
    assert found["macro_f1"] == pytest.approx(each.mean())
    assert found["rare_f1"] == pytest.approx(each[4])
    table = metrics.per_class(P, true, decided, tuple("abcdef"))
    assert table["f"]["f1"] is None
    assert table["f"]["recall"] is None
    assert table["e"]["shots"] == int(true[:, 4].sum())


def test_nothing_to_judge_gives_no_numbers_and_no_error():
    empty = np.zeros((0, 3), bool)
    found = metrics.evaluate(empty.astype(np.float32), empty, empty)
    assert set(found.values()) <= {None, 0.0}
    json.dumps(found)


def test_the_constant_answer_on_the_real_labels_is_the_papers_baseline():
    with np.load(needed("cxidb94_labels.npz")) as file:
        matrix = next(v for k, v in file.items() if v.ndim == 2 and v.shape[1] == 11)
    true = matrix.astype(bool)
    guess = np.broadcast_to(metrics.constant_prediction(true), true.shape)
    found = metrics.micro(guess, true)
    assert found["accuracy"] == pytest.approx(0.933, abs=1e-3)
    assert found["precision"] == pytest.approx(0.852, abs=1e-3)
    assert found["recall"] == pytest.approx(0.795, abs=1e-3)


def test_broken_rules_are_counted_rule_by_rule():
    taxonomy = load(shipped())
    decided = np.zeros((4, len(taxonomy)), bool)
    decided[0, [taxonomy.index("Spherical/Oblate"), taxonomy.index("Prolate")]] = True
    shares = metrics.broken_rules(decided, taxonomy)
    assert list(shares) == [r.text for r in taxonomy.rules]
    assert 0.25 in shares.values()
    found = metrics.evaluate(decided.astype(np.float32), decided, decided, taxonomy=taxonomy)
    assert found["contradiction_rate"] == 0.25


def test_thresholds_find_the_best_f1_and_stay_at_half_without_shots():
    rng = np.random.default_rng(5)
    true = rng.random((2000, 2)) < 0.3
    shifted = sigmoid(rng.normal(size=true.shape) + 4 * true - 3)  # best near logit -1
    found = choose_thresholds(shifted, true, np.full(2, 0.5))
    assert (found < 0.45).all()
    for c in range(2):
        mine = sk.f1_score(true[:, c], shifted[:, c] >= found[c])
        assert mine >= sk.f1_score(true[:, c], shifted[:, c] >= 0.5)
    kept = np.array([0.5, 0.25], np.float32)
    assert (choose_thresholds(shifted[:20], true[:20], kept) == kept).all()


def test_temperature_scaling_recovers_the_temperature():
    rng = np.random.default_rng(6)
    logits = rng.normal(size=(4000, 3)) * 2
    true = rng.random(logits.shape) < sigmoid(logits)
    assert fit_temperature((logits * 2.5).astype(np.float32), true) == pytest.approx(2.5, rel=0.1)


def test_a_run_is_promoted_if_it_scores_no_lower_and_is_not_significantly_worse():
    rng = np.random.default_rng(7)
    true = rng.random((200, 4)) < 0.3
    good = true ^ (rng.random(true.shape) < 0.05)
    alike = true ^ (rng.random(true.shape) < 0.05)
    bad = true ^ (rng.random(true.shape) < 0.4)
    rows = np.arange(200) + 1000
    back, forth = compare(good, alike, true, rows), compare(alike, good, true, rows)
    assert back.finding == forth.finding == OPEN
    assert [v.promote for v in (back, forth)] == [v.new >= v.old for v in (back, forth)]
    assert {back.promote, forth.promote} == {True, False}
    assert compare(good, good, true, rows).promote
    assert compare(bad, good, true, rows).promote
    verdict = compare(good, bad, true, rows)
    assert not verdict.promote
    assert verdict.high < 0
    lost = (good == true).all(1) & ~(bad == true).all(1)
    assert verdict.worse == rows[lost].tolist()
    json.dumps(verdict.to_dict())
    macro = {c.index: (c.old, c.new) for c in verdict.classes}
    assert verdict.old == pytest.approx(np.mean([old for old, _ in macro.values()]))
    for change in verdict.classes:
        assert change.low <= change.new - change.old <= change.high < 0


def test_the_interval_of_a_share_is_that_of_the_binomial():
    n, share = 400, 0.8  # where everything is found, F1 follows from the right ones alone
    labels = np.ones((n, 1), bool)
    decided = np.zeros((n, 1), bool)
    decided[: int(n * share)] = True
    _, ((low, high),) = bootstrap.intervals_of(decided, labels)
    recall = np.array([share - 1.96 * 0.02, share + 1.96 * 0.02])  # sqrt(.8 · .2 / 400) = .02
    assert (low, high) == pytest.approx(tuple(2 * recall / (1 + recall)), abs=0.01)


def test_a_difference_that_may_be_chance_is_called_not_significant():
    rng = np.random.default_rng(2)
    true = rng.random((20, 2)) < 0.5
    old, new = (true ^ (rng.random(true.shape) < wrong) for wrong in (0.25, 0.3))
    verdict = compare(old, new, true, np.arange(20))
    assert verdict.new < verdict.old
    assert verdict.low < 0 < verdict.high
    assert "difference not significant (20 evaluation shots, 95 %: -" in verdict.text
    assert "not worse" not in verdict.text
    assert not verdict.promote
    assert verdict.against == "it scores lower"
    assert "decide" not in verdict.text, "it also stands where any two runs are compared"


@pytest.mark.parametrize("n", [1, 5])
def test_from_a_handful_of_evaluation_shots_nothing_is_significant(n):
    true = np.ones((n, 1), bool)
    for old, new in ((true, ~true), (~true, true), (true, true)):
        verdict = compare(old, new, true, np.arange(n))
        assert not verdict.promote
        assert "too few to tell" in verdict.text
        assert verdict.against == f"only {n} shot{'s' * (n > 1)} judged"
        assert verdict.against_first == verdict.against
        assert f"{n} evaluation shot{'s' * (n > 1)}," in verdict.text
        assert verdict.to_dict()["difference_low"] is None


def test_one_shot_of_a_class_makes_it_neither_better_nor_worse():
    true = np.zeros((30, 2), bool)
    true[:, 0] = np.arange(30) % 2
    true[4, 1] = True
    without = true.copy()
    without[4, 1] = False
    change = compare(without, true, true, np.arange(30)).classes[1]
    assert (change.old, change.new) == (0.0, 1.0)
    assert np.isnan(change.low)


@pytest.mark.parametrize(("n", "right"), [(1, True), (1, False), (30, True)])
def test_no_interval_has_no_width(n, right):
    true = np.ones((n, 1), bool)
    macro, (each,) = bootstrap.intervals_of(true if right else ~true, true)
    assert macro == pytest.approx(each)
    assert each[1] - each[0] > (0.5 if n == 1 else 0.05)
    assert (each[1] == pytest.approx(1)) is right
    share = each[0] / (2 - each[0])  # Wilson: n / (n + z²) where all are right
    assert share == pytest.approx(n / (n + 1.959964**2) if right else 0)


def test_without_a_label_there_is_no_interval():
    nothing = np.zeros((3, 1), bool)
    macro, (each,) = bootstrap.intervals_of(nothing, nothing)
    assert np.isnan([*macro, *each]).all()
    assert bootstrap.in_words("F1", float("nan"), macro, 3) == "F1 –, 3 shots"


def test_a_score_is_said_with_its_shots_and_its_interval():
    assert bootstrap.in_words("F1", 0.54, (0.41, 0.66), 30) == "F1 0.54, 30 shots, 95 %: 0.41–0.66"
    assert bootstrap.in_words("F1", 1.0, None, 1) == "F1 1.00, 1 shot"


def test_draws_come_in_pieces_that_change_nothing(monkeypatch):
    whole = bootstrap.f1_draws((DECIDED,), TRUE, draws=50, seed=3)[0]
    monkeypatch.setattr(bootstrap, "_CELLS", 300 * 7)
    pieces = bootstrap.f1_draws((DECIDED,), TRUE, draws=50, seed=3)[0]
    np.testing.assert_array_equal(whole, pieces)
    assert whole.shape == (50, 6)
    assert bootstrap.f1_draws((DECIDED[:0],), TRUE[:0])[0].shape == (0, 6)


def test_the_answer_names_what_gains_most_and_stays_legal():
    legal = np.array([[1, 1, 0], [1, 0, 1], [0, 0, 0]], bool)
    p = np.array([[0.9, 0.5, 0.3], [0.1, 0.05, 0.05]], np.float32)
    limits = np.array([0.5, 0.4, 0.2], np.float32)
    alone = decoding.answers(p, limits)
    assert alone.tolist() == [[True, True, True], [False, False, False]]
    assert decoding.answers(p, limits, 1.0, legal)[0].tolist() in legal.tolist()
    rare = decoding.answers(p, limits, np.array([1, 1, 5], np.float32), legal)
    assert rare.tolist() == [[True, False, True], [False, False, False]]


def test_the_rare_classes_are_the_paper_s_seven_where_all_of_them_exist():
    from model.paper.reference import PER_CLASS

    names = tuple(PER_CLASS)
    seldom = metrics.rare(Taxonomy.of_names(names), np.ones((4, len(names)), bool))
    scores = [
        2 * v["precision"] * v["recall"] / (v["precision"] + v["recall"])
        for v, r in zip(PER_CLASS.values(), seldom, strict=True) if r
    ]  # fmt: skip
    assert (len(scores), np.mean(scores)) == (7, pytest.approx(0.629, abs=5e-4))
    renamed = Taxonomy.of_names(["Streifen", *names], ["Streak", *[""] * len(names)])
    fresh = names.index("Streak") + 1
    again = metrics.rare(renamed, np.ones((4, len(renamed)), bool))
    assert again.tolist() == [True, *np.where(np.arange(1, len(renamed)) == fresh, False, seldom)]


def test_other_classes_are_rare_where_few_shots_show_them():
    labels = np.zeros((100, 3), bool)
    labels[:50, 0] = labels[:4, 1] = True
    assert metrics.rare(Taxonomy.of_names(["one", "two", "never"]), labels).tolist() == [
        False,
        True,
        False,
    ]


def test_a_shot_is_left_out_for_the_classes_that_are_undecided_on_it():
    rng = np.random.default_rng(5)
    labels, decided = rng.random((2, 60, 3)) < 0.4
    probabilities = np.where(decided, 0.9, 0.2).astype(np.float32)
    known = np.ones_like(labels)
    known[:40, 2] = False
    found = metrics.evaluate(probabilities, labels & known, decided, known=known)
    each = metrics.per_class(probabilities, labels & known, decided, ("a", "b", "c"), known)
    alone = metrics.per_class(
        probabilities[40:, 2:], labels[40:, 2:], decided[40:, 2:], ("c",)
    )  # as if the others were never labelled
    assert each["c"] == alone["c"]
    assert found["accuracy"] == pytest.approx((decided == labels)[known].mean())
    assert found["macro_f1"] == pytest.approx(np.mean([each[n]["f1"] for n in "abc"]))
    assert found["exact_match"] == pytest.approx(((decided == labels) | ~known).all(1).mean())
    _, intervals = bootstrap.intervals_of(decided, labels & known, known)
    _, apart = bootstrap.intervals_of(decided[40:, 2:], labels[40:, 2:])
    assert intervals[2] == pytest.approx(apart[0], abs=0.05)


def test_thresholds_are_chosen_on_the_decided_labels():
    rng = np.random.default_rng(6)
    labels = rng.random((400, 1)) < 0.5
    probabilities = np.where(labels, 0.45, 0.15).astype(np.float32)
    known = rng.random((400, 1)) < 0.4
    half = np.full(1, 0.5, np.float32)
    (found,) = choose_thresholds(probabilities, labels & known, half, known)
    assert 0.15 < found <= 0.45


def test_the_area_under_roc_counts_pairs_in_the_right_order_and_ties_half():
    scores, positive = np.array([3.0, 1.0, 2.0, 1.0]), np.array([True, True, False, False])
    assert metrics.area_under_roc(scores, positive) == (1 + 1 + 0 + 0.5) / 4
