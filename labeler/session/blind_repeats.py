"""Blind repeats while labelling: now and then a shot comes again, with its first label hidden.

The half of the session between deciding and opening. While such a shot is on screen, its label is
taken out of the arrays that every view reads, and what the person decides goes to the annotator of
second readings; on leaving it, the first label is back. Knows no widgets.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from PyQt6.QtCore import QObject, pyqtSignal

from labeler.project.store.records import LABELLED, Present, Rows, Status
from labeler.quality import repeats
from labeler.quality.breaks import Breaks
from labeler.session.labelling import Deciding
from model.errors import InputError
from model.taxonomy.taxonomy import Labels

APART = 25
"""So many decisions lie at least between the first reading and the second."""
ROUND_TITLE = "Calibration round"


@dataclass
class _Hidden:
    """The label of the shot that is shown blind, to be put back."""

    row: int
    values: tuple[int, int, int, int]
    at: float
    done: int = 0
    """Gestures on it that undo can take back here."""
    undone: int = 0


class Repeating(Deciding):
    """Mixes second readings into going through a queue."""

    project_changed: Any
    repeats_changed = pyqtSignal()
    """A second reading was given, or taken back."""

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self.repeat_rate = 0.0
        """Share of new labels after which a shot comes again; the window's settings say 3 %."""
        self.remind_of_breaks = True
        self.breaks = Breaks()
        self.chance = np.random.default_rng()
        self._blind_next = -1
        self._forget_repeats()
        self.project_changed.connect(self._forget_repeats)

    def _forget_repeats(self) -> None:
        """What belongs to one project only."""
        self._hidden: _Hidden | None = None
        self._resume: int | None = None
        self._due = False
        self._drawn = -1
        self._lately: deque[int] = deque(maxlen=APART)
        self._round: set[int] = set()
        self._last: tuple[int, int] | None = None
        """Row and gestures of the second reading, where that was the last thing decided."""
        self._asked: dict[int, set[int]] = {}
        self._second_reader: dict[int, int] = {}

    @property
    def is_blind(self) -> bool:
        """True while the shot on screen is a second reading."""
        return self._hidden is not None

    # -- going ---------------------------------------------------------------------------------

    def show(self, row: int) -> None:
        """Put a shot on screen; blind where it is its turn to be read again."""
        self.reveal()
        if self.choice.title != ROUND_TITLE:
            self._round = set()
        if row in self._round or row == self._blind_next:
            self._hide(row)
        else:
            self._resume = None
        super().show(row)
        if self._hidden is not None:
            self.labels_changed.emit(np.array([row]))

    def step(self, by: int) -> None:
        """Go some places further; forward, a second reading may come in between."""
        if by > 0 and self._show_repeat():
            return
        if by < 0 and self._resume is not None:
            self.show(self._resume)
            return
        self._go_on(lambda: super(Repeating, self).step(by))

    def next_unlabelled(self) -> None:
        """The next undecided shot, or a second reading in between."""
        if not self._show_repeat():
            self._go_on(super().next_unlabelled)

    def _go_on(self, move: Callable[[], None]) -> None:
        """Move as from the shot after which the second reading came in between."""
        if self._resume is None:
            move()
            return
        here, self._resume = self._resume, None
        self.reveal()
        self.row = here
        move()
        if self.row == here:  # nothing further: back to where the person was
            self.show(here)

    def _show_repeat(self) -> bool:
        if not self._due or self.choice.title or self.project is None:
            return False
        self._due = False
        barred = {*self._lately, *self._repeated(), self.row}
        own = self.decided
        if np.count_nonzero(own.own_status & LABELLED) < repeats.ENOUGH:
            return False
        found = repeats.choose(own.own_present, own.own_status, self.taxonomy, barred, self.chance)
        if not len(found):
            return False
        self._show_blind(int(found[0]), self.row)
        return True

    def _show_blind(self, row: int, resume: int | None) -> None:
        self._blind_next = row
        try:
            self.show(row)
        finally:
            self._blind_next = -1
        self._resume = resume

    def _repeated(self) -> set[int]:
        """Rows that the person read again already, in this sitting or an earlier one."""
        if self.annotator not in self._asked:
            rows = repeats.readings_of(self.project, self.annotator).rows
            self._asked[self.annotator] = set(rows.tolist())
        return self._asked[self.annotator]

    def calibrate(self) -> bool:
        """Show a round of a person's own first labels again, blind; False where there are too few.

        The round asks for every class alike among the first labels that were given.
        """
        if self.project is None:
            return False
        own = self.decided
        rows = np.flatnonzero(own.own_status & LABELLED)
        if len(rows) < repeats.ENOUGH:
            self.noted.emit(
                "info",
                f"A calibration round needs {repeats.ENOUGH} labels of your own; "
                f"there are {len(rows)}.",
            )
            return False
        first = self._first_labels()
        status = np.where(np.isin(np.arange(self.n_shots), first), own.own_status, 0)
        barred = self._lately if len(first) > repeats.ROUND + APART else ()
        found = repeats.choose(
            own.own_present,
            status.astype(np.uint8),
            self.taxonomy,
            barred,
            self.chance,
            repeats.ROUND,
        )
        self.reveal()
        self._round = set(found.tolist())
        self.show_rows(self.chance.permutation(found), ROUND_TITLE)
        if not self.is_blind:  # the shot on screen was one of them
            self.show(int(self.queue[0]))
        return True

    def _first_labels(self) -> Rows:
        from labeler.project.store.timeline import first_decisions

        rows = first_decisions(self.project.store.database, self.annotator).rows
        return rows[: repeats.FIRST]

    # -- hiding --------------------------------------------------------------------------------

    def _hide(self, row: int) -> None:
        d = self.decided
        arrays = (d.own_present, d.own_status, d.file_present, d.file_status)
        values = tuple(int(a[row]) for a in arrays)
        self._hidden = _Hidden(row, values, time.time())  # type: ignore[arg-type]
        d.file_present[row], d.file_status[row] = 0, 0
        d.put(row, 0, 0)

    def reveal(self) -> None:
        """Put the first label of a shot that was shown blind back in its place.

        Whoever works out labels of many shots does this first: until then, that shot looks as if
        nobody had decided on it.
        """
        hidden, self._hidden = self._hidden, None
        if hidden is None:
            return
        d, row = self.decided, hidden.row
        second, decided = int(d.own_present[row]), bool(d.own_status[row] & LABELLED)
        own_present, own_status, d.file_present[row], d.file_status[row] = hidden.values
        d.put(row, own_present, own_status)
        self._round.discard(row)
        self.labels_changed.emit(np.array([row]))
        if decided and hidden.done:
            self._repeated().add(row)
            self._say_difference(row, own_present, second)

    def _say_difference(self, row: int, first: int, second: int) -> None:
        if first != second:
            before, now = (self._in_words(bits) for bits in (first, second))
            self.noted.emit(
                "info", f"Shot {row + 1:,} came a second time: first {before}, now {now}."
            )

    def _in_words(self, bits: int) -> str:
        names = np.array(self.taxonomy.names, object)[self.taxonomy.unpack(bits)]
        return ", ".join(names) or "no class"

    # -- deciding ------------------------------------------------------------------------------

    def _decide(self, labels: Labels, status: int, origin: str) -> bool:
        done = super()._decide(labels, status, origin)
        if done and not self.is_blind and status & LABELLED:
            self._lately.append(self.row)
            if self.row != self._drawn:
                self._drawn = self.row
                self._due = self._due or self.chance.random() < self.repeat_rate
        if done and self.breaks.count() and self.remind_of_breaks:
            minutes = round(self.breaks.worked_s / 60)
            self.noted.emit("info", f"{minutes} minutes without a break: the eye tires before you.")
        return done

    def _record(self, status: int, present: int, origin: str, note: str | None) -> bool:
        hidden = self._hidden
        if hidden is None:
            if not super()._record(status, present, origin, note):
                return False
            self._last = None
            return True
        done = self._as_reader(
            lambda: super(Repeating, self)._record(status, present, repeats.KIND, note)
        )
        if done is True:
            hidden.done, hidden.undone = hidden.done + 1, 0
            self._last = (hidden.row, hidden.done)
            self.repeats_changed.emit()
        return bool(done)

    def _as_reader(self, act: Callable[[], Any]) -> Any:
        """Do something as the annotator of second readings."""
        person = self.annotator
        try:
            if person not in self._second_reader:
                self._second_reader[person] = repeats.repeat_annotator(self.project, person)
            self.annotator = self._second_reader[person]
            return act()
        except (InputError, OSError) as error:
            self.noted.emit("error", f"Not saved, nothing was changed: {error}")
            return False
        finally:
            self.annotator = person

    def _shown(self) -> dict[str, Any] | None:
        shown = super()._shown()
        if self._hidden is None:
            return shown
        about = {"at": self._hidden.at, "first": self._hidden.values[0]}
        return {**(shown or {}), repeats.KIND: about}

    def decide(
        self,
        rows: npt.ArrayLike,
        present: npt.ArrayLike,
        status: npt.ArrayLike,
        origin: str,
        note: str | None = None,
    ) -> bool:
        """Decide on many shots as one gesture; a shot that is shown blind gets its label back."""
        self.reveal()
        if not super().decide(rows, present, status, origin, note):
            return False
        self._last = None
        return True

    def accept_sure(self, threshold: float, rows: npt.ArrayLike | None = None) -> int:
        """See `Deciding`; not on a shot that is shown blind."""
        self.reveal()
        return super().accept_sure(threshold, rows)

    def take_over(self, rows: Rows, present: Present, status: Status) -> None:
        """See `Deciding`; a label that is hidden stays so."""
        hidden = self._hidden
        here = rows == (-1 if hidden is None else hidden.row)
        if hidden is not None and here.any():
            own = int(present[here][0]), int(status[here][0])
            hidden.values = (*own, *hidden.values[2:])
        super().take_over(rows[~here], present[~here], status[~here])

    def _travel(self, verb: str, nothing: str) -> None:
        """Undo or redo; right after a second reading, it is that which is taken back."""
        if self._hidden is None and self._last is not None and verb == "undo":
            row, done = self._last
            self._show_blind(row, self.row)
            if self._hidden is not None:
                self._hidden.done = done
        hidden = self._hidden
        if hidden is None or not (hidden.done if verb == "undo" else hidden.undone):
            self.reveal()
            super()._travel(verb, nothing)
            self._last = None
            return
        by = 1 if verb == "redo" else -1
        hidden.done, hidden.undone = hidden.done + by, hidden.undone - by
        self._last = (hidden.row, hidden.done) if hidden.done else None
        self._as_reader(lambda: super(Repeating, self)._travel(verb, nothing))
        self.repeats_changed.emit()

    def note(self) -> str:
        """The note on the shot on screen; of one that is shown blind, nothing."""
        return "" if self.is_blind else super().note()
