"""Which cells of a study are still to do, and how long that takes at the pace so far."""

from __future__ import annotations

import statistics
from collections.abc import Sequence

from model.events import Event, event
from model.paper.cells import Cell, Shelf
from model.paper.plan import Table
from model.paper.study import Study, in_words, words_of


class Left:
    """Which cells are still to do, and how long that takes at the pace so far."""

    def __init__(
        self, study: Study, shelf: Shelf, tables: Sequence[Table], together: int = 1
    ) -> None:
        self.study, self.shelf, self.together = study, shelf, together
        self.all = {study.key(c): c for table in tables for c in table.cells}
        self.todo = {k: c for k, c in self.all.items() if shelf.get(k) is None}
        self.paces: dict[str, list[float]] = {}
        for key, cell in self.all.items():
            if key not in self.todo:
                self._learn(key, cell)

    def done(self, cell: Cell) -> bool:
        """Whether this cell is finished, or failed in this call."""
        return self.study.key(cell) not in self.todo

    def add(self, cell: Cell) -> None:
        """This cell is over."""
        key = self.study.key(cell)
        self.todo.pop(key)
        self._learn(key, cell)

    def _learn(self, key: str, cell: Cell) -> None:
        seconds = (self.shelf.get(key) or {}).get("seconds")
        if seconds:
            kind = cell.baseline or cell.recipe.network
            self.paces.setdefault(kind, []).append(seconds / cell.cost)

    def seconds(self) -> float | None:
        """For all that is to do; None before anything was measured."""
        known = {kind: statistics.median(paces) for kind, paces in self.paces.items()}
        if not known:
            return None
        usual = statistics.median(known.values())
        alone = sum(
            known.get(c.baseline or c.recipe.network, usual) * c.cost for c in self.todo.values()
        )
        return alone / self.together

    def event(self) -> Event:
        """How far it is."""
        done = len(self.all) - len(self.todo)
        seconds = self.seconds()
        return event("progress", what="trainings", done=done, total=len(self.all),
                     seconds_left=seconds)  # fmt: skip

    def words(self, cell: Cell) -> str:
        """Which cell comes now, and how long all the rest takes."""
        number = len(self.all) - len(self.todo) + 1
        seconds = self.seconds()
        rest = "" if seconds is None else f", about {in_words(seconds)} left"
        return f"{words_of(cell)} ({number} of {len(self.all)}{rest})"
