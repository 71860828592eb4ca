"""What a person asked for, with its data opened, and words for its parts."""

from __future__ import annotations

import os
import platform
from dataclasses import dataclass
from pathlib import Path

from model.paper.budgets import Budget
from model.paper.cells import Cell
from model.paper.data import Datasets


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
    """Cells at a time, see `model.paper.parallel`."""
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
