"""How the window fares while it learns after every label: how soon it suggests, how late it is.

A project of as many shots as the paper labelled, with made-up embeddings that tell their classes,
in the real window with its real children.
"""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from PyQt6.QtCore import QEventLoop, QTimer

from labeler.active import embeddings
from labeler.cli.bench.simulated_user import PATIENCE_MS, Lateness, SimulatedUser
from labeler.project.project import Project
from labeler.project.store.records import LABELLED
from model.prediction import embedding_file as embedding_parts

SHOTS = 7264
WIDTH = 512
"""Numbers of an embedding."""
FIRST = 40
"""Labels before the watch starts."""
CHOICES = {"instant": True, "ask_strategy": "asked", "audit_share": 0.1, "hidden_share": 0.0}


def measure(user: SimulatedUser, folder: Path, labels: int, shots: int = SHOTS) -> dict[str, Any]:
    """Milliseconds from a class key to suggestions for all shots that know this label, and how
    late the event loop is while the window waits for them (`typing`: the keys' own work counted
    as well); in a project of `shots` shots made in `folder`.
    """
    week = _project(folder, shots)
    suggesting = user.session.learning
    suggesting.turn_on(CHOICES)
    user.open(week)
    user.session.labelling.auto_advance = True
    _learn_one_by_one(user, FIRST)
    always, waiting = Lateness(), Lateness()
    times = _learn_one_by_one(user, labels, waiting)
    suggesting.turn_on(CHOICES | {"instant": False})
    user.session.labelling.auto_advance = False
    return {
        "suggested_ms_median": float(np.median(times)),
        "suggested_ms_p99": float(np.percentile(times, 99)),
        "lateness_ms_p99_learning": waiting.stop(),
        "lateness_ms_p99_learning_typing": always.stop(),
    }


def _project(folder: Path, shots: int) -> Path:
    """A project whose shots the shipped network has read, as far as anyone can tell."""
    rng = np.random.default_rng(7)
    with h5py.File(folder / "learning.h5", "w") as file:
        images = file.create_dataset("images", (shots, 224, 224), np.uint16, chunks=(1, 224, 224))
        for row in np.linspace(0, shots - 1, min(shots, 64)).astype(int).tolist():
            images[row] = rng.poisson(20, (224, 224))
    week = folder / "learning"
    with Project.create(week, [folder / "learning.h5"]) as project:
        legal = project.taxonomy.legal_sets[project.taxonomy.legal_sets.any(1)]
        truth = legal[rng.integers(len(legal), size=shots)]
        source = embeddings.of_cache(project, project.shot_table())
    found = 0.3 * truth @ rng.normal(size=(truth.shape[1], WIDTH))
    found += 0.6 * rng.normal(size=found.shape)
    for part in source.parts:
        embedding_parts.write(part, found[part.first : part.stop])
    return week


def _learn_one_by_one(
    user: SimulatedUser, labels: int, waiting: Lateness | None = None
) -> list[float]:
    """A label, then wait for the suggestions that know it; again and again."""
    times = []
    for _ in range(labels):
        begin = time.perf_counter()
        if waiting is not None:
            waiting.pause()
        user.decide()
        known = int((user.session.labels.status & LABELLED).astype(bool).sum())
        if waiting is not None:
            waiting.go_on()
        _until_learnt(user, known)
        times.append(1000 * (time.perf_counter() - begin))
    return times


def _until_learnt(user: SimulatedUser, labels: int) -> None:
    session, loop = user.session, QEventLoop()

    def arrived() -> None:
        if (
            session.predictions.instant is not None
            and session.predictions.instant.fit.labels >= labels
        ):
            loop.exit(0)

    late = QTimer()
    late.setSingleShot(True)
    late.timeout.connect(lambda: loop.exit(1))
    late.start(PATIENCE_MS)
    session.predictions.instant_changed.connect(arrived)
    known = (
        session.predictions.instant is not None and session.predictions.instant.fit.labels >= labels
    )
    failed = 0 if known else loop.exec()
    session.predictions.instant_changed.disconnect(arrived)
    late.stop()
    if failed:
        raise TimeoutError(f"nothing was learnt within {PATIENCE_MS / 1000:.0f} s")
