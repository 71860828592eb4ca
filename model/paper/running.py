"""Runs what the tables need, cell by cell, and writes the report after each table.

A generator of events; it may be stopped or killed anywhere, and the same call goes on: finished
cells are read, and a training that was interrupted continues at its last epoch. It refuses files
that changed in between (`model.paper.study`). Where a cell fails, the others go on. How long the
rest takes follows from the pace so far.
"""

from __future__ import annotations

import statistics
from collections.abc import Callable, Iterator, Sequence

from model.events import Event, Stop, event
from model.inspection.gallery import Render
from model.paper import figures
from model.paper.cell_runs import devices, run_cell, run_cells
from model.paper.cells import Cell, FinishedCells
from model.paper.plan import Planner, Table
from model.paper.study import Datasets, Order, PaperStudy, Stopped, in_words, words_of


class Left:
    """Which cells are still to do, and how long that takes at the pace so far."""

    def __init__(
        self, study: PaperStudy, finished: FinishedCells, tables: Sequence[Table], together: int = 1
    ) -> None:
        self.study, self.finished, self.together = study, finished, together
        self.all = {study.key(c): c for table in tables for c in table.cells}
        self.todo = {k: c for k, c in self.all.items() if finished.get(k) is None}
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
        seconds = (self.finished.get(key) or {}).get("seconds")
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


Report = Callable[[PaperStudy, Sequence[Table], FinishedCells], dict[str, str]]
"""Writes everything about the tables that are done; kind -> path."""


def run(order: Order, report: Report, stop: Stop, render: Render | None = None) -> Iterator[Event]:
    """Train what is missing in `order.out`, table by table; ends with `finished` or `cancelled`.

    InputError for unusable files or an unknown table. A cell that cannot be trained is told in a
    `note` and in the report, and is tried again by the next call. Figures are drawn at the end
    where there is something to `render` schematics with.
    """
    datasets = Datasets.open(order.data, order.cxidb, order.out)
    budget = order.budget.fitted(datasets.usable)
    if budget != order.budget:
        text = f"Fewer shots than the budget asks for: {budget.training} train"
        yield event("note", level="warning", text=f"{text}, {budget.judging} judge.")
    study, finished = (
        PaperStudy(order, datasets, order.seeds or budget.seeds),
        FinishedCells(order.out),
    )
    deep_seeds, names = order.seeds or budget.deep_seeds, tuple(datasets.tables)
    tables = Planner(budget, study.seeds, deep_seeds, names).tables(order.numbers)
    yield from _missing_classes(study, tables)
    together = devices(order.devices)
    left = Left(study, finished, tables, together)
    written: dict[str, str] = {}
    # seed by seed, so that every table is there soon and then becomes surer
    for seed, table in ((s, t) for s in range(study.seeds) for t in tables):
        todo = [c for c in table.cells if c.seed == seed and not left.done(c)]
        if not todo and written:
            continue
        try:
            yield from _cells(study, finished, table, todo, left, stop)
        except Stopped:
            report(study, tables, finished)
            yield event("cancelled", text="Stopped; the same command goes on from here.")
            return
        written = report(study, tables, finished)
        yield event("note", level="info", text=f"Table {table.number} is written, seed {seed}.")
    if render is not None:
        try:
            yield from figures.draw(study, tables, finished, render, stop)
        except Stopped:
            yield event("cancelled", text="Stopped; the same command draws the figures.")
            return
    yield event("finished", metrics={}, failed=finished.failed, **written)


def _cells(
    study: PaperStudy,
    finished: FinishedCells,
    table: Table,
    todo: Sequence[Cell],
    left: Left,
    stop: Stop,
) -> Iterator[Event]:
    """Events of these cells, one after the other or as many at a time as there are devices."""
    together = min(left.together, len(todo))
    if together > 1:
        text = f"Table {table.number}: {len(todo)} cells, {together} at a time"
        yield event("note", level="info", text=text)
        for item in run_cells(study, finished, todo, together, stop):
            if isinstance(item, Cell):
                left.add(item)
                yield left.event()
            else:
                yield item
        return
    for cell in todo:
        yield event("note", level="info", text=f"Table {table.number}: {left.words(cell)}")
        yield from run_cell(study, finished, cell, stop)
        left.add(cell)
        yield left.event()


def _missing_classes(study: PaperStudy, tables: Sequence[Table]) -> Iterator[Event]:
    """A warning for each class that no shot of a split has."""
    said = set()
    for cell in (c for table in tables for c in table.cells):
        for role, names in study.datasets.missing(cell).items():
            for name in names:
                there = study.datasets.tables[cell.dataset]
                shots = int(there.labels[there.labelled, there.class_names.index(name)].sum())
                text = f"{cell.dataset}, seed {cell.seed}"
                text += f", {100 * cell.share:.0f} % of the shots" if cell.share < 1 else ""
                text = f"{text}: none of the shots that {role} is {name} (the file has {shots})"
                if text not in said:
                    said.add(text)
                    yield event("note", level="warning", text=text + ".")
