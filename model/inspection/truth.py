"""The truth benchmark: does heat lie where the cause of a class is known to be?

On simulated shots (`truth_cases`) that the network takes for the class, every form of heat is
scored beside controls that know nothing of the class:

- ``brightness``: log counts; ``excess``: log counts over the median of their ring. No network.
- ``place``: the place of the cause itself, the brightest of it first. No network either; its
  deletion gap is what is left to gain for a form that knew the place.
- ``random weights``: the same forms of a network of the same build that learnt nothing. A form
  that scores there as it does on the run shows the shot and not the network (Adebayo et al., 2018).
- ``shuffled labels``: the same forms of the run's body with heads that learnt the run's own
  answers, dealt to other shots: what can be learnt by heart and means nothing. The mean over DEALT
  heads: a single one minds some direction or other, and is right or wrong about the place as a coin
  falls. Where one does not see the class, it has no heat, as in the window.
- ``another class``: the same forms, asked for a class drawn by chance, where there is another.

``shown`` is what the window shows: the best form of the class, and where that finds nothing on a
shot, the other finer one. Deletion and insertion: `faithfulness.curves`.

Scores: ``axis``, the share of heat near the ridge over the share of area there (1: anywhere, 4.5:
all of it); ``half`` and ``difference``, the area under the ROC curve of heat as a sign of the place
(.5: anywhere, 1: there and nowhere else). All on good pixels alone.
"""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from scipy.ndimage import gaussian_filter

from model.errors import InputError
from model.events import Event, Stop, event, never
from model.heatmaps.forms import HEAT_FORMS, UNSEEN
from model.heatmaps.geometry import Heat
from model.heatmaps.truth_table import NO_MORE, is_result
from model.inspection.faithfulness import RANDOM, areas, curves_of, stages
from model.inspection.heat import Explainer
from model.inspection.occlusion import envelope_of, ring_medians
from model.inspection.perturbed_shots import Reader, ReadShots, one_of
from model.inspection.truth_cases import CAUSES, Case, cases, cause_of, why_no_cause
from model.metrics.bootstrap import interval_of_mean
from model.metrics.metrics import area_under_roc
from model.networks import architectures as networks
from model.output_files import check_own, need_folder, write_text
from model.preprocessing.count_scale import FileScale, look_at, scale_of
from model.simulate.shot import SimulationRecipe, make_shot, targets
from model.taxonomy import decoding

Flags = npt.NDArray[np.bool_]
Floats = npt.NDArray[np.float32]
Counts = npt.NDArray[Any]
BLOCK = 16
"""Cases that are read at a time."""
PATIENCE = 10
"""Simulated shots for each one that the network has to take for the class."""
DELETED = 20
"""Cases of the first question of a class, halves left out, on which deletion and insertion are
measured too: they take the longest."""
CONTROLLED = 10
"""Cases of each question on which networks that learnt nothing are asked too."""
SHUFFLED, DEALT = 64, 16
"""Simulated shots from which heads learn shuffled labels, and how many heads."""
DECAY = 1e-3
"""Of the weights of these heads."""
LEAST = 0.05
"""A form is best for no class for which it scores less than this above random weights."""
SMOOTH = 0.018
"""Of the controls, as a share of the side: about a fine cell of heat."""


@dataclass(frozen=True)
class TruthStudy:
    """What to measure: `classes` (all with a known cause where empty), `cases` of the
    first question of each and half as many of the others."""

    classes: tuple[str, ...] = ()
    cases: int = 30
    seed: int = 0
    forms: tuple[str, ...] = tuple(HEAT_FORMS)
    deletion: bool = True


@dataclass
class _Scores:
    """Of a class and question: name of a form or control -> one score a case."""

    tried: int = 0
    cases: int = 0
    by_name: dict[str, list[float]] = field(default_factory=dict)
    shares: dict[str, list[float]] = field(default_factory=dict)
    """Of the heat that lies where it should."""
    cold: dict[str, list[bool]] = field(default_factory=dict)
    """Whether there is no heat at all."""
    gaps: dict[str, list[float]] = field(default_factory=dict)
    """Deletion and insertion against chance, of the first cases."""

    def add(self, name: str, heats: Sequence[Heat], case: Case) -> None:
        """The mean over several heats, as of several heads."""
        on = np.stack([heat[case.good] for heat in heats])
        there, whole = on[:, case.where[case.good]].sum(1), np.maximum(on.sum(1), 1e-12)
        means = float(np.mean([score(heat, case) for heat in heats]))
        self.by_name.setdefault(name, []).append(means)
        self.shares.setdefault(name, []).append(float(np.mean(there / whole)))
        self.cold.setdefault(name, []).append(not on.any())

    def show(self, best: str) -> int:
        """Add what the window shows; the number of cases in which that is not the best form."""
        others = [f for f in HEAT_FORMS if f in self.cold and not HEAT_FORMS[f].stored]
        forms = [best] * self.cases
        if best in others:
            for i in np.flatnonzero(self.cold[best]):
                forms[i] = next((f for f in others if not self.cold[f][i]), best)
        numbers = (self.by_name, self.shares, self.gaps)
        for rows in [each for each in numbers if best in each]:
            rows["shown"] = [rows[f][i] for i, f in enumerate(forms[: len(rows[best])])]
        if best:
            self.cold["shown"] = [self.cold[f][i] for i, f in enumerate(forms)]
        return sum(form != best for form in forms)


def measure(
    run: Path,
    study: TruthStudy,
    outs: Sequence[Path] = (),
    stop: Stop = never,
) -> Iterator[Event]:
    """Score every form of heat of a run; yields progress, then `finished`.

    Its `classes`: name -> question -> `cases` (taken for the class), `tried`, `fallback` (cases
    in which the best form finds nothing and the window shows another), and `scores`: name of form
    or control -> `mean`, `low`, `high` (95 %), `share` of the heat at the place, `cold` (cases
    without heat), and for forms `gap`, how much sooner the class goes by deletion and comes by
    insertion than by chance, with `gap_low`, `gap_high`, and `deleted`, its cases (`gap` None where
    not measured). `best`: class -> form, by the first question of each class, among those that
    score higher than by random weights; `unseen`: sentences on classes that cannot be measured.
    The result is written to each of `outs` as JSON.
    Raises InputError for a run of correlation maps, a place that cannot be written, and where no
    class has a known cause.
    """
    for out in outs:
        need_folder(out)
        check_own(out, [], is_result)
    reader = Reader(run)
    if reader.about.preprocessing.input != "pattern":
        mend = "Choose a run that looks at the patterns themselves."
        raise InputError("truth is about places on the detector", mend=mend)
    for name in study.classes:
        reader.index(name)
    wanted, taxonomy = study.classes or reader.names, reader.about.taxonomy
    known = {name: cause for name in wanted if (cause := cause_of(name, taxonomy)) is not None}
    if not known:
        mend = f"Classes with a known cause are: {', '.join(CAUSES)}."
        raise InputError("the simulator knows no cause of these classes", mend=mend)
    bench = _Bench(reader, study)
    asked = [(name, question) for name, (_, c) in known.items() for question in c.questions]
    found: dict[str, dict[str, _Scores]] = {}
    for place, (name, question) in enumerate(asked):
        scores, ever = _Scores(), cases(known[name][0], question, study.seed)
        questions = known[name][1].questions
        enough = study.cases if question == questions[0] else -(-study.cases // 2)
        delete = study.deletion and question == next(q for q in questions if q != "half")
        while scores.cases < enough and scores.tried < PATIENCE * enough:
            if stop():
                yield event("cancelled", text="Stopped; nothing was kept.")
                return
            done = round(100 * (place + scores.cases / enough))
            yield event("progress", what=f"{name}: {question}", done=done, total=100 * len(asked))
            wanting = min(BLOCK, PATIENCE * enough - scores.tried)
            bench.ask(list(islice(ever, wanting)), reader.index(name), scores, delete)
        found.setdefault(name, {})[question] = scores
    result = _result(reader, wanted, found, study)
    for out in outs:
        write_text(out, json.dumps(result, indent=1))
    yield event("finished", metrics={}, **result)


def score(heat: Heat, case: Case) -> float:
    """How well heat (y, x) shows the place of a case; 1 or .5 where there is no heat at all."""
    values, there = heat[case.good], case.where[case.good]
    if case.question == "axis":
        whole = float(values.sum())
        return float(values[there].sum()) / whole / float(there.mean()) if whole > 0 else 1.0
    return area_under_roc(values, there)


class _Bench:
    """The network under test and those that learnt nothing, asked about the same shots."""

    def __init__(self, reader: Reader, study: TruthStudy) -> None:
        self.reader, self.study = reader, study
        self.learnt = Explainer(reader)
        self.random = np.random.default_rng(study.seed)
        made = _simulated(study.seed)
        self.scale = _scale_of(made, reader)
        self.nothing = {
            "random weights": Explainer(reader, _unlearnt(reader, study.seed)),
            "shuffled labels": Explainer(reader, self._shuffled(made)),
        }
        """As many heads of all classes side by side as they have outputs for."""

    def _read(self, shots: Sequence[tuple[Counts, Flags]]) -> ReadShots:
        return self.reader.read_shots(
            (i, counts, good, None, self.scale) for i, (counts, good) in enumerate(shots)
        )

    def _shuffled(self, made: Sequence[tuple[Counts, Flags]]) -> networks.Network:
        """The run's network with heads that learnt its own answers, dealt to other shots."""
        read = self._read(made)
        dealt = [self.random.permutation(read.decided) for _ in range(DEALT)]
        answers = torch.from_numpy(np.concatenate(dealt, 1).astype(np.float32))
        embeddings = torch.from_numpy(read.features.mean((-2, -1)))
        network = copy.deepcopy(self.reader.network)
        linear = torch.nn.Linear(embeddings.shape[1], answers.shape[1])
        torch.nn.init.zeros_(linear.weight)
        network.head.linear = linear
        steps = torch.optim.LBFGS(linear.parameters(), max_iter=50)

        def loss() -> float:
            steps.zero_grad()
            with torch.enable_grad():
                entropy = torch.nn.functional.binary_cross_entropy_with_logits
                each = entropy(linear(embeddings), answers, reduction="none").mean(0).sum()
                found = each / len(self.reader.names) + DECAY * linear.weight.square().sum()
                found.backward()  # type: ignore[no-untyped-call]
            return float(found.detach())

        steps.step(loss)  # type: ignore[no-untyped-call]
        return network.requires_grad_(False)

    def ask(self, block: list[Case], kind: int, scores: _Scores, delete: bool) -> None:
        """Add the scores of those cases that the network takes for the class."""
        read = self._read([(c.counts, c.good) for c in block])
        deleted: list[Floats] = []
        for i in np.flatnonzero(read.decided[:, kind]):
            case = _on_square(block[i], self.reader)
            heats = self._one(case, read, int(i), kind, scores)
            if delete and scores.cases < DELETED:
                deleted.append(self._stages(read, int(i), list(heats.values())))
            scores.cases += 1
        scores.tried += len(block)
        if deleted:
            self._delete(deleted, kind, (*self.study.forms, "place"), scores)

    def _one(
        self, case: Case, read: ReadShots, shot: int, kind: int, scores: _Scores
    ) -> dict[str, Heat]:
        """Heat of the class by form, and that of the place itself."""
        forms, classes = self.study.forms, len(self.reader.names)
        each, asked = np.eye(classes, dtype=np.float32), [kind]
        if classes > 1:
            asked.append((kind + 1 + int(self.random.integers(classes - 1))) % classes)
        found = self.learnt.on_square(read, shot, each[asked], forms)
        for form in forms:
            scores.add(form, found[form][:1], case)
            if classes > 1:
                scores.add(f"{form}, another class", found[form][1:], case)
        if scores.cases < CONTROLLED:
            for name, blank in self.nothing.items():
                mine = blank.reread(one_of(read, shot))
                heads = np.eye(mine.logits.shape[1], dtype=np.float32)[kind::classes]
                sees = decoding.sigmoid(mine.logits[0] @ heads.T) >= UNSEEN
                for form, drawn in blank.on_square(mine, 0, heads, forms).items():
                    shown = [heat * said for heat, said in zip(drawn, sees, strict=True)]
                    scores.add(f"{form}, {name}", shown, case)
        known = controls(read, shot, case.where)
        for name, heat in known.items():
            scores.add(name, [heat], case)
        return {form: found[form][0] for form in forms} | {"place": known["place"]}

    def _stages(self, read: ReadShots, shot: int, heats: Sequence[Heat]) -> Floats:
        """Of deletion and insertion by each heat, and by chance."""
        grid = (RANDOM, *read.features.shape[-2:])
        chance = [self.reader.on_square(each) for each in self.random.random(grid, np.float32)]
        glow = envelope_of(read, shot)
        orders = [*heats, *chance]
        return stages(read.squares[shot], glow, read.good[shot], orders, chance[0])

    def _delete(
        self, deleted: list[Floats], kind: int, names: Sequence[str], scores: _Scores
    ) -> None:
        """Add the gaps of heats by name; deleted: the stages of each case, read together, for full
        batches take less time."""
        said = self.reader.chances(np.concatenate(deleted))[:, kind]
        for each in np.split(said, len(deleted)):
            found = areas(curves_of(each, len(names) + RANDOM))
            by_chance = found[len(names) :].mean(0)
            for name, (deletion, insertion) in zip(names, found[: len(names)], strict=True):
                gap = (by_chance[0] - deletion + insertion - by_chance[1]) / 2
                scores.gaps.setdefault(name, []).append(float(gap))


def controls(read: ReadShots, shot: int, where: Flags) -> dict[str, Heat]:
    """What shows no network: name of the control -> (size, size) >= 0. where: as of the case."""
    square, good = read.squares[shot], read.good[shot]
    centre = (float(read.centre[shot][0]), float(read.centre[shot][1]))
    logs = np.log1p(np.maximum(square, 0)) * good
    over = logs - np.log1p(np.maximum(ring_medians(square, good, centre), 0)) * good
    excess = gaussian_filter(over, SMOOTH * len(square))
    above = np.maximum(excess, 0).astype(np.float32)
    return {"brightness": logs, "excess": above, "place": logs * where}


def _on_square(case: Case, reader: Reader) -> Case:
    """A case as the network sees it: the same planes on (size, size)."""
    steps, full = reader.about.preprocessing, np.float32(1000)
    planes = [steps.reduce(plane * full, None) > full / 2 for plane in (case.good, case.where)]
    return Case(case.kind, case.question, case.counts, planes[0], planes[0] & planes[1])


def _unlearnt(reader: Reader, seed: int) -> networks.Network:
    recipe = reader.about.recipe
    torch.manual_seed(seed)
    return networks.create(
        recipe.network, reader.about.channels, len(reader.names), recipe.activation, recipe.alpha,
        recipe.leak, fine_maps=recipe.fine_maps, half_turn=recipe.half_turn,
    )  # fmt: skip


def _simulated(seed: int) -> list[tuple[Counts, Flags]]:
    """Shots as of one more file: counts and good pixels."""
    recipe = SimulationRecipe(SHUFFLED, seed)
    good, wanted = recipe.detector.good(), targets(recipe)
    return [(make_shot(recipe, i, int(wanted[i])).counts, good) for i in range(SHUFFLED)]


def _scale_of(made: Sequence[tuple[Counts, Flags]], reader: Reader) -> FileScale | None:
    """Of shots in memory; None where the network takes all counts alike."""
    steps = reader.about.preprocessing
    if steps.scale is None:
        return None
    looks = (look_at(*steps.reduced_with_mask(steps.prepare(*each))) for each in made)
    found = scale_of([look for look in looks if look is not None])
    return FileScale(found.pedestal, found.level)


def _summary(scores: _Scores, best: str, study: TruthStudy) -> dict[str, Any]:
    fallback = scores.show(best)
    rows: dict[str, Any] = {}
    for name, values in scores.by_name.items():
        low, high = interval_of_mean(values, study.seed)
        rows[name] = {
            "mean": float(np.mean(values)), "low": low, "high": high,
            "share": float(np.mean(scores.shares[name])),
            "cold": sum(scores.cold[name]), "gap": None,
        }  # fmt: skip
        if gaps := scores.gaps.get(name):
            low, high = interval_of_mean(gaps, study.seed)
            rows[name] |= {
                "gap": float(np.mean(gaps)), "gap_low": low, "gap_high": high, "deleted": len(gaps),
            }  # fmt: skip
    return {"cases": scores.cases, "tried": scores.tried, "fallback": fallback, "scores": rows}


def _result(
    reader: Reader,
    wanted: tuple[str, ...],
    asked: dict[str, dict[str, _Scores]],
    study: TruthStudy,
) -> dict[str, Any]:
    best, unseen = {}, []
    found: dict[str, dict[str, Any]] = {}
    for name in wanted:
        if name not in asked:
            unseen.append(why_no_cause(name, reader.about.taxonomy))
            continue
        first = next(iter(asked[name].values()))
        if not first.cases:
            tried = first.tried
            unseen.append(f"{name}: the network took none of {tried} simulated shots for it.")
        elif able := {f: m for f in study.forms if (m := _above_random(first, f)) > 0}:
            best[name] = max(able, key=lambda form: able[form])
        else:
            unseen.append(f"{name}: {NO_MORE}")
        found[name] = {
            question: _summary(scores, best.get(name, ""), study)
            for question, scores in asked[name].items()
        }
    return {
        "classes": found, "best": best, "unseen": unseen, "forms": list(study.forms),
        "seed": study.seed, "network": reader.about.network, "composites": _composites(found, best),
    }  # fmt: skip


def _above_random(scores: _Scores, form: str) -> float:
    """The score of a form; 0 where it is not higher by LEAST where the network has learnt."""
    blank = scores.by_name[f"{form}, random weights"]
    mean = float(np.mean(scores.by_name[form]))
    return mean if mean > float(np.mean(blank)) + LEAST else 0.0


def _composites(found: dict[str, Any], best: dict[str, str]) -> float | None:
    """Mean over the classes of the best form's score on halves; None without any."""
    halves = [
        questions["half"]["scores"][best[name]]["mean"]
        for name, questions in found.items()
        if name in best and "half" in questions
    ]
    return float(np.mean(halves)) if halves else None
