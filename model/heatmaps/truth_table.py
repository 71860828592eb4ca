"""How well each form of heat did on the truth benchmark: the table that it left beside a run.

`model.inspection.truth` measures and says what the numbers mean. Nothing is computed here.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from model.errors import InputError
from model.heatmaps.nothing_to_see import no_place
from model.taxonomy.same_classes import place_among
from model.taxonomy.taxonomy import Taxonomy

RESULT = "truth.json"
"""In the folder of a run."""
CONTROLS = ("brightness", "excess", "place")
"""Heat that knows no network, see `model.inspection.truth`."""
ALONE = {"brightness": "brightness", "excess": "brightness above its ring"}
"""What a person could draw without a network, in words."""
PLACE = {
    "axis": "of {name}{whose}, {score} of this heat lies near the ridge",
    "half": "with {name} in one half{whose}, this heat finds that half with AUC {score}",
    "difference": "of {name}{whose}, this heat finds the place with AUC {score}",
}
"""Question of the benchmark -> what a form's numbers mean."""
TESTED = (
    "Streak", "Bent", "Newton Rings", "Double Rings", "Layered", "Asymmetric", "Elliptical",
    "Round", "Prolate", "Spherical/Oblate",
)  # fmt: skip
"""Classes whose cause the simulator knows: those of `model.inspection.truth_cases.CAUSES`."""
DESCRIPTION = "model.json"
"""In the folder of a run: what its network looks at."""
NO_MORE = "no form of heat tells more of the network than of the shot."
"""Of a class for which no form scores higher than on a network that learnt nothing."""
NO_MORE_SHORT = "only the shot"
"""The same in the few letters below a picture."""
NO_BETTER_SHORT = "no better than {than}"
"""In these, of a form that finds the place of a class on whole shots no better than that."""


@dataclass(frozen=True)
class TruthTable:
    """What was measured of one network; empty where nothing was. `of_run`: of the run itself, else
    of the network that comes with the program. Classes are found as labels are, whatever the
    spelling: Newton rings is Newton Rings; and by what taxonomies say that they were called."""

    found: dict[str, Any] = field(default_factory=dict)
    of_run: bool = True
    taxonomies: tuple[Taxonomy, ...] = field(default=(), compare=False)

    def best(self, name: str) -> str:
        """The form that did best for a class; '' where none was measured for it."""
        return str(self.found.get("best", {}).get(self._spelt(name), ""))

    def shows_only_shot(self, name: str) -> bool:
        """Whether heat of a class, in every form, tells no more of the network than of the shot."""
        return self._said_of(name) == NO_MORE

    def short(self, name: str, form: str) -> str:
        """That heat of a class in a form tells nothing more than brightness, chance or the shot, in
        the few letters below a picture; else '', also where this is not known."""
        if self.shows_only_shot(name):
            return f"heat shows {NO_MORE_SHORT}"
        if not self.best(name) or form not in self.found.get("forms", ()):
            return ""
        questions = self.found["classes"][self._spelt(name)]
        question = "difference" if "half" in questions else next(iter(questions))
        if question not in questions:
            return ""
        scores = questions[question]["scores"]
        if scores[form].get("low", float("inf")) <= (1 if question == "axis" else 0.5):
            return NO_BETTER_SHORT.format(than="chance")
        known = [scores[control]["mean"] for control in ALONE if control in scores]
        better = round(max(known, default=0.0), 2) >= round(scores[form]["mean"], 2)
        return NO_BETTER_SHORT.format(than="brightness") if better else ""

    def score(self, name: str, form: str) -> float:
        """How well a form did for a class on its first question; 0 where none did best for it."""
        if not self.best(name) or form not in self.found["forms"]:
            return 0.0
        question = next(iter(self.found["classes"][self._spelt(name)].values()))
        return float(question["scores"][form]["mean"])

    def words(self, name: str, form: str) -> str:
        """How well a form did for a class, beside Grad-CAM++, chance, and brightness where that
        does as well without a network; or why this is not known. A sentence or two."""
        if not self.best(name) or form not in self.found.get("forms", ()):
            return self._why(name) or f"How well this form finds {name} was not measured."
        questions = self.found["classes"][self._spelt(name)]
        question, first = next(iter(questions.items()))
        whose = "" if self.of_run else ", for the network that comes with the program"
        does = PLACE[question].format(name=name, whose=whose, score=_said(question, first, form))
        beside = ", ".join([*_beside(question, first, form), _chance(question, first, form)])
        shots = f"{first['cases']} simulated shot{'s' * (first['cases'] != 1)}"
        text = f"On {shots} {does} ({beside})."
        if question != "half" or "difference" not in questions:
            return text
        whole = questions["difference"]
        beside = ", ".join(_beside("difference", whole, form))
        score = _said("difference", whole, form) + f" ({beside})" * bool(beside)
        cold = whole["scores"][form].get("cold", 0)
        score += f", nothing on {cold}" * bool(cold)
        return f"{text} On {whole['cases']} whole ones: {score}."

    def _why(self, name: str) -> str:
        """Why a class has no form that did best, where the benchmark says so; else ''."""
        if said := self._said_of(name):
            whose = "" if self.of_run else ", with the network that comes with the program,"
            return f"For {name}{whose} {said}"
        return no_place(name, *self.taxonomies)

    def _said_of(self, name: str) -> str:
        """The sentence on a class that has no form that did best, without its name; else ''."""
        return self._unseen.get(self._spelt(name), "")

    @property
    def _unseen(self) -> dict[str, str]:
        parted = [str(sentence).rpartition(": ") for sentence in self.found.get("unseen", ())]
        return {of: said for of, _, said in parted}

    def _spelt(self, name: str) -> str:
        """A class as the table spells it; '' for one that is not in it."""
        found = (*self.found.get("classes", ()), *self.found.get("best", ()), *self._unseen)
        known = [*dict.fromkeys(found)]
        place = place_among(known, name, *self.taxonomies)
        return known[place] if place >= 0 else ""


def _said(question: str, measured: dict[str, Any], form: str) -> str:
    """The score of a form or control: the share of its heat, or AUC."""
    scores = measured["scores"][form]
    return f"{100 * scores['share']:.0f} %" if question == "axis" else f"{scores['mean']:.2f}"


def _beside(question: str, measured: dict[str, Any], form: str) -> list[str]:
    """With what a score compares: Grad-CAM++, and what needs no network where that does as well."""
    scores, beside = measured["scores"], []
    if form != "paper" and "paper" in scores:
        beside.append(f"Grad-CAM++: {_said(question, measured, 'paper')}")
    if known := [control for control in ALONE if control in scores]:
        best = max(known, key=lambda control: float(scores[control]["mean"]))
        if round(scores[best]["mean"], 2) >= round(scores[form]["mean"], 2):
            beside.append(f"{ALONE[best]} alone: {_said(question, measured, best)}")
    return beside


def _chance(question: str, measured: dict[str, Any], form: str) -> str:
    """Of heat that is the same everywhere."""
    score = measured["scores"][form]
    if question == "axis":
        return f"chance: {100 * score['share'] / max(score['mean'], 1e-9):.0f} %"
    return "chance: 0.50"


def is_result(path: Path) -> bool:
    """Whether a file is what the benchmark left, so that it may be written again."""
    return bool(_read(path))


def table_of(
    run: Path, shipped: Path | None = None, taxonomy: Taxonomy | None = None
) -> TruthTable:
    """The table of a run; where it was not measured, that of the shipped network if it began from
    that one, else none: what one network does, another one may not. Empty too for a run of
    correlation maps, whose heat has no place on the detector.

    taxonomy: by whose names classes are asked for; the run knows its own ones from before.
    """
    about = _json(run / DESCRIPTION)
    taxonomies = tuple(t for t in (taxonomy, _classes(about)) if t is not None)
    steps = about.get("preprocessing")
    if isinstance(steps, dict) and steps.get("input", "pattern") != "pattern":
        return TruthTable()
    if found := _read(run / RESULT):
        return TruthTable(found, taxonomies=taxonomies)
    if shipped is None or not _began_from(shipped, about):
        return TruthTable(taxonomies=taxonomies)
    return TruthTable(_read(shipped / RESULT), of_run=False, taxonomies=taxonomies)


def _began_from(shipped: Path, about: dict[str, Any]) -> bool:
    """Whether a run is the shipped network, or was trained on from it: a recipe may name it whose
    network is of another kind, which begins from chance."""
    known = _json(shipped / DESCRIPTION)
    if about.get("sha256", "") == known.get("sha256"):
        return True
    ours, theirs = about.get("recipe"), known.get("recipe")
    if not (isinstance(ours, dict) and isinstance(theirs, dict)):
        return False
    alike = all(ours.get(key) == theirs.get(key) for key in ("network", "activation"))
    return alike and ours.get("backbone") == shipped.name


def _classes(about: dict[str, Any]) -> Taxonomy | None:
    """The classes of a run by its description; None where that is damaged."""
    try:
        return Taxonomy.of_names(about["class_names"], about.get("earlier_names") or ())
    except (InputError, KeyError, ValueError, TypeError, AttributeError):
        return None


def _read(path: Path) -> dict[str, Any]:
    """Empty for a file that is not there, damaged, or something else."""
    try:
        found = _json(path)
        measured = [q for name in found["best"] for q in found["classes"][name].values()]
        scores = [
            row[number]
            for question in measured
            for row in question["scores"].values()
            for number in ("mean", "share")
        ]
        counts = [q["cases"] for q in measured]
        counts += [row.get("cold", 0) for q in measured for row in q["scores"].values()]
        asked = {q for name in found["best"] for q in found["classes"][name]}
        sound = all(isinstance(score, float) for score in scores) and asked <= set(PLACE)
        sound = sound and all(isinstance(count, int) for count in counts)
        sound = sound and all(set(found["forms"]) <= set(q["scores"]) for q in measured)
        sound = sound and set(found["best"].values()) <= set(found["forms"])
        return found if sound and all(isinstance(s, str) for s in found["unseen"]) else {}
    except (KeyError, TypeError, AttributeError):
        return {}


def _json(path: Path) -> dict[str, Any]:
    """Empty for a file that is not there, damaged, or no object."""
    try:
        found = json.loads(path.read_text("utf-8"))
    except (OSError, ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


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
                rest = (f"{100 * s['share']:.0f} %", *nothing, s["cold"], gap)
                lines.append(f"| {' | '.join(map(str, (*cells, *rest)))} |")
    return "\n".join(lines)
