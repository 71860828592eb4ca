"""Blind repeats: now and then a shot comes a second time, with its first label masked.

The label stays in the arrays. Who shows one shot to the person asks `Repeats.shown`; what they
decide meanwhile is stored for the annotator of blind repeats.
"""

from __future__ import annotations

import logging
import time
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
from PyQt6.QtCore import pyqtSignal

from labeler.project.store.records import FLAGGED, LABELLED, Rows
from labeler.project.store.timeline import first_decisions
from labeler.quality import repeats
from labeler.session.cursor import Cursor, Step
from labeler.session.labels import ProjectLabels, Target
from labeler.session.opened import Opened, SessionPart
from labeler.session.queue import Queue
from model.errors import InputError, counted

APART = 25
"""At least this many decisions lie between the first time and the second."""
ROUND_TITLE = "Calibration round"
ROUND_LEFT = "window.round."
"""Where a project remembers, for each annotator, which shots of a round are still to be read."""

log = logging.getLogger(__name__)


@dataclass
class _RepeatInProgress:
    """A shot that is shown blind, and what was decided on it since."""

    row: int
    origin: int | None
    """The shot from which steps go on after it."""
    present: int = 0
    status: int = 0
    at: float = field(default_factory=time.time)
    done: int = 0
    """Gestures on it that undo can take back here."""
    undone: int = 0
    flags: frozenset[int] = frozenset()
    """Which of the gestures flagged the shot for the person, too, counted from 1."""
    before: tuple[int, str] | None = None
    """Flag and note that the shot had before the first of them."""


@dataclass(frozen=True)
class _Last:
    """The blind repeat that was decided last, with the number of gestures until then."""

    row: int
    origin: int | None
    done: int
    gestures: int
    flags: frozenset[int]
    before: _Last | None
    """The one that was decided right before it."""


class Repeats(SessionPart):
    """Mixes blind repeats into going through a queue."""

    repeats_changed = pyqtSignal()
    """A blind repeat was given, or taken back."""

    def __init__(self, labels: ProjectLabels, queue: Queue, cursor: Cursor) -> None:
        super().__init__()
        self.labels, self.queue, self.cursor = labels, queue, cursor
        self.rate = 0.0
        """Share of new labels after which a shot comes again; the window's settings say 3 %."""
        self.chance = np.random.default_rng()
        self._interrupted: tuple[Path, int, _RepeatInProgress] | None = None
        """What was read blind, in which project and by whom, when that was opened again."""
        self._clear()
        cursor.leaving.connect(self._before_showing)

    def _clear(self) -> None:
        self._hidden: _RepeatInProgress | None = None
        self._next: tuple[int, int | None] | None = None
        """The shot that is shown blind next, and the one from which steps go on after it."""
        self._due = False
        self._drawn = -1
        self._lately: deque[int] = deque(maxlen=APART)
        self._round: set[int] = set()
        self._last: _Last | None = None
        self._read_again: set[int] | None = None
        self._second_reader: int | None = None

    def begin(self, opened: Opened) -> None:
        """Go on with a round that was begun; its labels stay unseen."""
        super().begin(opened)
        if self.queue.choice.title == ROUND_TITLE:
            kept = opened.project.store.get_meta(f"{ROUND_LEFT}{opened.annotator}")
            left = kept if isinstance(kept, list) else []
            self._round = {row for row in self.queue.rows.tolist() if row in left}

    def end(self) -> None:
        """Forget what belongs to one project; only opened again, it goes on with a repeat."""
        if self.opened is not None and self._hidden is not None:
            self._interrupted = self.opened.folder, self.opened.annotator, self._hidden
        super().end()
        self._clear()

    def leave(self) -> None:
        """The project is closed for good."""
        self._interrupted = None

    # -- the mask --------------------------------------------------------------------------------

    @property
    def is_blind(self) -> bool:
        """True while the shot on screen is a blind repeat."""
        return self._hidden is not None

    def hides(self, row: int) -> bool:
        """True for a shot whose label the person shall not see: read blind, now or soon."""
        return row in self._round or (self._hidden is not None and self._hidden.row == row)

    def shown(self, row: int) -> tuple[int, int]:
        """(bits of present classes, bits of status) that the person may see of a shot."""
        if self._hidden is not None and self._hidden.row == row:
            return self._hidden.present, self._hidden.status
        if row in self._round:
            return 0, 0
        return int(self.labels.present[row]), int(self.labels.status[row])

    def reveal(self) -> None:
        """The shot that was read blind is one like all others again."""
        hidden, self._hidden = self._hidden, None
        if hidden is None:
            return
        if hidden.row in self._round:
            self._round.discard(hidden.row)
            self._keep_round()
        self.labels.labels_changed.emit(np.array([hidden.row]))
        if hidden.done and hidden.status & LABELLED:
            self._repeated().add(hidden.row)
            self._note_difference(hidden)

    def unmask(self) -> None:
        """Labels are seen elsewhere: what was or would be read blind is so no more."""
        self.reveal()
        seen, self._round = self._round, set()
        if seen:
            self._keep_round()
            self.labels.labels_changed.emit(np.array(sorted(seen), np.int64))
            shots = counted(len(seen), "shot")
            text = f"The calibration round ended with {shots} left: other views show their labels."
            self.noted.emit("info", text)

    def _note_difference(self, hidden: _RepeatInProgress) -> None:
        first = int(self.labels.decided.own_present[hidden.row])
        if first != hidden.present:
            before, now = (self._names(bits) for bits in (first, hidden.present))
            text = f"Shot {hidden.row + 1:,} came a second time: first {before}, now {now}."
            self.noted.emit("info", text)

    def _names(self, bits: int) -> str:
        taxonomy = self.labels.taxonomy
        return taxonomy.in_words(taxonomy.unpack(bits))

    # -- when a shot comes again -----------------------------------------------------------------

    def next(self, step: Step) -> int | None:
        """The policy of repeats: a blind repeat where one is due; back from one to its origin."""
        if step.by > 0:
            row = self._draw()
            if row is not None:
                self._next = row, self.cursor.row
            return row
        return self.cursor.origin

    def show_blind(self, row: int) -> None:
        """Put a shot on screen for a blind repeat; steps then go on from the one before it."""
        self._next = row, self.cursor.row
        self.cursor.show(row)

    def count(self, row: int) -> None:
        """The person decided on a shot that was not a blind repeat."""
        self._lately.append(row)
        if row != self._drawn:
            self._drawn = row
            self._due = self._due or self.chance.random() < self.rate

    def _draw(self) -> int | None:
        if not self._due or self.queue.choice.title or self.opened is None:
            return None
        self._due = False
        found = self._choose({*self._lately, *self._repeated(), self.cursor.row})
        return int(found[0]) if len(found) else None

    def _choose(
        self, barred: Sequence[int] | set[int], among: Rows | None = None, n: int = 1
    ) -> Rows:
        """Up to n of the person's own labels, of `among` or of all; none where they are few."""
        own = self.labels.decided
        status = own.own_status
        if np.count_nonzero(status & LABELLED) < repeats.ENOUGH:
            return np.zeros(0, np.int64)
        if among is not None:
            status = np.where(np.isin(np.arange(len(status)), among), status, np.uint8(0))
        taxonomy = self.labels.taxonomy
        return repeats.choose(own.own_present, status, taxonomy, barred, self.chance, n)

    def _repeated(self) -> set[int]:
        """Rows that the person read again already, in this session or an earlier one."""
        if self._read_again is None:
            opened = self.require()
            rows = repeats.repeats_of(opened.project, opened.annotator).rows
            self._read_again = set(rows.tolist())
        return self._read_again

    def calibrate(self) -> bool:
        """Show a round of a person's own first labels again, blind; False where there are too few.

        The round asks for every class alike among the first labels that were given.
        """
        opened = self.opened
        if opened is None:
            return False
        own = np.count_nonzero(self.labels.decided.own_status & LABELLED)
        if own < repeats.ENOUGH:
            text = f"A calibration round needs {repeats.ENOUGH} labels of your own; you have {own}."
            self.noted.emit("info", text)
            return False
        first = first_decisions(opened.project.store.database, opened.annotator).rows
        first = first[: repeats.FIRST]
        barred = tuple(self._lately) if len(first) > repeats.ROUND + APART else ()
        found = self._choose(barred, first, repeats.ROUND)
        self.reveal()
        self._round = set(found.tolist())
        self._keep_round()
        self.queue.show_rows(self.chance.permutation(found), ROUND_TITLE)
        if not self.is_blind:  # the shot on screen was one of them
            self.cursor.first()
        return True

    def _keep_round(self) -> None:
        """Store what is left of the round; failing is logged, not fatal."""
        opened = self.opened
        if opened is None or opened.project.store.read_only:
            return
        try:
            key = f"{ROUND_LEFT}{opened.annotator}"
            opened.project.store.set_meta(key, sorted(self._round))
        except (InputError, OSError) as error:
            log.warning("the calibration round was not stored: %s", error)

    def _resumed(self, row: int) -> bool:
        """Whether this shot was read blind when the project was opened again: go on with that."""
        interrupted, self._interrupted = self._interrupted, None
        if interrupted is None or self.opened is None:
            return False
        folder, annotator, hidden = interrupted
        if (folder, annotator, hidden.row) != (self.opened.folder, self.opened.annotator, row):
            return False
        self._hidden, self.cursor.origin = hidden, hidden.origin
        self.labels.labels_changed.emit(np.array([row]))
        return True

    def _before_showing(self, row: int) -> None:
        if self._resumed(row):
            return
        self.reveal()
        if self.queue.choice.title != ROUND_TITLE:
            self._round = set()
        blind, self._next = self._next, None
        if blind is not None and blind[0] == row:
            self.cursor.origin = blind[1]
        elif row not in self._round:
            return
        self._hidden = _RepeatInProgress(row, self.cursor.origin)
        self.labels.labels_changed.emit(np.array([row]))

    # -- deciding a second time ------------------------------------------------------------------

    def write(
        self,
        present: int,
        status: int,
        note: str | None,
        shown: dict[str, Any],
        seconds: float,
        *,
        flags: bool = False,
    ) -> bool:
        """Store a decision on the shot that is read blind, see `ProjectLabels.write`; one that
        `flags` it is about the shot and not about the repeat, so it is the person's own as well."""
        hidden = self._hidden
        if hidden is None:
            raise RuntimeError("no shot is shown blind")
        reader = self._reader()
        if reader is None:
            return False
        decided, row = self.labels.decided, hidden.row
        about = {"at": hidden.at, "first": int(decided.own_present[row])}
        if open_ones := decided.undecided(row):  # of these the first decision says nothing
            about["open"] = open_ones
        target, shown = Target(reader, repeats.KIND), {**shown, repeats.KIND: about}
        before = self._before(hidden)
        if not self.labels.write(target, hidden.row, present, status, note, shown, seconds):
            return False
        hidden.present, hidden.status = present, status
        hidden.done, hidden.undone = hidden.done + 1, 0
        hidden.flags = frozenset(k for k in hidden.flags if k < hidden.done)
        if flags and self._flag_own(hidden, note):
            hidden.flags |= {hidden.done}
        self._last = self._as_last(hidden, before)
        self.repeats_changed.emit()
        return True

    def _just_decided(self) -> _Last | None:
        """The blind repeat that was decided last, where nothing else was done since."""
        last = self._last
        return last if last is not None and last.gestures == self.labels.gestures else None

    def _before(self, hidden: _RepeatInProgress) -> _Last | None:
        """The blind repeat that was decided right before this one."""
        last = self._just_decided()
        return last.before if last and hidden.done and last.row == hidden.row else last

    def _as_last(self, hidden: _RepeatInProgress, before: _Last | None) -> _Last:
        done, gestures, flags = hidden.done, self.labels.gestures, hidden.flags
        return _Last(hidden.row, hidden.origin, done, gestures, flags, before)

    def _flag_own(self, hidden: _RepeatInProgress, note: str | None) -> bool:
        """Flag the shot for the person, beside the first label and without losing a note that they
        cannot see; False where that changes nothing."""
        opened, decided, row = self.require(), self.labels.decided, hidden.row
        status = int(decided.own_status[row])
        old = opened.project.store.note(row, opened.annotator)
        if hidden.before is None or not hidden.flags:
            hidden.before = status & FLAGGED, old
        flag, kept = hidden.before
        new = status & ~FLAGGED | flag | hidden.status & FLAGGED
        text = old if note is None else "; ".join(part for part in (kept, note) if part)
        if (new, text) == (status, old):
            return False
        target, present = Target(opened.annotator, "flag"), int(decided.own_present[row])
        return self.labels.write(target, row, present, new, text if text != old else None)

    @property
    def note(self) -> str:
        """What was noted on the shot that is read blind, since it is."""
        hidden, reader = self._hidden, self._second_reader
        if hidden is None or reader is None or not hidden.flags:
            return ""
        return self.require().project.store.note(hidden.row, reader)

    def reverse(self, verb: Literal["undo", "redo"]) -> bool:
        """Undo or redo a blind repeat; False where the person's own labels are meant.

        Undo right after a blind repeat means that one, also once its shot was left.
        """
        last, hidden = self._just_decided(), self._hidden
        if verb == "undo" and last is not None and (hidden is None or not hidden.done):
            if hidden is not None and hidden.row in self._round:
                self._hidden = None  # unread: it stays unseen
            self._next = last.row, last.origin
            self.cursor.show(last.row)
            hidden = self._hidden
            if hidden is not None:
                hidden.done, hidden.flags = last.done, last.flags
        if hidden is None or not (hidden.done if verb == "undo" else hidden.undone):
            self.reveal()
            return False
        reader, before = self._reader(), self._before(hidden)
        change = None if reader is None else self.labels.reverse(verb, reader)
        if change is None:
            return True
        by = 1 if verb == "redo" else -1
        if max(hidden.done, hidden.done + by) in hidden.flags:
            self._reverse_own(verb)
        hidden.done, hidden.undone = hidden.done + by, hidden.undone - by
        if hidden.done:
            self._last = self._as_last(hidden, before)
        else:
            self._last = before and replace(before, gestures=self.labels.gestures)
        for row, present, status in zip(change.rows, change.present, change.status, strict=True):
            if row == hidden.row:
                hidden.present, hidden.status = int(present), int(status)
        self.labels.announce(change.rows, change.text)
        self.repeats_changed.emit()
        return True

    def _reverse_own(self, verb: Literal["undo", "redo"]) -> None:
        """The flag of the person's own, which was set together with that of the repeat."""
        change = self.labels.reverse(verb, self.require().annotator)
        if change is not None:
            self.labels.decided.put(change.rows, change.present, change.status, change.known)

    def _reader(self) -> int | None:
        """The annotator of this person's blind repeats; None, with a note, where none is made."""
        if self._second_reader is None:
            opened = self.require()
            try:
                self._second_reader = repeats.repeat_annotator(opened.project, opened.annotator)
            except (InputError, OSError) as error:
                self.labels.not_saved(error)
        return self._second_reader
