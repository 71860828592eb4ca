"""The store's verbs for labels: record, undo, redo, and questions about what was decided.

A change is one transaction and is on the disk when the verb returns. The history only grows.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
from sqlalchemy import Connection, bindparam, func, insert, literal, select

from labeler.project.store import audit, classing, migrating, salvage, server
from labeler.project.store.classing import CHANGED, ClassChange, KeptChange
from labeler.project.store.connection import Database, damaged
from labeler.project.store.copies import RESTORED
from labeler.project.store.dialects import AFTER, add_events, make_current, states, these
from labeler.project.store.facts import Facts, put_value
from labeler.project.store.records import (
    Change,
    Changes,
    GestureKind,
    HistoryEntry,
    State,
    StoreState,
    known_now,
    moved,
)
from labeler.project.store.schema import ANNOTATORS, CURRENT, EVENTS, GESTURES, META, SOURCES
from model.errors import InputError, counted

_BEFORE_IT = (
    EVENTS.c.row,
    EVENTS.c.present_before,
    EVENTS.c.status_before,
    EVENTS.c.note_before,
    EVENTS.c.known_before,
)
_OF_GESTURE = EVENTS.c.gesture_id == bindparam("gesture")
_SINCE = (
    select(
        GESTURES.c.id, GESTURES.c.kind, GESTURES.c.target_id, GESTURES.c.changed, GESTURES.c.origin
    )
    .where(GESTURES.c.annotator_id == bindparam("annotator"), GESTURES.c.id > bindparam("seen"))
    .order_by(GESTURES.c.id)
)
_STATE = "SELECT row, present, status, known FROM current WHERE annotator_id = ?"
_STATE_TYPE = np.dtype([("row", "i8"), ("present", "i8"), ("status", "u1"), ("known", "i8")])
_CHANGED = "SELECT value FROM meta WHERE key = ?"
_HISTORY = (
    select(
        GESTURES.c.time_us,
        ANNOTATORS.c.name,
        GESTURES.c.id,
        GESTURES.c.kind,
        GESTURES.c.origin,
        EVENTS.c.present_before,
        EVENTS.c.status_before,
        EVENTS.c.present_after,
        EVENTS.c.status_after,
        EVENTS.c.note_after,
        GESTURES.c.shown,
        GESTURES.c.seconds,
        EVENTS.c.known_before,
        EVENTS.c.known_after,
        GESTURES.c.changed,
    )
    .join_from(EVENTS, GESTURES, GESTURES.c.id == EVENTS.c.gesture_id)
    .join(ANNOTATORS, ANNOTATORS.c.id == GESTURES.c.annotator_id)
    .where(EVENTS.c.row == bindparam("at"))
    .order_by(GESTURES.c.id)
)
_HISTORY_OF_ONE = _HISTORY.where(GESTURES.c.annotator_id == bindparam("who"))
_NEWEST = select(func.max(GESTURES.c.id))
_NOW = select(
    _NEWEST.scalar_subquery(),
    select(func.sum(SOURCES.c.n_shots)).scalar_subquery(),
    select(META.c.value).where(META.c.key == RESTORED).scalar_subquery(),
)
_OTHERS_SINCE = (
    select(GESTURES.c.id, GESTURES.c.annotator_id, GESTURES.c.kind)
    .where(GESTURES.c.id > bindparam("gesture"))
    .order_by(GESTURES.c.id)
)
_ROWS_OF = select(EVENTS.c.row).where(EVENTS.c.gesture_id == bindparam("gesture"))


def _refuse_what_is_no_text(note: str | Sequence[str | None] | None) -> None:
    notes = [note] if isinstance(note, str) else note or ()
    if any("\0" in (text or "") for text in notes):
        raise InputError("a note has a NUL character in it", mend="Type the note again.")


@dataclass
class UndoStack:
    """Gestures of one annotator that are in effect (`done`) and that were taken back (`undone`)."""

    done: list[int] = field(default_factory=list)
    undone: list[int] = field(default_factory=list)
    seen: int = 0
    """The newest gesture that is accounted for; another window may have added more."""
    ends_at_relabel: bool = False
    """Whether what was done before a "relabel" would be next, and is out of reach."""

    def follow(self, gestures: Iterable[tuple[int, str, int | None, int]]) -> None:
        """Account for further (id, kind, target, changed), oldest first.

        A gesture that changed nothing is history, but there is nothing in it to undo. After a
        repair of a damaged database everything begins again, and so it does after a "relabel":
        labels that followed from a change of the classes, which is taken back as a whole.
        """
        for gesture, kind, target, changed in gestures:
            self.seen = gesture
            if kind == "undo":
                self._move(target, self.done, self.undone)
            elif kind == "redo":
                self._move(target, self.undone, self.done)
            elif kind in ("salvage", "relabel"):
                self.done.clear()
                self.undone.clear()
                self.ends_at_relabel = kind == "relabel"
            elif changed:
                self.done.append(gesture)
                self.undone.clear()

    def _move(self, target: int | None, start: list[int], end: list[int]) -> None:
        """The last one goes over; of a salvaged history it may be gone, and then nothing does."""
        if start and start[-1] == target:
            end.append(start.pop())


class Store(Facts):
    """Everything that was decided in one project. For one thread; other processes may write too."""

    def __init__(self, database: Database) -> None:
        super().__init__(database)
        self._stacks: dict[int, UndoStack] = {}
        self.written: set[int] = set()
        self.retired = 0
        """Bits of the classes that are not offered: a first decision says nothing of them."""
        self.order: tuple[int, ...] = ()
        """Bits of the classes in the order in which they are shown; others come behind."""
        self._as_of: str | None = None
        """By which change of the classes labels are given; None: by whichever there was."""

    @classmethod
    def create(cls, path: Path, class_names: Sequence[str], url: str | None = None) -> Store:
        """A new database; bit c of `present` stands for the c-th class.

        With `url` it is on a server, and `path` is the small file that says so.
        """
        store = cls(Database(path) if url is None else server.found(path, url))
        try:
            migrating.bring_up(store.database)
            store.add_classes(list(class_names))
        except BaseException:
            store.forsake()
            store.close()
            raise
        return store

    @classmethod
    def open(cls, path: Path) -> Store:
        """An existing database, checked, and brought to the present form after a backup.

        `path` is the database, or the file that says on which server it is. InputError where it
        is damaged, newer than this program, or cannot be opened.
        """
        database = server.open_server(path) if path.suffix == ".toml" else Database(path)
        try:
            database.quick_check()
            if migrating.revision(database) is None:
                raise damaged(path, "there is no project in it")
            migrating.bring_up(database)
        except BaseException:
            database.close()
            raise
        return cls(database)

    @property
    def read_only(self) -> bool:
        """Whether the project can only be looked at."""
        return self.database.read_only

    def save_copy(self, target: Path) -> None:
        """Save all that this store holds as one file that `airylabel restore` takes."""
        self.database.copy_to(target)

    def forsake(self) -> None:
        """Take away what was made on a server, where making a project failed."""
        if isinstance(self.database, server.ServerDatabase):
            self.database.erase()

    def close(self) -> None:
        """Let go of the file."""
        self.database.close()

    # -- changing ------------------------------------------------------------------------------

    def record(
        self,
        annotator_id: int,
        rows: npt.ArrayLike,
        present: npt.ArrayLike,
        status: npt.ArrayLike,
        *,
        origin: str,
        note: str | Sequence[str | None] | None = None,
        shown: dict[str, Any] | None = None,
        seconds: float | None = None,
        said: npt.ArrayLike = 0,
        unsaid: npt.ArrayLike = 0,
    ) -> int:
        """Keep one gesture on one or many shots; durable when it returns. The gesture's number.

        `present`, `status` and `note` are one value for all rows, or one each. `note` None leaves
        notes as they are, '' takes them away. `said` has the bits of classes that are decided by
        this although they do not change, `unsaid` of those of which a first decision says nothing,
        see `records.known_now`. InputError where the disk refuses: then nothing changed.
        """
        _refuse_what_is_no_text(note)
        where = np.atleast_1d(np.asarray(rows, np.int64))
        bits = np.broadcast_to(np.asarray(present, np.int64), where.shape).tolist()
        flags = np.broadcast_to(np.asarray(status, np.uint8), where.shape).tolist()
        spoken, silent = (
            np.broadcast_to(np.asarray(b, np.int64), where.shape).tolist() for b in (said, unsaid)
        )
        states = list(zip(where.tolist(), bits, flags, spoken, silent, strict=True))
        with self._change_of_history() as connection:
            self._refuse_other_classes()
            return self._record(
                connection, annotator_id, states, origin, note=note, shown=shown, seconds=seconds
            )

    def heed_classes(self) -> None:
        """From now on refuse labels once someone else changed the classes."""
        self._as_of = str(self.get_meta(CHANGED))

    def _refuse_other_classes(self) -> None:
        if self._as_of is None:
            return
        found = [str(v) for (v,) in self.database.rows(_CHANGED, CHANGED)] or ["None"]
        if found[0] != self._as_of:
            what = "the classes were changed elsewhere since they were read here"
            raise InputError(what, file=self.database.path, mend="Look at them, then do it again.")

    @contextmanager
    def _change_of_history(self) -> Iterator[Connection]:
        """One transaction; its gestures count as this object's own only when it was committed."""
        self._new: list[int] = []
        with self.database.write() as connection:
            yield connection
        self.written.update(self._new)

    def _record(
        self,
        connection: Connection,
        annotator_id: int,
        states: Sequence[tuple[int, int, int, int, int]],
        origin: str,
        *,
        note: str | Sequence[str | None] | None = None,
        shown: dict[str, Any] | None = None,
        seconds: float | None = None,
    ) -> int:
        """One gesture to (row, present, status, said, unsaid) each, within a transaction."""
        before = self._before(connection, annotator_id, [row for row, *_ in states])
        was = [before.get(row, (0, 0, None, 0)) for row, *_ in states]
        notes = [note] * len(states) if note is None or isinstance(note, str) else note
        ((classes,),) = self.database.rows("SELECT count(*) FROM classes")
        every = (1 << classes) - 1 & ~self.retired
        old = np.array([(p, s, k) for p, s, _, k in was], np.int64).reshape(-1, 3)
        present, status, said, unsaid = np.array(states, np.int64).reshape(-1, 5).T[1:]
        known = known_now((*old.T,), present, status, every, said, unsaid).tolist()
        events = [
            (row, p0, s0, n0, p, s, n0 if text is None else text or None, k0, k)
            for (row, p, s, *_), (p0, s0, n0, k0), text, k in zip(
                states, was, notes, known, strict=True
            )
        ]
        changed = sum(e[1:4] != e[4:7] or e[7] != e[8] for e in events)
        gesture = self._gesture(
            connection, annotator_id, "do", origin, changed, shown=shown, seconds=seconds
        )
        if events:
            add_events(connection, self.database.dialect, [(gesture, *e) for e in events])
        connection.execute(
            make_current(self.database.dialect), {"annotator": annotator_id, "gesture": gesture}
        )
        return gesture

    def undo(self, annotator_id: int) -> Change | None:
        """Take the last gesture back that is in effect; None where there is none."""
        return self._reverse(annotator_id, "undo")

    def redo(self, annotator_id: int) -> Change | None:
        """Bring back the gesture that was undone last; None where there is none."""
        return self._reverse(annotator_id, "redo")

    def to_reverse(self, verb: Literal["undo", "redo"], annotator_id: int) -> int:
        """The number of the gesture that an undo or a redo would reverse; 0 where there is none."""
        stack = self._stack(annotator_id)
        return next(reversed(stack.done if verb == "undo" else stack.undone), 0)

    def ends_at_merge(self, annotator_id: int) -> bool:
        """Whether there is nothing to undo because a merge of classes changed labels."""
        stack = self._stack(annotator_id)
        return stack.ends_at_relabel and not stack.done

    def change_classes(self, annotator_id: int, change: ClassChange) -> int:
        """Keep a change of the classes, with the labels that follow from it: all or nothing.

        The gesture's number. The new text of the taxonomy is marked as not yet in its file.
        """
        with self._change_of_history() as connection:
            classing.change_rows(connection, change)
            relabelled = []
            for origin, who, states in classing.relabelled(connection, change):
                same = [(*state, 0, 0) for state in states]
                relabelled.append(self._record(connection, who, same, origin))
            shown = {**change.kept(), "relabelled": relabelled}
            gesture = self._gesture(
                connection,
                annotator_id,
                "classes",
                change.what,
                0,
                target=change.takes_back,
                shown=shown,
            )
            put_value(connection, CHANGED, gesture)
        if self._as_of is not None:
            self._as_of = str(gesture)
        return gesture

    def class_changes(self) -> list[KeptChange]:
        """Every change of the classes, oldest first."""
        with self.database.translated():
            return classing.kept_changes(self.database.connection)

    def merges(self) -> list[tuple[int, int, int]]:
        """(gesture, bits of the class that went, of the one it went into) of merges in effect."""
        with self.database.translated():
            return classing.merges(self.database.connection)

    def class_was_used(self, name: str) -> bool:
        """Whether any label of any time carries a class, or says that it is absent."""
        with self.database.translated():
            return classing.ever_used(self.database.connection, name)

    def _reverse(self, annotator_id: int, kind: GestureKind) -> Change | None:
        with self._change_of_history() as connection:
            stack = self._stack(annotator_id)
            gestures = stack.done if kind == "undo" else stack.undone
            if not gestures:
                return None
            target = gestures[-1]
            size = select(GESTURES.c.changed).where(GESTURES.c.id == target)
            changed = int(connection.execute(size).scalar_one())
            gesture = self._gesture(connection, annotator_id, kind, kind, changed, target=target)
            start, end = (AFTER, _BEFORE_IT) if kind == "undo" else (_BEFORE_IT, AFTER)
            copied = select(literal(gesture), *start, *end[1:]).where(_OF_GESTURE)
            columns = ["gesture_id", *(c.name for c in (*_BEFORE_IT, *AFTER[1:]))]
            connection.execute(insert(EVENTS).from_select(columns, copied), {"gesture": target})
            connection.execute(
                make_current(self.database.dialect), {"annotator": annotator_id, "gesture": gesture}
            )
            return self._change(connection, gesture, kind)

    def _before(
        self, connection: Connection, annotator_id: int, rows: list[int]
    ) -> dict[int, tuple[int, int, str | None, int]]:
        dialect = self.database.dialect
        found = connection.execute(
            states(dialect), {"annotator": annotator_id, "rows": these(dialect, rows)}
        )
        return {row: (present, status, note, known) for row, present, status, note, known in found}

    def _gesture(
        self,
        connection: Connection,
        annotator_id: int,
        kind: GestureKind,
        origin: str,
        changed: int,
        *,
        target: int | None = None,
        shown: dict[str, Any] | None = None,
        seconds: float | None = None,
    ) -> int:
        values = {
            "time_us": time.time_ns() // 1000,
            "annotator_id": annotator_id,
            "kind": kind,
            "target_id": target,
            "origin": origin,
            "changed": changed,
            "shown": shown,
            "seconds": seconds,
        }
        made = connection.execute(insert(GESTURES), values).inserted_primary_key
        assert made is not None
        self._new.append(int(made[0]))
        return int(made[0])

    def _change(self, connection: Connection, gesture: int, kind: GestureKind) -> Change:
        found = connection.execute(
            select(*AFTER[:3], *_BEFORE_IT[1:3], AFTER[4]).where(_OF_GESTURE),
            {"gesture": gesture},
        ).all()
        table = np.array([tuple(row) for row in found], np.int64).reshape(-1, 6)
        where = f"shot {table[0, 0] + 1}" if len(table) == 1 else counted(len(table), "shot")
        _, present, status, was_present, was_status, _ = table[0].tolist()
        every = dict(enumerate(self.class_names()))
        names = {bit: every[bit] for bit in self.order if bit in every} | every
        words = moved((was_present, was_status), (present, status), names, back=kind == "undo")
        what = f": {words}" if len(table) == 1 else ""
        return Change(
            rows=table[:, 0],
            present=table[:, 1],
            status=table[:, 2].astype(np.uint8),
            gesture=gesture,
            text=f"{kind.capitalize()} on {where}{what}",
            known=table[:, 5],
        )

    def _stack(self, annotator_id: int) -> UndoStack:
        stack = self._stacks.setdefault(annotator_id, UndoStack())
        with self.database.translated():
            known = {"annotator": annotator_id, "seen": stack.seen}
            found = self.database.connection.execute(_SINCE, known)
            stack.follow(
                (g, "relabel" if origin in classing.RELABELS else kind, target, changed)
                for g, kind, target, changed, origin in found
            )
        return stack

    # -- questions -----------------------------------------------------------------------------

    def load_state(self, annotator_id: int) -> State:
        """The state of all N shots; shots that the annotator never touched are 0."""
        n = self.n_shots()
        state = State.none(n)
        with self.database.translated():
            rows = self.database.rows(_STATE, annotator_id)
            found = self._table(rows, _STATE_TYPE, n)
        state.present[found["row"]] = found["present"]
        state.status[found["row"]] = found["status"]
        state.known[found["row"]] = found["known"]
        return state

    def note(self, row: int, annotator_id: int) -> str:
        """The annotator's note on a shot, '' without one."""
        mine = (CURRENT.c.annotator_id == annotator_id) & (CURRENT.c.row == row)
        with self.database.translated():
            found = self.database.connection.execute(select(CURRENT.c.note).where(mine)).scalar()
        return found or ""

    def notes(self, annotator_id: int) -> dict[int, str]:
        """All notes of an annotator, by row."""
        mine = (CURRENT.c.annotator_id == annotator_id) & CURRENT.c.note.is_not(None)
        with self.database.translated():
            rows = self.database.connection.execute(
                select(CURRENT.c.row, CURRENT.c.note).where(mine)
            )
            return {int(row): str(note) for row, note in rows}

    def history(self, row: int, annotator_id: int | None = None) -> list[HistoryEntry]:
        """Everything that ever happened to a shot, oldest first; of everybody or of one."""
        find = _HISTORY if annotator_id is None else _HISTORY_OF_ONE
        with self.database.translated():
            found = self.database.connection.execute(find, {"at": row, "who": annotator_id})
            return [
                HistoryEntry(datetime.fromtimestamp(time_us / 1e6, UTC), *rest)
                for time_us, *rest in found
            ]

    def differing_states(self) -> list[tuple[int, int]]:
        """(annotator, row) whose current state does not follow from the history."""
        return audit.differing_states(self.database)

    def rebuild_current(self) -> None:
        """Make the current states again from the history; back up first."""
        salvage.rebuild_current(self.database)

    def audit(self) -> list[str]:
        """Findings where the current state does not follow from the history; [] when it does."""
        found = [
            f"shot {row + 1}: the current state of annotator {who} does not follow from the history"
            for who, row in audit.differing_states(self.database)
        ]
        found += [
            f"shot {row + 1}: change {gesture} starts from a state that never was"
            for gesture, row in audit.broken_chains(self.database)
        ]
        return found

    # -- what others do ------------------------------------------------------------------------

    def newest_gesture(self) -> int:
        """The number of the newest gesture of anybody, 0 before the first."""
        with self.database.translated():
            found = self.database.connection.execute(_NEWEST).scalar()
        return int(found or 0)

    def current_state(self) -> StoreState:
        """What differs as soon as anything was decided, added or restored."""
        self.database.look_again()
        self.database.look_for_files()
        with self.database.translated():
            found = self.database.connection.execute(_NOW).one()
        return StoreState(int(found[0] or 0), int(found[1] or 0), str(found[2] or ""))

    def changes_since(self, gesture: int) -> Changes:
        """What others than this object did after a gesture, as the states that hold now."""
        rows: dict[int, set[int]] = {}
        classes, dialect = False, self.database.dialect
        run = self.database.connection.execute
        with self.database.translated():
            for id, who, kind in run(_OTHERS_SINCE, {"gesture": gesture}).all():
                if id not in self.written:
                    classes |= kind == "classes"
                    found = run(_ROWS_OF, {"gesture": id})
                    rows.setdefault(int(who), set()).update(int(r) for (r,) in found)
            of, known = {}, {}
            for who, which in rows.items():
                if which:
                    asked = {"annotator": who, "rows": these(dialect, sorted(which))}
                    found = run(states(dialect), asked)
                    table = np.array([(*r[:3], r[4]) for r in found], np.int64).reshape(-1, 4)
                    of[who] = (table[:, 0], table[:, 1], table[:, 2].astype(np.uint8))
                    known[who] = table[:, 3]
        return Changes(of, classes, known)
