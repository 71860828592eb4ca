"""Runs what the tables need, cell by cell, and writes the report after each table.

A generator of events; it may be stopped or killed anywhere, and the same call goes on: finished
cells are read, and a training that was interrupted continues at its last epoch. It refuses files
that changed in between (`model.paper.data`). Where a cell fails, the others go on.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from model.events import Event, event
from model.inspection.gallery import Render
from model.paper import figures
from model.paper.cells import Cell, Shelf
from model.paper.data import Datasets, Stopped
from model.paper.one_cell import run_cell
from model.paper.pace import Left
from model.paper.parallel import devices, run_cells
from model.paper.plan import Planner, Table
from model.paper.study import Order, Study

Report = Callable[[Study, Sequence[Table], Shelf], dict[str, str]]
"""Writes everything about the tables that are done; kind -> path."""


def run(
    order: Order, report: Report, stop: Callable[[], bool], render: Render | None = None
) -> Iterator[Event]:
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
    study, shelf = Study(order, datasets, order.seeds or budget.seeds), Shelf(order.out)
    deep_seeds, names = order.seeds or budget.deep_seeds, tuple(datasets.tables)
    tables = Planner(budget, study.seeds, deep_seeds, names).tables(order.numbers)
    yield from _missing_classes(study, tables)
    together = devices(order.devices)
    left = Left(study, shelf, tables, together)
    written: dict[str, str] = {}
    # seed by seed, so that every table is there soon and then becomes surer
    for seed, table in ((s, t) for s in range(study.seeds) for t in tables):
        todo = [c for c in table.cells if c.seed == seed and not left.done(c)]
        if not todo and written:
            continue
        try:
            yield from _cells(study, shelf, table, todo, left, stop)
        except Stopped:
            report(study, tables, shelf)
            yield event("cancelled", text="Stopped; the same command goes on from here.")
            return
        written = report(study, tables, shelf)
        yield event("note", level="info", text=f"Table {table.number} is written, seed {seed}.")
    if render is not None:
        try:
            yield from figures.draw(study, tables, shelf, render, stop)
        except Stopped:
            yield event("cancelled", text="Stopped; the same command draws the figures.")
            return
    yield event("finished", metrics={}, failed=shelf.failed, **written)


def _cells(
    study: Study,
    shelf: Shelf,
    table: Table,
    todo: Sequence[Cell],
    left: Left,
    stop: Callable[[], bool],
) -> Iterator[Event]:
    """Events of these cells, one after the other or as many at a time as there are devices."""
    together = min(left.together, len(todo))
    if together > 1:
        text = f"Table {table.number}: {len(todo)} cells, {together} at a time"
        yield event("note", level="info", text=text)
        for item in run_cells(study, shelf, todo, together, stop):
            if isinstance(item, Cell):
                left.add(item)
                yield left.event()
            else:
                yield item
        return
    for cell in todo:
        yield event("note", level="info", text=f"Table {table.number}: {left.words(cell)}")
        yield from run_cell(study, shelf, cell, stop)
        left.add(cell)
        yield left.event()


def _missing_classes(study: Study, tables: Sequence[Table]) -> Iterator[Event]:
    """A warning for each class that no shot of a split has."""
    said = set()
    for cell in (c for table in tables for c in table.cells):
        for role, names in study.datasets.missing(cell).items():
            for name in names:
                there = study.datasets.tables[cell.dataset]
                shots = int(there.labels[there.labelled, there.class_names.index(name)].sum())
                text = f"{cell.dataset}, seed {cell.seed}"
                text += f", {cell.share:.0%} of the shots" if cell.share < 1 else ""
                text = f"{text}: none of the shots that {role} is {name} (the file has {shots})"
                if text not in said:
                    said.add(text)
                    yield event("note", level="warning", text=text + ".")
