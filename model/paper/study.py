"""What a person asked for, with its data opened, checked, split, and noisy where a table asks so.

The files of a study must stay what they were when it began: a changed one is refused by name, so
that cells of different data never stand in one table. Noise sets are made once, beside the results.
"""

from __future__ import annotations

import os
import platform
from collections.abc import Generator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import cast

import numpy as np

from model.errors import InputError
from model.events import Event, Stop
from model.paper.cells import Cell
from model.paper.plan import StudyBudget
from model.paper.studies import read_json, thinned, with_split, write_json
from model.physics.noise import Level
from model.physics.noise_file import add_noise_file
from model.shots.single_label import open_single_label
from model.shots.table import EVALUATION, TRAINING, ShotTable, table_of_file
from model.training.roles import in_hard_error, with_roles

NOISE_SEED = 0
FEWEST = 30
"""Labelled shots below which there is nothing to tabulate."""
KEPT = "data.json"


class Stopped(Exception):  # noqa: N818 - nothing went wrong
    """The person asked to stop while data was being made."""


@dataclass
class Datasets:
    """The labelled shots of a study by name: helium, and cxidb where its files are given."""

    out: Path
    files: dict[str, tuple[Path, ...]]
    tables: dict[str, ShotTable]
    noisy: dict[str, ShotTable] = field(default_factory=dict)
    _splits: dict[tuple[str, int, int, float, int], ShotTable] = field(default_factory=dict)

    @classmethod
    def open(cls, data: Path, cxidb: Sequence[Path], out: Path) -> Datasets:
        """Open and check all files; InputError for one without labels, or changed since `out`."""
        files: dict[str, tuple[Path, ...]] = {"helium": (Path(data),)}
        if cxidb:
            files["cxidb"] = tuple(Path(path) for path in cxidb)
        made = cls(out, files, {name: _open(name, paths) for name, paths in files.items()})
        for name, table in made.tables.items():
            _check(table, files[name])
        made.check_unchanged()
        return made

    @property
    def usable(self) -> int:
        """Labelled shots without a hard error, of the data set that has fewest."""
        return min(int((t.labelled & ~in_hard_error(t)).sum()) for t in self.tables.values())

    def fingerprint(self, name: str) -> str:
        """Of shots and labels."""
        return self.tables[name].fingerprint

    def check_unchanged(self) -> None:
        """InputError where a file is not what it was when this study began."""
        known = read_json(self.out / KEPT)
        for name, paths in self.files.items():
            now = _open(name, paths).fingerprint
            began = known.get(name, {}).get("fingerprint", self.fingerprint(name))
            if now != began:
                what = f"its shots or labels have changed since the study in {self.out} began"
                mend = "Put the old file back, or begin a new study with another --out."
                raise InputError(what, file=_changed(known, name, paths), mend=mend)
            sources = {str(s.path): s.fingerprint for s in self.tables[name].sources}
            known[name] = {"fingerprint": now, "files": sources}
        self.out.mkdir(parents=True, exist_ok=True)
        write_json(self.out / KEPT, known)

    def split(self, cell: Cell) -> ShotTable:
        """The shots of a cell with their roles; the noise set must be there already."""
        what = (cell.dataset, cell.training, cell.judging, cell.share, cell.seed)
        if what not in self._splits:
            self._splits[what] = self._roles(cell)
        table = self._splits[what]
        if cell.noise:
            sources = self.noisy[f"{cell.dataset} {cell.noise}"].sources
            table = replace(table, sources=sources)
        return table

    def _roles(self, cell: Cell) -> ShotTable:
        table = self.tables[cell.dataset]
        if cell.training:
            table = with_split(table, cell.training, cell.seed, cell.judging)
        else:
            table = with_roles(table, cell.seed)
        return thinned(table, cell.share, cell.seed) if cell.share < 1 else table

    def prepare(self, cell: Cell, stop: Stop) -> Generator[Event, None, None]:
        """Events of making the noise set of a cell, if it has one that is not there."""
        name = f"{cell.dataset} {cell.noise}"
        if not cell.noise or name in self.noisy:
            return
        folder = self.out / "data"
        folder.mkdir(parents=True, exist_ok=True)
        (source,) = self.files[cell.dataset]
        print_of = self.tables[cell.dataset].sources[0].fingerprint[:8]
        path = folder / f"{cell.dataset}-{print_of}-noise-{cell.noise.replace('+', '-')}.h5"
        if not path.is_file():
            level = cast(Level, cell.noise)
            for item in add_noise_file(source, path, level, NOISE_SEED, stop=stop):
                if item["event"] == "cancelled":
                    raise Stopped
                if item["event"] in ("progress", "note"):
                    yield item
        self.noisy[name] = table_of_file(path, None, self.tables[cell.dataset].taxonomy)

    def missing(self, cell: Cell) -> dict[str, list[str]]:
        """Classes without a shot among those that train, and among those that judge."""
        table = self.split(replace(cell, noise=""))
        found = {}
        for words, role in (("train", TRAINING), ("judge", EVALUATION)):
            rows = table.labelled & (table.role == role) & ~in_hard_error(table)
            seen = table.labels[rows].any(0)
            found[words] = [n for n, s in zip(table.class_names, seen, strict=True) if not s]
        return found


def _open(name: str, paths: tuple[Path, ...]) -> ShotTable:
    if name == "helium":
        return table_of_file(paths[0])
    return open_single_label(paths)


def _check(table: ShotTable, paths: tuple[Path, ...]) -> None:
    labelled = int((table.labelled & ~in_hard_error(table)).sum())
    if not labelled:
        mend = "Give a file with labels: airylabel simulate makes one, airylabel export another."
        raise InputError("carries no labels", file=paths[0], mend=mend)
    if labelled < FEWEST:
        what = f"carries labels of only {labelled} shots that break no hard rule"
        raise InputError(what, file=paths[0], mend=f"Label at least {FEWEST}.")
    if not np.any(table.labels[table.labelled]):
        raise InputError("its labels name no class", file=paths[0], mend="Label some shots.")


def _changed(
    known: dict[str, dict[str, dict[str, str]]], name: str, paths: tuple[Path, ...]
) -> Path:
    """The first file that differs, or the first of all where only labels do."""
    before = known.get(name, {}).get("files", {})
    for info in _open(name, paths).sources:
        if before.get(str(info.path), info.fingerprint) != info.fingerprint:
            return info.path
    return paths[0]


@dataclass(frozen=True)
class Order:
    """What a person asked for."""

    data: Path
    out: Path
    numbers: tuple[int, ...]
    budget: StudyBudget
    cxidb: tuple[Path, ...] = ()
    seeds: int = 0
    """0: the budget's own."""
    devices: str | int | None = None
    """Cells at a time, see `model.paper.cell_runs`."""
    keep: bool = False
    """Keep the weights of every training; without it only those that `shows_figures` names."""
    program: str = "airylabel"
    """Name and version, for the report."""
    command: str = ""


@dataclass
class PaperStudy:
    """An order with its data opened: what a report is written about."""

    order: Order
    datasets: Datasets
    seeds: int

    def key(self, cell: Cell) -> str:
        """Of a cell among the finished ones."""
        return cell.key(self.datasets.fingerprint(cell.dataset))


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
        parts.append(f"{100 * cell.share:.0f} % of the shots")
    return ", ".join([*parts, f"seed {cell.seed}"])


def in_words(seconds: float) -> str:
    """A duration for people."""
    if seconds < 10:
        return f"{seconds:.1f} s"
    if seconds < 90:
        return f"{seconds:.0f} s"
    if seconds < 5400:
        return f"{seconds / 60:.0f} min"
    return f"{seconds / 3600:.1f} h"


def machine() -> str:
    """The machine in words."""
    import torch

    if torch.cuda.is_available():
        return f"{torch.cuda.device_count()} × {torch.cuda.get_device_name()}"
    cores = os.cpu_count() or 1
    return f"{platform.machine()}, {cores} cores, no GPU, torch {torch.__version__}"
