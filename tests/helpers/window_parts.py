"""What the tests of the window share: a small project, a reader without a child, a made-up run."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from PyQt6.QtTest import QTest
from PyQt6.QtWidgets import QApplication

from labeler.active.instant import InstantPredictions
from labeler.active.messages import FitResult
from labeler.project.project import Project
from labeler.session.session import Session
from labeler.window.main_window import MainWindow
from labeler.window.settings import Settings
from labeler.window.widgets import theme
from model.active.head import Held
from model.errors import InputError
from model.shots.fingerprints import FileState, states_of
from model.shots.table import open_source
from model.shots.thumbnail import thumbnail
from tests.helpers.copies import copy_of


@contextmanager
def on_screen(window: MainWindow, app: QApplication) -> Iterator[MainWindow]:
    """The window, shown, and nothing of it afterwards."""
    window.resize(1280, 800)
    window.show()
    yield window
    window.close()
    window.deleteLater()
    app.setStyleSheet("")


@contextmanager
def dark_window(app: QApplication, project: Path) -> Iterator[MainWindow]:
    """A window on a project, in front and dark, and nothing of it afterwards."""
    theme.apply(app, "dark")
    window = MainWindow(make_session(project))
    window.show()
    QTest.qWaitForWindowActive(window)
    yield window
    window.close()
    window.deleteLater()


def write_shots(path: Path, n: int = 12, side: int = 32, labels: np.ndarray | None = None) -> Path:
    """A plain HDF5 stack of ring patterns, with labels in the helium order where given."""
    rng = np.random.default_rng(5)
    y, x = np.mgrid[:side, :side] - (side - 1) / 2
    rings = 400 * np.exp(-np.hypot(y, x) / 6) * (1 + np.cos(np.hypot(y, x)))
    with h5py.File(path, "w") as file:
        counts = rng.poisson(rings[None] * rng.uniform(0.3, 2, (n, 1, 1)))
        file["images"] = counts.astype(np.uint16)
        if labels is not None:
            from model.taxonomy.toml import load, shipped

            file["labels"] = labels.astype(np.uint8)
            file["labels"].attrs["class_names"] = list(load(shipped("helium")).names)
    return path


def make_project(folder: Path, n: int = 12, labels: np.ndarray | None = None) -> Path:
    """A project with n shots, undecided or with labels of the file; the path of its folder.

    Made once for each kind and then copied, see `tests.helpers.copies`.
    """
    kind = ("window", n, None if labels is None else labels.tobytes())

    def make(place: Path) -> None:
        Project.create(place / "week", [write_shots(place / "shots.h5", n, labels=labels)]).close()

    copy_of(kind, make, folder)
    return folder / "week"


def shot_of(path: Path, dataset: str | None, index: int) -> tuple[Any, Any, str]:
    """Counts and mask of a shot, and the name of its dataset; InputError as `open_source` raises.

    The shots of a file are read at once and kept, until the file is another one.
    """
    file = path.stat() if path.is_file() else None
    stamp = file and (path, dataset, file.st_ino, file.st_mtime_ns, file.st_size)
    if stamp is None or stamp not in _read:
        with open_source(path, dataset) as source:
            if stamp is None or source.info.n_shots > KEPT:
                return source.read(index), source.mask(index), source.info.dataset
            _read.clear()
            _read[stamp] = [_shot(source, k) for k in range(source.info.n_shots)]
    shot = _read[stamp][index]
    if isinstance(shot, InputError):
        raise shot
    return shot


def _shot(source: Any, index: int) -> Any:
    try:
        return source.read(index), source.mask(index), source.info.dataset
    except InputError as error:
        return error


KEPT = 64
"""Of a file with more shots each one is read when it is asked for."""
_read: dict[Any, list[Any]] = {}


class InlineReader:
    """Stands in for the reader child: reads at once and in this process."""

    def __init__(self, on_read: Callable[..., None], on_thumbnail: Callable[..., None]) -> None:
        self.on_read, self.on_thumbnail = on_read, on_thumbnail
        self.read: dict[int, Any] = {}
        self.small: dict[int, Any] = {}
        self.asked: list[int] = []
        self.seen: dict[Any, set[FileState]] = {}
        self.steps: Any = None

    def request(self, key: int, path: Path, dataset: str | None, index: int) -> None:
        self.asked.append(key)
        try:
            counts, mask, name = shot_of(path, dataset, index)
            self.seen.setdefault((path, dataset), set()).update(states_of(path))
            self.read[key] = (counts, mask)
            if self.steps is not None:
                made = self.steps.apply(counts, mask, self.geometries[path, name])
                self.read[key] = (made.counts, None if made.mask.all() else made.mask)
        except InputError as error:
            self.read[key] = (error, None)
        self.on_read(key, *self.read[key])

    def request_thumbnail(self, key: int, path: Path, dataset: str | None, index: int) -> None:
        try:
            self.small[key] = thumbnail(*shot_of(path, dataset, index)[:2])
            self.seen.setdefault((path, dataset), set()).update(states_of(path))
        except InputError as error:
            self.small[key] = error
        self.on_thumbnail(key, self.small[key])

    def is_making_thumbnail(self, key: int) -> bool:
        return False

    def counts(self, key: int) -> Any:
        return self.read.get(key, (None, None))[0]

    def mask(self, key: int) -> Any:
        return self.read.get(key, (None, None))[1]

    def thumbnail(self, key: int) -> Any:
        return self.small.get(key)

    def prepare(self, steps: Any, geometries: Any) -> None:
        self.steps, self.geometries = steps, geometries
        self.read.clear()

    def states(self) -> dict[Any, set[FileState]]:
        return {place: set(states) for place, states in self.seen.items()}

    def clear(self) -> None:
        self.read.clear()
        self.small.clear()
        self.seen.clear()

    def close(self) -> None:
        self.clear()


def make_session(folder: Path | None = None) -> Session:
    """A session with a reader of this process, on a project where one is given."""
    session = Session(make_reader=InlineReader)
    if folder is not None:
        session.open(folder)
    return session


def names_on(session: Session, row: int | None = None) -> set[str]:
    """Names of the classes that a shot has, by default the one on screen."""
    return set(session.labels.taxonomy.named(session.labelling.shown_labels(row)))


class MadeUpRun:
    """Answers like `labeler.runs.predictions.Predictions`: sure of Round, except on every third
    shot."""

    run, name, input, forms, trouble = "0001", "run 1", "pattern", ("paper",), ""
    grid = (7, 7)
    path = Path("made-up") / "0001" / "predictions.h5"

    def __init__(self, session: Session) -> None:
        self.role = np.zeros(session.labels.n_shots, np.uint8)
        n, c = session.labels.n_shots, len(session.labels.taxonomy)
        self.probabilities = np.full((n, c), 0.05, np.float32)
        self.probabilities[:, session.labels.taxonomy.index("Round")] = 0.9
        self.probabilities[::3] = 0.48
        self.thresholds = np.full(c, 0.5, np.float32)
        self.readable = np.ones(n, bool)
        self.known = np.ones(c, bool)
        self.decided = self.likely()

    def likely(self) -> np.ndarray:
        return self.probabilities >= self.thresholds

    def says_something(self, rows: np.ndarray) -> np.ndarray:
        return self.readable[rows]

    def margins(self) -> np.ndarray:
        return 2 * np.abs(self.probabilities - 0.5)

    def sureness(self) -> np.ndarray:
        return self.probabilities.max(1)

    def held(self) -> Held:
        """It learnt no label that is asked about."""
        return Held(np.arange(len(self.readable)), self.likely(), self.sureness())

    def uncertainty(self) -> np.ndarray:
        return 1 - 2 * np.abs(self.probabilities - 0.5).min(1)

    def contradictions(self) -> np.ndarray:
        return np.arange(len(self.probabilities)) % 4 == 0

    def disagreement(self, present: Any, status: Any, rows: Any = slice(None)) -> np.ndarray:
        return (np.arange(len(self.probabilities)) % 2)[rows] * (np.asarray(status) & 1)

    def heatmap(
        self, row: int, class_index: int, shape: tuple[int, int], form: str = "paper"
    ) -> np.ndarray:
        y, x = np.mgrid[: shape[0], : shape[1]] / max(shape) - 0.5
        return np.exp(-(x**2 + y**2) * 20).astype(np.float32)

    def cells(self, row: int, class_index: int, form: str = "paper") -> np.ndarray:
        return self.heatmap(row, class_index, self.grid, form)


def use_made_up_run(session: Session) -> None:
    """Show the made-up run's predictions."""
    session.suggestions.enough = 0  # it learnt from more labels than a test makes
    session.predictions.run = MadeUpRun(session)
    session.predictions.run_changed.emit()


def learnt(session, rows=(7, 3, 5), sure=0.9, labels=20, checks=(), held=None):
    """Predictions that say Round of every shot and asks for some."""
    session.suggestions.enough = 0  # it learnt from more labels than a test makes
    n, c = session.labels.n_shots, len(session.labels.taxonomy)
    decided = np.zeros((n, c), bool)
    decided[:, session.labels.taxonomy.index("Round")] = True
    chance = np.broadcast_to(np.asarray(sure, np.float32), (n,)).copy()
    reasons = tuple(f"least sure of {k}" for k in range(len(rows)))
    found = FitResult(
        1, labels, np.where(decided, 0.9, 0.05).astype(np.float32), decided,
        np.full(c, 0.5, np.float32), chance, np.ones(n, bool),
        np.array(rows, np.int64), reasons, np.array(checks, np.int64), 0.1, held=held,
    )  # fmt: skip
    return InstantPredictions(session.labels.taxonomy, found, {})


def window_on(project, qtbot, folder):
    """A window of 1280 × 800 on a project, with settings of its own; closed in the end."""
    window = MainWindow(make_session(project), Settings(folder / "settings.toml"))
    qtbot.addWidget(window)
    window.resize(1280, 800)
    window.show()
    qtbot.waitExposed(window)
    yield window
    window.close()
