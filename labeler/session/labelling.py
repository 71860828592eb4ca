"""Labelling the shot on screen: what every key, click and menu entry of a decision does."""

from __future__ import annotations

import time
from typing import Any, Literal, Protocol

import numpy as np

from labeler.project.decisions import in_words
from labeler.project.store.records import FLAGGED, LABELLED, SKIPPED
from labeler.quality.pace import Breaks, Pace
from labeler.session.cursor import Cursor
from labeler.session.heat import Heat
from labeler.session.labels import Consensus, ProjectLabels, Target
from labeler.session.opened import SessionPart
from labeler.session.predictions import CurrentPredictions
from labeler.session.repeats import Repeats
from labeler.session.suggestions import Suggestions
from model.taxonomy.taxonomy import Fix, Labels, Taxonomy

CHANGED = "Not accepted: the model came to suggest something else just now. Look again."


class LabelTarget(Protocol):
    """What takes commands on shots: the one on screen, or those selected in Grid and Map."""

    def toggle(self, class_index: int) -> None:
        """Give a class to the shots, or take it from them."""

    def carries(self, class_index: int) -> bool:
        """Whether any of the shots is seen to have a class."""

    def accept(self) -> None:
        """Make what is shown the person's decision."""

    def fix(self) -> None:
        """Apply the fix that a broken rule offers."""

    def flag(self, note: str | None = None) -> None:
        """Flag with a note; without a note, take the flag away or set it."""

    def skip(self) -> None:
        """Leave undecided on purpose."""

    def note(self) -> str:
        """The note that the shots have, '' where there is none."""


class Labelling(SessionPart):
    """The `LabelTarget` of the shot on screen; undo and redo."""

    def __init__(
        self,
        labels: ProjectLabels,
        cursor: Cursor,
        repeats: Repeats,
        predictions: CurrentPredictions,
        suggestions: Suggestions,
        heat: Heat,
        consensus: Consensus,
    ) -> None:
        super().__init__()
        self._labels, self.cursor, self.repeats = labels, cursor, repeats
        self.predictions, self.suggestions, self.heat = predictions, suggestions, heat
        self.consensus = consensus
        self.auto_advance = False
        self.remind_of_breaks = True
        self.breaks = Breaks()
        self.pace = Pace()

    def end(self) -> None:
        """The pace is that of one project."""
        super().end()
        self.pace = Pace()

    # -- what is shown ---------------------------------------------------------------------------

    def shown_labels(self, row: int | None = None) -> Labels:
        """(C,) present classes that the person may see of a shot, by default the one on screen."""
        return self._labels.taxonomy.unpack(self.shown(row)[0])

    def is_decided(self, row: int | None = None) -> bool:
        """True where someone decided, as far as the person may see: what is not present is
        absent."""
        return bool(self.shown(row)[1] & LABELLED)

    def known(self, row: int | None = None) -> Labels:
        """(C,) False for classes that a decided shot says nothing of, for they were added later."""
        row = self.cursor.row if row is None else row
        every = np.ones(len(self._labels.taxonomy), bool)
        if self.repeats.hides(row):
            return every
        return every & ~self._labels.taxonomy.unpack(self._labels.decided.undecided(row))

    def shown(self, row: int | None = None) -> tuple[int, int]:
        """(bits of present classes, bits of status) that the person may see of a shot."""
        return self.repeats.shown(self.cursor.row if row is None else row)

    def from_file(self, row: int | None = None) -> bool:
        """True where the labels that are seen are the file's, not yet the person's own."""
        row = self.cursor.row if row is None else row
        return not self.repeats.hides(row) and self._labels.decided.from_file(row)

    def _own(self) -> tuple[int, int]:
        """(present, status) of the person alone, or of the blind repeat that is under way."""
        row, decided = self.cursor.row, self._labels.decided
        if self.repeats.is_blind:
            return self.repeats.shown(row)
        return int(decided.own_present[row]), int(decided.own_status[row])

    def offered_fix(self) -> tuple[int, Fix] | None:
        """(rule, fix) for the shot on screen: the first broken rule that has one, hard first."""
        if self.cursor.row < 0 or not self.is_decided():
            return None
        return first_fix(self._labels.taxonomy, self.shown_labels(), self.known())

    def note(self) -> str:
        """The note on the shot on screen; of one that is shown blind, what was noted since."""
        if self.opened is None or self.cursor.row < 0:
            return ""
        if self.repeats.is_blind:
            return self.repeats.note
        return self.opened.project.store.note(self.cursor.row, self.opened.annotator)

    def carries(self, class_index: int) -> bool:
        """Whether the shot on screen is seen to have a class."""
        return self.cursor.row >= 0 and bool(self.shown()[0] >> class_index & 1)

    # -- deciding --------------------------------------------------------------------------------

    def toggle(self, class_index: int) -> None:
        """Toggle one class of the shot on screen, with all that follows from it: one gesture.

        An undecided shot is decided from a blank one, whatever the model suggests on it: what is
        stored is what was typed, and what that implies.
        """
        row, taxonomy = self.cursor.row, self._labels.taxonomy
        if row < 0:
            return
        blank = np.zeros(len(taxonomy), bool)
        before = self.shown_labels() if self.is_decided() else blank
        if self._labels.is_retired(class_index) and not before[class_index]:
            self._labels.say_retired(class_index)
            return
        after = taxonomy.toggle(before, class_index)
        status = (self.shown()[1] | LABELLED) & ~SKIPPED
        if not after.any() and not self._may_be_empty():
            status &= ~LABELLED
            self.suggestions.cleared = row
        if not self._decide(after, status, "key"):
            return
        self._labels.announce(row, in_words(taxonomy, before, after, class_index))
        if self.auto_advance:
            self.cursor.next()

    def flip_auto_advance(self) -> None:
        """Go on after each class key, or stay."""
        self.auto_advance = not self.auto_advance
        then = "go on to the next shot" if self.auto_advance else "stay"
        self.noted.emit("info", f"After a class key: {then}.")

    def _may_be_empty(self) -> bool:
        """No class at all is a decision where no rule asks for one, or over a file's labels."""
        taxonomy = self._labels.taxonomy
        from_file = self._labels.decided.file_status[self.cursor.row] & LABELLED
        if from_file and not self.repeats.is_blind:
            return True
        return not taxonomy.violations(np.zeros(len(taxonomy), bool)).any()

    def accept(self) -> None:
        """Make what is shown the person's decision, and go on."""
        row = self.cursor.row
        if row < 0:
            return
        if self._own()[1] & LABELLED:
            self._say_the_rest()
            self.cursor.next()
            return
        shown = self.shown_labels() if self.is_decided() else self.suggestions.of()
        if shown is None or (not shown.any() and not self._may_be_empty()):
            self.noted.emit(
                "info", "Nothing to accept yet: press the key of a class, or skip the shot."
            )
            return
        if not self.is_decided() and self.suggestions.changed_unseen([row], self.cursor.shown_at):
            self.noted.emit("info", CHANGED)
            return
        if self._decide(shown, (self.shown()[1] | LABELLED) & ~SKIPPED, "accepted"):
            self._labels.announce(row)
            self.cursor.next()

    def _say_the_rest(self) -> None:
        """Decide that what the person's own label says nothing of is absent, as it is shown."""
        row, taxonomy = self.cursor.row, self._labels.taxonomy
        open_ones = 0 if self.repeats.is_blind else self._labels.decided.undecided(row)
        if open_ones and self._write(*self._own(), "accepted", said=open_ones):
            names = taxonomy.named(taxonomy.unpack(open_ones))
            self._labels.announce(row, f"Absent: {', '.join(names)}")

    def fix(self) -> None:
        """Apply the offered fix of the shot on screen."""
        offered = self.offered_fix()
        if offered is not None and self._decide(offered[1].labels, self.shown()[1], "fix"):
            self._labels.announce(self.cursor.row, f"Fixed: {offered[1].text}")

    def flag(self, note: str | None = None) -> None:
        """Flag the shot on screen with a note; without a note, take the flag away or set it."""
        if self.cursor.row < 0:
            return
        present, status = self._own()
        status = status | FLAGGED if note is not None else status ^ FLAGGED
        if self._write(present, status, "flag", note):
            self._labels.announce(self.cursor.row)

    def skip(self) -> None:
        """Leave the shot undecided on purpose, and go on."""
        if self.cursor.row < 0:
            return
        present, status = self._own()
        if self._write(present, status | SKIPPED, "skip"):
            self._labels.announce(self.cursor.row)
            self.cursor.next()

    def accept_sure(self, threshold: float, rows: np.typing.ArrayLike | None = None) -> int:
        """Accept all suggestions surer than a threshold, of `rows` or of all shots: one gesture.

        Returns how many; see `Suggestions.sure` for those that are left to the person. Of classes
        that the model has not learnt nothing is decided.
        """
        self.repeats.reveal()
        found = self.suggestions.sure(threshold, rows)
        predictions = self.predictions.now
        if predictions is None or not len(found.rows):
            why = f"Nothing to accept: {found.text()}. {found.left}"
            self.noted.emit("info", why.rstrip())
            return 0
        status = (self._labels.decided.own_status[found.rows] | LABELLED) & ~np.uint8(SKIPPED)
        target = Target(self._labels.require().annotator, "sure")
        shown = {"run": str(predictions.run), "threshold": threshold}
        unsaid = self.suggestions.unlearnt()
        if not self._labels.write(
            target, found.rows, found.present, status, shown=shown, unsaid=unsaid
        ):
            return 0
        self._labels.announce(found.rows)
        parts = (f"Accepted {found.text()}.", found.left, "Undo takes all of it back.")
        self.noted.emit("info", " ".join(filter(None, parts)))
        return len(found.rows)

    def undo(self) -> None:
        """Take back the last gesture and go to the shot that it changed."""
        self._reverse("undo")

    def redo(self) -> None:
        """Do again what was undone last."""
        self._reverse("redo")

    def _reverse(self, verb: Literal["undo", "redo"]) -> None:
        if self.opened is None or self.repeats.reverse(verb) or self.consensus.reverse(verb):
            return
        if verb == "undo":
            self._labels.undo()
        else:
            self._labels.redo()

    def _decide(self, labels: Labels, status: int, origin: str) -> bool:
        """Write a decision on the shot on screen, and count it."""
        new = not self._own()[1] & LABELLED
        unsaid = 0
        if new and origin != "accepted" and not self.repeats.is_blind:  # over a file's label
            unsaid = self._labels.decided.undecided(self.cursor.row)
        bits = int(self._labels.taxonomy.pack(labels))
        if not self._write(bits, status, origin, unsaid=unsaid):
            return False
        if status & LABELLED:
            if new:
                self.pace.count()
            if not self.repeats.is_blind:
                self.repeats.count(self.cursor.row)
        if self.breaks.count() and self.remind_of_breaks:
            minutes = round(self.breaks.worked_s / 60)
            self.noted.emit("info", f"{minutes} minutes without a break: the eye tires before you.")
        return True

    def _write(
        self,
        present: int,
        status: int,
        origin: str,
        note: str | None = None,
        said: int = 0,
        unsaid: int = 0,
    ) -> bool:
        """Store one gesture on the shot on screen; False, with a note, where it was not stored."""
        seconds = round(time.monotonic() - self.cursor.shown_at, 3)
        shown = self._context()
        if self.repeats.is_blind:
            flags = origin == "flag"
            return self.repeats.write(present, status, note, shown or {}, seconds, flags=flags)
        target = Target(self._labels.require().annotator, origin)
        return self._labels.write(
            target, self.cursor.row, present, status, note, shown, seconds, said, unsaid
        )

    def _context(self) -> dict[str, Any] | None:
        """What the model said before this decision, and whether the person saw it."""
        predictions, row = self.predictions.now, self.cursor.row
        if predictions is None:
            return None
        said = np.asarray(predictions.probabilities[row], float).round(4).tolist()
        heat = self.heat.class_index if self.heat.on else None
        shown = {"run": str(predictions.run), "probabilities": said, "heat": heat}
        suggested = None if self.is_decided() else self.suggestions.unhidden(row)
        if suggested is not None:
            shown["suggested"] = int(self._labels.taxonomy.pack(suggested))
        if self.suggestions.is_hidden():
            shown["hidden"] = True
        return shown


def first_fix(taxonomy: Taxonomy, labels: Labels, known: Labels) -> tuple[int, Fix] | None:
    """(rule, fix) of the first broken rule that has a fix, hard rules first; `known` (C,): the
    decided classes."""
    broken = np.flatnonzero(taxonomy.violations(labels, known))
    for r in sorted(broken, key=lambda r: not taxonomy.hard[r]):
        fix = taxonomy.fix(labels, int(r), known)
        if fix is not None:
            return int(r), fix
    return None
