"""Deciding on shots: every label, flag, skip and undo goes through here.

A decision is recorded in the store first and shown after: when the store refuses, nothing changes
on screen. Knows no widgets.
"""

from __future__ import annotations

import time
from typing import Any

import numpy as np
import numpy.typing as npt
from PyQt6.QtCore import pyqtSignal

from labeler.project.decisions import in_words, with_ghosts
from labeler.project.store.records import FLAGGED, LABELLED, SKIPPED, Present, Rows, Status
from labeler.quality.pace import Pace
from labeler.session.suggestions import Suggested
from model.errors import InputError
from model.taxonomy.taxonomy import Fix, Labels


class Deciding(Suggested):
    """The labels of the shot on screen, and of many at once."""

    labels_changed = pyqtSignal(object)
    """Rows whose decision changed."""

    project: Any
    annotator: int
    auto_advance: bool
    pace: Pace

    @property
    def present(self) -> npt.NDArray[np.int64]:
        """(N,) bits of the present classes, the person's over the file's."""
        return self.decided.present

    @property
    def status(self) -> npt.NDArray[np.uint8]:
        """(N,) bits LABELLED, FLAGGED, SKIPPED."""
        return self.decided.status

    def labels(self, row: int | None = None) -> Labels:
        """(C,) present classes of a shot, by default the one on screen."""
        return self.taxonomy.unpack(self.present[self.row if row is None else row])

    def is_decided(self, row: int | None = None) -> bool:
        """True where somebody decided: every class not present is then absent."""
        return bool(self.status[self.row if row is None else row] & LABELLED)

    def offered_fix(self) -> tuple[int, Fix] | None:
        """(rule, fix) for the shot on screen: the first broken rule that has one, hard first."""
        if self.row < 0 or not self.is_decided():
            return None
        broken = np.flatnonzero(self.taxonomy.violations(self.labels()))
        for r in sorted(broken, key=lambda r: not self.taxonomy.hard[r]):
            fix = self.taxonomy.fix(self.labels(), int(r))
            if fix is not None:
                return int(r), fix
        return None

    def note(self) -> str:
        """The note on the shot on screen, '' where there is none."""
        if self.project is None or self.row < 0:
            return ""
        return str(self.project.store.note(self.row, self.annotator) or "")

    def toggle(self, class_index: int) -> None:
        """Toggle one class of the shot on screen, with all that follows from it: one gesture.

        On a shot with ghost labels the first key corrects them: its class is then there, the
        others stay as suggested, less what it excludes.
        """
        if self.row < 0:
            return
        before, ghost = self.labels(), self.suggestion()
        shown = before if ghost is None else ghost
        kept = ghost is not None and bool(ghost[class_index])
        after = shown if kept else self.taxonomy.toggle(shown, class_index)
        status = (int(self.status[self.row]) | LABELLED) & ~SKIPPED
        if not after.any() and not self._may_be_empty():
            status &= ~LABELLED
            self._cleared = self.row
        if self._decide(after, status, "key") and before.any() | after.any():
            self.said = in_words(self.taxonomy, before, after, class_index)
            if ghost is not None:
                self.said = with_ghosts(self.taxonomy, ghost, after, class_index)
            self.labels_changed.emit(np.array([self.row]))
            if self.auto_advance:
                self.next()

    def _may_be_empty(self) -> bool:
        """No class at all is a decision where no rule asks for one, or over a file's labels."""
        nothing = np.zeros(len(self.taxonomy), bool)
        from_file = bool(self.decided.file_status[self.row] & LABELLED)
        return from_file or not self.taxonomy.violations(nothing).any()

    def accept(self) -> None:
        """Make what is shown the person's decision, and go on."""
        if self.row < 0:
            return
        if self.decided.own_status[self.row] & LABELLED:
            self.next()
            return
        shown = self.labels() if self.is_decided() else self.suggestion()
        if shown is None or (not shown.any() and not self._may_be_empty()):
            self.noted.emit(
                "info", "Nothing to accept yet: press the key of a class, or S to skip."
            )
            return
        status = (int(self.status[self.row]) | LABELLED) & ~SKIPPED
        if self._decide(shown, status, "accepted"):
            self.labels_changed.emit(np.array([self.row]))
            self.next()

    def fix(self) -> None:
        """Apply the offered fix of the shot on screen."""
        offered = self.offered_fix()
        if offered is None:
            return
        if self._decide(offered[1].labels, int(self.status[self.row]), "fix"):
            self.said = f"Fixed: {offered[1].text}"
            self.labels_changed.emit(np.array([self.row]))

    def flag(self, note: str | None = None) -> None:
        """Flag the shot on screen with a note; without a note, take the flag away or set it."""
        if self.row < 0:
            return
        status = int(self.decided.own_status[self.row])
        status = status | FLAGGED if note is not None else status ^ FLAGGED
        if self._record(status, int(self.decided.own_present[self.row]), "flag", note):
            self.labels_changed.emit(np.array([self.row]))

    def skip(self) -> None:
        """Leave the shot undecided on purpose, and go on."""
        if self.row < 0:
            return
        status = int(self.decided.own_status[self.row]) | SKIPPED
        if self._record(status, int(self.decided.own_present[self.row]), "skip", None):
            self.labels_changed.emit(np.array([self.row]))
            self.next()

    def _decide(self, labels: Labels, status: int, origin: str) -> bool:
        new = not self.decided.own_status[self.row] & LABELLED
        done = self._record(status, int(self.taxonomy.pack(labels)), origin, None)
        if done and new and status & LABELLED:
            self.pace.count()
        return done

    def decide(
        self,
        rows: npt.ArrayLike,
        present: npt.ArrayLike,
        status: npt.ArrayLike,
        origin: str,
        note: str | None = None,
    ) -> bool:
        """Decide on many shots as one gesture; False, with a note, where it was not stored.

        `present` bits and `status` bits have the shape of `rows` or are one value for all;
        `origin` says where it came from: "bulk", "accepted", "consensus".
        """
        where = np.atleast_1d(np.asarray(rows, np.int64))
        bits = np.broadcast_to(np.asarray(present, np.int64), where.shape)
        state = np.broadcast_to(np.asarray(status, np.uint8), where.shape)
        try:
            self.project.store.record(self.annotator, where, bits, state, origin=origin, note=note)
        except (InputError, OSError) as error:
            self.noted.emit("error", f"Not saved, nothing was changed: {error}")
            return False
        self.decided.put(where, bits, state)
        self.labels_changed.emit(where)
        return True

    def take_over(self, rows: Rows, present: Present, status: Status) -> None:
        """Show what the same person decided in another window."""
        mine = self.decided
        new = (mine.own_present[rows] != present) | (mine.own_status[rows] != status)
        if new.any():
            mine.put(rows[new], present[new], status[new])
            self.labels_changed.emit(np.asarray(rows[new]))

    def accept_sure(self, threshold: float, rows: npt.ArrayLike | None = None) -> int:
        """Accept all suggestions surer than a threshold, of `rows` or of all shots: one gesture.

        Returns how many; see `sure` for those that are left to the person.
        """
        found = self.sure(threshold, rows)
        if not len(found.rows):
            self.noted.emit("info", "Nothing to accept: " + found.text() + ".")
            return 0
        status = (self.decided.own_status[found.rows] | LABELLED) & ~np.uint8(SKIPPED)
        if not self.decide(found.rows, found.present, status, "bulk"):
            return 0
        self.noted.emit("info", f"Accepted {found.text()}. Ctrl+Z takes all of it back.")
        return len(found.rows)

    def _record(self, status: int, present: int, origin: str, note: str | None) -> bool:
        """Store one gesture on the shot on screen; False, with a note, where it was not stored."""
        seconds = time.monotonic() - self._shown_at
        try:
            self.project.store.record(
                self.annotator,
                np.array([self.row]),
                np.array([present], np.int64),
                np.array([status], np.uint8),
                origin=origin,
                note=note,
                shown=self._shown(),
                seconds=round(seconds, 3),
            )
        except (InputError, OSError) as error:
            self.noted.emit("error", f"Not saved, nothing was changed: {error}")
            return False
        self.decided.put(self.row, present, status)
        return True

    def _shown(self) -> dict[str, Any] | None:
        """What the model said before this decision, and whether the person saw it."""
        reading = self.reading
        if reading is None:
            return None
        said = np.asarray(reading.probabilities[self.row], float).round(4).tolist()
        heat = self.heat_class if self.heat_on else None
        shown = {"run": str(reading.run), "probabilities": said, "heat": heat}
        suggested = None if self.is_decided() else self._said_of(self.row)
        if suggested is not None:
            shown["suggested"] = int(self.taxonomy.pack(suggested))
        if self.is_hidden():
            shown["hidden"] = True
        return shown

    def undo(self) -> None:
        """Take back the last gesture and go to the shot that it changed."""
        self._travel("undo", "Nothing to undo.")

    def redo(self) -> None:
        """Do again what was undone last."""
        self._travel("redo", "Nothing to redo.")

    def _travel(self, verb: str, nothing: str) -> None:
        if self.project is None:
            return
        try:
            change = getattr(self.project.store, verb)(self.annotator)
        except (InputError, OSError) as error:
            self.noted.emit("error", f"Not saved, nothing was changed: {error}")
            return
        if change is None:
            self.noted.emit("info", nothing)
            return
        own = self.decided.own_status[change.rows] & LABELLED
        rows = self.decided.put(change.rows, change.present, change.status)
        if len(rows) and self.row not in rows:
            self.show(int(rows[0]))
        back = sum(self.decided.from_file(int(row)) for row in rows[own > 0])
        self.said = change.text
        if back:
            some = "" if back == len(rows) else f" on {back:,} of them"
            self.said = f"{change.text.partition(':')[0]}: the file's labels again{some}"
        self.labels_changed.emit(rows)
