"""Classes of two trainings are the same by all names that they ever had."""

from __future__ import annotations

from pathlib import Path

import pytest

from model.errors import InputError
from model.taxonomy.same_classes import are_same, columns_of, place_among, places_among
from model.taxonomy.taxonomy import Class, Taxonomy


@pytest.mark.parametrize(
    ("classes", "names", "places"),
    [
        ({"A": "", "B": ""}, "ba", [1, 0]),
        ({"B": "A", "C": ""}, "ac", [0, 1]),
        ({"B": "A", "A": ""}, "a", [0, -1]),  # the network knew the class that is B now
        ({"A": "", "B": "A"}, "a", [-1, 0]),
        ({"B": "A", "A": ""}, "ba", [0, 1]),  # and here the new one too
        ({"C": "A;B", "A": ""}, "ab", [1, 0]),
        ({"B": "A", "A": "C"}, "ac", [0, 1]),  # A became B, and C became A
        ({"A": "C", "B": "A"}, "ca", [0, 1]),
        ({"B": "A", "C": "A", "A": ""}, "a", [0, -1, -1]),
        ({"B": "A", "C": "A", "A": ""}, "ba", [0, 1, -1]),
        ({"B": "A"}, "xab", [1]),  # it was A when the network had another class B
        ({"B": "A"}, "x", [-1]),
    ],
)
def test_what_a_network_learnt_belongs_to_the_class_that_had_the_name_then(classes, names, places):
    taxonomy = Taxonomy.of_names([*classes], [*classes.values()])
    assert places_among(taxonomy, Taxonomy.of_names(names)).tolist() == places
    assert [place_among(names, name, None, taxonomy) for name in classes] == places


def test_the_first_taxonomy_that_knows_a_class_says_which_of_the_names_is_its_own():
    ours = Taxonomy.of_names(["Line", "Streak"])
    run = Taxonomy.of_names(["Line"], ["Streak"])
    assert place_among(["Line"], "Streak", None, run) == 0
    assert place_among(["Line"], "Streak", ours, run) == -1, "here they are two classes"
    assert place_among(["Line"], "line", ours, run) == 0


def of_history(*classes):
    """Classes by all names that each had, parted by '>', the one of now last."""
    each = [names.rpartition(">") for names in classes]
    return Taxonomy("", [Class(now, was=was.replace(">", ";")) for was, _, now in each], [])


@pytest.mark.parametrize(
    ("ours", "theirs", "places"),
    [
        (["Newton Rings", "Bent"], ["BENT", "newton_rings"], [1, 0]),
        (["Streak>Line", "Bent"], ["Bent", "Streak"], [1, 0]),
        (["Streak"], ["Bent", "Streak>Line"], [1]),  # renamed in between, and back
        (["Streak>Stripe"], ["Streak>Line"], [0]),  # and then otherwise
        (["Streak>Line", "Streak"], ["Streak"], [0, -1]),  # a fresh one took the old name
        (["Streak", "Streak>Line"], ["Streak>Line"], [-1, 0]),
        (["Streak", "Streak>Line"], ["Streak>Line", "Streak"], [1, 0]),
        (["Streak", "Streak>Line"], ["Line", "Streak"], [1, 0]),  # which do not say their past
        (["Streak", "Line"], ["Streak>Line"], [0, -1]),  # or the name that it had in between
        (["A>B>A"], ["A>B"], [0]),
        ([], ["A"], []),
        (["A"], [], [-1]),
    ],
)
def test_a_class_is_the_one_that_it_was_whatever_it_was_called_then(ours, theirs, places):
    one, other = of_history(*ours), of_history(*theirs)
    assert places_among(one, other).tolist() == places
    for name, place in zip(one.names, places, strict=True):
        assert place_among(other, name, one) == place
    assert are_same(one, other) == (places == [*range(len(theirs))])


def test_classes_that_are_not_here_are_named():
    here, file = of_history("Streak>Line", "Streak", "Bent"), Path("run")
    assert columns_of(here, of_history("Bent", "Streak"), file).tolist() == [2, 0]
    with pytest.raises(InputError) as caught:
        columns_of(here, of_history("Streak>Line", "Tilt", "Wave"), file)
    assert caught.value.what == "unknown classes 'Tilt', 'Wave'"
