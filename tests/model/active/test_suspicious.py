"""Suspicious labels are found, named in words, and counted against planted errors."""

from __future__ import annotations

import sys

import numpy as np
import pytest

from model.active import head, suspicious
from model.active.prior import Prior
from model.errors import InputError
from model.taxonomy.toml import load, shipped

HELIUM = load(shipped("helium"))
SETS = (("Spherical/Oblate", "Round"), ("Prolate", "Streak"), ("Prolate", "Bent"), ("Empty",))


def world(n=240, seed=0):
    """Embeddings in four clouds, and the labels of each."""
    pytest.importorskip("cleanlab", reason="cleanlab is not installed")
    random = np.random.default_rng(seed)
    kind = np.arange(n) % len(SETS)
    centres = random.normal(0, 1, (len(SETS), 24))
    labels = np.stack([HELIUM.mask(SETS[k]) for k in kind])
    return (centres[kind] + random.normal(0, 0.35, (n, 24))).astype(np.float32), labels


def test_a_wrong_label_is_found_first_with_the_reason_and_a_suggestion():
    x, y = world()
    y[8] = HELIUM.mask(SETS[2])  # it lies among the round ones
    found = suspicious.find(x, y, HELIUM)
    assert found.rows[0] == 8
    assert found.quality[0] < 0.1
    text = found.reasons[0]
    assert text.startswith("labelled Bent: its 8 nearest are all Round; cross-validated p = ")
    assert HELIUM.names[found.kind[0]] == "Bent"
    np.testing.assert_array_equal(found.suggested[0], HELIUM.mask(SETS[0]))


def test_a_forgotten_class_is_said_to_be_lacking():
    x, y = world()
    y[5, HELIUM.index("Streak")] = False
    found = suspicious.find(x, y, HELIUM)
    assert found.rows[0] == 5
    assert found.reasons[0].startswith(
        "lacks Streak: its 8 nearest are all Streak; cross-validated p = 1.00"
    )


def test_a_class_of_which_two_fifths_of_the_labels_are_wrong_is_named():
    x, y = world()
    bent, wrong = HELIUM.index("Bent"), y.copy()
    for kind in SETS[0], SETS[1]:
        rows = np.flatnonzero(y[:, HELIUM.index(kind[-1])])[:20]
        wrong[rows] = HELIUM.mask(SETS[2])
    clean = suspicious.often_doubted(suspicious.find(x, y, HELIUM), y)
    (found,) = suspicious.often_doubted(suspicious.find(x, wrong, HELIUM), wrong)
    assert clean == ()
    assert found[0] == bent
    assert found[2] == 100
    assert found[1] >= 24  # of 40


def test_labels_that_lack_are_doubted_as_those_that_are_given_and_chance_names_no_class_first():
    y = np.zeros((100, len(HELIUM)), bool)
    streak, bent = HELIUM.index("Streak"), HELIUM.index("Bent")
    y[:40, streak] = y[50:60, bent] = True
    rows = np.array([*range(60, 80), *range(50, 55)])  # twenty lack Streak, five are no Bent
    kind = np.array([streak] * 20 + [bent] * 5)
    found = suspicious.Suspects(rows, np.zeros(25, np.float32), kind, y[rows], ("",) * 25)
    assert suspicious.often_doubted(found, y) == ((bent, 5, 10), (streak, 20, 60))
    found = suspicious.Suspects(rows[:22], np.zeros(22, np.float32), kind[:22], y[rows], ())
    assert suspicious.often_doubted(found, y) == ((streak, 20, 60),)
    assert suspicious.often_doubted(found, y, surely=True) == ((streak, 20, 60),)
    y[:40, bent] = True  # then five of twenty or more may be chance
    found = suspicious.Suspects(rows[20:], np.zeros(5, np.float32), kind[20:], y[rows], ())
    assert not suspicious.often_doubted(found, y, surely=True)


def test_what_the_network_knows_speaks_for_labels_that_are_lost():
    x, y = world()
    streak, wrong = HELIUM.index("Streak"), y.copy()
    lost = np.flatnonzero(y[:, streak])[::2]
    wrong[lost, streak] = False
    learnt = head.fit(x, y, HELIUM)
    prior = Prior(learnt.weight.T.copy(), learnt.bias, np.ones(len(HELIUM), bool))
    without, by_it = (
        suspicious.out_of_fold(x, wrong, HELIUM, prior=known)[0][lost, streak].mean()
        for known in (None, prior)
    )
    assert by_it > without + 0.02


def test_planted_errors_are_legal_different_and_where_it_is_said():
    _, y = world()
    wrong, rows = suspicious.plant(y, HELIUM, 0.05, seed=3)
    assert len(rows) == 12
    changed = np.flatnonzero((wrong != y).any(1))
    np.testing.assert_array_equal(changed, rows)
    assert not HELIUM.contradictions(wrong).any()


def test_errors_are_planted_on_decided_classes_alone_and_always_end():
    _, y = world()
    known = np.zeros_like(y)
    empty, streak = HELIUM.index("Empty"), HELIUM.index("Streak")
    known[:200, empty] = True  # of these all but every fourth agree; of the others nobody knows
    known[:100, streak] = True
    wrong, rows = suspicious.plant(y, HELIUM, 0.2, seed=3, known=known)
    assert rows.max() < 200
    np.testing.assert_array_equal(np.flatnonzero(((wrong != y) & known).any(1)), rows)
    lonely = np.zeros_like(y)
    lonely[:, HELIUM.index("Layered")] = True  # which no shot shows: only a slip can be planted
    wrong, rows = suspicious.plant(y, HELIUM, 0.2, seed=3, known=lonely)
    assert wrong[rows, HELIUM.index("Layered")].all()


def test_where_all_labels_are_the_same_or_there_are_none_nothing_is_planted():
    x, y = world()
    same = np.repeat(y[:1], len(y), 0)
    with pytest.raises(InputError, match=r"all 240 labelled shots have the same classes"):
        suspicious.measure(x, same, HELIUM, 0.05, seed=0)
    with pytest.raises(InputError, match="Label at least 60"):
        suspicious.measure(x[:0], y[:0], HELIUM, 0.05, seed=0)


def test_an_undecided_class_counts_in_no_planted_error():
    x, y = world()
    known = np.ones_like(y)
    known[np.flatnonzero(y[:, HELIUM.index("Streak")])[:6], HELIUM.index("Streak")] = False
    counted = suspicious.measure(x, y & known, HELIUM, 0.03, seed=1, known=known)
    as_absent = suspicious.measure(x, y & known, HELIUM, 0.03, seed=1)
    assert counted["precision"] >= 0.6
    assert as_absent["flags"] > counted["flags"]


def test_the_precision_of_the_first_flags_is_measured():
    x, y = world()
    found = suspicious.measure(x, y, HELIUM, 0.03, seed=1)
    assert found["planted"] == 7
    assert found["precision"] >= 0.6
    assert found["flags_for_half"] == round(4 / found["precision"])


def test_few_labels_and_a_missing_package_are_said(monkeypatch):
    x, y = world()
    with pytest.raises(InputError, match="Label at least 60"):
        suspicious.find(x[:20], y[:20], HELIUM)
    monkeypatch.setitem(sys.modules, "cleanlab.multilabel_classification.filter", None)
    with pytest.raises(InputError, match=r"install cleanlab$"):
        suspicious.find(x, y, HELIUM)


def test_a_class_that_is_undecided_on_a_shot_is_not_said_to_be_lacking():
    x, y = world()
    c = HELIUM.index("Streak")
    streaks = np.flatnonzero(y[:, c])
    known = np.ones_like(y)
    known[streaks[:6], c] = False
    found = suspicious.find(x, y & known, HELIUM, known=known)
    assert not np.isin(streaks[:6], found.rows).any()
    assert np.isin(streaks[:6], suspicious.find(x, y & known, HELIUM).rows).any()
