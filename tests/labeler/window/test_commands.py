"""The table of commands and the keys: none twice, clashes refused and named."""

from __future__ import annotations

from collections import Counter

import pytest

from labeler.window.commands import COMMANDS, MENUS, Keymap, normal, of_classes
from model.errors import InputError
from model.taxonomy.toml import load, shipped


@pytest.fixture
def keymap():
    return Keymap([*COMMANDS, *of_classes(load(shipped("helium")))])


def test_ids_are_unique_and_menus_known():
    assert max(Counter(c.id for c in COMMANDS).values()) == 1
    assert {c.menu for c in COMMANDS} == set(MENUS)


def test_views_stand_in_the_order_of_their_keys():
    keys = [c.keys[0] for c in COMMANDS if c.id.startswith("view_")]
    assert keys == [f"Ctrl+{n}" for n in range(1, 8)]


@pytest.mark.parametrize("taxonomy", ["helium", "cxidb"])
def test_no_shipped_key_means_two_things(taxonomy):
    commands = [*COMMANDS, *of_classes(load(shipped(taxonomy)))]
    keys = Counter(normal(k) for c in commands for k in c.keys)
    assert max(keys.values()) == 1


def test_the_keys_of_the_helium_classes(keymap):
    assert keymap.owner("1").id == "class.Round"
    assert keymap.owner("0").id == "class.Empty"
    assert keymap.owner("o").id == "class.Spherical/Oblate"


def test_nothing_lies_on_space(keymap):
    assert keymap.owner("Space") is None


def test_a_clash_is_refused_and_names_the_other_command(keymap):
    with pytest.raises(InputError, match="Undo"):
        keymap.rebind("skip", ["ctrl+z"])
    assert keymap.keys("skip") == ("S",)


def test_a_changed_key_survives_and_only_the_change_is_stored(keymap):
    keymap.rebind("skip", ["J"])
    assert keymap.owner("S") is None
    assert keymap.own() == {"skip": ("J",)}
    again = Keymap(keymap.commands.values(), keymap.own())
    assert again.owner("j").id == "skip"


def test_a_class_key_of_another_taxonomy_wins_over_a_shipped_one():
    from model.taxonomy.taxonomy import Class, Taxonomy

    commands = of_classes(Taxonomy("t", [Class("Sharp", key="s")], []))
    keymap = Keymap([*COMMANDS, *commands])
    assert keymap.owner("S").id == "class.Sharp"
    assert keymap.keys("skip") == ()


@pytest.mark.parametrize(
    ("spelling", "expected"),
    [
        ("shift+ctrl+z", "Ctrl+Shift+Z"),
        ("?", "?"),
        ("+", "+"),
        ("Ctrl++", "Ctrl++"),
        ("f1", "F1"),
        ("shift+return", "Shift+Enter"),
        ("Num+Enter", "Enter"),
        ("Shift+!", "!"),
        ("Ctrl+Shift+!", "Ctrl+!"),
        ("Shift++", "+"),
        ("Shift+1", "Shift+1"),
        ("Shift+Backtab", "Shift+Tab"),
    ],
)
def test_one_spelling_for_each_key(spelling, expected):
    assert normal(spelling) == expected
