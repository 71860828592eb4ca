"""A cell of a table: one training (or one baseline) on one variant of the data, with one seed.

Its key is a hash of everything that decides its numbers, the data's fingerprint included, so a cell
that several tables need is trained once and a finished one is never trained again. Finished cells
are JSON files; nothing here trains.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from model.networks.table import NETWORKS
from model.paper.studies import read_json, write_json
from model.runs.recipes import Recipe

VERSION = 1


@dataclass(frozen=True)
class Cell:
    """What is trained on what. `dataset` is a name of `model.paper.study.Datasets`."""

    recipe: Recipe
    seed: int = 0
    dataset: str = "helium"
    noise: str = ""
    """Level of the noise set, '' for the shots as they are."""
    training: int = 0
    """Shots, 0: 85 %."""
    judging: int = 0
    """Shots, 0: all others."""
    share: float = 1.0
    """Of the training shots."""
    baseline: str = ""
    """A name of `model.paper.baselines.BASELINES` in place of a network; the recipe does not
    matter."""

    def key(self, fingerprint: str) -> str:
        """Name of its files, readable at its start."""
        values: dict[str, Any] = asdict(self)
        values["recipe"] = {} if self.baseline else self.recipe.deciding()
        text = json.dumps([VERSION, fingerprint, values], sort_keys=True)
        digest = hashlib.blake2b(text.encode(), digest_size=6).hexdigest()
        what = self.baseline or self.recipe.network
        return f"{self.dataset}-{what}-{self.seed}-{digest}"

    @property
    def cost(self) -> float:
        """Work, in ResNet-18 steps of one shot of 64 pixels: for the time that is left."""
        if self.baseline:
            return 2000.0
        r = self.recipe
        shots = (self.training or 6174) * self.share + (self.judging or 1090) / 3
        return NETWORKS[r.network].cost * shots * r.epochs * (r.size / 64) ** 2


@dataclass
class FinishedCells:
    """The finished cells of one study, in `folder`/cells."""

    folder: Path
    failed: dict[str, str] = field(default_factory=dict)
    """Key -> why, of this call only: what failed is tried again by the next."""

    def run_folder(self, key: str) -> Path:
        """Where the cell trains, and goes on after an interruption."""
        return self.folder / "runs" / key

    def get(self, key: str) -> dict[str, Any] | None:
        """The numbers of a finished cell, None for one that is not done."""
        return read_json(self._path(key)) or None

    def put(self, key: str, result: dict[str, Any]) -> None:
        """Keep the numbers of a finished cell."""
        self._path(key).parent.mkdir(parents=True, exist_ok=True)
        write_json(self._path(key), result)

    def _path(self, key: str) -> Path:
        return self.folder / "cells" / f"{key}.json"
