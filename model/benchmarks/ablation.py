"""`bench ablation`: every recipe with and without its two choices, on several seeds.

Recipes × (logarithmic activation or not) × (rule-aware output or not), each trained for the same
number of epochs at the same small size, each on several splits. What is done is kept in a JSON
file after every training, so that the study can be stopped and gone on with.
"""

from __future__ import annotations

import json
import statistics
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from model.events import Event, event
from model.recipes import NAMES, Recipe, named
from model.shots import ShotTable
from model.training import METRICS, Options, train

SHOWN = {
    "accuracy": "accuracy",
    "macro_f1": "macro F1",
    "rare_f1": "rare F1",
    "macro_ap": "macro AP",
    "contradiction_rate": "contradictions",
}
"""Number -> column of the table."""


@dataclass(frozen=True)
class Study:
    """How large an ablation is."""

    epochs: int = 20
    size: int = 96
    seeds: int = 3
    recipes: tuple[str, ...] = NAMES


def variants(study: Study) -> Iterator[tuple[str, Recipe]]:
    """(what it is called, recipe) of every row of the table, at the study's budget.

    Milestones move along with the number of epochs, so that a schedule keeps its shape; an
    evaluation follows every epoch; a crop at another size than the recipe's is left out.
    """
    for name in study.recipes:
        own = named(name)
        share = study.epochs / own.epochs
        recipe = replace(
            own,
            epochs=study.epochs,
            size=study.size,
            small=min(own.small, study.size),
            first=0,
            crop=0,
            steps=0,
            evaluate_every=0,
            milestones=tuple(max(1, round(m * share)) for m in own.milestones),
        )
        for log in (True, False):
            for rules in (False, True):
                changed = replace(recipe.with_log_activation(log), rule_aware=rules)
                words = ("log" if log else "LeakyReLU", "legal sets" if rules else "sigmoids")
                yield " · ".join((name, *words)), changed


def run(table: ShotTable, study: Study, out: Path, stop: Callable[[], bool]) -> Iterator[Event]:
    """Train what is missing in `out`/ablation.json; ends with `finished` and the table in words.

    Roles are drawn anew for every seed. Yields `progress` after each training and `note` for one
    that failed.
    """
    out.mkdir(parents=True, exist_ok=True)
    done = _read(out)
    jobs = [(w, r, s) for s in range(study.seeds) for w, r in variants(study)]
    for number, (words, recipe, seed) in enumerate(jobs):
        key = f"{words} · {study.epochs} epochs · {study.size} px · seed {seed}"
        if key not in done:
            last: Event = {}
            options = Options(seed=seed, cache=out / "cache")
            for last in train(table, recipe, out / "run", stop=stop, options=options):
                if last["event"] == "epoch":
                    what = f"{words}, seed {seed}"
                    yield event("progress", what=what, done=last["epoch"], total=study.epochs)
            if last["event"] == "cancelled":
                yield event("cancelled", text="Stopped; the same command goes on later.")
                return
            if last["event"] == "failed":
                yield event("note", level="warning", text=f"{key}: {last['text']}")
                done[key] = {"failed": last["text"]}
            else:
                done[key] = json.loads((out / "run" / METRICS).read_text("utf-8"))["evaluation"]
            _write(out, done)
        yield event("progress", what="trainings", done=number + 1, total=len(jobs))
    text = table_of(done, study)
    (out / "ablation.md").write_text(text, encoding="utf-8")
    yield event("finished", metrics={}, table=text, results=done)


def table_of(done: dict[str, dict[str, Any]], study: Study) -> str:
    """The study as a Markdown table: mean ± standard deviation over the seeds."""
    lines = [
        "| recipe · first activation · output | " + " | ".join(SHOWN.values()) + " |",
        "|---" * (len(SHOWN) + 1) + "|",
    ]
    for words, _ in variants(study):
        keys = [f"{words} · {study.epochs} epochs · {study.size} px · seed {s}"
                for s in range(study.seeds)]  # fmt: skip
        found = [done[k] for k in keys if k in done]
        lines.append(f"| {words} | " + " | ".join(_cell(found, n) for n in SHOWN) + " |")
    return "\n".join(lines) + "\n"


def _cell(found: list[dict[str, Any]], name: str) -> str:
    values = [v[name] for v in found if v.get(name) is not None]
    if not values:
        return "failed" if any("failed" in v for v in found) else "–"
    spread = statistics.stdev(values) if len(values) > 1 else 0.0
    return f"{statistics.mean(values):.3f} ± {spread:.3f}"


def _read(out: Path) -> dict[str, dict[str, Any]]:
    path = out / "ablation.json"
    if not path.is_file():
        return {}
    found: dict[str, dict[str, Any]] = json.loads(path.read_text("utf-8"))
    return found


def _write(out: Path, done: dict[str, dict[str, Any]]) -> None:
    waiting = out / ".ablation.json.part"
    waiting.write_text(json.dumps(done, indent=1), encoding="utf-8")
    waiting.replace(out / "ablation.json")
