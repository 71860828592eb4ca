"""Runs what the tables need, cell by cell, and writes the report after each table.

A generator of events; it may be stopped or killed anywhere, and the same call goes on: finished
cells are read, and a training that was interrupted continues at its last epoch. It refuses files
that changed in between (`model.tables.data`). Where a cell fails, the others go on.
"""

from __future__ import annotations

import json
import os
import platform
import shutil
import statistics
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from model import resume
from model.errors import InputError
from model.events import Event, event
from model.tables.budgets import Budget
from model.tables.cells import Cell, Shelf
from model.tables.data import Datasets, Stopped
from model.tables.plan import Planner, Table
from model.training import METRICS, Options, train

Report = Callable[["Study", Sequence[Table], Shelf], dict[str, str]]
"""Writes everything about the tables that are done; name -> path."""


@dataclass(frozen=True)
class Order:
    """What a person asked for."""

    data: Path
    out: Path
    numbers: tuple[int, ...]
    budget: Budget
    cxidb: tuple[Path, ...] = ()
    seeds: int = 0
    """0: the budget's own."""
    devices: str | int | None = None
    keep: bool = False
    """Keep the weights of every training; without it only those of `figure_cell`."""
    program: str = "airylabel"
    """Name and version, for the report."""
    command: str = ""


@dataclass
class Study:
    """An order with its data opened: what a report is written about."""

    order: Order
    datasets: Datasets
    seeds: int

    def key(self, cell: Cell) -> str:
        """Of a cell on the shelf."""
        return cell.key(self.datasets.fingerprint(cell.dataset))


def run(order: Order, report: Report, stop: Callable[[], bool]) -> Iterator[Event]:
    """Train what is missing in `order.out`, table by table; ends with `finished` or `cancelled`.

    InputError for unusable files or an unknown table. A cell that cannot be trained is told in a
    `note` and in the report, and is tried again by the next call.
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
    left = Left(study, shelf, tables)
    written: dict[str, str] = {}
    # seed by seed, so that every table is there soon and then becomes surer
    for seed, table in ((s, t) for s in range(study.seeds) for t in tables):
        todo = [c for c in table.cells if c.seed == seed and not left.done(c)]
        if not todo and written:
            continue
        try:
            for cell in todo:
                yield event("note", level="info", text=f"Table {table.number}: {left.words(cell)}")
                yield from _one(study, shelf, cell, stop)
                left.add(cell)
                yield left.event()
        except Stopped:
            report(study, tables, shelf)
            yield event("cancelled", text="Stopped; the same command goes on from here.")
            return
        written = report(study, tables, shelf)
        yield event("note", level="info", text=f"Table {table.number} is written, seed {seed}.")
    yield event("finished", metrics={}, failed=shelf.failed, **written)


class Left:
    """Which cells are still to do, and how long that takes at the pace so far."""

    def __init__(self, study: Study, shelf: Shelf, tables: Sequence[Table]) -> None:
        self.study, self.shelf = study, shelf
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
        return sum(
            known.get(c.baseline or c.recipe.network, usual) * c.cost for c in self.todo.values()
        )

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


def words_of(cell: Cell) -> str:
    """A cell for people."""
    r = cell.recipe
    parts = [cell.dataset, cell.baseline or r.network]
    if not cell.baseline:
        parts.append(f"log activation {r.alpha:g}" if r.activation == "log" else "LeakyReLU")
        parts.append("correlation maps" if r.input == "correlation" else f"{r.transform} input")
    if cell.noise:
        parts.append(f"noise {cell.noise}")
    if cell.share < 1:
        parts.append(f"{cell.share:.0%} of the shots")
    return ", ".join([*parts, f"seed {cell.seed}"])


def in_words(seconds: float) -> str:
    """A duration for people."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    if seconds < 5400:
        return f"{seconds / 60:.0f} min"
    return f"{seconds / 3600:.1f} h"


# -- one cell ----------------------------------------------------------------------------------


def _one(study: Study, shelf: Shelf, cell: Cell, stop: Callable[[], bool]) -> Iterator[Event]:
    """Events of one cell; leaves its numbers on the shelf. Raises Stopped."""
    if stop():
        raise Stopped
    study.datasets.check_unchanged()
    key = study.key(cell)
    try:
        yield from study.datasets.prepare(cell, stop)
        if cell.baseline:
            shelf.put(key, _baseline(study, cell, stop))
        else:
            yield from _train(study, shelf, cell, stop)
    except InputError as error:
        shelf.failed[key] = str(error)
        yield event("note", level="warning", text=f"{words_of(cell)}: {error}")


def _train(study: Study, shelf: Shelf, cell: Cell, stop: Callable[[], bool]) -> Iterator[Event]:
    order, key = study.order, study.key(cell)
    folder = shelf.run_folder(key)
    going_on = (folder / resume.FILE).is_file()
    options = Options(
        seed=cell.seed, devices=order.devices, resume=going_on, cache=order.out / "cache"
    )
    last: Event = {}
    events = train(study.datasets.split(cell), cell.recipe, folder, options=options)
    for last in events:
        if last["event"] == "epoch":
            yield event("progress", what="this training", done=last["epoch"], total=last["epochs"],
                        loss=last["loss"])  # fmt: skip
        if last["event"] == "progress":
            yield last
        if stop():
            events.close()  # type: ignore[attr-defined]  # the last epoch is on disk: goes on there
            raise Stopped
    if last["event"] == "failed":
        raise InputError(last["text"])
    shelf.put(key, _result(study, cell, json.loads((folder / METRICS).read_text("utf-8"))))
    if not (order.keep or shows_figures(cell)):
        shutil.rmtree(folder)


def shows_figures(cell: Cell) -> bool:
    """Whether the network of this cell is kept, as figures need it: alpha 0.2 on clean shots."""
    r = cell.recipe
    plain = not cell.noise and cell.share == 1 and r.input == "pattern" and r.transform == "raw"
    return plain and cell.seed == 0 and r.activation == "log" and r.alpha == 0.2


def _result(study: Study, cell: Cell, report: dict[str, Any]) -> dict[str, Any]:
    """What is kept of a training: everything that a table may need, nothing large."""
    found = [e for e in report["history"] if e["metrics"]] + report["evaluations"]
    found.sort(key=lambda e: e["epoch"])
    curve = [
        {"epoch": e["epoch"], **e["metrics"], "classes": counts}
        for e, counts in zip(found, report["class_counts"], strict=True)
    ]
    names = study.datasets.tables[cell.dataset].class_names
    return {
        **_about(study, cell),
        "class_names": list(names),
        "curve": curve,
        "epochs": report["epochs"],
        "seconds": report["seconds"],
        "shots": report["shots"],
        "constant": report["constant"],
        "constant_labels": report["constant_labels"],
        "rare_classes": report["rare_classes"],
    }


def _about(study: Study, cell: Cell) -> dict[str, Any]:
    return {
        "what": words_of(cell),
        "fingerprint": study.datasets.fingerprint(cell.dataset),
        "missing": study.datasets.missing(cell),
        "machine": machine(),
        "when": time.strftime("%Y-%m-%d %H:%M"),
        "recipe": cell.recipe.to_dict(),
    }


def _baseline(study: Study, cell: Cell, stop: Callable[[], bool]) -> dict[str, Any]:
    """The numbers of a baseline; InputError where there is none of that name here."""
    try:
        from model.baselines import run_baseline
    except ImportError as error:
        raise InputError("not available in this version") from error
    table = study.datasets.split(cell)
    began = time.monotonic()
    found = run_baseline(cell.baseline, table, cell.seed, stop)
    if stop():
        raise Stopped
    kept = {**_about(study, cell), "class_names": list(table.class_names), "epochs": 1}
    seconds = time.monotonic() - began
    return kept | {"curve": [{"epoch": 1, **found}], "seconds": seconds}


def machine() -> str:
    """The machine in words."""
    import torch

    if torch.cuda.is_available():
        return f"{torch.cuda.device_count()} × {torch.cuda.get_device_name()}"
    cores = os.cpu_count() or 1
    return f"{platform.machine()}, {cores} cores, no GPU, torch {torch.__version__}"


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
