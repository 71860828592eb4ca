"""What the model suggests and asks: suggestions, the asked queue, and what may be accepted.

It fits nothing and changes no label: what it knows comes from `CurrentPredictions`.
"""

from __future__ import annotations

import math
import time
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from labeler.active.anchoring import is_hidden
from labeler.active.instant import InstantPredictions
from labeler.project.store.records import LABELLED, SKIPPED, Present, Rows
from labeler.project.store.timeline import decided_alone
from labeler.queue import queue as queues
from labeler.runs.predictions import RunPredictions
from labeler.session.cursor import Cursor, Step
from labeler.session.labels import ProjectLabels
from labeler.session.opened import SessionPart
from labeler.session.predictions import CurrentPredictions
from labeler.session.queue import Queue
from labeler.session.repeats import Repeats
from model.active.audit import DRAW, reserved
from model.active.head import FEWEST_LABELS
from model.errors import counted
from model.metrics.bounds import most_wrong
from model.shots.table import TRAINING
from model.taxonomy.taxonomy import Labels

ASKED = "asked"
"""The order in which the shots come that teach most."""
ENOUGH = 100
"""Labels that were counted on below which only a bound is told, and no estimate."""
COUNTED = 1000
"""Labels are counted on up to about this many."""
REACTION_S = 0.3
"""What changed on screen for a shorter time than this nobody has seen."""


def checks_left(count: int) -> str:
    """ "3 random checks left open: label each by itself"; '' for none."""
    return f"{counted(count, 'random check')} left open: label each by itself" if count else ""


@dataclass(frozen=True)
class Sure:
    """Suggestions above a threshold: rows, and the bits of their classes.

    `checked`: labelled shots on which a model that had not learnt their labels is that sure too,
    `missed` of them wrongly. What is said of the others is counted on these. `silent`: classes that
    stay undecided on them, for the model has not learnt them. `checks`: so many random checks, and
    shots whose predictions are hidden, it is as sure of; they are left open.
    """

    rows: Rows
    present: Present
    checked: int = 0
    missed: int = 0
    silent: tuple[str, ...] = ()
    checks: int = 0

    @property
    def most(self) -> int:
        """How many are wrong at most, with 95 %."""
        return most_wrong(self.missed, self.checked, len(self.rows))

    @property
    def left(self) -> str:
        """What stays undecided, and why, in sentences: classes that the model has not learnt, and
        random checks; '' where nothing does."""
        said = [f"{in_words}."] if (in_words := checks_left(self.checks)) else []
        if len(self.rows) and self.silent:
            what = "stays undecided: the model has not learnt it."
            if len(self.silent) > 1:
                what = "stay undecided: the model has not learnt them."
            said.append(f"{', '.join(self.silent)} {what}")
        return " ".join(said)

    def text(self) -> str:
        """ "312 shots: about 9 wrong, at most 20 (counted on 104 labels)", for the person."""
        n, k = len(self.rows), self.checked
        if not n:
            only = "only random checks are" if self.checks else "no undecided shot is"
            return f"{only} that sure"
        shots = counted(n, "shot")
        if self.most >= n:
            return f"{shots}: too few labels show how many are wrong"
        wrong = n * self.missed / k
        about = "fewer than 1" if wrong < 1 else f"about {wrong:,.0f}"
        about = f"{about} wrong, at most" if k >= ENOUGH else "at most"
        of = "" if k >= ENOUGH else " wrong"
        return f"{shots}: {about} {self.most:,}{of} (counted on {counted(k, 'label')})"


class Suggestions(SessionPart):
    """Suggestions on undecided shots, and the queue of asked ones."""

    def __init__(
        self,
        labels: ProjectLabels,
        predictions: CurrentPredictions,
        queue: Queue,
        cursor: Cursor,
        repeats: Repeats,
    ) -> None:
        super().__init__()
        self.labels, self.predictions = labels, predictions
        self.queue, self.cursor, self.repeats = queue, cursor, repeats
        self.on = True
        """Whether the person wants suggestions at all."""
        self.enough = FEWEST_LABELS
        self.hidden_share = 0.0
        """On this part of the shots the predictions are hidden until they are decided."""
        self.cleared = -1
        """Row whose labels the person just took away: nothing is suggested on it for a while."""
        self._replaced: list[tuple[float, InstantPredictions | None]] = []
        """What was learnt before, and when it was replaced, of the last moment."""
        queue.orders[ASKED] = self._asked

    def end(self) -> None:
        """No shot was cleared, nothing was learnt."""
        super().end()
        self.cleared = -1
        self._replaced = []

    @property
    def given(self) -> bool:
        """Whether there are suggestions: wanted, and learnt from enough labels."""
        return self.on and self.labelled >= self.enough

    @property
    def labelled(self) -> int:
        """Shots that are labelled, by the person or in the files."""
        return int(np.count_nonzero(self.labels.status & LABELLED))

    def turn(self, on: bool) -> None:
        """Show suggestions on undecided shots, or none."""
        self.on = on
        self.predictions.instant_changed.emit()

    def is_hidden(self, row: int | None = None) -> bool:
        """True for an undecided shot whose predictions are kept from the person, as a check."""
        row = self.cursor.row if row is None else row
        if row < 0 or self.repeats.shown(row)[1] & LABELLED:
            return False
        return self.repeats.hides(row) or bool(self._kept_back(np.array([row]))[0])

    def _kept_back(self, rows: Rows) -> npt.NDArray[np.bool_]:
        """True for shots whose predictions the person shall not see before deciding."""
        if not self.hidden_share:
            return np.zeros(len(rows), bool)
        return is_hidden(rows, self.hidden_share)

    def are_hidden(self, rows: Rows) -> npt.NDArray[np.bool_]:
        """True for shots of which the model says something that the person shall not see yet."""
        predictions = self.predictions.now
        if predictions is None or not self.given or not len(rows):
            return np.zeros(len(rows), bool)
        return self._kept_back(rows) & predictions.says_something(rows)

    def of(self, row: int | None = None) -> Labels | None:
        """(C,) what the model would say of an undecided shot; None where it says nothing."""
        row = self.cursor.row if row is None else row
        if row < 0 or not self.given:
            return None
        closed = self.repeats.shown(row)[1] & LABELLED or row == self.cleared
        return None if closed or self.is_hidden(row) else self.unhidden(row)

    def unhidden(self, row: int) -> Labels | None:
        """(C,) what the model says of a shot, decided or hidden as it may be."""
        predictions = self.predictions.now
        if predictions is None or not predictions.says_something(np.array([row]))[0]:
            return None
        found: Labels = self._sets(predictions, np.array([row]))[0]
        return found

    def changed_unseen(self, rows: npt.ArrayLike, shown_at: float = -math.inf) -> bool:
        """Whether the model has just come to suggest something else on one of these shots, which
        are on screen since `shown_at`: the person cannot have seen it, and may mean what was."""
        since, where = max(shown_at, time.monotonic() - REACTION_S), np.asarray(rows, np.int64)
        gone = [
            predictions or self.predictions.run for at, predictions in self._replaced if at > since
        ]
        said = self._said(self.predictions.now, where) if gone else None
        return any((self._said(predictions, where) != said).any() for predictions in gone)

    def _said(self, predictions: RunPredictions | InstantPredictions | None, rows: Rows) -> Present:
        if predictions is None:
            return np.zeros(len(rows), np.int64)
        said = self.labels.taxonomy.pack(self._sets(predictions, rows))
        return np.where(predictions.says_something(rows), said, 0)

    def _sets(self, predictions: RunPredictions | InstantPredictions, rows: Rows) -> Labels:
        """(n, C) what the model suggests on shots, with all that follows; no retired class, which
        a run of before may have learnt."""
        taxonomy = self.labels.taxonomy
        said = taxonomy.pack(predictions.likely()[rows] & ~taxonomy.retired)
        sets, which = np.unique(said, return_inverse=True)
        return taxonomy.complete(taxonomy.unpack(sets))[which]

    def unlearnt(self) -> int:
        """Bits of the classes, of those that are offered, of which the model says nothing."""
        predictions = self.predictions.now
        if predictions is None:
            return 0
        return int(self.labels.taxonomy.pack(~predictions.known)) & self.labels.decided.every

    def bits(self, rows: npt.ArrayLike) -> Present:
        """Bits of the suggested classes of shots; 0 where one is decided, hidden or not read."""
        where = np.asarray(rows, np.int64)
        predictions, taxonomy = self.predictions.now, self.labels.taxonomy
        if predictions is None or not len(where) or not self.given:
            return np.zeros(len(where), np.int64)
        closed = (self.labels.status[where] & LABELLED) > 0
        closed |= self._kept_back(where) | ~predictions.says_something(where)
        said = taxonomy.pack(self._sets(predictions, where))
        return np.asarray(np.where(closed, 0, said), np.int64)

    # -- asking ----------------------------------------------------------------------------------

    @property
    def is_asking(self) -> bool:
        """Whether the queue is that of the shots that teach most, chosen as one labels."""
        choice = self.queue.choice
        return choice.order == ASKED and not choice.title and self.predictions.instant is not None

    def because(self) -> str:
        """Why the shot on screen is asked, in words: "least sure of Bent"; '' where it is not."""
        row, predictions, choice = self.cursor.row, self.predictions.now, self.queue.choice
        if choice.title or predictions is None or row < 0:
            return ""
        if choice.order == ASKED and self.predictions.instant is not None:
            return str(self.predictions.instant.why.get(row, ""))
        if choice.order in (ASKED, "uncertainty"):
            c = int(predictions.margins(row).argmin())
            return f"least sure of {self.labels.taxonomy.names[c]}"
        return ""

    def take(self, predictions: InstantPredictions | None) -> None:
        """Take over what was learnt from the labels so far; None where nothing is."""
        first, now = self.predictions.instant is None, time.monotonic()
        self._replaced = [each for each in self._replaced if each[0] > now - REACTION_S]
        self._replaced.append((now, self.predictions.instant))
        self.predictions.instant = predictions
        if first and self.is_asking:  # begin to ask, without taking the shot on screen away
            row = self.cursor.row
            here = [row] if row >= 0 and not self.labels.status[row] else []
            asked = self._to_ask()
            self.queue.put(np.concatenate([here, asked[~np.isin(asked, here)]]).astype(np.int64))
            self.queue.queue_changed.emit()
        self.predictions.instant_changed.emit()

    def next(self, step: Step) -> int | None:
        """The policy of asking: where the asked shots end, more are asked; the queue goes on."""
        if step.by > 0 and self.is_asking:
            walk = self.queue.walk
            ends = (
                walk.next_open(step.origin) is None
                if step.undecided
                else walk.place_of(step.origin) in (None, len(walk) - 1)
            )
            if ends:
                self.queue.extend(self._to_ask())
        return None

    def _to_ask(self) -> Rows:
        asked = self._asked(self.queue.choice.filters)
        return np.zeros(0, np.int64) if asked is None else asked

    def _asked(self, filters: tuple[str, ...]) -> Rows | None:
        """The shots that teach most, of those that match; None before anything was learnt."""
        if self.predictions.instant is None:
            return None
        rows: Rows = self.predictions.instant.fit.rows
        rows = rows[(self.labels.status[rows] & (LABELLED | SKIPPED)) == 0]
        return rows[np.flatnonzero(queues.matching(filters, self.queue.known, rows))]

    # -- many at once ----------------------------------------------------------------------------

    def sure(self, threshold: float, rows: npt.ArrayLike | None = None) -> Sure:
        """Undecided shots, of `rows` or of all, whose whole suggestion is surer than a threshold.

        Random checks, and shots whose predictions are hidden, are left to the person: accepted
        together they would prove nothing.
        """
        predictions, taxonomy = self.predictions.now, self.labels.taxonomy
        where = np.arange(self.labels.n_shots) if rows is None else np.asarray(rows, np.int64)
        if predictions is None or not self.given:
            return Sure(where[:0], where[:0])
        chance = predictions.sureness()
        undecided = (self.labels.status[where] & (LABELLED | SKIPPED)) == 0
        where = where[undecided & (chance[where] >= threshold) & predictions.says_something(where)]
        present = taxonomy.pack(self._sets(predictions, where))
        said, check = present > 0, self.are_checks(where) | self._kept_back(where)
        use = said & ~check
        where, present = where[use], np.asarray(present[use], np.int64)
        silent = tuple(taxonomy.named(taxonomy.unpack(self.unlearnt())))
        checks = int(np.count_nonzero(said & check))
        return Sure(where, present, *self._counted(predictions, threshold), silent, checks)

    def are_checks(self, rows: Rows) -> npt.NDArray[np.bool_]:
        """True for shots that judge networks, or are asked next as a random check."""
        found = np.isin(rows, reserved(self.labels.n_shots, DRAW))
        if self.predictions.instant is not None:
            found |= np.isin(rows, self.predictions.instant.fit.checks)
        return found

    def _counted(
        self, predictions: RunPredictions | InstantPredictions, threshold: float
    ) -> tuple[int, int]:
        """Labelled shots on which the model is that sure, though their labels taught it nothing,
        and on how many of them it is wrong. It says something of them, as of the others, and their
        labels decide on all of that. Labels that were given to many at once prove nothing: its own
        suggestions may be among them."""
        held, run, taxonomy = predictions.held(), self.predictions.run, self.labels.taxonomy
        use = (held.sure >= threshold) & ((self.labels.status[held.rows] & LABELLED) > 0)
        if run is not None:  # whose embeddings know these labels
            use &= run.role[held.rows] != TRAINING
        rows, said = held.rows[use], taxonomy.pack(taxonomy.complete(held.decided[use]))
        about = said | self.labels.decided.every & ~self.unlearnt()
        some = np.flatnonzero((said > 0) & (about & ~self.labels.decided.known[rows] == 0))
        some = some[:: max(1, len(some) // COUNTED)]
        opened = self.require()
        alone = decided_alone(opened.project.store.database, opened.annotator, rows[some])
        some = some[alone]
        wrong = (said[some] ^ self.labels.present[rows[some]]) & about[some] != 0
        return len(some), int(wrong.sum())
