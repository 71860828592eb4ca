"""The truth benchmark: does heat lie where the cause of a class is known to be?

On simulated shots (`truth_cases`) that the network takes for the class, every form of heat is
scored beside controls that know nothing of the class:

- ``brightness``: log counts; ``excess``: log counts over the median of their ring. No network.
- ``random weights``: the same forms of a network of the same build that learnt nothing. A form
  that scores there as it does on the run shows the shot and not the network (Adebayo et al., 2018).
- ``shuffled labels``: the same forms of the run's body with a head that learnt the run's own
  answers, dealt to other shots: what can be learnt by heart and means nothing.
- ``another class``: the same forms, asked for a class drawn by chance.

Scores: ``axis``, the share of heat near the ridge over the share of area there (1: anywhere, 4.5:
all of it); ``half`` and ``difference``, the area under the ROC curve of heat as a sign of the place
(.5: anywhere, 1: there and nowhere else). All on good pixels alone.
"""

from __future__ import annotations

import copy
import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from scipy.ndimage import gaussian_filter
from scipy.stats import rankdata

from model.errors import InputError
from model.events import Event, event
from model.heatmaps.forms import HEAT_FORMS
from model.heatmaps.geometry import Heat
from model.heatmaps.truth_table import is_result
from model.inspection.faithfulness import areas, curves
from model.inspection.heat import Explainer
from model.inspection.occlusion import envelope_of, ring_medians
from model.inspection.perturbed_shots import Reader, ReadShots, one_of
from model.inspection.truth_cases import CAUSES, Case, cases, cause_of
from model.networks import architectures as networks
from model.output_files import check_own, need_folder, write_text
from model.preprocessing.count_scale import CountScale, look_at, scale_of
from model.simulate.shot import SimulationRecipe, make_shot, targets
from model.taxonomy import decoding

Flags = npt.NDArray[np.bool_]
Counts = npt.NDArray[Any]
BLOCK = 16
"""Cases that are read at a time."""
PATIENCE = 3
"""Simulated shots for each one that the network has to take for the class."""
DELETED = 4
"""Shots of a class on which deletion and insertion are measured too: they take the longest."""
CONTROLLED = 10
"""Cases of each question on which networks that learnt nothing are asked too."""
SHUFFLED = 64
"""Simulated shots from which a head learns shuffled labels."""
DECAY = 1e-3
"""Of the weights of that head."""
DRAWS = 1000
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
    gaps: dict[str, list[float]] = field(default_factory=dict)
    """Deletion and insertion against chance."""

    def add(self, name: str, heat: Heat, case: Case) -> None:
        self.by_name.setdefault(name, []).append(score(heat, case))
        on = heat[case.good]
        share = float(on[case.where[case.good]].sum() / max(float(on.sum()), 1e-12))
        self.shares.setdefault(name, []).append(share)


def measure(
    run: Path,
    study: TruthStudy,
    out: Path | None = None,
    stop: Callable[[], bool] = lambda: False,
) -> Iterator[Event]:
    """Score every form of heat of a run; yields progress, then `finished`.

    Its `classes`: name -> question -> `cases` (taken for the class), `tried`, and `scores`:
    name of form or control -> `mean`, `low`, `high` (95 %), `share` of the heat at the place, and
    for forms `gap`, how much sooner the class goes by deletion and comes by insertion than by
    chance (None where not measured). `best`: class -> form, by the first question of each class;
    `unseen`: sentences on classes that cannot be measured.
    With `out`, the result is written there as JSON.
    Raises InputError for a run of correlation maps, a place that cannot be written, and where no
    class has a known cause.
    """
    if out is not None:
        need_folder(out)
        check_own(out, [], is_result)
    reader = Reader(run)
    if reader.about.preprocessing.input != "pattern":
        mend = "Choose a run that looks at the patterns themselves."
        raise InputError("truth is about places on the detector", mend=mend)
    for name in study.classes:
        reader.index(name)
    wanted = study.classes or reader.names
    known = {name: cause for name in wanted if (cause := cause_of(name)) is not None}
    if not known:
        mend = f"Classes with a known cause are: {', '.join(CAUSES)}."
        raise InputError("the simulator knows no cause of these classes", mend=mend)
    bench = _Bench(reader, study)
    asked = [(name, question) for name, (_, c) in known.items() for question in c.questions]
    found: dict[str, dict[str, Any]] = {}
    for place, (name, question) in enumerate(asked):
        scores, ever = _Scores(), cases(known[name][0], question, study.seed)
        first = question == known[name][1].questions[0]
        enough = study.cases if first else -(-study.cases // 2)
        while scores.cases < enough and scores.tried < PATIENCE * enough:
            if stop():
                yield event("cancelled", text="Stopped; nothing was kept.")
                return
            done = round(100 * (place + scores.cases / enough))
            yield event("progress", what=f"{name}: {question}", done=done, total=100 * len(asked))
            bench.ask(list(islice(ever, BLOCK)), reader.index(name), scores)
        found.setdefault(name, {})[question] = _summary(scores, study)
    result = _result(reader, wanted, found, study)
    if out is not None:
        write_text(out, json.dumps(result, indent=1))
    yield event("finished", metrics={}, **result)


def score(heat: Heat, case: Case) -> float:
    """How well heat (y, x) shows the place of a case; 1 or .5 where there is no heat at all."""
    values, there = heat[case.good], case.where[case.good]
    if case.question == "axis":
        whole = float(values.sum())
        return float(values[there].sum()) / whole / float(there.mean()) if whole > 0 else 1.0
    ranks, n = rankdata(values), int(there.sum())
    return float((ranks[there].sum() - n * (n + 1) / 2) / (n * (len(there) - n)))


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

    def _read(self, shots: Sequence[tuple[Counts, Flags]]) -> ReadShots:
        return self.reader.read_shots(
            (i, counts, good, None, self.scale) for i, (counts, good) in enumerate(shots)
        )

    def _shuffled(self, made: Sequence[tuple[Counts, Flags]]) -> networks.Network:
        """The run's network with a head that learnt its own answers, dealt to other shots."""
        read = self._read(made)
        answers = torch.from_numpy(self.random.permutation(read.decided).astype(np.float32))
        embeddings = torch.from_numpy(read.features.mean((-2, -1)))
        network = copy.deepcopy(self.reader.network)
        linear = network.head.linear
        linear.requires_grad_(True)
        steps = torch.optim.LBFGS(linear.parameters(), max_iter=50)

        def loss() -> float:
            steps.zero_grad()
            with torch.enable_grad():
                entropy = torch.nn.functional.binary_cross_entropy_with_logits
                found = entropy(linear(embeddings), answers) + DECAY * linear.weight.square().sum()
                found.backward()  # type: ignore[no-untyped-call]
            return float(found.detach())

        steps.step(loss)  # type: ignore[no-untyped-call]
        return network.requires_grad_(False)

    def ask(self, block: list[Case], kind: int, scores: _Scores) -> None:
        """Add the scores of those cases that the network takes for the class."""
        read = self._read([(c.counts, c.good) for c in block])
        for i in np.flatnonzero(read.decided[:, kind]):
            self._one(_on_square(block[i], self.reader), read, int(i), kind, scores)
            scores.cases += 1
        scores.tried += len(block)

    def _one(self, case: Case, read: ReadShots, shot: int, kind: int, scores: _Scores) -> None:
        forms, classes = self.study.forms, len(self.reader.names)
        each = np.eye(classes, dtype=np.float32)
        other = (kind + 1 + int(self.random.integers(classes - 1))) % classes
        found = self.learnt.on_square(read, shot, each[[kind, other]], forms)
        for form in forms:
            scores.add(form, found[form][0], case)
            scores.add(f"{form}, another class", found[form][1], case)
        if scores.cases < CONTROLLED:
            for name, blank in self.nothing.items():
                mine = blank.reread(one_of(read, shot))
                drawn = blank.on_square(mine, 0, each[[kind]], forms)
                for form in forms:
                    scores.add(f"{form}, {name}", drawn[form][0], case)
        for name, heat in controls(read, shot).items():
            scores.add(name, heat, case)
        if self.study.deletion and scores.cases < DELETED and case.question != "half":
            self._delete(read, shot, kind, {form: found[form][0] for form in forms}, scores)

    def _delete(
        self, read: ReadShots, shot: int, kind: int, heats: dict[str, Heat], scores: _Scores
    ) -> None:
        h, w = read.features.shape[-2:]
        chance = self.reader.on_square(self.random.random((h, w)).astype(np.float32))
        found = areas(
            curves(
                lambda squares: decoding.sigmoid(self.reader.logits(squares)[:, kind]),
                read.squares[shot],
                envelope_of(read, shot),
                read.good[shot],
                [*heats.values(), chance],
            )
        )  # fmt: skip
        for name, (deletion, insertion) in zip(heats, found[:-1], strict=True):
            gap = (found[-1, 0] - deletion + insertion - found[-1, 1]) / 2
            scores.gaps.setdefault(name, []).append(float(gap))


def controls(read: ReadShots, shot: int) -> dict[str, Heat]:
    """What shows no network: name of the control -> (size, size) >= 0."""
    square, good = read.squares[shot], read.good[shot]
    centre = (float(read.centre[shot][0]), float(read.centre[shot][1]))
    logs = np.log1p(np.maximum(square, 0)) * good
    over = logs - np.log1p(np.maximum(ring_medians(square, good, centre), 0)) * good
    excess = gaussian_filter(over, SMOOTH * len(square))
    return {"brightness": logs, "excess": np.maximum(excess, 0).astype(np.float32)}


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
        recipe.leak, fine_maps=recipe.fine_maps,
    )  # fmt: skip


def _simulated(seed: int) -> list[tuple[Counts, Flags]]:
    """Shots as of one more file: counts and good pixels."""
    recipe = SimulationRecipe(SHUFFLED, seed)
    good, wanted = recipe.detector.good(), targets(recipe)
    return [(make_shot(recipe, i, int(wanted[i])).counts, good) for i in range(SHUFFLED)]


def _scale_of(made: Sequence[tuple[Counts, Flags]], reader: Reader) -> CountScale | None:
    """Of shots in memory; None where the network takes all counts alike."""
    steps = reader.about.preprocessing
    if steps.scale is None:
        return None
    looks = (look_at(*steps.reduced_with_mask(steps.prepare(*each))) for each in made)
    return scale_of([look for look in looks if look is not None])


def _summary(scores: _Scores, study: TruthStudy) -> dict[str, Any]:
    rows: dict[str, Any] = {}
    for name, values in scores.by_name.items():
        each = np.array(values)
        draws = np.random.default_rng(study.seed).integers(0, len(each), (DRAWS, len(each)))
        low, high = np.quantile(each[draws].mean(1), [0.025, 0.975])
        gap = scores.gaps.get(name)
        rows[name] = {
            "mean": float(each.mean()), "low": float(low), "high": float(high),
            "share": float(np.mean(scores.shares[name])),
            "gap": None if gap is None else float(np.mean(gap)),
        }  # fmt: skip
    return {"cases": scores.cases, "tried": scores.tried, "scores": rows}


def _result(
    reader: Reader, wanted: tuple[str, ...], found: dict[str, Any], study: TruthStudy
) -> dict[str, Any]:
    best, unseen = {}, []
    for name in wanted:
        if name not in found:
            unseen.append(f"{name}: the simulator knows no place on the detector that makes it.")
            continue
        first = next(iter(found[name].values()))
        if not first["cases"]:
            tried = first["tried"]
            unseen.append(f"{name}: the network took none of {tried} simulated shots for it.")
            continue
        best[name] = max(study.forms, key=lambda form: first["scores"][form]["mean"])
    return {
        "classes": found, "best": best, "unseen": unseen, "forms": list(study.forms),
        "seed": study.seed, "network": reader.about.network, "composites": _composites(found, best),
    }  # fmt: skip


def _composites(found: dict[str, Any], best: dict[str, str]) -> float | None:
    """Mean over the classes of the best form's score on halves; None without any."""
    halves = [
        questions["half"]["scores"][best[name]]["mean"]
        for name, questions in found.items()
        if name in best and "half" in questions
    ]
    return float(np.mean(halves)) if halves else None
