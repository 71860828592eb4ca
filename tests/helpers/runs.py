"""Makes small projects with runs in them, as training and prediction would leave them."""

import json

import h5py
import numpy as np

from labeler.project.project import Project
from model.events import event, to_line
from tests.helpers.copies import copy_of
from tests.helpers.predictions import write_predictions

NAMES = ("Spherical/Oblate", "Round", "Elliptical", "Prolate", "Streak", "Empty")
SETS = ((1, 1, 0, 0, 0, 0), (1, 0, 1, 0, 0, 0), (0, 0, 0, 1, 1, 0), (0, 0, 0, 0, 0, 1))
KINDS = np.array(SETS, np.uint8)
"""Four kinds of shots: round, elliptical, streak, empty, in turn."""


def make_shots(path, n=40, side=64, labelled=True):
    """A file of n shots: rings, ellipses, streaks and nothing."""
    rng = np.random.default_rng(4)
    y, x = np.mgrid[:side, :side] - (side - 1) / 2
    images = []
    for i in range(n):
        a, b = {0: (1, 1), 1: (1, 1.7), 2: (0.3, 3), 3: (1, 1)}[i % 4]
        turn = rng.uniform(0, np.pi)
        u = x * np.cos(turn) + y * np.sin(turn)
        v = y * np.cos(turn) - x * np.sin(turn)
        r = np.hypot(u * a, v * b) / side
        light = 4000 * np.exp(-9 * r) * np.cos(40 * r) ** 2 * (i % 4 != 3) + 2
        images.append(rng.poisson(light))
    with h5py.File(path, "w") as file:
        file["images"] = np.array(images, np.uint16)
        if labelled:
            file["labels"] = KINDS[np.arange(n) % 4]
            file["labels"].attrs["class_names"] = list(NAMES)
    return path


def make_project(folder, n=40, side=64, labelled=True):
    """A project beside its file of shots, see `tests.helpers.copies`; the caller closes it."""

    def make(place):
        path = make_shots(place / "shots.h5", n, side, labelled)
        Project.create(place / "week", [path], annotator="Ada").close()

    copy_of(("runs", n, side, labelled), make, folder)
    return Project.open(folder / "week")


def curve(quality, epochs):
    """Losses and metrics that get better with every epoch, up to a quality."""
    for epoch in range(1, epochs + 1):
        grown = 1 - np.exp(-3 * epoch / epochs)
        f1 = float(quality * grown)
        yield epoch, float(0.7 - 0.5 * grown), {
            "macro_f1": f1, "rare_f1": 0.8 * f1, "accuracy": 0.8 + 0.18 * grown,
            "contradiction_rate": 0.1 * (1 - f1),
        }  # fmt: skip


def write_events(folder, quality, *, epochs=6, shots=40, end="finished", text="", begin=1.7e9):
    """The stream of a training."""
    lines = [
        event(
            "started",
            recipe="quick",
            network="resnet18",
            shots=shots,
            evaluation=shots // 7,
            epochs=epochs,
        )
    ]
    for epoch, loss, metrics in curve(quality, epochs):
        lines.append(event("step", epoch=epoch, step=epoch * 10, loss=loss))
        lines.append(
            event("epoch", epoch=epoch, epochs=epochs, loss=loss, metrics=metrics, best=True)
        )
    if end:
        lines.append(event(end, text=text))
    for i, line in enumerate(lines):
        line["time"] = begin + 20 * i
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "events.jsonl").write_text("".join(to_line(line) + "\n" for line in lines))


def write_results(folder, taxonomy, labels, quality, seed=0, grid=(7, 7)):
    """Metrics and predictions of a network of some quality; labels (N, C)."""
    rng = np.random.default_rng(seed)
    n, c = labels.shape
    right = rng.random((n, c)) < 0.75 + 0.25 * quality
    sure = rng.beta(8, 1.4, (n, c)) * 0.5 + 0.5
    probabilities = np.where(labels == right, sure, 1 - sure)
    y, x = np.mgrid[: grid[0], : grid[1]] / max(grid) - 0.43
    maps = np.zeros((n, c, *grid), np.float16)
    for i in range(n):
        for k in range(c):
            turn = rng.uniform(0, np.pi)
            along = x * np.cos(turn) + y * np.sin(turn)
            across = y * np.cos(turn) - x * np.sin(turn)
            wide = rng.uniform(0.02, 0.2)
            maps[i, k] = np.exp(-(along**2) / 0.1 - across**2 / wide)
    write_predictions(
        folder / "predictions.h5", probabilities, taxonomy.names, heatmaps=maps, run=folder.name
    )
    final = list(curve(quality, 6))[-1][2]
    per_class = {
        name: {"f1": float(np.clip(quality + rng.normal(0, 0.1), 0, 1)), "precision": quality,
               "recall": quality, "shots": int(labels[:, k].sum())}
        for k, name in enumerate(taxonomy.names) if labels[:, k].any()
    }  # fmt: skip
    constant = {"macro_f1": 0.12, "accuracy": 0.7}
    report = {
        "evaluation": final, "per_class": per_class, "seconds": 95.0, "constant": constant
    }  # fmt: skip
    (folder / "metrics.json").write_text(json.dumps(report))
    (folder / "model.json").write_text("{}")
    (folder / "recipe.toml").write_text('name = "quick"\nactivation = "leaky_relu"\n')


def make_run(project, quality=0.7, **how):
    """A finished run of a project; its number."""
    folder = project.new_run_folder()
    write_events(folder, quality, **how)
    table = project.shot_table()
    seed = int(folder.name)
    write_results(folder, project.taxonomy, table.labels.astype(bool), quality, seed)
    return seed


def give_roles(project, every=3):
    """Make each n-th shot an evaluation shot, all others training shots."""
    rows = np.arange(project.n_shots)
    project.store.set_roles(rows, np.where(rows % every, 1, 2).astype(np.uint8))
