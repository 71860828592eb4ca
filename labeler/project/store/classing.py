"""Changes of the classes as part of the history: renamed, added, merged, retired, rules changed.

A bit of `present` is never given to another class, so no label ever changes its meaning.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Connection, delete, insert, select, update

from labeler.project.store.dialects import POSTGRES, only_grows
from labeler.project.store.facts import keep_twice, put_value
from labeler.project.store.schema import ANNOTATORS, CLASSES, CURRENT, EVENTS, GESTURES

TEXT, PENDING = "taxonomy", "taxonomy_pending"
"""Named values: the text of taxonomy.toml; True while a change of it is not yet in the file."""
CHANGED = "classes_changed"
"""The named value that is the number of the newest change of the classes."""

RELABELS = ("merge", "unmerge")
"""Origins of the gestures that follow from a change of the classes."""
State = tuple[int, int, int]
"""Row, present, status."""


@dataclass(frozen=True)
class ClassChange:
    """One change. `before` and `after` are the texts of taxonomy.toml."""

    what: str
    """rename, add, merge, retire, rule, edited or undo."""
    text: str
    """In words."""
    before: str
    after: str
    renamed: tuple[str, str] | None = None
    added: tuple[str, ...] = ()
    removed: tuple[str, ...] = ()
    """Classes that no label ever carried."""
    merged: tuple[str, str] | None = None
    """Labels with the first get the second instead."""
    takes_back: int | None = None
    """The number of the change that this one undoes."""
    unlabel: tuple[int, ...] = ()
    """Gestures whose effect is taken back where it still holds."""

    def kept(self) -> dict[str, Any]:
        """What the history keeps of it."""
        return {
            "text": self.text,
            "before": self.before,
            "after": self.after,
            "renamed": self.renamed,
            "added": self.added,
            "merged": self.merged,
        }


@dataclass(frozen=True)
class KeptChange:
    """A change of the classes in the history."""

    gesture: int
    time: datetime
    annotator: str
    what: str
    text: str
    before: str
    after: str
    takes_back: int | None
    renamed: tuple[str, str] | None = None
    added: tuple[str, ...] = ()
    relabelled: tuple[int, ...] = field(default=())
    merged: tuple[str, str] | None = None


def kept_changes(connection: Connection) -> list[KeptChange]:
    """All of them, oldest first."""
    find = (
        select(
            GESTURES.c.id,
            GESTURES.c.time_us,
            ANNOTATORS.c.name,
            GESTURES.c.origin,
            GESTURES.c.target_id,
            GESTURES.c.shown,
        )
        .join_from(GESTURES, ANNOTATORS, ANNOTATORS.c.id == GESTURES.c.annotator_id)
        .where(GESTURES.c.kind == "classes")
        .order_by(GESTURES.c.id)
    )
    return [
        KeptChange(
            gesture=id,
            time=datetime.fromtimestamp(time_us / 1e6, UTC),
            annotator=name,
            what=what,
            text=kept["text"],
            before=kept["before"],
            after=kept["after"],
            takes_back=target,
            renamed=tuple(kept["renamed"]) if kept["renamed"] else None,
            added=tuple(kept["added"]),
            relabelled=tuple(kept["relabelled"]),
            merged=tuple(kept["merged"]) if kept["merged"] else None,
        )
        for id, time_us, name, what, target, kept in connection.execute(find)
    ]


def in_effect(changes: list[KeptChange]) -> list[KeptChange]:
    """The changes that were not taken back, oldest first."""
    gone = {c.takes_back for c in changes if c.takes_back is not None}
    return [c for c in changes if c.takes_back is None and c.gesture not in gone]


def merges(connection: Connection) -> list[tuple[int, int, int]]:
    """(gesture, bits of the class that went, of the one it went into) of the merges in effect."""
    done = in_effect(kept_changes(connection))
    bits = {c.name: 1 << c.bit for c in connection.execute(select(CLASSES.c.name, CLASSES.c.bit))}
    found = []
    for k, change in enumerate(done):
        names = list(change.merged or ())
        for later in done[k:]:
            old, new = later.renamed or ("", "")
            names = [new if name == old else name for name in names]
        if names:
            found.append((change.gesture, bits[names[0]], bits[names[1]]))
    return found


def change_rows(connection: Connection, change: ClassChange) -> None:
    """Change the table of classes and the text of the taxonomy."""
    if change.renamed is not None:
        old, new = change.renamed
        connection.execute(update(CLASSES).where(CLASSES.c.name == old).values(name=new))
    bits = [int(bit) for (bit,) in connection.execute(select(CLASSES.c.bit))]
    known = {name for (name,) in connection.execute(select(CLASSES.c.name))}
    first = max(bits, default=-1) + 1
    fresh = [name for name in change.added if name not in known]
    rows = [{"bit": first + k, "name": name} for k, name in enumerate(fresh)]
    if rows:
        connection.execute(insert(CLASSES), rows)
    for name in change.removed:
        connection.execute(delete(CLASSES).where(CLASSES.c.name == name))
    keep_twice(connection, CLASSES, range(first + len(rows)))
    for key, value in ((TEXT, change.after), (PENDING, True)):
        put_value(connection, key, value)


def fill_known(connection: Connection) -> None:
    """Say of every decision in a history of the first form which classes there were to decide."""
    bits = {c.name: 1 << c.bit for c in connection.execute(select(CLASSES.c.name, CLASSES.c.bit))}
    since, later = [], kept_changes(connection)
    for k, change in enumerate(later):
        for name in change.added:
            for renaming in later[k:]:
                name = (
                    renaming.renamed[1]
                    if renaming.renamed and renaming.renamed[0] == name
                    else name
                )
            if name in bits:
                since.append((change.gesture, bits.pop(name)))
    parts = [str(sum(bits.values()))]
    parts += [f"CASE WHEN spoke > {gesture} THEN {bit} ELSE 0 END" for gesture, bit in since]
    run, postgres = connection.exec_driver_sql, connection.dialect.name == POSTGRES
    run("DROP TRIGGER events_no_update" + (" ON events" if postgres else ""))
    run(_FILL_AFTER.format(" + ".join(parts).replace("spoke", _SPOKE)))
    for statement in (_FILL_BEFORE, _FILL_CURRENT):
        run(statement)
    run(only_grows("events", "UPDATE", connection.dialect.name))


_SPOKE = "(SELECT coalesce(g.target_id, g.id) FROM gestures g WHERE g.id = events.gesture_id)"
_FILL_AFTER = "UPDATE events SET known_after = {} WHERE (status_after & 1) > 0 AND known_after = 0"
_FILL_BEFORE = """
UPDATE events SET known_before = coalesce((
    SELECT p.known_after FROM events p JOIN gestures h ON h.id = p.gesture_id
    WHERE p.row = events.row AND p.gesture_id < events.gesture_id AND h.annotator_id =
        (SELECT g.annotator_id FROM gestures g WHERE g.id = events.gesture_id)
    ORDER BY p.gesture_id DESC LIMIT 1), 0)
"""
_FILL_CURRENT = """
UPDATE current SET known = coalesce((
    SELECT e.known_after FROM events e JOIN gestures g ON g.id = e.gesture_id
    WHERE e.row = current.row AND g.annotator_id = current.annotator_id
    ORDER BY e.gesture_id DESC LIMIT 1), 0)
"""


def ever_used(connection: Connection, name: str) -> bool:
    """Whether any label of any time carries a class, or says that it is absent.

    Then its bit is never given to another class: that one would be decided where no one spoke
    of it.
    """
    bit = connection.execute(select(CLASSES.c.bit).where(CLASSES.c.name == name)).scalar()
    if bit is None:
        return False
    both = EVENTS.c.present_after.bitwise_or(EVENTS.c.known_after)
    has = both.bitwise_and(1 << int(bit)) != 0
    return connection.execute(select(EVENTS.c.row).where(has).limit(1)).scalar() is not None


def relabelled(
    connection: Connection, change: ClassChange
) -> Iterator[tuple[str, int, list[State]]]:
    """(origin, annotator, new states) of the labels that follow from a change."""
    if change.merged is not None:
        names = {c.name: c.bit for c in connection.execute(select(CLASSES.c.name, CLASSES.c.bit))}
        gone, into = (1 << names[name] for name in change.merged)
        c = CURRENT.c
        find = select(c.annotator_id, c.row, c.present, c.status)
        found = connection.execute(find.where(c.present.bitwise_and(gone) != 0)).all()
        for who in sorted({row[0] for row in found}):
            states = [(r, p & ~gone | into, s) for a, r, p, s in found if a == who]
            yield "merge", int(who), states
    for gesture in change.unlabel:
        yield from _taken_back(connection, gesture)


def _taken_back(connection: Connection, gesture: int) -> Iterator[tuple[str, int, list[State]]]:
    """The states before a gesture, of those shots that no one changed since."""
    e, c = EVENTS.c, CURRENT.c
    who = connection.execute(select(GESTURES.c.annotator_id).where(GESTURES.c.id == gesture))
    annotator = int(who.scalar_one())
    same = (c.row == e.row) & (c.annotator_id == annotator) & (c.present == e.present_after)
    find = select(e.row, e.present_before, c.status).join_from(EVENTS, CURRENT, same)
    found = connection.execute(find.where(e.gesture_id == gesture)).all()
    if found:
        yield "unmerge", annotator, [(int(r), int(p), int(s)) for r, p, s in found]
