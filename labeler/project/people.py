"""Who labels: several people in one project, each with labels and a place of their own.

Who sits at this machine is remembered in the project for its user. No Qt, no SQL.
"""

from __future__ import annotations

import getpass
import platform
from dataclasses import dataclass

import numpy as np

from labeler.project.store import LABELLED, Annotator, Store
from model.errors import InputError, folded, is_visible, one_line

OWNER, HERE, BLIND = "annotator", "annotator.of", "blind"
"""Named values: whose project it is; who labels at a machine; whether people see each other."""
LONGEST = 60


@dataclass(frozen=True)
class Person:
    """Someone who labels here, and on how many shots they decided."""

    id: int
    name: str
    labelled: int
    is_me: bool


FROM_FILE, ME = "file", "me"
"""Who decided, in a table of labels: they came with the shots, or from whoever read them in."""


def login() -> str:
    """The login name, or "user" where the system has none."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return "user"


def me(store: Store) -> int:
    """The number of the person who labels at this machine: chosen here, else the owner."""
    kept = store.get_meta(_here())
    if kept is None:
        kept = store.get_meta(OWNER)
    return int(kept) if kept is not None else store.annotator(login())


def written(store: Store, name: str) -> str:
    """A name as it is kept: that of whoever is entered already, in whatever letters; else on one
    line. InputError for what is no name."""
    name = " ".join(name.split())
    known = {folded(a.name): a.name for a in store.annotators() if a.kind == "human"}
    if folded(name) in known:
        return known[folded(name)]
    if folded(name) in (FROM_FILE, ME):
        what = f"is no name: in tables of labels {name!r} stands for no one in particular"
        raise InputError(what, mend="Give the name of a person.")
    if len(name) > LONGEST:
        what = f"is no name, for it has {len(name)} letters: '{name[:20]}…'"
        raise InputError(what, mend=f"Give 1 to {LONGEST} letters, as on a badge.")
    if not (one_line(name) and is_visible(name)):
        raise InputError(
            f"is no name: {name[:20]!r}", mend=f"Give 1 to {LONGEST} letters, as on a badge."
        )
    return name


def label_as(store: Store, name: str) -> int:
    """Label under a name from now on, at this machine; entered where it is new. The number."""
    number = store.annotator(written(store, name))
    store.set_meta(_here(), number)
    return number


def people(store: Store, mine: int | None = None) -> list[Person]:
    """Everybody who labels in a project, in the order in which they came; `mine` is who asks."""
    mine = me(store) if mine is None else mine
    return [
        Person(a.id, a.name, _labelled(store, a.id), a.id == mine)
        for a in store.annotators()
        if a.kind == "human"
    ]


def is_blind(store: Store) -> bool:
    """Whether no one is shown what the others decided."""
    return bool(store.get_meta(BLIND, False))


def set_blind(store: Store, blind: bool) -> None:
    """Choose for the whole project whether people see each other's decisions."""
    store.set_meta(BLIND, blind)


def shown_to(store: Store, annotator: int) -> list[Annotator]:
    """Whose decisions an annotator may see: their own, those of files, and others' unless blind."""
    everybody = store.annotators()
    if not is_blind(store):
        return everybody
    mine = store.name_of(annotator)
    return [a for a in everybody if a.kind == "import" or a.name == mine]


def _here() -> str:
    return f"{HERE}.{login()}@{platform.node()}"


def _labelled(store: Store, annotator: int) -> int:
    return int(np.count_nonzero(store.load_state(annotator).status & LABELLED))
