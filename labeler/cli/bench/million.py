"""How the window fares with N shots: opening, finding, counting, memory; each N in a new process.

The shots are a file that holds a few patterns and is empty elsewhere; the labels are all but ten
of them in the project's database, put there by the store as a person's would be.
"""

from __future__ import annotations

import time
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import psutil

from labeler.project.decisions import Tally
from labeler.project.project import Project
from labeler.project.store.records import LABELLED
from labeler.session.session import Session

OPEN_ONES = 10
"""This many shots are left undecided."""
DRAWN = 256
"""This many patterns are in the file, spread over all shots."""
SIZE = 224
AT_ONCE = 50_000
KEYS = 60


def measure(shots: int, folder: Path) -> dict[str, Any]:
    """What `at_size` finds, in a process of its own, on a project that another one made."""
    with ProcessPoolExecutor(1, get_context("spawn")) as workers:
        workers.submit(make, shots, folder).result()
    with ProcessPoolExecutor(1, get_context("spawn")) as workers:
        return workers.submit(at_size, folder).result()


def make(shots: int, folder: Path, size: int = SIZE) -> None:
    """A project `week` with this many shots, all labelled but a few."""
    random = np.random.default_rng(shots)
    with h5py.File(folder / "shots.h5", "w") as file:
        images = file.create_dataset(
            "images", (shots, size, size), np.uint16, chunks=(1, size, size)
        )
        for row in np.linspace(0, shots - 1, min(DRAWN, shots)).astype(int).tolist():
            images[row] = random.poisson(20, (size, size))
    with Project.create(folder / "week", [folder / "shots.h5"]) as project:
        sets = project.taxonomy.pack(project.taxonomy.legal_sets)
        sets = sets[sets > 0]
        rows = np.sort(random.permutation(shots)[OPEN_ONES:])
        for start in range(0, len(rows), AT_ONCE):
            some = rows[start : start + AT_ONCE]
            labels = random.choice(sets, len(some))
            project.store.record(project.annotator, some, labels, LABELLED, origin="bulk")


def at_size(folder: Path) -> dict[str, Any]:
    """One row of the table of growth; times in seconds or milliseconds, memory in MB."""
    from labeler.cli.bench.simulated_user import spread, user_in_window

    with user_in_window(folder) as user:
        found: dict[str, Any] = {"open_s": user.open(folder / "week") / 1000}
        session = user.session
        found["shots"] = session.labels.n_shots
        user.rest(0.5)
        found |= spread("step", [user.step() for _ in range(KEYS)])
        found |= spread("label", [user.label() for _ in range(KEYS)])
        found["next_unlabelled_ms"] = max(_find(session) for _ in range(OPEN_ONES * 2))
        found["next_unlabelled_painted_ms"] = max(user.find_next() for _ in range(OPEN_ONES))
        begin = time.perf_counter()
        tally = Tally(session.labels.present, session.labels.status)
        tally.classes(session.labels.taxonomy)
        tally.rules(session.labels.taxonomy)
        found["counts_ms"] = 1000 * (time.perf_counter() - begin)
        begin = time.perf_counter()
        session.queue.choose(filter="unlabelled")
        found["filter_ms"] = 1000 * (time.perf_counter() - begin)
        session.queue.choose(filter="all")
        user.window.show_tab("Grid")
        user.rest(0.5)
        found["memory_mb"] = psutil.Process().memory_info().rss / 1e6
    return found


def _find(session: Session) -> float:
    """Milliseconds that finding the next undecided shot takes, from anywhere."""
    row = int(np.random.default_rng().integers(session.labels.n_shots))
    begin = time.perf_counter()
    session.queue.walk.next_open(row)
    return 1000 * (time.perf_counter() - begin)
