"""From the curve of each cell to the numbers of a row, at the best epoch and as the maximum.

- best epoch: one evaluation is chosen, that with the greatest macro F1 on the evaluation shots (the
  first of equals), and all numbers are of it;
- maximum: each number is the greatest of all evaluations on its own, as the paper reports.
Both choose on the evaluation shots, so both flatter; the second one more.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from model.paper.cells import FinishedCells
from model.paper.plan import Row
from model.paper.studies import mean_and_spread

Number = tuple[float, float] | None
"""Mean and standard deviation over the seeds."""
PAPERS = ("accuracy", "precision", "recall")
OURS = ("macro_f1", "rare_f1", "macro_ap", "contradiction_rate")
WORDS = {
    "accuracy": "accuracy",
    "precision": "precision",
    "recall": "recall",
    "f1": "F1",
    "macro_f1": "macro F1",
    "rare_f1": "F1 of rare classes",
    "macro_ap": "macro average precision",
    "contradiction_rate": "shots that break a hard rule",
    "coverage": "coverage",
    "confident_accuracy": "accuracy where sure",
}


@dataclass(frozen=True)
class RowResults:
    """A row in numbers; everything over the seeds that are done."""

    best: dict[str, Number] = field(default_factory=dict)
    maximum: dict[str, Number] = field(default_factory=dict)
    constant: dict[str, Number] = field(default_factory=dict)
    constant_labels: tuple[str, ...] = ()
    seconds: Number = None
    seconds_best: Number = None
    """Until the evaluation with the greatest accuracy."""
    seeds: int = 0
    failed: str = ""
    curves: tuple[tuple[tuple[float, ...], tuple[float, ...]], ...] = ()
    """(epochs, macro F1) of each seed."""
    results: tuple[Mapping[str, Any], ...] = ()


def best_of(curve: Sequence[Mapping[str, Any]]) -> Mapping[str, Any]:
    """The evaluation with the greatest macro F1, the first of equals."""
    return max(curve, key=lambda e: _known(e, "macro_f1"))


def maximum_of(curve: Sequence[Mapping[str, Any]], name: str) -> float | None:
    """The greatest value of a number over all evaluations; the least of contradictions."""
    values = [e[name] for e in curve if e.get(name) is not None]
    if not values:
        return None
    return float(min(values) if name == "contradiction_rate" else max(values))


def read(row: Row, keys: Sequence[str], finished: FinishedCells) -> RowResults:
    """What is finished of a row, whose cells have these keys."""
    found = [finished.get(key) for key in keys]
    results = [result for result in found if result is not None]
    failed = next((finished.failed[key] for key in keys if key in finished.failed), "")
    if not results:
        return RowResults(failed=failed)
    curves = [result["curve"] for result in results]
    names = (*PAPERS, *OURS, "coverage", "confident_accuracy")
    best = {n: mean_and_spread(best_of(c).get(n) for c in curves) for n in names}
    most = {n: mean_and_spread(maximum_of(c, n) for c in curves) for n in names}
    blind = [result["constant"] for result in results if "constant" in result]
    return RowResults(
        best=best,
        maximum=most,
        constant={n: mean_and_spread(b.get(n) for b in blind) for n in names},
        constant_labels=tuple(results[0].get("constant_labels", ())),
        seconds=mean_and_spread(result["seconds"] for result in results),
        seconds_best=mean_and_spread(_until_best(result) for result in results),
        seeds=len(results),
        failed=failed,
        curves=tuple(_line(curve) for curve in curves),
        results=tuple(results),
    )


def _until_best(result: Mapping[str, Any]) -> float:
    best = max(result["curve"], key=lambda e: _known(e, "accuracy"))
    return float(result["seconds"] * best["epoch"] / result["epochs"])


def _line(curve: Sequence[Mapping[str, Any]]) -> tuple[tuple[float, ...], tuple[float, ...]]:
    known = [e for e in curve if e.get("macro_f1") is not None]
    return tuple(float(e["epoch"]) for e in known), tuple(float(e["macro_f1"]) for e in known)


def _known(evaluation: Mapping[str, Any], name: str) -> float:
    value = evaluation.get(name)
    return -1.0 if value is None else float(value)


# -- class by class ------------------------------------------------------------------------------


def of_class(counts: Sequence[int], shots: int) -> dict[str, float | None]:
    """Accuracy, precision, recall and F1 of one class from its counts (right, claimed, true)."""
    right, claimed, true = counts
    return {
        "accuracy": 1 - (claimed + true - 2 * right) / shots,
        "precision": right / claimed if claimed else None,
        "recall": right / true if true else None,
        "f1": 2 * right / (claimed + true) if true else None,
    }


def by_class(results: Sequence[Mapping[str, Any]], index: int) -> tuple[dict[str, Number], ...]:
    """(best epoch, maximum, {"shots", "constant"}) of one class over the seeds."""
    best, most, shots, blind = [], [], [], []
    for result in results:
        total = result["shots"]["evaluation"]
        here = [of_class(e["classes"][index], total) for e in result["curve"]]
        chosen = best_of(result["curve"])
        best.append(of_class(chosen["classes"][index], total))
        most.append({name: maximum_of(here, name) for name in best[-1]})
        true = chosen["classes"][index][2]
        shots.append(true)
        always = result["class_names"][index] in result["constant_labels"]
        blind.append((true if always else total - true) / total)
    names = ("accuracy", "precision", "recall", "f1")
    return (
        {n: mean_and_spread(b[n] for b in best) for n in names},
        {n: mean_and_spread(m[n] for m in most) for n in names},
        {"shots": mean_and_spread(shots), "constant": mean_and_spread(blind)},
    )
