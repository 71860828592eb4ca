"""Labelling the selected shots of Grid and Map: the verbs of `labelling.LabelTarget` on many.

Every verb is one gesture, so that one undo takes it back. Labels are worked out once for each
different label set, never shot by shot. Knows no widgets.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import numpy as np
import numpy.typing as npt
from PyQt6.QtCore import QObject, pyqtSignal

from labeler.project.decisions import Tally, by_known
from labeler.project.store.records import FLAGGED, LABELLED, SKIPPED, Present, Rows
from labeler.session.labelling import CHANGED, first_fix
from labeler.session.session import Session
from labeler.session.suggestions import checks_left
from model.errors import counted
from model.taxonomy.taxonomy import Labels

ASK_ABOVE = 200
"""A gesture on more shots than this is asked about once."""
MEANWHILE = "Nothing was changed: the shots got other labels while you were asked. Look again."


class SelectedShots(QObject):
    """Acts on the rows that `chosen()` gives; `may(what)` asks the person about a large gesture."""

    changed = pyqtSignal()
    """Other shots are chosen."""
    reported = pyqtSignal(str)
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
        return self.session.opened is not None and len(self.chosen()) > 0

    def counts(self) -> tuple[npt.NDArray[np.int64], int]:
        """((C,) how many of the chosen shots have each class, how many are chosen)."""
        rows, labels = self.chosen(), self.session.labels
        tally = Tally(labels.present[rows], labels.status[rows])
        return tally.classes(labels.taxonomy), len(rows)

    def carries(self, class_index: int) -> bool:
        """Whether any of the chosen shots has a class."""
        return bool((self.session.labels.present[self.chosen()] >> class_index & 1).any())

    def toggle(self, class_index: int) -> None:
        """Give a class to all chosen shots; where all have it, take it from all.

        With all that follows from it for each shot, as for one. Shots that have it already stay
        as they are. A retired class is taken from those that have it.
        """
        labels, rows = self.session.labels, self._rows()
        decided = (labels.status[rows] & LABELLED) > 0
        has = decided & ((labels.present[rows] >> class_index) & 1).astype(bool)
        all_have = bool(len(rows)) and bool(has.all())
        if labels.is_retired(class_index):
            rows, all_have = rows[has], True
            if not len(rows):
                labels.say_retired(class_index)
                return
        rows = rows if all_have else rows[~has]
        before = np.where((labels.status[rows] & LABELLED) > 0, labels.present[rows], 0)
        after = self._for_each_set(before, lambda row: labels.taxonomy.toggle(row, class_index))
        name = labels.taxonomy.names[class_index]
        what = (f"Take {name} from", f"{name} taken from") if all_have else ()
        self._decide(rows, after, *(what or (f"Give {name} to", f"{name} given to")))

    def fix(self) -> None:
        """Apply the first offered fix to every chosen shot that breaks a rule."""
        labels, rows = self.session.labels, self._rows()
        rows = rows[(labels.status[rows] & LABELLED) > 0]
        before = labels.present[rows]
        after = before.copy()
        for mask, at in by_known(labels.decided.known[rows]):
            known = labels.taxonomy.unpack(mask)
            after[at] = self._for_each_set(before[at], partial(self._fixed, known))
        changed = before != after
        if not changed.any():
            self.session.noted.emit("info", "None of the selected shots breaks a rule with a fix.")
            return
        self._decide(rows[changed], after[changed], "Apply the offered fix to", "Fixed", "fix")

    def accept(self) -> None:
        """Make what is shown the person's decision: labels of the file, or the predictions.

        Classes that the model has not learnt stay undecided where it alone was shown. Of several
        shots, random checks are left for a look at each, and so are hidden predictions always.
        """
        labels, suggestions, rows = self.session.labels, self.session.suggestions, self._rows()
        own = (labels.decided.own_status[rows] & LABELLED) > 0
        said = labels.decided.open_classes(rows)
        rows = rows[~own | (said > 0)]
        decided = (labels.status[rows] & LABELLED) > 0
        after = np.where(decided, labels.present[rows], suggestions.bits(rows))
        shown = decided | (after > 0)  # of the others the model says nothing, or it is hidden
        if suggestions.changed_unseen(rows[shown & ~decided]):
            self.session.noted.emit("info", CHANGED)
            return
        judge = shown & ~decided & suggestions.are_checks(rows)
        hidden = ~decided & suggestions.are_hidden(rows)
        judge &= np.count_nonzero(shown | hidden) > 1
        shown &= ~judge
        open_ones = checks_left(int((judge | hidden).sum()))
        rows, after = rows[shown], after[shown]
        if not len(rows):
            what = open_ones or "Nothing to accept on the selected shots"
            self.session.noted.emit("info", f"{what}.")
            return
        done = self._decide(rows, after, "Accept what is shown on", "Accepted", "accepted")
        if done and open_ones:
            self.session.noted.emit("info", f"{open_ones}.")

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
        rows, decided = self._rows(), self.session.labels.decided
        own = decided.own_status[rows]
        off = note is None and bool(len(rows)) and bool(((own & bit) > 0).all())
        status = own & ~np.uint8(bit) if off else own | np.uint8(bit)
        if len(rows) and self._asked(rows, f"No longer {verb.lower()}" if off else verb):
            self.session.labels.decide(rows, decided.own_present[rows], status, origin, note)

    def _rows(self) -> Rows:
        """The chosen shots, each with the label that it has."""
        self.session.repeats.reveal()
        return self.chosen()

    def _decide(
        self, rows: Rows, after: Present, what: str, done: str, origin: str = "grid"
    ) -> bool:
        labels = self.session.labels
        open_ones = labels.decided.open_classes(rows)
        none = np.zeros_like(open_ones)
        said, unsaid = none, open_ones
        if origin == "accepted":
            decided = (labels.status[rows] & LABELLED) > 0
            unlearnt = np.int64(self.session.suggestions.unlearnt())
            said, unsaid = open_ones, np.where(decided, none, unlearnt)
        status = (labels.status[rows] | LABELLED) & ~np.uint8(SKIPPED)
        nothing = labels.taxonomy.violations(np.zeros(len(labels.taxonomy), bool)).any()
        if nothing:  # no class at all is then no decision, except over a file's labels
            from_file = (labels.decided.file_status[rows] & LABELLED) > 0
            status = np.where((after == 0) & ~from_file, status & ~np.uint8(LABELLED), status)
        if not len(rows) or not self._asked(rows, what):
            return False
        if not labels.decide(rows, after, status, origin, said=said, unsaid=unsaid):
            return False
        self.reported.emit(f"{done} {counted(len(rows), 'shot')} · Undo takes it back")
        return True

    def _asked(self, rows: Rows, what: str) -> bool:
        """Whether a gesture may go on; not where, while the person was asked, the shots got other
        labels: by another window."""
        if len(rows) <= ASK_ABOVE:
            return True
        labels, opened = self.session.labels, self.session.opened

        def standing() -> npt.NDArray[np.int64]:
            return np.array([labels.present[rows], labels.status[rows], labels.decided.known[rows]])

        before = standing()
        if not self._may(f"{what} {len(rows):,} shots?"):
            return False
        if self.session.opened is opened and np.array_equal(before, standing()):
            return True
        self.session.noted.emit("info", MEANWHILE)
        return False

    def _for_each_set(self, packed: Present, change: Callable[[Labels], Labels]) -> Present:
        """Each label set changed once, for all shots that have it."""
        taxonomy = self.session.labels.taxonomy
        sets, which = np.unique(packed, return_inverse=True)
        new = [taxonomy.pack(change(taxonomy.unpack(s))) for s in sets]
        return np.array(new, np.int64).reshape(-1)[which] if len(sets) else packed

    def _fixed(self, known: Labels, row: Labels) -> Labels:
        found = first_fix(self.session.labels.taxonomy, row, known)
        return row if found is None else found[1].labels
