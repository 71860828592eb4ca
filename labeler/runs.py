"""What happened in a run, read from its folder: events, curves, metrics; and two runs compared.

Reads `events.jsonl` and `metrics.json` of a run folder and never writes there. Knows no Qt and
never loads torch.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from labeler.predictions import Predictions
from model.events import Event, from_line

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
class Run:
    """One training, as its folder tells it. `started` and `seconds` are 0 where unknown.

    `state` is "training", "finished", "cancelled", "failed" or "unfinished"; `shots` the labelled
    shots used, `epochs` those done; `classes` the metrics of each class, by class name.
    """

    number: int
    folder: Path
    state: str = "unfinished"
    started: float = 0.0
    seconds: float = 0.0
    recipe: str = ""
    network: str = ""
    shots: int = 0
    epochs: int = 0
    metrics: dict[str, float] = field(default_factory=dict)
    classes: dict[str, dict[str, float]] = field(default_factory=dict)
    message: str = ""

    @property
    def is_usable(self) -> bool:
        """Whether there is a network and what it predicts."""
        return (self.folder / "predictions.h5").is_file()


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


def read_run(number: int, folder: Path) -> Run:
    """What a run folder tells; a folder with little in it gives a run with little in it."""
    run = Run(number, Path(folder))
    for item in read_events(folder):
        _take(run, item)
    final = _json(run.folder / "metrics.json")
    run.metrics |= _numbers(final)
    per_class = final.get("per_class") or final.get("classes") or {}
    run.classes = {str(k): _numbers(v) for k, v in per_class.items() if isinstance(v, dict)}
    return run


def _take(run: Run, item: Event) -> None:
    kind = item["event"]
    run.started = run.started or float(item.get("time") or 0)
    if kind == "started":
        run.recipe = str(item.get("recipe") or "")
        run.network = str(item.get("network") or "")
        run.shots = int(item.get("shots") or 0)
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


def read_runs(project: Any) -> list[Run]:
    """All runs of a project, the newest first."""
    found = [read_run(info.number, Path(info.folder)) for info in project.runs()]
    return sorted(found, key=lambda run: -run.number)


# -- two runs ----------------------------------------------------------------------------------


@dataclass(frozen=True)
class Change:
    """What another run changes: classes by how much their F1 moved, best and worst first."""

    better: tuple[tuple[str, float], ...]
    worse: tuple[tuple[str, float], ...]
    flipped: int
    """Shots on which at least one class is predicted differently."""


def compare(old: Run, new: Run, flipped: int = 0) -> Change:
    """What got better and what got worse from one run to another, on their evaluation shots."""
    moved = [
        (name, new.classes[name]["f1"] - old.classes[name]["f1"])
        for name in new.classes
        if "f1" in new.classes[name] and "f1" in old.classes.get(name, {})
    ]
    better = sorted((m for m in moved if m[1] >= NOTICEABLE), key=lambda m: -m[1])
    worse = sorted((m for m in moved if m[1] <= -NOTICEABLE), key=lambda m: m[1])
    return Change(tuple(better), tuple(worse), flipped)


def count_flipped(old: Predictions, new: Predictions) -> int:
    """Shots on which the two runs predict different label sets, among those both could read."""
    if len(old) != len(new):
        return 0
    shared = old.known & new.known
    different = (old.likely() != new.likely())[:, shared].any(1)
    return int((different & old.readable & new.readable).sum())


def in_words(change: Change, most: int = 3) -> str:
    """A change as a short sentence."""
    parts = [
        f"{word}: {_names(moved, most)}"
        for word, moved in (("better", change.better), ("worse", change.worse))
        if moved
    ]
    parts = parts or ["no class clearly better or worse"]
    parts.append(f"{change.flipped:,} shot{'s' * (change.flipped != 1)} predicted differently")
    return " · ".join(parts)


def _names(moved: Sequence[tuple[str, float]], most: int) -> str:
    names = [name for name, _ in moved[:most]]
    return ", ".join(names) + (f" and {len(moved) - most} more" if len(moved) > most else "")
