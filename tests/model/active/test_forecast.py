"""What the next labels would buy: the power law, its interval, its words."""

from __future__ import annotations

import numpy as np
import pytest

from model.active import forecast
from model.errors import InputError
from model.taxonomy.taxonomy import Class, Taxonomy

NAMES = ("Common", "Middling", "Seldom")
FREE = Taxonomy("free", [Class(name) for name in NAMES], [])


def world(count: int, noise: float = 1.2, seed: int = 0, shares=(0.5, 0.3, 0.15)):
    random = np.random.default_rng(seed)
    labels = random.random((count, 3)) < shares
    x = labels @ random.normal(size=(3, 24)) + noise * random.normal(size=(count, 24))
    return x.astype(np.float32), labels


def test_the_power_law_finds_a_planted_exponent():
    sizes, n = np.array([40.0, 80.0, 160.0, 320.0]), 4000
    miss = np.stack([0.9 * sizes**-0.4, 1.2 * sizes**-0.4, 0.7 * sizes**-0.4], 1)  # (S, K)
    total = np.full((n, 4, 3), 1.0)
    right = np.broadcast_to(1 - miss, total.shape)
    law = forecast._Law.of(sizes, right, total, np.ones(3, bool), 0)
    np.testing.assert_allclose(law.slope[0], 0.4, atol=1e-6)
    np.testing.assert_allclose(law.f1(1000)[0, 1], 1 - 1.2 * 1000**-0.4, atol=1e-6)


def test_more_labels_never_lower_the_curve_and_the_interval_holds_it():
    made = forecast.forecast(*world(250), FREE)
    values = [r.value for _, r in made.curve]
    assert values == sorted(values)
    assert all(r.low <= r.value <= r.high for _, r in made.curve)
    assert made.then.value == pytest.approx(made.now.value + made.gain.value)
    assert [c.name for c in made.classes] == list(NAMES)
    assert made.curve[-1][0] >= 4 * 250


def test_what_is_foreseen_comes_about():
    """Foreseen at 150 labels for 450, against a head with 450 labels, on shots of its own."""
    from model.active import head
    from model.metrics.metrics import f1_scores

    inside = []
    for seed in range(6):
        x, labels = world(2450, seed=seed)
        made = forecast.forecast(x[:150], labels[:150], FREE, more=300)
        truly = head.fit(x[:450], labels[:450], FREE).decide(x[450:])
        reached = f1_scores(truly, labels[450:]).mean()
        inside.append(made.then.low - 0.02 <= reached <= made.then.high + 0.02)
    assert sum(inside) >= 5


def test_a_hard_task_wants_more_labels_and_an_easy_one_says_stop():
    easy = forecast.forecast(*world(900, noise=0.3), FREE)
    hard = forecast.forecast(*world(150, noise=1.6), FREE)
    assert easy.stop
    assert "would change little for the instant model, a head on a frozen network" in easy.text
    assert not hard.stop
    assert "The next 100 labels would bring the instant model" in hard.text
    for made in (easy, hard):
        assert f"macro F1 of {made.now.value:.2f}" in made.text
        assert made.text.endswith("A retrained network may gain more.")
    assert hard.gain.value > easy.gain.value
    assert hard.enough_at is not None
    assert hard.enough_at > 150


def test_a_class_with_too_few_shots_is_named_and_nothing_is_claimed_of_it():
    x, labels = world(200, shares=(0.5, 0.3, 0.0))
    labels[:2, 2] = True
    made = forecast.forecast(x, labels, FREE)
    assert made.classes[2].now is made.classes[2].gain is None
    assert made.look_for == "Seldom"
    assert "Look for Seldom (2 labelled shots so far)" in made.text
    assert "for 2 of 3 classes" in made.text
    assert not made.stop


def test_the_class_to_look_for_is_the_one_that_gains_most():
    made = forecast.forecast(*world(300), FREE)
    gains = {c.name: c.gain.value for c in made.classes}
    assert made.look_for == max(gains, key=gains.get)


def test_few_labels_are_refused_with_what_to_do():
    with pytest.raises(InputError, match="Label at least 40 shots"):
        forecast.forecast(*world(39), FREE)


def test_the_same_labels_foresee_the_same():
    assert forecast.forecast(*world(120), FREE) == forecast.forecast(*world(120), FREE)


def test_shots_that_are_undecided_on_a_class_do_not_judge_it():
    x, labels = world(240)
    known = np.ones_like(labels)
    known[::2, 1] = False
    masked = forecast.forecast(x, labels & known, FREE, known=known)
    taken = forecast.forecast(x, labels & known, FREE)
    right = forecast.forecast(x, labels, FREE)
    now = [made.classes[1].now.value for made in (right, masked, taken)]
    assert now[1] == pytest.approx(now[0], abs=0.1)
    assert now[2] < now[1] - 0.15, "half of its shots would count as errors"


def test_the_constant_answer_does_not_hold_undecided_classes_for_absent():
    x, labels = world(240, shares=(0.7, 0.3, 0.15))
    whole = forecast.forecast(x, labels, FREE)
    known = np.ones_like(labels)
    known[::2, 0] = False
    masked = forecast.forecast(x, labels & known, FREE, known=known)
    assert whole.constant > 0.2
    assert masked.constant == pytest.approx(whole.constant, abs=0.03)
    assert forecast.forecast(x, labels & known, FREE).constant == 0
