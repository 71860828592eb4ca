"""Rules over labels: on every label set that there is, and on the real ones."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from model.errors import InputError
from model.taxonomy.taxonomy import Class, Rule, Taxonomy
from model.taxonomy.toml import find, load, loads, shipped

DATA = Path(os.environ.get("AIRYLABEL_DATA", Path(__file__).parents[4] / "shared" / "data"))
HELIUM = load(shipped("helium"))
LEGAL = HELIUM.legal_sets
legal_rows = st.integers(0, len(LEGAL) - 1).map(lambda i: LEGAL[i])
any_rows = st.integers(0, 2 ** len(HELIUM) - 1).map(HELIUM.unpack)


def row(*names: str) -> np.ndarray:
    return HELIUM.mask(names)


def names(labels: np.ndarray) -> set[str]:
    return {HELIUM.names[i] for i in np.flatnonzero(labels)}


@st.composite
def taxonomies(draw, kinds=("one_of", "never", "implies", "alone", "some")) -> Taxonomy:
    """Small random taxonomies, sensible or not; with few kinds `implies` leaves no choice."""
    n = draw(st.integers(2, 6))
    classes = [Class(chr(65 + i)) for i in range(n)]
    some = st.lists(st.sampled_from([c.name for c in classes]), min_size=1, max_size=3, unique=True)
    rules = []
    for _ in range(draw(st.integers(0, 5))):
        kind = draw(st.sampled_from(kinds))
        severity = draw(st.sampled_from(["hard", "soft"]))
        right = tuple(draw(some)) if kind in ("never", "implies") else ()
        if kind == "implies" and "some" not in kinds:
            right = right[:1]
        rules.append(Rule(kind, severity, tuple(draw(some)), right, "text"))
    return Taxonomy("random", classes, rules)


# -- judging -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("labels", "contradicts"),
    [
        ((), False),
        (("Spherical/Oblate", "Round"), False),
        (("Spherical/Oblate",), False),
        (("Prolate", "Streak", "Newton Rings"), False),
        (("Streak",), False),
        (("Empty",), False),
        (("Spherical/Oblate", "Prolate"), True),
        (("Spherical/Oblate", "Round", "Elliptical"), True),
        (("Round",), True),
        (("Elliptical", "Prolate"), True),
        (("Empty", "Layered"), True),
        (("Spherical/Oblate", "Round", "Bent"), True),
    ],
)
def test_the_hard_rules_of_helium_droplets(labels, contradicts):
    assert bool(HELIUM.contradictions(row(*labels))) is contradicts


def test_the_rule_table_on_the_real_labels():
    path = DATA / "cxidb94_labels.npz"
    if not path.is_file():
        pytest.skip("the real labels are not on this machine (set AIRYLABEL_DATA)")
    with np.load(path) as data:
        found, order = data["labels"], data["class_names"].tolist()
    labels = np.zeros((len(found), len(HELIUM)), bool)
    labels[:, HELIUM.columns(order)] = found
    assert labels.shape == (7264, 11)
    broken = dict(zip(HELIUM.rules, HELIUM.violations(labels).sum(0).tolist(), strict=True))
    assert all(n == 0 for rule, n in broken.items() if rule.severity == "hard")
    soft = {rule.left: n for rule, n in broken.items() if rule.severity == "soft"}
    assert soft == {
        ("Spherical/Oblate", "Prolate", "Empty"): 11,
        ("Streak",): 6,
        ("Bent",): 4,
        ("Double Rings",): 7,
        ("Spherical/Oblate",): 1,
    }
    assert len(np.unique(HELIUM.pack(labels))) == 43
    assert labels.sum() / len(labels) == pytest.approx(2.14, abs=0.005)
    assert labels[:, HELIUM.index("Empty")].sum() == 211


@given(taxonomies())
def test_legal_sets_are_exactly_those_without_a_hard_violation(taxonomy):
    every = taxonomy.unpack(np.arange(2 ** len(taxonomy)))
    hard = [r for r, rule in enumerate(taxonomy.rules) if rule.severity == "hard"]
    fine = [not any(taxonomy.violations(s)[r] for r in hard) for s in every]
    assert taxonomy.pack(taxonomy.legal_sets).tolist() == np.flatnonzero(fine).tolist()


@given(taxonomies(), st.data())
def test_many_shots_at_once_are_judged_like_one_by_one(taxonomy, data):
    packed = data.draw(st.lists(st.integers(0, 2 ** len(taxonomy) - 1), max_size=20))
    labels = taxonomy.unpack(np.array(packed, np.int64))
    together = taxonomy.violations(labels)
    assert together.shape == (len(packed), len(taxonomy.rules))
    assert all(np.array_equal(together[i], taxonomy.violations(s)) for i, s in enumerate(labels))


@given(st.lists(st.integers(0, 2**62 - 1), max_size=30))
def test_packing_gives_back_what_was_packed(packed):
    wide = Taxonomy("wide", [Class(f"c{i}") for i in range(62)], [])
    bits = wide.unpack(np.array(packed, np.int64))
    assert wide.pack(bits).tolist() == packed
    assert bits.sum() == sum(p.bit_count() for p in packed)


# -- changing ----------------------------------------------------------------------------------


@given(any_rows)
def test_completing_twice_is_completing_once_and_takes_nothing_away(labels):
    full = HELIUM.complete(labels)
    assert np.array_equal(HELIUM.complete(full), full)
    assert (full | labels == full).all()


def test_completing_a_legal_set_never_leads_to_a_contradiction():
    assert not HELIUM.contradictions(HELIUM.complete(HELIUM.legal_sets)).any()


def test_a_soft_rule_brings_no_class_that_drops_a_typed_one():
    row = np.zeros(len(HELIUM), bool)
    for name in ("Prolate", "Bent", "Double Rings"):  # five published shots are labelled so
        row = HELIUM.toggle(row, HELIUM.index(name))
    assert names(row) == {"Prolate", "Bent", "Double Rings"}
    assert names(HELIUM.complete(HELIUM.mask(["Bent", "Double Rings"]))) == {
        "Prolate",
        "Bent",
        "Double Rings",
    }


@given(any_rows)
def test_implied_classes_are_present_and_asked_for(labels):
    implied = HELIUM.implied(labels)
    assert not (implied & ~labels).any()
    assert names(implied) <= {"Spherical/Oblate", "Prolate"}


@pytest.mark.parametrize("index", range(len(HELIUM)))
def test_a_toggle_never_leads_from_a_legal_set_to_a_contradiction(index):
    for labels in LEGAL:
        after = HELIUM.toggle(labels, index)
        assert not HELIUM.contradictions(after)
        assert after[index] != labels[index]


@given(legal_rows, st.lists(st.integers(0, len(HELIUM) - 1), max_size=30))
def test_no_sequence_of_keys_leads_to_a_contradiction(labels, keys):
    for key in keys:
        labels = HELIUM.toggle(labels, key)
        assert not HELIUM.contradictions(labels)


@given(taxonomies(kinds=("one_of", "never", "implies", "alone")), st.data())
def test_in_any_taxonomy_a_toggle_keeps_to_the_rules_where_the_class_can_stand_at_all(
    taxonomy, data
):
    legal = taxonomy.legal_sets
    labels = legal[data.draw(st.integers(0, len(legal) - 1))]
    index = data.draw(st.integers(0, len(taxonomy) - 1))
    alone = np.arange(len(taxonomy)) == index
    if not labels[index] and taxonomy.contradictions(taxonomy.complete(alone)):
        return
    assert not taxonomy.contradictions(taxonomy.toggle(labels, index))


@given(any_rows, st.integers(0, len(HELIUM) - 1))
def test_a_toggle_always_does_what_its_key_says(labels, index):
    before = labels.copy()
    assert HELIUM.toggle(labels, index)[index] != before[index]
    assert np.array_equal(labels, before)


@pytest.mark.parametrize("name", HELIUM.names)
def test_a_slip_of_the_finger_leaves_nothing_behind(name):
    index = HELIUM.index(name)
    assert not HELIUM.toggle(HELIUM.toggle(row(), index), index).any()


@pytest.mark.parametrize(
    ("before", "key", "after"),
    [
        ((), "Round", {"Spherical/Oblate", "Round"}),
        (("Spherical/Oblate", "Round"), "Elliptical", {"Spherical/Oblate", "Elliptical"}),
        (
            ("Spherical/Oblate", "Round", "Newton Rings"),
            "Bent",
            {"Prolate", "Bent", "Newton Rings"},
        ),
        (("Prolate", "Streak", "Layered"), "Empty", {"Empty"}),
        (("Empty",), "Asymmetric", {"Asymmetric"}),
        (("Spherical/Oblate", "Round"), "Spherical/Oblate", set()),
    ],
)
def test_one_key_brings_what_it_implies_and_drops_what_it_forbids(before, key, after):
    assert names(HELIUM.toggle(row(*before), HELIUM.index(key))) == after


@given(any_rows)
def test_the_fix_of_a_broken_hard_rule_breaks_no_hard_rule(labels):
    for r in np.flatnonzero(HELIUM.violations(labels)):
        fix = HELIUM.fix(labels, int(r))
        if HELIUM.rules[r].severity == "hard":
            assert fix is not None
            assert not HELIUM.contradictions(fix.labels)
        if fix is not None:
            assert not HELIUM.violations(fix.labels)[r]
            assert any(word in fix.text for word in ("add", "remove"))


def test_the_fix_of_a_missing_parent_adds_it():
    broken = row("Round")
    rule = int(np.flatnonzero(HELIUM.violations(broken) & HELIUM.hard)[0])
    fix = HELIUM.fix(broken, rule)
    assert names(fix.labels) == {"Spherical/Oblate", "Round"}
    assert fix.text == "add Spherical/Oblate"


# -- names and files ---------------------------------------------------------------------------


def test_class_names_match_without_case_and_signs():
    assert HELIUM.columns(["newton_rings", "SPHERICAL-OBLATE"]).tolist() == [
        HELIUM.index("Newton Rings"),
        HELIUM.index("Spherical/Oblate"),
    ]
    with pytest.raises(InputError, match=r"unknown classes 'cat', 'dog'.*Newton Rings"):
        HELIUM.columns(["cat", "Round", "dog"])


@pytest.mark.parametrize("name", ["helium", "cxidb"])
def test_shipped_taxonomies_have_keys_colours_and_help_for_every_class(name):
    taxonomy = load(find(name))
    assert all(c.key and c.help and len(c.colour) == 7 for c in taxonomy.classes)
    assert taxonomy.rules


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ('name = "x"\n', r"line 1.*no classes"),
        ("class = 3\n", r"'class' is no list of tables"),
        ('class = ["A"]\n', r"'class' is no list of tables"),
        ('[[class]]\nname = "A"\n[rule]\nkind = "alone"\n', r"'rule' is no list of tables"),
        ('name = 3\n[[class]]\nname = "A"\n', r"name = 3 cannot be used"),
        ('[[class]]\nname = "A"\nkey = 1\n', r"line 1.*key = 1 cannot be used\. Give text"),
        ("x = " + "[" * 5000, r"not valid TOML"),
        (
            '[[class]]\nname = "A"\nparent = "B"\n[[class]]\nname = "B"\nparent = "A"\n',
            r"line 1.*parents in a circle: A → B → A",
        ),
        (
            '[[class]]\nname = "A"\n[[rule]]\nkind = "alone"\nclasses = [["A"]]\n',
            r"line 3.*classes = .*cannot be used",
        ),
        (
            '[[class]]\nname = "A"\n[[rule]]\nkind = "alone"\nclasses = ["A"]\nwidth = ["A"]\n',
            r"line 3.*unknown field 'width'",
        ),
        ('[[class]]\nname = "A"\n[[class\n', r"not valid TOML.*line 3"),
        ('[[class]]\nname = "A"\n\n[[class]]\nname = "a"\n', r"line 4.*same name"),
        ('[[class]]\nname = "A"\nkey = "1"\n[[class]]\nname = "B"\nkey = "1"\n', r"line 4.*key"),
        ('[[class]]\nname = "A"\nparent = "B"\n', r"line 1.*parent 'B'"),
        ('[[class]]\nname = "A"\ncolor = "red"\n', r"line 1.*unknown field 'color'.*colour"),
        ('[[class]]\nkey = "1"\n', r"line 1.*needs a name"),
        ('[[class]]\nname = "A"\n\n[[rule]]\nkind = "only"\n', r"line 4.*'only'.*one_of"),
        (
            '[[class]]\nname = "A"\n[[rule]]\nkind = "alone"\nclasses = ["B"]\n',
            r"line 3.*class 'B'.*Known classes: A",
        ),
        (
            '[[class]]\nname = "A"\n[[rule]]\nkind = "implies"\nclasses = ["A"]\n',
            r"line 3.*lacks its classes",
        ),
        (
            '[[class]]\nname = "A"\n[[rule]]\nkind = "alone"\nseverity = "mild"\nclasses = ["A"]\n',
            r"line 3.*severity = 'mild'.*hard or soft",
        ),
    ],
)
def test_a_mistake_in_a_taxonomy_names_its_line_and_the_mend(text, says):
    with pytest.raises(InputError, match=says) as caught:
        loads(text, "mine.toml")
    assert caught.value.file == Path("mine.toml")
    assert caught.value.mend


def test_a_taxonomy_that_is_missing_or_not_shipped_is_named(tmp_path):
    with pytest.raises(InputError, match=r"gone\.toml"):
        load(tmp_path / "gone.toml")
    with pytest.raises(InputError, match=r"'xenon'.*cxidb, helium"):
        find("xenon")


@given(any_rows, any_rows)
def test_an_undecided_class_breaks_no_rule_that_it_might_keep(labels, known):
    labels = labels & known
    open_ones = np.flatnonzero(~known)
    every = [labels.copy() for _ in range(2 ** min(len(open_ones), 6))]
    for number, candidate in enumerate(every):
        for k, c in enumerate(open_ones[:6]):
            candidate[c] = number >> k & 1
    if len(open_ones) <= 6:
        kept = (~HELIUM.violations(np.array(every))).any(0)
        np.testing.assert_array_equal(~HELIUM.violations(labels, known), kept)
    broken = HELIUM.violations(labels)
    assert not (HELIUM.violations(labels, known) & ~broken).any()
    np.testing.assert_array_equal(HELIUM.violations(labels, np.ones_like(labels)), broken)
