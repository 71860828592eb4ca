"""One key on many shots: the same verbs as on the shot on screen, for all that are selected.

Every verb is one gesture, so that one undo takes it back. Labels are worked out once for each
different label set, never shot by shot. Knows no widgets.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt
from PyQt6.QtCore import QObject, pyqtSignal

from labeler.project.decisions import Tally
from labeler.project.store.records import FLAGGED, LABELLED, SKIPPED, Present, Rows
from labeler.session.session import Session
from model.taxonomy.taxonomy import Labels

ASK_ABOVE = 200
"""A gesture on more shots than this is asked about once."""


class Bulk(QObject):
    """Acts on the rows that `chosen()` gives; `may(what)` asks the person about a large gesture."""

    changed = pyqtSignal()
    """Other shots are chosen."""
    told = pyqtSignal(str)
    """What a gesture did, in words."""

    def __init__(
        self,
        session: Session,
        chosen: Callable[[], Rows],
        may: Callable[[str], bool],
        choose: Callable[[str], None],
    ) -> None:
        super().__init__(session)
        self.session = session
        self.chosen = chosen
        self.choose = choose
        """Choose other shots: "select:all", "select:none", "select:others", or a condition."""
        self._may = may

    @property
    def ready(self) -> bool:
        """Whether any shot is chosen."""
        return self.session.project is not None and len(self.chosen()) > 0

    def counts(self) -> tuple[npt.NDArray[np.int64], int]:
        """((C,) how many of the chosen shots have each class, how many are chosen)."""
        rows, session = self.chosen(), self.session
        tally = Tally(session.present[rows], session.status[rows])
        return tally.classes(session.taxonomy), len(rows)

    def toggle(self, class_index: int) -> None:
        """Give a class to all chosen shots; where all have it, take it from all.

        With all that follows from it for each shot, as for one. Shots that have it already stay
        as they are.
        """
        session, rows = self.session, self._rows()
        decided = (session.status[rows] & LABELLED) > 0
        has = decided & ((session.present[rows] >> class_index) & 1).astype(bool)
        all_have = bool(len(rows)) and bool(has.all())
        rows = rows if all_have else rows[~has]
        before = np.where((session.status[rows] & LABELLED) > 0, session.present[rows], 0)
        after = self._for_each_set(before, lambda row: session.taxonomy.toggle(row, class_index))
        name = session.taxonomy.names[class_index]
        what = (f"Take {name} from", f"{name} taken from") if all_have else ()
        self._decide(rows, after, *(what or (f"Give {name} to", f"{name} given to")))

    def fix(self) -> None:
        """Apply the first offered fix to every chosen shot that breaks a rule."""
        session, rows = self.session, self._rows()
        rows = rows[(session.status[rows] & LABELLED) > 0]
        before = session.present[rows]
        after = self._for_each_set(before, self._fixed)
        changed = before != after
        if not changed.any():
            session.noted.emit("info", "None of the selected shots breaks a rule with a fix.")
            return
        self._decide(rows[changed], after[changed], "Apply the offered fix to", "Fixed", "fix")

    def accept(self) -> None:
        """Make what is shown the person's decision: labels of the file, or the model's reading."""
        session, rows = self.session, self._rows()
        rows = rows[(session.decided.own_status[rows] & LABELLED) == 0]
        decided = (session.status[rows] & LABELLED) > 0
        after = np.where(decided, session.present[rows], session.suggestions(rows))
        shown = decided | (after > 0)  # of the others the model says nothing, or it is hidden
        rows, after = rows[shown], after[shown]
        if not len(rows):
            session.noted.emit("info", "Nothing to accept on the selected shots.")
            return
        self._decide(rows, after, "Accept what is shown on", "Accepted", "accepted")

    def skip(self) -> None:
        """Leave the chosen shots undecided on purpose; where all are skipped, no longer."""
        self._status(SKIPPED, "Skip", "skip", None)

    def flag(self, note: str | None = None) -> None:
        """Flag the chosen shots with a note; without a note, flag all, or none where all are."""
        self._status(FLAGGED, "Flag", "flag", note)

    def note(self) -> str:
        """Many shots have no note in common."""
        return ""

    def _status(self, bit: int, verb: str, origin: str, note: str | None) -> None:
        rows, decided = self._rows(), self.session.decided
        own = decided.own_status[rows]
        off = note is None and bool(len(rows)) and bool(((own & bit) > 0).all())
        status = own & ~np.uint8(bit) if off else own | np.uint8(bit)
        if len(rows) and self._asked(rows, f"No longer {verb.lower()}" if off else verb):
            self.session.decide(rows, decided.own_present[rows], status, origin, note)

    def _rows(self) -> Rows:
        """The chosen shots, each with the label that it has."""
        self.session.reveal()
        return self.chosen()

    def _decide(
        self, rows: Rows, after: Present, what: str, done: str, origin: str = "bulk"
    ) -> None:
        session = self.session
        status = (session.status[rows] | LABELLED) & ~np.uint8(SKIPPED)
        nothing = session.taxonomy.violations(np.zeros(len(session.taxonomy), bool)).any()
        if nothing:  # no class at all is then no decision, except over a file's labels
            from_file = (session.decided.file_status[rows] & LABELLED) > 0
            status = np.where((after == 0) & ~from_file, status & ~np.uint8(LABELLED), status)
        if not len(rows) or not self._asked(rows, what):
            return
        if session.decide(rows, after, status, origin):
            n = len(rows)
            self.told.emit(f"{done} {n:,} shot{'' if n == 1 else 's'} · Ctrl+Z takes it back")

    def _asked(self, rows: Rows, what: str) -> bool:
        return len(rows) <= ASK_ABOVE or self._may(f"{what} {len(rows):,} shots?")

    def _for_each_set(self, packed: Present, change: Callable[[Labels], Labels]) -> Present:
        """Each label set changed once, for all shots that have it."""
        taxonomy = self.session.taxonomy
        sets, which = np.unique(packed, return_inverse=True)
        new = [taxonomy.pack(change(taxonomy.unpack(s))) for s in sets]
        return np.array(new, np.int64).reshape(-1)[which] if len(sets) else packed

    def _fixed(self, row: Labels) -> Labels:
        taxonomy = self.session.taxonomy
        broken = np.flatnonzero(taxonomy.violations(row))
        for r in sorted(broken, key=lambda r: not taxonomy.hard[r]):
            fix = taxonomy.fix(row, int(r))
            if fix is not None:
                return fix.labels
        return row
