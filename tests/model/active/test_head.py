"""The instant head: right, legal, calibrated, fast, the same every time."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest

from model.active import head, prior
from model.errors import InputError
from model.metrics.metrics import calibration_error, constant_prediction, f1_scores
from model.runs.prior import prior_of
from model.taxonomy import decoding
from model.taxonomy.taxonomy import Class, Rule, Taxonomy
from model.taxonomy.toml import load, shipped

HELIUM = load(shipped("helium"))
FREE = Taxonomy("free", [Class("A"), Class("B"), Class("C")], [])


def world(count: int, taxonomy: Taxonomy = HELIUM, width: int = 40, noise: float = 1.0, seed=3):
    """Embeddings that show their label sets through noise: (N, D), (N, C)."""
    random = np.random.default_rng(seed)
    sets = taxonomy.legal_sets
    sets = sets[(sets.sum(1) > 0) & (sets.sum(1) <= 3)]
    weights = random.dirichlet(np.full(len(sets), 0.2))
    labels = sets[random.choice(len(sets), count, p=weights)]
    places = random.normal(size=(len(taxonomy), width))
    x = labels @ places + noise * random.normal(size=(count, width))
    return x.astype(np.float32), labels


def likeliest(made: head.Head, x):
    """(N, C) the most likely legal sets, which are not the answer."""
    return decoding.most_likely_sets(made.logits(x), HELIUM.legal_sets)


def test_without_rules_the_head_is_l2_logistic_regression():
    from sklearn.linear_model import LogisticRegression

    random = np.random.default_rng(0)
    x = random.normal(size=(300, 4)).astype(np.float32)
    labels = (x @ random.normal(size=(4, 3)) + random.normal(size=(300, 3))) > 0
    space = head.Space(np.zeros(4, np.float32), np.eye(4, dtype=np.float32), x, 300)
    problem = head._Problem.of(x, labels, FREE, None, x)
    inner = problem.solve(3.0)
    for c in range(3):
        peer = LogisticRegression(C=1 / 3.0, tol=1e-8, max_iter=1000).fit(x, labels[:, c])
        # the peer leaves its intercept free, ours is bound by a weak prior
        np.testing.assert_allclose(inner[:4, c], peer.coef_[0], atol=0.02)
        np.testing.assert_allclose(inner[-1, c], peer.intercept_[0], atol=0.02)
    weight, bias = head._folded(inner, space, None)
    np.testing.assert_allclose(weight, inner[:4], atol=1e-6)
    np.testing.assert_allclose(bias, inner[-1], atol=1e-6)


def test_the_slope_is_that_of_the_cost():
    x, labels = world(30, width=5)
    problem = head._Problem.of(x, labels, HELIUM, None, x)
    random = np.random.default_rng(1)
    logits = random.normal(size=labels.shape).astype(np.float32)
    _, residual = problem._surprise(logits)
    chance = decoding.marginals(logits, HELIUM.legal_sets)
    np.testing.assert_allclose(residual, chance - labels, atol=1e-5)
    step = np.zeros_like(logits)
    step[3, 4] = 1e-2
    rise = problem._surprise(logits + step)[0] - problem._surprise(logits - step)[0]
    assert rise / 2e-2 == pytest.approx(residual[3, 4], abs=2e-3)


def test_probabilities_are_marginals_over_legal_sets_and_sets_are_legal():
    x, labels = world(400)
    made = head.fit(x[:200], labels[:200], HELIUM)
    p, likely = made.probabilities(x), made.decide(x)
    assert p.dtype == np.float32
    assert p.shape == likely.shape == labels.shape
    assert p.min() >= 0
    assert p.max() <= 1
    empty, round_ = HELIUM.index("Empty"), HELIUM.index("Round")
    assert (p[:, empty] + p[:, round_] <= 1 + 1e-5).all()
    assert not HELIUM.contradictions(likely).any()


def test_twenty_labels_already_say_something_and_more_say_more():
    x, labels = world(1500)
    truth, there = labels[700:], labels[700:].any(0)
    right = [
        f1_scores(head.fit(x[:n], labels[:n], HELIUM).decide(x[700:]), truth)[there].mean()
        for n in (20, 100, 600)
    ]
    blind = np.broadcast_to(constant_prediction(labels[:700]), truth.shape)
    assert right[0] > f1_scores(blind, truth)[there].mean()
    assert right[0] < right[1] < right[2]


def test_its_probabilities_mean_what_they_say():
    x, labels = world(2500, noise=2.5)
    made = head.fit(x[:500], labels[:500], HELIUM)
    assert calibration_error(made.probabilities(x[500:]), labels[500:]) < 0.02


def test_no_label_at_all_gives_the_prior_and_no_prior_says_nothing():
    x, labels = world(200)
    rich = head.fit(x, labels, HELIUM)
    before = prior.Prior(rich.weight.T.copy(), rich.bias, np.ones(11, bool))
    none = head.fit(x[:0], labels[:0], HELIUM, prior=before, space=head.space_of(x))
    np.testing.assert_allclose(none.logits(x), before.logits(x), atol=1e-3)
    blank = head.fit(x[:0], labels[:0], HELIUM)
    assert np.ptp(blank.logits(x), 0).max() == 0


def test_a_good_prior_helps_few_labels_and_a_wrong_one_is_given_up():
    x, labels = world(2400)
    rich = head.fit(x[:1000], labels[:1000], HELIUM)
    good = prior.Prior(rich.weight.T.copy(), rich.bias, np.ones(11, bool))
    wrong = prior.Prior(-good.weight, -good.bias, good.known)

    def right(labels_used: int, before: prior.Prior | None) -> float:
        rows = slice(1000, 1000 + labels_used)
        made = head.fit(x[rows], labels[rows], HELIUM, prior=before)
        return float((made.decide(x[2000:]) == labels[2000:]).mean())

    assert right(20, good) > right(20, None) + 0.01
    assert right(1000, wrong) > right(1000, None) - 0.01


def test_a_class_that_the_network_does_not_know_is_learned_from_its_labels(tmp_path):
    x, labels = world(600)
    rich = head.fit(x, labels, HELIUM)
    known = np.ones(11, bool)
    known[3] = False
    weight, bias = rich.weight.T.copy(), rich.bias.copy()
    weight[3], bias[3] = 0, 0
    made = head.fit(x, labels, HELIUM, prior=prior.Prior(weight, bias, known))
    assert ((made.probabilities(x)[:, 3] > 0.5) == labels[:, 3]).mean() > 0.95


def test_the_same_labels_give_the_same_head():
    x, labels = world(300)
    one, two = (head.fit(x, labels, HELIUM) for _ in range(2))
    np.testing.assert_array_equal(one.weight, two.weight)


def test_the_order_of_the_labels_changes_no_answer():
    x, labels = world(400, noise=1.5)
    space, order = head.space_of(x), np.random.default_rng(1).permutation(300)
    one = head.fit(x[:300], labels[:300], HELIUM, space=space)
    two = head.fit(x[order], labels[order], HELIUM, space=space)
    assert two.penalty == pytest.approx(one.penalty, rel=0.01)
    np.testing.assert_array_equal(one.decide(x), two.decide(x))


def test_one_label_more_moves_few_suggestions():
    """Where penalties are about as good as each other, luck must not choose one."""
    x, labels = world(1200, noise=2.5)
    space, rich = head.space_of(x), head.fit(x[200:], labels[200:], HELIUM)
    own = prior.Prior(rich.weight.T.copy(), rich.bias, np.ones(11, bool))
    made = [head.fit(x[:n], labels[:n], HELIUM, prior=own, space=space) for n in range(40, 70)]
    said = [each.decide(x) for each in made]
    assert np.mean([(a != b).any(1).mean() for a, b in pairwise(said)]) < 0.04
    assert all(0.5 < a.penalty / b.penalty < 2 for a, b in pairwise(made))


def test_labels_that_were_held_out_are_read_without_being_learnt():
    x, labels = world(1400, width=60, noise=3.0)
    x[5] = np.nan
    made = head.fit(x[:1200], labels[:1200], HELIUM)
    assert len(made.held) == len(made.held_logits) == 1000
    assert 5 not in made.held
    apart = (made.decided(decoding.marginals(made.held_logits, HELIUM.legal_sets)) != labels[
        made.held]).any(1).mean()  # fmt: skip
    unseen = (made.decide(x[1200:]) != labels[1200:]).any(1).mean()
    learnt = (made.decide(x[made.held]) != labels[made.held]).any(1).mean()
    assert learnt < apart
    assert unseen < apart + 0.03
    assert not len(head.fit(x[:19], labels[:19], HELIUM).held)


def test_labels_that_break_a_hard_rule_are_left_out():
    x, labels = world(300)
    bad = labels.copy()
    bad[:50, HELIUM.index("Empty")] = True
    bad[:50, HELIUM.index("Round")] = True
    made = head.fit(x, bad, HELIUM)
    assert made.shots == 250


def test_shots_without_an_embedding_are_left_out_and_stay_without_probability():
    x, labels = world(300)
    x = x.copy()
    x[::7] = np.nan
    made = head.fit(x, labels, HELIUM, space=head.space_of(x))
    assert made.shots == np.isfinite(x).all(1).sum()
    p = made.probabilities(x)
    assert np.isnan(p[::7]).all()
    assert np.isfinite(p[1::7]).all()


def test_many_classes_without_enumeration_still_answer_legally():
    from model.taxonomy.taxonomy import Rule

    classes = [Class(f"c{i}") for i in range(24)]
    rules = [Rule("never", "hard", ("c0",), ("c1",), "c0 never with c1")]
    many = Taxonomy("many", classes, rules)
    random = np.random.default_rng(0)
    x = random.normal(size=(200, 30)).astype(np.float32)
    labels = x[:, :24] > 0
    labels[labels[:, 0], 1] = False
    likely = head.fit(x, labels, many).decide(x)
    assert not many.contradictions(likely).any()
    assert (likely == labels).mean() > 0.85


def test_the_prior_is_read_from_a_run_folder_by_class_names(tmp_path):
    from dataclasses import replace

    from model.preprocessing.network_input import Preprocessing
    from model.runs import checkpoint
    from model.runs.recipes import named

    recipe = replace(named("quick"), size=64)
    about = checkpoint.Checkpoint(("bent", "Spiral", "Empty"), recipe, Preprocessing(64))
    network = checkpoint.build(about, "he")
    checkpoint.save(tmp_path, network, about)
    found = prior_of(tmp_path, HELIUM)
    assert found is not None
    assert {HELIUM.names[i] for i in np.flatnonzero(found.known)} == {"Bent", "Empty"}
    weight = network.head.linear.weight.detach().numpy()
    np.testing.assert_array_equal(found.weight[HELIUM.index("Bent")], weight[0])
    assert prior_of(tmp_path, FREE) is None
    with pytest.raises(InputError, match="holds no trained network"):
        prior_of(tmp_path / "nowhere", HELIUM)


def test_thresholds_have_the_largest_expected_f1():
    p = np.array([[0.9], [0.6], [0.3], [0.05]], np.float32)
    # naming 1, 2, 3, 4 of them: 2 * .9 / (1 + 1.85), 2 * 1.5 / (2 + 1.85), ...
    expected = [1.8 / 2.85, 3.0 / 3.85, 3.6 / 4.85, 3.7 / 5.85]
    assert decoding.best_for_f1(p)[0][0] == pytest.approx(max(expected) / 2, abs=1e-6)
    both = np.concatenate([p, [[0.9], [0.02], [0.01], [0.01]]], 1).astype(np.float32)
    worth = decoding.best_for_f1(both)[1]  # 1 / (2 named + 1.85) against 1 / (1 + 0.94)
    assert worth[1] / worth[0] == pytest.approx(3.85 / 1.94, abs=1e-5)


def test_the_answer_finds_more_of_a_rare_class_and_stays_legal():
    x, labels = world(3000, noise=3.0)
    made = head.fit(x[:400], labels[:400], HELIUM)
    answer, likely = made.decide(x[400:]), likeliest(made, x[400:])
    assert not HELIUM.contradictions(answer).any()
    truth = labels[400:]
    occurs = truth.any(0)
    assert f1_scores(answer, truth)[occurs].mean() > f1_scores(likely, truth)[occurs].mean()
    assert (likely == truth).all(1).mean() >= (answer == truth).all(1).mean()


def test_embeddings_that_say_nothing_leave_the_answer_near_the_commonest_set():
    """Rare classes of equal small chances everywhere must not gang up on the common ones."""
    sets = np.array([HELIUM.mask(s) for s in (
        ("Spherical/Oblate", "Round"), ("Prolate", "Streak", "Bent"), ("Prolate", "Bent"),
        ("Empty",),
    )])  # fmt: skip
    labels = sets[np.random.default_rng(4).choice(4, 1200, p=(0.88, 0.05, 0.04, 0.03))]
    x = np.random.default_rng(5).normal(size=(1200, 40)).astype(np.float32)
    made = head.fit(x[:300], labels[:300], HELIUM)
    truth = labels[300:]
    likely = (likeliest(made, x[300:]) == truth).mean()
    assert (made.decide(x[300:]) == truth).mean() > likely - 0.1


def experiment(seed=8, count=900):
    """A network that learnt all label sets alike, and shots of an experiment that it has not met:
    its embeddings are turned and moved, one set is much the commonest."""
    random = np.random.default_rng(seed)
    sets = np.array([HELIUM.mask(s) for s in (
        ("Spherical/Oblate", "Round"), ("Spherical/Oblate", "Elliptical"), ("Prolate", "Bent"),
        ("Empty",),
    )])  # fmt: skip
    share = np.array([0.88, 0.06, 0.03, 0.03])
    places = random.normal(size=(len(HELIUM), 12))

    def shots(weights, n):
        labels = sets[random.choice(4, n, p=weights)]
        return (labels @ places + 0.9 * random.normal(size=(n, 12))).astype(np.float32), labels

    x, labels = shots(np.full(4, 0.25), 3000)
    learnt = head.fit(x, labels, HELIUM)
    usual, _ = shots(share, 2000)
    expected = prior.Expected(
        HELIUM.names, usual.mean(0), np.cov(usual.T).astype(np.float32), sets,
        share.astype(np.float32), np.full(4, 0.25, np.float32),
    )  # fmt: skip
    own = prior.Prior(learnt.weight.T.copy(), learnt.bias, np.ones(11, bool))
    met, truth = shots(share, count)
    stretch = np.eye(12) + 0.25 * random.normal(size=(12, 12))
    return own, expected, (met @ stretch + random.normal(size=12)).astype(np.float32), truth


def test_a_shipped_network_is_adapted_to_an_experiment_without_any_label():
    own, expected, x, truth = experiment(seed=20)
    assert expected.among(HELIUM).likeness(own.logits(x)) > 0.99
    adapted = own.adapted(expected, x, HELIUM, head.legal_sets(HELIUM))
    right = []
    for known in (own, adapted):
        made = head.fit(x[:0], truth[:0], HELIUM, prior=known, space=head.space_of(x))
        right.append((made.decide(x) == truth).all(1).mean())
    assert 1 - right[1] < 0.5 * (1 - right[0])


@pytest.mark.parametrize("seed", [12, 17, 20])
def test_a_class_more_frequent_than_expected_is_not_turned_into_another(seed):
    own, expected, x, truth = experiment(seed)
    bent = HELIUM.names.index("Bent")
    more = np.random.default_rng(1).choice(np.flatnonzero(truth[:, bent]), 250)
    rows = np.concatenate([np.arange(len(x)), more])
    x, truth = x[rows], truth[rows]
    assert prior.ALIKE < expected.among(HELIUM).likeness(own.logits(x)) < prior.ALIGNED
    found = []
    for known in (own, own.adapted(expected, x, HELIUM, head.legal_sets(HELIUM))):
        made = head.fit(x[:0], truth[:0], HELIUM, prior=known, space=head.space_of(x))
        found.append(made.decide(x)[truth[:, bent]][:, bent].mean())
    assert found[1] > found[0] - 0.15


def test_of_few_shots_each_gets_the_same_labels_in_any_company():
    own, expected, x, truth = experiment()
    legal = head.legal_sets(HELIUM)

    def decided(some):
        known = own.adapted(expected, some, HELIUM, legal)
        made = head.fit(some[:0], truth[:0], HELIUM, prior=known, space=head.space_of(some))
        return made.decide(some)

    alone = np.concatenate([decided(x[i : i + 1]) for i in range(124)])
    for n in (5, prior.FEWEST - 1):
        parts = [decided(x[i : i + n]) for i in range(0, 120, n)]
        found = np.concatenate(parts)
        np.testing.assert_array_equal(found[:120], alone[:120])


def test_the_aligned_embeddings_have_the_mean_and_spread_that_were_expected():
    _, expected, x, _ = experiment(count=20_000)
    turn, shift = prior._alignment(expected, x)
    found = x @ turn + shift
    assert np.abs(found.mean(0) - expected.mean).max() < 0.1
    before = np.abs(np.cov(x.T) - expected.covariance).max()
    assert np.abs(np.cov(found.T) - expected.covariance).max() < 0.5 * before


def test_too_few_shots_adapt_nothing_and_shots_without_an_embedding_do_not_count():
    own, expected, x, _ = experiment()
    legal = head.legal_sets(HELIUM)
    assert own.adapted(expected, x[: prior.FEWEST - 1], HELIUM, legal) is own
    holes = np.insert(x, [0, 40, 900], np.nan, 0)
    found, whole = (own.adapted(expected, rows, HELIUM, legal) for rows in (holes, x))
    np.testing.assert_array_equal(found.weight, whole.weight)
    np.testing.assert_array_equal(found.bias, whole.bias)


def test_balanced_shots_leave_the_weights_and_say_how_frequent_label_sets_are():
    own, expected, x, truth = experiment(count=8000)
    rows = [np.flatnonzero((truth == kind).all(1))[:100] for kind in expected.sets]
    alike = x[np.concatenate(rows)]
    legal = head.legal_sets(HELIUM)
    found = own.adapted(expected, alike, HELIUM, legal)
    assert found.weight is own.weight
    assert found.bias is own.bias
    partly = own.adapted(replace(expected, balanced=0.5), alike, HELIUM, legal)
    usual = expected.among(HELIUM).likeness(own.logits(alike))
    assert 0 < usual < 0.25
    for kind, share, even in zip(expected.sets, expected.share, expected.even, strict=True):
        here = usual * share + (1 - usual) * even
        assert odds_of(found, legal, kind) == pytest.approx(np.log(here / even), abs=1e-5)
        learnt = (share + even) / 2
        assert odds_of(partly, legal, kind) == pytest.approx(np.log(here / learnt), abs=1e-5)
    assert own.adapted(expected, x[:400], HELIUM, legal).weight is not own.weight


def odds_of(made, legal, labels):
    """Of one label set."""
    return made.odds[(legal == labels).all(1)].item()


def test_odds_of_label_sets_go_by_class_names_and_doubt_what_never_occurred():
    _, expected, _, _ = experiment()
    fewer = Taxonomy("fewer", [Class("Round"), Class("New"), Class("Bent")], [])
    legal = np.array([[1, 0, 0], [0, 1, 0], [0, 0, 1], [1, 0, 1]], bool)
    odds = expected.among(fewer).odds(legal)
    assert odds[0] == pytest.approx(prior.BELIEVED * np.log(0.88 / 0.25))
    # neither of both: Elliptical or Empty
    assert odds[1] == pytest.approx(prior.BELIEVED * np.log(0.09 / 0.5))
    assert odds[3] == pytest.approx(prior.UNSEEN)


def test_the_slope_of_the_cost_knows_the_odds_of_label_sets():
    x, labels = world(30, width=5)
    odds = np.random.default_rng(2).normal(size=len(HELIUM.legal_sets)).astype(np.float32)
    nothing = np.zeros((11, 5), np.float32)
    known = prior.Prior(nothing, nothing[:, 0], np.ones(11, bool), odds)
    problem = head._Problem.of(x, labels, HELIUM, known, x)
    logits = np.random.default_rng(1).normal(size=labels.shape).astype(np.float32)
    _, residual = problem._surprise(logits)
    chance = decoding.marginals(logits, HELIUM.legal_sets, -odds)
    np.testing.assert_allclose(residual, chance - labels, atol=1e-5)


def test_the_slope_is_that_of_the_cost_with_undecided_classes_too():
    x, labels = world(30, width=5)
    random = np.random.default_rng(1)
    said = random.random(labels.shape) < 0.7
    for taxonomy in (HELIUM, Taxonomy("free", HELIUM.classes, [])):
        problem = head._Problem.of(x, labels & said, taxonomy, None, x, said)
        logits = random.normal(size=labels.shape).astype(np.float32)
        _, slope = problem._surprise(logits)
        for cell in ((0, 3), (7, 1), (20, 9)):
            step = np.zeros_like(logits)
            step[cell] = 0.01
            ends = [problem._surprise(logits + s * step)[0] for s in (1, -1)]
            assert (ends[0] - ends[1]) / 0.02 == pytest.approx(slope[cell], abs=0.01)


def test_a_class_that_is_undecided_on_most_shots_is_learnt_from_the_others():
    x, labels = world(500, noise=0.5)
    c = HELIUM.index("Newton Rings")
    known = np.ones_like(labels)
    known[:350, c] = False
    right, masked, taken = (
        head.fit(x, y, HELIUM, known=k).probabilities(x)[:, c]
        for y, k in ((labels, None), (labels & known, known), (labels & known, None))
    )
    hidden = ~known[:, c] & labels[:, c]
    assert right[hidden].mean() > 0.9
    assert masked[hidden].mean() > 0.8
    assert taken[hidden].mean() < 0.4, "the undecided were no negatives"


SPECIES = load(shipped("cxidb"))
NEW = 5


def late(shown: int, told: int, seed: int = 0):
    """Six species, of which each shot has one; the last came late, and labels say of it on `told`
    shots of its own alone: the taxonomy, embeddings (900, 12), truth (900, 6), decided (200, 6)."""
    names = [c.name for c in SPECIES.classes] + ["New"]
    rules = [replace(rule, left=tuple(names)) for rule in SPECIES.rules]
    taxonomy = Taxonomy("late", [Class(name) for name in names], rules)
    random = np.random.default_rng(seed)
    of = random.integers(0, 5, 900)
    of[:told] = of[300 : 300 + shown] = NEW
    places = 4 * random.normal(size=(6, 12))
    x = (places[of] + random.normal(size=(900, 12))).astype(np.float32)
    truth = np.eye(6, dtype=bool)[of]
    said = np.ones((200, 6), bool)
    said[told:, NEW] = False
    return taxonomy, x, truth, said


def test_where_only_a_class_that_is_not_learnt_fits_nothing_is_answered():
    taxonomy, x, truth, said = late(shown=100, told=15)
    made = head.fit(x[:200], truth[:200], taxonomy, known=said)
    p, decided, sure = made.judged(made.logits(x))
    assert made.learnt.tolist() == [True] * 5 + [False]
    assert not p[:, NEW].any()
    assert not decided[:, NEW].any()
    said_none = ~decided.any(1)
    assert said_none[300:400].mean() > 0.9, "these are of the new species"
    assert not sure[said_none].any()
    assert not taxonomy.contradictions(decided[~said_none]).any()
    sure_ones = sure > 0.8
    assert sure_ones.sum() > 500
    assert (decided[sure_ones] == truth[sure_ones]).all(1).mean() > 0.95
    np.testing.assert_array_equal(made.decide(x), decided)
    np.testing.assert_array_equal(made.probabilities(x), p)


def test_how_sure_an_answer_is_counts_all_that_a_class_that_is_not_learnt_may_be():
    """Whatever holds of it: the chances of both add up, and are those of the same answer."""
    names = ("Round", "Elliptical", "Crystal")
    one = Rule("one_of", "hard", names[:2], (), "")
    taxonomy = Taxonomy("three", [Class(name) for name in names], [one])
    random = np.random.default_rng(0)
    round_, new = np.arange(2000) % 2 == 0, random.random(2000) < 0.3
    places = random.normal(size=(2, 64))
    x = 0.3 * random.normal(size=(2000, 64)) + 4 * np.where(round_[:, None], places[0], -places[0])
    x = (x + 3 * np.where(new[:, None], places[1], -places[1])).astype(np.float32)
    truth = np.stack([round_, ~round_, new], 1)
    said = np.ones((310, 3), bool)
    said[:300, 2] = False
    made = head.fit(x[:310], truth[:310], taxonomy, known=said)
    logits = made.logits(x)
    _, decided, sure = made.judged(logits)
    assert made.learnt.tolist() == [True, True, False]
    chances = decoding.set_probabilities(logits, taxonomy.legal_sets)
    both = (taxonomy.legal_sets[:, :2] == decided[:, None, :2]).all(2)
    np.testing.assert_allclose(sure, (chances * both).sum(1), atol=1e-6)
    assert sure.min() > 0.9
    assert (decided[:, :2] == truth[:, :2]).all()
    every = replace(made, learnt=np.ones(3, bool))
    assert (every.judged(logits)[2] < sure).mean() > 0.9, "it is less sure of Crystal, too"


def test_without_rules_a_class_that_is_not_learnt_is_left_out():
    x, labels = world(300, FREE, width=8)
    said = np.ones_like(labels)
    said[5:, 2] = False
    made = head.fit(x, labels, FREE, known=said)
    p, decided, sure = made.judged(made.logits(x))
    assert not decided[:, 2].any()
    right = np.where(decided, p, 1 - p)[:, :2].prod(1)
    np.testing.assert_allclose(sure, right, rtol=1e-5)
