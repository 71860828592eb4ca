"""Classes and rules of one experiment; what a set of labels breaks, and its mend.

Pure numpy over many shots at once. It judges label sets and never changes a label on its own:
`complete` and `toggle` return new arrays for the caller to show and to store.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Literal, assert_never

import numpy as np
import numpy.typing as npt

from model.errors import InputError, folded, is_visible, one_line

Labels = npt.NDArray[np.bool_]
Severity = Literal["hard", "soft"]
Kind = Literal["one_of", "never", "implies", "alone", "some"]
TWO_SIDED = ("never", "implies")
"""Kinds of rules that relate classes at the left to classes at the right."""

EMPTY = "Empty"
"""The class of shots that show nothing: not hits. A project may call it otherwise, see
`same_classes.place_among`."""
MAX_CLASSES = 62
"""Labels travel as bits of a signed 64-bit integer."""
LONGEST_KEY, LONGEST_NAME, LONGEST_TEXT = 3, 100, 2000
"""Letters of a key, a class name, and a help text or rule, that still fit a screen."""
MANY_SETS = 10_000
MAX_ENUMERATED = 20
"""Legal label sets are enumerated up to this number of classes."""


@dataclass(frozen=True)
class Class:
    """One entry of the taxonomy. `parent` is a class name; `key` one key of the keyboard.

    `was` holds earlier names, parted by ';', by which old files still find it; `retired` the day
    since when it is not offered any more: it keeps its place, for labels may carry it.
    """

    name: str
    key: str = ""
    parent: str = ""
    colour: str = "#888888"
    help: str = ""
    schematic: str = ""
    was: str = ""
    retired: str = ""

    def __post_init__(self) -> None:
        readable = one_line(self.name) and is_visible(self.name)
        if len(self.name) > LONGEST_NAME or not readable:
            mend = f"Give a class at most {LONGEST_NAME} letters, on one line."
            raise InputError(f"{self.name[:40]!r} is no name of a class", mend=mend)
        if not re.fullmatch(r"#[0-9a-fA-F]{3,8}|[a-zA-Z]*", self.colour):
            mend = 'Write it as "#1f6fc0".'
            raise InputError(f"{self.colour[:40]!r} is no colour", mend=mend)
        if len(self.key) > LONGEST_KEY or not one_line(self.key):
            raise InputError(f"{self.key[:40]!r} is no key", mend="Give one letter or digit.")
        if len(self.help) > LONGEST_TEXT:
            mend = f"Say it in at most {LONGEST_TEXT:,} letters."
            raise InputError(f"the help of class {self.name!r} is too long", mend=mend)


@dataclass(frozen=True)
class Rule:
    """A relation between classes.

    - one_of: at most one of `left`;
    - never: none of `left` together with any of `right`;
    - implies: any of `left` asks for at least one of `right`;
    - alone: each of `left` stands without any other class;
    - some: every shot has at least one of `left`.
    """

    kind: Kind
    severity: Severity
    left: tuple[str, ...]
    right: tuple[str, ...]
    text: str
    """What is wrong where a label set breaks it."""

    @property
    def says_something(self) -> bool:
        """Whether it names classes enough: see `names_enough`."""
        return names_enough(self.kind, self.left, self.right)

    @property
    def statement(self) -> str:
        """What it asks of every label set: "Round implies Spherical/Oblate"."""
        return rule_in_words(self.kind, self.left, self.right)[0]


def names_enough(
    kind: Kind, left: Sequence[str] | set[str], right: Sequence[str] | set[str]
) -> bool:
    """Whether a rule of this kind says something of these classes: two that exclude each other,
    else one, and one at least at the right where it has a right side."""
    return len(left) > (kind == "one_of") and bool(right) == (kind in TWO_SIDED)


def rule_in_words(kind: Kind, left: Sequence[str], right: Sequence[str]) -> tuple[str, str]:
    """What a rule asks of every label set, and what is wrong where one breaks it."""
    a, b = " or ".join(left), " or ".join(right)
    exclude, never, alone = (
        f"{' and '.join(left)} exclude each other", f"{a} never with {b}", f"{a} stands alone"
    )  # fmt: skip
    none = f"neither {' nor '.join(left)}" if len(left) > 1 else f"not {a}"
    return {
        "one_of": (exclude, exclude),
        "never": (never, never),
        "implies": (f"{a} implies {b}", f"{a} without {b}"),
        "alone": (alone, alone),
        "some": (f"Every shot has {a}", none),
    }[kind]


@dataclass(frozen=True)
class Fix:
    """The mend for one broken rule: the label row after it, and what it does in words."""

    labels: Labels
    text: str


class Taxonomy:
    """Classes in a fixed order, and rules over them.

    Label arrays have shape (..., C) in the order of `names`; a whole set also packs into one
    integer, bit c standing for class c.
    """

    def __init__(self, name: str, classes: Sequence[Class], rules: Sequence[Rule]) -> None:
        self.name = name
        self.classes = tuple(classes)
        self.rules = tuple(rules)
        self.names = tuple(c.name for c in classes)
        self._index = {n: i for i, n in enumerate(self.names)}

    @classmethod
    def of_names(cls, names: Sequence[str], earlier: Sequence[str] = ()) -> Taxonomy:
        """Classes without rules; `earlier`: what each was called before, as `Class.was`."""
        known = earlier or [""] * len(names)
        classes = [Class(name, was=was) for name, was in zip(names, known, strict=True)]
        return cls("classes", classes, [])

    def __len__(self) -> int:
        return len(self.classes)

    @property
    def earlier(self) -> tuple[str, ...]:
        """What each class was called before, as `Class.was`; empty where none had another name."""
        names = tuple(c.was for c in self.classes)
        return names if any(names) else ()

    def index(self, name: str) -> int:
        """Position of a class; KeyError where there is none."""
        return self._index[name]

    def children(self, name: str) -> tuple[int, ...]:
        """Positions of the classes whose parent is `name` ('' for those without one)."""
        return tuple(i for i, c in enumerate(self.classes) if c.parent == name)

    @cached_property
    def groups(self) -> tuple[tuple[int, ...], ...]:
        """Positions of the classes in the groups in which they are shown, everywhere: each parent
        with its children, then the others; within a group by the keys 1 … 9, 0."""
        roots = sorted(self.children(""), key=self._by_key)
        parents = [root for root in self.children("") if self.children(self.names[root])]
        free = tuple(root for root in roots if root not in parents)
        return (*((root, *self._below(root)) for root in parents), *((free,) if free else ()))

    def _by_key(self, index: int) -> tuple[int, int]:
        key = self.classes[index].key
        return ("1234567890".find(key) if len(key) == 1 and key.isdigit() else 99, index)

    def _below(self, root: int) -> tuple[int, ...]:
        below = sorted(self.children(self.names[root]), key=self._by_key)
        return tuple(i for child in below for i in (child, *self._below(child)))

    @cached_property
    def order(self) -> tuple[int, ...]:
        """Positions of all classes in the order in which they are shown, everywhere."""
        return tuple(index for group in self.groups for index in group)

    @cached_property
    def names_in_order(self) -> tuple[str, ...]:
        """All names in the order in which they are shown."""
        return tuple(self.names[index] for index in self.order)

    @cached_property
    def _places_shown(self) -> dict[str, int]:
        return {name: place for place, name in enumerate(self.names_in_order)}

    def place(self, name: str) -> int:
        """Where a class comes in the order shown; behind all others where it is not known."""
        return self._places_shown.get(name, len(self))

    def present(self, labels: npt.ArrayLike) -> list[int]:
        """Positions of the classes of one label set (C,), in the order shown."""
        L = np.asarray(labels, bool)
        return [index for index in self.order if L[index]]

    def named(self, labels: npt.ArrayLike) -> list[str]:
        """Names of the classes of one label set (C,), in the order shown."""
        return [self.names[index] for index in self.present(labels)]

    def in_words(self, labels: npt.ArrayLike) -> str:
        """The same as a text, "no class" where there is none."""
        return ", ".join(self.named(labels)) or "no class"

    def mask(self, names: Iterable[str]) -> Labels:
        """(C,) True at the given classes."""
        found = np.zeros(len(self), bool)
        found[[self._index[n] for n in names]] = True
        return found

    @cached_property
    def retired(self) -> Labels:
        """(C,) True for classes that no shot is given any more."""
        return np.array([bool(c.retired) for c in self.classes], bool)

    @cached_property
    def offered(self) -> Taxonomy:
        """The classes that are not retired, with the rules that still say something about them."""
        if not self.retired.any():
            return self
        kept = {c.name for c in self.classes if not c.retired}
        classes = [replace(c, parent=c.parent if c.parent in kept else "")
                   for c in self.classes if c.name in kept]  # fmt: skip
        rules = []
        for rule in self.rules:
            left, right = (tuple(n for n in side if n in kept) for side in (rule.left, rule.right))
            if names_enough(rule.kind, left, right):
                rules.append(replace(rule, left=left, right=right))
        return Taxonomy(self.name, classes, rules)

    # -- packing -------------------------------------------------------------------------------

    def pack(self, labels: npt.ArrayLike) -> npt.NDArray[np.int64]:
        """(..., C) booleans to (...) integers."""
        bits = np.left_shift(np.int64(1), self._bits)
        return np.asarray(np.asarray(labels, bool) @ bits, np.int64)

    def unpack(self, packed: npt.ArrayLike) -> Labels:
        """(...) integers to (..., C) booleans."""
        bits = np.asarray(packed, np.int64)
        if bits.size > MANY_SETS:  # class by class, or the middle results fill the memory
            labels = np.empty((*bits.shape, len(self)), bool)
            for c in range(len(self)):
                labels[..., c] = bits & (np.int64(1) << c)
            return labels
        return (np.right_shift(bits[..., None], self._bits) & 1).astype(bool)

    @cached_property
    def _bits(self) -> npt.NDArray[np.int64]:
        return np.arange(len(self), dtype=np.int64)

    # -- judging -------------------------------------------------------------------------------

    def violations(self, labels: npt.ArrayLike, known: npt.ArrayLike | None = None) -> Labels:
        """(..., C) label sets to (..., R): which rule each set breaks.

        `known` (..., C): the decided classes. An undecided one breaks no rule: it may be there.
        """
        L = np.asarray(labels, bool)
        may = L if known is None else L | ~np.asarray(known, bool)
        broken = np.zeros((*L.shape[:-1], len(self.rules)), bool)
        for r, (rule, (left_of, right_of)) in enumerate(zip(self.rules, self._sides, strict=True)):
            left, right = L[..., left_of], L[..., right_of]
            if rule.kind == "one_of":
                broken[..., r] = left.sum(-1) > 1
            elif rule.kind == "never":
                broken[..., r] = left.any(-1) & right.any(-1)
            elif rule.kind == "implies":
                broken[..., r] = left.any(-1) & ~may[..., right_of].any(-1)
            elif rule.kind == "alone":
                broken[..., r] = left.any(-1) & (L.sum(-1) > 1)
            elif rule.kind == "some":
                broken[..., r] = ~may[..., left_of].any(-1)
            else:
                assert_never(rule.kind)
        return broken

    @cached_property
    def _sides(self) -> list[tuple[Labels, Labels]]:
        """The classes at the left and at the right of every rule."""
        return [(self.mask(rule.left), self.mask(rule.right)) for rule in self.rules]

    @cached_property
    def hard(self) -> Labels:
        """(R,) True for hard rules."""
        return np.array([rule.severity == "hard" for rule in self.rules], bool)

    @cached_property
    def exclusive(self) -> bool:
        """Whether each class excludes every other: a shot has one class, not a set of them."""
        return any(
            rule.kind == "one_of" and rule.severity == "hard" and set(rule.left) >= set(self.names)
            for rule in self.rules
        )

    def contradictions(self, labels: npt.ArrayLike, known: npt.ArrayLike | None = None) -> Labels:
        """(..., C) label sets to (...): True where a hard rule is broken, see `violations`."""
        return np.asarray((self.violations(labels, known) & self.hard).any(-1))

    def complete(self, labels: npt.ArrayLike) -> Labels:
        """Add every class that the present ones imply without a choice (a single `right`); by a
        soft rule only where no hard one forbids it beside them."""
        full = np.array(labels, bool, copy=True)
        return self._bring(full, full)

    def _bring(self, row: Labels, asking: Labels) -> Labels:
        """(..., C) label sets with what those of their classes that are `asking` imply."""
        full, asking = row.copy(), asking.copy()
        for _ in range(len(self)):
            before = full.copy()
            asked = (asking[..., :, None] & self._hard_implied).any(-2) & ~full
            full |= asked
            asking |= asked
            asked = (asking[..., :, None] & self._implied).any(-2) & ~full
            for c in np.flatnonzero(asked.reshape(-1, len(self)).any(0)):
                added = asked[..., c, None] & (self._hard_closure[c] | (np.arange(len(self)) == c))
                grown = full | added
                new = self.violations(grown) & ~self.violations(full) & self._excluding
                added &= ~new.any(-1, keepdims=True)
                full |= added
                asking |= added
            if (full == before).all():
                break
        return full

    def implied(self, labels: npt.ArrayLike) -> Labels:
        """(..., C): True for present classes that another present class implies."""
        L = np.asarray(labels, bool)
        return L & (L[..., :, None] & self._implied).any(-2)

    @cached_property
    def _implied(self) -> Labels:
        """(C, C): [a, b] True where a implies b, and nothing else would do; b is not retired."""
        return self._implications(hard_only=False)

    @cached_property
    def _hard_closure(self) -> Labels:
        """(C, C): [a, b] True where a hard-implies b, by way of others too."""
        table = self._hard_implied
        for _ in range(len(self).bit_length()):  # each time ways of twice the length
            table = table | (table[:, :, None] & table[None]).any(1)
        return table

    @cached_property
    def _excluding(self) -> Labels:
        """(R,) True for hard rules by which one class keeps out another."""
        kinds = np.array([rule.kind in ("one_of", "never", "alone") for rule in self.rules], bool)
        return kinds & self.hard

    def _implications(self, hard_only: bool) -> Labels:
        table = np.zeros((len(self), len(self)), bool)
        for rule in self.rules:
            if rule.kind != "implies" or len(rule.right) != 1:
                continue
            if rule.severity == "hard" or not hard_only:
                table[np.ix_(self.mask(rule.left), self.mask(rule.right))] = True
        return table & ~self.retired

    @cached_property
    def legal_sets(self) -> Labels:
        """(L, C): every label set that breaks no hard rule, the empty set among them."""
        if len(self) > MAX_ENUMERATED:
            raise InputError(
                f"{len(self)} classes are too many to list their legal label sets",
                mend=f"Rule-aware output works with up to {MAX_ENUMERATED} classes.",
            )
        every = self.unpack(np.arange(2 ** len(self)))
        return every[~self.contradictions(every)]

    @cached_property
    def possible(self) -> Labels:
        """(C,) True for the classes that some shot may have, by the hard rules.

        Of more classes than can be listed only what each one implies is looked at.
        """
        if len(self) <= MAX_ENUMERATED:
            return np.asarray(self.legal_sets.any(0))
        brought = np.eye(len(self), dtype=bool) | self._hard_closure
        return np.asarray(~(self.violations(brought) & self._excluding).any(-1))

    def listed_sets(self, most: int) -> Labels | None:
        """(L, C) legal label sets; None where no hard rule binds the classes, or where there are
        more than `most` or more classes than can be listed."""
        if not self.hard.any() or len(self) > MAX_ENUMERATED:
            return None
        return self.legal_sets if len(self.legal_sets) <= most else None

    # -- changing ------------------------------------------------------------------------------

    def toggle(self, labels: npt.ArrayLike, class_index: int) -> Labels:
        """The label row (C,) after a person toggles one class.

        Switched on, a class brings what it implies and drops what a hard rule forbids beside it;
        what a soft rule alone would bring never drops a class that is there.
        Switched off, it takes along what cannot stand without it, and the implied classes that
        nothing else asks for, so that a slip of the finger leaves nothing behind.
        """
        row = np.array(labels, bool, copy=True)
        if row[class_index]:
            return self._switch_off(row, class_index)
        return self._switch_on(row, class_index)

    def _switch_on(self, row: Labels, class_index: int) -> Labels:
        alone = np.zeros(len(self), bool)
        alone[class_index] = True
        added = alone | self._hard_closure[class_index]
        kept = row & ~self._forbidden_beside(added)
        return self._bring(added | self._drop_unsupported(kept, added), added)

    def _forbidden_beside(self, added: Labels) -> Labels:
        forbidden = np.zeros(len(self), bool)
        for rule in self.rules:
            if rule.severity != "hard":
                continue
            left, right = self.mask(rule.left), self.mask(rule.right)
            if rule.kind == "one_of" and (added & left).any():
                forbidden |= left
            elif rule.kind == "never":
                if (added & left).any():
                    forbidden |= right
                if (added & right).any():
                    forbidden |= left
            elif rule.kind == "alone":
                forbidden |= (added & left).any() | left
        return forbidden & ~added

    def _drop_unsupported(self, kept: Labels, added: Labels) -> Labels:
        """Drop from `kept` what hard-implies a class that is not there any more."""
        for _ in range(len(self)):
            missing = ~(kept | added)
            falling = kept & (self._hard_implied & missing).any(-1)
            if not falling.any():
                break
            kept = kept & ~falling
        return kept

    @cached_property
    def _hard_implied(self) -> Labels:
        return self._implications(hard_only=True)

    def _switch_off(self, row: Labels, class_index: int) -> Labels:
        was_implied = self.implied(row)
        row[class_index] = False
        row = self._drop_unsupported(row, np.zeros(len(self), bool))
        while (lonely := row & was_implied & ~self.implied(row)).any():
            row = row & ~lonely  # and then what it asked for
        return row

    def fix(
        self, labels: npt.ArrayLike, rule_index: int, known: npt.ArrayLike | None = None
    ) -> Fix | None:
        """The mend for a broken rule on one label row (C,), or None where only a person can say.

        A class that is implied without a choice is added where that is legal. A hard rule is
        mended by the nearest legal label set: fewest changes, then fewest broken soft rules.
        Undecided classes, all but the `known` ones (C,), stay so, and no retired one is added.
        """
        row = np.asarray(labels, bool)
        said = np.ones_like(row) if known is None else np.asarray(known, bool)
        rule = self.rules[rule_index]
        if rule.kind == "implies" and len(rule.right) == 1:
            grown = row | self.mask(rule.right)
            if not self.contradictions(grown, said) and not (self.retired & grown & ~row).any():
                return Fix(grown, f"add {rule.right[0]}")
        choice = rule.kind == "some" and len(rule.left) > 1
        if rule.severity == "soft" or choice or len(self) > MAX_ENUMERATED:
            return None
        legal = self.legal_sets[~(self.legal_sets & ~row & self.retired).any(-1)]
        if not len(legal):
            return None
        changes = ((legal != row) & said).sum(-1)
        soft = self.violations(legal).sum(-1)
        nearest = legal[np.lexsort((soft, changes))[0]] & said
        return Fix(nearest, self._difference(row, nearest))

    def _difference(self, before: Labels, after: Labels) -> str:
        steps = []
        for verb, changed in (("remove", before & ~after), ("add", after & ~before)):
            if changed.any():
                steps.append(f"{verb} {', '.join(self.named(changed))}")
        return ", ".join(steps)

    # -- names found elsewhere: for classes that say their earlier names, see `same_classes` -------

    def knows(self, name: str) -> bool:
        """Whether `columns` would find a class of this name."""
        return plain(name) in self._places

    @cached_property
    def _places(self) -> dict[str, int]:
        ours = {plain(n): i for i, c in enumerate(self.classes) for n in c.was.split(";") if n}
        return ours | {plain(n): i for i, n in enumerate(self.names)}

    def now(self, name: str) -> str:
        """What a class found elsewhere is called here, by `columns`; the name itself where there
        is no such class."""
        return self.names[self._places[plain(name)]] if self.knows(name) else name

    def columns(self, names: Sequence[str], file: Path | str | None = None) -> npt.NDArray[np.intp]:
        """Positions here of class names found elsewhere, matched without case, '-' and '_'.

        A name that a class had earlier is found too, unless another one has it now. Raises
        InputError that names every unknown class.
        """
        ours = self._places
        self.refuse([n for n in names if plain(n) not in ours], file)
        return np.array([ours[plain(n)] for n in names], np.intp)

    def refuse(self, unknown: Sequence[str], file: Path | str | None = None) -> None:
        """InputError that names classes which are none of these, where there are some."""
        if unknown:
            raise InputError(
                f"unknown class{'es' if len(unknown) > 1 else ''} {', '.join(map(repr, unknown))}",
                file=file,
                mend=f"The taxonomy {self.name!r} has: {', '.join(self.names)}.",
            )


@lru_cache(maxsize=4096)
def plain(name: str) -> str:
    """A class name as it is compared: letters and digits only, without case; where it has none, as
    it stands."""
    return "".join(ch for ch in folded(name) if ch.isalnum()) or name.strip()
