"""Which classes of two trainings, files or projects are the same, whatever each calls them.

Two are the same where they share a name, of now or before. Where several do, those are that share
most of their names, then their first one; and of two that had the same first name, the renamed one
is meant, as the other took it afterwards. No class is two others.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path

import numpy as np
import numpy.typing as npt

from model.taxonomy.taxonomy import Class, Taxonomy, plain

Places = npt.NDArray[np.intp]
Names = tuple[str, ...]
"""Of one class, all that it had, in the order in which it had them; see `plain`."""


def places_among(ours: Taxonomy, theirs: Taxonomy) -> Places:
    """(C,) the place of each of our classes among theirs, -1 where it is none of them."""
    return np.array(_places(_all_names(ours), _all_names(theirs)), np.intp)


def columns_of(ours: Taxonomy, theirs: Taxonomy, file: Path | str) -> Places:
    """(C,) the place of each of their classes among ours; InputError that names every one which is
    none of them. file: where theirs were found."""
    found = places_among(theirs, ours)
    ours.refuse([n for n, c in zip(theirs.names, found, strict=True) if c < 0], file)
    return found


def are_same(ours: Taxonomy, theirs: Taxonomy) -> bool:
    """Whether both have the same classes in the same order."""
    return places_among(ours, theirs).tolist() == [*range(len(theirs))]


def place_among(theirs: Taxonomy | Sequence[str], name: str, *taxonomies: Taxonomy | None) -> int:
    """Place of one class among those of a taxonomy, or names, whatever its spelling; -1 where it is
    none of them.

    taxonomies: each may know it by another name; the first that finds it counts. What one that
    knows it takes for another class is not it, though it be spelt alike.
    """
    there = theirs if isinstance(theirs, Taxonomy) else Taxonomy.of_names(theirs)
    of_others: set[int] = set()
    for ours in (t for t in taxonomies if t is not None and t.knows(name)):
        places = places_among(ours, there).tolist()
        place = places[ours.columns([name])[0]]
        if place >= 0 and place not in of_others:
            return place
        of_others |= {*places} - {-1}
    place = int(there.columns([name])[0]) if there.knows(name) else -1
    return -1 if place in of_others else place


def _all_names(taxonomy: Taxonomy) -> tuple[Names, ...]:
    return tuple(_names(kind) for kind in taxonomy.classes)


@lru_cache(maxsize=4096)
def _names(kind: Class) -> Names:
    return tuple(dict.fromkeys(plain(n) for n in (*kind.was.split(";"), kind.name) if n))


@lru_cache(maxsize=256)
def _places(ours: tuple[Names, ...], theirs: tuple[Names, ...]) -> tuple[int, ...]:
    alike = np.array([[_alike(one, other) for other in theirs] for one in ours], float)
    alike = alike.reshape(len(ours), len(theirs))
    mine, others = np.nonzero(alike)
    if len(mine) > len(set(mine.tolist())) or len(others) > len(set(others.tolist())):
        from scipy.optimize import linear_sum_assignment

        mine, others = linear_sum_assignment(alike, maximize=True)
    found = np.full(len(ours), -1)
    found[mine] = np.where(alike[mine, others] > 0, others, -1)
    return tuple(found.tolist())


def _alike(one: Names, other: Names) -> float:
    """How surely two classes are the same; 0 where they share no name."""
    shared = len({*one} & {*other})
    renamed = (len(one) > 1) + (len(other) > 1)
    return shared and 1e4 * shared + 100 * (one[0] == other[0]) + renamed
