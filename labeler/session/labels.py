"""The labels of the open project: recorded in the store first, and only then anywhere else.

When the store refuses, nothing changes on screen. The arrays are the truth of the person who
labels, whatever is shown of them.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
from PyQt6.QtCore import pyqtSignal

from labeler.project.decisions import Decisions
from labeler.project.store.records import LABELLED, Change, Present, Rows, Status
from labeler.quality import adjudication
from labeler.session.opened import Opened, SessionPart
from model.errors import InputError, counted
from model.taxonomy.taxonomy import Taxonomy

NOTHING_OPEN = Taxonomy("", (), ())
REPLACED = "Not saved: the file of this shot was replaced. First choose above how to go on."
BEHIND_MERGE = (
    "Nothing to undo: undo does not reach behind a merge of classes, made or taken back in "
    "Classes and rules…."
)
TO_BRING_BACK = "To give it again, add it by its name in Classes and rules…."
DOUBTED = (
    "Not saved: the file of this shot was written to just now, and is being compared with the one "
    "that was labelled. Press the key again in a moment."
)


@dataclass(frozen=True)
class Target:
    """Whose labels a gesture changes, by number, and where it came from.

    Origins are "key", "accepted", "fix", "flag", "skip", "grid", "sure", "consensus",
    "repeat".
    """

    annotator: int
    origin: str


class ProjectLabels(SessionPart):
    """Decisions on all shots, of the person who labels over those of the files."""

    labels_changed = pyqtSignal(object)
    """Rows whose decision changed, or what may be seen of it."""
    shown_classes_changed = pyqtSignal()
    """A retired class was taken off the last shot that carried it, or is on one again."""
    went_back = pyqtSignal(object)
    """Rows that an undo or a redo changed; before `labels_changed`, to go there first."""

    def __init__(self) -> None:
        super().__init__()
        self.taxonomy = NOTHING_OPEN
        self.decided = Decisions.none(0)
        self._shown_classes: tuple[int, ...] = ()
        self.reported = ""
        """What the last gesture on the shot on screen did besides the obvious, in words."""
        self.gestures = 0
        """How many were stored here; tells whether another came since."""
        self.withheld: npt.NDArray[np.bool_] | None = None
        """(N,) shots whose file was replaced: none is labelled before it is said how to go on."""
        self.why_withheld = REPLACED
        """The words for that."""
        self.is_doubted: Callable[[Rows], bool] = lambda rows: False
        """Whether shots may have been read from another file than the one that is labelled."""

    def begin(self, opened: Opened) -> None:
        """Take the classes; `decided` was read when the project was opened."""
        super().begin(opened)
        self.taxonomy = opened.taxonomy
        self._shown_classes = self.shown_classes

    def end(self) -> None:
        """No shots, no classes."""
        super().end()
        self.taxonomy, self.decided, self.reported = NOTHING_OPEN, Decisions.none(0), ""
        self.withheld = None

    @property
    def n_shots(self) -> int:
        """Shots of the project; 0 where none is open."""
        return len(self.decided.status)

    @property
    def present(self) -> Present:
        """(N,) bits of the present classes, the person's over the file's."""
        return self.decided.present

    @property
    def status(self) -> Status:
        """(N,) bits LABELLED, FLAGGED, SKIPPED."""
        return self.decided.status

    @property
    def shown_classes(self) -> tuple[int, ...]:
        """See `Decisions.shown_classes`."""
        return self.decided.shown_classes(self.taxonomy)

    def is_retired(self, class_index: int) -> bool:
        """Whether a class is taken off shots, and given to none any more."""
        return bool(self.taxonomy.retired[class_index])

    def say_retired(self, class_index: int) -> None:
        """Say why a class is not given to a shot."""
        name = self.taxonomy.names[class_index]
        self.noted.emit(
            "info", f"{name} is retired and can only be taken off shots. {TO_BRING_BACK}"
        )

    # -- recording -------------------------------------------------------------------------------

    def record(
        self,
        target: Target,
        rows: npt.ArrayLike,
        present: npt.ArrayLike,
        status: npt.ArrayLike,
        note: str | None = None,
    ) -> bool:
        """Decide on shots as one gesture; False, with a note, where it was not stored.

        `present` bits and `status` bits have the shape of `rows` or are one value for all.
        """
        if not self.write(target, rows, present, status, note):
            return False
        self.announce(rows)
        return True

    def decide(
        self,
        rows: npt.ArrayLike,
        present: npt.ArrayLike,
        status: npt.ArrayLike,
        origin: str,
        note: str | None = None,
        said: npt.ArrayLike = 0,
        unsaid: npt.ArrayLike = 0,
    ) -> bool:
        """`record` for the person who labels; `said` and `unsaid` as in `write`."""
        target = Target(self.require().annotator, origin)
        if not self.write(target, rows, present, status, note, said=said, unsaid=unsaid):
            return False
        self.announce(rows)
        return True

    def write(
        self,
        target: Target,
        rows: npt.ArrayLike,
        present: npt.ArrayLike,
        status: npt.ArrayLike,
        note: str | None = None,
        shown: dict[str, Any] | None = None,
        seconds: float | None = None,
        said: npt.ArrayLike = 0,
        unsaid: npt.ArrayLike = 0,
    ) -> bool:
        """`record` without a word to the views: who calls this calls `announce`.

        `shown` is what the model said before, `seconds` how long the shot was on screen; `said` and
        `unsaid` see `records.known_now`.
        """
        opened = self.require()
        where = np.atleast_1d(np.asarray(rows, np.int64))
        held = self.withheld is not None and self.withheld[where].any()
        decides = target.origin not in ("flag", "skip")
        if decides and (held or self.is_doubted(where)):
            self.noted.emit("warning", self.why_withheld if held else DOUBTED)
            return False
        bits = np.broadcast_to(np.asarray(present, np.int64), where.shape)
        state = np.broadcast_to(np.asarray(status, np.uint8), where.shape)
        try:
            opened.project.store.record(
                target.annotator,
                where,
                bits,
                state,
                origin=target.origin,
                note=note,
                shown=shown,
                seconds=seconds,
                said=said,
                unsaid=unsaid,
            )
        except (InputError, OSError) as error:
            self.not_saved(error)
            return False
        self.gestures += 1
        if target.annotator == opened.annotator:
            self.decided.put(where, bits, state, said=said, unsaid=unsaid)
        return True

    def announce(self, rows: npt.ArrayLike, reported: str = "") -> None:
        """Tell everybody that labels of shots changed, and what that came to, in words."""
        self.reported = reported
        self.labels_changed.emit(np.atleast_1d(np.asarray(rows, np.int64)))
        if (shown := self.shown_classes) != self._shown_classes:
            self._shown_classes = shown
            self.shown_classes_changed.emit()

    def not_saved(self, error: Exception) -> None:
        """Say that the store refused."""
        self.noted.emit("error", f"Not saved, nothing was changed: {error}")

    def take_over(self, rows: Rows, present: Present, status: Status, known: Present) -> None:
        """Show what the same person decided in another window."""
        mine = self.decided
        assert mine.own_known is not None
        new = (mine.own_present[rows] != present) | (mine.own_status[rows] != status)
        new |= mine.own_known[rows] != known
        if new.any():
            mine.put(rows[new], present[new], status[new], known[new])
            self.announce(rows[new])

    # -- undo ------------------------------------------------------------------------------------

    def undo(self) -> None:
        """Take back the person's last gesture."""
        self._reverse("undo")

    def redo(self) -> None:
        """Do again what was undone last."""
        self._reverse("redo")

    def reverse(self, verb: Literal["undo", "redo"], annotator: int) -> Change | None:
        """Undo or redo in the store, for one annotator; None, with a note, where nothing was."""
        store = self.require().project.store
        try:
            change = store.undo(annotator) if verb == "undo" else store.redo(annotator)
        except (InputError, OSError) as error:
            self.not_saved(error)
            return None
        if change is None:
            behind = verb == "undo" and store.ends_at_merge(annotator)
            self.noted.emit("info", BEHIND_MERGE if behind else f"Nothing to {verb}.")
        else:
            self.gestures += 1
        return change

    def _reverse(self, verb: Literal["undo", "redo"]) -> None:
        if self.opened is None:
            return
        change = self.reverse(verb, self.opened.annotator)
        if change is None:
            return
        own = self.decided.own_status[change.rows] & LABELLED
        rows = self.decided.put(change.rows, change.present, change.status, change.known)
        self.went_back.emit(rows)
        text = change.text
        if back := sum(self.decided.from_file(int(row)) for row in rows[own > 0]):
            some = "" if back == len(rows) else f" on {back:,} of them"
            text = f"{change.text.partition(':')[0]}: the file's labels again{some}"
        self.announce(rows, text)


class Consensus(SessionPart):
    """Consensus labels that are made in this window: undone and redone in their turn.

    They belong to an annotator of their own, whose gestures are not in the person's own undo. Those
    that others made are left to them.
    """

    changed = pyqtSignal(object)
    """Consensus labels were made or taken back; by row, the bits of those that were undone or
    redone, -1 where the shot is open again."""

    def __init__(self, labels: ProjectLabels) -> None:
        super().__init__()
        self._labels = labels
        self._undone_at = 0
        """The number of the last undo."""

    def make(self) -> adjudication.Settled | None:
        """`adjudication.make_consensus`; None, with a note, where it was not stored."""
        try:
            found = adjudication.make_consensus(self.require().project)
        except (InputError, OSError) as error:
            self._labels.not_saved(error)
            return None
        if found.changed:
            self._labels.gestures += 1
        self.changed.emit({})
        return found

    def settle(self, row: int, present: int, known: int) -> bool:
        """`adjudication.settle`; False, with a note, where it was not stored."""
        try:
            adjudication.settle(self.require().project, row, present, known)
        except (InputError, OSError) as error:
            self._labels.not_saved(error)
            return False
        self._labels.gestures += 1
        self.changed.emit({row: present})
        return True

    def reverse(self, verb: Literal["undo", "redo"]) -> bool:
        """Undo or redo consensus labels; False where the person's own labels come first."""
        opened = self.require()
        who = adjudication.made_before(opened.project)
        if who is None or not self._is_next(verb, who):
            return False
        change = self._labels.reverse(verb, who)
        if change is None:
            return True
        if verb == "undo":
            self._undone_at = change.gesture
        on = counted(len(change.rows), "shot")
        if len(change.rows) == 1:  # settled by hand: see on which shot
            on = f"shot {change.rows[0] + 1:,}"
            self._labels.went_back.emit(change.rows)
        again = "taken back" if verb == "undo" else "there again"
        self.noted.emit("info", f"The consensus on {on} is {again}; no one's own label changed.")
        settled = (change.status & LABELLED) > 0
        bits = [int(b) if s else -1 for b, s in zip(change.present, settled, strict=True)]
        self.changed.emit(dict(zip(change.rows.tolist(), bits, strict=True)))
        return True

    def _is_next(self, verb: Literal["undo", "redo"], who: int) -> bool:
        """Whether a gesture of this window on the consensus comes before the person's own."""
        opened = self.require()
        store, me = opened.project.store, opened.annotator
        gesture, own = store.to_reverse(verb, who), store.to_reverse(verb, me)
        if gesture not in store.written:
            return False
        if verb == "undo":
            return gesture > own
        new = store.to_reverse("undo", me) > self._undone_at  # the person labelled since
        return not new and (not own or gesture < own)
