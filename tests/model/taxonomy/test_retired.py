"""Retired classes: no new network learns them, and runs of different classes can be compared."""

from dataclasses import replace

import numpy as np
import pytest

from model.runs.prediction_file import PredictionFile
from model.runs.promotion import compare_files
from model.shots.table import table_of_file
from model.taxonomy.taxonomy import Class, Rule, Taxonomy
from model.taxonomy.toml import load, shipped
from tests.helpers.shots import make_file

pytestmark = pytest.mark.usefixtures("narrow_network")

HELIUM = load(shipped("helium"))


def without(*names):
    """Helium with some classes retired."""
    classes = [replace(c, retired="2026-11-22") if c.name in names else c for c in HELIUM.classes]
    return Taxonomy(HELIUM.name, classes, HELIUM.rules)


def test_what_is_not_retired_keeps_its_rules_and_loses_those_that_say_nothing():
    assert HELIUM.offered is HELIUM
    left = without("Round", "Prolate").offered
    assert left.names == tuple(n for n in HELIUM.names if n not in ("Round", "Prolate"))
    named = {name for rule in left.rules for name in (*rule.left, *rule.right)}
    assert named <= set(left.names)
    assert not any(rule.kind == "one_of" and len(rule.left) < 2 for rule in left.rules)
    streak = left.classes[left.index("Streak")]
    assert streak.parent == ""
    assert left.legal_sets.shape[1] == len(left)
    empty = left.mask(["Empty", "Streak"])
    assert left.contradictions(empty[None]).all()


def test_no_rule_brings_a_retired_class_to_a_shot_though_a_hand_left_it_in_the_rule():
    whole = without("Spherical/Oblate")
    round_ = whole.mask(["Round"])
    np.testing.assert_array_equal(whole.toggle(~round_ & round_, whole.index("Round")), round_)
    np.testing.assert_array_equal(whole.complete(round_), round_)
    broken = np.flatnonzero(whole.violations(round_) & whole.hard)[0]
    assert whole.fix(round_, broken).text == "remove Round"
    both = whole.mask(["Round", "Spherical/Oblate", "Streak"])  # what carries it keeps it
    assert whole.complete(both)[whole.index("Spherical/Oblate")]
    only = Taxonomy("t", [Class("A", retired="2026-11-22"), Class("B")],
                    [Rule("some", "hard", ("A",), (), "not A")])  # fmt: skip
    assert only.fix(np.zeros(2, bool), 0) is None


def test_a_table_without_retired_classes_has_other_columns_and_another_fingerprint(tmp_path):
    table = table_of_file(make_file(tmp_path / "shots.h5", 12))
    same = replace(table, taxonomy=without())
    assert same.offered() is same
    fewer = replace(table, taxonomy=without("Layered")).offered()
    assert fewer.class_names == fewer.taxonomy.names
    assert "Layered" not in fewer.class_names
    kept = [k for k, name in enumerate(table.class_names) if name != "Layered"]
    assert (fewer.labels == table.labels[:, kept]).all()
    assert fewer.fingerprint != table.fingerprint


def write(path, names, decided):
    n = len(decided)
    about = {"class_names": list(names), "thresholds": np.full(len(names), 0.5, np.float32)}
    file = PredictionFile(path, n, len(names), 4, (2, 2), about)
    file.write(np.arange(n), {"probabilities": decided.astype(np.float32), "decided": decided,
                              "readable": np.ones(n, bool)})  # fmt: skip
    file.finish()
    return path


def test_runs_of_different_classes_are_compared_by_name(tmp_path):
    rng = np.random.default_rng(0)
    labels = HELIUM.legal_sets[rng.integers(len(HELIUM.legal_sets), size=80)]
    rows = np.arange(80)
    now = without("Layered").offered
    today = labels[:, HELIUM.columns(now.names)]
    old = write(tmp_path / "old.h5", HELIUM.names, labels)  # right, and knows Layered
    good = write(tmp_path / "good.h5", now.names[::-1], today[:, ::-1])  # in another order
    bad = write(tmp_path / "bad.h5", now.names, ~today)
    verdict = compare_files(old, good, today, rows, now)
    assert (verdict.old, verdict.new, verdict.promote) == (1.0, 1.0, True)
    assert not compare_files(old, bad, today, rows, now).promote


def test_a_class_that_a_run_never_learnt_is_one_that_it_never_claims(tmp_path):
    labels = np.zeros((40, len(HELIUM)), bool)
    labels[:, HELIUM.index("Empty")] = True
    few = tuple(n for n in HELIUM.names if n != "Empty")
    old = write(tmp_path / "old.h5", few, np.zeros((30, len(few)), bool))
    new = write(tmp_path / "new.h5", HELIUM.names, labels)
    verdict = compare_files(old, new, labels, np.arange(30), HELIUM)
    assert (verdict.old, verdict.new) == (0.0, 1.0)
