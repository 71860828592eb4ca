"""Rules over labels: on every label set that there is, and on the real ones."""

from __future__ import annotations

from pathlib import Path
from typing import get_args

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from model.errors import InputError
from model.taxonomy.taxonomy import TWO_SIDED, Class, Kind, Rule, Taxonomy
from model.taxonomy.toml import find, load, loads, shipped
from tests.helpers.data import needed

HELIUM = load(shipped("helium"))
LEGAL = HELIUM.legal_sets
legal_rows = st.integers(0, len(LEGAL) - 1).map(lambda i: LEGAL[i])
any_rows = st.integers(0, 2 ** len(HELIUM) - 1).map(HELIUM.unpack)


def row(*names: str) -> np.ndarray:
    return HELIUM.mask(names)


def names(labels: np.ndarray) -> set[str]:
    return {HELIUM.names[i] for i in np.flatnonzero(labels)}


KINDS = get_args(Kind)


@st.composite
def taxonomies(draw, kinds=KINDS) -> Taxonomy:
    """Small random taxonomies, sensible or not; with few kinds `implies` leaves no choice."""
    n = draw(st.integers(2, 6))
    classes = [Class(chr(65 + i)) for i in range(n)]
    some = st.lists(st.sampled_from([c.name for c in classes]), min_size=1, max_size=3, unique=True)
    rules = []
    for _ in range(draw(st.integers(0, 5))):
        kind = draw(st.sampled_from(kinds))
        severity = draw(st.sampled_from(["hard", "soft"]))
        right = tuple(draw(some)) if kind in TWO_SIDED else ()
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
    with np.load(needed("cxidb94_labels.npz")) as data:
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
        ('[[class]]\nname = "\u00c5"\n\n[[class]]\nname = "A\u030a"\n', r"line 4.*same name"),
        ('[[class]]\nname = "A"\nkey = "\\u0000"\n', r"line 1.*is no key"),
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


def test_a_folder_of_the_same_name_beside_does_not_hide_a_shipped_taxonomy(tmp_path, monkeypatch):
    (tmp_path / "helium").mkdir()
    monkeypatch.chdir(tmp_path)
    assert load(find("helium")).names == HELIUM.names


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


# -- names, order and mends, by example --------------------------------------------------------


SMALL = Taxonomy(
    "small",
    [Class("Other"), Class("Ring", key="2"), Class("Thin Ring", key="0", parent="Ring"),
     Class("Thick Ring", key="9", parent="Ring", was="Fat Ring;Wide Ring"),
     Class("Blank", key="1")],
    [Rule("implies", "hard", ("Thin Ring", "Thick Ring"), ("Ring",), "without a ring"),
     Rule("one_of", "hard", ("Thin Ring", "Thick Ring"), (), "both"),
     Rule("alone", "hard", ("Blank",), (), "not alone"),
     Rule("some", "soft", ("Ring", "Other"), (), "neither"),
     Rule("never", "soft", ("Other",), ("Ring",), "together")],
)  # fmt: skip
CHOICE = Taxonomy(
    "choice",
    [Class("A"), Class("B"), Class("C"), Class("D")],
    [Rule("implies", "hard", ("A",), ("B", "C"), "A alone"),
     Rule("some", "hard", ("A", "D"), (), "neither"),
     Rule("never", "hard", ("B",), ("C",), "both"),
     Rule("implies", "soft", ("D",), ("C",), "D without C")],
)  # fmt: skip


def of(taxonomy: Taxonomy, *wanted: str) -> np.ndarray:
    return taxonomy.mask(wanted)


def test_classes_are_shown_with_their_children_first_and_then_by_key():
    shown = ("Ring", "Thick Ring", "Thin Ring", "Blank", "Other")
    assert SMALL.names_in_order == shown
    assert [SMALL.names[i] for i in SMALL.order] == list(shown)
    assert [len(group) for group in SMALL.groups] == [3, 2]
    assert [SMALL.place(name) for name in shown] == [0, 1, 2, 3, 4]
    assert SMALL.place("Comet") == 5
    assert SMALL.children("Ring") == (2, 3)
    assert SMALL.children("") == (0, 1, 4)
    assert SMALL.named(np.ones(5)) == list(shown)
    assert SMALL.named([1, 0, 1, 0, 0]) == ["Thin Ring", "Other"]
    assert SMALL.present([0, 1, 0, 0, 1]) == [1, 4]
    keyed = Taxonomy("", [Class("word", key="F1"), Class("letter", key="a"), Class("ten", key="0"),
                          Class("nine", key="9"), Class("second", key="2")], [])  # fmt: skip
    assert keyed.names_in_order == ("second", "nine", "ten", "word", "letter")
    assert SMALL.name == "small"
    deep = Taxonomy("", [Class("leaf", parent="stem"), Class("stem", parent="root"), Class("root"),
                         Class("bud", key="1", parent="stem")], [])  # fmt: skip
    assert deep.names_in_order == ("root", "stem", "bud", "leaf")
    assert SMALL.present([3, 0, 0, 0, 2]) == [4, 0]


@pytest.mark.parametrize(
    ("fields", "what", "mend"),
    [
        ({"name": "x" * 101}, repr("x" * 40) + " is no name of a class",
         "Give a class at most 100 letters, on one line."),
        ({"name": "two\nlines"}, r"'two\nlines' is no name of a class",
         "Give a class at most 100 letters, on one line."),
        ({"colour": "#12345g" + "x" * 50}, repr("#12345g" + "x" * 33) + " is no colour",
         'Write it as "#1f6fc0".'),
        ({"key": "abcd"}, "'abcd' is no key", "Give one letter or digit."),
        ({"key": "k" * 60}, repr("k" * 40) + " is no key", "Give one letter or digit."),
        ({"help": "x" * 2001}, "the help of class 'A' is too long",
         "Say it in at most 2,000 letters."),
    ],
)  # fmt: skip
def test_what_does_not_fit_a_class_is_refused_with_the_mend(fields, what, mend):
    with pytest.raises(InputError) as caught:
        Class(**{"name": "A"} | fields)
    assert (caught.value.what, caught.value.mend) == (what, mend)


def test_a_class_may_be_as_long_as_the_limits_say():
    whole = Class("n" * 100, key="abc", colour="#1F6fC0", help="x" * 2000)
    assert (len(whole.name), whole.key, len(whole.help)) == (100, "abc", 2000)
    assert {Class("A", colour=c).colour for c in ("", "red", "#abc", "RED", "#0123ABCD")}


def test_an_unknown_class_is_named_with_its_file_and_all_that_there_are():
    with pytest.raises(InputError) as caught:
        SMALL.columns(["Ring", "cat"], "labels.csv")
    assert caught.value.what == "unknown class 'cat'"
    assert caught.value.file == Path("labels.csv")
    names = "Other, Ring, Thin Ring, Thick Ring, Blank"
    assert caught.value.mend == f"The taxonomy 'small' has: {names}."
    with pytest.raises(InputError, match="unknown classes 'cat', 'dog'"):
        SMALL.columns(["cat", "dog"])
    found = SMALL.columns(["wide ring", "FAT-RING", "ring"])
    assert (found.tolist(), found.dtype) == ([3, 3, 1], np.intp)
    assert SMALL.columns([]).dtype == np.intp
    assert SMALL.knows("fat_ring")
    assert not SMALL.knows("square")


def test_numbers_that_are_no_truth_values_are_label_sets_as_well():
    counts = [0, 2, 0, 3, 0]
    assert SMALL.pack(counts) == 0b01010
    assert SMALL.pack(counts).dtype == np.int64
    assert SMALL.complete([0, 0, 7, 0, 0]).tolist() == [False, True, True, False, False]
    assert SMALL.implied([0, 5, 0, 6, 0]).tolist() == [False, True, False, False, False]
    assert SMALL.toggle([0, 4, 0, 0, 0], 0).tolist() == [True, True, False, False, False]
    assert SMALL.toggle([0, 4, 0, 0, 0], 0).dtype == bool
    assert SMALL.fix([0, 0, 9, 0, 0], 0).labels.tolist() == [False, True, True, False, False]


@pytest.mark.parametrize(
    ("before", "key", "after"),
    [
        ((), "Thin Ring", {"Ring", "Thin Ring"}),
        (("Ring", "Thin Ring"), "Thick Ring", {"Ring", "Thick Ring"}),
        (("Other",), "Ring", {"Other", "Ring"}),  # against a soft rule only
        (("Ring", "Thin Ring", "Other"), "Thin Ring", {"Other"}),  # nothing else asks for Ring
        (("Ring", "Thin Ring", "Other"), "Ring", {"Other"}),
        (("Ring", "Other"), "Other", {"Ring"}),
        (("Blank",), "Other", {"Other"}),
        (("Other", "Ring", "Thin Ring"), "Blank", {"Blank"}),
        (("Blank",), "Thick Ring", {"Ring", "Thick Ring"}),
        (("Ring",), "Thick Ring", {"Ring", "Thick Ring"}),
    ],
)
def test_a_key_changes_what_the_rules_ask_for_and_nothing_else(before, key, after):
    row = of(SMALL, *before)
    found = SMALL.toggle(row, SMALL.index(key))
    assert set(SMALL.named(found)) == after
    assert set(SMALL.named(row)) == set(before), "what was given is left as it is"


def test_classes_that_hang_on_a_dropped_one_fall_with_it_one_after_the_other():
    chain = Taxonomy(
        "chain", [Class(n) for n in "ABCDE"],
        [Rule("implies", "hard", ("A",), ("B",), ""), Rule("implies", "hard", ("B",), ("C",), ""),
         Rule("never", "hard", ("D",), ("C",), ""), Rule("never", "hard", ("E",), ("A",), ""),
         Rule("implies", "soft", ("E",), ("D",), "")],
    )  # fmt: skip
    assert set(chain.named(chain.complete(of(chain, "A")))) == {"A", "B", "C"}
    assert set(chain.named(chain.toggle(of(chain, "A", "B", "C"), chain.index("D")))) == {"D"}
    assert set(chain.named(chain.toggle(of(chain, "D"), chain.index("C")))) == {"C"}
    assert set(chain.named(chain.toggle(of(chain, "A", "B", "C"), chain.index("C")))) == set()
    assert set(chain.named(chain.toggle(of(chain, "A", "B", "C"), chain.index("A")))) == set()
    assert set(chain.named(chain.toggle(of(chain, "D", "E"), chain.index("D")))) == {"E"}
    assert set(chain.named(chain.toggle(of(chain, "D", "E"), chain.index("A")))) == {"A", "B", "C"}


def test_what_is_given_to_complete_stays_as_it_is():
    row = of(SMALL, "Thin Ring")
    assert set(SMALL.named(SMALL.complete(row))) == {"Ring", "Thin Ring"}
    assert SMALL.named(row) == ["Thin Ring"]
    many = np.array([row, of(SMALL, "Blank")])
    assert SMALL.complete(many).sum(1).tolist() == [2, 1]
    assert SMALL.implied(SMALL.complete(many)).sum(1).tolist() == [1, 0]


def test_the_mend_is_the_nearest_legal_set_in_words():
    assert CHOICE.fix(of(CHOICE, "A"), 0).text in ("add B", "add C")
    both = CHOICE.fix(of(CHOICE, "A", "B", "C"), 2)
    assert both.text in ("remove B", "remove C")
    assert not CHOICE.contradictions(both.labels)
    assert CHOICE.fix(of(CHOICE), 1) is None, "A or D: only a person can say"
    soft = CHOICE.fix(of(CHOICE, "D"), 3)
    assert (soft.text, set(CHOICE.named(soft.labels))) == ("add C", {"C", "D"})
    assert CHOICE.fix(of(CHOICE, "B", "D"), 3) is None, "C must not be beside B"
    assert SMALL.fix(of(SMALL, "Other", "Ring"), 4) is None, "a soft rule with a choice"
    alone = SMALL.fix(of(SMALL, "Blank", "Ring", "Thin Ring"), 2)
    assert alone.text == "remove Blank"
    twice = SMALL.fix(of(SMALL, "Blank", "Thin Ring", "Thick Ring"), 1)
    assert set(SMALL.named(twice.labels)) <= {"Blank", "Ring", "Thin Ring", "Thick Ring"}
    assert not SMALL.contradictions(twice.labels)


def test_of_equally_near_mends_the_one_that_breaks_fewest_soft_rules_is_taken():
    pair = Taxonomy(
        "pair", [Class("A"), Class("B"), Class("C")],
        [Rule("never", "hard", ("A",), ("B",), ""), Rule("never", "soft", ("A",), ("C",), "")],
    )  # fmt: skip
    fix = pair.fix(of(pair, "A", "B", "C"), 0)
    assert (fix.text, set(pair.named(fix.labels))) == ("remove A", {"B", "C"})
    swap = Taxonomy(
        "swap", [Class("A"), Class("B"), Class("C"), Class("D")],
        [Rule("never", "hard", ("A", "B"), ("C", "D"), ""),
         Rule("some", "hard", ("D",), (), "")],
    )  # fmt: skip
    fix = swap.fix(of(swap, "A", "B"), 1)
    assert fix.text == "remove A, B, add D"


def test_the_only_class_that_every_shot_must_have_is_added():
    must = Taxonomy("must", [Class("A"), Class("B")], [Rule("some", "hard", ("A",), (), "no A")])
    assert must.fix(of(must, "B"), 0).text == "add A"


def test_a_mend_leaves_undecided_classes_undecided():
    row, known = of(SMALL, "Thin Ring", "Thick Ring"), of(SMALL, "Thin Ring", "Thick Ring", "Blank")
    fix = SMALL.fix(row, 1, known)
    assert fix.text in ("remove Thin Ring", "remove Thick Ring")
    assert not fix.labels[SMALL.index("Ring")], "Ring may be there, nobody has said"
    asked = Taxonomy(
        "asked", [Class(n) for n in "ABCD"],
        [Rule("implies", "hard", ("A",), ("B",), ""), Rule("some", "hard", ("C", "D"), (), "")],
    )  # fmt: skip
    fix = asked.fix(of(asked, "A"), 0, [2, 0, 0, 0])
    assert (fix.text, asked.named(fix.labels)) == ("add B", ["A", "B"]), "C or D may be there"


def test_beyond_twenty_classes_no_legal_sets_are_listed():
    many = [Class(f"c{i}") for i in range(21)]
    rule = Rule("never", "hard", ("c0",), ("c1",), "")
    wide, most = Taxonomy("wide", many, [rule]), Taxonomy("most", many[:20], [rule])
    with pytest.raises(InputError) as caught:
        _ = wide.legal_sets
    assert caught.value.what == "21 classes are too many to list their legal label sets"
    assert caught.value.mend == "Rule-aware output works with up to 20 classes."
    assert wide.listed_sets(2**22) is None
    assert wide.fix(of(wide, "c0", "c1"), 0) is None
    assert most.fix(of(most, "c0", "c1"), 0).text in ("remove c0", "remove c1")
    assert len(most.legal_sets) == 3 * 2**18
    assert most.listed_sets(2**20) is most.legal_sets
    free = Taxonomy("free", many[:3], [Rule("never", "soft", ("c0",), ("c1",), "")])
    assert free.listed_sets(100) is None, "no hard rule binds the classes"
    bound = Taxonomy("bound", many[:3], [rule])
    assert len(bound.listed_sets(6)) == 6
    assert bound.listed_sets(5) is None


def test_a_name_means_the_class_that_has_it_now_and_not_one_that_had_it_before():
    for classes in ([Class("A"), Class("B", was="A")], [Class("B", was="A"), Class("A")]):
        taxonomy = Taxonomy("renamed", classes, [])
        assert taxonomy.columns(["a", "b"]).tolist() == [*map(taxonomy.index, "AB")]


def test_a_rule_says_what_it_asks_of_every_label_set():
    assert [rule.statement for rule in SMALL.rules] == [
        "Thin Ring or Thick Ring implies Ring", "Thin Ring and Thick Ring exclude each other",
        "Blank stands alone", "Every shot has Ring or Other", "Other never with Ring",
    ]  # fmt: skip


def test_classes_exclude_each_other_where_one_hard_rule_names_all_of_them():
    classes = [Class("A"), Class("B")]

    def told(kind, severity, left):
        return Taxonomy("", classes, [Rule(kind, severity, left, (), "")]).exclusive

    assert told("one_of", "hard", ("A", "B"))
    assert not told("one_of", "soft", ("A", "B"))
    assert not told("one_of", "hard", ("A",))
    assert not told("alone", "hard", ("A", "B"))


@pytest.mark.parametrize("name", ["\u200b", " \u00a0", "\u0301"])
def test_a_name_that_no_one_sees_is_no_name_of_a_class(name):
    with pytest.raises(InputError, match="is no name of a class"):
        Class(name)


def test_names_without_letters_are_told_apart():
    signs = Taxonomy("signs", [Class("?"), Class("+"), Class("Ring")], [])
    assert signs.columns(["+", "ring", "?"]).tolist() == [1, 2, 0]
    assert not signs.knows("")
    assert not signs.knows("-")


def test_the_mark_that_some_editors_begin_a_file_with_is_no_part_of_it(tmp_path):
    file = tmp_path / "classes.toml"
    file.write_text('[[class]]\nname = "Round"\n', encoding="utf-8-sig")
    assert load(file).names == ("Round",)
