"""Choosing shots: the queue, its filters and order, saved queues, and where everybody left off.

Knows no widgets and decides nothing about a shot.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from PyQt6.QtCore import QTimer, pyqtSignal

from labeler.project import people
from labeler.project.decisions import Decisions
from labeler.project.store.records import Rows, State
from labeler.queue import queue as queues
from labeler.queue.facts import Known
from labeler.queue.filters import fits
from labeler.queue.position import Walk
from labeler.session.display import Look
from labeler.shots.numbers import Found, Numbers, ScalarReader
from labeler.shots.prefetch import ShotFeed
from model.errors import InputError
from model.taxonomy.taxonomy import Taxonomy

PLACE = "window.queue."
"""Where a project keeps each annotator's queue and shot; the annotator's number follows."""
KEPT_BY_HAND = 20_000
"""A queue of chosen shots is remembered up to this length."""
QUIET_MS = 2_000
"""The place is stored when nothing moved for so long."""

log = logging.getLogger(__name__)


class Choosing(Look):
    """Which shots are gone through, in which order."""

    queue_changed = pyqtSignal()
    numbers_changed = pyqtSignal()
    """The numbers of the files, or others, are there now."""
    _numbers_read = pyqtSignal(object)
    labels_changed: Any
    run_changed: Any

    project: Any
    table: Any
    annotator: int
    decided: Decisions
    taxonomy: Taxonomy
    feed: ShotFeed | None
    show: Callable[[int], None]

    def __init__(self, parent: Any = None) -> None:
        super().__init__(parent)
        self._still = QTimer(self)
        self._still.setSingleShot(True)
        self._still.setInterval(QUIET_MS)
        self._still.timeout.connect(self._keep_place)
        self._scalars: ScalarReader | None = None
        self._numbers_read.connect(self._take_numbers)
        self.labels_changed.connect(self._follow_labels)
        self.run_changed.connect(self._look_for_gone)
        self._kept: Any = None

    # -- one project after another ---------------------------------------------------------------

    def forget_queue(self) -> None:
        """No project: nothing to go through."""
        if getattr(self, "_scalars", None) is not None:
            self._scalars.close()  # type: ignore[union-attr]
        self._scalars = None
        self._kept = None
        self.numbers = Numbers()
        self.choice = queues.Choice()
        self._others: dict[str, State] = {}
        self._times: npt.NDArray[np.floating] | None = None
        self.queue = ()

    def begin_queue(self) -> None:
        """A project was opened: the queue in which this annotator left off."""
        folder = Path(self.project.folder)
        self.numbers = Numbers(folder, self.table.sources)
        if self.feed is not None:
            self.feed.keep_thumbnails(folder / "thumbnails")
        kept = self.project.store.get_meta(f"{PLACE}{self.annotator}")
        kept = kept if isinstance(kept, dict) else {}
        self.choice = queues.from_json(kept.get("choice"), self.known)
        rows = kept.get("rows")
        if self.choice.title and isinstance(rows, list):
            chosen = np.array([r for r in rows if isinstance(r, int)], np.int64)
            self.queue = chosen[(chosen >= 0) & (chosen < self.n_shots)]
        else:
            self.choice = replace(self.choice, title="")
            self.queue = self._built(self.choice)
        if not len(self.queue):  # nothing of it is left: everything, rather than an empty window
            self.choice = queues.Choice()
            self.queue = self._built(self.choice)

    def place_left(self, row: int) -> int:
        """The shot where this annotator left off, else the given one."""
        kept = self.project.store.get_meta(f"{PLACE}{self.annotator}")
        left = kept.get("row") if isinstance(kept, dict) else None
        return left if isinstance(left, int) and 0 <= left < self.n_shots else row

    def keep_place(self) -> None:
        """Store queue and shot, to go on there; failing is logged, not fatal."""
        self._still.stop()
        self._keep_place()

    def _keep_place(self) -> None:
        if self.project is None or self.row < 0 or self.project.store.read_only:
            return
        by_hand = self.choice.title and len(self.queue) <= KEPT_BY_HAND
        kept = {
            "row": self.row,
            "choice": queues.to_json(self.choice),
            "rows": self.queue.tolist() if by_hand else None,
        }
        if kept == self._kept:
            return
        try:
            self.project.store.set_meta(f"{PLACE}{self.annotator}", kept)
            self._kept = kept
        except (InputError, OSError) as error:
            log.warning("the place in the queue was not stored: %s", error)

    # -- what is known ---------------------------------------------------------------------------

    @property
    def n_shots(self) -> int:
        return len(self.decided.status)

    @property
    def known(self) -> Known:
        """What filters, orders and groups may ask; costs nothing by itself."""
        table = self.table
        return Known(
            self.decided,
            self.taxonomy,
            self.reading,
            () if table is None else tuple(s.path.name for s in table.sources),
            None if table is None else table.source_of,
            self.numbers,
            self._people,
            self._state_of,
            self._decided_when,
        )

    def _people(self) -> tuple[str, ...]:
        if self.project is None:
            return ()
        return tuple(a.name for a in people.shown_to(self.project.store, self.annotator))

    def _state_of(self, name: str) -> State:
        """What another annotator decided, as of the moment when the queue was built."""
        if name not in self._others:
            store = self.project.store
            shown = people.shown_to(store, self.annotator)
            number = {a.name: a.id for a in shown}[name]
            self._others[name] = store.load_state(number)
        return self._others[name]

    def _decided_when(self) -> npt.NDArray[np.floating]:
        if self._times is None:
            from labeler.project.store.timeline import decided_when

            self._times = decided_when(self.project.store.database, self.annotator, self.n_shots)
        return self._times

    def want_numbers(self) -> None:
        """Find out which numbers the files have; `numbers_changed` says when they are there."""
        if self.project is None or self._scalars is not None:
            return
        if unread := self.numbers.unread():
            self._scalars = ScalarReader(unread, self._numbers_read.emit)

    def give_numbers(self, name: str, values: npt.ArrayLike | None) -> None:
        """Add (N,) numbers that queues may be filtered and ordered by, such as "asked"."""
        self.numbers.give(name, values)
        self.numbers_changed.emit()

    def _take_numbers(self, found: Found) -> None:
        if self._scalars is not None:
            self._scalars.close()
            self._scalars = None
            self.numbers.take(found)
            if found:
                self.numbers_changed.emit()

    # -- the queue -------------------------------------------------------------------------------

    @property
    def queue(self) -> Rows:
        """Rows in the order in which they are gone through."""
        return self.walk.rows

    @queue.setter
    def queue(self, rows: npt.ArrayLike) -> None:
        self.walk = Walk(rows, self.n_shots, self.decided.status)
        self._gone = np.zeros(len(self.walk), bool)
        self.gone = 0
        """How many shots of the queue no longer match its conditions."""

    def place_of(self, row: int) -> int | None:
        """Where in the queue a shot is, in no time; None where it is not."""
        return self.walk.place_of(row)

    def set_queue(self, filter: str | None = None, order: str | None = None) -> None:
        """Choose which shots, in which order; without arguments, build the same queue anew.

        A queue stays as it was built while its shots are labelled, so that nothing moves away
        under the person's hands. `filter` takes the place of all conditions; "all" is none.
        """
        filters = self.choice.filters
        if filter is not None:
            filters = () if filter == "all" else (filter,)
        self._use(queues.Choice(filters, order or self.choice.order))

    def set_filters(self, filters: tuple[str, ...]) -> None:
        """Choose by conditions that all hold, in the same order as before."""
        self._use(queues.Choice(tuple(dict.fromkeys(filters)), self.choice.order))

    def narrow(self, condition: str) -> None:
        """One condition more."""
        self.set_filters((*self.choice.filters, condition))

    def widen(self, condition: str) -> None:
        """One condition less."""
        self.set_filters(tuple(f for f in self.choice.filters if f != condition))

    def show_rows(self, rows: npt.ArrayLike, title: str) -> None:
        """Make a queue of given shots, in their order, under a title such as "Like shot 412"."""
        self.choice = queues.Choice(title=title)
        self._go_through(np.asarray(rows, np.int64).reshape(-1))

    def _use(self, choice: queues.Choice) -> None:
        self._others, self._times = {}, None
        self.choice = choice
        self._go_through(self._built(choice))

    def _go_through(self, rows: Rows) -> None:
        self.queue = rows
        self.queue_changed.emit()
        self._still.start()
        if len(rows) and self.place_of(self.row) is None:
            self.show(int(rows[0]))

    def _built(self, choice: queues.Choice) -> Rows:
        return queues.build(choice, self.known)

    def _follow_labels(self, rows: npt.ArrayLike) -> None:
        self.walk.follow(rows, self.decided.status)
        if self.choice.filters:
            places = np.unique(self.walk.places_of(rows))
            gone = ~queues.matching(self.choice.filters, self.known, self.queue[places])
            self.gone += int(gone.sum()) - int(self._gone[places].sum())
            self._gone[places] = gone

    def _look_for_gone(self) -> None:
        self._gone[:] = ~queues.matching(self.choice.filters, self.known, self.queue)
        self.gone = int(self._gone.sum())

    # -- saved queues ----------------------------------------------------------------------------

    def saved_queues(self) -> dict[str, queues.Choice]:
        """Queues that somebody named, by name."""
        if self.project is None:
            return {}
        kept = self.project.store.get_meta(queues.SAVED)
        kept = kept if isinstance(kept, dict) else {}
        known = self.known
        return {str(name): queues.from_json(choice, known) for name, choice in kept.items()}

    def save_queue(self, name: str) -> None:
        """Keep the conditions and the order under a name, for everybody in the project."""
        self._keep_saved(name, queues.to_json(replace(self.choice, title="")))

    def forget_saved(self, name: str) -> None:
        """Take a name away; its shots stay what they are."""
        self._keep_saved(name, None)

    def use_saved(self, name: str) -> None:
        """Go through a queue that somebody named."""
        kept = self.project.store.get_meta(queues.SAVED)
        try:
            self._use(queues.saved_one(kept, name, self.known))
        except InputError as error:
            self.noted.emit("error", f"Nothing was changed: {error}")

    def _keep_saved(self, name: str, choice: dict[str, Any] | None) -> None:
        store = self.project.store
        kept = store.get_meta(queues.SAVED)
        kept = dict(kept) if isinstance(kept, dict) else {}
        kept.pop(name, None)
        if choice is not None:
            kept[name] = choice
        try:
            store.set_meta(queues.SAVED, kept)
        except (InputError, OSError) as error:
            self.noted.emit("error", f"Not saved, nothing was changed: {error}")
        self.queue_changed.emit()

    def may_narrow(self, condition: str) -> bool:
        """Whether a condition means anything here."""
        return fits(condition, self.known)
