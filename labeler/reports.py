"""What happened in a run, read from its folder: events, curves, metrics; and two runs compared.

Reads `events.jsonl` and `metrics.json` of a run folder and never writes there. Knows no Qt and
never loads torch.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from labeler.predictions import Predictions
from labeler.store.records import LABELLED
from model.events import Event, from_line
from model.metrics import f1_scores
from model.shots import EVALUATION

MACRO, RARE, MICRO, BROKEN = "macro_f1", "rare_f1", "accuracy", "contradiction_rate"
METRICS = {
    MACRO: "Macro F1",
    RARE: "Rare F1",
    MICRO: "Micro accuracy",
    BROKEN: "Contradictions",
}
"""Name in events and files -> text on screen; all are shares, and less is better for the last."""
NOTICEABLE = 0.02
"""A class got better or worse where its F1 moved by at least this much."""


@dataclass
class RunReport:
    """One training, as its folder tells it. `started` and `seconds` are 0 where unknown.

    `state` is "training", "finished", "cancelled", "failed" or "unfinished"; `shots` the labelled
    shots used, `judged` the evaluation shots among them; `epochs` those done;
    `classes` the metrics of each class, by class name.
    """

    number: int
    folder: Path
    state: str = "unfinished"
    started: float = 0.0
    seconds: float = 0.0
    recipe: str = ""
    network: str = ""
    shots: int = 0
    judged: int = 0
    epochs: int = 0
    metrics: dict[str, float] = field(default_factory=dict)
    classes: dict[str, dict[str, float]] = field(default_factory=dict)
    message: str = ""

    @property
    def predictions(self) -> Path:
        """The file of what it predicts, there or not."""
        return self.folder / "predictions.h5"

    @property
    def is_usable(self) -> bool:
        """Whether there is a network and what it predicts."""
        return self.predictions.is_file()


@dataclass
class Curves:
    """The epochs of a run: their numbers, losses and metrics, each a list of equal length."""

    epochs: list[float] = field(default_factory=list)
    losses: dict[str, list[float]] = field(default_factory=dict)
    metrics: dict[str, list[float]] = field(default_factory=dict)

    def add(self, item: Event) -> bool:
        """Take in one event; True where a point was added."""
        if item["event"] != "epoch":
            return False
        self.epochs.append(float(item.get("epoch", len(self.epochs) + 1)))
        measured = item.get("metrics") or {}
        losses = {"training": item.get("loss"), "evaluation": measured.get("loss")}
        for table, values in ((self.losses, losses), (self.metrics, measured)):
            for name in {*table, *(k for k, v in values.items() if isinstance(v, int | float))}:
                line = table.setdefault(name, [np.nan] * (len(self.epochs) - 1))
                value = values.get(name)
                line.append(float(value) if isinstance(value, int | float) else np.nan)
        return True

    @classmethod
    def of(cls, items: Iterable[Event]) -> Curves:
        """The curves of a stream of events."""
        curves = cls()
        for item in items:
            curves.add(item)
        return curves


def read_events(folder: Path) -> tuple[Event, ...]:
    """The events of a run, without its steps; none where there is no readable file."""
    path = Path(folder) / "events.jsonl"
    try:
        about = path.stat()
        return _events(path, about.st_mtime_ns, about.st_size)
    except OSError:
        return ()


@lru_cache(maxsize=256)
def _events(path: Path, _time: int, _size: int) -> tuple[Event, ...]:
    with path.open(encoding="utf-8", errors="replace") as lines:
        items = (from_line(line) for line in lines if '"event":"step"' not in line)
        return tuple(item for item in items if item is not None and item["event"] != "step")


def read_report(number: int, folder: Path) -> RunReport:
    """What a run folder tells; a folder with little in it gives a run with little in it."""
    run = RunReport(number, Path(folder))
    for item in read_events(folder):
        _take(run, item)
    final = _json(run.folder / "metrics.json")
    run.metrics |= _numbers(final.get("evaluation"))
    run.seconds = float(final.get("seconds") or run.seconds)
    per_class = final.get("per_class") or {}
    run.classes = {str(k): _numbers(v) for k, v in per_class.items() if isinstance(v, dict)}
    return run


def _take(run: RunReport, item: Event) -> None:
    kind = item["event"]
    run.started = run.started or float(item.get("time") or 0)
    if kind == "started":
        run.recipe = str(item.get("recipe") or "")
        run.network = str(item.get("network") or "")
        run.shots = int(item.get("shots") or 0)
        run.judged = int(item.get("evaluation") or 0)
    elif kind == "epoch":
        run.epochs = int(item.get("epoch") or run.epochs)
        if item.get("best") or not run.metrics:
            run.metrics = _numbers(item.get("metrics"))
    elif kind in ("finished", "cancelled", "failed"):
        run.state = kind
        run.seconds = float(item.get("time") or 0) - run.started
        run.metrics |= _numbers(item.get("metrics"))
        run.message = str(item.get("text") or "")


def _json(path: Path) -> dict[str, Any]:
    try:
        found = json.loads(path.read_text("utf-8"))
    except (OSError, ValueError):  # an unfinished run has none
        return {}
    return found if isinstance(found, dict) else {}


def _numbers(values: Any) -> dict[str, float]:
    if not isinstance(values, dict):
        return {}
    return {
        str(k): float(v)
        for k, v in values.items()
        if isinstance(v, int | float) and not isinstance(v, bool)
    }


def read_reports(project: Any) -> list[RunReport]:
    """All runs of a project, the newest first."""
    found = [read_report(info.number, Path(info.folder)) for info in project.runs()]
    return sorted(found, key=lambda run: -run.number)


# -- two runs ----------------------------------------------------------------------------------


@dataclass(frozen=True)
class Change:
    """What another run changes, judged on the same evaluation shots by the labels of today.

    `f1` has (name, before, after) for every class that occurs on the `shots` evaluation shots;
    `macro` is their mean before and after; on `flipped` of all shots at least one class is
    predicted differently.
    """

    f1: tuple[tuple[str, float, float], ...]
    shots: int
    flipped: int

    @property
    def macro(self) -> tuple[float, float] | None:
        """Macro F1 before and after; None where nothing could be judged."""
        if not self.f1:
            return None
        return tuple(np.mean([(old, new) for _, old, new in self.f1], 0).tolist())

    def moved(self, up: bool) -> list[str]:
        """Classes that got noticeably better (or worse), those that moved most first."""
        by = {name: (new - old) * (1 if up else -1) for name, old, new in self.f1}
        return sorted((n for n in by if by[n] >= NOTICEABLE), key=lambda n: -by[n])


def compare(
    old: Predictions,
    new: Predictions,
    present: npt.ArrayLike,
    status: npt.ArrayLike,
    role: npt.ArrayLike,
) -> Change:
    """Two runs of one project side by side, by the labels and roles (N,) of its shots now."""
    readable = old.readable & new.readable
    known = old.known & new.known
    before, after = old.likely(), new.likely()
    flipped = int(((before != after)[:, known].any(1) & readable).sum())
    judged = readable & (np.asarray(role) == EVALUATION) & ((np.asarray(status) & LABELLED) > 0)
    labels = new.taxonomy.unpack(np.asarray(present, np.int64)[judged])
    scores = np.stack([f1_scores(before[judged], labels), f1_scores(after[judged], labels)], 1)
    occurring = np.flatnonzero(labels.any(0) & known)
    f1 = tuple((new.taxonomy.names[c], *scores[c].tolist()) for c in occurring)
    return Change(f1, int(judged.sum()), flipped)


def in_words(change: Change, most: int = 3) -> str:
    """A change as a short sentence."""
    moved = {"better": change.moved(up=True), "worse": change.moved(up=False)}
    parts = [f"{word}: {_some(names, most)}" for word, names in moved.items() if names]
    parts = parts or ["no class clearly better or worse"]
    parts.append(f"{change.flipped:,} shot{'s' * (change.flipped != 1)} predicted differently")
    return " · ".join(parts)


def _some(names: list[str], most: int) -> str:
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(names[:most]) + more
