"""What happened in a run, read from its folder: events, curves, metrics; and two runs compared.

Reads `events.jsonl` and `metrics.json` of a run folder and never writes there. Knows no Qt and
never loads torch.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any, TypeGuard

import numpy as np
import numpy.typing as npt

from labeler.project.project import Project
from labeler.project.store.records import LABELLED
from labeler.runs.predictions import RunPredictions
from model.errors import counted
from model.events import MOST, Event, from_line, number_of
from model.metrics.metrics import constant_answer
from model.runs import folder as names
from model.runs import promotion
from model.runs.judges import KEPT_ASIDE, Judges, judged_on
from model.runs.promotion import Verdict

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
    shots used, `judged` the evaluation shots among them; `epochs` those done; `classes` the
    metrics of each class, by class name; `activation` that of its network, '' where unknown;
    `interval` the 95 % interval of the macro F1, None where unknown.
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
    activation: str = ""
    interval: tuple[float, float] | None = None
    constant: dict[str, float] = field(default_factory=dict)
    """The same metrics of one constant answer for every shot; empty where unknown."""
    judged_on: str = KEPT_ASIDE
    """What its evaluation shots are, see `model.runs.judges`."""

    @property
    def has_network(self) -> bool:
        """Whether there is something to predict with or to begin from."""
        return (self.folder / names.DESCRIPTION).is_file()

    @property
    def predictions(self) -> Path:
        """The file of what it predicts, there or not."""
        return self.folder / names.PREDICTIONS

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
        if item["event"] not in ("epoch", "evaluated"):
            return False
        self.epochs.append(number_of(item, "epoch") or len(self.epochs) + 1.0)
        measured = item.get("metrics")
        measured = measured if isinstance(measured, dict) else {}
        losses = {"training": item.get("loss"), "evaluation": measured.get("loss")}
        for table, values in ((self.losses, losses), (self.metrics, measured)):
            for name in {*table, *(k for k, v in values.items() if _is_number(v))}:
                line = table.setdefault(name, [np.nan] * (len(self.epochs) - 1))
                value = values.get(name)
                line.append(float(value) if _is_number(value) else np.nan)
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
    path = Path(folder) / names.EVENTS
    try:
        about = path.stat()
        return _events(path, about.st_mtime_ns, about.st_size)
    except OSError:
        return ()


@lru_cache(maxsize=256)
def _events(path: Path, _time: int, _size: int) -> tuple[Event, ...]:
    found: list[Event] = []
    with path.open("rb") as stream:
        for line in iter(lambda: stream.readline(_LONGEST_LINE), b""):
            item = None if b'"event":"step"' in line else from_line(line.decode(errors="replace"))
            if item is not None and item["event"] != "step":
                found.append(item)
            if stream.tell() > _LARGEST:
                break
    return tuple(found)


_LONGEST_LINE, _LARGEST = 1 << 20, 1 << 28
"""Bytes of an event, and of all that a training says."""


def read_report(number: int, folder: Path) -> RunReport:
    """What a run folder tells; a folder with little in it gives a run with little in it."""
    run = RunReport(number, Path(folder))
    for item in read_events(folder):
        _take(run, item)
    final = names.metrics_of(run.folder)
    run.metrics |= numbers_in(final.get("evaluation"))
    run.judged_on = judged_on(final)
    run.constant |= numbers_in(final.get("constant"))
    run.seconds = number_of(final, "seconds") or run.seconds
    per_class = final.get("per_class")
    per_class = per_class if isinstance(per_class, dict) else {}
    run.classes = {str(k): numbers_in(v) for k, v in per_class.items() if isinstance(v, dict)}
    run.activation = str(names.recipe_of(run.folder).get("activation") or "")
    intervals = final.get("intervals")
    edges = intervals.get(MACRO) if isinstance(intervals, dict) else None
    if isinstance(edges, list) and len(edges) == 2 and all(map(_is_number, edges)):
        run.interval = float(edges[0]), float(edges[1])
    return run


def _take(run: RunReport, item: Event) -> None:
    kind = item["event"]
    run.started = run.started or number_of(item, "time")
    if kind == "started":
        run.recipe = str(item.get("recipe") or "")
        run.network = str(item.get("network") or "")
        run.shots = int(number_of(item, "shots"))
        run.judged = int(number_of(item, "evaluation"))
        run.constant = numbers_in(item.get("constant"))
    elif kind in ("epoch", "evaluated"):
        run.epochs = int(number_of(item, "epoch") or run.epochs)
        if item.get("metrics") and (item.get("best") or not run.metrics):
            run.metrics = numbers_in(item.get("metrics"))
    elif kind in ("finished", "cancelled", "failed"):
        run.state = kind
        run.seconds = number_of(item, "time") - run.started
        run.metrics |= numbers_in(item.get("metrics"))
        run.message = str(item.get("text") or "")


def numbers_in(values: Any) -> dict[str, float]:
    """The numbers of a table that came from elsewhere; nothing else."""
    if not isinstance(values, dict):
        return {}
    return {str(k): float(v) for k, v in values.items() if _is_number(v)}


def _is_number(value: Any) -> TypeGuard[float]:
    return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < MOST


def read_reports(project: Project) -> list[RunReport]:
    """All runs of a project, the newest first."""
    found = [read_report(info.number, Path(info.folder)) for info in project.runs()]
    return sorted(found, key=lambda run: -run.number)


# -- two runs ----------------------------------------------------------------------------------


@dataclass(frozen=True)
class Moved:
    """F1 of a class before and after, and the 95 % interval of the difference."""

    name: str
    old: float
    new: float
    low: float
    high: float

    @property
    def clearly(self) -> int:
        """1 where it got better beyond chance, -1 where worse, else 0."""
        if abs(self.new - self.old) < NOTICEABLE:
            return 0
        return (self.low > 0) - (self.high < 0)


@dataclass(frozen=True)
class RunComparison:
    """What another run changes, judged on the same evaluation shots by the labels of today.

    `shots` is the number of evaluation shots; `flipped` (n,) the rows of all shots on which at
    least one class is predicted differently, those that moved most first; `classes` has every
    class that occurs on the evaluation shots; `verdict` says whether the other run may take over,
    None without any shot.
    """

    shots: int
    flipped: npt.NDArray[np.int64]
    classes: tuple[Moved, ...] = ()
    verdict: Verdict | None = None

    @property
    def macro(self) -> tuple[float, float] | None:
        """Macro F1 before and after; None where nothing could be judged."""
        return None if self.verdict is None else (self.verdict.old, self.verdict.new)

    def moved(self, up: bool) -> list[str]:
        """Classes that got better (or worse) beyond chance, those that moved most first."""
        sign = 1 if up else -1
        found = [c for c in self.classes if c.clearly == sign]
        return [c.name for c in sorted(found, key=lambda c: -abs(c.new - c.old))]


def compare(
    old: RunPredictions,
    new: RunPredictions,
    present: npt.ArrayLike,
    status: npt.ArrayLike,
    judges: Judges,
    decided: npt.ArrayLike | None = None,
) -> RunComparison:
    """Two runs of one project side by side, by the labels (N,) now of the shots that judge the new
    one.

    `decided` (N,): bits of the classes that are, all where None; a shot does not judge the others.
    """
    readable = old.readable & new.readable
    known = np.flatnonzero(old.known & new.known)
    before, after = old.likely()[:, known], new.likely()[:, known]
    flipped = np.flatnonzero((before != after).any(1) & readable)
    moved = np.abs(new.probabilities[flipped] - old.probabilities[flipped])[:, known].max(1)
    flipped = flipped[np.argsort(-moved, kind="stable")]
    rows = judges.rows
    rows = rows[readable[rows] & ((np.asarray(status)[rows] & LABELLED) > 0)]
    labels = new.taxonomy.unpack(np.asarray(present, np.int64)[rows])[:, known]
    said = np.full(len(rows), -1) if decided is None else np.asarray(decided, np.int64)[rows]
    judged = new.taxonomy.unpack(said)[:, known]
    labels &= judged
    if not labels.any():
        return RunComparison(len(rows), flipped)
    every = (np.asarray(status) & LABELLED) > 0
    bits = np.where(every, -1 if decided is None else np.asarray(decided, np.int64), 0)
    all_labels = new.taxonomy.unpack(np.asarray(present, np.int64))[:, known]
    always = constant_answer(all_labels, new.taxonomy.unpack(bits)[:, known], rows) & judged
    verdict = promotion.compare(
        before[rows] & judged, after[rows] & judged, labels, rows,
        judged_on=judges.words, constant=always,
    )  # fmt: skip
    names = [new.taxonomy.names[c] for c in known]
    classes = tuple(Moved(names[c.index], c.old, c.new, c.low, c.high) for c in verdict.classes)
    return RunComparison(len(rows), flipped, classes, verdict)


def in_words(change: RunComparison, most: int = 3) -> str:
    """A change as a short sentence."""
    moved = {"better": change.moved(up=True), "worse": change.moved(up=False)}
    parts = [f"{word}: {_some(names, most)}" for word, names in moved.items() if names]
    parts = parts or ["no class clearly better or worse"]
    count = len(change.flipped)
    parts.append(f"{counted(count, 'shot')} predicted differently")
    return " · ".join(parts)


def _some(names: list[str], most: int) -> str:
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(names[:most]) + more
