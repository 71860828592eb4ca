"""`bench foreign`: does what is learnt from one set of shots hold for another detector's?

Each set trains a network that then reads all labelled shots of the other one; nothing of the
other set is looked at before, its thresholds and number of epochs included. What is done is kept
in a JSON file after every step. `quick` begins from a backbone that was trained on this program's
own simulator: the numbers say so, and the backbone's own reading of the foreign set stands beside.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Generator, Iterator
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import numpy.typing as npt

from model.errors import InputError
from model.events import Event, event
from model.metrics import metrics
from model.output_files import write_text
from model.prediction.predict import predict
from model.runs.checkpoint import describe
from model.runs.folder import backbone_folder
from model.runs.recipes import Recipe
from model.shots.table import ShotTable
from model.taxonomy.taxonomy import plain
from model.training.data import with_roles
from model.training.train import Options, train

Labels = npt.NDArray[np.bool_]
FILE = "foreign.json"
SHOWN = {
    "accuracy": "accuracy",
    "macro_f1": "macro F1",
    "macro_ap": "macro AP",
    "contradiction_rate": "contradictions",
    "constant_macro_f1": "macro F1, always the same answer",
}
"""Number -> column of the table."""


def run(
    ours: ShotTable,
    foreign: ShotTable,
    recipe: Recipe,
    out: Path,
    stop: Callable[[], bool] = lambda: False,
    seed: int = 0,
) -> Iterator[Event]:
    """Both ways, and the recipe's backbone alone; ends in `finished` with the table in words.

    Raises InputError where the sets have no class in common; a training that fails ends it too.
    """
    out.mkdir(parents=True, exist_ok=True)
    done: dict[str, Any] = _read(out)
    results: dict[str, dict[str, Any]] = {}
    ways = (("ours → foreign", ours, foreign), ("foreign → ours", foreign, ours))
    for name, here, there in ways:
        key = f"{name} · {recipe.name} · seed {seed} · {here.fingerprint} · {there.fingerprint}"
        if key not in done:
            folder = out / name.replace(" → ", "-to-")
            yield from _trained(name, here, recipe, folder, stop, seed)
            if stop():
                yield event("cancelled", text="Stopped; the same command goes on later.")
                return
            done[key] = yield from _judged(name, folder, there)
            done[key] |= {"way": name, "trained on": int(here.labelled.sum())}
            write_text(out / FILE, json.dumps(done, indent=1))
        results[name] = done[key]  # and not what another recipe, seed or set has left here
    if recipe.backbone:
        folder = backbone_folder(recipe.backbone)
        alone = yield from _judged("backbone alone", folder, foreign, out)
        results["backbone alone → foreign"] = alone
    about = f"All of it begins from {recipe.backbone}, trained on simulated shots of this program."
    yield event(
        "finished", metrics={}, results=results, text=about if recipe.backbone else "",
        table=table_of(results),
    )  # fmt: skip


def _trained(
    name: str, table: ShotTable, recipe: Recipe, folder: Path, stop: Callable[[], bool], seed: int
) -> Iterator[Event]:
    """Train on all labelled shots of a table but the share that the recipe chooses epochs by."""
    options = Options(seed=seed, cache=folder / "cache")
    for item in train(with_roles(table, seed), recipe, folder, stop=stop, options=options):
        if item["event"] == "epoch":
            yield event("progress", what=name, done=item["epoch"], total=item["epochs"])
        if item["event"] == "failed":
            raise InputError(f"the training of {name} failed: {item['text']}")


def _judged(
    name: str, folder: Path, there: ShotTable, out: Path | None = None
) -> Generator[Event, None, dict[str, Any]]:
    """Read the other set; returns its numbers over the classes that both know."""
    path = (out or folder) / "foreign-predictions.h5"
    for item in predict(there, folder, path):
        if item["event"] == "progress":
            yield event("progress", what=f"{name}: reading", done=item["done"], total=item["total"])
        if item["event"] == "failed":
            raise InputError(f"{name}: {item['text']}")
    names = describe(folder).class_names
    with h5py.File(path, "r") as file:
        kept = {k: file[k][()] for k in ("probabilities", "decided", "readable")}
    path.unlink()
    return judge(names, kept["probabilities"], kept["decided"], kept["readable"], there)


def judge(
    names: tuple[str, ...],
    probabilities: npt.NDArray[np.float32],
    decided: Labels,
    readable: Labels,
    there: ShotTable,
) -> dict[str, Any]:
    """Numbers of a reading (N, C) of classes `names` over the labelled shots of a table."""
    theirs = {plain(n): i for i, n in enumerate(there.class_names)}
    pairs = [(i, theirs[plain(n)]) for i, n in enumerate(names) if plain(n) in theirs]
    if not pairs:
        mend = "Compare sets of one taxonomy."
        raise InputError("the two sets have no class in common", mend=mend)
    mine, other = (list(columns) for columns in zip(*pairs, strict=True))
    rows = np.flatnonzero(there.labelled & readable)
    labels = there.labels[rows][:, other].astype(bool)
    whole = there.taxonomy is not None and len(pairs) == len(there.class_names)
    found = metrics.evaluate(
        probabilities[rows][:, mine],
        labels,
        decided[rows][:, mine],
        taxonomy=_in_order(there, other) if whole else None,
    )
    blind = np.broadcast_to(metrics.constant_prediction(labels), labels.shape)
    there_at_all = np.asarray(labels.any(0))
    f1 = metrics.f1_scores(blind, labels)[there_at_all]
    classes = metrics.f1_scores(decided[rows][:, mine], labels)
    return found | {
        "shots": len(rows),
        "constant_macro_f1": float(f1.mean()),
        "f1": {
            names[m]: float(v) for m, v, t in zip(mine, classes, there_at_all, strict=True) if t
        },
    }


def _in_order(table: ShotTable, columns: list[int]) -> Any:
    """The table's taxonomy, where the columns are its classes in their order; else None."""
    return table.taxonomy if columns == list(range(len(table.class_names))) else None


def table_of(results: dict[str, dict[str, Any]]) -> str:
    """Markdown: a row a direction."""
    lines = ["| way | shots read | " + " | ".join(SHOWN.values()) + " |", "|---" * 7 + "|"]
    for way, found in results.items():
        cells = ["–" if found.get(n) is None else f"{found[n]:.3f}" for n in SHOWN]
        lines.append(f"| {way} | {found['shots']} | " + " | ".join(cells) + " |")
    return "\n".join(lines) + "\n"


def _read(out: Path) -> dict[str, Any]:
    path = out / FILE
    found: dict[str, Any] = json.loads(path.read_text("utf-8")) if path.is_file() else {}
    return found
