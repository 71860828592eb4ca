"""The queue: which shots are gone through, in which order; its filters, and saved queues.

Knows no widgets, decides nothing about a shot, and does not know which one is on screen.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt
from PyQt6.QtCore import pyqtSignal

from labeler.active.map import ShotMap
from labeler.project import people
from labeler.project.place import LeftOff
from labeler.project.store.records import Rows, State
from labeler.project.store.timeline import decided_when
from labeler.queue import queue as queues
from labeler.queue.facts import CLUSTER, ShotFacts
from labeler.queue.position import Walk
from labeler.runs.predictions_base import Predictions
from labeler.session.labels import ProjectLabels
from labeler.session.opened import Opened, SessionPart
from labeler.shots.numbers import Found, Numbers, ScalarReader
from model.errors import InputError, is_visible, one_line

LONGEST_NAME = 60
"""Letters of the name of a saved queue."""
KEPT_BY_HAND = 20_000
"""A queue of chosen shots is remembered up to this length."""


class Queue(SessionPart):
    """Rows in the order in which they are gone through. `predictions` are the model's now."""

    queue_changed = pyqtSignal()
    """Other shots, another order, or other saved queues."""
    replaced = pyqtSignal()
    """Another queue was chosen; after `queue_changed`, to go to its first shot."""
    numbers_changed = pyqtSignal()
    """The numbers of the files, or others, are there now."""
    _numbers_read = pyqtSignal(object)

    def __init__(
        self, labels: ProjectLabels, predictions: Callable[[], Predictions | None]
    ) -> None:
        super().__init__()
        self.labels = labels
        self._predictions = predictions
        self.orders: dict[str, Callable[[tuple[str, ...]], Rows | None]] = {}
        """Orders that someone else knows: filters -> rows, None to be sorted as any other."""
        self._scalars: ScalarReader | None = None
        self._numbers_read.connect(self._take_numbers)
        labels.labels_changed.connect(self._follow_labels)
        self._clear()

    def _clear(self) -> None:
        self.numbers = Numbers()
        self.choice = queues.Choice()
        self._others: dict[str, State] = {}
        self._times: npt.NDArray[np.floating] | None = None
        self.put(())

    # -- one project after another ---------------------------------------------------------------

    def begin(self, opened: Opened) -> None:
        """The queue in which this annotator left off."""
        super().begin(opened)
        self.numbers = Numbers(opened.folder, opened.table.sources)
        self.choice = queues.from_json(opened.place.choice, self.known)
        if self.choice.title and opened.place.rows is not None:
            chosen = np.array(opened.place.rows, np.int64)
            self.put(chosen[(chosen >= 0) & (chosen < self.labels.n_shots)])
        else:
            self.choice = replace(self.choice, title="")
            self.put(self._built(self.choice))
        if not len(self.rows):  # nothing of it is left: everything, rather than an empty window
            self.choice = queues.Choice()
            self.put(self._built(self.choice))

    def end(self) -> None:
        """Nothing to go through."""
        super().end()
        if self._scalars is not None:
            self._scalars.close()
            self._scalars = None
        self._clear()

    def kept(self) -> LeftOff:
        """As plain values, to be found again by `begin`."""
        by_hand = self.choice.title and len(self.rows) <= KEPT_BY_HAND
        rows = self.rows.tolist() if by_hand else None
        return LeftOff(choice=queues.to_json(self.choice), rows=rows)

    # -- what is known ---------------------------------------------------------------------------

    @property
    def known(self) -> ShotFacts:
        """What filters, orders and groups may ask; costs nothing by itself."""
        opened = self.opened
        return ShotFacts(
            decided=self.labels.decided,
            taxonomy=self.labels.taxonomy,
            predictions=self._predictions(),
            files=() if opened is None else tuple(s.name for s in opened.table.sources),
            source_of=None if opened is None else opened.table.source_of,
            numbers=self.numbers,
            annotators=self._people,
            others=self._state_of,
            times=self._decided_when,
        )

    def known_now(self) -> ShotFacts:
        """`known`, with times and other people's labels as of now and not as of when the queue was
        built."""
        self._others, self._times = {}, None
        return self.known

    def _people(self) -> tuple[str, ...]:
        if self.opened is None:
            return ()
        shown = people.shown_to(self.opened.project.store, self.opened.annotator)
        return tuple(a.name for a in shown)

    def _state_of(self, name: str) -> State:
        """What another annotator decided, as of when the queue was built; see `known_now`."""
        if name not in self._others:
            opened = self.require()
            store = opened.project.store
            number = {a.name: a.id for a in people.shown_to(store, opened.annotator)}[name]
            self._others[name] = store.load_state(number)
        return self._others[name]

    def _decided_when(self) -> npt.NDArray[np.floating]:
        if self._times is None:
            opened = self.require()
            self._times = decided_when(
                opened.project.store.database, opened.annotator, self.labels.n_shots
            )
        return self._times

    def want_numbers(self) -> None:
        """Find out which numbers the files have; `numbers_changed` says when they are there."""
        if self.opened is None or self._scalars is not None:
            return
        if unread := self.numbers.unread():
            self._scalars = ScalarReader(unread, self._numbers_read.emit)

    def give_numbers(self, name: str, values: npt.ArrayLike | None) -> None:
        """Add (N,) numbers that queues may be filtered and ordered by, such as "cluster"."""
        self.numbers.give(name, values)
        self.numbers_changed.emit()

    def give_clusters(self, found: ShotMap | None) -> None:
        """Let queue and grid know the clusters of a map, if it has any."""
        if found is not None and found.clusters:
            numbers = np.where(found.cluster >= 0, found.cluster + 1.0, np.nan)
            self.give_numbers(CLUSTER, numbers)

    def _take_numbers(self, found: Found) -> None:
        if self._scalars is not None:
            self._scalars.close()
            self._scalars = None
            self.numbers.take(found)
            if found:
                self.numbers_changed.emit()

    # -- the queue -------------------------------------------------------------------------------

    @property
    def rows(self) -> Rows:
        """Rows in the order in which they are gone through."""
        return self.walk.rows

    def put(self, rows: npt.ArrayLike) -> None:
        """Go through these rows from now on; without a word to anybody."""
        self.walk = Walk(rows, self.labels.n_shots, self.labels.status)
        self._gone = np.zeros(len(self.walk), bool)
        self.gone = 0
        """How many shots of the queue no longer match its conditions."""

    def place_of(self, row: int) -> int | None:
        """Where in the queue a shot is, in no time; None where it is not."""
        return self.walk.place_of(row)

    def choose(self, filter: str | None = None, order: str | None = None) -> None:
        """Choose which shots, in which order; without arguments, build the same queue again.

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

    def extend(self, rows: Rows) -> None:
        """Append shots that are not in it yet."""
        new = rows[~np.isin(rows, self.rows)]
        if len(new):
            self.put(np.concatenate([self.rows, new]))
            self.queue_changed.emit()

    def _use(self, choice: queues.Choice) -> None:
        self.choice = choice
        self.known_now()
        self._go_through(self._built(choice))

    def _go_through(self, rows: Rows) -> None:
        self.put(rows)
        self.queue_changed.emit()
        self.replaced.emit()

    def _built(self, choice: queues.Choice) -> Rows:
        own = self.orders.get(choice.order)
        rows = None if own is None or choice.title else own(choice.filters)
        return queues.build(choice, self.known) if rows is None else rows

    def _follow_labels(self, rows: npt.ArrayLike) -> None:
        self.walk.follow(rows, self.labels.status)
        if self.choice.filters:
            places = np.unique(self.walk.places_of(rows))
            gone = ~queues.matching(self.choice.filters, self.known, self.rows[places])
            self.gone += int(gone.sum()) - int(self._gone[places].sum())
            self._gone[places] = gone

    def look_for_gone(self) -> None:
        """The model says something else now: find out which shots match no longer."""
        self._gone[:] = ~queues.matching(self.choice.filters, self.known, self.rows)
        self.gone = int(self._gone.sum())

    # -- saved queues ----------------------------------------------------------------------------

    def saved(self) -> dict[str, queues.Choice]:
        """Queues that someone named, by name."""
        known = self.known
        return {str(name): queues.from_json(c, known) for name, c in self._saved().items()}

    def _saved(self) -> dict[str, Any]:
        kept = None if self.opened is None else self.opened.project.store.get_meta(queues.SAVED)
        return dict(kept) if isinstance(kept, dict) else {}

    def save(self, name: str) -> None:
        """Keep the conditions and the order under a name, for everybody in the project."""
        name = " ".join(name.split())
        if len(name) > LONGEST_NAME or not (one_line(name) and is_visible(name)):
            self.noted.emit("error", f"Not saved: give it 1 to {LONGEST_NAME} letters on one line.")
            return
        self._save({**self._saved(), name: queues.to_json(replace(self.choice, title=""))})

    def delete_saved(self, name: str) -> None:
        """Take a name away; its shots stay what they are."""
        self._save({other: c for other, c in self._saved().items() if other != name})

    def use_saved(self, name: str) -> None:
        """Go through a queue that someone named."""
        try:
            self._use(queues.saved_one(self._saved(), name, self.known))
        except InputError as error:
            self.noted.emit("error", f"Nothing was changed: {error}")

    def _save(self, saved: dict[str, Any]) -> None:
        try:
            self.require().project.store.set_meta(queues.SAVED, saved)
        except (InputError, OSError) as error:
            self.labels.not_saved(error)
        self.queue_changed.emit()
