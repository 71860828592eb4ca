"""What is open: project, shot, labels, queue, predictions; every change goes through here.

The only owner of the window's state. A decision is recorded in the store first and shown after:
when the store refuses, nothing changes on screen. Knows nothing of widgets and never loads torch.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from PyQt6.QtCore import QObject, pyqtSignal

from labeler import opening
from labeler import queue as queues
from labeler.decisions import Decisions, in_words
from labeler.feed import ShotFeed, around
from labeler.look import Look
from labeler.pace import Pace
from labeler.store.records import FLAGGED, LABELLED, SKIPPED, Rows
from model.errors import InputError
from model.layouts import Geometry
from model.taxonomy import Fix, Labels, Taxonomy


class Session(Look):
    """State of the window and the verbs that change it. Signals are facts, in the past tense."""

    project_changed = pyqtSignal()
    shot_changed = pyqtSignal(int)
    labels_changed = pyqtSignal(object)
    """Rows whose decision changed."""
    queue_changed = pyqtSignal()
    run_changed = pyqtSignal()
    counts_ready = pyqtSignal(int)
    """Row whose counts (or whose error) arrived from the reader."""
    thumbnail_ready = pyqtSignal(int)
    painted = pyqtSignal(int)
    """Row that the pattern view has just painted: the end of key-to-screen timings."""

    def __init__(
        self, parent: QObject | None = None, make_reader: Callable[..., Any] | None = None
    ) -> None:
        super().__init__(parent)
        self._make_reader = make_reader
        self.auto_advance = False
        self._clear()

    def _clear(self) -> None:
        self.project: Any = None
        self.taxonomy = Taxonomy("", (), ())
        self.decided = Decisions.none(0)
        self.row = -1
        self.choice = queues.Choice()
        self.queue: Rows = np.zeros(0, np.int64)
        self.predictions: Any = None
        self.forget_look()
        self.said = ""
        self.pace = Pace()
        self.table: Any = None
        self.feed: ShotFeed | None = None
        self.annotator = 0
        self._shown_at = 0.0

    # -- opening -------------------------------------------------------------------------------

    def open(self, folder: Path) -> None:
        """Open a project; on InputError the one that was open stays."""
        opened = opening.open_project(folder)
        self.close()
        self.project, self.table = opened.project, opened.table
        self.taxonomy, self.annotator = opened.project.taxonomy, opened.annotator
        self.decided = opened.decided
        if opened.levels is not None:
            self.look(low=opened.levels[0], high=opened.levels[1])
        self.feed = ShotFeed(
            self.table, self._reader(), self.counts_ready.emit, self.thumbnail_ready.emit
        )
        self._load_predictions()
        self.queue = self._built(self.choice)
        self.project_changed.emit()
        self.show(opened.row)
        for text in self.project.notes:
            self.noted.emit("info", text)

    def _reader(self) -> Callable[..., Any]:
        if self._make_reader is None:
            from labeler.reader import ShotReader

            self._make_reader = ShotReader
        return self._make_reader

    def close(self) -> None:
        """Close the project, remembering the shot."""
        if self.project is None:
            return
        if self.row >= 0:
            levels = (self.screen.low, self.screen.high) if self.levels_known else None
            opening.remember(self.project, self.row, levels)
        project, feed = self.project, self.feed
        self._clear()
        if feed is not None:
            feed.close()
        project.close()
        self.project_changed.emit()

    def sources_changed(self) -> None:
        """Read everything anew after a file was found again or added."""
        if self.project is not None:
            self.open(Path(self.project.folder))

    # -- what is there -------------------------------------------------------------------------

    @property
    def n_shots(self) -> int:
        return len(self.decided.status)

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

    def suggestion(self, row: int | None = None) -> Labels | None:
        """(C,) what the model would say of an undecided shot; None where it says nothing."""
        row = self.row if row is None else row
        if self.predictions is None or self.is_decided(row):
            return None
        return self.taxonomy.complete(self.predictions.likely()[row])

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

    def counts(self, row: int | None = None) -> npt.NDArray[Any] | InputError | None:
        """(y, x) counts; the InputError of an unreadable shot; None while it is being read."""
        row = self.row if row is None else row
        return None if self.feed is None or row < 0 else self.feed.reader.counts(row)

    def mask(self, row: int | None = None) -> npt.NDArray[np.bool_] | None:
        """(y, x) True for good pixels; None where the file has no mask or while it is read."""
        row = self.row if row is None else row
        return None if self.feed is None or row < 0 else self.feed.reader.mask(row)

    def note(self) -> str:
        """The note on the shot on screen, '' where there is none."""
        if self.project is None or self.row < 0:
            return ""
        return str(self.project.store.note(self.row, self.annotator) or "")

    def geometry(self) -> Geometry | None:
        """What the file of the shot on screen says of detector and beam."""
        if self.table is None or self.row < 0:
            return None
        geometry: Geometry = self.table.sources[self.table.source_of[self.row]].geometry
        return geometry

    # -- going about ---------------------------------------------------------------------------

    def show(self, row: int) -> None:
        """Put a shot on screen."""
        if self.feed is None or not 0 <= row < self.n_shots:
            return
        self.row = row
        self.said = ""
        self._shown_at = time.monotonic()
        self.feed.want(row, around(self.queue, row))
        self.shot_changed.emit(row)

    def step(self, by: int) -> None:
        """Go some places further in the queue, held at its ends."""
        row = queues.step(self.queue, self.row, by)
        if row is not None and row != self.row:
            self.show(row)

    def next(self) -> None:
        self.step(1)

    def previous(self) -> None:
        self.step(-1)

    def first(self) -> None:
        if len(self.queue):
            self.show(int(self.queue[0]))

    def last(self) -> None:
        if len(self.queue):
            self.show(int(self.queue[-1]))

    def next_unlabelled(self) -> None:
        """The next shot of the queue that nobody decided or skipped."""
        row = queues.next_undecided(self.queue, self.row, self.decided)
        if row is None:
            self.noted.emit("info", "Nothing undecided is left in this queue.")
        else:
            self.show(row)

    def jump(self, text: str) -> bool:
        """Show a shot by its number (from 1, as on screen); False where there is none."""
        digits = text.strip().lstrip("#").replace(",", "")
        if not digits.isdecimal() or not 1 <= int(digits) <= self.n_shots:
            return False
        self.show(int(digits) - 1)
        return True

    def set_queue(self, filter: str | None = None, order: str | None = None) -> None:
        """Choose which shots, in which order; without arguments, build the same queue anew.

        A queue stays as it was built while its shots are labelled, so that nothing moves away
        under the person's hands.
        """
        self.choice = queues.Choice(filter or self.choice.filter, order or self.choice.order)
        self.queue = self._built(self.choice)
        self.queue_changed.emit()
        if len(self.queue) and self.row not in self.queue:
            self.show(int(self.queue[0]))

    def _built(self, choice: queues.Choice) -> Rows:
        return queues.build(choice, self.decided, self.taxonomy, self.predictions)

    # -- deciding ------------------------------------------------------------------------------

    def toggle(self, class_index: int) -> None:
        """Toggle one class of the shot on screen, with all that follows from it: one gesture."""
        if self.row < 0:
            return
        before = self.labels()
        after = self.taxonomy.toggle(before, class_index)
        status = (int(self.status[self.row]) | LABELLED) & ~SKIPPED
        if not after.any() and not self._may_be_empty():
            status &= ~LABELLED
        if self._decide(after, status, "key") and before.any() | after.any():
            self.said = in_words(self.taxonomy, before, after, class_index)
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
        """What the model said on screen before this decision."""
        if self.predictions is None:
            return None
        said = np.asarray(self.predictions.probabilities[self.row], float).round(4).tolist()
        heat = self.heat_class if self.heat_on else None
        return {"run": str(self.predictions.run), "probabilities": said, "heat": heat}

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
        rows = self.decided.put(change.rows, change.present, change.status)
        if len(rows) and self.row not in rows:
            self.show(int(rows[0]))
        self.said = f"{'Undone' if verb == 'undo' else 'Done again'}: {change.text}"
        self.labels_changed.emit(rows)

    # -- the model's reading -------------------------------------------------------------------

    def use_run(self, number: int | None) -> None:
        """Make a run the project's current one and show what it predicts."""
        if self.project is None:
            return
        self.project.current_run = number
        self._load_predictions()
        self.run_changed.emit()

    def _load_predictions(self) -> None:
        self.predictions, trouble = opening.predictions_of(self.project)
        if trouble:
            self.noted.emit("warning", trouble)
