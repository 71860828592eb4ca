"""How well each form of heat did on the truth benchmark: the table that it left beside a run.

`model.inspection.truth` measures and says what the numbers mean. Nothing is computed here.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

RESULT = "truth.json"
"""In the folder of a run."""
CONTROLS = ("brightness", "excess", "place")
"""Heat that knows no network, see `model.inspection.truth`."""
PLACE = {
    "axis": "{share:.0%} of this heat lies near the ridge",
    "half": "it finds the half that shows the class with AUC {mean:.2f} (.5 is chance)",
    "difference": "it finds the place with AUC {mean:.2f} (.5 is chance)",
}
"""Question of the benchmark -> what a form's numbers mean."""


@dataclass(frozen=True)
class TruthTable:
    """What was measured of one network; empty where nothing was. `of_run`: of the run itself, else
    of the network that comes with the program."""

    found: dict[str, Any] = field(default_factory=dict)
    of_run: bool = True

    def best(self, name: str) -> str:
        """The form that did best for a class; '' where none was measured for it."""
        return str(self.found.get("best", {}).get(name, ""))

    def score(self, name: str, form: str) -> float:
        """How well a form did for a class on its first question; 0 where none did best for it."""
        if not self.best(name) or form not in self.found["forms"]:
            return 0.0
        question = next(iter(self.found["classes"][name].values()))
        return float(question["scores"][form]["mean"])

    def words(self, name: str, form: str) -> str:
        """How well a form did for a class, in one sentence, or that this was not measured."""
        known = name in self.found.get("best", {}) and form in self.found.get("forms", ())
        if not known and any(
            s.startswith(f"{name}: no form") for s in self.found.get("unseen", ())
        ):
            return f"For {name} no form of heat tells more of the network than of the shot."
        if not known:
            return f"How well this form finds {name} was not measured."
        question, found = next(iter(self.found["classes"][name].items()))
        does = PLACE[question].format(**found["scores"][form])
        whose = "" if self.of_run else ", for the network that comes with the program"
        shots = f"{found['cases']} simulated shot{'s' * (found['cases'] != 1)}"
        return f"On {shots} of {name}{whose}, {does}."


def is_result(path: Path) -> bool:
    """Whether a file is what the benchmark left, so that it may be written again."""
    return bool(_read(path))


def table_of(run: Path, shipped: Path | None = None) -> TruthTable:
    """The table of a run; where it was not measured, that of the shipped network."""
    if found := _read(run / RESULT):
        return TruthTable(found)
    return TruthTable({} if shipped is None else _read(shipped / RESULT), of_run=False)


def _read(path: Path) -> dict[str, Any]:
    """Empty for a file that is not there, damaged, or something else."""
    try:
        found = json.loads(path.read_text("utf-8"))
        scores = [
            question["scores"][form][number]
            for name in found["best"]
            for question in found["classes"][name].values()
            for form in found["forms"]
            for number in ("mean", "share")
        ]
        questions = {q for name in found["best"] for q in found["classes"][name]}
        sound = all(isinstance(score, float) for score in scores) and questions <= set(PLACE)
        sound = sound and set(found["best"].values()) <= set(found["forms"])
        return dict(found) if sound and "unseen" in found else {}
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return {}


def as_markdown(found: dict[str, Any]) -> str:
    """A table of the benchmark's result: a row for each class, question and form, with its score
    (95 %), how it falls where the network learnt nothing, in how many cases there is no heat, and
    the gap of deletion and insertion (95 %)."""
    lines = [
        "| class | question | cases | heat | score (95 %) | at the place | random weights"
        " | shuffled labels | another class | no heat | deletion gap (95 %) |",
        "|---|---|---|---|---|---|---|---|---|---|---|",
    ]
    for name, questions in found["classes"].items():
        for question, numbers in questions.items():
            scores = numbers["scores"]
            for form in [f for f in (*found["forms"], "shown", *CONTROLS) if f in scores]:
                if form == "shown" and not numbers["fallback"]:
                    continue
                s = scores[form]
                nothing = (
                    f"{scores[key]['mean']:.2f}" if (key := f"{form}, {what}") in scores else ""
                    for what in ("random weights", "shuffled labels", "another class")
                )
                best = "**" if found["best"].get(name) == form else ""
                gap = "" if s["gap"] is None else f"{s['gap']:+.2f}"
                if gap:
                    gap += f" ({s['gap_low']:+.2f} … {s['gap_high']:+.2f})"
                interval = f"{s['mean']:.2f} ({s['low']:.2f} … {s['high']:.2f})"
                cells = (name, question, numbers["cases"], f"{best}{form}{best}", interval)
                rest = (f"{s['share']:.0%}", *nothing, s["cold"], gap)
                lines.append(f"| {' | '.join(map(str, (*cells, *rest)))} |")
    return "\n".join(lines)
